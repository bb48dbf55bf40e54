"""What is trained on what: everything that a loop needs to know, checked; and what is each network's own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from widthwise._checks import count, finite_matrix
from widthwise._jax import float64, full_products
from widthwise.errors import DataError, UsageError
from widthwise.networks.mlp import Params
from widthwise.networks.network import Network
from widthwise.training import losses, sampling
from widthwise.training.losses import Loss
from widthwise.training.optimizers import Optimizer, as_optimizer
from widthwise.training.plan import Plan, Precision
from widthwise.training.probes import DEFAULT, check, chosen, suitable
from widthwise.training.regularisers import Regulariser, as_regularisers
from widthwise.training.sampling import Sampling
from widthwise.training.schedules import Schedule
from widthwise.training.snapshot import Probe
from widthwise.training.stops import Stop

# Pauses of a run that nobody gave a cadence.
_PAUSES = 32


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """What several networks of one architecture are trained on.

    Attributes:
        net: the architecture.
        X, Y: training rows, and targets as the loss takes them.
        loss, optimizer, regularisers, steps, batch_size, sampling, probes, stop: as in `train`; no batch size is the
            whole batch.
        records: numbers of steps at which probes are evaluated; the last step among them.
        reference: rows for gates.
        watch, watch_at: rows whose outputs are wanted, and when.
        test: rows and targets held out; None where there are none.
        plan: how it is computed.
    """

    net: Network
    X: Float[np.ndarray, "n d"]
    Y: Float[np.ndarray, "n k"]
    loss: Loss
    optimizer: Optimizer
    regularisers: tuple[Regulariser, ...]
    steps: int
    batch_size: int | None
    sampling: Sampling
    probes: tuple[Probe, ...]
    records: Int[np.ndarray, " p"]
    reference: Float[np.ndarray, "r d"]
    watch: Float[np.ndarray, "w d"]
    watch_at: Int[np.ndarray, " s"]
    test: tuple[Float[np.ndarray, "v d"], Float[np.ndarray, "v k"]] | None
    stop: Stop
    plan: Plan

    @property
    def exact(self) -> bool:
        """Whether every step evaluates the loss of the training set at the weights."""
        return self.batch_size is None and not self.optimizer.displaces

    @property
    def traced(self) -> tuple[Probe, ...]:
        """Probes that are compiled."""
        return tuple(probe for probe in self.probes if not probe.on_host)

    @property
    def on_host(self) -> tuple[Probe, ...]:
        """Probes that run between steps."""
        return tuple(probe for probe in self.probes if probe.on_host)

    def digest(self, member: Member) -> str:
        """Hash of what decides the numbers of one network's run: another run has another."""
        words = {
            name: repr(getattr(self, name))
            for name in ("net", "loss", "optimizer", "regularisers", "steps", "batch_size", "sampling", "probes")
        }
        words |= {"stop": repr(self.stop), "plan": repr(self.plan), "seed": repr(member.seed)}
        words |= {"schedule": repr(member.schedule)}
        arrays = [self.X, self.Y, self.records, self.reference, self.watch, self.watch_at, *(self.test or ())]
        arrays += [member.start[name] for name in sorted(member.start)]
        found = hashlib.sha256(json.dumps(words, sort_keys=True).encode())
        for array in arrays:
            found.update(f"{array.dtype} {array.shape}".encode())
            found.update(np.ascontiguousarray(array).data)
        return found.hexdigest()


@dataclass(frozen=True, kw_only=True, eq=False)
class Member:
    """What is one network's own among several: its seed, its rates, its start."""

    seed: int
    schedule: Schedule
    start: dict[str, np.ndarray]


def computing_in(dtype: str) -> AbstractContextManager[None]:
    """Precision of a run, with matrix products in full.

    Raises:
        UsageError: if it is not one of the two.
    """
    if dtype not in ("float32", "float64"):
        raise UsageError(f"dtype must be 'float32' or 'float64'; {dtype!r} came")
    return float64() if dtype == "float64" else full_products()


