"""Answer 2 against brute force: every fit refitted, every baseline run by scikit-learn itself."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

import widthwise as ww
from widthwise import theory
from widthwise.audits import generalisation as answer
from widthwise.audits.baselines import HeldOut, held_out_baselines
from widthwise.audits.generalisation import RIDGES, SHUFFLES, Chosen
from widthwise.audits.workflow import TAUS
from widthwise.datasets import encode, folds, prepare
from widthwise.kernels import HInf

EPS = float(np.finfo(np.float64).eps)


def kernel_of(X, tau):
    """Tangent kernel of a two-layer ReLU network on standardised, padded, unit rows; its diagonal is 2."""
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    Z = np.column_stack([Z, np.full(len(X), tau * math.sqrt(X.shape[1]))])
    Z /= np.linalg.norm(Z, axis=1, keepdims=True)
    cosine = np.clip(Z @ Z.T, -1, 1)
    np.fill_diagonal(cosine, 1.0)
    angle = np.arccos(cosine)
    return (np.sin(angle) + (np.pi - angle) * cosine) / np.pi + cosine * (np.pi - angle) / np.pi


def predict(K, Y, train, test, ridge):
    mean = Y[train].mean(axis=0)
    weights = np.linalg.solve(K[np.ix_(train, train)] + ridge * np.eye(len(train)), Y[train] - mean)
    return K[np.ix_(test, train)] @ weights + mean


def leave_one_out(K, Y, rows, ridge):
    return np.concatenate([predict(K, Y, np.setdiff1d(rows, [i]), np.array([i]), ridge) for i in rows])


def brute_force(X, Y, parts):
    """Scaling and ridge by the least leave-one-out mean square, over all rows and inside every training part."""
    everyone = np.arange(len(X))
    offered = [(tau, ridge, kernel_of(X, tau)) for tau in TAUS for ridge in RIDGES]

    def best(rows):
        scores = [
            float(np.mean(np.sum((Y[rows] - leave_one_out(K, Y, rows, 2.0 * r)) ** 2, axis=1))) for _, r, K in offered
        ]
        for tau in range(len(TAUS)):
            # The code walks along the ridges from the middle: its minimum must be the least of all for the two to agree.
            row = scores[tau * len(RIDGES) : (tau + 1) * len(RIDGES)]
            place = len(RIDGES) // 2
            while (nearest := min(range(max(place - 1, 0), min(place + 2, len(row))), key=row.__getitem__)) != place:
                place = nearest
            assert place == int(np.argmin(row)), "choose data whose criterion has no second minimum"
        return offered[int(np.argmin(scores))]

    held_out = np.empty_like(Y)
    for fold in parts:
        kept = np.setdiff1d(everyone, fold)
        _, ridge, K = best(kept)
        held_out[fold] = predict(K, Y, kept, fold, 2.0 * ridge)
    tau, ridge, K = best(everyone)
    return tau, ridge, leave_one_out(K, Y, everyone, 2.0 * ridge), held_out


@pytest.fixture(scope="module")
def regression():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(24, 2))
    y = 10.0 + 3.0 * (np.abs(X[:, 0]) + 0.3 * rng.normal(size=24))
    return X, y, ww.audit(X, y, task="regression", verify="none")


def test_nested_and_leave_one_out_errors_equal_refitting_everything(regression):
    X, y, found = regression
    parts = folds(y, task="regression", k=5, seed=0)
    tau, ridge, loo, held_out = brute_force(X, y[:, None], parts)
    g = found.generalisation
    assert found.data.tau == tau
    assert g.ridge == ridge
    # A solve loses at most the condition number, at most n / smallest ridge, in digits.
    rel = 100 * EPS * len(y) / min(RIDGES)
    losses = (y - held_out[:, 0]) ** 2
    assert g.nested.value == pytest.approx(math.sqrt(losses.mean()), rel=rel)
    assert g.fold_errors == pytest.approx([math.sqrt(losses[fold].mean()) for fold in parts], rel=rel)
    assert g.loo == pytest.approx(math.sqrt(np.mean((y - loo[:, 0]) ** 2)), rel=rel)
    assert g.r2 == pytest.approx(1 - losses.sum() / np.sum((y - y.mean()) ** 2), rel=rel)
    spread = theory.NORMAL_95 * losses.std(ddof=1) / math.sqrt(len(y))
    assert g.nested.low == pytest.approx(math.sqrt(max(losses.mean() - spread, 0)), rel=10 * rel)
    assert g.nested.high == pytest.approx(math.sqrt(losses.mean() + spread), rel=10 * rel)


def test_choices_for_three_classes_equal_refitting_everything():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(24, 2))
    ds = ww.load(X, np.digitize(X[:, 0] + 0.3 * rng.normal(size=24), [-0.5, 0.5]))
    coded = encode(ds)
    Y = coded.Y + coded.offset
    parts = folds(ds.y, task=ds.task, k=5, seed=0)
    tau, ridge, loo, held_out = brute_force(X, Y, parts)
    candidates = [prepare(X, scale="standardise", tau=tau) for tau in TAUS]
    chosen = answer.choose(candidates, Y, parts, lambda _: None)
    assert chosen.features.tau == tau
    assert chosen.ridge == ridge
    atol = 100 * EPS * len(Y) / min(RIDGES)
    np.testing.assert_allclose(chosen.loo, loo, rtol=0, atol=atol)
    np.testing.assert_allclose(chosen.held_out, held_out, rtol=0, atol=atol)


def test_with_groups_leave_group_out_chooses_and_leave_one_out_keeps_a_ridge_of_its_own():
    rng = np.random.default_rng(2)
    who = np.repeat(np.arange(12), 4)
    # What belongs to a group says little of others: by rows one would hardly regularise.
    X = rng.normal(size=(12, 3))[who] + 0.1 * rng.normal(size=(48, 3))
    Y = (rng.normal(size=12)[who] + 0.2 * X[:, 0])[:, None]
    features = prepare(X, scale="standardise", tau=1.0)
    parts = folds(Y[:, 0], task="regression", k=5, seed=0, groups=who)
    K = kernel_of(X, 1.0)

    def by_group(rows, ridge):
        found = np.empty((len(rows), 1))
        for g in np.unique(who[rows]):
            out = who[rows] == g
            found[out] = predict(K, Y, rows[~out], rows[out], 2.0 * ridge)
        return float(np.mean((Y[rows] - found) ** 2))

    everyone = np.arange(48)
    chosen = answer.choose([features], Y, parts, lambda _: None, who)
    assert chosen.ridge == min(RIDGES, key=lambda r: by_group(everyone, r))
    for fold, ridge in zip(parts, chosen.fold_ridges, strict=True):
        kept = np.setdiff1d(everyone, fold)
        assert ridge == min(RIDGES, key=lambda r: by_group(kept, r))
        np.testing.assert_allclose(chosen.held_out[fold], predict(K, Y, kept, fold, 2.0 * ridge), rtol=0, atol=1e-9)
    alone = answer.choose([features], Y, parts, lambda _: None)
    assert chosen.row_ridge == alone.ridge < chosen.ridge
    np.testing.assert_array_equal(chosen.loo, alone.loo)
    assert alone.row_ridge == alone.ridge


def test_progress_of_the_choice_adds_up_to_one():
    X = np.random.default_rng(0).normal(size=(20, 2))
    Y = np.sign(X[:, :1])
    told: list[float] = []
    candidates = [prepare(X, scale="standardise", tau=tau) for tau in TAUS]
    answer.choose(candidates, Y, folds(Y[:, 0] > 0, task="classification", k=5, seed=0), told.append)
    assert sum(told) == pytest.approx(1.0)


def test_baselines_of_a_classification_equal_cross_validation_by_scikit_learn():
    rng = np.random.default_rng(2)
    X = rng.normal(size=(90, 3)) * [1.0, 50.0, 0.01]
    ds = ww.load(X, np.digitize(X[:, 0] + 0.5 * rng.normal(size=90), [-0.5, 0.5]))
    parts = folds(ds.y, task=ds.task, k=5, seed=0)
    told: list[float] = []
    found = held_out_baselines(ds, parts, seed=7, advance=told.append)
    models = {
        "majority class": DummyClassifier(strategy="most_frequent"),
        "logistic regression": make_pipeline(StandardScaler(), LogisticRegression(max_iter=10_000)),
        "gradient boosting": HistGradientBoostingClassifier(random_state=7, early_stopping=False),
    }
    check_against(models, found, ds, parts)
    assert sum(told) == pytest.approx(1.0)


def test_baselines_of_a_regression_equal_cross_validation_by_scikit_learn():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(60, 2))
    ds = ww.load(X, X[:, 0] ** 2 + 0.1 * rng.normal(size=60), task="regression")
    parts = folds(ds.y, task=ds.task, k=5, seed=0)
    found = held_out_baselines(ds, parts, seed=7, advance=lambda _: None)
    models = {
        "mean": DummyRegressor(),
        "ridge regression": make_pipeline(StandardScaler(), RidgeCV(alphas=np.logspace(-3, 4, 15))),
        "gradient boosting": HistGradientBoostingRegressor(random_state=7, early_stopping=False),
    }
    check_against(models, found, ds, parts)


def check_against(models, found, ds, parts):
    place = np.empty(ds.n, dtype=int)
    for number, fold in enumerate(parts):
        place[fold] = number
    assert [f.name for f in found] == list(models)
    for model in found:
        with threadpool_limits(1, user_api="openmp"):
            expected = cross_val_predict(models[model.name], ds.X, ds.y, cv=PredefinedSplit(place))
        np.testing.assert_array_equal(model.predictions, expected)


def test_the_audit_reports_the_baselines_of_its_own_folds(two_classes):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(80, 3))
    y = X[:, 0] + 0.5 * rng.normal(size=80) > 0
    ds = ww.load(X, y.astype(int))
    parts = folds(ds.y, task=ds.task, k=5, seed=0)
    for model, shown in zip(
        held_out_baselines(ds, parts, seed=0, advance=lambda _: None), two_classes.generalisation.baselines, strict=True
    ):
        assert shown.score.value == np.mean(model.predictions != ds.y)


@pytest.fixture(scope="module")
def four_hundred():
    """Rows whose errors can be chosen one by one."""
    rng = np.random.default_rng(0)
    ds = ww.load(rng.normal(size=(400, 1)), np.arange(400) % 2)
    parts = folds(ds.y, task=ds.task, k=5, seed=0)
    nothing = answer.LabelComplexity(
        value=1.0,
        by_class=(1.0,),
        shuffled=1.0,
        percentile=50.0,
        shuffles=1,
        unreachable=0.0,
        residual=0.0,
        condition=1.0,
    )

    def compare(own, guess, best):
        held_out = np.where(np.isin(np.arange(400), own), -1.0, 1.0)[:, None] * (2.0 * ds.y[:, None] - 1.0)
        chosen = Chosen(
            features=prepare(ds.X, scale="standardise", tau=1.0),
            ridge=1.0,
            row_ridge=1.0,
            loo=held_out,
            held_out=held_out,
            residual=0.0,
            condition=1.0,
            fold_ridges=(1.0,) * len(parts),
        )
        models = tuple(
            HeldOut(name=name, predictions=np.where(np.isin(np.arange(400), wrong), 1 - ds.y, ds.y))
            for name, wrong in (("majority class", guess), ("gradient boosting", best))
        )
        found = answer.generalisation(ds, chosen, parts, nothing)
        return answer.with_baselines(ds, chosen, found, models)

    return compare


@pytest.mark.parametrize(
    ("own", "guess", "best", "standing"),
    [
        (range(20), range(200, 400), range(20, 80), "better"),
        (range(20), range(200, 400), range(20, 40), "as good"),
        (range(20), range(200, 400), range(20, 42), "as good"),
        (range(22), range(200, 400), range(22, 42), "as good"),
        (range(26), range(200, 400), range(26, 46), "as good"),
        (range(60), range(200, 400), range(60, 80), "worse"),
        (range(200), range(200, 400), range(20), "no better than guessing"),
        (range(200), range(200), range(200), "no better than guessing"),
        (range(200, 390), range(190), range(20), "no better than guessing"),
        (range(10), range(200, 400), range(10), "as good"),
        (range(0), range(200, 400), range(0), "as good"),
    ],
)
def test_standing_follows_paired_losses_at_two_standard_errors(four_hundred, own, guess, best, standing):
    found = four_hundred(own, guess, best)
    assert found.standing == standing
    paired = np.isin(np.arange(400), own).astype(float) - np.isin(np.arange(400), best)
    assert found.baselines[1].difference == pytest.approx(paired.mean(), abs=EPS)
    assert found.baselines[1].difference_error == pytest.approx(paired.std(ddof=1) / 20, abs=10 * EPS)
    assert found.nested.value == len(own) / 400


@pytest.mark.parametrize("kind", ["two classes", "many classes", "pictures", "conflicting"])
def test_the_confusion_holds_every_row_once_and_its_errors_are_the_nested_error(audits, kind):
    data, g = audits[kind].data, audits[kind].generalisation
    table = np.array(g.confusion)
    assert table.sum(axis=1).tolist() == list(data.class_counts)
    assert (table.sum() - np.trace(table)) / data.n == pytest.approx(g.nested.value, abs=EPS)
    assert g.nested.low <= g.nested.value <= g.nested.high


def test_the_complexity_is_the_quadratic_form_of_the_centred_labels():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 6))
    y = np.digitize(X[:, 0], [-0.5, 0.5])
    found = ww.audit(X, y, pad=1.0, verify="none")
    H = HInf()(prepare(X, scale="standardise", tau=1.0).X)
    Y = np.where(y[:, None] == np.arange(3), 1.0, -1.0)
    Y -= Y.mean(axis=0)
    by_class = np.sqrt(2 * np.sum(Y * np.linalg.solve(H, Y), axis=0) / 30)
    c = found.generalisation.complexity
    rel = 30 * EPS * np.linalg.cond(H)
    assert c.by_class == pytest.approx(by_class, rel=rel)
    assert c.value == pytest.approx(math.sqrt(np.mean(by_class**2)), rel=rel)
    # Mean over permutations of y'H^-1 y, from the mean of y_i y_j over pairs.
    inverse = np.linalg.inv(H)
    p, q = np.mean(Y**2, axis=0), (Y.sum(axis=0) ** 2 - np.sum(Y**2, axis=0)) / (30 * 29)
    mean = 2 / 30 * ((p - q) * np.trace(inverse) + q * inverse.sum())
    assert c.shuffled == pytest.approx(math.sqrt(mean.mean()), rel=rel)


def test_the_percentile_of_the_complexity_is_the_rank_among_shuffles():
    rng = np.random.default_rng(4)
    X = rng.normal(size=(40, 3))
    y = rng.permutation(np.arange(40) % 2)
    found = ww.audit(X, y, pad=1.0, verify="none").generalisation.complexity
    assert found.shuffles == SHUFFLES
    inverse = np.linalg.inv(HInf()(prepare(X, scale="standardise", tau=1.0).X))
    Y = 2.0 * y - 1.0
    own = Y @ inverse @ Y
    drawn = np.array([(s := rng.permutation(Y)) @ inverse @ s for _ in range(4000)])
    share = float(np.mean(drawn <= own))
    assert 0.02 < share < 0.98
    # Two samples of shuffles: four standard errors of both, and the rank counts the labels themselves.
    error = 4 * math.sqrt(share * (1 - share) * (1 / SHUFFLES + 1 / 4000)) + 1 / SHUFFLES
    assert abs(found.percentile / 100 - share) <= error


def test_labels_that_the_kernel_sees_lie_below_all_shuffles():
    X = np.random.default_rng(0).normal(size=(60, 2))
    found = ww.audit(X, X[:, 0] > 0, pad=1.0, verify="none")
    assert found.generalisation.complexity.percentile == 100 / (SHUFFLES + 1)
    assert f"below all {SHUFFLES} shuffles" in found.to_html()


def test_every_solve_reports_its_residual_and_condition(two_classes):
    g = two_classes.generalisation
    assert 1.0 <= g.condition <= 80 / min(RIDGES)
    assert 0.0 <= g.residual <= 80 * EPS * g.condition
    assert 0.0 <= g.complexity.residual <= 80 * EPS * g.complexity.condition
