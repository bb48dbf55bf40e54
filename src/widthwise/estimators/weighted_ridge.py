r"""Weighted kernel ridge regression in closed form: predictions, held-out predictions and criteria at every ridge.

With weights W and the mean :math:`m` of the targets taken off, the coefficients are
:math:`\alpha = (K + rW^{-1})^{-1}(Y - m) = W^{1/2}B\,W^{1/2}(Y - m)`, :math:`B = (W^{1/2}KW^{1/2} + rI)^{-1}`, so that one
symmetric matrix serves all weights. Leaving out rows F, whose mean is then no longer in m, gives the residuals
:math:`W_F^{-1/2}B_{FF}^{-1}(B\,W^{1/2}(Y - m_{-F}))_F`. A weight of 2 is the same row twice, left out together.

Criteria count rows by their weights: N is the sum of weights, and all of them equal those of rows that are repeated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import scipy.linalg
import scipy.sparse.csgraph
from jaxtyping import Float, Int

from widthwise.errors import SingularKernelError, UsageError
from widthwise.solvers import RidgePath, inverse, ridge_path

# Ridges over the mean of the kernel's diagonal between which a criterion is minimised, and the first grid.
SEARCHED = (1e-7, 1e3)
GRID = 21
FINE = 9


@dataclass(frozen=True, kw_only=True, eq=False)
class Held:
    r"""Predictions of every row without its own group, and what stands behind them.

    Attributes:
        predictions: in the units of the targets.
        effective_dimension: :math:`\mathrm{tr}\,K(K + rW^{-1})^{-1}`.
    """

    predictions: Float[np.ndarray, "n k"]
    effective_dimension: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    """A weighted regression problem, ready for one ridge or for all of them.

    Attributes:
        M: :math:`W^{1/2}KW^{1/2}`; empty where it is only multiplied by.
        Y: targets, in their units.
        weights: W, all positive.
        unit: weighted mean of the diagonal of K.
    """

    M: Float[np.ndarray, "m m"]
    Y: Float[np.ndarray, "n k"]
    weights: Float[np.ndarray, " n"]
    unit: float

    @property
    def root(self) -> Float[np.ndarray, "n 1"]:
        """Square roots of the weights, as a column."""
        return np.asarray(np.sqrt(self.weights)[:, None])

    @property
    def mean(self) -> Float[np.ndarray, " k"]:
        """Weighted mean of the targets: what is predicted where nothing is learned."""
        return np.asarray(self.weights @ self.Y / self.weights.sum())

    @property
    def right(self) -> Float[np.ndarray, "n k"]:
        """Right-hand sides :math:`W^{1/2}(Y - m)`."""
        return np.asarray(self.root * (self.Y - self.mean))

    @property
    def columns(self) -> Float[np.ndarray, "n c"]:
        """:math:`W^{1/2}` times the targets and a column of ones, from which any centring follows."""
        return np.asarray(self.root * np.column_stack([self.Y, np.ones(len(self.Y))]))

    def remaining(self, codes: Int[np.ndarray, " n"] | None) -> Float[np.ndarray, "n k"]:
        """For every row the mean of the targets that remain when its group is left out."""
        weighted = self.weights[:, None] * self.Y
        if codes is None:
            own, mass = weighted, self.weights
        else:
            groups = int(codes.max()) + 1
            sums = np.zeros((groups, self.Y.shape[1]))
            np.add.at(sums, codes, weighted)
            own, mass = sums[codes], np.bincount(codes, self.weights, groups)[codes]
        return np.asarray((weighted.sum(axis=0) - own) / (self.weights.sum() - mass)[:, None])


def problem(
    K: Float[np.ndarray, "n n"], Y: Float[np.ndarray, "n k"], weights: Float[np.ndarray, " n"] | None = None
) -> Problem:
    """A problem from a kernel matrix, targets and positive weights."""
    if weights is None:
        return Problem(M=K, Y=Y, weights=np.ones(len(Y)), unit=float(np.mean(np.diag(K))))
    root = np.sqrt(weights)
    unit = float(weights @ np.diag(K) / weights.sum())
    return Problem(M=root[:, None] * K * root, Y=Y, weights=weights, unit=unit)


def together(X: Float[np.ndarray, "n d"], groups: Int[np.ndarray, " n"] | None = None) -> Int[np.ndarray, " n"] | None:
    """Codes of rows that are left out together: equal rows, which would vouch for each other, and rows of one group.

    Args:
        X: rows.
        groups: codes of groups; a row that equals one of another group joins both.

    Returns:
        Codes; None where every row stands alone.
    """
    n = len(X)
    equal = np.unique(X, axis=0, return_inverse=True)[1].reshape(n)
    if groups is None:
        return None if equal.max() + 1 == n else equal.astype(np.int64)
    links = scipy.sparse.coo_matrix(
        (np.ones(n), (equal, equal.max() + 1 + groups)), shape=(equal.max() + groups.max() + 2,) * 2
    )
    found = scipy.sparse.csgraph.connected_components(links, directed=False)[1]
    return np.asarray(found[equal], dtype=np.int64)


def held_out(given: Problem, ridge: float, codes: Int[np.ndarray, " n"] | None = None) -> Held:
    """Leave-one-out, or leave-group-out, at one ridge, from one inverse.

    Args:
        given: the problem.
        ridge: r, in the units of K.
        codes: groups of rows that are left out together.

    Raises:
        SingularKernelError: if the matrix plus the ridge is singular to working precision.
    """
    B = inverse(given.M, shift=ridge)
    whole = B.matrix @ given.columns
    answered = whole / np.diag(B.matrix)[:, None]
    if codes is not None:
        _blocks(answered, whole, codes, lambda rows: B.matrix[np.ix_(rows, rows)])
    return Held(
        predictions=_predictions(given, answered, codes),
        effective_dimension=float(len(given.Y) - ridge * np.trace(B.matrix)),
    )


def _blocks(
    answered: Float[np.ndarray, "n c"],
    whole: Float[np.ndarray, "n c"],
    codes: Int[np.ndarray, " n"],
    block: Callable[[Int[np.ndarray, " m"]], Float[np.ndarray, "m m"]],
) -> None:
    """Solutions of every group's own block of B, in place; groups of one row are answered already."""
    order = np.argsort(codes, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(codes[order])) + 1):
        if len(rows) > 1:
            answered[rows] = scipy.linalg.solve(block(rows), whole[rows], assume_a="pos", check_finite=False)


