"""The page of a verdict says what the verdict says, and how to have it again."""

from __future__ import annotations

import ast
import re
import shlex
from dataclasses import replace
from typing import Any

import click
import numpy as np
import pandas as pd
import pytest

from widthwise.atlas import Curve, Evidence, Ordering, Verdict, claims, run_claim
from widthwise.atlas.citation import bibtex, cited
from widthwise.atlas.page import claim_page, command, deviations, figure, file_name, verdict_page
from widthwise.cli import commands
from widthwise.pages import Page, Table
from widthwise.pages.formula import to_svg
from widthwise.pages.html import to_html


def tables(page: Page) -> dict[str, list[Table]]:
    return {s.title: [block for block in s.blocks if isinstance(block, Table)] for s in page.sections}


def parsed(words: list[str]) -> dict[str, Any]:
    """What a command line asks for."""
    context: Any = click.Context(commands)
    command: Any = commands
    while isinstance(command, click.Group):
        name, command, words = command.resolve_command(context, words)
        context = (
            command.make_context(name, words, parent=context, resilient_parsing=False)
            if not isinstance(command, click.Group)
            else click.Context(command, parent=context)
        )
    return dict(context.params)


@pytest.mark.parametrize(("data", "target"), [(None, ""), ("wine", ""), ("a table; with 'quotes'.csv", "the label")])
def test_the_command_of_a_page_asks_for_the_same_run(toy, data, target):
    found = run_claim(toy(), "wine" if data else None, seed=4, scale="paper")
    found = replace(found, run=replace(found.run, data=data or found.run.data, target=target))
    words = shlex.split(command(found))
    assert words[0] == "widthwise"
    told = parsed(words[1:])
    assert (told["name"], told["scale"], told["seed"], told["data"]) == ("arora2019-toy", "paper", 4, data)
    assert told["target"] == (target or None)


def test_data_from_memory_are_told_in_python(toy):
    frame = pd.DataFrame({"a": np.arange(20.0), "b": np.arange(20) % 7, "label": ["x", "y"] * 10})
    found = run_claim(toy(), frame, target="label")
    told = command(found)
    assert told == "widthwise.atlas.run('arora2019-toy', data, target='label', scale='quick', seed=0)"
    ast.parse(told)


def test_the_page_has_every_hypothesis_number_and_seed(toy):
    found = run_claim(toy(gradient_flow=True))
    page = verdict_page(found, toy())
    parts = tables(page)
    assert [row[:2] for row in parts["Hypotheses"][0].rows] == [("this is met", "met")]
    assert [row[:2] for row in parts["Numbers"][0].rows] == [("full", "holds"), ("1/4", "holds")]
    assert len(parts["Numbers"][0].rows[0][-1].split(", ")) == 3
    assert "asked: largest deviation at most 10 % of the prediction" in page.verdict[1]
    assert page.alerts == ()
    text = to_html(page)
    assert 'aria-label="q \\le p_1"' in text
    assert command(found) in text


def test_what_is_wrong_is_an_alert(toy):
    found = run_claim(toy())
    passed = replace(found, control=replace(found.control, failed=False))
    for wrong, word in ((passed, "control must fail"), (replace(found, recorded="changed"), "on record")):
        (alert,) = verdict_page(wrong, toy()).alerts
        assert (alert.level, word in alert.text) == ("danger", True)
    (alert,) = verdict_page(run_claim(toy(), scale="smoke"), toy()).alerts
    assert alert.level == "info"


def test_ours_stand_beside_the_papers_with_the_deviation_in_per_cent(toy):
    claim = toy(published=(Curve("what is measured", [1.0, 2.0, 3.0], [0.8, 0.5, 7.0]),))
    found = run_claim(claim)
    assert [(row[1], row[3], row[4], row[5]) for row in deviations(found, claim)] == [
        ("1", "1", "0.8", "+25.0 %"),
        ("2", "0.5", "0.5", "+0.0 %"),
    ]
    assert "Ours beside the paper's" in tables(verdict_page(found, claim))
    assert "Ours beside the paper's" not in tables(verdict_page(found, toy()))


