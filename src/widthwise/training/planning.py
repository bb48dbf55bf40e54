"""The choice of a plan: what the machine and the work ask for; calibration happens here and nowhere else."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import jax
import numpy as np

from widthwise.errors import UsageError
from widthwise.training.blocked import blocked_plan, eligible, worthwhile
from widthwise.training.compiled import CompiledEngine
from widthwise.training.plan import Mode, Plan, Precision
from widthwise.training.task import Member, Task

# Bytes of weights, updates and memories of the networks of one compiled call, at most about.
_TOGETHER = 512e6
_MOST = 16


def planned(task: Task, members: Sequence[Member], plan: Plan | None, precision: Precision) -> Task:
    """The task with the plan given, or with one chosen for these networks.

    On a CPU: blocks of neurons where the task allows it and a step is enough work, else networks one after the other. On
    other devices: one after the other or side by side, whichever takes less time for a step.

    Raises:
        UsageError: if a blocked plan is given for a task that it cannot train.
    """
    if plan is not None:
        if plan.path == "blocked" and not eligible(task):
            raise UsageError(
                "a blocked plan trains the first layer of one hidden layer of ReLU without biases by full-batch gradient "
                f"descent without penalties; pass path='compiled'. The network is: {task.net.describe()}"
            )
        return replace(task, plan=plan)
    device = str(jax.default_backend())
    bytes_each = sum(values.nbytes for values in members[0].start.values()) * (4 + 2 * len(task.optimizer.slots))
    batch = max(1, min(len(members), _MOST, int(_TOGETHER // bytes_each)))
    chosen = Plan(dtype=precision, device=device, batch=batch)
    if device == "cpu":
        if eligible(task) and worthwhile(task):
            chosen = blocked_plan(task, chosen)
        return replace(task, plan=chosen)
    if batch > 1:
        modes: tuple[Mode, ...] = ("map", "vmap")
        times = {mode: _seconds(replace(task, plan=replace(chosen, mode=mode)), members[:batch]) for mode in modes}
        chosen = replace(chosen, mode=min(times, key=lambda mode: times[mode]))
    return replace(task, plan=chosen)


def _seconds(task: Task, members: Sequence[Member]) -> float:
    """Wall time of one step of all networks, the better of two after one that compiles."""
    engine = CompiledEngine(task, tuple(members))
    engine.advance(0, 1)
    return min(_timed(lambda k=k: engine.advance(k, k + 1)) for k in (1, 2))  # type: ignore[misc]


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    np.asarray(work(), dtype=object)
    return time.perf_counter() - began
