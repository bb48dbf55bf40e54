"""Checks of arguments: what passes is unchanged, what does not is named."""

from __future__ import annotations

import numpy as np
import pytest

from widthwise import _checks
from widthwise.errors import DataError, ResourceError, UsageError


def test_a_matrix_of_numbers_comes_back_as_c_ordered_float64():
    found = _checks.finite_matrix(np.asfortranarray([[1, 2], [3, 4]], dtype=np.float32))
    assert found.dtype == np.float64
    assert found.flags.c_contiguous
    assert found.tolist() == [[1.0, 2.0], [3.0, 4.0]]


@pytest.mark.parametrize("X", [[1.0], np.ones((2, 2, 2)), np.ones((0, 2)), 3.0, [["x"]], [[None]], {"a": 1}])
def test_what_is_not_a_matrix_is_refused_under_its_name(X):
    with pytest.raises(DataError, match="Z must be"):
        _checks.finite_matrix(X, "Z")


def test_the_first_cell_that_is_not_finite_is_named():
    with pytest.raises(DataError, match="2 values are not, the first in row 1, column 0"):
        _checks.finite_matrix([[0.0, 1.0], [np.nan, np.inf]])


def test_square_takes_square_matrices_only():
    _checks.square(np.eye(3))
    with pytest.raises(DataError, match=r"gram must be a square kernel matrix; its shape is \(3, 2\)"):
        _checks.square(np.ones((3, 2)), "gram")


def test_targets_become_columns():
    assert _checks.columns(np.array([1.0, 2.0]), 2).shape == (2, 1)
    assert _checks.columns(np.ones((2, 3)), 2).shape == (2, 3)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.ones(3), "one row for each of the 2 rows of the kernel; 3 came"),
        (np.array([0.0, np.nan]), "targets must be finite; 1 are not, the first in row 1"),
    ],
)
def test_targets_that_do_not_fit_are_refused(y, message):
    with pytest.raises(DataError, match=message):
        _checks.columns(y, 2)


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_positive_refuses_what_is_not(value):
    assert _checks.positive(1e-300, "rate") == 1e-300
    with pytest.raises(UsageError, match="rate must be a positive number"):
        _checks.positive(value, "rate")


@pytest.mark.parametrize("value", [0, -3, True])
def test_count_refuses_what_is_no_count(value):
    assert _checks.count(1, "steps") == 1
    with pytest.raises(UsageError, match="steps must be an integer of at least 1"):
        _checks.count(value, "steps")


def test_count_has_a_least_value():
    assert _checks.count(5, "n", 5) == 5
    with pytest.raises(UsageError, match="at least 5; 4 came"):
        _checks.count(4, "n", 5)


def test_available_memory_is_a_number_of_bytes_or_unknown():
    found = _checks.available_memory()
    assert found is None or found > 2**20


def test_work_that_does_not_fit_into_memory_is_refused_with_the_numbers(monkeypatch):
    monkeypatch.setattr(_checks, "available_memory", lambda: 2 * 10**9)
    _checks.enough_memory(1.9e9, "a matrix", "Take fewer rows.")
    with pytest.raises(ResourceError, match=r"a matrix needs about 2\.1 GB; 2\.0 GB are free\. Take fewer rows\."):
        _checks.enough_memory(2.1e9, "a matrix", "Take fewer rows.")
    monkeypatch.setattr(_checks, "available_memory", lambda: None)
    _checks.enough_memory(1e30, "a matrix", "Take fewer rows.")
