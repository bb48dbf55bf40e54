"""What makes a claim hold: each trial gives one number, and an interval says which numbers are right.

The mean over seeds is judged with a margin of three standard errors, so that what is called right or wrong is so beyond
chance. The interval is part of the claim and fixed before the run.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
from scipy import stats

from widthwise.atlas.trial import Curve, Evidence
from widthwise.errors import UsageError

MARGIN = 3.0
FEWEST_SEEDS = 3
Outcome = Literal["holds", "does not hold", "direction only", "inconclusive"]


@runtime_checkable
class Criterion(Protocol):
    """How prediction and measurement are compared.

    `kind` is the type of claim it serves; `low` and `high` bound the right values of the statistic.
    """

    kind: ClassVar[str]

    @property
    def low(self) -> float:
        """Least right value."""

    @property
    def high(self) -> float:
        """Largest right value."""

    def statistic(self, predicted: Evidence, measured: Evidence) -> float:
        """The number of one trial."""

    def says(self) -> str:
        """The threshold in words."""

    def chance(self, curves: int, points: int, seeds: int) -> float:
        """Probability of a verdict "holds" by chance where the claim is just false."""


def _students(seeds: int) -> float:
    """Probability that a mean is further than the margin beyond the threshold, for normal errors."""
    return float(stats.t.sf(MARGIN, seeds - 1)) if seeds > 1 else 0.5


@dataclass(frozen=True)
class Equality:
    r"""E: what is predicted is measured, up to a tolerance.

    .. math:: \max_{j} |q_j - p_j| \,/\, s \le \text{tolerance}

    over the points j of all curves; s is :math:`|p_j|`, or the largest of the curve where `of_largest`.

    Attributes:
        tolerance: largest right deviation.
        of_largest: relative to the largest value of the curve.
        since: points with smaller x are drawn but not judged: a limit says nothing of small widths.
    """

    tolerance: float
    of_largest: bool = False
    since: float = -math.inf
    kind: ClassVar[str] = "E"

    @property
    def low(self) -> float:
        """No lower limit: a deviation is never below zero, however wide its error bar."""
        return -math.inf

    @property
    def high(self) -> float:
        """The tolerance."""
        return self.tolerance

    def statistic(self, predicted: Evidence, measured: Evidence) -> float:
        """Largest relative deviation."""
        worst = 0.0
        for p, q in pairs(predicted, measured):
            size = np.full_like(p.y, np.max(np.abs(p.y))) if self.of_largest else np.abs(p.y)
            judged = p.x >= self.since
            if not judged.any():
                raise UsageError(
                    f"no point of {p.label!r} is at {self.since:g} or beyond; the largest is {p.x.max():g}"
                )
            worst = max(worst, float(np.max((np.abs(q.y - p.y) / size)[judged])))
        return worst

    def says(self) -> str:
        """The threshold in words."""
        of = "the curve's largest value" if self.of_largest else "the prediction"
        where = f", from {self.since:g} on" if math.isfinite(self.since) else ""
        return f"largest deviation at most {100 * self.tolerance:g} % of {of}{where}"

    def chance(self, curves: int, points: int, seeds: int) -> float:  # noqa: ARG002
        """That of a mean beyond the margin."""
        return _students(seeds)


@dataclass(frozen=True)
class UpperBound:
    """U: what is measured is never above what is predicted; the largest quotient says how much room is left.

    Attributes:
        slack: share by which a leading term may be exceeded; 0 for a bound with all its constants.
    """

    slack: float = 0.0
    kind: ClassVar[str] = "U"

    @property
    def low(self) -> float:
        """No lower limit."""
        return -math.inf

    @property
    def high(self) -> float:
        """One, and the slack."""
        return 1.0 + self.slack

    def statistic(self, predicted: Evidence, measured: Evidence) -> float:
        """Largest quotient of measurement and bound."""
        return max(float(np.max(q.y / p.y)) for p, q in pairs(predicted, measured))

    def says(self) -> str:
        """The threshold in words."""
        return f"measurement at most {self.high:g} times the prediction at every point"

    def chance(self, curves: int, points: int, seeds: int) -> float:  # noqa: ARG002
        """That of a mean beyond the margin."""
        return _students(seeds)


@dataclass(frozen=True)
class Exponent:
    """O: the measured curves are powers of x whose exponent lies in an interval; the prediction is drawn, not used.

    Attributes:
        low: least exponent.
        high: largest exponent.
    """

    low: float
    high: float
    kind: ClassVar[str] = "O"

    def statistic(self, predicted: Evidence, measured: Evidence) -> float:  # noqa: ARG002
        """Mean over the curves of the slope of log y against log x."""
        return float(np.mean([_slope(q) for q in measured.curves]))

    def says(self) -> str:
        """The threshold in words."""
        return f"exponent between {self.low:g} and {self.high:g}"

    def chance(self, curves: int, points: int, seeds: int) -> float:  # noqa: ARG002
        """That of a mean beyond the margin, at the nearer end."""
        return _students(seeds)


def _slope(curve: Curve) -> float:
    if len(curve.x) < 2 or np.min(curve.y) <= 0:
        raise UsageError(f"an exponent needs two or more points above zero; {curve.label!r} has {curve.y.tolist()}")
    return float(np.polyfit(np.log(curve.x), np.log(curve.y), 1)[0])


@dataclass(frozen=True)
class Ordering:
    """Q: what is measured has the order of what is predicted, by Kendall's tau over all points of all curves.

    Attributes:
        tau: least rank correlation; 1 asks for the order itself.
        of: label of the one curve that is judged, where others are only drawn; all are where empty.
    """

    tau: float = 1.0
    of: str = ""
    kind: ClassVar[str] = "Q"

    @property
    def low(self) -> float:
        """The least correlation, less rounding."""
        return self.tau - 1e-9

    @property
    def high(self) -> float:
        """The same order."""
        return math.inf

    def statistic(self, predicted: Evidence, measured: Evidence) -> float:
        """Kendall's tau."""
        matched = pairs(*(self._judged(one) for one in (predicted, measured)))
        p, q = (np.concatenate([pair[i].y for pair in matched]) for i in (0, 1))
        tau = float(stats.kendalltau(p, q).statistic)
        return tau if math.isfinite(tau) else 0.0

    def _judged(self, evidence: Evidence) -> Evidence:
        kept = [curve for curve in evidence.curves if self.of in ("", curve.label)]
        if not kept:
            raise UsageError(
                f"an order of {self.of!r} needs a curve of this name; there are {[curve.label for curve in evidence.curves]}"
            )
        return Evidence(*kept)

    def says(self) -> str:
        """The threshold in words."""
        order = "the predicted order" if self.tau >= 1 else f"rank correlation (Kendall's tau) at least {self.tau:g}"
        return f"{order}, of {self.of}" if self.of else order

    def chance(self, curves: int, points: int, seeds: int) -> float:
        """That random orders agree so well, at every seed."""
        return _random_order(points if self.of else curves * points, self.tau) ** seeds


