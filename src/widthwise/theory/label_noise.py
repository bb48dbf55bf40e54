"""Which labels deserve a look: margins of held-out predictions, disagreement, conflicts, and what they cannot tell.

Nothing here separates label noise from class overlap: from features alone that cannot be done unless the classes
separate, and `separation` states the test that is used.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from widthwise._checks import columns, count
from widthwise.datasets import first_rows
from widthwise.errors import UsageError

# Standard normal quantile of a two-sided 95 % interval.
NORMAL_95 = 1.959963984540054
# Classes are called separate below this share of rows near the boundary and above this share explained; measured on
# fifteen data sets, see docs/decisions/0003-when-classes-separate.md.
MOST_AMBIGUOUS = 0.075
LEAST_EXPLAINED = 0.25
# Nor are they where more than this share of what guessing the commonest class misses disagrees.
MOST_OF_GUESSING = 0.5


@dataclass(frozen=True, kw_only=True, eq=False)
class Margins:
    """How held-out scores see the given labels.

    Attributes:
        margin: half the score of the given class minus that of the best other one; 1 where the coded labels are met,
            negative where another class is preferred.
        suggested: the class with the highest score.
    """

    margin: Float[np.ndarray, " n"]
    suggested: Int[np.ndarray, " n"]

    @property
    def order(self) -> Int[np.ndarray, " n"]:
        """Rows from the most doubtful label to the least."""
        return np.argsort(self.margin, kind="stable")


@dataclass(frozen=True, kw_only=True)
class Proportion:
    """A share of rows with its 95 % Wilson interval.

    Attributes:
        value: the share, in [0, 1].
        low: lower end.
        high: upper end.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Separation:
    """Whether the classes separate, so that a disagreeing label is more likely wrong than ambiguous.

    Attributes:
        ambiguous: share of rows whose margin lies within a quarter of the median absolute margin around zero.
        explained: share of the variance of the coded labels that held-out scores explain.
        guessing: share of the rows that are not of the commonest class.
        separate: ambiguous at most 7.5 %, explained at least 25 %, and at most half as many disagreeing rows as guessing misses.
        confident: share of the rows with a negative margin that lie beyond half the median absolute margin on the other
            side, where flipped labels lie and ambiguous rows do not; 0 where there are no such rows.
    """

    ambiguous: float
    explained: float
    guessing: float
    separate: bool
    confident: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Conflicts:
    """Rows with equal features and different targets.

    Attributes:
        groups: rows of each group of equal features that holds more than one target, in order of first appearance.
        floor: the error that no model on these features can avoid on these rows: error rate for classes, root mean
            square for numbers.
        duplicates: rows that repeat an earlier row, features and target.
    """

    groups: tuple[Int[np.ndarray, " _"], ...]
    floor: float
    duplicates: int


def margins(scores: Float[np.ndarray, "n classes"], labels: Int[np.ndarray, " n"]) -> Margins:
    """Margins of held-out scores, one column for each class, in the coding -1 / +1.

    Two classes coded in one column are `column_stack([-s, s])` here.
    """
    rows = np.arange(len(labels))
    own = scores[rows, labels]
    others = np.array(scores, dtype=np.float64)
    others[rows, labels] = -np.inf
    return Margins(margin=(own - others.max(axis=1)) / 2.0, suggested=np.argmax(scores, axis=1))


def wilson(successes: int, n: int, *, quantile: float = NORMAL_95) -> Proportion:
    r"""Share of rows with its Wilson score interval, 95 % unless another quantile is given.

    .. math:: \frac{p + z^2/2n \pm z\sqrt{p(1-p)/n + z^2/4n^2}}{1 + z^2/n}

    Args:
        successes: rows that count.
        n: rows in all.
        quantile: z, of the standard normal distribution.

    Raises:
        UsageError: if there are no rows, or more successes than rows.

    References:
        :cite:t:`wilson1927`.
    """
    count(n, "n")
    if not 0 <= successes <= n:
        raise UsageError(f"successes must lie between 0 and {n}; {successes!r} came")
    share, z2 = successes / n, quantile**2
    centre = share + z2 / (2 * n)
    spread = quantile * np.sqrt(share * (1 - share) / n + z2 / (4 * n**2))
    scale = 1 + z2 / n
    # At 0 and n successes the ends are exactly 0 and 1; rounding must not leave them a hair away.
    low = 0.0 if successes == 0 else (centre - spread) / scale
    high = 1.0 if successes == n else (centre + spread) / scale
    return Proportion(value=share, low=float(low), high=float(high))


