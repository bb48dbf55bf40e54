r"""Errors of rows that are not independent: a mean over groups with its standard error, and what the future costs.

Rows of a group (a patient, a day) share what their features do not show. A mean over rows is then as certain as the number of
groups makes it, not the number of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import scipy.linalg
from jaxtyping import Float, Int

from widthwise._checks import columns, square
from widthwise.errors import DataError, UsageError


@dataclass(frozen=True, kw_only=True)
class GroupedMean:
    """A mean over rows that come in groups.

    Attributes:
        value: mean over rows.
        error: its standard error, groups independent.
        groups: number of groups.
    """

    value: float
    error: float
    groups: int


def grouped_mean(values: Float[np.ndarray, " n"], groups: Int[np.ndarray, " n"]) -> GroupedMean:
    r"""Mean over rows, with the standard error that independent groups give it.

    The mean is the ratio :math:`\bar v = \sum_g S_g / \sum_g n_g` of group sums and group sizes. To first order its error is
    that of :math:`\sum_g (S_g - \bar v n_g) / n`, a sum of independent terms of mean zero, so

    .. math:: \mathrm{SE}^2 = \frac{G}{G - 1}\,\frac{1}{n^2} \sum_{g=1}^G (S_g - \bar v\, n_g)^2 .

    Groups of one row each give the usual :math:`s / \sqrt n`.

    Args:
        values: one for each row, such as the difference of two losses.
        groups: label of each row's group.

    Raises:
        DataError: if values and groups have different lengths.
        UsageError: if there is one group only.
    """
    if len(values) != len(groups):
        raise DataError(f"groups must name each of the {len(values)} rows; {len(groups)} came")
    place = np.unique(groups, return_inverse=True)[1].reshape(-1)
    sizes = np.bincount(place)
    if len(sizes) < 2:
        raise UsageError("a standard error over groups needs at least two groups; one came")
    mean = float(np.mean(values))
    spread = np.bincount(place, weights=values) - mean * sizes
    error = np.sqrt(len(sizes) / (len(sizes) - 1) * np.sum(spread**2)) / len(values)
    return GroupedMean(value=mean, error=float(error), groups=len(sizes))


def random_past(
    K: Float[np.ndarray, "n n"],
    y: Float[np.ndarray, " n"] | Float[np.ndarray, "n k"],
    *,
    ridge: float,
    starts: Sequence[int] | Int[np.ndarray, " b"],
    parts: int = 4,
    seed: int,
) -> Float[np.ndarray, "m k"]:
    """What `forward_blocks` would predict if time did not matter: the same rows, as many training rows, drawn from all times.

    Each block is cut at random into parts; a part is predicted by kernel ridge regression on as many rows as lie before the
    block, drawn from all rows but the part. The difference of the two errors is then the cost of time alone, not that of fewer
    rows. Targets are centred by the mean of the rows that are trained on.

    Args:
        K: kernel matrix of all rows, in the order of time.
        y: targets, one column for each output.
        ridge: at least zero, in the units of K.
        starts: first row of each block after the first, increasing, between 1 and n - 1.
        parts: of each block.
        seed: of the draws.

    Returns:
        Predictions of the rows from the first start on, in the units of y.

    Raises:
        DataError: if the shapes do not fit.
        UsageError: if the starts do not increase within the rows.
    """
    square(K)
    n = len(K)
    Y = columns(y, n)
    cuts = [int(s) for s in starts]
    if not cuts or cuts[0] < 1 or cuts[-1] >= n or any(b <= a for a, b in pairwise(cuts)):
        raise UsageError(f"starts must increase from at least 1 to at most {n - 1}; {cuts} came")
    rng = np.random.default_rng(seed)
    found = np.empty((n - cuts[0], Y.shape[1]))
    for start, stop in pairwise([*cuts, n]):
        block = rng.permutation(np.arange(start, stop))
        for part in np.array_split(block, min(parts, len(block))):
            others = np.setdiff1d(np.arange(n), part)
            past = rng.choice(others, size=min(start, len(others)), replace=False)
            mean = Y[past].mean(axis=0)
            shifted = K[np.ix_(past, past)]
            shifted[np.diag_indices(len(past))] += ridge
            weights = scipy.linalg.solve(shifted, Y[past] - mean, assume_a="pos", overwrite_a=True, check_finite=False)
            found[part - cuts[0]] = K[np.ix_(part, past)] @ weights + mean
    return found
