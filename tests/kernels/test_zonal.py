"""Laws of every kernel of the angle: the fast path, symmetry, tiles, and rows that are hard to tell apart."""

from __future__ import annotations

import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from widthwise.errors import DataError, UsageError
from widthwise.kernels import NNGP, NTK, HInf
from widthwise.kernels.zonal import NEAR_POLE, TILE, ZonalKernel, series

EPS = np.finfo(np.float64).eps
KERNELS = [HInf(), NNGP(depth=3), NTK(depth=3), NTK(depth=3, trained="first"), NTK(depth=20)]
every_kernel = pytest.mark.parametrize("kernel", KERNELS, ids=repr)


def slope(kernel):
    """Largest change of the profile for an angle, over the profile at zero: depth / 2 is above all of them."""
    return max(1.0, getattr(kernel, "depth", 1) / 2.0)


def tolerance(kernel, d):
    """What a kernel value over the norms may be off by.

    A dot product of d terms of unit rows is off by (d + 4) eps; just outside NEAR_POLE that moves the angle by
    1 / sin = 1 / sqrt(2 NEAR_POLE) times as much. The series and the recursion add some eps for each layer.
    """
    layers = getattr(kernel, "depth", 1)
    return ((d + 4) / np.sqrt(2 * NEAR_POLE) * slope(kernel) + 40 * layers) * EPS


def over_norms(kernel, X, Z):
    return kernel(X, Z) / np.sqrt(np.outer(kernel.diag(X), kernel.diag(Z)))


def rows(n, d, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d))


@every_kernel
def test_the_fast_path_is_the_profile_at_random_and_adversarial_angles(kernel):
    border = np.arccos(1 - NEAR_POLE)
    theta = np.concatenate(
        [
            np.random.default_rng(0).uniform(0, np.pi, 400),
            border * (1 + np.array([-1e-2, -1e-6, -1e-12, 0, 1e-12, 1e-6, 1e-2])),
            np.pi - border * (1 + np.array([-1e-2, -1e-6, -1e-12, 0, 1e-12, 1e-6, 1e-2])),
            np.pi / 2 + np.array([-1e-3, -1e-9, -1e-15, 0, 1e-15, 1e-9, 1e-3]),
            10.0 ** np.arange(-16, -1),
        ]
    )
    circle = np.column_stack([np.cos(theta), np.sin(theta)])
    found = kernel(np.array([[1.0, 0.0]]), circle)[0] / kernel.scale
    np.testing.assert_allclose(
        found, kernel.profile(theta), rtol=0, atol=tolerance(kernel, 2) * kernel.diag([[1.0]])[0]
    )


@pytest.mark.parametrize("depth", [1, 10, 50, 200])
def test_every_depth_has_a_short_series(depth):
    for kernel in (NNGP(depth=depth), NTK(depth=depth), NTK(depth=depth, trained="first")):
        assert series(kernel).shape[1] <= 120


def test_a_profile_that_is_not_smooth_is_refused():
    class Step(ZonalKernel):
        def profile(self, theta):
            return np.where(theta > 0.5, 1.0, 0.0)

    with pytest.raises(UsageError, match="not smooth enough for a series"):
        series(Step())


@every_kernel
@pytest.mark.parametrize("n", [1, 7, TILE - 1, TILE, TILE + 1, 2 * TILE + 3])
def test_the_square_matrix_is_symmetric_to_the_bit_with_an_exact_diagonal(kernel, n):
    X = rows(n, 3)
    K = kernel(X)
    assert K.shape == (n, n)
    assert np.array_equal(K, K.T)
    assert np.array_equal(np.diag(K), kernel.diag(X))
    np.testing.assert_allclose(
        np.diag(K), kernel.scale * kernel.profile(np.zeros(n)) * np.sum(X**2, axis=1), rtol=9 * EPS
    )


