r"""Block Lanczos: the top of a spectrum, and the spectral measure of labels, from products with the matrix alone.

After m steps from a block Y = Q_1 R the matrix is :math:`Q^\top K Q = T`, block tridiagonal, and for polynomials f of degree
up to 2m - 1 exactly, :math:`Y^\top f(K) Y = R^\top E_1^\top f(T) E_1 R`: a Gauss quadrature (:cite:t:`golub2010`). The basis
is orthogonalised against all of itself in every step, so that no eigenvalue is found twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from jaxtyping import Float

from widthwise._checks import columns, count, enough_memory, positive
from widthwise._threads import one_blas_thread
from widthwise.pages.progress import Progress
from widthwise.solvers.operators import Operator

# Directions of a block below this share of the norm of the matrix (or of the block that starts) are rounding.
RANK = 1e-12
LARGEST_BLOCK = 16


@dataclass(frozen=True, kw_only=True, eq=False)
class SpectralMeasure:
    r"""Where the squared norm of each column of Y lies in the spectrum of K, as a Gauss quadrature.

    Attributes:
        nodes: in the units of K, largest first.
        weights: of each node for each column; they sum to the column's squared norm.
        steps: of the block Lanczos process.
        coarse: the measure after two thirds of the steps, whose distance tells how far this one has converged; None for itself.
        exhausted: whether the steps have spanned all that K makes of Y: the quadrature is then exact for every f.
        residuals: of each node as an eigenvalue: there is one of K within that distance.
    """

    nodes: Float[np.ndarray, " m"]
    weights: Float[np.ndarray, "m k"]
    steps: int
    coarse: SpectralMeasure | None
    exhausted: bool
    residuals: Float[np.ndarray, " m"]

    def integrate(
        self, f: Callable[[Float[np.ndarray, " m"]], Float[np.ndarray, "... m"]]
    ) -> Float[np.ndarray, "... k"]:
        """Y' f(K) y for every column y; `f` may return several functions, one for each row."""
        return np.asarray(f(self.nodes) @ self.weights)

    def uncertainty(
        self, f: Callable[[Float[np.ndarray, " m"]], Float[np.ndarray, "... m"]]
    ) -> Float[np.ndarray, "... k"]:
        """How much `integrate` moved over the last third of the steps: an estimate of its error from above, as a rule."""
        if self.coarse is None or self.exhausted:
            return np.zeros_like(self.integrate(f))
        return np.asarray(np.abs(self.integrate(f) - self.coarse.integrate(f)))


@dataclass(frozen=True, kw_only=True, eq=False)
class TopSpectrum:
    """The largest eigenvalues and their eigenvectors.

    Attributes:
        values: largest first.
        vectors: orthonormal columns.
        residuals: |K v - lambda v|, from the matrix itself: each value is within that of an eigenvalue.
        steps: of the block Lanczos process.
    """

    values: Float[np.ndarray, " m"]
    vectors: Float[np.ndarray, "n m"]
    residuals: Float[np.ndarray, " m"]
    steps: int


def spectral_measure(
    K: Operator,
    Y: Float[np.ndarray, " n"] | Float[np.ndarray, "n k"],
    *,
    steps: int = 60,
    progress: bool = False,
) -> SpectralMeasure:
    """Spectral measure of the columns of Y under K.

    Args:
        K: the matrix.
        Y: labels, one column for each output.
        steps: products with K; accuracy grows fast with them for smooth functions.
        progress: show progress on stderr.

    Raises:
        DataError: if Y does not fit.
        ResourceError: if memory does not hold the basis.
    """
    right = columns(Y, K.shape[0])
    process = _Process(K, right, count(steps, "steps"))
    coarse: SpectralMeasure | None = None
    with Progress(steps, label="spectrum of the labels", enabled=progress) as bar:
        while process.steps < steps and process.step():
            if process.steps == (2 * steps) // 3:
                coarse = process.measure(None)
            bar.advance(1.0)
    return process.measure(coarse)


def top_eigenpairs(
    K: Operator, m: int, *, tol: float = 1e-8, most_steps: int = 200, seed: int = 0, progress: bool = False
) -> TopSpectrum:
    """The m largest eigenvalues of K with eigenvectors, by block Lanczos from a random block.

    Args:
        K: symmetric positive semi-definite matrix.
        m: how many.
        tol: of the residuals, over the largest eigenvalue.
        most_steps: products with K at most; residuals say what was reached.
        seed: of the block.
        progress: show progress on stderr.

    Raises:
        UsageError: if m or tol is not positive.
    """
    n = K.shape[0]
    m = min(count(m, "m"), n)
    positive(tol, "tol")
    width = min(n, max(2, min(LARGEST_BLOCK, m)))
    start = np.random.default_rng(seed).standard_normal((n, width))
    process = _Process(K, start, most_steps)
    with Progress(most_steps, label="largest eigenvalues", enabled=progress) as bar:
        while process.steps < most_steps and process.step():
            bar.advance(1.0)
            if process.steps % 5 == 0 and process.size > m and process.ends(m).max() <= tol:
                break
    values, inside = scipy.linalg.eigh(process.tridiagonal(), check_finite=False)
    chosen = np.argsort(values)[::-1][:m]
    vectors = process.combine(inside[:, chosen])
    residuals = np.linalg.norm(K.matmul(vectors) - vectors * values[chosen], axis=0)
    return TopSpectrum(values=values[chosen], vectors=vectors, residuals=residuals, steps=process.steps)


