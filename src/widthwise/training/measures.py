"""Measures of a trained network that need it evaluated: flatness under noise, sharpness, normalised margins.

They rank networks; none of them bounds anything. For a bound see `training.pac_bayes`. Everything is float64, and the
parameters that are disturbed are the trained ones.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from widthwise._checks import columns, count, finite_matrix, positive
from widthwise._jax import float64
from widthwise.errors import DataError, UsageError
from widthwise.kernels.activations import piecewise_linear
from widthwise.networks.mlp import MLP
from widthwise.networks.network import Network
from widthwise.training import losses
from widthwise.training.probes.fit import margins
from widthwise.training.probes.neurons import bias_of

Measure = Literal["loss", "error"]
Normaliser = Literal["none", "spectral", "path"]
Parameters = Mapping[str, Array | np.ndarray]

# Noise is sought between these powers of two of the parameters' own root mean square, then by bisection.
SMALLEST, LARGEST = -40, 12
BISECTIONS = 30
# Size below which noise in proportion to a parameter does not fall.
SMALL_SIZE = 1e-3


@dataclass(frozen=True, kw_only=True, eq=False)
class Flatness:
    """Largest noise that the network bears.

    Attributes:
        sigma: deviation of the noise; of its ratio to each parameter's size if `relative`. Infinite where no noise raises the
            measure enough, as can be for an error.
        start: the measure without noise.
        rise: mean rise at sigma, over the draws.
        standard_error: of that mean.
        draws: number of pairs of opposite draws.
        measure: what rises.
        relative: whether the noise is in proportion to each parameter.
    """

    sigma: float
    start: float
    rise: float
    standard_error: float
    draws: int
    measure: Measure
    relative: bool

    def complexity(self, distance: float, n: int) -> float:
        r"""Flatness as a measure of complexity: :math:`\sqrt{(\|w - w_0\|^2/(4\sigma^2) + \ln(n/\sigma) + 10)/n}`.

        A ranking device, with the constants of the measures' common code, not a bound.

        Args:
            distance: :math:`\|w - w_0\|` of the trained parameters.
            n: number of training rows.

        Raises:
            UsageError: if n is not a number of rows.
        """
        count(n, "n")
        inside = (distance**2 / (4.0 * self.sigma**2) + np.log(n / self.sigma) + 10.0) / n
        return float(np.sqrt(max(inside, 0.0)))

    def magnitude_complexity(self, update: Float[np.ndarray, " p"], n: int) -> float:
        r"""The same for noise in proportion to each of p parameters, whose updates are :math:`d = w - w_0`.

        .. math:: \sqrt{\frac1n\left[\frac14\sum_i\ln\frac{\epsilon^2 + (\sigma^2 + 1)\|d\|^2/p}{\epsilon^2 + \sigma^2 d_i^2}
            + \ln\frac n\sigma + 10\right]}, \qquad \epsilon = 10^{-3}

        Args:
            update: of all trained parameters, in one row.
            n: number of training rows.

        Raises:
            UsageError: if n is not a number of rows, or the noise was not relative.
        """
        count(n, "n")
        if not self.relative:
            raise UsageError("noise must be in proportion to each parameter: ask flatness for relative=True")
        square = self.sigma**2
        top = SMALL_SIZE**2 + (square + 1.0) * float(np.mean(update**2))
        logs = float(np.sum(np.log(top / (SMALL_SIZE**2 + square * update**2))))
        return float(np.sqrt(max((0.25 * logs + np.log(n / self.sigma) + 10.0) / n, 0.0)))


@dataclass(frozen=True, kw_only=True, eq=False)
class Sharpness:
    """Largest rise of the mean loss found within a distance of the parameters.

    Attributes:
        rise: of the mean loss per row; a lower bound on the worst case, since it was found by ascent.
        start: mean loss per row at the parameters.
        radius: distance allowed, Frobenius norm over all trained parameters.
    """

    rise: float
    start: float
    radius: float

    @property
    def curvature(self) -> float:
        """Twice the rise over the squared radius: the Hessian's largest eigenvalue at a minimum, as the radius vanishes."""
        return 2.0 * self.rise / self.radius**2


