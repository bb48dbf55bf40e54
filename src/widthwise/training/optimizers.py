r"""Rules that turn a gradient g into a step of the weights: frozen data, traced into the compiled loop.

Noise comes from a key that depends on the run's seed and the number of the step alone.
"""

# Not every rule needs every argument of the protocol.
# ruff: noqa: ARG002

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from widthwise._checks import positive
from widthwise.errors import UsageError
from widthwise.networks.mlp import Params
from widthwise.networks.network import Network

Slots = dict[str, Params]


@runtime_checkable
class Optimizer(Protocol):
    """A rule of descent: frozen, hashable data.

    `slots` names what it remembers of each parameter from step to step (nothing, velocities, moments); all start at zero.
    """

    @property
    def slots(self) -> tuple[str, ...]:
        """Names of the arrays kept for every trained parameter."""
        ...

    @property
    def displaces(self) -> bool:
        """Whether gradients are taken elsewhere than at the weights."""
        ...

    @property
    def draws(self) -> bool:
        """Whether it draws random numbers."""
        ...

    def displaced(self, net: Network, start: Params, update: Params, key: Array) -> Params:
        """All parameters where the gradient in the update is taken; differentiable in the update."""
        ...

    def step(
        self, gradient: Params, slots: Slots, rate: Float[Array, ""], step: Int[Array, ""], key: Array
    ) -> tuple[Params, Slots]:
        """What is added to the update, and the new memory."""
        ...


class _AtTheWeights:
    """Gradients at the weights, no memory, no noise."""

    @property
    def slots(self) -> tuple[str, ...]:
        return ()

    @property
    def displaces(self) -> bool:
        return False

    @property
    def draws(self) -> bool:
        return False

    def displaced(self, net: Network, start: Params, update: Params, key: Array) -> Params:
        return moved(start, update)


@dataclass(frozen=True)
class GradientDescent(_AtTheWeights):
    r"""Gradient descent: :math:`W \leftarrow W - \eta g`; stochastic where `train` is given a batch size."""

    def step(
        self, gradient: Params, slots: Slots, rate: Float[Array, ""], step: Int[Array, ""], key: Array
    ) -> tuple[Params, Slots]:
        """What is added to the update, and the new memory."""
        return {name: -rate * g for name, g in gradient.items()}, slots


@dataclass(frozen=True)
class Momentum(_AtTheWeights):
    r"""Heavy-ball momentum: :math:`v \leftarrow \beta v + g`, :math:`W \leftarrow W - \eta v`; as in PyTorch, no damping.

    Args:
        decay: beta.
        nesterov: step along :math:`g + \beta v` instead.
    """

    decay: float = 0.9
    nesterov: bool = False

    def __post_init__(self) -> None:
        _share(self.decay, "decay")

    @property
    def slots(self) -> tuple[str, ...]:
        """Names of the arrays kept for every trained parameter."""
        return ("velocity",)

    def step(
        self, gradient: Params, slots: Slots, rate: Float[Array, ""], step: Int[Array, ""], key: Array
    ) -> tuple[Params, Slots]:
        """What is added to the update, and the new memory."""
        velocity = {name: self.decay * slots["velocity"][name] + g for name, g in gradient.items()}
        along = {n: g + self.decay * velocity[n] for n, g in gradient.items()} if self.nesterov else velocity
        return {name: -rate * v for name, v in along.items()}, {"velocity": velocity}


@dataclass(frozen=True)
class Adam(_AtTheWeights):
    r"""Adam with its corrections of bias: :math:`W \leftarrow W - \eta\, \hat m / (\sqrt{\hat v} + \epsilon)`."""

    first: float = 0.9
    second: float = 0.999
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        _share(self.first, "first")
        _share(self.second, "second")
        positive(self.epsilon, "epsilon")

    @property
    def slots(self) -> tuple[str, ...]:
        """Names of the arrays kept for every trained parameter."""
        return ("mean", "square")

    def step(
        self, gradient: Params, slots: Slots, rate: Float[Array, ""], step: Int[Array, ""], key: Array
    ) -> tuple[Params, Slots]:
        """What is added to the update, and the new memory."""
        mean = {n: self.first * slots["mean"][n] + (1 - self.first) * g for n, g in gradient.items()}
        square = {n: self.second * slots["square"][n] + (1 - self.second) * g**2 for n, g in gradient.items()}
        # 1 - beta^t, without cancellation in float32.
        taken = (step + 1).astype(rate.dtype)
        first, second = (-jnp.expm1(taken * jnp.log(jnp.asarray(b, rate.dtype))) for b in (self.first, self.second))
        steps = {n: -rate * (mean[n] / first) / (jnp.sqrt(square[n] / second) + self.epsilon) for n in gradient}
        return steps, {"mean": mean, "square": square}


@dataclass(frozen=True)
class Langevin(_AtTheWeights):
    r"""Langevin descent: :math:`W \leftarrow W - \eta g + \sqrt{2 \eta T}\, \xi`, :math:`\xi` standard normal.

    Small steps sample the weights with density proportional to :math:`e^{-L(W) / T}`.

    Args:
        temperature: T, in the units of the loss.
    """

    temperature: float

    def __post_init__(self) -> None:
        positive(self.temperature, "temperature")

    @property
    def draws(self) -> bool:
        """Whether it draws random numbers."""
        return True

    def step(
        self, gradient: Params, slots: Slots, rate: Float[Array, ""], step: Int[Array, ""], key: Array
    ) -> tuple[Params, Slots]:
        """What is added to the update, and the new memory."""
        size = jnp.sqrt(2.0 * rate * self.temperature)
        noise = _normal_like(gradient, key)
        return {name: size * noise[name] - rate * g for name, g in gradient.items()}, slots