def _predictions(
    given: Problem, answered: Float[np.ndarray, "n c"], codes: Int[np.ndarray, " n"] | None
) -> Float[np.ndarray, "n k"]:
    """From what the blocks of B answer for targets and ones to predictions centred by the rows that remain."""
    residuals = (answered[:, :-1] - answered[:, -1:] * given.remaining(codes)) / given.root
    return np.asarray(given.Y - residuals)


@dataclass(frozen=True, kw_only=True, eq=False)
class Path:
    """A problem at every ridge, from one eigendecomposition.

    Attributes:
        given: the problem.
        whole: `solvers.RidgePath` of :math:`W^{1/2}KW^{1/2}` and the targets with a column of ones.
    """

    given: Problem
    whole: RidgePath

    @property
    def least(self) -> float:
        """Smallest ridge at which the matrix is not singular to working precision, with a margin of ten."""
        return max(0.0, 10.0 * self.whole.tolerance - float(self.whole.values[-1]))

    @property
    def _centred(self) -> RidgePath:
        return replace(self.whole, Y=self.given.right)

    def held_out(self, ridge: float, codes: Int[np.ndarray, " n"] | None = None) -> Held:
        """As the function of this name.

        Raises:
            SingularKernelError: if the matrix plus the ridge is singular to working precision.
        """
        if self.whole.values[-1] + ridge <= self.whole.tolerance:
            raise SingularKernelError(_singular(len(self.given.Y), ridge))
        answered = self.whole.leave_one_out(ridge)
        if codes is not None:
            V, inverse_values = self.whole.vectors, 1.0 / (self.whole.values + ridge)
            _blocks(
                answered, self.whole.coefficients(ridge), codes, lambda rows: (V[rows] * inverse_values) @ V[rows].T
            )
        return Held(
            predictions=_predictions(self.given, answered, codes), effective_dimension=self.effective_dimension(ridge)
        )

    def effective_dimension(self, ridge: float) -> float:
        """Tr K (K + r W^-1)^-1."""
        return self.whole.degrees_of_freedom(ridge)

    def coefficients(self, ridge: float) -> Float[np.ndarray, "n k"]:
        """Coefficients alpha of the kernel functions of the rows."""
        return np.asarray(self.given.root * self._centred.coefficients(ridge))

    def flow(self, time: float, ridge: float) -> tuple[Float[np.ndarray, "n k"], float]:
        r"""Coefficients of gradient flow from zero at a time, and the directions it has fitted.

        .. math:: \alpha(t) = W^{1/2}\,\frac{1 - e^{-t(M + r)}}{M + r}\,W^{1/2}(Y - m)

        Flow on half the weighted sum of squares, plus r/2 times the squared norm of the function; in the units of rate times
        steps of gradient descent on that loss.
        """
        values = np.maximum(self.whole.values, 0.0)
        shifted = values + ridge
        filter_ = np.where(shifted > 0, -np.expm1(-time * shifted) / np.where(shifted > 0, shifted, 1.0), time)
        V = self.whole.vectors
        found = self.given.root * (V @ (filter_[:, None] * (V.T @ self.given.right)))
        return found, float(np.sum(values * filter_))

    def squares(self, ridge: float, codes: Int[np.ndarray, " n"] | None = None) -> float:
        """Weighted mean square of the held-out residuals, summed over columns."""
        residuals = self.given.Y - self.held_out(ridge, codes).predictions
        return float(self.given.weights @ np.sum(residuals**2, axis=1) / self.given.weights.sum())

    def criterion(self, name: str, codes: Int[np.ndarray, " n"] | None = None) -> Callable[[float], float]:
        """What `loo`, `gcv` or `evidence` minimises, as a function of the ridge."""
        if name == "gcv":
            return self.generalised_cross_validation
        if name == "evidence":
            return lambda ridge: -self.evidence(ridge)
        return lambda ridge: self.squares(ridge, codes)

    def generalised_cross_validation(self, ridge: float) -> float:
        r"""N |A Y|^2 / tr(A)^2 of the centred targets, every row as often as its weight says.

        :cite:t:`golub1979`.
        """
        count, inverse_values = float(self.given.weights.sum()), 1.0 / (self.whole.values + ridge)
        trace = float(inverse_values.sum()) + (count - len(self.given.Y)) / ridge
        energy = float(np.sum((inverse_values[:, None] * (self.whole.vectors.T @ self.given.right)) ** 2))
        return count * energy / trace**2

    def evidence(self, ridge: float) -> float:
        r"""Logarithm of the marginal likelihood, its scale at the best value of each column.

        .. math:: \sum_c -\tfrac12\Big[N\log\frac{2\pi e\,q_c}{N} + \log\det(K + rI)\Big],\qquad
                  q_c = (y_c - m)^\top(K + rI)^{-1}(y_c - m)

        for the N rows that the weights stand for. A Gaussian likelihood of the targets, of coded classes as well.
        """
        path, weights = self._centred, self.given.weights
        n, count = len(weights), float(weights.sum())
        shifted = path.values + ridge
        projected = path.vectors.T @ path.Y
        energies = np.sum(projected**2 / np.maximum(shifted, 1e-300)[:, None], axis=0)
        # Repeats of a row add directions in which the covariance is the ridge alone; the roots of the weights cancel.
        volume = path.log_determinant(ridge) + (count - n) * np.log(ridge)
        safe = np.maximum(energies, np.finfo(np.float64).tiny)
        return float(np.sum(-0.5 * (count * np.log(2.0 * np.pi * np.e * safe / count) + volume)))


