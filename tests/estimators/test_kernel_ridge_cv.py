"""Networks chosen by what was left out: every score in the table is that of refits, and the best is taken."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import r2_score
from sklearn.utils.estimator_checks import parametrize_with_checks

import widthwise as ww
from widthwise.errors import UsageError
from widthwise.estimators.kernel_ridge_cv import RIDGES
from widthwise.kernels import NNGP, NTK, HInf


@parametrize_with_checks([ww.NTKClassifierCV(depths=(1,), bias_variances=(0.1,), ridges=(1e-3, 1e-1))])
def test_the_conventions_of_scikit_learn_hold_for_classes(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks([ww.NTKRegressorCV(depths=(1,), bias_variances=(0.1,), ridges=(1e-3, 1e-1))])
def test_the_conventions_of_scikit_learn_hold_for_numbers(estimator, check):
    check(estimator)


def table(n=30, d=3, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    return X, np.sin(2 * X[:, 0]) + X[:, 1] + 0.3 * rng.normal(size=n)


def refitted(K, Y, ridge, groups, weights):
    """Predictions for each group by a fit without it, in so many words."""
    found = np.empty_like(Y)
    for group in np.unique(groups):
        out, kept = groups == group, groups != group
        mean = np.average(Y[kept], axis=0, weights=weights[kept])
        inner = K[np.ix_(kept, kept)] + ridge * np.diag(1.0 / weights[kept])
        found[out] = K[np.ix_(out, kept)] @ np.linalg.solve(inner, Y[kept] - mean) + mean
    return found


@pytest.mark.parametrize("grouped", [False, True])
def test_every_score_of_a_regression_is_that_of_refits(grouped):
    X, y = table()
    Y = np.column_stack([y, 1000.0 * X[:, 2] ** 2])
    rng = np.random.default_rng(1)
    weights, groups = rng.uniform(0.5, 2.0, 30), rng.integers(0, 6, 30)
    model = ww.NTKRegressorCV(
        depths=(2,), bias_variances=(0.0, 0.2), kernels=("ntk", "nngp"), pads=(0.0, 0.5), ridges=(0.01, 1.0)
    ).fit(X, Y, sample_weight=weights, groups=groups if grouped else None)
    if not grouped:
        groups = np.arange(30)
    spread = np.sqrt(np.average((Y - np.average(Y, axis=0, weights=weights)) ** 2, axis=0, weights=weights))
    brute, predictions = [], []
    results = model.cv_results_
    for row in range(len(results["score"])):
        pad = results["param_pad"][row]
        rows = np.column_stack([X, np.full(30, pad * 3**0.5)])
        kind = {"ntk": NTK, "nngp": NNGP}[results["param_kernel"][row]]
        K = kind(
            depth=int(results["param_depth"][row]), weight_variance=2.0, input_scale=1 / 3,
            bias_variance=float(results["param_bias_variance"][row]),
        )(rows)  # fmt: skip
        ridge = results["param_ridge"][row] * np.average(np.diag(K), weights=weights)
        predictions.append(refitted(K, Y, ridge, groups, weights))
        brute.append(np.average(np.mean(((Y - predictions[-1]) / spread) ** 2, axis=1), weights=weights))
    assert len(brute) == 2**4
    np.testing.assert_allclose(results["score"], -np.array(brute), rtol=1e-7)
    best = int(np.argmin(brute))
    assert model.best_index_ == best
    assert results["rank"][best] == 1
    assert model.best_params_ == {k: results[f"param_{k}"][best] for k in model.best_params_}
    assert model.best_score_ == results["score"][best]
    np.testing.assert_allclose(model.loo_predictions_, predictions[best], rtol=1e-7, atol=1e-7)
    assert model.loo_score_ == pytest.approx(r2_score(Y, predictions[best], sample_weight=weights))
    same = ww.NTKRegressor(
        model.best_params_["depth"], **{k: v for k, v in model.best_params_.items() if k != "depth"}
    ).fit(X, Y, sample_weight=weights)
    np.testing.assert_allclose(model.predict(X), same.predict(X), rtol=1e-9)
    assert model.effective_dimension_ == pytest.approx(same.effective_dimension_)


def test_classes_are_chosen_by_squares_or_by_mistakes():
    X, y = table(40)
    codes = np.digitize(y, [-0.7, 0.7])
    for scoring in ("squared", "accuracy"):
        model = ww.NTKClassifierCV(depths=(1, 3), bias_variances=(0.1,), ridges=(0.01, 0.1, 1.0), scoring=scoring)
        model.fit(X, codes)
        losses = []
        for depth in (1, 3):
            K = NTK(depth=depth, weight_variance=2.0, bias_variance=0.1, input_scale=1 / 3)(X)
            for ridge in (0.01, 0.1, 1.0):
                Y = np.where(codes[:, None] == np.arange(3), 1.0, -1.0)
                held = refitted(K, Y, ridge * np.mean(np.diag(K)), np.arange(40), np.ones(40))
                squares = float(np.mean((Y - held) ** 2))
                losses.append((squares if scoring == "squared" else np.mean(held.argmax(axis=1) != codes), squares))
        np.testing.assert_allclose(model.cv_results_["score"], [-a for a, _ in losses], rtol=1e-7)
        assert model.best_index_ == losses.index(min(losses))
        if scoring == "accuracy":
            assert model.loo_score_ == 1 - min(losses)[0]


def test_absolute_errors_choose_as_well():
    X, y = table()
    model = ww.NTKRegressorCV(depths=(1,), bias_variances=(0.1,), scoring="absolute").fit(X, y)
    assert model.best_score_ == pytest.approx(-np.mean(np.abs(y - model.loo_predictions_)) / y.std())


def test_a_kernel_that_knows_no_depth_is_tried_once():
    X, y = table()
    own = NTK(depth=4)
    model = ww.NTKRegressorCV(depths=(1, 2), kernels=("hinf", own, "ntk"), ridges=(0.1,)).fit(X, y)
    kernels = list(model.cv_results_["param_kernel"])
    assert [kernels.count(k) for k in ("hinf", own, "ntk")] == [1, 1, 4]
    assert ww.NTKRegressorCV(kernels=("hinf",)).fit(X, y).kernel_ == HInf()


def test_integer_weights_are_repeated_rows():
    X, y = table(20)
    counts = np.random.default_rng(3).integers(0, 4, 20)
    rows = np.repeat(np.arange(20), counts)
    for labels, kind in ((y, ww.NTKRegressorCV), (y > 0, ww.NTKClassifierCV)):
        weighted = kind(depths=(1, 2)).fit(X, labels, sample_weight=counts)
        repeated = kind(depths=(1, 2)).fit(X[rows], labels[rows])
        assert weighted.best_params_ == repeated.best_params_
        np.testing.assert_allclose(weighted.cv_results_["score"], repeated.cv_results_["score"], rtol=1e-8)
        np.testing.assert_allclose(weighted.predict(X).astype(float), repeated.predict(X).astype(float), rtol=1e-7)


def test_groups_tell_what_rows_that_vouch_for_each_other_hide():
    # Five noisy copies of each person: without groups a fit that remembers persons looks right.
    rng = np.random.default_rng(0)
    persons = rng.normal(size=(60, 4))
    truth = persons[:, 0]
    groups = np.repeat(np.arange(60), 5)
    X = persons[groups] + 0.01 * rng.normal(size=(300, 4))
    y = (truth + 1.5 * rng.normal(size=60))[groups]
    new = rng.normal(size=(2000, 4))
    alone = ww.NTKRegressorCV(depths=(1,), bias_variances=(0.1,)).fit(X, y)
    grouped = ww.NTKRegressorCV(depths=(1,), bias_variances=(0.1,)).fit(X, y, groups=groups)
    assert alone.loo_score_ > 0.9
    assert grouped.best_params_["ridge"] > alone.best_params_["ridge"]
    assert r2_score(new[:, 0], grouped.predict(new)) > r2_score(new[:, 0], alone.predict(new)) + 0.2
    # Held out by persons, R^2 of 60 persons has a standard error of about 0.1 around what new persons would give.
    y_new = new[:, 0] + 1.5 * rng.normal(size=2000)
    assert grouped.loo_score_ == pytest.approx(r2_score(y_new, grouped.predict(new)), abs=0.3)


def test_probabilities_are_calibrated_by_the_groups():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(40, 2))
    groups = np.repeat(np.arange(40), 4)
    X = centres[groups] + 0.01 * rng.normal(size=(160, 2))
    y = (rng.random(40) < 0.5)[groups]
    alone, grouped = (
        ww.NTKClassifierCV(depths=(1,), bias_variances=(0.1,)).fit(X, y, groups=g) for g in (None, groups)
    )  # fmt: skip
    # Labels of persons are coins: without groups the model is sure of them, with groups it is not.
    assert alone.predict_proba(X).max(axis=1).mean() > 0.9
    assert grouped.predict_proba(rng.normal(size=(200, 2))).max(axis=1).mean() < 0.65


def test_what_cannot_be_chosen_from_is_refused():
    X, y = table()
    with pytest.raises(UsageError, match="depths must be a list of at least one value"):
        ww.NTKRegressorCV(depths=2).fit(X, y)
    with pytest.raises(UsageError, match="kernels must be a list of at least one value"):
        ww.NTKRegressorCV(kernels="ntk").fit(X, y)
    with pytest.raises(UsageError, match="kernels must be a list of at least one value"):
        ww.NTKRegressorCV(kernels=HInf()).fit(X, y)
    with pytest.raises(UsageError, match="ridges must be a list"):
        ww.NTKRegressorCV(ridges=()).fit(X, y)
    with pytest.raises(UsageError, match="scoring must be 'squared' or 'absolute'"):
        ww.NTKRegressorCV(scoring="accuracy").fit(X, y)
    with pytest.raises(UsageError, match="scoring must be 'squared' or 'accuracy'"):
        ww.NTKClassifierCV(scoring="absolute").fit(X, y > 0)
    with pytest.raises(UsageError, match="groups must name at least two groups"):
        ww.NTKRegressorCV().fit(X, y, groups=np.zeros(30))
    with pytest.raises(UsageError, match="the 30 rows are all one"):
        ww.NTKRegressorCV().fit(np.ones_like(X), y)
    X[7] = X[2]
    with pytest.raises(UsageError, match="give larger ridges"):
        ww.NTKRegressorCV(ridges=(0.0,)).fit(X, y)
    assert ww.NTKRegressorCV(ridges=(0.0, 0.1)).fit(X, y).best_params_["ridge"] == 0.1


def test_no_ridge_is_a_candidate_where_the_matrix_is_regular():
    X, _ = table()
    smooth = np.sin(X[:, 0])
    model = ww.NTKRegressorCV(depths=(1,), bias_variances=(0.1,), ridges=(0.0, 1.0)).fit(X, smooth)
    assert model.best_params_["ridge"] == 0.0
    np.testing.assert_allclose(model.predict(X), smooth, atol=1e-8)


def test_a_smooth_curve_asks_for_next_to_no_ridge_and_noise_has_nothing_to_learn():
    X, _ = table(100)
    smooth = ww.NTKRegressorCV(depths=(1,)).fit(X, X[:, 0])
    noise = ww.NTKRegressorCV(depths=(1,)).fit(X, np.random.default_rng(2).normal(size=100))
    assert smooth.best_params_["ridge"] <= 1e-2
    assert smooth.loo_score_ > 0.99
    # The best of 26 settings on 100 rows of noise: R^2 has a standard error of about 0.1 around zero or less.
    assert noise.loo_score_ < 0.2
    assert len(smooth.cv_results_["score"]) == 2 * len(RIDGES)


@pytest.mark.slow
def test_of_many_rows_some_choose_and_all_are_fitted():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(5200, 2))
    y = np.sin(2 * X[:, 0]) + 0.3 * rng.normal(size=5200)
    groups = np.arange(5200) // 2
    model = ww.NTKRegressorCV(depths=(1,), bias_variances=(0.1,), ridges=(0.01, 0.1)).fit(X, y)
    assert len(model.rows_) == 5200
    new = rng.normal(size=(1000, 2))
    assert np.mean((model.predict(new) - np.sin(2 * new[:, 0])) ** 2) < 0.01
    # R^2 of the truth is 1 - 0.09 / var y; that of an estimate from 16 probes lies within some hundredths.
    assert model.loo_score_ == pytest.approx(1 - 0.09 / y.var(), abs=0.03)
    assert model.loo_standard_errors_.shape == (5200,)
    classifier = ww.NTKClassifierCV(depths=(1,), bias_variances=(0.1,), ridges=(0.1,)).fit(X, y > 0, groups=groups)
    with pytest.raises(AttributeError, match="best_score_ is that of 2000"):
        _ = classifier.loo_predictions_
    assert classifier.predict_proba(new).shape == (1000, 2)
