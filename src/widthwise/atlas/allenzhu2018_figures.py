"""What figures 1 to 3 of Allen-Zhu, Li and Liang 2018 show, read off their vector paths (about .3 % of the axis).

Test errors are means of squares. The authors report the best test value over rates and decays; figures 1 (a) and 3 (a) differ by
a third at one setting, which is the size of that selection and of the seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from widthwise.atlas.trial import Curve

THREE, TWO = "three layers", "two layers"
NTK3, LAST3, LAST2 = "tangent kernel of three layers", "last of three layers", "last of two layers"
LEARNERS = (THREE, TWO, NTK3, LAST3, LAST2)
Table = Mapping[str, Mapping[int, float]]

_WIDTHS = (100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000)
_SIZES = (200, 500, 1000, 2000, 5000, 10_000)


def _over(grid: Sequence[int], *values: float) -> dict[int, float]:
    return dict(zip(grid, values, strict=False))


WIDTHS: Mapping[str, Table] = {
    "sine": {
        THREE: _over(_WIDTHS, 0.243, 0.167, 0.122, 0.134, 0.121, 0.113),
        TWO: _over(_WIDTHS, 4.78, 4.40, 2.66, 2.56, 2.11, 1.45, 1.19, 1.03, 0.78, 0.67, 0.59, 0.57, 0.61),
        NTK3: _over(_WIDTHS, 7.78, 6.26, 4.35, 3.18, 2.39, 1.97),
        LAST3: _over(_WIDTHS, 18.5, 14.7, 11.0, 10.6, 9.00, 8.49),
        LAST2: _over(_WIDTHS, 15.3, 16.5, 10.9, 6.74, 7.69, 7.62, 7.55, 7.33, 6.97, 7.26, 7.26),
    },
    "tanh": {
        THREE: _over(_WIDTHS, 0.095, 0.066, 0.060, 0.059, 0.064, 0.099),
        TWO: _over(_WIDTHS, 2.67, 2.32, 1.66, 1.20, 1.03, 0.96, 0.93, 0.67, 0.56, 0.55, 0.54),
        NTK3: _over(_WIDTHS, 4.32, 3.78, 2.87, 2.74, 2.36, 2.01),
        LAST3: {100: 7.8, 5000: 4.7},
        LAST2: {100: 7.9, 200_000: 4.4},
    },
}
"""Figures 1 (a) and 2 (a): test error over the width, N = 1000."""

SIZES: Mapping[str, Table] = {
    "sine": {
        THREE: _over(_SIZES, 6.09, 0.502, 0.121, 0.0293, 0.0053, 0.0020),
        TWO: _over(_SIZES, 13.1, 5.72, 2.11, 1.10, 0.329, 0.081),
        NTK3: _over(_SIZES, 18.5, 6.98, 2.39, 1.44, 0.704, 0.406),
        LAST3: _over(_SIZES, 27.8, 18.1, 8.98, 5.89, 3.35, 1.56),
        LAST2: _over(_SIZES, 26.1, 16.2, 7.69, 5.26, 2.57, 1.42),
    },
    "tanh": {
        THREE: _over(_SIZES, 2.98, 0.448, 0.063, 0.0169, 0.0028, 0.0009),
        TWO: _over(_SIZES, 5.32, 2.29, 1.03, 0.487, 0.213, 0.135),
        NTK3: _over(_SIZES, 8.47, 3.54, 2.32, 1.23, 0.637, 0.437),
        LAST3: {200: 10.4, 10_000: 1.68},
        LAST2: {200: 10.4, 10_000: 1.55},
    },
}
"""Figures 1 (b) and 2 (b): test error over the number of rows, m = 2000."""

QUARTIC, FROBENIUS = "fourth power of the (2, 4) norm", "squared Frobenius norm"
_SIX = _WIDTHS[:6]
NORM_ERRORS: Table = {
    QUARTIC: _over(_SIX, 0.222, 0.211, 0.162, 0.125, 0.118, 0.134),
    FROBENIUS: _over(_SIX, 0.230, 0.166, 0.162, 0.123, 0.131, 0.134),
}
"""Figure 3 (a): test error of three layers over the width, F1, N = 1000, by the penalty on W."""

NORM_SPREADS: Table = {
    QUARTIC: _over(_SIX, 1.24, 2.82, 4.75, 5.83, 6.53, 14.7),
    FROBENIUS: _over(_SIX, 3.23, 6.63, 5.33, 7.28, 5.45, 15.0),
}
r"""Figure 3 (b): :math:`\|W\|_{2,4}^4 m / \|W\|_F^4` after training."""


def published(table: Table, *labels: str) -> tuple[Curve, ...]:
    """Curves of a figure, for the page of a claim."""
    chosen = labels or tuple(table)
    return tuple(
        Curve(label, np.array(list(table[label]), np.float64), np.array(list(table[label].values())))
        for label in chosen
    )


def read_off(table: Table, label: str, x: Sequence[int]) -> Float[np.ndarray, " t"]:
    """Values of a curve at some abscissae, straight between its points in log-log and level beyond them."""
    known = table[label]
    grid, values = np.log(np.array(list(known), np.float64)), np.log(np.array(list(known.values())))
    return np.asarray(np.exp(np.interp(np.log(np.array(x, np.float64)), grid, values)))
