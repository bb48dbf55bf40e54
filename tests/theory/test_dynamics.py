"""Gradient descent in function space: the closed forms against naive recursions and brute force."""

from __future__ import annotations

import inspect
import itertools

import numpy as np
import pytest

from widthwise import theory
from widthwise.errors import DataError, UsageError
from widthwise.kernels import HInf
from widthwise.theory.dynamics import curve_of_energies

EPS = np.finfo(np.float64).eps


def problem(n=12, d=3, k=2, seed=0):
    generator = np.random.default_rng(seed)
    X = generator.standard_normal((n, d))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    return HInf()(X), generator.standard_normal((n, k)), X


def naive(H, Y, rate, steps):
    """Recursion (7) of Arora et al. 2019: predictions after 0 ... steps."""
    u = np.zeros_like(Y)
    seen = [u]
    for _ in range(steps):
        u = u - rate * H @ (u - Y)
        seen.append(u)
    return np.array(seen)


def test_a_spectrum_rebuilds_its_matrix_and_knows_its_rank():
    H, Y, _ = problem()
    found = theory.spectrum(H)
    assert found.rank == 12
    assert found.condition == pytest.approx(np.linalg.cond(H), rel=1e3 * 12 * EPS)
    np.testing.assert_allclose((found.vectors * found.values) @ found.vectors.T, H, rtol=0, atol=20 * 12 * EPS)
    np.testing.assert_allclose(found.vectors @ found.project(Y), Y, rtol=0, atol=20 * 12 * EPS * 4)


def test_rows_that_coincide_take_one_from_the_rank():
    X = np.vstack([problem()[2]] + [problem()[2][:1]] * 2)
    found = theory.spectrum(HInf()(X))
    assert found.rank == 12
    assert found.condition == np.inf


@pytest.mark.parametrize("share", [0.1, 0.5, 0.75, 0.99])
def test_the_training_curve_is_the_naive_recursion(share):
    """Also where the largest modes oscillate: share is that of the largest stable rate."""
    H, Y, _ = problem()
    spectrum = theory.spectrum(H)
    rate = share * theory.largest_stable_rate(spectrum)
    found = theory.training_curve(spectrum, Y, learning_rate=rate, steps=200)
    residuals = Y - naive(H, Y, rate, 200)
    # Each step of the recursion rounds numbers of the size of y by some n eps, and none grows.
    tolerance = 200 * 12 * EPS * np.linalg.norm(Y)
    np.testing.assert_allclose(found.residual, np.linalg.norm(residuals, axis=(1, 2)), rtol=0, atol=tolerance)
    np.testing.assert_allclose(found.by_column, np.linalg.norm(residuals, axis=1), rtol=0, atol=tolerance)
    assert found.steps.tolist() == list(range(201))
    assert found.start == pytest.approx(np.linalg.norm(Y), rel=12 * EPS)
    assert found.relative[0] == pytest.approx(1.0, rel=12 * EPS)


def test_the_training_curve_of_three_points_is_that_of_forty_digits():
    """tests/reference/gradient_descent.py, at rate one."""
    H = HInf()([[1.0, 0.0], [0.6, 0.8], [-5 / 13, 12 / 13]])
    found = theory.training_curve(
        theory.spectrum(H), np.array([1.0, -1.0, 1.0]), learning_rate=1.0, steps=np.array([0, 1, 5, 20, 100])
    )
    expected = [1.732050807568877, 1.393237780020904, 0.5963114116074771, 0.02484100912008179, 1.080332078288779e-9]
    # Relative: k times the error of log(1 - eta lambda), itself some eps over the smallest 1 - eta lambda.
    np.testing.assert_allclose(found.residual, expected, rtol=100 * 40 * EPS)


def test_steps_may_be_any_numbers_in_any_order():
    H, Y, _ = problem()
    spectrum = theory.spectrum(H)
    whole = theory.training_curve(spectrum, Y, learning_rate=0.3, steps=50)
    some = theory.training_curve(spectrum, Y, learning_rate=0.3, steps=np.array([50, 0, 7]))
    np.testing.assert_allclose(some.residual, whole.residual[[50, 0, 7]], rtol=4 * EPS)


