r"""Generalisation bounds and measures of a trained two-layer network, from its weights at the start and at the end.

Constants are those of the papers' public code where it has all of them; kinds and confidence marks are those of
`theory.generalisation_bounds`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from widthwise._checks import finite_matrix
from widthwise.errors import DataError, UsageError
from widthwise.theory.generalisation_bounds import Bound, How, Kind


@dataclass(frozen=True, kw_only=True, eq=False)
class TwoLayerWeights:
    """Weights of x -> V relu(U x) at the end and at the start of training.

    Attributes:
        first: U.
        second: V, one row for each class.
        first_start: U at the start.
        second_start: V at the start.
    """

    first: Float[np.ndarray, "H D"]
    second: Float[np.ndarray, "C H"]
    first_start: Float[np.ndarray, "H D"]
    second_start: Float[np.ndarray, "C H"]

    def outputs(self, X: Float[np.ndarray, "n D"]) -> Float[np.ndarray, "n C"]:
        """Values of the network."""
        return np.asarray(np.maximum(X @ self.first.T, 0.0) @ self.second.T)


def network_bounds(
    weights: TwoLayerWeights,
    X: Float[np.ndarray, "n D"],
    labels: Int[np.ndarray, " n"],
    *,
    failure: float = 0.01,
    percentile: float = 5.0,
) -> tuple[Bound, ...]:
    """Bounds and measures of a trained two-layer network without biases.

    Where authors' code returns n times the squared gap, its root over n is given here, so that every bound is on the scale
    of an error. They bound the test error minus the share of training rows below the margin.

    Args:
        weights: at the end and at the start.
        X: training rows.
        labels: class codes, one for each row.
        failure: delta.
        percentile: of the training margins that is called the margin; public code uses 5 and 10.

    Raises:
        DataError: if shapes do not fit.
        UsageError: if there are fewer than two classes.
    """
    rows = finite_matrix(X)
    U, V, U0, V0 = weights.first, weights.second, weights.first_start, weights.second_start
    if rows.shape[1] != U.shape[1] or len(labels) != len(rows):
        raise DataError(f"rows must have {U.shape[1]} columns and one label each; {rows.shape} and {len(labels)} came")
    if len(V) < 2 or labels.min() < 0 or labels.max() >= len(V):
        raise UsageError(f"labels must be codes of the network's {len(V)} outputs, two or more")
    n, (H, D), C = len(rows), U.shape, len(V)
    gap = margin_percentile(weights.outputs(rows), labels, percentile)
    over = 1.0 / gap if gap > 0 else math.inf
    norms = np.linalg.norm(rows, axis=1)
    size = float(np.sqrt(np.mean(norms**2)))
    root = math.sqrt(n)
    frobenius = [float(np.linalg.norm(W)) for W in (U, V)]
    spectral = [float(np.linalg.norm(W, 2)) for W in (U, V)]
    moved = [float(np.linalg.norm(W - W0)) for W, W0 in ((U, U0), (V, V0))]
    # Norm of the rows' norms over output units: the (2, 1) norm of the transpose in the paper's layout.
    by_unit = [float(np.linalg.norm(W - W0, axis=1).sum()) for W, W0 in ((U, U0), (V, V0))]
    hidden = float(np.sqrt(np.sum(np.mean(np.maximum(rows @ U0.T, 0.0) ** 2, axis=0))))
    parameters = U.size + V.size

    R = 3 * math.sqrt(2) * (math.sqrt(2 * C) + 1) * (frobenius[1] + 1) * (hidden + moved[0] * size + 1) * over
    neyshabur = R + 3 * math.sqrt(5 * H + math.log(max(1.0, max(gap, 0.0) * root) / failure))
    lead = math.sqrt(C) * frobenius[1] * (moved[0] * size + hidden) * over / root + math.sqrt(H / n)
    R = 42 * 8 * spectral[0] * math.sqrt(math.log(8 * H)) * float(norms.max())
    R *= math.sqrt(H * (spectral[1] * moved[0]) ** 2 + C * (spectral[0] * moved[1]) ** 2) / math.sqrt(2) * over
    pac = math.sqrt(R**2 + 6 * math.log(2 * n / failure))
    logs = 3 * math.sqrt(math.log(n / failure))
    product = frobenius[0] * frobenius[1]
    fro = 8 * math.sqrt(C) * product * size * over + logs
    l1 = math.prod(float(np.abs(W).sum(axis=1).max()) for W in (U, V))
    bm = 8 * C * l1 * 2 * math.sqrt(math.log(D)) * float(np.sqrt(np.mean(np.abs(rows).max(axis=1) ** 2))) * over + logs
    terms = sum((m / s) ** (2 / 3) for m, s in zip(by_unit, spectral, strict=True) if s > 0)
    norm21 = spectral[0] * spectral[1] * terms**1.5
    bartlett = size * math.log(2 * max(H, D, C)) * math.log(n) * over / root * norm21
    R = 144 * math.log(n) * math.log(2 * parameters) * (size + 1 / root) * norm21 * over
    reach = math.prod(2 + 2 * v for v in (*moved, *spectral))
    extra = 4.5 * math.log(1 / failure) + math.log(2 * n * over) if gap > 0 else math.inf
    spelled = R + math.sqrt(extra + 2 * math.log(2 + root * size) + 2 * math.log(reach))
    # Depth factor of the public code, for rows of any size; its l3,1.5 product falls with the cube root of n.
    alpha = math.sqrt(2 + math.log(D)) * over
    l3 = math.prod(float(np.sum(np.sum(np.abs(W) ** 3, axis=1) ** 0.5) ** (2 / 3)) for W in (U, V))
    golowich = size * (math.sqrt(2 * 2 * math.log(2)) + 1) * product * over / root
    vc = math.sqrt(_harvey(H, D, C, n=n, failure=failure) / n)
    paths = {p: float(np.sum((np.abs(V) ** p) @ (np.abs(U) ** p) @ np.ones(D)) ** (1 / p)) for p in (1.0, 1.5, 2.0)}
    positive = f"margin of the {percentile:g}th percentile above 0"
    squared = positive + "; the authors' code returns n times the square"
    full: Kind = "full constants"
    leading: Kind = "leading term"
    measure: Kind = "measure"
    own = "Neyshabur et al. 2018, 1805.12076"

    table: tuple[tuple[str, str, str, Kind, float, str, How], ...] = (
        ("neyshabur2018", "two-layer, distance from the start by unit", own, full, neyshabur / root, squared, "code"),
        ("neyshabur2018-term", "the same at constant 1, with sqrt(H / n)", own, leading, lead, positive, "read"),
        ("pac-bayes-spectral", "spectrally normalised PAC-Bayes", "Neyshabur et al. 2017, 1707.09564", full, pac / root,
         squared, "code"),
        ("neyshabur2015", "product of Frobenius norms", "Neyshabur et al. 2015, by the code of 1805.12076", full, fro / root,
         squared, "code"),
        ("bartlett-mendelson", "product of l1,inf norms", "Bartlett, Mendelson 2002, by the code of 1805.12076", full,
         bm / root, squared, "code"),
        ("bartlett2017", "spectral norms with (2, 1) distances", "Bartlett, Foster, Telgarsky 2017, 1706.08498", leading,
         bartlett, positive, "code"),
        ("bartlett2017-constants", "spectral norms with (2, 1) distances, prefactor 144 and logarithms",
         "Bartlett, Foster, Telgarsky 2017, by the code of 1805.12076", full, spelled / root, squared, "code"),
        ("golowich2018", "Frobenius norms, depth factor", "Golowich et al. 2018, 1712.06541", leading, golowich, positive,
         "memory"),
        ("golowich-frobenius", "Frobenius norms, sqrt(L + ln D)", "by the code of 1707.08947", leading,
         alpha * product / root, positive, "code"),
        ("golowich-l1", "l1,inf norms, sqrt(L + ln D)", "by the code of 1707.08947", leading, alpha * l1 / root, positive,
         "code"),
        ("golowich-l3", "l3,1.5 norms, sqrt(L + ln D), over n^(1/3)", "by the code of 1707.08947", leading,
         alpha * l3 / n ** (1 / 3), positive, "code"),
        ("vc", "pseudo-dimension of piecewise linear networks", "Harvey et al. 2017, by the code of 1805.12076", full,
         vc, "none; the authors' code returns n times the square", "code"),
        ("path-1", "l1 path norm over the margin and sqrt n", "Neyshabur et al. 2015", measure, paths[1.0] * over / root,
         positive, "code"),
        ("path-1.5", "l1.5 path norm over the margin and sqrt n", "Neyshabur et al. 2015", measure,
         paths[1.5] * over / root, positive, "code"),
        ("path-2", "l2 path norm over the margin and sqrt n", "Neyshabur et al. 2015", measure, paths[2.0] * over / root,
         positive, "code"),
        ("distance", "distance from the start, both layers", "Jiang et al. 2019; Dziugaite et al. 2020", measure,
         math.hypot(*moved), "none", "code"),
        ("distance-spectral",
         "sum of squared distances over squared spectral norms, times their product, over margin^2",
         "Jiang et al. 2019; Dziugaite et al. 2020", measure,
         (spectral[0] * spectral[1] * over) ** 2
         * sum((m / s) ** 2 for m, s in zip(moved, spectral, strict=True) if s > 0), positive, "code"),
    )  # fmt: skip
    return tuple(
        Bound(
            key=key,
            name=name,
            source=source,
            kind=kind,
            # A norm of zero over a margin that is not there.
            value=math.inf if math.isnan(value) else float(value),
            hypotheses=note,
            confidence=how,
        )
        for key, name, source, kind, value, note, how in table
    )


def _harvey(hidden: int, features: int, classes: int, *, n: int, failure: float) -> float:
    """Number of rows times the squared gap, by the pseudo-dimension of piecewise linear networks."""
    units = 4 * math.e * (hidden + 2 * classes)
    first, second = (features + 1) * hidden, (hidden + 1) * classes
    parameters = hidden * (features + classes)
    dimension = 2 + parameters * math.log2(2 * units * math.log2(units)) * (2 * first + second) / (first + second)
    return 8 * classes * dimension * math.log(math.e * max(n / dimension, 1.0)) + 8 * math.log(2 / failure)


def margin_percentile(
    outputs: Float[np.ndarray, "n C"], labels: Int[np.ndarray, " n"], percentile: float = 5.0
) -> float:
    """Percentile of the lead of the given class over the best other one."""
    rows = np.arange(len(labels))
    others = np.array(outputs)
    others[rows, labels] = -np.inf
    return float(np.percentile(outputs[rows, labels] - others.max(axis=1), percentile))
