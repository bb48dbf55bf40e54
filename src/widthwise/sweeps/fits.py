"""Power laws through the runs of a sweep."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

LEVEL = 0.95


@dataclass(frozen=True, kw_only=True)
class PowerLaw:
    r"""A least-squares line through the logarithms, :math:`y = c\, x^p`.

    Attributes:
        exponent: p.
        low: lower end of its 95 % confidence interval.
        high: upper end.
        factor: c, in the units of y over those of x to the power p.
        runs: number of points.
    """

    exponent: float
    low: float
    high: float
    factor: float
    runs: int

    def at(self, x: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """The law at some abscissae."""
        return np.asarray(self.factor * np.asarray(x, np.float64) ** self.exponent)


def power_law(x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"]) -> PowerLaw | None:
    r"""Fit a power law, with Student's interval for its exponent.

    .. math:: \log y_i = \log c + p \log x_i + \varepsilon_i, \qquad
              p \pm t_{n-2}\, \hat\sigma / \sqrt{\textstyle\sum_i (\log x_i - \overline{\log x})^2}

    The interval holds if the errors of the logarithms are independent, of one variance and normal. It does not say that a
    power law is the right curve.

    Args:
        x: abscissae; those that are not positive and finite are left out.
        y: ordinates; the same.

    Returns:
        The fit; None with fewer than three points or two abscissae.
    """
    from scipy import stats  # noqa: PLC0415 - half a second, only for reports

    good = np.isfinite(x) & np.isfinite(y) & (x > 0) & (y > 0)
    a, b = np.log(x[good]), np.log(y[good])
    n = len(a)
    if n < 3 or len(np.unique(a)) < 2:
        return None
    centred = a - a.mean()
    spread = float(centred @ centred)
    slope = float(centred @ b) / spread
    intercept = float(b.mean() - slope * a.mean())
    left = b - intercept - slope * a
    error = float(np.sqrt(left @ left / (n - 2) / spread))
    half = float(stats.t.ppf(0.5 + LEVEL / 2, n - 2)) * error
    return PowerLaw(exponent=slope, low=slope - half, high=slope + half, factor=float(np.exp(intercept)), runs=n)
