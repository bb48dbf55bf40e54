"""A deviation next to zero is right, although its mean less three standard errors is below zero."""

from __future__ import annotations

from widthwise.atlas import Equality
from widthwise.atlas.criteria import judge


def test_small_deviations_hold_whatever_their_spread_below_the_tolerance() -> None:
    assert judge(Equality(0.05), [0.0, 0.0, 0.0156]) == "holds"
    assert judge(Equality(0.05), [0.0, 0.0, 0.09]) == "inconclusive"
    assert judge(Equality(0.05), [0.2, 0.21, 0.19]) == "does not hold"
