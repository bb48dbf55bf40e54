"""Named points: drawn where they are, hollow where they say so, on the edge where they have no end."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import pytest

from widthwise.errors import UsageError
from widthwise.pages import Mark, Point, Points, Section
from widthwise.pages.figures import to_svg
from widthwise.pages.terminal import print_section

BOTH = pytest.mark.parametrize("wide", [True, False], ids=["wide", "narrow"])


def figure(*points, **changes):
    return Points(title="t", description="d", x_label="x", y_label="y", points=points, **changes)


def read(svg):
    return ElementTree.fromstring(svg)  # noqa: S314 - our own


def place(root, number):
    """The point as drawn, in units of the axes, and the fill of its marker."""
    group = next(e for e in root.iter("g") if e.get("data-point") == str(number))
    use = next(e for e in group.iter() if e.tag == "use")
    left, top, width, height = map(float, root.get("data-box").split())
    (xlow, xhigh), (ylow, yhigh) = (map(float, root.get(f"data-{a}").split()[:2]) for a in "xy")
    x = xlow + (float(use.get("x")) - left) / width * (xhigh - xlow)
    y = ylow + (1 - (float(use.get("y")) - top) / height) * (yhigh - ylow)
    return x, y, use.get("style") or group.get("style") or ""


@BOTH
def test_points_lie_where_they_are_and_only_hollow_ones_are_filled_with_paper(wide):
    given = (
        Point(label="a", x=2018.0, y=50.0, group=0),
        Point(label="b", x=2020.5, y=-3.0, group=1, hollow=True),
        Point(label="c", x=2025.0, y=10.0, group=1),
    )
    root = read(to_svg(figure(*given, groups=("one", "two")), wide=wide))
    for number, point in enumerate(given):
        x, y, style = place(root, number)
        # Two decimals of a pixel, on at least 250 pixels for 8 years and 60 decades.
        assert x == pytest.approx(point.x, abs=0.01 * 8 / 250)
        assert y == pytest.approx(point.y, abs=0.01 * 62 / 250)
        assert ("fill: var(--paper)" in style) == point.hollow


@BOTH
def test_a_point_without_an_end_is_on_the_upper_edge(wide):
    root = read(
        to_svg(figure(Point(label="a", x=1.0, y=1.0), Point(label="b", x=2.0, y=math.inf, hollow=True)), wide=wide)
    )
    high = float(root.get("data-y").split()[1])
    assert place(root, 1)[1] == pytest.approx(high, abs=1e-3)


def test_labels_are_written_where_they_fit_and_never_twice():
    crowd = tuple(Point(label=f"name {i}", x=1.0 + 1e-6 * i, y=1.0) for i in range(30))
    root = read(to_svg(figure(*crowd, Point(label="alone", x=2.0, y=2.0)), wide=True))
    labels = [e.text for e in root.iter("text")]
    assert "alone" in labels
    assert 1 <= sum(t.startswith("name") for t in labels) < 30


def test_nothing_to_draw_and_odd_numbers_are_drawn_without_a_word():
    for points in ((), (Point(label="a", x=math.nan, y=1.0),), (Point(label="a", x=1.0, y=math.nan),)):
        root = read(to_svg(figure(*points, marks=(Mark(axis="y", value=2.0, label="m"),)), wide=True))
        assert not [e for e in root.iter("g") if e.get("data-point")]


def test_a_group_without_a_name_is_refused():
    with pytest.raises(UsageError, match="is of group 2"):
        figure(Point(label="a", x=1.0, y=1.0, group=2), groups=("one", "two"))


def test_a_terminal_lists_them(capsys):
    import sys

    given = figure(Point(label="Du", x=2018.0, y=19.5), Point(label="gone", x=2019.0, y=math.inf, hollow=True))
    print_section(Section(title="s", blocks=(given,)), stream=sys.stdout)
    text = capsys.readouterr().out
    assert re.search(r"Du +2018 +19\.5", text)
    assert "(hollow)" in text
