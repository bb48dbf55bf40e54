"""Claims of Allen-Zhu, Li and Liang 2018: what networks of two and of three layers can learn, and kernels cannot."""

from __future__ import annotations

from widthwise.atlas.allenzhu2018_comparison import COMPARISON
from widthwise.atlas.allenzhu2018_concepts import CONCEPTS
from widthwise.atlas.allenzhu2018_coupling import COUPLING
from widthwise.atlas.allenzhu2018_landscape import LANDSCAPE
from widthwise.atlas.allenzhu2018_practice import PRACTICE

CLAIMS = (*COMPARISON, *PRACTICE, *CONCEPTS, *COUPLING, *LANDSCAPE)
