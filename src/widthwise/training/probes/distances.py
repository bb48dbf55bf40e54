"""How far the trained parameters have moved: norms of W(t) - W(0), which a snapshot holds apart, to all its digits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from widthwise.errors import UsageError
from widthwise.networks.network import Network
from widthwise.training.snapshot import Snapshot


@dataclass(frozen=True)
class Distances:
    r"""Distances from the start.

    `frobenius` is :math:`\|\theta(t) - \theta(0)\|` over all trained parameters, `relative` the same over
    :math:`\|\theta(0)\|`, both numbers; `layers` and `relative_layers` are those of each trained parameter, in the order of
    `net.trained_names`; `two_infinity` is :math:`\max_j \|\Delta w_j\|`, the largest row, and `two_four`
    :math:`(\sum_j \|\Delta w_j\|^4)^{1/4}`, of each trained parameter too, whose rows are neurons. Relative to a start of
    zeros a distance is infinite, and no number while nothing has moved.
    """

    name: str = "distances"
    on_host: ClassVar[bool] = False

    def __call__(self, snapshot: Snapshot) -> dict[str, Array]:
        """The six of them, in the units of the parameters or relative."""
        names = snapshot.net.trained_names
        squares = [_row_squares(snapshot.update[name]) for name in names]
        moved = jnp.stack([jnp.sum(s) for s in squares])
        before = jnp.stack([jnp.sum(snapshot.start[name] ** 2) for name in names])
        return {
            "frobenius": jnp.sqrt(jnp.sum(moved)),
            "relative": jnp.sqrt(jnp.sum(moved) / jnp.sum(before)),
            "layers": jnp.sqrt(moved),
            "relative_layers": jnp.sqrt(moved / before),
            "two_infinity": jnp.stack([jnp.sqrt(jnp.max(s)) for s in squares]),
            "two_four": jnp.stack([_two_four(s) for s in squares]),
        }


@dataclass(frozen=True)
class Radius:
    r"""Radius of the ball that training has needed: :math:`R = m^\alpha \max_l \|W_l(t) - W_l(0)\|_F`.

    In the parametrisation of :cite:t:`chen2019`, whose assumption 3.2 asks for such a radius, :math:`\alpha` is the
    network's; elsewhere it must be given.

    Args:
        alpha: the exponent, when not the network's.
    """

    alpha: float | None = None
    name: str = "radius"
    on_host: ClassVar[bool] = False

    def check(self, net: Network, X: Float[np.ndarray, "n d"], Y: Float[np.ndarray, "n k"]) -> None:  # noqa: ARG002
        """Refuse a network without an exponent of its own where none is given.

        Raises:
            UsageError: with what to give.
        """
        self._exponent(net)

    def _exponent(self, net: Network) -> float:
        if self.alpha is not None:
            return self.alpha
        if getattr(net, "parametrisation", None) != "chen2019":
            raise UsageError(
                f"the radius needs the exponent of m in front of the network: give Radius(alpha=...) for {net.describe()}"
            )
        own = getattr(net, "alpha", None)
        return 0.5 if own is None else float(own)

    def __call__(self, snapshot: Snapshot) -> Float[Array, ""]:
        """R, at least zero; the width is that of the first hidden layer."""
        net = snapshot.net
        norms = [jnp.sqrt(jnp.sum(snapshot.update[name] ** 2)) for name in net.weight_names if name in snapshot.update]
        width = snapshot.start[net.weight_names[0]].shape[0]
        radius: Array = float(width) ** self._exponent(net) * jnp.max(jnp.stack(norms))
        return radius


@dataclass(frozen=True)
class Spread:
    r"""How evenly the neurons share a matrix: :math:`\|W\|_{2,4}^4\, m / \|W\|_F^4` for each trained weight matrix.

    One where all rows have the same norm, m where one row has it all; no number where there is nothing. The measure of
    figure 3 of :cite:t:`allenzhu2018`.

    Args:
        of: the `update` W(t) - W(0), or the `weights` W(t).
    """

    of: Literal["update", "weights"] = "update"
    name: str = "spread"
    on_host: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.of not in ("update", "weights"):
            raise UsageError(f"of must be 'update' or 'weights'; {self.of!r} came")

    def check(self, net: Network, X: Float[np.ndarray, "n d"], Y: Float[np.ndarray, "n k"]) -> None:  # noqa: ARG002
        """Refuse a network that trains no weight matrix.

        Raises:
            UsageError: naming the network.
        """
        trained_matrices(net)

    def __call__(self, snapshot: Snapshot) -> Float[Array, " layers"]:
        """One number for each trained weight matrix, in [1, number of rows]."""
        source = snapshot.update if self.of == "update" else snapshot.params
        return jnp.stack([_spread(_row_squares(source[name])) for name in trained_matrices(snapshot.net)])


def trained_matrices(net: Network) -> tuple[str, ...]:
    """Keys of the weight matrices that move, from the input on.

    Raises:
        UsageError: if there is none.
    """
    names = tuple(name for name in net.weight_names if name in net.trained_names)
    if not names:
        raise UsageError(f"no weight matrix is trained; the network is: {net.describe()}")
    return names


def _row_squares(values: Array) -> Float[Array, " m"]:
    """Squared norms of the rows; of the entries of a vector."""
    return jnp.sum(values.reshape(len(values), -1) ** 2, axis=1)


def _two_four(squares: Float[Array, " m"]) -> Float[Array, ""]:
    """Fourth root of the sum of squares, scaled: fourth powers of small updates are below the smallest float32."""
    largest = jnp.max(squares)
    scale = jnp.where(largest > 0, largest, 1.0)
    return jnp.sqrt(scale) * jnp.sum((squares / scale) ** 2) ** 0.25


def _spread(squares: Float[Array, " m"]) -> Float[Array, ""]:
    scaled = squares / jnp.max(squares)
    return len(squares) * jnp.sum(scaled**2) / jnp.sum(scaled) ** 2
