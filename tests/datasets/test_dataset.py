"""A data set's rows, digest and subsets."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from widthwise.datasets import load
from widthwise.errors import UsageError

DS = load("iris")


def test_size_and_fields():
    assert (DS.n, DS.d) == (150, 4)
    with pytest.raises(dataclasses.FrozenInstanceError):
        DS.task = "regression"


@settings(deadline=None)  # the shape checker compiles on first use
@given(st.lists(st.integers(-150, 149), max_size=30), st.lists(st.integers(0, 29), max_size=10))
def test_taking_twice_is_taking_once(first, second):
    second = [i for i in second if i < len(first)]
    once = DS.take(np.array(first, dtype=int)[np.array(second, dtype=int)])
    twice = DS.take(first).take(second)
    np.testing.assert_array_equal(once.X, twice.X)
    np.testing.assert_array_equal(once.rows, twice.rows)
    np.testing.assert_array_equal(DS.X[twice.rows], twice.X)
    assert twice.classes == DS.classes


def test_a_mask_takes_the_rows_it_marks():
    assert DS.take(DS.y == 1).rows.tolist() == list(range(50, 100))


@pytest.mark.parametrize("index", [[150], [-151], [0.5], [[0]], np.ones(3, dtype=bool)])
def test_an_index_outside_is_refused(index):
    with pytest.raises(UsageError):
        DS.take(index)


def test_the_digest_follows_the_numbers_alone():
    assert DS.digest == load("iris").digest == DS.take(range(150)).digest
    assert len(DS.digest) == 64
    moved = DS.X.copy()
    moved[3, 2] = np.nextafter(moved[3, 2], 9)
    others = {
        dataclasses.replace(DS, X=moved).digest,
        dataclasses.replace(DS, y=DS.y[::-1].copy()).digest,
        DS.take(range(149)).digest,
        dataclasses.replace(DS, X=DS.X.reshape(75, 8), y=DS.y[:75], rows=DS.rows[:75]).digest,
    }
    assert len(others | {DS.digest}) == 5
    zeros = [dataclasses.replace(DS, y=np.zeros(150, dtype=t)).digest for t in (np.int64, np.float64)]
    assert zeros[0] != zeros[1]
    assert dataclasses.replace(DS, X=np.asfortranarray(DS.X)).digest == DS.digest
