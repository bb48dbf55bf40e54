"""The detector is scikit-learn's to the letter; its scores are those of refits; it finds flips and says what it cannot tell."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.model_selection import cross_val_predict
from sklearn.utils.estimator_checks import parametrize_with_checks

import widthwise as ww
from widthwise import theory
from widthwise.datasets import prepare
from widthwise.errors import DataError, UsageError
from widthwise.estimators.label_noise import LEAST, LabelNoiseDetector
from widthwise.kernels import NTK


@parametrize_with_checks([LabelNoiseDetector()])
def test_the_conventions_of_scikit_learn_hold(estimator, check):
    check(estimator)


def blobs(n, classes=3, seed=0, share=0.1):
    """Well separated classes, labels with a share of flips, and which they are."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    X = 8.0 * np.eye(classes, 4)[y] + rng.normal(size=(n, 4))
    flips = rng.choice(n, round(share * n), replace=False)
    given = y.copy()
    given[flips] = (given[flips] + rng.integers(1, classes, len(flips))) % classes
    return X, given, y, np.isin(np.arange(n), flips)


def test_flips_of_separate_classes_are_found_counted_and_set_right():
    X, given, y, wrong = blobs(240)
    names = np.array(["ant", "bee", "cat"])
    found = LabelNoiseDetector().fit(X, names[given])
    assert found.identifiable_, found.reason_
    assert found.noise_rate_ == pytest.approx(0.1, abs=0.005)
    low, high = found.noise_rate_interval_
    assert low <= 0.1 <= high == found.noise_rate_upper_
    np.testing.assert_array_equal(found.suspect_, wrong)
    np.testing.assert_array_equal(found.suggested_labels_, names[y])
    assert found.scores_[wrong].min() > found.scores_[~wrong].max()
    assert found.classes_.tolist() == ["ant", "bee", "cat"]


@pytest.mark.parametrize("classes", [2, 3])
def test_scores_are_those_of_refits_without_the_row(classes):
    X, given, _, _ = blobs(40, classes)
    found = LabelNoiseDetector(depth=2, pad=0.7, ridge=0.3).fit(X, given)
    rows = prepare(X, scale="standardise", tau=0.7).X
    K = NTK(depth=2)(rows)
    ridge = 0.3 * np.mean(np.diag(K))
    Y = np.where(given[:, None] == np.arange(classes), 1.0, -1.0)
    for i in (0, 17, 39):
        kept = np.arange(40) != i
        mean = Y[kept].mean(axis=0)
        weights = np.linalg.solve(K[np.ix_(kept, kept)] + ridge * np.eye(39), Y[kept] - mean)
        np.testing.assert_allclose(found.loo_predictions_[i], K[i, kept] @ weights + mean, atol=1e-10)
    np.testing.assert_array_equal(found.scores_, theory.label_quality(found.loo_predictions_, given).scores)


def test_pad_and_ridge_are_those_of_the_least_leave_one_out_error():
    X, given, _, _ = blobs(60, seed=3)
    found = LabelNoiseDetector().fit(X, given)

    def error(pad, ridge):
        held = LabelNoiseDetector(pad=pad, ridge=ridge).fit(X, given).loo_predictions_
        return np.mean(np.sum((np.where(given[:, None] == np.arange(3), 1.0, -1.0) - held) ** 2, axis=1))

    best = error(found.pad_, found.ridge_)
    for pad, ridge in ((0.5, 1.0), (1.0, 0.1), (2.0, 0.01), (found.pad_, found.ridge_ * 3.2)):
        assert best <= error(pad, ridge) + 1e-12


@pytest.mark.slow
def test_many_rows_are_judged_by_all_of_them_at_the_ridge_of_some():
    X, given, _, wrong = blobs(1100, share=0.2)
    found = LabelNoiseDetector(pad=1.0).fit(X, given)
    K = NTK(depth=3)(prepare(X, scale="standardise", tau=1.0).X)
    Y = np.where(given[:, None] == np.arange(3), 1.0, -1.0)
    exact = theory.leave_one_out(K, Y, ridge=found.ridge_ * np.mean(np.diag(K)), center=True)
    np.testing.assert_allclose(found.loo_predictions_, exact.predictions, atol=1e-9)
    assert found.noise_rate_ == pytest.approx(wrong.mean(), abs=0.01)


@pytest.mark.slow
def test_rows_whose_inverse_does_not_fit_are_judged_by_estimates(monkeypatch):
    X, given, _, wrong = blobs(1100, share=0.2)
    exact = LabelNoiseDetector(pad=1.0).fit(X, given)
    monkeypatch.setattr("widthwise.estimators.label_noise.available_memory", lambda: 10**6)
    found = LabelNoiseDetector(pad=1.0).fit(X, given)
    assert found.ridge_ == exact.ridge_
    assert np.corrcoef(found.loo_predictions_[:, 0], exact.loo_predictions_[:, 0])[0, 1] > 0.99
    assert found.noise_rate_ == pytest.approx(wrong.mean(), abs=0.01)


