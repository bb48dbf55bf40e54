"""Linear algebra of kernel matrices, each answer with its residual."""

from widthwise.solvers.dense import Inverse, eigh, inverse

__all__ = ["Inverse", "eigh", "inverse"]
