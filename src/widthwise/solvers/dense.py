"""Dense factorisations of symmetric matrices in float64, with the residual and condition that certify them.

SciPy's LAPACK throughout: with its divide-and-conquer driver the symmetric eigenproblem is as fast as JAX's
(see docs/decisions/0001-the-stack.md), and the matrix never leaves NumPy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
from jaxtyping import Float
from scipy.linalg import lapack

from widthwise._checks import square
from widthwise.errors import SingularKernelError, UsageError

# Side of the blocks that are mirrored at once.
BLOCK = 256


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


def eigh(K: Float[np.ndarray, "n n"]) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, "n n"]]:
    """Eigenvalues, largest first, and the eigenvectors as columns in the same order.

    Args:
        K: symmetric matrix; only its lower triangle is read.

    Raises:
        DataError: if K is not square.
    """
    square(K)
    values, vectors = scipy.linalg.eigh(K, driver="evd", check_finite=False)
    return values[::-1].copy(), vectors[:, ::-1]


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
    if not (np.isfinite(shift) and shift >= 0.0):
        raise UsageError(f"what is added to the diagonal must be at least zero; {shift!r} came")
    n = len(K)
    work = np.array(K, dtype=np.float64, order="F")
    work[np.diag_indices(n)] += shift
    norm = float(np.abs(work).sum(axis=0).max())
    factor, failed = lapack.dpotrf(work, lower=1, overwrite_a=1, clean=0)
    if failed == 0:
        reciprocal, failed = lapack.dpocon(factor, norm, uplo="L")
    if failed != 0 or not reciprocal > np.finfo(np.float64).eps:
        raise SingularKernelError(
            f"the kernel matrix of {n} rows plus {shift:.3g} on its diagonal must be positive definite; it is "
            "singular to working precision (rows that coincide do this). Use a larger ridge"
        )
    solved, _ = lapack.dpotri(factor, lower=1, overwrite_c=1)
    # Column by column the lower triangle is whole; its transpose, row by row, fills the upper one.
    matrix = solved.T
    for start in range(0, n, BLOCK):
        rows = slice(start, min(start + BLOCK, n))
        corner = np.triu(matrix[rows, rows])
        matrix[rows, rows] = corner + np.triu(corner, 1).T
        matrix[rows.stop :, rows] = matrix[rows, rows.stop :].T
    probe = np.random.default_rng(0).choice([-1.0, 1.0], n)
    back = matrix @ probe
    residual = float(np.linalg.norm(K @ back + shift * back - probe) / np.sqrt(n))
    return Inverse(matrix=matrix, shift=float(shift), residual=residual, condition=float(1.0 / reciprocal))