@dataclass(frozen=True)
class GaussianSmoothing:
    r"""Gradients at :math:`W + W^\rho` with fresh Gaussian :math:`W^\rho` at every step: descent on the smoothed loss.

    Args:
        deviation: standard deviation of every entry; one number, or one for each trained parameter in their order.
        inner: the rule that takes the gradient.

    References:
        :cite:t:`allenzhu2018`, algorithms 1 and 2.
    """

    deviation: float | tuple[float, ...]
    inner: Optimizer = field(default_factory=GradientDescent)

    def __post_init__(self) -> None:
        for deviation in self.deviation if isinstance(self.deviation, tuple) else (self.deviation,):
            positive(deviation, "deviation")

    @property
    def slots(self) -> tuple[str, ...]:
        """Names of the arrays kept for every trained parameter."""
        return self.inner.slots

    @property
    def displaces(self) -> bool:
        """Whether gradients are taken elsewhere than at the weights."""
        return True

    @property
    def draws(self) -> bool:
        """Whether it draws random numbers."""
        return True

    def displaced(self, net: Network, start: Params, update: Params, key: Array) -> Params:
        """All parameters where the gradient in the update is taken; differentiable in the update."""
        names = net.trained_names
        deviations = self.deviation if isinstance(self.deviation, tuple) else (self.deviation,) * len(names)
        if len(deviations) != len(names):
            raise UsageError(
                f"deviation must be one number, or one for each of the trained {', '.join(names)}; {len(deviations)} came"
            )
        mine, theirs = jax.random.split(key)
        noise = _normal_like(update, mine)
        params = self.inner.displaced(net, start, update, theirs)
        for name, deviation in zip(names, deviations, strict=True):
            params = {**params, name: params[name] + deviation * noise[name]}
        return params

    def step(
        self, gradient: Params, slots: Slots, rate: Float[Array, ""], step: Int[Array, ""], key: Array
    ) -> tuple[Params, Slots]:
        """What is added to the update, and the new memory."""
        return self.inner.step(gradient, slots, rate, step, key)


@dataclass(frozen=True)
class RandomSigns:
    r"""Random signs of the first layer's neurons in the update: gradients at :math:`W(0) + \Sigma W'`, :math:`V(0) + V' \Sigma`.

    :math:`\Sigma` is diagonal with fresh random signs, one for each neuron of the first hidden layer; W' and V' are the
    updates of the first and the second weight matrix. A kin of dropout: in the mean over signs, what the update of one
    neuron does to another cancels. The other parameters are where they are.

    Args:
        inner: the rule that takes the gradient.

    References:
        :cite:t:`allenzhu2018`, the second variant of the algorithm for three layers.
    """

    inner: Optimizer = field(default_factory=GradientDescent)

    @property
    def slots(self) -> tuple[str, ...]:
        """Names of the arrays kept for every trained parameter."""
        return self.inner.slots

    @property
    def displaces(self) -> bool:
        """Whether gradients are taken elsewhere than at the weights."""
        return True

    @property
    def draws(self) -> bool:
        """Whether it draws random numbers."""
        return True

    def displaced(self, net: Network, start: Params, update: Params, key: Array) -> Params:
        """All parameters where the gradient in the update is taken; differentiable in the update."""
        mine, theirs = jax.random.split(key)
        first, second = net.weight_names[:2]
        neurons = start[first].shape[0]
        signs = jax.random.rademacher(mine, (neurons,), start[first].dtype)
        # Hidden weights are (out, in), those of the output (in, out).
        column = signs[:, None] if second == net.weight_names[-1] else signs[None, :]
        turned = dict(update)
        if first in update:
            turned[first] = signs[:, None] * update[first]
        if second in update:
            turned[second] = column * update[second]
        return self.inner.displaced(net, start, turned, theirs)

    def step(
        self, gradient: Params, slots: Slots, rate: Float[Array, ""], step: Int[Array, ""], key: Array
    ) -> tuple[Params, Slots]:
        """What is added to the update, and the new memory."""
        return self.inner.step(gradient, slots, rate, step, key)


def as_optimizer(optimizer: str | Optimizer) -> Optimizer:
    """The rule of a name: `gd` and `sgd` are gradient descent, `momentum` and `adam` those of the usual constants.

    Raises:
        UsageError: listing the names.
    """
    named: dict[str, Optimizer] = {
        "gd": GradientDescent(),
        "sgd": GradientDescent(),
        "momentum": Momentum(),
        "adam": Adam(),
    }
    if not isinstance(optimizer, str):
        return optimizer
    if optimizer not in named:
        raise UsageError(f"optimizer must be 'gd', 'sgd', 'momentum', 'adam' or an Optimizer; {optimizer!r} came")
    return named[optimizer]


def moved(start: Params, update: Params) -> Params:
    """All parameters: the start, and the update of those that are trained."""
    return {name: values + update[name] if name in update else values for name, values in start.items()}


def _normal_like(params: Params, key: Array) -> Params:
    """Standard normal numbers in the shapes of some parameters, each from a stream of its own."""
    names = sorted(params)
    keys = jax.random.split(key, len(names))
    return {
        name: jax.random.normal(k, params[name].shape, params[name].dtype) for name, k in zip(names, keys, strict=True)
    }


def _share(value: float, name: str) -> None:
    if not 0.0 <= value < 1.0:
        raise UsageError(f"{name} must lie in [0, 1); {value!r} came")
