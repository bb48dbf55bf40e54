r"""Penalties on the weights: their gradients join that of the loss, or a proximal step follows it.

They are frozen data, traced into the compiled loop. The loss that a run reports never includes them.
"""

# Not every rule needs every argument of the protocol.
# ruff: noqa: ARG002

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import jax.numpy as jnp
from jaxtyping import Array, Float

from widthwise._checks import positive
from widthwise.errors import UsageError
from widthwise.networks.mlp import Params
from widthwise.networks.network import Network
from widthwise.training.optimizers import moved

Around = Literal["zero", "start"]


@runtime_checkable
class Regulariser(Protocol):
    """A penalty: frozen, hashable data."""

    def check(self, net: Network) -> None:
        """Refuse a network that the penalty is not made for."""
        ...

    def penalty(self, net: Network, start: Params, update: Params) -> Float[Array, ""]:
        """Its value, in the units of the loss."""
        ...

    def gradient(self, net: Network, start: Params, update: Params) -> Params:
        """Derivative of what is added to the loss; parameters that are not named are not touched."""
        ...

    def proximal(self, net: Network, start: Params, update: Params, rate: Float[Array, ""]) -> Params:
        """The update after the step that follows the optimiser's."""
        ...


@dataclass(frozen=True)
class WeightDecay:
    r"""Squared Frobenius norm: penalty :math:`\tfrac{\lambda}{2} \sum_l \|W_l\|_F^2` over trained weights, biases excepted.

    Args:
        strength: lambda; the gradient is lambda W.
        around: `zero`, or `start` for the norm of W(t) - W(0).
        names: keys of the weights that decay; every trained weight when not given.
    """

    strength: float
    around: Around = "zero"
    names: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        positive(self.strength, "strength")
        _check_around(self.around)

    def check(self, net: Network) -> None:
        """Refuse names that are not those of trained parameters."""
        _decaying(net, self.names)

    def penalty(self, net: Network, start: Params, update: Params) -> Float[Array, ""]:
        """Its value, in the units of the loss."""
        parts = _centred(net, start, update, self.around, self.names)
        return sum((jnp.sum(W**2) for W in parts.values()), start=jnp.zeros(())) * self.strength / 2

    def gradient(self, net: Network, start: Params, update: Params) -> Params:
        """Derivative of what is added to the loss."""
        parts = _centred(net, start, update, self.around, self.names)
        return {name: self.strength * W for name, W in parts.items()}

    def proximal(self, net: Network, start: Params, update: Params, rate: Float[Array, ""]) -> Params:
        """Nothing follows."""
        return update


@dataclass(frozen=True)
class RowQuartic:
    r"""Fourth power of the (2, 4) norm: penalty :math:`\lambda \sum_l \|W_l\|_{2,4}^4 = \lambda \sum_{lr} \|w_{lr}\|^4`.

    Rows are neurons. It spreads the weights over them: for a given Frobenius norm it is least where all are equal.

    Args:
        strength: lambda; the gradient of a row is :math:`4 \lambda \|w\|^2 w`.
        around: `zero`, or `start` for the norm of W(t) - W(0).
        names: keys of hidden weights; every trained one when not given.

    References:
        :cite:t:`allenzhu2018`, section 4.
    """

    strength: float
    around: Around = "zero"
    names: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        positive(self.strength, "strength")
        _check_around(self.around)

    def check(self, net: Network) -> None:
        """Refuse names that are not those of trained hidden weights."""
        _decaying(net, self.names, hidden=True)

    def penalty(self, net: Network, start: Params, update: Params) -> Float[Array, ""]:
        """Its value, in the units of the loss."""
        parts = _centred(net, start, update, self.around, self.names, hidden=True)
        return sum((jnp.sum(jnp.sum(W**2, axis=1) ** 2) for W in parts.values()), start=jnp.zeros(())) * self.strength

    def gradient(self, net: Network, start: Params, update: Params) -> Params:
        """Derivative of what is added to the loss."""
        parts = _centred(net, start, update, self.around, self.names, hidden=True)
        return {n: 4.0 * self.strength * jnp.sum(W**2, axis=1, keepdims=True) * W for n, W in parts.items()}

    def proximal(self, net: Network, start: Params, update: Params, rate: Float[Array, ""]) -> Params:
        """Nothing follows."""
        return update


