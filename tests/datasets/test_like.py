"""Rows read like others, and columns set aside."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from widthwise.datasets import load, prepare
from widthwise.errors import DataError, UsageError


def table(n=12, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "size": rng.normal(size=n),
            "colour": np.array(["red", "green", "blue"])[np.arange(n) % 3],
            "one": np.ones(n),
            "patient": [f"p{i // 3}" for i in range(n)],
            "label": np.array(["no", "yes"])[np.arange(n) % 2],
        }
    )


def test_a_column_set_aside_is_no_feature_and_follows_its_rows():
    ds = load(table(), target="label", aside=("patient",))
    assert not any("patient" in name for name in ds.feature_names)
    assert ds.beside["patient"].tolist() == table()["patient"].tolist()
    assert ds.take([5, 0]).beside["patient"].tolist() == ["p1", "p0"]


@pytest.mark.parametrize(
    ("aside", "error", "words"),
    [
        ("patiant", DataError, "did you mean 'patient'"),
        ("label", UsageError, "is the target"),
        ("zzz", DataError, "Columns: 'size', 'colour'"),
    ],
)
def test_columns_that_cannot_be_set_aside(aside, error, words):
    with pytest.raises(error, match=words):
        load(table(), target="label", aside=(aside,))


@pytest.mark.parametrize("source", ["digits", "wine"])
def test_sets_without_columns_say_so(source):
    with pytest.raises(UsageError, match="no column 'a'"):
        load(source, aside=("a",))


def test_the_same_table_read_like_itself_is_the_same():
    ds = load(table(), target="label", aside=("patient",))
    again = load(table(), like=ds, aside=("patient",))
    assert np.array_equal(again.X, ds.X)
    assert np.array_equal(again.y, ds.y)
    assert again.feature_names == ds.feature_names
    assert again.alerts == ()


def test_other_rows_get_the_same_columns_categories_and_codes():
    ds = load(table(), target="label")
    other = pd.DataFrame(
        {"label": ["yes"], "more": [3], "colour": ["pink"], "size": [0.5], "one": [7.0], "patient": ["p1"]}
    )
    found = load(other, like=ds)
    assert found.X[0, ds.feature_names.index("size")] == 0.5
    assert all(found.X[0, j] == 0 for j, name in enumerate(ds.feature_names) if name.startswith("colour="))
    assert found.y.tolist() == [1]
    assert any("'pink'" in a for a in found.alerts)
    assert any("'more'" in n for n in found.notes)


def test_a_class_that_was_not_trained_on_gets_a_code_of_its_own_and_an_alert():
    ds = load(table(), target="label")
    other = table().assign(label=["maybe"] + ["yes"] * 11)
    found = load(other, like=ds)
    assert found.y[0] == 2
    assert found.classes == ("no", "yes")
    assert any("'maybe'" in a and "count as errors" in a for a in found.alerts)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.rename(columns={"colour": "color"}), "1 column missing: 'colour'; did you mean 'color'"),
        (lambda t: t.drop(columns="label"), "target column 'label' is not in"),
        (lambda t: t.assign(label=[None] * 12), "is empty in 12 rows"),
        (lambda t: t.assign(size=["big"] * 12), "must hold numbers here"),
        (lambda t: t.assign(size=[np.nan] + [1.0] * 11), "must not be missing; row 0, column 'size'"),
    ],
)
def test_rows_that_do_not_fit_are_refused(change, words):
    ds = load(table(), target="label")
    with pytest.raises(DataError, match=words):
        load(change(table()), like=ds)


def test_arrays_of_another_width_are_refused():
    ds = load(np.arange(12.0).reshape(6, 2) ** 2, list("ababab"))
    with pytest.raises(DataError, match="must hold 2 columns"):
        load(np.ones((3, 3)), list("aba"), like=ds)
    assert load(np.ones((1, 2)), ["a"], like=ds).n == 1
    with pytest.raises(DataError, match="categories among them"):
        load(np.ones((3, 5)), ["no"] * 3, like=load(table(), target="label"))


@pytest.mark.parametrize(
    ("column", "found"),
    [
        ([f"id-{i}" for i in range(12)], True),
        (list(range(100, 112)), True),
        ([str(i % 5) + "x" for i in range(12)], False),
        ([2.5 * i for i in range(12)], False),
        ([i * i for i in range(12)], False),
    ],
)
def test_the_column_that_names_the_rows_is_found(column, found):
    ds = load(table().assign(patient=column), target="label")
    assert (ds.identifier == "patient") is found
    if found:
        assert [str(v) for v in ds.beside["patient"]] == [str(v) for v in column]


@pytest.mark.parametrize(("scale", "tau"), [("standardise", 1.0), ("unit", 0.5), ("none", 0.0)])
def test_rows_scaled_like_others_land_where_those_did(scale, tau):
    X = np.random.default_rng(0).normal(size=(20, 3)) * [1.0, 1e6, 1e-9]
    whole = prepare(X, scale=scale, tau=tau).X
    assert np.array_equal(prepare(X[5:8], scale=scale, tau=tau, like=X).X, whole[5:8])
    with pytest.raises(DataError, match="3 columns"):
        prepare(X[:, :2], scale=scale, tau=tau, like=X)
