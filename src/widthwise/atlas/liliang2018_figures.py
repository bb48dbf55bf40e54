"""What figures 1 and 2 of Li and Liang 2018 show, read off their vector paths (about .3 % of the axis)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from widthwise.atlas.trial import Curve

FLIPS = "gates that changed"
DISTANCE = "relative distance"
ACCURACY = "test accuracy"

FIGURE_1_STEP = 390
FIGURE_1: Mapping[str, Mapping[int, float]] = {
    FLIPS: {500: 0.0653, 1000: 0.0469, 2000: 0.0340, 4000: 0.0246, 8000: 0.0173, 16000: 0.0123, 32000: 0.00865},
    DISTANCE: {500: 0.0386, 1000: 0.0276, 2000: 0.0198, 4000: 0.0140, 8000: 0.00992, 16000: 0.00702, 32000: 0.00496},
}
"""Synthetic data, step 390; the test accuracy is 1.000 at every width."""

COURSE_ACCURACY: Mapping[int, float] = {50: 0.30, 100: 0.55, 150: 0.78, 200: 0.92, 300: 0.998}
"""Figure 1 (a): test accuracy over the step, the same curve for every width."""

COURSE_DISTANCE: Mapping[int, float] = {20: 0.0022, 100: 0.0103, 200: 0.0203, 300: 0.0300, 390: 0.0386}
"""Figure 1 (c): relative distance over the step, width 500."""

WEIGHTS, UPDATE = "singular value of W(T)", "singular value of W(T) - W(0)"
SPECTRUM_1: Mapping[str, Mapping[int, float]] = {
    WEIGHTS: {0: 1.316, 10: 1.285, 20: 1.266, 990: 0.4619},
    UPDATE: {0: 0.1419, 10: 0.0654, 20: 2.66e-4, 30: 2.31e-4, 100: 1.83e-4, 500: 7.3e-5, 990: 1.2e-6},
}
"""Figure 1 (d), by rank counted from zero: every tenth value is drawn. The width is not printed; 4000 fits the weights."""

FIGURE_2_STEP = 18000
FIGURE_2: Mapping[str, Mapping[int, float]] = {
    FLIPS: {1000: 0.449, 2000: 0.435, 4000: 0.416, 8000: 0.390, 16000: 0.363, 32000: 0.330},
    DISTANCE: {1000: 1.92, 2000: 1.37, 4000: 0.972, 8000: 0.694, 16000: 0.495, 32000: 0.353},
    ACCURACY: {1000: 0.9404, 2000: 0.9411, 4000: 0.9418, 8000: 0.9427, 16000: 0.9435, 32000: 0.9443},
}
"""MNIST, step 18000."""

SPECTRUM_2: Mapping[int, float] = {
    0: 6.92, 10: 3.06, 20: 1.31, 30: 0.69, 50: 0.31, 100: 0.11, 200: 0.038, 400: 0.013, 600: 0.0020,
}  # fmt: skip
"""Figure 2 (d): singular values of the update by rank counted from zero, step 20000; the width is not printed."""


def published(figure: Mapping[str, Mapping[int, float]], *labels: str) -> tuple[Curve, ...]:
    """Curves over the width, for the page of a claim."""
    return tuple(
        Curve(label, np.array(list(figure[label]), np.float64), np.array(list(figure[label].values())))
        for label in labels
    )


def at_widths(
    figure: Mapping[str, Mapping[int, float]], label: str, widths: tuple[int, ...]
) -> Float[np.ndarray, " w"]:
    """Values at some widths; between and beyond the figure's widths along its power law."""
    known = figure[label]
    grid = np.log(np.array(list(known), np.float64))
    values = np.log(np.array(list(known.values())))
    slope, offset = np.polyfit(grid, values, 1)
    return np.array([known[m] if m in known else float(np.exp(offset + slope * np.log(m))) for m in widths])
