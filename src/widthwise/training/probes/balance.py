"""Balancedness: what gradient flow conserves in homogeneous layers, and a finite step breaks in proportion to its size."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from widthwise.errors import UsageError
from widthwise.networks.mlp import MLP
from widthwise.networks.network import Network
from widthwise.training.snapshot import Snapshot


@dataclass(frozen=True)
class Balancedness:
    r"""Drift of the differences of squared norms that gradient flow conserves.

    For a neuron j of a hidden layer with outgoing weights v, incoming weights w and bias b,
    :math:`Q_j = \|v_j\|^2 - \|w_j\|^2 - b_j^2` is conserved by the flow under any loss of the outputs, in any
    parametrisation, for activations of degree one (ReLU, leaky ReLU, absolute value, linear), if all of them are trained. Summed
    over a layer, :math:`\|W_{l+1}\|_F^2 - \|W_l\|_F^2 - \|b_l\|^2`. Gradient descent drifts in proportion to its rate; so four
    times less for a quarter of it over the same time.

    The drift is formed from the update, :math:`\|w + \Delta\|^2 - \|w\|^2 = \Delta \cdot (2w + \Delta)`, so that it keeps its
    digits in float32.

    References:
        :cite:t:`du2018`.
    """

    name: str = "balancedness"
    on_host: ClassVar[bool] = False

    def check(self, net: Network, X: Float[np.ndarray, "n d"], Y: Float[np.ndarray, "n k"]) -> None:  # noqa: ARG002
        """Refuse a network for which nothing is conserved.

        Raises:
            UsageError: naming what is missing.
        """
        _chain(net)

    def __call__(self, snapshot: Snapshot) -> dict[str, Array]:
        """`layers`, the drift of each hidden layer's sum, signed; `neurons`, the largest of a neuron, at least zero."""
        net = _chain(snapshot.net)
        names = net.weight_names
        drifts = []
        for layer, (into, out) in enumerate(itertools.pairwise(names)):
            last = layer == len(names) - 2
            drift = _growth(snapshot, out, axis=1 if last else 0) - _growth(snapshot, into, axis=1)
            if net.bias_names:
                drift = drift - _growth(snapshot, net.bias_names[layer], axis=None)
            drifts.append(drift)
        return {
            "layers": jnp.stack([jnp.sum(drift) for drift in drifts]),
            "neurons": jnp.stack([jnp.max(jnp.abs(drift)) for drift in drifts]),
        }


def _growth(snapshot: Snapshot, name: str, axis: int | None) -> Float[Array, " m"]:
    """Change of the squared norms of rows (axis 1) or columns (axis 0), or of each entry's square."""
    update = snapshot.update[name]
    terms = update * (2.0 * snapshot.start[name] + update)
    return terms if axis is None else jnp.sum(terms, axis=axis)


def _chain(net: Network) -> MLP:
    if not isinstance(net, MLP) or net.activation == "erf":
        raise UsageError(
            f"balancedness is of fully connected networks (MLP) with a piecewise linear activation; the network is: "
            f"{net.describe()}"
        )
    hidden = (*net.weight_names, *net.bias_names[: len(net.weight_names) - 1])
    frozen = [name for name in hidden if name not in net.trained_names]
    if frozen:
        raise UsageError(
            f"balancedness needs every weight and hidden bias trained; frozen are {', '.join(frozen)} of: {net.describe()}"
        )
    return net
