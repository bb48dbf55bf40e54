"""Predictions of the kernel of the start, on networks linear in their parameters, for which they are exact."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from widthwise.errors import SingularKernelError, UsageError
from widthwise.kernels import HInf
from widthwise.networks import MLP
from widthwise.training import probes

EPS = float(np.finfo(np.float64).eps)
GENERATOR = np.random.default_rng(0)
X, Y = GENERATOR.standard_normal((6, 8)), GENERATOR.standard_normal((6, 2))
# The first layer enters linearly; two outputs share it.
LINEAR = MLP(widths=(10,), activation="linear", antisymmetric=False, readout="gaussian", outputs=2)


def descend(net, start, X, Y, *, factor, steps):
    """Gradient descent on the first layer of a linear network, written out."""
    W, a, c = np.asarray(start["W"]).copy(), np.asarray(start["a"]), net.factors[-1]
    for _ in range(steps):
        W -= factor * c * a @ (c * X @ W.T @ a - Y).T @ X
    return W - np.asarray(start["W"])


@pytest.mark.parametrize(("loss", "steps"), [("squared", 0), ("squared", 7), ("mean_squared", 7)])
def test_the_residual_of_a_network_linear_in_its_parameters_is_predicted_to_rounding(loss, steps, take):
    rate = 0.03 if loss == "squared" else 0.2
    factor = rate if loss == "squared" else rate * 2 / Y.size
    start = LINEAR.init(0, d=8)
    update = {"W": descend(LINEAR, start, X, Y, factor=factor, steps=steps)}
    shot = take(LINEAR, X, Y, update=update, loss=loss, step=steps, rate=rate)
    found = probes.PredictedResidual()(shot)
    residual = np.linalg.norm(np.asarray(shot.outputs) - Y)
    assert found["measured"] == pytest.approx(residual, rel=10 * EPS)
    # Seven steps, each of some hundred products.
    assert found["ratio"] == pytest.approx(1.0, rel=2000 * EPS)
    if steps:
        assert residual < 0.9 * np.linalg.norm(np.asarray(LINEAR.apply(start, shot.X)) - Y)


def test_a_closed_form_is_taken_for_every_output(take):
    net = MLP(widths=(10,), outputs=2)
    shot = take(net, X, Y, step=5, rate=0.01)
    K = HInf()(X)
    left = Y.copy()
    for _ in range(5):
        left = left - 0.01 * 3.0 * K @ left
    # The start is antisymmetric: f_0 = 0.
    found = probes.PredictedResidual(kernel=HInf(), scale=3.0)(shot)
    assert found["predicted"] == pytest.approx(np.linalg.norm(left), rel=500 * EPS)


def test_the_linearised_solution_is_the_pseudo_inverse_of_the_jacobian(take):
    net = MLP(widths=(12,), antisymmetric=False, readout="gaussian", trained="all", bias_variance=0.3, outputs=2)
    shot = take(net, X, Y)
    moving = {name: shot.start[name] for name in net.trained_names}
    J = jax.jit(jax.jacrev(lambda some: net.apply({**shot.start, **some}, shot.X)))(moving)
    flat = np.concatenate([np.asarray(J[name]).reshape(12, -1) for name in net.trained_names], axis=1)
    aim = np.linalg.pinv(flat) @ (Y - np.asarray(net.apply(shot.start, shot.X))).ravel()
    update = np.concatenate([np.asarray(shot.update[name]).ravel() for name in net.trained_names])
    found = probes.LinearisedSolution()(shot)
    condition = np.linalg.cond(flat) ** 2
    assert found["norm"] == pytest.approx(np.linalg.norm(aim), rel=20 * condition * EPS)
    assert found["distance"] == pytest.approx(
        np.linalg.norm(update - aim) / np.linalg.norm(aim), rel=20 * condition * EPS
    )
    assert found["unreached"] == 0.0
    sizes = np.cumsum([moving[name].size for name in net.trained_names])[:-1]
    there = {n: p.reshape(moving[n].shape) for n, p in zip(net.trained_names, np.split(aim, sizes), strict=True)}
    assert probes.LinearisedSolution()(take(net, X, Y, update=there))["distance"] <= 20 * condition * EPS
    still = take(net, X, Y, update={name: np.zeros_like(value) for name, value in moving.items()})
    assert probes.LinearisedSolution()(still)["distance"] == pytest.approx(1.0, rel=4 * EPS)


def test_what_the_linearised_network_cannot_reach_is_said(take):
    net = MLP(widths=(10,))
    twice = np.vstack([X[:1], X[:1], X[1:2]])
    shot = take(net, twice, [[1.0], [-1.0], [1.0]])
    # The part (1, -1, 0) of (1, -1, 1).
    assert probes.LinearisedSolution()(shot)["unreached"] == pytest.approx(np.sqrt(2 / 3), rel=1e-9)


def test_the_laziness_index_is_the_norm_of_the_labels_in_the_closed_form(take):
    net = MLP(widths=(50,), kappa=0.5, outputs=2)
    shot = take(net, X, Y)
    size = 0.5 * np.sqrt(50)
    predicted = np.sqrt(np.trace(Y.T @ np.linalg.solve(HInf()(X), Y))) / size
    found = probes.Laziness()(shot)
    assert found["predicted"] == pytest.approx(predicted, rel=1e-10)
    assert found["measured"] == pytest.approx(np.linalg.norm(np.asarray(shot.update["W"])) / size, rel=20 * EPS)
    assert found["kernel"] == pytest.approx(float(probes.KernelDrift()(shot)["norm"]), rel=20 * EPS)


def test_the_laziness_index_refuses_other_networks_and_labels_that_cannot_be_fitted():
    probe = probes.Laziness()
    probes.check(probe, MLP(widths=(4,), outputs=2), X, Y)
    for net in (
        MLP(widths=(4,), trained="all"),
        MLP(widths=(4, 4), antisymmetric=False),
        MLP(widths=(4,), input_scale=2.0),
    ):
        with pytest.raises(UsageError, match="laziness index"):
            probes.check(probe, net, X, Y)
    with pytest.raises(SingularKernelError):
        probes.check(probe, MLP(widths=(4,)), np.vstack([X[:1], X[:1]]), np.array([[1.0], [-1.0]]))


@pytest.mark.parametrize("name", ["predicted_residual", "linearised"])
def test_the_predictions_are_for_a_squared_loss(name, take):
    shot = take(MLP(widths=(4,)), X, np.sign(Y[:, :1]), loss="logistic")
    with pytest.raises(UsageError, match="squared loss: 'squared' or 'mean_squared'; 'logistic' came"):
        probes.named(name)(shot)
