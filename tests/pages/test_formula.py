"""Formulas are drawn where Matplotlib's reader of mathematics can read them, and stay text where it cannot."""

from __future__ import annotations

import re

import pytest

from widthwise.pages import Formula, Page, Section
from widthwise.pages.formula import to_svg
from widthwise.pages.html import to_html


def size(tex: str) -> tuple[float, float]:
    svg = to_svg(tex)
    assert svg is not None
    found = re.search(r"width:([\d.]+)em;height:([\d.]+)em", svg)
    assert found is not None
    return float(found[1]), float(found[2])


def outline(tex: str) -> str:
    svg = to_svg(tex)
    assert svg is not None
    return svg.partition("<path")[2]


@pytest.mark.parametrize(
    ("short", "long"),
    [
        (r"\sqrt m", r"\sqrt{m}"),
        (r"\tfrac12 x", r"\frac{1}{2} x"),
        (r"a \le b \ge c \ne d", r"a \leq b \geq c \neq d"),
        (r"O\bigl(m^2\bigr)", "O(m^2)"),
        (r"\textstyle\sum_i x_i", r"\sum_i x_i"),
    ],
)
def test_short_spellings_are_drawn_as_the_long_ones(short, long):
    assert outline(short) == outline(long)


def test_a_formula_is_as_large_as_what_is_in_it():
    line = size("x_1 + y_1")
    assert size("x_1 + y_1 + z_1")[0] > line[0]
    assert size(r"\frac{x_1}{y_1}")[1] > line[1]
    assert 0.4 < size("x^2")[1] < 1.2


@pytest.mark.parametrize("text", ["figure 1, step 390", r"\frac{a", r"\nosuch{x}", "", "x^2$ or $y", "x^2\ny", "\\ "])
def test_what_is_no_mathematics_stays_text(text):
    assert to_svg(text) is None
    page = Page(
        title="t",
        subtitle="",
        verdict=(),
        alerts=(),
        sections=(Section(title="s", blocks=(Formula(tex=text),)),),
        colophon=(),
    )
    assert '<svg class="tex"' not in to_html(page)


def test_the_label_of_a_formula_cannot_leave_it():
    svg = to_svg('x^2 < "y" \\& z')
    assert svg is None or ('"y"' not in svg and "<y" not in svg and svg.count("<") == 3)
    drawn = to_svg('x_1 > y" onload="z')
    assert drawn is None or 'onload="' not in drawn
