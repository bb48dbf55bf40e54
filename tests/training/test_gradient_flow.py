"""The flow conserves what it must, and descent tends to it at the order of Euler's method."""

from __future__ import annotations

import numpy as np
import pytest

from widthwise.errors import UsageError
from widthwise.networks import MLP
from widthwise.training import Stop, gradient_flow, train

NET = MLP(widths=(6,), parametrisation="standard", trained="weights", antisymmetric=False)
GENERATOR = np.random.default_rng(0)
X, Y = GENERATOR.standard_normal((8, 3)), GENERATOR.standard_normal(8)
START = {"W": 0.5 * GENERATOR.standard_normal((6, 3)), "a": 0.5 * GENERATOR.standard_normal((6, 1))}


def imbalance(params):
    return np.asarray(params["a"])[:, 0] ** 2 - np.sum(np.asarray(params["W"]) ** 2, axis=1)


def test_the_flow_keeps_the_balance_of_every_neuron():
    flow = gradient_flow(NET, X, Y, time=0.5, start=START)
    drift = np.abs(imbalance(flow.params) - imbalance(START)).max()
    # Each accepted step errs by rtol of a weight of at most two; forced ones by the square of their length at most.
    assert drift < 4 * flow.accepted * 1e-8 + 16 * flow.forced * 2e-5
    # Descent with steps of a hundredth breaks it a thousand times more.
    run = train(NET, X, Y, learning_rate=0.01, steps=50, start=START, dtype="float64")
    assert np.abs(imbalance(run.params) - imbalance(START)).max() > 100 * drift
    assert np.all(np.diff(flow.loss) < 0)


def test_descent_tends_to_the_flow_and_its_imbalance_falls_fourfold_with_a_fourfold_shorter_step():
    flow = gradient_flow(NET, X, Y, time=0.5, start=START)
    gaps, drifts = [], []
    for rate in (0.0004, 0.0001):
        run = train(NET, X, Y, learning_rate=rate, steps=round(0.5 / rate), start=START, dtype="float64")
        gaps.append(np.linalg.norm(np.asarray(run.update["W"]) - np.asarray(flow.update["W"])))
        drifts.append(np.abs(imbalance(run.params) - imbalance(START)).max())
    # Order one: the ratio is four up to a correction of the order of the rate times the curvature, some per cent.
    assert 3.6 < gaps[0] / gaps[1] < 4.4
    assert 3.6 < drifts[0] / drifts[1] < 4.4


def test_times_in_between_are_those_of_the_flow_and_a_limit_ends_it():
    whole = gradient_flow(NET, X, Y, time=[0.1, 0.2, 0.3], start=START)
    assert whole.times.tolist() == [0, 0.1, 0.2, 0.3]
    half = gradient_flow(NET, X, Y, time=0.2, start=START)
    # Both within their tolerance of the flow.
    assert half.loss[-1] == pytest.approx(whole.loss[2], rel=1e-5)
    limit = float(whole.loss[1]) * 1.0001
    ended = gradient_flow(NET, X, Y, time=[0.1, 0.2, 0.3], start=START, stop=Stop(loss=limit))
    assert (ended.stopped, ended.times.tolist()) == ("loss", [0, 0.1])
    with pytest.raises(UsageError, match="increasing"):
        gradient_flow(NET, X, Y, time=[1.0, 0.5])
    with pytest.raises(UsageError, match="more than 3 steps"):
        gradient_flow(NET, X, Y, time=5.0, start=START, most=3)
