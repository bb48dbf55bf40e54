r"""Arc-cosine functions: the Gaussian integrals behind every ReLU infinite-width kernel.

For Gaussians u, v of unit variance and correlation cos(theta),

.. math:: \kappa_0 = 2\,E[1_{u>0}1_{v>0}] = 1 - \theta/\pi, \qquad
          \kappa_1 = 2\,E[\sigma(u)\sigma(v)] = (\sin\theta + (\pi-\theta)\cos\theta)/\pi.

Everything here is written in the angle, never in the cosine: near cosine one an error of 1e-16 in the cosine
is an error of 1e-8 in the angle. Recursions over depth live in `kernels.fully_connected`; this module knows
nothing of networks. Source: :cite:t:`cho2009`.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float


def kappa0(theta: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Arc-cosine function of order zero of an angle in [0, pi]; in [0, 1], linear in the angle."""
    return 1.0 - theta / np.pi


def kappa1(theta: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Arc-cosine function of order one of an angle in [0, pi]; in [0, 1]."""
    return np.asarray(np.cos(next_angle(theta)))


def next_angle(theta: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    r"""Angle between the next layer's features: :math:`\cos\theta' = \kappa_1(\theta)`.

    Computed from :math:`1-\kappa_1 = 2\sin^2(\theta/2) - (\sin\theta-\theta\cos\theta)/\pi`, which keeps an absolute
    error of a few units of rounding in the angle down to theta = 0.
    """
    gap = 2.0 * np.sin(theta / 2.0) ** 2 - (np.sin(theta) - theta * np.cos(theta)) / np.pi
    return np.asarray(2.0 * np.arcsin(np.sqrt(np.clip(gap / 2.0, 0.0, 1.0))))
