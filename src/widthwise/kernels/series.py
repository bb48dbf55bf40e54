r"""A homogeneous kernel at any depth as two polynomials, fitted once from the recursion.

Without biases a kernel of a piecewise linear network is :math:`ab\,\kappa(\theta)`. With
:math:`t = \sqrt{(1-|\cos\theta|)/2}`, the half chord to the nearer pole, kappa is analytic in t on [0, 1/sqrt 2] on either
side of the equator, so that

.. math:: \kappa(\theta) = E(t) + \mathrm{sign}(\cos\theta)\, O(t)

with E and O, half the sum and half the difference of the two sides, of a degree that the tail of their Chebyshev
coefficients decides.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.fft
from jaxtyping import Float
from numpy.polynomial import chebyshev

from widthwise.kernels.activations import piecewise_linear
from widthwise.kernels.recursion import Layers, run
from widthwise.kernels.rows import Dtype

Output = Literal["nngp", "ntk"]

# Series are cut where their coefficients fall below this share of the largest.
SERIES_TAIL = {"float64": 2e-15, "float32": 1e-8}
MAX_DEGREE = 256
# Powers are taken while their coefficients add up to no more than this times the largest value: they then lose no digit.
POWERS_GROWTH = 2.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Series:
    """A kernel of unit vectors, as polynomials in sqrt(8) t - 1, which runs over [-1, 1].

    Attributes:
        even: coefficients of E, constant first.
        odd: those of O.
        basis: whether they are coefficients of powers or of Chebyshev polynomials.
        poles: the kernel at angle zero and at pi.
    """

    even: Float[np.ndarray, " terms"]
    odd: Float[np.ndarray, " terms"]
    basis: Literal["powers", "chebyshev"]
    poles: Float[np.ndarray, "2"]


def homogeneous(layers: Layers) -> bool:
    """Whether the kernel is a function of the angle times the sizes."""
    return layers.bias_variance == 0.0 and piecewise_linear(layers.activation) is not None


def profile(layers: Layers, output: Output, theta: Float[np.ndarray, " t"]) -> Float[np.ndarray, " t"]:
    """The kernel of unit vectors at given angles, by the recursion."""
    nngp, ntk = run(layers, theta, 1.0, 1.0, np)
    return np.broadcast_to(nngp if output == "nngp" else ntk, theta.shape)


@functools.lru_cache(maxsize=256)
def poles(layers: Layers, output: Output) -> Float[np.ndarray, "2"]:
    """The kernel of unit vectors at angle zero and at pi."""
    return np.array(profile(layers, output, np.array([0.0, np.pi])))


@functools.lru_cache(maxsize=256)
def has_series(layers: Layers) -> bool:
    """Whether series replace the recursion: it has no biases, and both its profiles are smooth enough."""
    return homogeneous(layers) and all(series(layers, output, "float64") is not None for output in ("nngp", "ntk"))


@functools.lru_cache(maxsize=256)
def series(layers: Layers, output: Output, dtype: Dtype) -> Series | None:
    """The two polynomials; None where the profile is not smooth enough for a degree of 256.

    The degree is doubled until the tail has fallen to the precision wanted, then cut there.
    """
    degree = 24
    while degree <= MAX_DEGREE:
        nodes = np.cos(np.pi * (np.arange(degree + 1) + 0.5) / (degree + 1))
        angle = 2.0 * np.arcsin((nodes + 1.0) / np.sqrt(8.0))
        near, far = (profile(layers, output, theta) for theta in (angle, np.pi - angle))
        # Values at Chebyshev nodes determine the series; the fast cosine transform keeps its rounding flat in the
        # degree, where powers or recurrences of the nodes would not.
        coefficients = scipy.fft.dct(np.stack([near + far, near - far]) / 2.0, type=2, axis=1) / (degree + 1)
        coefficients[:, 0] /= 2.0
        largest = np.abs(coefficients).max()
        significant = np.nonzero(np.abs(coefficients).max(axis=0) > SERIES_TAIL[dtype] * largest)[0]
        last = int(significant[-1]) if len(significant) else 0
        if last <= degree - 4:
            return _in_best_basis(
                coefficients[:, : last + 1], max(np.abs(near).max(), np.abs(far).max()), layers, output, dtype
            )
        degree *= 2
    return None


def _in_best_basis(
    coefficients: Float[np.ndarray, "2 terms"], largest: float, layers: Layers, output: Output, dtype: Dtype
) -> Series:
    """In powers where that is as accurate: Horner's rule is one operation a term, Clenshaw's recurrence two."""
    powers = np.zeros_like(coefficients)
    for row, side in zip(powers, coefficients, strict=True):
        converted = chebyshev.cheb2poly(side)
        row[: len(converted)] = converted
    tame = np.abs(powers).sum() <= POWERS_GROWTH * largest
    even, odd = (powers if tame else coefficients).astype(dtype)
    return Series(
        even=even, odd=odd, basis="powers" if tame else "chebyshev", poles=poles(layers, output).astype(dtype)
    )
