"""Claims of Arora, Du, Hu, Li and Wang 2019: what the spectrum of H-infinity says of a wide two-layer ReLU network."""

from __future__ import annotations

from widthwise.atlas import (
    arora2019_alignment,
    arora2019_complexity,
    arora2019_dynamics,
    arora2019_learnability,
    arora2019_movement,
    arora2019_start,
    arora2019_width,
)

CLAIMS = (
    *arora2019_dynamics.CLAIMS,
    *arora2019_width.CLAIMS,
    *arora2019_movement.CLAIMS,
    *arora2019_complexity.CLAIMS,
    *arora2019_alignment.CLAIMS,
    *arora2019_start.CLAIMS,
    *arora2019_learnability.CLAIMS,
)
