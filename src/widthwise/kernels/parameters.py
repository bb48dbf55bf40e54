r"""A kernel matrix and its derivatives with respect to the parameters of its network, all in one pass over the layers.

Nothing is compiled, so that a search may ask for new parameters a hundred times.

With :math:`S` the covariances of a layer, :math:`q` their diagonal, :math:`E_1 = E[\sigma\sigma]` and
:math:`E_0 = E[\sigma'\sigma']` at angle :math:`\theta`,

.. math:: dE_1 = E_0\,dS + \frac{\sin\theta}{4\pi}\Bigl(\sqrt{q'/q}\,dq + \sqrt{q/q'}\,dq'\Bigr), \qquad
          dE_0 = \frac{d\rho}{2\pi\sin\theta}

The second is 0/0 for rows of one direction, where the angle does not move: it is 0 there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.spatial.distance import cdist

from widthwise._checks import finite_matrix
from widthwise.errors import UsageError
from widthwise.kernels.fully_connected import NNGP, NTK
from widthwise.kernels.recursion import angle, run

# Angles below this are rounding of the cosine: the two rows have one direction.
ONE_DIRECTION = 1e-7


@dataclass(frozen=True, kw_only=True, eq=False)
class ParameterGradients:
    """A kernel matrix, and its derivatives in its own units over those of the parameter.

    Attributes:
        values: the matrix itself, as `kernel(X)` to rounding.
        weight_variance: of every layer after the first, the output included where it has no variance of its own.
        bias_variance: of every layer.
        input_scale: of the first layer.
        constant: with respect to a constant added to every x.z, as a constant coordinate of the rows adds its square.
    """

    values: Float[np.ndarray, "n n"]
    weight_variance: Float[np.ndarray, "n n"]
    bias_variance: Float[np.ndarray, "n n"]
    input_scale: Float[np.ndarray, "n n"]
    constant: Float[np.ndarray, "n n"]


def parameter_gradients(kernel: NTK | NNGP, X: object) -> ParameterGradients:
    """The matrix `kernel(X)` and its derivatives with respect to its variances and scale.

    Args:
        kernel: of ReLU networks with all parameters trained at one rate.
        X: n rows.

    Raises:
        UsageError: if the kernel is of another activation, or not of all parameters.
        DataError: if X is not finite.
    """
    layers = kernel.layers
    if layers.activation != "relu" or layers.trained != "all" or layers.last_rate != 1.0:
        raise UsageError(
            f"derivatives are those of ReLU networks with all parameters trained at one rate; {kernel!r} came"
        )
    rows = finite_matrix(X)
    inner = rows @ rows.T
    ones = np.ones_like(inner)
    S = kernel.input_scale * inner + kernel.bias_variance
    # One direction for each parameter: how the first covariance moves, and the variances of weights and biases.
    moves = [(0.0 * ones, 1.0, 0.0), (ones, 0.0, 1.0), (inner, 0.0, 0.0), (kernel.input_scale * ones, 0.0, 0.0)]
    dS = [move[0] for move in moves]
    T, dT = S, list(dS)
    for place in range(layers.depth):
        last = place == layers.depth - 1
        weight = layers.last_variance if last else layers.weight_variance
        q = np.diag(S)
        size = np.sqrt(np.outer(q, q))
        safe, safe_q = np.where(size > 0, size, 1.0), np.where(q > 0, q, 1.0)
        rho = np.clip(S / safe, -1.0, 1.0)
        np.fill_diagonal(rho, 1.0)
        theta = np.arccos(rho)
        sine = np.sin(theta)
        E0 = (np.pi - theta) / (2.0 * np.pi)
        E1 = size * (sine / (2.0 * np.pi) + E0 * rho)
        apart = np.minimum(theta, np.pi - theta) > ONE_DIRECTION
        bend = np.where(apart, 1.0 / (2.0 * np.pi * np.where(apart, sine, 1.0)), 0.0)
        for number, (_, d_weight, d_bias) in enumerate(moves):
            if last and kernel.last_variance is not None:
                d_weight = 0.0  # noqa: PLW2901 - the output has a variance of its own
            relative = np.diag(dS[number]) / safe_q / 2.0
            both = relative[:, None] + relative
            d_rho = dS[number] / safe - rho * both
            dE1 = E1 * both + size * E0 * d_rho
            dT[number] = weight * (dT[number] * E0 + T * bend * d_rho) + d_weight * T * E0
            dS[number] = weight * dE1 + d_weight * E1 + d_bias
            dT[number] = dT[number] + dS[number]
        S, T = weight * E1 + layers.bias_variance, weight * T * E0
        T = T + S
    found = dS if kernel.output == "nngp" else dT
    return ParameterGradients(
        values=matrix(kernel, rows),
        weight_variance=found[0],
        bias_variance=found[1],
        input_scale=found[2],
        constant=found[3],
    )


def matrix(kernel: NTK | NNGP, X: object, Z: object | None = None) -> Float[np.ndarray, "n m"]:
    """The matrix `kernel(X, Z)` without compiling anything: slower for many rows, at once for new parameters.

    From chords rather than cosines, as a tile of few columns: near duplicates lose no digits. For d columns it takes n m d
    operations of one thread.

    Args:
        kernel: any of fully connected networks.
        X: n rows.
        Z: m rows; X when not given.

    Raises:
        DataError: if a matrix is not finite.
    """
    unit, size = _directions(kernel, finite_matrix(X))
    other, length = (unit, size) if Z is None else _directions(kernel, finite_matrix(Z, "Z"))
    theta = angle((cdist(unit, other) / 2.0) ** 2, np)
    nngp, ntk = run(kernel.layers, theta, size[:, None], length, np)
    return np.asarray(nngp if kernel.output == "nngp" else ntk)


def _directions(
    kernel: NTK | NNGP, rows: Float[np.ndarray, "n d"]
) -> tuple[Float[np.ndarray, "n p"], Float[np.ndarray, " n"]]:
    """Unit vectors and lengths of the rows with the bias as one more coordinate."""
    bias = np.full(len(rows), kernel.bias_variance**0.5)
    lengthened = np.column_stack([kernel.input_scale**0.5 * rows, bias])
    size = np.linalg.norm(lengthened, axis=1)
    return lengthened / np.where(size > 0, size, 1.0)[:, None], size
