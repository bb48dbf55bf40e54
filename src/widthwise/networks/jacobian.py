"""Tangent kernels of any network, by contraction of Jacobians in chunks of rows: JAX functions and PyTorch modules.

For networks of `MLP` `networks.empirical` needs no Jacobian and is hundreds of times faster.
"""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from widthwise._checks import count
from widthwise._jax import full_products
from widthwise.errors import DataError, UsageError
from widthwise.networks.empirical import Outputs
from widthwise.networks.mlp import Params
from widthwise.networks.network import Network
from widthwise.networks.tiling import assemble

# Bytes of one chunk's Jacobian when no chunk is given; two are held at a time.
CHUNK_BYTES = 1 << 28


def empirical_ntk_of(
    apply: Any,
    params: Any,
    X: Any,
    Z: Any | None = None,
    *,
    outputs: Outputs = "shared",
    chunk: int | None = None,
) -> Float[Array, "n m *outputs"] | Float[np.ndarray, "n m *outputs"]:
    r"""Kernel of the gradients of any network's outputs, :math:`K(x, z)_{cc'} = \nabla f_c(x) \cdot \nabla f_{c'}(z)`.

    The Jacobians of a chunk of rows are contracted with those of another, leaf by leaf, so that memory is the result and
    two Jacobians of chunk x outputs x parameters numbers. Chunks are paired, so those of Z (of X itself without Z) are
    computed again for each chunk of X: the larger the chunk, the less. Rows must not depend on each other.

    Args:
        apply: function of (params, rows) that returns outputs of shape (rows, k), traceable by JAX; or a
            `torch.nn.Module`.
        params: parameters in which to differentiate: any tree of floating JAX arrays; for a module a dictionary by name
            of those that move (the others keep the module's values), or None for all that require gradients.
        X: n rows, of any shape (n, ...) that `apply` takes.
        Z: m rows; X itself when not given.
        outputs: `shared`, shape (n, m), for one output; `trace`, shape (n, m), the sum over outputs c of
            :math:`K_{cc}`; `full`, shape (n, m, k, k), entry [i, j, c, c'].
        chunk: rows of a chunk; as many as fit into 256 MB when not given.

    Returns:
        A JAX array for a function, a NumPy array for a module, in the precision of the parameters.

    Raises:
        UsageError: if an argument is not one that is known, or outputs are several and `shared` is asked.
        DataError: if outputs are not of shape (rows, k), or parameters are not floating.

    References:
        :cite:t:`jacot2018`.
    """
    if outputs not in ("shared", "trace", "full"):
        raise UsageError(f"outputs must be 'shared', 'trace' or 'full'; {outputs!r} came")
    if chunk is not None:
        count(chunk, "chunk")
    torch = sys.modules.get("torch")  # whoever holds a module has imported it
    if torch is not None and isinstance(apply, torch.nn.Module):
        from widthwise.networks import torch_modules  # noqa: PLC0415

        return torch_modules.empirical_ntk_of(apply, params, X, Z, outputs=outputs, chunk=chunk)
    if not callable(apply):
        raise UsageError(
            f"apply must be a function of (params, rows) or a torch.nn.Module; a {type(apply).__name__} came"
        )
    return _of_function(apply, params, X, Z, outputs=outputs, chunk=chunk)


def one_kernel(k: int, outputs: Outputs) -> None:
    """Refuse `shared` where there are several outputs.

    Raises:
        UsageError: with the forms that there are.
    """
    if outputs == "shared" and k > 1:
        raise UsageError(
            f"the {k} outputs need not have a kernel in common: outputs must be 'trace' (the sum of their kernels) or "
            "'full' (every pair of outputs)"
        )


def output_count(shape: tuple[int, ...], rows: int) -> int:
    """Number k of outputs, from the shape of the outputs of some rows.

    Raises:
        DataError: if the shape is not (rows, k).
    """
    if len(shape) != 2 or shape[0] != rows:
        raise DataError(f"apply must return outputs of shape (rows, k), k = 1 for one output; {rows} rows gave {shape}")
    return shape[1]


