from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from widthwise.pages.markup import escape, parse, plain, shorten, visible


def spans(text):
    return [(span.style, span.text) for span in parse(text)]


def test_bold_and_code():
    assert spans("a **b c** `d` e") == [
        ("plain", "a "),
        ("bold", "b c"),
        ("plain", " "),
        ("code", "d"),
        ("plain", " e"),
    ]


def test_what_does_not_pair_up_is_literal():
    assert spans("2 * 3 ** 4 ` 5") == [("plain", "2 * 3 ** 4 ` 5")]


@given(st.text())
def test_escaped_text_is_never_markup(text):
    name = escape(text, limit=1000)
    assert plain(name) == shorten(visible(text), 1000)
    assert all(span.style == "plain" for span in parse(name))


@given(st.text(min_size=1, alphabet=st.characters(blacklist_categories=["Cc", "Cs"])))
def test_escaped_text_survives_inside_code(text):
    assert plain(f"`{escape(text, limit=1000)}`") == shorten(visible(text), 1000)


@given(st.text())
def test_visible_text_holds_no_control(text):
    shown = visible(text)
    assert not any(
        unicodedata.category(c) in {"Cc", "Cs"}
        or unicodedata.bidirectional(c) in {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
        for c in shown
    )
    assert visible(shown) == shown


def test_controls_are_spelled_out():
    assert visible("\x1b[31m\x9b\u202e\ud800") == "\\x1b[31m\\x9b\\u202e\\ud800"
    assert visible("é 名 −") == "é 名 −"
    assert visible("a\nb\tc", keep="\n") == "a\nb\\tc"


def test_cuts_are_marked():
    assert shorten("abcdef", 4) == "abc…"
    assert shorten("abcd", 4) == "abcd"
    assert len(escape("n" * 10_000)) == 60
