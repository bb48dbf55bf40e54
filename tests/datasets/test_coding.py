"""Target coding: decode undoes encode, columns are centred, raw is for two classes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from widthwise.datasets import decode, encode, load
from widthwise.errors import UsageError


def labelled(codes, task="classification"):
    X = np.random.default_rng(0).normal(size=(len(codes), 2))
    return load(X, np.asarray(codes), task=task)


@settings(deadline=None)  # the shape checker compiles on first use
@given(st.integers(2, 5), st.lists(st.integers(0, 4), max_size=30), st.sampled_from(["centred", "raw"]))
def test_decode_undoes_encode(k, more, coding):
    codes = [*range(k), *(c % k for c in more), 0]
    ds = labelled(codes)
    if coding == "raw" and k > 2:
        return
    got = encode(ds, coding=coding)
    assert decode(got.Y + got.offset, k).tolist() == codes
    assert len(got.columns) == got.Y.shape[1] == (1 if k == 2 else k)


@settings(deadline=None)  # the shape checker compiles on first use
@given(st.lists(st.integers(0, 2), min_size=3, max_size=40))
def test_centred_columns_sum_to_zero(codes):
    got = encode(labelled([0, 1, 2, *codes]))
    np.testing.assert_allclose(got.Y.sum(axis=0), 0, atol=1e-12)


def test_two_classes_give_one_column_named_after_the_second():
    ds = load(np.eye(4), np.array(["yes", "no", "no", "no"]))
    got = encode(ds)
    assert got.columns == ("yes",)
    assert (got.Y + got.offset)[:, 0].tolist() == [1, -1, -1, -1]
    assert got.offset.tolist() == [-0.5]
    raw = encode(ds, coding="raw")
    assert raw.Y[:, 0].tolist() == [1, -1, -1, -1]
    assert raw.offset.tolist() == [0]


def test_the_name_states_the_coding():
    assert encode(labelled([0, 1, 2])).name == "one-vs-rest, -1/+1, centred by column"
    assert encode(labelled([0, 1, 1])).name == "-1/+1, centred by column"
    assert encode(labelled([0, 1, 1]), coding="raw").name == "raw -1/+1"
    assert encode(labelled([0.5, 1.5, 1], task="regression")).name == "target, centred"


def test_regression_targets_of_any_size_are_centred():
    ds = labelled([1e308, 1.5e308, 1.7e308, 1e308], task="regression")
    got = encode(ds)
    assert np.isfinite(got.Y).all()
    np.testing.assert_allclose(got.offset, [1.3e308], rtol=1e-15)
    assert got.columns == ("y",)


@pytest.mark.parametrize(("codes", "task"), [([0, 1, 2], "classification"), ([0.5, 1.5, 2], "regression")])
def test_raw_is_refused_without_two_classes(codes, task):
    with pytest.raises(UsageError, match="raw"):
        encode(labelled(codes, task=task), coding="raw")


def test_a_class_without_rows_keeps_its_column():
    got = encode(labelled([0, 1, 2, 2]).take([0, 1, 1]))
    assert got.Y.shape == (3, 3)
    assert not got.Y[:, 2].any()


def test_scores_must_fit_the_classes():
    with pytest.raises(UsageError, match="one column per class"):
        decode(np.zeros((3, 2)), 3)


def test_a_score_of_zero_is_the_first_class():
    assert decode(np.array([[0.0], [1e-300], [-1.0]]), 2).tolist() == [0, 1, 0]
