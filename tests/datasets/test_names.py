"""Names in messages: escaped, shortened, and the closest known one."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from widthwise.datasets.names import cells_listed, counted, did_you_mean, listed, quoted


@settings(deadline=None)  # the shape checker compiles on first use
@given(st.text(max_size=130))
def test_quoted_names_are_printable_and_short(name):
    shown = quoted(name)
    assert shown.isprintable()
    assert len(shown) <= 64


def test_short_names_are_shown_whole():
    assert quoted("a b") == "'a b'"
    assert listed(["a", "b"]) == "'a', 'b'"
    assert listed(list("abcdefghij")).endswith("'h' and 2 more")


def test_numbers_with_nouns():
    assert (counted(1, "row"), counted(2, "row"), counted(0, "class", "classes")) == ("1 row", "2 rows", "0 classes")


def test_the_closest_name_or_none():
    assert did_you_mean("LABLE", ["a", "label"]) == "; did you mean 'label'?"
    assert did_you_mean("zzz", ["a", "label"]) == ""


def test_five_cells_and_how_many_more():
    cells = [(i, "c", float("nan")) for i in range(7)]
    assert cells_listed(cells).startswith("row 0, column 'c': nan; row 1")
    assert "row 4" in cells_listed(cells)
    assert "row 5" not in cells_listed(cells)
    assert "and 2 more" in cells_listed(cells)
