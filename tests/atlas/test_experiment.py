"""How a run becomes a verdict: words, margins, trials that are kept, and the record it is held against."""

from __future__ import annotations

import importlib
import itertools
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from widthwise.atlas import Curve, Evidence, Finding, Hypothesis, Rows, Trial, records, run, run_claim
from widthwise.atlas.experiment import digest
from widthwise.atlas.page import verdict_page
from widthwise.errors import DataError, UsageError

WIDTHS = (1.0, 2.0, 4.0)
SCATTERED = (1.0, 1.02, 1.3)


def curve(*values: float) -> Callable[[Trial], Evidence]:
    """The same curve in every trial."""
    return lambda _trial: Evidence(Curve("what is measured", WIDTHS[: len(values)], values))


def hypothesis(status: Any) -> Hypothesis:
    """One that is always found so."""
    return Hypothesis(f"this is {status}", lambda _trial: Finding(status, "by construction"))


def scattered(trial: Trial) -> Evidence:
    """The prediction at the first seed, far from it at the third."""
    return Evidence(Curve("what is measured", WIDTHS, SCATTERED[trial.seed] * np.array([1.0, 0.5, 0.25])))


CASES = {
    "does not hold": ("E", {"measure": curve(2.0, 1.0, 0.5)}),
    "direction only": ("O", {"measure": curve(1.0, 0.5, 0.25)}),
    "inconclusive": ("E", {"measure": scattered}),
    "vacuous": ("S", {"predict": curve(1e6), "measure": curve(1.0), "control": curve(1e9)}),
    "holds": ("E", {}),
}


@pytest.mark.parametrize("word", CASES)
def test_a_verdict_says_whether_it_is_outside_its_hypotheses(toy, word):
    kind, changes = CASES[word]
    inside = run_claim(toy(kind, **changes))
    assert (inside.word, inside.outside) == (word, False)
    assert "outside" not in inside.reason + verdict_page(inside, toy(kind)).verdict[0]
    beyond = run_claim(toy(kind, **changes, hypotheses=(hypothesis("met"), hypothesis("unmet"))))
    assert beyond.outside
    assert beyond.word == ("holds outside its hypotheses" if word == "holds" else word)
    assert word == "holds" or beyond.reason.endswith("outside its hypotheses")
    assert verdict_page(beyond, toy(kind)).verdict[0].count("outside its hypotheses") == 1


def test_what_cannot_be_checked_does_not_put_a_verdict_outside(toy):
    assert run_claim(toy(hypotheses=(hypothesis("unknown"),))).word == "holds"


def test_the_two_step_sizes_must_agree(toy):
    def by_step(trial: Trial) -> Evidence:
        return Evidence(Curve("what is measured", WIDTHS, np.array([1.0, 0.5, 0.25]) * trial.slowdown))

    found = run_claim(toy(measure=by_step, gradient_flow=True))
    assert [one.slowdown for one in found.passes] == [1, 4]
    assert [one.outcome for one in found.passes] == ["holds", "does not hold"]
    assert found.word == "inconclusive"
    assert "disagree: does not hold and holds" in found.reason
    assert len(run_claim(toy(measure=by_step, gradient_flow=True), scale="smoke").passes) == 1


def test_a_control_that_is_found_right_at_one_seed_has_not_failed(toy):
    def now_and_then(trial: Trial) -> Evidence:
        return curve(1.0, 0.5, 0.25)(trial) if trial.seed == 1 else curve(3.0, 2.0, 1.0)(trial)

    assert run_claim(toy()).control.failed
    found = run_claim(toy(control=now_and_then))
    assert not found.control.failed
    assert not found.good


@pytest.fixture
def counted(toy):
    """A claim, and the seeds at which each of its parts was made."""
    made: dict[str, list[int]] = {"predict": [], "measure": [], "control": []}

    def part(name: str, *values: float) -> Any:
        def make(trial: Trial) -> Evidence:
            made[name].append(trial.seed)
            return Evidence(Curve("what is measured", WIDTHS, values), more=float(trial.seed))

        return make

    claim = toy(
        predict=part("predict", 1, 0.5, 0.25),
        measure=part("measure", 1.05, 0.5, 0.25),
        control=part("control", 3, 3, 3),
    )
    return claim, made


def test_trials_that_are_kept_are_not_made_again(counted, tmp_path):
    claim, made = counted
    first = run_claim(claim, out=tmp_path)
    assert all(seeds == [0, 1, 2] for seeds in made.values())
    again = run_claim(claim, out=tmp_path)
    assert all(seeds == [0, 1, 2] for seeds in made.values())
    assert replace(again, run=first.run) == first
    run_claim(claim, seed=1, out=tmp_path)
    assert all(seeds == [0, 1, 2, 3] for seeds in made.values())
    run_claim(claim)
    assert all(seeds == [0, 1, 2, 3, 0, 1, 2] for seeds in made.values())


def test_other_rows_or_settings_are_other_trials(counted, tmp_path):
    claim, made = counted
    run_claim(claim, out=tmp_path)
    run_claim(claim, "wine", out=tmp_path)
    assert made["measure"] == [0, 1, 2, 0, 1, 2]
    quick = {**claim.settings, "quick": replace(claim.settings["quick"], more={"starts": 3})}
    run_claim(replace(claim, settings=quick), out=tmp_path)
    assert made["measure"] == [0, 1, 2] * 3


