"""The course of a run: steps between pauses, measures at pauses, limits, checkpoints."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from widthwise.errors import DataError
from widthwise.training import checkpoint as files
from widthwise.training.blocked import BlockedEngine
from widthwise.training.checkpoint import Checkpoint
from widthwise.training.compiled import DIVERGED, ERROR, LOSS, RUNNING, SECONDS, CompiledEngine
from widthwise.training.log import Log
from widthwise.training.optimizers import moved
from widthwise.training.run import TrainingRun
from widthwise.training.stops import Reason
from widthwise.training.task import Member, Task

_REASONS: dict[int, Reason] = {
    RUNNING: "steps",
    DIVERGED: "diverged",
    LOSS: "loss",
    ERROR: "error",
    SECONDS: "seconds",
}
# Seconds of a stretch of steps that nothing interrupts, about.
_STRETCH = 0.5


class Session:
    """Networks of one architecture from their start, or from where a checkpoint left them, to their ends.

    Args:
        task: what is trained on what, with a plan.
        members: the networks.
        kept: where the run is kept; one network only.
        between: called at every pause.

    Raises:
        DataError: if the checkpoint is that of another run.
    """

    def __init__(
        self,
        task: Task,
        members: tuple[Member, ...],
        kept: Checkpoint | None = None,
        between: Callable[[int], None] | None = None,
    ) -> None:
        self._task, self._kept, self._between = task, kept, between
        self._began = self._written = time.monotonic()
        engine = BlockedEngine if task.plan.path == "blocked" else CompiledEngine
        self._engine: BlockedEngine | CompiledEngine = engine(task, members)
        self._logs = [Log(task) for _ in members]
        # Steps done, and the last pause that needs no more than it has had.
        self._done, self._past = 0, -1
        self._stretch = 1
        if kept is not None:
            self._seal = task.digest(members[0])
            self._resume(kept)

    def run(self) -> tuple[TrainingRun, ...]:
        """Train all members to their ends."""
        with self._engine.working():
            for pause in self._pauses():
                if pause <= self._past or all(log.closed for log in self._logs):
                    continue
                self._advance(pause)
                self._record(pause)
                self._past = pause
                if self._between is not None:
                    self._between(int(self._engine.done.max()))
                if self._kept is not None and self._is_due(self._kept, pause):
                    self._save(self._kept)
        seconds = time.monotonic() - self._began
        return tuple(self._finished(i, seconds) for i in range(len(self._logs)))

    def _pauses(self) -> list[int]:
        """Numbers of steps at which the loop stops: for measures, for watched rows, for the disk."""
        wanted = {*self._task.records.tolist(), *self._task.watch_at.tolist(), self._task.steps}
        if self._kept is not None and self._kept.every is not None:
            wanted |= set(range(self._kept.every, self._task.steps, self._kept.every))
        return sorted(wanted)

    def _advance(self, pause: int) -> None:
        """Take the steps up to a pause, in stretches after which the clock is looked at and Ctrl-C heard."""
        engine, limit = self._engine, self._task.stop.seconds
        while self._done < pause and np.any(engine.rest == RUNNING):
            taken = min(pause - self._done, self._stretch, engine.capacity)
            clock = time.monotonic()
            for log, found in zip(self._logs, engine.advance(self._done, self._done + taken), strict=True):
                log.steps(*found)
            self._done += taken
            now = time.monotonic()
            if now - clock > 2 * _STRETCH:
                self._stretch = max(1, taken // 2)
            elif taken == self._stretch and now - clock < _STRETCH / 4:
                self._stretch *= 8
            if limit is not None and now - self._began > limit and self._done < self._task.steps:
                engine.rest = np.where(engine.rest == RUNNING, SECONDS, engine.rest)
            kept = self._kept
            if kept is not None and kept.every is None and self._done < pause and now - self._written > kept.seconds:
                self._save(kept)

    def _record(self, pause: int) -> None:
        """Measure what is due at a pause; a network that came to rest is measured once more, where it rests."""
        engine, task = self._engine, self._task
        ended = engine.rest != RUNNING
        probed, watched = pause in task.records, pause in task.watch_at
        if not (probed or watched or np.any(ended)):
            return
        for i, (log, values) in enumerate(zip(self._logs, engine.measure(watch=watched), strict=True)):
            if log.closed:
                continue
            log.record(int(engine.done[i]), values, probed=probed or bool(ended[i]), watched=watched)
            if not ended[i]:
                engine.rest[i] = self._verdict(values)
            log.closed = bool(engine.rest[i] != RUNNING) or pause == task.steps

    def _verdict(self, values: dict[str, np.ndarray]) -> int:
        """Whether measures at a pause bring a network to rest."""
        stop = self._task.stop
        if not np.isfinite(values["loss"]):
            return DIVERGED
        if stop.loss is not None and values["loss"] <= stop.loss:
            return LOSS
        if stop.error is not None and values["error"] <= stop.error:
            return ERROR
        return RUNNING

    def _is_due(self, kept: Checkpoint, pause: int) -> bool:
        if all(log.closed for log in self._logs):
            return True
        return pause % kept.every == 0 if kept.every else time.monotonic() - self._written > kept.seconds

    def _save(self, kept: Checkpoint) -> None:
        header = {
            "run": self._seal,
            "done": self._done,
            "past": self._past,
            "seconds": time.monotonic() - self._began,
        }
        arrays = {f"engine/{name}": values for name, values in self._engine.state().items()}
        files.write(kept.path, header, arrays | {f"log/{name}": v for name, v in self._logs[0].state().items()})
        self._written = time.monotonic()

    def _resume(self, kept: Checkpoint) -> None:
        """Go on from a file, where there is one."""
        found = files.read(kept.path)
        if found is None:
            return
        header, arrays = found
        if header["run"] != self._seal:
            raise DataError(f"{kept.path} belongs to another run: finish that one, remove it, or name another file")
        self._done, self._past = int(header["done"]), int(header["past"])
        self._began -= float(header["seconds"])
        self._engine.restore({k.removeprefix("engine/"): v for k, v in arrays.items() if k.startswith("engine/")})
        self._logs[0].restore({k.removeprefix("log/"): v for k, v in arrays.items() if k.startswith("log/")})

    def _finished(self, i: int, seconds: float) -> TrainingRun:
        start, update = self._engine.start(i), self._engine.update(i)
        done, rest = int(self._engine.done[i]), int(self._engine.rest[i])
        return TrainingRun(
            history=self._logs[i].history(done),
            params=moved(start, update),
            diverged=done if rest == DIVERGED else None,
            start=start,
            update=update,
            stopped=_REASONS[rest],
            steps=done,
            seconds=seconds,
            plan=self._task.plan,
        )
