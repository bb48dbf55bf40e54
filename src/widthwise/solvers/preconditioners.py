r"""Low-rank approximations of a kernel matrix, and preconditioners made of them.

Randomly pivoted Cholesky (:cite:t:`chen2025`) picks columns with probability proportional to the diagonal that is not yet
explained, and needs those columns alone; the Nystroem approximation of a random subspace (:cite:t:`frangella2023`) needs
one product with the matrix. Either gives :math:`K \approx U\Lambda U^\top`, and the preconditioner of K + rI

.. math:: P = U(\Lambda + rI)U^\top + (\lambda_{\min} + r)(I - UU^\top).

It decides how many iterations are needed, never what they converge to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import scipy.linalg
from jaxtyping import Float, Int

from widthwise._checks import count
from widthwise.errors import UsageError
from widthwise.pages.progress import Progress
from widthwise.solvers.dense import Factor
from widthwise.solvers.operators import Operator, in_strips, row_blocks

# Columns for each square root of n, where nothing else is asked for.
RANK = 8.0
# Columns chosen at once by randomly pivoted Cholesky.
BATCH = 176
# Directions this far below the largest are not told apart by F'F in float64.
TELLING = 1e-11


@dataclass(frozen=True, kw_only=True, eq=False)
class LowRank:
    """K approximated by U diag(values) U'.

    Attributes:
        U: orthonormal columns.
        values: eigenvalues of the approximation, largest first, positive.
        pivots: rows whose columns it was made of; None where it was made of random combinations.
        unexplained: trace of K minus that of the approximation, over the trace of K; not negative but for rounding.
    """

    U: Float[np.ndarray, "n p"]
    values: Float[np.ndarray, " p"]
    pivots: Int[np.ndarray, " q"] | None
    unexplained: float

    def restricted(self, rows: Int[np.ndarray, " m"]) -> LowRank:
        """The approximation of the part of K that belongs to some rows."""
        return _eigen(self.U[rows] * np.sqrt(self.values), None, self.unexplained)


@runtime_checkable
class Preconditioner(Protocol):
    """A split preconditioner: P = C C', applied as C^-1 on one side and its transpose on the other."""

    def inverse(self, V: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
        """C^-1 V."""

    def inverse_transposed(self, V: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
        """C^-T V."""

    def forward(self, V: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
        """C V."""


class Scaling:
    """No preconditioner but the square root of the diagonal.

    Args:
        diagonal: of K + rI.
    """

    def __init__(self, diagonal: Float[np.ndarray, " n"]) -> None:
        self._root = 1.0 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0))[:, None]

    def inverse(self, V: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
        """V over the square root."""
        return np.asarray(V * self._root)

    inverse_transposed = inverse

    def forward(self, V: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
        """V times the square root."""
        return np.asarray(V / self._root)


class Deflation:
    """The symmetric square root of the preconditioner above.

    Args:
        found: a low-rank approximation of K.
        ridge: r.
        dtype: in which U is kept and applied.
    """

    def __init__(self, found: LowRank, ridge: float, dtype: str = "float64") -> None:
        floor = float(found.values[-1]) + ridge
        self.level = 1.0 / np.sqrt(floor)
        self._U = found.U.astype(dtype, copy=False)
        self._gain = (1.0 / np.sqrt(found.values + ridge) - self.level)[:, None]

    def inverse(self, V: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
        """P^(-1/2) V."""
        return self._apply(V, self.level, self._gain)

    inverse_transposed = inverse

    def forward(self, V: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
        """P^(1/2) V."""
        return self._apply(V, 1.0 / self.level, 1.0 / (self._gain + self.level) - 1.0 / self.level)

    def inverse_diagonal(self) -> Float[np.ndarray, " n"]:
        """Diagonal of P^-1."""
        gain = (self._gain[:, 0] + self.level) ** 2 - self.level**2
        found = np.einsum("ij,j,ij->i", self._U, gain.astype(self._U.dtype), self._U, optimize=False)
        return np.asarray(self.level**2 + found, dtype=np.float64)

    def _apply(
        self, V: Float[np.ndarray, "n k"], level: float, gain: Float[np.ndarray, "p 1"]
    ) -> Float[np.ndarray, "n k"]:
        k = V.shape[1]
        vectors = in_strips(V) if self._U.dtype == np.float32 else V
        inside = self._U.T @ vectors
        inside *= gain
        found: Float[np.ndarray, "n k"] = level * V
        found += (self._U @ inside)[:, :k]
        return found


class CholeskyFactor:
    """A Cholesky factor of a nearby matrix, in lower precision say.

    Args:
        factor: of S (K + rI) S.
    """

    def __init__(self, factor: Factor) -> None:
        self._lower, self._scale = factor.left(), factor.scale[:, None]

    def inverse(self, V: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
        """L^-1 S V."""
        return self._solve(V * self._scale, "N")

    def inverse_transposed(self, V: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
        """S L^-T V."""
        return np.asarray(self._scale * self._solve(V, "T"))

    def forward(self, V: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
        """S^-1 L V."""
        found = np.empty_like(V)
        for rows in row_blocks(len(V)):
            panel = np.tril(self._lower[rows, : rows.stop], rows.start)
            found[rows] = panel @ V[: rows.stop].astype(panel.dtype)
        return np.asarray(found / self._scale)

    def _solve(self, V: Float[np.ndarray, "n k"], side: Literal["N", "T"]) -> Float[np.ndarray, "n k"]:
        # Columns of size one, so that lower precision neither overflows nor loses small ones.
        size = np.abs(V).max(axis=0, initial=0.0)
        size = np.where(size > 0, size, 1.0)
        right = (V / size).astype(self._lower.dtype)
        solved = scipy.linalg.solve_triangular(self._lower, right, lower=True, trans=side, check_finite=False)
        return np.asarray(solved.astype(np.float64) * size)


def pivoted_cholesky(
    K: Operator, rank: int, *, seed: int | np.random.Generator = 0, tol: float = 1e-10, progress: bool = False
) -> LowRank:
    """Randomly pivoted Cholesky in batches, as an eigendecomposition.

    Args:
        K: the matrix.
        rank: most columns used.
        seed: of the choice.
        tol: stop where this share of the trace is left.
        progress: show progress on stderr.

    Raises:
        UsageError: if the rank is not positive, or K has no positive diagonal.

    References:
        :cite:t:`chen2025`, in its batched form.
    """
    factor, pivots, unexplained = cholesky_columns(K, rank, seed=seed, tol=tol, progress=progress)
    return _eigen(factor, pivots, unexplained)


def cholesky_columns(
    K: Operator, rank: int, *, seed: int | np.random.Generator = 0, tol: float = 1e-10, progress: bool = False
) -> tuple[Float[np.ndarray, "n p"], Int[np.ndarray, " p"], float]:
    """F with K near F F', the pivots, and the share of the trace left; F[pivots] is lower triangular.

    See `pivoted_cholesky` for the arguments.
    """
    n = K.shape[0]
    rank = min(count(rank, "rank"), n)
    generator = np.random.default_rng(seed)
    start = K.diagonal()
    left, total = start.copy(), float(start.sum())
    if not total > 0:
        raise UsageError("a low-rank approximation needs a matrix with a positive diagonal; its trace is zero")
    factor = np.empty((n, rank), order="F")
    pivots: list[int] = []
    with Progress(rank, label="preconditioner", enabled=progress) as bar:
        while len(pivots) < rank and left.sum() > tol * total:
            width = min(BATCH, rank - len(pivots), int(np.count_nonzero(left > 0)))
            chosen = generator.choice(n, width, replace=False, p=left / left.sum())
            done = len(pivots)
            block = K.columns(chosen)
            block -= factor[:, :done] @ factor[chosen, :done].T
            # Within a batch a pivot may be explained by those before it: their order is that of what is left.
            corner = block[chosen] + 0.0
            lower, order, kept = _pivoted(corner)
            if kept == 0:
                left[chosen] = 0.0
                continue
            new = scipy.linalg.solve_triangular(
                lower[:kept, :kept], block[:, order[:kept]].T, lower=True, check_finite=False
            )
            factor[:, done : done + kept] = new.T
            pivots.extend(int(i) for i in chosen[order[:kept]])
            left = np.maximum(left - np.einsum("ij,ij->j", new, new), 0.0)
            left[chosen] = 0.0
            bar.advance(float(kept))
    return factor[:, : len(pivots)], np.array(pivots, dtype=np.intp), float(left.sum()) / total


def nystroem(K: Operator, rank: int, *, seed: int | np.random.Generator = 0) -> LowRank:
    r"""Nystroem approximation of a random subspace, :math:`(K\Omega)(\Omega^\top K\Omega)^{-1}(K\Omega)^\top`.

    Args:
        K: the matrix; one product with `rank` columns is made.
        rank: dimension of the subspace.
        seed: of the subspace.

    Raises:
        UsageError: if the rank is not positive.

    References:
        :cite:t:`frangella2023`, whose shift keeps the small matrix positive definite and is taken off again.
    """
    n = K.shape[0]
    rank = min(count(rank, "rank"), n)
    Omega = np.linalg.qr(np.random.default_rng(seed).standard_normal((n, rank)))[0]
    Y = K.matmul(Omega)
    norm = float(np.linalg.norm(Y, 2)) if rank < n else float(np.linalg.norm(Y))
    if not norm > 0:
        raise UsageError("a low-rank approximation needs a matrix that is not zero")
    shift = np.sqrt(n) * np.spacing(norm)
    Y += shift * Omega
    inner = Omega.T @ Y
    lower = scipy.linalg.cholesky((inner + inner.T) / 2, lower=True, check_finite=False)
    B = scipy.linalg.solve_triangular(lower, Y.T, lower=True, check_finite=False).T
    U, sizes, _ = scipy.linalg.svd(B, full_matrices=False, check_finite=False)
    values = np.maximum(sizes**2 - shift, 0.0)
    kept = max(1, int(np.count_nonzero(values > shift)))
    trace = float(K.diagonal().sum())
    return LowRank(
        U=U[:, :kept], values=values[:kept], pivots=None, unexplained=1.0 - float(values[:kept].sum()) / trace
    )


def _pivoted(corner: Float[np.ndarray, "b b"]) -> tuple[Float[np.ndarray, "b b"], Int[np.ndarray, " b"], int]:
    """Cholesky factor with the largest remaining pivot first, the order, and how many pivots stand out of rounding."""
    b = len(corner)
    largest = float(np.diag(corner).max())
    if not largest > 0:
        return corner, np.arange(b), 0
    lower, order, rank, _ = scipy.linalg.lapack.dpstrf(corner, lower=1, tol=100 * b * np.spacing(largest))
    return np.tril(lower), np.asarray(order, dtype=np.intp) - 1, int(rank)


def _eigen(F: Float[np.ndarray, "n p"], pivots: Int[np.ndarray, " p"] | None, unexplained: float) -> LowRank:
    """Eigendecomposition of F F' from that of F'F."""
    values, vectors = scipy.linalg.eigh(F.T @ F, driver="evd", check_finite=False)
    kept = values > TELLING * values[-1]
    values, vectors = values[kept][::-1], vectors[:, kept][:, ::-1]
    U = F @ (vectors / np.sqrt(values))
    return LowRank(U=U, values=values, pivots=pivots, unexplained=unexplained)
