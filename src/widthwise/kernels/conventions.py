"""The same kernels in the normalisations of other libraries, so that numbers can be compared and code moved over.

Every conversion is exact: it chooses the variances for which our recursion is theirs.
"""

from __future__ import annotations

from typing import Literal

from widthwise._checks import count, positive
from widthwise.errors import UsageError
from widthwise.kernels.activations import Activation
from widthwise.kernels.fully_connected import NNGP, NTK


def neural_tangents(
    depth: int,
    *,
    columns: int,
    W_std: float = 1.0,
    b_std: float = 0.0,
    get: Literal["ntk", "nngp"] = "ntk",
    activation: Activation = "relu",
) -> NTK | NNGP:
    """Kernel of neural-tangents' `stax.serial(Dense(., W_std, b_std), Relu(), ..., Dense(1, W_std, b_std))`.

    There every dense layer divides by its fan-in, the first one by the number of columns too; here that is `input_scale`.

    Args:
        depth: number of `Relu()` layers, or of those of another activation.
        columns: number of columns of the inputs.
        W_std: standard deviation of the weights, as given to `Dense`.
        b_std: standard deviation of the biases, as given to `Dense`.
        get: which kernel, as given to `kernel_fn`.
        activation: `relu` for `Relu()`, `LeakyReLU(slope)` for `ABRelu(slope, 1)`, `abs` for `Abs()`, `erf` for `Erf()`.

    Raises:
        UsageError: if an argument is outside its range.
    """
    count(columns, "columns")
    positive(W_std, "W_std")
    kind: type[NTK | NNGP] | None = {"ntk": NTK, "nngp": NNGP}.get(get)
    if kind is None:
        raise UsageError(f"get must be 'ntk' or 'nngp'; {get!r} came")
    return kind(
        depth=depth,
        weight_variance=W_std**2,
        bias_variance=b_std**2,
        input_scale=W_std**2 / columns,
        activation=activation,
    )


def leoyu(depth: int, *, fixed: int = 0) -> NTK:
    """Kernel of the UCI experiments of :cite:t:`arora2019b` and their successors: `kernel_value_batch(X, depth + 1)[depth][fixed]`.

    Their depth counts weight matrices, one more than ours; each hidden layer halves the kernel.

    Args:
        depth: number of hidden layers.
        fixed: how many of the first weight matrices do not move: none, or all but the last.

    Raises:
        UsageError: for another number of fixed matrices, whose kernel is not here.
    """
    if fixed not in (0, count(depth, "depth")):
        raise UsageError(f"fixed must be 0 (all move) or {depth} (only the last moves); {fixed!r} came")
    return NTK(depth=depth, weight_variance=1.0, trained="last" if fixed else "all")


def scikit_ntk(depth: int) -> NTK:
    """Kernel of scikit-ntk's `NeuralTangentKernel(depth, bias=0)`: one on the diagonal for unit rows.

    With a bias its covariance has none, and its tangent kernel a constant for each layer: biases that start at zero and move
    at a rate of their own. That kernel is not here.

    Args:
        depth: number of hidden layers, as there.
    """
    return NTK(depth=depth, input_scale=1.0 / (count(depth, "depth") + 1))
