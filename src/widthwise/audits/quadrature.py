"""Answer 1 and the complexity of the labels from products with half a kernel matrix in float32.

Block Lanczos from the labels, a column of ones and random signs: the labels' own quadrature gives their training curves, that
of the signs the density of the spectrum, and with that of the ones the curves of shuffled labels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from widthwise import theory
from widthwise.audits import capacity
from widthwise.audits.capacity import Advance
from widthwise.audits.result import Estimate, LabelComplexity, Speed
from widthwise.audits.speed import FRACTIONS, answer
from widthwise.kernels import HInf
from widthwise.solvers import (
    Deflation,
    PackedTiles,
    SpectralMeasure,
    agreed,
    coincident_rows,
    pivoted_cholesky,
    refine,
    spectral_measure,
)


def dynamics(
    X: Float[np.ndarray, "n p"], Y: Float[np.ndarray, "n k"], *, seed: int, advance: Advance
) -> tuple[Speed, LabelComplexity]:
    """Answer 1 and the complexity of the labels from products with H-infinity.

    Args:
        X: scaled features.
        Y: coded labels.
        seed: of the probes and the preconditioner.
        advance: told the share of the work that is done, and what is being done.
    """
    kernel = HInf()
    n, k = Y.shape
    operator = kernel.operator(X)
    diagonal = operator.diagonal()
    # H-infinity tells rows apart exactly where their linear kernel does.
    groups = coincident_rows(_Rows(X))
    extra = sum(len(group) - int(diagonal[group[0]] > 0) for group in groups)
    signs = np.random.default_rng([seed, 2]).choice([-1.0, 1.0], (n, capacity.width(k) - k - 1))
    block = agreed(np.column_stack([Y, np.ones(n), signs]), groups, diagonal)
    tiles = PackedTiles.of(operator, "float32")
    advance(0.15, "kernel matrix")
    measure = spectral_measure(tiles, block, steps=capacity.STEPS)
    advance(0.35, "spectrum")
    fast = _speed(measure, Y, block, n, extra)
    complexity = _complexity(operator, tiles, block, Y, reachable=n - extra, seed=seed, advance=advance)
    return fast, replace(complexity, condition=fast.condition)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Nodes:
    """A quadrature as if its nodes were the eigenvalues."""

    spectrum: theory.Spectrum
    energies: Float[np.ndarray, "m k"]
    ones: Float[np.ndarray, " m"]
    probes: Float[np.ndarray, "m p"]
    counts: Float[np.ndarray, " m"]


def _nodes(measure: SpectralMeasure, outside: Float[np.ndarray, " k"], reachable: int, extra: int) -> _Nodes:
    k = len(outside)
    values, weights = measure.nodes, measure.weights
    probes = weights[:, k + 1 :]
    counts = _counts(measure, probes.mean(axis=1), reachable)
    # What rows that coincide make unreachable lies at an eigenvalue of zero.
    values = np.append(values, 0.0)
    spectrum = theory.Spectrum(
        values=values, vectors=np.eye(len(values)), tolerance=capacity.RESOLUTION * max(float(values[0]), 0.0)
    )
    return _Nodes(
        spectrum=spectrum,
        energies=np.vstack([weights[:, :k], outside]),
        ones=np.append(weights[:, k], 0.0),
        probes=np.vstack([probes, np.full(probes.shape[1], float(extra))]),
        counts=np.append(counts, float(extra)),
    )


def _counts(measure: SpectralMeasure, sampled: Float[np.ndarray, " m"], reachable: int) -> Float[np.ndarray, " m"]:
    """Eigenvalues that each node stands for: one where it has converged, a share of the rest by the probes elsewhere."""
    sure = measure.residuals <= capacity.CONVERGED * max(float(measure.nodes[0]), 0.0)
    left, weight = reachable - int(sure.sum()), float(sampled[~sure].sum())
    if left < 0 or (left > 0 and not weight > 0):
        return np.asarray(sampled * reachable / sampled.sum())
    return np.where(sure, 1.0, sampled * (left / weight if left else 0.0))


def _shuffled(nodes: _Nodes, Y: Float[np.ndarray, "n k"], counts: Float[np.ndarray, " m"]) -> Float[np.ndarray, "m k"]:
    """Mean squared projections of permuted labels, as `theory.shuffled_energies` has them for eigenvectors."""
    square, product = _moments(Y)
    return np.asarray(np.maximum((square - product) * counts[:, None] + product * nodes.ones[:, None], 0.0))


def _moments(Y: Float[np.ndarray, "n k"]) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, " k"]]:
    """Mean square of each column, and mean product of two different entries."""
    n = len(Y)
    square = np.mean(Y**2, axis=0)
    return square, (Y.sum(axis=0) ** 2 - n * square) / max(n * (n - 1), 1)


def _speed(
    measure: SpectralMeasure, Y: Float[np.ndarray, "n k"], block: Float[np.ndarray, "n w"], n: int, extra: int
) -> Speed:
    k = Y.shape[1]
    outside = np.maximum(np.sum(Y**2, axis=0) - np.sum(block[:, :k] ** 2, axis=0), 0.0)
    nodes = _nodes(measure, outside, n - extra, extra)
    found = answer(
        nodes.spectrum,
        energies=nodes.energies,
        shuffled=_shuffled(nodes, Y, nodes.counts),
        counts=nodes.counts,
        n=n,
    )
    smallest = float(measure.nodes[-1])
    condition = found.largest_eigenvalue / smallest if not extra and smallest > nodes.spectrum.tolerance else None
    found = replace(found, smallest_eigenvalue=0.0 if extra else smallest, condition=condition)
    moved = (
        f"what the last third of {measure.steps} products moved" if measure.coarse else "the space is exhausted: exact"
    )
    resolution = capacity.RESOLUTION * found.largest_eigenvalue
    estimates = [
        Estimate(
            quantity="largest eigenvalue",
            value=found.largest_eigenvalue,
            error=float(measure.residuals[0]) + resolution,
            how="residual of the Lanczos vector, and the rounding of float32",
        )
    ]
    coarse = _nodes(measure.coarse, outside, n - extra, extra) if measure.coarse and not measure.exhausted else None
    for place, fraction in enumerate(FRACTIONS):
        for name, steps, energies, spread in (
            ("given labels", found.steps[place], [nodes.energies, None if coarse is None else coarse.energies], 0.0),
            (
                "shuffled labels",
                found.shuffled_steps[place],
                [
                    _shuffled(nodes, Y, nodes.counts),
                    None if coarse is None else _shuffled(coarse, Y, coarse.counts),
                ],
                _scatter(nodes, Y, found.learning_rate, fraction),
            ),
        ):
            if steps is None:
                continue
            other = (
                steps
                if coarse is None or energies[1] is None
                else theory.steps_to(coarse.spectrum, energies[1], learning_rate=found.learning_rate, fraction=fraction)
            )
            shift = abs(steps - other) if other is not None else steps
            estimates.append(
                Estimate(
                    quantity=f"steps to {100 * fraction:g} %, {name}",
                    value=float(steps),
                    error=float(math.hypot(shift, spread)) + 1.0,
                    how=moved + ("" if name == "given labels" else "; two standard errors over the probes"),
                )
            )
    if not extra:
        estimates.append(
            Estimate(
                quantity="smallest eigenvalue, at most",
                value=smallest,
                error=float(measure.residuals[-1]) + resolution,
                how="a Lanczos value lies above the smallest eigenvalue; the condition number is at least the ratio",
            )
        )
    return replace(found, estimates=tuple(estimates))


def _scatter(nodes: _Nodes, Y: Float[np.ndarray, "n k"], rate: float, fraction: float) -> float:
    """Two standard errors of the steps for shuffled labels, from each probe's own count of eigenvalues."""
    total = nodes.probes.sum(axis=0)
    found = []
    for column, whole in zip(nodes.probes.T, total, strict=True):
        sure = nodes.counts == 1.0
        rest, left = column[~sure].sum(), nodes.counts[~sure].sum()
        counts = np.where(sure, 1.0, column * (left / rest)) if rest > 0 else column * nodes.counts.sum() / whole
        steps = theory.steps_to(nodes.spectrum, _shuffled(nodes, Y, counts), learning_rate=rate, fraction=fraction)
        if steps is None:
            return float("inf")
        found.append(steps)
    return float(theory.NORMAL_95 * np.std(found, ddof=1) / math.sqrt(len(found)))


