"""What training and probes ask of a network, whatever its family: `MLP` and the others satisfy it structurally."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Array, Float

from widthwise.networks.mlp import Params


@runtime_checkable
class Network(Protocol):
    """A network as frozen, hashable data: it can be a static argument of a compiled function.

    Parameters are a dictionary of arrays. `trained_names` names those that move; the rest is drawn at the start and frozen.
    """

    @property
    def outputs(self) -> int:
        """Number k of outputs."""
        ...

    @property
    def weight_names(self) -> tuple[str, ...]:
        """Keys of the weight matrices among the parameters, from the input on."""
        ...

    @property
    def trained_names(self) -> tuple[str, ...]:
        """Keys of the parameters that move."""
        ...

    def init(self, seed: int | np.random.Generator | Array, *, d: int) -> Params:
        """Random start for inputs of d columns; the same integer gives the same start."""
        ...

    def apply(self, params: Params, X: Float[Array, "n d"]) -> Float[Array, "n k"]:
        """Outputs on the rows of X; differentiable, with derivative one of ReLU at zero."""
        ...

    def pre_activations(self, params: Params, X: Float[Array, "n d"]) -> tuple[Float[Array, "n _"], ...]:
        """Pre-activations of the hidden layers on the rows of X, of shapes (n, m_l): their signs are the gates."""
        ...

    def describe(self) -> str:
        """The network in one line of words, and whose setting it is."""
        ...
