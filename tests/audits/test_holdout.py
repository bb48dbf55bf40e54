"""The test file: read like the source, scored by all models, beside what was predicted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import widthwise as ww
from widthwise.audits.holdout import expected, read_test
from widthwise.audits.page import page
from widthwise.audits.table import Score
from widthwise.audits.verdict import testing as verdict_on_test_rows
from widthwise.datasets import prepare
from widthwise.errors import DataError, UsageError
from widthwise.kernels import NTK


def table(n, seed, flip=0.1, shift=0.0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2))
    y = (x[:, 0] + x[:, 1] > 0) ^ (rng.random(n) < flip)
    return pd.DataFrame(
        {
            "a": x[:, 0] + shift,
            "kind": np.where(x[:, 1] > 0, "plus", "minus"),
            "b": x[:, 1],
            "label": np.where(y, "yes", "no"),
        }
    )


def audit(test, train=None, verify="none", **settings):
    return ww.audit(
        table(120, 0) if train is None else train, target="label", pad=1.0, verify=verify, test=test, **settings
    )


@pytest.fixture(scope="module")
def tested():
    return audit(table(300, 1), verify="quick")


def test_the_errors_are_those_of_the_models_on_the_test_rows(tested):
    found = tested.holdout
    train, test = (ww.load(table(n, s), target="label") for n, s in ((120, 0), (300, 1)))
    X = prepare(train.X, scale="standardise", tau=1.0).X
    mean, deviation = train.X.mean(axis=0), train.X.std(axis=0)
    Z = np.column_stack([(test.X - mean) / deviation, np.full(300, np.sqrt(train.d))])
    Z /= np.linalg.norm(Z, axis=1, keepdims=True)
    K = NTK(depth=1)(X)
    y = 2.0 * train.y - 1
    weights = np.linalg.solve(K + tested.generalisation.ridge * np.mean(np.diag(K)) * np.eye(120), y - y.mean())
    wrong = (NTK(depth=1)(Z, X) @ weights + y.mean() > 0) != test.y
    assert found.models[0].score.value == wrong.mean()
    assert [m.name for m in found.models] == [
        "wide network (kernel)",
        *(b.name for b in tested.generalisation.baselines),
    ]
    assert found.n == 300
    assert found.trained == 120
    assert found.standing == "as predicted"
    assert found.low <= found.models[0].score.value <= found.high


def test_a_trained_network_is_scored_beside_its_own_prediction(tested):
    net = tested.holdout.network
    assert net.steps == tested.verification.steps
    assert abs(net.measured.value - net.predicted.value) <= 0.05
    shown = page(tested)
    assert shown.sections[-1].title == "How does the test file come out?"
    assert "the prediction **holds**" in shown.verdict[4]


def test_rows_that_are_not_like_the_others_are_called_harder():
    found = audit(table(300, 1, flip=0.4)).holdout
    assert found.standing == "worse"
    assert found.network is None


def test_the_range_covers_the_error_of_rows_alike():
    rng = np.random.default_rng(0)
    from widthwise import theory

    hits = 0
    for _ in range(2000):
        one, two = (theory.wilson(int(rng.binomial(n, 0.15)), n) for n in (200, 300))
        scores = [Score(value=s.value, low=s.low, high=s.high) for s in (one, two)]
        low, high = expected(*scores, classification=True)
        hits += low <= two.value <= high
    assert hits / 2000 >= 0.95 - 4 * np.sqrt(0.05 * 0.95 / 2000)


def test_rows_that_were_trained_on_are_counted_and_named():
    test = pd.concat([table(300, 1)[:20], table(120, 0)[5:8]])
    test.iloc[20, test.columns.get_loc("label")] = "no" if table(120, 0)["label"][5] == "yes" else "yes"
    found = audit(test)
    hold = found.holdout
    assert (hold.identical, hold.identical_agree) == (3, 2)
    assert hold.identical_rows == ((20, 5), (21, 6), (22, 7))
    assert hold.without is not None
    assert "3 of 23 test rows have the features of a row of the source" in found.to_html()
    assert "without the 3 that repeat a row of the source" in found.verdict[4]
    low, high = expected(found.generalisation.nested, hold.without, classification=True)
    assert (hold.low, hold.high) == (low, high)
    assert "**no hold-out**" in verdict_on_test_rows(found.data, replace(hold, identical=23, without=None))


def test_classes_and_columns_that_are_new_are_told():
    test = table(50, 1).assign(extra=1.0)
    test.loc[:4, "label"] = "maybe"
    hold = audit(test).holdout
    assert hold.unseen == 5
    assert hold.models[0].score.value >= 0.1
    assert any("'maybe'" in a for a in hold.alerts)
    assert any("'extra'" in n for n in hold.notes)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda t: t.drop(columns="b"), DataError, r"test rows \('in memory'\): .* 1 column missing: 'b'"),
        (lambda t: t.drop(columns="label"), DataError, "target column 'label' is not in"),
        (lambda t: t.assign(label=None), DataError, "is empty in 30 rows"),
        (lambda t: t.assign(a="high"), DataError, "must hold numbers here"),
        (lambda t: "absent.csv", DataError, "no such file"),
        (lambda t: (np.ones((3, 2)), [0, 1, 0]), DataError, "categories among them"),
        (lambda t: "digits", DataError, "categories among them"),
    ],
)
def test_test_rows_that_do_not_fit_are_refused_before_any_work(change, error, words):
    with pytest.raises((error, UsageError), match=words):
        audit(change(table(30, 1)))


def test_groups_are_no_column_of_the_test_rows():
    train = table(60, 0).assign(who=np.arange(60) // 3)
    hold = audit(table(40, 1), train=train, groups="who").holdout
    assert hold.notes == hold.alerts == ()


def test_test_rows_of_groups_that_were_trained_on_are_counted():
    train = ww.load(table(60, 0).assign(who=np.arange(60) // 3), target="label", aside=("who",))
    test = table(40, 1).assign(who=np.arange(40) + 15)
    # Groups 0 to 19 are trained on: five of the test rows are of such.
    (alert,) = read_test(test, train, "train.csv", "label", "who").alerts
    assert alert.startswith("5 of 40 test rows are of groups of 'who'")
    assert read_test(test.assign(who=test["who"] + 5), train, "train.csv", "label", "who").alerts == ()
    assert read_test(test, train, "train.csv", "label", None).alerts == ()


def test_numbers_are_scored_in_their_unit():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(160, 2))
    y = 500 + 77 * (X[:, 0] + 0.2 * rng.normal(size=160))
    found = ww.audit(X[:80], y[:80], task="regression", verify="none", pad=1.0, test=(X[80:], y[80:]))
    hold = found.holdout
    assert hold.standing == "as predicted"
    assert 10 < hold.models[0].score.value < 77
    assert "test=test" in str(page(found).colophon)


def test_an_archive_has_its_own_test_part(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 2))
    y = (X[:, 0] > 0).astype(int)
    np.savez(tmp_path / "both.npz", X=X[:60], y=y[:60], X_test=X[60:], y_test=y[60:])
    place = str(tmp_path / "both.npz")
    found = ww.audit(place, test=place, verify="none", pad=1.0)
    assert found.holdout.n == 30
    assert found.settings.test == place
