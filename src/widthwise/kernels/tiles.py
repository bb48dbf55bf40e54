r"""Kernel values tile by tile, at a cost that depth does not change.

Without biases a kernel of a piecewise linear network is :math:`ab\,\kappa(\theta)`. With
:math:`t = \sqrt{(1-|\cos\theta|)/2}`, the half chord to the nearer pole, kappa is analytic in t on [0, 1/sqrt 2] on either
side of the equator: two Chebyshev series, fitted once from the recursion, replace it. A tile is then one matrix product
and one fused pass, whatever the depth. With biases, and for erf, the pass is the recursion itself, fused.

Near a pole the rounding of a cosine is the square root of itself in t. Pairs that close are evaluated again from
:math:`\|\hat x \mp \hat z\|/2` in float64; where there are few columns, every pair is.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import scipy.fft
from jaxtyping import Float

from widthwise._checks import finite_matrix
from widthwise._jax import float64, full_products
from widthwise.errors import UsageError
from widthwise.kernels.activations import piecewise_linear
from widthwise.kernels.recursion import Layers, run

Output = Literal["nngp", "ntk"]
Dtype = Literal["float64", "float32"]

# One compiled pass for every tile: edges are padded. Not a power of two, so that rows do not share cache sets.
TILE = 528
# Below this 1 - |cos| the rounding of a cosine shows in the angle: 2e-16 and 1e-7 of it move t by 1e-14 and 3e-7.
NEAR_POLE = {"float64": 1e-4, "float32": 5e-3}
# Series are cut where their coefficients fall below this share of the largest.
SERIES_TAIL = {"float64": 2e-15, "float32": 1e-8}
MAX_DEGREE = 256
# With at most this many columns all chords cost less than a matrix product and its repair.
FEW_COLUMNS = 12
CHUNK = 1 << 18


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """Inputs, ready for tiles.

    Attributes:
        unit: first-layer directions, float64; a bias is one more coordinate.
        quick: the same in the precision of the products.
        size: first-layer standard deviations, float64.
    """

    unit: Float[np.ndarray, "n p"]
    quick: Float[np.ndarray, "n p"]
    size: Float[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.size)


def prepare(X: object, layers: Layers, input_scale: float, dtype: Dtype, name: str = "X") -> Rows:
    """Check rows and split them into directions and sizes.

    Raises:
        DataError: if the rows are not a finite matrix.
        UsageError: if the dtype is unknown.
    """
    if dtype not in ("float64", "float32"):
        raise UsageError(f"dtype must be 'float64' or 'float32'; {dtype!r} came")
    values = finite_matrix(X, name) * np.sqrt(input_scale)
    if layers.bias_variance:
        values = np.column_stack([values, np.full(len(values), np.sqrt(layers.bias_variance))])
    largest = np.abs(values).max(axis=1)
    safe = np.where(largest > 0, largest, 1.0)
    unit = values / safe[:, None]
    length = np.sqrt(np.sum(unit**2, axis=1))
    unit /= np.where(length > 0, length, 1.0)[:, None]
    return Rows(
        unit=unit, quick=unit.astype(working_dtype(layers, dtype)), size=np.where(largest > 0, safe * length, 0.0)
    )


def diagonal(layers: Layers, rows: Rows, outputs: tuple[Output, ...]) -> Float[np.ndarray, "outputs n"]:
    """Values of every row with itself, exact."""
    if _smooth(layers):
        poles = _poles(layers, outputs)[:, 0]
        return np.asarray((poles[:, None] * rows.size) * rows.size)
    found = dict(zip(("nngp", "ntk"), run(layers, np.zeros(len(rows)), rows.size, rows.size, np), strict=True))
    return np.stack([found[name] for name in outputs])


class Evaluator:
    """Values of tiles between two sets of rows; thread-safe, with scratch space for each thread.

    Args:
        layers: the network.
        outputs: which kernels, in the order wanted.
        dtype: of products and values; with biases, and for erf, the recursion is in float64 all the same.
        tile: rows and columns of a whole tile; one pass is compiled for it.
    """

    def __init__(self, layers: Layers, outputs: tuple[Output, ...], dtype: Dtype, tile: int = TILE) -> None:
        self.layers, self.outputs, self.dtype, self.tile = layers, outputs, dtype, tile
        self.work = working_dtype(layers, dtype)
        self._local = threading.local()
        self._series = [series(layers, (o,), self.work) for o in outputs] if has_series(layers) else []

    def __call__(self, x: Rows, z: Rows) -> Float[np.ndarray, "outputs a b"]:
        """Values between at most `tile` rows and at most as many others; the array may be read-only."""
        few = x.unit.shape[1] <= FEW_COLUMNS
        shape = (len(x), len(z))
        a, b = (np.pad(r.size, (0, self.tile - len(r))).astype(self.work) for r in (x, z))
        precision = float64() if self.work == "float64" else full_products()
        with precision:
            if few:
                padded = [np.pad(r.unit, ((0, self.tile - len(r)), (0, 0))) for r in (x, z)]
                with float64():
                    t, side = _chords(x.unit.shape[1])(*padded)
                    t = np.asarray(t).astype(self.work)
                return self._values(t, side, a, b)[:, : shape[0], : shape[1]]
            cosine = self._product(x, z)
            values = self._from_cosine(cosine, a, b)[:, : shape[0], : shape[1]]
        # Two reductions tell whether any pair is near a pole; most tiles have none, and need neither mask nor copy.
        if max(cosine.max(), -cosine.min()) > 1.0 - NEAR_POLE[self.work]:
            values = np.array(values)
            self._repair(values, cosine[: shape[0], : shape[1]], x, z)
        return values

    def _values(self, t: Any, side: Any, a: Any, b: Any) -> Float[np.ndarray, "outputs t u"]:
        """Each output by the pass that it has alone, so that a pair has the bits of two calls."""
        if not self._series:
            passes = [_recursion_tile(self.layers, (output,)) for output in self.outputs]
            return _joined([one(t, side, a, b) for one in passes])
        return _joined([_series_tile()(t, side, a, b, *fitted) for fitted in self._series])

    def _from_cosine(self, cosine: Any, a: Any, b: Any) -> Float[np.ndarray, "outputs t u"]:
        if not self._series:
            passes = [_recursion_from_cosine(self.layers, (output,)) for output in self.outputs]
            return _joined([one(cosine, a, b) for one in passes])
        return _joined([_series_from_cosine()(cosine, a, b, *fitted) for fitted in self._series])

    def _product(self, x: Rows, z: Rows) -> Float[np.ndarray, "tile tile"]:
        """Cosines in this thread's scratch, zero beyond the edge."""
        scratch: Any = getattr(self._local, "scratch", None)
        if scratch is None:
            scratch = self._local.scratch = aligned((self.tile, self.tile), self.work)
        if min(len(x), len(z)) < self.tile:
            scratch[:] = 0.0
        np.matmul(x.quick, z.quick.T, out=scratch[: len(x), : len(z)])
        return np.asarray(scratch)

    def _repair(
        self,
        values: Float[np.ndarray, "outputs a b"],
        cosine: Float[np.ndarray, "a b"],
        x: Rows,
        z: Rows,
    ) -> None:
        """Evaluate pairs near a pole again, from their chords in float64."""
        rows, others = np.nonzero(np.abs(cosine) > 1.0 - NEAR_POLE[self.work])
        for start in range(0, len(rows), CHUNK):
            i, j = rows[start : start + CHUNK], others[start : start + CHUNK]
            side = cosine[i, j] > 0
            chord = x.unit[i] - np.where(side, 1.0, -1.0)[:, None] * z.unit[j]
            t = np.sqrt(np.einsum("ij,ij->i", chord, chord)) / 2.0
            values[:, i, j] = self._pairs(t, side, x.size[i], z.size[j])

    def _pairs(self, t: Any, side: Any, a: Any, b: Any) -> Float[np.ndarray, "outputs pairs"]:
        """Values of a list of pairs, padded to a power of two so that few lengths are ever compiled."""
        length = 1 << max(10, int(len(t) - 1).bit_length())
        pad = (0, length - len(t))
        with float64() if self.work == "float64" else full_products():
            column = np.pad(t, pad).astype(self.work)[:, None]
            sizes = (np.pad(size, pad).astype(self.work) for size in (a, b))
            return np.asarray(self._values(column, np.pad(side, pad)[:, None], *sizes))[:, : len(t), 0]


