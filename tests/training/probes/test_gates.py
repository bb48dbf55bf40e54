"""Flips and the coupling lemmas against loops over neurons, rows and batches."""

from __future__ import annotations

import itertools
import math

import jax
import numpy as np
import pytest

from widthwise.errors import UsageError
from widthwise.kernels.activations import LeakyReLU
from widthwise.networks import MLP
from widthwise.training import probes

EPS = float(np.finfo(np.float64).eps)
DEEP = MLP(widths=(9, 6), antisymmetric=False, readout="gaussian", trained="all", bias_variance=0.3)
ONE = MLP(widths=(12,), antisymmetric=False, readout="gaussian", outputs=3)
X = np.random.default_rng(0).standard_normal((7, 4))


def gates(net, params, rows):
    """Gates of every layer, neuron by neuron."""
    found, signal = [], np.asarray(rows)
    for layer, name in enumerate(net.weight_names[:-1]):
        W = np.asarray(params[name])
        b = net.bias_factor * np.asarray(params[net.bias_names[layer]]) if net.bias_variance else np.zeros(len(W))
        z = np.array([[net.factors[layer] * (w @ x) + c for w, c in zip(W, b, strict=True)] for x in signal])
        found.append(z >= 0)
        signal = np.maximum(z, 0)
    return found


@pytest.mark.parametrize("net", [ONE, DEEP], ids=["one layer", "two layers with biases"])
def test_flips_are_counted_gate_by_gate(net, take):
    reference = np.random.default_rng(1).standard_normal((5, 4))
    shot = take(net, X, np.ones((7, net.outputs)), reference=reference, size=0.5)
    before, after = gates(net, shot.start, reference), gates(net, shot.params, reference)
    counts = [np.sum(a != b) for a, b in zip(before, after, strict=True)]
    found = jax.jit(probes.Flips())(shot)
    shares = [c / a.size for c, a in zip(counts, before, strict=True)]
    np.testing.assert_allclose(found["layers"], shares, rtol=4 * EPS)
    assert 0 < float(found["mean"]) == pytest.approx(sum(counts) / sum(a.size for a in before), rel=4 * EPS)
    some = [0, 2, 4]
    fewer = sum(np.sum(a[some] != b[some]) for a, b in zip(before, after, strict=True)) / (3 * sum(net.widths))
    assert float(jax.jit(probes.Flips(rows=3))(shot)["mean"]) == pytest.approx(fewer, rel=4 * EPS)


def test_turning_one_neuron_round_flips_its_gates_alone(take):
    start = ONE.init(0, d=4)
    update = np.zeros((12, 4))
    update[5] = -2 * np.asarray(start["W"])[5]
    shot = take(ONE, X, np.ones((7, 3)), update={"W": update})
    assert float(jax.jit(probes.Flips())(shot)["mean"]) == pytest.approx(1 / 12, rel=4 * EPS)
    assert float(jax.jit(probes.CoupledFraction())(shot)["mean"]) == pytest.approx(11 / 12, rel=4 * EPS)
    scaled = take(ONE, X, np.ones((7, 3)), update={"W": 3 * np.asarray(start["W"])})
    assert float(jax.jit(probes.Flips())(scaled)["mean"]) == 0.0


