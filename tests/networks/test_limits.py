"""The way to infinite width: the kernel of every parametrisation tends to its closed form, like m to the power -1/2."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from widthwise.kernels import NNGP, NTK, HInf
from widthwise.networks import MLP, Normal, ResidualNetwork, empirical_ntk, monte_carlo_kernel

# Unit vectors at cosines .6 and 0, and an antipode.
ROWS = np.array([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0], [-1.0, 0.0]])
PLAIN = {"antisymmetric": False, "trained": "all"}


def _deep(depth, **more):
    return lambda m: MLP(widths=(m,) * depth, **{**PLAIN, "weight_variance": 2.0, **more})


def _biased(depth, **more):
    return _deep(depth, bias_variance=0.1, input_scale=1.0, **more)


# Network of width m; pairs of rows; value of the limit, from the tables K3 to K6 of closed forms in the literature,
# each of them checked by Monte Carlo when it was tabulated.
TABLE = {
    "two layers, both trained": (lambda m: MLP(widths=(m,), **PLAIN, readout="gaussian"), {(0, 1): 0.5502236133}),
    "two layers, signs, pairs": (lambda m: MLP(widths=(m,), trained="all"), {(0, 1): 0.5502236133}),
    "two layers, first": (lambda m: MLP(widths=(m,)), {(0, 1): 0.2114498294, (0, 0): 0.5, (0, 2): 0.0}),
    "depth 1": (_deep(1), {(0, 1): 1.1004472266, (0, 2): 0.3183098862, (0, 3): 0.0, (0, 0): 2.0}),
    "depth 2": (_deep(2), {(0, 1): 1.5444163007, (0, 2): 0.6857086363, (0, 3): 0.3183098862, (0, 0): 3.0}),
    "depth 3": (_deep(3), {(0, 1): 1.9522866852, (0, 2): 1.0603881068, (0, 3): 0.6857086363, (0, 0): 4.0}),
    "depth 2, first": (_deep(2, trained="first"), {(0, 1): 0.3116589515, (0, 0): 1.0}),
    "depth 2, last": (_deep(2, trained="last"), {(0, 1): 0.7334337858, (0, 3): 0.3183098862}),
    "depth 2, Gaussian readout": (_deep(2, readout="gaussian"), {(0, 1): 1.5444163007, (0, 3): 0.3183098862}),
    "biases, depth 1": (_biased(1), {(0, 1): 1.3774819776, (0, 0): 2.3}),
    "biases, depth 2": (_biased(2), {(0, 1): 2.0719239152, (0, 0): 3.6}),
    # Weights only: the variance of the biases left out of the recursion of the tangent kernel, kept in the covariances.
    "biases frozen, depth 1": (_biased(1, trained="weights"), {(0, 0): 2.1}),
    # Weights of the first layer only, beside random biases of the same scale that are frozen, and that move: table K2.
    "two layers, frozen biases": (
        lambda m: MLP(widths=(m,), antisymmetric=False, bias_laws=(Normal(1.0), None), biases="frozen"),
        {(0, 1): 0.2385501706, (0, 0): 0.5},
    ),
    "two layers, biases": (
        lambda m: MLP(widths=(m,), bias_laws=(Normal(1.0), None)),
        {(0, 1): 0.6361337882, (0, 0): 1.0},
    ),
    "Chen et al., 2 matrices": (lambda m: MLP.chen2019(2, m, alpha=0.0), {(0, 1): 0.8889973972, (0, 0): 1.5}),
    "Chen et al., 3 matrices": (
        lambda m: MLP.chen2019(3, m, alpha=0.0),
        {(0, 1): 1.1389250433, (0, 2): 0.5897198632, (0, 3): 0.3183098862, (0, 0): 2.0},
    ),
}


@pytest.mark.parametrize("case", TABLE)
def test_the_mean_kernel_of_wide_networks_is_the_tabulated_limit(case):
    network, values = TABLE[case]
    found = monte_carlo_kernel(network(400), ROWS, samples=40, seed=1)
    for (i, j), value in values.items():
        # The bias at width m is of order depth / m of the kernel, below the scatter of 40 networks of 400 neurons.
        assert abs(found.mean[i, j] - value) < 4 * found.standard_error[i, j] + 1e-12, (i, j, found.mean[i, j], value)


@pytest.mark.parametrize("depth", [1, 2])
def test_the_mean_field_kernel_times_the_width_is_that_of_the_ntk_parametrisation(depth):
    """The output's factor is that of `ntk` over the root of m, so at one start every gradient is, whatever the layer."""
    m = 64
    ntk, mean_field = (_biased(depth, parametrisation=form)(m) for form in ("ntk", "mean_field"))
    X = jnp.asarray(ROWS, jnp.float32)
    left, right = (empirical_ntk(net, net.init(3, d=2), X, layers=True) for net in (ntk, mean_field))
    for name in left:
        # The output's own bias has no factor of the width in either.
        factor = 1 if name == "c" else m
        np.testing.assert_allclose(factor * right[name], left[name], rtol=1e-5, atol=1e-5)


