"""Laws of every kernel: accuracy, symmetry, invariances, and rows that are hard to tell apart."""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import fields

import mpmath as mp
import numpy as np
import pandas as pd
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from widthwise.errors import DataError, ResourceError
from widthwise.kernels import NNGP, NTK, HInf, LeakyReLU, passes
from widthwise.kernels.series import has_series, profile, series
from widthwise.kernels.tiles import FEW_COLUMNS, TILE

EPS = np.finfo(np.float64).eps
HOMOGENEOUS = [HInf(), NNGP(), NTK(), NTK(depth=20, trained="first"), NTK(activation="abs"), NNGP(activation="linear")]
OTHERS = [
    NTK(depth=2, bias_variance=0.1),
    NTK(depth=7, bias_variance=0.1, trained="weights"),
    NTK(depth=2, activation="erf"),
    NTK(depth=2, activation=LeakyReLU(-0.5), bias_variance=0.3),
]
KERNELS = HOMOGENEOUS + OTHERS
every_kernel = pytest.mark.parametrize("kernel", KERNELS, ids=repr)
# What a value may be off by, over the norms: the contract of `Kernel.__call__`.
BOUND = {"float64": 1e-12, "float32": 2e-6}


def rows(n, d, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d))


def sizes(kernel, X, Z=None):
    return np.outer(np.sqrt(kernel.diag(X)), np.sqrt(kernel.diag(X if Z is None else Z)))


def hard_pairs(d):
    """Random pairs, near duplicates and near opposites: 1 - |cos| from 5e-33 to 5e-3, around the limits of the repair too."""
    generator = np.random.default_rng(d)
    X, Z = [*generator.standard_normal((4, d))], [*generator.standard_normal((4, d))]
    for gap in (1e-16, 1e-8, 1e-6, 1e-4, 1e-3, 0.0141, 0.0143, 0.099, 0.101):
        for sign in (1, -1):
            x, y = generator.standard_normal((2, d))
            y -= y @ x / (x @ x) * x
            X.append(x)
            Z.append(sign * 2 * (x + gap * np.linalg.norm(x) / np.linalg.norm(y) * y))
    return np.array(X), np.array(Z)


DEEP = [
    NTK(depth=1),
    NTK(depth=50),
    NNGP(depth=50),
    NTK(depth=50, trained="first"),
    NTK(depth=50, bias_variance=1e-8),
    NTK(depth=10, activation="abs", bias_variance=0.1),
    NTK(depth=50, activation="abs"),
]


@pytest.mark.parametrize(
    "d", [2, pytest.param(12, marks=pytest.mark.slow), pytest.param(13, marks=pytest.mark.slow), 50]
)
@pytest.mark.parametrize("kernel", [*DEEP, *OTHERS], ids=repr)
def test_hard_pairs_have_the_values_of_sixty_digits(kernel, d, sixty_digits):
    X, Z = hard_pairs(d)
    size = np.sqrt(kernel.diag(X)) * np.sqrt(kernel.diag(Z))
    with mp.workdps(60):
        exact = [sixty_digits(kernel, x, z) for x, z in zip(X, Z, strict=True)]
        for dtype, bound in BOUND.items():
            found = np.diagonal(kernel(X, Z, dtype=dtype))
            errors = [abs(mp.mpf(float(f)) - e) for f, e in zip(found, exact, strict=True)]
            assert max(e / s for e, s in zip(errors, map(float, size), strict=True)) <= bound


@pytest.mark.parametrize(
    "kernel", [NTK(depth=1), NTK(depth=10), NTK(depth=200), NNGP(depth=200, activation="abs")], ids=repr
)
def test_the_series_is_the_recursion(kernel):
    theta = np.concatenate([np.linspace(0, np.pi, 400), 10.0 ** np.arange(-16, 0)])
    circle = np.column_stack([np.cos(theta), np.sin(theta)])
    expected = profile(kernel.layers, kernel.output, theta)
    assert len(series(kernel.layers, kernel.output, "float64").even) <= 200
    # Angles of rounded points are off by eps, which a kernel multiplies by half its depth at most; cut-off and rounding
    # of some hundred terms.
    found = kernel([[1.0, 0.0]], circle)[0]
    np.testing.assert_allclose(found, expected, rtol=0, atol=500 * EPS * kernel.diag([[1.0, 0.0]])[0])


