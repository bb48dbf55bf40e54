"""Risk from training data: identities, populations that are known, and kernel ridge regression that was really run."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from widthwise import theory
from widthwise.errors import SingularKernelError, UsageError
from widthwise.kernels import NTK

P = 600
VALUES = np.arange(1, P + 1) ** -1.5
ENERGIES = np.arange(1, P + 1) ** -2.0 / np.sum(np.arange(1, P + 1) ** -2.0)
NOISE = 0.05


def draw(n, rng):
    """Rows of a Gaussian population with known spectrum: features, targets."""
    F = rng.standard_normal((n, P))
    return F * np.sqrt(VALUES), F @ np.sqrt(ENERGIES) + np.sqrt(NOISE) * rng.standard_normal(n)


def test_the_estimate_is_generalised_cross_validation():
    rng = np.random.default_rng(0)
    A, y = draw(50, rng)
    K, ridge = A @ A.T, 0.1
    S = K @ np.linalg.inv(K + ridge * np.eye(50))
    found = theory.risk(K, y, ridge=ridge)
    assert found.value == pytest.approx(np.mean((y - S @ y) ** 2) / (1 - np.trace(S) / 50) ** 2, rel=1e-10)
    assert found.training == pytest.approx(np.mean((y - S @ y) ** 2), rel=1e-10)
    assert found.effective_dimension == pytest.approx(np.trace(S), rel=1e-10)
    assert theory.effective_dimension(theory.spectrum(K), ridge=ridge) == pytest.approx(np.trace(S), rel=1e-10)


def test_where_all_rows_are_alike_it_is_leave_one_out():
    """On equispaced points of the circle every row has the same leverage."""
    angle = 2 * np.pi * np.arange(15) / 15
    K = NTK(depth=1)(np.column_stack([np.cos(angle), np.sin(angle)]))
    y = np.random.default_rng(0).standard_normal(15)
    for ridge in (0.01, 1.0):
        left = theory.leave_one_out(K, y, ridge=ridge).mean_square
        assert theory.risk(K, y, ridge=ridge).value == pytest.approx(left, rel=1e-10)


def test_the_limit_without_ridge_is_the_estimate_at_zero():
    A, y = draw(40, np.random.default_rng(1))
    K = A @ A.T
    assert theory.risk(K, y, ridge=0.0).value == pytest.approx(theory.risk(K, y, ridge=1e-12).value, rel=1e-6)
    with pytest.raises(SingularKernelError, match="larger ridge"):
        theory.risk(np.ones((3, 3)), np.ones(3), ridge=0.0)


@pytest.mark.parametrize(("n", "d", "ridge"), [(30, 60, 0.0), (30, 60, 5.0), (80, 40, 3.0)])
def test_equal_eigenvalues_have_their_closed_form(n, d, ridge):
    """Lambda = 1 for d directions: kappa solves a quadratic, and without a ridge kappa = d/n - 1."""
    b = n - d - ridge
    kappa = (-b + np.sqrt(b * b + 4 * n * ridge)) / (2 * n)
    learned = 1 / (1 + kappa)
    expected = n / (n - d * learned**2) * ((1 - learned) ** 2 * 2.0 + 0.3)
    energies = np.full(d, 2.0 / d)
    found = theory.eigenlearning(np.ones(d), energies, n=n, ridge=ridge, noise_variance=0.3)
    assert found == pytest.approx(expected, rel=1e-9)
    # One value with its multiplicity is the same population.
    once = theory.eigenlearning(
        np.ones(1), np.array([2.0]), n=n, ridge=ridge, noise_variance=0.3, multiplicity=np.array([float(d)])
    )
    assert once == pytest.approx(found, rel=1e-12)


@pytest.mark.parametrize("n", [30, 120])
def test_a_known_population_predicts_ridge_regression_that_was_run(n):
    rng, ridge, runs = np.random.default_rng(n), 0.05, 30
    errors = []
    for _ in range(runs):
        A, y = draw(n, rng)
        held, targets = draw(200, rng)
        alpha = np.linalg.solve(A @ A.T + ridge * np.eye(n), y)
        errors.append(np.mean((held @ (A.T @ alpha) - targets) ** 2))
    expected = theory.eigenlearning(VALUES, ENERGIES, n=n, ridge=ridge, noise_variance=NOISE)
    # The theory is a limit; at these sizes it is off by order 1/n of the error beyond the scatter.
    assert abs(np.mean(errors) - expected) <= 4 * np.std(errors, ddof=1) / np.sqrt(runs) + expected / n


def test_without_a_ridge_the_rows_must_be_fewer_than_the_directions():
    with pytest.raises(UsageError, match="below the 5 directions"):
        theory.eigenlearning(np.ones(5), np.ones(5), n=5)


def test_one_kernel_matrix_predicts_fewer_and_more_rows_of_a_known_population():
    """The relation of one ridge to another size is exact in the theory: many draws average to it."""
    sizes, ridge, runs = np.array([40, 80, 160, 320]), 0.2, 12
    rng = np.random.default_rng(5)
    found = []
    for _ in range(runs):
        A, y = draw(160, rng)
        curve = theory.learning_curve(A @ A.T, y, sizes=sizes, ridge=ridge, blocks=0)
        found.append(curve.error)
    expected = np.array(
        [theory.eigenlearning(VALUES, ENERGIES, n=int(n), ridge=ridge, noise_variance=NOISE) for n in sizes]
    )
    assert not curve.extrapolated[:3].any()
    scatter = np.std(found, axis=0, ddof=1) / np.sqrt(runs)
    # Order 1/n of the rows at hand, for the ratios of averages and the grid of ridges.
    assert np.all(np.abs(np.mean(found, axis=0) - expected) <= 4 * scatter + 3 * expected / 160)


def test_at_the_rows_at_hand_the_curve_is_leave_one_out():
    A, y = draw(60, np.random.default_rng(3))
    K = A @ A.T
    for ridge in (0.02, 0.5):
        found = theory.learning_curve(K, y, sizes=[60], ridge=ridge, blocks=0)
        left = theory.leave_one_out(K, y, ridge=ridge).mean_square
        # A grid of ridges, a factor of about 1.15 apart, is read by straight lines: second order in its logarithm.
        assert found.error[0] == pytest.approx(left, rel=0.15**2)


def test_no_function_to_learn_leaves_the_noise_and_what_it_costs():
    rng = np.random.default_rng(6)
    A, _ = draw(200, rng)
    y = rng.standard_normal(200)
    found = theory.learning_curve(A @ A.T, y, sizes=[50, 200], ridge=1.0, blocks=0)
    expected = [theory.eigenlearning(VALUES, np.zeros(P), n=n, ridge=1.0, noise_variance=1.0) for n in (50, 200)]
    # One draw of 200 squares scatters by sqrt(2 / 200) = 0.1.
    np.testing.assert_allclose(found.error, expected, rtol=4 * 0.1)
    assert found.noise_floor <= 1.0 + 4 * 0.1


def test_the_band_holds_the_error_of_digits_at_twice_the_rows():
    """Four hundred digits say what eight hundred will do; the error there is that of a fit on other rows."""
    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.data))[:1400]
    X = digits.data[order] / np.linalg.norm(digits.data[order], axis=1, keepdims=True)
    Y = 2.0 * np.eye(10)[digits.target[order]] - 1.0
    Y -= Y.mean(axis=0)
    K, ridge = NTK(depth=1)(X), 0.3
    curve = theory.learning_curve(K[:400, :400], Y[:400], sizes=[100, 200, 800], ridge=ridge, blocks=4)
    for size, low, high in zip(curve.sizes, curve.low, curve.high, strict=True):
        alpha = np.linalg.solve(K[:size, :size] + ridge * np.eye(size), Y[:size])
        error = np.mean(np.sum((K[900:, :size] @ alpha - Y[900:]) ** 2, axis=1))
        assert low <= error <= high
    assert np.all(np.diff(curve.error) < 0)
    # What a model that learns nothing would err, and a good deal less.
    assert curve.error[-1] < 0.3 * np.mean(np.sum(Y**2, axis=1))


def test_arguments_outside_their_range_are_named():
    K, y = np.eye(10), np.ones(10)
    with pytest.raises(UsageError, match="sizes"):
        theory.learning_curve(K, y, sizes=[0], ridge=0.1)
    with pytest.raises(UsageError, match="blocks"):
        theory.learning_curve(K, y, sizes=[5], ridge=0.1, blocks=6)
    with pytest.raises(UsageError, match="ridge"):
        theory.learning_curve(K, y, sizes=[5], ridge=-0.1)


def test_under_a_huge_ridge_nothing_is_learned_at_any_size():
    A, y = draw(50, np.random.default_rng(7))
    found = theory.learning_curve(A @ A.T, y, sizes=[1, 50, 5000], ridge=1e12, blocks=0)
    # The largest ridge that is looked at is a thousand traces, under which a thousandth of the targets is still fitted.
    np.testing.assert_allclose(found.error, np.mean(y**2), rtol=1e-3)
