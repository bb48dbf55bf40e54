"""Linear recurrent networks, whose function is their impulse response."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from widthwise._checks import count, positive
from widthwise._jax import full_products
from widthwise.errors import DataError
from widthwise.networks.descriptions import output_count
from widthwise.networks.mlp import Params, generator_of


@dataclass(frozen=True)
class LinearRNN:
    r"""Linear state-space network, read out after the last entry of a sequence.

    .. math:: s_0 = 0, \qquad s_t = A s_{t-1} + B u_t, \qquad f(u_1 \dots u_T) = C s_T = \sum_{j=0}^{T-1} C A^j B\, u_{T-j}

    A row of X is one sequence, the earliest entry first: with p channels its T p columns are u_1, then u_2, and so on, so the
    last p columns meet :math:`CB`. The length is that of the rows, so a trained network can be asked for longer sequences.
    All entries are normal at the start, with deviation `scale` over the root of `state`.

    There are no gates: `pre_activations` is empty.

    Args:
        state: number h of coordinates of the state.
        scale: of the start; small scales let training find a state of few dimensions.
        channels: number p of columns of one time step.
        outputs: number of outputs.

    Raises:
        UsageError: if an argument is outside its range.

    References:
        :cite:t:`cohenkarlik2023`.
    """

    state: int = 10
    scale: float = 0.05
    channels: int = 1
    outputs: int = 1

    def __post_init__(self) -> None:
        for name in ("state", "channels", "outputs"):
            count(getattr(self, name), name)
        positive(self.scale, "scale")

    @property
    def weight_names(self) -> tuple[str, ...]:
        """Keys of the weight matrices from the input on: `B`, `A`, `C`."""
        return ("B", "A", "C")

    @property
    def trained_names(self) -> tuple[str, ...]:
        """Keys of the parameters that move: all."""
        return self.weight_names

    def init(self, seed: int | np.random.Generator | Array, *, d: int) -> Params:
        """Random start: `B` of shape (h, p), `A` of shape (h, h), `C` of shape (outputs, h); their shapes do not follow d.

        Args:
            seed: an integer, a NumPy generator or a concrete JAX key.
            d: number of input columns, a multiple of the channels.

        Raises:
            DataError: if d is not a multiple of the number of channels.
        """
        self._length(count(d, "d"))
        generator, h = generator_of(seed), self.state
        shapes = {"B": (h, self.channels), "A": (h, h), "C": (self.outputs, h)}
        precision = jax.dtypes.canonicalize_dtype(np.float64)
        return {
            name: jnp.asarray(self.scale * h**-0.5 * generator.standard_normal(shapes[name]), precision)
            for name in self.weight_names
        }

    def impulse_response(self, params: Params, length: int) -> Float[Array, "t k p"]:
        """Outputs j = 0 ... length - 1 steps after a unit impulse in each channel: the matrices C A^j B."""
        with full_products():

            def step(reached: Array, _: None) -> tuple[Array, Array]:
                return params["A"] @ reached, params["C"] @ reached

            response: Array = jax.lax.scan(step, params["B"], None, length=length)[1]
        return response

    def apply(self, params: Params, X: Float[Array, "n d"]) -> Float[Array, "n k"]:
        """Outputs after the last entry of each row, a sequence.

        Raises:
            DataError: if the columns are not a multiple of the number of channels.
        """
        length = self._length(X.shape[1])
        backwards = X.reshape(len(X), length, self.channels)[:, ::-1]
        response = self.impulse_response(params, length)
        with full_products():
            outputs: Array = jnp.einsum("ntp,tkp->nk", backwards, response)
        return outputs

    def _length(self, d: int) -> int:
        if d % self.channels:
            raise DataError(
                f"a row must hold a whole number of steps of {self.channels} channels; it has {d} columns: pad the sequence"
            )
        return d // self.channels

    def pre_activations(self, params: Params, X: Float[Array, "n d"]) -> tuple[Float[Array, "n _"], ...]:  # noqa: ARG002
        """Empty: a linear network has no gates."""
        return ()

    def describe(self) -> str:
        """The network in one line of words."""
        return (
            f"linear recurrent network with a state of {self.state}, {self.channels} "
            f"channel{'s' if self.channels > 1 else ''}, {output_count(self.outputs)}, read out after the last step, normal "
            f"start of scale {self.scale:g} / sqrt {self.state}, all trained; after Cohen-Karlik et al. 2023"
        )
