"""Feature scaling: unit spheres, invariances, extreme magnitudes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from widthwise.datasets import prepare, resolve_scale
from widthwise.errors import DataError, UsageError

matrices = hnp.arrays(
    np.float64,
    st.tuples(st.integers(2, 12), st.integers(1, 6)),
    elements=st.floats(-1e6, 1e6, allow_subnormal=False),
)


@settings(deadline=None)  # the shape checker compiles on first use
@given(matrices, st.floats(0.01, 10), st.sampled_from(["standardise", "unit"]))
def test_rows_have_norm_one(X, tau, scale):
    if not X.any():
        return  # all zero: refused for "unit", tested below
    Z = prepare(X, scale=scale, tau=tau).X
    for row in Z:
        assert abs(math.sqrt(math.fsum(v * v for v in row)) - 1) < 1e-15


@pytest.mark.parametrize("d", [30, 784, 3072])
def test_long_rows_have_norm_one_to_1e_15(d):
    Z = prepare(np.random.default_rng(0).uniform(0, 255, (50, d)), scale="unit", tau=0.0).X
    norms = np.sqrt((Z.astype(np.longdouble) ** 2).sum(axis=1))
    assert np.abs(norms - 1).max() < 1e-15


def test_standardise_is_the_textbook_formula():
    X = np.random.default_rng(1).normal(3.0, 2.0, (40, 5))
    z = (X - X.mean(axis=0)) / X.std(axis=0)
    z = np.column_stack((z, np.full(40, 0.5 * math.sqrt(5))))
    expected = z / np.linalg.norm(z, axis=1, keepdims=True)
    got = prepare(X, scale="standardise", tau=0.5)
    np.testing.assert_allclose(got.X, expected, rtol=1e-13, atol=1e-15)
    assert got.tau == 0.5
    assert len(got.steps) == 3


def test_unit_appends_tau_times_the_mean_row_norm():
    X = np.array([[3.0, 4.0], [0.0, 1.0]])  # norms 5 and 1, mean 3
    got = prepare(X, scale="unit", tau=2.0).X
    np.testing.assert_allclose(got[0], np.array([3, 4, 6]) / math.sqrt(61), rtol=1e-15)
    np.testing.assert_allclose(got[1], np.array([0, 1, 6]) / math.sqrt(37), rtol=1e-15)


def test_none_keeps_values_and_appends_tau():
    X = np.arange(6.0).reshape(3, 2)
    assert prepare(X, scale="none", tau=0.0).X.tolist() == X.tolist()
    assert prepare(X, scale="none", tau=0.25).X[:, -1].tolist() == [0.25] * 3


@settings(deadline=None)  # the shape checker compiles on first use
@given(st.integers(0, 1000), st.floats(1e-3, 1e3), st.floats(-10, 10), st.sampled_from([0.0, 0.7]))
def test_standardise_forgets_units_and_origin(seed, unit, origin, tau):
    X = np.random.default_rng(seed).normal(size=(9, 3))
    a = prepare(X, scale="standardise", tau=tau).X
    b = prepare(X * unit + origin, scale="standardise", tau=tau).X
    # Adding the origin loses |origin| / unit of the digits.
    np.testing.assert_allclose(a, b, atol=1e-13 * (1 + abs(origin) / unit))


@settings(deadline=None)  # the shape checker compiles on first use
@given(st.integers(0, 1000), st.integers(-300, 300), st.sampled_from([0.0, 0.7]))
def test_unit_forgets_a_power_of_two_exactly(seed, exponent, tau):
    X = np.random.default_rng(seed).normal(size=(6, 4))
    a = prepare(X, scale="unit", tau=tau).X
    b = prepare(np.ldexp(X, exponent), scale="unit", tau=tau).X
    np.testing.assert_array_equal(a, b)


@settings(deadline=None)  # the shape checker compiles on first use
@given(matrices, st.randoms(use_true_random=False), st.sampled_from(["standardise", "unit"]))
def test_rows_follow_a_permutation(X, random, scale):
    if not X.any():
        return
    order = list(range(len(X)))
    random.shuffle(order)
    a, b = prepare(X, scale=scale, tau=1.0).X[order], prepare(X[order], scale=scale, tau=1.0).X
    if scale == "unit":
        np.testing.assert_allclose(a, b, atol=1e-14)
    else:  # means are summed in another order; a nearly constant column multiplies that rounding
        spread = np.abs(X - X.mean(axis=0)).max(axis=0)
        if (spread > 1e-3 * np.abs(X).max(axis=0)).all():
            np.testing.assert_allclose(a, b, atol=1e-10)


@settings(deadline=None)  # the shape checker compiles on first use
@given(matrices, st.sampled_from(["standardise", "unit"]))
def test_equal_rows_stay_bit_equal(X, scale):
    if not X.any():
        return
    doubled = np.vstack((X, X[::-1]))
    Z = prepare(doubled, scale=scale, tau=1.0).X
    np.testing.assert_array_equal(Z[: len(X)], Z[len(X) :][::-1])


@pytest.mark.parametrize("size", [1e300, 1e-300, 1.7e308, 5e-324])
@pytest.mark.parametrize("scale", ["standardise", "unit"])
def test_extreme_magnitudes_do_not_overflow(size, scale):
    X = np.array([[size, 1.0], [-size, 2.0], [size, -4.0]])
    Z = prepare(X, scale=scale, tau=0.5).X
    assert np.isfinite(Z).all()
    np.testing.assert_allclose(np.linalg.norm(Z, axis=1), 1, rtol=1e-15)
    if scale == "standardise":
        expected = prepare(np.array([[1, 1.0], [-1, 2.0], [1, -4.0]]), scale=scale, tau=0.5).X
        np.testing.assert_allclose(Z, expected, rtol=1e-13)


def test_unit_keeps_the_direction_of_tiny_rows_beside_huge_ones():
    Z = prepare(np.array([[3e-300, 4e-300], [3e300, -4e300]]), scale="unit", tau=0.0).X
    np.testing.assert_allclose(Z, [[0.6, 0.8], [0.6, -0.8]], rtol=1e-15)


def test_constant_columns_become_zeros_and_are_told():
    X = np.column_stack((np.full(5, 0.1), np.arange(5.0)))
    got = prepare(X, scale="standardise", tau=1.0)
    assert not got.X[:, 0].any()
    assert any("constant" in step for step in got.steps)


def test_a_zero_row_is_named_with_the_remedy():
    X = np.array([[1.0, 2.0], [0.0, 0.0]])
    with pytest.raises(DataError, match=r"row 1 .*tau > 0"):
        prepare(X, scale="unit", tau=0.0)
    assert prepare(X, scale="unit", tau=1.0).X[1].tolist() == [0.0, 0.0, 1.0]


@pytest.mark.parametrize("tau", [-1.0, math.nan, math.inf])
def test_tau_must_be_a_finite_size(tau):
    with pytest.raises(UsageError, match="tau"):
        prepare(np.eye(2), scale="unit", tau=tau)


def test_values_that_are_not_finite_are_refused():
    with pytest.raises(DataError, match="row 0, column 1"):
        prepare(np.array([[1.0, np.nan]]), scale="none", tau=0.0)


def test_auto_standardises_tables_and_only_normalises_images():
    assert resolve_scale("auto", "table") == "standardise"
    assert resolve_scale("auto", "image") == "unit"
    assert resolve_scale("none", "image") == "none"
