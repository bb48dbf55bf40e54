"""Flatness, sharpness and margins where they are known in closed form: networks linear in their parameters."""

from __future__ import annotations

import dataclasses
import inspect
import itertools

import jax.numpy as jnp
import numpy as np
import pytest

from widthwise._jax import float64
from widthwise.errors import DataError, UsageError
from widthwise.kernels.activations import LeakyReLU
from widthwise.networks import MLP
from widthwise.training import measures

EPS = float(np.finfo(np.float64).eps)
GENERATOR = np.random.default_rng(0)
X, Y = GENERATOR.standard_normal((10, 4)), GENERATOR.standard_normal((10, 1))
LINEAR = MLP(widths=(6,), activation="linear", antisymmetric=False, readout="gaussian")


def started(net, d=4, seed=0):
    with float64():
        return {name: np.asarray(value) for name, value in net.init(seed, d=d).items()}


def minimum(net=LINEAR):
    """Parameters of the linear network that fit by least squares, and the Hessian of the mean loss there."""
    params = started(net)
    best = np.linalg.lstsq(X, Y, rcond=None)[0]
    readout = net.factors[-1] * params["a"]
    params["W"] = readout @ best.T / np.sum(readout**2)
    hessian = np.kron(readout @ readout.T, X.T @ X) / len(X)
    return params, hessian


def test_noise_on_a_linear_network_raises_the_loss_by_half_the_trace_of_its_hessian():
    params, H = minimum()
    found = measures.flatness(LINEAR, params, X, Y, measure="loss", rise=0.3, draws=400)
    exact = np.sqrt(2 * 0.3 / np.trace(H))
    # The rise is quadratic in sigma, so that its relative standard error is twice that of sigma.
    relative = found.standard_error / found.rise
    assert found.rise == pytest.approx(0.3, rel=1e-6)
    assert abs(found.sigma / exact - 1) < 4 * relative / 2
    assert 0 < relative < 0.1
    residual = Y - X @ np.linalg.lstsq(X, Y, rcond=None)[0]
    assert found.start == pytest.approx(np.mean(residual**2) / 2, rel=1e-9)


def test_opposite_draws_cancel_what_is_linear_in_the_noise():
    """Away from the minimum the gradient's part is linear: with it the standard error would be several times as large."""
    params, _ = minimum()
    away = {**params, "W": params["W"] + 1.0}
    there = measures.flatness(LINEAR, away, X, Y, measure="loss", rise=0.3, draws=400)
    here = measures.flatness(LINEAR, params, X, Y, measure="loss", rise=0.3, draws=400)
    assert there.sigma == pytest.approx(here.sigma, rel=1e-5)


def test_noise_in_proportion_leaves_a_weight_of_zero_nearly_alone():
    params, H = minimum()
    found = measures.flatness(LINEAR, params, X, Y, measure="loss", rise=0.3, draws=400, relative=True)
    scales = (np.abs(params["W"]) + 1e-3).ravel()
    exact = np.sqrt(2 * 0.3 / np.sum(np.diag(H) * scales**2))
    assert abs(found.sigma / exact - 1) < 4 * found.standard_error / found.rise / 2


def test_the_error_of_one_row_rises_as_a_normal_variable_changes_sign():
    from scipy.stats import norm

    x, label = X[:1], np.array([[1.0]])
    params = started(LINEAR)
    readout = LINEAR.factors[-1] * params["a"]
    params["W"] = 2.0 * readout @ x / (np.sum(readout**2) * np.sum(x**2))
    found = measures.flatness(LINEAR, params, x, label, loss="logistic", measure="error", rise=0.1, draws=1000)
    # f = 2 + sigma |readout| |x| N: wrong with probability 0.1, to within four standard errors of 1000 pairs.
    low, high = (2.0 / (norm.isf(p) * np.linalg.norm(readout) * np.linalg.norm(x)) for p in (0.1 - 0.038, 0.1 + 0.038))
    assert low < found.sigma < high


def test_an_error_that_cannot_rise_bears_any_noise():
    params = started(LINEAR)
    wrong = -np.sign(X @ params["W"].T @ params["a"])
    found = measures.flatness(LINEAR, params, X, wrong, loss="logistic", rise=0.1, draws=400)
    assert found.start == 1.0
    assert found.sigma == np.inf


def test_the_measure_of_complexity_is_the_formula():
    params, _ = minimum()
    found = measures.flatness(LINEAR, params, X, Y, measure="loss", rise=0.3, draws=400)
    expected = np.sqrt((9.0 / (4 * found.sigma**2) + np.log(10 / found.sigma) + 10) / 10)
    assert found.complexity(3.0, 10) == pytest.approx(expected)


def test_in_proportion_to_each_parameter_it_counts_logarithms_of_the_updates():
    found = measures.Flatness(
        sigma=0.5, start=0.0, rise=0.1, standard_error=0.01, draws=10, measure="error", relative=True
    )
    update, n = np.array([0.3, -0.4, 0.0]), 20
    # Mean square 1/12; a parameter that stayed counts by epsilon.
    logs = sum(np.log((1e-6 + 1.25 / 12) / (1e-6 + 0.25 * d**2)) for d in (0.3, 0.4, 0.0))
    assert found.magnitude_complexity(update, n) == pytest.approx(np.sqrt((logs / 4 + np.log(40) + 10) / 20), rel=1e-12)
    with pytest.raises(UsageError, match="relative=True"):
        dataclasses.replace(found, relative=False).magnitude_complexity(update, n)