@pytest.mark.parametrize(
    ("kind", "names"),
    [("E", ("predicted", "measured")), ("U", ("upper limit", "measured")), ("S", ("required", "observed"))],
)
def test_a_bound_is_never_drawn_as_a_prediction(toy, kind, names):
    claim = toy(kind)
    drawn = figure(run_claim(claim), claim)
    assert tuple(line.label for line in drawn.lines[:2]) == names
    assert [line.kind for line in drawn.lines] == ["prediction", "measurement", "reference"]
    assert np.allclose(drawn.lines[0].y, (1.0, 0.5, 0.25))


def test_a_single_number_is_drawn_as_a_line_behind_its_measurement(toy):
    def one(y: float) -> Any:
        return lambda _trial: replace_curve(y)

    def replace_curve(y: float) -> Any:
        from widthwise.atlas import Evidence

        return Evidence(Curve("what is measured", 8.0, y))

    claim = toy(predict=one(2.0), measure=one(2.1), control=one(4.0))
    ahead, seen, _ = figure(run_claim(claim), claim).lines
    assert (len(ahead.x), ahead.y, seen.x) == (2, (2.0, 2.0), (8.0,))
    assert ahead.x[0] < 8.0 < ahead.x[1]


def test_files_of_other_runs_have_other_names(toy):
    found = run_claim(toy())
    others = [
        run_claim(toy(), seed=1),
        run_claim(toy(), scale="paper"),
        run_claim(toy(), "wine"),
        run_claim(toy(key="arora2019-x")),
    ]
    same_name = replace(found, run=replace(found.run, digest="0" * 64))
    assert len({file_name(one) for one in (found, same_name, *others)}) == 6
    assert file_name(run_claim(toy())) == file_name(found)


def test_a_verdict_is_the_same_after_a_file_and_a_page_of_its_own(toy, tmp_path):
    found = run_claim(toy())
    found.to_json(tmp_path / "verdict.json")
    assert Verdict.from_json((tmp_path / "verdict.json").read_text()) == found
    found.to_html(tmp_path / "verdict.html", claim=toy())
    assert "A claim that costs nothing" in (tmp_path / "verdict.html").read_text()


def test_a_claim_says_what_is_asked_before_it_is_run(toy):
    claim = toy(own_data="because", method=("One thing is done.",))
    told = {section.title: section for section in claim_page(claim, ["a record"]).sections}
    items = told["The test"].blocks[0].items
    assert [line.split(":")[0] for line in items] == [
        "Asked",
        "Control",
        "One thing is done.",
        "Other data are refused",
    ]
    assert told["On record"].blocks[0].items == ("a record",)
    assert len(told["Settings"].blocks[0].items) == 3


def test_sources_are_cited_by_their_authors():
    assert cited("arora2019") == "Arora et al. 2019"
    assert cited("liliang2018") == "Li and Liang 2018"
    assert bibtex("arora2019").startswith("@inproceedings{arora2019,")
    assert bibtex("nobody2000") == ""


def test_of_curves_that_are_only_told_nothing_is_drawn_as_predicted(toy):
    def both(_trial):
        return Evidence(Curve("judged", (1.0, 2.0), (1.0, 2.0)), Curve("told", (1.0, 2.0), (2.0, 1.0)))

    claim = toy("Q", predict=both, measure=both, control=lambda _: Evidence(Curve("judged", (1.0, 2.0), (2.0, 1.0))))
    claim = replace(claim, criterion=Ordering(of="judged"))
    found = run_claim(claim)
    assert found.word == "holds"
    assert found.control.failed
    assert [line.label for line in figure(found, claim).lines] == [
        "predicted, judged",
        "measured, judged",
        "measured, told",
    ]


def test_every_formula_of_a_claim_can_be_read():
    told = [claim.formula for claim in claims() if re.search(r"[\\^_]", claim.formula)]
    assert len(told) > 30
    assert [formula for formula in told if to_svg(formula) is None] == []
