"""Errors with intervals: of rows, of rows in groups, and balanced over classes that differ in size."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from widthwise import theory
from widthwise.audits.table import Score
from widthwise.datasets import Dataset

# Classes are imbalanced where the largest has at least this many times the rows of the smallest: guessing the largest then
# errs by 1/3 where a balanced guess errs by 1/2.
IMBALANCE = 2.0


def score(ds: Dataset, losses: Float[np.ndarray, " n"], groups: Int[np.ndarray, " n"] | None = None) -> Score:
    """Error rate with its Wilson interval, or root mean square error with that of the mean square; with groups, `grouped_score`."""
    if groups is not None:
        return grouped_score(ds, losses, groups)
    if ds.task == "classification":
        share = theory.wilson(int(losses.sum()), len(losses))
        return Score(value=share.value, low=share.low, high=share.high)
    mean = float(losses.mean())
    spread = theory.NORMAL_95 * float(losses.std(ddof=1)) / math.sqrt(len(losses)) if len(losses) > 1 else 0.0
    return _root(mean, spread)


def grouped_score(ds: Dataset, losses: Float[np.ndarray, " n"], groups: Int[np.ndarray, " n"]) -> Score:
    """The same for rows that come in groups: the interval is that of as many independent rows as the groups are worth.

    An error rate p of standard error s (`theory.grouped_mean`) is worth p (1 - p) / s^2 rows; where s is 0, as many as there
    are groups.
    """
    if ds.task == "regression":
        found = theory.grouped_mean(losses, groups)
        return _root(found.value, theory.NORMAL_95 * found.error)
    return _grouped_share(losses, groups)


def _grouped_share(losses: Float[np.ndarray, " n"], groups: Int[np.ndarray, " n"]) -> Score:
    """The error rate of `grouped_score`; rows of a single group are worth one row."""
    p, rows = float(losses.mean()), 1.0
    if np.any(groups != groups[0]):
        found = theory.grouped_mean(losses, groups)
        rows = p * (1 - p) / found.error**2 if found.error > 0 and 0 < p < 1 else float(found.groups)
    z2 = theory.NORMAL_95**2
    centre, scale = p + z2 / (2 * rows), 1 + z2 / rows
    spread = theory.NORMAL_95 * math.sqrt(p * (1 - p) / rows + z2 / (4 * rows**2))
    # At 0 and 1 the ends are exactly that; rounding must not leave them a hair away.
    low = 0.0 if p == 0 else max(0.0, (centre - spread) / scale)
    return Score(value=p, low=low, high=1.0 if p == 1 else min(1.0, (centre + spread) / scale))


def imbalanced(counts: Sequence[int]) -> bool:
    """Whether the largest class has at least twice the rows of the smallest."""
    return bool(counts) and max(counts) >= IMBALANCE * max(min(counts), 1)


def balanced(
    ds: Dataset,
    losses: Float[np.ndarray, " n"],
    *,
    wanted: bool | None = None,
    groups: Int[np.ndarray, " n"] | None = None,
) -> Score | None:
    r"""Mean over classes of their error rates, where classes are imbalanced; None elsewhere.

    The interval joins the Wilson intervals [l_c, u_c] of the k classes by the method of variance estimates recovered:
    :math:`\bar p - k^{-1}\sqrt{\sum (p_c - l_c)^2}` and :math:`\bar p + k^{-1}\sqrt{\sum (u_c - p_c)^2}`. Classes without a row
    do not count.

    Args:
        ds: the rows and their classes.
        losses: one for a wrong class.
        wanted: whether classes are imbalanced, where other rows decide that.
        groups: of the rows; intervals then count groups.

    References:
        :cite:t:`zou2008`.
    """
    if ds.task != "classification" or not (imbalanced(class_counts(ds)) if wanted is None else wanted):
        return None
    of_class = [ds.y == c for c in np.unique(ds.y) if c < len(ds.classes)]
    shares = [
        theory.wilson(int(losses[rows].sum()), int(rows.sum()))
        if groups is None
        else _grouped_share(losses[rows], groups[rows])
        for rows in of_class
    ]
    k = len(shares)
    value = sum(s.value for s in shares) / k
    low = value - math.sqrt(sum((s.value - s.low) ** 2 for s in shares)) / k
    high = value + math.sqrt(sum((s.high - s.value) ** 2 for s in shares)) / k
    return Score(value=value, low=max(0.0, low), high=min(1.0, high))


def class_counts(ds: Dataset) -> tuple[int, ...]:
    """Rows of each class; empty for numbers."""
    if not ds.classes:
        return ()
    return tuple(int(c) for c in np.bincount(ds.y.astype(np.intp), minlength=len(ds.classes)))


def row_losses(ds: Dataset, predicted: Int[np.ndarray, " n"] | Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Loss of each row: one for a wrong class, the squared error of a number."""
    if ds.task == "classification":
        return np.asarray(predicted != ds.y, dtype=np.float64)
    return np.asarray((predicted - ds.y) ** 2)


def _root(mean: float, spread: float) -> Score:
    return Score(value=math.sqrt(mean), low=math.sqrt(max(mean - spread, 0.0)), high=math.sqrt(mean + spread))
