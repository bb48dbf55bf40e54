"""Closed-form kernels of infinitely wide ReLU networks: rows in, float64 matrices out."""

from widthwise.kernels.fully_connected import NNGP, NTK, HInf

__all__ = ["NNGP", "NTK", "HInf"]