def _random_order(points: int, tau: float) -> float:
    """Share of the permutations of so many points whose tau is at least this."""
    shares = np.ones(1)
    for size in range(2, points + 1):
        shares = np.convolve(shares, np.full(size, 1.0 / size))
    pairs_of = points * (points - 1) / 2
    inversions = np.arange(len(shares))
    return float(np.sum(shares[1.0 - 2.0 * inversions / max(pairs_of, 1.0) >= tau - 1e-9]))


@dataclass(frozen=True)
class Sufficient:
    """S: a condition that suffices is never refuted by success without it; decades between required and observed are told.

    Attributes:
        decades: from which distance on the condition is called vacuous.
    """

    decades: float = 1.0
    kind: ClassVar[str] = "S"
    low: float = field(default=-1e-9, init=False)
    high: float = field(default=math.inf, init=False)

    def statistic(self, predicted: Evidence, measured: Evidence) -> float:
        """Decades of required over observed, the least over the points; below zero where nothing observed suffices."""
        quotients = [np.log10(p.y) - np.log10(q.y) for p, q in pairs(predicted, measured)]
        least = min(float(np.min(quotient)) for quotient in quotients)
        return least if not math.isnan(least) else -math.inf

    def says(self) -> str:
        """The threshold in words."""
        return (
            f"observed at or below required; vacuous from {self.decades:g} decade{'' if self.decades == 1 else 's'} on"
        )

    def chance(self, curves: int, points: int, seeds: int) -> float:  # noqa: ARG002
        """None: a sufficient condition is measured, not tested."""
        return 0.0


