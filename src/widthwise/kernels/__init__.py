"""Closed-form kernels of infinitely wide networks: rows in, NumPy matrices out; `kernels.functions` is pure JAX."""

from widthwise.kernels.activations import LeakyReLU
from widthwise.kernels.fully_connected import NNGP, NTK, HInf

__all__ = ["NNGP", "NTK", "HInf", "LeakyReLU"]
