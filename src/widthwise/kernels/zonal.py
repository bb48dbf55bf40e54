r"""Kernels of the angle: :math:`K(x, z) = s\,\|x\|\,\|z\|\,\kappa(\theta)`, at a cost that depth does not change.

With :math:`t = \sqrt{(1-|\cos\theta|)/2}`, the half chord to the nearer pole, the profile kappa is analytic in t on
[0, 1/sqrt 2] on either side of the equator. Two Chebyshev series, fitted once for each kernel from its own
recursion, therefore replace the recursion: one matrix product and one fused pass for any depth. Pairs so close to a
pole that the rounding of the cosine shows are evaluated again from :math:`\|\hat x \mp \hat z\|`.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.fft
from jaxtyping import Float

from widthwise._checks import finite_matrix
from widthwise._jax import float64
from widthwise.errors import DataError, UsageError

# One compiled pass for every tile: edges are padded. Not a power of two, so that rows do not share cache sets.
TILE = 528
# Below this 1 - |cos| the rounding of a cosine, 2e-16, moves the angle by more than 2e-14.
NEAR_POLE = 1e-4
# Series are cut where their coefficients fall below this share of the largest: a few units of float64 rounding.
SERIES_TAIL = 2e-15
MAX_DEGREE = 256


@dataclass(frozen=True)
class ZonalKernel:
    """A positively homogeneous kernel that depends on the norms and the angle of its arguments."""

    def profile(self, theta: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """Value of the kernel for unit vectors at angles theta in [0, pi]: what the fast path is fitted to."""
        raise TypeError(f"{type(self).__name__} has no profile at {theta!r}: use HInf, NTK or NNGP")

    @property
    def scale(self) -> float:
        """Constant in front of the kernel."""
        return 1.0

    def __call__(
        self, X: object, Z: object | None = None, *, dtype: Literal["float64", "float32"] = "float64"
    ) -> Float[np.ndarray, "n m"]:
        """Kernel matrix between the rows of X and those of Z (of X itself when Z is not given).

        The symmetric matrix is symmetric to the bit, its diagonal exact. All arithmetic is float64; `dtype` is that
        of the result.

        Args:
            X: n rows.
            Z: m rows of as many columns.
            dtype: of the matrix that is returned.

        Raises:
            DataError: if a matrix is not finite or the numbers of columns differ.
        """
        if dtype not in ("float64", "float32"):
            raise UsageError(f"dtype must be 'float64' or 'float32'; {dtype!r} came")
        rows = finite_matrix(X, "X")
        if Z is None:
            return _gram(self, rows, np.dtype(dtype))
        others = finite_matrix(Z, "Z")
        if rows.shape[1] != others.shape[1]:
            raise DataError(f"X and Z must have as many columns: {rows.shape[1]} and {others.shape[1]} came")
        return _cross(self, rows, others, np.dtype(dtype))

    def diag(self, X: object) -> Float[np.ndarray, " n"]:
        """Values K(x, x) of the rows of X: the diagonal of `k(X)`."""
        norms = _norms(finite_matrix(X, "X"))
        # In the order of the tiles, so that rows that coincide give the diagonal's value to the bit.
        values: Float[np.ndarray, " n"] = (float(self.profile(np.zeros(1))[0]) * (self.scale * norms)) * norms
        return values


@functools.lru_cache(maxsize=64)
def series(kernel: ZonalKernel) -> Float[np.ndarray, "2 degree"]:
    """Chebyshev coefficients of the profile in t on [0, 1/sqrt 2]: near the pole theta = 0, then near theta = pi.

    The degree is doubled until the tail of both series has fallen to rounding, then cut there.

    Raises:
        UsageError: if the profile is not smooth enough for a series of degree 256.
    """
    degree = 24
    while degree <= MAX_DEGREE:
        nodes = np.cos(np.pi * (np.arange(degree + 1) + 0.5) / (degree + 1))
        angle = 2.0 * np.arcsin((nodes + 1.0) / np.sqrt(8.0))
        values = np.stack([kernel.profile(angle), kernel.profile(np.pi - angle)], axis=1)
        # Values at Chebyshev nodes determine the series; the fast cosine transform keeps its rounding flat in the
        # degree, where powers or recurrences of the nodes would not.
        coefficients = scipy.fft.dct(values, type=2, axis=0) / (degree + 1)
        coefficients[0] /= 2.0
        size = np.abs(coefficients).max(axis=1) / np.abs(coefficients).max()
        significant = np.nonzero(size > SERIES_TAIL)[0]
        last = int(significant[-1])
        if last <= degree - 4:
            return np.ascontiguousarray(coefficients[: last + 1].T)
        degree *= 2
    raise UsageError(f"the profile of {kernel!r} is not smooth enough for a series of degree {MAX_DEGREE}")


def _norms(X: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
    """Row norms that neither overflow nor underflow."""
    largest = np.abs(X).max(axis=1)
    safe = np.where(largest > 0, largest, 1.0)
    norms: Float[np.ndarray, " n"] = safe * np.sqrt(np.sum((X / safe[:, None]) ** 2, axis=1))
    return np.where(largest > 0, norms, 0.0)


def _directions(X: Float[np.ndarray, "n d"]) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, " n"]]:
    norms = _norms(X)
    largest = np.abs(X).max(axis=1)
    safe = np.where(largest > 0, largest, 1.0)
    unit = X / safe[:, None]
    length = np.sqrt(np.sum(unit**2, axis=1))
    return unit / np.where(length > 0, length, 1.0)[:, None], norms


@functools.cache
def _pass():  # type: ignore[no-untyped-def] # a compiled JAX function has no useful static type
    """Compile, once for each process, the fused pass from a tile of cosines to a tile of profile values."""
    import jax  # noqa: PLC0415
    import jax.numpy as jnp  # noqa: PLC0415

    def evaluate(cosine, near, far):  # type: ignore[no-untyped-def]
        t = jnp.sqrt(jnp.maximum(1.0 - jnp.abs(cosine), 0.0) / 2.0)
        argument = t * np.sqrt(8.0) - 1.0
        side = cosine >= 0.0
        # Clenshaw's recurrence, stable where Horner's rule in powers is not.
        ahead = behind = jnp.zeros_like(t)
        for j in range(near.shape[0] - 1, 0, -1):
            ahead, behind = jnp.where(side, near[j], far[j]) + 2.0 * argument * ahead - behind, ahead
        return jnp.where(side, near[0], far[0]) + argument * ahead - behind

    return jax.jit(evaluate)


def _tile(kernel: ZonalKernel, x: Float[np.ndarray, "a d"], z: Float[np.ndarray, "b d"]) -> Float[np.ndarray, "a b"]:
    """Profile values between two small sets of directions."""
    near, far = series(kernel)
    cosine = np.zeros((TILE, TILE))
    used = cosine[: len(x), : len(z)]
    used[:] = x @ z.T
    with float64():
        values: Float[np.ndarray, "a b"] = np.array(_pass()(cosine, near, far))[: len(x), : len(z)]
    rows, others = np.nonzero(1.0 - np.abs(used) < NEAR_POLE)
    for start in range(0, len(rows), 1 << 18):
        i, j = rows[start : start + (1 << 18)], others[start : start + (1 << 18)]
        side = np.where(used[i, j] > 0, 1.0, -1.0)[:, None]
        chord = np.sqrt(np.sum((x[i] - side * z[j]) ** 2, axis=1))
        angle = 2.0 * np.arcsin(np.minimum(chord / 2.0, 1.0))
        values[i, j] = kernel.profile(np.where(side[:, 0] > 0, angle, np.pi - angle))
    return values


def _gram(kernel: ZonalKernel, X: Float[np.ndarray, "n d"], dtype: np.dtype) -> Float[np.ndarray, "n n"]:
    unit, norms = _directions(X)
    n = len(X)
    out = np.empty((n, n), dtype)
    starts = range(0, n, TILE)
    for top in starts:
        rows = slice(top, top + TILE)
        for left in range(0, top + 1, TILE):
            others = slice(left, left + TILE)
            values = _tile(kernel, unit[rows], unit[others])
            values *= (kernel.scale * norms[rows])[:, None]
            values *= norms[others][None, :]
            if left == top:
                lower = np.tril(values, -1)
                values = lower + lower.T
            out[rows, others] = values
            out[others, rows] = values.T
    np.fill_diagonal(out, kernel.diag(X))
    return out


def _cross(
    kernel: ZonalKernel,
    X: Float[np.ndarray, "n d"],
    Z: Float[np.ndarray, "m d"],
    dtype: np.dtype,
) -> Float[np.ndarray, "n m"]:
    unit_x, norms_x = _directions(X)
    unit_z, norms_z = _directions(Z)
    out = np.empty((len(X), len(Z)), dtype)
    for top in range(0, len(X), TILE):
        for left in range(0, len(Z), TILE):
            values = _tile(kernel, unit_x[top : top + TILE], unit_z[left : left + TILE])
            values *= (kernel.scale * norms_x[top : top + TILE])[:, None]
            values *= norms_z[left : left + TILE][None, :]
            out[top : top + TILE, left : left + TILE] = values
    return out
