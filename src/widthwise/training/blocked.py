r"""Full-batch descent on the first layer of one hidden layer, block of neurons by block, in NumPy and BLAS.

A step is two matrix products, and XLA's are slow where inputs have few columns. Here each block of neurons takes the step
that is pending for it, :math:`U_b \leftarrow U_b - \eta\, (e a_b^\top \odot G_b)^\top X`, and is at once evaluated at its
new weights; its pre-activations stay in cache, only its gates G_b go to memory, a byte each. Neurons are split into lanes,
one thread each, and the lanes' sums are added in order, so results do not depend on the number of threads at work.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from widthwise._threads import one_blas_thread
from widthwise.networks import MLP
from widthwise.networks.mlp import Params
from widthwise.networks.network import Network
from widthwise.training import losses
from widthwise.training.compiled import DIVERGED, ERROR, LOSS, RUNNING, measured
from widthwise.training.optimizers import GradientDescent
from widthwise.training.plan import Plan
from widthwise.training.task import Member, Task

# Pre-activations of a block that a core's cache holds, about.
_CACHED = 256 * 1024
_LANES = 8
# Those of a lane below which handing it to a thread costs more than it saves.
_LANE = 16_000_000


def eligible(task: Task) -> bool:
    """Whether a task is one that this path can train."""
    return (
        is_first_layer(task.net)
        and isinstance(task.optimizer, GradientDescent)
        and not task.regularisers
        and task.batch_size is None
    )


def blocked_plan(task: Task, plan: Plan) -> Plan:
    """Blocks that stay in cache, and a lane for each core."""
    block = block_size(len(task.X))
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:
        cores = os.cpu_count() or 1
    # A lane for each core, as long as there is work for it; then a small network is cut finer.
    lanes = max(1, min(cores, _LANES, task.X.size * _width(task.net) // _LANE))
    block = min(block, max(64, -(-_width(task.net) // lanes)))
    return replace(plan, path="blocked", block=block, lanes=min(lanes, -(-_width(task.net) // block)))


def block_size(n: int) -> int:
    """Neurons of a block whose pre-activations on n rows stay in cache: a power of two."""
    return int(np.clip(1 << (max(1, _CACHED // n).bit_length() - 1), 64, 1024))


def _width(net: Network) -> int:
    return net.widths[0] if isinstance(net, MLP) else 0


def is_first_layer(net: Network) -> bool:
    """One hidden layer of ReLU without biases, the first layer trained, whatever its scales and its start."""
    if not isinstance(net, MLP) or len(net.widths) != 1 or net.trained != "first":
        return False
    scales = ("kappa", "weight_variance", "input_scale", "last_variance", "alpha")
    free = ("widths", "parametrisation", "antisymmetric", "outputs", "readout", *scales)
    # Whatever else a network may have must be as it is where nothing is said.
    return bool(net == MLP(**{name: getattr(net, name) for name in free}))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Block:
    """One block of neurons: views of the weights, and gates at the weights evaluated last."""

    start: Float[np.ndarray, "b d"]
    update: Float[np.ndarray, "b d"]
    readout: Float[np.ndarray, "b k"]
    gates: np.ndarray


class _Scratch:
    """Arrays of one lane that stay in cache, for blocks of one size."""

    def __init__(self, n: int, d: int, k: int, size: int, dtype: np.dtype) -> None:
        self.weights, self.step = np.empty((size, d), dtype), np.empty((size, d), dtype)
        self.signal, self.back = np.empty((n, size), dtype), np.empty((n, size), dtype)
        self.outputs = np.empty((n, k), dtype)


class _Net:
    """One network in blocks."""

    def __init__(self, task: Task, member: Member, inputs: Float[np.ndarray, "n d"]) -> None:
        plan, net = task.plan, task.net
        dtype = np.dtype(plan.dtype)
        self.inputs = inputs
        self.start = {name: np.ascontiguousarray(values, dtype) for name, values in member.start.items()}
        W = self.start["W"]
        self.update = np.zeros_like(W)
        factor = net.factors[-1] if isinstance(net, MLP) else 1.0
        readout = np.ascontiguousarray(self.start["a"] * np.asarray(factor, dtype))
        n, d, m, k = *inputs.shape, len(W), readout.shape[1]
        edges = [*range(0, m, plan.block), m]
        blocks = [
            _Block(start=W[a:b], update=self.update[a:b], readout=readout[a:b], gates=np.empty((n, b - a), np.bool_))
            for a, b in itertools.pairwise(edges)
        ]
        self.lanes = [
            [blocks[i] for i in part] for part in np.array_split(np.arange(len(blocks)), min(plan.lanes, len(blocks)))
        ]
        self.scratch = [
            {size: _Scratch(n, d, k, size, dtype) for size in {len(b.start) for b in lane}} for lane in self.lanes
        ]
        self.outputs: Float[np.ndarray, "n k"] | None = None

    def lane(self, i: int, error: Float[np.ndarray, "n k"] | None, rate: np.floating) -> Float[np.ndarray, "n k"]:
        """Take the pending step of a lane's blocks, where there is one, and sum what they put out."""
        X = self.inputs
        total = np.zeros_like(next(iter(self.scratch[i].values())).outputs)
        single = total.shape[1] == 1
        # A diverging run overflows: it is told by its loss, not by warnings.
        with np.errstate(all="ignore"):
            seen = X * (rate * error) if error is not None and single else X
            for block in self.lanes[i]:
                s = self.scratch[i][len(block.start)]
                if error is not None:
                    if single:
                        np.copyto(s.back, block.gates)
                        np.matmul(s.back.T, seen, out=s.step)
                        s.step *= block.readout
                    else:
                        np.matmul(rate * error, block.readout.T, out=s.back)
                        s.back *= block.gates
                        np.matmul(s.back.T, X, out=s.step)
                    np.subtract(block.update, s.step, out=block.update)
                np.add(block.start, block.update, out=s.weights)
                np.matmul(X, s.weights.T, out=s.signal)
                np.greater_equal(s.signal, 0, out=block.gates)
                np.maximum(s.signal, 0, out=s.signal)
                np.matmul(s.signal, block.readout, out=s.outputs)
                total += s.outputs
        return total

    def on(self, rows: Float[np.ndarray, "r d"]) -> Float[np.ndarray, "r k"]:
        """Outputs on other rows."""
        blocks = [block for lane in self.lanes for block in lane]
        total = np.zeros((len(rows), blocks[0].readout.shape[1]), rows.dtype)
        with np.errstate(all="ignore"):
            for block in blocks:
                total += np.maximum(rows @ (block.start + block.update).T, 0) @ block.readout
        return total


