"""The local engine: one worker process a core, one job a worker at a time, jobs of one shape to one worker.

The driver holds nothing that the store does not: it may be killed at any moment, and any number of drivers may work on one
store.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from widthwise.errors import ResourceError, StoreError, WidthwiseError
from widthwise.sweeps import files
from widthwise.sweeps.claims import Watch
from widthwise.sweeps.store import TRIES, Claim, Store

RUNNER = "widthwise.sweeps.training_job:run"
# One thread for every library that a worker may load, said before it loads them.
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "NPROC": "1",
    "JAX_PLATFORMS": "cpu",
}
LOOK = 0.5  # seconds between looks at what others do
GRACE = 10.0  # seconds for a worker to finish what it writes


@dataclass(frozen=True, kw_only=True)
class Job:
    """One training to be done.

    Attributes:
        id: its content hash.
        content: what the runner gets, and what the id is the hash of.
        shape: jobs of one shape run the same compiled code.
    """

    id: str
    content: Mapping[str, Any]
    shape: str = ""


@dataclass(frozen=True, kw_only=True)
class Event:
    """What the driver tells of a job: `done`, `failed` (to be tried again), `dead` or `elsewhere`."""

    job: str
    state: str
    reason: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Local:
    """Settings of the engine.

    Attributes:
        workers: number of processes; one for each core that this process may use when not given.
        lease: seconds without a heartbeat after which a worker counts as frozen or gone.
        runner: what runs a job, as `module:function`.
        pin: bind each worker to a core of its own where the system can.
    """

    workers: int | None = None
    lease: float = 60.0
    runner: str = RUNNER
    pin: bool = True

    def cores(self) -> list[int | None]:
        """The core of each worker."""
        free: list[int] = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        count = self.workers or len(free) or os.cpu_count() or 1
        return [free[i % len(free)] if free and self.pin else None for i in range(count)]


def run(store: Store, jobs: Sequence[Job], engine: Local, *, observe: Callable[[Event], None] = lambda _: None) -> None:
    """Run jobs until each has a result in the store or has failed `TRIES` times.

    Args:
        store: made by `Store.create`, its damaged files in quarantine.
        jobs: those to be done.
        engine: with what.
        observe: told what happens.

    Raises:
        ResourceError: if the disk is full; what was committed stays.
        StoreError: if the store cannot be written.
        WidthwiseError: if a worker cannot be started.
    """
    if jobs:
        with _Driver(store, jobs, engine, observe) as driver:
            driver.loop()


def _environment() -> dict[str, str]:
    """Of a worker: this one's, modules found where this process finds them, one thread."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_multi_thread_eigen=false".strip()
    path = os.pathsep.join(place for place in sys.path if place)
    return {**os.environ, **ONE_THREAD, "XLA_FLAGS": flags, "PYTHONPATH": path}


@dataclass(eq=False)
class _Worker:
    """A worker process and what it is doing."""

    process: subprocess.Popen[str]
    core: int | None
    stderr: IO[bytes]
    job: str | None = None
    attempt: int = 0
    shape: str | None = None
    ready: bool = False
    spoken: int = 0
    listener: threading.Thread | None = None

    def close(self) -> None:
        """Wait for its end and leave nothing open."""
        self.process.wait()
        if self.listener is not None:
            self.listener.join(GRACE)
        if self.process.stdin is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.close()
        self.stderr.close()

    def last_words(self) -> str:
        """The end of what it wrote to stderr since its last job began."""
        end = self.stderr.seek(0, os.SEEK_END)
        self.stderr.seek(max(end - 2000, self.spoken))
        return self.stderr.read().decode("utf-8", "replace").strip()


