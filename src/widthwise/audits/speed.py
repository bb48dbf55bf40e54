"""Answer 1: how fast a wide network fits these labels."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float, Int

from widthwise import theory
from widthwise.audits.result import Curve, Speed

FRACTIONS = (0.5, 0.1, 0.01)
# A curve is drawn until the shuffled labels are fitted to one percent, and at most this far.
LONGEST_CURVE = 10**7
POINTS = 160


def speed(spectrum: theory.Spectrum, Y: Float[np.ndarray, "n k"]) -> Speed:
    """Spectrum, alignment and predicted training curves of coded labels."""
    rate = theory.recommended_rate(spectrum)
    energies = spectrum.project(Y) ** 2
    shuffled = theory.shuffled_energies(spectrum, Y)
    reached = [
        [theory.steps_to(spectrum, e, learning_rate=rate, fraction=f) for f in FRACTIONS] for e in (energies, shuffled)
    ]
    known = [k for steps in reached for k in steps if k is not None]
    last = min(LONGEST_CURVE, max([1000, *known]))
    steps = spaced(last)
    curves = [
        Curve(steps=tuple(int(k) for k in steps), relative=tuple(float(r) for r in curve.relative))
        for curve in (
            theory.training_curve(spectrum, Y, learning_rate=rate, steps=steps),
            theory.shuffled_training_curve(spectrum, Y, learning_rate=rate, steps=steps),
        )
    ]
    n = len(spectrum.values)
    index = spaced(n)[1:]
    total = energies.sum()
    return Speed(
        learning_rate=rate,
        largest_rate=theory.largest_stable_rate(spectrum),
        largest_eigenvalue=float(spectrum.values[0]),
        smallest_eigenvalue=float(spectrum.values[-1]),
        condition=spectrum.condition if math.isfinite(spectrum.condition) else None,
        rank=spectrum.rank,
        unreachable=float(energies[spectrum.rank :].sum() / total),
        fractions=FRACTIONS,
        steps=tuple(reached[0]),
        shuffled_steps=tuple(reached[1]),
        true=curves[0],
        shuffled=curves[1],
        index=tuple(int(i) for i in index),
        eigenvalues=tuple(float(v) for v in spectrum.values[index - 1]),
        captured=tuple(float(v) for v in np.cumsum(energies.sum(axis=1))[index - 1] / total),
        captured_shuffled=tuple(float(v) for v in np.cumsum(shuffled.sum(axis=1))[index - 1] / shuffled.sum()),
    )


def spaced(last: int) -> Int[np.ndarray, " t"]:
    """Zero and about `POINTS` integers up to `last`, evenly spaced on a logarithmic axis."""
    return np.unique(np.concatenate([[0], np.round(np.geomspace(1, last, POINTS)).astype(np.int64)]))
