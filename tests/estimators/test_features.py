"""Features of kernels: inner products are the kernel in mean, or where landmarks explain it; the error is the one stated."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

import widthwise as ww
from widthwise.errors import UsageError
from widthwise.kernels import NTK, LeakyReLU


@parametrize_with_checks([ww.NTKFeatures(n_components=20)])
def test_the_conventions_of_scikit_learn_hold_for_landmarks(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks([ww.NTKFeatures(n_components=20, method="random")])
def test_the_conventions_of_scikit_learn_hold_for_random_features(estimator, check):
    check(estimator)


def rows(n=40, d=3, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


RANDOM = {
    "ntk": {"depth": 1, "pad": 0.5},
    "two components": {"depth": 1, "n_components": 2},
    "ntk without biases": {"depth": 1, "bias_variance": 0.0},
    "nngp": {"depth": 1, "kernel": "nngp"},
    "hinf": {"kernel": "hinf"},
    "first layer": {"kernel": NTK(depth=1, trained="first", bias_variance=0.2, last_variance=3.0)},
}


@pytest.mark.parametrize("given", RANDOM.values(), ids=RANDOM)
def test_inner_products_of_random_features_are_the_kernel_in_mean(given):
    X = rows(8)
    X[1] = -X[0]
    draws = []
    for seed in range(25):
        model = ww.NTKFeatures(method="random", random_state=seed, **({"n_components": 200} | given)).fit(X)
        features = model.transform(X)
        assert features.shape == (8, model.n_components)
        draws.append(features @ features.T)
    rows_of_kernel = X if "pad" not in given else np.column_stack([X, np.full(8, given["pad"] * 3**0.5)])
    K = model.kernel_(rows_of_kernel)
    off, error = np.mean(draws, axis=0) - K, np.std(draws, axis=0) / 25**0.5
    # 36 pairs: the largest of so many standard normal numbers is below four but once in 400 times,
    # and of Student's with 24 degrees of freedom below six. Of opposite rows without biases
    # no neuron sees both: zero in every draw.
    sure = error < 1e-12
    np.testing.assert_allclose(off[sure], 0.0, atol=1e-12)
    assert np.abs(off[~sure] / error[~sure]).max() < 6.0


@pytest.mark.slow
@pytest.mark.parametrize(("kernel", "bias"), [("ntk", 0.1), ("nngp", 0.0)])
def test_deep_random_features_are_right_as_their_number_grows(kernel, bias):
    X = rows(30, 5)
    found = []
    for components in (64, 256, 1024):
        models = [
            ww.NTKFeatures(
                3, bias_variance=bias, kernel=kernel, n_components=components, method="random", random_state=seed
            ).fit(X)
            for seed in range(4)
        ]
        found.append(np.sqrt(np.mean([m.error_**2 for m in models])))
    slope = np.polyfit(np.log([64, 256, 1024]), np.log(found), 1)[0]
    # One over the root of the number; rows are few and common to all, so a slope of four draws is good to some tenths.
    assert slope == pytest.approx(-0.5, abs=0.2)


@pytest.mark.parametrize("method", ["random", "nystroem"])
def test_the_error_stated_is_that_of_the_training_rows(method):
    X = rows()
    model = ww.NTKFeatures(2, method=method, n_components=16).fit(X)
    features, K = model.transform(X), model.kernel_(X)
    off = np.abs(features @ features.T - K) / np.sqrt(np.outer(np.diag(K), np.diag(K)))
    assert model.error_ == pytest.approx(np.sqrt(np.mean(off**2)), rel=1e-6)
    assert model.worst_error_ == pytest.approx(off.max(), rel=1e-6)
    # New rows: with random features the same but for their number, with landmarks more.
    Z = rows(40, seed=1)
    features, K = model.transform(Z), model.kernel_(Z)
    off = np.abs(features @ features.T - K) / np.sqrt(np.outer(np.diag(K), np.diag(K)))
    ratio = np.sqrt(np.mean(off**2)) / model.error_
    assert 0.5 < ratio < 2.0 if method == "random" else ratio > 1.0


def test_landmarks_explain_themselves_exactly_and_all_rows_when_they_are_all():
    X, Z = rows(), rows(20, seed=1)
    some = ww.NTKFeatures(2, n_components=15).fit(X)
    K = some.kernel_(X)
    features = some.transform(X)
    np.testing.assert_allclose((features @ features.T)[some.landmarks_], K[some.landmarks_], atol=1e-10 * K.max())
    assert some.unexplained_ == pytest.approx(1 - np.sum(features**2) / np.trace(K), abs=1e-9)
    # No combination of the landmarks' columns does better than Schur's complement.
    assert np.linalg.eigvalsh(K - features @ features.T)[0] > -1e-10
    every = ww.NTKFeatures(2, n_components=100).fit(X)
    assert every.transform(Z).shape == (20, 40)
    assert every.error_ < 1e-8
    np.testing.assert_allclose(every.transform(X) @ every.transform(Z).T, some.kernel_(X, Z), atol=1e-7)


def test_a_ridge_on_the_features_is_the_kernel_ridge():
    X, Z = rows(), rows(20, seed=1)
    y = np.sin(X[:, 0])
    kernel = ww.NTKRegressor(ridge=0.1).fit(X, y)
    linear = make_pipeline(ww.NTKFeatures(n_components=40), Ridge(alpha=kernel.ridge_, fit_intercept=False))
    linear.fit(X, y - y.mean())
    np.testing.assert_allclose(linear.predict(Z) + y.mean(), kernel.predict(Z), atol=1e-7)


def test_equal_rows_are_one_landmark():
    X = np.repeat(rows(10), 3, axis=0)
    model = ww.NTKFeatures(n_components=30).fit(X)
    assert len(model.landmarks_) == 10
    assert model.error_ < 1e-7


def test_names_of_features_and_what_is_refused():
    X = rows()
    model = ww.NTKFeatures(n_components=3, method="random").fit(X)
    assert model.get_feature_names_out().tolist() == ["ntkfeatures0", "ntkfeatures1", "ntkfeatures2"]
    with pytest.raises(UsageError, match="pass method='nystroem'"):
        ww.NTKFeatures(method="random", kernel=NTK(activation=LeakyReLU(0.1))).fit(X)
    with pytest.raises(UsageError, match="pass method='nystroem'"):
        ww.NTKFeatures(method="random", kernel=NTK(trained="last")).fit(X)
    with pytest.raises(UsageError, match="method must be 'nystroem' or 'random'"):
        ww.NTKFeatures(method="fourier").fit(X)
    leaky = ww.NTKFeatures(kernel=NTK(activation=LeakyReLU(0.1)), n_components=40).fit(X)
    assert leaky.error_ < 1e-7
