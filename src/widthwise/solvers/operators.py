"""Symmetric matrices as operators: an array or a memory map, half of it packed in tiles, a folder of tiles, or a kernel.

A solver asks four things of a matrix (`Operator`), so it need not know where its entries are. Products read one
triangle only and use each of its tiles twice, once as it stands and once transposed: a product with several columns
then moves half the matrix, once, whatever the number of columns.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int
from threadpoolctl import ThreadpoolController

from widthwise._checks import columns, enough_memory, square
from widthwise.errors import DataError
from widthwise.pages.progress import Progress

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


class PackedTiles:
    """The lower triangle of a symmetric matrix in memory: 2 n^2 bytes in float32, half of what the matrix takes.

    Args:
        n: rows.
        dtype: of the entries. In float32 a product has float32 entries and vectors; sums over tiles are float64.
        side: rows of a tile; chosen when not given.

    Raises:
        ResourceError: if memory does not hold the tiles.
    """

    def __init__(self, n: int, dtype: Dtype, side: int | None = None) -> None:
        self.n, self.dtype, self.side = n, np.dtype(dtype), side or min(SIDE, max(n, 1))
        self._corners = tile_corners(n, self.side)
        enough_memory(
            float(self.bytes_for(n, dtype, self.side)),
            f"half a kernel matrix of {n} rows in {dtype}",
            "Use solver='nystroem', or write the matrix to disk by kernel.gram(X, 'folder') and solve with that",
        )
        self._tiles = np.zeros((len(self._corners), self.side, self.side), dtype)
        self._place = {corner: number for number, corner in enumerate(self._corners)}

    @staticmethod
    def bytes_for(n: int, dtype: Dtype, side: int = SIDE) -> int:
        """Memory of the tiles."""
        across = -(-n // side)
        return across * (across + 1) // 2 * side**2 * np.dtype(dtype).itemsize

    @classmethod
    def of(cls, source: Operator, dtype: Dtype, *, progress: bool = False) -> PackedTiles:
        """Copy an operator, tile by tile."""
        packed = cls(source.shape[0], dtype)
        with Progress(source.shape[0] ** 2 / 2, label="kernel matrix", enabled=progress) as bar:

            def store(top: int, left: int, values: Float[np.ndarray, "a b"]) -> None:
                packed.put(top, left, values)
                bar.advance(float(values.size))

            stream(source, store, dtype)
        return packed

    def rounded(self) -> PackedTiles:
        """The same tiles in float32."""
        copy = PackedTiles(self.n, "float32", self.side)

        def part(worker: int) -> None:
            for number in range(worker, len(self._corners), WORKERS):
                copy._tiles[number] = self._tiles[number]

        # Memory that is touched for the first time is what this takes: two threads halve it.
        with ThreadPoolExecutor(WORKERS) as pool:
            list(pool.map(part, range(WORKERS)))
        return copy

    def widened(self) -> Widened:
        """The same entries with products whose vectors and sums are float64."""
        return Widened(self)

    def put(self, top: int, left: int, values: Float[np.ndarray, "a b"]) -> None:
        """Store a block of the lower triangle that lies within one tile or on several."""
        for down, across, part in _cuts(top, left, values, self.side):
            tile = self._tiles[self._place[down // self.side * self.side, across // self.side * self.side]]
            row, column = down % self.side, across % self.side
            tile[row : row + part.shape[0], column : column + part.shape[1]] = part
            if down // self.side == across // self.side and down != across:
                # Tiles on the diagonal are whole.
                tile[column : column + part.shape[1], row : row + part.shape[0]] = part.T

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.n, self.n

    def matmul(self, V: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
        """The product with the columns of V, each tile read once; `float32` tiles round V to float32."""
        vectors = columns(V, self.n)
        return symmetric_product(self.n, self._corners, self._tile, vectors, self.dtype)

    def diagonal(self) -> Float[np.ndarray, " n"]:
        """The diagonal."""
        parts = [np.diagonal(self._tile((start, start))) for start in range(0, self.n, self.side)]
        return np.concatenate(parts).astype(np.float64)

    def columns(self, indices: Any) -> Float[np.ndarray, "n m"]:
        """Some columns."""
        wanted = np.asarray(indices, dtype=np.intp)
        found = np.empty((self.n, len(wanted)))
        for place, column in enumerate(wanted):
            start = int(column) // self.side * self.side
            for other in range(0, self.n, self.side):
                low, high = max(start, other), min(start, other)
                tile = self._tile((low, high))
                part = tile[:, column - start] if start <= other else tile[column - start]
                found[other : other + self.side, place] = part
        return found

    def rows(self, indices: Int[np.ndarray, " m"]) -> Float[np.ndarray, "m n"]:
        """Consecutive rows, in the precision of the tiles.

        Args:
            indices: increasing without a gap.
        """
        found = np.empty((len(indices), self.n), self.dtype)
        first, last = int(indices[0]), int(indices[-1]) + 1
        for top in range(first // self.side * self.side, last, self.side):
            a, b = max(first, top), min(last, top + self.side)
            for left in range(0, self.n, self.side):
                low, high = max(top, left), min(top, left)
                tile = self._tile((low, high))
                part = tile[a - top : b - top] if left <= top else tile[:, a - top : b - top].T
                found[a - first : b - first, left : left + self.side] = part
        return found

    def entries(self, rows: Int[np.ndarray, "..."], columns: Int[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """Single entries in float64, at positions that are broadcast against each other."""
        down, across = np.maximum(rows, columns), np.minimum(rows, columns)
        top, row = np.divmod(down, self.side)
        left, column = np.divmod(across, self.side)
        # The order of `tile_corners`.
        return np.asarray(self._tiles[top * (top + 1) // 2 + left, row, column], dtype=np.float64)

    def each_tile(self, store: Store, dtype: Dtype) -> None:
        """Every tile of the lower triangle."""
        for top, left in self._corners:
            store(top, left, self._tile((top, left)).astype(dtype, copy=False))

    def _tile(self, corner: Corner) -> Float[np.ndarray, "a b"]:
        top, left = corner
        tile: Float[np.ndarray, "a b"] = self._tiles[self._place[corner]]
        return tile[: self.n - top, : self.n - left]


class Widened:
    """Packed tiles multiplied in float64, whatever they are stored in: what is left is the rounding of the entries.

    Args:
        packed: the tiles; they are shared, not copied.
    """

    def __init__(self, packed: PackedTiles) -> None:
        self._packed = packed
        self.shape = packed.shape
        self.diagonal, self.columns, self.each_tile = packed.diagonal, packed.columns, packed.each_tile

    def matmul(self, V: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
        """The product with the columns of V."""
        packed = self._packed
        return symmetric_product(packed.n, packed._corners, packed._tile, columns(V, packed.n))


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


def _cuts(
    top: int, left: int, values: Float[np.ndarray, "a b"], side: int
) -> Iterator[tuple[int, int, Float[np.ndarray, "c d"]]]:
    """The parts of a block that lie in one tile each, at or below the diagonal."""
    downs, acrosses = (
        [start, *range((start // side + 1) * side, start + size, side), start + size]
        for start, size in zip((top, left), values.shape, strict=True)
    )
    for down, below in itertools.pairwise(downs):
        for across, beyond in itertools.pairwise(acrosses):
            if down // side >= across // side:
                yield down, across, values[down - top : below - top, across - left : beyond - left]


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
    width = -(-k // STRIP) * STRIP if single and k > STRIP // 4 else k
    vectors = np.zeros((n, width), dtype)
    vectors[:, :k] = V
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

    with _controller().limit(limits=1, user_api="blas"), ThreadPoolExecutor(min(WORKERS, os.cpu_count() or 1)) as pool:
        parts = list(pool.map(part, range(WORKERS)))
    return np.asarray(sum(parts[1:], parts[0])[:, :k])


def one_blas_thread() -> contextlib.AbstractContextManager[Any]:
    """Small factorisations by one thread: beside other work two threads of BLAS wait for each other thirty times as long."""
    limited: contextlib.AbstractContextManager[Any] = _controller().limit(limits=1, user_api="blas")
    return limited


@functools.cache
def _controller() -> ThreadpoolController:
    """Found once: looking for the libraries takes longer than a small product."""
    return ThreadpoolController()


def tile_corners(n: int, side: int) -> list[Corner]:
    """Corners of the tiles of the lower triangle, diagonal included."""
    return [(top, left) for top in range(0, n, side) for left in range(0, top + 1, side)]


def row_blocks(n: int, size: int = SIDE) -> Iterator[slice]:
    """Consecutive blocks of rows."""
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))
