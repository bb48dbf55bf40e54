"""Rows that belong together: which groups there are, what leaving them out costs, and when that is said."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import widthwise as ww
from widthwise.audits.groups import groups_of
from widthwise.audits.page import alerts, page
from widthwise.audits.score import balanced, grouped_score, score
from widthwise.errors import DataError, UsageError


def patients(n=40, each=4, effect=1.0, seed=0):
    """Every patient has a signature of his own in the features, and a label that only he has."""
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(n), each)
    X = (
        effect * rng.normal(size=(n, 5))[who]
        + 0.1 * rng.normal(size=(n * each, 5))
        + (1 - effect) * rng.normal(size=(n * each, 5))
    )
    label = np.array(["ill", "well"])[rng.permutation(np.arange(n) % 2)[who]]
    return pd.DataFrame({**{f"x{j}": X[:, j] for j in range(5)}, "patient": [f"p{i}" for i in who], "label": label})


def audit(frame, **settings):
    return ww.audit(frame, target="label", verify="none", pad=1.0, **settings)


@pytest.fixture(scope="module")
def grouped():
    return audit(patients(), groups="patient")


def test_groups_that_tell_on_each_other_raise_an_alert(grouped):
    found = grouped
    check = found.generalisation.groups
    assert (check.groups, check.largest, check.column) == (40, 4, "patient")
    assert check.leave_one_out.value <= 0.05
    # Labels mean nothing beyond the patient: half are wrong, give or take four standard errors of 40 patients.
    assert abs(check.leave_group_out.value - 0.5) <= 4 * np.sqrt(0.25 / 40)
    assert check.worse
    assert check.random < check.difference / 4
    said = [f for f in found.findings if f.kind == "groups"]
    assert said[0].level == "warning"
    assert any("Left out together" in a.text for a in alerts(found))
    assert not any(name.startswith("patient") for name in load_names(found))


def load_names(found):
    return found.data.notes


def test_with_groups_the_intervals_count_groups_and_the_page_says_who_chose_the_ridge(grouped):
    found = grouped.generalisation.nested
    # Rows of a patient are right or wrong together, so forty patients are worth little more than forty rows, not 160.
    assert found.high - found.low > 1.5 * 2 * 1.96 * np.sqrt(0.25 / 160)
    html = grouped.to_html()
    assert "chosen by closed-form leave-group-out" in html
    assert "groups independent" in html


def test_groups_without_meaning_raise_no_warning():
    frame = patients(effect=0.0)
    frame["label"] = np.where(frame["x0"] + 0.3 * frame["x1"] > 0, "a", "b")
    found = audit(frame, groups="patient")
    assert not [f for f in found.findings if f.level == "warning"]


def test_a_column_a_list_and_a_series_are_the_same_groups():
    frame = patients(n=12)
    named = audit(frame, groups="patient")
    rest = frame.drop(columns="patient")
    listed = audit(rest, groups=frame["patient"].tolist())
    series = audit(rest, groups=frame["patient"])
    assert listed.generalisation.nested == named.generalisation.nested == series.generalisation.nested
    assert listed.generalisation.groups.leave_group_out == named.generalisation.groups.leave_group_out
    assert "groups=groups" in str(page(listed).colophon)
    assert "groups='patient'" in str(page(named).colophon)


def test_rows_of_equal_features_join_their_groups():
    X = np.array([[0.0], [1.0], [1.0], [2.0], [3.0], [-0.0]])
    ds = ww.load(X, list("ababab"))
    joined = groups_of(ds, ["a", "b", "c", "d", "d", "e"], "who")
    assert joined.labels.tolist() == [0, 1, 1, 2, 2, 0]
    assert (joined.joined, joined.duplicates, joined.names) == (2, 2, ("a", "b", "d"))
    alone = groups_of(ds, None, "")
    assert len(alone.names) == 4
    assert groups_of(ds.take([0, 1, 3]), None, "") is None


def test_every_group_a_single_row_changes_nothing():
    frame = patients(n=15, each=2)
    frame["patient"] = [f"r{i}" for i in range(30)]
    check = audit(frame, groups="patient").generalisation.groups
    assert check.leave_group_out.value == check.leave_one_out.value
    assert (check.difference, check.worse, check.single) == (0.0, False, 30)


@pytest.mark.parametrize(
    ("column", "error", "words"),
    [
        ("label", UsageError, "is the target"),
        ("patiant", DataError, "did you mean 'patient'"),
        ("same", DataError, "at least two groups; all 48 rows are of group 'x'"),
        ("class", DataError, "the target in other words"),
        ("gaps", DataError, "a value in every row; row 0"),
    ],
)
def test_groups_that_cannot_be_are_refused(column, error, words):
    frame = patients(n=12)
    frame["same"] = "x"
    frame["class"] = frame["label"].map({"ill": 1, "well": 2})
    frame["gaps"] = [None] + ["a"] * 23 + ["b"] * 24
    with pytest.raises(error, match=words):
        audit(frame.drop(columns=[c for c in ("same", "class", "gaps") if c != column]), groups=column)


def test_a_class_of_one_group_is_named():
    frame = patients(n=12)
    frame.loc[frame["patient"] == "p3", "label"] = "rare"
    found = audit(frame, groups="patient")
    assert found.generalisation.groups.only == ("rare",)
    assert any("'rare'" in f.text for f in found.findings)


def test_the_interval_of_single_rows_is_that_of_rows_and_of_twins_that_of_pairs():
    ds = ww.load(np.arange(40.0)[:, None], list("ab") * 20)
    losses = np.repeat(np.random.default_rng(0).random(20) < 0.3, 2).astype(float)
    alone = grouped_score(ds, losses, np.arange(40))
    rows = score(ds, losses)
    # The effective number is n - 1 where the variance is the unbiased one.
    assert alone.low == pytest.approx(rows.low, abs=0.005)
    pairs = grouped_score(ds, losses, np.repeat(np.arange(20), 2))
    assert (pairs.high - pairs.low) / (alone.high - alone.low) == pytest.approx(np.sqrt(2), rel=0.1)


def test_balanced_error_is_the_mean_over_classes_and_its_interval_covers():
    rng = np.random.default_rng(0)
    ds = ww.load(np.arange(220.0)[:, None], ["a"] * 200 + ["b"] * 20)
    truth, hits = np.where(ds.y == 0, 0.05, 0.4), 0
    for _ in range(400):
        losses = (rng.random(220) < truth).astype(float)
        found = balanced(ds, losses)
        assert found.value == pytest.approx((losses[:200].mean() + losses[200:].mean()) / 2)
        hits += found.low <= 0.225 <= found.high
    # 95 % of 400, less four standard errors and the discreteness of twenty rows.
    assert hits >= 0.95 * 400 - 4 * np.sqrt(400 * 0.05 * 0.95) - 4
    assert balanced(ds.take(np.arange(190, 220)), np.zeros(30)).value == 0.0
    assert balanced(ds.take(np.arange(185, 214)), np.zeros(29)) is None


def test_imbalanced_classes_show_both_errors_of_every_model():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(90, 2))
    y = np.where(X[:, 0] > 1.0, "rare", "common")
    found = ww.audit(X, y, pad=1.0)
    g, checked = found.generalisation, found.verification
    assert checked.final_balanced(2048) > checked.final_error(2048)
    assert checked.predicted_balanced > checked.predicted_errors[-1]
    assert g.balanced.value > g.nested.value
    assert g.baselines[0].balanced.value == 0.5
    assert "balanced over classes" in found.verdict[1]
    assert "balanced error" in found.to_html()
