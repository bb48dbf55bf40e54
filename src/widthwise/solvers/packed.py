"""Half a symmetric matrix in memory, packed in tiles: in one precision, or split so that both sides of a refinement read it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from widthwise._checks import columns, enough_memory
from widthwise.errors import DataError
from widthwise.pages.progress import Progress
from widthwise.solvers.operators import SIDE, Corner, Dtype, Operator, Store, stream, symmetric_product, tile_corners


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
        _require_memory(n, self.bytes_for(n, dtype, self.side), dtype)
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
        _copy(source, packed.put, dtype, progress=progress)
        return packed

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
        starts = wanted // self.side * self.side
        for start in map(int, np.unique(starts)):
            places = np.flatnonzero(starts == start)
            inside = wanted[places] - start
            for other in range(0, self.n, self.side):
                tile = self._tile((max(start, other), min(start, other)))
                part = tile[:, inside] if start <= other else tile[inside].T
                found[other : other + self.side, places] = part
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


class SplitTiles:
    """The lower triangle of a symmetric matrix as float32 tiles and what rounding took from them, also in float32.

    It takes the memory of float64 tiles, and serves both sides of a refinement: `quick` multiplies at the speed of float32,
    the sum of both parts has 48 bits, more than a kernel is evaluated to, where entries that matter are above 1e-28.

    Args:
        n: rows.

    Raises:
        ResourceError: if memory does not hold the tiles.
    """

    def __init__(self, n: int) -> None:
        _require_memory(n, PackedTiles.bytes_for(n, "float64", min(SIDE, max(n, 1))), "float64")
        self.quick, self._rest = PackedTiles(n, "float32"), PackedTiles(n, "float32")
        self.shape = self.quick.shape

    @classmethod
    def of(cls, source: Operator, *, progress: bool = False) -> SplitTiles:
        """Copy an operator, tile by tile."""
        split = cls(source.shape[0])
        _copy(source, split.put, "float64", progress=progress)
        return split

    def put(self, top: int, left: int, values: Float[np.ndarray, "a b"]) -> None:
        """Store a block of the lower triangle, given in float64.

        Raises:
            DataError: if an entry is beyond the range of float32.
        """
        try:
            with np.errstate(over="raise"):
                rounded = values.astype(np.float32)
        except FloatingPointError:
            raise DataError(
                "entries must be within the range of float32, below 3.4e38; larger ones came. Use PackedTiles in float64"
            ) from None
        self.quick.put(top, left, rounded)
        self._rest.put(top, left, values - rounded)

    def matmul(self, V: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
        """The product with the columns of V, in float64."""
        n = self.shape[0]
        return symmetric_product(n, self.quick._corners, self._tile, columns(V, n))

    def diagonal(self) -> Float[np.ndarray, " n"]:
        """The diagonal."""
        return np.asarray(self.quick.diagonal() + self._rest.diagonal())

    def columns(self, indices: Any) -> Float[np.ndarray, "n m"]:
        """Some columns."""
        return np.asarray(self.quick.columns(indices) + self._rest.columns(indices))

    def each_tile(self, store: Store, dtype: Dtype) -> None:
        """Every tile of the lower triangle."""
        for corner in self.quick._corners:
            store(*corner, self._tile(corner).astype(dtype, copy=False))

    def _tile(self, corner: Corner) -> Float[np.ndarray, "a b"]:
        return np.asarray(np.add(self.quick._tile(corner), self._rest._tile(corner), dtype=np.float64))


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


def _require_memory(n: int, size: float | int, dtype: Dtype) -> None:
    """Ask for the memory of half a matrix before it is taken."""
    enough_memory(
        float(size),
        f"half a kernel matrix of {n} rows in {dtype}",
        "Use solver='nystroem', or write the matrix to disk by kernel.gram(X, 'folder') and solve with that",
    )


def _copy(source: Operator, put: Store, dtype: Dtype, *, progress: bool) -> None:
    with Progress(source.shape[0] ** 2 / 2, label="kernel matrix", enabled=progress) as bar:

        def store(top: int, left: int, values: Float[np.ndarray, "a b"]) -> None:
            put(top, left, values)
            bar.advance(float(values.size))

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
