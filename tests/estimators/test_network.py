"""Finite networks as estimators: the training of the library behind the conventions of scikit-learn, and their limit."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.metrics import log_loss
from sklearn.utils.estimator_checks import parametrize_with_checks

import widthwise as ww
from widthwise.errors import DataError, UsageError
from widthwise.kernels import NTK
from widthwise.networks import MLP, Doubled


@parametrize_with_checks([ww.ReLUNetworkClassifier(widths=(64,), steps=60)])
def test_the_conventions_of_scikit_learn_hold_for_classes(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks([ww.ReLUNetworkRegressor(widths=(64,), steps=100)])
def test_the_conventions_of_scikit_learn_hold_for_numbers(estimator, check):
    check(estimator)


def table(n=40, d=3, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    return X, 5.0 + 100.0 * (np.sin(2 * X[:, 0]) + X[:, 1])


def test_it_is_the_training_of_the_library():
    X, y = table()
    model = ww.ReLUNetworkRegressor(widths=64, steps=50, learning_rate=0.5, pad=0.2, random_state=3, tol=0.0).fit(X, y)
    rows = np.column_stack([X, np.full(40, 0.2 * 3**0.5)])
    net = MLP(widths=(64,), weight_variance=2.0, input_scale=1 / 3)
    run = ww.train(net, rows, (y - y.mean()) / y.std(), learning_rate=0.5 / 40, steps=50, seed=3)
    assert model.network_ == net
    np.testing.assert_allclose(model.params_["W"], run.params["W"], rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(model.history_["loss"], run.history.loss / 40, rtol=1e-6)
    assert model.history_["step"].tolist() == list(range(51))
    # The start is f = 0: half the mean square of targets of variance one.
    assert model.history_["loss"][0] == pytest.approx(0.5)
    predicted = np.asarray(net.apply(run.params, jnp.asarray(rows, jnp.float32)))[:, 0] * y.std() + y.mean()
    np.testing.assert_allclose(model.predict(X), predicted, rtol=1e-4)


def test_wide_networks_tend_to_the_stopped_flow_of_their_kernel():
    X, y = table(20)
    Z = table(50, seed=1)[0]
    limit = None
    found = []
    for width in (128, 1024, 4096):
        model = ww.ReLUNetworkRegressor(widths=(width,), steps=400, tol=0.0, learning_rate=0.2).fit(X, y)
        if limit is None:
            assert model.kernel_ == NTK(depth=1, weight_variance=2.0, input_scale=1 / 3, trained="first")
            flow = ww.NTKRegressor(kernel=model.kernel_, pad=0.3, ridge=0.0, time=400 * 0.2 / 20).fit(X, y)
            limit = flow.predict(Z)
        found.append(np.sqrt(np.mean((model.predict(Z) - limit) ** 2)) / y.std())
    # Fluctuations of the kernel at the start are of the order of one over the root of the width.
    slope = np.polyfit(np.log([128, 1024, 4096]), np.log(found), 1)[0]
    assert -0.9 < slope < -0.25
    assert found[-1] < 0.07


def test_as_many_passes_are_the_fit():
    X, y = table()
    for whole, part, labels in (
        (ww.ReLUNetworkRegressor, ww.ReLUNetworkRegressor, y),
        (ww.ReLUNetworkClassifier, ww.ReLUNetworkClassifier, y > 5),
    ):
        fitted = whole(widths=(32,), steps=6).fit(X, labels)
        passed = part(widths=(32,))
        for _ in range(6):
            passed.partial_fit(X, labels)
        assert passed.n_iter_ == fitted.n_iter_ == 6
        assert passed.history_["step"].tolist() == fitted.history_["step"].tolist()
        # Parameters are rounded to float32 between calls.
        np.testing.assert_allclose(passed.history_["loss"], fitted.history_["loss"], rtol=1e-5)
        np.testing.assert_allclose(passed.params_["W"], fitted.params_["W"], rtol=1e-4, atol=1e-5)


def test_new_rows_are_learned_in_passes():
    X, y = load_iris(return_X_y=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    order = np.random.default_rng(0).permutation(150)
    model = ww.ReLUNetworkClassifier(widths=(128,))
    for _ in range(8):
        for part in np.split(order, 5):
            model.partial_fit(X[part], y[part], classes=[0, 1, 2])
    assert model.n_iter_ == 40
    assert model.score(X, y) > 0.9
    with pytest.raises(DataError, match="name them all in classes="):
        model.partial_fit(X, np.full(150, 7))
    with pytest.raises(UsageError, match="classes must be those of the first call"):
        model.partial_fit(X, y, classes=[0, 1])
    with pytest.raises(ValueError, match="features"):
        model.partial_fit(X[:, :2], y)
    regressor = ww.ReLUNetworkRegressor(widths=(16,)).partial_fit(X, y)
    with pytest.raises(DataError, match="1 outputs of the first call"):
        regressor.partial_fit(X, np.column_stack([y, y]))


def test_the_rate_of_descent_is_stable_and_twice_the_bound_is_not():
    X, y = table()
    model = ww.ReLUNetworkRegressor(widths=(4096,), steps=100, tol=0.0).fit(X, y)
    assert np.all(np.diff(model.history_["loss"]) <= 1e-9)
    K = model.kernel_(np.column_stack([X, np.full(40, 0.3 * 3**0.5)]))
    assert model.learning_rate_ == pytest.approx(40 / np.linalg.eigvalsh(K)[-1])
    # Above two over the curvature a quadratic loss grows; a wide network leaves the region where it is one, so it need not end in
    # infinity, but it does not fall step by step.
    wild = ww.ReLUNetworkRegressor(widths=(4096,), steps=20, tol=0.0, learning_rate=2.6 * model.learning_rate_).fit(
        X, y
    )
    assert np.any(np.diff(wild.history_["loss"]) > 0)
    with pytest.raises(UsageError, match="training diverged at step"):
        ww.ReLUNetworkRegressor(widths=(64,), learning_rate=1e9).fit(X, y)


def test_the_rate_of_the_logistic_loss_and_of_batches():
    X, y = table()
    regression = ww.ReLUNetworkRegressor(widths=(64,), steps=1).fit(X, y)
    logistic = ww.ReLUNetworkClassifier(widths=(64,), steps=1).fit(X, y > 5)
    softmax = ww.ReLUNetworkClassifier(widths=(64,), steps=1).fit(X, np.digitize(y, [-50, 60]))
    assert logistic.learning_rate_ == pytest.approx(4 * regression.learning_rate_)
    assert softmax.learning_rate_ == pytest.approx(2 * regression.learning_rate_)
    batches = ww.ReLUNetworkRegressor(widths=(64,), steps=64, batch_size=8, tol=0.0).fit(X, y)
    assert batches.learning_rate_ < regression.learning_rate_
    assert batches.history_["loss"][-1] < 0.3 * batches.history_["loss"][0]
    assert ww.ReLUNetworkRegressor(widths=(64,), batch_size=8).partial_fit(X, y).n_iter_ == 5


def test_deeper_networks_start_at_zero_as_well_and_learn():
    X, y = table()
    model = ww.ReLUNetworkRegressor(
        widths=(64, 64), trained="all", bias_variance=0.1, pad=0.0, optimizer="momentum", steps=300
    ).fit(X, y)
    assert isinstance(model.network_, Doubled)
    assert model.kernel_ == NTK(depth=2, weight_variance=2.0, bias_variance=0.1, input_scale=1 / 3)
    assert model.history_["loss"][0] == pytest.approx(0.5, rel=1e-5)
    assert model.score(X, y) > 0.99


def test_training_ends_where_the_loss_is_small():
    X, y = table(10)
    model = ww.ReLUNetworkRegressor(steps=5000, tol=0.01).fit(X, y)
    assert model.n_iter_ < 5000
    assert model.history_["loss"][-1] <= 0.01 < model.history_["loss"][-2]


@pytest.mark.parametrize("loss", ["auto", "squared"])
@pytest.mark.parametrize("classes", [2, 3])
def test_probabilities_are_those_of_the_loss(loss, classes):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 2))
    scores = 2.0 * X @ np.array([[0.0, 1.0, -1.0], [0.0, 0.5, 0.5]])[:, :classes]
    truth = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    names = np.array(["a", "b", "c"], dtype=object)[:classes]
    y = np.array([rng.choice(names, p=p) for p in truth], dtype=object)
    model = ww.ReLUNetworkClassifier(loss=loss, steps=60).fit(X[:200], y[:200])
    found = model.predict_proba(X[200:])
    np.testing.assert_allclose(found.sum(axis=1), 1.0)
    assert names[found.argmax(axis=1)].tolist() == model.predict(X[200:]).tolist()
    assert (
        -np.log(np.clip(found[np.arange(200), np.searchsorted(names, y[200:])], 0.01, 1.0)).mean()
        < log_loss(y[200:], truth[200:], labels=names) + 0.15
    )
    assert model.decision_function(X).shape == ((400,) if classes == 2 else (400, 3))


def test_several_outputs_have_their_own_units():
    X, y = table()
    Y = np.column_stack([y, 1e-4 * X[:, 2]])
    model = ww.ReLUNetworkRegressor(steps=500).fit(X, Y)
    assert model.predict(X).shape == (40, 2)
    assert model.score(X, Y) > 0.95


def test_what_is_out_of_range_is_refused():
    X, y = table()
    for bad, words in (
        ({"widths": (0,)}, r"widths\[0\]"),
        ({"widths": "wide"}, "one number for each hidden layer"),
        ({"widths": (33,)}, "must be even"),
        ({"trained": "second"}, "trained must be"),
        ({"optimizer": "newton"}, "optimizer must be 'gd', 'momentum' or 'adam'"),
        ({"loss": "hinge"}, "loss must be"),
        ({"learning_rate": 0.0}, "learning_rate must be"),
        ({"learning_rate": "fast"}, "learning_rate must be"),
        ({"steps": 0}, "steps"),
        ({"batch_size": 0}, "batch_size"),
    ):
        with pytest.raises(UsageError, match=words):
            ww.ReLUNetworkRegressor(**bad).fit(X, y)
    with pytest.raises(DataError, match="nothing to see"):
        ww.ReLUNetworkRegressor(pad=0.0).fit(np.zeros((5, 2)), np.arange(5.0))
    with pytest.raises(DataError, match="at least two classes"):
        ww.ReLUNetworkClassifier().fit(X, np.zeros(40))
