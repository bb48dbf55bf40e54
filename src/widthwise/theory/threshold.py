r"""Where half of the trials succeed: a logistic curve through counts, with an interval that survives sharp steps.

.. math:: P(\text{success at } x) = \frac{1}{1 + e^{-s (x - x_{1/2})}}, \qquad s > 0

Counts often jump from no success to all of them between two neighbours. Then the likelihood has no maximum, an ordinary fit
runs away and its standard errors mean nothing; the profile likelihood of :math:`x_{1/2}` is as good as ever: flat between the
two neighbours, and falling beyond.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from widthwise.errors import DataError

# Half the 95 % quantile of chi squared with one degree of freedom.
HALF_CHI = 1.920729410347062
# Places between two neighbours, and slopes from a curve that takes all of the range to one that jumps within a hundredth of a gap.
PLACES, SLOPES, SHARPEST = 50, 40, 100.0
# Log-likelihoods within this of the best are called equal.
FLAT = 1e-3


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """Where a logistic curve passes through one half.

    Attributes:
        value: the place, in the units of x; the middle where the counts say only between which two it lies. Infinite where
            nothing succeeds, minus infinity where everything does.
        low: lower end of the 95 % interval by profile likelihood; minus infinity where the counts set none.
        high: upper end; infinite where the counts set none.
        slope: s of the best curve, over the units of x; at most the sharpest that is tried, which counts that jump reach.
    """

    value: float
    low: float
    high: float
    slope: float


def logistic_threshold(
    x: Float[np.ndarray, " w"], successes: Int[np.ndarray, " w"], trials: Int[np.ndarray, " w"]
) -> Threshold:
    """Fit a rising logistic curve to counts of successes.

    Args:
        x: two or more places, in any order.
        successes: at each of them.
        trials: at each of them, one or more.

    Raises:
        DataError: if there are fewer than two different places, or counts that cannot be.
    """
    places, won, tried = (np.asarray(v, dtype=np.float64) for v in (x, successes, trials))
    if len(np.unique(places)) < 2 or not np.isfinite(places).all():
        raise DataError(f"a threshold needs two different finite places or more; {len(np.unique(places))} came")
    if len(won) != len(places) or len(tried) != len(places):
        raise DataError(f"every place needs its counts; {len(places)}, {len(won)} and {len(tried)} came")
    if np.any(tried < 1) or np.any(won < 0) or np.any(won > tried):
        raise DataError("successes must lie between 0 and the trials, and trials be 1 or more")
    low, high = float(places.min()), float(places.max())
    span, gap = high - low, float(np.min(np.diff(np.unique(places))))
    grid = np.linspace(low - span, high + span, 3 * round(PLACES * span / gap) + 1)
    slopes = np.geomspace(1.0 / span, SHARPEST / gap, SLOPES)
    best = np.full(len(grid), -np.inf)
    steepness = np.zeros(len(grid))
    for slope in slopes:
        z = slope * (places[None, :] - grid[:, None])
        likelihood = -(won * np.logaddexp(0.0, -z) + (tried - won) * np.logaddexp(0.0, z)).sum(axis=1)
        better = likelihood > best
        best, steepness = np.where(better, likelihood, best), np.where(better, slope, steepness)
    top = float(best.max())
    inside = np.flatnonzero(best >= top - HALF_CHI)
    flat = np.flatnonzero(best >= top - FLAT)
    chosen = int(flat[len(flat) // 2])
    everything, nothing = bool(np.all(won == tried)), bool(np.all(won == 0))
    return Threshold(
        value=-np.inf if everything else np.inf if nothing else float((grid[flat[0]] + grid[flat[-1]]) / 2.0),
        low=-np.inf if inside[0] == 0 else float(grid[inside[0]]),
        high=np.inf if inside[-1] == len(grid) - 1 else float(grid[inside[-1]]),
        slope=float(steepness[chosen]),
    )
