"""What the kernel of the start predicts for a squared loss: the residual, the solution, and how lazy the run will be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from widthwise._checks import positive
from widthwise._jax import float64
from widthwise.errors import UsageError
from widthwise.kernels import HInf
from widthwise.networks.network import Network
from widthwise.theory import complexity
from widthwise.theory.dynamics import Spectrum, spectrum
from widthwise.training.probes.distances import trained_matrices
from widthwise.training.probes.gates import one_hidden_layer
from widthwise.training.probes.host import Doubles, Values, doubles, mean_kernel, measured, outputs_of, whole_kernel
from widthwise.training.snapshot import Snapshot

# A kernel of infinite width, such as `kernels.NTK` and `kernels.HInf`: kernel matrix of the rows.
ClosedForm = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class PredictedResidual:
    r"""Residual that full-batch gradient descent would have with the kernel held still, beside the measured one.

    .. math:: r(t) = (I - \eta K)^t\,(y - f_0), \qquad \text{ratio} = \|y - f_t\| / \|r(t)\|

    exact for a network linear in its parameters. It holds for a squared loss and gradient descent at one learning rate, which
    a snapshot cannot vouch for: under another optimiser or a schedule the numbers mean nothing. For `mean_squared`
    the rate is taken times 2/(n k).

    Args:
        kernel: a closed form, the same for every output; the empirical kernel of the start when not given.
        scale: factor of the closed form; with :math:`m^{2\alpha}` that of :cite:t:`chen2019` is the network's.

    References:
        :cite:t:`arora2019`, theorem 4.1 and its recursion (7).
    """

    kernel: ClosedForm | None = None
    scale: float = 1.0
    name: str = "predicted_residual"
    on_host: ClassVar[bool] = True

    def __post_init__(self) -> None:
        positive(self.scale, "scale")

    def __call__(self, snapshot: Snapshot) -> dict[str, np.ndarray]:
        """`predicted` and `measured` norms in the units of y, and `ratio`.

        Raises:
            UsageError: if the loss is not a squared one.
        """
        rate = _summed_rate(snapshot)
        state = doubles(snapshot)
        first = state.Y - outputs_of(snapshot.net, state.start, state.X)
        if self.kernel is None:
            K, error = whole_kernel(snapshot.net, state.start, state.X), first.reshape(-1, 1)
        else:
            K, error = self.scale * np.asarray(self.kernel(state.X)), first
        modes = spectrum(K)
        steps = int(snapshot.step)
        shrink = 1.0 - rate * np.where(modes.values > modes.tolerance, modes.values, 0.0)
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            left = shrink[:, None] ** steps * modes.project(error)
        predicted, residual = np.linalg.norm(left), np.linalg.norm(state.Y - state.outputs)
        with np.errstate(divide="ignore", invalid="ignore"):
            return measured(predicted=predicted, measured=residual, ratio=residual / predicted)


@dataclass(frozen=True)
class LinearisedSolution:
    r"""Distance of the update to that of the network linearised at the start, which fits with the least movement.

    .. math:: \Delta^* = J^\top (J J^\top)^{-1} (y - f_0), \qquad \|W(t) - W(0) - \Delta^*\| / \|\Delta^*\|

    J is never formed: :math:`J J^\top` is the empirical kernel, and :math:`J^\top` one backward pass. Where the kernel is
    singular to working precision the inverse is that on its range, and `unreached` says what share of the residual's norm the
    linearised network leaves. For a squared loss.

    References:
        :cite:t:`satpathi2021`.
    """

    name: str = "linearised"
    on_host: ClassVar[bool] = True

    def __call__(self, snapshot: Snapshot) -> dict[str, np.ndarray]:
        r"""`distance`, relative; `norm` of :math:`\Delta^*` in the units of the parameters; `unreached` in [0, 1].

        Raises:
            UsageError: if the loss is not a squared one.
        """
        _summed_rate(snapshot)
        state = doubles(snapshot)
        aim, unreached = _least_movement(snapshot.net, state)
        length = np.sqrt(sum(np.sum(value**2) for value in aim.values()))
        apart = np.sqrt(sum(np.sum((state.update[name] - value) ** 2) for name, value in aim.items()))
        with np.errstate(divide="ignore", invalid="ignore"):
            return measured(distance=apart / length, norm=length, unreached=unreached)


@dataclass(frozen=True)
class Laziness:
    r"""How far the labels drive neurons, in units of their size at the start; small is lazy.

    .. math:: \Lambda = \frac{\sqrt{y^\top (H^\infty)^{-1} y}}{\kappa\sqrt m}, \qquad
              \text{measured} = \frac{\|W(t) - W(0)\|_F}{\kappa\sqrt m}

    for the two-layer network of :cite:t:`arora2019`, whose movement tends to :math:`\sqrt{y^\top (H^\infty)^{-1} y}`: the
    theory needs :math:`\Lambda \ll 1`. :math:`\kappa` is the deviation of the first weights. Several columns of y add up in
    squares. `kernel` is the relative change of the empirical kernel, :math:`\|K(t) - K(0)\|_F/\|K(0)\|_F`, the other common
    index of laziness (`KernelDrift` has its parts).
    """

    name: str = "laziness"
    on_host: ClassVar[bool] = True

    def check(self, net: Network, X: Float[np.ndarray, "n d"], Y: Float[np.ndarray, "n k"]) -> None:
        """Refuse another network, and labels that no wide network can fit.

        Raises:
            UsageError: if the network is not the two-layer one.
            SingularKernelError: if rows coincide and their labels do not.
        """
        one = one_hidden_layer(net, "the laziness index")
        plain = (
            one.parametrisation == "ntk"
            and one.trained == "first"
            and one.activation == "relu"
            and (one.weight_variance, one.input_scale, one.bias_variance) == (1.0, 1.0, 0.0)
            and one.last_variance is None
        )
        if not plain:
            raise UsageError(
                "the laziness index is that of the two-layer ReLU network of Arora et al. 2019: parametrisation 'ntk', "
                f"trained 'first', no biases, variances and input scale one; the network is: {net.describe()}"
            )
        _index(np.asarray(X, np.float64), np.asarray(Y, np.float64))

    def __call__(self, snapshot: Snapshot) -> dict[str, np.ndarray]:
        """`predicted` (the index), `measured` and `kernel`; without units, at least zero."""
        state = doubles(snapshot)
        net = one_hidden_layer(snapshot.net, "the laziness index")
        size = net.kappa * np.sqrt(net.widths[0])
        now, start = (mean_kernel(net, params, state.X) for params in (state.params, state.start))
        return measured(
            predicted=_index(state.X, state.Y) / size,
            measured=np.linalg.norm(state.update["W"]) / size,
            kernel=np.linalg.norm(now - start) / np.linalg.norm(start),
        )


def _index(X: Float[np.ndarray, "n d"], Y: Float[np.ndarray, "n k"]) -> float:
    r"""Square root of :math:`\sum_c y_c^\top (H^\infty)^{-1} y_c`."""
    return float(np.sqrt(len(X) / 2.0) * np.linalg.norm(complexity(HInf()(X), Y).by_column))


def _summed_rate(snapshot: Snapshot) -> float:
    """The learning rate on half the sum of squares."""
    if snapshot.loss not in ("squared", "mean_squared"):
        raise UsageError(f"the prediction is for a squared loss: 'squared' or 'mean_squared'; {snapshot.loss!r} came")
    rate = float(snapshot.learning_rate)
    return rate * 2.0 / snapshot.Y.size if snapshot.loss == "mean_squared" else rate


def _least_movement(net: Network, state: Doubles) -> tuple[Values, float]:
    """The smallest update with which the linearised network fits, and the share of the residual that it leaves."""
    trained_matrices(net)
    error = (state.Y - outputs_of(net, state.start, state.X)).reshape(-1, 1)
    modes = spectrum(whole_kernel(net, state.start, state.X))
    weights, unreached = _solve(modes, error)
    with float64():
        held = {name: jnp.asarray(value) for name, value in state.start.items()}
        moving = {name: held[name] for name in net.trained_names}
        rows = jnp.asarray(state.X)
        _, pull = jax.vjp(lambda some: net.apply({**held, **some}, rows), moving)
        (aim,) = pull(jnp.asarray(weights.reshape(state.Y.shape)))
        return {name: np.asarray(value) for name, value in aim.items()}, unreached


def _solve(modes: Spectrum, error: Float[np.ndarray, "n 1"]) -> tuple[Float[np.ndarray, "n 1"], float]:
    """Solution on the range of the kernel, and the share of the right-hand side's norm outside it."""
    seen = modes.project(error)
    kept = slice(modes.rank)
    weights = modes.vectors[:, kept] @ (seen[kept] / modes.values[kept, None])
    total = float(np.linalg.norm(error))
    return weights, float(np.linalg.norm(seen[modes.rank :])) / total if total else 0.0
