"""The choice of a plan: what the machine and the work ask for; calibration happens here and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import jax

from widthwise.training.plan import Plan, Precision
from widthwise.training.task import Task


def planned(task: Task, networks: int, plan: Plan | None, precision: Precision) -> Task:
    """The task with the plan given, or with one chosen for so many networks."""
    if plan is not None:
        return replace(task, plan=plan)
    device = str(jax.default_backend())
    return replace(task, plan=Plan(dtype=precision, device=device, batch=max(1, min(networks, 16))))
