"""What every estimator owes scikit-learn and its users: pipelines, searches, routing, frames, files."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_validate
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

import widthwise as ww
from widthwise.errors import DataError

SEARCHED = {"depths": (1,), "bias_variances": (0.1,), "ridges": (0.01, 0.1)}
CLASSIFIERS = {
    "NTKClassifier": (ww.NTKClassifier(ridge=0.1), {"bias_variance": [0.1, 0.5]}),
    "NTKClassifierCV": (ww.NTKClassifierCV(**SEARCHED), {"scoring": ["squared", "accuracy"]}),
    "ReLUNetworkClassifier": (ww.ReLUNetworkClassifier(widths=(32,), steps=60), {"steps": [5, 60]}),
}
REGRESSORS = {
    "NTKRegressor": (ww.NTKRegressor(ridge=0.1), {"ridge": [0.1, 1.0]}),
    "NTKRegressorCV": (ww.NTKRegressorCV(**SEARCHED), {"scoring": ["squared", "absolute"]}),
    "ReLUNetworkRegressor": (ww.ReLUNetworkRegressor(widths=(32,), steps=60), {"steps": [5, 60]}),
    "NTKGaussianProcessRegressor": (ww.NTKGaussianProcessRegressor(optimizer=None), {"noise_variance": [0.1, 1.0]}),
}
TRANSFORMERS = {
    "NTKFeatures": (ww.NTKFeatures(n_components=12), {}),
    "NTKFeatures (random)": (ww.NTKFeatures(n_components=12, method="random"), {}),
}
PREDICTORS = CLASSIFIERS | REGRESSORS
FAMILY = PREDICTORS | TRANSFORMERS
NAMES = ["a", "b", "c", "d"]


def rows():
    X, y = load_iris(return_X_y=True)
    X, y = X[:144:3], y[:144:3]
    return X, np.array(["setosa", "versicolor", "virginica"], dtype=object)[y], X[:, 0] - 2.0 * X[:, 2]


def asked_for(model):
    """Rows and the targets that an estimator takes."""
    X, labels, numbers = rows()
    return X, labels if is_classifier(model) else numbers


def answers(model, X):
    """All that a fitted estimator says of rows."""
    says = ("transform", "predict", "predict_proba", "decision_function")
    return {name: getattr(model, name)(X) for name in says if hasattr(model, name)}


def same(one, other):
    assert one.keys() == other.keys()
    for name, values in one.items():
        np.testing.assert_array_equal(values, other[name], err_msg=name)


def test_the_family_is_whole_at_the_root():
    public = {n for n in ww.__all__ if isinstance(getattr(ww, n), type) and hasattr(getattr(ww, n), "fit")}
    assert public == {type(model).__name__ for model, _ in FAMILY.values()} | {"LabelNoiseDetector"}


@pytest.mark.parametrize(("model", "grid"), PREDICTORS.values(), ids=PREDICTORS)
def test_pipelines_are_searched_and_cross_validated(model, grid):
    X, y = asked_for(model)
    pipe = Pipeline([("scale", StandardScaler()), ("model", clone(model))])
    search = GridSearchCV(pipe, {f"model__{k}": v for k, v in grid.items()}, cv=2, error_score="raise").fit(X, y)
    found = search.cv_results_["mean_test_score"]
    assert search.best_score_ == max(found)
    assert search.best_estimator_.score(X, y) > 0.8
    method = "predict_proba" if is_classifier(model) else "predict"
    held = cross_val_predict(search.best_estimator_, X, y, cv=2, method=method)
    assert held.shape == ((48, 3) if is_classifier(model) else (48,))


@pytest.mark.parametrize(("model", "grid"), CLASSIFIERS.values(), ids=CLASSIFIERS)
def test_probabilities_are_calibrated_by_scikit_learn_as_well(model, grid):
    X, y = asked_for(model)
    found = CalibratedClassifierCV(clone(model), cv=2).fit(X, y)
    assert found.score(X, y) > 0.8
    np.testing.assert_allclose(found.predict_proba(X).sum(axis=1), 1.0)


@pytest.mark.parametrize(("model", "grid"), TRANSFORMERS.values(), ids=TRANSFORMERS)
def test_transformers_stand_before_linear_models_and_are_searched(model, grid):
    X, y = asked_for(model)
    pipe = Pipeline([("scale", StandardScaler()), ("features", clone(model)), ("model", Ridge(alpha=0.1))])
    search = GridSearchCV(pipe, {"features__n_components": [4, 24]}, cv=2, error_score="raise").fit(X, y)
    assert search.best_params_ == {"features__n_components": 24}


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_frames_are_rows_with_names_and_come_out_where_they_are_asked_for(kind):
    library = pytest.importorskip(kind, reason=f"{kind} is not installed")
    for model, _ in FAMILY.values():
        X, y = asked_for(model)
        frame = library.DataFrame({name: X[:, place] for place, name in enumerate(NAMES)})
        column = library.Series(y) if not is_classifier(model) else y
        named, plain = clone(model).fit(frame, column), clone(model).fit(X, y)
        assert named.feature_names_in_.tolist() == NAMES
        same(answers(named, frame), answers(plain, X))
        with pytest.raises(ValueError, match="feature names"):
            answers(named, frame[NAMES[::-1]])
        scaled = make_pipeline(StandardScaler(), clone(model)).set_output(transform=kind).fit(frame, column)
        assert scaled[-1].feature_names_in_.tolist() == NAMES
        if hasattr(model, "transform"):
            out = scaled.transform(frame)
            assert isinstance(out, library.DataFrame)
            assert list(out.columns) == [f"ntkfeatures{i}" for i in range(12)]


@pytest.mark.parametrize(("model", "grid"), FAMILY.values(), ids=FAMILY)
def test_what_is_pickled_saved_or_cloned_is_the_same_model(model, grid, tmp_path):
    X, y = asked_for(model)
    frame = pd.DataFrame(X, columns=NAMES)
    fitted = clone(model).fit(frame, y)
    for again in (pickle.loads(pickle.dumps(fitted)), type(model).load(fitted.save(tmp_path / "model.npz"))):  # noqa: S301
        assert again.get_params() == fitted.get_params()
        assert again.feature_names_in_.tolist() == NAMES
        same(answers(again, frame), answers(fitted, frame))
        if hasattr(again, "partial_fit"):
            same(
                answers(again.partial_fit(frame, y), frame),
                answers(clone(model).fit(frame, y).partial_fit(frame, y), frame),
            )
        if hasattr(again, "cv_results_"):
            assert again.best_params_ == fitted.best_params_
            assert again.cv_results_["score"].tolist() == fitted.cv_results_["score"].tolist()
    with np.load(tmp_path / "model.npz", allow_pickle=False) as file:
        assert all(file[name].dtype != object for name in file.files)
    other = ww.NTKFeatures if not hasattr(model, "transform") else ww.NTKRegressor
    with pytest.raises(DataError, match="load it with"):
        other.load(tmp_path / "model.npz")
    assert clone(fitted).get_params() == model.get_params()


@pytest.mark.parametrize("name", ["NTKRegressor", "NTKRegressorCV", "NTKClassifier", "NTKClassifierCV"])
def test_weights_and_groups_are_routed_where_they_are_asked_for(name):
    model = clone(PREDICTORS[name][0])
    X, y = asked_for(model)
    rng = np.random.default_rng(0)
    weights, groups = rng.integers(1, 4, 48).astype(float), rng.integers(0, 8, 48)
    grouped = name.endswith("CV")
    with sklearn.config_context(enable_metadata_routing=True):
        asked = clone(model).set_fit_request(sample_weight=True, **({"groups": True} if grouped else {}))
        asked = asked.set_score_request(sample_weight=True)
        params = {"sample_weight": weights} | ({"groups": groups} if grouped else {})
        found = cross_validate(
            make_pipeline(asked), X, y, cv=2, params=params, return_estimator=True, return_indices=True
        )
    kept = found["indices"]["train"][0]
    by_hand = clone(model).fit(X[kept], y[kept], **{key: values[kept] for key, values in params.items()})
    routed = found["estimator"][0][-1]
    same(answers(routed, X), answers(by_hand, X))
    np.testing.assert_array_equal(routed.loo_predictions_, by_hand.loo_predictions_)
    plain = clone(model).fit(X[kept], y[kept])
    assert not np.array_equal(plain.dual_coef_, by_hand.dual_coef_)


@pytest.mark.parametrize("name", ["ReLUNetworkRegressor", "ReLUNetworkClassifier", "NTKGaussianProcessRegressor"])
def test_weights_are_not_taken_silently_where_they_mean_nothing(name):
    model = clone(PREDICTORS[name][0])
    X, y = asked_for(model)
    with pytest.raises(TypeError, match="sample_weight"):
        model.fit(X, y, sample_weight=np.ones(48))
    assert not hasattr(model, "set_fit_request")