def test_probabilities_of_any_model_take_the_place_of_the_kernel():
    X, given, _, wrong = blobs(240)
    p = cross_val_predict(LogisticRegression(), X, given, cv=5, method="predict_proba")
    found = LabelNoiseDetector().fit(X, given, pred_probs=p)
    np.testing.assert_array_equal(found.scores_, theory.label_quality(np.log(np.maximum(p, LEAST)), given).scores)
    assert found.loo_predictions_ is None
    assert np.isnan(found.ridge_)
    assert average_precision_score(wrong, found.scores_) > 0.95
    # Certainty, right or wrong, is taken: an exact zero is a very small probability.
    hard = LabelNoiseDetector().fit(X, given, pred_probs=np.eye(3)[given])
    assert (hard.noise_rate_, hard.suspect_.any()) == (0.0, False)


def test_classes_that_overlap_are_not_identifiable_and_nobody_is_accused():
    rng = np.random.default_rng(0)
    y = np.arange(300) % 2
    found = LabelNoiseDetector().fit(rng.normal(size=(300, 3)) + 0.7 * y[:, None], y)
    assert not found.identifiable_
    assert np.isnan(found.noise_rate_)
    assert not found.suspect_.any()
    assert found.noise_rate_upper_ >= found.disagreement_ > 0.1
    assert "overlap" in found.reason_


def test_a_number_far_off_is_the_first_suspect_and_its_prediction_the_suggestion():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 2))
    y = X[:, 0] + 0.05 * rng.normal(size=80)
    clean = y[17]
    y[17] += 8.0
    found = LabelNoiseDetector().fit(X, y)
    assert np.argmax(found.scores_) == 17
    assert found.suspect_[17]
    assert abs(found.suggested_labels_[17] - clean) < 1.0
    assert not found.identifiable_
    assert found.classes_.size == 0
    assert LabelNoiseDetector().fit(X, np.arange(80) % 40).classes_.size == 0
    huge = LabelNoiseDetector(task="regression").fit(X, 1e200 * y)
    np.testing.assert_allclose(huge.scores_, found.scores_, atol=1e-9)


def test_names_of_columns_are_kept_and_files_bring_everything_back(tmp_path):
    X, given, _, _ = blobs(60)
    found = LabelNoiseDetector().fit(pd.DataFrame(X, columns=list("abcd")), pd.Series(given))
    assert found.feature_names_in_.tolist() == list("abcd")
    again = LabelNoiseDetector.load(found.save(tmp_path / "detector.npz"))
    np.testing.assert_array_equal(again.scores_, found.scores_)
    assert again.reason_ == found.reason_
    assert again.quality_.low == found.quality_.low


def test_what_cannot_be_used_is_refused_with_what_to_do():
    X, given, _, _ = blobs(30)
    with pytest.raises(UsageError, match="scale must be 'standardise', 'unit' or 'none'; 'units' came"):
        LabelNoiseDetector(scale="units").fit(X, given)
    with pytest.raises(UsageError, match="pad must be"):
        LabelNoiseDetector(pad=-1.0).fit(X, given)
    with pytest.raises(UsageError, match="ridge must be"):
        LabelNoiseDetector(ridge="gcv").fit(X, given)
    with pytest.raises(DataError, match="one column for each of the 3 classes"):
        LabelNoiseDetector().fit(X, given, pred_probs=np.full((30, 2), 0.5))
    with pytest.raises(DataError, match="sum to 1"):
        LabelNoiseDetector().fit(X, given, pred_probs=np.full((30, 3), 0.5))
    with pytest.raises(UsageError, match="pred_probs are of classes"):
        LabelNoiseDetector(task="regression").fit(X, given + 0.5, pred_probs=np.full((30, 3), 1 / 3))
    with pytest.raises(ValueError, match="Unknown label type"):
        LabelNoiseDetector(task="classification").fit(X, given + 0.5)


def test_the_root_names_it():
    assert ww.LabelNoiseDetector is LabelNoiseDetector


@pytest.mark.parametrize("rate", [0.0, 0.05, 0.4])
def test_flips_of_digits_are_counted_to_two_points_and_a_deviation(rate):
    X, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(11)
    wrong = rng.random(len(y)) < rate
    given = np.where(wrong, (y + rng.integers(1, 10, len(y))) % 10, y)
    found = LabelNoiseDetector(scale="unit").fit(X, given)
    share = wrong.mean()
    assert abs(found.noise_rate_ - share) <= 0.02 + (share * (1 - share) / len(y)) ** 0.5
    assert found.noise_rate_upper_ >= share
    if rate:
        assert average_precision_score(wrong, found.scores_) >= 0.995
    else:
        assert not found.suspect_.any()
