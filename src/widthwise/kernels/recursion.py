r"""The recursion over layers behind every fully connected kernel, for NumPy and JAX from one source.

The state is the angle theta and the two standard deviations a, b of a layer's pre-activations, never a cosine. With
w the weight variance times the activation's second moment and c that of a bias, :math:`a'^2 = wa^2 + c`, and with the shares
:math:`\alpha = \sqrt w\,a/a'`, :math:`\beta = \sqrt w\,b/b'`, :math:`\gamma = \sqrt c/a'`, :math:`\delta = \sqrt c/b'`,
all within [0, 1],

.. math:: 2\sin^2\tfrac{\theta'}2 = w\Bigl(\frac{a-b}{a'+b'}\Bigr)^2
          \Bigl[\gamma\delta + \frac{\alpha^2\delta^2 + \gamma^2}{1+\alpha\beta}\Bigr] + \alpha\beta\,g(\theta)

a sum of positive terms, so that near duplicates lose no digits; kernels are carried over ab, so that no norm
overflows before the last product. erf needs no angle: its closed forms are smooth in the covariance.
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


def run(layers: Layers, theta: Any, a: Any, b: Any, xp: ModuleType, *, sine: Any = None) -> tuple[Any, Any]:
    """Output covariance and tangent kernel.

    Args:
        layers: the network.
        theta: angle of the first pre-activations, in [0, pi].
        a: standard deviation of the first pre-activation of one input, bias included.
        b: of the other.
        xp: `numpy` or `jax.numpy`.
        sine: of theta, where it is known better than theta itself: near pi.

    Returns:
        NNGP and NTK, of the shape that theta, a and b broadcast to.
    """
    slopes = piecewise_linear(layers.activation)
    if slopes is None:
        return _run_erf(layers, (xp.cos(theta), xp.sin(theta) if sine is None else sine), a, b, xp)
    size, bend, bias = slopes.size, slopes.bend, layers.bias_variance

    def layer(state: State, variance: float, *, last: bool) -> State:
        """One layer more; the tangent kernel is that of unit standard deviations, and nothing here can overflow."""
        tangent, theta, a, b = state
        root = (variance * size) ** 0.5
        gap = angle_gap(theta, bend, xp)
        carried, signal = tangent * (1.0 - (bend / xp.pi) * theta), 1.0 - gap
        if bias == 0.0:
            near, next_a, next_b = gap / 2.0, a, b
        else:
            next_a, next_b = xp.hypot(root * a, bias**0.5), xp.hypot(root * b, bias**0.5)
            share_a, share_b = root * (a / next_a), root * (b / next_b)
            bias_a, bias_b = bias**0.5 / next_a, bias**0.5 / next_b
            signals, biases = share_a * share_b, bias_a * bias_b
            unequal = root * (a - b) / (next_a + next_b)
            spread = biases + ((share_a * bias_b) ** 2 + bias_a**2) / (1.0 + signals)
            near = 0.5 * (unequal * unequal * spread + signals * gap)
            carried, signal = carried * signals, signal * signals
            if layers.trained != "weights":
                signal = signal + biases
        tangent = _next(layers, carried, signal, last=last)
        return tangent, near, next_a, next_b

    def hidden(state: State) -> State:
        tangent, near, next_a, next_b = layer(state, layers.weight_variance, last=False)
        return tangent, angle(near, xp), next_a, next_b

    tangent = xp.cos(theta)
    if layers.trained == "last":
        tangent = 0.0 * tangent
    elif layers.trained == "weights" and bias:
        tangent = tangent - (bias**0.5 / a) * (bias**0.5 / b)
    state = _repeat(hidden, layers.depth - 1, (tangent, theta, a, b), xp)
    tangent, near, a, b = layer(state, layers.last_variance, last=True)
    # Without biases the sizes stay proportional to those of the first layer, and the factor is exact for ReLU's variance of two.
    factor = 1.0 if bias else (layers.weight_variance * size) ** (layers.depth - 1) * (layers.last_variance * size)
    return (((1.0 - 2.0 * near) * factor) * a) * b, ((tangent * factor) * a) * b


def _repeat(step: Callable[[State], State], times: int, state: State, xp: ModuleType) -> State:
    """Apply a step again and again; many steps are one compiled loop, since the time to compile them grows with their number."""
    if xp is np or times <= UNROLLED:
        for _ in range(times):
            state = step(state)
        return state
    import jax  # noqa: PLC0415

    found: State = jax.lax.fori_loop(0, times, lambda _, carried: step(carried), state)
    return found


def _run_erf(layers: Layers, direction: tuple[Any, Any], a: Any, b: Any, xp: ModuleType) -> tuple[Any, Any]:
    """The recursion for erf, in the covariance and the two variances; those of the first layer, which can be huge, as roots."""
    bias = layers.bias_variance

    def entered(cosine: Any, sine: Any, a: Any, b: Any) -> tuple[Any, Any, Any, Any]:
        """Arcsine and its ratio for the first layer, the root of one minus the square of the ratio, and standard deviations."""
        root_a, root_b = xp.hypot(1.0, 2.0**0.5 * a), xp.hypot(1.0, 2.0**0.5 * b)
        share_a, share_b = 2.0**0.5 * (a / root_a), 2.0**0.5 * (b / root_b)
        both = share_a * share_b
        # A sum of positive terms; of the arctangent's two arguments at least one is exact where the other is small.
        defect = xp.hypot(xp.hypot(1.0 / root_a, share_a / root_b), both * sine)
        return xp.arctan2(both * cosine, defect), both * cosine, defect, (root_a, root_b)

    def after(weight: float, arc: Any) -> Any:
        return weight * (2.0 / xp.pi) * arc

    def first(*, last: bool) -> State:
        weight = layers.last_variance if last else layers.weight_variance
        arc, ratio, defect, (root_a, root_b) = entered(*direction, a, b)
        tangent = ratio / 2.0
        if layers.trained == "last":
            tangent = 0.0 * tangent
        elif layers.trained == "weights" and bias:
            tangent = tangent - (bias**0.5 / root_a) * (bias**0.5 / root_b)
        signal = after(weight, arc)
        tangent = _next(layers, weight * (4.0 / xp.pi) * (tangent / defect), signal + _counted(layers), last=last)
        q, r = (after(weight, entered(1.0, 0.0, v, v)[0]) + bias for v in (a, b))
        return tangent, signal + bias, q, r

    def step(state: State, *, last: bool = False) -> State:
        tangent, covariance, q, r = state
        weight = layers.last_variance if last else layers.weight_variance
        # The same operations as for a variance below: rows that coincide keep its bits through every layer.
        root = xp.where(q == r, 1.0 + 2.0 * q, xp.sqrt(1.0 + 2.0 * q) * xp.sqrt(1.0 + 2.0 * r))
        ratio = xp.clip(2.0 * covariance / root, -1.0, 1.0)
        # Never below that of two rows of the same direction (Cauchy-Schwarz).
        defect = xp.maximum((1.0 - ratio) * (1.0 + ratio), (1.0 + 2.0 * q + 2.0 * r) / (root * root))
        signal = after(weight, xp.arcsin(ratio))
        carried = tangent * (weight * (4.0 / xp.pi) / (root * xp.sqrt(defect)))
        tangent = _next(layers, carried, signal + _counted(layers), last=last)
        q, r = (after(weight, xp.arcsin(2.0 * v / (1.0 + 2.0 * v))) + bias for v in (q, r))
        return tangent, signal + bias, q, r

    state = first(last=layers.depth == 1)
    if layers.depth > 1:
        state = step(_repeat(step, layers.depth - 2, state, xp), last=True)
    return state[1], state[0]


def _counted(layers: Layers) -> float:
    """What the biases of a layer add to the tangent kernel."""
    return 0.0 if layers.trained == "weights" else layers.bias_variance


def _next(layers: Layers, carried: Any, signal: Any, *, last: bool) -> Any:
    """The carried tangent kernel, plus what a layer's own parameters contribute where they are trained."""
    if layers.trained == "first" or (layers.trained == "last" and not last):
        return carried
    return carried + (layers.last_rate if last else 1.0) * signal
