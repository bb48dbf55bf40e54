"""The kernels as pure JAX functions: the classes' values, and derivatives that are finite everywhere."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from widthwise.kernels import NNGP, NTK, HInf
from widthwise.kernels.functions import evaluate, hinf, nngp, ntk

EPS = np.finfo(np.float64).eps
KERNELS = [
    HInf(),
    NTK(depth=2),
    NNGP(depth=7),
    NTK(depth=2, bias_variance=0.1),
    NTK(depth=2, activation="erf"),
    NTK(depth=2, activation="abs"),
]
every_kernel = pytest.mark.parametrize("kernel", KERNELS, ids=repr)
X = np.random.default_rng(0).standard_normal((5, 3))
SPECIAL = {"same": (X[0], X[0]), "opposite": (X[0], -X[0]), "zero": (np.zeros(3), X[1]), "zeros": (0 * X[0], 0 * X[0])}


@every_kernel
def test_values_are_those_of_the_class_in_both_precisions(kernel):
    matrix = jax.jit(jax.vmap(jax.vmap(lambda x, z: evaluate(kernel, x, z), (None, 0)), (0, None)))
    K = kernel(X)
    size = np.diag(K).max()
    with jax.enable_x64(True):
        double = np.asarray(matrix(jnp.asarray(X), jnp.asarray(X)))
    # A few roundings a layer; in float32 an angle near a pole is off by a few units as well.
    np.testing.assert_allclose(double, K, rtol=0, atol=200 * EPS * size)
    single = np.asarray(matrix(jnp.asarray(X, jnp.float32), jnp.asarray(X, jnp.float32)))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, K, rtol=0, atol=200 * np.finfo(np.float32).eps * size)


@every_kernel
def test_first_and_second_derivatives_are_finite_at_kinks_and_at_zero(kernel):
    x, z = (jnp.asarray(side, jnp.float32) for side in zip(*SPECIAL.values(), strict=True))
    of = lambda u, v: evaluate(kernel, u, v)  # noqa: E731
    first, second = jax.jit(jax.vmap(lambda u, v: (jax.grad(of)(u, v), jax.hessian(of)(u, v))))(x, z)
    for number, place in enumerate(SPECIAL):
        assert np.all(np.isfinite(first[number])), place
        assert np.all(np.isfinite(second[number])), place


@every_kernel
def test_the_gradient_is_that_of_central_differences_away_from_kinks(kernel):
    with jax.enable_x64(True):
        x, z = jnp.asarray(X[0]), jnp.asarray(X[1])
        found = np.asarray(jax.grad(lambda u: evaluate(kernel, u, z))(x))
    step = 1e-5
    expected = [(kernel([X[0] + h], [X[1]]) - kernel([X[0] - h], [X[1]]))[0, 0] / (2 * step) for h in step * np.eye(3)]
    # Third derivatives of order 10 times step^2 / 6, and 1e-14 of the kernel over the step.
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-8 * max(1, kernel.diag(X).max()))


def test_the_named_functions_take_the_arguments_of_the_classes():
    x, z = jnp.asarray(X[0], jnp.float32), jnp.asarray(X[1], jnp.float32)
    assert ntk(x, z, depth=2, bias_variance=0.1) == evaluate(NTK(depth=2, bias_variance=0.1), x, z)
    assert nngp(x, z, depth=2) == evaluate(NNGP(depth=2), x, z)
    assert hinf(x, z) == evaluate(HInf(), x, z)