def test_a_profile_too_steep_for_a_series_is_evaluated_by_the_recursion():
    kernel = NTK(depth=3, activation=LeakyReLU(-1.0001))
    assert not has_series(kernel.layers)
    theta = np.linspace(0, np.pi, 100)
    found = kernel([[1.0, 0.0]], np.column_stack([np.cos(theta), np.sin(theta)]))[0]
    expected = profile(kernel.layers, "ntk", theta)
    # Near pi the angle after a layer is a root, of slope 1e4 here.
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-11)


@every_kernel
@pytest.mark.parametrize(("n", "d"), [(1, 3), (TILE + 1, 3), (TILE + 1, FEW_COLUMNS + 1)])
def test_the_square_matrix_is_symmetric_to_the_bit_with_the_diagonal_of_diag(kernel, n, d):
    X = rows(n, d)
    K = kernel(X)
    assert K.dtype == np.float64
    assert np.array_equal(K, K.T)
    assert np.array_equal(np.diag(K), kernel.diag(X))


@every_kernel
@pytest.mark.parametrize("d", [3, 20])
def test_the_pair_is_both_kernels_to_the_bit(kernel, d):
    X = rows(30, d)
    both = dict(zip(("nngp", "ntk"), kernel.pair(X, X[:7]), strict=True))
    assert np.array_equal(both[kernel.output], kernel(X, X[:7]))
    if isinstance(kernel, NTK) and kernel.trained == "all":
        network = {name: getattr(kernel, name) for name in (f.name for f in fields(NNGP))}
        assert np.array_equal(both["nngp"], NNGP(**network)(X, X[:7]))


@every_kernel
@pytest.mark.parametrize("d", [3, 20])
def test_a_rectangular_matrix_is_a_block_of_the_square_one(kernel, d):
    X = rows(TILE + 40, d)
    found = kernel(X[500:560], X)
    assert np.all(np.abs(found - kernel(X)[500:560]) <= BOUND["float64"] * sizes(kernel, X)[500:560])


@every_kernel
@settings(deadline=None, max_examples=15)
@given(X=hnp.arrays(np.float64, (6, 13), elements=st.floats(-1e3, 1e3, allow_subnormal=False)), seed=st.integers(0, 99))
def test_permuting_and_rotating_change_nothing(kernel, X, seed):
    generator = np.random.default_rng(seed)
    X = np.where(np.abs(X) < 1e-100, 0.0, X)  # their squares, which the bound is made of, would vanish
    order, turn = generator.permutation(6), np.linalg.qr(generator.standard_normal((13, 13)))[0]
    K, size = kernel(X), sizes(kernel, X)
    bound = 2 * BOUND["float64"] * size + 1e-290
    assert np.all(np.abs(kernel(X[order]) - K[np.ix_(order, order)]) <= bound[np.ix_(order, order)])
    # A rotation moves an angle by some 13 eps, and values by half the depth times that; also the squares of norms.
    assert np.all(np.abs(kernel(X @ turn) - K) <= bound + 400 * EPS * size)


@pytest.mark.parametrize("kernel", HOMOGENEOUS, ids=repr)
@settings(deadline=None, max_examples=15)
@given(
    X=hnp.arrays(np.float64, (4, 3), elements=st.floats(-1e3, 1e3, allow_subnormal=False)),
    exponents=hnp.arrays(np.int64, 4, elements=st.integers(-60, 60)),
)
def test_without_biases_the_kernel_is_homogeneous_in_each_row(kernel, X, exponents):
    """Powers of two scale without rounding, so to the bit."""
    X, factors = np.where(np.abs(X) < 1e-100, 0.0, X), 2.0**exponents
    assert np.array_equal(kernel(X * factors[:, None]), kernel(X) * np.outer(factors, factors))


