r"""Mini-batch stochastic gradient descent on a kernel least-squares problem, by its second moments.

Model: each step draws b rows independently and with replacement and moves by their gradients times n/b, an unbiased
estimate of the gradient of :math:`\tfrac12\sum_i (f(x_i) - y_i)^2`; features do not move, as in the infinitely wide
network. The residual then obeys :math:`e \leftarrow (I - \eta\tfrac nb\sum_{j\in B} K_{\cdot j}\,\delta_j^\top) e`
and its second moment :math:`M = E[e e^\top]` the exact linear recursion

.. math:: M \leftarrow M - \eta(KM + MK) + \eta^2\left[(1 - \tfrac1b) KMK + \tfrac nb K\,\mathrm{diag}(M)\,K\right].

Where K fits every target (the realisable case) the noise dies with the residual, and below a threshold of the rate the
loss falls to zero; where a part of the targets lies outside the range of K, that part feeds a floor.
`sgd_training_curve` closes the recursion on the eigenvectors by replacing diag(M) with its mean, which is exact where
eigenvectors spread evenly over the rows (:cite:t:`paquette2021`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from widthwise._checks import columns, count, positive, square
from widthwise.theory.dynamics import Spectrum, TrainingCurve, step_numbers


@dataclass(frozen=True, kw_only=True)
class NoiseFloor:
    """Where mini-batch gradient descent ends.

    Attributes:
        amplification: c, the share of the loss that one step's noise gives back over a lifetime; the mean square residual
            is bounded if and only if it is below 1.
        residual: root mean square norm of the residual in the end, in the units of y; infinite where c reaches 1.
        unreachable: norm of the part of y that no step can fit: the floor of full-batch descent.
    """

    amplification: float
    residual: float
    unreachable: float


def sgd_second_moments(
    K: Float[np.ndarray, "n n"],
    y: Float[np.ndarray, " n"] | Float[np.ndarray, "n k"],
    *,
    learning_rate: float,
    batch: int,
    steps: int,
) -> Float[np.ndarray, " t"]:
    """Root of E |y - u_t|^2 for t = 0 ... steps, by the exact recursion; each step costs two products of n x n matrices.

    Args:
        K: kernel matrix.
        y: targets; columns are summed.
        learning_rate: on the summed loss.
        batch: rows drawn in each step, with replacement.
        steps: number of steps.

    Raises:
        DataError: if K is not square.
        UsageError: if the rate is not positive or a count below its least value.
    """
    square(K)
    positive(learning_rate, "learning_rate")
    count(batch, "batch")
    count(steps, "steps", 0)
    Y = columns(y, len(K))
    n = len(K)
    M = Y @ Y.T
    found = np.empty(steps + 1)
    found[0] = np.trace(M)
    for t in range(1, steps + 1):
        drift = K @ M
        inner = (1.0 - 1.0 / batch) * M
        inner[np.diag_indices(n)] += n / batch * np.diag(M)
        M = M - learning_rate * (drift + drift.T) + learning_rate**2 * (K @ inner @ K)
        found[t] = np.trace(M)
    return np.sqrt(np.maximum(found, 0.0))


def sgd_training_curve(
    spectrum: Spectrum,
    y: Float[np.ndarray, " n"] | Float[np.ndarray, "n k"],
    *,
    learning_rate: float,
    batch: int,
    steps: int | Int[np.ndarray, " t"],
) -> TrainingCurve:
    r"""Root mean square residual of mini-batch descent, closed on the eigenvectors.

    .. math:: m_i \leftarrow \left[(1 - \eta\lambda_i)^2 - \eta^2\lambda_i^2/b\right] m_i
        + \frac{\eta^2\lambda_i^2}{b}\sum_j m_j

    with :math:`m_i = E (v_i^\top e)^2`. As b grows it becomes the curve of full-batch descent. Every step up to the last
    one wanted is taken.

    Raises:
        UsageError: if the rate is not positive, the batch below 1 or a step negative.
    """
    positive(learning_rate, "learning_rate")
    count(batch, "batch")
    counts = step_numbers(steps)
    x = learning_rate * np.where(spectrum.values > spectrum.tolerance, spectrum.values, 0.0)
    keep, noise = (1.0 - x) ** 2 - x**2 / batch, x**2 / batch
    moments = spectrum.project(y) ** 2
    start = float(np.sqrt(moments.sum()))
    last = int(counts.max()) if counts.size else 0
    seen = np.empty((last + 1, moments.shape[1]))
    seen[0] = moments.sum(axis=0)
    with np.errstate(over="ignore", invalid="ignore"):
        for t in range(1, last + 1):
            moments = keep[:, None] * moments + noise[:, None] * moments.sum(axis=0)
            seen[t] = moments.sum(axis=0)
    by_column = np.sqrt(np.maximum(seen[counts], 0.0))
    return TrainingCurve(
        steps=counts,
        residual=np.sqrt(np.sum(by_column**2, axis=1)),
        by_column=by_column,
        start=start,
        learning_rate=float(learning_rate),
    )


def sgd_noise_floor(
    spectrum: Spectrum,
    y: Float[np.ndarray, " n"] | Float[np.ndarray, "n k"],
    *,
    learning_rate: float,
    batch: int,
) -> NoiseFloor:
    r"""Stationary state of `sgd_training_curve`.

    .. math:: c = \sum_i \frac{\eta\lambda_i/b}{2 - \eta\lambda_i(1 - 1/b)}, \qquad
        E\|e_\infty\|^2 = \frac{\|y_\perp\|^2}{1 - c}

    with :math:`y_\perp` the targets outside the range of the kernel: zero, and no floor, where everything can be fitted.
    Above c = 1 the mean square residual grows without bound; the sum runs over eigenvalues above rounding.

    Raises:
        UsageError: if the rate is not positive or the batch below 1.
    """
    positive(learning_rate, "learning_rate")
    count(batch, "batch")
    kept = spectrum.rank
    x = learning_rate * spectrum.values[:kept]
    below = 2.0 - x * (1.0 - 1.0 / batch)
    amplification = float(np.sum(x / batch / below)) if np.all(below > 0) else float("inf")
    outside = float(np.sqrt(np.sum(spectrum.project(y)[kept:] ** 2)))
    if amplification >= 1.0:
        return NoiseFloor(amplification=amplification, residual=float("inf"), unreachable=outside)
    return NoiseFloor(
        amplification=amplification, residual=outside / float(np.sqrt(1.0 - amplification)), unreachable=outside
    )


def largest_stable_sgd_rate(spectrum: Spectrum, *, batch: int) -> float:
    """The rate at which the amplification of `sgd_noise_floor` reaches 1, by bisection; infinite for a zero kernel.

    Raises:
        UsageError: if the batch is below 1.
    """
    count(batch, "batch")
    if not spectrum.rank:
        return float("inf")
    values = spectrum.values[: spectrum.rank]

    def amplification(rate: float) -> float:
        below = 2.0 - rate * values * (1.0 - 1.0 / batch)
        return float(np.sum(rate * values / batch / below)) if below.min() > 0 else float("inf")

    # c is at least eta tr K / (2 b), so c = 1 lies below 2 b / tr K.
    low, high = 0.0, 2.0 * batch / float(values.sum())
    while True:
        middle = (low + high) / 2.0
        if middle in (low, high):
            return low
        low, high = (middle, high) if amplification(middle) < 1.0 else (low, middle)
