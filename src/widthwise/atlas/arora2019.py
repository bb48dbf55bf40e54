"""Claims of Arora, Du, Hu, Li and Wang 2019: what the spectrum of H-infinity says of a wide two-layer ReLU network."""

from __future__ import annotations

from widthwise.atlas import arora2019_complexity, arora2019_dynamics

CLAIMS = (*arora2019_dynamics.CLAIMS, *arora2019_complexity.CLAIMS)
