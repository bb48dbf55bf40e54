"""Cholesky factors of dense symmetric matrices, with the residual and condition that certify what is made of them.

A matrix whose diagonal varies widely is scaled by powers of two to a diagonal near one first, which changes no digit and
keeps a graded matrix from looking singular.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy.linalg import lapack

from widthwise._checks import enough_memory, square
from widthwise.errors import SingularKernelError, UsageError
from widthwise.solvers.operators import Dtype, Matrix, Operator, row_blocks, symmetric_product, tile_corners, write

# Side of the blocks that are mirrored at once.
BLOCK = 256
# Diagonals that vary by more than this are scaled.
GRADED = 1e4


@dataclass(frozen=True, kw_only=True, eq=False)
class Factor:
    """Cholesky factor of S (K + shift I) S.

    Attributes:
        triangle: column-major; the factor is in the triangle that `lower` names, the other one is as it was.
        lower: whether it is the lower one, L of L L', or the upper one, R of R' R.
        scale: diagonal of S, powers of two.
        shift: what was added to the diagonal of K.
        condition: estimate in the 1-norm of S (K + shift I) S.
    """

    triangle: Float[np.ndarray, "n n"]
    lower: bool
    scale: Float[np.ndarray, " n"]
    shift: float
    condition: float

    def solve(self, Y: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
        """(K + shift I)^-1 Y, in the precision of the factor for columns of any size."""
        scaled = Y * self.scale[:, None]
        size = np.abs(scaled).max(axis=0, initial=0.0)
        size = np.where(size > 0, size, 1.0)
        routine = lapack.dpotrs if self.triangle.dtype == np.float64 else lapack.spotrs
        right = np.asfortranarray(scaled / size, dtype=self.triangle.dtype)
        solved, _ = routine(self.triangle, right, lower=int(self.lower), overwrite_b=1)
        return np.asarray(solved.astype(np.float64) * (size * self.scale[:, None]))

    def left(self) -> Float[np.ndarray, "n n"]:
        """L, as a column-major lower triangle or its transpose's row-major view; the other triangle is undefined."""
        return self.triangle if self.lower else self.triangle.T