def test_the_curve_falls_below_the_stability_threshold_and_grows_above_it():
    H, Y, _ = problem()
    spectrum = theory.spectrum(H)
    edge = theory.largest_stable_rate(spectrum)
    assert edge == 2 / spectrum.values[0]
    below = theory.training_curve(spectrum, Y, learning_rate=0.999 * edge, steps=500).residual
    assert np.all(np.diff(below) < 0)
    above = theory.training_curve(spectrum, Y, learning_rate=1.001 * edge, steps=20_000).residual
    assert np.all(np.diff(above[-100:]) > 0)
    assert above[-1] > above[0]


def test_a_curve_far_above_the_threshold_ends_in_infinity_and_never_in_nan():
    H, Y, _ = problem()
    Y[:, 0] = 0.0
    found = theory.training_curve(theory.spectrum(H), Y, learning_rate=100.0, steps=np.array([10**3, 10**6]))
    assert np.all(found.residual == np.inf) or np.all(found.residual > 1e150)
    assert np.array_equal(found.by_column[:, 0], [0.0, 0.0])


def test_the_recommended_rate_is_half_the_largest_and_kills_the_first_mode_in_one_step():
    H, _, _ = problem()
    spectrum = theory.spectrum(H)
    rate = theory.recommended_rate(spectrum)
    assert rate == theory.largest_stable_rate(spectrum) / 2
    curve = theory.training_curve(spectrum, spectrum.vectors[:, 0], learning_rate=rate, steps=1)
    assert curve.residual[1] <= 12 * EPS


def test_a_kernel_of_zero_learns_at_no_rate():
    spectrum = theory.spectrum(np.zeros((2, 2)))
    assert theory.largest_stable_rate(spectrum) == np.inf
    with pytest.raises(DataError, match="must not be zero"):
        theory.recommended_rate(spectrum)


def test_labels_outside_the_range_stay_where_they_are():
    X = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    spectrum = theory.spectrum(HInf()(X))
    curve = theory.training_curve(
        spectrum, np.array([1.0, -1.0, 0.0]), learning_rate=1.0, steps=np.array([0, 1, 10**9, 10**14])
    )
    np.testing.assert_allclose(curve.residual, np.sqrt(2), rtol=3 * 4 * EPS)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.75, 0.99])
def test_the_test_curve_is_the_naive_recursion_in_function_space(share):
    """f_{k+1}(x) = f_k(x) - eta K(x, X) (u_k - y): the held-out rows ride along."""
    H, Y, X = problem()
    held = np.random.default_rng(5).standard_normal((7, 3))
    K_test = HInf()(held, X)
    spectrum = theory.spectrum(H)
    rate = share * theory.largest_stable_rate(spectrum)
    u, f, expected = np.zeros_like(Y), np.zeros((7, 2)), {}
    for k in range(301):
        expected[k] = f
        u, f = u - rate * H @ (u - Y), f - rate * K_test @ (u - Y)
    steps = np.array([0, 1, 2, 17, 300])
    found = theory.test_curve(spectrum, K_test, Y, learning_rate=rate, steps=steps)
    # 300 steps, each adding rate * K_test * residual with a rounding of n eps.
    tolerance = 300 * 12 * EPS * max(1.0, rate) * np.abs(Y).max() * np.abs(K_test).max() * 12
    for k, slice_ in zip(steps, found.predictions, strict=True):
        np.testing.assert_allclose(slice_, expected[k], rtol=0, atol=tolerance)
    assert np.array_equal(found.predictions[0], np.zeros((7, 2)))


