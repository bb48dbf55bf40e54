"""Other libraries' conventions: their formulas, transcribed naively; `benchmarks/conventions.py` asks the packages themselves."""

from __future__ import annotations

import math

import numpy as np
import pytest

from widthwise.errors import UsageError
from widthwise.kernels import LeakyReLU, conventions

X = np.random.default_rng(0).standard_normal((7, 5))
# A dozen layers of a few operations each, and angles from cosines away from the poles.
RTOL = 1e-12


def kernel_value_batch(X, d_max):
    """Transcribed from the UCI experiments of arora2019b, index [depth][fixed]."""
    K = np.zeros((d_max, d_max, len(X), len(X)))
    for fix_dep in range(d_max):
        S = X @ X.T
        H = np.zeros_like(S)
        for dep in range(d_max):
            if fix_dep <= dep:
                H = H + S
            K[dep][fix_dep] = H
            L = np.diag(S)
            P = np.clip(np.sqrt(np.outer(L, L)), 1e-9, None)
            Sn = np.clip(S / P, -1, 1)
            S = (Sn * (math.pi - np.arccos(Sn)) + np.sqrt(1 - Sn * Sn)) * P / 2 / math.pi
            H = H * (math.pi - np.arccos(Sn)) / 2 / math.pi
    return K


def apart(K):
    """Off the diagonal, where a rounded cosine of one costs eight digits there."""
    return K[~np.eye(len(K), dtype=bool)]


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_the_kernels_of_the_uci_experiments(depth):
    K = kernel_value_batch(X, depth + 1)[depth]
    for fixed in (0, depth):
        found = conventions.leoyu(depth, fixed=fixed)(X)
        np.testing.assert_allclose(apart(found), apart(K[fixed]), rtol=RTOL, atol=1e-14)
        np.testing.assert_allclose(np.diag(found), np.diag(K[fixed]), rtol=1e-7)


def test_other_numbers_of_fixed_matrices_are_refused():
    with pytest.raises(UsageError, match=r"fixed must be 0 .* or 3"):
        conventions.leoyu(3, fixed=1)


@pytest.mark.parametrize("depth", [1, 3])
def test_the_kernel_of_scikit_ntk(depth):
    """Their class, transcribed for bias 0: tangent and covariance, over depth + 1."""
    S = X @ X.T
    K = S
    for _ in range(depth):
        sizes = np.sqrt(np.outer(np.diag(S), np.diag(S)))
        rho = np.clip(S / sizes, -1, 1)
        S = (rho * (np.pi - np.arccos(rho)) + np.sqrt(1 - rho**2)) * sizes / np.pi
        K = K * (np.pi - np.arccos(rho)) / np.pi + S
    np.testing.assert_allclose(apart(conventions.scikit_ntk(depth)(X)), apart(K) / (depth + 1), rtol=RTOL, atol=1e-14)


@pytest.mark.parametrize(("W", "b"), [(1.0, 0.0), (1.5, 0.3)])
@pytest.mark.parametrize("activation", ["relu", "abs", "erf", LeakyReLU(0.2)], ids=repr)
def test_the_kernels_of_neural_tangents(W, b, activation):
    """Each dense layer: W^2 times what comes, over the fan-in, plus b^2; the mean over the Gaussian by Gauss-Hermite quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(300)
    weights = weights / weights.sum()
    values = {
        "relu": (lambda u: np.maximum(u, 0), lambda u: u > 0),
        "abs": (np.abs, np.sign),
        "erf": (np.vectorize(math.erf), lambda u: 2 / math.sqrt(math.pi) * np.exp(-(u**2))),
        LeakyReLU(0.2): (lambda u: np.where(u > 0, u, 0.2 * u), lambda u: np.where(u > 0, 1.0, 0.2)),
    }
    value, slope = values[activation]
    x, z = X[0], X[1]
    q, p, r = (W**2 * (u @ v) / 5 + b**2 for u, v in ((x, x), (x, z), (z, z)))
    first = np.sqrt(q) * nodes[:, None]
    second = p / np.sqrt(q) * nodes[:, None] + np.sqrt(r - p * p / q) * nodes
    mean = np.einsum("i,j,ij->", weights, weights, value(first) * value(second))
    gate = np.einsum("i,j,ij->", weights, weights, slope(first) * slope(second))
    expected = {"nngp": W**2 * mean + b**2, "ntk": W**2 * mean + b**2 + W**2 * gate * p}
    # Kinks cost the quadrature: errors like 1/nodes for a jump, its square for a kink; erf is smooth.
    tolerance = 1e-10 if activation == "erf" else 2 / 300
    for get, exact in expected.items():
        kernel = conventions.neural_tangents(1, columns=5, W_std=W, b_std=b, get=get, activation=activation)
        assert abs(kernel([x], [z])[0, 0] - exact) <= tolerance * (1 + W**2) * np.sqrt(q * r)
