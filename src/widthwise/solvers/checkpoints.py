"""The state of an iteration on disk, so that a killed run goes on where it stopped."""

from __future__ import annotations

import hashlib
import io
import json
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from widthwise.errors import DataError
from widthwise.pages.files import write_atomically

# Seconds between two writes.
INTERVAL = 60.0


class Checkpoint:
    """One file of arrays, written whole; it belongs to one system and is refused by another.

    Args:
        path: of the file, `name.npz`; made when first written.
        system: what is solved: numbers, texts and arrays that tell it from others.
        interval: seconds between two writes; a minute when not given.
    """

    def __init__(self, path: str | Path, system: dict[str, Any], interval: float | None = None) -> None:
        self.path = Path(path)
        self._seal = _digest(system)
        self._interval = INTERVAL if interval is None else interval
        self._last = time.monotonic()

    def read(self) -> dict[str, Any] | None:
        """The arrays of an earlier run; None where there was none.

        Raises:
            DataError: if the file is damaged, or belongs to another system.
        """
        if not self.path.exists():
            return None
        try:
            with np.load(self.path, allow_pickle=False) as stored:
                found = {name: stored[name] for name in stored.files}
            seal = str(found.pop("seal"))
        except (ValueError, OSError, KeyError, zipfile.BadZipFile) as failure:
            raise DataError(f"{self.path} is no checkpoint ({failure}); remove it to start again") from None
        if seal != self._seal:
            raise DataError(f"{self.path} belongs to another system; remove it, or name another file")
        return found

    def due(self) -> bool:
        """Whether it is time to write again."""
        return time.monotonic() - self._last >= self._interval

    def write(self, **arrays: Any) -> None:
        """Write the arrays; the file is the old one or the new one, never half of either."""
        stream = io.BytesIO()
        np.savez(stream, seal=np.array(self._seal), **arrays)
        write_atomically(self.path, stream.getvalue())
        self._last = time.monotonic()


def _digest(system: dict[str, Any]) -> str:
    found = hashlib.sha256()
    for name in sorted(system):
        value = system[name]
        found.update(name.encode())
        if isinstance(value, np.ndarray):
            found.update(str((value.shape, value.dtype.str)).encode())
            found.update(np.ascontiguousarray(value).data)
        else:
            found.update(json.dumps(value).encode())
    return found.hexdigest()
