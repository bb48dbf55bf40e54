r"""Margins of labels under a kernel: the largest margin by which functions of norm one separate two classes.

.. math:: \gamma = \max_{\|f\| \le 1}\min_i y_i f(x_i) = \sqrt{\min_{q \ge 0,\ \sum q = 1} q^\top (K \circ yy^\top)\, q}

With the tangent kernel of all layers it is the margin of the NTRF class (:cite:t:`chen2019`), with the first layer's
that of the reproducing space of H-infinity, which is never below Ji and Telgarsky's. Since
:math:`\min\{t^\top K^{-1} t : y_i t_i \ge 1\} = 1/\gamma^2`, Cao and Gu's corollary and the margin are one number.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.optimize
from jaxtyping import Bool, Float

from widthwise._checks import columns, count, finite_matrix, square
from widthwise.errors import DataError, UsageError

# A margin is zero when its square is below this share of the kernel's mean diagonal: rounding of the entries.
ZERO = 1e-14
PIVOTS = 200


@dataclass(frozen=True, kw_only=True, eq=False)
class Margin:
    """The largest margin, between what a function attains and what no function exceeds.

    Attributes:
        low: margin that the function with coefficients q_i y_i attains, after division by its norm.
        high: square root of q'(K o yy')q: no function of norm one has a larger margin.
        weights: q, on the simplex; its support are the rows on the margin.
    """

    low: float
    high: float
    weights: Float[np.ndarray, " n"]

    @property
    def value(self) -> float:
        """The margin: its upper certificate, or 0 where that is rounding."""
        return self.high

    @property
    def gap(self) -> float:
        """Duality gap relative to the margin; 0 where the margin is 0."""
        return (self.high - self.low) / self.high if self.high > 0 else 0.0

    @property
    def support(self) -> tuple[int, ...]:
        """Rows of weight, heaviest first; where the margin is 0, rows that no function separates. A millionth is rounding."""
        order = np.argsort(-self.weights, kind="stable")
        least = 1e-6 * float(self.weights.max())
        return tuple(int(i) for i in order if self.weights[i] > least)

    def cao_gu(self, depth: int = 1) -> float:
        r"""Leading term of Cao and Gu's corollary, :math:`L / (\gamma\sqrt n)`; infinite where the margin is 0.

        References:
            :cite:t:`cao2019b`; the infimum there is the hard-margin problem.
        """
        return depth / (self.high * float(np.sqrt(len(self.weights)))) if self.high > 0 else float("inf")


def margin(K: Float[np.ndarray, "n n"], y: Float[np.ndarray, " n"]) -> Margin:
    r"""Largest margin of two classes under a kernel, with the certificate that it is the largest.

    Args:
        K: symmetric positive semi-definite kernel matrix.
        y: labels, -1 or +1. One class alone has a margin too.

    Returns:
        The margin in the units of sqrt(K), in (0, min sqrt(K_ii)]; 0 where some mixture of signed rows vanishes, as for
        rows that coincide with opposite labels.

    Raises:
        DataError: if K is not square, or a label is not -1 or +1.

    References:
        :cite:t:`chen2019`, assumption 4.3 and its dual; pivoting by :cite:t:`portugal1994`, and where the matrix is
        singular the least-distance problem of :cite:t:`lawson1974`.
    """
    square(K)
    labels = columns(y, len(K))[:, 0]
    if np.ndim(y) != 1 or not np.all(np.abs(labels) == 1.0):
        raise DataError("a margin needs one column of labels -1 or +1")
    M = K * np.outer(labels, labels)
    weights = _pivoting(M)
    if weights is None:
        weights = _least_distance(M)
    return _certified(M, weights)


@dataclass(frozen=True, kw_only=True, eq=False)
class ShallowMargin:
    """Ji and Telgarsky's margin of the first layer, by Monte Carlo over its neurons.

    Attributes:
        value: mean over fresh neurons of the norm of their weighted signed rows.
        standard_error: of that mean.
        attained: margin that the transport found attains on the fresh neurons: in expectation no more than the margin.
        weights: on the simplex.
    """

    value: float
    standard_error: float
    attained: float
    weights: Float[np.ndarray, " n"]


def shallow_margin(
    X: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, " n"],
    *,
    neurons: int = 4096,
    seed: int | np.random.Generator,
    sweeps: int = 200,
) -> ShallowMargin:
    r"""Margin of infinitely wide networks whose neurons each move by at most one.

    .. math:: \gamma = \min_q E_z\Big\|\sum_i q_i y_i x_i\,1[\langle z, x_i\rangle \ge 0]\Big\|,
        \qquad z \sim N(0, I)

    The weights come from a sample of neurons, by quadratic problems that majorise the norm; the value comes from a fresh
    sample, on which the weights have not been fitted, so its expectation is never below the margin.

    Args:
        X: rows.
        y: labels, -1 or +1.
        neurons: in each of the two samples.
        seed: of the neurons.
        sweeps: most quadratic problems.

    Raises:
        DataError: if X is not finite or a label is not -1 or +1.

    References:
        :cite:t:`ji2020`, assumption 2.1 and its dual form.
    """
    rows = finite_matrix(X)
    labels = columns(y, len(rows))[:, 0]
    if not np.all(np.abs(labels) == 1.0):
        raise DataError("a margin needs labels -1 or +1")
    count(neurons, "neurons")
    count(sweeps, "sweeps")
    generator = np.random.default_rng(seed)
    signed = rows * labels[:, None]
    gates = _gates(rows, neurons, generator)
    gram = signed @ signed.T
    weights = np.full(len(rows), 1.0 / len(rows))
    before = np.inf
    for _ in range(sweeps):
        norms = np.linalg.norm((gates * weights) @ signed, axis=1)
        # Each problem lowers the mean norm; a change far below the sampling error of the neurons ends the search.
        if float(norms.mean()) > before * (1.0 - 1e-5):
            break
        before = float(norms.mean())
        # |g| <= (|g|^2 / c + c) / 2 with equality at c = |g|; neurons that vanish keep a small norm, not an infinite weight.
        floor = 1e-9 * max(float(norms.mean()), np.finfo(np.float64).tiny)
        scale = 1.0 / np.maximum(norms, floor)
        weights = _pivoting_or_least((gates.T * scale) @ gates / neurons * gram)
    fresh = _gates(rows, neurons, generator)
    transport = (fresh * weights) @ signed
    norms = np.linalg.norm(transport, axis=1)
    directions = transport / np.where(norms > 0, norms, 1.0)[:, None]
    attained = float(np.min(np.mean(fresh * (directions @ signed.T), axis=0)))
    return ShallowMargin(
        value=float(norms.mean()),
        standard_error=float(norms.std(ddof=1) / np.sqrt(neurons)) if neurons > 1 else float("inf"),
        attained=attained,
        weights=weights,
    )


def _gates(X: Float[np.ndarray, "n d"], neurons: int, generator: np.random.Generator) -> Float[np.ndarray, "z n"]:
    return np.asarray(generator.standard_normal((neurons, X.shape[1])) @ X.T >= 0.0, dtype=np.float64)


def _certified(M: Float[np.ndarray, "n n"], weights: Float[np.ndarray, " n"]) -> Margin:
    pushed = M @ weights
    energy = float(weights @ pushed)
    if not energy > ZERO * max(float(np.mean(np.diag(M))), 0.0):
        return Margin(low=0.0, high=0.0, weights=weights)
    high = float(np.sqrt(energy))
    return Margin(low=max(float(pushed.min()) / high, 0.0), high=high, weights=weights)


def _pivoting_or_least(M: Float[np.ndarray, "n n"]) -> Float[np.ndarray, " n"]:
    found = _pivoting(M)
    return _least_distance(M) if found is None else found


def _pivoting(M: Float[np.ndarray, "n n"]) -> Float[np.ndarray, " n"] | None:
    """Block principal pivoting for min a'Ma/2 - 1'a over a >= 0, whose solution over its sum is q.

    Whole sets of rows change sides at once; when the number of violations has not fallen three times running, only the
    last violating row changes, which cannot cycle. None where a block is singular to working precision or nothing is reached.
    """
    n = len(M)
    free = np.ones(n, dtype=bool)
    fewest, patience = n + 1, 3
    for _ in range(PIVOTS + n):
        a = np.zeros(n)
        if free.any():
            block = M[np.ix_(free, free)]
            try:
                factor = scipy.linalg.cho_factor(block, lower=True, check_finite=False)
            except scipy.linalg.LinAlgError:
                return None
            pivots = np.diag(factor[0]) ** 2
            if pivots.min() <= len(block) * np.finfo(np.float64).eps * float(np.diag(block).max()):
                return None
            a[free] = scipy.linalg.cho_solve(factor, np.ones(len(block)), check_finite=False)
        slack = M @ a - 1.0
        tolerance = 1e-10 * max(1.0, float(np.abs(a).max()))
        wrong: Bool[np.ndarray, " n"] = (free & (a < -tolerance * 1e-4)) | (~free & (slack < -1e-11))
        violations = int(wrong.sum())
        if violations == 0:
            a = np.maximum(a, 0.0)
            return np.asarray(a / a.sum()) if a.sum() > 0 else None
        if violations < fewest:
            fewest, patience = violations, 3
            free ^= wrong
        elif patience > 0:
            patience -= 1
            free ^= wrong
        else:
            last = int(np.flatnonzero(wrong)[-1])
            free[last] = not free[last]
    return None


def _least_distance(M: Float[np.ndarray, "n n"]) -> Float[np.ndarray, " n"]:
    """Nearest point of the convex hull to the origin by non-negative least squares: also for singular matrices."""
    values, vectors = scipy.linalg.eigh(M, check_finite=False)
    kept = values > len(M) * np.finfo(np.float64).eps * max(float(values[-1]), 0.0)
    factor = (vectors[:, kept] * np.sqrt(values[kept])).T
    size = float(np.sqrt(max(np.mean(np.diag(M)), np.finfo(np.float64).tiny)))
    try:
        found, _ = scipy.optimize.nnls(
            np.vstack([factor / size, np.ones(len(M))]), np.append(np.zeros(len(factor)), 1.0), maxiter=30 * len(M)
        )
    except RuntimeError as failure:
        raise UsageError(f"the margin of {len(M)} rows was not found: {failure}. Use fewer rows") from None
    return np.asarray(found / found.sum())
