r"""Relative entropy of two biased coins, and its inverse: what the sharpest bounds of an error by its sample are made of.

For a sample of N independent numbers in [0, 1] of mean p, the observed mean q is at most p, and
:math:`\mathrm{kl}(q \| p) \ge c`, with probability at most :math:`e^{-Nc}`.
"""

from __future__ import annotations

import math

from widthwise.errors import UsageError


def bernoulli_kl(q: float, p: float) -> float:
    r"""Relative entropy :math:`q\log\frac qp + (1 - q)\log\frac{1-q}{1-p}` in nats; infinite where p excludes q.

    Raises:
        UsageError: if one of them is outside [0, 1].
    """
    _probability(q, "q")
    _probability(p, "p")
    if q == p:
        return 0.0
    if p in (0.0, 1.0):
        return math.inf
    first = q * math.log(q / p) if q > 0 else 0.0
    second = (1.0 - q) * (math.log1p(-q) - math.log1p(-p)) if q < 1 else 0.0
    return max(first + second, 0.0)


def kl_inverse(q: float, c: float) -> float:
    r"""Largest p with :math:`\mathrm{kl}(q \| p) \le c`, rounded up: the upper confidence limit for an observed mean q.

    For q = 0 it is :math:`1 - e^{-c}`. Bisection to the last digit of float64, the upper end returned.

    Args:
        q: observed mean in [0, 1].
        c: in nats, at least zero; the logarithm of one over the error probability, over the number of observations.

    Raises:
        UsageError: if an argument is outside its range.
    """
    _probability(q, "q")
    if not c >= 0:
        raise UsageError(f"c must be at least zero nats; {c!r} came")
    low, high = q, 1.0
    if q == 1.0 or c == 0.0:
        return q
    while True:
        middle = 0.5 * (low + high)
        if not low < middle < high:
            return high
        low, high = (middle, high) if bernoulli_kl(q, middle) <= c else (low, middle)


def _probability(value: float, name: str) -> None:
    if not 0.0 <= value <= 1.0:
        raise UsageError(f"{name} must lie in [0, 1]; {value!r} came")