@every_kernel
@pytest.mark.parametrize("size", [1e150, 1e-150])
@pytest.mark.parametrize("d", [1, 4, 20])
def test_finite_rows_have_finite_values(kernel, size, d):
    """Zeros, duplicates, opposites and extreme norms beside ordinary ones."""
    X = rows(4, d)
    X = np.vstack([X, X, -X, 0 * X[:2], size * X, -size * X[:1], X * (1 + 1e-13)])
    K = kernel(X)
    assert np.all(np.isfinite(K))
    assert np.all(np.isfinite(kernel(X, -X)))
    assert np.array_equal(K, K.T)
    # Of parallel rows the quotient is the same pole.
    if kernel in HOMOGENEOUS:
        assert np.array_equal(K[12:14], np.zeros((2, len(X))))


@every_kernel
@pytest.mark.parametrize("d", [4, 20])
def test_rows_that_coincide_have_equal_rows_in_the_matrix(kernel, d):
    X = rows(TILE + 20, d)
    X[-1] = X[3]
    K = kernel(X)
    # The value of the pair is exact but for the fused pass's own rounding; the others are as good as a tile's edge lets them.
    assert K[-1, 3] == pytest.approx(K[3, 3], rel=16 * EPS)
    assert np.all(np.abs(K[-1] - K[3]) <= 2 * BOUND["float64"] * sizes(kernel, X)[3])


@every_kernel
def test_the_matrix_is_positive_semi_definite_to_rounding(kernel):
    """Entries are off by the contract's bound over the norms, so eigenvalues of the scaled matrix by n times that."""
    twins = rows(20, 4)
    for X in (
        np.vstack([twins, twins, -twins, twins * (1 + 1e-13), twins + 1e-9 * rows(20, 4, seed=3)]),
        np.column_stack([np.ones(60), np.geomspace(1, 1e-14, 60)]),
        scipy.linalg.hilbert(20),
    ):
        scaled = kernel(X) / sizes(kernel, X)
        assert np.linalg.eigvalsh(scaled)[0] >= -len(X) * BOUND["float64"]


@pytest.mark.parametrize("make", [NNGP, NTK])
def test_a_deeper_network_is_a_layer_more(make):
    """Of the covariance alone: kappa_1 of the cosine below; the tangent kernel adds the carried one."""
    x, z = [[1.0, 0.0]], [[0.6, 0.8]]
    for depth in (1, 4, 5, 6, 12):
        rho, tangent = NNGP(depth=depth)(x, z)[0, 0], NTK(depth=depth)(x, z)[0, 0]
        theta = np.arccos(rho)
        covariance = (np.sin(theta) + (np.pi - theta) * rho) / np.pi
        expected = covariance if make is NNGP else covariance + tangent * (1 - theta / np.pi)
        assert make(depth=depth + 1)(x, z)[0, 0] == pytest.approx(expected, rel=100 * EPS)


def test_every_kind_of_matrix_gives_the_same_bits():
    import jax.numpy as jnp

    X = np.array([[1, 2], [3, -1]])
    K = HInf()(X)
    for other in (X.tolist(), X.astype(np.float32), pd.DataFrame(X), jnp.asarray(X), np.asfortranarray(X)):
        assert np.array_equal(HInf()(other), K)

    class Lent:
        """Memory that is lent by DLPack alone."""

        def __dlpack__(self, **options):
            return X.astype(np.float32).__dlpack__(**options)

        def __dlpack_device__(self):
            return X.__dlpack_device__()

    assert np.array_equal(HInf()(Lent()), K)
    torch = pytest.importorskip("torch", reason="torch is not installed")
    assert np.array_equal(HInf()(torch.tensor(X)), K)
    with pytest.raises(DataError, match="requires grad"):
        HInf()(torch.tensor(X, dtype=torch.float32, requires_grad=True))


