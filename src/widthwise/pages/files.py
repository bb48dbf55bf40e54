"""Files that are either whole or not there."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import stat
from pathlib import Path

from widthwise.errors import ResourceError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def write_atomically(path: str | os.PathLike[str], content: str | bytes) -> None:
    """Write a file so that a reader, or a crash, sees the old content or the new and nothing between.

    The content goes to a new file in the same folder, is forced to the disk, and takes the name in one step.
    A symbolic link is followed, and an existing file keeps its permissions.

    Args:
        path: where the file shall be; its folder must exist.
        content: bytes, or text to be stored as UTF-8.

    Raises:
        ResourceError: if the disk is full or a quota is used up; the old file is untouched.
        OSError: for any other reason that the system gives; the old file is untouched.
    """
    target = Path(os.path.realpath(path))
    data = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
    temporary = target.with_name(f".widthwise-{secrets.token_hex(8)}.tmp")
    try:
        _write_new(temporary, data, like=target)
        temporary.replace(target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        if error.errno in _FULL:
            raise ResourceError(_no_room(target, len(data))) from error
        raise
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def _no_room(target: Path, needed: int) -> str:
    room = "no room left"
    with contextlib.suppress(OSError):
        room = f"{shutil.disk_usage(target.parent).free:,} bytes free"
    return (
        f"{target} needs {needed:,} bytes, but its disk or quota is full ({room}); make room or write to another folder"
    )


def _write_new(path: Path, data: bytes, *, like: Path) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags, 0o666)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    with contextlib.suppress(FileNotFoundError):
        path.chmod(stat.S_IMODE(like.stat().st_mode))


def _sync_folder(folder: Path) -> None:
    """Force the new name to the disk; systems that cannot open a folder do without."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
