"""Samples keep proportions; folds are a partition that keeps classes even and groups whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from widthwise.datasets import folds, stratified_rows
from widthwise.errors import DataError, UsageError

codes = st.lists(st.integers(0, 4), min_size=6, max_size=80).map(np.array)
seeds = st.integers(0, 2**32 - 1)


@settings(deadline=None)  # the shape checker compiles on first use
@given(codes, st.integers(1, 100), seeds)
def test_a_sample_has_exactly_n_distinct_sorted_rows(y, n, seed):
    rows = stratified_rows(y, n, task="classification", seed=seed)
    assert len(rows) == min(n, len(y))
    assert (np.diff(rows) > 0).all()
    assert rows.min() >= 0
    assert rows.max() < len(y)


@settings(deadline=None)  # the shape checker compiles on first use
@given(codes, st.integers(1, 100), seeds)
def test_a_sample_keeps_proportions_and_every_class(y, n, seed):
    rows = stratified_rows(y, n, task="classification", seed=seed)
    classes, counts = np.unique(y, return_counts=True)
    if len(rows) < len(classes):
        return
    kept = np.array([(y[rows] == c).sum() for c in classes])
    quota = len(rows) * counts / len(y)
    assert kept.min() >= 1
    if (quota >= 1).all():  # largest remainder: within one row of the quota
        assert (np.abs(kept - quota) < 1).all()


@settings(deadline=None)  # the shape checker compiles on first use
@given(seeds)
def test_a_sample_follows_its_seed_alone(seed):
    y = np.arange(60) % 3
    a = stratified_rows(y, 20, task="classification", seed=seed)
    np.testing.assert_array_equal(a, stratified_rows(y, 20, task="classification", seed=seed))


def test_seeds_differ():
    y = np.zeros(100, dtype=int)
    draws = {tuple(stratified_rows(y, 10, task="classification", seed=s)) for s in range(20)}
    assert len(draws) == 20


def test_every_row_is_drawn_equally_often():
    y = np.repeat([0, 1], [30, 10])
    draws = np.zeros(40)
    for seed in range(400):
        draws[stratified_rows(y, 20, task="classification", seed=seed)] += 1
    # Each row is drawn with probability 1/2: 400 draws have a standard error of 10; 5 of them for 40 rows.
    assert np.abs(draws - 200).max() < 50


def test_regression_samples_cover_every_tenth_of_the_range():
    y = np.random.default_rng(0).lognormal(size=1000)
    rows = stratified_rows(y, 50, task="regression", seed=3)
    ranks = np.argsort(np.argsort(y))[rows]
    assert np.bincount(ranks // 100, minlength=10).tolist() == [5] * 10


def test_a_sample_needs_a_row():
    with pytest.raises(UsageError, match="at least one row"):
        stratified_rows(np.arange(3), 0, task="regression", seed=0)


@settings(deadline=None)  # the shape checker compiles on first use
@given(codes, st.integers(2, 6), seeds, st.sampled_from(["classification", "regression"]))
def test_folds_are_a_partition_into_even_parts(y, k, seed, task):
    parts = folds(y, task=task, k=k, seed=seed)
    assert len(parts) == k
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(len(y)))
    sizes = [len(p) for p in parts]
    assert max(sizes) - min(sizes) <= 1


@settings(deadline=None)  # the shape checker compiles on first use
@given(codes, st.integers(2, 6), seeds)
def test_folds_spread_every_class_evenly(y, k, seed):
    parts = folds(y, task="classification", k=k, seed=seed)
    for c in np.unique(y):
        held = [(y[p] == c).sum() for p in parts]
        assert max(held) - min(held) <= 1


def test_regression_folds_hold_one_of_every_k_neighbours():
    y = np.random.default_rng(0).normal(size=100)
    for part in folds(y, task="regression", k=5, seed=1):
        ranks = np.sort(np.argsort(np.argsort(y))[part])
        assert (ranks // 5).tolist() == list(range(20))


@settings(deadline=None)  # the shape checker compiles on first use
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), min_size=20, max_size=80), seeds)
def test_groups_stay_whole_and_no_part_is_empty(pairs, seed):
    groups, y = np.array(pairs).T
    k = 3
    if len(np.unique(groups)) < k:
        return
    parts = folds(y, task="classification", k=k, seed=seed, groups=groups)
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(len(y)))
    homes = [set(groups[p]) for p in parts]
    assert all(homes)
    assert sum(map(len, homes)) == len(set(groups))


def test_equal_groups_are_dealt_evenly():
    groups = np.repeat(np.arange(20), 5)
    y = np.repeat(np.arange(20) % 2, 5)  # each group of one class
    for part in folds(y, task="classification", k=5, seed=0, groups=[f"g{g}" for g in groups]):
        assert len(part) == 20
        assert y[part].sum() == 10


def test_too_few_rows_or_groups_are_told():
    with pytest.raises(DataError, match="5 folds need at least 5 rows"):
        folds(np.arange(4), task="regression", seed=0)
    with pytest.raises(DataError, match="5 groups; got 2"):
        folds(np.arange(10), task="regression", seed=0, groups=[0, 1] * 5)
    with pytest.raises(DataError, match="groups must hold one label"):
        folds(np.arange(10), task="regression", seed=0, groups=[0, 1])
    with pytest.raises(UsageError, match="two folds"):
        folds(np.arange(4), task="regression", k=1, seed=0)
