"""Dense factorisations against NumPy and against matrices whose inverse is known."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import scipy.linalg

from widthwise.errors import DataError, SingularKernelError, UsageError
from widthwise.solvers import eigh, inverse, inverse_with_diagonal

EPS = np.finfo(np.float64).eps


def positive(n, seed=0, condition=1e3):
    generator = np.random.default_rng(seed)
    Q = np.linalg.qr(generator.standard_normal((n, n)))[0]
    K = (Q * np.geomspace(1, 1 / condition, n)) @ Q.T
    return (K + K.T) / 2


def hilbert(n):
    return scipy.linalg.hilbert(n)


@pytest.mark.parametrize("n", [1, 2, 17, 256, 257])
def test_eigenvalues_fall_and_rebuild_the_matrix(n):
    K = positive(n)
    values, vectors = eigh(K)
    assert np.all(np.diff(values) <= 0)
    # Backward stable: off by a modest multiple of n eps times the norm, one.
    np.testing.assert_allclose((vectors * values) @ vectors.T, K, rtol=0, atol=20 * n * EPS)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(n), rtol=0, atol=20 * n * EPS)
    np.testing.assert_allclose(values, np.linalg.eigvalsh(K)[::-1], rtol=0, atol=20 * n * EPS)


@pytest.mark.parametrize("n", [1, 17, 256, 257])
@pytest.mark.parametrize("shift", [0.0, 0.1])
def test_the_inverse_is_that_of_numpy_and_symmetric_to_the_bit(n, shift):
    K = positive(n)
    before = K.copy()
    found = inverse(K, shift=shift)
    assert np.array_equal(K, before)
    assert np.array_equal(found.matrix, found.matrix.T)
    assert found.shift == shift
    # Forward error of an inverse: n eps times the condition, 1e3, times the norm of the inverse, 1e3.
    expected = np.linalg.inv(K + shift * np.eye(n))
    np.testing.assert_allclose(found.matrix, expected, rtol=0, atol=4 * n * EPS * 1e3 * np.abs(expected).max())


@pytest.mark.parametrize("n", [1, 17, 256, 257, 600])
@pytest.mark.parametrize("shift", [0.0, 0.1])
def test_the_diagonal_alone_is_that_of_the_inverse(n, shift):
    K, Y = positive(n), np.random.default_rng(1).standard_normal((n, 3))
    before = K.copy()
    found = inverse_with_diagonal(K, Y, shift=shift)
    assert np.array_equal(K, before)
    expected = np.linalg.inv(K + shift * np.eye(n))
    error = 4 * n * EPS * 1e3 * np.abs(expected).max()
    np.testing.assert_allclose(found.diagonal, np.diag(expected), rtol=0, atol=error)
    np.testing.assert_allclose(found.products, expected @ Y, rtol=0, atol=error * np.abs(Y).sum(axis=0).max())
    # Backward error n eps, times the condition.
    assert found.residual <= 4 * n * EPS * 1e3
    assert found.condition == pytest.approx(inverse(K, shift=shift).condition)


@pytest.mark.parametrize("n", [2, 5, 8, 11])
def test_the_residual_and_the_condition_of_an_ill_conditioned_inverse_are_truthful(n):
    K = hilbert(n)
    found = inverse(K)
    exact = scipy.linalg.invhilbert(n, exact=n < 15).astype(np.float64)
    condition = np.abs(K).sum(axis=0).max() * np.abs(exact).sum(axis=0).max()
    # Hager's estimate never exceeds the condition of the computed factor and is seldom below a third of it.
    assert condition / 10 <= found.condition <= condition * (1 + n**2 * condition * EPS)
    v = np.random.default_rng(0).choice([-1.0, 1.0], n)
    assert found.residual == pytest.approx(np.linalg.norm(K @ (found.matrix @ v) - v) / np.sqrt(n), rel=0.5, abs=EPS)
    # An error of the inverse is certified: n eps condition.
    assert np.linalg.norm(found.matrix - exact) <= n * EPS * condition * np.linalg.norm(exact)


@pytest.mark.parametrize(
    "K",
    [
        np.ones((3, 3)),
        np.diag([1.0, 0.0]),
        np.diag([1.0, -1.0]),
        np.zeros((2, 2)),
        np.diag([1.0, 1e-17]),
        hilbert(15),
    ],
)
def test_a_matrix_that_is_singular_to_working_precision_is_refused(K):
    with pytest.raises(SingularKernelError, match=f"matrix of {len(K)} rows .* must be positive definite"):
        inverse(K)
    with pytest.raises(SingularKernelError, match=f"matrix of {len(K)} rows .* must be positive definite"):
        inverse_with_diagonal(K, np.ones((len(K), 1)))


def test_a_ridge_makes_a_singular_matrix_regular():
    """(1 1' + s I)^-1 = (I - 1 1' / (s + n)) / s."""
    found = inverse(np.ones((4, 4)), shift=0.5)
    np.testing.assert_allclose(found.matrix, (np.eye(4) - np.ones((4, 4)) / 4.5) / 0.5, rtol=0, atol=4 * 9 * EPS * 2)


@pytest.mark.parametrize("shift", [-0.1, float("nan"), float("inf")])
def test_a_negative_ridge_is_refused(shift):
    with pytest.raises(UsageError, match="must be at least zero"):
        inverse(np.eye(2), shift=shift)
    with pytest.raises(UsageError, match="must be at least zero"):
        inverse_with_diagonal(np.eye(2), np.ones((2, 1)), shift=shift)


@pytest.mark.parametrize("solve", [eigh, inverse])
def test_a_matrix_that_is_not_square_is_refused(solve):
    """As a user calls it, without the live check of shapes."""
    with pytest.raises(DataError, match=r"must be a square kernel matrix; its shape is \(2, 3\)"):
        inspect.unwrap(solve)(np.ones((2, 3)))
