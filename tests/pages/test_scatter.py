"""Clouds of a scatter: all of them, where their numbers say, told apart without colour."""

from __future__ import annotations

import io
import re
from xml.etree import ElementTree

import pytest

from widthwise.errors import UsageError
from widthwise.pages import Cloud, Mark, Page, Scatter, Section
from widthwise.pages.figures import to_svg
from widthwise.pages.html import to_html
from widthwise.pages.terminal import print_section


def scatter(points, **changes):
    fields = {"title": "t", "description": "d", "x_label": "across", "y_label": "up", "points": points}
    return Scatter(**{**fields, **changes})


TWO = (
    Cloud(label="left", x=(1.0, 10.0, 100.0), y=(1.0, 2.0, 3.0)),
    Cloud(label="right", x=(1000.0, 0.0, 5.0), y=(4.0, 5.0, float("nan")), group=1),
)


def read(svg):
    return ElementTree.fromstring(svg)  # noqa: S314 - our own drawing


def places(root, which):
    group = next(g for g in root.iter("g") if g.get("data-points") == str(which))
    return [(float(use.get("x")), float(use.get("y"))) for use in group.iter("use")]


@pytest.mark.parametrize("wide", [True, False])
def test_points_lie_where_their_numbers_say(wide):
    root = read(to_svg(scatter(TWO, log_x=True), wide=wide))
    left, top, width, height = map(float, root.get("data-box").split())
    low, high, kind = root.get("data-x").split()
    assert kind == "log"
    found = places(root, 0)
    assert len(found) == 3
    step = found[1][0] - found[0][0]
    # Equal factors are equal distances on a log axis, to the two decimals that are written.
    assert found[2][0] - found[1][0] == pytest.approx(step, abs=0.03)
    bottom, roof, _ = root.get("data-y").split()
    for (_, y), value in zip(found, TWO[0].y, strict=True):
        share = (value - float(bottom)) / (float(roof) - float(bottom))
        assert y == pytest.approx(top + height * (1 - share), abs=0.03)
    assert float(low) < 1.0
    assert float(high) > 1000.0
    assert all(left - 1 <= x <= left + width + 1 for x, _ in found)


def test_what_has_no_place_is_left_out():
    root = read(to_svg(scatter(TWO, log_x=True), wide=True))
    assert len(places(root, 1)) == 1
    root = read(to_svg(scatter(TWO), wide=True))
    assert len(places(root, 1)) == 2


def test_populations_have_shapes_and_names_of_their_own():
    svg = to_svg(scatter(TWO), wide=True)
    root = read(svg)
    shapes = [
        next(g for g in root.iter("g") if g.get("data-points") == which).find(".//use").get("href") for which in "01"
    ]
    assert shapes[0] != shapes[1]
    texts = [text.text for text in root.iter("text")]
    assert {"left", "right", "across", "up"} <= set(texts)
    assert "var(--c0)" in svg
    assert "var(--c1)" in svg


def test_an_empty_scatter_and_marks_are_drawn():
    for points in ((), (Cloud(label="none", x=(), y=()),)):
        svg = to_svg(scatter(points, marks=(Mark(axis="x", value=1.0, label="here"),)), wide=False)
        assert "here" in svg


def test_lengths_must_agree():
    with pytest.raises(UsageError, match="one length"):
        Cloud(label="p", x=(1.0,), y=())


def test_a_page_and_a_terminal_show_it():
    section = Section(title="s", blocks=(scatter(TWO, log_x=True),))
    html = to_html(Page(title="t", subtitle="", verdict=(), alerts=(), sections=(section,), colophon=()))
    assert len(re.findall(r"<svg class=\"(?:wide|narrow)\"", html)) == 2
    stream = io.StringIO()
    print_section(section, stream=stream)
    lines = stream.getvalue().split("\n")
    row = next(line for line in lines if line.strip().startswith("left"))
    assert row.split() == ["left", "3", "1", "100", "1", "3"]
    row = next(line for line in lines if line.strip().startswith("right"))
    assert row.split() == ["right", "1", "1000", "1000", "4", "4"]