class _Process:
    """The basis and the block tridiagonal matrix, one step at a time."""

    def __init__(self, K: Operator, Y: Float[np.ndarray, "n k"], steps: int) -> None:
        n, k = Y.shape
        self._K = K
        most = min(n, (steps + 1) * k)
        enough_memory(8.0 * n * most, f"a Lanczos basis of {most} vectors of {n}", "Use fewer steps")
        self._basis = np.empty((n, most), order="F")
        self._T = np.zeros((most, most))
        size = float(np.linalg.norm(Y))
        Q, self._R = _orthonormal(Y, RANK * size)
        self._basis[:, : Q.shape[1]] = Q
        self._ends: list[int] = [0, int(Q.shape[1])]
        self._norm = 0.0
        self._below = np.zeros((0, Q.shape[1]))
        self.steps = 0
        self.exhausted = Q.shape[1] == 0

    @property
    def size(self) -> int:
        """Vectors whose part of T is whole."""
        return self._ends[-2] if not self.exhausted else self._ends[-1]

    def step(self) -> bool:
        """One product; False where it added nothing, because the space is invariant."""
        if self.exhausted:
            return False
        first, last = self._ends[-2:]
        Q = self._basis[:, first:last]
        W = self._K.matmul(Q)
        whole = self._basis[:, :last]
        inside = whole.T @ W
        self._T[first:last, first:last] = _symmetric(inside[first:last])
        self._norm = max(self._norm, float(np.abs(inside).max(initial=0.0)))
        W -= whole @ inside
        # Twice is enough.
        W -= whole @ (whole.T @ W)
        room = self._basis.shape[1] - last
        new, below = _orthonormal(W, RANK * self._norm * len(W) ** 0.5)
        self.steps += 1
        # Against the basis once more: the directions that are left may be small beside what was taken off.
        new -= whole @ (whole.T @ new)
        new = np.linalg.qr(new)[0] if new.shape[1] else new
        below = new.T @ W
        self._below = below
        if not new.shape[1] or room < new.shape[1]:
            self.exhausted = not new.shape[1] or last + new.shape[1] > len(W)
            self._ends.append(last)
            self.exhausted = self.exhausted or last == len(W)
            return False
        self._basis[:, last : last + new.shape[1]] = new
        self._T[last : last + new.shape[1], first:last] = below
        self._T[first:last, last : last + new.shape[1]] = below.T
        self._ends.append(last + new.shape[1])
        return True

    def tridiagonal(self) -> Float[np.ndarray, "s s"]:
        """T of all steps done."""
        size = self._done()
        return self._T[:size, :size]

    def combine(self, inside: Float[np.ndarray, "s m"]) -> Float[np.ndarray, "n m"]:
        """Vectors from their coordinates in the basis."""
        return np.asarray(self._basis[:, : len(inside)] @ inside)

    def ends(self, m: int) -> Float[np.ndarray, " m"]:
        """Residual estimates of the m largest Ritz pairs, over the largest."""
        size = self._done()
        values, inside = scipy.linalg.eigh(self._T[:size, :size], check_finite=False)
        last = self._below.shape[1]
        left = np.linalg.norm(self._below @ inside[size - last :, -m:], axis=0)
        return np.asarray(left / max(float(values[-1]), np.finfo(np.float64).tiny))

    def measure(self, coarse: SpectralMeasure | None) -> SpectralMeasure:
        """Quadrature of the steps done."""
        size = self._done()
        values, inside = scipy.linalg.eigh(self._T[:size, :size], check_finite=False)
        first = self._R.shape[0]
        weights = (inside[:first].T @ self._R) ** 2
        last = self._below.shape[1]
        left = np.zeros(size) if self.exhausted else np.linalg.norm(self._below @ inside[size - last :], axis=0)
        return SpectralMeasure(
            nodes=values[::-1].copy(),
            weights=weights[::-1].copy(),
            steps=self.steps,
            coarse=coarse,
            exhausted=self.exhausted,
            residuals=left[::-1].copy(),
        )

    def _done(self) -> int:
        return self._ends[self.steps] if self.steps else 0


def _symmetric(A: Float[np.ndarray, "s s"]) -> Float[np.ndarray, "s s"]:
    return np.asarray((A + A.T) / 2)


def _orthonormal(
    V: Float[np.ndarray, "n k"], least: float
) -> tuple[Float[np.ndarray, "n s"], Float[np.ndarray, "s k"]]:
    """Q and C with V = Q C, without directions of size up to `least`."""
    with one_blas_thread():
        Q, C = scipy.linalg.qr(V, mode="economic", check_finite=False)
        U, sizes, Vt = scipy.linalg.svd(C, full_matrices=False, check_finite=False)
        kept = sizes > least
        return Q @ U[:, kept], sizes[kept, None] * Vt[kept]
