"""Rows and labels as Arora et al. 2019 have them: their kernel, and what the theorems assume of both."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from widthwise.atlas.claim import Finding, Hypothesis
from widthwise.atlas.hypotheses import bounded_labels, no_parallel_rows, unit_norm_rows, unknowable
from widthwise.atlas.trial import Trial
from widthwise.kernels import HInf


def kernel(trial: Trial) -> Float[np.ndarray, "n n"]:
    """H-infinity of the training rows."""
    return np.asarray(HInf()(trial.rows.X))


def labels(trial: Trial) -> Float[np.ndarray, " n"]:
    """Targets as floats."""
    return np.asarray(trial.rows.y, dtype=np.float64)


def relabelled(y: Float[np.ndarray, " n"], p: float, draws: int, rng: np.random.Generator) -> Float[np.ndarray, "n k"]:
    """Each label redrawn with probability p as a fair coin, several times over."""
    redrawn = rng.random((len(y), draws)) < p
    return np.where(redrawn, rng.choice([-1.0, 1.0], (len(y), draws)), y[:, None])


def _signs(trial: Trial) -> Finding:
    signs = bool(np.all(np.abs(labels(trial)) == 1.0))
    return Finding("met" if signs else "unmet", "all of them" if signs else "targets are numbers")


sign_labels = Hypothesis("labels are -1 or +1", _signs)

wide_enough = unknowable(
    "the width is at least kappa^-2 poly(n, 1/lambda_0, 1/delta)", "the polynomial is not written down"
)

ROWS = (unit_norm_rows, bounded_labels, no_parallel_rows)
