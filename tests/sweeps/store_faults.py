"""Every operation of the store fails once: killed before it, torn in it, refused by the disk, or lost with the power.

    python tests/sweeps/store_faults.py

runs a small sweep of a store once without a fault to count its operations; then, for each operation and each fault, a
fresh one that meets the fault there, looks at what it left, runs the same sweep again without faults and looks again. It
prints the table of `docs/sweeps.md`, and leaves with 1 if anything was lost, run twice or left behind. POSIX only: it
forks, in a process that has no threads and no JAX.
"""

from __future__ import annotations

import errno
import hashlib
import itertools
import json
import os
import shutil
import signal
import sys
import tempfile
import zlib
from collections import Counter
from pathlib import Path

import numpy as np

from widthwise.errors import ResourceError, StoreError
from widthwise.sweeps import files
from widthwise.sweeps.store import TRIES, Claim, Store
from widthwise.sweeps.worker import attempt

OPERATIONS = ("open", "read", "write", "fsync", "link", "replace", "unlink", "mkdir", "listdir", "stat")
FAULTS = (
    "killed before it",
    "killed in the middle of it",
    "disk full",
    "input/output error",
    "power lost, names too",
    "power lost, names kept",
)
BODY = {"name": "faults", "jobs": 3}
JOBS = [f"{i:032x}" for i in (10, 11, 12)]


