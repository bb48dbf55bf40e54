"""Blocks of neurons in cache: the steps of the compiled loop, whatever the blocks, the lanes and the threads."""

from __future__ import annotations

import numpy as np
import pytest

from widthwise.errors import UsageError
from widthwise.networks import MLP
from widthwise.training import Plan, train, train_many

EPS32 = float(np.finfo(np.float32).eps)


def problem(k, n=20, d=6):
    generator = np.random.default_rng(k)
    X = generator.standard_normal((n, d))
    return X / np.linalg.norm(X, axis=1, keepdims=True), np.sign(generator.standard_normal((n, k)))


@pytest.mark.parametrize(("loss", "k", "rate"), [("squared", 1, 0.05), ("squared", 3, 0.05), ("logistic", 3, 1.0)])
def test_the_steps_are_those_of_the_compiled_loop(loss, k, rate):
    X, y = problem(k)
    net = MLP(widths=(200,), outputs=k, antisymmetric=False, input_scale=2.0, last_variance=0.5)
    given = {
        "loss": loss,
        "learning_rate": rate,
        "steps": 30,
        "watch": X[:3],
        "test": (X[:5], y[:5]),
        "dtype": "float64",
    }
    compiled = train(net, X, y, plan=Plan(dtype="float64"), **{**given, "dtype": "float64"})
    # Two lanes of two blocks, the last one not full.
    blocked = train(net, X, y, plan=Plan(path="blocked", block=64, lanes=2, dtype="float64"), **given)
    # Thirty steps of sums of at most 200 terms of order one, in float64.
    atol = 30 * 200 * float(np.finfo(np.float64).eps)
    for name in ("loss", "residual", "outputs", "error", "test_loss", "test_error"):
        np.testing.assert_allclose(getattr(blocked.history, name), getattr(compiled.history, name), rtol=0, atol=atol)
    np.testing.assert_allclose(np.asarray(blocked.update["W"]), np.asarray(compiled.update["W"]), rtol=0, atol=atol)
    assert blocked.history.loss.shape == (31,)


def test_threads_and_company_do_not_change_a_bit():
    X, y = problem(1)
    net = MLP(widths=(160,))
    plan = Plan(path="blocked", block=32, lanes=2)
    many = train_many(net, X, y, seeds=range(3), learning_rate=0.1, steps=25, plan=plan)
    for seed, found in enumerate(many):
        # Alone, its lanes are on two threads; beside others, on one.
        alone = train(net, X, y, seed=seed, learning_rate=0.1, steps=25, plan=plan)
        assert np.array_equal(alone.update["W"], found.update["W"])
        assert np.array_equal(alone.history.loss, found.history.loss)


def test_a_plan_that_cannot_train_a_task_says_what_it_can():
    X, y = problem(1)
    plan = Plan(path="blocked")
    for net, more in (
        (MLP(widths=(8,), trained="all"), {}),
        (MLP(widths=(8,), activation="erf"), {}),
        (MLP(widths=(8,)), {"optimizer": "adam"}),
        (MLP(widths=(8,)), {"batch_size": 4}),
    ):
        with pytest.raises(UsageError, match="a blocked plan trains the first layer of one hidden layer"):
            train(net, X, y, learning_rate=0.1, steps=1, plan=plan, **more)


def test_what_blocks_can_train_is_planned_in_blocks_and_the_rest_compiled():
    X, y = problem(1)
    assert train(MLP(widths=(16,)), X, y, learning_rate=0.1, steps=1).plan.path == "blocked"
    assert train(MLP(widths=(16,)), X, y, learning_rate=0.1, steps=1, batch_size=2).plan.path == "compiled"


def test_a_run_that_diverges_in_blocks_keeps_the_parameters_it_had_there():
    X, y = problem(1)
    found = train(MLP(widths=(64,)), X, y, learning_rate=1e6, steps=50, plan=Plan(path="blocked", block=32))
    assert found.stopped == "diverged"
    assert found.diverged == found.steps < 50
    assert not np.isfinite(found.history.loss[-1])
    assert np.all(np.isfinite(found.history.loss[:-1]))
