"""Unfinished runs on disk: a file that is whole or not there, and that a run can go on from to the bit.

A NumPy archive of arrays with a JSON header inside; the archive's own CRC tells damage. Nothing is pickled.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from widthwise._checks import count
from widthwise.errors import DataError, UsageError
from widthwise.pages.files import write_atomically

FORMAT = 1


@dataclass(frozen=True)
class Checkpoint:
    """Where a run is kept while it trains, and how often.

    Args:
        path: of the file; it stays when the run has ended, and the same call returns its result again.
        every: number of steps between two writings.
        seconds: where `every` is not given, least wall time between two writings; the end is always written.
    """

    path: str | os.PathLike[str]
    every: int | None = None
    seconds: float = 10.0

    def __post_init__(self) -> None:
        if self.every is not None:
            count(self.every, "every")
        if not (np.isfinite(self.seconds) and self.seconds >= 0):
            raise UsageError(f"seconds must be a finite number of at least 0; {self.seconds!r} came")


def write(path: str | os.PathLike[str], header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Write a state so that a crash leaves the last one or this one.

    Args:
        path: of the file.
        header: plain data.
        arrays: by name.

    Raises:
        ResourceError: if the disk is full.
    """
    buffer = io.BytesIO()
    words = np.frombuffer(json.dumps({"format": FORMAT, **header}).encode(), np.uint8)
    # `savez` would take a key of its own arguments for one of them.
    np.savez(buffer, header=words, **{f"a/{name}": array for name, array in arrays.items()})  # type: ignore[arg-type]
    write_atomically(path, buffer.getvalue())


def read(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
    """Header and arrays of a state; None where there is no file.

    Raises:
        DataError: if the file is damaged or is not one of ours.
    """
    if not Path(path).exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as archive:
            header = json.loads(bytes(archive["header"]))
            arrays = {name.removeprefix("a/"): archive[name] for name in archive.files if name != "header"}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError) as failure:
        raise DataError(
            f"{path} is not a whole checkpoint of widthwise ({failure}). Remove it to start the run afresh"
        ) from None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise DataError(f"{path} is a checkpoint of another version of widthwise. Remove it to start the run afresh")
    return header, arrays
