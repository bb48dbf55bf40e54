"""Finite networks and their tangent kernels: JAX in, JAX out.

`MLP` is the grid of fully connected networks; `presets` has the points of it that papers chose, with their training.
"""

from widthwise.networks import presets
from widthwise.networks.doubled import Doubled
from widthwise.networks.empirical import empirical_ntk
from widthwise.networks.implicit import ImplicitNetwork
from widthwise.networks.jacobian import empirical_ntk_of
from widthwise.networks.laws import Balanced, Normal, Signs, TruncatedNormal, Zeros
from widthwise.networks.linear_rnn import LinearRNN
from widthwise.networks.mlp import MLP, Params
from widthwise.networks.monte_carlo import KernelEstimate, monte_carlo_kernel
from widthwise.networks.network import Network
from widthwise.networks.presets import Setting
from widthwise.networks.pseudo import PseudoNetwork
from widthwise.networks.remembered import Centred, Linearised
from widthwise.networks.residual import ResidualNetwork

__all__ = [
    "MLP",
    "Balanced",
    "Centred",
    "Doubled",
    "ImplicitNetwork",
    "KernelEstimate",
    "LinearRNN",
    "Linearised",
    "Network",
    "Normal",
    "Params",
    "PseudoNetwork",
    "ResidualNetwork",
    "Setting",
    "Signs",
    "TruncatedNormal",
    "Zeros",
    "empirical_ntk",
    "empirical_ntk_of",
    "monte_carlo_kernel",
    "presets",
]