def disagreement(margin: Float[np.ndarray, " n"]) -> Proportion:
    """Share of rows whose label another class beats, with an interval for the share of wrong labels.

    The upper end is that of the 95 % Wilson interval of all disagreeing rows: a wrong label is contradicted, but so is a
    right one where classes overlap. The lower end is that of the rows that disagree clearly, by more than half the median
    absolute margin: where classes separate, flipped labels lie there and ambiguous rows do not. Where they overlap, only
    the upper end means anything.

    Args:
        margin: of the given labels, from `margins`.
    """
    n = len(margin)
    every = wilson(int(np.count_nonzero(margin < 0)), n)
    clear = wilson(int(np.count_nonzero(margin < -np.median(np.abs(margin)) / 2.0)), n)
    return Proportion(value=every.value, low=clear.low, high=every.high)


def separation(
    margin: Float[np.ndarray, " n"], y: Float[np.ndarray, "n k"], predictions: Float[np.ndarray, "n k"]
) -> Separation:
    """Test whether the classes separate.

    Where they do, held-out margins have two modes and a gap at zero, whatever the share of flipped labels; where they
    overlap, margins run through zero. Scores that explain next to nothing have no margins to speak of, and fail; so do scores
    that know little more than which class is the commonest: their margins may have a gap as well, with a rare class beyond it.

    Args:
        margin: of the given labels, from `margins`.
        y: coded labels.
        predictions: held-out scores in the same coding.
    """
    size = np.abs(margin)
    ambiguous = float(np.mean(size <= np.median(size) / 4.0))
    doubtful = margin[margin < 0]
    confident = float(np.mean(doubtful < -np.median(size) / 2.0)) if len(doubtful) else 0.0
    spread = float(np.sum((y - y.mean(axis=0)) ** 2))
    explained = 1.0 - float(np.sum((y - predictions) ** 2)) / spread if spread > 0 else 0.0
    counts = np.unique(columns(y, len(margin)), axis=0, return_counts=True)[1]
    guessing = 1.0 - float(counts.max()) / len(margin)
    return Separation(
        ambiguous=ambiguous,
        explained=explained,
        guessing=guessing,
        separate=ambiguous <= MOST_AMBIGUOUS
        and explained >= LEAST_EXPLAINED
        and len(doubtful) / len(margin) <= MOST_OF_GUESSING * guessing,
        confident=confident,
    )


def conflicts(
    X: Float[np.ndarray, "n d"], y: Int[np.ndarray, " n"] | Float[np.ndarray, " n"], *, classes: bool
) -> Conflicts:
    """Rows that share their features exactly (0 and -0 are one) but not their target, and the error they force on every model.

    Args:
        X: features.
        y: class codes, or numbers.
        classes: whether y holds class codes.
    """
    group = np.unique(first_rows(X), return_inverse=True)[1]
    distinct = len(np.unique(np.column_stack([group, columns(np.asarray(y, dtype=np.float64), len(X))]), axis=0))
    found, lost = [], 0.0
    order = np.argsort(group, kind="stable")
    for rows in np.split(order, np.cumsum(np.bincount(group))[:-1]):
        targets = y[rows]
        if len(rows) < 2 or np.all(targets == targets[0]):
            continue
        found.append(np.sort(rows))
        if classes:
            lost += len(rows) - int(np.unique(targets, return_counts=True)[1].max())
        else:
            lost += float(np.sum((targets - targets.mean()) ** 2))
    found.sort(key=lambda rows: int(rows[0]))
    floor = lost / len(X) if classes else float(np.sqrt(lost / len(X)))
    return Conflicts(groups=tuple(found), floor=float(floor), duplicates=len(X) - distinct)
