r"""Activations whose Gaussian integrals are closed forms: the piecewise linear ones, and erf.

A piecewise linear activation of slope one above zero and :math:`\alpha` below (ReLU 0, absolute value -1, linear 1) needs two
numbers only. For Gaussians of variances q, q' at angle theta, with :math:`s = (1+\alpha^2)/2` and
:math:`\beta = (1-\alpha)^2/(1+\alpha^2)`,

.. math:: E[\sigma(u)\sigma(v)] = s\sqrt{qq'}\,(1 - g(\theta)), \qquad
          g = 2\sin^2\tfrac\theta2 - \beta\,(\sin\theta - \theta\cos\theta)/\pi, \qquad
          E[\sigma'(u)\sigma'(v)] = s\,(1 - \beta\theta/\pi)

which follows from the arc-cosine functions of :cite:t:`cho2009`, applied to both signs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from widthwise.errors import UsageError


@dataclass(frozen=True)
class LeakyReLU:
    """Slope one above zero, `slope` below.

    Args:
        slope: a number of magnitude up to 1e100; 0 is ReLU, 1 linear, -1 the absolute value.
    """

    slope: float = 0.01

    def __post_init__(self) -> None:
        if not abs(self.slope) <= 1e100:
            raise UsageError(f"slope must be a number of magnitude up to 1e100; {self.slope!r} came")
        object.__setattr__(self, "slope", float(self.slope))

    @property
    def size(self) -> float:
        """The second moment s of the activation of a standard normal variable."""
        return (1.0 + self.slope**2) / 2.0

    @property
    def bend(self) -> float:
        """Beta in [0, 2]: 0 is linear, 1 is ReLU, 2 the absolute value."""
        return (1.0 - self.slope) ** 2 / (1.0 + self.slope**2)


Activation = Literal["relu", "abs", "linear", "erf"] | LeakyReLU
SLOPES = {"relu": 0.0, "abs": -1.0, "linear": 1.0}


def piecewise_linear(activation: Activation) -> LeakyReLU | None:
    """The activation as slopes; None for erf.

    Raises:
        UsageError: if the activation is not one that has a closed form here.
    """
    if isinstance(activation, LeakyReLU):
        return activation
    if activation == "erf":
        return None
    if activation not in SLOPES:
        raise UsageError(f"activation must be 'relu', 'abs', 'linear', 'erf' or LeakyReLU(slope); {activation!r} came")
    return LeakyReLU(slope=SLOPES[activation])
