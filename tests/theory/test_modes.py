"""One eigendirection at a time: heavy ball, flow and gradient descent against their own recursions."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest

from widthwise import theory
from widthwise.errors import UsageError
from widthwise.kernels import HInf
from widthwise.theory import modes

EPS = np.finfo(np.float64).eps
STEPS = np.array([0, 1, 2, 3, 10, 57, 400, 3000])


def double(beta):
    """Rate times eigenvalue at which both roots coincide."""
    return (1 - np.sqrt(beta)) ** 2, (1 + np.sqrt(beta)) ** 2


def scalar(x, beta, steps):
    """The heavy ball on one mode, step by step, at fifty digits."""
    with mp.workdps(50):
        x, beta, e, v, seen = mp.mpf(float(x)), mp.mpf(float(beta)), mp.mpf(1), mp.mpf(0), {0: mp.mpf(1)}
        for k in range(1, max(steps) + 1):
            v = beta * v - x * e
            e = e + v
            seen[k] = e
        return [seen[int(k)] for k in steps]


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.9, 0.99])
def test_the_heavy_ball_is_its_recursion_also_where_its_roots_meet(beta):
    low, high = double(beta)
    x = np.array([0, 1e-14, 1e-9, 1e-4, 0.3, 1.0, 1.5, low, low * (1 + 1e-9), low * (1 - 1e-5), low * (1 + 1e-5), high])
    steps = STEPS[STEPS <= 400]
    left = modes.remaining(x, steps, "momentum", beta)
    gone = modes.fitted(x, steps, "momentum", beta)
    for i, value in enumerate(x):
        exact, *near = (scalar(value * (1 + h), beta, steps) for h in (0, 64 * EPS, -64 * EPS))
        # As if the rate had been rounded by a few eps, and the result by eps over the least distance of the roots, DOUBLE.
        p, low, high = (np.array([float(e) for e in values]) for values in (exact, *near))
        tolerance = np.abs(high - low) + EPS / modes.DOUBLE * (1 + np.abs(p))
        assert np.all(np.abs(left[:, i] - p) <= tolerance)
        with mp.workdps(50):
            shares = np.array([float(1 - e) for e in exact])
        # Slow directions keep their digits: relative to the share itself.
        if value <= 1e-9:
            np.testing.assert_allclose(gone[:, i], shares, rtol=EPS / modes.DOUBLE, atol=0)


def test_without_momentum_the_heavy_ball_is_gradient_descent():
    x = np.array([0.0, 1e-9, 0.4, 1.0, 1.7])
    steps = np.array([0, 1, 2, 9])
    np.testing.assert_array_equal(modes.remaining(x, steps, "momentum", 0.0), modes.remaining(x, steps, "gd", 0.0))
    np.testing.assert_allclose(
        modes.remaining(x, steps, "gd", 0.0), (1 - x) ** steps[:, None], rtol=40 * EPS, atol=1e-300
    )


def test_the_heavy_ball_diverges_above_two_times_one_plus_beta_and_not_below():
    steps = np.array([2000])
    edge = 2 * (1 + 0.9)
    assert np.abs(modes.remaining(np.array([0.99 * edge]), steps, "momentum", 0.9)[0, 0]) < 1
    assert np.abs(modes.remaining(np.array([1.01 * edge]), steps, "momentum", 0.9)[0, 0]) > 1e3
    assert np.all(np.isfinite(modes.remaining(np.array([50.0]), np.array([10**6]), "momentum", 0.9)))


@pytest.mark.parametrize(("optimizer", "beta"), [("gd", 0.0), ("flow", 0.0), ("momentum", 0.8)])
def test_the_half_life_halves_a_late_residual(optimizer, beta):
    x = np.array([1e-3, 5e-3])
    spectrum = theory.Spectrum(values=x[::-1].copy(), vectors=np.eye(2), tolerance=0.0)
    lives = theory.half_lives(spectrum, learning_rate=1.0, optimizer=optimizer, momentum=beta)
    # Late enough for the fast root, early enough for a residual that is not yet rounding.
    start = 300 if beta else 4000
    for life, value in zip(lives, x[::-1], strict=True):
        ahead = np.array([start, start + int(np.floor(life)), start + int(np.ceil(life))])
        left = modes.remaining(np.array([value]), ahead, optimizer, beta)[:, 0]
        assert left[1] / left[0] >= 0.5 - 1e-9
        assert left[2] / left[0] <= 0.5 + 1e-9


def test_directions_that_stay_or_grow_have_no_half_life():
    spectrum = theory.Spectrum(values=np.array([3.0, 1.0, 0.0]), vectors=np.eye(3), tolerance=1e-15)
    lives = theory.half_lives(spectrum, learning_rate=1.0)
    assert lives.tolist() == [np.inf, 0.0, np.inf]


def momentum_problem():
    rng = np.random.default_rng(3)
    X = rng.standard_normal((12, 3))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    return HInf()(X), HInf()(rng.standard_normal((4, 3)), X), rng.standard_normal((12, 2))


def test_training_and_test_curves_with_momentum_are_the_recursion_in_function_space():
    K, K_test, Y = momentum_problem()
    spectrum = theory.spectrum(K)
    rate, beta = 0.9 * theory.largest_stable_rate(spectrum, momentum=0.7), 0.7
    alpha, velocity, residuals, held = np.zeros_like(Y), np.zeros_like(Y), [], []
    for _ in range(101):
        residuals.append(np.linalg.norm(Y - K @ alpha))
        held.append(K_test @ alpha)
        velocity = beta * velocity - rate * (K @ alpha - Y)
        alpha = alpha + velocity
    curve = theory.training_curve(spectrum, Y, learning_rate=rate, steps=100, optimizer="momentum", momentum=beta)
    # Coefficients reach the size of rate |Y| / (1 - beta); a hundred steps each round them by n eps.
    tolerance = 100 * 12 * EPS * rate / (1 - beta) * np.linalg.norm(Y) * 10
    np.testing.assert_allclose(curve.residual, residuals, rtol=0, atol=tolerance)
    steps = np.array([0, 1, 5, 100])
    found = theory.test_curve(spectrum, K_test, Y, learning_rate=rate, steps=steps, optimizer="momentum", momentum=beta)
    np.testing.assert_allclose(found.predictions, np.array(held)[steps], rtol=0, atol=tolerance)


@pytest.mark.parametrize("fraction", [0.9, 0.5, 0.2, 1e-3])
def test_steps_to_with_momentum_is_the_first_step_though_the_residual_rings(fraction):
    K, _, Y = momentum_problem()
    spectrum = theory.spectrum(K)
    rate, beta = 0.8 * theory.largest_stable_rate(spectrum, momentum=0.95), 0.95
    curve = theory.training_curve(spectrum, Y, learning_rate=rate, steps=30_000, optimizer="momentum", momentum=beta)
    first = int(np.flatnonzero(curve.relative <= fraction)[0])
    found = theory.steps_to(
        spectrum, spectrum.project(Y) ** 2, learning_rate=rate, fraction=fraction, optimizer="momentum", momentum=beta
    )
    assert found == first
    assert np.any(np.diff(curve.relative[:200]) > 0)


def test_worst_labels_are_the_last_to_be_fitted():
    K, _, Y = momentum_problem()
    spectrum = theory.spectrum(K)
    worst = theory.worst_labels(spectrum)
    assert np.linalg.norm(worst) == pytest.approx(np.sqrt(12), rel=12 * EPS)
    arguments = {"learning_rate": theory.recommended_rate(spectrum), "steps": np.array([10, 100, 1000])}
    slow = theory.training_curve(spectrum, worst, **arguments).relative
    assert np.all(slow >= theory.training_curve(spectrum, Y, **arguments).relative)
    np.testing.assert_allclose(
        slow, (1 - arguments["learning_rate"] * spectrum.values[-1]) ** arguments["steps"], rtol=1e-9
    )


@pytest.mark.parametrize(
    ("optimizer", "beta", "match"),
    [
        ("adam", 0.0, "optimizer"),
        ("momentum", 1.0, "momentum"),
        ("gd", 0.5, "belongs to"),
        ("momentum", -0.1, "momentum"),
    ],
)
def test_optimizers_and_momenta_outside_their_range_are_named(optimizer, beta, match):
    with pytest.raises(UsageError, match=match):
        modes.known(optimizer, beta)