def _complexity(
    operator: Any,
    tiles: PackedTiles,
    block: Float[np.ndarray, "n w"],
    Y: Float[np.ndarray, "n k"],
    *,
    reachable: int,
    seed: int,
    advance: Advance,
) -> LabelComplexity:
    """Label complexity by conjugate gradients without a ridge, within the range of the kernel."""
    n, k = Y.shape
    low = pivoted_cholesky(operator, capacity.rank(n), seed=seed)
    # A preconditioner without a ridge still needs a floor: its last value.
    P = Deflation(low, 0.0, "float32")
    wide = tiles.widened()
    done = refine(
        wide.matmul,
        tiles.matmul,
        P,
        block,
        tol=capacity.LOOSE,
        trusted=capacity.TRUSTED,
        max_iterations=capacity.MOST_ITERATIONS,
        norm=float(operator.diagonal().max()),
    )
    advance(0.3, "complexity of the labels")
    # The certificate is from the kernel itself.
    image = np.column_stack([operator.matmul(done.X[:, :k]), wide.matmul(done.X[:, k:])])
    left = block - image
    sizes = np.linalg.norm(block, axis=0)
    relative = np.linalg.norm(left, axis=0) / np.where(sizes > 0, sizes, 1.0)
    # For every X, 2 x'y - x'Hx is at most y'H^-1 y, and short of it by r'H^-1 r.
    forms = np.sum(done.X * (block + left), axis=0)
    least = done.ritz[0]
    short = np.sum(P.inverse(left) ** 2, axis=0) / max(least, 1e-300)
    advance(0.2, "complexity of the labels")
    square, product = _moments(Y)
    traces = forms[k + 1 :]
    trace, ones = float(traces.mean()), float(forms[k])
    shuffled = float(np.sum((square - product) * trace + product * ones))
    given = float(forms[:k].sum())
    # tr A^2 from the probes: the spread of a quadratic form over many shuffles.
    frobenius = float(np.mean(np.sum(done.X[:, k + 1 :] ** 2, axis=0)))
    centred = Y - Y.mean(axis=0)
    spread = math.sqrt(max(frobenius - trace**2 / max(reachable, 1), 0.0) * 2.0) * float(
        np.linalg.norm(centred.T @ centred / n)
    )
    z = (given - shuffled) / spread if spread > 0 else 0.0
    unit = 2.0 / (n * k)
    value, mean = math.sqrt(unit * max(given, 0.0)), math.sqrt(unit * max(shuffled, 0.0))
    total = float(np.sum(Y**2))
    error = unit * float(short[:k].sum()) / (2.0 * value) if value > 0 else 0.0
    scatter = theory.NORMAL_95 * float(traces.std(ddof=1)) / math.sqrt(len(traces)) + float(short[k + 1 :].mean())
    slope = unit * float(np.sum(np.abs(square - product)))
    return LabelComplexity(
        value=value,
        by_class=tuple(float(v) for v in np.sqrt(2.0 / n * np.maximum(forms[:k], 0.0))),
        shuffled=mean,
        percentile=max(100.0 * 0.5 * math.erfc(-z / math.sqrt(2.0)), 1e-6),
        shuffles=0,
        unreachable=max(0.0, 1.0 - float(np.sum(block[:, :k] ** 2)) / total) if reachable < n else 0.0,
        residual=float(relative[:k].max()),
        condition=None,
        estimates=(
            Estimate(
                quantity="complexity of the labels, at least",
                value=value,
                error=error,
                how="conjugate gradients reach it from below; the error is that of their residual in the norm of the inverse",
            ),
            Estimate(
                quantity="complexity of shuffled labels",
                value=mean,
                error=scatter * slope / (2.0 * mean) if mean > 0 else 0.0,
                how=f"two standard errors of the trace of the inverse over {len(traces)} probes",
            ),
        ),
    )


class _Rows:
    """X X' as an operator: what tells whether rows are equal."""

    def __init__(self, X: Float[np.ndarray, "n p"]) -> None:
        self._X, self.shape = X, (len(X), len(X))

    def matmul(self, V: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
        return np.asarray(self._X @ (self._X.T @ V))

    def diagonal(self) -> Float[np.ndarray, " n"]:
        return np.asarray(np.einsum("ij,ij->i", self._X, self._X))

    def columns(self, indices: Any) -> Float[np.ndarray, "n m"]:
        return np.asarray(self._X @ self._X[indices].T)
