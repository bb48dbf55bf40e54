r"""How gradient descent on an infinitely wide network moves: spectra, training curves, step sizes.

Loss :math:`\tfrac12\sum_i (f(x_i) - y_i)^2` (the sum, not the mean), start at f = 0, full-batch gradient descent of
rate :math:`\eta`. With :math:`K = \sum_i \lambda_i v_i v_i^\top` the residual after k steps is
:math:`\sum_i (1 - \eta\lambda_i)^k v_i v_i^\top y`. Source: :cite:t:`arora2019`, theorem 4.1 and its recursion (7).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from widthwise._checks import columns, positive
from widthwise.errors import DataError, UsageError
from widthwise.solvers import Eigenvectors, eigh, eigh_factors
from widthwise.theory.modes import Optimizer, asymptotic_rate, fitted, known, remaining

# Steps beyond this are not counted: the answer is "never, for any practical purpose".
MOST_STEPS = 10**15


@dataclass(frozen=True, kw_only=True, eq=False)
class Spectrum:
    """Eigenvalues and eigenvectors of a kernel matrix.

    Attributes:
        values: eigenvalues, largest first, in the units of the kernel.
        vectors: orthonormal eigenvectors as columns, in the same order; or their factors, which project and combine alike.
        tolerance: eigenvalues up to this are rounding: n * eps * the largest.
    """

    values: Float[np.ndarray, " n"]
    vectors: Float[np.ndarray, "n n"] | Eigenvectors
    tolerance: float

    @property
    def rank(self) -> int:
        """Number of eigenvalues above the tolerance."""
        return int(np.count_nonzero(self.values > self.tolerance))

    @property
    def condition(self) -> float:
        """Largest over smallest eigenvalue; infinite where the matrix is singular to working precision."""
        return float(self.values[0] / self.values[-1]) if self.rank == len(self.values) else float("inf")

    def project(self, y: Float[np.ndarray, " n"] | Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
        """Coefficients v_i.y of each column of y."""
        Y = columns(y, len(self.values))
        return self.vectors.project(Y) if isinstance(self.vectors, Eigenvectors) else np.asarray(self.vectors.T @ Y)

    def combine(self, coefficients: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
        """Sums of eigenvectors with the coefficients of each column: the way back from `project`."""
        if isinstance(self.vectors, Eigenvectors):
            return self.vectors.combine(coefficients)
        return np.asarray(self.vectors @ coefficients)


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingCurve:
    """Predicted residual norms of gradient descent.

    Attributes:
        steps: numbers of steps.
        residual: Frobenius norm of y - f after each number of steps, in the units of y.
        by_column: the same for each column of y.
        start: norm of y, the residual at step zero.
        learning_rate: rate on the summed loss.
    """

    steps: Int[np.ndarray, " t"]
    residual: Float[np.ndarray, " t"]
    by_column: Float[np.ndarray, "t k"]
    start: float
    learning_rate: float

    @property
    def relative(self) -> Float[np.ndarray, " t"]:
        """Residual over its value at step zero."""
        return self.residual / self.start


@dataclass(frozen=True, kw_only=True, eq=False)
class TestCurve:
    """Predicted outputs on held-out rows along training: one slice for each number of steps."""

    __test__ = False  # the name is the field's; pytest must not collect it

    steps: Int[np.ndarray, " t"]
    predictions: Float[np.ndarray, "t m k"]


def spectrum(K: Float[np.ndarray, "n n"], *, factored: bool = False) -> Spectrum:
    """Eigendecomposition of a symmetric kernel matrix, largest eigenvalue first.

    Args:
        K: symmetric positive semi-definite kernel matrix.
        factored: keep the eigenvectors as the factors they are found by, at two thirds of the time: enough for projections
            of labels.

    Raises:
        DataError: if K is not square.
    """
    values, vectors = eigh_factors(K) if factored else eigh(K)
    tolerance = float(len(values) * np.finfo(np.float64).eps * max(values[0], 0.0))
    return Spectrum(values=values, vectors=vectors, tolerance=tolerance)


# The name is taken by an argument where a matrix or its spectrum may come.
spectrum_of = spectrum


def largest_stable_rate(spectrum: Spectrum, *, momentum: float = 0.0) -> float:
    """The rate 2 (1 + beta) / lambda_max: descent on the summed loss diverges above it; infinite for a zero kernel."""
    return 2.0 * (1.0 + momentum) / float(spectrum.values[0]) if spectrum.rank else float("inf")


def recommended_rate(spectrum: Spectrum) -> float:
    """The rate 1 / lambda_max.

    Every mode then decays without oscillation, and a finite network, whose largest eigenvalue scatters around the
    infinite-width one, keeps a factor of two before it diverges.

    Raises:
        DataError: if the kernel matrix is zero, and nothing can be learned at any rate.
    """
    if not spectrum.rank:
        raise DataError("the kernel matrix must not be zero: rows of zeros have nothing to learn from")
    return 1.0 / float(spectrum.values[0])


def training_curve(
    spectrum: Spectrum,
    y: Float[np.ndarray, " n"] | Float[np.ndarray, "n k"],
    *,
    learning_rate: float,
    steps: int | Int[np.ndarray, " t"],
    optimizer: Optimizer = "gd",
    momentum: float = 0.0,
) -> TrainingCurve:
    r"""Residual of gradient descent on the infinitely wide network.

    .. math:: \|y - u(k)\|^2 = \sum_i (1 - \eta\lambda_i)^{2k} (v_i^\top y)^2

    and with :math:`e^{-2\eta\lambda_i k}` in place of the power for gradient flow at time :math:`\eta k`; heavy-ball
    momentum has the exact factors of `theory.modes`.

    Args:
        spectrum: of the kernel matrix of the training rows.
        y: targets, one column for each output.
        learning_rate: rate on the summed loss; above `largest_stable_rate` the curve grows, as training would.
        steps: number of steps (all from zero on are given), or the numbers wanted.
        optimizer: `gd`, full-batch gradient descent, `flow`, its limit of small steps, or `momentum`, the heavy ball
            from rest.
        momentum: beta of the heavy ball, in [0, 1).

    Raises:
        UsageError: if the rate is not positive, a step is negative, the optimizer unknown or the momentum outside [0, 1).

    References:
        :cite:t:`arora2019`, theorem 4.1 without its error term.
    """
    positive(learning_rate, "learning_rate")
    energies = spectrum.project(y) ** 2
    return curve_of_energies(
        spectrum, energies, learning_rate=learning_rate, steps=steps, optimizer=optimizer, momentum=momentum
    )


def shuffled_training_curve(
    spectrum: Spectrum,
    y: Float[np.ndarray, " n"] | Float[np.ndarray, "n k"],
    *,
    learning_rate: float,
    steps: int | Int[np.ndarray, " t"],
) -> TrainingCurve:
    """Root mean square of the training curve over all permutations of the rows of y, in closed form.

    See `shuffled_energies` for the formula and `training_curve` for the arguments.
    """
    positive(learning_rate, "learning_rate")
    return curve_of_energies(spectrum, shuffled_energies(spectrum, y), learning_rate=learning_rate, steps=steps)


def shuffled_energies(
    spectrum: Spectrum, y: Float[np.ndarray, " n"] | Float[np.ndarray, "n k"]
) -> Float[np.ndarray, "n k"]:
    r"""Mean of :math:`(v_i^\top y_\pi)^2` over all permutations of the labels.

    With :math:`p = \overline{y^2}` and :math:`q = (\sum_{i\ne j} y_i y_j) / (n(n-1))` it is
    :math:`(p - q) + q\,(v_i^\top 1)^2`. One row alone has one permutation, and q plays no part.
    """
    n = len(spectrum.values)
    Y = columns(y, n)
    square = np.mean(Y**2, axis=0)
    product = (Y.sum(axis=0) ** 2 - n * square) / max(n * (n - 1), 1)
    ones: Float[np.ndarray, " n"] = spectrum.project(np.ones(len(spectrum.values)))[:, 0] ** 2
    energies: Float[np.ndarray, "n k"] = (square - product)[None, :] + product[None, :] * ones[:, None]
    return np.asarray(np.maximum(energies, 0.0))


def curve_of_energies(
    spectrum: Spectrum,
    energies: Float[np.ndarray, "n k"],
    *,
    learning_rate: float,
    steps: int | Int[np.ndarray, " t"],
    optimizer: Optimizer = "gd",
    momentum: float = 0.0,
) -> TrainingCurve:
    """Training curve from the squared projections of the labels on the eigenvectors."""
    counts = step_numbers(steps)
    known(optimizer, momentum)
    with np.errstate(over="ignore"):
        by_column = np.sqrt(_decay(spectrum, learning_rate, counts, optimizer, momentum) @ energies)
    return TrainingCurve(
        steps=counts,
        residual=np.sqrt(np.sum(by_column**2, axis=1)),
        by_column=by_column,
        start=float(np.sqrt(energies.sum())),
        learning_rate=float(learning_rate),
    )


def step_numbers(steps: int | Int[np.ndarray, " t"]) -> Int[np.ndarray, " t"]:
    """Zero to a number of steps, or the numbers themselves.

    Raises:
        UsageError: if one is negative.
    """
    counts = np.arange(int(steps) + 1) if np.ndim(steps) == 0 else np.asarray(steps, dtype=np.int64)
    if np.ndim(steps) == 0 and int(steps) < 0:
        raise UsageError(f"steps must not be negative; {int(steps)} came")
    if counts.size and counts.min() < 0:
        raise UsageError(f"steps must not be negative; {int(counts.min())} came")
    return counts


def steps_to(
    spectrum: Spectrum,
    energies: Float[np.ndarray, "n k"],
    *,
    learning_rate: float,
    fraction: float,
    optimizer: Optimizer = "gd",
    momentum: float = 0.0,
) -> int | None:
    """Smallest number of steps after which the relative residual is at most `fraction`.

    Args:
        spectrum: of the kernel matrix of the training rows.
        energies: squared projections of the labels: `spectrum.project(y) ** 2` or `shuffled_energies`.
        learning_rate: rate on the summed loss.
        fraction: of the starting residual, in (0, 1).
        optimizer: as for `training_curve`.
        momentum: beta of the heavy ball. Its residual may rise again later: the number is that of the first time.

    Returns:
        The number of steps; None where it is beyond 10^15 or never: labels outside the range of the kernel.

    Raises:
        UsageError: if the rate is not positive or reaches the largest stable one, where the residual need not fall,
            or the fraction is outside (0, 1).
    """
    positive(learning_rate, "learning_rate")
    if not 0.0 < fraction < 1.0:
        raise UsageError(f"fraction must lie between 0 and 1; {fraction!r} came")
    known(optimizer, momentum)
    edge = largest_stable_rate(spectrum, momentum=momentum)
    if optimizer != "flow" and learning_rate >= edge:
        name = "2 (1 + momentum) / lambda_max" if momentum else "2 / lambda_max"
        raise UsageError(f"learning_rate must be below {name} = {edge:.6g}; {learning_rate:.6g} came")
    total = energies.sum(axis=1)
    goal = fraction**2 * total.sum()
    if goal == 0.0:
        return 0

    def reached(counts: Int[np.ndarray, " t"]) -> Bool[np.ndarray, " t"]:
        return np.asarray(_decay(spectrum, learning_rate, counts, optimizer, momentum) @ total <= goal)

    def there(k: int) -> bool:
        return bool(reached(np.array([k]))[0])

    # Heavy-ball modes oscillate under an envelope (k + 1) beta^(k / 2); until it is rounding every step is looked at,
    # and from there on only modes that fall are left.
    low = _ringing(momentum)
    block = max(1, int(4e6 // len(total)))
    for start in range(1, low + 1, block):
        counts = np.arange(start, min(start + block, low + 1))
        hit = np.flatnonzero(reached(counts))
        if len(hit):
            return int(counts[hit[0]])
    high = low + 1
    while not there(high):
        if high == MOST_STEPS:
            return None
        low, high = high, min(2 * high, MOST_STEPS)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if there(middle) else (middle, high)
    return high


def half_lives(
    spectrum: Spectrum, *, learning_rate: float, optimizer: Optimizer = "gd", momentum: float = 0.0
) -> Float[np.ndarray, " n"]:
    r"""Steps in which each eigendirection loses half of its residual, late in training.

    .. math:: \ln 2 / -\ln|1 - \eta\lambda_i|

    for gradient descent; for the heavy ball the larger root of its recursion takes the place of the factor.

    Returns:
        Numbers of steps, in the order of the eigenvalues; infinite where a direction does not move or grows, 0 where one
        step fits it.

    Raises:
        UsageError: if the rate is not positive, the optimizer unknown or the momentum outside [0, 1).
    """
    positive(learning_rate, "learning_rate")
    known(optimizer, momentum)
    rate = asymptotic_rate(_scaled(spectrum, learning_rate), optimizer, momentum)
    with np.errstate(divide="ignore"):
        return np.asarray(np.where(rate < 0.0, np.log(2.0) / -np.minimum(rate, -0.0), np.inf))


def movement(
    spectrum: Spectrum,
    energies: Float[np.ndarray, "n k"],
    *,
    learning_rate: float,
    steps: int | Int[np.ndarray, " t"],
    optimizer: Optimizer = "gd",
    momentum: float = 0.0,
) -> Float[np.ndarray, " t"]:
    r"""Distance of the weights of an infinitely wide network from their start.

    .. math:: \|W(k) - W(0)\|_F^2 = \sum_i \frac{(1 - (1 - \eta\lambda_i)^k)^2}{\lambda_i}(v_i^\top y)^2,

    which rises to :math:`y^\top K^{-1} y`. It does not depend on the width m: over :math:`\sqrt m` it says how lazy a network
    of that width is predicted to be.

    Args:
        spectrum: of the kernel matrix of the training rows.
        energies: squared projections of the labels, as for `steps_to`.
        learning_rate: rate on the summed loss.
        steps: number of steps (all from zero on), or the numbers wanted.
        optimizer: as for `training_curve`.
        momentum: beta of the heavy ball.

    Raises:
        UsageError: if the rate is not positive, a step negative, the optimizer unknown or the momentum outside [0, 1).

    References:
        :cite:t:`arora2019`, lemma 5.3, without its error terms.
    """
    positive(learning_rate, "learning_rate")
    known(optimizer, momentum)
    kept = slice(spectrum.rank)
    values = spectrum.values[kept]
    done = fitted(learning_rate * values, step_numbers(steps), optimizer, momentum)
    return np.asarray(np.sqrt(done**2 @ (energies[kept].sum(axis=1) / values)))


def worst_labels(spectrum: Spectrum) -> Float[np.ndarray, " n"]:
    """Labels that are fitted last: the eigenvector of the smallest eigenvalue, scaled to the norm of -1/+1 labels."""
    return np.asarray(np.asarray(spectrum.vectors)[:, -1] * np.sqrt(len(spectrum.values)))


def test_curve(
    K: Float[np.ndarray, "n n"] | Spectrum,
    K_test: Float[np.ndarray, "m n"],
    y: Float[np.ndarray, " n"] | Float[np.ndarray, "n k"],
    *,
    learning_rate: float,
    steps: Int[np.ndarray, " t"],
    optimizer: Optimizer = "gd",
    momentum: float = 0.0,
) -> TestCurve:
    r"""Outputs of the infinitely wide network on held-out rows after k steps from f = 0.

    .. math:: f_k(x) = \sum_i K(x, X) v_i\, \frac{1 - (1 - \eta\lambda_i)^k}{\lambda_i}\, v_i^\top y

    Args:
        K: kernel matrix K(X, X) of the training rows, or its spectrum.
        K_test: kernel between held-out rows and training rows.
        y: targets of the training rows.
        learning_rate: rate on the summed loss.
        steps: numbers of steps at which to evaluate.
        optimizer: `gd`, or `flow`: one minus an exponential in place of one minus the power; or `momentum`.
        momentum: beta of the heavy ball, in [0, 1).

    Raises:
        UsageError: if the rate is not positive, a step is negative or the optimizer unknown.
    """
    positive(learning_rate, "learning_rate")
    known(optimizer, momentum)
    spectrum = K if isinstance(K, Spectrum) else spectrum_of(K)
    counts = step_numbers(np.asarray(steps))
    # Eigenvalues at rounding do not move, as in `training_curve`: what would grow along them is rounding too.
    kept = slice(spectrum.rank)
    projections = spectrum.project(y)[kept]
    basis = K_test @ np.asarray(spectrum.vectors)[:, kept]
    values = spectrum.values[kept]
    slices = []
    for k in counts:
        with np.errstate(over="ignore", invalid="ignore"):
            gain = fitted(learning_rate * values, np.array([k]), optimizer, momentum)[0] / values
            slices.append(basis @ (gain[:, None] * projections))
    return TestCurve(steps=counts, predictions=np.array(slices))


test_curve.__test__ = False  # type: ignore[attr-defined] # the name is the field's; pytest must not collect it


def _scaled(spectrum: Spectrum, learning_rate: float) -> Float[np.ndarray, " n"]:
    """Rate times eigenvalue; eigenvalues at rounding do not move."""
    return np.asarray(learning_rate * np.where(spectrum.values > spectrum.tolerance, spectrum.values, 0.0))


def _ringing(momentum: float) -> int:
    """Steps after which (k + 1) beta^(k / 2) is below rounding."""
    if momentum == 0.0:
        return 0
    steps = 1.0
    for _ in range(50):
        steps = 2.0 * (np.log(steps + 1.0) - np.log(np.finfo(np.float64).eps)) / -np.log(momentum)
    return int(np.ceil(steps))


def _decay(
    spectrum: Spectrum,
    learning_rate: float,
    steps: Int[np.ndarray, " t"],
    optimizer: Optimizer = "gd",
    momentum: float = 0.0,
) -> Float[np.ndarray, "t n"]:
    """Squared factors of the residual along each eigenvector."""
    return np.asarray(remaining(_scaled(spectrum, learning_rate), steps, optimizer, momentum) ** 2)
