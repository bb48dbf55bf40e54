"""The neurons of one hidden layer as vectors: incoming weights with their bias, and the readout."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from widthwise.kernels.activations import piecewise_linear
from widthwise.networks.mlp import MLP
from widthwise.training.probes.host import Values


@dataclass(frozen=True, kw_only=True, eq=False)
class Neurons:
    """Neurons of a network of one hidden layer, and the rows in the coordinates in which neurons see them.

    Attributes:
        weights: incoming weights as they are trained, the bias as last column where there is one.
        inputs: rows with the network's factors in them, so that weights.inputs is the pre-activation.
        readout: outgoing weights with their factor.
        live: whether a neuron is active on some row; always, where the activation does not vanish below zero.
    """

    weights: Float[np.ndarray, "m e"]
    inputs: Float[np.ndarray, "n e"]
    readout: Float[np.ndarray, "m k"]
    live: Bool[np.ndarray, " m"]

    @property
    def sizes(self) -> Float[np.ndarray, " m"]:
        """Norm of the readout times norm of the incoming weights: the neuron's part in the function."""
        return np.asarray(np.linalg.norm(self.readout, axis=1) * np.linalg.norm(self.weights, axis=1))


def neurons(net: MLP, params: Values, X: Float[np.ndarray, "n d"]) -> Neurons:
    """The neurons of the one hidden layer, in float64."""
    weights, inputs = np.asarray(params["W"], np.float64), net.factors[0] * np.asarray(X, np.float64)
    if net.bias_names and "b" in params:
        weights = np.column_stack([weights, np.asarray(params["b"], np.float64)])
        inputs = np.column_stack([inputs, np.full(len(inputs), net.bias_factor)])
    form = piecewise_linear(net.activation)
    dying = form is not None and form.slope == 0.0
    some = np.any(weights != 0, axis=1)
    live = some & np.any(inputs @ weights.T > 0, axis=0) if dying else some
    readout = net.factors[-1] * np.asarray(params["a"], np.float64)
    return Neurons(weights=weights, inputs=inputs, readout=readout, live=live)
