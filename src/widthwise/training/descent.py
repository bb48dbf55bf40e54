"""Training of finite networks: one call for any network, loss and rule, and for many networks at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Array, Float, Int, Num

from widthwise.errors import UsageError
from widthwise.networks.mlp import Params
from widthwise.networks.network import Network
from widthwise.training.checkpoint import Checkpoint
from widthwise.training.optimizers import Optimizer
from widthwise.training.plan import Plan, Precision
from widthwise.training.planning import planned
from widthwise.training.regularisers import Regulariser
from widthwise.training.run import TrainingRun
from widthwise.training.schedules import Schedule, as_schedule
from widthwise.training.session import Session
from widthwise.training.snapshot import Probe
from widthwise.training.stops import Stop
from widthwise.training.task import computing_in, member_of, task_of

Targets = Num[np.ndarray, " n"] | Num[np.ndarray, "n k"]
Reference = Float[np.ndarray, "r d"] | Float[Array, "r d"]
Watched = Float[np.ndarray, "m d"] | Float[Array, "m d"]
Held = tuple[Float[np.ndarray, "v d"] | Float[Array, "v d"], Num[np.ndarray, " v"] | Num[np.ndarray, "v k"]]


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
    with computing_in(precision):
        task = task_of(
            net, X, y,
            steps=steps, loss=loss, optimizer=optimizer, batch_size=batch_size, law=sampling, regulariser=regulariser,
            probes=probes, every=every, reference=reference, watch=watch, watch_at=watch_at, test=test, stop=stop,
            dtype=precision,
        )  # fmt: skip
        member = member_of(task, seed, as_schedule(learning_rate), start, precision)
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
    with computing_in(precision):
        for net in dict.fromkeys(several):
            task = task_of(
                net, X, y,
                steps=steps, loss=loss, optimizer=optimizer, batch_size=batch_size, law=sampling, regulariser=regulariser,
                probes=probes, every=every, reference=reference, watch=watch, watch_at=watch_at, test=test, stop=stop,
                dtype=precision,
            )  # fmt: skip
            places = [i for i, other in enumerate(several) if other == net]
            members = [member_of(task, own_seeds[i], as_schedule(rates[i]), own_starts[i], precision) for i in places]
            task = planned(task, members, plan, precision)
            size = task.plan.batch
            for first in range(0, len(places), size):
                runs = Session(task, tuple(members[first : first + size]), None, between).run()
                for place, run in zip(places[first : first + size], runs, strict=True):
                    found[place] = run
    return tuple(run for run in found if run is not None)
