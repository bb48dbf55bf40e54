"""The page: five answers in order, worded from the result alone."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace

import click
import numpy as np
import pytest

import widthwise as ww
from widthwise.audits import AuditResult
from widthwise.audits.page import command, page
from widthwise.audits.result import Curve, Settings
from widthwise.cli import commands
from widthwise.pages import Text

KINDS = ("two classes", "many classes", "numbers", "pictures", "conflicting")
TITLES = (
    "How fast will a wide network fit it?",
    "How well will it generalise?",
    "Which labels deserve a look?",
    "How wide, and which learning rate?",
    "Does it hold?",
)
LEADS = ("**Speed.** ", "**Generalisation.** ", "**Labels.** ", "**Width and rate.** ", "**Check.** ")


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_has_five_answers_in_order(audits, kind):
    assert tuple(section.title for section in page(audits[kind]).sections) == TITLES
    html = audits[kind].to_html()
    places = [html.index(title) for title in TITLES]
    assert places == sorted(places)


@pytest.mark.parametrize("kind", KINDS)
def test_the_verdict_is_one_sentence_with_numbers_for_each_answer(audits, kind):
    verdict = page(audits[kind]).verdict
    assert len(verdict) == 5
    for sentence, lead in zip(verdict, LEADS, strict=True):
        assert sentence.startswith(lead)
        assert sentence.endswith(".")
        assert re.search(r"\d", sentence) or "not checked" in sentence


@pytest.mark.parametrize("kind", KINDS)
def test_each_section_opens_with_its_sentence_of_the_verdict(audits, kind):
    made = page(audits[kind])
    assert tuple(lead + s.lead for lead, s in zip(LEADS, made.sections, strict=True)) == made.verdict


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_from_the_json_is_the_page_from_the_result(audits, kind):
    again = AuditResult.from_json(audits[kind].to_json())
    assert page(again) == page(audits[kind])
    assert again.to_html() == audits[kind].to_html()


def test_the_report_of_digits_is_at_most_three_megabytes_and_loads_nothing(digits):
    html = digits.to_html()
    assert len(html.encode()) <= 3_000_000
    assert not re.findall(r"""(?:src|href|action)\s*=\s*["'](?!#|data:)""", html)
    assert "@import" not in html
    assert not re.findall(r"url\((?!['\"]?(?:data:|#))", html)


def test_a_notebook_shows_the_same_answers(two_classes):
    shown = two_classes._repr_html_()
    for title in TITLES:
        assert title in shown
    assert "<html" not in shown


def test_images_are_shown_and_the_wrong_label_is_among_them(pictures):
    assert pictures.data.kind == "image"
    assert pictures.data.image_shape == (5, 4, 3)
    suspect = next(s for s in pictures.labels.suspects if s.row == 6)
    assert np.shape(suspect.image) == (5, 4, 3)
    assert 0.0 <= np.min(suspect.image) <= np.max(suspect.image) <= 1.0
    assert "row 6" in pictures.to_html()


def test_the_certain_floor_is_an_alert(conflicting, two_classes):
    first = page(conflicting).alerts[0]
    assert first.level == "warning"
    assert "7 rows share their features" in first.text
    assert not any("share their features" in alert.text for alert in page(two_classes).alerts)


def test_a_subsample_is_an_alert(many_classes):
    data = replace(many_classes.data, subsample="the first 73 of 90 rows in the order of the source")
    texts = [alert.text for alert in page(replace(many_classes, data=data)).alerts]
    assert "Only a part was audited: the first 73 of 90 rows in the order of the source." in texts


def test_what_reading_noticed_is_an_alert_and_is_not_cut_short(many_classes):
    long = (
        "Column 'x' determines the label one to one, in each of the 73 rows, so that it may hold the label itself: " * 3
    )
    data = replace(many_classes.data, alerts=(long,), notes=(long,), task_reason=long)
    made = page(replace(many_classes, data=data, findings=()))
    assert [alert.text for alert in made.alerts] == [long]
    assert long in replace(many_classes, data=data).to_html().replace("&#39;", "'")


def test_divergence_is_said_plainly_and_still_makes_a_page(two_classes):
    done = two_classes.verification
    widest = done.widths[-1]
    cut = Curve(steps=(), relative=())
    runs = tuple(
        replace(run, gap=None, errors=None, diverged=0, curve=cut) if run.width == widest else run for run in done.runs
    )
    verified = replace(done, runs=runs)
    assert verified.gap(widest) is None
    assert verified.final_error(widest) is None
    assert verified.agreeing_width is None
    broken = replace(two_classes, verification=verified)
    alert = page(broken).alerts[0]
    assert alert.level == "danger"
    assert "4 of 12 trainings diverged" in alert.text
    assert "diverged" in broken.to_html()


def test_what_was_not_trained_is_not_claimed(many_classes):
    made = page(many_classes)
    assert "no width is advised" in made.verdict[3]
    assert "not checked by training" in made.verdict[4]
    assert made.sections[4].blocks == (made.sections[4].blocks[0],)
    assert isinstance(made.sections[4].blocks[0], Text)


def test_overlap_is_never_called_noise(two_classes):
    assert two_classes.labels.separate is False
    assert "an upper limit on label noise, not an estimate" in two_classes.verdict[2]
    assert "the two cannot be told apart, and no row is accused" in two_classes.to_html()


def test_hostile_names_are_text_on_the_page():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 2))
    y = np.where(X[:, 0] + rng.normal(size=30) > 0, "<script>alert(1)</script>", "\x1b[31m**b** `c`\u202e")
    html = ww.audit(X, y, verify="none", pad=1.0).to_html()
    assert "<script>alert" not in html
    assert "\x1b" not in html


@pytest.mark.parametrize(
    "settings",
    [
        Settings(),
        Settings(
            target="the label",
            task="classification",
            scale="unit",
            pad=0.25,
            coding="raw",
            max_n=100,
            subsample="first",
            verify="none",
            seed=7,
        ),
    ],
)
@pytest.mark.parametrize("source", ["digits", "a folder/it's.csv", "mnist:0,1"])
def test_the_command_on_the_page_parses_to_the_same_settings(many_classes, settings, source):
    result = replace(many_classes, settings=settings, data=replace(many_classes.data, source=source))
    words = shlex.split(command(result))
    assert words[:2] == ["widthwise", "audit"]
    # Below its group, as on the command line: click remembers the help flags of the first context that it meets.
    group = click.Context(commands, **commands.context_settings)
    parsed = commands.commands["audit"].make_context("audit", words[2:], parent=group).params
    assert parsed["data"] == source
    for name in Settings.__dataclass_fields__:
        assert parsed[name] == getattr(settings, name)
