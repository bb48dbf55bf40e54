r"""What is left of one eigendirection after k steps: the scalar recursions behind every curve of `theory.dynamics`.

A direction of eigenvalue :math:`\lambda` decays by itself. With :math:`x = \eta\lambda` its residual is multiplied by

* gradient descent: :math:`p_k = (1 - x)^k`;
* gradient flow at time :math:`\eta k`: :math:`p_k = e^{-xk}`;
* heavy ball, :math:`v \leftarrow \beta v - \eta g,\ w \leftarrow w + v` from :math:`v = 0`: with the roots
  :math:`1 - s_{1,2}` of :math:`z^2 - (1 + \beta - x) z + \beta`,
  :math:`p_k = \left[s_2 (1 - s_1)^{k+1} - s_1 (1 - s_2)^{k+1}\right] / (s_2 - s_1)`.

The s solve :math:`s^2 - (1 - \beta + x) s + x = 0`, so slow directions keep all their digits. Source of the heavy-ball
form: :cite:t:`polyak1964`, worked out here for one direction.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Complex, Float, Int

from widthwise.errors import UsageError

Optimizer = Literal["gd", "flow", "momentum"]

# Where the two roots differ by less than this share of their sum, the quotient is taken by its own series.
DOUBLE = 1e-3


def known(optimizer: str, momentum: float) -> None:
    """Refuse an optimizer or a momentum that the recursions do not know.

    Raises:
        UsageError: naming what came.
    """
    if optimizer not in ("gd", "flow", "momentum"):
        raise UsageError(f"optimizer must be 'gd', 'flow' or 'momentum'; {optimizer!r} came")
    if not 0.0 <= momentum < 1.0:
        raise UsageError(f"momentum must lie in [0, 1); {momentum!r} came")
    if momentum and optimizer != "momentum":
        raise UsageError(f"momentum belongs to optimizer='momentum'; {momentum!r} came with {optimizer!r}")


def remaining(
    scaled: Float[np.ndarray, " n"], steps: Int[np.ndarray, " t"], optimizer: Optimizer, momentum: float
) -> Float[np.ndarray, "t n"]:
    """The factors p_k, one row for each number of steps.

    Args:
        scaled: rate times eigenvalue of each direction; zero stays where it is.
        steps: numbers of steps.
        optimizer: which recursion.
        momentum: beta of the heavy ball, 0 for the others.
    """
    if optimizer == "momentum" and momentum > 0.0:
        return np.asarray(1.0 - _heavy_ball(scaled, steps, momentum))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
        shrink = 1.0 - scaled
        rate = np.where(shrink > 0, np.log1p(-np.minimum(scaled, 1.0)), np.log(np.abs(shrink)))
        if optimizer == "flow":
            rate = -scaled
        size = np.exp(steps[:, None].astype(np.float64) * rate[None, :])
        # Finite even where the rate is unstable, so that nothing times no energy stays nothing.
        size = np.minimum(size, np.sqrt(np.finfo(np.float64).max))
        turned = (optimizer != "flow") & (shrink < 0)[None, :] & (steps % 2 == 1)[:, None]
        return np.where(steps[:, None] == 0, 1.0, np.where(turned, -size, size))


def fitted(
    scaled: Float[np.ndarray, " n"], steps: Int[np.ndarray, " t"], optimizer: Optimizer, momentum: float
) -> Float[np.ndarray, "t n"]:
    """The shares 1 - p_k that are fitted, small ones to all their digits; arguments as for `remaining`."""
    if optimizer == "momentum" and momentum > 0.0:
        return _heavy_ball(scaled, steps, momentum)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        rate = np.log1p(-np.minimum(scaled, 1.0)) if optimizer != "flow" else -scaled
        counts = steps[:, None].astype(np.float64)
        slow = -np.expm1(np.where(counts == 0, 0.0, counts * rate[None, :]))
        direct = np.asarray((scaled >= 1.0) & (optimizer != "flow"))
        return np.where(direct[None, :], 1.0 - remaining(scaled, steps, optimizer, momentum), slow)


def asymptotic_rate(scaled: Float[np.ndarray, " n"], optimizer: Optimizer, momentum: float) -> Float[np.ndarray, " n"]:
    """Decay of log|p_k| for each further step, late in training; 0 for a direction that stays."""
    with np.errstate(divide="ignore"):
        if optimizer == "flow":
            return np.asarray(-scaled)
        if momentum == 0.0:
            return np.asarray(np.where(scaled < 1.0, np.log1p(-np.minimum(scaled, 1.0)), np.log(np.abs(1.0 - scaled))))
        small, large = _roots(scaled, momentum)
        return np.asarray(np.maximum(_log_size(small), _log_size(large)))


def _roots(
    scaled: Float[np.ndarray, " n"], momentum: float
) -> tuple[Complex[np.ndarray, " n"], Complex[np.ndarray, " n"]]:
    """One minus each of the two roots, the slow one first."""
    b = 1.0 - momentum + scaled
    gap = np.sqrt((b * b - 4.0 * scaled).astype(np.complex128))
    large = (b + gap) / 2.0
    return scaled / large, large


def _log_size(s: Complex[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """log|1 - s| to all its digits where s is small."""
    with np.errstate(divide="ignore"):
        near = 0.5 * np.log1p(np.maximum(s.real**2 + s.imag**2 - 2.0 * s.real, -1.0))
        return np.asarray(np.where(np.abs(s) < 0.5, near, np.log(np.abs(1.0 - s))))


def _one_minus_power(s: Complex[np.ndarray, " n"], powers: Float[np.ndarray, "t 1"]) -> Complex[np.ndarray, "t n"]:
    """1 - (1 - s)^K without cancellation for small s."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
        # Far above the stable rate the size stops at 1e147, so that nothing times no energy stays nothing.
        size = np.minimum(np.maximum(_log_size(s), -1e300)[None, :] * powers, 340.0)
        turn = np.angle(1.0 - s)[None, :] * powers
        real = -np.expm1(size) * np.cos(turn) + 2.0 * np.sin(turn / 2.0) ** 2
        return np.asarray(real - 1j * np.exp(size) * np.sin(turn))