@dataclass(frozen=True)
class Existence:
    """X: one case is enough: some point of some curve, at some seed, reaches what is predicted.

    Attributes:
        at_least: of measurement over prediction.
    """

    at_least: float = 1.0
    kind: ClassVar[str] = "X"

    @property
    def low(self) -> float:
        """The least quotient."""
        return self.at_least

    @property
    def high(self) -> float:
        """No upper limit."""
        return math.inf

    def statistic(self, predicted: Evidence, measured: Evidence) -> float:
        """Largest quotient of measurement and prediction."""
        return max(float(np.max(q.y / p.y)) for p, q in pairs(predicted, measured))

    def says(self) -> str:
        """The threshold in words."""
        return f"one case with measurement over prediction at least {self.at_least:g}"

    def chance(self, curves: int, points: int, seeds: int) -> float:  # noqa: ARG002
        """None: a case that is exhibited exists."""
        return 0.0


def pairs(predicted: Evidence, measured: Evidence) -> list[tuple[Curve, Curve]]:
    """Curves of prediction and measurement with one label and one axis.

    Raises:
        UsageError: if labels or abscissae differ, or there is no curve.
    """
    by_label = {curve.label: curve for curve in measured.curves}
    if not predicted.curves or sorted(by_label) != sorted(curve.label for curve in predicted.curves):
        raise UsageError(
            f"prediction and measurement must have the same curves; got {[c.label for c in predicted.curves]} and "
            f"{[c.label for c in measured.curves]}"
        )
    found = [(curve, by_label[curve.label]) for curve in predicted.curves]
    for p, q in found:
        if p.x.shape != q.x.shape or not np.allclose(p.x, q.x, rtol=1e-9, atol=0.0):
            raise UsageError(f"prediction and measurement of {p.label!r} must be over the same x; got {p.x} and {q.x}")
    return found


def right(criterion: Criterion, value: float) -> bool:
    """Whether one number is right; no number is wrong."""
    return criterion.low <= value <= criterion.high


def judge(criterion: Criterion, values: list[float], *, random: bool = True) -> Outcome:
    """Judge the numbers of several seeds.

    The whole of mean +- three standard errors must lie inside the interval, or outside it; else, and with fewer than three
    seeds of something random, nothing is concluded. For existence one seed is enough.
    """
    if criterion.kind in ("X", "S"):
        enough = any if criterion.kind == "X" else all
        return "holds" if enough(right(criterion, v) for v in values) else "inconclusive"
    if random and len(values) < FEWEST_SEEDS:
        return "inconclusive"
    if not all(math.isfinite(v) for v in values):
        return "inconclusive" if any(right(criterion, v) for v in values) else "does not hold"
    mean, error = summary(values)
    low, high = mean - MARGIN * error, mean + MARGIN * error
    inside, outside = criterion.low <= low and high <= criterion.high, high < criterion.low or low > criterion.high
    # A power of the right sign, beyond chance, is something.
    direction = criterion.kind == "O" and low * high > 0 and mean * (criterion.low + criterion.high) > 0
    return "holds" if inside else "inconclusive" if not outside else "direction only" if direction else "does not hold"


def summary(values: list[float]) -> tuple[float, float]:
    """Mean and its standard error; zero from one value."""
    mean = float(np.mean(values))
    if len(values) == 1 or not math.isfinite(mean):
        return mean, 0.0
    return mean, float(np.std(values, ddof=1) / math.sqrt(len(values)))
