"""Checks of arguments, shared by every floor: what must hold, what came, what to do next."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from widthwise.errors import DataError, ResourceError, UsageError


def finite_matrix(X: object, name: str = "X") -> Float[np.ndarray, "n d"]:
    """Return X as a C-ordered float64 matrix; anything that is not finite and two-dimensional is refused.

    Raises:
        DataError: if X is not a matrix of numbers, has no rows, or holds NaN or infinity; names the first cell.
    """
    try:
        given: Any = X
        # What NumPy does not know as an array may still lend its memory by DLPack.
        if hasattr(given, "__dlpack__") and not hasattr(given, "__array__"):
            given = np.from_dlpack(given)
        values = np.ascontiguousarray(given, dtype=np.float64)
    except (TypeError, ValueError, RuntimeError, BufferError) as failure:
        raise DataError(f"{name} must be a matrix of numbers: {failure}") from None
    if values.ndim != 2 or 0 in values.shape:
        raise DataError(f"{name} must be a matrix with rows and columns; its shape is {values.shape}")
    if not np.isfinite(values).all():
        bad = np.argwhere(~np.isfinite(values))
        row, column = (int(i) for i in bad[0])
        raise DataError(f"{name} must be finite; {len(bad)} values are not, the first in row {row}, column {column}")
    return values


def square(K: Float[np.ndarray, "n m"], name: str = "K") -> None:
    """Refuse a kernel matrix that is not square.

    Raises:
        DataError: naming the shape that came.
    """
    if K.shape[0] != K.shape[1]:
        raise DataError(f"{name} must be a square kernel matrix; its shape is {K.shape}")


def columns(y: Float[np.ndarray, " n"] | Float[np.ndarray, "n k"], n: int) -> Float[np.ndarray, "n k"]:
    """Return targets as a matrix of columns with n rows.

    Raises:
        DataError: if the number of rows differs from n, or a target is not finite.
    """
    Y = np.asarray(y, dtype=np.float64)
    Y = Y[:, None] if Y.ndim == 1 else Y
    if Y.shape[0] != n:
        raise DataError(f"targets must have one row for each of the {n} rows of the kernel; {Y.shape[0]} came")
    bad = np.argwhere(~np.isfinite(Y))
    if len(bad):
        raise DataError(f"targets must be finite; {len(bad)} are not, the first in row {int(bad[0][0])}")
    return Y


def positive(value: float, name: str) -> float:
    """Refuse a number that is not positive and finite.

    Raises:
        UsageError: naming the argument and what came.
    """
    if not (np.isfinite(value) and value > 0):
        raise UsageError(f"{name} must be a positive number; {value!r} came")
    return float(value)


def count(value: int, name: str, least: int = 1) -> int:
    """Refuse an integer below `least`.

    Raises:
        UsageError: naming the argument and what came.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise UsageError(f"{name} must be an integer of at least {least}; {value!r} came")
    return int(value)


def available_memory() -> int | None:
    """Bytes of memory that can be taken without swapping; None where the system does not say."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def enough_memory(needed: float, what: str, remedy: str) -> None:
    """Refuse work that does not fit into memory, before it starts.

    Args:
        needed: bytes.
        what: what needs them.
        remedy: what to do.

    Raises:
        ResourceError: with both numbers and the remedy.
    """
    free = available_memory()
    if free is not None and needed > free:
        raise ResourceError(f"{what} needs about {needed / 1e9:.1f} GB; {free / 1e9:.1f} GB are free. {remedy}")