def test_the_test_curve_on_the_training_rows_is_y_minus_the_residual():
    """With coinciding rows too: their difference is outside the range and never moves, however long one trains."""
    _, _, X = problem()
    X = np.vstack([X, X[:2]])
    Y = np.random.default_rng(3).standard_normal((14, 1))
    H = HInf()(X)
    spectrum = theory.spectrum(H)
    steps = np.array([1, 10, 10**6, 10**15])
    found = theory.test_curve(spectrum, H, Y, learning_rate=0.2, steps=steps).predictions
    curve = theory.training_curve(spectrum, Y, learning_rate=0.2, steps=steps)
    measured = np.linalg.norm(Y - found, axis=(1, 2))
    np.testing.assert_allclose(measured, curve.residual, rtol=1e-9)


def test_the_test_curve_ends_in_kernel_interpolation():
    H, Y, X = problem()
    K_test = HInf()(np.random.default_rng(5).standard_normal((7, 3)), X)
    spectrum = theory.spectrum(H)
    found = theory.test_curve(spectrum, K_test, Y, learning_rate=0.3, steps=np.array([10**12]))
    expected = K_test @ np.linalg.solve(H, Y)
    np.testing.assert_allclose(
        found.predictions[0], expected, rtol=0, atol=100 * 12 * EPS * spectrum.condition * np.abs(expected).max()
    )


def test_small_eigenvalues_lose_no_digits_in_the_test_curve():
    """One row with K = 1e-9: f_k = K_test y (1 - (1 - eta K)^k) / K = eta k y K_test (1 - (k - 1) eta K / 2 + ...)."""
    spectrum = theory.Spectrum(values=np.array([1e-9]), vectors=np.eye(1), tolerance=1e-25)
    found = theory.test_curve(spectrum, np.array([[1.0]]), np.array([1.0]), learning_rate=1.0, steps=np.array([3]))
    assert found.predictions[0, 0, 0] == pytest.approx(3 * (1 - 1e-9) + 1e-18, rel=8 * EPS)


@pytest.mark.parametrize("fraction", [0.9, 0.5, 0.1, 0.01, 1e-3])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
def test_steps_to_is_the_first_whole_step(fraction, share):
    H, Y, _ = problem(n=6)
    spectrum = theory.spectrum(H)
    rate = share * theory.largest_stable_rate(spectrum)
    energies = spectrum.project(Y) ** 2
    found = theory.steps_to(spectrum, energies, learning_rate=rate, fraction=fraction)
    residual = np.linalg.norm(Y - naive(H, Y, rate, found), axis=(1, 2))
    assert residual[found] <= fraction * residual[0]
    assert np.all(residual[:found] > fraction * residual[0])


def test_steps_to_finds_the_step_of_one_slow_mode_to_the_last_digit():
    """(1 - x)^k <= 1/2 first at k = ceil(log 2 / -log1p(-x)); up to the limit of 10^15 and not beyond."""
    for rate, expected in ((1e-6, 693147), (1e-9, 693147181), (7e-16, 990210257942779)):
        spectrum = theory.Spectrum(values=np.array([1.0]), vectors=np.eye(1), tolerance=0.0)
        found = theory.steps_to(spectrum, np.ones((1, 1)), learning_rate=rate, fraction=0.5)
        # One eps in the exponent moves the answer by a share of eps.
        assert abs(found - expected) <= 1 + 4 * EPS * expected
    assert theory.steps_to(spectrum, np.ones((1, 1)), learning_rate=6.9e-16, fraction=0.5) is None


