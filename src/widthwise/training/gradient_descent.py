r"""Full-batch gradient descent on the squared loss, compiled as one loop.

Loss :math:`\tfrac12\sum_{ic} (f_c(x_i) - y_{ic})^2`, the sum over rows and outputs, as in :cite:t:`arora2019`: a
rate here is n times smaller than the same rate on the mean.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from widthwise._checks import columns, count, finite_matrix, positive
from widthwise._jax import full_products
from widthwise.errors import DataError, UsageError
from widthwise.networks import MLP, Params

# Output signs, inputs, targets, rate: what a run does not change.
Problem = tuple[Array, Array, Array, Array]


@dataclass(frozen=True, kw_only=True, eq=False)
class History:
    """What was watched while a network trained.

    Attributes:
        steps: 0 ... T.
        residual: Frobenius norm of y - f after each number of steps, in the units of y.
        watched: numbers of steps at which the watched rows were evaluated.
        outputs: outputs on the watched rows at those steps; empty where there are none.
    """

    steps: Int[np.ndarray, " t"]
    residual: Float[np.ndarray, " t"]
    watched: Int[np.ndarray, " s"]
    outputs: Float[np.ndarray, "s m k"]

    @property
    def relative(self) -> Float[np.ndarray, " t"]:
        """Residual over its value at step zero."""
        return np.asarray(self.residual / self.residual[0])


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingRun:
    """A trained network.

    Attributes:
        history: what was watched.
        params: parameters at the end.
        diverged: step at which the residual stopped being finite, None where it never did.
    """

    history: History
    params: Params
    diverged: int | None


def train(
    net: MLP,
    X: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, " n"] | Float[np.ndarray, "n k"],
    *,
    learning_rate: float,
    steps: int,
    loss: Literal["squared"] = "squared",
    optimizer: Literal["gd"] = "gd",
    seed: int = 0,
    watch: Float[np.ndarray, "m d"] | None = None,
    watch_at: Int[np.ndarray, " s"] | None = None,
    between: Callable[[int], None] | None = None,
) -> TrainingRun:
    """Train the first layer of a network by full-batch gradient descent, in float32.

    A run that diverges keeps the parameters of the step where its residual stopped being finite, and says so: it is a
    result, not an error.

    Args:
        net: the network; its number of outputs is that of the columns of y.
        X: n training rows.
        y: targets.
        learning_rate: rate on the summed loss.
        steps: number T of steps.
        loss: `squared`, half the sum of squares.
        optimizer: `gd`, full-batch gradient descent.
        seed: of the start.
        watch: rows on which the outputs are wanted along training.
        watch_at: increasing numbers of steps at which they are wanted; the last step when not given.
        between: called with the number of steps done each time the watched rows are evaluated, and at the end; may
            raise to stop.

    Raises:
        UsageError: if an argument is outside its range.
        DataError: if a matrix is not finite or the shapes do not fit.
    """
    positive(learning_rate, "learning_rate")
    count(steps, "steps")
    if not _is_known(net):
        raise UsageError(
            "train moves the first layer of a two-layer ReLU network: one hidden layer, parametrisation 'ntk', "
            f"trained 'first', no biases, variances and input scale one; the network is: {net.describe()}"
        )
    if loss != "squared" or optimizer != "gd":
        raise UsageError(f"loss must be 'squared' and optimizer 'gd'; {loss!r} and {optimizer!r} came")
    rows = finite_matrix(X, "X")
    Y = columns(y, len(rows))
    if Y.shape[1] != net.outputs:
        raise DataError(f"the network has {net.outputs} outputs, y {Y.shape[1]} columns: they must agree")
    stops = np.array([steps]) if watch_at is None else np.unique(np.asarray(watch_at, dtype=np.int64))
    if not len(stops):
        raise UsageError("watch_at must hold a number of steps; none came")
    if stops[0] < 0 or stops[-1] > steps:
        raise UsageError(f"watch_at must lie between 0 and {steps}; {stops[0]} to {stops[-1]} came")
    held = np.zeros((0, rows.shape[1])) if watch is None else finite_matrix(watch, "watch")
    if held.shape[1] != rows.shape[1]:
        raise DataError(f"watch must have {rows.shape[1]} columns as X has; {held.shape[1]} came")

    inputs, targets = jnp.asarray(rows, jnp.float32), jnp.asarray(Y, jnp.float32)
    held_inputs = jnp.asarray(held, jnp.float32)
    params = net.init(seed, d=rows.shape[1])
    advance, evaluate = _compiled(net)
    a = params["a"]
    problem = (a, inputs, targets, np.float32(learning_rate))
    W, residual = params["W"], jnp.zeros(steps + 1, jnp.float32)
    outputs, done = [], 0
    for stop in np.append(stops, steps) if stops[-1] < steps else stops:
        with full_products():
            W, residual = advance(W, residual, problem, done, int(stop))
        done = int(stop)
        if done in stops:
            outputs.append(np.asarray(evaluate({"W": W, "a": a}, held_inputs)))
        if between is not None:
            between(done)
    norms = np.asarray(residual, dtype=np.float64)
    norms[steps] = float(jnp.linalg.norm(evaluate({"W": W, "a": a}, inputs) - targets))
    broken = np.nonzero(~np.isfinite(norms))[0]
    return TrainingRun(
        history=History(
            steps=np.arange(steps + 1),
            residual=norms,
            watched=stops,
            outputs=np.array(outputs, dtype=np.float64),
        ),
        params={"W": W, "a": a},
        diverged=int(broken[0]) if len(broken) else None,
    )


def _is_known(net: MLP) -> bool:
    """Whether the network is the two-layer one, whatever its width, start, signs or number of outputs."""
    start = {name: getattr(net, name) for name in ("widths", "antisymmetric", "kappa", "outputs", "readout")}
    return len(net.widths) == 1 and net == MLP(**start)


@functools.lru_cache(maxsize=64)
def _compiled(net: MLP) -> tuple[Callable[..., tuple[Array, Array]], Callable[..., Array]]:
    """The loop and the outputs of one architecture, compiled; steps stay free, so one compilation serves every run."""
    scale = float(net.widths[0]) ** -0.5

    def advance(W: Array, residual: Array, problem: Problem, start: Array, stop: Array) -> tuple[Array, Array]:
        a, X, Y, rate = problem
        readout = a * scale

        def step(k: Array, state: tuple[Array, Array]) -> tuple[Array, Array]:
            weights, norms = state
            signal = X @ weights.T
            error = jnp.maximum(signal, 0.0) @ readout - Y
            # The derivative of ReLU at zero is one, as in the papers.
            back = (error @ readout.T) * (signal >= 0)
            norm = jnp.linalg.norm(error)
            moved = weights - rate * (back.T @ X)
            return jnp.where(jnp.isfinite(norm), moved, weights), norms.at[k].set(norm)

        done: tuple[Array, Array] = jax.lax.fori_loop(start, stop, step, (W, residual))
        return done

    return jax.jit(advance), jax.jit(net.apply)
