"""Margins: table K7, an independent quadratic program, certificates, and the identities behind them."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize

from widthwise import theory
from widthwise.errors import DataError
from widthwise.kernels import NTK, HInf
from widthwise.theory import kernel_margin

XOR = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]]) / np.sqrt(2)
XOR_LABELS = np.array([1.0, -1.0, -1.0, 1.0])
THREE = np.array([[1.0, 0.0], [0.6, 0.8], [-5 / 13, 12 / 13]])
THREE_LABELS = np.array([1.0, -1.0, 1.0])


def sphere(n, d, seed=0):
    X = np.random.default_rng(seed).standard_normal((n, d))
    return X / np.linalg.norm(X, axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("kernel", "value"),
    [
        (NTK.chen2019(matrices=2), np.sqrt((1.5 - 2 / np.pi) / 4)),
        (NTK.chen2019(matrices=3), 0.5335892958),
        (NTK.chen2019(matrices=5), 0.6559845352),
        (HInf(), np.sqrt(1 / 8)),
    ],
)
def test_the_margin_of_xor_is_that_of_table_k7(kernel, value):
    found = theory.margin(kernel(XOR), XOR_LABELS)
    # The table has ten digits.
    assert found.value == pytest.approx(value, abs=1e-8)
    np.testing.assert_allclose(found.weights, 0.25, rtol=1e-8)
    assert found.gap <= 1e-9


@pytest.mark.parametrize(
    ("kernel", "value", "weights"),
    [
        (NTK.chen2019(matrices=2), 0.3484330337, (0.3098, 0.4107, 0.2795)),
        (NTK.chen2019(matrices=5), 0.6691640488, (0.2951, 0.4346, 0.2703)),
        (HInf(), 0.2535323226, (0.3284, 0.3700, 0.3016)),
    ],
)
def test_three_points_have_the_margins_of_table_k7(kernel, value, weights):
    found = theory.margin(kernel(THREE), THREE_LABELS)
    assert found.value == pytest.approx(value, abs=1e-9)
    np.testing.assert_allclose(found.weights, weights, atol=5e-5)


@pytest.mark.parametrize("seed", range(4))
def test_the_margin_is_that_of_an_independent_solver_and_its_certificate_closes(seed):
    X, y = sphere(40, 5, seed), np.random.default_rng(seed + 10).choice([-1.0, 1.0], 40)
    K = HInf()(X)
    found = theory.margin(K, y)
    assert found.gap <= 1e-9
    assert found.low <= found.high
    # Non-negative least squares, on another formulation and another code.
    other = kernel_margin._least_distance(K * np.outer(y, y))
    np.testing.assert_allclose(found.weights, other, atol=1e-8)
    # No random point of the simplex does better, and sequential programming from the middle comes no lower.
    M = K * np.outer(y, y)
    rivals = np.random.default_rng(seed).dirichlet(np.ones(40), 500)
    assert np.all(np.einsum("ij,jk,ik->i", rivals, M, rivals) >= found.high**2)
    smooth = scipy.optimize.minimize(
        lambda q: q @ M @ q,
        np.full(40, 1 / 40),
        jac=lambda q: 2 * M @ q,
        method="SLSQP",
        bounds=[(0, 1)] * 40,
        constraints={"type": "eq", "fun": lambda q: q.sum() - 1},
        options={"ftol": 1e-14, "maxiter": 500},
    )
    assert np.sqrt(smooth.fun) == pytest.approx(found.value, rel=1e-5)


def test_the_corollary_is_the_smallest_norm_of_labels_beyond_the_margin():
    """Inf { t'K^-1 t : y_i t_i >= 1 } = 1 / gamma^2: solved here in t, by bounded least squares on a Cholesky factor."""
    K, y = HInf()(sphere(30, 4)), np.random.default_rng(1).choice([-1.0, 1.0], 30)
    factor = np.linalg.cholesky(K)
    root = np.linalg.solve(factor, np.diag(y))
    found = scipy.optimize.lsq_linear(root, np.zeros(30), bounds=(1.0, np.inf), tol=1e-14, max_iter=1000)
    margin = theory.margin(K, y)
    assert 2 * found.cost == pytest.approx(1 / margin.value**2, rel=1e-6)
    assert margin.cao_gu() == pytest.approx(np.sqrt(2 * found.cost / 30), rel=1e-6)
    assert margin.cao_gu(3) == 3 * margin.cao_gu()
    # Never above Arora's number over root two, which takes t = y.
    assert margin.cao_gu() <= theory.complexity(K, y).value / np.sqrt(2) + 1e-12


def test_orthonormal_rows_share_the_weight():
    found = theory.margin(np.eye(9), np.ones(9))
    assert found.value == pytest.approx(1 / 3, rel=1e-14)


def test_twins_in_conflict_have_no_margin_and_are_named():
    X = np.vstack([sphere(10, 3), sphere(10, 3)[4:5]])
    y = np.append(np.ones(10), -1.0)
    found = theory.margin(HInf()(X), y)
    assert (found.value, found.low, found.gap) == (0.0, 0.0, 0.0)
    assert sorted(found.support[:2]) == [4, 10]
    assert found.cao_gu() == np.inf


def test_twins_that_agree_change_nothing():
    X, y = sphere(20, 3), np.random.default_rng(2).choice([-1.0, 1.0], 20)
    alone = theory.margin(HInf()(X), y)
    twice = theory.margin(HInf()(np.vstack([X, X[:5]])), np.append(y, y[:5]))
    assert twice.value == pytest.approx(alone.value, rel=1e-7)
    assert twice.gap <= 1e-7


def test_more_rows_never_widen_the_margin():
    X, y = sphere(60, 6), np.random.default_rng(3).choice([-1.0, 1.0], 60)
    margins = [theory.margin(HInf()(X[:n]), y[:n]).value for n in (10, 20, 40, 60)]
    assert np.all(np.diff(margins) <= 1e-12)


def test_the_shallow_margin_of_xor_is_root_two_over_four():
    """By symmetry the weights are even; a neuron sees one of four half-planes and the mean norm is sqrt(2)/4 exactly."""
    found = theory.shallow_margin(XOR, XOR_LABELS, seed=0, neurons=8192)
    np.testing.assert_allclose(found.weights, 0.25, atol=0.02)
    # The error of the weights moves the value by its square; four standard errors and that.
    assert abs(found.value - np.sqrt(2) / 4) <= 4 * found.standard_error + 0.02**2
    assert found.attained <= np.sqrt(2) / 4 + 4 * found.standard_error + 0.01


@pytest.mark.parametrize("seed", range(2))
def test_the_shallow_margin_is_no_wider_than_the_kernels_and_bracketed(seed):
    X = sphere(25, 4, seed)
    y = np.where(X[:, 0] > 0, 1.0, -1.0)
    found = theory.shallow_margin(X, y, seed=seed, neurons=8192)
    assert found.value <= theory.margin(HInf()(X), y).value + 4 * found.standard_error
    assert found.attained <= found.value + 4 * found.standard_error
    # Both certificates close to what the two samples of neurons scatter.
    assert found.value - found.attained <= 0.1 * found.value


def test_labels_that_are_not_signs_are_refused():
    with pytest.raises(DataError, match="-1 or \\+1"):
        theory.margin(np.eye(2), np.array([0.0, 1.0]))
    with pytest.raises(DataError, match="-1 or \\+1"):
        theory.shallow_margin(np.eye(2), np.array([0.5, 1.0]), seed=0)
