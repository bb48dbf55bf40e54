"""Block Lanczos against whole eigendecompositions."""

from __future__ import annotations

import numpy as np
import pytest

from widthwise.kernels import NTK
from widthwise.solvers import Matrix, eigh, eigh_factors, spectral_measure, top_eigenpairs

EPS = np.finfo(np.float64).eps


def matrix(n=200):
    return NTK(depth=2)(np.random.default_rng(0).standard_normal((n, 6)))


@pytest.mark.parametrize("k", [1, 3])
def test_the_quadrature_is_exact_for_polynomials_up_to_twice_the_steps(k):
    K = matrix()
    K /= np.linalg.norm(K, 2)
    Y = np.random.default_rng(1).standard_normal((200, k))
    found = spectral_measure(Matrix(K), Y, steps=5)
    for degree in range(10):
        expected = np.einsum("ij,ij->j", Y, np.linalg.matrix_power(K, degree) @ Y)
        np.testing.assert_allclose(found.integrate(lambda t, d=degree: t**d), expected, rtol=1e-11)
    # One degree more is not: the rule is that of Gauss.
    expected = np.einsum("ij,ij->j", Y, np.linalg.matrix_power(K, 10) @ Y)
    assert np.all(np.abs(found.integrate(lambda t: t**10) / expected - 1) > 1e-13)


def test_a_training_curve_from_sixty_products_is_that_of_the_whole_spectrum_within_its_uncertainty():
    K = matrix(300)
    Y = np.sign(np.random.default_rng(1).standard_normal((300, 2)))
    values, vectors = eigh(K)
    energies = (vectors.T @ Y) ** 2
    found = spectral_measure(Matrix(K), Y, steps=60)
    steps = np.array([1, 10, 100, 1000])

    def curve(t):
        return np.clip(1 - t / values[0], 0.0, 1.0) ** (2 * steps[:, None])

    error = np.abs(found.integrate(curve) - curve(values) @ energies)
    # The whole decomposition has rounding of its own: n eps of the squared norm.
    assert np.all(error <= found.uncertainty(curve) + 300 * EPS * np.sum(Y**2))


def test_a_space_that_closes_is_exhausted_and_exact_for_every_function():
    """Labels in three eigenvectors: three steps know all."""
    K = matrix()
    values, vectors = np.linalg.eigh(K)
    y = vectors[:, [199, 150, 10]] @ np.array([1.0, 2.0, 3.0])
    found = spectral_measure(Matrix(K), y, steps=50)
    assert found.exhausted
    assert found.steps < 50
    expected = np.array([1.0, 4.0, 9.0]) @ np.log(values[[199, 150, 10]])
    assert found.integrate(np.log)[0] == pytest.approx(expected, rel=1e-6)


def test_columns_that_depend_on_one_another_do_no_harm():
    K = matrix()
    Y = np.eye(3)[np.random.default_rng(0).integers(0, 3, 200)]
    Y -= Y.mean(axis=0)
    found = spectral_measure(Matrix(K), Y, steps=30)
    np.testing.assert_allclose(found.weights.sum(axis=0), np.sum(Y**2, axis=0), rtol=1e-12)


@pytest.mark.parametrize("m", [1, 10])
def test_the_largest_eigenvalues_are_within_their_residuals(m):
    K = matrix()
    found = top_eigenpairs(Matrix(K), m)
    exact = np.linalg.eigvalsh(K)[::-1][:m]
    assert np.all(np.abs(found.values - exact) <= found.residuals + 200 * EPS * exact[0])
    assert found.residuals.max() <= 1e-7 * exact[0]
    np.testing.assert_allclose(found.vectors.T @ found.vectors, np.eye(m), atol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 3, 60])
def test_factored_eigenvectors_project_and_combine_as_whole_ones(n):
    K = matrix(n)
    Y = np.random.default_rng(1).standard_normal((n, 2))
    values, factors = eigh_factors(K)
    np.testing.assert_allclose(values, np.linalg.eigvalsh(K)[::-1], rtol=0, atol=20 * n * EPS * values[0])
    V = np.asarray(factors)
    np.testing.assert_allclose((V * values) @ V.T, K, rtol=0, atol=20 * n * EPS * values[0])
    np.testing.assert_allclose(factors.project(Y), V.T @ Y, atol=1e-13 * n)
    np.testing.assert_allclose(factors.combine(factors.project(Y)), Y, atol=1e-13 * n)
