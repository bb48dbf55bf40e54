"""Kernel drift against the Gram matrix of explicit Jacobians, for MLPs and for a network of another kind."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import numpy as np
import pytest

from widthwise.networks import MLP
from widthwise.training import probes
from widthwise.training.probes.kernel import centred, kernel_cosine

EPS = float(np.finfo(np.float64).eps)
GENERATOR = np.random.default_rng(0)
X, Y = GENERATOR.standard_normal((6, 3)), GENERATOR.standard_normal((6, 2))
DEEP = MLP(widths=(7, 5), antisymmetric=False, readout="gaussian", trained="all", bias_variance=0.2, outputs=2)


@dataclass(frozen=True)
class Wrapped:
    """A network that is no MLP, though it computes what one does."""

    inner: MLP

    @property
    def outputs(self):
        return self.inner.outputs

    @property
    def weight_names(self):
        return self.inner.weight_names

    @property
    def trained_names(self):
        return self.inner.trained_names

    def init(self, seed, *, d):
        return self.inner.init(seed, d=d)

    def apply(self, params, X):
        return self.inner.apply(params, X)

    def pre_activations(self, params, X):
        return self.inner.pre_activations(params, X)

    def describe(self):
        return "wrapped"


def jacobian_kernel(shot, params):
    """Mean over outputs of the Gram matrices of their Jacobians."""
    net = shot.net
    moving = {name: params[name] for name in net.trained_names}
    J = jax.jit(jax.jacrev(lambda some: net.apply({**params, **some}, shot.X)))(moving)
    flat = np.concatenate([np.asarray(v).reshape(len(X), net.outputs, -1) for v in J.values()], axis=2)
    return np.einsum("icp,jcp->ij", flat, flat) / net.outputs


@pytest.mark.parametrize("wrap", [False, True], ids=["MLP", "another network"])
def test_the_six_numbers_are_those_of_the_jacobians(wrap, take):
    shot = take(Wrapped(DEEP) if wrap else DEEP, X, Y, size=0.4)
    now, start = jacobian_kernel(shot, shot.params), jacobian_kernel(shot, shot.start)
    found = probes.KernelDrift()(shot)
    H = np.eye(6) - 1 / 6
    A, B = H @ now @ H, H @ start @ H
    expected = {
        "norm": np.linalg.norm(now - start) / np.linalg.norm(start),
        "cosine": np.trace(now @ start) / np.linalg.norm(now) / np.linalg.norm(start),
        "cka": np.trace(A @ B) / np.linalg.norm(A) / np.linalg.norm(B),
        "smallest": np.linalg.eigvalsh(now)[0],
        "largest": np.linalg.eigvalsh(now)[-1],
        "alignment": np.trace(now @ Y @ Y.T) / np.linalg.norm(now) / np.linalg.norm(Y @ Y.T),
    }
    for name, value in expected.items():
        # Sums of some fifty products, in units of the largest eigenvalue.
        assert found[name] == pytest.approx(value, rel=200 * EPS, abs=200 * EPS * expected["largest"]), name


def test_a_kernel_that_gates_alone_decide_does_not_see_neurons_scaled_up(take):
    net = MLP(widths=(16,), antisymmetric=False)
    y = Y[:, :1]
    start = net.init(0, d=3)
    shot = take(net, X, y, update={"W": 2 * np.asarray(start["W"])})
    found = probes.KernelDrift()(shot)
    assert found["norm"] <= 4 * EPS
    assert found["cosine"] == pytest.approx(1.0, abs=8 * EPS)
    K = jacobian_kernel(shot, shot.start)
    assert found["alignment"] == pytest.approx(float(y.T @ K @ y) / np.linalg.norm(K) / float(y.T @ y), rel=100 * EPS)
    fewer = probes.KernelDrift(rows=3)(shot)
    assert fewer["largest"] == pytest.approx(np.linalg.eigvalsh(K[np.ix_([0, 2, 5], [0, 2, 5])])[-1])


def test_all_six_are_no_numbers_after_a_divergence(take):
    net = MLP(widths=(4,), antisymmetric=False, trained="last", readout="gaussian", activation="erf")
    shot = take(net, X, Y[:, :1], start={"W": np.full((4, 3), np.nan), "a": np.ones((4, 1))})
    assert all(np.isnan(value) for value in probes.KernelDrift()(shot).values())


def test_centring_takes_the_mean_of_the_features_away():
    features = GENERATOR.standard_normal((6, 4))
    moved = features - features.mean(axis=0)
    np.testing.assert_allclose(centred(features @ features.T), moved @ moved.T, rtol=0, atol=50 * EPS)
    assert np.isnan(kernel_cosine(np.zeros((2, 2)), np.eye(2)))
