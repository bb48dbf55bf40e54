"""A kernel matrix as a folder of tiles: each a `.npy` of its own, the lower triangle only where it is symmetric.

Half the disk of the whole matrix, and tiles can be computed, moved and read one by one. `tiles.txt` is the journal: what the
matrix is, and each tile that is there with the CRC of its bytes. A killed run continues where it stopped.
"""

from __future__ import annotations

import io
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float

from widthwise._checks import enough_memory
from widthwise.errors import DataError, ResourceError
from widthwise.kernels.gram_file import enough_disk
from widthwise.kernels.journal import Journal, Seal, Tile
from widthwise.pages.files import write_atomically


class TileFolder:
    """A kernel matrix in a folder, whole once `missing` is empty.

    Args:
        path: of the folder; made where it is not there.
        sealed: what it is a matrix of.
        shape: of the matrix.
        dtype: of its values.
        tiles: corners of all tiles; of the lower triangle where the matrix is symmetric.

    Attributes:
        path: of the folder.
        shape: of the matrix.
        dtype: of its values.
        tile: rows and columns of a whole tile.
        symmetric: whether the upper triangle is the mirror image of the lower one.
        missing: tiles that are not there yet, or whose bytes are not those that were told.

    Raises:
        DataError: if the folder holds another matrix.
        ResourceError: if the disk does not hold the tiles.
    """

    def __init__(self, path: Path, sealed: Seal, shape: tuple[int, int], dtype: str, tiles: list[Tile]) -> None:
        self.path, self.shape, self.dtype = path, shape, np.dtype(dtype)
        self.symmetric = "m" not in sealed
        self.tile = int(sealed["tile"])
        self._tiles = tiles
        self._lock = threading.Lock()
        path.mkdir(parents=True, exist_ok=True)
        self._journal = Journal(path / "tiles.txt", sealed)
        self._crc = self._journal.told
        self.missing = [tile for tile in tiles if not self._intact(tile)]
        try:
            if self.missing:
                enough_disk(sum(self._bytes(tile) for tile in self.missing), path.absolute())
        except ResourceError:
            self._journal.close()
            raise

    def write(self, tile: Tile, values: Float[np.ndarray, "a b"]) -> None:
        """Write a tile atomically, then tell."""
        stream = io.BytesIO()
        np.save(stream, np.ascontiguousarray(values, dtype=self.dtype), allow_pickle=False)
        data = stream.getvalue()
        write_atomically(self._file(tile), data)
        with self._lock:
            self._crc[tile] = zlib.crc32(data)
            self._journal.tell(tile, self._crc[tile])

    def close(self) -> None:
        """Close the journal; the folder can still be read."""
        self._journal.close()
        self.missing = [tile for tile in self._tiles if tile not in self._crc]

    def read(self, tile: Tile) -> Float[np.ndarray, "a b"]:
        """Values of a tile.

        Raises:
            DataError: if the tile is missing or its bytes are not those that were told.
        """
        if not self._intact(tile):
            raise DataError(f"{self._file(tile)} is missing or damaged: make the same matrix again to repair it")
        values: Float[np.ndarray, "a b"] = np.load(self._file(tile), allow_pickle=False)
        return values

    def blocks(self) -> Iterator[tuple[Tile, Float[np.ndarray, "a b"]]]:
        """All tiles with their corners; of the lower triangle where the matrix is symmetric."""
        for tile in self._tiles:
            yield tile, self.read(tile)

    def to_array(self) -> Float[np.ndarray, "n m"]:
        """The whole matrix in memory."""
        enough_memory(
            float(self.shape[0] * self.shape[1] * self.dtype.itemsize), "the kernel matrix", "Read it by tiles"
        )
        out = np.empty(self.shape, self.dtype)
        for (top, left), values in self.blocks():
            below, across = slice(top, top + self.tile), slice(left, left + self.tile)
            out[below, across] = values
            if self.symmetric and top != left:
                out[across, below] = values.T
        return out

    def matmul(self, V: Float[np.ndarray, "m k"]) -> Float[np.ndarray, "n k"]:
        """The product with the columns of V, in float64, reading each tile once."""
        vectors = np.asarray(V, dtype=np.float64)
        if vectors.ndim != 2 or len(vectors) != self.shape[1]:
            raise DataError(f"V must have {self.shape[1]} rows and some columns; its shape is {vectors.shape}")
        product = np.zeros((self.shape[0], vectors.shape[1]))
        for (top, left), values in self.blocks():
            product[top : top + self.tile] += values @ vectors[left : left + self.tile]
            if self.symmetric and top != left:
                product[left : left + self.tile] += values.T @ vectors[top : top + self.tile]
        return product

    def _file(self, tile: Tile) -> Path:
        return self.path / f"{tile[0]:08d}-{tile[1]:08d}.npy"

    def _bytes(self, tile: Tile) -> int:
        height, width = (min(self.tile, n - start) for n, start in zip(self.shape, tile, strict=True))
        return height * width * self.dtype.itemsize

    def _intact(self, tile: Tile) -> bool:
        if tile not in self._crc:
            return False
        try:
            return zlib.crc32(self._file(tile).read_bytes()) == self._crc[tile]
        except OSError:
            return False