@dataclass(frozen=True, kw_only=True, eq=False)
class NormalisedMargins:
    """Margins of all rows over a norm of the network.

    Attributes:
        margins: of each row, normalised.
        norm: what they were divided by.
        normaliser: its name.
    """

    margins: Float[np.ndarray, " n"]
    norm: float
    normaliser: Normaliser

    def percentile(self, percent: float) -> float:
        """The margin below which this percentage of rows lies, interpolated.

        Raises:
            UsageError: if it is outside [0, 100].
        """
        if not 0.0 <= percent <= 100.0:
            raise UsageError(f"percent must lie between 0 and 100; {percent!r} came")
        return float(np.percentile(self.margins, percent))


def flatness(
    net: Network,
    params: Parameters,
    X: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, " n"] | Float[np.ndarray, "n k"],
    *,
    loss: str = "squared",
    measure: Measure = "error",
    rise: float = 0.1,
    relative: bool = False,
    draws: int = 10,
    seed: int = 0,
) -> Flatness:
    r"""Largest deviation of Gaussian noise on the trained parameters at which a measure rises, in the mean, by no more than asked.

    .. math:: \sigma^* = \sup\{\sigma : E_z\, M(w + \sigma z) - M(w) \le \text{rise}\}

    The draws z are the same for every sigma and come in pairs z, -z, so that what is linear in the noise cancels. The first
    crossing on a grid of factors of two is narrowed by bisection.

    Args:
        net: the network.
        params: its parameters.
        X: rows.
        y: targets as the loss takes them.
        loss: as `train` takes it.
        measure: `loss`, the mean loss per row, or `error`, the share of rows of margin at most zero.
        rise: in the units of the measure.
        relative: noise in proportion to :math:`|w| + 10^{-3}` of each parameter, as in magnitude-aware measures.
        draws: number of pairs.
        seed: of the draws.

    Raises:
        UsageError: if an argument is outside its range.
        DataError: if the data are not finite or do not fit.
    """
    positive(rise, "rise")
    count(draws, "draws")
    if measure not in ("loss", "error"):
        raise UsageError(f"measure must be 'loss' or 'error'; {measure!r} came")
    rows, targets = problem(net, X, y, loss)
    with float64():
        held, moving = split(net, params)
        scales = {
            name: jnp.abs(value) + SMALL_SIZE if relative else jnp.ones_like(value) for name, value in moving.items()
        }
        keys = jax.random.split(jax.random.key(seed), draws)

        def measured(sigma: float) -> Float[np.ndarray, "draws 2"]:
            noise = {name: sigma * scale for name, scale in scales.items()}
            return np.asarray(_pairs(held, noise, rows, targets, keys, net=net, loss=loss, measure=measure))

        unit = 1.0 if relative else float(np.sqrt(np.mean(np.concatenate([np.ravel(v) for v in moving.values()]) ** 2)))
        unit = unit if unit > 0 else 1.0
        start = float(measured(0.0)[0, 0])
        sigma = _crossing(lambda s: float(measured(s * unit).mean()) - start <= rise) * unit
        values = measured(sigma).mean(axis=1) - start if np.isfinite(sigma) else np.full(draws, np.nan)
    return Flatness(
        sigma=sigma,
        start=start,
        rise=float(values.mean()),
        standard_error=float(values.std(ddof=1) / np.sqrt(draws)) if draws > 1 else float("nan"),
        draws=draws,
        measure=measure,
        relative=relative,
    )


def sharpness(
    net: Network,
    params: Parameters,
    X: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, " n"] | Float[np.ndarray, "n k"],
    *,
    radius: float,
    loss: str = "squared",
    iterations: int = 50,
    starts: int = 2,
    seed: int = 0,
) -> Sharpness:
    r"""Largest rise of the mean loss within a ball around the trained parameters, by ascent.

    .. math:: \max_{\|\Delta\| \le \rho} L(w + \Delta) - L(w)

    Each step goes to the point of the sphere in the direction of the gradient where it stands,
    :math:`\Delta \leftarrow \rho\, \nabla L(w + \Delta)/\|\nabla L(w + \Delta)\|`: power iteration where the loss is
    quadratic, never a step down where it is convex. The best point seen counts.

    Args:
        net: the network.
        params: its parameters.
        X: rows.
        y: targets as the loss takes them.
        radius: rho, in the units of the parameters.
        loss: as `train` takes it.
        iterations: gradients for each start.
        starts: number of random first directions.
        seed: of those.

    Raises:
        UsageError: if an argument is outside its range.
        DataError: if the data are not finite or do not fit.
    """
    positive(radius, "radius")
    count(iterations, "iterations")
    count(starts, "starts")
    rows, targets = problem(net, X, y, loss)
    with float64():
        held, _ = split(net, params)
        keys = jax.random.split(jax.random.key(seed), starts)
        start, best = _ascent(
            held, rows, targets, keys, radius=jnp.asarray(radius), iterations=iterations, net=net, loss=loss
        )
        return Sharpness(rise=float(best) - float(start), start=float(start), radius=float(radius))


