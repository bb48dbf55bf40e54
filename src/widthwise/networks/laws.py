"""Laws of the weights at the start: what an entry of a matrix is before its layer's factor.

The numbers are drawn by NumPy in float64. A law knows neither the network nor its width: whoever builds the network says
the deviation as a number.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import erf

from widthwise._checks import positive

# A standard normal variable cut at two has this variance: 1 - 4 phi(2) / (2 Phi(2) - 1).
_CUT_VARIANCE = 1.0 - 4.0 * float(np.exp(-2.0)) / float(np.sqrt(2.0 * np.pi)) / float(erf(np.sqrt(2.0)))


@dataclass(frozen=True)
class Normal:
    """Independent normal entries of mean zero.

    Args:
        std: standard deviation of an entry.
    """

    std: float = 1.0

    def __post_init__(self) -> None:
        positive(self.std, "std")

    @property
    def variance(self) -> float:
        """Variance of an entry."""
        return float(self.std) ** 2

    def draw(self, generator: np.random.Generator, shape: tuple[int, ...]) -> Float[np.ndarray, "..."]:
        """Entries of an array of the shape."""
        return np.asarray(self.std * generator.standard_normal(shape))

    def describe(self) -> str:
        """The law in words."""
        return f"N(0, {self.std:.4g}^2)"


@dataclass(frozen=True)
class TruncatedNormal:
    """Independent normal entries of mean zero, drawn again until they lie within two deviations: TensorFlow's default.

    Args:
        std: deviation before the cut; after it an entry has .8796 of it.
    """

    std: float = 1.0

    def __post_init__(self) -> None:
        positive(self.std, "std")

    @property
    def variance(self) -> float:
        """Variance of an entry, after the cut."""
        return float(self.std) ** 2 * _CUT_VARIANCE

    def draw(self, generator: np.random.Generator, shape: tuple[int, ...]) -> Float[np.ndarray, "..."]:
        """Entries of an array of the shape."""
        values = generator.standard_normal(shape).ravel()
        far = np.flatnonzero(np.abs(values) > 2.0)
        while len(far):
            values[far] = generator.standard_normal(len(far))
            far = far[np.abs(values[far]) > 2.0]
        return self.std * values.reshape(shape)

    def describe(self) -> str:
        """The law in words."""
        return f"N(0, {self.std:.4g}^2) cut at two deviations"


@dataclass(frozen=True)
class Signs:
    """Independent fair signs times a size.

    Args:
        size: magnitude of every entry.
    """

    size: float = 1.0

    def __post_init__(self) -> None:
        positive(self.size, "size")

    @property
    def variance(self) -> float:
        """Variance of an entry."""
        return float(self.size) ** 2

    def draw(self, generator: np.random.Generator, shape: tuple[int, ...]) -> Float[np.ndarray, "..."]:
        """Entries of an array of the shape."""
        return np.asarray(self.size * generator.choice([-1.0, 1.0], shape))

    def describe(self) -> str:
        """The law in words."""
        return f"signs of size {self.size:.4g}"


@dataclass(frozen=True)
class Zeros:
    """Every entry zero: biases or a readout that only training moves."""

    @property
    def variance(self) -> float:
        """Variance of an entry."""
        return 0.0

    def draw(self, generator: np.random.Generator, shape: tuple[int, ...]) -> Float[np.ndarray, "..."]:  # noqa: ARG002
        """Entries of an array of the shape; no number is drawn."""
        return np.zeros(shape)

    def describe(self) -> str:
        """The law in words."""
        return "zeros"


@dataclass(frozen=True)
class Balanced:
    r"""Law of a readout: each neuron's outgoing weights are as long as its incoming ones, bias included.

    .. math:: \|a_r\|^2 = \|w_r\|^2 + b_r^2

    in a uniformly random direction: a fair sign for one output. Gradient flow conserves the difference of the two sides
    when both layers are trained; :cite:t:`maennel2018`.
    """

    def draw_for(
        self, generator: np.random.Generator, lengths: Float[np.ndarray, " m"], outputs: int
    ) -> Float[np.ndarray, "m k"]:
        """Outgoing weights of neurons whose incoming ones have the given lengths."""
        if outputs == 1:
            return np.asarray(lengths[:, None] * generator.choice([-1.0, 1.0], (len(lengths), 1)))
        directions = generator.standard_normal((len(lengths), outputs))
        return np.asarray(lengths[:, None] * directions / np.linalg.norm(directions, axis=1, keepdims=True))

    def describe(self) -> str:
        """The law in words."""
        return "balanced with the incoming weights"


Law = Normal | TruncatedNormal | Signs | Zeros
