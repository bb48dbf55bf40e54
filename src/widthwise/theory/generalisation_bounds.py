r"""Generalisation bounds evaluated on labelled rows, or on the weights of a two-layer network.

Three kinds are told apart. `full constants`: every constant is there, and under its hypotheses the value bounds the gap
with the stated probability. `leading term`: the largest term of a bound at constant 1, which ranks and bounds nothing.
`measure`: a norm that bounds are built of. Values are on the scale of an error: above 1 they say nothing. `confidence` says
where a formula comes from: `read` in the paper, `code` in its authors' code, `memory` unchecked, `derived` here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from widthwise._checks import columns, count, finite_matrix, square
from widthwise.errors import DataError, UsageError
from widthwise.theory.dynamics import spectrum_of
from widthwise.theory.kernel_margin import margin
from widthwise.theory.label_complexity import complexity

Kind = Literal["full constants", "leading term", "measure"]
How = Literal["read", "code", "memory", "derived"]
# Sum of 1/(|j|+1)^2 over all whole numbers j: shares of the failure probability over a doubling grid of norms.
GRID = math.pi**2 / 3.0 - 1.0


@dataclass(frozen=True, kw_only=True)
class Bound:
    """One bound or measure.

    Attributes:
        key: short name.
        name: what it is called.
        source: authors and year, with the arXiv number.
        kind: whether its constants are all there.
        value: on the scale of an error for the first two kinds; infinite where a hypothesis fails.
        hypotheses: what must hold for it to say anything.
        confidence: how its formula is known.
    """

    key: str
    name: str
    source: str
    kind: Kind
    value: float
    hypotheses: str
    confidence: How

    @property
    def vacuous(self) -> bool:
        """Whether it says nothing: a value of 1 or more. Measures have no such scale."""
        return self.kind != "measure" and not self.value < 1.0


def rademacher_margin_bound(
    margins: Float[np.ndarray, " n"], *, norm: float, trace: float, failure: float = 0.01, threshold: float = 1.0
) -> float:
    r"""Bound on the error rate of a kernel predictor, all constants included.

    .. math:: P[y f(x) \le 0] \le \frac1n\sum_i \min\big(1, (1 - y_i f(x_i)/\theta)_+\big)
        + \frac{2 B\sqrt{\mathrm{tr} K}}{\theta n} + 3\sqrt{\frac{\ln(2/\delta_j)}{2n}}

    with B the smallest power of two, :math:`2^j`, that is at least the norm of f, and the failure probability shared as
    :math:`\delta_j = \delta / (G (|j|+1)^2)`, so that the norm may depend on the data. Holds with probability
    :math:`1 - \delta` over independent rows for every f of the kernel's space at once.

    Args:
        margins: y_i f(x_i) of the training rows, independent of each other.
        norm: of f in the kernel's space.
        trace: of the kernel matrix.
        failure: delta.
        threshold: theta, fixed before the data were seen.

    Raises:
        UsageError: if an argument is outside its range.

    References:
        :cite:t:`bartlett2002`; the form with empirical complexity in :cite:t:`mohri2018`, theorem 5.8 and its proof, with
        the union over norms written out here.
    """
    if not 0.0 < failure < 1.0:
        raise UsageError(f"failure must lie between 0 and 1; {failure!r} came")
    if not (norm >= 0.0 and trace >= 0.0 and threshold > 0.0):
        raise UsageError(
            f"norm and trace must be at least 0 and threshold positive; {norm!r}, {trace!r}, {threshold!r} came"
        )
    n = len(margins)
    ramp = float(np.mean(np.clip(1.0 - margins / threshold, 0.0, 1.0)))
    j = math.ceil(math.log2(norm)) if norm > 0 else 0
    radius = max(2.0**j, norm)
    share = failure / (GRID * (abs(j) + 1) ** 2)
    return ramp + 2.0 * radius * math.sqrt(trace) / (threshold * n) + 3.0 * math.sqrt(math.log(2.0 / share) / (2.0 * n))


def bounds(
    gram: Float[np.ndarray, "n n"],
    y: Float[np.ndarray, " n"],
    *,
    ridge: float = 0.0,
    depth: int = 1,
    failure: float = 0.01,
) -> tuple[Bound, ...]:
    """Bounds that need the kernel matrix and the labels alone.

    Args:
        gram: tangent kernel of the rows; H-infinity for the two-layer theorems.
        y: labels, -1 or +1.
        ridge: of the kernel ridge predictor that the bound with full constants is for.
        depth: L.
        failure: delta.

    Raises:
        DataError: if shapes do not fit or a label is not -1 or +1.
        UsageError: if an argument is outside its range.
    """
    square(gram, "gram")
    labels = columns(y, len(gram))[:, 0]
    if np.ndim(y) != 1 or not np.all(np.abs(labels) == 1.0):
        raise DataError("bounds need one column of labels -1 or +1")
    count(depth, "depth")
    n = len(gram)
    gamma = margin(gram, labels).value
    spectrum = spectrum_of(gram)
    measured = complexity(spectrum, labels, off_range="drop")
    shifted = np.maximum(spectrum.values, 0.0) + ridge
    kept = shifted > spectrum.tolerance
    weights = np.where(kept, spectrum.project(labels)[:, 0] / np.where(kept, shifted, 1.0), 0.0)
    fit = spectrum.vectors @ (spectrum.values * weights)
    norm = float(np.sqrt(max(float(spectrum.values @ weights**2), 0.0)))
    inverse = 1.0 / gamma if gamma > 0 else math.inf
    loss = float(np.mean(np.logaddexp(0.0, -labels * fit)))
    separable = "some function of the kernel separates the classes (margin above 0)"
    return (
        Bound(
            key="rademacher",
            name="Rademacher complexity of the kernel ridge predictor, ramp loss at margin 1",
            source="Bartlett, Mendelson 2002; Mohri, Rostamizadeh, Talwalkar 2018",
            kind="full constants",
            value=rademacher_margin_bound(labels * fit, norm=norm, trace=float(np.trace(gram)), failure=failure),
            hypotheses="independent rows; the kernel was chosen without them",
            confidence="derived",
        ),
        Bound(
            key="arora2019",
            name="data-dependent complexity sqrt(2 y'H^-1 y / n)",
            source="Arora et al. 2019, 1901.08584",
            kind="leading term",
            value=measured.value if measured.unreachable == 0.0 else math.inf,
            hypotheses="H positive definite; width beyond a polynomial that is not given",
            confidence="read",
        ),
        Bound(
            key="ntrf",
            name="4 loss + L R / sqrt(n) + sqrt(ln(1/delta)/n), at the kernel ridge predictor",
            source="Cao, Gu 2019, 1905.13210",
            kind="leading term",
            value=4.0 * loss + depth * norm / math.sqrt(n) + math.sqrt(math.log(1.0 / failure) / n),
            hypotheses="logistic loss, one-pass SGD, width of order n^7",
            confidence="memory",
        ),
        Bound(
            key="cao-gu",
            name="L / (gamma sqrt n)",
            source="Cao, Gu 2019, 1905.13210",
            kind="leading term",
            value=depth * inverse / math.sqrt(n),
            hypotheses=separable,
            confidence="memory",
        ),
        Bound(
            key="ji-telgarsky",
            name="1 / (gamma^2 sqrt n)",
            source="Ji, Telgarsky 2019, 1909.12292",
            kind="leading term",
            value=inverse**2 / math.sqrt(n),
            hypotheses=separable + ", by Ji and Telgarsky's margin, which is smaller",
            confidence="read",
        ),
        Bound(
            key="lei",
            name="1 / (gamma^2 n)",
            source="Lei et al., as cited in 2510.02779",
            kind="leading term",
            value=inverse**2 / n,
            hypotheses=separable,
            confidence="read",
        ),
        Bound(
            key="li2025",
            name="L^6 / (gamma^2 n)",
            source="Li, Guo, Lei, Ying 2025, 2510.02779",
            kind="leading term",
            value=depth**6 * inverse**2 / n,
            hypotheses=separable,
            confidence="read",
        ),
    )


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

    ney = 3 * math.sqrt(2) * (math.sqrt(2 * C) + 1) * (frobenius[1] + 1) * (hidden + moved[0] * size + 1) * over
    ney += 3 * math.sqrt(5 * H + math.log(max(1.0, max(gap, 0.0) * root) / failure))
    pac = 42 * 8 * spectral[0] * math.sqrt(math.log(8 * H)) * float(norms.max())
    pac *= math.sqrt(H * (spectral[1] * moved[0]) ** 2 + C * (spectral[0] * moved[1]) ** 2) / math.sqrt(2) * over
    fro = 8 * math.sqrt(C) * frobenius[0] * frobenius[1] * size * over + 3 * math.sqrt(math.log(n / failure))
    l1 = [float(np.abs(W).sum(axis=1).max()) for W in (U, V)]
    bm = 8 * C * l1[0] * l1[1] * 2 * math.sqrt(math.log(D)) * float(np.abs(rows).max(axis=1).mean()) * over
    terms = sum((m / s) ** (2 / 3) for m, s in zip(by_unit, spectral, strict=True) if s > 0)
    bartlett = size * math.log(2 * max(H, D, C)) * math.log(n) * over / root * spectral[0] * spectral[1] * terms**1.5
    golowich = size * (math.sqrt(2 * 2 * math.log(2)) + 1) * frobenius[0] * frobenius[1] * over / root
    paths = [float(np.sum((np.abs(V) ** p) @ (np.abs(U) ** p) @ np.ones(D)) ** (1 / p)) for p in (1, 2)]
    positive = f"margin of the {percentile:g}th percentile above 0"
    squared = positive + "; the authors' code returns n times the square"

    table: tuple[tuple[str, str, str, Kind, float, str, How], ...] = (
        (
            "neyshabur2018",
            "two-layer, distance from the start by unit",
            "Neyshabur et al. 2018, 1805.12076",
            "full constants",
            ney / root,
            squared,
            "code",
        ),
        (
            "pac-bayes-spectral",
            "spectrally normalised PAC-Bayes",
            "Neyshabur et al. 2017, 1707.09564",
            "full constants",
            math.sqrt(pac**2 + 6 * math.log(2 * n / failure)) / root,
            squared,
            "code",
        ),
        (
            "neyshabur2015",
            "product of Frobenius norms",
            "Neyshabur et al. 2015, by the code of 1805.12076",
            "full constants",
            fro / root,
            squared,
            "code",
        ),
        (
            "bartlett-mendelson",
            "product of l1,inf norms",
            "Bartlett, Mendelson 2002, by the code of 1805.12076",
            "leading term",
            bm / root,
            positive,
            "code",
        ),
        (
            "bartlett2017",
            "spectral norms with (2, 1) distances",
            "Bartlett, Foster, Telgarsky 2017, 1706.08498",
            "leading term",
            bartlett,
            positive,
            "code",
        ),
        (
            "golowich2018",
            "Frobenius norms, depth factor",
            "Golowich et al. 2018, 1712.06541",
            "leading term",
            golowich,
            positive,
            "memory",
        ),
        (
            "vc",
            "sqrt(parameters L ln(parameters) / n)",
            "Harvey et al. 2017",
            "leading term",
            math.sqrt(parameters * 2 * math.log(parameters) / n),
            "none",
            "memory",
        ),
        (
            "path-1",
            "l1 path norm over the margin and sqrt n",
            "Neyshabur et al. 2015",
            "measure",
            paths[0] * over / root,
            positive,
            "code",
        ),
        (
            "path-2",
            "l2 path norm over the margin and sqrt n",
            "Neyshabur et al. 2015",
            "measure",
            paths[1] * over / root,
            positive,
            "code",
        ),
        (
            "distance",
            "distance from the start, both layers",
            "Jiang et al. 2019; Dziugaite et al. 2020",
            "measure",
            math.hypot(*moved),
            "none",
            "code",
        ),
        (
            "distance-spectral",
            "sum of squared distances over squared spectral norms, times their product, over margin^2",
            "Jiang et al. 2019; Dziugaite et al. 2020",
            "measure",
            (spectral[0] * spectral[1] * over) ** 2
            * sum((m / s) ** 2 for m, s in zip(moved, spectral, strict=True) if s > 0),
            positive,
            "code",
        ),
    )
    return tuple(
        Bound(key=key, name=name, source=source, kind=kind, value=float(value), hypotheses=note, confidence=how)
        for key, name, source, kind, value, note, how in table
    )


def margin_percentile(
    outputs: Float[np.ndarray, "n C"], labels: Int[np.ndarray, " n"], percentile: float = 5.0
) -> float:
    """Percentile of the lead of the given class over the best other one."""
    rows = np.arange(len(labels))
    others = np.array(outputs)
    others[rows, labels] = -np.inf
    return float(np.percentile(outputs[rows, labels] - others.max(axis=1), percentile))


def interpolation_rate(*, n: int, d: int) -> float:
    """Rate n^(-d/(2d-1)) of the squared error of regularised networks, leading term at constant 1.

    References:
        :cite:t:`hu2021`; from memory.
    """
    count(n, "n")
    count(d, "d", 2)
    return float(n ** (-d / (2.0 * d - 1.0)))
