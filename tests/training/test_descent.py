"""Every rule, loss and penalty against a transcription of its formula in NumPy, and the laws of noise and of many networks."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from widthwise.errors import DataError, UsageError
from widthwise.networks import MLP
from widthwise.training import (
    Adam,
    GaussianSmoothing,
    Langevin,
    Momentum,
    PathNorm,
    Plan,
    RandomSigns,
    RowQuartic,
    Stop,
    WeightDecay,
    balanced,
    losses,
    train,
    train_many,
)

EPS = float(np.finfo(np.float64).eps)
# A few steps of sums of at most fifty terms of order one, each rounded once.
ATOL = 1000 * EPS
NET = MLP(widths=(5,), parametrisation="standard", trained="weights", antisymmetric=False, outputs=2)


def problem(loss="squared", n=6, d=3, k=2, seed=0):
    generator = np.random.default_rng(seed)
    X = generator.standard_normal((n, d))
    if loss == "cross_entropy":
        return X, generator.integers(0, k, n)
    return X, generator.choice([-1.0, 1.0], (n, k)) if loss == "logistic" else generator.standard_normal((n, k))


def one_hot(loss, y):
    return np.eye(2)[y] if loss == "cross_entropy" else y


def naive_loss(loss, f, Y):
    """Value and derivative of a loss, entry by entry."""
    n, k = f.shape
    total, slope = 0.0, np.zeros_like(f)
    for i in range(n):
        if loss == "cross_entropy":
            p = np.exp(f[i]) / np.exp(f[i]).sum()
            total -= np.log(p[Y[i].argmax()]) / n
            slope[i] = (p - Y[i]) / n
            continue
        for c in range(k):
            if loss == "squared":
                total, slope[i, c] = total + (f[i, c] - Y[i, c]) ** 2 / 2, f[i, c] - Y[i, c]
            elif loss == "mean_squared":
                total += (f[i, c] - Y[i, c]) ** 2 / (n * k)
                slope[i, c] = 2 * (f[i, c] - Y[i, c]) / (n * k)
            else:
                total += np.log(1 + np.exp(-Y[i, c] * f[i, c])) / n
                slope[i, c] = -Y[i, c] / (1 + np.exp(Y[i, c] * f[i, c])) / n
    return total, slope


def naive_gradient(loss, params, X, Y):
    W, a = params["W"], params["a"]
    f = sum(np.maximum(X @ W[r], 0)[:, None] * a[r] for r in range(len(W)))
    value, slope = naive_loss(loss, f, Y)
    gradient = {"W": np.zeros_like(W), "a": np.zeros_like(a)}
    for r in range(len(W)):
        for i in range(len(X)):
            z = W[r] @ X[i]
            if z >= 0:
                gradient["W"][r] += slope[i] @ a[r] * X[i]
                gradient["a"][r] += slope[i] * z
    return value, gradient


def start(seed=0, net=NET, d=3):
    generator = np.random.default_rng([seed, 7])
    m, k = net.widths[0], net.outputs
    return {"W": generator.standard_normal((m, d)), "a": generator.standard_normal((m, k))}


def run(steps=3, loss="squared", rate=0.05, data=None, **more):
    X, y = data if data is not None else problem(loss)
    return train(NET, X, y, loss=loss, learning_rate=rate, steps=steps, dtype="float64", start=start(), **more)


def naive_run(rule, steps=3, loss="squared", rate=0.05):
    """Weights and losses of a rule `(params, gradient, memory, k) -> params`."""
    X, y = problem(loss)
    params, memory, values = start(), {}, []
    for k in range(steps):
        value, gradient = naive_gradient(loss, params, X, one_hot(loss, y))
        values.append(value)
        params = rule(params, gradient, memory, k, rate)
    return params, values


def descend(params, gradient, memory, k, rate):
    return {name: params[name] - rate * gradient[name] for name in params}


def momentum(params, gradient, memory, k, rate, *, nesterov=False):
    for name, g in gradient.items():
        memory[name] = 0.9 * memory.get(name, 0) + g
    along = {name: g + 0.9 * memory[name] if nesterov else memory[name] for name, g in gradient.items()}
    return {name: params[name] - rate * along[name] for name in params}


def adam(params, gradient, memory, k, rate):
    found = {}
    for name, g in gradient.items():
        m, v = memory.get(name, (0, 0))
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        memory[name] = m, v
        found[name] = params[name] - rate * (m / (1 - 0.9 ** (k + 1))) / (np.sqrt(v / (1 - 0.999 ** (k + 1))) + 1e-8)
    return found


def decay(params, gradient, memory, k, rate):
    return {name: params[name] - rate * (gradient[name] + 0.3 * params[name]) for name in params}


def decay_around_start(params, gradient, memory, k, rate):
    return {name: params[name] - rate * (gradient[name] + 0.3 * (params[name] - start()[name])) for name in params}


def quartic(params, gradient, memory, k, rate):
    rows = np.array([4 * 0.3 * (w @ w) * w for w in params["W"]])
    return {"W": params["W"] - rate * (gradient["W"] + rows), "a": params["a"] - rate * gradient["a"]}


def path(params, gradient, memory, k, rate):
    moved = descend(params, gradient, memory, k, rate)
    W = np.array([w / np.linalg.norm(w) for w in moved["W"]])
    a = np.array([v * max(0.0, 1 - rate * 5.0 / np.linalg.norm(v)) for v in moved["a"]])
    return {"W": W, "a": a}


@pytest.mark.parametrize("loss", losses.LOSSES)
def test_every_loss_is_the_sum_of_its_formula(loss):
    params, values = naive_run(descend, loss=loss)
    found = run(loss=loss)
    np.testing.assert_allclose(found.history.loss[:3], values, rtol=0, atol=ATOL)
    for name in params:
        np.testing.assert_allclose(np.asarray(found.params[name]), params[name], rtol=0, atol=ATOL)


@pytest.mark.parametrize(
    ("rule", "arguments"),
    [
        (momentum, {"optimizer": "momentum"}),
        (lambda *given: momentum(*given, nesterov=True), {"optimizer": Momentum(nesterov=True)}),
        (adam, {"optimizer": Adam()}),
        (decay, {"regulariser": WeightDecay(0.3)}),
        (decay_around_start, {"regulariser": WeightDecay(0.3, around="start")}),
        (quartic, {"regulariser": RowQuartic(0.3)}),
        (path, {"regulariser": PathNorm(5.0)}),
    ],
    ids=["momentum", "nesterov", "adam", "decay", "decay around the start", "row quartic", "path norm"],
)
def test_every_rule_is_its_formula_in_numpy(rule, arguments):
    params, _ = naive_run(rule)
    found = run(**arguments)
    for name in params:
        np.testing.assert_allclose(np.asarray(found.params[name]), params[name], rtol=0, atol=ATOL)
        np.testing.assert_allclose(np.asarray(found.update[name]), params[name] - start()[name], rtol=0, atol=ATOL)


def test_losses_do_not_overflow_and_answer_in_kind():
    f, Y = np.array([[800.0, -800.0]]), np.array([[-1.0, -1.0]])
    assert losses.value("logistic", f, Y) == 800.0
    assert losses.residual("logistic", f, Y).tolist() == [[1.0, 0.0]]
    assert losses.value("cross_entropy", f, np.array([[0.0, 1.0]])) == 1600.0
    assert losses.residual("cross_entropy", f, np.array([[0.0, 1.0]])).tolist() == [[1.0, -1.0]]
    assert isinstance(losses.value("squared", jnp.ones((2, 1)), jnp.zeros((2, 1))), jax.Array)
    assert losses.error(np.array([[1.0], [-1.0], [0.0]]), np.array([[1.0], [1.0], [1.0]])) == pytest.approx(2 / 3)
    assert losses.error(np.array([[1.0, 2.0], [3.0, 0.0]]), np.array([[0.0, 1.0], [0.0, 1.0]])) == 0.5


def test_targets_that_a_loss_does_not_take_are_refused():
    X, _ = problem()
    for loss, y, message in (
        ("logistic", np.zeros((6, 2)), r"-1 and \+1; 0 came: for 0 and 1 pass 2 \* y - 1"),
        ("cross_entropy", np.array([0, 1, 2, 0, 1, 0]), "classes 0 ... 1, or one-hot rows; 0 to 2 came"),
        ("cross_entropy", np.full((6, 2), 0.5), "one-hot rows"),
        ("squared", np.zeros(6), "the network has 2 outputs, y 1 columns"),
    ):
        with pytest.raises(DataError, match=message):
            train(NET, X, y, loss=loss, learning_rate=0.1, steps=1)


def test_langevin_noise_has_the_variance_of_its_temperature():
    net = MLP(widths=(2000,))
    X, y = problem(k=1)
    T, rate = 0.5, 0.01
    found = train(net, X, y, learning_rate=rate, steps=1, optimizer=Langevin(T), dtype="float64")
    plain = train(net, X, y, learning_rate=rate, steps=1, dtype="float64", plan=Plan(dtype="float64"))
    noise = (np.asarray(found.update["W"]) - np.asarray(plain.update["W"])).ravel() / np.sqrt(2 * rate * T)
    # Five standard errors of a mean and of a variance of 6000 standard normal numbers.
    assert abs(noise.mean()) < 5 / np.sqrt(noise.size)
    assert abs(noise.var() - 1) < 5 * np.sqrt(2 / noise.size)
    again = train(net, X, y, learning_rate=rate, steps=1, optimizer=Langevin(T), dtype="float64")
    assert np.array_equal(np.asarray(again.update["W"]), np.asarray(found.update["W"]))


def test_smoothing_takes_the_gradient_at_weights_of_its_deviation():
    params = {name: jnp.zeros((300, 20)) for name in ("W", "a")}
    net = MLP(widths=(300,), trained="weights", antisymmetric=False)
    found = GaussianSmoothing((0.1, 0.7)).displaced(net, params, params, jax.random.key(0))
    for name, deviation in (("W", 0.1), ("a", 0.7)):
        scaled = np.asarray(found[name], np.float64) / deviation
        assert abs(scaled.var() - 1) < 5 * np.sqrt(2 / scaled.size)
    with pytest.raises(UsageError, match="one number, or one for each of the trained W, a; 3 came"):
        GaussianSmoothing((0.1, 0.2, 0.3)).displaced(net, params, params, jax.random.key(0))


def test_random_signs_turn_rows_of_the_first_update_and_columns_of_the_second():
    net = MLP(widths=(6, 4), antisymmetric=False, trained="all")
    generator = np.random.default_rng(0)
    shapes = {"W": (6, 3), "W2": (4, 6), "a": (4, 1)}
    origin, update = ({n: jnp.asarray(generator.standard_normal(s)) for n, s in shapes.items()} for _ in range(2))
    found = RandomSigns().displaced(net, origin, update, jax.random.key(1))
    turned = {name: (np.asarray(found[name]) - np.asarray(origin[name])) / np.asarray(update[name]) for name in shapes}
    # A difference of numbers of order one over an update of order one tenth at least.
    signs = np.round(turned["W"][:, 0])
    assert set(signs) == {-1.0, 1.0}
    np.testing.assert_allclose(turned["W"], np.tile(signs[:, None], 3), atol=1e-3)
    np.testing.assert_allclose(turned["W2"], np.tile(signs, (4, 1)), atol=1e-3)
    np.testing.assert_allclose(turned["a"], 1, atol=1e-3)


def test_the_first_step_under_random_signs_is_that_of_descent_up_to_signs():
    found, plain = run(steps=1, optimizer=RandomSigns()), run(steps=1)
    ratio = np.asarray(found.update["W"]) / np.asarray(plain.update["W"])
    np.testing.assert_allclose(np.abs(ratio[np.isfinite(ratio)]), 1, atol=ATOL)
    assert np.any(ratio < 0)


def test_path_steps_switch_neurons_off_and_balancing_keeps_the_function():
    X, _ = problem()
    found = run(steps=200, regulariser=PathNorm(1.0))
    a = np.asarray(found.params["a"])
    dead = np.linalg.norm(a, axis=1) == 0
    assert dead.any()
    assert not dead.all()
    params = {name: jnp.asarray(np.asarray(v), jnp.float32) for name, v in found.params.items()}
    even = balanced(NET, params)
    norms = [np.linalg.norm(np.asarray(even[name]), axis=1) for name in ("W", "a")]
    eps32 = float(np.finfo(np.float32).eps)
    np.testing.assert_allclose(*norms, rtol=16 * eps32, atol=0)
    rows = jnp.asarray(X, jnp.float32)
    np.testing.assert_allclose(NET.apply(even, rows), NET.apply(params, rows), rtol=0, atol=100 * eps32)


def test_penalties_are_refused_where_they_mean_nothing():
    X, y = problem(k=1)
    one_layer = MLP(widths=(4,))
    for penalty, message in (
        (PathNorm(0.1), "the path norm is that of one hidden layer whose weights are trained"),
        (WeightDecay(0.1, names=("b",)), "the penalty may name W; 'b' came"),
    ):
        with pytest.raises(UsageError, match=message):
            train(one_layer, X, y, learning_rate=0.1, steps=1, regulariser=penalty)


def test_batches_are_those_of_their_rows():
    X, Y = problem()
    found = run(steps=2, batch_size=2, sampling="one_pass", data=(X, Y), seed=4, every=1)
    order = np.random.default_rng([8, zlib.crc32(b"reshuffle"), 0]).permutation(6)
    params = start()
    for rows in (order[:2], order[2:4]):
        params = descend(params, naive_gradient("squared", params, X[rows], Y[rows])[1], {}, 0, 0.05)
    np.testing.assert_allclose(np.asarray(found.params["W"]), params["W"], rtol=0, atol=ATOL)
    assert found.history.steps.tolist() == [0, 1, 2]
    assert found.history.loss[0] == pytest.approx(naive_gradient("squared", start(), X, Y)[0], abs=ATOL)


@dataclass(frozen=True)
class Moved:
    name: ClassVar[str] = "moved"
    on_host: ClassVar[bool] = False

    def __call__(self, snapshot):
        return {"norm": jnp.linalg.norm(snapshot.update["W"]), "at": snapshot.step}


@dataclass(frozen=True)
class MovedOnHost:
    name: ClassVar[str] = "host"
    on_host: ClassVar[bool] = True

    def __call__(self, snapshot):
        return np.linalg.norm(np.asarray(snapshot.update["W"], np.float64))


def test_probes_see_the_update_at_their_cadence_whatever_they_run_on():
    found = run(steps=7, probes=(Moved(), MovedOnHost()), every=3)
    assert found.history.probe_steps.tolist() == [0, 3, 6, 7]
    assert found.history.probes["moved.at"].tolist() == [0, 3, 6, 7]
    norms = found.history.probes["moved.norm"]
    np.testing.assert_allclose(norms, found.history.probes["host"], rtol=0, atol=ATOL)
    assert norms[0] == 0
    assert norms[-1] == pytest.approx(np.linalg.norm(np.asarray(found.update["W"])), abs=ATOL)
    with pytest.raises(UsageError, match="every probe needs a name of its own"):
        run(probes=(Moved(), Moved()))


def test_a_run_stops_where_a_limit_is_reached_and_says_which():
    whole = run(steps=40)
    limit = float(whole.history.loss[17]) * (1 + 1e-12)
    found = run(steps=40, stop=Stop(loss=limit))
    assert (found.stopped, found.steps, found.diverged) == ("loss", 17, None)
    assert np.array_equal(found.history.loss, whole.history.loss[:18])
    timed = run(steps=10**6, stop=Stop(seconds=1e-3))
    assert timed.stopped == "seconds"
    assert 0 < timed.steps < 10**6
    X, y = problem("cross_entropy")
    by_error = run(steps=400, loss="cross_entropy", rate=1.0, stop=Stop(error=0.2), data=(X, y))
    assert by_error.stopped == "error"
    assert by_error.history.error[-1] <= 0.2
    assert run(steps=3, rate=1e80).stopped == "diverged"


def test_many_networks_are_each_the_run_that_trains_alone_to_the_bit():
    X, y = problem(k=1, n=8)
    small, wide = MLP(widths=(6,)), MLP(widths=(10,))
    for plan, nets in ((None, [small, wide, small]), (Plan(mode="vmap", batch=4), [small] * 3)):
        seeds, rates = [0, 1, 0], [0.1, 0.1, 0.05]
        shared = {"steps": 20, "batch_size": 4, "probes": (Moved(),), "every": 5, "plan": plan}
        runs = train_many(nets, X, y, seeds=seeds, learning_rate=rates, **shared)
        for net, seed, rate, found in zip(nets, seeds, rates, runs, strict=True):
            alone = train(net, X, y, seed=seed, learning_rate=rate, **{**shared, "plan": found.plan})
            assert np.array_equal(alone.update["W"], found.update["W"])
            assert np.array_equal(alone.history.loss, found.history.loss)
            assert np.array_equal(alone.history.probes["moved.norm"], found.history.probes["moved.norm"])


def test_a_network_that_diverges_leaves_those_beside_it_alone():
    X, y = problem(k=1, n=8)
    fine, broken = train_many(MLP(widths=(6,)), X, y, seeds=[0, 1], learning_rate=[0.01, 1e9], steps=30)
    assert (fine.stopped, broken.stopped) == ("steps", "diverged")
    assert broken.steps < 30
    assert np.all(np.isfinite(fine.history.loss))


@pytest.mark.parametrize("path", ["compiled", "blocked"])
def test_small_steps_are_not_lost_against_large_weights(path):
    """Updates a millionth of the weights: kept to their own precision, where W(t) - W(0) has lost a tenth of itself."""
    generator = np.random.default_rng(0)
    X = generator.standard_normal((16, 8)) / np.sqrt(8)
    y = generator.standard_normal(16)
    # In float32 from the outset, so that only the arithmetic differs.
    X, y = (v.astype(np.float32).astype(np.float64) for v in (X, y))
    net, rate = MLP(widths=(4096,)), float(np.float32(1e-7))
    exact = train(net, X, y, learning_rate=rate, steps=50, dtype="float64", start=net.init(0, d=8)).update["W"]
    found = train(net, X, y, learning_rate=rate, steps=50, plan=Plan(path=path), start=net.init(0, d=8))
    exact = np.asarray(exact)
    kept = np.linalg.norm(np.asarray(found.update["W"], np.float64) - exact) / np.linalg.norm(exact)
    difference = np.asarray(found.params["W"], np.float64) - np.asarray(found.start["W"], np.float64)
    lost = np.linalg.norm(difference - exact) / np.linalg.norm(exact)
    # Fifty roundings of an update, sums of 4096 and of 16 terms, a few gates at the edge; against eps |W| / |update| / 4.
    assert kept < 1e-3
    assert lost > 0.03
    assert lost > 30 * kept