def chunk_rows(chunk: int | None, bytes_per_row: int) -> int:
    """Rows of a chunk: those asked for, or as many as `CHUNK_BYTES` hold."""
    return chunk if chunk is not None else max(1, CHUNK_BYTES // max(1, bytes_per_row))


def _of_function(
    apply: Callable[[Any, Any], Any], params: Any, X: Any, Z: Any | None, *, outputs: Outputs, chunk: int | None
) -> Array:
    tree = jax.tree.map(jnp.asarray, params)
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    for path, leaf in leaves:
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            raise DataError(f"parameters must be floating; params{jax.tree_util.keystr(path)} is {leaf.dtype}")
    if not leaves:
        raise DataError("params must hold at least one array; it is empty")
    rows = jnp.asarray(X)
    others = rows if Z is None else jnp.asarray(Z)
    if rows.ndim < 1 or rows.shape[1:] != others.shape[1:] or not len(rows) or not len(others):
        raise DataError(f"X and Z must hold rows of one shape; {rows.shape} and {others.shape} came")
    k = output_count(jax.eval_shape(apply, tree, rows[:1]).shape, 1)
    one_kernel(k, outputs)
    size = chunk_rows(chunk, k * sum(math.prod(leaf.shape) * leaf.dtype.itemsize for _, leaf in leaves))

    @jax.jit
    def jacobian(values: Any, some: Array) -> list[Array]:
        per_row = jax.vmap(jax.jacrev(lambda p, x: apply(p, x[None])[0]), (None, 0))(values, some)
        return [leaf.reshape(len(some), k, -1) for leaf in jax.tree.leaves(per_row)]

    held: dict[tuple[str, int], list[Array]] = {}

    def chunk_of(side: str, part: slice) -> list[Array]:
        """The chunk's Jacobian; the last one of each side is kept, since tiles come row by row."""
        key = (side, part.start)
        if key not in held:
            for stale in [place for place in held if place[0] == side]:
                del held[stale]
            held[key] = jacobian(tree, (rows if side == "X" else others)[part])
        return held[key]

    def block(part: slice, other: slice) -> Array:
        left = chunk_of("X", part)
        kernel: Array = _contract(left, left if Z is None and part == other else chunk_of("Z", other), outputs)
        return kernel

    with full_products():
        kernel: Array = assemble(len(rows), len(others), size, block, symmetric=Z is None)
    return kernel


def of_network(
    net: Network, params: Params, X: Array, Z: Array | None, *, outputs: Outputs, layers: bool, chunk: int | None
) -> Array | dict[str, Array]:
    """Kernel of a network that has no formulas by layers, or its parts; compiled once for a network and shapes.

    Raises:
        UsageError: if outputs are several and `shared` is asked.
    """
    one_kernel(net.outputs, outputs)
    others = X if Z is None else Z
    bytes_of_row = sum(params[name].size * params[name].dtype.itemsize for name in net.trained_names)
    size = chunk_rows(chunk, net.outputs * bytes_of_row)

    def block(part: slice, other: slice) -> Array | dict[str, Array]:
        left = _network_jacobian(net, params, X[part])
        right = left if Z is None and part == other else _network_jacobian(net, params, others[other])
        pairs: Array | dict[str, Array]
        if layers:
            pairs = {name: _contract([left[name]], [right[name]], outputs) for name in left}
        else:
            pairs = _contract(list(left.values()), list(right.values()), outputs)
        return pairs

    with full_products():
        kernel: Array | dict[str, Array] = assemble(len(X), len(others), size, block, symmetric=Z is None)
    return kernel


@functools.partial(jax.jit, static_argnames="net")
def _network_jacobian(net: Network, params: Params, some: Array) -> dict[str, Array]:
    """Jacobian in each trained parameter, of shape (rows, k, parameters)."""
    moving = {name: params[name] for name in net.trained_names}
    of_row = jax.jacrev(lambda leaves, x: net.apply({**params, **leaves}, x[None])[0])
    whole = jax.vmap(of_row, (None, 0))(moving, some)
    return {name: leaf.reshape(len(some), net.outputs, -1) for name, leaf in whole.items()}


def _contraction(left: list[Array], right: list[Array], outputs: Outputs) -> Array:
    """Sum over parameters of the products of two Jacobians of shape (rows, k, parameters), leaf by leaf."""
    pairs = "icp,jdp->ijcd" if outputs == "full" else "icp,jcp->ij"
    total, *others = (jnp.einsum(pairs, x, z) for x, z in zip(left, right, strict=True))
    for part in others:
        total = total + part
    return total


_contract = jax.jit(_contraction, static_argnames="outputs")
