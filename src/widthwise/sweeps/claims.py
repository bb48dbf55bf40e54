"""Claims: who runs a job, told by a file that only one process can create and that its owner keeps warm.

Attempt k at a job is the file `<job>.<k>`. Nobody removes another's claim: whoever finds attempt k abandoned creates
k + 1, which succeeds for one of them, and the owner of k learns on waking that it was superseded. A claim is abandoned if
its owner's process has ended, which this machine can tell, or if its heartbeat has stood still for a lease, as timed by the
one who watches; clocks of two machines are never compared.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from widthwise.sweeps import files


def owner() -> str:
    """This process: machine, process number and start."""
    return f"{files.machine()} {os.getpid()} {files.process_start(os.getpid())}"


def owner_lives(name: str) -> bool | None:
    """Whether an owner's process runs; None where another machine must say."""
    machine, _, process = name.partition(" ")
    if machine != files.machine():
        return None
    pid, _, start = process.partition(" ")
    return files.process_start(int(pid)) == start


@contextlib.contextmanager
def heartbeat(path: Path, every: float, *, parent: int | None = None) -> Iterator[None]:
    """Touch a file every few seconds, from a thread; and end this process if `parent`, which started it, has ended."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(every):
            if parent is not None and os.getppid() != parent:
                os._exit(1)
            with contextlib.suppress(OSError):
                os.utime(path)

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@dataclass
class Watch:
    """Watches the claims of others and says which are abandoned.

    Args:
        folder: of the claims.
        lease: seconds without a heartbeat after which a claim is abandoned.
        clock: seconds that only go forward.
    """

    folder: Path
    lease: float
    clock: Callable[[], float] = time.monotonic
    _seen: dict[str, tuple[int, float]] = field(default_factory=dict)

    def abandoned(self, name: str) -> bool:
        """Whether the claim file `name` has lost its owner; True where it is gone."""
        path = self.folder / name
        try:
            beat = os.stat(path).st_mtime_ns  # noqa: PTH116
        except FileNotFoundError:
            return True
        lives = owner_lives(self._owner(path))
        if lives is False:
            return True
        before = self._seen.get(name)
        if before is None or before[0] != beat:
            self._seen[name] = (beat, self.clock())
            return False
        return self.clock() - before[1] > self.lease

    @staticmethod
    def _owner(path: Path) -> str:
        """The owner; one that cannot be read is nobody of this machine, and its lease decides."""
        try:
            body = files.unseal(files.read(path) or b"", "widthwise/claim/1", path)
            return str(body["owner"])
        except (files.DamagedError, json.JSONDecodeError, KeyError, TypeError):
            return ""