def working_dtype(layers: Layers, dtype: Dtype) -> Dtype:
    """Precision of the products behind a result: the recursion, of a biased or erf network say, is always in float64."""
    return dtype if has_series(layers) else "float64"


def _joined(parts: list[Any]) -> Float[np.ndarray, "outputs t u"]:
    """Outputs as one NumPy array; a single one as it is, without a copy."""
    return np.asarray(parts[0]) if len(parts) == 1 else np.concatenate(parts)


def aligned(shape: tuple[int, ...], dtype: str) -> Float[np.ndarray, "..."]:
    """Zeros that start at a multiple of 64 bytes, which JAX takes on a CPU without copying."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.zeros(size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size].view(dtype).reshape(shape)


def _smooth(layers: Layers) -> bool:
    """Whether the kernel is a function of the angle times the sizes."""
    return layers.bias_variance == 0.0 and piecewise_linear(layers.activation) is not None


def profiles(
    layers: Layers, outputs: tuple[Output, ...], theta: Float[np.ndarray, " t"]
) -> Float[np.ndarray, "outputs t"]:
    """Kernels of unit vectors at given angles, by the recursion."""
    found = dict(zip(("nngp", "ntk"), run(layers, theta, 1.0, 1.0, np), strict=True))
    return np.stack([found[name] for name in outputs])


@functools.lru_cache(maxsize=256)
def _poles(layers: Layers, outputs: tuple[Output, ...]) -> Float[np.ndarray, "outputs 2"]:
    return profiles(layers, outputs, np.array([0.0, np.pi]))


@functools.lru_cache(maxsize=256)
def has_series(layers: Layers) -> bool:
    """Whether series replace the recursion: it has no biases, and both its profiles are smooth enough."""
    return _smooth(layers) and all(_series(layers, output, "float64") is not None for output in ("nngp", "ntk"))


def series(
    layers: Layers, outputs: tuple[Output, ...], dtype: Dtype
) -> tuple[Float[np.ndarray, "degree outputs 2"], Float[np.ndarray, "outputs 2"]]:
    """Chebyshev coefficients of the profiles in t on [0, 1/sqrt 2], near theta = 0 and near pi, and the values at the poles.

    Each output has the series that it has alone, filled up with zeros, which change no bit.

    Raises:
        UsageError: if a profile is not smooth enough for a series of degree 256.
    """
    found = [_series(layers, output, dtype) for output in outputs]
    kept = [coefficients for coefficients in found if coefficients is not None]
    if len(kept) < len(found):
        raise UsageError(f"the profile of {layers!r} is not smooth enough for a series of degree {MAX_DEGREE}")
    longest = max(len(coefficients) for coefficients in kept)
    filled = [np.pad(coefficients, ((0, longest - len(coefficients)), (0, 0))) for coefficients in kept]
    return np.stack(filled, axis=1), _poles(layers, outputs).astype(dtype)


@functools.lru_cache(maxsize=256)
def _series(layers: Layers, output: Output, dtype: Dtype) -> Float[np.ndarray, "degree 2"] | None:
    """The degree is doubled until the tail has fallen to the precision wanted, then cut there; None if it does not fall."""
    degree = 24
    while degree <= MAX_DEGREE:
        nodes = np.cos(np.pi * (np.arange(degree + 1) + 0.5) / (degree + 1))
        angle = 2.0 * np.arcsin((nodes + 1.0) / np.sqrt(8.0))
        values = np.concatenate([profiles(layers, (output,), v) for v in (angle, np.pi - angle)])
        # Values at Chebyshev nodes determine the series; the fast cosine transform keeps its rounding flat in the
        # degree, where powers or recurrences of the nodes would not.
        coefficients = scipy.fft.dct(values, type=2, axis=1) / (degree + 1)
        coefficients[:, 0] /= 2.0
        largest = np.abs(coefficients).max()
        significant = np.nonzero(np.abs(coefficients).max(axis=0) > SERIES_TAIL[dtype] * largest)[0]
        last = int(significant[-1]) if len(significant) else 0
        if last <= degree - 4:
            return np.ascontiguousarray(coefficients[:, : last + 1].T).astype(dtype)
        degree *= 2
    return None


# The compiled passes. A JAX function has no useful static type, hence the bare signatures.


def _half_chord(cosine: Any) -> tuple[Any, Any]:
    import jax.numpy as jnp  # noqa: PLC0415

    return jnp.sqrt(jnp.maximum(1.0 - jnp.abs(cosine), 0.0) / 2.0), cosine >= 0.0


@functools.cache
def _chords(columns: int) -> Callable[..., Any]:
    """Half chord to the nearer pole, and which pole, of all pairs; the few columns are unrolled."""
    import jax  # noqa: PLC0415
    import jax.numpy as jnp  # noqa: PLC0415

    def chords(x: Any, z: Any) -> tuple[Any, Any]:
        near = far = 0.0
        for j in range(columns):
            left, right = x[:, j, None], z[None, :, j]
            near = near + (left - right) ** 2
            far = far + (left + right) ** 2
        return jnp.sqrt(jnp.minimum(near, far)) / 2.0, near <= far

    return jax.jit(chords)


def _by_series(t: Any, side: Any, a: Any, b: Any, *fitted: Any) -> Any:
    """Clenshaw's recurrence, stable where Horner's rule in powers is not; exact at the poles."""
    import jax.numpy as jnp  # noqa: PLC0415

    coefficients, poles = fitted
    argument = t * np.sqrt(8.0).astype(t.dtype) - 1.0
    found = []
    for output in range(coefficients.shape[1]):
        pick = [
            jnp.where(side, coefficients[j, output, 0], coefficients[j, output, 1])
            for j in range(coefficients.shape[0])
        ]
        ahead = behind = jnp.zeros_like(t)
        for coefficient in pick[:0:-1]:
            ahead, behind = coefficient + 2.0 * argument * ahead - behind, ahead
        value = pick[0] + argument * ahead - behind
        value = jnp.where(t == 0.0, jnp.where(side, poles[output, 0], poles[output, 1]), value)
        found.append((value * a[:, None]) * (b[None, :] if t.shape[1] > 1 else b[:, None]))
    return jnp.stack(found)


@functools.cache
def _series_tile() -> Callable[..., Any]:
    import jax  # noqa: PLC0415

    return jax.jit(_by_series)


@functools.cache
def _series_from_cosine() -> Callable[..., Any]:
    import jax  # noqa: PLC0415

    return jax.jit(lambda cosine, a, b, *rest: _by_series(*_half_chord(cosine), a, b, *rest))


def _by_recursion(layers: Layers, outputs: tuple[Output, ...], *pairs: Any) -> Any:
    import jax.numpy as jnp  # noqa: PLC0415

    t, side, a, b = pairs
    half = 2.0 * jnp.arcsin(jnp.minimum(t, 1.0))
    theta = jnp.where(side, half, jnp.pi - half)
    others = b[None, :] if t.shape[1] > 1 else b[:, None]
    found = dict(zip(("nngp", "ntk"), run(layers, theta, a[:, None], others, jnp), strict=True))
    return jnp.stack([jnp.broadcast_to(found[name], t.shape) for name in outputs])


@functools.lru_cache(maxsize=64)
def _recursion_tile(layers: Layers, outputs: tuple[Output, ...]) -> Callable[..., Any]:
    import jax  # noqa: PLC0415

    return jax.jit(functools.partial(_by_recursion, layers, outputs))


@functools.lru_cache(maxsize=64)
def _recursion_from_cosine(layers: Layers, outputs: tuple[Output, ...]) -> Callable[..., Any]:
    import jax  # noqa: PLC0415

    return jax.jit(lambda cosine, a, b: _by_recursion(layers, outputs, *_half_chord(cosine), a, b))