def naive_residual_ntk(x, z, blocks, beta, v):
    """Kernel of an infinitely wide residual network, all trained: covariances forward, then derivatives backward."""

    def moments(a, b, c):
        angle = np.arccos(np.clip(c / np.sqrt(a * b), -1, 1))
        value = np.sqrt(a * b) * (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / (2 * np.pi)
        return v * value, (np.pi - angle) / (2 * np.pi)

    state = np.array([x @ x, z @ z, x @ z])
    stages = []
    for _ in range(blocks):
        covariance, slope = moments(*state)
        stages.append((state[2], covariance, slope))
        state = state + beta**2 * np.array([v * state[0] / 2, v * state[1] / 2, covariance])
    kernel, backward = state[2], 1.0
    for before, covariance, slope in reversed(stages):
        kernel += beta**2 * backward * (covariance + v * slope * before)
        backward *= 1 + beta**2 * v * slope
    return kernel + backward * (x @ z)


def test_the_kernel_of_wide_residual_networks_is_its_recursion():
    X = np.random.default_rng(5).standard_normal((3, 2))
    found = monte_carlo_kernel(ResidualNetwork(width=96, blocks=2, weight_variance=1.5), X, samples=100, seed=3)
    for i in range(3):
        for j in range(i):
            expected = naive_residual_ntk(X[i], X[j], 2, 2**-0.5, 1.5)
            # The bias is of order blocks / width of the kernel, here a fiftieth of it.
            allowed = 4 * found.standard_error[i, j] + abs(expected) / 50
            assert abs(found.mean[i, j] - expected) < allowed


def test_the_factor_of_chen_et_al_scales_the_kernel_of_gradients():
    X = jnp.asarray(ROWS, jnp.float32)
    plain, scaled = (MLP.chen2019(3, 16, alpha=alpha) for alpha in (0.0, 0.5))
    left, right = (np.asarray(empirical_ntk(net, net.init(0, d=2), X)) for net in (plain, scaled))
    np.testing.assert_allclose(16 * left, right, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("network", "limit", "kind"),
    [
        (lambda m: MLP(widths=(m,), antisymmetric=False), HInf(), "ntk"),
        (lambda m: MLP(widths=(m,), **PLAIN, readout="gaussian"), NTK(depth=1, weight_variance=1.0), "ntk"),
        (_deep(2), NTK(depth=2), "ntk"),
        (_deep(3, trained="first"), NTK(depth=3, trained="first"), "ntk"),
        (_deep(2, readout="gaussian", input_scale=0.7), NNGP(depth=2, input_scale=0.7), "nngp"),
    ],
    ids=["first layer", "both layers", "depth 2", "depth 3, first", "covariance of depth 2"],
)
def test_the_mean_kernel_is_the_closed_form_for_rows_of_any_norm(network, limit, kind):
    X = np.random.default_rng(3).standard_normal((4, 3))
    found = monte_carlo_kernel(network(400), X, X[:2], samples=40, seed=2, kind=kind)
    assert np.all(np.abs(found.mean - limit(X, X[:2])) < 4.5 * found.standard_error)


@pytest.mark.parametrize(
    "case", ["two layers, both trained", "depth 2", "biases, depth 2", "Chen et al., 3 matrices", "two layers, first"]
)
@pytest.mark.slow
def test_the_kernel_falls_to_its_limit_like_one_over_the_root_of_the_width(case):
    network, values = TABLE[case]
    limit = values[0, 1]
    draws, widths = 200, np.array([32, 64, 128, 256, 512])
    X = jnp.asarray(ROWS[:2], jnp.float32)
    errors = []
    for m in widths:
        net, generator = network(int(m)), np.random.default_rng(int(m))
        kernels = [np.asarray(empirical_ntk(net, net.init(generator, d=2), X), np.float64)[0, 1] for _ in range(draws)]
        errors.append(np.sqrt(np.mean((np.array(kernels) - limit) ** 2)))
    x, y = np.log(widths), np.log(errors)
    slope = np.polyfit(x, y, 1)[0]
    # A root mean square of N nearly normal draws is off by 1 / sqrt(2 N) of itself, half as much again for fatter tails.
    half = 3 * 1.5 / np.sqrt(2 * draws) / np.sqrt(np.sum((x - x.mean()) ** 2))
    assert half < 0.12
    assert slope - half < -0.5 < slope + half, (slope, half)


def test_couplings_of_outputs_vanish_with_the_width():
    """Two outputs of one network: independent readouts, so the coupling is centred and its scatter falls like m^-1/2."""
    X = jnp.asarray(ROWS[:2], jnp.float32)
    scatter = []
    for m in (64, 1024):
        net, generator = MLP(widths=(m,), outputs=2, antisymmetric=False), np.random.default_rng(m)
        couplings = np.array(
            [empirical_ntk(net, net.init(generator, d=2), X, outputs="full")[0, 1, 0, 1] for _ in range(200)],
            np.float64,
        )
        assert abs(couplings.mean()) < 4 * couplings.std() / np.sqrt(len(couplings))
        scatter.append(couplings.std())
    # A ratio of two standard deviations of 200 draws each is off by 1 / sqrt(200): four of those, around a fall of four.
    assert abs(scatter[0] / scatter[1] / 4 - 1) < 4 / np.sqrt(200)
