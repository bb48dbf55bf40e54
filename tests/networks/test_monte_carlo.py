"""Kernels by sampling: unbiased, with a standard error that can be believed."""

from __future__ import annotations

import inspect
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
import scipy.stats

from widthwise._jax import float64
from widthwise.errors import DataError, UsageError
from widthwise.kernels import NNGP, HInf
from widthwise.networks import MLP, empirical_ntk, monte_carlo_kernel

THREE = np.array([[1.0, 0.0], [3 / 5, 4 / 5], [-5 / 13, 12 / 13]])


@pytest.mark.parametrize(
    ("net", "kind", "truth"),
    [
        pytest.param(MLP(widths=(64,)), "ntk", HInf(), marks=pytest.mark.slow),
        (MLP(widths=(64,), antisymmetric=False), "nngp", NNGP(depth=1, weight_variance=1.0)),
    ],
    ids=["ntk", "nngp"],
)
def test_intervals_cover_the_truth_as_often_as_they_say(net, kind, truth):
    """Two layers: the mean is the limit at every width, so 95 % intervals of Student's t cover it 95 times in 100."""
    repeats, samples = 300, 10
    generator = np.random.default_rng(0)
    quantile = scipy.stats.t.ppf(0.975, samples - 1)
    expected = truth(THREE)[0, 2]
    covered = 0
    for _ in range(repeats):
        found = monte_carlo_kernel(net, THREE, samples=samples, seed=generator, kind=kind)
        covered += abs(found.mean[0, 2] - expected) < quantile * found.standard_error[0, 2]
    assert abs(covered / repeats - 0.95) < 4 * np.sqrt(0.95 * 0.05 / repeats), covered


def test_mean_and_error_are_those_of_the_samples():
    net = MLP(widths=(8, 6), antisymmetric=False, trained="all", outputs=2, bias_variance=0.1)
    found = monte_carlo_kernel(net, THREE, THREE[:2], samples=7, seed=5)
    generator = np.random.default_rng(5)
    with float64():
        kernels = np.array(
            [
                np.einsum("ijcc->ij", empirical_ntk(net, net.init(generator, d=2), *rows, outputs="full")) / 2
                for rows in [tuple(np_to_jax(THREE, THREE[:2]))] * 7
            ]
        )
    np.testing.assert_allclose(found.mean, kernels.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(found.standard_error, kernels.std(axis=0, ddof=1) / np.sqrt(7), rtol=1e-11)
    assert found.samples == 7
    assert found.mean.dtype == found.standard_error.dtype == np.float64
    with pytest.raises(FrozenInstanceError):
        found.samples = 3


def np_to_jax(*arrays):
    import jax.numpy as jnp

    return [jnp.asarray(values) for values in arrays]


def test_the_covariance_is_that_of_outputs():
    """Products of sampled outputs, with biases, in two parametrisations: the slow estimate of the same mean."""
    for form in ("ntk", "standard"):
        net = MLP(
            widths=(8, 6),
            antisymmetric=False,
            outputs=50,
            readout="gaussian",
            bias_variance=0.2,
            last_variance=0.5,
            parametrisation=form,
        )
        found = monte_carlo_kernel(net, THREE, samples=400, seed=0, kind="nngp")
        generator = np.random.default_rng(1)
        (X,) = np_to_jax(THREE)
        outputs = np.array([np.asarray(net.apply(net.init(generator, d=2), X), np.float64) for _ in range(400)])
        products = np.einsum("sik,sjk->sij", outputs, outputs) / 50
        error = np.sqrt(products.var(axis=0, ddof=1) / 400 + found.standard_error**2)
        assert np.all(np.abs(products.mean(axis=0) - found.mean) < 4 * error), form


def test_the_covariance_of_chen_et_al_carries_their_factor():
    """f(0) has covariance m^(2 alpha - 1) Sigma: Sigma itself at alpha one half (table K4, one hidden layer)."""
    found = monte_carlo_kernel(MLP.chen2019(2, 256), THREE, samples=50, seed=0, kind="nngp")
    assert abs(found.mean[0, 1] - 0.6775475678) < 4 * found.standard_error[0, 1]


def test_the_same_seed_gives_the_same_estimate():
    net = MLP(widths=(8,))
    one, two, other = (monte_carlo_kernel(net, THREE, samples=3, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(one.mean, two.mean)
    assert not np.array_equal(one.mean, other.mean)


def test_what_cannot_be_estimated_is_refused():
    net = MLP(widths=(8,))
    with pytest.raises(UsageError, match="samples must be an integer of at least 2; 1 came"):
        monte_carlo_kernel(net, THREE, samples=1, seed=0)
    with pytest.raises(UsageError, match="antisymmetric start are zero"):
        monte_carlo_kernel(net, THREE, samples=2, seed=0, kind="nngp")
    with pytest.raises(UsageError, match="kind must be 'ntk' or 'nngp'; 'other' came"):
        inspect.unwrap(monte_carlo_kernel)(net, THREE, samples=2, seed=0, kind="other")
    with pytest.raises(DataError, match="X must be finite"):
        monte_carlo_kernel(net, [[np.nan, 1.0]], samples=2, seed=0)
    with pytest.raises(DataError, match="as many columns: 2 and 3 came"):
        monte_carlo_kernel(net, THREE, np.ones((2, 3)), samples=2, seed=0)
