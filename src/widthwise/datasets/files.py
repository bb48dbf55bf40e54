"""Files as bytes: refused before reading, unpacked within a limit, known by their content.

Names and extensions decide nothing here: a gzip file is one because it begins like one. No pickle is ever
opened.
"""

from __future__ import annotations

import errno
import io
import os
import stat
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from widthwise.datasets.names import quoted
from widthwise.errors import DataError, ResourceError

Format = Literal["npz", "npy", "idx", "parquet", "text"]

MAX_BYTES = 4 * 2**30
"""Most bytes a file may unpack to."""

_SAVE_NPZ = "load it where it was made and save the arrays with numpy.savez(path, X=X, y=y)"
_REFUSED = (
    (b"\xd0\xcf\x11\xe0", "an Excel 97 file", "pandas.read_excel(path).to_csv('data.csv', index=False)"),
    (b"\x89HDF", "an HDF5 file", _SAVE_NPZ),
    (b"SQLite format 3", "an SQLite database", "pass a DataFrame from pandas.read_sql"),
    (b"\x89PNG", "an image", "collect the images in one array and " + _SAVE_NPZ),
    (b"\xff\xd8\xff", "an image", "collect the images in one array and " + _SAVE_NPZ),
    (b"PARE", "an encrypted Parquet file", "decrypt it where the key is, and pass the DataFrame"),
    (b"BZh", "a bzip2 file", "unpack it with bunzip2"),
    (b"\xfd7zXZ", "an xz file", "unpack it with unxz"),
    (b"\x28\xb5\x2f\xfd", "a zstd file", "unpack it with unzstd"),
    (b"(lp", "a pickle", _SAVE_NPZ),
    (b"(dp", "a pickle", _SAVE_NPZ),
)
_PICKLED_SUFFIXES = (".pkl", ".pickle", ".joblib", ".pt", ".pth")


@dataclass(frozen=True, kw_only=True, eq=False)
class Content:
    """An unpacked file: its bytes, what they are, and how it was asked for."""

    data: bytes
    format: Format
    path: Path
    notes: tuple[str, ...] = ()


def read_content(path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES) -> Content:
    """Read, unpack and recognise a file.

    Args:
        path: the file.
        max_bytes: most bytes it may hold, packed and unpacked.

    Returns:
        The unpacked bytes and their format.

    Raises:
        DataError: if the path is missing, a directory, a pipe, a device or a socket, cannot be read, changes
            while it is read, is empty, damaged, or of a format that is not data (pickles included).
        ResourceError: if it holds more than `max_bytes`.
    """
    where = Path(path)
    data = _regular_bytes(where, max_bytes)
    notes: tuple[str, ...] = ()
    if data[:2] == b"\x1f\x8b":
        data = unpack_gzip(data, where=str(path), max_bytes=max_bytes)
        notes = ("The file was unpacked with gzip.",)
        if not data:
            raise DataError(f"{quoted(path, limit=200)} must hold data; it is a gzip file of nothing")
    return Content(data=data, format=_recognised(data, where), path=where, notes=notes)


def unpack_gzip(data: bytes, *, where: str, max_bytes: int = MAX_BYTES) -> bytes:
    """Unpack gzip bytes of one or more members, at most `max_bytes` of them.

    Raises:
        DataError: if the stream is cut short or its checksum does not fit.
        ResourceError: if it unpacks to more than `max_bytes`.
    """
    parts: list[bytes] = []
    size = 0
    while data[:2] == b"\x1f\x8b":
        unpacker = zlib.decompressobj(wbits=31)
        try:
            part = unpacker.decompress(data, max_bytes + 1 - size)
        except zlib.error as cause:
            raise DataError(f"gzip file {quoted(where, limit=200)} is damaged ({cause}); fetch it again") from cause
        size += len(part)
        if size > max_bytes:
            raise ResourceError(
                f"{quoted(where, limit=200)} unpacks to more than the limit of {max_bytes} bytes from "
                f"{len(data)}; "
                "unpack it yourself if you trust it, and keep the part you need"
            )
        if not unpacker.eof:
            raise DataError(
                f"gzip file {quoted(where, limit=200)} is cut short: it ends within its data; fetch it again"
            )
        parts.append(part)
        data = unpacker.unused_data
    return b"".join(parts)


