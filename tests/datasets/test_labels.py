"""Targets: codes, class names, and the traps of spelling."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from widthwise.datasets.labels import read_labels
from widthwise.errors import DataError


@settings(deadline=None)  # the shape checker compiles on first use
@given(st.lists(st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1), min_size=3))
def test_classes_of_codes_give_the_text_back(texts):
    if len(set(texts)) < 2 or any(not t.strip() for t in texts):
        return
    got = read_labels([f"c{t}" for t in texts], name="t")
    assert [got.classes[c] for c in got.y] == [f"c{t}" for t in texts]
    assert list(got.classes) == sorted(got.classes)


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        ([10, 9, 10, 9], ("9", "10")),
        (["10", "9", "10"], ("9", "10")),
        (["10", "9", "b"], ("10", "9", "b")),
        ([1.0, 2.0, 1.0], ("1", "2")),
        ([True, False, True], ("False", "True")),
        (["1", "01", "1"], ("01", "1")),
        (["1_0", "1", "1"], ("1", "1_0")),
        (pd.Series(["b", "a", "b"], dtype="category"), ("a", "b")),
        (pd.Series(["b", "a", "b"], dtype="string"), ("a", "b")),
        (pd.Series([1, 0, 1], dtype="Int8"), ("0", "1")),
        (pd.Series([True, False, True], dtype="boolean"), ("False", "True")),
        (np.array(["b", "a", "b"]), ("a", "b")),
        (np.array([b"b", b"a", b"b"]), ("a", "b")),
    ],
)
def test_classes_are_sorted_numbers_by_size(values, classes):
    got = read_labels(values, name="t", task="classification")
    assert got.classes == classes
    assert got.y.dtype == np.intp
    assert got.task_reason == "given"


@pytest.mark.parametrize(
    "values",
    [
        ["a", None, "b"],
        ["a", "", "b"],
        ["a", " ", "b"],
        [0.5, np.nan, 1],
        pd.Series(["a", None, "b"]),
        pd.Series([1, None, 2], dtype="Int64"),
    ],
)
def test_empty_labels_are_named(values):
    with pytest.raises(DataError, match=r"empty in 1 row \(first: 1"):
        read_labels(values, name="t")


@pytest.mark.parametrize(
    ("values", "task", "message"),
    [
        (["a", "a", "a"], "auto", "two classes; all 3 rows are of class 'a'"),
        ([2.5, 2.5, 2.5], "auto", "must vary; all 3 rows hold 2.5"),
        (["a", "1.5", "b"], "regression", "row 0, column 't': 'a'; row 2"),
        ([1.0, np.inf, 2.0], "auto", "row 1, column 't': inf"),
        (["1", "1e400", "2"], "auto", "row 1, column 't': '1e400'"),
        ([1j, 2j, 1j], "auto", "complex"),
        (np.array(["2020-01-01"] * 3, dtype="M8[D]"), "auto", "dates"),
        (np.array([[1, 2], [3, 4], [5, 6]]), "auto", "not one-hot"),
        (np.zeros((3, 2, 2)), "auto", "one label for each row"),
        ([[1], [2, 3]], "auto", "one label for each row"),
    ],
)
def test_targets_that_cannot_be_learnt(values, task, message):
    with pytest.raises(DataError, match=message):
        read_labels(values, name="t", task=task)


def test_a_column_and_one_hot_rows_are_accepted_and_told():
    column = read_labels(np.array([[1], [0], [1]]), name="t")
    assert column.y.tolist() == [1, 0, 1]
    assert "flattened" in column.notes[0]
    hot = read_labels(np.eye(3)[[2, 0, 1, 1]], name="t", task="classification")
    assert hot.y.tolist() == [2, 0, 1, 1]
    assert "one-hot" in hot.notes[0]


def test_the_task_can_be_given():
    got = read_labels([0, 1, 1, 0], name="t", task="regression")
    assert got.y.dtype == np.float64
    assert got.classes == ()
    assert read_labels(["1", "2.5", "3"], name="t", task="regression").y.tolist() == [1, 2.5, 3]


@pytest.mark.parametrize(
    ("values", "alert"),
    [
        (["Yes", "yes", "no", "no"], "'Yes', 'yes'"),
        (["a b", "ab", "no", "no"], "'a b', 'ab'"),
        (["a", "b", "c"], "as many classes as rows"),
        ([0, "0", "a", "a"], "'0' occurs as text and as another type"),
        ([1.5, 2.5, 3.5, 2.25, 1e30], "interquartile"),
    ],
)
def test_what_a_user_should_look_at(values, alert):
    assert any(alert in a for a in read_labels(values, name="t").alerts)


def test_a_class_with_one_row_is_told():
    assert any("single row: 'b'" in n for n in read_labels(["a", "a", "b"], name="t").notes)
