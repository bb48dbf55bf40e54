r"""Constants that say how hard a known target function is to learn for a wide network.

Two families. Arora et al. (:cite:t:`arora2019`, section 6): for a target :math:`g` on unit rows the complexity
:math:`\sqrt{y^\top H^{-1} y}` stays below a constant :math:`M_g` at every n; that of a sum is at most the sum, and odd powers
from three on have none. Allen-Zhu, Li and Liang (:cite:t:`allenzhu2018`, section 2): the sample complexity :math:`C_s` and
the size complexity :math:`C_\varepsilon` of a power series, which are evaluated in logarithms because the paper's constant
:math:`C^* = 10^4` overflows floating point; and of a function of functions, where even the logarithm can.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.special
from jaxtyping import Float, Int

from widthwise._checks import count, positive
from widthwise.datasets.synthetic import Function
from widthwise.errors import UsageError

# Terms below e^-60 of the largest one do not change the sum.
NEGLIGIBLE = 60.0
MOST_TERMS = 2**22
# Arguments beyond which e^z, sinh z and cosh z are all that counts of a size complexity.
LARGE = 1e5


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


def series(name: Function, scale: float = 1.0) -> PowerSeries:
    """The Taylor series of exp, sin, cos or the square of `scale * z`.

    Raises:
        UsageError: if the name is unknown or the scale zero.
    """
    if name not in ("exp", "sin", "cos", "square"):
        raise UsageError(f"name must be 'exp', 'sin', 'cos' or 'square'; {name!r} came. Polynomials take `polynomial`")
    positive(abs(scale), "scale")
    if name == "square":
        return polynomial((0.0, 0.0, scale * scale))
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
    _fraction(accuracy)
    return _log_size(function, float(np.log(constant * radius)), accuracy)[0]


@dataclass(frozen=True, kw_only=True)
class CompositeComplexity:
    """How hard sums of functions of sums of functions are to learn, in natural logarithms.

    Attributes:
        log_inner: of the size complexity of the inner functions at radius 1, the largest.
        log_outer: of that of the outer functions at the radius that the inner ones reach, the largest; infinite where this
            logarithm itself is beyond floating point.
        log_rows: of the rows asked, likewise.
        log_log_rows: logarithm of that one, finite there too; minus infinity where no more than one row is asked.
    """

    log_inner: float
    log_outer: float
    log_rows: float
    log_log_rows: float

    @property
    def decades(self) -> float:
        """Decimal logarithm of the rows asked."""
        return float(self.log_rows / np.log(10.0))


def composite_complexity(
    outer: Sequence[PowerSeries],
    inner: Sequence[PowerSeries],
    *,
    terms: int = 1,
    inner_terms: int = 1,
    outputs: int = 1,
    accuracy: float = 0.1,
    constant: float = 1.0,
) -> CompositeComplexity:
    r"""Complexity of a concept of three layers, and the rows that theorem 2 asks for it, without constants and logarithms.

    .. math:: N \ge \Bigl(\mathfrak{C}_\varepsilon(\Phi, \sqrt{p_2}\, \mathfrak{C}_\varepsilon(\phi, 1))\;
              \mathfrak{C}_\varepsilon(\phi, 1)\, \sqrt{p_2}\, p_1 k^2 / \varepsilon\Bigr)^2

    for :math:`\sum_i a_i \Phi_i(\sum_j v_{1,ij} \phi_{1,j}(w_{1,j}^\top x)) \sum_j v_{2,ij} \phi_{2,j}(w_{2,j}^\top x)`. A leading
    term that orders targets; as a number of rows it is never advice.

    Args:
        outer: series of the functions Phi.
        inner: series of the functions phi, of both sums.
        terms: number p_1 of products.
        inner_terms: number p_2 of functions in a sum.
        outputs: number k of outputs.
        accuracy: epsilon in (0, 1). The theorem has one inside the complexities and one, epsilon_0, of the risk; here one number is
            both, and a smaller one inside would ask for more rows.
        constant: C*; the paper says "e.g. 10^4".

    Raises:
        UsageError: if there is no function, or none but zero, or a number is outside its range.

    References:
        :cite:t:`allenzhu2018`, theorem 2.
    """
    if not outer or not inner:
        raise UsageError(
            f"outer and inner must hold one series or more each; {len(outer)} and {len(inner)} came. See `series`"
        )
    for value, name in ((terms, "terms"), (inner_terms, "inner_terms"), (outputs, "outputs")):
        count(value, name)
    positive(constant, "constant")
    _fraction(accuracy)
    spread = 0.5 * np.log(inner_terms)
    log_inner = max(_log_size(one, float(np.log(constant)), accuracy)[0] for one in inner)
    if log_inner == -np.inf:
        raise UsageError("inner must hold a function that is not zero; every coefficient of every series is zero")
    base = float(np.log(constant) + spread + log_inner)
    # Where logarithms are infinite their own decide.
    log_outer, log_log_outer = max(_log_size(one, base, accuracy) for one in outer)
    log_rows = 2.0 * (log_outer + log_inner + spread + np.log(terms) + 2.0 * np.log(outputs) - np.log(accuracy))
    return CompositeComplexity(
        log_inner=log_inner,
        log_outer=log_outer,
        log_rows=float(log_rows),
        log_log_rows=_log(float(log_rows)) if np.isfinite(log_rows) else float(np.log(2.0) + log_log_outer),
    )


def _fraction(accuracy: float) -> None:
    if not 0.0 < accuracy < 1.0:
        raise UsageError(f"accuracy must lie between 0 and 1; {accuracy!r} came")


def _log(value: float) -> float:
    """Logarithm; minus infinity at zero and below."""
    return float(np.log(value)) if value > 0.0 else -np.inf


def _log_size(function: PowerSeries, base: float, accuracy: float) -> tuple[float, float]:
    """Logarithm of the size complexity at base = log(C* R), infinite where it overflows, and its own logarithm."""
    if function.name != "polynomial":
        log_argument = base + np.log(abs(function.scale))
        if log_argument > np.log(LARGE):
            # The undamped terms sum to e^z, sinh z or cosh z. The damped ones stay below e^(10 z^(2/3)) for every accuracy
            # that is a number: nothing beside it, like the constant and e^-z.
            with np.errstate(over="ignore"):
                log = float(np.exp(log_argument)) - (0.0 if function.name == "exp" else float(np.log(2.0)))
            return log, _log(log) if np.isfinite(log) else float(log_argument)
    shrink = 0.5 * np.log(np.log(1.0 / accuracy))

    def terms(i: Int[np.ndarray, " t"]) -> Float[np.ndarray, " t"]:
        plain = i * base
        damped = i * (base + shrink - 0.5 * np.log(np.maximum(i, 1)))
        return np.asarray(np.logaddexp(plain, damped) + function.log_sizes(i))

    found = _log_sum(terms, function)
    return found, _log(found)


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