def _regular_bytes(path: Path, max_bytes: int) -> bytes:
    shown = quoted(_absolute(path), limit=300)
    try:
        before = path.stat()
        _refuse_special(before.st_mode, shown)
        if before.st_size > max_bytes:
            raise ResourceError(
                f"{shown} holds {before.st_size} bytes, more than the limit of {max_bytes}; keep a part of it"
            )
        # Not blocking, in case a pipe took the file's place after the check.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(handle, "rb") as file:
            _refuse_special(os.fstat(handle).st_mode, shown)
            data = file.read(max_bytes + 1)
            after = os.fstat(handle)
    except FileNotFoundError as cause:
        raise DataError(f"no such file: {shown}") from cause
    except PermissionError as cause:
        raise DataError(f"{shown} may not be read by this user; change its permissions (chmod +r)") from cause
    except OSError as cause:
        if cause.errno == errno.ELOOP:
            raise DataError(f"{shown} is a symbolic link that leads back to itself; point it at a file") from cause
        raise DataError(f"{shown} cannot be read: {cause.strerror}") from cause
    except ValueError as cause:  # a NUL byte in the name
        raise DataError(f"{shown} is not a file name: {cause}") from cause
    if (before.st_mtime_ns, before.st_size, before.st_ino) != (
        after.st_mtime_ns,
        after.st_size,
        after.st_ino,
    ) or len(data) != after.st_size:
        raise DataError(f"{shown} changed while it was read; wait until it is complete and read it again")
    if not data:
        raise DataError(f"{shown} must hold data; it is empty (0 bytes)")
    return data


def _absolute(path: Path) -> str:
    try:
        return str(path.absolute())
    except (OSError, ValueError):
        return str(path)


def _refuse_special(mode: int, shown: str) -> None:
    if stat.S_ISDIR(mode):
        raise DataError(f"{shown} is a directory; name one file in it")
    kinds = (
        (stat.S_ISFIFO, "a pipe (FIFO)"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
        (stat.S_ISSOCK, "a socket"),
    )
    for test, kind in kinds:
        if test(mode):
            raise DataError(f"{shown} is {kind}; data are read from regular files only: save them to one first")


def _recognised(data: bytes, path: Path) -> Format:
    shown = quoted(path, limit=200)
    if data[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        _refuse_other_zips(data, shown)
        return "npz"
    if data[:6] == b"\x93NUMPY":
        return "npy"
    if data[:4] == b"PAR1":
        return "parquet"
    if data[:2] == b"\0\0" and len(data) > 3 and data[2] in (8, 9, 11, 12, 13, 14) and data[3] <= 4:
        return "idx"
    pickled = data[0] == 0x80 and len(data) > 1 and data[1] in range(2, 6)
    if pickled or any(s in _PICKLED_SUFFIXES for s in path.suffixes):
        raise DataError(
            f"{shown} is a pickle (or joblib, PyTorch) file; such files can run code and are never opened: {_SAVE_NPZ}"
        )
    for magic, kind, remedy in _REFUSED:
        if data.startswith(magic):
            raise DataError(f"{shown} is {kind}, which widthwise does not read: {remedy}")
    return "text"


def _refuse_other_zips(data: bytes, shown: str) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, OSError, RuntimeError, struct.error) as cause:
        raise DataError(f"{shown} is a damaged or cut-off zip or npz file ({cause}); make it again") from cause
    if any(name.startswith("xl/") for name in names):
        raise DataError(
            f"{shown} is an Excel file, which widthwise does not read: "
            "pandas.read_excel(path).to_csv('data.csv', index=False)"
        )
    if any(name.endswith((".pkl", ".pickle")) for name in names):
        raise DataError(f"{shown} is a PyTorch or other pickled file, which can run code: {_SAVE_NPZ}")
    if not any(name.endswith(".npy") for name in names):
        raise DataError(f"{shown} is a zip file without arrays; unpack it, or {_SAVE_NPZ}")
