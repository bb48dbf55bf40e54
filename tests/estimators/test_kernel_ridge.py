"""Infinitely wide networks as estimators: to the letter of scikit-learn, and equal to brute force in every closed form."""

from __future__ import annotations

import pickle

import jax
import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, GroupKFold, LeaveOneOut, cross_val_predict, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import widthwise as ww
from widthwise.errors import DataError, UsageError
from widthwise.estimators.calibration import temperature
from widthwise.kernels import NNGP, NTK, HInf, LeakyReLU


@parametrize_with_checks([ww.NTKRegressor(), ww.NTKClassifier()])
def test_the_conventions_of_scikit_learn_hold(estimator, check):
    check(estimator)


def table(n=40, d=3, outputs=0, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    y = np.sin(2 * X[:, 0]) + X[:, 1] + 0.1 * rng.normal(size=n)
    return X, (y if not outputs else np.column_stack([y, 50 * X[:, 2] ** 2 + rng.normal(size=n)]))


@pytest.mark.parametrize("kernel", ["ntk", "nngp"])
def test_predictions_are_the_formula(kernel):
    X, y = table()
    Z = table(7, seed=1)[0]
    make = {"ntk": NTK, "nngp": NNGP}[kernel]
    k = make(depth=2, weight_variance=1.5, bias_variance=0.3, input_scale=1 / 3)
    pad = lambda rows: np.column_stack([rows, np.full(len(rows), 0.5 * 3**0.5)])  # noqa: E731
    K = k(pad(X))
    expected = k(pad(Z), pad(X)) @ np.linalg.solve(K + 0.1 * np.mean(np.diag(K)) * np.eye(40), y - y.mean()) + y.mean()
    model = ww.NTKRegressor(2, weight_variance=1.5, bias_variance=0.3, kernel=kernel, pad=0.5, ridge=0.1).fit(X, y)
    np.testing.assert_allclose(model.predict(Z), expected, rtol=1e-9)
    assert model.ridge_ == pytest.approx(0.1 * np.mean(np.diag(K)))
    assert model.solution_.converged
    assert model.effective_dimension_ == pytest.approx(np.trace(K @ np.linalg.inv(K + model.ridge_ * np.eye(40))))


@pytest.mark.parametrize("ridge", [0.05, "gcv", "evidence", "loo"])
def test_leave_one_out_of_a_regression_is_a_refit_without_the_row(ridge):
    X, y = table(25, outputs=2)
    model = ww.NTKRegressor(ridge=ridge).fit(X, y)
    same = ww.NTKRegressor(kernel=model.kernel_, ridge=0.0)
    brute = np.empty_like(y)
    for out in range(len(X)):
        kept = np.delete(np.arange(len(X)), out)
        K = model.kernel_(X[kept])
        same.set_params(ridge=float(model.ridge_ / np.mean(np.diag(K))))
        brute[out] = same.fit(X[kept], y[kept]).predict(X[[out]])[0]
    np.testing.assert_allclose(model.loo_predictions_, brute, rtol=1e-7, atol=1e-8)
    residual = ((y - brute) ** 2).sum(axis=0) / ((y - y.mean(axis=0)) ** 2).sum(axis=0)
    assert model.loo_score_ == pytest.approx(1 - residual.mean())


def test_the_chosen_ridge_has_the_least_leave_one_out_error():
    X, y = table()
    y = y + np.random.default_rng(5).normal(size=40)
    model = ww.NTKRegressor().fit(X, y)
    best = model.loo_score_
    unit = np.mean(np.diag(model.kernel_(X)))
    around = [ww.NTKRegressor(ridge=float(model.ridge_ / unit * f)).fit(X, y).loo_score_ for f in (0.5, 0.8, 1.25, 2.0)]
    assert max(around) < best


def test_units_of_the_outputs_do_not_choose_the_ridge():
    X, y = table(outputs=2)
    one, other = (ww.NTKRegressor().fit(X, y * np.array(scale)) for scale in ([1.0, 1.0], [1e6, 1e-3]))
    assert one.ridge_ == other.ridge_
    np.testing.assert_allclose(one.predict(X), other.predict(X) / [1e6, 1e-3], rtol=1e-8)


@pytest.mark.parametrize("ridge", [0.1, "loo", "gcv", "evidence"])
def test_integer_weights_are_repeated_rows(ridge):
    X, y = table(20)
    counts = np.random.default_rng(3).integers(0, 4, 20)
    rows = np.repeat(np.arange(20), counts)
    weighted = ww.NTKRegressor(ridge=ridge).fit(X, y, sample_weight=counts)
    Z = table(5, seed=1)[0]
    repeated = ww.NTKRegressor(ridge=ridge).fit(X[rows], y[rows])
    assert weighted.ridge_ == pytest.approx(repeated.ridge_)
    np.testing.assert_allclose(weighted.predict(Z), repeated.predict(Z), rtol=1e-8)
    np.testing.assert_allclose(weighted.loo_predictions_[rows], repeated.loo_predictions_, rtol=1e-8)
    # Where a row has no weight, what is left out is nothing.
    np.testing.assert_allclose(weighted.loo_predictions_[counts == 0], weighted.predict(X[counts == 0]))


def test_a_flow_stopped_early_is_small_steps_and_says_that_it_has_no_leave_one_out():
    X, y = table(15)
    model = ww.NTKRegressor(ridge=0.0, time=2.0).fit(X, y)
    K, found = model.kernel_(X), np.zeros(15)
    for _ in range(20000):
        found += 2.0 / 20000 * (y - y.mean() - K @ found)
    # Euler's error is of the order of the step times the largest eigenvalue.
    np.testing.assert_allclose(
        model.dual_coef_[:, 0], found, atol=2.0 / 20000 * np.linalg.norm(K, 2) * np.abs(found).max()
    )
    assert not hasattr(model, "loo_predictions_")
    assert model.solution_ is None
    with pytest.raises(UsageError, match="pass a number"):
        ww.NTKRegressor(time=2.0).fit(X, y)
    classifier = ww.NTKClassifier(ridge=0.0, time=2.0).fit(X, y > 0)
    assert classifier.predict_proba(X).shape == (15, 2)


def test_kernels_are_named_or_given():
    X, y = table()
    given = NTK(depth=2, activation=LeakyReLU(0.2), bias_variance=0.1)
    assert ww.NTKRegressor(kernel=given).fit(X, y).kernel_ is given
    assert ww.NTKRegressor(kernel="hinf").fit(X, y).kernel_ == HInf()
    with pytest.raises(UsageError, match="kernel must be 'ntk', 'nngp', 'hinf'"):
        ww.NTKRegressor(kernel="rbf").fit(X, y)
    with pytest.raises(UsageError, match="ridge must be 'loo', 'gcv' or 'evidence'"):
        ww.NTKRegressor(ridge="best").fit(X, y)
    with pytest.raises(UsageError, match="ridge must be a finite number of at least 0"):
        ww.NTKRegressor(ridge=-1.0).fit(X, y)
    with pytest.raises(UsageError, match="solver must be"):
        ww.NTKRegressor(solver="magic").fit(X, y)


def test_equal_rows_without_a_ridge_are_solved_in_their_range_and_have_no_leave_one_out():
    X, y = table()
    X[7] = X[2]
    model = ww.NTKRegressor(ridge=0.0).fit(X, y)
    assert model.solution_.coincident == ((2, 7),)
    assert not hasattr(model, "loo_score_")
    with pytest.raises(AttributeError, match="Use a larger ridge"):
        _ = model.loo_predictions_
    with pytest.raises(DataError, match="probabilities are calibrated by leave-one-out, which failed"):
        ww.NTKClassifier(ridge=0.0).fit(X, y > 0).predict_proba(X)


def test_rows_that_are_all_equal_have_nothing_to_be_left_out_of():
    model = ww.NTKRegressor(ridge=0.1).fit(np.ones((10, 2)), np.arange(10.0))
    np.testing.assert_allclose(model.predict(np.ones((1, 2))), 4.5)
    assert not hasattr(model, "loo_predictions_")
    # One direction is in use: its eigenvalue is ten times the diagonal, the ridge a tenth of it.
    assert model.effective_dimension_ == pytest.approx(10 / 10.1)
    with pytest.raises(DataError, match="all 10 rows of X are equal: pass a number"):
        ww.NTKRegressor().fit(np.ones((10, 2)), np.arange(10.0))


def test_many_rows_are_solved_by_iterations_and_their_leave_one_out_has_errors():
    X, y = table(300)
    weights = np.random.default_rng(1).uniform(0.5, 2.0, 300)
    exact = ww.NTKRegressor(ridge=0.01).fit(X, y, sample_weight=weights)
    rough = ww.NTKRegressor(ridge=0.01, solver="cg").fit(X, y, sample_weight=weights)
    assert rough.solution_.solver == "cg"
    np.testing.assert_allclose(rough.predict(X), exact.predict(X), atol=1e-4)
    off = np.abs(rough.loo_predictions_ - exact.loo_predictions_) / rough.loo_standard_errors_
    # 16 probes: errors follow Student's law; its 99.9 % point, and a rare row beyond.
    assert np.mean(off < 4.1) > 0.99
    assert rough.effective_dimension_ == pytest.approx(exact.effective_dimension_, rel=0.05)
    with pytest.raises(AttributeError, match="exact"):
        _ = exact.loo_standard_errors_


@pytest.mark.parametrize("criterion", ["loo", "gcv", pytest.param("evidence", marks=pytest.mark.slow)])
def test_the_ridge_of_many_rows_is_as_good_as_the_exact_one(criterion):
    X, y = table(300)
    y = y + 0.5 * np.random.default_rng(5).normal(size=300)
    exact = ww.NTKRegressor(ridge=criterion).fit(X, y)
    rough = ww.NTKRegressor(ridge=criterion, solver="cg").fit(X, y)
    # Steps of half a decade, and flat minima: what counts is how good the ridge is.
    chosen = ww.NTKRegressor(ridge=float(rough.ridge_ / np.mean(np.diag(exact.kernel_(X))))).fit(X, y)
    assert chosen.loo_score_ > exact.loo_score_ - 0.01
    assert rough.loo_score_ == pytest.approx(chosen.loo_score_, abs=0.02)


def test_classes_are_the_largest_scores_and_leave_one_out_is_brute_force():
    X, y = load_iris(return_X_y=True)
    X, y = X[::3], np.array(["setosa", "versicolor", "virginica"], dtype=object)[y[::3]]
    model = ww.NTKClassifier(ridge=0.01).fit(X, y)
    unit = np.mean(np.diag(model.kernel_(X)))
    brute = np.empty(len(X), dtype=object)
    for out in range(len(X)):
        kept = np.delete(np.arange(len(X)), out)
        ridge = float(0.01 * unit / np.mean(np.diag(model.kernel_(X[kept]))))
        brute[out] = ww.NTKClassifier(ridge=ridge).fit(X[kept], y[kept]).predict(X[[out]])[0]
    assert model.loo_predictions_.tolist() == brute.tolist()
    assert model.loo_score_ == np.mean(brute == y)
    assert model.classes_[model.decision_function(X).argmax(axis=1)].tolist() == model.predict(X).tolist()
    assert model.classes_[model.predict_proba(X).argmax(axis=1)].tolist() == model.predict(X).tolist()


def test_the_temperature_is_where_the_likelihood_of_held_out_scores_is_flat():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(4000, 3)) * 2.0
    codes = np.array([rng.choice(3, p=np.exp(s) / np.exp(s).sum()) for s in truth])
    found = temperature(truth * 5.0, codes, np.ones(len(codes)))
    # Labels were drawn at temperature 5; the standard error of its estimate is about 2 % here.
    assert found == pytest.approx(5.0, rel=0.08)
    assert temperature(truth * 5.0, codes, np.full(len(codes), 2.0)) == pytest.approx(found, rel=1e-2)