def normalised_margins(
    net: Network,
    params: Parameters,
    X: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, " n"] | Float[np.ndarray, "n k"],
    *,
    loss: str = "cross_entropy",
    normaliser: Normaliser = "spectral",
) -> NormalisedMargins:
    """Margins of the rows over a norm of the network; margins are those of the probe `margin`.

    Args:
        net: the network; fully connected, unless nothing is divided by.
        params: its parameters.
        X: rows.
        y: targets as the loss takes them.
        loss: as `train` takes it; it says what a margin is.
        normaliser: `spectral`, see `spectral_norm`; `path`, the path norm of exponent two, see `path_norm`; or `none`.

    Raises:
        UsageError: if an argument is not known, or the network has no such norm.
        DataError: if the data are not finite or do not fit.
    """
    if normaliser not in ("none", "spectral", "path"):
        raise UsageError(f"normaliser must be 'none', 'spectral' or 'path'; {normaliser!r} came")
    rows, targets = problem(net, X, y, loss)
    norm = 1.0
    if normaliser == "spectral":
        norm = spectral_norm(net, params)
    elif normaliser == "path":
        norm = path_norm(net, params)
    with float64():
        held, _ = split(net, params)
        values = np.asarray(margins(loss, net.apply(held, jnp.asarray(rows)), jnp.asarray(targets)))
    return NormalisedMargins(margins=values / norm, norm=norm, normaliser=normaliser)


def spectral_norm(net: Network, params: Parameters) -> float:
    r"""Product of the largest singular values of all layers, factors included: :math:`\prod_l s_l \|W_l\|_2`.

    Times the activation's larger slope, where that exceeds one, for each hidden layer. It is a Lipschitz constant of the network:
    a row of margin :math:`\gamma` keeps its class under any change of the inputs smaller than :math:`\gamma` over it for
    one output, over :math:`\sqrt 2` times it for several.

    Raises:
        UsageError: if the network is not fully connected with a piecewise linear activation.
    """
    one, slope = _piecewise(net)
    norms = [
        factor * np.linalg.norm(np.asarray(params[name], np.float64), 2)
        for name, factor in zip(one.weight_names, one.factors, strict=True)
    ]
    return float(np.prod(norms)) * slope ** len(one.widths)


def path_norm(net: Network, params: Parameters, *, exponent: float = 2.0) -> float:
    r"""Path norm: :math:`\bigl(\sum_{\text{paths}} \prod |w|^p\bigr)^{1/p}`, over all paths from an input or a bias to an output.

    Factors are taken into the weights; unchanged when a neuron's incoming weights are scaled up and its outgoing ones down.

    Args:
        net: the network.
        params: its parameters.
        exponent: p, positive.

    Raises:
        UsageError: if the network is not fully connected with a piecewise linear activation.
    """
    positive(exponent, "exponent")
    one, slope = _piecewise(net)
    weights = [
        np.abs(factor * np.asarray(params[name], np.float64)) ** exponent
        for name, factor in zip(one.weight_names, one.factors, strict=True)
    ]
    weights[-1] = weights[-1].T
    signal = np.ones(weights[0].shape[1])
    for layer, matrix in enumerate(weights):
        signal = matrix @ signal
        bias = bias_of(one, layer)
        if bias is not None:
            signal = signal + np.abs(one.bias_factor * np.asarray(params[bias], np.float64)) ** exponent
        if layer < len(weights) - 1:
            signal = slope**exponent * signal
    return float(signal.sum() ** (1.0 / exponent))


def problem(
    net: Network, X: object, y: Float[np.ndarray, " n"] | Float[np.ndarray, "n k"], loss: str
) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, "n k"]]:
    """Rows and targets in float64, checked against the network and each other.

    Raises:
        UsageError: if the loss is not known.
        DataError: if the data are not finite or do not fit.
    """
    losses.known(loss)
    rows = finite_matrix(X)
    targets = columns(y, len(rows))
    if targets.shape[1] != net.outputs:
        raise DataError(f"the network has {net.outputs} outputs, y {targets.shape[1]} columns: they must agree")
    return rows, targets