class Kept:
    """The matrix that a Cholesky factor left in the other triangle of its array.

    Args:
        array: column-major; the matrix is in its strict upper triangle.
        diagonal: of the matrix.
    """

    def __init__(self, array: Float[np.ndarray, "n n"], diagonal: Float[np.ndarray, " n"]) -> None:
        self._array, self._diagonal = array, diagonal

    def matmul(self, V: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
        """The product with the columns of V."""
        n = len(self._diagonal)
        side = BLOCK * 4

        def tile(corner: tuple[int, int]) -> Float[np.ndarray, "a b"]:
            top, left = corner
            values = self._array[left : left + side, top : top + side].T
            if top == left:
                lower = np.tril(values, -1)
                values = lower + lower.T
                np.fill_diagonal(values, self._diagonal[top : top + side])
            return values

        return symmetric_product(n, tile_corners(n, side), tile, V)


def factorise(K: Operator, *, shift: float = 0.0, dtype: Dtype = "float64", keep: bool = False) -> Factor | None:
    """Cholesky factor of K + shift I; None where it is not positive definite in this precision.

    Args:
        K: the matrix.
        shift: added to its diagonal.
        dtype: of the factor.
        keep: fill the other triangle of the array with the matrix, for `Kept`.

    Raises:
        ResourceError: if memory does not hold the array.
    """
    n = K.shape[0]
    size = float(np.dtype(dtype).itemsize * n**2)
    enough_memory(size, f"a Cholesky factor of {n} rows in {dtype}", "Use solver='cg' or solver='nystroem'")
    diagonal = K.diagonal() + shift
    scale = scaling(diagonal)
    if isinstance(K, Matrix) and K.array.flags.c_contiguous and np.all(scale == 1.0):
        # A copy of rows, read as columns: the lower triangle of K is the upper one of the array.
        work, lower = np.array(K.array, dtype=dtype).T, False
    else:
        work, lower = np.empty((n, n), dtype, order="F"), True
        write(K, work, mirror=keep, scale=scale)
    work[np.diag_indices(n)] = diagonal * scale**2
    return _factor(work, lower, scale, shift)


def _factor(work: Float[np.ndarray, "n n"], lower: bool, scale: Float[np.ndarray, " n"], shift: float) -> Factor | None:
    norm = _norm(work, lower)
    potrf = lapack.dpotrf if work.dtype == np.float64 else lapack.spotrf
    triangle, failed = potrf(work, lower=int(lower), overwrite_a=1, clean=0)
    if failed:
        return None
    bare = Factor(triangle=triangle, lower=lower, scale=np.ones(len(work)), shift=shift, condition=np.inf)
    condition = norm * _inverse_norm(bare.solve, len(work))
    return replace(bare, scale=scale, condition=condition) if np.isfinite(condition) else None


def _inverse_norm(solve: Callable[[Float[np.ndarray, "n k"]], Float[np.ndarray, "n k"]], n: int) -> float:
    """Estimate of the 1-norm of a symmetric inverse from a few solves: Hager's method as LAPACK has it, but with BLAS-3.

    References:
        :cite:t:`higham2002`, algorithm 15.1.
    """
    x = np.full((n, 1), 1.0 / n)
    best, sign = 0.0, np.zeros((n, 1))
    for _ in range(5):
        image = solve(x)
        size = float(np.abs(image).sum())
        if not np.isfinite(size):
            return float("inf")
        new = np.where(image >= 0.0, 1.0, -1.0)
        if size <= best or np.array_equal(new, sign):
            break
        best, sign = size, new
        back = solve(sign)
        place = int(np.abs(back).argmax())
        if np.abs(back[place, 0]) <= float((back * x).sum()):
            break
        x = np.zeros((n, 1))
        x[place] = 1.0
    # An alternating vector catches what cancels for the others.
    ramp = ((-1.0) ** np.arange(n) * (1.0 + np.arange(n) / max(n - 1, 1)))[:, None]
    return max(best, 2.0 * float(np.abs(solve(ramp)).sum()) / (3.0 * n))


def scaling(diagonal: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Powers of two that bring a diagonal near one; ones where it varies little and is of moderate size."""
    positive = diagonal[diagonal > 0]
    if not len(positive) or (positive.max() <= GRADED * positive.min() and 1e-20 < positive.max() < 1e20):
        return np.ones(len(diagonal))
    exponent = np.frexp(np.where(diagonal > 0, diagonal, 1.0))[1]
    return np.asarray(np.ldexp(1.0, -(exponent // 2)))


def _norm(work: Float[np.ndarray, "n n"], lower: bool) -> float:
    """The 1-norm of a symmetric matrix from one triangle of a column-major array."""
    sums = np.zeros(len(work))
    for across in row_blocks(len(work), BLOCK):
        panel = work[across.start :, across] if lower else work[: across.stop, across]
        size = np.abs(panel)
        own = size[: size.shape[1]] if lower else size[-size.shape[1] :]
        own[:] = np.tril(own) if lower else np.triu(own)
        sums[across] += size.sum(axis=0, dtype=np.float64)
        own[np.diag_indices(len(own))] = 0.0
        place = slice(across.start, None) if lower else slice(None, across.stop)
        sums[place] += size.sum(axis=1, dtype=np.float64)
    return float(sums.max())


@dataclass(frozen=True, kw_only=True, eq=False)
class Inverse:
    """Inverse of a shifted positive-definite matrix.

    Attributes:
        matrix: (K + shift I)^-1, symmetric to the bit.
        shift: what was added to the diagonal.
        residual: |(K + shift I) A v - v| / |v| for a fixed vector v of random signs.
        condition: estimate of the condition number in the 1-norm.
    """

    matrix: Float[np.ndarray, "n n"]
    shift: float
    residual: float
    condition: float


def inverse(K: Float[np.ndarray, "n n"], *, shift: float = 0.0) -> Inverse:
    """Inverse of K + shift I, by its Cholesky factor.

    Args:
        K: symmetric positive semi-definite matrix.
        shift: added to the diagonal, at least zero.

    Raises:
        DataError: if K is not square.
        UsageError: if the shift is negative.
        SingularKernelError: if K + shift I is not positive definite to working precision.
    """
    square(K)
    n = len(K)
    factor, probe = _positive(K, shift), _signs(n)
    solved, _ = lapack.dpotri(factor.triangle, lower=0, overwrite_c=1)
    # Row by row the lower triangle is whole; its transpose fills the upper one.
    matrix = solved.T
    for start in range(0, n, BLOCK):
        rows = slice(start, min(start + BLOCK, n))
        corner = np.tril(matrix[rows, rows])
        matrix[rows, rows] = corner + np.tril(corner, -1).T
        matrix[rows, rows.stop :] = matrix[rows.stop :, rows].T
    back = matrix @ probe
    residual = float(np.linalg.norm(K @ back + shift * back - probe) / np.sqrt(n))
    return Inverse(matrix=matrix, shift=float(shift), residual=residual, condition=factor.condition)


@dataclass(frozen=True, kw_only=True, eq=False)
class InverseDiagonal:
    """Diagonal of the inverse of a shifted positive-definite matrix, and its products with some vectors.

    Attributes:
        diagonal: of A = (K + shift I)^-1.
        products: A Y.
        shift: what was added to the diagonal.
        residual: |(K + shift I) A v - v| / |v| for a fixed vector v of random signs.
        condition: estimate of the condition number in the 1-norm.
    """

    diagonal: Float[np.ndarray, " n"]
    products: Float[np.ndarray, "n k"]
    shift: float
    residual: float
    condition: float


def inverse_with_diagonal(
    K: Float[np.ndarray, "n n"], Y: Float[np.ndarray, "n k"], *, shift: float = 0.0
) -> InverseDiagonal:
    r"""Diagonal and products of the inverse of K + shift I, at two thirds of the work of `inverse`.

    .. math:: K + sI = R^\top R, \qquad A_{ii} = \sum_{j \ge i} (R^{-1})_{ij}^2

    Args:
        K: symmetric positive semi-definite matrix.
        Y: vectors.
        shift: s, added to the diagonal, at least zero.

    Raises:
        DataError: if K is not square.
        UsageError: if the shift is negative.
        SingularKernelError: if K + shift I is not positive definite to working precision.
    """
    square(K)
    n = len(K)
    factor, probe = _positive(K, shift), _signs(n)
    solved = factor.solve(np.column_stack([Y, probe]))
    back = solved[:, -1]
    residual = float(np.linalg.norm(K @ back + shift * back - probe) / np.sqrt(n))
    triangle, _ = lapack.dtrtri(factor.triangle, lower=0, overwrite_c=1)
    diagonal = np.zeros(n)
    # Row by row, below the diagonal: the other triangle holds what is left of K.
    rows_first = triangle.T
    for rows in row_blocks(n, BLOCK):
        diagonal[: rows.start] += np.einsum("ij,ij->j", panel := rows_first[rows, : rows.start], panel)
        diagonal[rows] += np.square(np.tril(rows_first[rows, rows])).sum(axis=0)
    return InverseDiagonal(
        diagonal=diagonal, products=solved[:, :-1], shift=float(shift), residual=residual, condition=factor.condition
    )


def _signs(n: int) -> Float[np.ndarray, " n"]:
    """What an inverse is tried on."""
    return np.random.default_rng(0).choice([-1.0, 1.0], n)


def _positive(K: Float[np.ndarray, "n n"], shift: float) -> Factor:
    """Upper Cholesky factor of K + shift I, which has one."""
    if not (np.isfinite(shift) and shift >= 0.0):
        raise UsageError(f"what is added to the diagonal must be at least zero; {shift!r} came")
    n = len(K)
    # A copy of rows, read as columns: the lower triangle of K is the upper one of `work`.
    work = np.array(K, dtype=np.float64, order="C").T
    work[np.diag_indices(n)] += shift
    factor = _factor(work, False, np.ones(n), shift)
    if factor is None or factor.condition * np.finfo(np.float64).eps >= 1.0:
        raise SingularKernelError(
            f"the kernel matrix of {n} rows plus {shift:.3g} on its diagonal must be positive definite; it is "
            "singular to working precision (rows that coincide do this). Use a larger ridge"
        )
    return factor
