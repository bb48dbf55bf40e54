"""Finite ReLU networks and their tangent kernels: JAX in, JAX out."""

from widthwise.networks.empirical import empirical_ntk
from widthwise.networks.mlp import MLP, Params

__all__ = ["MLP", "Params", "empirical_ntk"]