def test_probabilities_of_new_rows_are_better_than_the_shares_of_classes():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 2))
    y = rng.random(600) < 1 / (1 + np.exp(-2 * X[:, 0]))
    found = ww.NTKClassifier().fit(X[:300], y[:300]).predict_proba(X[300:])
    true = log_loss(y[300:], 1 / (1 + np.exp(-2 * X[300:, 0])))
    assert log_loss(y[300:], found) < true + 0.05
    np.testing.assert_allclose(found.sum(axis=1), 1.0)


def test_pipelines_searches_and_calibrators_of_scikit_learn_work():
    X, y = load_iris(return_X_y=True)
    X, y = X[::2], y[::2]
    pipe = make_pipeline(StandardScaler(), ww.NTKClassifier())
    search = GridSearchCV(pipe, {"ntkclassifier__depth": [1, 2], "ntkclassifier__ridge": [0.01, 1.0]}, cv=3).fit(X, y)
    assert search.best_score_ > 0.85
    assert cross_val_predict(pipe, X, y, cv=3, method="predict_proba").shape == (75, 3)
    assert CalibratedClassifierCV(pipe, cv=3).fit(X, y).score(X, y) > 0.9
    first = y < 2
    loo = cross_val_predict(ww.NTKClassifier(ridge=0.1), X[first], y[first], cv=LeaveOneOut())
    assert np.mean(loo == ww.NTKClassifier(ridge=0.1).fit(X[first], y[first]).loo_predictions_) == 1.0