def test_labels_outside_the_range_take_for_ever():
    spectrum = theory.spectrum(HInf()([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
    rate = theory.recommended_rate(spectrum)
    energies = spectrum.project(np.array([1.0, -1.0, 0.0])) ** 2
    assert theory.steps_to(spectrum, energies, learning_rate=rate, fraction=0.5) is None
    mixed = spectrum.project(np.array([1.0, -1.0, 3.0])) ** 2
    assert theory.steps_to(spectrum, mixed, learning_rate=rate, fraction=0.5) is not None
    assert theory.steps_to(spectrum, mixed, learning_rate=rate, fraction=0.1) is None


def test_labels_of_zero_are_fitted_before_the_first_step():
    spectrum = theory.spectrum(problem()[0])
    assert theory.steps_to(spectrum, np.zeros((12, 1)), learning_rate=0.1, fraction=0.5) == 0


@pytest.mark.parametrize("offset", [0.0, 1.7])
@pytest.mark.parametrize("n", [1, 2, 5])
def test_the_shuffled_curve_is_the_mean_over_all_permutations(n, offset):
    H, Y, _ = problem(n=n)
    Y = Y - Y.mean(axis=0) + offset
    spectrum = theory.spectrum(H)
    orders = [list(o) for o in itertools.permutations(range(n))]
    energies = np.mean([spectrum.project(Y[o]) ** 2 for o in orders], axis=0)
    tolerance = 50 * n * EPS * max(1.0, float(np.sum(Y**2)))
    np.testing.assert_allclose(theory.shuffled_energies(spectrum, Y), energies, rtol=0, atol=tolerance)
    curves = [theory.training_curve(spectrum, Y[o], learning_rate=0.4, steps=30).by_column for o in orders]
    found = theory.shuffled_training_curve(spectrum, Y, learning_rate=0.4, steps=30)
    np.testing.assert_allclose(found.by_column**2, np.mean(np.square(curves), axis=0), rtol=0, atol=tolerance)
    np.testing.assert_allclose(found.residual**2, np.sum(found.by_column**2, axis=1), rtol=8 * EPS)


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan")])
def test_a_rate_that_is_not_positive_is_refused(rate):
    H, Y, _ = problem()
    spectrum = theory.spectrum(H)
    for call in (
        lambda: theory.training_curve(spectrum, Y, learning_rate=rate, steps=3),
        lambda: theory.shuffled_training_curve(spectrum, Y, learning_rate=rate, steps=3),
        lambda: theory.test_curve(spectrum, H, Y, learning_rate=rate, steps=np.array([1])),
        lambda: theory.steps_to(spectrum, spectrum.project(Y) ** 2, learning_rate=rate, fraction=0.5),
    ):
        with pytest.raises(UsageError, match="learning_rate must be a positive number"):
            call()


def test_arguments_outside_their_range_are_named():
    H, Y, _ = problem()
    spectrum = theory.spectrum(H)
    energies = spectrum.project(Y) ** 2
    edge = theory.largest_stable_rate(spectrum)
    with pytest.raises(UsageError, match="must not be negative; -1 came"):
        theory.training_curve(spectrum, Y, learning_rate=0.1, steps=np.array([0, -1]))
    with pytest.raises(UsageError, match="must not be negative; -1 came"):
        theory.test_curve(spectrum, H, Y, learning_rate=0.1, steps=np.array([0, -1]))
    with pytest.raises(UsageError, match="below 2 / lambda_max"):
        theory.steps_to(spectrum, energies, learning_rate=edge, fraction=0.5)
    for fraction in (0.0, 1.0, 1.5):
        with pytest.raises(UsageError, match="fraction must lie between 0 and 1"):
            theory.steps_to(spectrum, energies, learning_rate=0.1, fraction=fraction)
    with pytest.raises(DataError, match="one row for each of the 12 rows"):
        inspect.unwrap(theory.training_curve)(spectrum, Y[:5], learning_rate=0.1, steps=3)


@pytest.mark.parametrize("share", [0.5, 1.5])
def test_the_flow_is_the_limit_of_many_small_steps(share):
    """N times the steps at a rate N times smaller: the gap falls like 1 / N, here from 1 to 1000."""
    H, Y, X = problem()
    spectrum = theory.spectrum(H)
    K_test = HInf()(np.random.default_rng(5).standard_normal((7, 3)), X)
    rate, steps = share * theory.recommended_rate(spectrum), np.array([0, 1, 10, 200])
    flow = theory.training_curve(spectrum, Y, learning_rate=rate, steps=steps, optimizer="flow").residual
    held = theory.test_curve(spectrum, K_test, Y, learning_rate=rate, steps=steps, optimizer="flow").predictions
    gaps = []
    for n in (100, 1000):
        curve = theory.training_curve(spectrum, Y, learning_rate=rate / n, steps=n * steps).residual
        outputs = theory.test_curve(spectrum, K_test, Y, learning_rate=rate / n, steps=n * steps).predictions
        gaps.append([np.abs(curve - flow).max(), np.abs(outputs - held).max()])
    # First order: a tenth, and the second order is a share of 1 / n of the first.
    np.testing.assert_allclose(np.divide(*gaps), 10.0, rtol=0.02)


def test_the_flow_of_one_mode_is_an_exponential():
    spectrum = theory.Spectrum(values=np.array([0.5]), vectors=np.eye(1), tolerance=0.0)
    steps = np.array([0, 1, 3, 20])
    curve = theory.training_curve(spectrum, np.array([2.0]), learning_rate=3.0, steps=steps, optimizer="flow")
    np.testing.assert_allclose(curve.residual, 2 * np.exp(-1.5 * steps), rtol=30 * 4 * EPS)


def test_the_test_curve_takes_a_matrix_or_its_spectrum():
    H, Y, _ = problem()
    arguments = {"learning_rate": 0.3, "steps": np.array([1, 9])}
    by_matrix = theory.test_curve(H, H[:3], Y, **arguments).predictions
    assert np.array_equal(by_matrix, theory.test_curve(theory.spectrum(H), H[:3], Y, **arguments).predictions)


def test_an_unknown_optimizer_is_refused():
    H, Y, _ = problem()
    spectrum = theory.spectrum(H)
    with pytest.raises(UsageError, match="optimizer must be 'gd', 'flow' or 'momentum'; 'adam' came"):
        inspect.unwrap(curve_of_energies)(spectrum, Y**2, learning_rate=0.1, steps=1, optimizer="adam")
    with pytest.raises(UsageError, match="optimizer must be 'gd', 'flow' or 'momentum'; 'adam' came"):
        inspect.unwrap(theory.test_curve)(spectrum, H, Y, learning_rate=0.1, steps=np.array([1]), optimizer="adam")


@pytest.mark.parametrize("optimizer", ["gd", "momentum"])
def test_the_movement_is_that_of_weights_that_descend(optimizer):
    """Descent on the weights of a linear model whose features have the kernel, step by step."""
    rng = np.random.default_rng(0)
    features, Y = rng.standard_normal((7, 12)), rng.standard_normal((7, 2))
    spectrum = theory.spectrum(features @ features.T)
    rate, beta = 0.9 / spectrum.values[0], 0.5 if optimizer == "momentum" else 0.0
    W, velocity, moved = np.zeros((12, 2)), np.zeros((12, 2)), [0.0]
    for _ in range(40):
        velocity = beta * velocity - rate * features.T @ (features @ W - Y)
        W = W + velocity
        moved.append(np.linalg.norm(W))
    energies = spectrum.project(Y) ** 2
    found = theory.movement(spectrum, energies, learning_rate=rate, steps=40, optimizer=optimizer, momentum=beta)
    np.testing.assert_allclose(found, moved, rtol=1e-12, atol=1e-14)
    late = theory.movement(spectrum, energies, learning_rate=rate, steps=np.array([10**9]))
    assert late[0] == pytest.approx(np.sqrt(np.sum(Y * np.linalg.solve(features @ features.T, Y))), rel=1e-10)


def test_directions_at_rounding_do_not_move_the_weights():
    spectrum = theory.spectrum(np.ones((4, 4)))
    y = np.array([1.0, -1.0, 1.0, 1.0])
    found = theory.movement(spectrum, spectrum.project(y) ** 2, learning_rate=0.25, steps=np.array([1, 100]))
    # Along the ones: (y.1)^2 / 4 over the eigenvalue 4, reached in one step.
    np.testing.assert_allclose(found, 0.5, rtol=1e-12)
