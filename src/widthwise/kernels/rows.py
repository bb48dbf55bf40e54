"""Inputs, ready for kernels: directions and sizes of the first layer, whatever the rows' norms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from widthwise._checks import finite_matrix
from widthwise.errors import DataError
from widthwise.kernels.activations import piecewise_linear
from widthwise.kernels.recursion import Layers
from widthwise.kernels.workers import workers

Dtype = Literal["float64", "float32"]

# Sizes outside 2^-e ... 2^e keep their power of two apart: products of two of those within neither overflow nor vanish.
SAFE_POWER = {"float64": 400, "float32": 50}
# Numbers of a block of rows that is read and written while it is in the cache.
BLOCK = 1 << 16
FEW_BLOCKS = 8
# Squares of entries within 2^-e ... 2^e can be added up as they are.
EXTREME_POWER = 256


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """Inputs, ready for tiles. The standard deviation of a row's first pre-activations is `size` times 2^`power`.

    Attributes:
        values: the rows as they came, float64.
        quick: first-layer directions in the precision of the products; a bias is one more coordinate.
        size: as above; moderate, or the standard deviation itself.
        power: zero but for rows of extreme norm.
        scale: covariance of the first pre-activations over x.z, without bias.
        bias: its share of a bias.
    """

    values: Float[np.ndarray, "n d"]
    quick: Float[np.ndarray, "n p"]
    size: Float[np.ndarray, " n"]
    power: Int[np.ndarray, " n"]
    scale: float
    bias: float

    def __len__(self) -> int:
        return len(self.size)

    @property
    def columns(self) -> int:
        """Coordinates of a direction."""
        return int(self.quick.shape[1])

    def part(self, start: int, count: int) -> Rows:
        """At most `count` rows from `start` on."""
        chosen = slice(start, start + count)
        return Rows(
            values=self.values[chosen],
            quick=self.quick[chosen],
            size=self.size[chosen],
            power=self.power[chosen],
            scale=self.scale,
            bias=self.bias,
        )

    def directions(self, chosen: Int[np.ndarray, " k"] | None = None) -> Float[np.ndarray, "k p"]:
        """First-layer directions of some rows, or of all, in float64."""
        if self.quick.dtype == np.float64:
            return self.quick if chosen is None else self.quick[chosen]
        return _split(self.values if chosen is None else self.values[chosen], self.scale, self.bias)[0]


def prepare(X: object, layers: Layers, input_scale: float, work: Dtype, name: str = "X") -> Rows:
    """Check rows and split them into directions and sizes.

    Args:
        X: n rows, of anything that NumPy takes.
        layers: the network.
        input_scale: covariance of the first pre-activations over x.z.
        work: precision of the products.
        name: of X in messages.

    Raises:
        DataError: if the rows are not a finite matrix, or too large for a network that is not homogeneous.
    """
    values = finite_matrix(X, name)
    n, d = values.shape
    quick = np.empty((n, d + (1 if layers.bias_variance else 0)), work)
    size, power = np.empty(n), np.empty(n, np.int64)
    height = max(1, BLOCK // d)

    def block(start: int) -> None:
        chosen = slice(start, start + height)
        quick[chosen], size[chosen], power[chosen] = _split(values[chosen], input_scale, layers.bias_variance)

    starts = list(range(0, n, height))
    if len(starts) < FEW_BLOCKS:
        for start in starts:
            block(start)
    else:
        with workers() as threads:
            threads.all(block, starts)
    homogeneous = layers.bias_variance == 0.0 and piecewise_linear(layers.activation) is not None
    mantissa, exponent = np.frexp(size)
    exponent = exponent + power
    apart = homogeneous & (np.abs(exponent) > SAFE_POWER[work])
    with np.errstate(over="ignore"):
        size = np.where(apart, mantissa, np.ldexp(size, power))
    if not np.isfinite(size).all():
        row = int(np.flatnonzero(~np.isfinite(size))[0])
        raise DataError(
            f"rows of {name} must have norms below 1e308 where there are biases or erf, which set a scale; row {row} has not: "
            "scale the data down"
        )
    return Rows(
        values=values,
        quick=quick,
        size=size,
        power=np.where(apart, exponent, 0),
        scale=input_scale,
        bias=layers.bias_variance,
    )


def _split(
    rows: Float[np.ndarray, "k d"], scale: float, bias: float
) -> tuple[Float[np.ndarray, "k p"], Float[np.ndarray, " k"], Int[np.ndarray, " k"]]:
    """Directions of (sqrt(scale) x, sqrt(bias)), and their norms as numbers times powers of two."""
    largest = np.maximum(rows.max(axis=1), -rows.min(axis=1))
    power = np.frexp(largest)[1].astype(np.int64)
    if np.abs(power).max() < EXTREME_POWER:
        power[:] = 0
    else:
        # Powers of two round nothing; in two steps, since 2^1074 is no float.
        half = -(power // 2)
        rows = rows * np.ldexp(1.0, half)[:, None] * np.ldexp(1.0, -power - half)[:, None]
    square = rows * rows
    length = np.sqrt(square.sum(axis=1))
    safe = np.where(length > 0, length, 1.0)[:, None]
    if not bias:
        return np.divide(rows, safe, out=square), length * scale**0.5, power
    unit = np.empty((rows.shape[0], rows.shape[1] + 1))
    # Norms that overflow are refused by the caller.
    with np.errstate(over="ignore", invalid="ignore"):
        alone = np.ldexp(length * scale**0.5, power)
        size = np.hypot(alone, bias**0.5)
        np.multiply(np.divide(rows, safe, out=square), (alone / size)[:, None], out=unit[:, :-1])
    unit[:, -1] = bias**0.5 / size
    return unit, size, np.zeros(len(rows), np.int64)