def test_metadata_is_routed_where_it_is_asked_for():
    X, y = load_iris(return_X_y=True)
    X, y = X[::3], y[::3]
    weights, groups = np.where(y == 0, 0.0, 1.0), np.arange(50) % 5
    with sklearn.config_context(enable_metadata_routing=True):
        asked = ww.NTKClassifier(ridge=0.1).set_fit_request(sample_weight=True).set_score_request(sample_weight=False)
        found = cross_validate(
            asked, X, y, cv=GroupKFold(5), params={"sample_weight": weights, "groups": groups}, return_estimator=True
        )
        assert all(len(e.rows_) < np.sum(groups != 0) for e in found["estimator"])


def test_names_of_columns_are_kept_and_checked():
    X, y = table()
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    model = ww.NTKRegressor(ridge=0.1).fit(frame, y)
    assert model.feature_names_in_.tolist() == ["a", "b", "c"]
    assert np.array_equal(model.predict(frame), model.set_params().predict(frame))
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame.rename(columns={"a": "z"}))


def test_polars_frames_are_rows_like_any():
    pl = pytest.importorskip("polars", reason="polars is not installed: pip install polars")
    X, y = table()
    frame = pl.DataFrame({"a": X[:, 0], "b": X[:, 1], "c": X[:, 2]})
    model = ww.NTKRegressor(ridge=0.1).fit(frame, y)
    assert model.feature_names_in_.tolist() == ["a", "b", "c"]
    np.testing.assert_array_equal(model.predict(frame), ww.NTKRegressor(ridge=0.1).fit(X, y).predict(X))


