"""What every kernel can do: matrices, diagonals, both kernels at once, Grams of any size, products without a matrix."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from widthwise._checks import count
from widthwise.errors import DataError, UsageError
from widthwise.kernels import gram as grams
from widthwise.kernels.operator import KernelOperator
from widthwise.kernels.recursion import Layers
from widthwise.kernels.rows import Dtype, Rows, prepare
from widthwise.kernels.series import Output
from widthwise.kernels.tile_folder import TileFolder
from widthwise.kernels.tiles import Evaluator, diagonal, working_dtype


@dataclass(frozen=True)
class Kernel:
    """A kernel of infinitely wide networks: frozen data, called with rows.

    Subclasses say which network (`layers`) and which of its two kernels they are (`output`). Matrices are NumPy arrays
    of the dtype asked for, float64 unless said otherwise, symmetric to the bit with an exact diagonal where they are square.
    """

    output: ClassVar[Output]

    @property
    def scale(self) -> float:
        """Covariance of the first pre-activations over x.z, without bias."""
        return 1.0

    @property
    def layers(self) -> Layers:
        """The network, as the recursion takes it."""
        raise TypeError(f"{type(self).__name__} names no network: use HInf, NTK or NNGP")

    def __call__(self, X: object, Z: object | None = None, *, dtype: Dtype = "float64") -> Float[np.ndarray, "n m"]:
        """Kernel matrix between the rows of X and those of Z, of X itself when Z is not given.

        Args:
            X: n rows: an array, nested lists, a DataFrame, a JAX array, a torch tensor.
            Z: m rows of as many columns.
            dtype: of the matrix and of the products behind it. Errors, relative to sqrt(K(x,x) K(z,z)), are below 1e-12
                in float64 and 2e-6 in float32, near duplicates and antipodes included.

        Returns:
            The matrix. Positive semi-definite to rounding: scaled to a diagonal of one, a square one has no eigenvalue below
            -n times the bound above. Values that the dtype cannot hold are infinite or zero, never NaN; others are right
            whatever the norms of the rows, up to the largest float without biases, up to 1e308 with them and for erf.

        Raises:
            DataError: if a matrix is not finite, the numbers of columns differ, or a norm overflows where biases or erf set
                a scale.
            UsageError: if the dtype is unknown.
            ResourceError: if the matrix does not fit into memory.
        """
        return np.asarray(self._matrix(X, Z, (self.output,), dtype)[0])

    def pair(
        self, X: object, Z: object | None = None, *, dtype: Dtype = "float64"
    ) -> tuple[Float[np.ndarray, "n m"], Float[np.ndarray, "n m"]]:
        """NNGP and NTK of the same network, at little more than the cost of one; arguments as for a call."""
        nngp, ntk = self._matrix(X, Z, ("nngp", "ntk"), dtype)
        return nngp, ntk

    def diag(self, X: object) -> Float[np.ndarray, " n"]:
        """Values K(x, x) of the rows of X: the diagonal of `k(X)`."""
        return np.asarray(diagonal(self.layers, self._rows(X, "float64"), (self.output,))[0])

    def gram(
        self,
        X: object,
        out: str | Path | Float[np.ndarray, "n m"] | None = None,
        *,
        Z: object | None = None,
        dtype: Dtype = "float64",
        tile: int | None = None,
        progress: bool = False,
    ) -> Float[np.ndarray, "n m"] | TileFolder:
        """Kernel matrix of any size, half of it computed where it is symmetric, into memory or onto disk.

        Args:
            X: n rows.
            out: an array to fill; a path `name.npy`, written as a memory-mapped array; any other path, a folder of tiles,
                half as large where the matrix is symmetric; None for a new array. A killed run with a path continues
                where it stopped when the same call is made again, and ends with the same bytes.
            Z: m rows of as many columns, for a rectangular matrix.
            dtype: as for a call; that of the array where one is given.
            tile: rows and columns of a tile: the unit of work, and of what a killed run may lose; chosen when not given.
            progress: show progress on stderr where it takes more than two seconds.

        Returns:
            The matrix: `out` itself, the memory map of the file, the folder, or a new array.

        Raises:
            DataError: if X is not finite, or `out` does not fit it or holds another matrix.
            ResourceError: if memory or disk do not hold the result; a disk that fills up later loses no tile that was written.
            StoreError: if another run is writing to the same path.
        """
        evaluator = Evaluator(
            self.layers, (self.output,), _dtype_of(out, dtype), None if tile is None else count(tile, "tile")
        )
        rows = self._rows(X, evaluator.dtype)
        others = None if Z is None else self._others(Z, rows, evaluator.dtype)
        return grams.gram(repr(self), evaluator, rows, others, out, progress=progress)

    def matmul(
        self,
        X: object,
        V: Float[np.ndarray, "m k"] | Float[np.ndarray, " m"],
        Z: object | None = None,
        *,
        dtype: Dtype = "float64",
        progress: bool = False,
    ) -> Float[np.ndarray, "n k"] | Float[np.ndarray, " n"]:
        """The product k(X, Z) @ V over tiles, without ever holding the matrix; Z is X when not given.

        Args:
            X: n rows.
            V: m rows, one for each row of Z.
            Z: m rows.
            dtype: of the kernel values; sums are float64.
            progress: show progress on stderr where it takes more than two seconds.

        Raises:
            DataError: if the shapes do not fit or a matrix is not finite.
        """
        rows = self._rows(X, dtype)
        others = rows if Z is None else self._others(Z, rows, dtype)
        vectors = np.asarray(V, dtype=np.float64)
        if vectors.ndim not in (1, 2) or len(vectors) != len(others):
            raise DataError(
                f"V must have one row for each of the {len(others)} rows of the kernel; {vectors.shape} came"
            )
        if not np.isfinite(vectors).all():
            raise DataError("V must be finite")
        stacked = vectors if vectors.ndim == 2 else vectors[:, None]
        evaluator = Evaluator(self.layers, (self.output,), dtype)
        product = grams.matmul(evaluator, rows, None if Z is None else others, stacked, progress=progress)
        return product if vectors.ndim == 2 else product[:, 0]

    def operator(self, X: object, *, progress: bool = False) -> KernelOperator:
        """The matrix k(X) as the solvers take it: its products and blocks, never stored whole.

        Args:
            X: n rows.
            progress: show progress on stderr of products that take more than two seconds.

        Raises:
            DataError: if X is not finite.
        """
        return KernelOperator(self, X, progress=progress)

    def _rows(self, X: object, dtype: Dtype, name: str = "X") -> Rows:
        if dtype not in ("float64", "float32"):
            raise UsageError(f"dtype must be 'float64' or 'float32'; {dtype!r} came")
        return prepare(X, self.layers, self.scale, working_dtype(self.layers, dtype), name)

    def _others(self, Z: object, rows: Rows, dtype: Dtype) -> Rows:
        others = self._rows(Z, dtype, "Z")
        if rows.columns != others.columns:
            bias = 1 if self.layers.bias_variance else 0
            came = " and ".join(str(r.columns - bias) for r in (rows, others))
            raise DataError(f"X and Z must have as many columns: {came} came")
        return others

    def _matrix(
        self, X: object, Z: object | None, outputs: tuple[Output, ...], dtype: Dtype
    ) -> Float[np.ndarray, "outputs n m"]:
        rows = self._rows(X, dtype)
        others = None if Z is None else self._others(Z, rows, dtype)
        return grams.matrices(Evaluator(self.layers, outputs, dtype), rows, others)


def _dtype_of(out: object, dtype: Dtype) -> Dtype:
    if isinstance(out, np.ndarray):
        return "float32" if out.dtype == np.float32 else "float64"
    return dtype
