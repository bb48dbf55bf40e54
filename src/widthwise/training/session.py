"""The course of a run: steps between pauses, measures at pauses, limits, checkpoints."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from widthwise.errors import DataError
from widthwise.training import checkpoint as files
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

Engine = CompiledEngine


def run(
    task: Task,
    members: tuple[Member, ...],
    kept: Checkpoint | None,
    between: Callable[[int], None] | None,
) -> tuple[TrainingRun, ...]:
    """Train the members of a task to their ends.

    Args:
        task: what is trained on what, with a plan.
        members: the networks.
        kept: where the run is kept; one network only.
        between: called at every pause.

    Raises:
        DataError: if the checkpoint is that of another run.
    """
    began = time.monotonic()
    engine: Engine = _engine(task, members)
    logs = [Log(task) for _ in members]
    spent, done = 0.0, 0
    seal = task.digest(members[0]) if kept is not None else ""
    if kept is not None and (found := files.read(kept.path)) is not None:
        header, arrays = found
        if header.get("run") != seal:
            raise DataError(f"{kept.path} belongs to another run: finish that one, remove it, or name another file")
        done, spent = int(header["done"]), float(header["seconds"])
        engine.restore({k.removeprefix("engine/"): v for k, v in arrays.items() if k.startswith("engine/")})
        logs[0].restore({k.removeprefix("log/"): v for k, v in arrays.items() if k.startswith("log/")})
    began -= spent
    written, stretch = time.monotonic(), 1
    for pause in _pauses(task, kept):
        if pause < done or (pause == done and done and logs[0].closed):
            continue
        while done < pause and np.any(engine.rest == RUNNING):
            last = min(pause, done + min(stretch, engine.capacity))
            clock = time.monotonic()
            for log, found_ in zip(logs, engine.advance(done, last), strict=True):
                log.steps(*found_)
            stretch = _longer(stretch, last - done, time.monotonic() - clock)
            done = last
            if kept is not None and kept.every is None and done < pause and time.monotonic() - written > kept.seconds:
                _write(kept.path, {"run": seal, "done": done, "seconds": time.monotonic() - began}, engine, logs[0])
                written = time.monotonic()
            if task.stop.seconds is not None and time.monotonic() - began > task.stop.seconds and done < task.steps:
                engine.rest = np.where(engine.rest == RUNNING, SECONDS, engine.rest)
        _record(task, engine, logs, pause)
        if between is not None:
            between(int(engine.done.max()))
        ended = bool(np.all(engine.rest != RUNNING)) or pause == task.steps
        if kept is not None:
            due = pause % kept.every == 0 if kept.every else time.monotonic() - written > kept.seconds
            if due or ended:
                _write(kept.path, {"run": seal, "done": done, "seconds": time.monotonic() - began}, engine, logs[0])
                written = time.monotonic()
        if ended:
            break
    seconds = time.monotonic() - began
    return tuple(_finished(task, engine, log, i, seconds) for i, log in enumerate(logs))


def _engine(task: Task, members: tuple[Member, ...]) -> Engine:
    return CompiledEngine(task, members)


def _pauses(task: Task, kept: Checkpoint | None) -> list[int]:
    """Numbers of steps at which the loop stops: for measures, for watched rows, for the disk."""
    wanted = {*task.records.tolist(), *task.watch_at.tolist(), task.steps}
    if kept is not None and kept.every is not None:
        wanted |= set(range(kept.every, task.steps, kept.every))
    return sorted(wanted)


def _longer(stretch: int, taken: int, seconds: float) -> int:
    """Steps of the next stretch: more where this one was short in time, fewer where it was long."""
    if seconds > 2 * _STRETCH:
        return max(1, taken // 2)
    return stretch * 8 if taken == stretch and seconds < _STRETCH / 4 else stretch


def _record(task: Task, engine: Engine, logs: list[Log], pause: int) -> None:
    """Measure what is due at a pause; a network that came to rest is measured once more, where it rests."""
    ended = engine.rest != RUNNING
    probed = pause in task.records or bool(np.any(ended))
    watched = pause in task.watch_at
    if not (probed or watched):
        return
    for i, (log, values) in enumerate(zip(logs, engine.measure(watch=watched), strict=True)):
        if log.closed:
            continue
        log.record(int(engine.done[i]), values, probed=pause in task.records or bool(ended[i]), watched=watched)
        if not ended[i]:
            engine.rest[i] = _verdict(task, values)
        log.closed = bool(engine.rest[i] != RUNNING) or pause == task.steps


def _verdict(task: Task, values: dict[str, np.ndarray]) -> int:
    """Whether measures at a pause bring a network to rest."""
    if not np.isfinite(values["loss"]):
        return DIVERGED
    if task.stop.loss is not None and values["loss"] <= task.stop.loss:
        return LOSS
    if task.stop.error is not None and values["error"] <= task.stop.error:
        return ERROR
    return RUNNING


def _write(path: str | os.PathLike[str], header: dict[str, Any], engine: Engine, log: Log) -> None:
    arrays = {f"engine/{name}": values for name, values in engine.state().items()}
    files.write(path, header, arrays | {f"log/{name}": values for name, values in log.state().items()})


def _finished(task: Task, engine: Engine, log: Log, i: int, seconds: float) -> TrainingRun:
    start, update = engine.start(i), engine.update(i)
    done, rest = int(engine.done[i]), int(engine.rest[i])
    return TrainingRun(
        history=log.history(done),
        params=moved(start, update),
        diverged=done if rest == DIVERGED else None,
        start=start,
        update=update,
        stopped=_REASONS[rest],
        steps=done,
        seconds=seconds,
        plan=task.plan,
    )
