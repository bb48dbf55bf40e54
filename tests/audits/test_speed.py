"""Answer 1 against gradient descent taken step by step, and the laws that a spectrum obeys."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import widthwise as ww
from widthwise.audits.speed import FRACTIONS, spaced

EPS = float(np.finfo(np.float64).eps)


def h_infinity(X):
    """x.z (pi - angle) / (2 pi), of unit rows that differ."""
    cosine = np.clip(X @ X.T, -1.0, 1.0)
    angle = np.arccos(cosine)
    np.fill_diagonal(angle, 0.0)
    np.fill_diagonal(cosine, 1.0)
    return cosine * (np.pi - angle) / (2 * np.pi)


def descend(H, Y, most):
    """Relative residuals |Y - U(k)| / |Y| of u <- u + H (y - u) / lambda_max, k = 0..most."""
    rate = 1.0 / np.linalg.eigvalsh(H)[-1]
    residual, sizes = Y.copy(), [np.linalg.norm(Y)]
    for _ in range(most):
        residual = residual - rate * (H @ residual)
        sizes.append(np.linalg.norm(residual))
    return np.array(sizes) / sizes[0]


def first_below(curve, fraction):
    below = np.flatnonzero(curve <= fraction)
    return int(below[0]) if len(below) else None


@pytest.fixture(scope="module")
def six_rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(6, 4))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    y = np.array([0, 0, 1, 0, 1, 1])
    return X, y, ww.audit(X, y, scale="unit", pad=0.0, verify="none").speed


def test_steps_equal_gradient_descent_taken_step_by_step(six_rows):
    X, y, speed = six_rows
    Y = 2.0 * y[:, None] - 1.0
    curve = descend(h_infinity(X), Y - Y.mean(), 2000)
    assert speed.fractions == FRACTIONS
    assert speed.steps == tuple(first_below(curve, f) for f in FRACTIONS)
    assert None not in speed.steps
    shown = [(k, r) for k, r in zip(speed.true.steps, speed.true.relative, strict=True) if k <= 2000]
    # Each of k steps rounds by a few eps of the start.
    for k, relative in shown:
        assert abs(relative - curve[k]) <= 20 * EPS * (1 + k)


def test_shuffled_steps_equal_gradient_descent_on_all_permutations_at_once(six_rows):
    X, y, speed = six_rows
    Y = 2.0 * y - 1.0 - np.mean(2.0 * y - 1.0)
    every = np.array([Y[list(order)] for order in itertools.permutations(range(6))]).T
    assert every.shape == (6, 720)
    curve = descend(h_infinity(X), every, 2000)
    assert speed.shuffled_steps == tuple(first_below(curve, f) for f in FRACTIONS)
    for k, relative in zip(speed.shuffled.steps, speed.shuffled.relative, strict=True):
        if k <= 2000:
            assert abs(relative - curve[k]) <= 20 * EPS * (1 + k)


def test_ratios_are_shuffled_over_given(six_rows):
    speed = six_rows[2]
    for ratio, given, shuffled in zip(speed.ratios, speed.steps, speed.shuffled_steps, strict=True):
        assert ratio == shuffled / given


def test_rates_are_one_and_two_over_the_largest_eigenvalue(six_rows):
    X, _, speed = six_rows
    largest = np.linalg.eigvalsh(h_infinity(X))[-1]
    assert speed.learning_rate == pytest.approx(1 / largest, rel=20 * EPS)
    assert speed.largest_rate == pytest.approx(2 / largest, rel=20 * EPS)
    assert speed.rank == 6


def test_many_classes_are_fitted_as_one_matrix_of_centred_columns():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(8, 5))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    y = np.array([0, 1, 2, 0, 1, 2, 0, 0])
    speed = ww.audit(X, np.array(list("abc"))[y], scale="unit", pad=0.0, verify="none").speed
    Y = np.where(y[:, None] == np.arange(3), 1.0, -1.0)
    curve = descend(h_infinity(X), Y - Y.mean(axis=0), 5000)
    assert speed.steps[:2] == tuple(first_below(curve, f) for f in FRACTIONS[:2])


def test_raw_coding_fits_the_labels_of_the_papers():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(8, 5))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    y = np.array([0, 1, 1, 1, 1, 1, 0, 1])
    speed = ww.audit(X, y, scale="unit", pad=0.0, coding="raw", verify="none").speed
    curve = descend(h_infinity(X), 2.0 * y[:, None] - 1.0, 5000)
    assert speed.steps[:2] == tuple(first_below(curve, f) for f in FRACTIONS[:2])
    centred = ww.audit(X, y, scale="unit", pad=0.0, verify="none").speed
    assert centred.steps != speed.steps


def test_what_no_network_fits_is_the_spread_of_labels_within_equal_rows(conflicting):
    rng = np.random.default_rng(5)
    X = rng.normal(size=(60, 3))
    y = (X[:, 0] > 0).astype(int)
    X[10:14], X[21] = X[9], X[20]
    y[9:14], y[20:22] = [0, 1, 1, 0, 1], [0, 1]
    Y = 2.0 * y - 1.0 - np.mean(2.0 * y - 1.0)
    spread = sum(float(np.sum((Y[rows] - Y[rows].mean()) ** 2)) for rows in (slice(9, 14), slice(20, 22)))
    speed = conflicting.speed
    assert speed.rank == 60 - 5
    assert speed.condition is None
    # An eigenvector of the null space is off by n eps over the smallest positive eigenvalue, relative to the largest.
    gap = speed.eigenvalues[speed.index.index(55)] / speed.largest_eigenvalue if 55 in speed.index else 1e-4
    assert speed.unreachable == pytest.approx(spread / float(Y @ Y), abs=60 * EPS / gap)
    assert speed.steps[2] is None
    assert speed.ratios[2] is None


def test_captured_shares_rise_to_one(two_classes):
    speed = two_classes.speed
    for shares in (speed.captured, speed.captured_shuffled):
        assert np.all(np.diff(shares) >= 0)
        assert shares[-1] == pytest.approx(1.0, abs=80 * EPS)
    assert speed.index[0] == 1
    assert speed.index[-1] == two_classes.data.n
    assert np.all(np.diff(speed.eigenvalues) <= 0)


def test_labels_that_are_the_first_eigenvector_are_learned_first():
    X = np.random.default_rng(0).normal(size=(50, 3))
    smooth = ww.audit(X, X[:, 0], task="regression", verify="none", pad=1.0).speed
    rough = ww.audit(X, np.random.default_rng(1).permutation(X[:, 0]), task="regression", verify="none", pad=1.0).speed
    assert smooth.ratios[1] > 1.5
    assert smooth.captured[4] > rough.captured[4]
    assert smooth.shuffled_steps == pytest.approx(rough.shuffled_steps, abs=1)


def test_the_order_of_the_rows_changes_nothing_but_rounding():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    y = np.where(X[:, 0] + 0.5 * rng.normal(size=60) > 0, "a", "b")
    order = rng.permutation(60)
    first = ww.audit(X, y, verify="none", pad=1.0).speed
    second = ww.audit(X[order], y[order], verify="none", pad=1.0).speed
    # Entries of the kernel round by a few eps, so |E| <= 10 n eps lambda_max; a k-step curve moves by at most 2 k |E| / lambda_max.
    unit = 10 * 60 * EPS
    assert second.learning_rate == pytest.approx(first.learning_rate, rel=unit)
    assert second.true.steps == first.true.steps
    for k, a, b in zip(first.true.steps, first.true.relative, second.true.relative, strict=True):
        assert abs(a - b) <= 2 * unit * (1 + k)
    for a, b in zip(first.steps + first.shuffled_steps, second.steps + second.shuffled_steps, strict=True):
        assert abs(a - b) <= 1


def test_the_unit_of_a_regression_target_changes_nothing():
    X = np.random.default_rng(0).normal(size=(40, 2))
    y = X[:, 0] * X[:, 1]
    near, far = (ww.audit(X, s * y, task="regression", verify="none", pad=1.0) for s in (1.0, 2.0**40))
    assert near.speed == far.speed
    assert near.generalisation.complexity == far.generalisation.complexity
    assert far.generalisation.nested.value == 2.0**40 * near.generalisation.nested.value
    assert far.generalisation.r2 == near.generalisation.r2
    assert near.generalisation.standing == far.generalisation.standing


@pytest.mark.parametrize("last", [1, 2, 160, 10**7])
def test_spaced_steps_begin_at_zero_rise_and_end_where_asked(last):
    steps = spaced(last)
    assert steps[0] == 0
    assert steps[-1] == last
    assert np.all(np.diff(steps) > 0)
    assert len(steps) <= 162