def split(net: Network, params: Parameters) -> tuple[dict[str, Array], dict[str, Array]]:
    """All parameters, and those that move, in the precision of the context."""
    held = {name: jnp.asarray(np.asarray(value, np.float64)) for name, value in params.items()}
    return held, {name: held[name] for name in net.trained_names}


def measure_of(net: Network, params: dict[str, Array], X: Array, Y: Array, *, loss: str, measure: Measure) -> Array:
    """Mean loss per row, or share of margins at most zero; an output that is no number is an error."""
    outputs = net.apply(params, X)
    if measure == "loss":
        return jnp.mean(losses.by_row(loss, outputs, Y))
    share: Array = jnp.mean(~(margins(loss, outputs, Y) > 0), dtype=outputs.dtype)
    return share


def disturbed(params: dict[str, Array], noise: dict[str, Array], key: Array, sign: float = 1.0) -> dict[str, Array]:
    """Parameters with independent normal noise of the deviations given by name."""
    keys = dict(zip(noise, jax.random.split(key, len(noise)), strict=True))
    moved = {
        name: params[name] + sign * scale * jax.random.normal(keys[name], scale.shape, scale.dtype)
        for name, scale in noise.items()
    }
    return {**params, **moved}


@functools.partial(jax.jit, static_argnames=("net", "loss", "measure"))
def _pairs(
    params: dict[str, Array],
    noise: dict[str, Array],
    X: Array,
    Y: Array,
    keys: Array,
    *,
    net: Network,
    loss: str,
    measure: Measure,
) -> Float[Array, "draws 2"]:
    """The measure at each draw and at its opposite."""

    def one(key: Array) -> Array:
        both = [
            measure_of(net, disturbed(params, noise, key, sign), X, Y, loss=loss, measure=measure)
            for sign in (1.0, -1.0)
        ]
        return jnp.stack(both)

    values: Array = jax.lax.map(one, keys)
    return values


@functools.partial(jax.jit, static_argnames=("net", "loss", "iterations"))
def _ascent(
    params: dict[str, Array],
    X: Array,
    Y: Array,
    keys: Array,
    *,
    radius: Array,
    iterations: int,
    net: Network,
    loss: str,
) -> tuple[Array, Array]:
    """Mean loss at the parameters, and the largest on the sphere around them that the iteration meets."""
    moving = {name: params[name] for name in net.trained_names}

    def objective(delta: dict[str, Array]) -> Array:
        there = {**params, **{name: moving[name] + delta[name] for name in moving}}
        return measure_of(net, there, X, Y, loss=loss, measure="loss")

    def on_sphere(direction: dict[str, Array]) -> dict[str, Array]:
        norm = jnp.sqrt(sum(jnp.sum(value**2) for value in direction.values()))
        return {name: radius * value / jnp.where(norm > 0, norm, 1.0) for name, value in direction.items()}

    def climb(key: Array) -> Array:
        noise = {name: jnp.ones_like(value) for name, value in moving.items()}
        first = on_sphere(disturbed({name: jnp.zeros_like(v) for name, v in moving.items()}, noise, key))

        def step(_: Array, state: tuple[dict[str, Array], Array]) -> tuple[dict[str, Array], Array]:
            delta, best = state
            value, gradient = jax.value_and_grad(objective)(delta)
            return on_sphere(gradient), jnp.maximum(best, value)

        start = jnp.asarray(-jnp.inf, X.dtype)
        last, best = jax.lax.fori_loop(0, iterations, step, (first, start))
        top: Array = jnp.maximum(best, objective(last))
        return top

    zero = {name: jnp.zeros_like(value) for name, value in moving.items()}
    return objective(zero), jnp.max(jax.lax.map(climb, keys))


def _crossing(holds: Callable[[float], bool]) -> float:
    """First scale at which something stops holding, above a power of two at which it does; infinite if it never does."""
    power = -4
    while not holds(2.0**power):
        power -= 4
        if power < SMALLEST:
            return 0.0
    while holds(2.0 ** (power + 1)):
        power += 1
        if power >= LARGEST:
            return float("inf")
    low, high = 2.0**power, 2.0 ** (power + 1)
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def _piecewise(net: Network) -> tuple[MLP, float]:
    """The network as a fully connected one, and a Lipschitz constant of its activation."""
    form = piecewise_linear(net.activation) if isinstance(net, MLP) else None
    if not isinstance(net, MLP) or form is None:
        raise UsageError(
            "norms by layers are of fully connected networks (MLP) with a piecewise linear activation; the network is: "
            f"{net.describe()}"
        )
    return net, max(1.0, abs(form.slope))
