"""Networks whose gates stay those of the start: polynomials in the weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Array, Float

from widthwise._jax import full_products
from widthwise.errors import UsageError
from widthwise.kernels.activations import piecewise_linear
from widthwise.networks import activation as activations
from widthwise.networks.mlp import MLP, Params
from widthwise.networks.remembered import remember, start_of


@dataclass(frozen=True)
class PseudoNetwork:
    r"""A ReLU network with every gate held as it was at the start: the pseudo-network of :cite:t:`allenzhu2018`.

    With :math:`D_l(x)` the diagonal of derivatives of the activation at the pre-activations of the start, for two hidden
    layers W and V

    .. math:: g_r(x) = a_r^\top D_v \bigl(V D_w (W x + b_1) + b_2\bigr)

    and so on for other depths. It equals the network as long as no gate has changed. If the weights W and V move it is
    quadratic in them where the linearised network is linear: a second-order tangent kernel. If only one layer moves, the two
    are the same.

    Args:
        net: the network; its activation must be piecewise linear.
        biases: whether biases add to the values; if not, :math:`g_r = a_r^\top D_v V D_w W x`, and they are only in the
            gates.

    Raises:
        UsageError: if the activation has no gates.

    References:
        :cite:t:`allenzhu2018`, the quadratic approximation.
    """

    net: MLP
    biases: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.net, MLP):
            raise UsageError(f"a pseudo-network holds the gates of an MLP; a {type(self.net).__name__} came")
        if piecewise_linear(self.net.activation) is None:
            raise UsageError(
                f"a pseudo-network holds gates, so its activation must be piecewise linear; {self.net.activation!r} came"
            )

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
        """Keys of the parameters that move, those of the network; without biases in the values, none of them."""
        names = self.net.trained_names
        return names if self.biases else tuple(name for name in names if name not in self.net.bias_names)

    def init(self, seed: int | np.random.Generator | Array, *, d: int) -> Params:
        """Random start of the network, with its copy."""
        return self.around(self.net.init(seed, d=d))

    def around(self, params: Params) -> Params:
        """Parameters of the pseudo-network whose gates are those of given parameters of the network."""
        return remember(self.net, params)

    def apply(self, params: Params, X: Float[Array, "n d"]) -> Float[Array, "n k"]:
        """Outputs on the rows of X; a polynomial in the parameters that move."""
        net = self.net
        values = X
        with full_products():
            for layer, gates in enumerate(self.pre_activations(params, X)):
                z = net.factors[layer] * (values @ params[net.weight_names[layer]].T)
                bias = net.layer_biases[layer]
                if bias is not None and self.biases:
                    z = z + net.bias_factor * params[bias]
                values = z * activations.derivative(net.activation, gates)
            outputs: Array = net.factors[-1] * (values @ params["a"])
        bias = net.layer_biases[-1]
        return outputs if bias is None or not self.biases else outputs + net.bias_factor * params[bias]

    def pre_activations(self, params: Params, X: Float[Array, "n d"]) -> tuple[Float[Array, "n _"], ...]:
        """Pre-activations at the start: the gates of the pseudo-network never change."""
        return self.net.pre_activations(start_of(self.net, params), X)

    def describe(self) -> str:
        """The network in one line of words."""
        kind = "pseudo-network" if self.biases else "pseudo-network without biases"
        return f"{kind} with the gates at the start of a {self.net.describe()}"
