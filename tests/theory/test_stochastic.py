"""Mini-batch descent: second moments against every draw there is, and against simulation."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from widthwise import theory
from widthwise.kernels import HInf


def rows(n, d, seed=0):
    X = np.random.default_rng(seed).standard_normal((n, d))
    return X / np.linalg.norm(X, axis=1, keepdims=True)


@pytest.mark.parametrize("batch", [1, 2])
def test_the_recursion_is_the_mean_over_every_sequence_of_batches(batch):
    K, y, rate, steps = HInf()(rows(3, 2)), np.array([1.0, -1.0, 0.5]), 0.7, 2
    draws = list(itertools.product(range(3), repeat=batch))
    expected = np.zeros(steps + 1)
    for sequence in itertools.product(draws, repeat=steps):
        e = y.copy()
        sizes = [e @ e]
        for drawn in sequence:
            e = e - rate * 3 / batch * sum(K[:, j] * e[j] for j in drawn)
            sizes.append(e @ e)
        expected += sizes
    found = theory.sgd_second_moments(K, y, learning_rate=rate, batch=batch, steps=steps)
    np.testing.assert_allclose(found**2, expected / len(draws) ** steps, rtol=1e-13)


def test_large_batches_are_gradient_descent():
    K, y = HInf()(rows(10, 3)), rows(10, 1, 1)[:, 0]
    spectrum = theory.spectrum(K)
    rate = theory.recommended_rate(spectrum)
    full = theory.training_curve(spectrum, y, learning_rate=rate, steps=30).residual
    exact = theory.sgd_second_moments(K, y, learning_rate=rate, batch=10**12, steps=30)
    closed = theory.sgd_training_curve(spectrum, y, learning_rate=rate, batch=10**12, steps=30)
    # The noise enters with n / batch = 1e-11 of the squared residual in every step.
    np.testing.assert_allclose(exact, full, rtol=1e-9)
    np.testing.assert_allclose(closed.residual, full, rtol=1e-9)


def test_the_closure_is_exact_where_eigenvectors_are_spread_evenly():
    """On equispaced points of the circle K is a circulant; a single frequency's mean square is the same on every row."""
    n = 16
    angle = 2 * np.pi * np.arange(n) / n
    K = HInf()(np.column_stack([np.cos(angle), np.sin(angle)]))
    # Averaged over both phases, the second moment of frequency one is constant on the diagonal, and stays so.
    Y = np.column_stack([np.cos(angle), np.sin(angle)])
    spectrum = theory.spectrum(K)
    for batch in (1, 4):
        exact = theory.sgd_second_moments(K, Y, learning_rate=0.05, batch=batch, steps=40)
        found = theory.sgd_training_curve(spectrum, Y, learning_rate=0.05, batch=batch, steps=40)
        np.testing.assert_allclose(found.residual, exact, rtol=1e-11)


def test_fitting_everything_leaves_no_floor_and_twins_in_conflict_leave_one():
    X = rows(12, 3)
    y = rows(12, 1, 1)[:, 0]
    fitted = theory.spectrum(HInf()(X))
    rate = 0.5 * theory.largest_stable_sgd_rate(fitted, batch=2)
    floor = theory.sgd_noise_floor(fitted, y, learning_rate=rate, batch=2)
    assert floor.residual == 0.0
    assert 0 < floor.amplification < 1
    twins = HInf()(np.vstack([X, X[:1]]))
    torn = np.append(y, -y[0])
    spectrum = theory.spectrum(twins)
    floor = theory.sgd_noise_floor(spectrum, torn, learning_rate=rate, batch=2)
    assert floor.unreachable == pytest.approx(np.sqrt(2) * abs(y[0]), rel=1e-9)
    assert floor.residual > floor.unreachable
    end = theory.sgd_training_curve(spectrum, torn, learning_rate=rate, batch=2, steps=np.array([200_000])).residual[0]
    assert end == pytest.approx(floor.residual, rel=1e-6)


def test_the_largest_rate_is_where_the_amplification_is_one_and_the_curve_turns():
    spectrum = theory.spectrum(HInf()(rows(30, 4)))
    y = rows(30, 1, 1)[:, 0]
    edge = theory.largest_stable_sgd_rate(spectrum, batch=1)
    assert edge < theory.largest_stable_rate(spectrum)
    assert theory.sgd_noise_floor(spectrum, y, learning_rate=edge, batch=1).amplification == pytest.approx(
        1.0, rel=1e-12
    )
    assert theory.sgd_noise_floor(spectrum, y, learning_rate=1.01 * edge, batch=1).residual == np.inf
    below, above = (
        theory.sgd_training_curve(spectrum, y, learning_rate=s * edge, batch=1, steps=np.array([2000, 6000])).residual
        for s in (0.9, 1.1)
    )
    assert below[1] < below[0]
    assert above[1] > above[0]


def test_the_closure_predicts_simulated_descent_on_random_rows():
    n, d, batch, steps, runs = 60, 10, 4, 60, 400
    X = rows(n, d)
    K = HInf()(X)
    y = np.sign(X[:, 0])
    spectrum = theory.spectrum(K)
    rate = 0.3 * theory.largest_stable_sgd_rate(spectrum, batch=batch)
    rng = np.random.default_rng(3)
    E = np.tile(y[:, None], (1, runs))
    for _ in range(steps):
        drawn = rng.integers(n, size=(batch, runs))
        push = np.zeros_like(E)
        for b in range(batch):
            np.add.at(push, (drawn[b], np.arange(runs)), E[drawn[b], np.arange(runs)])
        E = E - rate * n / batch * K @ push
    sizes = np.sum(E**2, axis=0)
    error = sizes.std(ddof=1) / np.sqrt(runs)
    exact = theory.sgd_second_moments(K, y, learning_rate=rate, batch=batch, steps=steps)[-1] ** 2
    assert abs(sizes.mean() - exact) <= 4 * error
    closed = (
        theory.sgd_training_curve(spectrum, y, learning_rate=rate, batch=batch, steps=np.array([steps])).residual[0]
        ** 2
    )
    # Random rows spread eigenvectors to within a relative scatter of about sqrt(2/n); the noise's share bounds its effect.
    full = theory.training_curve(spectrum, y, learning_rate=rate, steps=np.array([steps])).residual[0] ** 2
    assert abs(closed - exact) <= np.sqrt(2 / n) * (exact - full) * 2