@dataclass(frozen=True)
class PathNorm:
    r"""Path norm of two layers, :math:`\lambda \sum_r \|w_r\| \|v_r\|`, by proximal steps (PathProx).

    After every step of the optimiser on both layers each w_r is divided by its norm, v_r being left as it is, and the norm
    of v_r is then lowered by rate times lambda, to zero at least. So w_r stays on the sphere, the penalty is
    :math:`\lambda \sum_r \|v_r\|`, and neurons that are not needed are switched off exactly. To rescale v_r when w_r
    is normalised, so that the function stays, would be another algorithm, and a worse one.

    At a minimum of the loss with weight decay :math:`\tfrac{\lambda}{2} (\|w_r\|^2 + \|v_r\|^2)` the two penalties agree;
    `balanced` gives those weights.

    Args:
        strength: lambda.

    References:
        :cite:t:`yang2022`.
    """

    strength: float

    def __post_init__(self) -> None:
        positive(self.strength, "strength")

    def check(self, net: Network) -> None:
        """Refuse a network that has not exactly two layers, both trained."""
        if len(net.weight_names) != 2 or any(name not in net.trained_names for name in net.weight_names):
            raise UsageError(
                "the path norm is that of one hidden layer whose weights are trained, those of the output too; "
                f"the network is: {net.describe()}"
            )

    def penalty(self, net: Network, start: Params, update: Params) -> Float[Array, ""]:
        """Its value, in the units of the loss."""
        params = moved(start, update)
        w, v = (jnp.linalg.norm(params[name], axis=1) for name in net.weight_names)
        return self.strength * jnp.sum(w * v)

    def gradient(self, net: Network, start: Params, update: Params) -> Params:
        """Nothing joins the gradient of the loss."""
        return {}

    def proximal(self, net: Network, start: Params, update: Params, rate: Float[Array, ""]) -> Params:
        """The update after the step that follows the optimiser's."""
        params = moved(start, update)
        first, last = net.weight_names
        w, v = params[first], params[last]
        size, height = (jnp.linalg.norm(p, axis=1, keepdims=True) for p in (w, v))
        unit = jnp.where(size > 0, w / jnp.where(size > 0, size, 1.0), w)
        left = jnp.maximum(height - rate * self.strength, 0.0) / jnp.where(height > 0, height, 1.0)
        return {**update, first: unit - start[first], last: left * v - start[last]}


def balanced(net: Network, params: Params) -> Params:
    r"""Weights of the same function with :math:`\|w_r\| = \|v_r\|` for every neuron of one hidden layer.

    Raises:
        UsageError: if the network has not exactly two layers of weights.
    """
    if len(net.weight_names) != 2:
        raise UsageError(f"only the two layers of one hidden layer are balanced; the network is: {net.describe()}")
    first, last = net.weight_names
    w, v = (jnp.linalg.norm(params[name], axis=1, keepdims=True) for name in (first, last))
    live = (w > 0) & (v > 0)
    factor = jnp.where(live, jnp.sqrt(jnp.where(live, v, 1.0) / jnp.where(live, w, 1.0)), 0.0)
    back = jnp.where(live, 1.0 / jnp.where(live, factor, 1.0), 0.0)
    return {**params, first: factor * params[first], last: back * params[last]}


def as_regularisers(given: Regulariser | tuple[Regulariser, ...] | None) -> tuple[Regulariser, ...]:
    """None, one or several penalties as a tuple."""
    if given is None:
        return ()
    return given if isinstance(given, tuple) else (given,)


def _check_around(around: str) -> None:
    if around not in ("zero", "start"):
        raise UsageError(f"around must be 'zero' or 'start'; {around!r} came")


def _decaying(net: Network, names: tuple[str, ...] | None, *, hidden: bool = False) -> tuple[str, ...]:
    weights = net.weight_names[:-1] if hidden else net.weight_names
    known = tuple(name for name in weights if name in net.trained_names)
    if names is None:
        if not known:
            raise UsageError(f"the penalty is one on trained weights, and none is: {net.describe()}")
        return known
    allowed = known if hidden else net.trained_names
    wrong = [name for name in names if name not in allowed]
    if wrong:
        raise UsageError(f"the penalty may name {', '.join(allowed)}; {wrong[0]!r} came")
    return names


def _centred(
    net: Network, start: Params, update: Params, around: Around, names: tuple[str, ...] | None, *, hidden: bool = False
) -> Params:
    keys = _decaying(net, names, hidden=hidden)
    return {name: update[name] if around == "start" else start[name] + update[name] for name in keys}
