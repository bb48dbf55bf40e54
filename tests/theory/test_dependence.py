"""Means over groups and predictions from random pasts, against simulation and against explicit fits."""

from __future__ import annotations

import numpy as np
import pytest

from widthwise import theory
from widthwise.errors import UsageError


def test_groups_of_one_row_give_the_usual_standard_error():
    values = np.random.default_rng(0).normal(size=50)
    found = theory.grouped_mean(values, np.arange(50))
    assert found.value == pytest.approx(values.mean(), rel=1e-14)
    assert found.error == pytest.approx(values.std(ddof=1) / np.sqrt(50), rel=1e-12)


def test_the_error_over_groups_is_the_spread_of_means_over_repetitions():
    rng = np.random.default_rng(1)
    sizes = rng.integers(1, 9, size=60)
    groups = np.repeat(np.arange(60), sizes)
    found = [
        theory.grouped_mean(3.0 + rng.normal(size=60)[groups] + 0.3 * rng.normal(size=len(groups)), groups)
        for _ in range(4000)
    ]
    means = np.array([f.value for f in found])
    # A standard deviation of 4000 draws is known to 1/sqrt(8000); with 60 groups of unequal size the estimate is low by its
    # second order, about 2/60 of its square.
    assert np.sqrt(np.mean([f.error**2 for f in found])) == pytest.approx(means.std(), rel=4 / np.sqrt(8000) + 2 / 60)
    naive = np.mean([0.3**2 + 1.0]) / len(groups)
    assert means.var() > 2 * naive


def test_several_groupings_from_one_inverse_are_the_answers_one_by_one():
    rng = np.random.default_rng(2)
    X = rng.normal(size=(30, 3))
    K, y, groups = X @ X.T, rng.normal(size=(30, 2)), rng.permutation(np.repeat(np.arange(6), 5))
    every = theory.leave_groups_out(K, y, ridge=0.5, groups=(None, groups), center=True)
    for found, labels in zip(every, (None, groups), strict=True):
        alone = theory.leave_one_out(K, y, ridge=0.5, groups=labels, center=True)
        # Rows alone need no inverse but its diagonal: two ways, each off by n eps times the condition.
        error = 30 * np.finfo(np.float64).eps * alone.condition * np.abs(y).max()
        np.testing.assert_allclose(found.predictions, alone.predictions, rtol=0, atol=error)
    for g in range(6):
        out, kept = groups == g, groups != g
        mean = y[kept].mean(axis=0)
        weights = np.linalg.solve(K[np.ix_(kept, kept)] + 0.5 * np.eye(kept.sum()), y[kept] - mean)
        assert np.allclose(every[1].predictions[out], K[np.ix_(out, kept)] @ weights + mean, rtol=0, atol=1e-10)


def test_where_time_does_not_matter_random_pasts_err_as_forward_blocks_do():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(400, 4))
    y = X[:, 0] + 0.5 * rng.normal(size=400)
    K, starts = X @ X.T, (50, 150, 250)
    forward = theory.forward_blocks(K, y, ridge=1.0, starts=starts, center=True).residuals[:, 0] ** 2
    chance = (y[50:] - theory.random_past(K, y, ridge=1.0, starts=starts, seed=0)[:, 0]) ** 2
    gap = forward - chance
    assert abs(gap.mean()) <= 4 * gap.std(ddof=1) / np.sqrt(350)


def test_a_part_is_predicted_from_as_many_rows_as_lie_before_its_block_and_never_from_itself():
    n, start = 12, 5
    K, y = np.eye(n), np.arange(n, dtype=np.float64)
    # Rows that share nothing are predicted by the mean of the rows trained on: five different numbers of the other rows.
    found = theory.random_past(K, y, ridge=1.0, starts=(start,), parts=7, seed=1)[:, 0]
    for row, value in enumerate(found, start=start):
        total = value * start
        assert total == pytest.approx(round(total), abs=1e-9)
        others = sorted(set(range(n)) - {row})
        assert sum(others[:start]) <= round(total) <= sum(others[-start:])


@pytest.mark.parametrize("starts", [(), (0,), (5, 3), (10,)])
def test_starts_outside_the_rows_are_refused(starts):
    with pytest.raises(UsageError, match="starts must increase"):
        theory.random_past(np.eye(10), np.ones(10), ridge=1.0, starts=starts, seed=0)


def test_one_group_is_refused():
    with pytest.raises(UsageError, match="at least two groups"):
        theory.grouped_mean(np.ones(3), np.zeros(3, dtype=int))
