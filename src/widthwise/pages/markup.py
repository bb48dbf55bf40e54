r"""Inline markup and text hygiene, shared by every renderer.

The markup is `**bold**` and `` `code` ``; a backslash makes the next `*`, `` ` `` or backslash literal.
Text from data may hold anything: `visible` spells out what could drive a terminal or reverse a line.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

# Bidirectional controls change the order of the text around them; separators end lines.
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029")
_TOKEN = re.compile(r"\*\*((?:\\.|[^\\*]|\*(?!\*))+)\*\*|`((?:\\.|[^\\`])+)`", re.DOTALL)
_ESCAPED = re.compile(r"\\([\\*`])")


@dataclass(frozen=True, kw_only=True)
class Span:
    """A run of text in one style."""

    style: Literal["plain", "bold", "code"]
    text: str


def _is_unsafe(character: str) -> bool:
    return character in _BIDI or unicodedata.category(character) in {"Cc", "Cs"}


def visible(text: str, *, keep: str = "") -> str:
    r"""Text with controls, lone surrogates and bidirectional overrides spelled out, as `\x1b` or `\u202e`.

    Args:
        text: anything.
        keep: controls to leave as they are, such as a newline.

    Returns:
        Text that can neither move a cursor nor reorder its line.
    """
    if text.isprintable():
        return text
    return "".join(
        character.encode("unicode_escape").decode("ascii")
        if character not in keep and _is_unsafe(character)
        else character
        for character in text
    )


def shorten(text: str, limit: int) -> str:
    """At most `limit` characters, the cut marked by an ellipsis.

    Args:
        text: anything.
        limit: largest length, at least 1.

    Returns:
        The text, or its beginning and an ellipsis.
    """
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def escape(text: str, *, limit: int = 60) -> str:
    r"""Literal text for a prose field: a name from data that must not act as markup.

    Args:
        text: a name of a column, class or file.
        limit: characters kept.

    Returns:
        The name, shortened, its controls spelled out and its `*`, `` ` `` and backslashes escaped. Put it
        between backquotes to set it as code, which also isolates right-to-left names from the sentence.
    """
    return re.sub(r"([\\*`])", r"\\\1", shorten(visible(text), limit))


def _unescape(text: str) -> str:
    return _ESCAPED.sub(r"\1", text)


def parse(text: str) -> tuple[Span, ...]:
    """Split prose into runs of one style.

    Args:
        text: prose with inline markup; what does not pair up is literal.

    Returns:
        The runs in order, controls spelled out, none empty.
    """
    spans: list[Span] = []
    plain = ""
    position = 0
    while position < len(text):
        if text[position] == "\\" and position + 1 < len(text) and text[position + 1] in "\\*`":
            plain += text[position + 1]
            position += 2
            continue
        found = _TOKEN.match(text, position) if text[position] in "*`" else None
        if found is None:
            plain += text[position]
            position += 1
            continue
        if plain:
            spans.append(Span(style="plain", text=plain))
            plain = ""
        bold, code = found.groups()
        spans.append(Span(style="code" if bold is None else "bold", text=_unescape(code or bold)))
        position = found.end()
    if plain:
        spans.append(Span(style="plain", text=plain))
    return tuple(Span(style=span.style, text=visible(span.text.replace("\n", " "))) for span in spans)


def plain(text: str) -> str:
    """Prose without its markup."""
    return "".join(span.text for span in parse(text))
