r"""Conditional variances given nearest neighbours: what a row's own entry of the inverse is, nearly, for little.

The diagonal of :math:`A = (K + rI)^{-1}` is one over the variance of a row given all others. Given its m nearest rows N alone,

.. math:: v_i = K_{ii} + r - K_{iN}(K_{NN} + rI)^{-1}K_{Ni} \ge 1/A_{ii},

and where kernels fall off, little is missing (:cite:t:`vecchia1988`). It is no estimate by itself: `sharpened` fits it to
estimates by random probes, which are right on average and scatter, and takes from each what it knows.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from jaxtyping import Float, Int

from widthwise._checks import count
from widthwise.solvers.operators import WORKERS
from widthwise.solvers.packed import PackedTiles
from widthwise.solvers.stochastic import DiagonalEstimate

# Rows whose neighbours are looked for at once, and whose small systems are solved at once.
ROWS = 264
BATCH = 2000


def nearest(K: PackedTiles, m: int = 30) -> Int[np.ndarray, "n m"]:
    """The m rows of largest correlation with each row, in no set order; fewer where there are not as many others.

    Args:
        K: kernel matrix.
        m: neighbours.
    """
    n = K.n
    m = min(count(m, "m"), n - 1)
    size = np.sqrt(K.diagonal())
    scale = (1.0 / np.where(size > 0, size, np.inf)).astype(np.float32)
    found = np.empty((n, m), dtype=np.int32)

    def one(start: int) -> None:
        rows = np.arange(start, min(start + ROWS, n))
        panel = K.rows(rows) * scale
        panel[np.arange(len(rows)), rows] = -np.inf
        found[rows] = np.argpartition(panel, n - m - 1, axis=1)[:, n - m :] if m < n - 1 else _others(rows, n)

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(one, range(0, n, ROWS)))
    return found


def conditional_variances(
    K: PackedTiles, neighbours: Int[np.ndarray, "n m"], *, ridge: float
) -> Float[np.ndarray, " n"]:
    """Variance of each row, ridge included, given its neighbours.

    Args:
        K: kernel matrix.
        neighbours: of each row, from `nearest`.
        ridge: positive.
    """
    n, m = neighbours.shape
    diagonal = K.diagonal()
    found = np.empty(n)
    own = np.arange(m)
    for start in range(0, n, BATCH):
        near = neighbours[start : start + BATCH].astype(np.intp)
        rows = np.arange(start, start + len(near))
        block = K.entries(near[:, :, None], near[:, None, :])
        block[:, own, own] += ridge
        cross = K.entries(np.broadcast_to(rows[:, None], near.shape), near)
        solved = np.linalg.solve(block, cross[:, :, None])[:, :, 0]
        found[rows] = diagonal[rows] + ridge - np.einsum("ij,ij->i", cross, solved)
    # Never below the ridge but for rounding.
    return np.maximum(found, ridge)


def sharpened(sampled: DiagonalEstimate, variances: Float[np.ndarray, " n"]) -> DiagonalEstimate:
    r"""A diagonal estimated by probes, with what neighbours tell of its shape.

    The probes fit :math:`A_{ii} \approx v_i^{-1}(\alpha + \beta\log v_i)`. The scatter of their estimates around the fit beyond
    their own tells how good it is; each entry is then the mean of fit and sample, weighted by their variances. Its standard
    error holds the scatter that is left and the error of the trace, which all entries share.

    Args:
        sampled: from `leave_one_out_estimate` or `inverse_diagonal`.
        variances: from `conditional_variances`, at the same ridge.
    """
    shape = 1.0 / variances
    logs = np.log(variances) - np.log(variances).mean()
    ratio = sampled.sampled / shape
    design = np.column_stack([np.ones_like(logs), logs])
    alpha, beta = np.linalg.lstsq(design, ratio, rcond=None)[0]
    # A fit that turns negative somewhere is worth nothing there: the plain level is.
    level = np.maximum(alpha + beta * logs, 0.2 * alpha)
    fitted = shape * level
    noise = float(np.mean((sampled.standard_errors / fitted) ** 2))
    between = max(float(np.mean((sampled.sampled / fitted - 1.0) ** 2)) - noise, 0.0)
    weight = between / (between + noise) if noise > 0 else 1.0
    values = fitted + weight * (sampled.sampled - fitted)
    return DiagonalEstimate(
        values=np.maximum(values, fitted * 0.1),
        standard_errors=fitted * np.sqrt(weight * noise + sampled.trace_error**2),
        probes=sampled.probes,
        residual=sampled.residual,
        sampled=values,
        trace_error=sampled.trace_error,
    )


def _others(rows: Int[np.ndarray, " r"], n: int) -> Int[np.ndarray, "r m"]:
    return np.array([np.delete(np.arange(n), row) for row in rows])
