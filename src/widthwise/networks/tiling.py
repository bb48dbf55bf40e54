"""Kernel matrices put together from square tiles: what every empirical kernel shares, whatever a tile costs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array


def tiles(n: int, m: int, tile: int, *, symmetric: bool) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of each tile; of a symmetric matrix those on and below the diagonal."""
    for top in range(0, n, tile):
        for left in range(0, top + 1 if symmetric else m, tile):
            yield slice(top, min(top + tile, n)), slice(left, min(left + tile, m))


def mirrored(block: Any) -> Any:
    """The tile across the diagonal: rows and columns exchanged, and with them the outputs where there are any."""
    return block.transpose(1, 0, 3, 2) if block.ndim == 4 else block.T


def assemble(n: int, m: int, tile: int, block: Callable[[slice, slice], Any], *, symmetric: bool) -> Any:
    """JAX array of shape (n, m, ...), or a tree of such, from its tiles; traceable.

    Args:
        n: rows.
        m: columns.
        tile: rows and columns of a tile.
        block: values of one tile, or a tree of them.
        symmetric: whether tiles above the diagonal are mirrored instead of computed; those on it are made symmetric to
            the bit.
    """
    whole: Any = None
    for rows, columns in tiles(n, m, tile, symmetric=symmetric):
        part = block(rows, columns)
        if symmetric and rows == columns:
            part = jax.tree.map(_symmetric, part)
        if n <= tile and m <= tile:
            return part
        if whole is None:
            whole = jax.tree.map(lambda values: jnp.zeros((n, m, *values.shape[2:]), values.dtype), part)
        place = (rows.start, columns.start)
        whole = jax.tree.map(functools.partial(_put, place=place), whole, part)
        if symmetric and rows != columns:
            other = jax.tree.map(mirrored, part)
            whole = jax.tree.map(functools.partial(_put, place=place[::-1]), whole, other)
    return whole


@jax.jit
def _symmetric(values: Array) -> Array:
    mean: Array = 0.5 * (values + mirrored(values))
    return mean


@functools.partial(jax.jit, donate_argnums=0)
def _put(whole: Array, part: Array, place: tuple[int | Array, int | Array]) -> Array:
    """Write a tile in place: the memory of the matrix is given away and comes back."""
    start = (*place, *(0 for _ in part.shape[2:]))
    written: Array = jax.lax.dynamic_update_slice(whole, part, start)
    return written
