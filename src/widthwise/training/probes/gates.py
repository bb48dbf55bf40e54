"""Gates of ReLU networks against those of the start: flips, and the coupling lemmas of Li and Liang."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from widthwise._checks import count, positive
from widthwise._jax import full_products
from widthwise.errors import UsageError
from widthwise.kernels.activations import Activation, piecewise_linear
from widthwise.networks import activation as activations
from widthwise.networks.mlp import MLP
from widthwise.networks.network import Network
from widthwise.training.probes.objective import row_derivatives
from widthwise.training.snapshot import Snapshot


@dataclass(frozen=True)
class Flips:
    r"""Share of gates that differ from those of the start.

    .. math:: \frac{1}{nm}\sum_{r,i} 1\bigl[\,1[z_r(x_i; t) \ge 0] \ne 1[z_r(x_i; 0) \ge 0]\,\bigr]

    over neurons r and reference rows x, the "activation pattern difference ratio" of :cite:t:`liliang2018`.

    Args:
        rows: at most so many of the reference rows, spread evenly over them; all when not given.
    """

    rows: int | None = None
    name: str = "flips"
    on_host: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.rows is not None:
            count(self.rows, "rows")

    def check(self, net: Network, X: Float[np.ndarray, "n d"], Y: Float[np.ndarray, "n k"]) -> None:  # noqa: ARG002
        """Refuse a network without gates.

        Raises:
            UsageError: naming the network.
        """
        refuse_gateless(net, X)

    def __call__(self, snapshot: Snapshot) -> dict[str, Array]:
        """`mean` over all gates, and `layers`, the share in each hidden layer; in [0, 1]."""
        changed = _changed(snapshot, self.rows)
        totals = jnp.stack([jnp.sum(jnp.sum(layer, axis=0).astype(float)) for layer in changed])
        sizes = np.array([float(layer.size) for layer in changed])
        return {"mean": jnp.sum(totals) / sizes.sum(), "layers": totals / sizes}


@dataclass(frozen=True)
class PredictedFlips:
    r"""Share of gates that should have flipped, given how far pre-activations have moved.

    .. math:: \frac{E\,|z_r(x; t) - z_r(x; 0)|}{\sqrt{2\pi}\; s(x)}, \qquad s(x)^2 = \frac1m\sum_r z_r(x; 0)^2

    A pre-activation that is normal with deviation s at the start lies within :math:`|\Delta|` of zero, on the side that flips,
    with this probability to first order: accurate while below about 0.1. For a first layer of weights N(0, s^2) without
    biases s(x) is :math:`s\,\|x\|`.
    """

    rows: int | None = None
    name: str = "predicted_flips"
    on_host: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.rows is not None:
            count(self.rows, "rows")

    def check(self, net: Network, X: Float[np.ndarray, "n d"], Y: Float[np.ndarray, "n k"]) -> None:  # noqa: ARG002
        """Refuse a network without gates.

        Raises:
            UsageError: naming the network.
        """
        refuse_gateless(net, X)

    def __call__(self, snapshot: Snapshot) -> dict[str, Array]:
        """`mean` over all gates, and `layers`, one number for each hidden layer."""
        start, now = _signals(snapshot, self.rows)
        shares = [
            jnp.mean(jnp.mean(jnp.abs(b - a), axis=1) / jnp.sqrt(jnp.mean(a**2, axis=1))) / math.sqrt(2.0 * math.pi)
            for a, b in zip(start, now, strict=True)
        ]
        widths = np.array([z.shape[1] for z in start], dtype=np.float64)
        layers = jnp.stack(shares)
        return {"mean": jnp.sum(layers * (widths / widths.sum())), "layers": layers}


@dataclass(frozen=True)
class CoupledFraction:
    r"""Share of neurons whose gradient is the pseudo-gradient, that of the gates at the start.

    They are those whose gates are unchanged on all rows that enter the gradient: on all reference rows, or on a batch of B
    drawn from them without replacement, in expectation: for a neuron with f flips among n rows
    :math:`\binom{n-f}{B} / \binom{n}{B}`. Lemma 5.1 of :cite:t:`liliang2018` says that the share stays near one.
    The lemma is on networks of one hidden layer; deeper ones have a share by layer too, where unchanged gates are
    necessary, not sufficient, for equal gradients.

    Args:
        batch: number B of rows in a gradient; all reference rows when not given.
    """

    batch: int | None = None
    name: str = "coupled"
    on_host: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.batch is not None:
            count(self.batch, "batch")

    def check(self, net: Network, X: Float[np.ndarray, "n d"], Y: Float[np.ndarray, "n k"]) -> None:  # noqa: ARG002
        """Refuse a network without gates.

        Raises:
            UsageError: naming the network.
        """
        refuse_gateless(net, X)

    def __call__(self, snapshot: Snapshot) -> dict[str, Array]:
        """`mean` over all neurons, and `layers`, the share in each hidden layer; in [0, 1]."""
        flips = [jnp.sum(layer, axis=0) for layer in _changed(snapshot, None)]
        n = len(snapshot.reference)
        drawn = n if self.batch is None else min(self.batch, n)
        shares = [jnp.mean(_spared(f, n, drawn)) if drawn < n else jnp.mean(f == 0, dtype=float) for f in flips]
        widths = np.array([len(f) for f in flips], dtype=np.float64)
        layers = jnp.stack(shares)
        return {"mean": jnp.sum(layers * (widths / widths.sum())), "layers": layers}


@dataclass(frozen=True)
class GradientFraction:
    r"""Share of neurons whose pseudo-gradient is large, in the sense of lemma 5.2 of :cite:t:`liliang2018`.

    The pseudo-gradient of the mean loss, with the gates of the start and the outputs of now, is

    .. math:: \tilde g_r = \frac1n \sum_i \Bigl(\sum_c a_{cr}\, \frac{\partial \ell_i}{\partial f_c}\Bigr)\,
              1[w_r(0)^\top x_i \ge 0]\, x_i

    and counts as large where :math:`\|\tilde g_r\| \ge C\, v\,\delta/(kl)` with :math:`v = \max_{i,c} |\partial \ell_i/\partial
    f_c| / (kl)`, for k classes of l components of equal probability, at distance :math:`\delta` between classes. The
    lemma says that at least a share :math:`\delta/(kl)` of neurons is large, up to logarithms and its constant, which it does not
    give: C = 1 here. It has readout weights N(0, 1), so norms are taken over the root mean square of the readout.

    Args:
        components: number l of components of each class.
        separation: distance :math:`\delta` between rows of different classes, in (0, 2] for rows of unit norm.
        constant: C.
    """

    components: int = 1
    separation: float = 1.0
    constant: float = 1.0
    name: str = "gradient_fraction"
    on_host: ClassVar[bool] = False

    def __post_init__(self) -> None:
        count(self.components, "components")
        positive(self.separation, "separation")
        positive(self.constant, "constant")

    def check(self, net: Network, X: Float[np.ndarray, "n d"], Y: Float[np.ndarray, "n k"]) -> None:  # noqa: ARG002
        """Refuse what the lemma does not speak of.

        Raises:
            UsageError: if the network is not a fully connected one of one hidden layer with gates.
        """
        one_hidden_layer(net, "lemma 5.2 of Li and Liang")
        refuse_gateless(net, X)

    def __call__(self, snapshot: Snapshot) -> dict[str, Array]:
        """`share` in [0, 1], `threshold` it was held against, and `asked`, the share of the lemma."""
        net = one_hidden_layer(snapshot.net, "lemma 5.2 of Li and Liang")
        classes = max(net.outputs, 2)
        kl = classes * self.components
        slopes = activations.derivative(net.activation, net.pre_activations(snapshot.start, snapshot.X)[0])
        derivatives = row_derivatives(snapshot.loss, snapshot.outputs, snapshot.Y)
        readout = snapshot.params["a"] / jnp.sqrt(jnp.mean(snapshot.params["a"] ** 2))
        with full_products():
            gradients = (slopes * (derivatives @ readout.T)).T @ snapshot.X / len(snapshot.X)
        threshold = self.constant * jnp.max(jnp.abs(derivatives)) / kl * self.separation / kl
        norms = jnp.linalg.norm(gradients, axis=1)
        return {
            "share": jnp.mean(norms >= threshold, dtype=norms.dtype),
            "threshold": threshold,
            "asked": jnp.asarray(self.separation / kl, norms.dtype),
        }


def refuse_gateless(net: Network, X: Float[np.ndarray, "n d"]) -> None:
    """Refuse a network whose units have no gates: smooth or linear activations, or no hidden layer.

    Raises:
        UsageError: naming the network.
    """
    form: Activation = getattr(net, "activation", "relu")
    bends = piecewise_linear(form)
    gateless = bends is None or bends.slope == 1.0
    if not gateless and not hasattr(net, "widths"):
        gateless = not net.pre_activations(net.init(0, d=X.shape[1]), jnp.asarray(X[:1], float))
    if gateless:
        raise UsageError(f"gates need an activation with a kink in a hidden layer; the network is: {net.describe()}")


def one_hidden_layer(net: Network, what: str) -> MLP:
    """The network as a fully connected one of one hidden layer.

    Raises:
        UsageError: if it is another.
    """
    if not isinstance(net, MLP) or len(net.widths) != 1:
        raise UsageError(
            f"{what} is on fully connected networks of one hidden layer (MLP); the network is: {net.describe()}"
        )
    return net


def spread_rows(X: Float[Array, "r d"], rows: int | None) -> Float[Array, "s d"]:
    """At most so many rows, spread evenly over all; the same ones each time."""
    if rows is None or rows >= len(X):
        return X
    return X[np.linspace(0, len(X) - 1, rows).round().astype(int)]


def _signals(snapshot: Snapshot, rows: int | None) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
    """Pre-activations at the start and now, by layer, of shapes (rows, width)."""
    chosen = spread_rows(snapshot.reference, rows)
    net = snapshot.net
    return net.pre_activations(snapshot.start, chosen), net.pre_activations(snapshot.params, chosen)


def _changed(snapshot: Snapshot, rows: int | None) -> list[Bool[Array, "r _"]]:
    """Which gates differ from those of the start, by layer."""
    return [(before >= 0) != (now >= 0) for before, now in zip(*_signals(snapshot, rows), strict=True)]


def _spared(flips: Array, n: int, drawn: int) -> Array:
    """Probability that none of the flipped rows is among those drawn without replacement."""
    left = (n - flips).astype(float)

    def draw(j: Array, chance: Array) -> Array:
        return chance * jnp.maximum(left - j, 0.0) / (n - j)

    spared: Array = jax.lax.fori_loop(0, drawn, draw, jnp.ones_like(left))
    return spared
