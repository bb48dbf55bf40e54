r"""Traces, log-determinants and leave-one-out of matrices too large to factorise, each with its standard error.

Vectors z of random signs have :math:`E\,z^\top f(K) z = \mathrm{tr} f(K)` (:cite:t:`hutchinson1990`), and a Lanczos process
from z evaluates the quadratic form (:cite:t:`ubaru2017`). What a low-rank approximation knows is evaluated exactly, and
only the rest is sampled, which takes most of the variance away.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from jaxtyping import Float

from widthwise._checks import columns, count, positive
from widthwise.solvers.conjugate_gradients import TRUSTED, refine
from widthwise.solvers.operators import Operator
from widthwise.solvers.preconditioners import RANK, Deflation, LowRank, pivoted_cholesky


@dataclass(frozen=True, kw_only=True, eq=False)
class Estimate:
    """A number estimated by random probes.

    Attributes:
        value: mean over the probes.
        standard_error: of that mean; the error is within two of them in 95 % of all seeds.
        probes: random vectors.
        steps: of the Lanczos process of each.
    """

    value: float
    standard_error: float
    probes: int
    steps: int


@dataclass(frozen=True, kw_only=True, eq=False)
class DiagonalEstimate:
    """Diagonal of (K + ridge I)^-1 estimated by random probes.

    Attributes:
        values: the estimate of each entry.
        standard_errors: of each.
        probes: random vectors.
        residual: largest true residual of the solves behind them.
        sampled: the estimates before they were raised to what any entry is at least; right on average.
        trace_error: relative standard error of their sum: what all entries share.
    """

    values: Float[np.ndarray, " n"]
    standard_errors: Float[np.ndarray, " n"]
    probes: int
    residual: float
    sampled: Float[np.ndarray, " n"]
    trace_error: float


@dataclass(frozen=True, kw_only=True, eq=False)
class LeaveOneOutEstimate:
    """Leave-one-out residuals (A y)_i / A_ii, A = (K + ridge I)^-1, with an estimated diagonal.

    Attributes:
        coefficients: A y, solved to the tolerance.
        residuals: y_i minus the prediction of the other rows.
        standard_errors: of the residuals, from those of the diagonal.
        ridge: added to the diagonal.
        residual: largest true residual of the solves, labels and probes alike.
        iterations: of block conjugate gradients.
        condition: estimate of the condition number of K + ridge I.
    """

    coefficients: Float[np.ndarray, "n k"]
    residuals: Float[np.ndarray, "n k"]
    standard_errors: Float[np.ndarray, "n k"]
    ridge: float
    residual: float
    iterations: int
    condition: float

    @property
    def mean_square(self) -> float:
        """Mean over rows of the squared residual, summed over columns."""
        return float(np.mean(np.sum(self.residuals**2, axis=1)))


def trace(
    K: Operator,
    f: Callable[[Float[np.ndarray, " m"]], Float[np.ndarray, " m"]],
    *,
    probes: int = 16,
    steps: int = 50,
    seed: int | np.random.Generator = 0,
) -> Estimate:
    """Tr f(K) by stochastic Lanczos quadrature.

    Args:
        K: symmetric positive semi-definite matrix.
        f: function of eigenvalues, vectorised.
        probes: vectors of random signs, at least two.
        steps: of each Lanczos process; the quadrature is exact for polynomials of degree 2 steps - 1.
        seed: of the probes.

    Raises:
        UsageError: if there are fewer than two probes, or no step.

    References:
        :cite:t:`ubaru2017`; :cite:t:`hutchinson1990`.
    """
    n = K.shape[0]
    Z = _signs(n, count(probes, "probes", 2), seed)
    nodes, weights = _quadrature(K.matmul, Z, min(count(steps, "steps"), n))
    found = n * np.array([float(w @ f(t)) for t, w in zip(nodes, weights, strict=True)])
    return _estimate(found, steps)


def log_determinant(
    K: Operator,
    *,
    ridge: float,
    probes: int = 16,
    steps: int = 40,
    rank: int | None = None,
    seed: int = 0,
) -> Estimate:
    r"""Log det(K + ridge I), exactly for a low-rank approximation and by sampling for what it leaves.

    .. math:: \log\det P + \mathrm{tr}\log P^{-1/2}(K + rI)P^{-1/2}

    Args:
        K: symmetric positive semi-definite matrix.
        ridge: positive.
        probes: vectors of random signs, at least two.
        steps: of each Lanczos process.
        rank: of the approximation; eight times the root of n when not given.
        seed: of the approximation and the probes.

    Raises:
        UsageError: if the ridge is not positive.
    """
    n = K.shape[0]
    positive(ridge, "ridge")
    found, P = _approximated(K, ridge, rank, seed)
    known = float(np.sum(np.log(found.values + ridge)) - 2.0 * (n - len(found.values)) * np.log(P.level))

    def product(V: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
        inner = P.inverse(V)
        return P.inverse(K.matmul(inner) + ridge * inner)

    Z = _signs(n, count(probes, "probes", 2), np.random.default_rng([seed, 1]))
    nodes, weights = _quadrature(product, Z, min(count(steps, "steps"), n))
    parts = n * np.array([float(w @ np.log(np.maximum(t, 1e-300))) for t, w in zip(nodes, weights, strict=True)])
    return _estimate(known + parts, steps)


def degrees_of_freedom(
    K: Operator, *, ridge: float, probes: int = 16, steps: int = 50, seed: int | np.random.Generator = 0
) -> Estimate:
    """Tr K (K + ridge I)^-1, the effective number of parameters; see `trace` for the arguments."""
    positive(ridge, "ridge")
    return trace(K, lambda t: np.maximum(t, 0.0) / (np.maximum(t, 0.0) + ridge), probes=probes, steps=steps, seed=seed)


def inverse_diagonal(
    K: Operator,
    *,
    ridge: float,
    probes: int = 16,
    rank: int | None = None,
    tol: float = 1e-5,
    max_iterations: int = 2000,
    seed: int = 0,
) -> DiagonalEstimate:
    r"""Diagonal of :math:`A = (K + rI)^{-1}`, with a standard error for each entry.

    It is that of the preconditioner's inverse plus the mean of :math:`z \odot (A - P^{-1})z` over random signs z.

    Args:
        K: symmetric positive semi-definite matrix.
        ridge: positive.
        probes: vectors of random signs, at least two.
        rank: of the preconditioner; eight times the root of n when not given.
        tol: of the solves.
        max_iterations: of the solves.
        seed: of the preconditioner and the probes.

    Raises:
        UsageError: if the ridge is not positive, or there are fewer than two probes.
    """
    found = leave_one_out_estimate(
        K,
        np.zeros((K.shape[0], 0)),
        ridge=ridge,
        probes=probes,
        rank=rank,
        tol=tol,
        max_iterations=max_iterations,
        seed=seed,
    )
    return found[1]


def leave_one_out_estimate(
    K: Operator,
    y: Float[np.ndarray, " n"] | Float[np.ndarray, "n k"],
    *,
    ridge: float,
    quick: Operator | None = None,
    probes: int = 16,
    rank: int | None = None,
    known: LowRank | None = None,
    tol: float = 1e-5,
    max_iterations: int = 2000,
    seed: int = 0,
    advance: Callable[[int, float], None] = lambda *_: None,
) -> tuple[LeaveOneOutEstimate, DiagonalEstimate]:
    """Leave-one-out residuals of kernel ridge regression where no inverse can be had, with error bars.

    Labels and probes are solved for in one block, so the probes cost few products of their own.

    Args:
        K: symmetric positive semi-definite matrix, in float64.
        y: targets; centre them before, where a mean is to be taken off.
        ridge: positive.
        quick: the same matrix for the products of the recursion, `PackedTiles` of float32 say; K itself when not given.
        probes: vectors of random signs, at least two.
        rank: of the preconditioner; eight times the root of n when not given.
        known: the approximation of K that preconditions, where there is one already; `rank` is then of no account.
        tol: of the solves.
        max_iterations: of the solves.
        seed: of the preconditioner and the probes.
        advance: told the iterations done and the residual of the recursion.

    Returns:
        The residuals, and the diagonal behind them.

    Raises:
        UsageError: if the ridge is not positive, or there are fewer than two probes.
    """
    n = K.shape[0]
    positive(ridge, "ridge")
    Y = columns(y, n)
    k = Y.shape[1]
    if known is None:
        known, P = _approximated(K, ridge, rank, seed)
    else:
        P = Deflation(known, ridge, "float64" if quick is None else "float32")
    Z = _signs(n, count(probes, "probes", 2), np.random.default_rng([seed, 1]))
    fast = quick or K
    done = refine(
        lambda V: K.matmul(V) + ridge * V,
        lambda V: fast.matmul(V) + ridge * V,
        P,
        np.column_stack([Y, Z]),
        tol=tol,
        trusted=TRUSTED["float64" if quick is None else "float32"],
        max_iterations=max_iterations,
        norm=float(K.diagonal().max()) + ridge,
        advance=advance,
    )
    low, high = done.ritz
    spread = (float(known.values[0]) + ridge) / (float(known.values[-1]) + ridge)
    samples = Z * (done.X[:, k:] - P.inverse(P.inverse(Z)))
    # A diagonal entry of the inverse is at least one over that of the matrix.
    sampled = P.inverse_diagonal() + samples.mean(axis=1)
    values = np.maximum(sampled, 1.0 / (K.diagonal() + ridge))
    errors = samples.std(axis=1, ddof=1) / np.sqrt(samples.shape[1])
    residual = float(done.relative.max(initial=0.0))
    sums = samples.sum(axis=0)
    diagonal = DiagonalEstimate(
        values=values,
        standard_errors=errors,
        probes=Z.shape[1],
        residual=residual,
        sampled=sampled,
        trace_error=float(sums.std(ddof=1) / np.sqrt(len(sums)) / sampled.sum()),
    )
    residuals = done.X[:, :k] / values[:, None]
    return (
        LeaveOneOutEstimate(
            coefficients=done.X[:, :k],
            residuals=residuals,
            standard_errors=np.abs(residuals) * (errors / values)[:, None],
            ridge=float(ridge),
            residual=residual,
            iterations=done.iterations,
            condition=spread * high / low if low > 0 else float("inf"),
        ),
        diagonal,
    )


def _approximated(K: Operator, ridge: float, rank: int | None, seed: int) -> tuple[LowRank, Deflation]:
    n = K.shape[0]
    chosen = int(np.ceil(RANK * np.sqrt(n))) if rank is None else count(rank, "rank")
    found = pivoted_cholesky(K, min(chosen, n), seed=seed)
    return found, Deflation(found, ridge)


def _signs(n: int, probes: int, seed: int | np.random.Generator) -> Float[np.ndarray, "n k"]:
    return np.asarray(np.random.default_rng(seed).choice([-1.0, 1.0], (n, probes)))


def _estimate(found: Float[np.ndarray, " k"], steps: int) -> Estimate:
    return Estimate(
        value=float(found.mean()),
        standard_error=float(found.std(ddof=1) / np.sqrt(len(found))),
        probes=len(found),
        steps=steps,
    )


def _quadrature(
    product: Callable[[Float[np.ndarray, "n k"]], Float[np.ndarray, "n k"]], Z: Float[np.ndarray, "n k"], steps: int
) -> tuple[list[Float[np.ndarray, " m"]], list[Float[np.ndarray, " m"]]]:
    """Nodes and weights of each column's own Gauss quadrature; columns share products, not spaces."""
    n, k = Z.shape
    basis = np.empty((k, steps, n))
    basis[:, 0] = (Z / np.linalg.norm(Z, axis=0)).T
    alpha, beta = np.zeros((k, steps)), np.zeros((k, steps))
    for j in range(steps):
        W = product(basis[:, j].T).T
        alpha[:, j] = np.einsum("kn,kn->k", basis[:, j], W)
        for _ in range(2):
            inside = np.einsum("kjn,kn->kj", basis[:, : j + 1], W, optimize=True)
            W = W - np.einsum("kjn,kj->kn", basis[:, : j + 1], inside, optimize=True)
        beta[:, j] = np.linalg.norm(W, axis=1)
        if j + 1 < steps:
            basis[:, j + 1] = W / np.where(beta[:, j] > 0, beta[:, j], 1.0)[:, None]
    nodes, weights = [], []
    for a, b in zip(alpha, beta, strict=True):
        # A space that closes early leaves nothing behind it.
        scale = np.abs(a).max()
        closed = np.nonzero(b[:-1] <= 1e-13 * max(scale, 1e-300))[0]
        last = int(closed[0]) + 1 if len(closed) else steps
        values, vectors = scipy.linalg.eigh_tridiagonal(a[:last], b[: last - 1], check_finite=False)
        nodes.append(values)
        weights.append(vectors[0] ** 2)
    return nodes, weights
