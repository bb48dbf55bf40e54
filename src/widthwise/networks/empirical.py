"""Tangent kernels of finite networks, by layers: Hadamard products of small Gram matrices, never a Jacobian."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

from widthwise._jax import full_products
from widthwise.networks.mlp import MLP, Params


def empirical_ntk(
    net: MLP, params: Params, X: Float[Array, "n d"], Z: Float[Array, "m d"] | None = None
) -> Float[Array, "n m"]:
    r"""Kernel of the gradients of one output with respect to the trained first layer.

    .. math:: H_{ij} = \frac{x_i^\top z_j}{m}\sum_r 1[w_r^\top x_i \ge 0]\,1[w_r^\top z_j \ge 0]

    The signs square to one, so it is the same matrix for every output. The derivative of ReLU at zero is one.

    Args:
        net: the network.
        params: its parameters, at the start or later.
        X: n rows.
        Z: m rows; X itself when not given.

    References:
        :cite:t:`arora2019`, section 3.
    """
    others = X if Z is None else Z
    with full_products():
        gates_x = (X @ params["W"].T >= 0).astype(X.dtype)
        gates_z = gates_x if Z is None else (others @ params["W"].T >= 0).astype(X.dtype)
        kernel: Float[Array, "n m"] = (X @ others.T) * (gates_x @ gates_z.T) / jnp.asarray(net.widths[0], X.dtype)
    return kernel
