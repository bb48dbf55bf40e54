"""Logistic loss in function space: against descent on the weights of an explicit linear model, and its limits."""

from __future__ import annotations

import numpy as np
import pytest

from widthwise import theory
from widthwise.errors import DataError, UsageError

N, P = 15, 40


@pytest.fixture(scope="module")
def features():
    rng = np.random.default_rng(0)
    return rng.standard_normal((N, P)) / np.sqrt(P), rng.standard_normal((4, P)) / np.sqrt(P)


def labels(k=1, seed=1):
    return np.random.default_rng(seed).choice([-1.0, 1.0], (N, k))


@pytest.mark.parametrize("loss", ["logistic", "cross_entropy"])
def test_function_space_is_weight_space(features, loss):
    Phi, held = features
    Y = labels(2) if loss == "logistic" else np.eye(3)[np.random.default_rng(2).integers(3, size=N)]
    rate, W = 1.3, np.zeros((P, Y.shape[1]))
    for _ in range(50):
        F = Phi @ W
        odds = np.exp(F)
        slope = -Y / (1 + odds**Y) if loss == "logistic" else odds / odds.sum(axis=1, keepdims=True) - Y
        W = W - rate * Phi.T @ slope
    found = theory.logistic_curve(
        Phi @ Phi.T, Y, learning_rate=rate, steps=np.array([0, 50]), K_test=held @ Phi.T, loss=loss
    )
    np.testing.assert_allclose(found.outputs, Phi @ W, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.test_outputs[1], held @ W, rtol=0, atol=1e-12)
    assert found.loss[0] == pytest.approx(2 * np.log(2) if loss == "logistic" else np.log(3), rel=1e-15)


def test_one_orthonormal_row_follows_its_scalar_recursion():
    found = theory.logistic_curve(np.eye(1), np.array([1.0]), learning_rate=0.5, steps=20)
    f = 0.0
    for k in range(21):
        assert found.loss[k] == pytest.approx(np.log1p(np.exp(-f)), rel=1e-14)
        f += 0.5 / (1 + np.exp(f))


@pytest.mark.parametrize("loss", ["logistic", "cross_entropy"])
def test_the_loss_falls_at_every_step_up_to_the_largest_rate(features, loss):
    K = features[0] @ features[0].T
    Y = labels() if loss == "logistic" else np.eye(4)[np.arange(N) % 4]
    rate = theory.largest_logistic_rate(theory.spectrum(K), loss=loss)
    found = theory.logistic_curve(K, Y, learning_rate=rate, steps=300, loss=loss)
    assert np.all(np.diff(found.loss) <= 1e-15)
    assert found.error[0] == 1.0
    assert found.error[-1] == 0.0


def test_two_classes_of_softmax_are_logistic_of_their_difference(features):
    K = features[0] @ features[0].T
    y = labels()[:, 0]
    soft = theory.logistic_curve(
        K, np.column_stack([y > 0, y < 0]).astype(float), learning_rate=0.5, steps=40, loss="cross_entropy"
    )
    # Both outputs move, in opposite directions: their difference moves at twice the rate.
    plain = theory.logistic_curve(K, y, learning_rate=1.0, steps=40)
    np.testing.assert_allclose(soft.outputs[:, 0] - soft.outputs[:, 1], plain.outputs[:, 0], rtol=0, atol=1e-13)
    np.testing.assert_allclose(soft.loss, plain.loss, rtol=1e-13)


def test_labels_and_steps_of_another_kind_are_named():
    with pytest.raises(DataError, match="-1 or \\+1"):
        theory.logistic_curve(np.eye(2), np.array([0.0, 1.0]), learning_rate=1.0, steps=1)
    with pytest.raises(DataError, match="one 1"):
        theory.logistic_curve(np.eye(2), np.ones((2, 2)), learning_rate=1.0, steps=1, loss="cross_entropy")
    with pytest.raises(UsageError, match="increase"):
        theory.logistic_curve(np.eye(2), np.ones(2), learning_rate=1.0, steps=np.array([3, 1]))
