"""Ridge, leave-one-out and held-out folds of the tangent kernel by block conjugate gradients, nothing factorised.

Leave-one-out needs the diagonal of an inverse: random probes estimate it, nearest neighbours sharpen the estimate.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.special
from jaxtyping import Bool, Float, Int

from widthwise.audits import capacity
from widthwise.audits.capacity import Advance
from widthwise.audits.generalisation import KERNEL, RIDGES, Chosen
from widthwise.audits.result import Estimate
from widthwise.audits.score import row_losses
from widthwise.audits.targets import predictions
from widthwise.datasets import Dataset, Features
from widthwise.solvers import (
    Deflation,
    DiagonalEstimate,
    LeaveOneOutEstimate,
    LowRank,
    PackedTiles,
    conditional_variances,
    leave_one_out_estimate,
    nearest,
    pivoted_cholesky,
    refine,
    sharpened,
)


def predict(
    ds: Dataset,
    features: Features,
    Y: Float[np.ndarray, "n k"],
    folds: Sequence[Int[np.ndarray, " _"]],
    *,
    start: int,
    settled: Sequence[float] | None = None,
    seed: int,
    advance: Advance,
) -> tuple[Chosen, tuple[Estimate, ...], tuple[str, ...]]:
    """Ridge, leave-one-out and held-out folds of the tangent kernel by solves.

    Args:
        ds: the data.
        features: scaled.
        Y: targets, offset included.
        folds: held-out rows of each fold.
        start: number of the ridge to begin with.
        settled: the ridge and those of the folds, where they were chosen elsewhere and leave-one-out looks for its own alone.
        seed: of the probes and the preconditioner.
        advance: told the share of the work that is done, and what is being done.
    """
    n, k = Y.shape
    operator = KERNEL.operator(features.X)
    unit = float(operator.diagonal().mean())
    tiles = PackedTiles.of(operator, "float32")
    wide = tiles.widened()
    advance(0.08, "kernel matrix")
    low = pivoted_cholesky(operator, capacity.rank(n), seed=seed)
    advance(0.04, "preconditioner")
    near = nearest(tiles, capacity.NEIGHBOURS)
    advance(0.03, "neighbours")
    middle = Y.mean(axis=0)
    right = np.column_stack([Y - middle, np.ones(n)])
    probes = capacity.width(k) - k - 1
    inside = np.ones((len(folds), n), dtype=bool)
    for mask, fold in zip(inside, folds, strict=True):
        mask[fold] = False
    found: dict[int, _Left] = {}
    wanted, shares = {start}, 0.42
    while wanted:
        for place in sorted(wanted):
            estimate, diagonal = leave_one_out_estimate(
                wide, right, ridge=RIDGES[place] * unit, quick=tiles, probes=probes, known=low, tol=capacity.LOOSE,
                max_iterations=capacity.MOST_ITERATIONS, seed=seed,
            )  # fmt: skip
            diagonal = sharpened(diagonal, conditional_variances(tiles, near, ridge=RIDGES[place] * unit))
            found[place] = _left_out(estimate, diagonal, Y, inside)
            shares, step = shares / 1.6, shares * 0.375
            advance(step, "ridge over all rows")
        known = sorted(found)
        criteria = np.array([[found[p].mean_square, *(found[p].inner if settled is None else ())] for p in known])
        minima = {known[i] for i in criteria.argmin(axis=0)}
        wanted = {p + side for p in minima for side in (-1, 1)} & set(range(len(RIDGES))) - set(found)
    advance(shares, "ridge over all rows")
    winners = [known[i] for i in criteria.argmin(axis=0)]
    best = found[winners[0]]
    ridge = RIDGES[winners[0]] * unit
    certificate = right - (operator.matmul(best.coefficients) + ridge * best.coefficients)
    residual = float((np.linalg.norm(certificate, axis=0) / np.linalg.norm(right, axis=0)).max())
    advance(0.1, "certificate")
    best_ridge, *fold_ridges = settled or [RIDGES[w] for w in winners]
    held_out, folded = _held_out(tiles, low, Y, folds, [r * unit for r in fold_ridges])
    advance(0.33, "held-out folds")
    chosen = Chosen(
        features=features,
        ridge=best_ridge,
        row_ridge=RIDGES[winners[0]],
        loo=Y - best.residuals,
        held_out=held_out,
        residual=residual,
        condition=best.condition,
        fold_ridges=tuple(fold_ridges),
    )
    losses = row_losses(ds, predictions(ds, chosen.loo))
    value = float(losses.mean()) if ds.task == "classification" else math.sqrt(float(losses.mean()))
    estimates = (
        Estimate(
            quantity="leave-one-out " + ("error" if ds.task == "classification" else "RMSE"),
            value=value,
            error=_loo_error(ds, chosen.loo, best),
            how=f"rows that the scatter of their predictions would turn, and two standard errors of that ({probes} probes)"
            if ds.task == "classification"
            else f"two standard errors of the diagonal of the inverse ({probes} probes), row by row",
        ),
        Estimate(
            quantity="leave-one-out predictions, median over rows",
            value=float(np.median(np.abs(best.residuals))),
            error=float(2.0 * np.median(best.errors)),
            how="size of the residual of a row, and two of its standard errors",
        ),
    )
    tried = ", ".join(f"{RIDGES[p]:.3g}" for p in sorted(found))
    outside = (
        " The ridge of each fold is that of the least leave-one-out error over the rows outside the fold; those predictions have "
        "seen the fold, its own fit has not."
        if settled is None
        else ""
    )
    how = (
        (
            f"Ridges tried over all rows: {tried} of the mean diagonal. Leave-one-out residuals are (Ay)_i / A_ii with the "
            f"diagonal of A estimated by {probes} probes and the {near.shape[1]} nearest rows of each row.{outside}"
        ),
        (
            f"Solves: block conjugate gradients in float32, {best.iterations} iterations, true residual {residual:.2g} evaluated "
            f"from the float64 kernel without a matrix; the folds, solved side by side, {folded:.2g} from the float32 tiles "
            "summed in float64."
        ),
    )
    return chosen, estimates, how


@dataclass(frozen=True, kw_only=True, eq=False)
class _Left:
    """Leave-one-out at one ridge."""

    coefficients: Float[np.ndarray, "n j"]
    residuals: Float[np.ndarray, "n k"]
    errors: Float[np.ndarray, "n k"]
    shares: Float[np.ndarray, " n"]
    mean_square: float
    inner: Float[np.ndarray, " folds"]
    condition: float
    iterations: int


def _left_out(
    estimate: LeaveOneOutEstimate,
    diagonal: DiagonalEstimate,
    Y: Float[np.ndarray, "n k"],
    inside: Bool[np.ndarray, "folds n"],
) -> _Left:
    """Residuals of predictions that centre the targets by the mean of the other rows, as the dense path has them."""
    n = len(Y)
    centred = Y - Y.mean(axis=0)
    others = (centred.sum(axis=0) - centred) / (n - 1)
    solved = estimate.coefficients
    residuals = (solved[:, :-1] - others * solved[:, -1:]) / diagonal.values[:, None]
    share = (diagonal.standard_errors / diagonal.values)[:, None]
    squares = np.sum(residuals**2, axis=1)
    return _Left(
        coefficients=solved,
        residuals=residuals,
        errors=np.abs(residuals) * share,
        shares=share[:, 0],
        mean_square=float(squares.mean()),
        inner=np.array([squares[mask].mean() for mask in inside]),
        condition=estimate.condition,
        iterations=estimate.iterations,
    )


def _loo_error(ds: Dataset, loo: Float[np.ndarray, "n k"], left: _Left) -> float:
    """How far the leave-one-out error may be off by the scatter of the estimated diagonal."""
    if ds.task != "classification":
        # What all rows share moves the whole by itself; what they do not averages out.
        return 2.0 * float(np.sqrt(np.mean(left.errors**2)))
    two = len(ds.classes) == 2
    scores = np.column_stack([-loo, loo]) if two else loo
    residuals = np.column_stack([-left.residuals, left.residuals]) if two else left.residuals
    rows = np.arange(ds.n)
    second, first = np.argsort(scores, axis=1)[:, -2:].T
    gap = scores[rows, first] - scores[rows, second]
    # One divisor serves all classes of a row, so the gap moves by the difference of their residuals.
    spread = np.abs(residuals[rows, first] - residuals[rows, second]) * left.shares
    turned = scipy.special.ndtr(-gap / np.maximum(spread, np.finfo(np.float64).tiny))
    codes = ds.y.astype(np.intp)
    # A row that turns is one error more, one less, or as wrong as before.
    change = (first == codes).astype(np.float64) - (second == codes)
    return float(abs(np.mean(turned * change)) + 2.0 * np.sqrt(np.sum(turned * (1.0 - turned) * change**2)) / ds.n)


def _held_out(
    tiles: PackedTiles,
    low: LowRank,
    Y: Float[np.ndarray, "n k"],
    folds: Sequence[Int[np.ndarray, " _"]],
    ridges: Sequence[float],
) -> tuple[Float[np.ndarray, "n k"], float]:
    """Predictions for every fold from the rows outside it, and the largest true residual.

    The systems of all folds are one with blocks on its diagonal: a product with the kernel matrix, read once, serves every
    block, and all blocks share one recursion.
    """
    n, k = Y.shape
    kept = [np.setdiff1d(np.arange(n), fold) for fold in folds]
    cuts = np.cumsum([0, *map(len, kept)])
    blocks = [slice(a, b) for a, b in itertools.pairwise(cuts)]
    middles = [Y[rows].mean(axis=0) for rows in kept]
    right = np.vstack([Y[rows] - middle for rows, middle in zip(kept, middles, strict=True)])
    P = _Side(
        [Deflation(low.restricted(rows), ridge, "float32") for rows, ridge in zip(kept, ridges, strict=True)], blocks
    )

    def spread(V: Float[np.ndarray, "s j"], matrix: Any) -> Float[np.ndarray, "n w"]:
        j = V.shape[1]
        wide = np.zeros((n, j * len(kept)))
        for number, (rows, block) in enumerate(zip(kept, blocks, strict=True)):
            wide[rows, number * j : (number + 1) * j] = V[block]
        return np.asarray(matrix.matmul(wide))

    def product(matrix: Any) -> Callable[[Float[np.ndarray, "s j"]], Float[np.ndarray, "s j"]]:
        def apply(V: Float[np.ndarray, "s j"]) -> Float[np.ndarray, "s j"]:
            j, image = V.shape[1], spread(V, matrix)
            out = np.empty_like(V)
            for number, (rows, block, ridge) in enumerate(zip(kept, blocks, ridges, strict=True)):
                out[block] = image[rows, number * j : (number + 1) * j] + ridge * V[block]
            return out

        return apply

    wide = tiles.widened()
    done = refine(
        product(wide),
        product(tiles),
        P,
        right,
        tol=capacity.LOOSE,
        trusted=capacity.TRUSTED,
        max_iterations=capacity.MOST_ITERATIONS,
        norm=float(tiles.diagonal().max()) + max(ridges),
    )
    image = spread(done.X, wide)
    found = np.empty_like(Y)
    for number, (fold, middle) in enumerate(zip(folds, middles, strict=True)):
        found[fold] = image[fold, number * k : (number + 1) * k] + middle
    return found, float(done.relative.max(initial=0.0))


class _Side:
    """Preconditioners of blocks on a diagonal."""

    def __init__(self, parts: Sequence[Deflation], blocks: Sequence[slice]) -> None:
        self._parts, self._blocks = parts, blocks

    def inverse(self, V: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
        return np.vstack([part.inverse(V[block]) for part, block in zip(self._parts, self._blocks, strict=True)])

    inverse_transposed = inverse

    def forward(self, V: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
        return np.vstack([part.forward(V[block]) for part, block in zip(self._parts, self._blocks, strict=True)])