@pytest.mark.parametrize("kernel", [NTK(), NTK(depth=2, bias_variance=0.1)], ids=repr)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_device_that_multiplies_itself_has_the_same_values(kernel, dtype, monkeypatch):
    """The path of a GPU, with the device that is there: nothing in it is NumPy's but what comes and what goes."""
    X = rows(TILE + 30, 20)
    X[3], X[4] = X[-1], -X[-2]
    expected = kernel(X, dtype=dtype)
    monkeypatch.setattr(passes, "on_cpu", lambda: False)
    for cache in (passes.by_series, passes.by_recursion, passes.product):
        cache.cache_clear()
    found = kernel(X, dtype=dtype)
    for cache in (passes.by_series, passes.by_recursion, passes.product):
        cache.cache_clear()
    assert np.array_equal(found, found.T)
    assert np.all(np.abs(found - expected) <= 2 * BOUND[dtype] * sizes(kernel, X))


@every_kernel
def test_the_repr_rebuilds_the_kernel(kernel):
    assert eval(repr(kernel)) == kernel  # noqa: S307


def test_numbers_of_numpy_are_kept_as_plain_ones():
    assert repr(NTK(depth=2, weight_variance=np.float64(1.5))) == repr(NTK(depth=2, weight_variance=1.5))


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([1.0, 2.0], r"X must be a matrix with rows and columns; its shape is \(2,\)"),
        (np.zeros((0, 3)), "its shape is"),
        ([[1.0, np.nan]], "X must be finite; 1 values are not, the first in row 0, column 1"),
        ([["a", "b"]], "X must be a matrix of numbers"),
    ],
)
def test_what_is_not_a_finite_matrix_is_refused_by_name(X, message):
    for call in (HInf(), HInf().diag, HInf().gram):
        with pytest.raises(DataError, match=message):
            call(X)


@pytest.mark.parametrize("kernel", [HInf(), NTK(bias_variance=0.1)])
def test_rows_of_unlike_length_are_refused(kernel):
    with pytest.raises(DataError, match="as many columns: 3 and 2 came"):
        kernel(np.ones((2, 3)), np.ones((2, 2)))


def test_a_matrix_beyond_memory_is_refused_before_it_is_allocated():
    with pytest.raises(ResourceError, match=r"needs about 8000.1 GB.*out='name.npy'"):
        HInf()(np.ones((10**6, 1)))


def test_threads_compute_the_same_bits_and_give_the_blas_threads_back():
    from threadpoolctl import threadpool_info

    def limits():
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    X, found, before = rows(600, 20), [], limits()
    threads = [threading.Thread(target=lambda: found.append(NTK()(X))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(K, NTK()(X)) for K in found)
    assert len(found) == 4
    assert limits() == before


def test_using_a_kernel_leaves_the_precision_of_jax_alone():
    """In a fresh process, so that nothing else has set it."""
    code = (
        "import jax, jax.numpy as jnp, numpy as np\n"
        "before = jax.config.jax_enable_x64, jax.config.jax_default_matmul_precision\n"
        "import widthwise, widthwise.kernels as k\n"
        "K = k.NTK()(np.random.default_rng(0).standard_normal((40, 3)))\n"
        "assert (jax.config.jax_enable_x64, jax.config.jax_default_matmul_precision) == before == (False, None)\n"
        "assert jnp.ones(1).dtype == jnp.float32\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_an_unknown_activation_is_refused_by_name():
    """In a fresh process: here the live checks of shapes and types would answer first."""
    code = (
        "from widthwise.errors import UsageError\n"
        "from widthwise.kernels import NTK\n"
        "try:\n    NTK(activation='tanh')\n"
        "except UsageError as failure:\n    assert str(failure).startswith('activation must be'), failure\n"
        "else:\n    raise AssertionError('accepted')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
