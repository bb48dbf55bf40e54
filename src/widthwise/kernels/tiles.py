r"""Kernel values tile by tile, at a cost that depth does not change.

A tile is one matrix product, of directions, and one fused pass over its cosines, whatever the depth: two polynomials
(`kernels.series`) where there are no biases, else the recursion. Near a pole the rounding of a cosine is the square root of
itself in the angle. Pairs that close are evaluated again from :math:`\|\hat x \mp \hat z\|/2` in float64; where there are few
columns, every pair is.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from jaxtyping import Float

from widthwise._jax import float64, full_products
from widthwise.kernels import passes
from widthwise.kernels.recursion import Layers, run
from widthwise.kernels.rows import Dtype, Rows
from widthwise.kernels.series import Output, has_series, homogeneous, poles, series

# One compiled pass for every tile: edges are padded. Large, since each costs some tenths of a millisecond to hand over, but
# not a power of two, so that rows do not share cache sets. The recursion takes long enough to keep its tiles small.
TILE = 656
RECURSION_TILE = 176
# Below this 1 - |cos| the rounding of a cosine shows in the angle: 2e-16 and 1e-7 of it move t by 1e-14 and 3e-7.
NEAR_POLE = {"float64": 1e-4, "float32": 5e-3}
# With at most this many columns all chords cost less than a matrix product and its repair.
FEW_COLUMNS = 12
# Numbers of the rows that are held while near pairs are evaluated again.
CHUNK = 1 << 18


def diagonal(layers: Layers, rows: Rows, outputs: tuple[Output, ...]) -> Float[np.ndarray, "outputs n"]:
    """Values of every row with itself, exact."""
    if homogeneous(layers):
        at_zero = np.array([poles(layers, output)[0] for output in outputs])
        with np.errstate(over="ignore", under="ignore"):
            return np.asarray(np.ldexp((at_zero[:, None] * rows.size) * rows.size, 2 * rows.power))
    with np.errstate(over="ignore", under="ignore"):
        found = dict(zip(("nngp", "ntk"), run(layers, np.zeros(len(rows)), rows.size, rows.size, np), strict=True))
    return np.stack([found[name] for name in outputs])


def working_dtype(layers: Layers, dtype: Dtype) -> Dtype:
    """Precision of the products behind a result: the recursion, of a biased or erf network say, is always in float64."""
    return dtype if has_series(layers) else "float64"


def tile_size(layers: Layers) -> int:
    """Rows and columns of a whole tile, where nothing else is asked for."""
    return TILE if has_series(layers) else RECURSION_TILE


class Evaluator:
    """Values of tiles between two sets of rows; thread-safe, with scratch space for each thread.

    Args:
        layers: the network.
        outputs: which kernels, in the order wanted.
        dtype: of products and values; with biases, and for erf, the recursion is in float64 all the same.
        tile: rows and columns of a whole tile; one pass is compiled for it. Chosen when not given.
    """

    def __init__(self, layers: Layers, outputs: tuple[Output, ...], dtype: Dtype, tile: int | None = None) -> None:
        self.layers, self.outputs, self.dtype = layers, outputs, dtype
        self.tile = tile_size(layers) if tile is None else tile
        self.work = working_dtype(layers, dtype)
        self.on_cpu = passes.on_cpu()
        self._local = threading.local()
        found = [series(layers, output, self.work) for output in outputs] if has_series(layers) else []
        self._series = [one for one in found if one is not None]

    def __call__(self, x: Rows, z: Rows) -> Float[np.ndarray, "outputs a b"]:
        """Values between at most `tile` rows and at most as many others, or themselves but for the diagonal.

        The array may be read-only.
        """
        n, m = len(x), len(z)
        a, b = (self._padded(name, rows.size[:, None], self.work)[:, 0] for name, rows in (("a", x), ("b", z)))
        with float64() if self.work == "float64" else full_products():
            if x.columns <= FEW_COLUMNS:
                values = self._from_rows(x, z, a, b)[:, :n, :m]
            else:
                cosine = self._product(x, z)
                if x is z and self.on_cpu:
                    # Of a row with itself nothing is wanted, least of all a repair.
                    np.fill_diagonal(cosine, 0.0)
                values = self._values("cosines", cosine, a, b)[:, :n, :m]
                # Two reductions tell whether any pair is near a pole; most tiles have none, and need neither mask nor copy.
                if max(cosine.max(), -cosine.min()) > 1.0 - NEAR_POLE[self.work]:
                    values = np.array(values)
                    self._repair(values, np.asarray(cosine)[:n, :m], x, z)
        if x.power.any() or z.power.any():
            with np.errstate(over="ignore", under="ignore"):
                values = np.ldexp(values, x.power[:, None] + z.power)
        return values

    def _values(self, source: passes.Source, *inputs: Any) -> Float[np.ndarray, "outputs *pairs"]:
        """Each output by the pass that it has alone, so that a pair has the bits of two calls."""
        if self._series:
            parts = [passes.by_series(source, one.basis)(*inputs, one.even, one.odd, one.poles) for one in self._series]
        else:
            parts = [passes.by_recursion(source, self.layers, output)(*inputs) for output in self.outputs]
        # A single one as it is, without a copy.
        return np.asarray(parts[0])[None] if len(parts) == 1 else np.stack([np.asarray(part) for part in parts])

    def _from_rows(self, x: Rows, z: Rows, a: Any, b: Any) -> Float[np.ndarray, "outputs tile tile"]:
        """Chords are differences of directions in float64, whatever the precision of the rest."""
        left, right = (self._padded(name, rows.directions(), "float64") for name, rows in (("x", x), ("z", z)))
        with float64():
            return self._values("rows", left, right, a, b)

    def _product(self, x: Rows, z: Rows) -> Any:
        """Cosines, zero beyond the edge: on a CPU by BLAS, in this thread's scratch; elsewhere on the device."""
        if not self.on_cpu:
            return passes.product()(*(self._padded(name, rows.quick, self.work) for name, rows in (("x", x), ("z", z))))
        scratch = self._scratch("cosine", (self.tile, self.tile), self.work)
        if min(len(x), len(z)) < self.tile:
            scratch[:] = 0.0
        np.matmul(x.quick, z.quick.T, out=scratch[: len(x), : len(z)])
        return scratch

    def _padded(self, name: str, values: Float[np.ndarray, "k p"], dtype: Dtype) -> Float[np.ndarray, "tile p"]:
        """Rows as this thread's scratch has them, zero beyond their end."""
        scratch = self._scratch(name, (self.tile, values.shape[1]), dtype)
        scratch[: len(values)] = values
        scratch[len(values) :] = 0.0
        return scratch

    def _scratch(self, name: str, shape: tuple[int, int], dtype: Dtype) -> Float[np.ndarray, "..."]:
        held: Any = self._local.__dict__
        found = held.get(name)
        if found is None or found.shape != shape:
            found = held[name] = aligned(shape, dtype)
        return np.asarray(found)

    def _repair(
        self,
        values: Float[np.ndarray, "outputs a b"],
        cosine: Float[np.ndarray, "a b"],
        x: Rows,
        z: Rows,
    ) -> None:
        """Evaluate pairs near a pole again, from their chords in float64."""
        rows, others = np.nonzero(np.abs(cosine) > 1.0 - NEAR_POLE[self.work])
        left, right = (r.directions() for r in (x, z))
        step = max(1, CHUNK // x.columns)
        for start in range(0, len(rows), step):
            i, j = rows[start : start + step], others[start : start + step]
            side = cosine[i, j] > 0
            chord = left[i] - np.where(side, 1.0, -1.0)[:, None] * right[j]
            t = np.sqrt(np.einsum("ij,ij->i", chord, chord)) / 2.0
            values[:, i, j] = self._pairs(t, side, x.size[i], z.size[j])

    def _pairs(self, t: Any, side: Any, a: Any, b: Any) -> Float[np.ndarray, "outputs pairs"]:
        """Values of a list of pairs, padded to a power of two so that few lengths are ever compiled."""
        pad = (0, (1 << max(10, int(len(t) - 1).bit_length())) - len(t))
        lists = (
            np.pad(t, pad).astype(self.work),
            np.pad(side, pad),
            *(np.pad(s, pad).astype(self.work) for s in (a, b)),
        )
        return self._values("pairs", *lists)[:, : len(t)]


def aligned(shape: tuple[int, ...], dtype: str) -> Float[np.ndarray, "..."]:
    """Zeros that start at a multiple of 64 bytes, which JAX takes on a CPU without copying."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.zeros(size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size].view(dtype).reshape(shape)
