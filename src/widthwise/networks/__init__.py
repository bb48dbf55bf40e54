"""Finite networks and their tangent kernels: JAX in, JAX out."""

from widthwise.networks.empirical import empirical_ntk
from widthwise.networks.jacobian import empirical_ntk_of
from widthwise.networks.laws import Balanced, Normal, Signs, TruncatedNormal, Zeros
from widthwise.networks.mlp import MLP, Params
from widthwise.networks.monte_carlo import KernelEstimate, monte_carlo_kernel
from widthwise.networks.network import Network

__all__ = [
    "MLP",
    "Balanced",
    "KernelEstimate",
    "Network",
    "Normal",
    "Params",
    "Signs",
    "TruncatedNormal",
    "Zeros",
    "empirical_ntk",
    "empirical_ntk_of",
    "monte_carlo_kernel",
]
