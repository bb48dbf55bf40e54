"""Rows of any norm that float64 holds: values are right wherever they can be represented, and never NaN."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest

from widthwise.errors import DataError
from widthwise.kernels import NNGP, NTK, HInf, LeakyReLU

EPS = np.finfo(np.float64).eps
TINY = np.finfo(np.float64).tiny
BIASED = [
    NTK(depth=1, bias_variance=0.1),
    NTK(depth=3, bias_variance=0.1, trained="weights"),
    NNGP(depth=4, bias_variance=0.1),
    NTK(depth=2, bias_variance=0.1, activation=LeakyReLU(-0.5), trained="first"),
    NTK(depth=2, bias_variance=0.1, trained="last"),
]
ERF = [
    NTK(depth=1, activation="erf"),
    NTK(depth=3, activation="erf", bias_variance=0.1),
    NNGP(depth=2, activation="erf"),
]


def rows(n, d, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d))


@pytest.mark.parametrize("d", [1, 3, 20])
@pytest.mark.parametrize("kernel", [HInf(), NTK(), NNGP(activation="abs")], ids=repr)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_factors_of_opposite_powers_of_two_cancel_to_the_bit(kernel, d, dtype):
    """Up to a row of norm 2^1000 against one of 2^-1000, far outside float32, and beside ordinary rows."""
    X, Z = rows(4, d), rows(5, d, seed=1)
    plain = kernel(X, Z, dtype=dtype)
    for power in (70, 600, 1000):
        factor = 2.0**power
        assert np.array_equal(kernel(np.vstack([factor * X, X]), Z / factor, dtype=dtype)[:4], plain)


@pytest.mark.parametrize("kernel", [HInf(), NTK(), *BIASED[:1], *ERF[:1]], ids=repr)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("d", [2, 20])
def test_nothing_is_ever_nan(kernel, dtype, d):
    """Values that cannot be represented are infinite, or zero; antipodes and orthogonal rows have factors of zero."""
    X = rows(3, d)
    X[1, 1:], X[2, 0] = 0.0, 0.0
    X = np.vstack([size * X for size in (1.0, 1e150, 1e-150, 1e306, 1e-320, 0.0)])
    for found in (kernel(X, dtype=dtype), kernel(X, -X, dtype=dtype), kernel.diag(X)):
        assert not np.isnan(found).any()


@pytest.mark.parametrize("kernel", [*BIASED, *ERF], ids=repr)
def test_with_a_scale_of_their_own_kernels_are_right_from_the_smallest_norms_to_the_largest(kernel, sixty_digits):
    """Against 1400 digits, which hold one and the square of 1e300 at once; relative to the larger of value and scale."""
    generator = np.random.default_rng(3)
    for sizes in ((1e4, 1e4), (1e8, 1e-8), (1e160, 1e-5), (1e154, 1e154), (1e300, 1e-300), (1e-300, 1e-200)):
        x, y = generator.standard_normal((2, 1, 14))
        for z in (y, x * (1 + 1e-9 * y), -x):
            left, right = sizes[0] * x, sizes[1] * z
            found = kernel(left, right)[0, 0]
            with mp.workdps(1400):
                exact = sixty_digits(kernel, left[0], right[0])
                size = mp.sqrt(abs(sixty_digits(kernel, left[0], left[0]) * sixty_digits(kernel, right[0], right[0])))
                if size > mp.mpf("1e308"):
                    assert not np.isnan(found)
                    continue
                assert abs(mp.mpf(float(found)) - exact) <= mp.mpf("1e-12") * max(size, mp.mpf(TINY)), sizes


@pytest.mark.parametrize("kernel", [NTK(bias_variance=0.1), NTK(activation="erf")], ids=repr)
def test_a_norm_that_overflows_is_refused_where_the_network_has_a_scale(kernel):
    with pytest.raises(DataError, match=r"norms below 1e308.*row 1 has not"):
        kernel(np.array([[1.0] * 20, [1.7e308] * 20]))


def test_entries_near_the_largest_float_are_ordinary_where_it_has_not():
    # Two norms' rounding, of twenty squares each.
    expected = NTK(depth=2)(np.ones((1, 20)), np.ones((1, 20)))
    found = NTK(depth=2)(np.full((1, 20), 1.7e308), np.full((1, 20), 1 / 1.7e308))
    np.testing.assert_allclose(found, expected, rtol=40 * EPS)