def test_the_worst_direction_of_a_quadratic_loss_is_its_first_eigenvector():
    params, H = minimum()
    radius = 0.7
    found = measures.sharpness(LINEAR, params, X, Y, radius=radius, iterations=300)
    top = np.linalg.eigvalsh(H)[-1]
    # Power iteration: the second eigenvalue over the first to the power of twice the iterations is nothing.
    assert found.rise == pytest.approx(radius**2 * top / 2, rel=1e-9)
    assert found.curvature == pytest.approx(top, rel=1e-9)
    few = measures.sharpness(LINEAR, params, X, Y, radius=radius, iterations=1, starts=1)
    assert few.rise <= found.rise


@pytest.mark.parametrize("form", ["relu", LeakyReLU(-2.0)], ids=["ReLU", "steep below zero"])
def test_the_spectral_norm_bounds_every_change_of_the_outputs(form):
    net = MLP(widths=(7, 5), antisymmetric=False, readout="gaussian", activation=form, bias_variance=0.4)
    params = started(net)
    norm = measures.spectral_norm(net, params)
    by_hand = np.prod([s * np.linalg.svd(params[n])[1][0] for s, n in zip(net.factors, net.weight_names, strict=True)])
    assert norm == pytest.approx(by_hand * (1 if form == "relu" else 4), rel=20 * EPS)
    with float64():
        held = {name: jnp.asarray(value) for name, value in params.items()}
        moved = GENERATOR.standard_normal((200, 4))
        f, g = (np.asarray(net.apply(held, jnp.asarray(rows)))[:, 0] for rows in (moved[:100], moved[100:]))
    assert np.all(np.abs(f - g) <= norm * np.linalg.norm(moved[:100] - moved[100:], axis=1))


@pytest.mark.parametrize("exponent", [1.0, 2.0])
def test_the_path_norm_is_the_sum_over_all_paths(exponent):
    net = MLP(widths=(3, 2), antisymmetric=False, readout="gaussian", outputs=2, bias_variance=0.4)
    params = started(net)
    W, V, a = (s * params[n] for s, n in zip(net.factors, net.weight_names, strict=True))
    b, b2, c = (net.bias_factor * params[n] for n in net.bias_names)
    paths = [W[j, i] * V[k, j] * a[k, o] for i, j, k, o in itertools.product(range(4), range(3), range(2), range(2))]
    paths += [b[j] * V[k, j] * a[k, o] for j, k, o in itertools.product(range(3), range(2), range(2))]
    paths += [b2[k] * a[k, o] for k, o in itertools.product(range(2), range(2))] + list(c)
    expected = np.sum(np.abs(paths) ** exponent) ** (1 / exponent)
    assert measures.path_norm(net, params, exponent=exponent) == pytest.approx(expected, rel=50 * EPS)
    scaled = {**params, "W2": params["W2"] * [[3.0], [0.5]], "b2": params["b2"] * [3.0, 0.5]}
    scaled["a"] = params["a"] / [[3.0], [0.5]]
    assert measures.path_norm(net, scaled, exponent=exponent) == pytest.approx(expected, rel=50 * EPS)


def test_normalised_margins_do_not_change_when_the_network_is_scaled():
    net = MLP(widths=(7,), antisymmetric=False, readout="gaussian", outputs=3)
    params, labels = started(net), np.eye(3)[np.arange(10) % 3]
    more = {**params, "W": 2.5 * params["W"]}
    plain = measures.normalised_margins(net, params, X, labels, normaliser="none")
    for name in ("spectral", "path"):
        first, second = (measures.normalised_margins(net, p, X, labels, normaliser=name) for p in (params, more))
        np.testing.assert_allclose(first.margins, second.margins, rtol=100 * EPS, atol=100 * EPS)
        np.testing.assert_allclose(first.margins * first.norm, plain.margins, rtol=100 * EPS)
    assert plain.percentile(0.0) == plain.margins.min()
    assert plain.percentile(50.0) == np.median(plain.margins)


def test_what_does_not_fit_is_refused():
    params = started(LINEAR)
    with pytest.raises(UsageError, match="'loss' or 'error'; 'rank' came"):
        inspect.unwrap(measures.flatness)(LINEAR, params, X, Y, measure="rank")
    with pytest.raises(UsageError, match="rise must be a positive number"):
        measures.flatness(LINEAR, params, X, Y, rise=0.0)
    with pytest.raises(DataError, match="1 outputs, y 2 columns"):
        measures.sharpness(LINEAR, params, X, np.ones((10, 2)), radius=1.0)
    with pytest.raises(UsageError, match="'none', 'spectral' or 'path'; 'l1' came"):
        inspect.unwrap(measures.normalised_margins)(LINEAR, params, X, Y, normaliser="l1")
    smooth = MLP(widths=(4,), activation="erf", antisymmetric=False)
    with pytest.raises(UsageError, match="norms by layers"):
        measures.spectral_norm(smooth, started(smooth))
    with pytest.raises(UsageError, match="between 0 and 100"):
        measures.normalised_margins(LINEAR, params, X, np.sign(Y), loss="logistic").percentile(101.0)
