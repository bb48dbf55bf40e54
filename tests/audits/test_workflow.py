"""The whole audit: what it accepts, what it refuses and in which words, and what it can learn."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys

import jax
import numpy as np
import pandas as pd
import pytest

import widthwise as ww
from widthwise import solvers, theory
from widthwise.datasets import prepare
from widthwise.errors import DataError, ResourceError, UsageError
from widthwise.kernels import HInf


def some(n=30, d=2, seed=0):
    X = np.random.default_rng(seed).normal(size=(n, d))
    return X, np.where(X[:, 0] > 0, "b", "a")


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"y": ["a"] * 30}, DataError, "at least two classes"),
        ({"y": [2.0] * 30, "task": "regression"}, DataError, "must vary; all 30 rows hold 2"),
        ({"y": ["a", "b"]}, DataError, "30"),
        ({"y": [None] * 30}, DataError, "is empty in 30 rows"),
        ({"max_n": 2}, UsageError, "max_n must be an integer of at least 3; 2 came"),
        ({"seed": -1}, UsageError, "seed must be an integer of at least 0; -1 came"),
        ({"seed": 2**32}, UsageError, "seed must be at most 4294967295"),
        ({"pad": -1.0}, UsageError, "pad must be a finite number of at least 0"),
        ({"pad": math.nan}, UsageError, "pad must be a finite number of at least 0"),
        ({"groups": [0] * 29}, DataError, "one label for each of the 30 rows"),
        ({"groups": [0] * 30}, DataError, "at least two groups; all 30 rows are of group '0'"),
        ({"groups": "site"}, UsageError, "no column 'site'"),
        ({"time": ["soon"] * 30}, DataError, "numbers, or dates such as"),
        ({"max_n": 20, "subsample": "first", "y": ["a"] * 20 + ["b"] * 10}, DataError, "all 20 are of one class"),
        ({"y": np.arange(30) * 1e-200, "task": "regression"}, DataError, "Change their unit"),
        ({"y": np.arange(30) * 1e200, "task": "regression"}, DataError, "Change their unit"),
        ({"y": list("abc") * 10, "coding": "raw"}, UsageError, "exactly two classes"),
        ({"y": np.arange(30.0), "task": "regression", "coding": "raw"}, UsageError, "a regression target"),
        ({"target": "a"}, UsageError, "target names a column"),
    ],
)
def test_what_cannot_be_audited_is_refused_in_words(change, error, words):
    X, y = some()
    with pytest.raises(error, match=words):
        ww.audit(X, **{"y": y, "verify": "none", **change})


@pytest.mark.parametrize("name", ["verify", "subsample"])
def test_a_choice_that_does_not_exist_is_refused_with_those_that_do(name):
    X, y = some(4)
    # The live type check of these tests would refuse it first, so the function that users call is asked in a fresh process.
    code = (
        "import widthwise as ww\n"
        f"try:\n    ww.audit({X.tolist()}, {y.tolist()}, {name}='al')\n"
        "except ww.errors.UsageError as refused:\n    print(refused)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert re.match(rf"{name} must be one of .*; 'al' came", done.stdout)


def test_a_training_sample_whose_targets_do_not_vary_is_refused():
    X, _ = some(5)
    with pytest.raises(DataError, match="the standard deviation of 4 rows is 0"):
        ww.audit(X, [0.0, 0.0, 0.0, 0.0, 1.0], task="regression")


def test_fewer_than_three_rows_are_refused():
    with pytest.raises(DataError, match=r"(three|3) rows"):
        ww.audit([[0.0], [1.0]], ["a", "b"])


def test_unknown_names_and_missing_targets_are_refused_with_the_closest():
    with pytest.raises(UsageError, match="did you mean 'digits'"):
        ww.audit("digit")
    frame = pd.DataFrame({"x": [1.0, 2.0, 3.0], "label": ["a", "b", "a"]})
    with pytest.raises(DataError, match="did you mean 'label'"):
        ww.audit(frame, target="lable")


def test_rows_that_need_more_memory_than_there_is_are_refused_before_work():
    n = 1_000_000
    X = np.arange(float(n))[:, None]
    with pytest.raises(ResourceError, match=r"1000000 rows need about \d+\.\d GB; .* are free\. Use .*max-n"):
        ww.audit(X, np.arange(n) % 2, max_n=n)


def test_the_distance_from_zero_is_learned_in_one_dimension():
    x = np.random.default_rng(0).uniform(-2, 2, 200)
    found = ww.audit(x[:, None], np.sign(np.abs(x) - 1), verify="none")
    g = found.generalisation
    # With 160 training rows on a length of 4 neighbours lie 1/40 apart on average. Within h of -1 or 1 lies a share h of the
    # rows; if three spacings on each side can be wrong, that is 7.5 % of them, and four standard errors of that count more.
    share = 3 / 40
    assert g.nested.value <= share + 4 * math.sqrt(share * (1 - share) / 200)
    assert found.data.tau > 0
    linear = next(b for b in g.baselines if b.name == "logistic regression")
    assert linear.score.value >= 0.3
    blind = ww.audit(x[:, None], np.sign(np.abs(x) - 1), verify="none", pad=0.0).generalisation
    assert blind.standing == "no better than guessing"


def test_twins_in_one_group_are_held_out_together():
    rng = np.random.default_rng(0)
    X = np.repeat(rng.normal(size=(60, 4)), 2, axis=0)
    y = np.repeat(rng.permutation(np.arange(60) % 2), 2)
    names = np.repeat([f"patient {i}" for i in range(60)], 2)
    # Rows of equal features are one group whether they are named or not; a hair of difference takes the twins apart.
    alike = ww.audit(X, y, verify="none", pad=1.0)
    X[::2] += 1e-9
    apart = ww.audit(X, y, verify="none", pad=1.0).generalisation.nested.value
    together = ww.audit(X, y, verify="none", pad=1.0, groups=names).generalisation.nested.value
    # Labels mean nothing, so a row is guessed unless its twin was trained on, which happens in four of five folds:
    # half of 60 pairs, give or take four standard errors, against half of one fifth.
    assert together >= 0.5 - 4 * math.sqrt(0.25 / 60)
    assert apart <= 0.1 + 4 * math.sqrt(0.09 / 60)
    assert alike.generalisation.nested.value >= 0.5 - 4 * math.sqrt(0.25 / 60)
    assert alike.generalisation.groups.duplicates == 60
    assert [f.kind for f in alike.findings if f.level == "warning"] == ["groups"]


def test_groups_follow_their_rows_through_a_subsample():
    rng = np.random.default_rng(0)
    order = rng.permutation(240)
    groups = np.repeat(np.arange(120), 2)[order]
    X, y = rng.normal(size=(120, 4))[groups], rng.permutation(np.arange(120) % 2)[groups]
    found = ww.audit(X, y, verify="none", pad=1.0, groups=groups, max_n=220)
    # As above: were the groups those of other rows, most twins would be trained on and less than a fifth would be wrong.
    assert found.generalisation.nested.value >= 0.5 - 4 * math.sqrt(0.25 / 110)


def test_columns_scaled_by_powers_of_two_give_the_same_bits():
    X, y = some(60, 3)
    first, second = (
        json.loads(ww.audit(X * scale, y, verify="quick").to_json())
        for scale in (1.0, np.array([2.0**30, 0.125, 2.0**-40]))
    )
    assert first["data"].pop("digest") != second["data"].pop("digest")
    assert first == second


def test_the_units_of_the_columns_change_nothing_but_rounding():
    X, y = some(60, 3)
    first = ww.audit(X, y, verify="none", pad=1.0)
    second = ww.audit(X * [3.7, 1e-5, 1e7], y, verify="none", pad=1.0)
    # Standardised values round by a few eps, kernel entries by d times that, the matrix by n times that.
    rel = 10 * 3 * 60 * np.finfo(np.float64).eps
    assert second.speed.learning_rate == pytest.approx(first.speed.learning_rate, rel=rel)
    for a, b in zip(first.speed.steps, second.speed.steps, strict=True):
        assert abs(a - b) <= 1
    assert second.generalisation.nested == first.generalisation.nested
    assert second.generalisation.confusion == first.generalisation.confusion


def test_one_row_in_a_class_more_columns_than_rows_and_two_rows_in_each_class_all_run():
    rng = np.random.default_rng(0)
    lone = ww.audit(rng.normal(size=(12, 2)), ["a"] * 6 + ["b"] * 5 + ["c"], pad=1.0)
    assert lone.data.class_counts == (6, 5, 1)
    wide = ww.audit(rng.normal(size=(12, 40)), ["a", "b"] * 6, pad=1.0, verify="none")
    assert (wide.data.n, wide.data.d) == (12, 40)
    assert wide.speed.rank == 12
    pairs = ww.audit(rng.normal(size=(10, 2)), np.repeat(list("abcde"), 2), pad=1.0, verify="none")
    assert pairs.data.class_counts == (2,) * 5
    for found in (lone, wide, pairs):
        assert json.loads(found.to_json())
        assert len(found.to_html()) > 0


def test_three_rows_are_enough():
    found = ww.audit([[0.0], [1.0], [3.0]], ["a", "b", "a"])
    assert found.data.n == 3
    assert found.generalisation.folds == 3
    assert found.verification is not None


def test_rows_that_repeat_with_their_labels_cost_nothing():
    X, y = some(40)
    found = ww.audit(np.concatenate([X, X[:10]]), np.concatenate([y, y[:10]]), verify="none", pad=1.0)
    assert found.labels.duplicates == 10
    assert found.labels.floor == 0.0
    assert found.labels.conflicts == ()
    # Their labels agree, so the part outside the kernel's range is rounding of the eigenvectors.
    assert found.speed.unreachable <= 1e-9
    assert found.generalisation.complexity.unreachable == 0.0


def test_answers_are_handed_over_as_they_come_and_are_those_of_the_result():
    X, y = some(40)
    seen = []
    found = ww.audit(X, y, pad=1.0, observe=lambda name, data, answer: seen.append((name, data, answer)))
    assert {name for name, _, _ in seen} == {"speed", "labels", "generalisation", "recommended", "verification"}
    assert seen[0][0] == "speed"
    assert seen[-1][0] == "verification"
    assert len(seen) == 5
    for name, data, answer in seen:
        assert answer == getattr(found, name)
        assert data == found.data


def test_an_observer_that_stops_stops_the_audit():
    def stop(name, data, answer):
        raise KeyboardInterrupt

    X, y = some(40)
    with pytest.raises(KeyboardInterrupt):
        ww.audit(X, y, observe=stop)


def test_the_caller_s_arrays_and_precision_are_left_alone():
    X, y = some(40)
    X.flags.writeable = y.flags.writeable = False
    copy = X.copy()
    ww.audit(X, y, pad=1.0)
    assert np.array_equal(X, copy)
    assert not jax.config.jax_enable_x64


def test_trained_networks_agree_better_the_wider_they_are_and_share_their_steps(digits):
    done = digits.verification
    assert done.widths == (128, 512, 2048)
    assert {(r.width, r.seed, r.labels) for r in done.runs} == {
        (w, s, labels) for w in done.widths for s in (0, 1) for labels in ("true", "shuffled")
    }
    assert (done.n, done.held_out) == (512, 512)
    assert 1 <= done.steps <= 300
    gaps = [done.gap(w) for w in done.widths]
    assert gaps == sorted(gaps, reverse=True)
    for run in done.runs:
        assert run.curve.steps[0] == 0
        assert run.curve.steps[-1] == done.steps
        # Antisymmetric start: f = 0, so the residual is the labels, in float32.
        assert run.curve.relative[0] == pytest.approx(1.0, abs=1e-6)
        assert run.diverged is None
    agreeing = done.agreeing_width
    assert (agreeing is None) == (gaps[-1] > done.band)


def test_the_trial_predicts_the_curve_of_its_own_rows(two_classes):
    done = two_classes.verification
    assert done.n == 64
    assert done.held_out == 16
    assert done.true.steps[-1] == done.shuffled.steps[-1] == done.steps
    # Numerator and denominator add the same 64 squares in another order.
    rounding = 64 * np.finfo(float).eps
    assert done.true.relative[0] == pytest.approx(1.0, abs=rounding)
    assert done.shuffled.relative[0] == pytest.approx(1.0, abs=rounding)
    assert len(done.predicted_errors) == len(done.watched)
    assert two_classes.speed.learning_rate < done.learning_rate


@pytest.mark.slow
def test_zeros_and_ones_of_mnist_have_the_complexity_of_the_reference(shared_data, monkeypatch):
    if not (shared_data / "mnist").is_dir():
        pytest.skip(f"no mnist in {shared_data}")
    monkeypatch.setenv("WIDTHWISE_DATA", str(shared_data))
    ds = ww.load("mnist:0,1").take(np.arange(10_000))
    y = 2.0 * ds.y - 1.0
    inverse = solvers.inverse(HInf()(prepare(ds.X, scale="unit", tau=0.0).X))
    clean, trace = float(y @ inverse.matrix @ y), float(np.trace(inverse.matrix))
    assert math.sqrt(2 / 10_000 * clean) == pytest.approx(0.380, abs=0.001)
    keep = 0.9**2
    assert math.sqrt(2 / 10_000 * (keep * clean + (1 - keep) * trace)) == pytest.approx(2.919, abs=0.003)
    del inverse
    assert theory.complexity(HInf()(prepare(ds.X, scale="unit", tau=0.0).X), y).value == pytest.approx(0.380, abs=0.001)
