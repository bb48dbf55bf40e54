"""What the flow conserves: after one step of descent only the squared gradients are left."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from widthwise.errors import UsageError
from widthwise.kernels.activations import LeakyReLU
from widthwise.networks import MLP
from widthwise.training import probes
from widthwise.training.probes.objective import total_loss

EPS = float(np.finfo(np.float64).eps)
GENERATOR = np.random.default_rng(0)
X, Y = GENERATOR.standard_normal((6, 3)), GENERATOR.standard_normal((6, 2))


def gradient_at_start(net, take, loss="squared"):
    still = take(net, X, Y, update={name: np.zeros(v.shape) for name, v in net.init(0, d=3).items()}, loss=loss)
    start = still.start
    G = jax.jit(jax.grad(lambda params: total_loss(loss, net.apply(params, still.X), still.Y)))(start)
    return {name: np.asarray(value) for name, value in G.items()}


@pytest.mark.parametrize("form", ["relu", LeakyReLU(-0.3)], ids=["ReLU", "leaky"])
def test_one_step_leaves_the_squares_of_the_gradients(form, take):
    net = MLP(
        widths=(5, 4),
        antisymmetric=False,
        readout="gaussian",
        trained="all",
        bias_variance=0.3,
        outputs=2,
        activation=form,
    )
    G, rate = gradient_at_start(net, take), 0.01
    shot = take(net, X, Y, update={name: -rate * value for name, value in G.items()})
    found = jax.jit(probes.Balancedness())(shot)
    first = np.sum(G["W2"] ** 2, axis=0) - np.sum(G["W"] ** 2, axis=1) - G["b"] ** 2
    second = np.sum(G["a"] ** 2, axis=1) - np.sum(G["W2"] ** 2, axis=1) - G["b2"] ** 2
    # What cancels is the first-order part, rate times products of weights and gradients.
    sizes = [rate * np.abs(G[n] * np.asarray(shot.start[n])).sum() for n in net.trained_names]
    atol = 50 * EPS * max(sizes)
    np.testing.assert_allclose(found["layers"], [rate**2 * first.sum(), rate**2 * second.sum()], rtol=0, atol=atol)
    largest = [rate**2 * np.abs(first).max(), rate**2 * np.abs(second).max()]
    np.testing.assert_allclose(found["neurons"], largest, rtol=0, atol=atol)


def test_the_drift_is_the_difference_of_the_sums_of_squares(take):
    net = MLP(widths=(5,), trained="weights", antisymmetric=False, readout="gaussian")
    shot = take(net, X, Y[:, :1])
    norms = [np.sum(np.asarray(p["a"]) ** 2) - np.sum(np.asarray(p["W"]) ** 2) for p in (shot.params, shot.start)]
    assert float(jax.jit(probes.Balancedness())(shot)["layers"][0]) == pytest.approx(norms[0] - norms[1], rel=1e-13)


def test_a_rescaling_of_a_neuron_that_leaves_the_function_is_seen(take):
    """Balancedness is no function of the outputs: incoming weights doubled, outgoing ones halved."""
    net = MLP(widths=(5,), trained="weights", antisymmetric=False, readout="gaussian")
    start = {name: np.asarray(value) for name, value in net.init(0, d=3).items()}
    shot = take(net, X, Y[:, :1], update={"W": start["W"], "a": -start["a"] / 2})
    expected = -0.75 * np.sum(start["a"] ** 2) - 3 * np.sum(start["W"] ** 2)
    assert float(jax.jit(probes.Balancedness())(shot)["layers"][0]) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize(
    ("net", "words"),
    [
        (MLP(widths=(4,)), "frozen are a of"),
        (MLP(widths=(4,), trained="weights", bias_variance=1.0, antisymmetric=False), "frozen are b of"),
        (MLP(widths=(4,), trained="all", activation="erf"), "piecewise linear"),
    ],
)
def test_networks_that_conserve_nothing_are_refused(net, words):
    with pytest.raises(UsageError, match=words):
        probes.check(probes.named("balancedness"), net, X, Y)
