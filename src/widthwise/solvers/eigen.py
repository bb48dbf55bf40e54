r"""Eigendecompositions: whole, for every ridge at once; or kept as the factors LAPACK finds on the way.

A symmetric matrix is first brought to tridiagonal form, :math:`K = QTQ^\top` with Q a product of reflections, and
:math:`T = W\Lambda W^\top`. Projections of labels on the eigenvectors, :math:`W^\top(Q^\top y)`, need Q and W but never
their product, which is a third of the work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
from jaxtyping import Float
from scipy.linalg import lapack

from widthwise._checks import columns, square
from widthwise.errors import UsageError


@dataclass(frozen=True, kw_only=True, eq=False)
class Eigenvectors:
    """Orthonormal eigenvectors as factors: reflections, then the eigenvectors of a tridiagonal matrix.

    Attributes:
        reflections: LAPACK's reflectors of rows 1 to n - 1, column-major, below and on the diagonal.
        scalars: their scalar factors.
        tridiagonal: eigenvectors of the tridiagonal matrix, smallest eigenvalue first, as LAPACK has them; what comes and
            goes is in the order of the eigenvalues, largest first.
    """

    reflections: Float[np.ndarray, "m m"]
    scalars: Float[np.ndarray, " m"]
    tridiagonal: Float[np.ndarray, "n n"]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self.tridiagonal), len(self.tridiagonal)

    def project(self, Y: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
        """V' Y."""
        # Rows are turned round, not the matrix: BLAS would copy one with a negative stride.
        return np.asarray((self.tridiagonal.T @ self._reflect(Y, "T"))[::-1])

    def combine(self, coefficients: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
        """V C."""
        return self._reflect(self.tridiagonal @ np.ascontiguousarray(coefficients[::-1]), "N")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Float[np.ndarray, "n n"]:
        """V itself, which takes as many operations as the rest."""
        return self._reflect(self.tridiagonal, "N")[:, ::-1].astype(dtype or np.float64, copy=False)

    def _reflect(self, Y: Float[np.ndarray, "n k"], side: str) -> Float[np.ndarray, "n k"]:
        found = np.array(Y, dtype=np.float64, order="F")
        if len(found) > 1:
            size = max(1, found.shape[1]) * 64
            part, _, _ = lapack.dormqr("L", side, self.reflections, self.scalars, np.asfortranarray(found[1:]), size)
            found[1:] = part
        return found


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


def eigh_factors(K: Float[np.ndarray, "n n"]) -> tuple[Float[np.ndarray, " n"], Eigenvectors]:
    """Eigenvalues, largest first, and the eigenvectors as factors, at two thirds of the time of `eigh`.

    Args:
        K: symmetric matrix; only its lower triangle is read.

    Raises:
        DataError: if K is not square.
    """
    square(K)
    n = len(K)
    if n == 1:
        return K[0].astype(np.float64), Eigenvectors(
            reflections=np.zeros((0, 0)), scalars=np.zeros(0), tridiagonal=np.ones((1, 1))
        )
    work = np.array(K, dtype=np.float64, order="F")
    size, _ = lapack.dsytrd_lwork(n, lower=1)
    reflections, diagonal, off, scalars, _ = lapack.dsytrd(work, lower=1, lwork=int(size), overwrite_a=1)
    # LAPACK's wrapper would copy a part of an array in every call: it is cut out once.
    reflections = np.asfortranarray(reflections[1:, :-1])
    del work
    values, vectors = _tridiagonal(diagonal, off)
    return values[::-1].copy(), Eigenvectors(reflections=reflections, scalars=scalars, tridiagonal=vectors)


def _tridiagonal(
    diagonal: Float[np.ndarray, " n"], off: Float[np.ndarray, " m"]
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, "n n"]]:
    """Divide and conquer where this SciPy has it, else its own choice."""
    driver = getattr(lapack, "dstevd", None)
    if driver is None:
        values, vectors = scipy.linalg.eigh_tridiagonal(diagonal, off, check_finite=False)
        return values, vectors
    values, vectors, failed = driver(diagonal, off)
    if failed:
        raise np.linalg.LinAlgError(f"divide and conquer did not converge: info {failed}")
    return values, vectors