@dataclass(eq=False)
class _Driver:
    store: Store
    jobs: Sequence[Job]
    engine: Local
    observe: Callable[[Event], None]
    workers: list[_Worker] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.contents = {job.id: job for job in self.jobs}
        self.attempts: dict[str, int] = {}
        failures = self.store.failures()
        self.tries = {job: len(many) for job, many in failures.items()}
        self.waiting: dict[str, deque[str]] = {}
        self.elsewhere: set[str] = set()
        self.open = 0
        # Not a Queue: its locks are Python's, and an interrupt between two of their lines would leave them shut for ever.
        self.answers: queue.SimpleQueue[tuple[_Worker, str]] = queue.SimpleQueue()
        self.watch = Watch(self.store.folder / "claims", self.engine.lease)
        claimed = self.store.claims()
        for job in self.jobs:
            if self.tries.get(job.id, 0) >= TRIES or self.store.has(job.id):
                continue
            self.open += 1
            self.attempts[job.id] = 1 + max((int(one["attempt"]) for one in failures.get(job.id, ())), default=0)
            if job.id in claimed:
                self.elsewhere.add(job.id)
            else:
                self.waiting.setdefault(job.shape, deque()).append(job.id)

    def __enter__(self) -> _Driver:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Let workers finish what they write, and see that none is left."""
        try:
            for worker in self.workers:
                with contextlib.suppress(OSError):
                    if kind is None and worker.job is None and worker.process.stdin:
                        worker.process.stdin.close()
                    else:
                        worker.process.send_signal(signal.SIGTERM)
            limit = time.monotonic() + GRACE
            for worker in self.workers:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    worker.process.wait(max(limit - time.monotonic(), 0.01))
        finally:
            # A second interrupt lands here, and so does a worker that is frozen.
            for worker in self.workers:
                worker.process.kill()
                worker.close()

    def loop(self) -> None:
        looked = -LOOK
        while self.open:
            if time.monotonic() - looked >= min(LOOK, self.engine.lease / 4):
                self._look()
                looked = time.monotonic()
            self._employ()
            with contextlib.suppress(queue.Empty):
                self._hear(*self.answers.get(timeout=min(LOOK, self.engine.lease / 4)))
                while True:
                    self._hear(*self.answers.get_nowait())

    def _employ(self) -> None:
        """Give every free worker a job; start workers while there are more jobs than hands."""
        free = [worker for worker in self.workers if worker.ready and worker.job is None]
        for worker in free:
            self._give(worker)
        cores = self.engine.cores()
        unemployed = sum(len(group) for group in self.waiting.values())
        starting = sum(not worker.ready for worker in self.workers)
        while len(self.workers) < len(cores) and unemployed > starting:
            used = [worker.core for worker in self.workers]
            core = next((c for c in cores if used.count(c) < cores.count(c)), None)
            self.workers.append(self._start(core))
            starting += 1

    def _give(self, worker: _Worker) -> None:
        groups = {shape: group for shape, group in self.waiting.items() if group}
        if not groups:
            return
        if worker.shape not in groups:
            taken = {other.shape for other in self.workers if other is not worker}
            # A shape that nobody has compiled yet; else help where most is left.
            fresh = [shape for shape in groups if shape not in taken]
            worker.shape = fresh[0] if fresh else max(groups, key=lambda shape: len(groups[shape]))
        job = self.waiting[worker.shape or ""].popleft()
        worker.job, worker.attempt = job, self.attempts[job]
        worker.spoken = os.fstat(worker.stderr.fileno()).st_size
        line = json.dumps({"id": job, "attempt": worker.attempt, **self.contents[job].content}, allow_nan=False)
        try:
            assert worker.process.stdin is not None  # noqa: S101 - it was opened as a pipe
            worker.process.stdin.write(line + "\n")
            worker.process.stdin.flush()
        except OSError:
            pass  # its end of file is on the way and tells the same

    def _hear(self, worker: _Worker, line: str) -> None:
        if not line:
            self._bury(worker)
            return
        receipt = json.loads(line)
        state = receipt["state"]
        if state == "ready":
            worker.ready = True
            return
        job, worker.job = receipt["id"], None
        if state == "disk":
            raise ResourceError(receipt["reason"])
        if state == "store":
            raise StoreError(receipt["reason"])
        if state == "done":
            self._close(Event(job=job, state="done", seconds=receipt["seconds"]))
        elif state == "failed":
            self._failed(job, receipt["attempt"], receipt["reason"])
        else:
            self.elsewhere.add(job)

    def _bury(self, worker: _Worker) -> None:
        """A worker has ended on its own: its job, and only that, is tried again."""
        code = worker.process.wait()
        words = worker.last_words()
        self.workers.remove(worker)
        worker.close()
        if not worker.ready:
            raise WidthwiseError(f"a worker process could not start (exit {code}): {words or 'it said nothing'}")
        if worker.job is None:
            return
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"left with exit code {code}"
        self._failed(worker.job, worker.attempt, f"the worker process {how}" + (f": {words[-500:]}" if words else ""))

    def _failed(self, job: str, attempt: int, reason: str) -> None:
        if self.store.has(job):
            # Committed, then ended before the receipt was out.
            self._close(Event(job=job, state="done"))
            return
        self.store.fail(Claim(job=job, attempt=attempt), reason)
        self.tries[job] = self.tries.get(job, 0) + 1
        if self.tries[job] >= TRIES:
            self._close(Event(job=job, state="dead", reason=reason))
            return
        self.observe(Event(job=job, state="failed", reason=reason))
        self._wait(job, attempt + 1)

    def _wait(self, job: str, attempt: int) -> None:
        self.attempts[job] = attempt
        self.waiting.setdefault(self.contents[job].shape, deque()).append(job)

    def _close(self, event: Event) -> None:
        self.elsewhere.discard(event.job)
        if event.job in self.attempts:
            del self.attempts[event.job]
            self.open -= 1
            self.observe(event)

    def _look(self) -> None:
        """See to jobs that others have, and to our own workers that stand still."""
        claims = self.store.claims() if self.elsewhere else {}
        failures = self.store.failures() if self.elsewhere else {}
        for job in sorted(self.elsewhere):
            if self.store.has(job):
                self._close(Event(job=job, state="done"))
                continue
            self.tries[job] = len(failures.get(job, ()))
            last = max([*claims.get(job, ()), *(int(one["attempt"]) for one in failures.get(job, ()))], default=0)
            if self.tries[job] >= TRIES:
                self._close(Event(job=job, state="dead", reason=str(failures[job][-1]["reason"])))
            elif self.watch.abandoned(f"{job}.{last}"):
                self.elsewhere.discard(job)
                self._wait(job, last + 1)
        for worker in self.workers:
            if worker.job is None or not self.watch.abandoned(f"{worker.job}.{worker.attempt}"):
                continue
            # Its claim may be about to be made, or gone with the commit; only one that stands still counts.
            if (self.store.folder / "claims" / f"{worker.job}.{worker.attempt}").exists():
                worker.process.kill()

    def _start(self, core: int | None) -> _Worker:
        options = {
            "store": str(self.store.folder.resolve()),
            "durable": self.store.durable,
            "runner": self.engine.runner,
            "lease": self.engine.lease,
            "core": core,
            "driver": os.getpid(),
        }
        words = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the worker
        with files.typed(self.store.folder, "given a worker"):
            process = subprocess.Popen(  # noqa: S603 - this interpreter, our own module
                [sys.executable, "-m", "widthwise.sweeps.worker", json.dumps(options)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=words,
                text=True,
                encoding="utf-8",
                env=_environment(),
                # Ctrl-C of a terminal must reach the driver alone.
                start_new_session=True,
            )
        worker = _Worker(process, core, words)
        worker.listener = threading.Thread(target=self._listen, args=(worker, process.stdout), daemon=True)
        worker.listener.start()
        return worker

    def _listen(self, worker: _Worker, stream: Any) -> None:
        try:
            with stream:
                for line in stream:
                    self.answers.put((worker, line))
        finally:
            self.answers.put((worker, ""))
