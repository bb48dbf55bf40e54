"""Weighted kernel ridge regression of more rows than a factorisation takes: conjugate gradients and estimates with errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from widthwise._checks import available_memory
from widthwise.estimators.weighted_ridge import Problem, best_ridge, path, problem
from widthwise.kernels.kernel import Kernel
from widthwise.solvers import PackedTiles, leave_one_out_estimate, log_determinant

# Rows of the part whose criterion says where to begin, and the factor between the ridges that are tried.
PREVIEW = 2000
STEP = 10.0**0.5
MOST_STEPS = 3
# Root mean square of the relative errors of the diagonal above which a ridge is no candidate: its criterion would be noise.
UNSURE = 0.1
# Share of the free memory for a copy in float32.
SHARE = 0.4


class WeightedOperator:
    """W^1/2 K W^1/2 as the solvers take it.

    Args:
        operator: of K.
        root: square roots of the weights.
    """

    def __init__(self, operator: Any, root: Float[np.ndarray, " n"]) -> None:
        self.operator, self.root = operator, root

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self.root), len(self.root)

    def matmul(self, V: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
        """The product with the columns of V."""
        return np.asarray(self.root[:, None] * self.operator.matmul(self.root[:, None] * V))

    def diagonal(self) -> Float[np.ndarray, " n"]:
        """The diagonal."""
        return np.asarray(self.root**2 * self.operator.diagonal())

    def columns(self, indices: Any) -> Float[np.ndarray, "n m"]:
        """Some columns."""
        return np.asarray(self.root[:, None] * self.operator.columns(indices) * self.root[indices])

    def each_tile(self, store: Callable[[int, int, np.ndarray], None], dtype: Any = "float64") -> None:
        """Every tile of the lower triangle."""

        def scaled(top: int, left: int, values: np.ndarray) -> None:
            rows, across = values.shape
            outer = self.root[top : top + rows, None] * self.root[left : left + across]
            store(top, left, values * outer.astype(values.dtype))

        self.operator.each_tile(scaled, dtype)


@dataclass(frozen=True, kw_only=True, eq=False)
class Estimated:
    """What one block of conjugate gradients answers at one ridge.

    Attributes:
        predictions: leave-one-out, centred by the rows that remain.
        standard_errors: of each, from the estimated diagonal of the inverse.
        effective_dimension: estimate of the degrees of freedom.
        criterion: the one asked for, the smaller the better; infinite where the probes do not settle it.
    """

    predictions: Float[np.ndarray, "n k"]
    standard_errors: Float[np.ndarray, "n k"]
    effective_dimension: float
    criterion: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Large:
    """A regression problem whose matrix is only multiplied by.

    Attributes:
        operator: of :math:`W^{1/2}KW^{1/2}`.
        given: targets and weights; its matrix is empty.
        quick: the matrix in float32, where memory holds it.
        seed: of preconditioners and probes.
    """

    operator: Any
    given: Problem
    quick: PackedTiles | None
    seed: int

    def at(self, ridge: float, criterion: str = "loo") -> Estimated:
        """Held-out predictions and a criterion at one ridge."""
        given, n = self.given, len(self.given.Y)
        found, diagonal = leave_one_out_estimate(
            self.operator, given.columns, ridge=ridge, quick=self.quick, seed=self.seed
        )
        remaining = given.remaining(None)
        residuals = (found.residuals[:, :-1] - found.residuals[:, -1:] * remaining) / given.root
        errors = np.abs(residuals) * (diagonal.standard_errors / diagonal.values)[:, None]
        trace, count = float(diagonal.values.sum()), float(given.weights.sum())
        if criterion == "loo":
            value = float(given.weights @ np.sum(residuals**2, axis=1) / count)
        else:
            solved = found.coefficients[:, :-1] - given.mean * found.coefficients[:, -1:]
            if criterion == "gcv":
                value = count * float(np.sum(solved**2)) / (trace + (count - n) / ridge) ** 2
            else:
                volume = log_determinant(self.operator, ridge=ridge, seed=self.seed).value
                volume += (count - n) * np.log(ridge)
                energies = np.sum(solved * given.right, axis=0)
                value = float(np.sum(0.5 * (count * np.log(2 * np.pi * np.e * energies / count) + volume)))
        if float(np.sqrt(np.mean((diagonal.standard_errors / diagonal.values) ** 2))) > UNSURE:
            value = float("inf")
        return Estimated(
            predictions=given.Y - residuals,
            standard_errors=errors,
            effective_dimension=n - ridge * trace,
            criterion=value,
        )

    def choose(self, start: float, criterion: str) -> float:
        """Ridge at which the criterion is least among its neighbours, in steps of half a decade, near a start."""
        scores: dict[int, float] = {}

        def score(place: int) -> float:
            if place not in scores:
                scores[place] = self.at(start * STEP**place, criterion).criterion
            return scores[place]

        place = 0
        while abs(place) < MOST_STEPS:
            best = min((place, place + 1, place - 1), key=score)
            if best == place:
                break
            place = best
        return start * STEP ** min(scores, key=lambda p: scores[p])


def large(
    kernel: Kernel, rows: Float[np.ndarray, "n p"], Y: Float[np.ndarray, "n k"], weights: Float[np.ndarray, " n"] | None,
    seed: int,
) -> Large:  # fmt: skip
    """A problem whose matrix is never whole."""
    operator: Any = kernel.operator(rows)
    unit = float(np.average(operator.diagonal(), weights=weights))
    if weights is not None:
        operator = WeightedOperator(operator, np.sqrt(weights))
    n = len(rows)
    fits = PackedTiles.bytes_for(n, "float32") <= SHARE * (available_memory() or 0)
    given = Problem(M=np.empty((0, 0)), Y=Y, weights=np.ones(n) if weights is None else weights, unit=unit)
    return Large(operator=operator, given=given, quick=PackedTiles.of(operator, "float32") if fits else None, seed=seed)


def preview(
    kernel: Kernel, rows: Float[np.ndarray, "n p"], Y: Float[np.ndarray, "n k"], weights: Float[np.ndarray, " n"] | None,
    criterion: str,
) -> float:  # fmt: skip
    """Ridge that some evenly spaced rows would choose: where to begin."""
    some = np.arange(0, len(rows), -(-len(rows) // PREVIEW))
    part = problem(kernel(rows[some]), Y[some], None if weights is None else weights[some])
    whole = path(part)
    return best_ridge(whole.criterion(criterion), part.unit, whole.least)
