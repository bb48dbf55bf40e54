"""One run at a time for a matrix on disk: a lock of the operating system, which a crash releases."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from widthwise.errors import StoreError

if sys.platform == "win32":
    import msvcrt

    def _take(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _take(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


_TAKEN = frozenset({errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK})


@contextmanager
def locked(path: Path, what: Path) -> Iterator[None]:
    """Hold a lock file; it is removed at the end, and one that a killed run left behind is taken over.

    Args:
        path: of the lock file.
        what: what it guards, for messages.

    Raises:
        StoreError: if another run holds it, in this process or in another, or the file cannot be made or locked.
    """
    descriptor = _open(path, what)
    try:
        yield
    finally:
        # Removed while it is held: whoever opened it meanwhile sees that it is gone, and makes a new one.
        with contextlib.suppress(OSError):
            path.unlink()
        os.close(descriptor)


def _open(path: Path, what: Path) -> int:
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as failure:
            raise StoreError(f"{path} must be made before {what} is written: {failure.strerror}") from None
        try:
            _take(descriptor)
            if _is_still(descriptor, path):
                return descriptor
        except OSError as failure:
            os.close(descriptor)
            if failure.errno in _TAKEN:
                raise StoreError(
                    f"{what} must be written by one run at a time; another one holds {path}. Wait for it, or write elsewhere"
                ) from None
            raise StoreError(
                f"{path} must be locked before {what} is written: {failure.strerror}. Write to a disk that knows locks"
            ) from None
        os.close(descriptor)


def _is_still(descriptor: int, path: Path) -> bool:
    """Whether the file that was opened is the one that has the name now."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