class Injection:
    """Counts operations of `os` and makes one of them fail; remembers what a disk would not yet hold."""

    def __init__(self, at: int, fault: str, root: Path) -> None:
        self.at, self.fault, self.root = at, fault, root
        self.seen: list[str] = []
        self.real = {name: getattr(os, name) for name in OPERATIONS}
        self.closed = os.close
        self.opened: dict[int, str] = {}
        self.unsynced: set[tuple[int, int]] = set()  # files whose bytes are not on the disk yet
        self.undo: list[tuple[str, object]] = []  # folder of a change of names, and how it was before

    def install(self) -> None:
        for name in OPERATIONS:
            setattr(os, name, self._wrapped(name))
        os.close = self._close

    def _close(self, descriptor: int) -> None:
        self.opened.pop(descriptor, None)
        self.closed(descriptor)

    def uninstall(self) -> None:
        for name, function in self.real.items():
            setattr(os, name, function)
        os.close = self.closed

    def _concerns(self, args: tuple[object, ...]) -> bool:
        if args and isinstance(args[0], int):
            return args[0] in self.opened
        return bool(args) and str(args[0]).startswith(str(self.root))

    def _wrapped(self, name: str):
        def call(*args, **kwargs):
            if not self._concerns(args):
                return self.real[name](*args, **kwargs)
            self.seen.append(name)
            if len(self.seen) - 1 == self.at:
                self._fail(name, args)
            before = self._before(name, args)
            result = self.real[name](*args, **kwargs)
            self._after(name, args, result, before)
            return result

        return call

    def _fail(self, name: str, args: tuple) -> None:
        if self.fault == "killed in the middle of it" and name == "write":
            self.real["write"](args[0], bytes(args[1])[: len(args[1]) // 2])
        if self.fault.startswith("killed"):
            os.kill(os.getpid(), signal.SIGKILL)
        if self.fault.startswith("power"):
            self._lose_power()
            os.kill(os.getpid(), signal.SIGKILL)
        number = errno.ENOSPC if self.fault == "disk full" else errno.EIO
        if name == "write" and number == errno.ENOSPC:
            self.real["write"](args[0], bytes(args[1])[: len(args[1]) // 2])
        raise OSError(number, os.strerror(number))

    def _before(self, name: str, args: tuple) -> object:
        if name in ("unlink", "replace"):
            target = Path(str(args[-1]))
            return self._content(target), self._content(Path(str(args[0])))
        return None

    def _content(self, path: Path) -> bytes | None:
        try:
            descriptor = self.real["open"](path, os.O_RDONLY)
        except OSError:
            return None
        parts = []
        while part := self.real["read"](descriptor, 1 << 20):
            parts.append(part)
        os.close(descriptor)
        return b"".join(parts)

    def _after(self, name: str, args: tuple, result: object, before: object) -> None:
        if name == "open":
            self.opened[result] = str(args[0])
            if args[1] & os.O_CREAT:
                self.undo.append((str(Path(args[0]).parent), ("added", str(args[0]))))
        elif name == "write":
            found = os.fstat(args[0])
            self.unsynced.add((found.st_dev, found.st_ino))
        elif name == "fsync":
            found = os.fstat(args[0])
            self.unsynced.discard((found.st_dev, found.st_ino))
            self.undo = [one for one in self.undo if one[0] != self.opened[args[0]]]
        elif name == "link":
            self.undo.append((str(Path(args[1]).parent), ("added", str(args[1]))))
        elif name == "replace":
            self.undo.append((str(Path(args[0]).parent), ("removed", str(args[0]), before[1])))
            kind = ("added", str(args[1])) if before[0] is None else ("removed", str(args[1]), before[0])
            self.undo.append((str(Path(args[1]).parent), kind))
        elif name == "unlink":
            self.undo.append((str(Path(args[0]).parent), ("removed", str(args[0]), before[1])))
        elif name == "mkdir":
            self.undo.append((str(Path(args[0]).parent), ("made", str(args[0]))))

    def _lose_power(self) -> None:
        """What the disk holds if nothing was written that nobody forced: bytes torn, and names as they were."""
        self.uninstall()
        for path in [p for p in self.root.rglob("*") if p.is_file()]:
            found = path.stat()
            if (found.st_dev, found.st_ino) in self.unsynced:
                os.truncate(path, found.st_size // 2)
        if self.fault != "power lost, names too":
            return
        for _, change in reversed(self.undo):
            match change:
                case ("added", path):
                    Path(path).unlink(missing_ok=True)
                case ("removed", path, content) if content is not None:
                    if Path(path).parent.is_dir():
                        Path(path).write_bytes(content)
                case ("made", path):
                    shutil.rmtree(path, ignore_errors=True)


def job_of(number: int) -> dict:
    return {"id": JOBS[number], "settings": {"x": number}}


def truth(number: int) -> dict:
    return {"square": number**2}


def sweep(folder: Path, log: Path) -> None:
    """What a driver and its workers do to a store, one after the other in this process."""
    store = Store(folder)
    store.create(BODY)
    store.clean()
    store.check()
    for number, name in enumerate(JOBS):
        told = store.failures().get(name, [])
        last = max([*store.claims().get(name, ()), *(one["attempt"] for one in told)], default=0)
        for k in itertools.count(last + 1):
            if store.has(name) or len(store.failures().get(name, [])) >= TRIES:
                break
            receipt = attempt(store, {**job_of(number), "attempt": k}, runner(log), beat=1000.0)
            if receipt["state"] in ("disk", "store"):
                raise (ResourceError if receipt["state"] == "disk" else StoreError)(receipt["reason"])
            if receipt["state"] == "failed":
                store.fail(Claim(job=name, attempt=k), receipt["reason"])
            elif receipt["state"] == "done":
                note(log, f"done {name}")


def note(log: Path, text: str) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, (text + "\n").encode())
    os.close(descriptor)


def runner(log: Path):
    def run(job):
        number = job["settings"]["x"]
        note(log, f"ran {job['id']}")
        if number == 2 and job["attempt"] < TRIES:
            raise ValueError("fails but the last time")
        arrays = {"v": np.arange(50.0) * number} if number != 1 else {}
        return truth(number), arrays

    return run


def child(folder: Path, log: Path, injection: Injection | None) -> int:
    """Run the sweep in a process of its own: its exit status, negative for a signal."""
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            if injection:
                injection.install()
            sweep(folder, log)
            code = 0
        except ResourceError:
            code = 5
        except StoreError as failure:
            code = 6 if str(folder) in str(failure) else 71
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def look(folder: Path, log: Path) -> tuple[list[str], list[str]]:
    """Jobs that are readable, and what is wrong with what a fault left behind."""
    wrong = []
    store = Store(folder)
    readable = []
    lines = log.read_text().split("\n") if log.exists() else []
    for number, name in enumerate(JOBS):
        path = folder / "jobs" / f"{name}.json"
        if path.exists():
            try:
                body = files.unseal(path.read_bytes(), "widthwise/job/1", path)
                told = body["arrays"]
                data = (folder / "arrays" / f"{name}.npz").read_bytes() if told else b""
                if told and (len(data) != told["length"] or f"{zlib.crc32(data):08x}" != told["crc32"]):
                    wrong.append(f"arrays of {number} are torn")
                if body["measures"] != truth(number):
                    wrong.append(f"result of {number} is wrong")
                readable.append(name)
            except files.DamagedError:
                wrong.append(f"result of {number} is torn")
        elif f"done {name}" in lines:
            wrong.append(f"result of {number} was lost")
    path = folder / "spec.json"
    if path.exists() and store.read_spec(missing=None) != BODY:
        wrong.append("spec.json is torn")
    return readable, wrong


def digest(folder: Path) -> str:
    """Of what a finished sweep says, attempts and seconds aside."""
    found = {}
    for name in JOBS:
        body = Store(folder).result(name, arrays=True)
        found[name] = body and [body["measures"], body["settings"], body["arrays"]]
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()


def one(place: Path, at: int, fault: str, expected: str) -> tuple[str, list[str]]:
    """One fault: how the sweep ended, and what was wrong then or after the same command again."""
    folder, log = place / "parent" / "store", place / "log"
    folder.parent.mkdir()
    code = child(folder, log, Injection(at, fault, place / "parent"))
    folder.parent.mkdir(exist_ok=True)  # a power loss may take it
    readable, wrong = look(folder, log)
    if code not in (0, -9, 5, 6):
        wrong.append(f"left with {code}")
    if code == 6 and fault == "disk full":
        wrong.append("a full disk must be told as one")
    before = log.read_text() if log.exists() else ""
    again = child(folder, log, None)
    if again:
        wrong.append(f"the same command again left with {again}")
    after = log.read_text()[len(before) :]
    wrong += [f"{name} was committed and ran again" for name in readable if f"ran {name}" in after]
    if again == 0 and digest(folder) != expected:
        wrong.append("results differ")
    left = [p.name for p in folder.rglob("*") if p.name.endswith(".tmp") or p.parent.name == "claims"]
    if left:
        wrong.append(f"left behind: {left}")
    return {0: "went on", -9: "ended", 5: "told: disk full", 6: "told: disk fault"}.get(code, str(code)), wrong


def main() -> int:
    ends: dict[str, Counter] = {fault: Counter() for fault in FAULTS}
    troubles = []
    with tempfile.TemporaryDirectory() as root:
        place = Path(root) / "clean"
        place.mkdir()
        (place / "parent").mkdir()
        counting = Injection(-1, "", place / "parent")
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            counting.install()
            sweep(place / "parent" / "store", place / "log")
            counting.uninstall()
            os.write(write, json.dumps(counting.seen).encode())
            os._exit(0)
        os.waitpid(pid, 0)
        operations = json.loads(os.read(read, 1 << 20))
        expected = digest(place / "parent" / "store")
        for fault in FAULTS:
            for at, name in enumerate(operations):
                if fault == "killed in the middle of it" and name != "write":
                    continue
                spot = Path(root) / f"{FAULTS.index(fault)}-{at}"
                spot.mkdir()
                end, wrong = one(spot, at, fault, expected)
                ends[fault][end] += 1
                troubles += [f"{fault}, operation {at} ({name}): {text}" for text in wrong]
                shutil.rmtree(spot)
    kinds = Counter(operations)
    print(f"{len(operations)} operations: " + ", ".join(f"{count} {name}" for name, count in kinds.most_common()))
    print()
    print("| fault | at how many operations | process ended | told as full disk | told as fault | went on | wrong |")
    print("|---|---|---|---|---|---|---|")
    for fault in FAULTS:
        end = ends[fault]
        wrong = sum(text.startswith(f"{fault}, operation") for text in troubles)
        cells = (
            sum(end.values()),
            end["ended"],
            end["told: disk full"],
            end["told: disk fault"],
            end["went on"],
            wrong,
        )
        print(f"| {fault} | {' | '.join(map(str, cells))} |")
    for text in troubles:
        print(text, file=sys.stderr)
    return 1 if troubles else 0


if __name__ == "__main__":
    sys.exit(main())
