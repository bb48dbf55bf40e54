"""Files of a store: sealed with their length and CRC, whole or not there, on the disk before their name is.

Every operation goes through `os` one by one, so that a test can fail or kill each of them.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import json
import os
import re
import secrets
import socket
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from widthwise.errors import ResourceError, StoreError

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
# File systems without hard links, and folders that cannot be forced to the disk.
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
_NO_SYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EBADF})
_SEAL = re.compile(
    rb'\{"schema": "(widthwise/[a-z]+)/([0-9]+)", "length": ([0-9]+), "crc32": "([0-9a-f]{8})", "body":\n'
)
_TEMPORARY = re.compile(r"\.(?P<machine>[0-9a-f]{8})-(?P<pid>[0-9]+)-[0-9a-f]+\.tmp")


class DamagedError(Exception):
    """A file is not what was written: its length or CRC differs, or it has no seal."""


@contextlib.contextmanager
def typed(path: Path, what: str = "read or written") -> Iterator[None]:
    """Turn an error of the system into one of widthwise that names the file.

    Raises:
        ResourceError: if a disk, a quota or a file-size limit is full.
        StoreError: for anything else.
    """
    try:
        yield
    except (ResourceError, StoreError):
        raise
    except OSError as failure:
        if failure.errno in FULL:
            raise ResourceError(
                f"{path} cannot be written: {failure.strerror}. What was there is untouched: make room, then give the same "
                "command again"
            ) from failure
        raise StoreError(
            f"{path} cannot be {what}: {failure.strerror or failure}. What was there is untouched: mend that, then give the "
            "same command again"
        ) from failure


def seal(schema: str, body: Any) -> bytes:
    """A JSON document of `schema` (as `widthwise/job/1`) whose first line holds its length and CRC."""
    text = json.dumps(body, indent=1, allow_nan=False).encode()
    head = f'{{"schema": "{schema}", "length": {len(text)}, "crc32": "{_crc(schema.encode(), text):08x}", "body":\n'
    return head.encode() + text + b"\n}\n"


def _crc(schema: bytes, body: bytes) -> int:
    return zlib.crc32(body, zlib.crc32(schema))


def unseal(data: bytes, schema: str, path: Path) -> Any:
    """The body of a sealed document.

    Raises:
        DamagedError: if the seal does not fit.
        StoreError: if a newer version of widthwise wrote it.
    """
    name, _, version = schema.rpartition("/")
    newer = re.match(rb'\{"schema": "' + name.encode() + rb'/([0-9]+)"', data)
    if newer and int(newer[1]) > int(version):
        raise StoreError(
            f"{path} was written by a newer version of widthwise (layout {int(newer[1])}, this one knows {version}): upgrade "
            "widthwise to go on; nothing was changed"
        )
    head = _SEAL.match(data)
    if not head or head[1].decode() != name:
        raise DamagedError(f"{path} has no seal")
    body = data[head.end() : head.end() + int(head[3])]
    crc = _crc(head[1] + b"/" + head[2], body)
    if len(data) != head.end() + int(head[3]) + 3 or crc != int(head[4], 16) or data[-3:] != b"\n}\n":
        raise DamagedError(f"{path} differs from what was written")
    return json.loads(body)


def read(path: Path) -> bytes | None:
    """The bytes of a file, None where there is none."""
    with typed(path, "read"):
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            return None
        try:
            parts = []
            while part := os.read(descriptor, 1 << 20):
                parts.append(part)
            return b"".join(parts)
        finally:
            os.close(descriptor)


def create(path: Path, data: bytes, *, durable: bool = True) -> bool:
    """Write a new file; False, and nothing changed, where the name is taken already.

    Args:
        path: its name; the folder must exist.
        data: its bytes.
        durable: force bytes and name to the disk.

    Raises:
        ResourceError: if there is no room.
        StoreError: for any other fault of the disk.
    """
    with typed(path, "written"), _written(path, data, durable=durable) as temporary:
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
        except OSError as failure:
            if failure.errno not in _NO_LINKS:
                raise
            if path.exists():
                return False
            os.replace(temporary, path)  # noqa: PTH105 - tests count the operations of `os`
        if durable:
            sync_folder(path.parent)
    return True


def replace(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write a file in the place of another; a reader sees the one or the other.

    Raises:
        ResourceError: if there is no room.
        StoreError: for any other fault of the disk.
    """
    with typed(path, "written"), _written(path, data, durable=durable) as temporary:
        os.replace(temporary, path)  # noqa: PTH105
        if durable:
            sync_folder(path.parent)


def remove(path: Path) -> None:
    """Remove a file if it is there."""
    with typed(path, "removed"), contextlib.suppress(FileNotFoundError):
        os.unlink(path)  # noqa: PTH108


def move(path: Path, target: Path) -> None:
    """Give a file another name, unless somebody else did so first."""
    with typed(path, "moved"), contextlib.suppress(FileNotFoundError):
        os.replace(path, target)  # noqa: PTH105


def names(folder: Path) -> list[str]:
    """Names in a folder, sorted, without temporary files."""
    with typed(folder, "listed"):
        return sorted(name for name in os.listdir(folder) if not name.startswith("."))  # noqa: PTH208


def make_folder(folder: Path, *, durable: bool = False) -> None:
    """Make a folder and its parents where they are not there."""
    with typed(folder, "made"):
        folder.mkdir(parents=True, exist_ok=True)
        if durable:
            sync_folder(folder.parent)


def sweep_temporaries(folder: Path) -> None:
    """Remove what writers that were killed on this machine left half-written."""
    with typed(folder, "listed"):
        left = [name for name in os.listdir(folder) if name.startswith(".")]  # noqa: PTH208
    for name in left:
        parts = _TEMPORARY.fullmatch(name)
        if parts and parts["machine"] == machine() and not process_lives(int(parts["pid"])):
            remove(folder / name)


def sync_folder(folder: Path) -> None:
    """Force the names in a folder to the disk; systems that cannot open a folder do without."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as failure:
        if failure.errno not in _NO_SYNC:
            raise
    finally:
        os.close(descriptor)


@functools.cache
def machine() -> str:
    """Eight hex digits for this machine since it started, and for this process namespace."""
    parts = [socket.gethostname()]
    for place in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        with contextlib.suppress(OSError):
            link = Path(place)
            parts.append(os.readlink(link) if link.is_symlink() else link.read_text())  # noqa: PTH115
    return f"{zlib.crc32(' '.join(parts).encode()):08x}"


def process_start(pid: int) -> str | None:
    """When a process of this machine started, in its own units; None where it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "" if not Path("/proc/self/stat").exists() and process_lives(pid) else None
    # A zombie has ended, though nobody has asked for its exit status.
    return None if fields[0] in "ZX" else fields[19]


def process_lives(pid: int) -> bool:
    """Whether a process of this machine runs."""
    if Path("/proc/self/stat").exists():
        return process_start(pid) is not None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


@contextlib.contextmanager
def _written(path: Path, data: bytes, *, durable: bool) -> Iterator[Path]:
    """A temporary file beside `path` that holds the data; gone afterwards."""
    temporary = path.with_name(f".{machine()}-{os.getpid()}-{secrets.token_hex(6)}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    descriptor = os.open(temporary, flags, 0o666)
    try:
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            if durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        yield temporary
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)  # noqa: PTH108
