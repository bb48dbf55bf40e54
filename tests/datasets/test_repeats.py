"""Rows of equal features, against comparing all pairs."""

from __future__ import annotations

import numpy as np

from widthwise.datasets import first_rows


def test_each_row_names_the_first_that_equals_it():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 2, size=(60, 4)) * rng.choice([1.0, -1.0], size=(60, 4))
    naive = [min(j for j in range(60) if np.array_equal(X[j], X[i])) for i in range(60)]
    assert first_rows(X).tolist() == naive
    assert len(set(naive)) < 60
    # Zeros of either sign are among them, and the order of the columns in memory does not matter.
    assert first_rows(np.asfortranarray(X)).tolist() == naive


def test_rows_that_differ_in_the_last_bit_differ():
    X = np.array([[1.0, 2.0], [1.0, np.nextafter(2.0, 3.0)], [1.0, 2.0]])
    assert first_rows(X).tolist() == [0, 1, 0]
    assert first_rows(np.zeros((0, 3))).tolist() == []
