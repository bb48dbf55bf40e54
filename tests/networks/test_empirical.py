"""Tangent kernels of finite networks: the Jacobian's Gram matrix, and the way to the limit."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from widthwise._jax import float64
from widthwise.kernels import HInf
from widthwise.networks import MLP, empirical_ntk

THREE = np.array([[1.0, 0.0], [3 / 5, 4 / 5], [-5 / 13, 12 / 13]])


@pytest.mark.parametrize("antisymmetric", [True, False])
@pytest.mark.parametrize("output", [0, 1])
def test_the_kernel_is_the_gram_matrix_of_the_jacobian_of_each_output(antisymmetric, output):
    net = MLP(widths=(64,), antisymmetric=antisymmetric, outputs=2, kappa=0.3)
    generator = np.random.default_rng(0)
    X, Z = generator.standard_normal((5, 3)), generator.standard_normal((4, 3))
    with float64():
        params = net.init(0, d=3)

        def jacobian(rows):
            derivative = jax.jacobian(lambda W: net.apply({"W": W, "a": params["a"]}, jnp.asarray(rows))[:, output])(
                params["W"]
            )
            return np.asarray(derivative).reshape(len(rows), -1)

        # Sums of 64 * 3 products of order one, in float64.
        atol = 192 * 10 * np.finfo(np.float64).eps
        found = np.asarray(empirical_ntk(net, params, jnp.asarray(X)))
        np.testing.assert_allclose(found, jacobian(X) @ jacobian(X).T, rtol=0, atol=atol)
        found = np.asarray(empirical_ntk(net, params, jnp.asarray(X), jnp.asarray(Z)))
        np.testing.assert_allclose(found, jacobian(X) @ jacobian(Z).T, rtol=0, atol=atol)


def test_the_derivative_of_relu_at_zero_is_one():
    net = MLP(widths=(4,))
    params = {"W": jnp.zeros((4, 2)), "a": net.init(0, d=2)["a"]}
    X = jnp.asarray(THREE, jnp.float32)
    np.testing.assert_allclose(empirical_ntk(net, params, X), X @ X.T, rtol=0, atol=1e-6)


def _off_diagonals(width, draws, *, antisymmetric=True):
    net = MLP(widths=(width,), antisymmetric=antisymmetric)
    X = jnp.asarray(THREE, jnp.float32)
    one = jax.jit(lambda params: empirical_ntk(net, params, X))
    generator = np.random.default_rng(width)
    kernels = np.array([one(net.init(generator, d=2)) for _ in range(draws)], np.float64)
    return kernels[:, *np.triu_indices(3, 1)]


@pytest.mark.parametrize("antisymmetric", [True, False])
def test_the_kernel_at_the_start_is_unbiased_for_its_limit(antisymmetric):
    """H12, H13, H23 of table K2; the kernel is a mean over neurons, so unbiased at every width."""
    found = _off_diagonals(256, 300, antisymmetric=antisymmetric)
    error = found.std(axis=0, ddof=1) / np.sqrt(len(found))
    expected = HInf()(THREE)[np.triu_indices(3, 1)]
    assert np.all(np.abs(found.mean(axis=0) - expected) < 4 * error)


def test_the_kernel_scatters_around_its_limit_like_one_over_the_root_of_the_width():
    """Standard deviation x'z sqrt(p (1 - p) / neurons drawn), p the share of gates open for both; pairs halve them."""
    draws = 300
    limit = HInf()(THREE)[np.triu_indices(3, 1)]
    inner = (THREE @ THREE.T)[np.triu_indices(3, 1)]
    share = limit / inner
    for width in (64, 256, 1024):
        found = _off_diagonals(width, draws)
        expected = np.abs(inner) * np.sqrt(share * (1 - share) / (width / 2))
        # A standard deviation from N draws is off by 1 / sqrt(2 N) of itself: four of those.
        np.testing.assert_allclose(found.std(axis=0, ddof=1), expected, rtol=4 / np.sqrt(2 * draws))
