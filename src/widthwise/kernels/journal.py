"""What an unfinished matrix on disk is, and which of its tiles are safely there: one line for each, with a CRC.

The first line is the seal: kernel, digest of the rows, dtype, tile size. A tile is told only after its bytes are on disk.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path

from widthwise.errors import DataError, ResourceError
from widthwise.kernels.rows import Rows
from widthwise.pages.files import write_atomically

# Raised whenever tiles of an older version would have other bits.
FORMAT = 2
# Disk that must stay free beside a matrix: the journal, and room for others.
SPARE = 64_000_000
RESUME = "make room, then make the same call again to continue"

Tile = tuple[int, int]
Seal = dict[str, str | int]


def seal(kernel: str, rows: Rows, others: Rows | None, dtype: str, tile: int) -> Seal:
    """What a matrix is a matrix of.

    Args:
        kernel: as Python.
        rows: of the matrix.
        others: its columns' rows; None where the matrix is symmetric.
        dtype: of its values.
        tile: rows and columns of a whole tile.
    """
    found: Seal = {"format": FORMAT, "kernel": kernel, "rows": _digest(rows), "n": len(rows)}
    if others is not None:
        found |= {"columns": _digest(others), "m": len(others)}
    return found | {"dtype": dtype, "tile": tile}


class Journal:
    """The seal and the tiles told so far.

    Args:
        path: of the journal.
        sealed: what the matrix must be.

    Attributes:
        told: CRC of each tile of an earlier run; empty where there was none.
        fresh: whether there was none.

    Raises:
        DataError: if the journal there is that of another matrix.
    """

    def __init__(self, path: Path, sealed: Seal) -> None:
        self.path = path
        self.told: dict[Tile, int] = {}
        lines = path.read_bytes().decode("ascii", "replace").split("\n") if path.exists() else []
        # A seal that was cut short tells nothing of tiles: nothing was told after it.
        self.fresh = len(lines) < 2
        if not self.fresh:
            self._check(lines[0], sealed)
            self.told = dict(_told(lines[1:-1]))
        else:
            write_atomically(path, json.dumps(sealed) + "\n")
        self._file = path.open("r+b", buffering=0)
        # A last line without its end was cut short: it is overwritten.
        self._file.seek(sum(len(line) + 1 for line in lines[:-1]) if lines and not self.fresh else path.stat().st_size)
        self._file.truncate()

    def tell(self, tile: Tile, crc: int) -> None:
        """Tell that a tile is on disk, and make the telling safe."""
        line = f"{tile[0]} {tile[1]} {crc:08x}\n".encode()
        try:
            written = self._file.write(line)
            os.fsync(self._file.fileno())
        except OSError as failure:
            raise ResourceError(f"{self.path} could not be written: {failure.strerror}; {RESUME}") from None
        if written != len(line):
            raise ResourceError(f"{self.path} could not be written: the disk is full; {RESUME}")

    def close(self) -> None:
        """Close the file; the journal stays."""
        self._file.close()

    def _check(self, line: str, sealed: Seal) -> None:
        try:
            found = json.loads(line)
        except ValueError:
            found = {}
        found = found if isinstance(found, dict) else {}
        different = [key for key in sealed if found.get(key) != sealed[key]]
        if different:
            raise DataError(
                f"{self.path} belongs to another matrix (it differs in: {', '.join(different)}). Finish that one, or remove "
                "it with its tiles"
            )


def _told(lines: list[str]) -> list[tuple[Tile, int]]:
    """What whole lines tell; a damaged one tells nothing, and its tile is computed again."""
    found = [re.fullmatch(r"([0-9]+) ([0-9]+) ([0-9a-f]{8})", line) for line in lines]
    return [((int(m[1]), int(m[2])), int(m[3], 16)) for m in found if m]


def _digest(rows: Rows) -> str:
    found = hashlib.sha256()
    found.update(str(rows.values.shape).encode())
    found.update(rows.values.data)
    return found.hexdigest()
