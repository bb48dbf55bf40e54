"""The loop of any network and rule, compiled whole by JAX; several networks in one call.

State is the update W(t) - W(0), which starts at zero: weights are the start plus the update, so that in float32 small
steps are not lost against large weights.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from widthwise.networks.mlp import Params
from widthwise.networks.network import Network
from widthwise.training import losses, sampling
from widthwise.training.optimizers import Optimizer, moved
from widthwise.training.regularisers import Regulariser
from widthwise.training.snapshot import Probe, Snapshot
from widthwise.training.task import Member, Task

# Most steps of one call: their rates and rows are drawn beforehand.
CAPACITY = 4096

# Why a network rests: it does not, its loss is not finite, a limit is reached.
RUNNING, DIVERGED, LOSS, ERROR, SECONDS = range(5)

Tree = Any


@dataclass(frozen=True)
class _Measured:
    """What a compiled measure depends on beside shapes."""

    net: Network
    loss: str
    probes: tuple[Probe, ...]
    mode: str


@dataclass(frozen=True)
class _Recipe:
    """What a compiled loop depends on beside shapes."""

    net: Network
    loss: str
    optimizer: Optimizer
    regularisers: tuple[Regulariser, ...]
    exact: bool
    batches: bool
    by_error: bool
    mode: str


class CompiledEngine:
    """Networks of one architecture in the midst of training.

    Args:
        task: what they are trained on.
        members: what is each one's own.

    Attributes:
        done: number of steps done by each.
        rest: why each of them rests.
    """

    def __init__(self, task: Task, members: tuple[Member, ...]) -> None:
        self.task = task
        self.members = members
        # A group that runs side by side is filled up: sums may depend on its size.
        filled = members + members[-1:] * (max(0, task.plan.batch - len(members)) if task.plan.mode == "vmap" else 0)
        self._filled = filled
        dtype = np.dtype(task.plan.dtype)
        self._start = {name: jnp.asarray(np.stack([m.start[name] for m in filled]), dtype) for name in members[0].start}
        trained = task.net.trained_names
        self._update = {name: jnp.zeros_like(self._start[name]) for name in trained}
        self._slots = {
            slot: {name: jnp.zeros_like(self._start[name]) for name in trained} for slot in task.optimizer.slots
        }
        self._keys = np.stack([sampling.jax_key_data(m.seed, "noise") for m in filled])
        self.done = np.zeros(len(members), np.int64)
        self.rest = np.zeros(len(members), np.int64)
        self._X, self._Y, self._reference, self._watch = (
            jnp.asarray(values, dtype) for values in (task.X, task.Y, task.reference, task.watch)
        )
        self._test = tuple(jnp.asarray(values, dtype) for values in task.test) if task.test else None
        self._dtype = dtype
        gaps = np.diff(np.unique(np.concatenate([[0], task.records, task.watch_at, [task.steps]])))
        # A power of two, so that one compilation serves runs of many lengths.
        self.capacity = min(CAPACITY, 1 << int(gaps.max() - 1).bit_length())
        recipe = _Recipe(
            net=task.net,
            loss=task.loss,
            optimizer=task.optimizer,
            regularisers=task.regularisers,
            exact=task.exact,
            batches=task.batch_size is not None,
            by_error=task.exact and task.stop.error is not None,
            mode=task.plan.mode,
        )
        self._advance = _advancing(recipe)
        self._measure = _measuring(_Measured(task.net, task.loss, task.traced, task.plan.mode))

    def working(self) -> contextlib.AbstractContextManager[None]:
        """JAX has threads of its own."""
        return contextlib.nullcontext()

    def advance(self, first: int, last: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Take the steps after `first` up to `last` of all that do not rest.

        Returns:
            For each network the losses and the residuals before its steps; one more where it came to rest.
        """
        steps = np.arange(first, first + self.capacity)
        rates = np.stack([m.schedule(steps) for m in self._filled]).astype(self._dtype)
        size = self.task.batch_size or 0
        rows = np.zeros((len(self._filled), self.capacity, size), np.int32)
        if size:
            for i, member in enumerate(self._filled):
                rows[i, : last - first] = sampling.batches(
                    member.seed, first, last, n=len(self.task.X), size=size, sampling=self.task.sampling
                )
        stop = self.task.stop
        limits = np.array(
            [-np.inf if stop.loss is None else stop.loss, -1.0 if stop.error is None else stop.error], self._dtype
        )
        own = (
            self._update,
            self._slots,
            self._all(self.done),
            self._all(self.rest),
            self._start,
            self._keys,
            rates,
            rows,
        )
        shared = (self._X, self._Y, np.int32(first), np.int32(last), limits)
        before, running = self.done.copy(), self.rest == RUNNING
        self._update, self._slots, done, rest, values, norms = self._advance(own, shared)
        self.done = np.asarray(done, np.int64)[: len(self.members)]
        self.rest = np.asarray(rest, np.int64)[: len(self.members)]
        values, norms = (np.asarray(found, np.float64) for found in (values, norms))
        ends = np.where(running, self.done - first + (self.rest != RUNNING), before - first)
        begins = before - first
        return [
            (values[i, b:e], norms[i, b:e]) if running[i] else (values[i, :0], norms[i, :0])
            for i, (b, e) in enumerate(zip(begins, ends, strict=True))
        ]

    def measure(self, *, watch: bool) -> list[dict[str, np.ndarray]]:
        """Loss, residual, error, probes of each network now; outputs on the watched rows where asked."""
        rates = np.array(
            [m.schedule(np.array([t]))[0] for m, t in zip(self._filled, self._all(self.done), strict=True)]
        )
        own = (self._start, self._update, self._all(self.done), rates.astype(self._dtype))
        shared = (self._X, self._Y, self._reference, self._watch if watch else None, self._test)
        found = {name: np.asarray(values) for name, values in self._measure(own, shared).items()}
        records = [{name: np.asarray(values[i]) for name, values in found.items()} for i in range(len(self.members))]
        for i, record in enumerate(records):
            if self.task.on_host:
                step, rate = int(self.done[i]), float(rates[i])
                found = host_results(
                    self.task, self.start(i), self.update(i), outputs=record["outputs"], step=step, rate=rate
                )
                record.update(found)
            del record["outputs"]
        return records

    def start(self, i: int) -> Params:
        """Start of a network."""
        return {name: values[i] for name, values in self._start.items()}

    def update(self, i: int) -> Params:
        """Update of a network."""
        return {name: values[i] for name, values in self._update.items()}

    def state(self) -> dict[str, np.ndarray]:
        """Everything that the next steps depend on."""
        found = {f"update/{name}": np.asarray(values) for name, values in self._update.items()}
        for slot, params in self._slots.items():
            found |= {f"slots/{slot}/{name}": np.asarray(values) for name, values in params.items()}
        return {**found, "done": self.done, "rest": self.rest}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from what `state` gave."""
        self._update = {name: jnp.asarray(state[f"update/{name}"]) for name in self._update}
        self._slots = {
            slot: {name: jnp.asarray(state[f"slots/{slot}/{name}"]) for name in params}
            for slot, params in self._slots.items()
        }
        self.done, self.rest = state["done"].astype(np.int64), state["rest"].astype(np.int64)

    def _all(self, values: Int[np.ndarray, " m"]) -> Int[np.ndarray, " n"]:
        """Values of the members, filled up like the group."""
        return values[np.minimum(np.arange(len(self._filled)), len(values) - 1)].astype(np.int32)


def host_results(
    task: Task, start: Params, update: Params, *, outputs: Float[np.ndarray, "n k"], step: int, rate: float
) -> dict[str, np.ndarray]:
    """Results of the probes that run between steps."""
    dtype = np.dtype(task.plan.dtype)
    snapshot = Snapshot(
        net=task.net,
        loss=task.loss,
        start=start,
        update=update,
        X=jnp.asarray(task.X, dtype),
        Y=jnp.asarray(task.Y, dtype),
        outputs=jnp.asarray(outputs),
        reference=jnp.asarray(task.reference, dtype),
        step=jnp.asarray(step, jnp.int32),
        learning_rate=jnp.asarray(rate, dtype),
    )
    found: dict[str, np.ndarray] = {}
    for probe in task.on_host:
        found |= {f"probe/{name}": np.asarray(values) for name, values in _named(probe, probe(snapshot)).items()}
    return found


def measured(task: Task, start: Params, update: Params, step: int, rate: float) -> dict[str, np.ndarray]:
    """Loss, residual, error and all probes of one network, whatever path it is trained by."""
    dtype = np.dtype(task.plan.dtype)
    own = ({n: v[None] for n, v in start.items()}, {n: v[None] for n, v in update.items()})
    X, Y, reference = (jnp.asarray(values, dtype) for values in (task.X, task.Y, task.reference))
    measure = _measuring(_Measured(task.net, task.loss, task.traced, "map"))
    found = measure((*own, np.array([step], np.int32), np.array([rate], dtype)), (X, Y, reference, None, None))
    # To NumPy first: indexing a JAX array takes longer than most probes.
    record = {name: np.asarray(np.asarray(values)[0]) for name, values in found.items()}
    if task.on_host:
        record |= host_results(task, start, update, outputs=record["outputs"], step=step, rate=rate)
    return record


@functools.lru_cache(maxsize=64)
def _advancing(recipe: _Recipe) -> Callable[[Tree, Tree], Tree]:
    """The loop of one recipe, compiled; numbers of steps stay free, so one compilation serves every run."""
    one = functools.partial(_steps, recipe)
    return jax.jit(_over_networks(one, recipe.mode))


@functools.lru_cache(maxsize=64)
def _measuring(what: _Measured) -> Callable[[Tree, Tree], Tree]:
    """All measures of one architecture, compiled together."""
    one = functools.partial(_measures, what.net, what.loss, what.probes)
    return jax.jit(_over_networks(one, what.mode))


def _over_networks(one: Callable[[Tree, Tree], Tree], mode: str) -> Callable[[Tree, Tree], Tree]:
    """A function of (its own, what is shared) for all networks: one after the other, or side by side."""
    if mode == "vmap":
        return jax.vmap(one, in_axes=(0, None))

    def each(own: Tree, shared: Tree) -> Tree:
        return jax.lax.map(lambda this: one(this, shared), own)

    return each


def _steps(recipe: _Recipe, own: Tree, shared: Tree) -> Tree:
    """Steps of one network until the last, or until it comes to rest."""
    update, slots, done, rest, start, key_data, rates, rows = own
    X, Y, first, last, limits = shared
    net, loss, optimizer = recipe.net, recipe.loss, recipe.optimizer
    key = jax.random.wrap_key_data(key_data, impl="threefry2x32") if optimizer.draws else key_data

    def busy(carry: Tree) -> Tree:
        return (carry[2] < last) & (carry[3] == RUNNING)

    def step(carry: Tree) -> Tree:
        update, slots, k, _, values, norms = carry
        at = k - first
        rate = rates[at]
        inputs, targets = (X[rows[at]], Y[rows[at]]) if recipe.batches else (X, Y)
        now = jax.random.fold_in(key, k) if optimizer.draws else key
        f, pull = jax.vjp(lambda u: net.apply(optimizer.displaced(net, start, u, now), inputs), update)
        value = losses.value(loss, f, targets)
        norm = jnp.linalg.norm(losses.residual(loss, f, targets))
        (gradient,) = pull(losses.slope(loss, f, targets))
        for regulariser in recipe.regularisers:
            for name, more in regulariser.gradient(net, start, update).items():
                gradient = {**gradient, name: gradient[name] + more}
        delta, remembered = optimizer.step(
            gradient, slots, rate, k, jax.random.fold_in(now, 1) if optimizer.draws else now
        )
        new = {name: values_ + delta[name] for name, values_ in update.items()}
        for regulariser in recipe.regularisers:
            new = regulariser.proximal(net, start, new, rate)
        resting = jnp.where(jnp.isfinite(value), RUNNING, DIVERGED)
        if recipe.exact:
            resting = jnp.where((resting == RUNNING) & (value <= limits[0]), LOSS, resting)
        if recipe.by_error:
            resting = jnp.where((resting == RUNNING) & (losses.error(f, targets) <= limits[1]), ERROR, resting)
        go = resting == RUNNING
        kept = jax.tree.map(lambda a, b: jnp.where(go, a, b), (new, remembered), (update, slots))
        return (*kept, k + go, resting.astype(rest.dtype), values.at[at].set(value), norms.at[at].set(norm))

    empty = jnp.zeros(rates.shape, rates.dtype)
    found: Tree = jax.lax.while_loop(busy, step, (update, slots, done, rest, empty, empty))
    return found


def _measures(net: Network, loss: str, probes: tuple[Probe, ...], own: Tree, shared: Tree) -> dict[str, Array]:
    start, update, step, rate = own
    X, Y, reference, watch, test = shared
    params = moved(start, update)
    outputs = net.apply(params, X)
    found: dict[str, Array] = {
        "outputs": outputs,
        "loss": losses.value(loss, outputs, Y),
        "residual": jnp.linalg.norm(losses.residual(loss, outputs, Y)),
        "error": losses.error(outputs, Y),
    }
    if watch is not None:
        found["watched"] = net.apply(params, watch)
    if test is not None:
        held = net.apply(params, test[0])
        found |= {"test_loss": losses.value(loss, held, test[1]), "test_error": losses.error(held, test[1])}
    if probes:
        snapshot = Snapshot(
            net=net,
            loss=loss,
            start=start,
            update=update,
            X=X,
            Y=Y,
            outputs=outputs,
            reference=reference,
            step=step,
            learning_rate=rate,
        )
        for probe in probes:
            found |= {f"probe/{name}": values for name, values in _named(probe, probe(snapshot)).items()}
    return found


def _named(probe: Probe, result: Any) -> dict[str, Any]:
    """Results of a probe by the names that they have in the history."""
    if isinstance(result, Mapping):
        return {f"{probe.name}.{key}": values for key, values in result.items()}
    return {probe.name: result}
