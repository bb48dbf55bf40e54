"""Atlas: published claims as experiments with hypotheses, predictions, measurements, controls and verdicts.

`claims()` lists them, `run(key, data=..., scale=..., seed=...)` runs one; `Claim` and what it is made of are for new ones.
"""

from widthwise.atlas.claim import Axes, Claim, Finding, Hypothesis
from widthwise.atlas.criteria import Equality, Existence, Exponent, Ordering, Sufficient, UpperBound
from widthwise.atlas.experiment import run, run_claim
from widthwise.atlas.registry import claims
from widthwise.atlas.trial import Curve, Evidence, Rows, Settings, Trial
from widthwise.atlas.verdict import Verdict

__all__ = [
    "Axes",
    "Claim",
    "Curve",
    "Equality",
    "Evidence",
    "Existence",
    "Exponent",
    "Finding",
    "Hypothesis",
    "Ordering",
    "Rows",
    "Settings",
    "Sufficient",
    "Trial",
    "UpperBound",
    "Verdict",
    "claims",
    "run",
    "run_claim",
]