@every_kernel
def test_the_rectangular_matrix_is_a_block_of_the_square_one(kernel):
    X = rows(TILE + 40, 5)
    K = kernel(X)
    size = np.sqrt(np.outer(np.diag(K), np.diag(K)))
    for chosen, others in ((slice(0, 30), slice(500, 560)), (slice(510, 568), slice(0, 568))):
        found = kernel(X[chosen], X[others])
        assert np.all(np.abs(found - K[chosen, others]) <= 2 * tolerance(kernel, 5) * size[chosen, others])


@every_kernel
def test_permuting_rows_permutes_the_matrix(kernel):
    """To the rounding of dot products, which a matrix product may sum in another order at another place."""
    X = rows(TILE + 5, 6)
    order = np.random.default_rng(1).permutation(len(X))
    K, permuted = kernel(X), kernel(X[order])
    size = np.sqrt(np.outer(np.diag(K), np.diag(K)))[np.ix_(order, order)]
    assert np.all(np.abs(permuted - K[np.ix_(order, order)]) <= 2 * tolerance(kernel, 6) * size)
    assert np.array_equal(np.diag(permuted), np.diag(K)[order])


@every_kernel
def test_rotating_the_inputs_changes_nothing(kernel):
    X = rows(40, 6)
    turn = np.linalg.qr(rows(6, 6, seed=2))[0]
    # The rotation itself moves directions by another d eps.
    atol = 4 * tolerance(kernel, 6)
    np.testing.assert_allclose(over_norms(kernel, X @ turn, X @ turn), over_norms(kernel, X, X), rtol=0, atol=atol)


@every_kernel
@settings(deadline=None, max_examples=30)
@given(
    X=hnp.arrays(np.float64, (4, 3), elements=st.floats(-1e3, 1e3, allow_subnormal=False)),
    exponents=hnp.arrays(np.int64, 4, elements=st.integers(-60, 60)),
)
def test_the_kernel_is_homogeneous_in_each_row(kernel, X, exponents):
    """Powers of two scale without rounding, so to the bit."""
    X = np.where(np.abs(X) < 1e-100, 0.0, X)
    factors = 2.0**exponents
    assert np.array_equal(kernel(X * factors[:, None]), kernel(X) * np.outer(factors, factors))


@every_kernel
@pytest.mark.parametrize("size", [1e150, 1e-150])
def test_rows_of_extreme_norm_neither_overflow_nor_vanish(kernel, size):
    """A product of norms must be a float; the square of a norm, 1e400 below, need not be one."""
    X = rows(5, 4)
    K = kernel(X)
    atol = 2 * tolerance(kernel, 4) * np.abs(K).max()
    np.testing.assert_allclose(kernel(X * size) / size / size, K, rtol=0, atol=atol)
    far = size ** (4 / 3)
    np.testing.assert_allclose(kernel(X * far, X / far), K, rtol=0, atol=atol)


@every_kernel
def test_rows_of_zeros_have_a_kernel_of_zero(kernel):
    X = np.vstack([np.zeros((2, 3)), rows(2, 3)])
    K = kernel(X)
    assert np.array_equal(K[:2], np.zeros((2, 4)))
    assert np.array_equal(kernel(X, X)[:2], np.zeros((2, 4)))
    assert np.array_equal(kernel.diag(X)[:2], np.zeros(2))
    assert np.all(np.isfinite(K))


@every_kernel
def test_one_column_knows_two_directions_only(kernel):
    X = np.array([[2.0], [-3.0], [0.5]])
    same, opposite = kernel.profile(np.array([0.0, np.pi])) * kernel.scale
    signs = np.sign(X) @ np.sign(X).T
    expected = np.where(signs > 0, same, opposite) * np.abs(X @ X.T)
    # An opposite pole is an angle of pi to one rounding: pi itself is not a float.
    np.testing.assert_allclose(kernel(X), expected, rtol=0, atol=20 * EPS * same * 9)


