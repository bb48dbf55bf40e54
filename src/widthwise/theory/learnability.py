r"""Constants that say how hard a known target function is to learn for a wide network.

Two families. Arora et al. (:cite:t:`arora2019`, section 6): for a target :math:`g` on unit rows the complexity
:math:`\sqrt{y^\top H^{-1} y}` stays below a constant :math:`M_g` at every n; that of a sum is at most the sum, and odd powers
from three on have none. Allen-Zhu, Li and Liang (:cite:t:`allenzhu2018`, section 2): the sample complexity :math:`C_s` and
the size complexity :math:`C_\varepsilon` of a power series, which are evaluated in logarithms because the paper's constant
:math:`C^* = 10^4` overflows floating point.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.special
from jaxtyping import Float, Int

from widthwise._checks import count, positive
from widthwise.errors import UsageError

SeriesName = Literal["exp", "sin", "cos"]

# Terms below e^-60 of the largest one do not change the sum.
NEGLIGIBLE = 60.0
MOST_TERMS = 2**22


def monomial_constant(power: int, *, alpha: float = 1.0, norm: float = 1.0) -> float:
    r"""Bound :math:`3 p |\alpha| \|\beta\|^p` on sqrt(y'H^-1 y) for :math:`y = \alpha(\beta^\top x)^p`.

    Args:
        power: p, one or even.
        alpha: coefficient.
        norm: Euclidean norm of beta.

    Raises:
        UsageError: for p = 0 and odd p from three on, for which there is no such bound: on the circle the measure grows
            with n.

    References:
        :cite:t:`arora2019`, theorem 6.1.
    """
    count(power, "power")
    if power > 1 and power % 2:
        raise UsageError(
            f"power must be 1 or even; the first-layer kernel of ReLU does not see odd powers such as {power}"
        )
    if norm < 0:
        raise UsageError(f"norm must be at least zero; {norm!r} came")
    return float(3.0 * power * abs(alpha) * norm**power)


def sum_constant(terms: Sequence[tuple[int, float, float]]) -> float:
    r"""Bound for :math:`\sum_j \alpha_j (\beta_j^\top x)^{p_j}`: the sum of the bounds of the terms (p, alpha, norm).

    References:
        :cite:t:`arora2019`, corollary 6.2.
    """
    return float(sum(monomial_constant(p, alpha=alpha, norm=norm) for p, alpha, norm in terms))


def cosine_constant(norm: float) -> float:
    r"""Bound :math:`3\|\beta\|\sinh\|\beta\|` for :math:`\cos(\beta^\top x) - 1`: corollary 6.2 on its power series."""
    return float(3.0 * norm * np.sinh(norm))


def quadratic_constant(A: Float[np.ndarray, "d d"]) -> float:
    r"""Bound :math:`6\|A\|_*` for :math:`x^\top A x`: corollary 6.2 on the eigenvectors of the symmetric part."""
    return float(6.0 * np.sum(np.abs(np.linalg.eigvalsh((A + A.T) / 2.0))))


def arctan_constant(norm: float) -> float:
    r"""Bound for :math:`z\arctan(z/2)` at :math:`z = \beta^\top x`.

    .. math:: 6\left[\frac{t^2}{1 - t^2} + t\,\mathrm{artanh}\,t\right], \qquad t = \|\beta\|/2

    the sum of :math:`3\cdot 2l\,|c_{2l}|\,\|\beta\|^{2l}` over the series; it needs the norm below 2, where that converges.

    Raises:
        UsageError: if the norm is not in [0, 2).
    """
    if not 0.0 <= norm < 2.0:
        raise UsageError(f"norm must lie in [0, 2), where the series converges; {norm!r} came")
    t = norm / 2.0
    return float(6.0 * (t * t / (1.0 - t * t) + t * np.arctanh(t)))


@dataclass(frozen=True, kw_only=True)
class PowerSeries:
    """A function as the logarithms of its Taylor coefficients' sizes.

    Attributes:
        name: `exp`, `sin` or `cos` of scale times z; `polynomial` for given coefficients.
        scale: inner factor.
        coefficients: of a polynomial, from the constant up.
    """

    name: Literal["exp", "sin", "cos", "polynomial"]
    scale: float = 1.0
    coefficients: tuple[float, ...] = ()

    def log_sizes(self, powers: Int[np.ndarray, " t"]) -> Float[np.ndarray, " t"]:
        """log|c_i|, minus infinity where a coefficient is zero."""
        with np.errstate(divide="ignore"):
            if self.name == "polynomial":
                given = np.log(np.abs(np.append(np.array(self.coefficients, dtype=np.float64), 0.0)))
                return np.asarray(given[np.minimum(powers, len(given) - 1)])
            log = powers * np.log(abs(self.scale)) - scipy.special.gammaln(powers + 1.0)
            log = np.where(powers == 0, 0.0, log)
        if self.name == "exp":
            return np.asarray(log)
        return np.asarray(np.where(powers % 2 == (self.name == "sin"), log, -np.inf))


def series(name: SeriesName, scale: float = 1.0) -> PowerSeries:
    """The Taylor series of exp, sin or cos of `scale * z`.

    Raises:
        UsageError: if the name is unknown or the scale zero.
    """
    if name not in ("exp", "sin", "cos"):
        raise UsageError(f"name must be 'exp', 'sin' or 'cos'; {name!r} came. Polynomials take `polynomial`")
    positive(abs(scale), "scale")
    return PowerSeries(name=name, scale=float(scale))


def polynomial(coefficients: Sequence[float | int]) -> PowerSeries:
    """A polynomial, coefficients from the constant up."""
    return PowerSeries(name="polynomial", coefficients=tuple(float(c) for c in coefficients))


def log_sample_complexity(function: PowerSeries, *, radius: float = 1.0, constant: float = 1.0) -> float:
    r"""Natural logarithm of :math:`C_s = C^*\sum_i (i+1)^{1.75} R^i |c_i|`.

    Args:
        function: the series.
        radius: R.
        constant: C*; the paper says "e.g. 10^4".

    References:
        :cite:t:`allenzhu2018`, section 2.
    """
    positive(radius, "radius")
    positive(constant, "constant")

    def terms(i: Int[np.ndarray, " t"]) -> Float[np.ndarray, " t"]:
        return np.asarray(1.75 * np.log(i + 1.0) + i * np.log(radius) + function.log_sizes(i))

    return float(np.log(constant) + _log_sum(terms, function))


def log_size_complexity(
    function: PowerSeries, *, radius: float = 1.0, accuracy: float = 0.1, constant: float = 1.0
) -> float:
    r"""Natural logarithm of :math:`C_\varepsilon = \sum_i [(C^*R)^i + (\sqrt{\ln 1/\varepsilon}\,C^*R/\sqrt i)^i] |c_i|`.

    The constant term counts twice.

    Args:
        function: the series.
        radius: R.
        accuracy: epsilon in (0, 1).
        constant: C*; the paper says "e.g. 10^4".

    References:
        :cite:t:`allenzhu2018`, section 2.
    """
    positive(radius, "radius")
    positive(constant, "constant")
    if not 0.0 < accuracy < 1.0:
        raise UsageError(f"accuracy must lie between 0 and 1; {accuracy!r} came")
    base, shrink = np.log(constant * radius), 0.5 * np.log(np.log(1.0 / accuracy))

    def terms(i: Int[np.ndarray, " t"]) -> Float[np.ndarray, " t"]:
        plain = i * base
        damped = i * (base + shrink - 0.5 * np.log(np.maximum(i, 1)))
        return np.asarray(np.logaddexp(plain, damped) + function.log_sizes(i))

    return _log_sum(terms, function)


def _log_sum(terms: Callable[[Int[np.ndarray, " t"]], Float[np.ndarray, " t"]], function: PowerSeries) -> float:
    """Logarithm of the sum over i = 0, 1, ...: twice as many terms until the last half adds nothing."""
    length = max(64, 2 * len(function.coefficients))
    while True:
        found = terms(np.arange(length))
        top = float(found.max())
        # The last quarter must be far below the top: series here have one hump.
        if float(found[3 * length // 4 :].max()) < top - NEGLIGIBLE or top == -np.inf:
            return float(scipy.special.logsumexp(found))
        if length >= MOST_TERMS:
            raise UsageError(f"the series has not converged after {length} terms; use a smaller radius or constant")
        length *= 2
