"""The bound: its Gibbs error in closed form, its constants by hand, and above the true error on a large sample."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from scipy.stats import norm

from widthwise._jax import float64
from widthwise.errors import DataError, UsageError
from widthwise.networks import MLP
from widthwise.theory.bernoulli import kl_inverse
from widthwise.training.pac_bayes import GRID, pac_bayes

D = 5
# One neuron of slope one: f = readout * (w . x).
NET = MLP(widths=(1,), activation="linear", antisymmetric=False)


def sample(n, seed, noise=0.1):
    """Labels of a half-space, a share of them turned round."""
    generator = np.random.default_rng(seed)
    X = generator.standard_normal((n, D))
    y = np.where(X[:, 0] > 0, 1.0, -1.0)
    return X, np.where(generator.random(n) < noise, -y, y)[:, None]


def trained(n, seed, size=3.0):
    X, y = sample(n, seed)
    w = np.linalg.lstsq(X, y, rcond=None)[0]
    with float64():
        start = {name: np.asarray(value) for name, value in NET.init(seed, d=D).items()}
    w = size * w / np.linalg.norm(w) * np.sign(start["a"][0, 0])
    return start, {**start, "W": w.T}, X, y


def gibbs_error(params, sigma, X, y):
    """Mean over the noise of the share of wrong rows, exactly: f is normal with deviation sigma |x|."""
    f = np.sign(params["a"][0, 0]) * (X @ params["W"][0])
    return float(np.mean(norm.cdf(-y[:, 0] * f / (sigma * np.linalg.norm(X, axis=1)))))


@pytest.mark.parametrize("n", [60, 2000])
def test_the_bound_is_above_the_error_on_a_large_sample(n):
    fresh = sample(100_000, 999)
    for seed in range(5):
        start, params, X, y = trained(n, seed)
        found = pac_bayes(NET, start, params, X, y, loss="logistic", seed=seed, draws=300)
        true = gibbs_error(params, found.sigmas["W"], *fresh)
        assert found.bound >= true
        assert found.bound >= found.gibbs_upper >= found.gibbs
        # Five weights: with many rows the bound says something, with few it need not.
        assert n == 60 or not found.vacuous


def test_the_gibbs_error_is_the_closed_form_to_its_standard_error():
    start, params, X, y = trained(60, 1)
    found = pac_bayes(NET, start, params, X, y, loss="logistic", draws=300)
    exact = gibbs_error(params, found.sigmas["W"], X, y)
    # A share of rows has a deviation of at most one half.
    assert abs(found.gibbs - exact) < 4 * 0.5 / math.sqrt(300)
    assert found.gibbs_upper > exact


def test_every_constant_is_in_the_bound():
    start, params, X, y = trained(60, 2)
    found = pac_bayes(NET, start, params, X, y, loss="logistic", delta=0.1, draws=300)
    sigma = found.sigmas["W"]
    scale = np.sqrt(np.mean(start["W"] ** 2))
    assert any(sigma == pytest.approx(t * scale) for t in GRID)
    kl = np.sum((params["W"] - start["W"]) ** 2) / (2 * sigma**2)
    assert found.kl == pytest.approx(kl, rel=1e-12)
    cost = (kl + math.log(2 * math.sqrt(60) * len(GRID) / 0.05)) / 60
    assert found.complexity == pytest.approx(cost, rel=1e-12)
    upper = kl_inverse(found.gibbs, math.log(1 / 0.05) / 300)
    assert found.gibbs_upper == pytest.approx(upper, rel=1e-12)
    with mpmath.workdps(30):
        q, p = mpmath.mpf(upper), mpmath.mpf(found.bound)
        entropy = q * mpmath.log(q / p) + (1 - q) * mpmath.log((1 - q) / (1 - p))
    assert float(entropy) == pytest.approx(cost, rel=1e-9)


def test_no_movement_costs_the_union_bound_and_nothing_else():
    start, _, X, y = trained(60, 3)
    found = pac_bayes(NET, start, start, X, y, loss="logistic", draws=300)
    assert found.kl == 0.0
    assert found.complexity == pytest.approx(math.log(2 * math.sqrt(60) * len(GRID) / 0.025) / 60)


@pytest.mark.slow
def test_a_deviation_for_each_layer_is_chosen_no_worse_and_paid_for():
    net = MLP(widths=(8,), antisymmetric=False, trained="weights", readout="gaussian")
    X, y = sample(200, 4, noise=0.0)
    with float64():
        start = {name: np.asarray(value) for name, value in net.init(0, d=D).items()}
    # The first layer moves far, the second not at all.
    params = {**start, "W": start["W"] + 3 * np.sign(start["a"]) * np.eye(D)[0]}
    one = pac_bayes(net, start, params, X, y, loss="logistic", draws=50)
    two = pac_bayes(net, start, params, X, y, loss="logistic", draws=50, per_layer=True)
    assert two.candidates == len(GRID) ** 2
    assert two.sigmas["W"] / np.sqrt(np.mean(start["W"] ** 2)) >= two.sigmas["a"] / np.sqrt(np.mean(start["a"] ** 2))
    # The price of the larger union is log(29) / 200 nats.
    assert two.bound <= one.bound + 0.1
    assert one.sigmas["W"] / one.sigmas["a"] == pytest.approx(
        np.sqrt(np.mean(start["W"] ** 2) / np.mean(start["a"] ** 2)), rel=1e-12
    )


def test_few_rows_and_a_delta_out_of_range_are_refused():
    start, params, X, y = trained(20, 0)
    with pytest.raises(DataError, match="at least 8 rows; 7 came"):
        pac_bayes(NET, start, params, X[:7], y[:7], loss="logistic")
    with pytest.raises(UsageError, match="delta must lie between 0 and 1"):
        pac_bayes(NET, start, params, X, y, loss="logistic", delta=1.0)
