"""The same kernels in the normalisations of other libraries, so that numbers can be compared and code moved over.

Every conversion is exact: it chooses the variances for which our recursion is theirs.
"""

from __future__ import annotations

from typing import Literal

from widthwise._checks import count, positive
from widthwise.errors import UsageError
from widthwise.kernels.fully_connected import NNGP, NTK


def neural_tangents(
    depth: int, *, columns: int, W_std: float = 1.0, b_std: float = 0.0, get: Literal["ntk", "nngp"] = "ntk"
) -> NTK | NNGP:
    """Kernel of neural-tangents' `stax.serial(Dense(., W_std, b_std), Relu(), ..., Dense(1, W_std, b_std))`.

    There every dense layer divides by its fan-in, the first one by the number of columns too; here that is `input_scale`.

    Args:
        depth: number of `Relu()` layers.
        columns: number of columns of the inputs.
        W_std: standard deviation of the weights, as given to `Dense`.
        b_std: standard deviation of the biases, as given to `Dense`.
        get: which kernel, as given to `kernel_fn`.

    Raises:
        UsageError: if an argument is outside its range.
    """
    count(columns, "columns")
    positive(W_std, "W_std")
    kind: type[NTK | NNGP] | None = {"ntk": NTK, "nngp": NNGP}.get(get)
    if kind is None:
        raise UsageError(f"get must be 'ntk' or 'nngp'; {get!r} came")
    return kind(depth=depth, weight_variance=W_std**2, bias_variance=b_std**2, input_scale=W_std**2 / columns)


def leoyu(depth: int) -> NTK:
    """Kernel of the UCI experiments of :cite:t:`arora2019b` and their successors, all layers trained.

    Their depth counts weight matrices, one more than ours; each hidden layer halves the kernel.

    Args:
        depth: number of hidden layers.
    """
    return NTK(depth=depth, weight_variance=1.0)


def scikit_ntk(depth: int) -> NTK:
    """Kernel of scikit-ntk without bias: one on the diagonal for unit rows.

    Args:
        depth: number of hidden layers, as there.
    """
    return NTK(depth=depth, input_scale=1.0 / (count(depth, "depth") + 1))
