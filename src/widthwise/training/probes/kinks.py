"""Kinks of networks of one input: where the slope jumps, by how much, and how many of them are distinct."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from widthwise._checks import count
from widthwise.errors import UsageError
from widthwise.kernels.activations import piecewise_linear
from widthwise.networks.mlp import MLP
from widthwise.networks.network import Network
from widthwise.training.probes.gates import one_hidden_layer
from widthwise.training.probes.host import doubles, measured
from widthwise.training.probes.neurons import neurons
from widthwise.training.snapshot import Snapshot


@dataclass(frozen=True, kw_only=True, eq=False)
class KinkMap:
    """Kinks of a piecewise linear function of one variable, from left to right.

    Attributes:
        positions: where they are, in the units of the input.
        jumps: slope to the right less slope to the left, in units of the output over those of the input.
    """

    positions: Float[np.ndarray, " q"]
    jumps: Float[np.ndarray, " q"]

    def merged(self, tolerance: float) -> KinkMap:
        """Kinks of which each is within `tolerance` of the next become one, at their mean weighted by |jump|."""
        if not len(self.positions):
            return self
        group = np.append(0, np.cumsum(np.diff(self.positions) > tolerance))
        weights = np.abs(self.jumps)
        mass = np.bincount(group, weights=weights)
        middle = np.bincount(group, weights=weights * self.positions)
        # A group that has no weight at all lies where its members do, on average.
        plain = np.bincount(group, weights=self.positions) / np.bincount(group)
        positions = np.where(mass > 0, middle / np.where(mass > 0, mass, 1.0), plain)
        return KinkMap(positions=positions, jumps=np.bincount(group, weights=self.jumps))

    def above(self, share: float) -> KinkMap:
        """The kinks whose jump exceeds a share of the largest, in magnitude."""
        if not len(self.jumps):
            return self
        kept = np.abs(self.jumps) > share * np.abs(self.jumps).max()
        return KinkMap(positions=self.positions[kept], jumps=self.jumps[kept])


@dataclass(frozen=True)
class Kinks:
    r"""Kinks of a network of one input, one hidden layer and one output.

    A neuron :math:`a\,\sigma(w x + b)` has its kink at :math:`-b/w` and adds :math:`(1 - \alpha)\, a\,|w|` to the slope
    there, with :math:`\alpha` the activation's slope below zero. Kinks of which each is within a tolerance of the next are
    merged, jumps summed; then those below a share of the largest jump are left out.

    Takes one input column with biases, or two of which the second is constant.

    Args:
        tolerance: in units of the range of the training inputs.
        share: jumps up to this share of the largest are none.
        keep: number of largest kinks to list.
    """

    tolerance: float = 0.01
    share: float = 0.01
    keep: int = 32
    name: str = "kinks"
    on_host: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not (0.0 <= self.tolerance < 1.0 and 0.0 <= self.share < 1.0):
            raise UsageError(f"tolerance and share must be in [0, 1); {self.tolerance!r} and {self.share!r} came")
        count(self.keep, "keep")

    def check(self, net: Network, X: Float[np.ndarray, "n d"], Y: Float[np.ndarray, "n k"]) -> None:  # noqa: ARG002
        """Refuse more than one input.

        Raises:
            UsageError: naming the network and the inputs.
        """
        _line(net, X)

    def __call__(self, snapshot: Snapshot) -> dict[str, np.ndarray]:
        """`distinct` kinks, those of them `inside` the range of the inputs, `positions` and `jumps` of the largest.

        The lists run from left to right and end in what are not numbers where there are fewer than `keep`.
        """
        state = doubles(snapshot)
        net = _line(snapshot.net, state.X)
        low, high = float(state.X[:, 0].min()), float(state.X[:, 0].max())
        every = kink_map(net, state.params, state.X)
        found = every.merged(self.tolerance * (high - low)).above(self.share)
        largest = np.sort(np.argsort(-np.abs(found.jumps), kind="stable")[: self.keep])
        positions, jumps = np.full((2, self.keep), np.nan)
        positions[: len(largest)], jumps[: len(largest)] = found.positions[largest], found.jumps[largest]
        return measured(
            distinct=len(found.positions),
            inside=np.count_nonzero((found.positions > low) & (found.positions < high)),
            positions=positions,
            jumps=jumps,
        )


def kink_map(net: MLP, params: dict[str, np.ndarray], X: Float[np.ndarray, "n d"]) -> KinkMap:
    """All kinks of a network of one input, sorted by position, one for each neuron that has one.

    Args:
        net: network of one hidden layer and one output.
        params: its parameters.
        X: rows, of one column, or of two of which the second is constant.

    Raises:
        UsageError: if the network or the rows are of another kind.
    """
    _line(net, X)
    found = neurons(net, params, X)
    # Pre-activation as slope x + offset, in the units of the first column.
    slope = net.factors[0] * found.weights[:, 0]
    constant = net.bias_factor if net.bias_names else net.factors[0] * float(X[0, 1])
    offset = constant * found.weights[:, 1]
    form = piecewise_linear(net.activation)
    bend = 1.0 - (form.slope if form is not None else 1.0)
    has = np.isfinite(slope) & np.isfinite(offset) & (slope != 0)
    positions = -offset[has] / slope[has]
    jumps = bend * found.readout[has, 0] * np.abs(slope[has])
    order = np.argsort(positions, kind="stable")
    return KinkMap(positions=positions[order], jumps=jumps[order])


def _line(net: Network, X: Float[np.ndarray, "n d"]) -> MLP:
    one = one_hidden_layer(net, "the kinks")
    columns = X.shape[1]
    with_ones = columns == 2 and not one.bias_names and bool(np.all(X[:, 1] == X[0, 1]) and X[0, 1] != 0)
    if (
        not (with_ones or (columns == 1 and one.bias_names))
        or one.outputs != 1
        or piecewise_linear(one.activation) is None
    ):
        raise UsageError(
            "kinks are of piecewise linear networks of one input and one output: one input column and biases, or a second "
            f"column that is constant; {columns} columns came for {net.describe()}"
        )
    return one
