"""Kernels by name, and the rows that they are given."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from widthwise.errors import UsageError
from widthwise.estimators.validation import number
from widthwise.kernels import NNGP, NTK, HInf
from widthwise.kernels.kernel import Kernel

KERNELS = ("ntk", "nngp", "hinf")


def kernel_of(kernel: Any, columns: int, *, depth: int, weight_variance: float, bias_variance: float) -> Kernel:
    r"""The kernel that an estimator's parameters name.

    By name, covariances of the first layer are :math:`x^\top z/d` plus that of a bias, so that a variance of a bias means the
    same in any number d of columns.

    Args:
        kernel: `ntk`, `nngp` or `hinf`, which takes none of the other parameters; or a kernel of `widthwise.kernels`, taken
            as it is.
        columns: d.
        depth: number of hidden layers.
        weight_variance: of a weight times its fan-in.
        bias_variance: of every bias.

    Raises:
        UsageError: if the name is unknown or a parameter is outside its range.
    """
    if isinstance(kernel, Kernel):
        return kernel
    if kernel == "hinf":
        return HInf()
    if not isinstance(kernel, str) or kernel not in KERNELS:
        raise UsageError(f"kernel must be 'ntk', 'nngp', 'hinf' or a kernel of widthwise.kernels; {kernel!r} came")
    make = NTK if kernel == "ntk" else NNGP
    return make(
        depth=depth,
        weight_variance=number(weight_variance, "weight_variance"),
        bias_variance=number(bias_variance, "bias_variance"),
        input_scale=1.0 / columns,
    )


def padded(X: Float[np.ndarray, "n d"], pad: float) -> Float[np.ndarray, "n p"]:
    r"""Rows with a constant column of :math:`\mathrm{pad}\sqrt d` appended: as large as a row of standardised columns at 1.

    Args:
        X: rows.
        pad: at least zero; nothing is appended at 0.

    Raises:
        UsageError: if it is negative.
    """
    size = number(pad, "pad")
    if size == 0.0:
        return X
    return np.column_stack([X, np.full(len(X), size * X.shape[1] ** 0.5)])