def test_an_interrupted_run_goes_on_where_it_was(counted, tmp_path):
    claim, made = counted

    def stopped(trial: Trial) -> Evidence:
        if trial.seed == 1:
            raise KeyboardInterrupt
        return claim.control(trial)

    with pytest.raises(KeyboardInterrupt):
        run_claim(replace(claim, control=stopped), out=tmp_path)
    assert made == {"predict": [0, 1], "measure": [0, 1], "control": [0]}
    run_claim(claim, out=tmp_path)
    assert made == {"predict": [0, 1, 2], "measure": [0, 1, 2], "control": [0, 1, 2]}


PAPER = """
import {name}_numbers
from widthwise.atlas import Curve, Evidence
def measure(trial):
    return Evidence(Curve("what is measured", (1.0, 2.0, 4.0), {name}_numbers.VALUES))
"""


def test_evidence_is_not_reused_when_a_module_of_its_paper_changes(toy, tmp_path, monkeypatch):
    name, folder = "paper1999", tmp_path / "code"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (folder / f"{name}.py").write_text(PAPER.format(name=name))
    helper = folder / f"{name}_numbers.py"

    def outcome(values: str) -> str:
        helper.write_text(f"VALUES = {values}")
        importlib.invalidate_caches()
        for module in (f"{name}_numbers", name):
            sys.modules.pop(module, None)
        claim = toy(key=f"{name}-toy", source=name, measure=importlib.import_module(name).measure)
        return run_claim(claim, out=tmp_path / "store").word

    try:
        assert outcome("(1.0, 0.5, 0.25)") == "holds"
        assert outcome("(9.0, 9.0, 9.0)") == "does not hold"
    finally:
        for module in (f"{name}_numbers", name):
            sys.modules.pop(module, None)


def rows(X: np.ndarray) -> Rows:
    return Rows(X=X, y=np.ones(len(X)), X_test=X[:0], y_test=np.ones(0), source="drawn")


def test_the_digest_of_rows_is_that_of_their_numbers_to_six_decimals():
    X = np.random.default_rng(0).standard_normal((9, 4)).round(4)
    X[0, 0] = 0.0
    rounding = X + np.where(np.random.default_rng(1).random(X.shape) < 0.5, 1e-15, -1e-15)
    assert digest(rows(rounding)) == digest(rows(X))
    changed = [digest(rows(X + 1e-5)), digest(rows(X[:8])), digest(rows(X.reshape(4, 9)))]
    assert len({digest(rows(X)), *changed}) == 4


def test_a_verdict_is_held_against_the_one_on_record(toy, tmp_path, monkeypatch):
    monkeypatch.setattr(records, "FOLDER", tmp_path)
    found = run_claim(toy())
    assert found.recorded == "no record"
    records.write("arora2019", [found])
    assert run_claim(toy()).recorded == "as recorded"
    other = run_claim(toy(measure=curve(9.0, 9.0, 9.0)))
    assert (other.recorded, other.good) == ("changed", False)
    assert run_claim(toy(), seed=7).recorded == "no record"
    assert run_claim(toy(), "wine").recorded == "no record"


def test_what_cannot_be_run_is_refused_in_words(toy):
    with pytest.raises(
        UsageError, match="no claim is called 'arora2019-trainig-speed'; did you mean 'arora2019-training-speed'"
    ):
        run("arora2019-trainig-speed")
    with pytest.raises(UsageError, match="seed must be 0 or more"):
        run_claim(toy(), seed=-1)
    with pytest.raises(UsageError, match="has no meaning on other data: because"):
        run_claim(toy(own_data="because"), "iris")
    with pytest.raises(DataError, match="needs classes"):
        run_claim(toy(labels="classes"), "diabetes")


def test_the_mean_is_judged_with_three_standard_errors(toy):
    """The band of the figure is the same: mean and three standard errors over the seeds."""
    found = run_claim(toy(measure=scattered))
    values = np.array(SCATTERED)
    error = 3.0 * values.std(ddof=1) / np.sqrt(3)
    (band,) = found.measured
    assert np.allclose(band.y, values.mean() * np.array([1.0, 0.5, 0.25]))
    assert np.allclose(np.array(band.high) - np.array(band.y), error * np.array([1.0, 0.5, 0.25]))
    assert all(a < b for a, b in itertools.pairwise(found.passes[0].values))


def test_what_was_never_reached_has_no_mean_and_no_error(toy):
    """Infinity at one seed is infinity in the mean; what every seed reached keeps its band."""

    def measure(trial: Trial) -> Evidence:
        last = np.inf if trial.seed == 1 else 0.25
        return Evidence(Curve("what is measured", WIDTHS, [SCATTERED[trial.seed], 0.5, last]))

    (band,) = run_claim(toy(measure=measure)).measured
    assert (band.y[2], band.low[2], band.high[2]) == (None, None, None)
    assert band.low[0] < band.y[0] < band.high[0]
    assert band.low[1] == band.y[1] == band.high[1] == 0.5
