"""DataFrames: encoding of columns, and what a user should know about them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from widthwise.datasets import load
from widthwise.errors import DataError, ResourceError, UsageError

N = 12
RNG = np.random.default_rng(0)


def frame(**columns):
    return pd.DataFrame({"a": RNG.normal(size=N), **columns, "label": ["x", "y", "x", "x"] * (N // 4)})


@pytest.mark.parametrize(
    "column",
    [
        ["u", "v", "w"] * 4,
        pd.Series(["u", "v", "w"] * 4, dtype="category"),
        pd.Series(["u", "v", "w"] * 4, dtype="string"),
        pd.Series(["u", "v", "w"] * 4, dtype=object),
    ],
)
def test_text_becomes_one_column_per_category(column):
    ds = load(frame(b=column), target="label")
    assert ds.feature_names == ("a", "b=u", "b=v", "b=w")
    np.testing.assert_array_equal(ds.X[:, 1:], np.eye(3)[[0, 1, 2] * 4])
    assert any("one-hot" in n for n in ds.notes)
    assert ds.source == "DataFrame"


@pytest.mark.parametrize("dtype", [bool, "boolean", object])
def test_booleans_are_categories(dtype):
    ds = load(frame(b=pd.Series([True, False, False] * 4, dtype=dtype)), target="label")
    assert ds.feature_names == ("a", "b=False", "b=True")


@pytest.mark.parametrize("dtype", ["int8", "uint64", "float32", "Int64", "Float64", object, "Sparse[int64]"])
def test_numbers_stay_numbers(dtype):
    ds = load(frame(b=pd.Series([3, 1, 2] * 4).astype(dtype)), target="label")
    assert ds.feature_names == ("a", "b")
    assert ds.X[:, 1].tolist() == [3, 1, 2] * 4


def test_numbers_said_to_be_categories_are_one_hot():
    ds = load(frame(b=pd.Series([3, 1, 2] * 4, dtype="category")), target="label")
    assert ds.feature_names == ("a", "b=1", "b=2", "b=3")


@settings(deadline=None)  # the shape checker compiles on first use
@given(st.permutations(range(N)))
def test_rows_keep_their_order(order):
    table = frame(b=["u", "v", "w"] * 4)
    a, b = load(table, target="label"), load(table.iloc[list(order)], target="label")
    np.testing.assert_array_equal(a.take(list(order)).X, b.X)
    np.testing.assert_array_equal(a.take(list(order)).y, b.y)


def test_constant_and_empty_columns_are_left_out_and_told():
    ds = load(frame(b=[1.5] * N, c=["u"] * N, d=[None] * N), target="label")
    assert ds.feature_names == ("a",)
    assert any("2 constant columns left out: 'b', 'c=u'" in n for n in ds.notes)
    assert any("'d' holds no value" in a for a in ds.alerts)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ([1.0, np.nan, np.inf] * 4, r"row 1, column 'b': nan; row 2, column 'b': inf; .*and 3 more"),
        (["u", None, "v"] * 4, "row 1, column 'b': nothing"),
        ([1, 2, 3, 4, 5, "u"] * 2, "row 5, column 'b': 'u'; row 11, column 'b': 'u'"),
        (pd.date_range("2020-01-01", periods=N), "dates"),
        (pd.to_timedelta(range(N), unit="D"), "dates"),
        (pd.period_range("2020-01", periods=N, freq="M"), "dates"),
        ([1j] * N, "complex"),
        ([[1, 2]] * N, "lists"),
    ],
)
def test_columns_that_cannot_be_used(column, message):
    with pytest.raises(DataError, match=message):
        load(frame(b=column), target="label")


@pytest.mark.parametrize(
    ("column", "alert"),
    [
        (range(N), "'b' looks like an identifier"),
        (range(100, 100 + N), "'b' looks like an identifier"),
        ([f"k{i}" for i in range(N)], "'b' looks like an identifier"),
        ([0, 1, 0, 0] * (N // 4), "'b' equals the label"),
        ([7.5, -2, 7.5, 7.5] * (N // 4), "'b' equals the label"),
        (["p", "q", "p", "p"] * (N // 4), "'b' equals the label"),
        ([f"2020-01-{i % 5 + 1:02}" for i in range(N)], "'b' looks like dates"),
    ],
)
def test_suspicious_columns_raise_an_alert(column, alert):
    assert any(alert in a for a in load(frame(b=column), target="label").alerts)


def test_ordinary_columns_raise_none():
    table = frame(b=RNG.integers(0, 1000, N) * 2, c=[0, 1, 0, 1] * (N // 4), d=["p", "q", "r"] * 4)
    assert load(table, target="label").alerts == ()


def test_distinct_numbers_are_identifiers_only_by_name_or_run():
    squares = [i * i for i in range(N)]
    assert any("'user_id'" in a for a in load(frame(user_id=squares), target="label").alerts)
    assert load(frame(width=squares), target="label").alerts == ()


def test_a_feature_equal_to_a_regression_target_raises_an_alert():
    y = RNG.normal(size=N)
    ds = load(pd.DataFrame({"a": RNG.normal(size=N), "b": y, "t": y}), target="t")
    assert ds.task == "regression"
    assert any("'b' equals the label" in a for a in ds.alerts)


def test_a_column_of_too_many_categories_is_left_out_with_an_alert():
    n = 3003
    table = pd.DataFrame({"a": RNG.normal(size=n), "b": [f"c{i // 3}" for i in range(n)], "y": [0, 1, 1] * 1001})
    ds = load(table, target="y")
    assert ds.feature_names == ("a",)
    assert any("'b' holds 1001 categories" in a for a in ds.alerts)


def test_whole_numbers_beyond_float64_raise_an_alert():
    ds = load(np.array([[2**53 + 1], [1], [5]]), [0, 1, 1])
    assert any("2^53" in a for a in ds.alerts)


def test_the_target_must_be_named_and_present():
    with pytest.raises(DataError, match=r"'lable' is not in 'DataFrame'; did you mean 'label'\? Columns: 'a', 'label'"):
        load(frame(), target="lable")
    with pytest.raises(UsageError, match=r"which column .* is the target\?"):
        load(frame().rename(columns={"label": "outcome"}))
    ds = load(frame())
    assert ds.target_name == "label"
    assert any("'label' was taken" in n for n in ds.notes)


def test_labels_beside_a_frame():
    table = frame().drop(columns="label")
    assert load(table, list("xyxx") * 3).classes == ("x", "y")
    with pytest.raises(UsageError, match="got both"):
        load(table, list("xyxx") * 3, target="a")
    with pytest.raises(DataError, match="12 rows of features and 3 labels"):
        load(table, list("xyx"))


def test_column_names_may_be_numbers_but_not_twins():
    assert load(frame().rename(columns={"a": 7}), target="label").feature_names == ("7",)
    with pytest.raises(DataError, match="'a' occurs more than once"):
        load(frame(b=range(N)).rename(columns={"b": "a"}), target="label")


def test_one_hot_columns_beyond_memory_are_refused(monkeypatch):
    monkeypatch.setattr("widthwise.datasets.columns.MOST_BYTES", 100)
    with pytest.raises(ResourceError, match="12 rows of 4 columns need 384 bytes"):
        load(frame(b=["u", "v", "w"] * 4), target="label")


def test_a_frame_is_not_changed():
    table = frame(b=["u", "v", "w"] * 4)
    before = table.copy(deep=True)
    load(table, target="label")
    pd.testing.assert_frame_equal(table, before)