def test_flips_and_their_prediction_are_those_of_two_gaussians(take):
    """Start of deviation s, independent movement of deviation tau: flips arctan(tau/s)/pi, prediction tau/(pi s)."""
    m, tau = 40_000, 0.05
    net = MLP(widths=(m,), antisymmetric=False)
    rows = X[:1] / np.linalg.norm(X[:1])
    update = tau * np.random.default_rng(3).standard_normal((m, 4))
    shot = take(net, rows, np.ones((1, 1)), update={"W": update})
    flips = float(jax.jit(probes.Flips())(shot)["mean"])
    expected = math.atan(tau) / math.pi
    assert abs(flips - expected) < 4 * math.sqrt(expected / m)
    predicted = float(jax.jit(probes.PredictedFlips())(shot)["mean"])
    # Relative standard errors of the mean of |N| and of the root mean square: sqrt(pi/2 - 1) and sqrt(1/2) over sqrt(m).
    assert predicted == pytest.approx(tau / math.pi, rel=4 * math.sqrt((math.pi / 2 - 0.5) / m))


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_the_coupled_fraction_is_the_share_of_equal_gradients_over_all_batches(batch, take):
    shot = take(ONE, X, np.ones((7, 3)), size=0.3)
    G = np.random.default_rng(2).standard_normal((7, 12))
    (before,), (after,) = gates(ONE, shot.start, X), gates(ONE, shot.params, X)
    equal = []
    for rows in itertools.combinations(range(7), batch):
        for r in range(12):
            true, pseudo = (sum(G[i, r] * gate[i, r] * X[i] for i in rows) for gate in (after, before))
            equal.append(np.array_equal(true, pseudo))
    assert 0 < np.mean(equal) < 1
    assert float(jax.jit(probes.CoupledFraction(batch=batch))(shot)["mean"]) == pytest.approx(
        np.mean(equal), rel=50 * EPS
    )


def test_a_batch_of_all_rows_needs_every_gate(take):
    shot = take(DEEP, X, np.ones((7, 1)), size=0.3)
    every, batch = jax.jit(probes.CoupledFraction())(shot), jax.jit(probes.CoupledFraction(batch=99))(shot)
    np.testing.assert_array_equal(every["layers"], batch["layers"])
    before, after = gates(DEEP, shot.start, X), gates(DEEP, shot.params, X)
    np.testing.assert_allclose(
        every["layers"], [np.mean(np.all(a == b, axis=0)) for a, b in zip(before, after, strict=True)], rtol=4 * EPS
    )


@pytest.mark.parametrize("loss", ["squared", "cross_entropy"])
def test_the_gradient_fraction_is_that_of_the_pseudo_gradients_neuron_by_neuron(loss, take):
    Y = np.eye(3)[np.arange(7) % 3]
    shot = take(ONE, X, Y, loss=loss)
    F = np.asarray(shot.outputs)
    D = F - Y if loss == "squared" else np.exp(F) / np.exp(F).sum(axis=1, keepdims=True) - Y
    a = np.asarray(shot.start["a"])
    a = a / np.sqrt(np.mean(a**2))
    (gate,) = gates(ONE, shot.start, X)
    norms = []
    for r in range(12):
        g = sum((D[i] @ a[r]) * gate[i, r] * X[i] for i in range(7)) / 7
        norms.append(np.linalg.norm(g))
    kl, delta, constant = 6, 0.8, 30.0
    threshold = constant * np.abs(D).max() / kl * delta / kl
    found = jax.jit(probes.GradientFraction(components=2, separation=delta, constant=constant))(shot)
    assert 0 < np.mean(norms >= threshold) < 1
    assert float(found["share"]) == pytest.approx(np.mean(norms >= threshold), rel=4 * EPS)
    assert float(found["threshold"]) == pytest.approx(threshold, rel=20 * EPS)
    assert float(found["asked"]) == pytest.approx(delta / kl)


@pytest.mark.parametrize("name", ["flips", "predicted_flips", "coupled"])
@pytest.mark.parametrize("form", ["erf", "linear", LeakyReLU(1.0)])
def test_networks_without_gates_are_refused(name, form):
    net = MLP(widths=(4,), activation=form)
    with pytest.raises(UsageError, match="gates need an activation with a kink"):
        probes.check(probes.named(name), net, X, np.ones((7, 1)))
    probes.check(probes.named(name), MLP(widths=(4,), activation=LeakyReLU(0.1)), X, np.ones((7, 1)))


def test_the_second_lemma_is_on_one_hidden_layer():
    with pytest.raises(UsageError, match="one hidden layer"):
        probes.check(probes.named("gradient_fraction"), DEEP, X, np.ones((7, 1)))
