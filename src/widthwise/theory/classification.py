r"""Gradient descent on classification losses in function space: the infinitely wide network with logistic loss.

The kernel stays put, so the outputs on the training rows obey :math:`f \leftarrow f - \eta K\,\ell'(f)` exactly, from
f = 0, and those on other rows ride along. In coefficients, :math:`f = K\alpha` with
:math:`\alpha \leftarrow \alpha - \eta\,\ell'(K\alpha)`. Losses are sums over rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.special
from jaxtyping import Float, Int

from widthwise._checks import columns, positive, square
from widthwise.errors import DataError, UsageError
from widthwise.theory.dynamics import Spectrum, step_numbers

Loss = Literal["logistic", "cross_entropy"]


@dataclass(frozen=True, kw_only=True, eq=False)
class LogisticCurve:
    """What gradient descent on a classification loss does in function space.

    Attributes:
        steps: numbers of steps.
        loss: mean over rows of the loss, in nats, summed over columns for `logistic`.
        error: share of training rows on the wrong side (a tie is wrong), any column counted for `logistic`.
        outputs: training outputs after the last of the steps.
        test_outputs: outputs on the held-out rows after each number of steps; None without them.
    """

    steps: Int[np.ndarray, " t"]
    loss: Float[np.ndarray, " t"]
    error: Float[np.ndarray, " t"]
    outputs: Float[np.ndarray, "n k"]
    test_outputs: Float[np.ndarray, "t m k"] | None


def logistic_curve(
    K: Float[np.ndarray, "n n"],
    y: Float[np.ndarray, " n"] | Float[np.ndarray, "n k"],
    *,
    learning_rate: float,
    steps: int | Int[np.ndarray, " t"],
    K_test: Float[np.ndarray, "m n"] | None = None,
    loss: Loss = "logistic",
) -> LogisticCurve:
    r"""Exact discrete gradient descent on a classification loss, in function space.

    .. math:: \ell(f) = \sum_i \log(1 + e^{-y_i f_i}) \quad\text{or}\quad
        \ell(f) = \sum_i \left[\log\sum_c e^{f_{ic}} - f_{i y_i}\right]

    Args:
        K: kernel matrix of the training rows.
        y: -1 or +1, one column for each two-class output; or rows with one 1 and else 0 for `cross_entropy`.
        learning_rate: on the summed loss; the loss falls at every step up to `largest_logistic_rate`.
        steps: number of steps (all from zero on are given), or the numbers wanted, increasing. Each costs n^2 k.
        K_test: kernel between held-out rows and training rows.
        loss: which.

    Raises:
        DataError: if K is not square or the labels are not of the coding of the loss.
        UsageError: if the rate is not positive, the steps do not increase, or the loss is unknown.
    """
    square(K)
    positive(learning_rate, "learning_rate")
    Y = columns(y, len(K))
    _coded(Y, loss)
    counts = step_numbers(steps)
    if np.any(np.diff(counts) <= 0):
        raise UsageError("steps must increase: the recursion runs forward once")
    alpha, F = np.zeros_like(Y), np.zeros_like(Y)
    losses, errors, held = np.empty(len(counts)), np.empty(len(counts)), []
    now = 0
    for place, wanted in enumerate(counts):
        while now < wanted:
            alpha -= learning_rate * _slope(F, Y, loss)
            F = K @ alpha
            now += 1
        losses[place], errors[place] = _measures(F, Y, loss)
        if K_test is not None:
            held.append(K_test @ alpha)
    return LogisticCurve(
        steps=counts,
        loss=losses,
        error=errors,
        outputs=F,
        test_outputs=None if K_test is None else np.array(held).reshape(len(counts), len(K_test), Y.shape[1]),
    )


def largest_logistic_rate(spectrum: Spectrum, *, loss: Loss = "logistic") -> float:
    """Rate up to which the summed loss falls at every step: 2 over the largest curvature, infinite for a zero kernel.

    The second derivative of the logistic loss is at most 1/4, that of the softmax at most 1/2, so the rates are
    8 / lambda_max and 4 / lambda_max.
    """
    if not spectrum.rank:
        return float("inf")
    return (8.0 if loss == "logistic" else 4.0) / float(spectrum.values[0])


def _coded(Y: Float[np.ndarray, "n k"], loss: str) -> None:
    if loss == "logistic":
        if not np.all(np.abs(Y) == 1.0):
            raise DataError("labels of the logistic loss must be -1 or +1 in every column")
    elif loss == "cross_entropy":
        if not (np.all((Y == 0.0) | (Y == 1.0)) and np.all(Y.sum(axis=1) == 1.0)):
            raise DataError("labels of the cross-entropy must have one 1 in every row and zeros else")
    else:
        raise UsageError(f"loss must be 'logistic' or 'cross_entropy'; {loss!r} came")


def _slope(F: Float[np.ndarray, "n k"], Y: Float[np.ndarray, "n k"], loss: str) -> Float[np.ndarray, "n k"]:
    if loss == "logistic":
        return np.asarray(-Y * scipy.special.expit(-Y * F))
    return np.asarray(scipy.special.softmax(F, axis=1) - Y)


def _measures(F: Float[np.ndarray, "n k"], Y: Float[np.ndarray, "n k"], loss: str) -> tuple[float, float]:
    if loss == "logistic":
        mean = float(np.mean(np.sum(np.logaddexp(0.0, -Y * F), axis=1)))
        return mean, float(np.mean(np.any(Y * F <= 0.0, axis=1)))
    own = np.sum(Y * F, axis=1)
    mean = float(np.mean(scipy.special.logsumexp(F, axis=1) - own))
    others = np.where(Y == 1.0, -np.inf, F).max(axis=1) if F.shape[1] > 1 else np.full(len(F), -np.inf)
    return mean, float(np.mean(others >= own))