def _heavy_ball(
    scaled: Float[np.ndarray, " n"], steps: Int[np.ndarray, " t"], momentum: float
) -> Float[np.ndarray, "t n"]:
    """1 - p_k of the heavy ball."""
    powers = steps[:, None].astype(np.float64) + 1.0
    small, large = _roots(scaled, momentum)
    apart = np.abs(large - small) > DOUBLE * np.abs(large + small)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
        parts = large * _one_minus_power(small, powers) - small * _one_minus_power(large, powers)
        general = (parts / np.where(apart, large - small, 1.0)).real
        # Near a double root: p = e^(Ka) [cosh(Kd) + s sinh(Kd) / delta], with logarithms a +- d of the roots.
        middle, delta = (small + large) / 2.0, (large - small) / 2.0
        first, second = np.log(1.0 - small + 0j), np.log(1.0 - large + 0j)
        mean, half = (first + second) / 2.0, (first - second) / 2.0
        # half / delta by its own series: the difference of the logarithms has lost its digits.
        ratio = 1.0 / (1.0 - middle) * (1.0 + (delta / (1.0 - middle)) ** 2 / 3.0 + (delta / (1.0 - middle)) ** 4 / 5.0)
        half = np.where(apart, half, delta * ratio)
        turn = powers * half[None, :]
        quotient = np.where(np.abs(turn) < 1e-4, 1.0 + turn**2 / 6.0, np.sinh(turn) / np.where(turn == 0, 1.0, turn))
        double = np.exp(powers * mean[None, :]) * (np.cosh(turn) + middle * powers * ratio * quotient)
        gone = (powers * mean.real[None, :]) < -650.0
        close = 1.0 - np.where(gone, 0.0, double.real)
    return np.asarray(np.where(powers == 1.0, 0.0, np.where(apart[None, :], general, close)))