class BlockedEngine:
    """Networks of one architecture in the midst of training, as `CompiledEngine`.

    Args:
        task: what they are trained on; one that is `eligible`.
        members: what is each one's own.

    Attributes:
        done: number of steps done by each.
        rest: why each of them rests.
        capacity: most steps of one call.
    """

    capacity = 4096

    def __init__(self, task: Task, members: tuple[Member, ...]) -> None:
        self.task, self.members = task, members
        self.done = np.zeros(len(members), np.int64)
        self.rest = np.zeros(len(members), np.int64)
        self._dtype = np.dtype(task.plan.dtype)
        self._factor = np.asarray(task.net.factors[0] if isinstance(task.net, MLP) else 1.0, self._dtype)
        X = np.ascontiguousarray(self._scaled(task.X))
        self._Y = np.ascontiguousarray(task.Y, self._dtype)
        self._nets = [_Net(task, member, X) for member in members]
        self._pool: ThreadPoolExecutor | None = None

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """Threads for the lanes; BLAS keeps to one thread in each."""
        with one_blas_thread(), ThreadPoolExecutor(self.task.plan.lanes) as pool:
            self._pool = pool
            yield
            self._pool = None

    def advance(self, first: int, last: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Take the steps after `first` up to `last` of all that do not rest; see `CompiledEngine.advance`."""
        work = functools.partial(self._steps, first, last)
        places = range(len(self._nets))
        if len(self._nets) < self.task.plan.lanes or self._pool is None:
            return [work(i) for i in places]
        # Enough networks for every thread: the lanes of each one after the other, with the same sums.
        return list(self._pool.map(functools.partial(work, alone=True), places))

    def measure(self, *, watch: bool) -> list[dict[str, np.ndarray]]:
        """Loss, residual, error, probes of each network now; outputs on the watched rows where asked."""
        return [self._measure(i, watch=watch) for i in range(len(self._nets))]

    def start(self, i: int) -> Params:
        """Start of a network."""
        return {name: jnp.array(values) for name, values in self._nets[i].start.items()}

    def update(self, i: int) -> Params:
        """Update of a network."""
        return {"W": jnp.array(self._nets[i].update)}

    def state(self) -> dict[str, np.ndarray]:
        """Everything that the next steps depend on."""
        return {"update/W": np.stack([net.update for net in self._nets]), "done": self.done, "rest": self.rest}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from what `state` gave."""
        self.done, self.rest = state["done"].astype(np.int64), state["rest"].astype(np.int64)
        for net, update in zip(self._nets, state["update/W"], strict=True):
            net.update[:] = update
            net.outputs = None

    def _steps(self, first: int, last: int, i: int, *, alone: bool = False) -> tuple[np.ndarray, np.ndarray]:
        task, net = self.task, self._nets[i]
        rates = self.members[i].schedule(np.arange(first, last)).astype(self._dtype)
        share = np.asarray(losses.share(task.loss, *self._Y.shape), self._dtype)
        values, norms = [], []
        while self.rest[i] == RUNNING and self.done[i] < last:
            k = int(self.done[i]) - first
            outputs = self._outputs(i, alone=alone)
            with np.errstate(all="ignore"):
                error = losses.residual(task.loss, outputs, self._Y)
                values.append(float(losses.value(task.loss, outputs, self._Y)))
                norms.append(float(np.linalg.norm(error)))
            self.rest[i] = self._verdict(values[-1], outputs)
            if self.rest[i] == RUNNING:
                net.outputs = self._pass(net, error * share, rates[k], alone=alone)
                self.done[i] += 1
        return np.asarray(values), np.asarray(norms)

    def _verdict(self, value: float, outputs: Float[np.ndarray, "n k"]) -> int:
        stop = self.task.stop
        if not np.isfinite(value):
            return DIVERGED
        if stop.loss is not None and value <= stop.loss:
            return LOSS
        if stop.error is not None and losses.error(outputs, self._Y) <= stop.error:
            return ERROR
        return RUNNING

    def _outputs(self, i: int, *, alone: bool = False) -> Float[np.ndarray, "n k"]:
        """Outputs at the present weights: those of the last step, or evaluated."""
        net = self._nets[i]
        found = net.outputs
        if found is None:
            found = net.outputs = self._pass(net, None, self._dtype.type(0), alone=alone)
        return found

    def _pass(
        self, net: _Net, error: Float[np.ndarray, "n k"] | None, rate: np.floating, *, alone: bool
    ) -> Float[np.ndarray, "n k"]:
        """One pass over all blocks; the sums of the lanes are added in order."""
        if alone or self._pool is None or len(net.lanes) == 1:
            parts = [net.lane(i, error, rate) for i in range(len(net.lanes))]
        else:
            waiting = [self._pool.submit(net.lane, i, error, rate) for i in range(1, len(net.lanes))]
            parts = [net.lane(0, error, rate), *(part.result() for part in waiting)]
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return total

    def _measure(self, i: int, *, watch: bool) -> dict[str, np.ndarray]:
        task, net = self.task, self._nets[i]
        outputs = self._outputs(i)
        with np.errstate(all="ignore"):
            record = _evaluated(task.loss, outputs, self._Y, "")
            record["residual"] = np.asarray(np.linalg.norm(losses.residual(task.loss, outputs, self._Y)))
            if task.test is not None:
                held = net.on(self._scaled(task.test[0]))
                record |= _evaluated(task.loss, held, task.test[1].astype(self._dtype), "test_")
        if watch:
            record["watched"] = net.on(self._scaled(task.watch))
        if task.probes:
            rate = float(self.members[i].schedule(np.array([self.done[i]]))[0])
            found = measured(task, self.start(i), self.update(i), int(self.done[i]), rate)
            record |= {name: v for name, v in found.items() if name.startswith("probe/")}
        return record

    def _scaled(self, rows: Float[np.ndarray, "r d"]) -> Float[np.ndarray, "r d"]:
        rows = rows.astype(self._dtype)
        return rows if self._factor == 1 else rows * self._factor


def _evaluated(
    loss: str, outputs: Float[np.ndarray, "r k"], Y: Float[np.ndarray, "r k"], prefix: str
) -> dict[str, np.ndarray]:
    return {
        f"{prefix}loss": np.asarray(losses.value(loss, outputs, Y)),
        f"{prefix}error": np.asarray(losses.error(outputs, Y)),
    }
