"""Claims of Chen, Cao, Zou and Gu 2019: how much overparameterisation suffices for deep ReLU networks."""

from __future__ import annotations

from widthwise.atlas import chen2019_condition, chen2019_descent, chen2019_margin, chen2019_width

CLAIMS = (*chen2019_width.CLAIMS, *chen2019_condition.CLAIMS, *chen2019_margin.CLAIMS, *chen2019_descent.CLAIMS)
