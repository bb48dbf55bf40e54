"""Residual networks in the NTK parametrisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from widthwise._checks import count, positive
from widthwise._jax import full_products
from widthwise.errors import UsageError
from widthwise.kernels.activations import Activation, piecewise_linear
from widthwise.networks import activation as activations
from widthwise.networks.descriptions import activation_name, output_count
from widthwise.networks.mlp import Params, generator_of

TrainedBlocks = Literal["all", "blocks", "last"]


@dataclass(frozen=True)
class ResidualNetwork:
    r"""Network of L residual blocks of two matrices each, without biases.

    .. math:: h_0 = s W x, \qquad z_l = \sqrt{v/m}\; W_l h_{l-1}, \qquad
              h_l = h_{l-1} + \frac{\beta}{\sqrt m} V_l\, \sigma(z_l), \qquad f(x) = \frac{a^\top h_L}{\sqrt m}

    with all entries standard normal at the start and :math:`s^2` the input scale. Since :math:`V_l` is independent of all
    before it, the covariance of a coordinate grows by its block alone,

    .. math:: \Sigma_l(x, z) = \Sigma_{l-1}(x, z) + \beta^2\, E[\sigma(u)\sigma(u')], \qquad
              (u, u') \sim N(0, v \Sigma_{l-1})

    which for :math:`\beta = L^{-1/2}` stays bounded at any depth: at v = 2 and unit rows it is below e.

    Args:
        width: number m of coordinates of the stream and of neurons of each block.
        blocks: number L of blocks.
        branch_scale: beta; :math:`L^{-1/2}` when not given.
        trained: `all` parameters; the matrices of the `blocks` only; or the `last`, the readout.
        outputs: number of outputs.
        activation: `relu`, `abs`, `linear`, `erf` or `LeakyReLU(slope)`.
        weight_variance: v.
        input_scale: covariance of the stream's first coordinates over x.z.

    Raises:
        UsageError: if an argument is outside its range.

    References:
        :cite:t:`huang2020`.
    """

    width: int = 256
    blocks: int = 4
    branch_scale: float | None = None
    trained: TrainedBlocks = "all"
    outputs: int = 1
    activation: Activation = "relu"
    weight_variance: float = 2.0
    input_scale: float = 1.0

    def __post_init__(self) -> None:
        for name in ("width", "blocks", "outputs"):
            count(getattr(self, name), name)
        for name in ("weight_variance", "input_scale"):
            positive(getattr(self, name), name)
        if self.branch_scale is not None:
            positive(self.branch_scale, "branch_scale")
        if self.trained not in ("all", "blocks", "last"):
            raise UsageError(f"trained must be 'all', 'blocks' or 'last'; {self.trained!r} came")
        piecewise_linear(self.activation)

    @property
    def weight_names(self) -> tuple[str, ...]:
        """Keys of the weight matrices from the input on: `W`, then `W1`, `V1` of the first block, ..., `a`."""
        pairs = ((f"W{block}", f"V{block}") for block in range(1, self.blocks + 1))
        return ("W", *(name for pair in pairs for name in pair), "a")

    @property
    def trained_names(self) -> tuple[str, ...]:
        """Keys of the parameters that move."""
        names = self.weight_names
        return {"all": names, "blocks": names[1:-1], "last": names[-1:]}[self.trained]

    @property
    def beta(self) -> float:
        """Factor of every branch."""
        return self.blocks**-0.5 if self.branch_scale is None else float(self.branch_scale)

    def init(self, seed: int | np.random.Generator | Array, *, d: int) -> Params:
        """Random start for inputs of d columns: `W` of shape (m, d), `W1` ... of shape (m, m), `a` of shape (m, outputs).

        Args:
            seed: an integer, a NumPy generator or a concrete JAX key.
            d: number of input columns.
        """
        count(d, "d")
        generator, m = generator_of(seed), self.width
        precision = jax.dtypes.canonicalize_dtype(np.float64)
        shapes = {"W": (m, d), "a": (m, self.outputs)}
        return {
            name: jnp.asarray(generator.standard_normal(shapes.get(name, (m, m))), precision)
            for name in self.weight_names
        }

    def pre_activations(self, params: Params, X: Float[Array, "n d"]) -> tuple[Float[Array, "n _"], ...]:
        """Pre-activations z_1 ... z_L of the blocks on the rows of X, each of shape (n, m)."""
        return self._forward(params, X)[0]

    def apply(self, params: Params, X: Float[Array, "n d"]) -> Float[Array, "n k"]:
        """Outputs of the network on the rows of X."""
        with full_products():
            outputs: Array = (self._forward(params, X)[1] @ params["a"]) * self.width**-0.5
        return outputs

    def _forward(self, params: Params, X: Array) -> tuple[tuple[Array, ...], Array]:
        """Pre-activations of all blocks, and the stream after the last."""
        signals: list[Array] = []
        with full_products():
            stream = self.input_scale**0.5 * (X @ params["W"].T)
            for block in range(1, self.blocks + 1):
                z = (self.weight_variance / self.width) ** 0.5 * (stream @ params[f"W{block}"].T)
                branch = activations.value(self.activation, z) @ params[f"V{block}"].T
                stream = stream + self.beta * self.width**-0.5 * branch
                signals.append(z)
        return tuple(signals), stream

    def describe(self) -> str:
        """The network in one line of words."""
        moving = {"all": "all trained", "blocks": "blocks trained", "last": "last layer trained"}[self.trained]
        return (
            f"residual {activation_name(self.activation)} network with {self.blocks} "
            f"block{'s' if self.blocks > 1 else ''} of width {self.width}, {output_count(self.outputs)}, NTK "
            f"parametrisation, branch scale {self.beta:.4g}, weight variance {self.weight_variance:g}, input scale "
            f"{self.input_scale:g}, no biases, Gaussian readout, {moving}; after Huang et al. 2020"
        )
