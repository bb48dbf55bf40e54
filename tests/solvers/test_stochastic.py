"""Stochastic estimates within their own error bars, over seeds."""

from __future__ import annotations

import numpy as np
import pytest

from widthwise.errors import UsageError
from widthwise.kernels import NTK
from widthwise.solvers import (
    Matrix,
    PackedTiles,
    degrees_of_freedom,
    inverse_diagonal,
    leave_one_out_estimate,
    log_determinant,
    trace,
)

SEEDS = range(12)
RIDGE = 0.5


@pytest.fixture(scope="module")
def system():
    K = NTK(depth=1)(np.random.default_rng(0).standard_normal((150, 5)))
    return K, np.linalg.inv(K + RIDGE * np.eye(150))


def within(estimates, exact):
    """Mean of squared distances in standard errors: one, with the spread of a mean of 12 squared t variables of 15 degrees."""
    scores = np.array([(e.value - exact) / e.standard_error for e in estimates])
    # E t^2 = 15/13, its standard deviation below 2: six standard errors of the mean of twelve.
    return np.mean(scores**2) < 15 / 13 + 6 * 2 / 12**0.5 and abs(scores.mean()) < 6 / 12**0.5


@pytest.mark.parametrize(
    ("estimate", "exact"),
    [
        (lambda K, s: trace(K, lambda t: t, seed=s), lambda K, A: np.trace(K)),
        (lambda K, s: trace(K, lambda t: 1 / (t + RIDGE), seed=s), lambda K, A: np.trace(A)),
        (lambda K, s: degrees_of_freedom(K, ridge=RIDGE, seed=s), lambda K, A: np.trace(K @ A)),
        (
            lambda K, s: log_determinant(K, ridge=RIDGE, rank=10, seed=s),
            lambda K, A: np.linalg.slogdet(K + RIDGE * np.eye(150))[1],
        ),
    ],
    ids=["trace", "trace of the inverse", "degrees of freedom", "log-determinant"],
)
def test_estimates_lie_within_their_standard_errors(system, estimate, exact):
    K, A = system
    found = [estimate(Matrix(K), seed) for seed in SEEDS]
    if max(e.standard_error for e in found) < 1e-9:
        # The diagonal alone decides: random signs leave no variance where f(K) is linear in it.
        np.testing.assert_allclose([e.value for e in found], exact(K, A), rtol=1e-9)
    else:
        assert within(found, exact(K, A))


def test_a_diagonal_matrix_has_no_variance():
    found = trace(Matrix(np.diag(np.arange(1.0, 9.0))), np.log, probes=2, steps=8)
    assert found.value == pytest.approx(np.sum(np.log(np.arange(1.0, 9.0))))
    assert found.standard_error < 1e-10


def test_a_known_part_takes_variance_away(system):
    K, _ = system
    errors = [log_determinant(Matrix(K), ridge=RIDGE, rank=rank).standard_error for rank in (1, 60)]
    assert errors[1] < errors[0] / 2


def test_the_diagonal_of_an_inverse_and_leave_one_out_lie_within_their_standard_errors(system):
    K, A = system
    y = np.random.default_rng(1).standard_normal((150, 2))
    scores, residuals = [], []
    exact = A @ y / np.diag(A)[:, None]
    for seed in SEEDS:
        loo, diagonal = leave_one_out_estimate(Matrix(K), y, ridge=RIDGE, rank=20, seed=seed, tol=1e-9)
        scores.append((diagonal.values - np.diag(A)) / diagonal.standard_errors)
        residuals.append(loo.residuals - exact)
        np.testing.assert_allclose(loo.coefficients, A @ y, atol=1e-8 * np.linalg.norm(y) / RIDGE)
        assert loo.residual <= 1e-9
        assert loo.mean_square == pytest.approx(np.mean(np.sum(loo.residuals**2, axis=1)))
        # Entries share probes but not signs: 1800 scores, their mean square near that of t with 15 degrees.
    assert np.mean(np.square(scores)) == pytest.approx(15 / 13, abs=0.35)
    # First-order errors are as large as said.
    ratio = np.std(residuals) / np.sqrt(np.mean(np.square(loo.standard_errors)))
    assert 0.5 < ratio < 2.0


def test_float32_products_serve_the_recursion(system):
    K, A = system
    quick = PackedTiles.of(Matrix(K), "float32")
    loo, _ = leave_one_out_estimate(Matrix(K), np.ones(150), ridge=RIDGE, quick=quick, tol=1e-8)
    assert loo.residual <= 1e-8
    assert inverse_diagonal(Matrix(K), ridge=RIDGE, rank=150).values == pytest.approx(np.diag(A), rel=1e-3)


@pytest.mark.parametrize("call", [log_determinant, degrees_of_freedom, inverse_diagonal])
def test_a_ridge_must_be_positive(call, system):
    with pytest.raises(UsageError, match="ridge must be a positive number"):
        call(Matrix(system[0]), ridge=0.0)