def path(given: Problem) -> Path:
    """The path of a problem over all ridges."""
    return Path(given=given, whole=ridge_path(given.M, given.columns))


def best_ridge(criterion: Callable[[float], float], unit: float, least: float = 0.0) -> float:
    """Ridge with the smallest criterion: on a grid over ten decades, then on a finer one around its minimum.

    Grids, not a search: rows that are repeated and rows that are weighted then find the same ridge to the last digit.

    Args:
        criterion: of a ridge in the units of K.
        unit: mean of the kernel's diagonal.
        least: no ridge below.

    Raises:
        UsageError: if no ridge has a finite criterion.
    """
    low = max(SEARCHED[0] * unit, least)
    grid = np.geomspace(low, max(SEARCHED[1] * unit, 10.0 * low), GRID)
    for _ in range(2):
        scores = np.array([criterion(float(r)) for r in grid])
        if not np.isfinite(scores).any():
            raise UsageError("no ridge gives a finite criterion: the kernel of these rows must not be zero")
        place = int(np.nanargmin(scores))
        best = float(grid[place])
        grid = np.geomspace(grid[max(place - 1, 0)], grid[min(place + 1, len(grid) - 1)], FINE)
    return best


def _singular(n: int, ridge: float) -> str:
    return (
        f"leave-one-out of {n} rows needs a kernel matrix that is positive definite; with ridge {ridge:.3g} it is singular to "
        "working precision (rows that coincide do this). Use a larger ridge"
    )
