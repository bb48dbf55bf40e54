"""Closed forms of held-out predictions against the refits that they save."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from widthwise import theory
from widthwise.errors import DataError, SingularKernelError, UsageError
from widthwise.kernels import NTK

RIDGES = [0.0, 1e-6, 0.1, 10.0, 1e6]


def problem(n=14, d=4, k=2, seed=0):
    generator = np.random.default_rng(seed)
    # An offset, so that centring makes a difference.
    return NTK(depth=2)(generator.standard_normal((n, d))), generator.standard_normal((n, k)) + 2.0


def refit(K, Y, train, test, *, ridge, center):
    """Kernel ridge regression on some rows, by its definition."""
    mean = Y[train].mean(axis=0) if center else np.zeros(Y.shape[1])
    alpha = np.linalg.solve(K[np.ix_(train, train)] + ridge * np.eye(len(train)), Y[train] - mean)
    return mean + K[np.ix_(test, train)] @ alpha


def left_out(K, Y, groups, ridge, center):
    found = np.empty_like(Y)
    for group in np.unique(groups):
        test = np.nonzero(groups == group)[0]
        found[test] = refit(K, Y, np.nonzero(groups != group)[0], test, ridge=ridge, center=center)
    return found


# Condition below 1e3: refits and closed form each keep 1e-12 or better, so 1e-8 leaves room and no wrong formula.
ATOL = 1e-8


@pytest.mark.parametrize("ridge", RIDGES)
@pytest.mark.parametrize("center", [False, True])
def test_leaving_one_out_is_refitting_without_it(ridge, center):
    K, Y = problem()
    found = theory.leave_one_out(K, Y, ridge=ridge, center=center)
    expected = left_out(K, Y, np.arange(14), ridge, center)
    np.testing.assert_allclose(found.predictions, expected, rtol=0, atol=ATOL)
    np.testing.assert_allclose(found.residuals, Y - expected, rtol=0, atol=ATOL)
    assert found.mean_square == pytest.approx(np.mean(np.sum((Y - expected) ** 2, axis=1)), rel=ATOL)
    assert found.ridge == ridge
    assert found.solve_residual < 1e-10
    assert found.condition >= 1.0


@pytest.mark.parametrize("ridge", RIDGES)
@pytest.mark.parametrize("center", [False, True])
def test_leaving_a_group_out_is_refitting_without_it(ridge, center):
    K, Y = problem()
    groups = np.array([3, 3, 3, 0, 0, 7, 7, 7, 7, 7, 1, 2, 2, 1])
    found = theory.leave_one_out(K, Y, ridge=ridge, groups=groups, center=center)
    expected = left_out(K, Y, groups, ridge, center)
    np.testing.assert_allclose(found.predictions, expected, rtol=0, atol=ATOL)
    np.testing.assert_allclose(found.residuals, Y - expected, rtol=0, atol=ATOL)


@pytest.mark.parametrize("center", [False, True])
def test_groups_of_one_row_are_rows(center):
    K, Y = problem()
    alone = theory.leave_one_out(K, Y, ridge=0.1, center=center)
    grouped = theory.leave_one_out(K, Y, ridge=0.1, groups=np.arange(14)[::-1].copy(), center=center)
    np.testing.assert_allclose(grouped.residuals, alone.residuals, rtol=0, atol=1e-12)


def test_one_column_may_be_a_vector():
    K, Y = problem(k=1)
    found = theory.leave_one_out(K, Y[:, 0], ridge=0.1)
    assert np.array_equal(found.predictions, theory.leave_one_out(K, Y, ridge=0.1).predictions)


def test_centring_makes_predictions_follow_an_offset_of_the_targets():
    K, Y = problem()
    plain = theory.leave_one_out(K, Y, ridge=0.3, center=True)
    moved = theory.leave_one_out(K, Y + 100.0, ridge=0.3, center=True)
    # Twelve digits of numbers of the order of a hundred.
    np.testing.assert_allclose(moved.residuals, plain.residuals, rtol=0, atol=1e-10)


def test_an_infinite_ridge_predicts_the_mean_of_the_others():
    K, Y = problem()
    found = theory.leave_one_out(K, Y, ridge=1e14, center=True)
    others = (Y.sum(axis=0) - Y) / 13
    # What is left is K times the residuals over the ridge.
    np.testing.assert_allclose(found.predictions, others, rtol=0, atol=14 * K.max() * np.abs(Y).max() / 1e14 + 1e-12)


FOLDS = {
    "even": [np.arange(0, 14, 3), np.arange(1, 14, 3), np.arange(2, 14, 3)],
    "uneven": [np.array([0]), np.array([5, 2, 9, 11, 13]), np.array([1, 3, 4, 6, 7, 8, 10, 12])],
    "single": [np.array([i]) for i in range(14)],
    "large": [np.arange(12), np.arange(12, 14)],
}


@pytest.mark.parametrize("ridge", RIDGES)
@pytest.mark.parametrize("name", FOLDS)
def test_nested_scores_are_those_of_two_loops_of_refits(ridge, name):
    K, Y = problem()
    folds = FOLDS[name]
    found = theory.nested_scores(K, Y, ridge=ridge, folds=folds)
    held_out, inner = np.empty_like(Y), []
    for fold in folds:
        kept = np.setdiff1d(np.arange(14), fold)
        held_out[fold] = refit(K, Y, kept, fold, ridge=ridge, center=True)
        predicted = np.vstack(
            [refit(K, Y, np.setdiff1d(kept, [i]), np.array([i]), ridge=ridge, center=True) for i in kept]
        )
        inner.append(np.mean(np.sum((Y[kept] - predicted) ** 2, axis=1)))
    np.testing.assert_allclose(found.held_out, held_out, rtol=0, atol=ATOL)
    np.testing.assert_allclose(found.inner, inner, rtol=ATOL)
    alone = left_out(K, Y, np.arange(14), ridge, True)
    np.testing.assert_allclose(found.loo.predictions, alone, rtol=0, atol=ATOL)
    assert found.ridge == found.loo.ridge == ridge
    assert found.outer == found.loo.mean_square


@pytest.mark.parametrize("ridge", RIDGES)
@pytest.mark.parametrize("name", FOLDS)
def test_nested_scores_by_group_are_those_of_two_loops_of_refits_without_groups(ridge, name):
    K, Y = problem()
    # Groups of one to five rows; folds cut through some of them. The large fold leaves rows of one group only.
    groups = np.array([3, 3, 3, 0, 0, 7, 7, 7, 7, 7, 5, 2, 1, 1])
    found = theory.nested_scores(K, Y, ridge=ridge, folds=FOLDS[name], groups=groups)
    inner = []
    for fold in FOLDS[name]:
        kept = np.setdiff1d(np.arange(14), fold)
        parts = groups[kept] if len(np.unique(groups[kept])) > 1 else kept
        predicted = np.empty((len(kept), 2))
        for part in np.unique(parts):
            rest, out = kept[parts != part], kept[parts == part]
            predicted[parts == part] = refit(K, Y, rest, out, ridge=ridge, center=True)
        inner.append(np.mean(np.sum((Y[kept] - predicted) ** 2, axis=1)))
    np.testing.assert_allclose(found.inner, inner, rtol=ATOL)
    outer = np.mean(np.sum((Y - left_out(K, Y, groups, ridge, True)) ** 2, axis=1))
    assert found.outer == pytest.approx(outer, rel=ATOL)
    rows = theory.nested_scores(K, Y, ridge=ridge, folds=FOLDS[name])
    assert np.array_equal(found.held_out, rows.held_out)
    assert np.array_equal(found.loo.predictions, rows.loo.predictions)


def test_groups_that_are_none_are_refused():
    K, Y = problem()
    with pytest.raises(UsageError, match="at least two groups; one came"):
        theory.nested_scores(K, Y, ridge=0.1, folds=FOLDS["even"], groups=np.zeros(14, dtype=int))


@pytest.mark.parametrize(
    "folds", [[np.arange(13)], [np.arange(14), np.array([3])], [np.arange(7), np.arange(6, 14)], [np.arange(1, 15)]]
)
def test_folds_that_do_not_hold_each_row_once_are_refused(folds):
    K, Y = problem()
    with pytest.raises(UsageError, match="each of the 14 rows exactly once"):
        theory.nested_scores(K, Y, ridge=0.1, folds=folds)


def test_twins_need_a_ridge():
    K = np.ones((3, 3))
    with pytest.raises(SingularKernelError, match="Use a larger ridge"):
        theory.leave_one_out(K, np.array([1.0, 2.0, 3.0]), ridge=0.0)
    # The mean of the other two, shrunk by 2 / (2 + ridge).
    found = theory.leave_one_out(K, np.array([1.0, 2.0, 3.0]), ridge=0.5)
    np.testing.assert_allclose(found.predictions[:, 0], np.array([2.5, 2.0, 1.5]) * 2 / 2.5, rtol=0, atol=1e-13)


def test_arguments_that_do_not_fit_are_named():
    K, Y = problem()
    # As a user calls it, without the live check of shapes.
    unchecked = inspect.unwrap(theory.leave_one_out)
    with pytest.raises(DataError, match="one row for each of the 14 rows"):
        unchecked(K, Y[:3], ridge=0.1)
    with pytest.raises(DataError, match="groups must name each of the 14 rows of the kernel; 3 came"):
        unchecked(K, Y, ridge=0.1, groups=np.array([0, 1, 1]))
    with pytest.raises(UsageError, match="at least two groups; one came"):
        theory.leave_one_out(K, Y, ridge=0.1, groups=np.zeros(14, dtype=int))
    with pytest.raises(UsageError, match="must be at least zero"):
        theory.leave_one_out(K, Y, ridge=-0.1)
