"""Symmetric matrices as operators: an array or a memory map, half of it packed in tiles, a folder of tiles, or a kernel.

A solver asks four things of a matrix (`Operator`), so it need not know where its entries are. Products read one
triangle only and use each of its tiles twice, once as it stands and once transposed: a product with several columns
then moves half the matrix, once, whatever the number of columns.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32

from widthwise._checks import columns, square
from widthwise._threads import one_blas_thread
from widthwise.errors import DataError

Dtype = Literal["float64", "float32"]
Corner = tuple[int, int]
Store = Callable[[int, int, Float[np.ndarray, "a b"]], None]

# Side of a tile of a product: 1.1 to 9 MB, large enough that BLAS packs it at speed, small enough for a shared cache.
SIDE = 1056
# float32 products of ten columns run at the speed of sixteen: BLAS computes in strips of that many.
STRIP = 16
WORKERS = 2
# Below this one BLAS call costs less than a loop over tiles.
SMALL = 1500


@runtime_checkable
class Operator(Protocol):
    """A symmetric positive semi-definite matrix, known by what it does."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns, equal."""

    def matmul(self, V: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
        """The product with the columns of V, in float64."""

    def diagonal(self) -> Float[np.ndarray, " n"]:
        """The diagonal, in float64."""

    def columns(self, indices: Any) -> Float[np.ndarray, "n m"]:
        """Some columns, in float64."""


@runtime_checkable
class Streaming(Operator, Protocol):
    """An operator that can be copied: what a kernel of rows offers."""

    def each_tile(self, store: Store, dtype: Dtype) -> None:
        """Hand every tile of the lower triangle to `store(top, left, values)`, from several threads, in no set order.

        Tiles on the diagonal are whole and symmetric to the bit.
        """


class Matrix:
    """A symmetric matrix in memory or in a memory map; its lower triangle is read.

    Args:
        K: square, float64 or float32.

    Raises:
        DataError: if K is not square or not of floating point.
    """

    def __init__(self, K: Float[np.ndarray, "n n"]) -> None:
        if K.ndim != 2 or K.dtype not in (np.float64, np.float32):
            raise DataError(f"K must be a float64 or float32 matrix; {K.dtype} of shape {K.shape} came")
        square(K)
        if not len(K):
            raise DataError("K must have rows; a matrix without any came")
        self.array = K

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self.array), len(self.array)

    def matmul(self, V: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
        """The product with the columns of V; entries of float32 are widened, so that sums are float64."""
        vectors = columns(V, len(self.array))
        if len(self.array) <= SMALL:
            lower = np.tril(self.array.astype(np.float64, copy=False))
            return np.asarray(lower @ vectors + np.tril(lower, -1).T @ vectors)
        return symmetric_product(len(self.array), tile_corners(len(self.array), SIDE), self._tile, vectors)

    def diagonal(self) -> Float[np.ndarray, " n"]:
        """The diagonal."""
        return np.diagonal(self.array).astype(np.float64)

    def columns(self, indices: Any) -> Float[np.ndarray, "n m"]:
        """Some columns, from the lower triangle."""
        wanted = np.asarray(indices, dtype=np.intp)
        found = self.array[:, wanted].astype(np.float64)
        for place, column in enumerate(wanted):
            found[:column, place] = self.array[column, :column]
        return found

    def each_tile(self, store: Store, dtype: Dtype) -> None:
        """Every tile of the lower triangle."""
        for corner in tile_corners(len(self.array), SIDE):
            store(*corner, self._tile(corner).astype(dtype, copy=False))

    def _tile(self, corner: Corner) -> Float[np.ndarray, "a b"]:
        top, left = corner
        tile = self.array[top : top + SIDE, left : left + SIDE].astype(np.float64, copy=False)
        return np.tril(tile) + np.tril(tile, -1).T if top == left else tile


class TileReader:
    """A symmetric matrix stored as a folder of tiles (`kernel.gram(X, out="folder")`).

    Args:
        folder: knows its `shape`, reads its tiles by `blocks()` and multiplies by `matmul`.

    Raises:
        DataError: if the folder is not that of a whole symmetric matrix.
    """

    def __init__(self, folder: Any) -> None:
        if not folder.symmetric or folder.missing:
            raise DataError(
                f"{folder.path} must hold a whole symmetric matrix; {len(folder.missing)} of its tiles are missing"
                if folder.symmetric
                else f"{folder.path} must hold a symmetric matrix; its shape is {folder.shape}"
            )
        self._folder = folder

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, across = self._folder.shape
        return int(rows), int(across)

    def matmul(self, V: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
        """The product with the columns of V, each tile read from disk once."""
        return np.asarray(self._folder.matmul(V))

    def diagonal(self) -> Float[np.ndarray, " n"]:
        """The diagonal."""
        found = np.empty(self.shape[0])
        for (top, left), values in self._folder.blocks():
            if top == left:
                found[top : top + len(values)] = np.diagonal(values)
        return found

    def columns(self, indices: Any) -> Float[np.ndarray, "n m"]:
        """Some columns; all tiles are read."""
        wanted = np.asarray(indices, dtype=np.intp)
        found = np.empty((self.shape[0], len(wanted)))
        for (top, left), values in self._folder.blocks():
            down, across = (slice(s, s + size) for s, size in zip((top, left), values.shape, strict=True))
            inside = np.nonzero((wanted >= across.start) & (wanted < across.stop))[0]
            found[down, inside] = values[:, wanted[inside] - left]
            if top != left:
                inside = np.nonzero((wanted >= down.start) & (wanted < down.stop))[0]
                found[across, inside] = values[wanted[inside] - top].T
        return found

    def each_tile(self, store: Store, dtype: Dtype) -> None:
        """Every tile of the folder."""
        for (top, left), values in self._folder.blocks():
            store(top, left, values.astype(dtype, copy=False))


def as_operator(K: Any) -> Operator:
    """Whatever a solver is given, as an operator.

    Args:
        K: a square array or memory map, an operator, or a folder of tiles.

    Raises:
        DataError: if it is none of these, or not square.
    """
    if isinstance(K, np.ndarray):
        return Matrix(K if K.dtype in (np.float64, np.float32) else np.asarray(K, dtype=np.float64))
    if hasattr(K, "blocks") and hasattr(K, "symmetric"):
        return TileReader(K)
    if isinstance(K, Operator):
        if K.shape[0] != K.shape[1]:
            raise DataError(f"K must be square; its shape is {K.shape}")
        return K
    raise DataError(
        f"K must be a square array, an operator (kernel.operator(X)) or a folder of tiles; {type(K).__name__} came"
    )


def stream(source: Operator, store: Store, dtype: Dtype) -> None:
    """Hand every tile of the lower triangle to `store`, by columns where the operator knows no tiles."""
    if isinstance(source, Streaming):
        source.each_tile(store, dtype)
        return
    for across in row_blocks(source.shape[0]):
        panel = source.columns(np.arange(across.start, across.stop)).astype(dtype)
        for down in row_blocks(source.shape[0]):
            if down.start >= across.start:
                store(down.start, across.start, panel[down])


def write(
    source: Operator, out: Float[np.ndarray, "n n"], *, mirror: bool, scale: Float[np.ndarray, " n"] | None = None
) -> None:
    """Write the lower triangle of an operator into an array, and the upper one where that is asked for.

    Args:
        source: the matrix.
        out: where it goes.
        mirror: whether to write the upper triangle.
        scale: what rows and columns are multiplied by, in float64, before they are rounded to the array's precision.
    """
    plain = scale is None or bool(np.all(scale == 1.0))
    dtype: Dtype = "float32" if plain and out.dtype == np.float32 else "float64"

    def store(top: int, left: int, values: Float[np.ndarray, "a b"]) -> None:
        down, across = slice(top, top + values.shape[0]), slice(left, left + values.shape[1])
        if scale is not None and not plain:
            values = values * scale[down, None] * scale[across]
        out[down, across] = values
        if mirror and top != left:
            out[across, down] = values.T

    stream(source, store, dtype)


def symmetric_product(
    n: int,
    corners: Sequence[Corner],
    tile: Callable[[Corner], Float[np.ndarray, "a b"]],
    V: Float[np.ndarray, "n k"],
    dtype: Any = np.float64,
) -> Float[np.ndarray, "n k"]:
    """K V from the tiles of the lower triangle, on two threads with one BLAS thread each.

    Each thread takes every other tile and sums in its own array, so that sums do not depend on which thread is ahead.

    Args:
        n: rows of K.
        corners: of the tiles.
        tile: reads one; whole and symmetric where it lies on the diagonal.
        V: vectors.
        dtype: of the products of a tile.
    """
    k = V.shape[1]
    single = np.dtype(dtype) == np.float32
    # The layouts that BLAS is fast at differ: rows of vectors in float64, padded columns in float32.
    vectors = in_strips(V) if single else V
    width = vectors.shape[1]
    flat = np.ascontiguousarray(vectors.T)

    def part(worker: int) -> Float[np.ndarray, "n k"]:
        out = np.zeros((n, width)) if single else np.zeros((width, n))
        for top, left in corners[worker::WORKERS]:
            values = tile((top, left))
            down, across = slice(top, top + values.shape[0]), slice(left, left + values.shape[1])
            if single:
                out[down] += values @ vectors[across]
                if top != left:
                    out[across] += values.T @ vectors[down]
            else:
                out[:, down] += flat[:, across] @ values.T
                if top != left:
                    out[:, across] += flat[:, down] @ values
        return out if single else out.T

    with one_blas_thread(), ThreadPoolExecutor(min(WORKERS, os.cpu_count() or 1)) as pool:
        parts = list(pool.map(part, range(WORKERS)))
    return np.asarray(sum(parts[1:], parts[0])[:, :k])


def in_strips(V: Float[np.ndarray, "n k"]) -> Float32[np.ndarray, "n w"]:
    """The columns of V in float32, and as many of zeros as make BLAS fast."""
    n, k = V.shape
    found = np.zeros((n, -(-k // STRIP) * STRIP if k > STRIP // 4 else k), np.float32)
    found[:, :k] = V
    return found


def tile_corners(n: int, side: int) -> list[Corner]:
    """Corners of the tiles of the lower triangle, diagonal included."""
    return [(top, left) for top in range(0, n, side) for left in range(0, top + 1, side)]


def row_blocks(n: int, size: int = SIDE) -> Iterator[slice]:
    """Consecutive blocks of rows."""
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))
