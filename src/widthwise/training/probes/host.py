"""What the probes between steps share: float64 copies of a snapshot, and tangent kernels of any network."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from widthwise._jax import float64
from widthwise.networks import MLP, empirical_ntk, empirical_ntk_of
from widthwise.networks.empirical import Outputs
from widthwise.networks.network import Network
from widthwise.training.snapshot import Snapshot

Values = dict[str, np.ndarray]


@dataclass(frozen=True, kw_only=True, eq=False)
class Doubles:
    """A snapshot's arrays in float64.

    Attributes:
        start: all parameters at step zero.
        update: what has been added to the trained ones.
        params: their sum, rounded to float64 only.
        X: training rows.
        Y: targets.
        outputs: f(X) as training computed them.
    """

    start: Values
    update: Values
    params: Values
    X: Float[np.ndarray, "n d"]
    Y: Float[np.ndarray, "n k"]
    outputs: Float[np.ndarray, "n k"]


def doubles(snapshot: Snapshot) -> Doubles:
    """The snapshot's arrays in float64: W(0) and the update are added after they are widened."""
    start = {name: np.asarray(value, np.float64) for name, value in snapshot.start.items()}
    update = {name: np.asarray(value, np.float64) for name, value in snapshot.update.items()}
    params = {name: value + update[name] if name in update else value for name, value in start.items()}
    X, Y, outputs = (np.asarray(value, np.float64) for value in (snapshot.X, snapshot.Y, snapshot.outputs))
    return Doubles(start=start, update=update, params=params, X=X, Y=Y, outputs=outputs)


def measured(**values: object) -> dict[str, np.ndarray]:
    """Numbers and arrays by name, as a history keeps them."""
    return {name: np.asarray(value) for name, value in values.items()}


def nothing(*names: str) -> dict[str, np.ndarray]:
    """What is measured of parameters that are not finite: no numbers."""
    return {name: np.asarray(np.nan) for name in names}


def outputs_of(net: Network, params: Values, X: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n k"]:
    """Outputs of the network in float64."""
    with float64():
        return np.asarray(net.apply({name: jnp.asarray(value) for name, value in params.items()}, jnp.asarray(X)))


def mean_kernel(net: Network, params: Values, X: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n n"]:
    """Tangent kernel in float64, the mean of those of the outputs."""
    return _kernel(net, params, X, "trace") / net.outputs


def whole_kernel(net: Network, params: Values, X: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "nk nk"]:
    """Tangent kernel of all outputs in float64, in the order of `Y.ravel()`: couplings of outputs included."""
    kernel = _kernel(net, params, X, "full")
    size = len(X) * net.outputs
    return kernel.transpose(0, 2, 1, 3).reshape(size, size)


def _kernel(net: Network, params: Values, X: Float[np.ndarray, "n d"], outputs: Outputs) -> Float[np.ndarray, "..."]:
    with float64():
        held = {name: jnp.asarray(value) for name, value in params.items()}
        rows = jnp.asarray(X)
        if isinstance(net, MLP):
            return np.asarray(empirical_ntk(net, held, rows, outputs=outputs))
        moving = {name: held[name] for name in net.trained_names}
        return np.asarray(
            empirical_ntk_of(
                lambda some, some_rows: net.apply({**held, **some}, some_rows), moving, rows, outputs=outputs
            )
        )
