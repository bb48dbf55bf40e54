r"""Infinite-width kernels of fully connected ReLU networks without biases.

With L hidden layers and angles :math:`\theta_0 = \angle(x,z)`, :math:`\cos\theta_h = \kappa_1(\theta_{h-1})`, the
unit-norm covariances are :math:`\Sigma^h = \cos\theta_h` and the derivatives'
:math:`\dot\Sigma^h = \kappa_0(\theta_{h-1})`; weight matrix l + 1 adds
:math:`\Sigma^l \prod_{h>l} \dot\Sigma^h` to the tangent kernel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from widthwise._checks import count, positive
from widthwise.errors import UsageError
from widthwise.kernels.arc_cosine import kappa0, next_angle
from widthwise.kernels.zonal import ZonalKernel

Trained = Literal["all", "first", "last"]


@dataclass(frozen=True)
class HInf(ZonalKernel):
    r"""Tangent kernel of the first layer of an infinitely wide two-layer ReLU network.

    .. math:: H^\infty(x, z) = x^\top z\,(\pi - \theta) / (2\pi)

    in [-0.0894, 0.5] for unit vectors, one half on the diagonal. Positive definite if no two rows are parallel or
    opposite; rows and their opposites together can make it singular, since it sees no odd degree above one.

    References:
        :cite:t:`arora2019`, equation (2); :cite:t:`du2019`.
    """

    def profile(self, theta: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """Value for unit vectors at angle theta."""
        return np.asarray(0.5 * np.cos(theta) * kappa0(theta))


@dataclass(frozen=True)
class _FullyConnected(ZonalKernel):
    depth: int = 3
    weight_variance: float = 2.0
    input_scale: float = 1.0

    def __post_init__(self) -> None:
        count(self.depth, "depth")
        positive(self.weight_variance, "weight_variance")
        positive(self.input_scale, "input_scale")

    @property
    def scale(self) -> float:
        """Constant in front: the input scale, and half the weight variance for each hidden layer."""
        return self.input_scale * (self.weight_variance / 2.0) ** self.depth


@dataclass(frozen=True)
class NNGP(_FullyConnected):
    r"""Covariance of the output of an infinitely wide network at its random start (conjugate kernel).

    .. math:: K(x, z) = c\,\|x\|\,\|z\|\,\cos\theta_L, \qquad c = s\,(v/2)^L

    Args:
        depth: number L of hidden layers, at least one.
        weight_variance: v, the variance of a weight times its fan-in; 2 keeps norms from layer to layer.
        input_scale: s, the covariance of the first pre-activations over x.z.

    References:
        :cite:t:`cho2009`; :cite:t:`arora2019b`, section 3.
    """

    def profile(self, theta: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """Value for unit vectors at angle theta, at scale one."""
        for _ in range(self.depth):
            theta = next_angle(theta)
        return np.asarray(np.cos(theta))


@dataclass(frozen=True)
class NTK(_FullyConnected):
    r"""Neural tangent kernel of a fully connected ReLU network with L hidden layers, without biases.

    .. math:: \Theta^h = \Theta^{h-1}\dot\Sigma^h + \Sigma^h, \qquad \Theta^0 = \Sigma^0 = \cos\theta

    times the norms and the constant of `NNGP`. For unit vectors and default variances the diagonal is L + 1.

    Args:
        depth: number L of hidden layers, at least one.
        weight_variance: variance of a weight times its fan-in.
        input_scale: covariance of the first pre-activations over x.z.
        trained: `all` layers, only the `first`, or only the `last`.

    References:
        :cite:t:`jacot2018`; :cite:t:`arora2019b`, section 3.
    """

    trained: Trained = "all"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.trained not in ("all", "first", "last"):
            raise UsageError(f"trained must be 'all', 'first' or 'last'; {self.trained!r} came")

    def profile(self, theta: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """Value for unit vectors at angle theta, at scale one."""
        tangent = np.zeros_like(theta) if self.trained == "last" else np.cos(theta)
        for layer in range(1, self.depth + 1):
            tangent = tangent * kappa0(theta)
            theta = next_angle(theta)
            if self.trained == "all" or (self.trained == "last" and layer == self.depth):
                tangent = tangent + np.cos(theta)
        return tangent
