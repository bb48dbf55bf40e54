"""Training of finite networks: one call for any network, loss and rule, and for many networks at once."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Num

from widthwise._checks import count, finite_matrix
from widthwise._jax import float64, full_products
from widthwise.errors import DataError, UsageError
from widthwise.networks.mlp import Params
from widthwise.networks.network import Network
from widthwise.training import losses, sampling
from widthwise.training.checkpoint import Checkpoint
from widthwise.training.optimizers import Optimizer, as_optimizer
from widthwise.training.plan import Plan, Precision
from widthwise.training.planning import planned
from widthwise.training.regularisers import Regulariser, as_regularisers
from widthwise.training.run import TrainingRun
from widthwise.training.schedules import Schedule, as_schedule
from widthwise.training.session import Session
from widthwise.training.snapshot import Probe
from widthwise.training.stops import Stop
from widthwise.training.task import Member, Task

Targets = Num[np.ndarray, " n"] | Num[np.ndarray, "n k"]
Reference = Float[np.ndarray, "r d"] | Float[Array, "r d"]
Watched = Float[np.ndarray, "m d"] | Float[Array, "m d"]
Held = tuple[Float[np.ndarray, "v d"] | Float[Array, "v d"], Num[np.ndarray, " v"] | Num[np.ndarray, "v k"]]

# Pauses of a run that nobody gave a cadence.
_PAUSES = 32


def train(
    net: Network,
    X: Float[np.ndarray, "n d"],
    y: Targets,
    *,
    learning_rate: float | Schedule,
    steps: int,
    loss: str = "squared",
    optimizer: str | Optimizer = "gd",
    batch_size: int | None = None,
    sampling: str = "reshuffle",
    regulariser: Regulariser | tuple[Regulariser, ...] | None = None,
    probes: Sequence[Probe | str] = (),
    every: int | None = None,
    reference: Reference | None = None,
    watch: Watched | None = None,
    watch_at: Int[np.ndarray, " s"] | None = None,
    test: Held | None = None,
    stop: Stop | None = None,
    seed: int = 0,
    start: Params | dict[str, np.ndarray] | None = None,
    dtype: Precision = "float32",
    plan: Plan | None = None,
    checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
    between: Callable[[int], None] | None = None,
) -> TrainingRun:
    r"""Train a network and watch it while it trains.

    A run that diverges keeps the parameters of the step where its loss stopped being finite, and says so: it is a
    result, not an error. The same arguments and the same plan give the same bits on one machine, whether a run is
    watched, cut short, resumed, or trained beside others.

    Args:
        net: the network; any that satisfies `networks.Network`.
        X: n training rows.
        y: targets: numbers for the squared losses, -1 and +1 for `logistic`, classes 0 ... k-1 or one-hot rows for
            `cross_entropy`.
        learning_rate: rate on the loss as it is defined, or a schedule.
        steps: number T of steps.
        loss: `squared`, half the sum of squares over rows and outputs; `mean_squared`, their mean, without the half;
            `logistic`, the mean of log(1 + exp(-y f)); `cross_entropy`, the mean over rows. On a batch, the same of its rows.
        optimizer: `gd` or `sgd` (the same rule; the batch size makes the difference), `momentum` of .9, `adam`, or one of
            `training.optimizers`.
        batch_size: rows of a step; all of them when not given.
        sampling: of batches: `reshuffle`, epochs without replacement; `replacement`; `one_pass`, every row once at most.
        regulariser: one penalty of `training.regularisers`, or several.
        probes: measures taken at 0, `every`, 2 `every`, ... steps and at the end, by name or as data.
        every: their cadence; when not given, T/32 where there are probes, test rows or batches, and else the end only.
        reference: rows on which probes compare gates; X when not given.
        watch: rows on which the outputs are wanted along training.
        watch_at: increasing numbers of steps at which they are wanted; the last step when not given.
        test: rows and targets held out: their loss and error are taken with the probes.
        stop: limits that end the run early.
        seed: of the start, of the batches and of the noise.
        start: parameters at step zero; the network's own draw from `seed` when not given.
        dtype: precision of the whole run; where a plan is given, its own.
        plan: how it is computed; chosen when not given.
        checkpoint: file that the run is kept in and resumed from.
        between: called with the number of steps done at every pause for probes or watched rows, and at the end; may
            raise to stop.

    Raises:
        UsageError: if an argument is outside its range.
        DataError: if a matrix is not finite, the shapes do not fit, or the checkpoint is that of another run.
    """
    precision = dtype if plan is None else plan.dtype
    with _precision(precision):
        task = _task(
            net, X, y,
            steps=steps, loss=loss, optimizer=optimizer, batch_size=batch_size, law=sampling, regulariser=regulariser,
            probes=probes, every=every, reference=reference, watch=watch, watch_at=watch_at, test=test, stop=stop,
        )  # fmt: skip
        member = _member(task, seed, as_schedule(learning_rate), start, precision)
        task = planned(task, [member], plan, precision)
        kept = checkpoint if isinstance(checkpoint, Checkpoint) or checkpoint is None else Checkpoint(checkpoint)
        return Session(task, (member,), kept, between).run()[0]


def train_many(
    nets: Network | Sequence[Network],
    X: Float[np.ndarray, "n d"],
    y: Targets,
    *,
    learning_rate: float | Schedule | Sequence[float | Schedule],
    steps: int,
    seeds: Sequence[int] = (0,),
    loss: str = "squared",
    optimizer: str | Optimizer = "gd",
    batch_size: int | None = None,
    sampling: str = "reshuffle",
    regulariser: Regulariser | tuple[Regulariser, ...] | None = None,
    probes: Sequence[Probe | str] = (),
    every: int | None = None,
    reference: Reference | None = None,
    watch: Watched | None = None,
    watch_at: Int[np.ndarray, " s"] | None = None,
    test: Held | None = None,
    stop: Stop | None = None,
    starts: Sequence[Params | dict[str, np.ndarray]] | None = None,
    dtype: Precision = "float32",
    plan: Plan | None = None,
    between: Callable[[int], None] | None = None,
) -> tuple[TrainingRun, ...]:
    """Train many networks on the same rows: those of one architecture in one compiled call.

    Each run is, to the bit, the run of `train` with the same arguments and the plan that the run carries.

    Args:
        nets: one network for all seeds, or one for each run; widths may differ.
        X: n training rows.
        y: targets.
        learning_rate: one for all, or one for each run.
        steps: number T of steps.
        seeds: one for each run; a single one serves all networks.
        loss: as in `train`, like all that follow but `starts` and `plan`.
        optimizer: rule of descent.
        batch_size: rows of a step.
        sampling: of batches; each run draws its own.
        regulariser: penalties.
        probes: measures taken along training.
        every: their cadence.
        reference: rows on which probes compare gates.
        watch: rows on which the outputs are wanted.
        watch_at: when they are.
        test: rows and targets held out.
        stop: limits, for each run by itself; the limit of time is that of a compiled call.
        starts: parameters at step zero of each run.
        dtype: precision.
        plan: how they are computed, the same for all networks; chosen for each architecture when not given.
        between: called at every pause of every compiled call.

    Returns:
        The runs, in the order of networks and seeds.

    Raises:
        UsageError: if an argument is outside its range, or the numbers of networks, seeds, rates and starts differ.
        DataError: if a matrix is not finite or the shapes do not fit.
    """
    several = list(nets) if isinstance(nets, Sequence) else [nets] * len(seeds)
    own_seeds = list(seeds) * len(several) if len(seeds) == 1 else list(seeds)
    rates = list(learning_rate) if isinstance(learning_rate, Sequence) else [learning_rate] * len(several)
    own_starts = list(starts) if starts is not None else [None] * len(several)
    for name, values in (("seeds", own_seeds), ("learning_rate", rates), ("starts", own_starts)):
        if len(values) != len(several):
            raise UsageError(f"{name} must be one for each of the {len(several)} networks; {len(values)} came")
    precision = dtype if plan is None else plan.dtype
    found: list[TrainingRun | None] = [None] * len(several)
    with _precision(precision):
        for net in dict.fromkeys(several):
            task = _task(
                net, X, y,
                steps=steps, loss=loss, optimizer=optimizer, batch_size=batch_size, law=sampling, regulariser=regulariser,
                probes=probes, every=every, reference=reference, watch=watch, watch_at=watch_at, test=test, stop=stop,
            )  # fmt: skip
            places = [i for i, other in enumerate(several) if other == net]
            members = [_member(task, own_seeds[i], as_schedule(rates[i]), own_starts[i], precision) for i in places]
            task = planned(task, members, plan, precision)
            size = task.plan.batch
            for first in range(0, len(places), size):
                runs = Session(task, tuple(members[first : first + size]), None, between).run()
                for place, run in zip(places[first : first + size], runs, strict=True):
                    found[place] = run
    return tuple(run for run in found if run is not None)


def _precision(dtype: str) -> AbstractContextManager[None]:
    if dtype not in ("float32", "float64"):
        raise UsageError(f"dtype must be 'float32' or 'float64'; {dtype!r} came")
    return float64() if dtype == "float64" else full_products()


def _task(
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
    taken = _probes(probes)
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
        plan=Plan(),
    )


def _rows(values: object, rows: Float[np.ndarray, "n d"], name: str) -> Float[np.ndarray, "m d"]:
    found = finite_matrix(values, name)
    if found.shape[1] != rows.shape[1]:
        raise DataError(f"{name} must have {rows.shape[1]} columns as X has; {found.shape[1]} came")
    return found


def _probes(probes: Sequence[Probe | str]) -> tuple[Probe, ...]:
    found: list[Probe] = []
    for probe in probes:
        if isinstance(probe, str):
            # Probes know training, not the other way round.
            named = importlib.import_module("widthwise.training.probes").named
            found.append(named(probe))
        else:
            found.append(probe)
    names = [probe.name for probe in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"probes must have different names, the keys of their results; {twice[0]!r} came twice")
    return tuple(found)


def _member(
    task: Task,
    seed: int,
    schedule: Schedule,
    start: Params | dict[str, np.ndarray] | None,
    precision: Precision,
) -> Member:
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