@dataclass(frozen=True, kw_only=True, eq=False)
class RidgePath:
    """Kernel ridge regression at every ridge from one eigendecomposition.

    Attributes:
        values: eigenvalues of K, largest first.
        vectors: its eigenvectors.
        Y: right-hand sides.
        tolerance: eigenvalues up to this are rounding: n eps times the largest.
    """

    values: Float[np.ndarray, " n"]
    vectors: Float[np.ndarray, "n n"]
    Y: Float[np.ndarray, "n k"]
    tolerance: float

    def coefficients(self, ridge: float) -> Float[np.ndarray, "n k"]:
        """(K + ridge I)^-1 Y; at ridge 0 within the range of K."""
        return np.asarray(self.vectors @ (self._inverse(ridge)[:, None] * (self.vectors.T @ self.Y)))

    def leave_one_out(self, ridge: float) -> Float[np.ndarray, "n k"]:
        """Leave-one-out residuals (A y)_i / A_ii, A = (K + ridge I)^-1.

        Raises:
            UsageError: if K + ridge I is singular to working precision, where a row may be left without an answer.
        """
        return np.asarray(self.leave_one_out_path([ridge])[0])

    def leave_one_out_path(self, ridges: Sequence[float]) -> Float[np.ndarray, "r n k"]:
        """The same at several ridges, by two products of matrices for all of them.

        Raises:
            UsageError: if K plus the least of them on its diagonal is singular to working precision.
        """
        if self.values[-1] + min(ridges) <= self.tolerance:
            raise UsageError(f"leave-one-out needs a ridge above {self.tolerance:.3g} here: the matrix is singular")
        inverses = np.column_stack([self._inverse(ridge) for ridge in ridges])
        diagonals = np.square(self.vectors) @ inverses
        n, k = self.Y.shape
        projected = inverses[:, :, None] * (self.vectors.T @ self.Y)[:, None, :]
        coefficients = (self.vectors @ projected.reshape(n, -1)).reshape(n, len(ridges), k)
        return np.asarray((coefficients / diagonals[:, :, None]).transpose(1, 0, 2))

    def generalised_cross_validation(self, ridge: float) -> float:
        """N |A Y|^2 / tr(A)^2: leave-one-out with every A_ii replaced by their mean."""
        inverse = self._inverse(ridge)
        energy = float(np.sum((inverse[:, None] * (self.vectors.T @ self.Y)) ** 2))
        return len(self.values) * energy / float(inverse.sum()) ** 2

    def degrees_of_freedom(self, ridge: float) -> float:
        """Tr K (K + ridge I)^-1, the effective number of parameters."""
        kept = np.maximum(self.values, 0.0)
        return float(np.sum(kept * self._inverse(ridge)))

    def log_determinant(self, ridge: float) -> float:
        """Log det(K + ridge I)."""
        with np.errstate(divide="ignore"):
            return float(np.sum(np.log(np.maximum(self.values + ridge, 0.0))))

    def _inverse(self, ridge: float) -> Float[np.ndarray, " n"]:
        shifted = self.values + ridge
        safe = np.where(shifted > self.tolerance, shifted, 1.0)
        return np.where(shifted > self.tolerance, 1.0 / safe, 0.0)


def ridge_path(K: Float[np.ndarray, "n n"], Y: Float[np.ndarray, " n"] | Float[np.ndarray, "n k"]) -> RidgePath:
    """One eigendecomposition that answers for every ridge.

    Args:
        K: symmetric positive semi-definite matrix; its lower triangle is read.
        Y: right-hand sides.

    Raises:
        DataError: if K is not square or Y does not fit.
    """
    values, vectors = eigh(K)
    tolerance = float(len(values) * np.finfo(np.float64).eps * max(values[0], 0.0))
    return RidgePath(values=values, vectors=vectors, Y=columns(Y, len(values)), tolerance=tolerance)
