r"""The recursion over layers behind every fully connected kernel, for NumPy and JAX from one source.

The state is the angle theta and the two standard deviations a, b of a layer's pre-activations, never a cosine: with a bias
of variance c the next angle follows from

.. math:: \sin^2\tfrac{\theta'}2 = \frac{w(a-b)^2\,\bigl[(a'+b')^2 - w(a+b)^2\bigr]/(a'+b')^2 + 2wab\,g(\theta)}{4a'b'},
          \qquad a'^2 = wa^2 + c

where w is the weight variance times the activation's second moment; the bracket is
:math:`2c + 2c\,(w(a^2+b^2)+c)/(a'b'+wab)`, a sum of positive terms, so that near duplicates lose no digits. erf needs no angle:
its closed forms are smooth in the covariance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal

import numpy as np

from widthwise.kernels.activations import Activation, piecewise_linear

Trained = Literal["all", "weights", "first", "last"]
State = tuple[Any, Any, Any, Any]
# Hidden layers up to which a compiled pass spells them out; more are a loop.
UNROLLED = 4


@dataclass(frozen=True, kw_only=True)
class Layers:
    """What the recursion needs of a network.

    Attributes:
        depth: number of hidden layers.
        weight_variance: of the weights that follow a hidden layer, times their fan-in.
        bias_variance: of every layer's biases.
        last_variance: weight variance of the output layer.
        last_rate: learning rate of the output layer over that of the others.
        activation: of the hidden layers.
        trained: which parameters the tangent kernel counts.
    """

    depth: int
    weight_variance: float
    bias_variance: float
    last_variance: float
    last_rate: float
    activation: Activation
    trained: Trained


def angle_gap(theta: Any, bend: float, xp: ModuleType) -> Any:
    """One minus the cosine of the next angle, without biases; exact to rounding down to theta = 0 and up to pi."""
    acute = theta <= xp.pi / 2.0
    folded = xp.where(acute, theta, xp.pi - theta)
    square = 2.0 * xp.sin(folded / 2.0) ** 2
    # Beyond a right angle from the distance to pi: an even activation has gap 0 there, by cancellation otherwise.
    even = xp.where(acute, square, (2.0 - bend) + (bend - 1.0) * square)
    return even - (bend / xp.pi) * (xp.sin(folded) - folded * xp.cos(folded))


def angle(near: Any, xp: ModuleType) -> Any:
    """Angle from the squared sine of its half, with derivative zero, not infinite, at 0 and at pi."""
    near = xp.clip(near, 0.0, 1.0)
    acute = near <= 0.5
    square = xp.where(acute, near, 1.0 - near)
    # Both branches of a `where` are differentiated: the root is taken of a quarter where the square is zero.
    positive = square > 0.0
    half = xp.where(positive, 2.0 * xp.arcsin(xp.sqrt(xp.where(positive, square, 0.25))), 0.0)
    return xp.where(acute, half, xp.pi - half)


def run(layers: Layers, theta: Any, a: Any, b: Any, xp: ModuleType) -> tuple[Any, Any]:
    """Output covariance and tangent kernel.

    Args:
        layers: the network.
        theta: angle of the first pre-activations, in [0, pi].
        a: standard deviation of the first pre-activation of one input, bias included.
        b: of the other.
        xp: `numpy` or `jax.numpy`.

    Returns:
        NNGP and NTK, of the shape that theta, a and b broadcast to.
    """
    slopes = piecewise_linear(layers.activation)
    if slopes is None:
        return _run_erf(layers, theta, a, b, xp)
    size, bend, bias = slopes.size, slopes.bend, layers.bias_variance

    def hidden(state: State) -> State:
        tangent, theta, a, b = state
        weight = layers.weight_variance * size
        gap = angle_gap(theta, bend, xp)
        product = weight * (a * b)
        signal = product * (1.0 - gap)
        tangent = _next(layers, tangent, weight * (1.0 - (bend / xp.pi) * theta), signal, last=False)
        if bias == 0.0:
            return tangent, angle(gap / 2.0, xp), weight**0.5 * a, weight**0.5 * b
        next_a, next_b = xp.sqrt(weight * (a * a) + bias), xp.sqrt(weight * (b * b) + bias)
        both = next_a * next_b
        spread = 2.0 * bias * (1.0 + (weight * (a * a + b * b) + bias) / (both + product))
        unequal = weight * ((a - b) / (next_a + next_b)) ** 2 * spread
        return tangent, angle((unequal + 2.0 * product * gap) / (4.0 * both), xp), next_a, next_b

    tangent = _first(layers, a * b * xp.cos(theta))
    tangent, theta, a, b = _repeat(hidden, layers.depth - 1, (tangent, theta, a, b), xp)
    weight = layers.last_variance * size
    signal = weight * (a * b) * (1.0 - angle_gap(theta, bend, xp))
    tangent = _next(layers, tangent, weight * (1.0 - (bend / xp.pi) * theta), signal, last=True)
    return signal + bias, tangent


def _repeat(step: Callable[[State], State], times: int, state: State, xp: ModuleType) -> State:
    """Apply a step again and again; many steps are one compiled loop, since the time to compile them grows with their number."""
    if xp is np or times <= UNROLLED:
        for _ in range(times):
            state = step(state)
        return state
    import jax  # noqa: PLC0415

    found: State = jax.lax.fori_loop(0, times, lambda _, carried: step(carried), state)
    return found


def _run_erf(layers: Layers, theta: Any, a: Any, b: Any, xp: ModuleType) -> tuple[Any, Any]:
    """The recursion for erf, in the covariance and the two variances."""
    bias = layers.bias_variance

    def step(state: State, *, first: bool = False, last: bool = False) -> State:
        tangent, covariance, q, r = state
        weight = layers.last_variance if last else layers.weight_variance
        # The same operations as for a variance below: rows that coincide keep its bits through every layer.
        root = xp.where(q == r, 1.0 + 2.0 * q, xp.sqrt(1.0 + 2.0 * q) * xp.sqrt(1.0 + 2.0 * r))
        ratio = xp.clip(2.0 * covariance / root, -1.0, 1.0)
        if first:
            # One minus the square of the ratio as a sum of positive terms: inputs can be large, later layers cannot.
            left, right = 1.0 / (1.0 + 2.0 * q), 1.0 / (1.0 + 2.0 * r)
            defect = left + right * (1.0 - left) + 4.0 * (a * b / root * xp.sin(theta)) ** 2
        else:
            # Never below that of two rows of the same direction (Cauchy-Schwarz).
            defect = xp.maximum((1.0 - ratio) * (1.0 + ratio), (1.0 + 2.0 * q + 2.0 * r) / (root * root))
        signal = weight * (2.0 / xp.pi) * xp.arcsin(ratio)
        tangent = _next(layers, tangent, weight * (4.0 / xp.pi) / (root * xp.sqrt(defect)), signal, last=last)
        q, r = (weight * (2.0 / xp.pi) * xp.arcsin(2.0 * v / (1.0 + 2.0 * v)) + bias for v in (q, r))
        return tangent, signal + bias, q, r

    covariance = a * b * xp.cos(theta)
    state = (_first(layers, covariance), covariance, a * a, b * b)
    state = step(state, first=True, last=layers.depth == 1)
    if layers.depth > 1:
        state = step(_repeat(step, layers.depth - 2, state, xp), last=True)
    return state[1], state[0]


def _first(layers: Layers, covariance: Any) -> Any:
    """What the first layer's parameters add to the tangent kernel."""
    match layers.trained:
        case "last":
            return 0.0 * covariance
        case "weights":
            return covariance - layers.bias_variance
        case _:
            return covariance


def _next(layers: Layers, tangent: Any, slope: Any, signal: Any, *, last: bool) -> Any:
    """Carry the tangent kernel through a layer and add what that layer's parameters contribute."""
    carried = tangent * slope
    if layers.trained == "first" or (layers.trained == "last" and not last):
        return carried
    rate = layers.last_rate if last else 1.0
    bias = 0.0 if layers.trained == "weights" else layers.bias_variance
    return carried + rate * (signal + bias)
