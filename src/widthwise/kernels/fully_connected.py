r"""Infinite-width kernels of fully connected networks, as frozen data that is called with rows.

One network, three kernels: `NTK`, the kernel of gradients; `NNGP`, the covariance at the random start; `HInf`, the
first-layer tangent kernel of the two-layer theory. What they compute is in `kernels.recursion`, how in `kernels.tiles`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np

from widthwise._checks import count, positive
from widthwise.errors import UsageError
from widthwise.kernels.activations import Activation, piecewise_linear
from widthwise.kernels.kernel import Kernel
from widthwise.kernels.recursion import Layers, Trained


@dataclass(frozen=True)
class HInf(Kernel):
    r"""Tangent kernel of the first layer of an infinitely wide two-layer ReLU network.

    .. math:: H^\infty(x, z) = x^\top z\,(\pi - \theta) / (2\pi)

    in [-0.0893014, 0.5] for unit vectors, one half on the diagonal. Rows that are parallel make the matrix singular,
    and so does a set of rows whose odd degrees from three on are not carried by others: the kernel does not see them.

    References:
        :cite:t:`arora2019`, equation (2); :cite:t:`du2019`.
    """

    output: ClassVar[Literal["nngp", "ntk"]] = "ntk"

    @property
    def layers(self) -> Layers:
        """The two-layer network, of which only the first layer moves."""
        return Layers(
            depth=1,
            weight_variance=1.0,
            bias_variance=0.0,
            last_variance=1.0,
            last_rate=1.0,
            activation="relu",
            trained="first",
        )


@dataclass(frozen=True)
class _FullyConnected(Kernel):
    depth: int = 3
    weight_variance: float = 2.0
    bias_variance: float = 0.0
    input_scale: float = 1.0
    last_variance: float | None = None
    activation: Activation = "relu"

    def __post_init__(self) -> None:
        # As plain numbers, so that the repr rebuilds the kernel and equal kernels have one repr.
        object.__setattr__(self, "depth", count(self.depth, "depth"))
        for name in ("weight_variance", "input_scale"):
            object.__setattr__(self, name, positive(getattr(self, name), name))
        if not (np.isfinite(self.bias_variance) and self.bias_variance >= 0):
            raise UsageError(f"bias_variance must be a finite number of at least 0; {self.bias_variance!r} came")
        object.__setattr__(self, "bias_variance", float(self.bias_variance))
        if self.last_variance is not None:
            object.__setattr__(self, "last_variance", positive(self.last_variance, "last_variance"))
        piecewise_linear(self.activation)

    @property
    def scale(self) -> float:
        """Covariance of the first pre-activations over x.z, without bias."""
        return self.input_scale

    @property
    def layers(self) -> Layers:
        """The network, as the recursion takes it."""
        return Layers(
            depth=self.depth,
            weight_variance=self.weight_variance,
            bias_variance=self.bias_variance,
            last_variance=self.weight_variance if self.last_variance is None else self.last_variance,
            last_rate=1.0,
            activation=self.activation,
            trained="all",
        )


@dataclass(frozen=True)
class NNGP(_FullyConnected):
    r"""Covariance of the output of an infinitely wide network at its random start (conjugate kernel).

    .. math:: K^1 = s\,x^\top z + c, \qquad K^{h+1} = v\,E[\sigma(u)\sigma(w)] + c, \quad (u, w) \sim N(0, K^h)

    Args:
        depth: number L of hidden layers, at least one.
        weight_variance: v, the variance of a weight times its fan-in; 2 keeps norms from layer to layer for ReLU.
        bias_variance: c, of the biases of every layer, the output included.
        input_scale: s, the covariance of the first pre-activations over x.z.
        last_variance: v of the output layer; that of the others when not given.
        activation: `relu`, `abs`, `linear`, `erf` or `LeakyReLU(slope)`.

    References:
        :cite:t:`cho2009`; :cite:t:`arora2019b`, section 3; erf: :cite:t:`williams1997`.
    """

    output: ClassVar[Literal["nngp", "ntk"]] = "nngp"


@dataclass(frozen=True)
class NTK(_FullyConnected):
    r"""Neural tangent kernel of a fully connected network with L hidden layers.

    .. math:: \Theta^1 = K^1, \qquad \Theta^{h+1} = K^{h+1} + v\,\Theta^h\,E[\sigma'(u)\sigma'(w)]

    in the notation of `NNGP`. For ReLU, unit vectors and default variances the diagonal is L + 1.

    Args:
        depth: number L of hidden layers, at least one.
        weight_variance: v, the variance of a weight times its fan-in.
        bias_variance: c, of the biases of every layer.
        input_scale: s, the covariance of the first pre-activations over x.z.
        last_variance: v of the output layer; that of the others when not given.
        activation: `relu`, `abs`, `linear`, `erf` or `LeakyReLU(slope)`.
        trained: `all` parameters; `weights` but not biases; only the `first` or the `last` layer, its biases included.
        last_rate: learning rate of the output layer over that of the others.

    References:
        :cite:t:`jacot2018`; :cite:t:`arora2019b`, section 3.
    """

    trained: Trained = "all"
    last_rate: float = 1.0

    output: ClassVar[Literal["nngp", "ntk"]] = "ntk"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "last_rate", positive(self.last_rate, "last_rate"))
        if self.trained not in ("all", "weights", "first", "last"):
            raise UsageError(f"trained must be 'all', 'weights', 'first' or 'last'; {self.trained!r} came")

    @classmethod
    def chen2019(cls, matrices: int) -> NTK:
        r"""Kernel of the gradients, over m^(2 alpha), in the parametrisation of :cite:t:`chen2019`.

        With L weight matrices of variances 2/m, the last 1/m,
        :math:`\Sigma^{L-1} + \tfrac12\sum_{l<L}\Sigma^{l-1}\prod_{h \ge l}\dot\Sigma^h`; its diagonal for unit vectors is
        1 + (L - 1)/2.

        Args:
            matrices: number L of weight matrices, at least two.
        """
        count(matrices, "matrices", 2)
        return cls(depth=matrices - 1, last_variance=1.0, last_rate=2.0)

    @property
    def layers(self) -> Layers:
        """The network, as the recursion takes it, and what of it is trained."""
        return replace(super().layers, last_rate=self.last_rate, trained=self.trained)
