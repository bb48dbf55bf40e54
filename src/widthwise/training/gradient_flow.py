r"""Gradient flow :math:`\dot W = -\nabla L(W)` by an adaptive Runge-Kutta method, in float64.

The pair of :cite:t:`dormand1980`, orders five and four, with the usual control of the error of a step. Where a gate
flips the field jumps: there steps are refused and shortened until the jump is inside a short one. A neuron that both sides
of a jump push towards it slides along it (the boundary directions of :cite:t:`maennel2018`); no step is then short enough
for the control of error, so steps of a least length are taken whatever their error, and counted.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from widthwise._checks import count, positive
from widthwise.errors import UsageError
from widthwise.networks.mlp import Params
from widthwise.networks.network import Network
from widthwise.training import losses
from widthwise.training.compiled import measured
from widthwise.training.descent import Reference, Targets
from widthwise.training.optimizers import moved
from widthwise.training.schedules import Constant
from widthwise.training.snapshot import Probe
from widthwise.training.stops import Reason, Stop
from widthwise.training.task import computing_in, member_of, task_of

# Nodes are not needed, the field does not depend on time; weights of the stages, and of the difference of the orders.
_STAGES = (
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
_ERROR = (71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40)
_SAFETY, _LEAST, _MOST = 0.9, 0.2, 5.0
# Evaluations between two looks at the clock.
_STRETCH = 2000


@dataclass(frozen=True, kw_only=True, eq=False)
class Flow:
    """A network that has followed the flow.

    Attributes:
        times: at which everything below was measured; the first is 0.
        loss: training loss at those times.
        residual: Frobenius norm of the residual at those times, as in `History`.
        error: share of training rows put wrong at those times.
        probes: results of the probes at those times, by name; a probe's `step` is the number of steps accepted and its
            `learning_rate` the length of the next one.
        params: parameters at the end; float64.
        start: parameters at time zero.
        update: W(t) - W(0) of the trained parameters.
        accepted: number of steps.
        refused: number of steps taken back because their error was too large.
        forced: number of steps of the least length that were taken although their error was too large.
        stopped: why the flow ended: `steps` where the last time is reached, else `loss`, `error`, `diverged`.
    """

    times: Float[np.ndarray, " s"]
    loss: Float[np.ndarray, " s"]
    residual: Float[np.ndarray, " s"]
    error: Float[np.ndarray, " s"]
    probes: dict[str, np.ndarray]
    params: Params
    start: Params
    update: Params
    accepted: int
    refused: int
    forced: int
    stopped: Reason


def gradient_flow(
    net: Network,
    X: Float[np.ndarray, "n d"],
    y: Targets,
    *,
    time: float | Sequence[float],
    loss: str = "squared",
    rtol: float = 1e-8,
    atol: float = 1e-12,
    shortest: float | None = None,
    probes: Sequence[Probe | str] = (),
    reference: Reference | None = None,
    stop: Stop | None = None,
    seed: int = 0,
    start: Params | dict[str, np.ndarray] | None = None,
    most: int = 10_000_000,
    between: Callable[[int], None] | None = None,
) -> Flow:
    r"""Let a network follow the negative gradient of its loss in continuous time.

    Gradient descent with rate eta is Euler's method for it with steps eta: after t / eta steps it is within O(eta).

    Args:
        net: the network.
        X: n training rows.
        y: targets, as `train` takes them.
        time: the last time, or increasing times at which to measure; one unit is one step of rate one.
        loss: as in `train`.
        rtol: a step's estimated error, entry by entry over atol + rtol times the weight, has root mean square one at most.
        atol: see `rtol`; for a small start give one well below its scale.
        shortest: length of a step that is taken whatever its error: a sliding neuron is off its path by about this times
            the jump of its slope. A hundred-thousandth of the last time when not given.
        probes: measures taken at every time, 0 included.
        reference: rows on which probes compare gates; X when not given.
        stop: limits of loss and error, looked at at the times given.
        seed: of the start.
        start: parameters at time zero.
        most: steps, refused ones included, after which the flow is given up.
        between: called with the number of steps now and then; may raise to stop.

    Raises:
        UsageError: if an argument is outside its range, or `most` steps do not reach the last time.
        DataError: if a matrix is not finite or the shapes do not fit.
    """
    positive(rtol, "rtol")
    positive(atol, "atol")
    count(most, "most")
    times = np.atleast_1d(np.asarray(time, dtype=np.float64))
    if not len(times) or not np.all(np.isfinite(times)) or times[0] < 0 or np.any(np.diff(times) <= 0):
        raise UsageError(f"time must be a positive number or increasing ones; {time!r} came")
    least = positive(1e-5 * float(times[-1]) if shortest is None else shortest, "shortest")
    times = times if times[0] == 0 else np.concatenate([[0.0], times])
    with computing_in("float64"):
        task = task_of(
            net, X, y,
            steps=1, loss=loss, optimizer="gd", batch_size=None, law="reshuffle", regulariser=None, probes=probes,
            every=None, reference=reference, watch=None, watch_at=None, test=None, stop=stop, dtype="float64",
        )  # fmt: skip
        member = member_of(task, seed, Constant(1.0), start, "float64")
        origin = {name: jnp.asarray(values) for name, values in member.start.items()}
        field = _field(_Setting(net, task.loss))
        advance = _flowing(_Setting(net, task.loss))
        held = (origin, jnp.asarray(task.X), jnp.asarray(task.Y), rtol, atol, least)
        update = {name: jnp.zeros_like(origin[name]) for name in net.trained_names}
        slope = field(update, *held[:3])
        state = (update, slope, jnp.zeros(()), jnp.asarray(_first(origin, update, slope, rtol, atol)), 0, 0, 0)
        records: list[dict[str, np.ndarray]] = []
        reason: Reason = "steps"
        for until in times:
            while float(state[2]) < until and np.isfinite(float(state[3])):
                state = advance(state, held, until, _STRETCH)
                taken = int(state[4]) + int(state[5])
                if between is not None:
                    between(taken)
                if taken > most:
                    raise UsageError(
                        f"the flow needs more than {most} steps to reach time {times[-1]:g}; it is at {float(state[2]):g} "
                        f"with steps of {float(state[3]):g}: pass a larger rtol and atol, or a larger most"
                    )
            records.append(measured(task, origin, state[0], int(state[4]), float(state[3])))
            reason = _verdict(task.stop, records[-1]) if np.isfinite(float(state[3])) else "diverged"
            if reason != "steps":
                break
    kept = {name: np.stack([record[name] for record in records]) for name in records[0] if name != "outputs"}
    with computing_in("float64"):
        params = moved(origin, state[0])
    return Flow(
        times=times[: len(records)],
        loss=kept["loss"].astype(np.float64),
        residual=kept["residual"].astype(np.float64),
        error=kept["error"].astype(np.float64),
        probes={name.removeprefix("probe/"): v for name, v in kept.items() if name.startswith("probe/")},
        params=params,
        start=origin,
        update=state[0],
        accepted=int(state[4]),
        refused=int(state[5]),
        forced=int(state[6]),
        stopped=reason,
    )


def _verdict(stop: Stop, record: dict[str, np.ndarray]) -> Reason:
    if not np.isfinite(record["loss"]):
        return "diverged"
    if stop.loss is not None and record["loss"] <= stop.loss:
        return "loss"
    if stop.error is not None and record["error"] <= stop.error:
        return "error"
    return "steps"


@dataclass(frozen=True)
class _Setting:
    """What the compiled field depends on beside shapes."""

    net: Network
    loss: str


@functools.lru_cache(maxsize=64)
def _field(setting: _Setting) -> Callable[..., Params]:
    net, loss = setting.net, setting.loss

    def field(update: Params, start: Params, X: Array, Y: Array) -> Params:
        f, pull = jax.vjp(lambda u: net.apply(moved(start, u), X), update)
        (gradient,) = pull(losses.slope(loss, f, Y))
        return {name: -g for name, g in gradient.items()}

    return jax.jit(field)


@functools.lru_cache(maxsize=64)
def _flowing(setting: _Setting) -> Callable[..., Any]:
    field = _field(setting)

    def advance(state: Any, held: Any, until: Array, stretch: Array) -> Any:
        start, X, Y, rtol, atol, least = held
        begun = state[4] + state[5]

        def busy(state: Any) -> Any:
            _, _, t, h, accepted, refused, _ = state
            return (t < until) & (accepted + refused - begun < stretch) & jnp.isfinite(h)

        def step(state: Any) -> Any:
            update, slope, t, h, accepted, refused, forced = state
            last = t + h >= until
            length = jnp.where(last, until - t, h)
            slopes = [slope]
            new = update
            for weights in _STAGES:
                new = _along(update, slopes, weights, length)
                slopes.append(field(new, start, X, Y))
            wrong = _along({name: jnp.zeros_like(v) for name, v in update.items()}, slopes, _ERROR, length)
            size = _norm(wrong, moved(start, update), moved(start, new), rtol, atol)
            # A field that is not finite is a step that was too long; a start that is not finite is one that no step mends.
            small = size <= 1.0
            good = small | ((length <= least) & jnp.isfinite(size))
            factor = jnp.clip(_SAFETY * jnp.maximum(size, 1e-10) ** -0.2, _LEAST, _MOST)
            factor = jnp.where(jnp.isfinite(size), factor, _LEAST)
            # A step cut short to end at a time asked for says nothing against the longer one that was planned.
            following = jnp.where(good & last, jnp.maximum(h, length * factor), length * factor)
            kept = jax.tree.map(lambda a, b: jnp.where(good, a, b), (new, slopes[-1]), (update, slope))
            # Down to the least length in a first try; below it only where the field is not finite there.
            following = jnp.where(jnp.isfinite(size) & (h > least), jnp.maximum(following, least), following)
            following = jnp.where(good & ~small, least, following)
            following = jnp.where(t + following > t, following, jnp.inf)
            moved_to = jnp.where(good, jnp.where(last, until, t + length), t)
            return (*kept, moved_to, following, accepted + good, refused + ~good, forced + (good & ~small))

        return jax.lax.while_loop(busy, step, state)

    return jax.jit(advance)


def _along(update: Params, slopes: list[Params], weights: tuple[float, ...], length: Array) -> Params:
    """The update plus a step along a weighted sum of slopes."""
    return {
        name: values + length * sum(w * s[name] for w, s in zip(weights, slopes, strict=True) if w)
        for name, values in update.items()
    }


def _norm(wrong: Params, before: Params, after: Params, rtol: Array | float, atol: Array | float) -> Array:
    """Root mean square of an error over what is allowed, all entries together."""
    squares = [
        jnp.sum((w / (atol + rtol * jnp.maximum(jnp.abs(before[name]), jnp.abs(after[name])))) ** 2)
        for name, w in wrong.items()
    ]
    found: Array = jnp.sqrt(sum(squares[1:], squares[0]) / sum(w.size for w in wrong.values()))
    return found


def _first(start: Params, update: Params, slope: Params, rtol: float, atol: float) -> float:
    """Length of the first step: a hundredth of the time in which the slope changes the weights by themselves."""
    here = moved(start, update)
    weights, slopes = (float(_norm({n: v[n] for n in update}, here, here, rtol, atol)) for v in (here, slope))
    return 0.01 * weights / slopes if weights > 0 and slopes > 0 else 1e-6
