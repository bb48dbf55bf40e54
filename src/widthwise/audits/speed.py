"""Answer 1: how fast a wide network fits these labels."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float, Int

from widthwise import theory
from widthwise.audits.calibration import Quantity, Recorded, recorded
from widthwise.audits.result import Curve, Speed
from widthwise.theory.dynamics import curve_of_energies

FRACTIONS = (0.5, 0.1, 0.01)
# Fractions whose steps are on record.
ON_RECORD: tuple[Quantity, ...] = ("steps_50", "steps_10")
# A curve is drawn until the shuffled labels are fitted to one percent, and at most this far.
LONGEST_CURVE = 10**7
POINTS = 160


def speed(spectrum: theory.Spectrum, Y: Float[np.ndarray, "n k"]) -> Speed:
    """Spectrum, alignment and predicted training curves of coded labels."""
    n = len(spectrum.values)
    return answer(
        spectrum,
        energies=spectrum.project(Y) ** 2,
        shuffled=theory.shuffled_energies(spectrum, Y),
        counts=np.ones(n),
        n=n,
    )


def answer(
    spectrum: theory.Spectrum,
    *,
    energies: Float[np.ndarray, "m k"],
    shuffled: Float[np.ndarray, "m k"],
    counts: Float[np.ndarray, " m"],
    n: int,
) -> Speed:
    """The answer from squared projections of labels: on eigenvectors, or on the nodes of a quadrature.

    Args:
        spectrum: its values; its vectors are not looked at.
        energies: squared norm of the labels at each value.
        shuffled: the same, mean over all permutations of the labels.
        counts: eigenvalues that each value stands for.
        n: rows.
    """
    rate = theory.recommended_rate(spectrum)
    reached = [
        [theory.steps_to(spectrum, e, learning_rate=rate, fraction=f) for f in FRACTIONS] for e in (energies, shuffled)
    ]
    found = [k for steps in reached for k in steps if k is not None]
    steps = spaced(min(LONGEST_CURVE, max([1000, *found])))
    curves = [
        Curve(steps=tuple(int(k) for k in steps), relative=tuple(float(r) for r in curve.relative))
        for curve in (curve_of_energies(spectrum, e, learning_rate=rate, steps=steps) for e in (energies, shuffled))
    ]
    index = spaced(n)[1:]
    cumulative = np.cumsum(counts)
    place = np.minimum(np.searchsorted(cumulative, index - 0.5), len(counts) - 1)
    kept = spectrum.rank
    captured, captured_shuffled = (
        np.interp(index, np.append(0.0, cumulative), np.append(0.0, np.cumsum(e.sum(axis=1)) / e.sum()))
        for e in (energies, shuffled)
    )
    return Speed(
        learning_rate=rate,
        largest_rate=theory.largest_stable_rate(spectrum),
        largest_eigenvalue=float(spectrum.values[0]),
        smallest_eigenvalue=float(spectrum.values[-1]),
        condition=spectrum.condition if math.isfinite(spectrum.condition) else None,
        rank=round(float(counts[:kept].sum())),
        unreachable=float(energies[kept:].sum() / energies.sum()),
        fractions=FRACTIONS,
        steps=tuple(reached[0]),
        shuffled_steps=tuple(reached[1]),
        true=curves[0],
        shuffled=curves[1],
        index=tuple(int(i) for i in index),
        eigenvalues=tuple(float(v) for v in spectrum.values[place]),
        half_lives=tuple(
            float(v) if math.isfinite(v) else None for v in theory.half_lives(spectrum, learning_rate=rate)[place]
        ),
        captured=tuple(float(v) for v in captured),
        captured_shuffled=tuple(float(v) for v in captured_shuffled),
        recorded=_recorded(spectrum, energies, rate, reached[0]),
    )


def _recorded(
    spectrum: theory.Spectrum, energies: Float[np.ndarray, "m k"], rate: float, steps: list[int | None]
) -> tuple[Recorded, ...]:
    """Steps beside their record, on the side of the lazy regime where the predicted movement puts them."""
    found = []
    for quantity, k in zip(ON_RECORD, steps, strict=False):
        if k is not None:
            moved = float(theory.movement(spectrum, energies, learning_rate=rate, steps=np.array([k]))[0])
            found.append(recorded(quantity, float(k), movement=moved))
    return tuple(found)


def spaced(last: int) -> Int[np.ndarray, " t"]:
    """Zero and about `POINTS` integers up to `last`, evenly spaced on a logarithmic axis."""
    return np.unique(np.concatenate([[0], np.round(np.geomspace(1, last, POINTS)).astype(np.int64)]))
