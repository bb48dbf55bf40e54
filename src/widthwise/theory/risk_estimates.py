r"""Test error from training data alone, at any ridge and at any number of rows.

For kernel ridge regression on n rows with :math:`A = (K + rI)^{-1}`, four traces of the training data say all:

.. math:: \kappa = \frac1{\mathrm{tr} A},\qquad D_1 = n - r\,\mathrm{tr} A,\qquad
    D_2 = n - \frac{(\mathrm{tr} A)^2}{\mathrm{tr} A^2},\qquad B = \frac{y^\top A^2 y}{\mathrm{tr} A^2}.

In the self-consistent theory of kernel regression (:cite:t:`bordelon2020`, :cite:t:`simon2023`) the same four are functions
of :math:`\kappa` and the population alone,

.. math:: D_1 = \sum_i \frac{\lambda_i}{\lambda_i + \kappa},\quad
    D_2 = \sum_i \Big(\frac{\lambda_i}{\lambda_i + \kappa}\Big)^2,\quad
    B = \sum_i \Big(\frac{\kappa}{\lambda_i + \kappa}\Big)^2 c_i^2 + \sigma^2,

with :math:`\lambda_i` the eigenvalues and :math:`c_i` the coefficients of the target in the population, and the expected
test error on m rows at ridge r is :math:`m B(\kappa) / (m - D_2(\kappa))` where :math:`m = D_1(\kappa) + r/\kappa`. So one
kernel matrix, by turning its ridge, shows the population at every :math:`\kappa \ge 1/\mathrm{tr} K^{-1}`, and from there
the error on fewer rows, and on more rows as long as their :math:`\kappa` is one that these rows can show. No spectrum is
fitted. On the n rows themselves the prediction is :math:`n\,y^\top A^2 y/(\mathrm{tr} A)^2`: generalised cross-validation
(:cite:t:`golub1979`), which is the kernel alignment risk estimator of :cite:t:`jacot2020`, given by `risk`. Both assume
that rows have equal leverage; those of real tables do not, so `learning_curve` puts the leave-one-out error in its place,
:math:`B = \frac{n - D_2}{n}\,\overline{((Ay)_i/A_{ii})^2}`, the same number where leverages are equal. Reading the
population off the data by turning the ridge is this library's; :cite:t:`wei2022` is its nearest relative.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.optimize
from jaxtyping import Bool, Float, Int

from widthwise._checks import columns, count, positive, square
from widthwise.errors import DataError, SingularKernelError, UsageError
from widthwise.theory.dynamics import Spectrum, spectrum_of
from widthwise.theory.label_noise import NORMAL_95

RIDGES = 120


@dataclass(frozen=True, kw_only=True)
class Risk:
    """What the training data say of the test error at one ridge.

    Attributes:
        value: estimated mean square test error, noise included, summed over columns, in squared units of y.
        ridge: added to the diagonal.
        training: mean square training error.
        effective_dimension: tr K A, the number of directions that are fitted.
        kappa: 1 / tr A, the level below which eigenvalues are not learned.
        noise_floor: B, an upper estimate of the irreducible error: noise and what is not learned at this kappa.
    """

    value: float
    ridge: float
    training: float
    effective_dimension: float
    kappa: float
    noise_floor: float


@dataclass(frozen=True, kw_only=True, eq=False)
class LearningCurve:
    """Predicted test error against the number of rows.

    Attributes:
        sizes: numbers of training rows.
        error: predicted mean square error on new rows, noise included, summed over columns, in squared units of y.
        low: lower end of the 95 % band; equal to the error where there are no blocks.
        high: upper end.
        kappa: level below which eigenvalues are not learned, for each size.
        extrapolated: whether a size needs a kappa that these rows cannot show; its error continues the last decade as powers.
        ridge: added to the diagonal at every size.
        noise_floor: smallest B seen: an upper estimate of the error that no number of rows goes below.
    """

    sizes: Int[np.ndarray, " s"]
    error: Float[np.ndarray, " s"]
    low: Float[np.ndarray, " s"]
    high: Float[np.ndarray, " s"]
    kappa: Float[np.ndarray, " s"]
    extrapolated: Bool[np.ndarray, " s"]
    ridge: float
    noise_floor: float


def effective_dimension(spectrum: Spectrum, *, ridge: float) -> float:
    """Degrees of freedom of ridge regression, sum of lambda / (lambda + ridge); the rank at ridge 0."""
    _at_least_zero(ridge, "ridge")
    kept = spectrum.values[: spectrum.rank]
    return float(np.sum(kept / (kept + ridge)))


def risk(
    K: Float[np.ndarray, "n n"] | Spectrum, y: Float[np.ndarray, " n"] | Float[np.ndarray, "n k"], *, ridge: float
) -> Risk:
    r"""Generalised cross-validation, which is the kernel alignment risk estimator.

    .. math:: n\, y^\top A^2 y / (\mathrm{tr} A)^2, \qquad A = (K + rI)^{-1}

    Args:
        K: kernel matrix, or its spectrum.
        y: targets, one column for each output.
        ridge: r, at least zero, in the units of K. At 0 the limit of small ridges is meant: K must not be singular.

    Raises:
        UsageError: if the ridge is negative.
        SingularKernelError: if K + r I is singular to working precision.

    References:
        :cite:t:`golub1979`; :cite:t:`jacot2020`.
    """
    spectrum = K if isinstance(K, Spectrum) else _spectrum(K)
    _at_least_zero(ridge, "ridge")
    n = len(spectrum.values)
    energies = np.sum(spectrum.project(y) ** 2, axis=1)
    shifted = _shifted(spectrum, ridge)
    first, second = float(np.sum(1.0 / shifted)), float(np.sum(1.0 / shifted**2))
    fit = float(np.sum(energies / shifted**2))
    return Risk(
        value=n * fit / first**2,
        ridge=float(ridge),
        training=ridge**2 * fit / n,
        effective_dimension=n - ridge * first,
        kappa=1.0 / first,
        noise_floor=fit / second,
    )


def eigenlearning(
    values: Float[np.ndarray, " p"],
    energies: Float[np.ndarray, " p"],
    *,
    n: int,
    ridge: float = 0.0,
    noise_variance: float = 0.0,
    multiplicity: Float[np.ndarray, " p"] | None = None,
) -> float:
    r"""Expected test error of kernel ridge regression on n rows from a population that is known.

    .. math:: n = \sum_i \frac{\lambda_i}{\lambda_i + \kappa} + \frac r\kappa, \qquad
        E = \frac{n}{n - D_2}\Big[\sum_i\Big(\frac{\kappa}{\lambda_i+\kappa}\Big)^2 c_i^2 + \sigma^2\Big]

    Args:
        values: eigenvalues of the kernel operator, each counted as often as `multiplicity` says.
        energies: squared coefficients of the target, summed over the eigenspace of each value.
        n: training rows.
        ridge: added to the diagonal of the kernel matrix.
        noise_variance: of the training targets; it is part of the error, as new targets have it too.
        multiplicity: of each value; one when not given.

    Returns:
        Mean square error in squared units of the target; infinite at the interpolation threshold without a ridge.

    Raises:
        UsageError: if an argument is outside its range, or n is at or beyond the number of directions without a ridge.

    References:
        :cite:t:`bordelon2020`; :cite:t:`simon2023`.
    """
    count(n, "n")
    _at_least_zero(ridge, "ridge")
    _at_least_zero(noise_variance, "noise_variance")
    if len(energies) != len(values):
        raise DataError(f"every eigenvalue needs an energy: {len(values)} and {len(energies)} came")
    times = np.ones_like(values) if multiplicity is None else multiplicity
    directions = float(times[values > 0].sum())
    if ridge == 0.0 and n >= directions:
        raise UsageError(f"without a ridge n must be below the {directions:g} directions of the kernel; {n} came")

    def excess(log_kappa: float) -> float:
        kappa = np.exp(log_kappa)
        return float(np.sum(times * values / (values + kappa)) + ridge / kappa - n)

    top = float(np.log((np.sum(times * values) + ridge) / n))
    bottom = top - 1.0
    while excess(bottom) < 0.0:
        bottom -= 2.0 * (top - bottom)
    kappa = float(np.exp(scipy.optimize.brentq(excess, bottom, top + 1e-9, xtol=1e-14, rtol=1e-14)))
    learned = values / (values + kappa)
    bias = float(np.sum((1.0 - learned) ** 2 * energies)) + noise_variance
    left = n - float(np.sum(times * learned**2))
    return n * bias / left if left > 0 else float("inf")


def learning_curve(
    K: Float[np.ndarray, "n n"],
    y: Float[np.ndarray, " n"] | Float[np.ndarray, "n k"],
    *,
    sizes: Sequence[int] | Int[np.ndarray, " s"],
    ridge: float,
    blocks: int = 8,
    seed: int | np.random.Generator = 0,
) -> LearningCurve:
    """Predict the test error on other numbers of rows from the kernel matrix of these rows.

    The band is a delete-a-block jackknife of the logarithm of the error: it holds the scatter of the rows, not a failure of
    the theory or of an extrapolation.

    Args:
        K: kernel matrix of the rows at hand.
        y: targets, one column for each output, centred if the model predicts a centred target.
        sizes: numbers of rows to predict for.
        ridge: added to the diagonal at every size, in the units of K; above zero unless K is not singular.
        blocks: of the jackknife; each costs an eigendecomposition of the remaining rows. 0 for no band.
        seed: deals rows to blocks.

    Raises:
        DataError: if shapes do not fit or there are fewer rows than blocks.
        UsageError: if a size, the ridge or the number of blocks is outside its range.
        SingularKernelError: if the ridge is 0 and K is singular to working precision.
    """
    square(K)
    Y = columns(y, len(K))
    wanted = np.asarray(sizes, dtype=np.int64)
    for size in wanted:
        count(int(size), "sizes")
    _at_least_zero(ridge, "ridge")
    count(blocks, "blocks", 0)
    if blocks == 1 or blocks * 2 > len(K):
        raise UsageError(f"blocks must be 0, or from 2 to half of the {len(K)} rows; {blocks!r} came")
    whole = _population(_spectrum(K), Y)
    error, kappa, beyond = whole.predict(wanted, ridge)
    low = high = error
    if blocks:
        order = np.random.default_rng(seed).permutation(len(K))
        logs = []
        for block in range(blocks):
            kept = np.sort(np.delete(order, np.s_[block::blocks]))
            part = _population(_spectrum(K[np.ix_(kept, kept)]), Y[kept])
            logs.append(np.log(part.predict(wanted, ridge)[0]))
        spread = np.array(logs)
        variance = (blocks - 1) / blocks * np.sum((spread - spread.mean(axis=0)) ** 2, axis=0)
        half = NORMAL_95 * np.sqrt(variance)
        low, high = error * np.exp(-half), error * np.exp(half)
    return LearningCurve(
        sizes=wanted,
        error=error,
        low=low,
        high=high,
        kappa=kappa,
        extrapolated=beyond,
        ridge=float(ridge),
        noise_floor=float(whole.bias.min()),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Population:
    """D1, D2 and B of the population on increasing kappa, as one kernel matrix shows them."""

    kappa: Float[np.ndarray, " r"]
    first: Float[np.ndarray, " r"]
    second: Float[np.ndarray, " r"]
    bias: Float[np.ndarray, " r"]

    def predict(
        self, sizes: Int[np.ndarray, " s"], ridge: float
    ) -> tuple[Float[np.ndarray, " s"], Float[np.ndarray, " s"], Bool[np.ndarray, " s"]]:
        """Error, kappa and whether kappa lies below what was seen."""
        logs = np.log(self.kappa)
        # Numbers of rows that each kappa stands for at this ridge: decreasing in kappa.
        rows = self.first + ridge / self.kappa
        tail = _tail(logs)
        error, level = np.empty(len(sizes)), np.empty(len(sizes))
        for place, m in enumerate(sizes):
            if m <= rows[0]:
                log_kappa = (
                    float(np.interp(-m, -rows, logs)) if m >= rows[-1] else float(np.log(self._white(int(m), ridge)))
                )
            else:
                log_kappa = self._beyond(int(m), ridge, tail)
            level[place] = np.exp(log_kappa)
            left = float(m) - min(self._at(self.second, log_kappa, tail), m * (1.0 - 1e-12))
            error[place] = m * self._at(self.bias, log_kappa, tail) / left
        return error, level, np.asarray(sizes > rows[0])

    def _at(self, values: Float[np.ndarray, " r"], log_kappa: float, tail: slice) -> float:
        logs = np.log(self.kappa)
        if log_kappa >= logs[0]:
            # Above the largest kappa that was seen nothing is learned: D vanishes and B stays.
            return float(np.interp(log_kappa, logs, values))
        slope = np.polyfit(logs[tail], np.log(np.maximum(values[tail], 1e-300)), 1)[0]
        return float(values[0] * np.exp(slope * (log_kappa - logs[0])))

    def _beyond(self, m: int, ridge: float, tail: slice) -> float:
        """Where the continued D1 meets m rows."""

        def excess(log_kappa: float) -> float:
            return self._at(self.first, log_kappa, tail) + ridge * float(np.exp(-log_kappa)) - m

        high = float(np.log(self.kappa[0]))
        low = high - 1.0
        while excess(low) < 0.0:
            low -= 2.0 * (high - low)
        return float(scipy.optimize.brentq(excess, low, high, xtol=1e-12))

    def _white(self, m: int, ridge: float) -> float:
        """Kappa of very few rows, above all that were seen: there m kappa is the trace of the operator plus the ridge."""
        return float(self.kappa[-1] * self.first[-1] + ridge) / m


def _population(spectrum: Spectrum, Y: Float[np.ndarray, "n k"]) -> _Population:
    n = len(spectrum.values)
    values = np.maximum(spectrum.values, 0.0)
    # From the smallest ridge that still moves the smallest eigenvalue to one under which next to nothing is learned.
    low = max(float(values[-1]), spectrum.tolerance * 10.0) * 1e-3 if spectrum.rank == n else spectrum.tolerance * 1e3
    ridges = np.geomspace(low, float(values.sum()) * 1e3, RIDGES)
    if spectrum.rank == n:
        ridges = np.concatenate([[0.0], ridges])
    inverse = 1.0 / (values[None, :] + ridges[:, None])
    first, second = inverse.sum(axis=1), np.sum(inverse**2, axis=1)
    vectors = np.asarray(spectrum.vectors)
    diagonal = vectors**2 @ inverse.T
    left_out = np.zeros(len(ridges))
    for column in spectrum.project(Y).T:
        left_out += np.mean((vectors @ (inverse * column).T / diagonal) ** 2, axis=0)
    return _Population(
        kappa=1.0 / first,
        first=np.sum(values[None, :] * inverse, axis=1),
        second=n - first**2 / second,
        bias=left_out * first**2 / second / n,
    )


def _tail(logs: Float[np.ndarray, " r"]) -> slice:
    """The last decade of kappa, or two points of it at least."""
    return slice(0, max(int(np.searchsorted(logs, logs[0] + np.log(10.0))), 2))


def _spectrum(K: Float[np.ndarray, "n n"]) -> Spectrum:
    square(K)
    return spectrum_of(K)


def _shifted(spectrum: Spectrum, ridge: float) -> Float[np.ndarray, " n"]:
    shifted = np.maximum(spectrum.values, 0.0) + ridge
    if shifted[-1] <= spectrum.tolerance:
        raise SingularKernelError(
            f"the kernel matrix plus {ridge:.3g} on its diagonal must not be singular to working precision. Use a larger ridge"
        )
    return np.asarray(shifted)


def _at_least_zero(value: float, name: str) -> None:
    if value:
        positive(value, name)