@pytest.mark.parametrize(
    "model",
    [
        ww.NTKRegressor(kernel=NTK(depth=2, activation=LeakyReLU(0.1))),
        ww.NTKClassifier(),
        ww.NTKClassifier(ridge=0.0, time=1),
    ],
    ids=["regressor", "classifier", "stopped"],
)
def test_what_is_saved_pickled_or_cloned_is_the_same_model(model, tmp_path):
    X, y = table()
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    y = y if isinstance(model, ww.NTKRegressor) else np.where(y > 0, "yes", "no").astype(object)
    with sklearn.config_context(enable_metadata_routing=True):
        model = model.set_fit_request(sample_weight=True).fit(frame, y)
    for again in (type(model).load(model.save(tmp_path / "model.npz")), pickle.loads(pickle.dumps(model))):  # noqa: S301
        assert again.get_params() == model.get_params()
        np.testing.assert_array_equal(again.predict(frame), model.predict(frame))
        assert again.feature_names_in_.tolist() == ["a", "b", "c"]
        assert again.get_metadata_routing().fit.requests == {"sample_weight": True}
        if model.time is None:
            np.testing.assert_array_equal(again.loo_predictions_, model.loo_predictions_)
            assert str(again.solution_) == str(model.solution_)
        if hasattr(model, "classes_"):
            np.testing.assert_array_equal(again.predict_proba(frame), model.predict_proba(frame))
    assert clone(model).get_params() == model.get_params()
    with pytest.raises(DataError, match=r"holds NTK\w+; load it with"):
        (ww.NTKClassifier if isinstance(model, ww.NTKRegressor) else ww.NTKRegressor).load(tmp_path / "model.npz")


def test_one_class_is_no_classification():
    X, y = table()
    with pytest.raises(DataError, match="at least two classes"):
        ww.NTKClassifier().fit(X, np.zeros(40, dtype=int))
    with pytest.raises(DataError, match="positive sample_weight in at least two classes"):
        ww.NTKClassifier().fit(X, y > 0, sample_weight=(y > 0).astype(float))


def test_fitting_leaves_the_precision_of_jax_alone():
    X, y = table()
    ww.NTKRegressor(depth=2).fit(X, y).predict(X)
    assert not jax.config.jax_enable_x64
