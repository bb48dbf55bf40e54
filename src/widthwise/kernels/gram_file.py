"""A kernel matrix as a memory-mapped `.npy` file that survives being killed.

Until it is whole it has the name `name.npy.part`, with a journal `name.npy.tiles` beside it. A later run with the same
kernel and rows checks every told tile against its CRC and computes what is missing.
"""

from __future__ import annotations

import os
import shutil
import threading
import zlib
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from jaxtyping import Float

from widthwise.errors import DataError, ResourceError
from widthwise.kernels.journal import RESUME, SPARE, Journal, Seal, Tile


class GramFile:
    """The matrix on disk, open for its missing tiles; a context manager.

    Args:
        path: of the finished `.npy` file.
        sealed: what it is a matrix of.
        shape: of the matrix.
        dtype: of its values.
        tiles: corners of all tiles that are computed; of the lower triangle where the matrix is symmetric.

    Raises:
        DataError: if an unfinished file belongs to another matrix.
        ResourceError: if the disk does not hold the matrix.
    """

    def __init__(self, path: Path, sealed: Seal, shape: tuple[int, int], dtype: str, tiles: list[Tile]) -> None:
        self.path = path
        self._part = path.with_name(path.name + ".part")
        self._tile = int(sealed["tile"])
        self._symmetric = "m" not in sealed
        self._lock = threading.Lock()
        journal = path.with_name(path.name + ".tiles")
        if not self._part.exists():
            journal.unlink(missing_ok=True)
            _allocate(self._part, shape, dtype)
        self._journal = Journal(journal, sealed)
        try:
            self.matrix: Float[np.ndarray, "n m"] = np.lib.format.open_memmap(self._part, mode="r+")
            whole = self.matrix.shape == shape and self.matrix.dtype == np.dtype(dtype)
        except ValueError:
            whole = False
        if not whole:
            self._journal.close()
            raise DataError(f"{self._part} must hold {shape} values of {dtype}; remove it and {journal.name}")
        told = self._journal.told
        self.missing = [tile for tile in tiles if tile not in told or told[tile] != self._crc(tile)]

    def __enter__(self) -> GramFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._journal.close()

    def done(self, tile: Tile) -> None:
        """Make a tile that was written safe: flush its bytes, then tell."""
        with self._lock:
            self._flush()
            self._journal.tell(tile, self._crc(tile))

    def finish(self) -> Float[np.ndarray, "n m"]:
        """Give the whole file its name, remove the journal, and open the matrix read-only."""
        self._flush()
        self._journal.close()
        self._part.replace(self.path)
        self._journal.path.unlink()
        found: Float[np.ndarray, "n m"] = np.load(self.path, mmap_mode="r", allow_pickle=False)
        return found

    def _flush(self) -> None:
        matrix: Any = self.matrix
        try:
            matrix.flush()
        except OSError as failure:
            raise ResourceError(f"{self._part} could not be written: {failure.strerror}; {RESUME}") from None

    def _crc(self, tile: Tile) -> int:
        """CRC of a tile, and of its mirror image where the matrix is symmetric."""
        below, across = (slice(start, start + self._tile) for start in tile)
        found = _crc_of(self.matrix[below, across])
        return _crc_of(self.matrix[across, below], found) if self._symmetric else found


def _crc_of(values: Float[np.ndarray, "a b"], start: int = 0) -> int:
    return zlib.crc32(np.ascontiguousarray(values).view(np.uint8).data, start)


def enough_disk(needed: int, place: Path) -> None:
    """Refuse a matrix that the disk does not hold, before anything is computed.

    Raises:
        ResourceError: with both numbers and what to do.
    """
    free = shutil.disk_usage(place).free
    if needed + SPARE > free:
        raise ResourceError(
            f"the kernel matrix needs {needed / 1e9:.1f} GB on disk, and {SPARE / 1e6:.0f} MB beside it; {free / 1e9:.1f} GB are "
            f"free at {place}. Use dtype='float32', another disk, or matmul"
        )


def _allocate(part: Path, shape: tuple[int, int], dtype: str) -> None:
    enough_disk(shape[0] * shape[1] * np.dtype(dtype).itemsize, part.absolute().parent)
    matrix: Any = np.lib.format.open_memmap(part, mode="w+", dtype=np.dtype(dtype), shape=shape)
    del matrix
    # Blocks are taken now: a disk that fills up later would kill a write to mapped memory without a word.
    if hasattr(os, "posix_fallocate"):
        try:
            with part.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, part.stat().st_size)
        except OSError as failure:
            part.unlink()
            raise ResourceError(f"{part} could not be made: {failure.strerror}") from None