def task_of(
    net: Network,
    X: object,
    y: Any,
    *,
    steps: int,
    loss: str,
    optimizer: str | Optimizer,
    batch_size: int | None,
    law: str,
    regulariser: Regulariser | tuple[Regulariser, ...] | None,
    probes: Sequence[Probe | str],
    every: int | None,
    reference: object,
    watch: object,
    watch_at: Int[np.ndarray, " s"] | None,
    test: tuple[object, Any] | None,
    stop: Stop | None,
    dtype: Precision,
) -> Task:
    """Everything checked, in the order in which a reader would ask."""
    count(steps, "steps")
    name = losses.known(loss)
    rows = finite_matrix(X, "X")
    n = len(rows)
    Y = losses.targets(name, y, n, net.outputs)
    if batch_size is not None:
        sampling.check(law, batch_size, steps, n)
    penalties = as_regularisers(regulariser)
    for penalty in penalties:
        penalty.check(net)
    stops = np.array([steps]) if watch_at is None else np.unique(np.asarray(watch_at, dtype=np.int64))
    if not len(stops):
        raise UsageError("watch_at must hold a number of steps; none came")
    if stops[0] < 0 or stops[-1] > steps:
        raise UsageError(f"watch_at must lie between 0 and {steps}; {stops[0]} to {stops[-1]} came")
    held = None
    if test is not None:
        held_rows = _rows(test[0], rows, "test")
        held = held_rows, losses.targets(name, test[1], len(held_rows), net.outputs)
    taken = _probes(probes, net, rows, Y)
    rule = as_optimizer(optimizer)
    exact = batch_size is None and not rule.displaces
    if every is None:
        every = -(-steps // _PAUSES) if taken or held is not None or not exact else steps + 1
        first = 0 if every <= steps else steps
    else:
        count(every, "every")
        first = 0
    return Task(
        net=net,
        X=rows,
        Y=Y,
        loss=name,
        optimizer=rule,
        regularisers=penalties,
        steps=steps,
        batch_size=batch_size,
        sampling=law,  # type: ignore[arg-type]
        probes=taken,
        records=np.unique(np.append(np.arange(first, steps + 1, every), steps)),
        reference=rows if reference is None else _rows(reference, rows, "reference"),
        watch=np.zeros((0, rows.shape[1])) if watch is None else _rows(watch, rows, "watch"),
        watch_at=stops,
        test=held,
        stop=stop if stop is not None else Stop(),
        plan=Plan(dtype=dtype),
    )


def _rows(values: object, rows: Float[np.ndarray, "n d"], name: str) -> Float[np.ndarray, "m d"]:
    found = finite_matrix(values, name)
    if found.shape[1] != rows.shape[1]:
        raise DataError(f"{name} must have {rows.shape[1]} columns as X has; {found.shape[1]} came")
    return found


def _probes(
    probes: Sequence[Probe | str], net: Network, X: Float[np.ndarray, "n d"], Y: Float[np.ndarray, "n k"]
) -> tuple[Probe, ...]:
    """Probes by name or as data, none of which objects to the network or the data; of the default ones, those that do not."""
    listed: list[Probe | str] = []
    for probe in probes:
        listed.extend(suitable(DEFAULT, net, X, Y) if probe == "default" else (probe,))
    taken = chosen(listed)
    for probe in taken:
        check(probe, net, X, Y)
    return taken


def member_of(
    task: Task,
    seed: int,
    schedule: Schedule,
    start: Params | dict[str, np.ndarray] | None,
    precision: Precision,
) -> Member:
    """One network's own: its start checked and in the precision of the run."""
    own = task.net.init(seed, d=task.X.shape[1]) if start is None else start
    if start is not None:
        shapes = {
            name: value.shape for name, value in jax.eval_shape(lambda: _shapes(task.net, task.X.shape[1])).items()
        }
        given = {name: tuple(np.shape(value)) for name, value in start.items()}
        if given != shapes:
            raise DataError(f"start must have the parameters and shapes {shapes}; {given} came")
    values = {name: np.asarray(value, np.dtype(precision)) for name, value in own.items()}
    for name, value in values.items():
        if not np.all(np.isfinite(value)):
            raise DataError(f"start must be finite; the parameter {name!r} is not")
    return Member(seed=seed, schedule=schedule, start=values)


def _shapes(net: Network, d: int) -> Params:
    return {name: jnp.asarray(value) for name, value in net.init(0, d=d).items()}
