"""Whether neurons gather at few directions: clusters, and the extremal directions that the data prescribe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from widthwise._jax import float64
from widthwise.errors import UsageError
from widthwise.networks.mlp import MLP
from widthwise.networks.network import Network
from widthwise.theory.alignment import ExtremalDirections, extremal_directions
from widthwise.training.probes.gates import one_hidden_layer
from widthwise.training.probes.host import doubles, measured, nothing
from widthwise.training.probes.neurons import Neurons, neurons
from widthwise.training.probes.objective import row_derivatives
from widthwise.training.probes.spectrum import effective_rank, singular_values
from widthwise.training.snapshot import Snapshot

# Neurons whose neighbours are sought at once.
BLOCK = 256


@dataclass(frozen=True)
class Clusters:
    r"""Groups of neurons of one direction, among those that are live on some training row.

    Directions are those of the incoming weights, the bias included. A neuron belongs to a group if it lies within the
    tolerance of one of it. `count` is the number of groups; `entropy` :math:`-\sum_c p_c \log p_c` in nats, with
    :math:`p_c` the group's share of :math:`\sum_j |a_j| \|w_j\|`, is zero where one direction has it all and grows to the
    logarithm of the number of neurons; `rank` is the effective rank of the matrix of directions; `live` the number of
    live neurons. All zero where there is none.

    Args:
        tolerance: in degrees, between 0.01 and 90.
    """

    tolerance: float = 1.0
    name: str = "clusters"
    on_host: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_tolerance(self.tolerance)

    def check(self, net: Network, X: Float[np.ndarray, "n d"], Y: Float[np.ndarray, "n k"]) -> None:  # noqa: ARG002
        """Refuse a network of another depth.

        Raises:
            UsageError: naming the network.
        """
        one_hidden_layer(net, "the clusters of weight directions")

    def __call__(self, snapshot: Snapshot) -> dict[str, np.ndarray]:
        """The four numbers."""
        state = doubles(snapshot)
        found = neurons(one_hidden_layer(snapshot.net, "the clusters of weight directions"), state.params, state.X)
        weights = found.weights[found.live]
        if not np.all(np.isfinite(found.weights)):
            return nothing("count", "entropy", "rank", "live")
        if not len(weights):
            return measured(count=0.0, entropy=0.0, rank=0.0, live=0.0)
        directions = weights / np.linalg.norm(weights, axis=1, keepdims=True)
        groups = clusters(directions, self.tolerance)
        return measured(
            count=float(groups.max() + 1),
            entropy=_entropy(np.bincount(groups, weights=found.sizes[found.live])),
            rank=effective_rank(singular_values(directions)),
            live=float(len(weights)),
        )


@dataclass(frozen=True)
class Quantisation:
    r"""Share of live neurons that point at an extremal direction of the data, where neurons live in a plane.

    For two input columns without biases, or one with biases, and one output. The extremal directions are those of
    `theory.alignment` at zero outputs, fixed by the data: see there for what is stable. Weights enter as
    :math:`|a_j|\,\|w_j\|`. No numbers where no neuron is live.

    Args:
        tolerance: in degrees, between 0.01 and 90.

    References:
        :cite:t:`maennel2018`.
    """

    tolerance: float = 1.0
    name: str = "quantisation"
    on_host: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_tolerance(self.tolerance)

    def check(self, net: Network, X: Float[np.ndarray, "n d"], Y: Float[np.ndarray, "n k"]) -> None:  # noqa: ARG002
        """Refuse neurons that do not live in a plane.

        Raises:
            UsageError: naming the network and the inputs.
        """
        _planar(net, X.shape[1])

    def __call__(self, snapshot: Snapshot) -> dict[str, np.ndarray]:
        """Five measures, the last two with one entry for each extremal direction, flat edges left out.

        `index`: share of live neurons within the tolerance of an extremal direction; `stable`: of one that is stable for the
        sign of their readout; `weighted`: the index with weights; `positive`, `negative`: numbers of neurons of either sign
        at each direction, by increasing angle.
        """
        state = doubles(snapshot)
        net = _planar(snapshot.net, state.X.shape[1])
        found = neurons(net, state.params, state.X)
        with float64():
            pull = -np.asarray(row_derivatives(snapshot.loss, jnp.zeros(state.Y.shape), jnp.asarray(state.Y)))
        extrema = extremal_directions(found.inputs, pull.ravel())
        return _at_extrema(found, extrema, self.tolerance)


def clusters(directions: Float[np.ndarray, "m d"], tolerance: float) -> Int[np.ndarray, " m"]:
    """Number of the group of each unit vector; a chain of vectors within `tolerance` degrees of each other is a group.

    Squared distances of unit vectors round at 1e-16, so that angles below 1e-6 degrees are not told apart.
    """
    reach = 2.0 * np.sin(np.radians(tolerance) / 2.0)
    groups = np.full(len(directions), -1)
    number = 0
    while np.any(groups < 0):
        frontier = np.nonzero(groups < 0)[0][:1]
        groups[frontier] = number
        while len(frontier):
            free = np.nonzero(groups < 0)[0]
            near = np.zeros(len(free), dtype=bool)
            for start in range(0, len(frontier), BLOCK):
                some = directions[frontier[start : start + BLOCK]]
                near |= np.any(2.0 - 2.0 * directions[free] @ some.T <= reach**2, axis=1)
            frontier = free[near]
            groups[frontier] = number
        number += 1
    return groups


def _at_extrema(found: Neurons, extrema: ExtremalDirections, tolerance: float) -> dict[str, np.ndarray]:
    kept = np.array([kind != "flat edge" for kind in extrema.kinds], dtype=bool)
    live = found.live & np.all(np.isfinite(found.weights), axis=1)
    weights, signs, sizes = found.weights[live], np.sign(found.readout[live, 0]), found.sizes[live]
    near = extrema.distance(weights) <= tolerance
    own = np.where(signs > 0, extrema.distance(weights, sign=1), extrema.distance(weights, sign=-1)) <= tolerance
    nearest = np.argmax(weights @ extrema.directions[kept].T, axis=1) if kept.any() else np.zeros(len(weights), int)
    bins = np.count_nonzero(kept)
    with np.errstate(invalid="ignore", divide="ignore"):
        return measured(
            index=np.divide(np.count_nonzero(near), len(weights)),
            stable=np.divide(np.count_nonzero(own), len(weights)),
            weighted=np.divide(np.sum(sizes[near]), np.sum(sizes)),
            positive=np.bincount(nearest[near & (signs > 0)], minlength=bins),
            negative=np.bincount(nearest[near & (signs < 0)], minlength=bins),
        )


def _entropy(sizes: Float[np.ndarray, " c"]) -> float:
    total = sizes.sum()
    if not total > 0:
        return 0.0
    shares = sizes[sizes > 0] / total
    return float(-np.sum(shares * np.log(shares))) + 0.0


def _planar(net: Network, d: int) -> MLP:
    one = one_hidden_layer(net, "the quantisation index")
    plane = d + (1 if one.bias_names else 0)
    if plane != 2 or one.outputs != 1 or one.activation != "relu":
        raise UsageError(
            "the quantisation index needs ReLU neurons in a plane, and one output: two input columns without biases, or one "
            f"with biases; {d} columns came for {net.describe()}. Use the probe 'clusters'"
        )
    return one


def _check_tolerance(tolerance: float) -> None:
    if not 0.01 <= tolerance <= 90.0:
        raise UsageError(f"tolerance must be an angle between 0.01 and 90 degrees; {tolerance!r} came")
