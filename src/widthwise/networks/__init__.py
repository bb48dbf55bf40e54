"""Finite networks and their tangent kernels: JAX in, JAX out."""

from widthwise.networks.empirical import empirical_ntk
from widthwise.networks.jacobian import empirical_ntk_of
from widthwise.networks.mlp import MLP, Params
from widthwise.networks.monte_carlo import KernelEstimate, monte_carlo_kernel

__all__ = ["MLP", "KernelEstimate", "Params", "empirical_ntk", "empirical_ntk_of", "monte_carlo_kernel"]
