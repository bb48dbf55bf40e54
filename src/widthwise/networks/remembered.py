"""Networks that remember their start: linearised there, or with their first output taken away.

The start is kept among the parameters, frozen, under the same keys behind `start.`; the parameters of the network itself
keep their keys and values, so that both can be compared, and trained, on equal terms.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from widthwise.networks.mlp import Params
from widthwise.networks.network import Network

START = "start."


def remember(net: Network, params: Params) -> Params:
    """Parameters with a copy of those that move; a copy, since a training loop may give the memory of a leaf away."""
    own = {name: value for name, value in params.items() if not name.startswith(START)}
    return {**own, **{START + name: jnp.array(own[name], copy=True) for name in net.trained_names}}


def start_of(net: Network, params: Params) -> Params:
    """The network's parameters at the start, from those that remember it."""
    own = {name: value for name, value in params.items() if not name.startswith(START)}
    return {**own, **{name: params[START + name] for name in net.trained_names}}


@dataclass(frozen=True)
class Linearised:
    r"""First-order Taylor polynomial of a network around its start, as a network of its own.

    .. math:: f_{W_0}(x) + \langle \nabla f_{W_0}(x),\, W - W_0 \rangle

    with W the parameters that move. Its kernel of gradients never changes: trained by gradient descent on the squared loss
    it is kernel regression with the empirical kernel of the start. Evaluated with one Jacobian-vector product.

    In float32 the displacement is as fine as W is: to about 6e-8 of W itself.

    Args:
        net: the network, of any family.

    References:
        :cite:t:`jacot2018`; :cite:t:`chen2019`, definition of the NTRF class.
    """

    net: Network

    @property
    def outputs(self) -> int:
        """Number k of outputs."""
        return self.net.outputs

    @property
    def weight_names(self) -> tuple[str, ...]:
        """Keys of the weight matrices of the network."""
        return self.net.weight_names

    @property
    def trained_names(self) -> tuple[str, ...]:
        """Keys of the parameters that move, those of the network."""
        return self.net.trained_names

    def init(self, seed: int | np.random.Generator | Array, *, d: int) -> Params:
        """Random start of the network, with its copy."""
        return self.around(self.net.init(seed, d=d))

    def around(self, params: Params) -> Params:
        """Parameters of the polynomial around given parameters of the network, such as those of a trained one."""
        return remember(self.net, params)

    def apply(self, params: Params, X: Float[Array, "n d"]) -> Float[Array, "n k"]:
        """Outputs on the rows of X; affine in the parameters that move."""
        start = start_of(self.net, params)
        at = {name: start[name] for name in self.trained_names}
        along = {name: params[name] - start[name] for name in self.trained_names}
        value, change = jax.jvp(lambda moving: self.net.apply({**start, **moving}, X), (at,), (along,))
        outputs: Array = value + change
        return outputs

    def pre_activations(self, params: Params, X: Float[Array, "n d"]) -> tuple[Float[Array, "n _"], ...]:
        """Pre-activations at the start: the gates of the linearised network never change."""
        return self.net.pre_activations(start_of(self.net, params), X)

    def describe(self) -> str:
        """The network in one line of words."""
        return f"linearisation at the start of a {self.net.describe()}"


@dataclass(frozen=True)
class Centred:
    r"""A network less its outputs at the start, :math:`f_W(x) - f_{W_0}(x)`: zero at the start, with the same gradients.

    For any family and depth; one more forward pass. `Doubled` reaches zero with a second copy that trains too.

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
        """Keys of the weight matrices of the network."""
        return self.net.weight_names

    @property
    def trained_names(self) -> tuple[str, ...]:
        """Keys of the parameters that move, those of the network."""
        return self.net.trained_names

    def init(self, seed: int | np.random.Generator | Array, *, d: int) -> Params:
        """Random start of the network, with its copy."""
        return remember(self.net, self.net.init(seed, d=d))

    def apply(self, params: Params, X: Float[Array, "n d"]) -> Float[Array, "n k"]:
        """Outputs on the rows of X."""
        return self.net.apply(params, X) - self.net.apply(start_of(self.net, params), X)

    def pre_activations(self, params: Params, X: Float[Array, "n d"]) -> tuple[Float[Array, "n _"], ...]:
        """Pre-activations of the network as it is now."""
        return self.net.pre_activations(params, X)

    def describe(self) -> str:
        """The network in one line of words."""
        return f"difference to the start of a {self.net.describe()}"
