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

from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal

from widthwise.kernels.activations import Activation, piecewise_linear

Trained = Literal["all", "weights", "first", "last"]


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
    """One minus the cosine of the next angle, without biases; exact to rounding down to theta = 0."""
    return 2.0 * xp.sin(theta / 2.0) ** 2 - (bend / xp.pi) * (xp.sin(theta) - theta * xp.cos(theta))


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
    first = a * b * xp.cos(theta)
    if slopes is None:
        return _run_erf(layers, theta, a, b, xp)
    size, bend, bias = slopes.size, slopes.bend, layers.bias_variance
    tangent = _first(layers, first)
    covariance = first
    for layer in range(1, layers.depth + 1):
        weight = (layers.last_variance if layer == layers.depth else layers.weight_variance) * size
        gap = angle_gap(theta, bend, xp)
        product = weight * (a * b)
        signal = product * (1.0 - gap)
        tangent = _next(layers, layer, tangent, weight * (1.0 - (bend / xp.pi) * theta), signal)
        covariance = signal + bias
        if layer == layers.depth:
            break
        if bias == 0.0:
            theta = angle(gap / 2.0, xp)
            a, b = xp.sqrt(weight) * a, xp.sqrt(weight) * b
            continue
        next_a, next_b = xp.sqrt(weight * (a * a) + bias), xp.sqrt(weight * (b * b) + bias)
        both = next_a * next_b
        spread = 2.0 * bias * (1.0 + (weight * (a * a + b * b) + bias) / (both + product))
        unequal = weight * ((a - b) / (next_a + next_b)) ** 2 * spread
        theta = angle((unequal + 2.0 * product * gap) / (4.0 * both), xp)
        a, b = next_a, next_b
    return covariance, tangent


def _run_erf(layers: Layers, theta: Any, a: Any, b: Any, xp: ModuleType) -> tuple[Any, Any]:
    """The recursion for erf, in the covariance and the two variances."""
    bias = layers.bias_variance
    covariance, q, r = a * b * xp.cos(theta), a * a, b * b
    tangent = _first(layers, covariance)
    for layer in range(1, layers.depth + 1):
        weight = layers.last_variance if layer == layers.depth else layers.weight_variance
        root = xp.sqrt(1.0 + 2.0 * q) * xp.sqrt(1.0 + 2.0 * r)
        ratio = xp.clip(2.0 * (covariance / root), -1.0, 1.0)
        if layer == 1:
            # One minus the square of the ratio as a sum of positive terms: inputs can be large, later layers cannot.
            left, right = 1.0 / (1.0 + 2.0 * q), 1.0 / (1.0 + 2.0 * r)
            defect = left + right * (1.0 - left) + 4.0 * (a * b / root * xp.sin(theta)) ** 2
        else:
            defect = (1.0 - ratio) * (1.0 + ratio)
        signal = weight * (2.0 / xp.pi) * xp.arcsin(ratio)
        tangent = _next(layers, layer, tangent, weight * (4.0 / xp.pi) / (root * xp.sqrt(defect)), signal)
        covariance = signal + bias
        q, r = (weight * (2.0 / xp.pi) * xp.arcsin(2.0 * v / (1.0 + 2.0 * v)) + bias for v in (q, r))
    return covariance, tangent


def _first(layers: Layers, covariance: Any) -> Any:
    """What the first layer's parameters add to the tangent kernel."""
    match layers.trained:
        case "last":
            return 0.0 * covariance
        case "weights":
            return covariance - layers.bias_variance
        case _:
            return covariance


def _next(layers: Layers, layer: int, tangent: Any, slope: Any, signal: Any) -> Any:
    """Carry the tangent kernel through a layer and add what that layer's parameters contribute."""
    carried = tangent * slope
    last = layer == layers.depth
    if layers.trained == "first" or (layers.trained == "last" and not last):
        return carried
    rate = layers.last_rate if last else 1.0
    bias = 0.0 if layers.trained == "weights" else layers.bias_variance
    return carried + rate * (signal + bias)
