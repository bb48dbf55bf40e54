"""Leaks, identifiers, near-constant columns and the order of rows: found where they are planted, and nowhere else."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import widthwise as ww
from widthwise.audits.alerts import alone_error, findings, order_note, runs, unexplained

N = 240


def frame(target="classes", **columns):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(N, 2))
    y = np.where(x[:, 0] + rng.normal(size=N) > 0, "yes", "no") if target == "classes" else x[:, 0] + rng.normal(size=N)
    made = pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "label": y})
    return made.assign(**{name: make(rng, made) for name, make in columns.items()})


def of(table, **settings):
    return {f.kind: f for f in findings(ww.load(table, target="label", **settings))}


def test_a_table_without_faults_has_no_findings():
    assert of(frame()) == {}
    assert of(frame("numbers")) == {}


@pytest.mark.parametrize("name", ["digits", "wine", "breast-cancer", "iris", "diabetes"])
def test_the_sets_that_come_with_scikit_learn_have_no_findings(name):
    ds = ww.load(name)
    assert findings(ds) == ()
    assert (order_note(ds) is not None) == (name in {"iris", "wine"})


@pytest.mark.parametrize(
    ("target", "column", "kind"),
    [
        ("classes", lambda rng, t: (t["label"] == "yes") + 0.2 * rng.random(N), "leak"),
        ("classes", lambda rng, t: np.where(t["label"] == "yes", rng.choice(["x", "y"], N), "z"), "leak"),
        ("classes", lambda rng, t: np.cumsum(rng.integers(1, 9, N)), "identifier"),
        ("classes", lambda rng, t: -np.cumsum(rng.integers(1, 9, N)), "identifier"),
        ("classes", lambda rng, t: [f"{v:016x}" for v in rng.integers(0, 2**62, N - 1)] + ["0" * 16] * 1, "identifier"),
        ("classes", lambda rng, t: np.arange(N) == 7, "near-constant"),
        ("classes", lambda rng, t: 1.0 * (np.arange(N) == 7), "near-constant"),
        ("numbers", lambda rng, t: 32 + 1.8 * t["label"], "copy of the target"),
        ("numbers", lambda rng, t: -np.exp(-t["label"] / 3), "leak"),
    ],
)
def test_what_is_planted_is_found_and_nothing_else(target, column, kind):
    planted = frame(target, planted=column)
    if kind == "identifier" and planted["planted"].dtype.kind not in "if":
        # A value that occurs twice, so that reading does not take the column for the name of the rows.
        planted.loc[0, "planted"] = planted.loc[1, "planted"]
    found = of(planted)
    assert set(found) == {kind}
    assert found[kind].columns == ("planted",)
    assert "'planted'" in found[kind].text


def test_columns_of_repeated_rows_are_no_leaks():
    table = frame()
    assert of(pd.concat([table, table])) == {}


def test_what_reading_has_said_is_not_said_again():
    table = frame(copy=lambda rng, t: t["label"].map({"yes": 1, "no": 0}), number=lambda rng, t: np.arange(N))
    ds = ww.load(table, target="label")
    assert len(ds.alerts) == 2
    assert findings(ds) == ()


def test_an_order_that_predicts_is_found_and_a_sorted_file_is_only_noted():
    table = frame()
    batches = pd.concat([table[i : i + 12].sort_values("label") for i in range(0, N, 12)])
    assert set(of(batches)) == {"row order"}
    ordered = ww.load(table.sort_values("label"), target="label")
    assert findings(ordered) == ()
    assert "sorted by the target" in order_note(ordered)
    wander = frame("numbers").assign(label=np.cumsum(np.random.default_rng(1).normal(size=N)))
    assert set(of(wander)) == {"row order"}
    assert findings(ww.load(batches, target="label"), order=False) == ()


def test_runs_of_shuffled_labels_have_the_mean_and_variance_of_the_theory():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], [40, 25, 10])
    z = np.array([runs(rng.permutation(y))[1] for _ in range(4000)])
    assert abs(z.mean()) <= 4 / np.sqrt(4000)
    assert abs(z.var() - 1) <= 4 * np.sqrt(2 / 4000) + 0.02
    assert runs(y)[0] == pytest.approx(1.0)


def test_the_error_of_one_column_is_that_of_counting_by_hand():
    x, y = np.array([1.0, 1, 1, 2, 2, 3, 4, 5]), np.array([0, 0, 1, 1, 0, 1, 1, 0])
    # 1: twice 0 by one against one, a tie, wrong; 1 wrong. 2: wrong both. 3: neighbours are 2 (a tie, first class) and 4, right.
    # 4: right by 3. 5: neighbour 4 is 1, wrong.
    assert alone_error(x, y, ordered=True) == 6 / 8
    assert alone_error(x, y, ordered=False) == 1.0


def test_the_unexplained_share_is_that_of_the_noise():
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 1, 4000)
    y = np.sin(6 * x) + 0.5 * rng.normal(size=4000)
    truth = 0.25 / np.var(y)
    assert unexplained(x, y) == pytest.approx(truth, rel=4 * np.sqrt(3 / 4000))
    assert unexplained(np.round(x, 1), y) == pytest.approx(truth + 6**2 / 2 * 0.1**2 / 12 / np.var(y), rel=0.2)
    assert unexplained(x, rng.normal(size=4000)) == pytest.approx(1.0, rel=4 * np.sqrt(3 / 4000))


def test_findings_are_on_the_page_and_imbalance_is_told():
    table = frame(planted=lambda rng, t: (t["label"] == "yes") + 0.2 * rng.random(N))
    table.loc[table["a"] > -1, "label"] = "no"
    table["planted"] = (table["label"] == "yes") + 0.2 * np.random.default_rng(1).random(N)
    found = ww.audit(table, target="label", verify="none", pad=1.0)
    assert {f.kind for f in found.findings} == {"leak", "imbalance"}
    assert "alone predicts the label" in found.to_html()
    assert "Classes are imbalanced" in found.to_html()
