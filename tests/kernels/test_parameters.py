"""Derivatives of kernel matrices are those of finite differences of the kernels themselves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from widthwise.errors import UsageError
from widthwise.kernels import NNGP, NTK
from widthwise.kernels.parameters import matrix, parameter_gradients

ROWS = np.random.default_rng(0).normal(size=(6, 3))


@pytest.mark.parametrize(
    "kernel", [NTK(depth=2, weight_variance=1.6, bias_variance=0.3, input_scale=0.4), NNGP(depth=3)]
)
def test_the_matrix_is_that_of_the_kernel(kernel):
    X = np.vstack([ROWS, ROWS[:1], ROWS[:1] * (1 + 1e-9), -ROWS[1:2], 2.0 * ROWS[2:3]])
    np.testing.assert_allclose(parameter_gradients(kernel, X).values, kernel(X), atol=1e-12 * kernel.diag(X).max())
    np.testing.assert_allclose(matrix(kernel, ROWS, X), kernel(ROWS, X), atol=1e-12 * kernel.diag(X).max())


@pytest.mark.parametrize("kind", [NTK, NNGP])
@pytest.mark.parametrize("depth", [1, 2, 5])
@pytest.mark.parametrize("own", [None, 0.7])
def test_each_derivative_is_that_of_central_differences(kind, depth, own):
    """Five-point differences: truncation and rounding are both below 1e-9 of the kernel."""
    kernel = kind(depth=depth, weight_variance=1.6, bias_variance=0.3, input_scale=0.4, last_variance=own)
    # A duplicate, an antipode and a row of another length in the same direction.
    X = np.vstack([ROWS, ROWS[:1], -ROWS[1:2], 2.0 * ROWS[2:3]])
    found = parameter_gradients(kernel, X)
    step = 1e-3
    for name in ("weight_variance", "bias_variance", "input_scale"):

        def at(shift, name=name):
            return parameter_gradients(replace(kernel, **{name: getattr(kernel, name) + shift}), X).values

        difference = (8.0 * (at(step) - at(-step)) - (at(2 * step) - at(-2 * step))) / (12.0 * step)
        np.testing.assert_allclose(getattr(found, name), difference, atol=1e-7 * np.abs(difference).max())


def test_a_constant_coordinate_moves_every_product_by_its_square():
    kernel = NTK(depth=2, bias_variance=0.1, input_scale=0.5)

    def at(square):
        return parameter_gradients(kernel, np.column_stack([ROWS, np.full(len(ROWS), square**0.5)])).values

    step = 1e-3
    difference = (8.0 * (at(1 + step) - at(1 - step)) - (at(1 + 2 * step) - at(1 - 2 * step))) / (12.0 * step)
    padded = np.column_stack([ROWS, np.ones(len(ROWS))])
    np.testing.assert_allclose(parameter_gradients(kernel, padded).constant, difference, rtol=1e-8)


def test_without_biases_the_weight_variance_is_a_power():
    """K is proportional to v^L."""
    kernel = NNGP(depth=3, weight_variance=1.5)
    found = parameter_gradients(kernel, ROWS)
    np.testing.assert_allclose(found.weight_variance, 3 / 1.5 * kernel(ROWS), rtol=1e-12)
    np.testing.assert_allclose(found.input_scale, kernel(ROWS), rtol=1e-12)


def test_other_networks_are_refused():
    for kernel in (NTK(activation="erf"), NTK(trained="last"), NTK(last_rate=2.0)):
        with pytest.raises(UsageError, match="all parameters trained at one rate"):
            parameter_gradients(kernel, ROWS)