@every_kernel
def test_rows_that_coincide_have_the_value_of_the_diagonal_to_the_bit(kernel):
    """However far apart they are, in other tiles too."""
    X = rows(TILE + 20, 4)
    X[-1] = X[3]
    X[5] = X[4]
    K = kernel(X)
    assert K[-1, 3] == K[3, 3] == K[-1, -1]
    assert K[4, 5] == K[4, 4]
    size = np.sqrt(np.diag(K) * K[3, 3])
    assert np.all(np.abs(K[-1] - K[3]) <= 2 * tolerance(kernel, 4) * size)


@every_kernel
def test_the_matrix_of_duplicates_and_opposites_is_positive_semi_definite_to_rounding(kernel):
    X = rows(30, 4)
    X = np.vstack([X, X, -X, X * (1 + 1e-13), X + 1e-9 * rows(30, 4, seed=3)])
    K = kernel(X)
    values = np.linalg.eigvalsh(K)
    # Each entry may be off by the tolerance: the eigenvalues by n of them.
    assert values[0] >= -len(X) * tolerance(kernel, 4) * np.diag(K).max()


@every_kernel
def test_float32_is_the_rounded_float64(kernel):
    X = rows(TILE + 3, 4)
    for pair in ((X,), (X, X[:9])):
        single = kernel(*pair, dtype="float32")
        assert single.dtype == np.float32
        assert np.array_equal(single, kernel(*pair).astype(np.float32))


def test_lists_and_integers_and_float32_are_taken_as_numbers():
    X = [[1, 2], [3, -1]]
    assert np.array_equal(HInf()(X), HInf()(np.array(X, dtype=np.float32)))


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([1.0, 2.0], r"X must be a matrix with rows and columns; its shape is \(2,\)"),
        (np.zeros((0, 3)), "its shape is"),
        (np.zeros((3, 0)), "its shape is"),
        ([[1.0, np.nan]], "X must be finite; 1 values are not, the first in row 0, column 1"),
        ([[1.0, 2.0], [np.inf, 0.0]], "row 1, column 0"),
        ([["a", "b"]], "X must be a matrix of numbers"),
        ([[1.0], [1.0, 2.0]], "X must be a matrix of numbers"),
        (None, "X must be"),
    ],
)
def test_what_is_not_a_finite_matrix_is_refused_by_name(X, message):
    with pytest.raises(DataError, match=message):
        HInf()(X)
    with pytest.raises(DataError, match=message):
        HInf().diag(X)


def test_rows_of_unlike_length_are_refused():
    with pytest.raises(DataError, match="as many columns: 3 and 2 came"):
        HInf()(np.ones((2, 3)), np.ones((2, 2)))


def test_a_kernel_without_a_profile_says_so():
    with pytest.raises(TypeError, match="has no profile"):
        ZonalKernel()(np.eye(2))


def test_a_second_thread_computes_the_same_bits():
    X = rows(50, 4)
    found = []
    thread = threading.Thread(target=lambda: found.append(NTK()(X)))
    thread.start()
    thread.join()
    assert np.array_equal(found[0], NTK()(X))


def test_using_a_kernel_leaves_the_precision_of_jax_alone():
    """In a fresh process, so that nothing else has set it."""
    code = (
        "import jax, jax.numpy as jnp, numpy as np\n"
        "before = jax.config.jax_enable_x64, jax.config.jax_default_matmul_precision\n"
        "import widthwise, widthwise.kernels as k\n"
        "K = k.NTK()(np.random.default_rng(0).standard_normal((40, 3)))\n"
        "assert K.dtype == np.float64\n"
        "assert (jax.config.jax_enable_x64, jax.config.jax_default_matmul_precision) == before == (False, None)\n"
        "assert jnp.ones(1).dtype == jnp.float32\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_importing_widthwise_imports_no_jax():
    code = "import sys, widthwise; assert not {'jax', 'sklearn', 'pandas', 'matplotlib'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
