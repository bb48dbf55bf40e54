"""Antisymmetric starts of networks of any depth and family, by doubling the whole network."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from widthwise.networks.mlp import Params
from widthwise.networks.network import Network

TWIN = "twin."


@dataclass(frozen=True)
class Doubled:
    r"""Antisymmetric start at any depth: two copies of a network that start equal, and half their difference.

    .. math:: f(x) = \frac{g_\theta(x) - g_{\theta'}(x)}{\sqrt 2}, \qquad \theta' = \theta \text{ at the start}

    so that f = 0 there while the kernel of gradients is that of g, exactly. Both copies train. Pairing
    only the neurons of the last hidden layer would do for one hidden layer (`MLP(antisymmetric=True)`), but in a deeper
    network the signals to the layers below would cancel. The second copy's keys stand behind `twin.`.

    Args:
        net: the network, of any family.
    """

    net: Network

    @property
    def outputs(self) -> int:
        """Number k of outputs."""
        return self.net.outputs

    @property
    def weight_names(self) -> tuple[str, ...]:
        """Keys of the weight matrices, of the one copy and then of the other."""
        return (*self.net.weight_names, *(TWIN + name for name in self.net.weight_names))

    @property
    def trained_names(self) -> tuple[str, ...]:
        """Keys of the parameters that move, of the one copy and then of the other."""
        return (*self.net.trained_names, *(TWIN + name for name in self.net.trained_names))

    def init(self, seed: int | np.random.Generator | Array, *, d: int) -> Params:
        """Random start of the network, twice."""
        params = self.net.init(seed, d=d)
        return {**params, **{TWIN + name: jnp.array(value, copy=True) for name, value in params.items()}}

    def halves(self, params: Params) -> tuple[Params, Params]:
        """Parameters of the two copies, each by the keys of the network."""
        first = {name: value for name, value in params.items() if not name.startswith(TWIN)}
        return first, {name: params[TWIN + name] for name in first}

    def apply(self, params: Params, X: Float[Array, "n d"]) -> Float[Array, "n k"]:
        """Outputs on the rows of X."""
        first, second = self.halves(params)
        outputs: Array = (self.net.apply(first, X) - self.net.apply(second, X)) * 0.5**0.5
        return outputs

    def pre_activations(self, params: Params, X: Float[Array, "n d"]) -> tuple[Float[Array, "n _"], ...]:
        """Pre-activations of the hidden layers, those of the two copies side by side: of shapes (n, 2 m_l)."""
        first, second = (self.net.pre_activations(half, X) for half in self.halves(params))
        return tuple(jnp.concatenate(pair, axis=1) for pair in zip(first, second, strict=True))

    def describe(self) -> str:
        """The network in one line of words."""
        return f"difference of two copies, equal at the start, of a {self.net.describe()}"
