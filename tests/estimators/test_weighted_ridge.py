"""Closed forms of weighted kernel ridge regression against refits, repeated rows and densities, one ridge at a time."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize
import scipy.stats

from widthwise.errors import SingularKernelError
from widthwise.estimators.weighted_ridge import best_ridge, held_out, path, problem, together
from widthwise.kernels import NTK

KERNEL = NTK(depth=1, bias_variance=0.1)
GROUPS = np.array([0, 0, 1, 2, 2, 2, 3, 4, 4, 5, 5, 5])
COUNTS = np.array([1, 3, 1, 2, 1, 1, 4, 1, 2, 1, 1, 2])


def table(n=12, d=3, outputs=2, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)), rng.normal(size=(n, outputs))


def refit(X, Y, ridge, Z):
    """Ridge regression on centred targets, by a general solve."""
    mean = Y.mean(axis=0)
    return KERNEL(Z, X) @ np.linalg.solve(KERNEL(X) + ridge * np.eye(len(X)), Y - mean) + mean


def without(X, Y, ridge, groups, counts=None):
    """Predictions by brute force: every group left out, rows repeated as often as they count."""
    found = np.empty_like(Y)
    for group in np.unique(groups):
        out, kept = np.flatnonzero(groups == group), np.flatnonzero(groups != group)
        if counts is not None:
            kept = np.repeat(kept, counts[kept])
        found[out] = refit(X[kept], Y[kept], ridge, X[out])
    return found


@pytest.mark.parametrize("ridge", [1e-3, 0.5])
@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_what_is_held_out_is_what_a_refit_without_it_predicts(ridge, grouped, weighted):
    X, Y = table()
    groups = GROUPS if grouped else np.arange(len(X))
    given = problem(KERNEL(X), Y, COUNTS.astype(float) if weighted else None)
    expected = without(X, Y, ridge, groups, COUNTS if weighted else None)
    codes = GROUPS if grouped else None
    for found in (held_out(given, ridge, codes), path(given).held_out(ridge, codes)):
        np.testing.assert_allclose(found.predictions, expected, rtol=1e-8, atol=1e-10)


def test_weights_are_repeated_rows_in_every_criterion():
    X, Y = table()
    rows = np.repeat(np.arange(len(X)), COUNTS)
    weighted = path(problem(KERNEL(X), Y, COUNTS.astype(float)))
    repeated = path(problem(KERNEL(X[rows]), Y[rows]))
    assert weighted.given.unit == pytest.approx(repeated.given.unit)
    for ridge in (0.01, 1.0):
        assert weighted.generalised_cross_validation(ridge) == pytest.approx(
            repeated.generalised_cross_validation(ridge)
        )
        assert weighted.evidence(ridge) == pytest.approx(repeated.evidence(ridge))
        assert weighted.effective_dimension(ridge) == pytest.approx(repeated.effective_dimension(ridge))
        # A row of weight w is left out with its repeats.
        assert weighted.squares(ridge) == pytest.approx(repeated.squares(ridge, rows))
        flow, other = weighted.flow(0.7, ridge), repeated.flow(0.7, ridge)
        np.testing.assert_allclose(flow[0], np.add.reduceat(other[0], np.r_[0, np.cumsum(COUNTS)[:-1]]), rtol=1e-9)
        assert flow[1] == pytest.approx(other[1])


def test_generalised_cross_validation_is_its_definition():
    X, Y = table()
    given, ridge = problem(KERNEL(X), Y), 0.3
    A = np.linalg.inv(KERNEL(X) + ridge * np.eye(len(X)))
    expected = len(X) * np.sum((A @ (Y - Y.mean(axis=0))) ** 2) / np.trace(A) ** 2
    assert path(given).generalised_cross_validation(ridge) == pytest.approx(expected, rel=1e-10)


def test_the_evidence_is_the_gaussian_density_at_its_best_scale():
    X, Y = table()
    K, ridge = KERNEL(X), 0.3

    def density(log_scale, y):
        covariance = np.exp(log_scale) * (K + ridge * np.eye(len(X)))
        return -scipy.stats.multivariate_normal.logpdf(y - y.mean(), cov=covariance)

    best = [scipy.optimize.minimize_scalar(density, bracket=(-3, 3), args=(y,), tol=1e-12).fun for y in Y.T]
    assert path(problem(K, Y)).evidence(ridge) == pytest.approx(-sum(best), rel=1e-10)


@pytest.mark.parametrize("ridge", [0.0, 0.2])
def test_the_flow_is_the_limit_of_small_steps(ridge):
    X, Y = table()
    weights = COUNTS.astype(float)
    K, time = KERNEL(X), 0.8
    centred = Y - np.average(Y, axis=0, weights=weights)

    def descent(steps):
        alpha = np.zeros_like(Y)
        for _ in range(steps):
            # Descent on half the weighted squares plus r/2 |f|^2, in the coefficients of the gradient.
            alpha = alpha + time / steps * (weights[:, None] * (centred - K @ alpha) - ridge * alpha)
        return alpha

    exact, _ = path(problem(K, Y, weights)).flow(time, ridge)
    errors = [np.abs(descent(steps) - exact).max() for steps in (4000, 8000)]
    # Euler's method is of first order: half the step, half the error.
    assert errors[0] / errors[1] == pytest.approx(2.0, abs=0.02)
    assert errors[1] < 1e-3 * np.abs(exact).max()


def test_a_long_flow_ends_in_the_ridge_solution():
    X, Y = table()
    whole = path(problem(KERNEL(X), Y))
    found, fitted = whole.flow(1e6, 0.1)
    np.testing.assert_allclose(found, whole.coefficients(0.1), rtol=1e-10)
    assert fitted == pytest.approx(whole.effective_dimension(0.1))


def test_a_singular_matrix_has_no_leave_one_out_without_a_ridge():
    X, Y = table()
    X[5] = X[2]
    given = problem(KERNEL(X), Y)
    for what in (lambda: held_out(given, 0.0), lambda: path(given).held_out(0.0)):
        with pytest.raises(SingularKernelError, match="singular to working precision"):
            what()


def test_the_best_ridge_is_the_minimum_to_a_grid_step():
    found = best_ridge(lambda r: np.log(r / 0.037) ** 2, 2.0)
    assert abs(np.log10(found / 0.037)) < 0.07


def test_equal_rows_are_left_out_together_and_join_the_groups_they_are_in():
    X = np.array([[0.0], [1.0], [0.0], [2.0], [3.0], [1.0]])
    assert together(np.arange(3.0)[:, None]) is None
    assert together(X).tolist() == [0, 1, 0, 2, 3, 1]
    codes = together(X, np.array([0, 0, 1, 2, 2, 3]))
    # Row 2 equals row 0, row 5 equals row 1, and 0 and 1 are one group.
    assert codes[0] == codes[1] == codes[2] == codes[5]
    assert codes[3] == codes[4] != codes[0]
