"""Implicit networks: infinitely many equal layers, whose output is an equilibrium; implicit differentiation."""

from __future__ import annotations

from collections.abc import Callable
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

TrainedImplicit = Literal["all", "implicit", "last"]
# Change of an iterate, over its size, at which rounding alone moves it: in units of the precision.
SETTLED = 32.0


@dataclass(frozen=True)
class ImplicitNetwork:
    r"""Network whose hidden state is a fixed point, in the NTK parametrisation.

    .. math:: z = \sigma\Bigl(\frac{\gamma}{\sqrt m} A z + \sigma(W x)\Bigr), \qquad f(x) = \frac{a^\top z}{\sqrt m}

    with all entries standard normal at the start. The equilibrium exists, is unique and is reached by iteration if
    :math:`\gamma \|A\| / \sqrt m` times the Lipschitz constant of the activation is below one (`contraction`); at the start
    :math:`\|A\| / \sqrt m` is about 2. That is sufficient, not necessary. Rows whose iteration has not settled within
    `iterations` steps have outputs NaN, never a value that is no equilibrium.

    Derivatives, forward and reverse and of any order, are those of the equilibrium, by iteration of the linearised equation:
    memory does not grow with the number of steps.

    Args:
        width: number m of coordinates of the state.
        gamma: factor of the implicit layer.
        trained: `all` parameters, the `implicit` layer A only, or the `last`, the readout.
        outputs: number of outputs.
        activation: `relu`, `abs`, `linear`, `erf` or `LeakyReLU(slope)`.
        iterations: most steps of a solve.

    Raises:
        UsageError: if an argument is outside its range.

    References:
        :cite:t:`gao2022`.
    """

    width: int = 256
    gamma: float = 0.25
    trained: TrainedImplicit = "all"
    outputs: int = 1
    activation: Activation = "relu"
    iterations: int = 500

    def __post_init__(self) -> None:
        for name in ("width", "outputs", "iterations"):
            count(getattr(self, name), name)
        positive(self.gamma, "gamma")
        if self.trained not in ("all", "implicit", "last"):
            raise UsageError(f"trained must be 'all', 'implicit' or 'last'; {self.trained!r} came")
        piecewise_linear(self.activation)

    @property
    def weight_names(self) -> tuple[str, ...]:
        """Keys of the weight matrices from the input on: `W`, `A`, `a`."""
        return ("W", "A", "a")

    @property
    def trained_names(self) -> tuple[str, ...]:
        """Keys of the parameters that move."""
        return {"all": self.weight_names, "implicit": ("A",), "last": ("a",)}[self.trained]

    def init(self, seed: int | np.random.Generator | Array, *, d: int) -> Params:
        """Random start for inputs of d columns: `W` of shape (m, d), `A` of shape (m, m), `a` of shape (m, outputs).

        Args:
            seed: an integer, a NumPy generator or a concrete JAX key.
            d: number of input columns.
        """
        count(d, "d")
        generator, m = generator_of(seed), self.width
        shapes = {"W": (m, d), "A": (m, m), "a": (m, self.outputs)}
        precision = jax.dtypes.canonicalize_dtype(np.float64)
        return {name: jnp.asarray(generator.standard_normal(shapes[name]), precision) for name in self.weight_names}

    def contraction(self, params: Params) -> Float[Array, ""]:
        r"""Contraction factor :math:`\gamma \|A\|_2 / \sqrt m` times the activation's Lipschitz constant.

        Below one the equilibrium is well-posed for every input.
        """
        form = piecewise_linear(self.activation)
        steepest = 2.0 / float(np.sqrt(np.pi)) if form is None else max(1.0, abs(form.slope))
        factor: Array = self.gamma * self.width**-0.5 * steepest * jnp.linalg.norm(params["A"], 2)
        return factor

    def equilibrium(self, params: Params, X: Float[Array, "n d"]) -> Float[Array, "n m"]:
        """The state z of each row; NaN in rows whose iteration has not settled."""
        with full_products():
            drive = activations.value(self.activation, X @ params["W"].T)

            def layer(z: Array) -> Array:
                return activations.value(self.activation, self._pull(params, z) + drive)

            state: Array = jax.lax.custom_root(
                lambda z: z - layer(z), drive, lambda _, z: self._settle(layer, z), self._solve
            )
        return state

    def _pull(self, params: Params, z: Array) -> Array:
        """What the state gives back to the pre-activations of the implicit layer."""
        with full_products():
            pulled: Array = self.gamma * self.width**-0.5 * (z @ params["A"].T)
        return pulled

    def _solve(self, linear: Callable[[Array], Array], b: Array) -> Array:
        """Solution of the linearised equation (1 - J) x = b, by x <- J x + b, with its transpose by the same."""

        def iterate(matvec: Callable[[Array], Array], right: Array) -> Array:
            return self._settle(lambda x: right + x - matvec(x), right)

        solution: Array = jax.lax.custom_linear_solve(linear, b, iterate, transpose_solve=iterate)
        return solution

    def _settle(self, step: Callable[[Array], Array], start: Array) -> Array:
        """Fixed point of a map of rows, by iteration until every row has settled or the steps are spent."""
        tolerance = SETTLED * float(np.finfo(start.dtype).eps)

        def open_rows(before: Array, after: Array) -> Array:
            change = jnp.linalg.norm(after - before, axis=1)
            moving: Array = ~(change <= tolerance * jnp.linalg.norm(after, axis=1))
            return moving

        def going_on(carry: tuple[Array, Array, Array]) -> Array:
            before, after, done = carry
            return (done < self.iterations) & jnp.any(open_rows(before, after))

        def once(carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
            _, after, done = carry
            return after, step(after), done + 1

        before, after, _ = jax.lax.while_loop(going_on, once, (start, step(start), jnp.asarray(1)))
        return jnp.where(open_rows(before, after)[:, None], jnp.nan, after)

    def apply(self, params: Params, X: Float[Array, "n d"]) -> Float[Array, "n k"]:
        """Outputs on the rows of X; NaN where there is no equilibrium in reach."""
        with full_products():
            outputs: Array = (self.equilibrium(params, X) @ params["a"]) * self.width**-0.5
        return outputs

    def pre_activations(self, params: Params, X: Float[Array, "n d"]) -> tuple[Float[Array, "n _"], ...]:
        """Pre-activations of the input map and of the implicit layer at its equilibrium, each of shape (n, m)."""
        with full_products():
            first = X @ params["W"].T
        drive = activations.value(self.activation, first)
        return first, self._pull(params, self.equilibrium(params, X)) + drive

    def describe(self) -> str:
        """The network in one line of words."""
        moving = {"all": "all trained", "implicit": "implicit layer trained", "last": "last layer trained"}[
            self.trained
        ]
        return (
            f"implicit {activation_name(self.activation)} network of width {self.width}, gamma {self.gamma:g}, "
            f"{output_count(self.outputs)}, NTK parametrisation, no biases, Gaussian readout, {moving}; after Gao et al. 2022"
        )
