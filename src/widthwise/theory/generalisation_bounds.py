r"""Generalisation bounds evaluated on labelled rows; those of trained weights are in `theory.network_bounds`.

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
from jaxtyping import Float

from widthwise._checks import columns, count, positive, square
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
    width: float | None = None,
    failure: float = 0.01,
) -> tuple[Bound, ...]:
    """Bounds that need the kernel matrix and the labels alone; one more where the width of the network is given.

    Args:
        gram: tangent kernel of the rows; H-infinity for the two-layer theorems.
        y: labels, -1 or +1.
        ridge: of the kernel ridge predictor that the bound with full constants is for.
        depth: L.
        width: m; adds the bound that grows with it.
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
    if width is not None:
        positive(width, "width")
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
    grows = () if width is None else (_of_width(depth, width, n, inverse, separable),)
    return (
        *grows,
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


def _of_width(depth: int, width: float, n: int, inverse: float, separable: str) -> Bound:
    with np.errstate(over="ignore"):
        value = float(np.exp(float(depth)) * math.sqrt(width / n) * inverse)
    return Bound(
        key="chen2019",
        name="e^L sqrt(m / n) / gamma",
        source="Chen, Cao, Zou, Gu 2019, 1911.12360",
        kind="leading term",
        value=value,
        hypotheses=separable + "; e^O(L) at e^L",
        confidence="read",
    )


def stability_term(losses: Float[np.ndarray, " t"], *, learning_rate: float, n: int) -> Bound:
    r"""Leading term of the stability bound along a training: the loss that was met on the way.

    .. math:: \frac{\eta}{n}\sum_{t<T}\hat F(w_t)

    Args:
        losses: mean training loss before each of T steps; logistic in the theorem.
        learning_rate: on that mean loss.
        n: training rows.

    Raises:
        UsageError: if the rate is not positive, n below 1 or a loss negative.

    References:
        Taheri and Thrampoulidis 2023, 2302.09235, as quoted by others; their constants are not evaluated.
    """
    positive(learning_rate, "learning_rate")
    count(n, "n")
    if not np.all(losses >= 0.0):
        raise UsageError("losses must be at least zero at every step: a training that diverged has no bound")
    return Bound(
        key="stability",
        name="rate times the sum of the training losses over n",
        source="Taheri, Thrampoulidis 2023, 2302.09235",
        kind="leading term",
        value=learning_rate * float(np.sum(losses)) / n,
        hypotheses="full-batch descent, self-bounded losses, a smooth activation",
        confidence="memory",
    )


def interpolation_rate(*, n: int, d: int) -> float:
    """Rate n^(-d/(2d-1)) of the squared error of regularised networks, leading term at constant 1.

    References:
        :cite:t:`hu2021`; from memory.
    """
    count(n, "n")
    count(d, "d", 2)
    return float(n ** (-d / (2.0 * d - 1.0)))
