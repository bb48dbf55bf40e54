"""The document model: what a page says, as frozen data, with nothing on how it looks.

Prose fields (`Text.text`, `Bullets.items`, `Alert.text`, `Section.lead`, `Page.verdict`) take inline markup:
`**bold**` and `` `code` `` (see `pages.markup`; pass names that come from data through `escape`). Every other
field is literal text. What is drawn is in `charts`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from widthwise.errors import UsageError
from widthwise.pages.charts import Bars, Curves, Heatmap, Histogram, Pictures, Points, Scatter, store


def _beside(what: str, link: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", link):
        raise UsageError(f"{what}: a link must be the plain name of a file beside the page; {link[:60]!r} came")


@dataclass(frozen=True, kw_only=True)
class Link:
    """The way to a page beside this one.

    Attributes:
        label: what it is called.
        page: name of its file; the page itself where it is empty.
    """

    label: str
    page: str

    def __post_init__(self) -> None:
        _beside("Link", self.page or "none")


@dataclass(frozen=True, kw_only=True)
class Text:
    """A paragraph.

    Attributes:
        text: prose with inline markup.
    """

    text: str


@dataclass(frozen=True, kw_only=True)
class Bullets:
    """A list of short points.

    Attributes:
        items: one prose line each, with inline markup.
    """

    items: tuple[str, ...]

    def __post_init__(self) -> None:
        store(self, items=tuple(self.items))


@dataclass(frozen=True, kw_only=True)
class KeyNumber:
    """One number worth reading from a distance.

    Attributes:
        label: what the number is.
        value: the number as it is to be read, with its unit.
        note: uncertainty or provenance, in small type.
    """

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class KeyNumbers:
    """A row of key numbers."""

    items: tuple[KeyNumber, ...]

    def __post_init__(self) -> None:
        store(self, items=tuple(self.items))


@dataclass(frozen=True, kw_only=True)
class Alert:
    """Something the reader must not miss.

    Attributes:
        level: how much it matters; shown as icon, word and border, never as colour alone.
        text: prose with inline markup.
    """

    level: Literal["info", "warning", "danger"]
    text: str


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a table; numbers go right."""

    name: str
    align: Literal["left", "right"] = "left"


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of literal text.

    Attributes:
        columns: names and alignments.
        rows: one text per column in every row.
        caption: what the table shows.
        links: name of the page beside this one that the first text of each row leads to; none where it is empty.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    links: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        store(self, columns=tuple(self.columns), rows=tuple(tuple(row) for row in self.rows), links=tuple(self.links))
        if self.links and len(self.links) != len(self.rows):
            raise UsageError(f"Table: {len(self.rows)} rows need as many links, but {len(self.links)} came")
        for link in self.links:
            _beside("Table", link or "none")
        for number, row in enumerate(self.rows):
            if len(row) != len(self.columns):
                raise UsageError(
                    f"Table: every row must have {len(self.columns)} cells, but row {number} has {len(row)}"
                )


@dataclass(frozen=True, kw_only=True)
class Code:
    """Preformatted text to copy."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Formula:
    """A formula, drawn where it can be.

    Attributes:
        tex: in TeX, without dollars, or plain text.
    """

    tex: str


@dataclass(frozen=True, kw_only=True)
class Details:
    """Blocks behind a title that opens them; opened in print."""

    title: str
    blocks: tuple[Block, ...]

    def __post_init__(self) -> None:
        store(self, blocks=tuple(self.blocks))


Block: TypeAlias = (
    Text
    | Bullets
    | KeyNumbers
    | Alert
    | Table
    | Code
    | Formula
    | Details
    | Curves
    | Points
    | Scatter
    | Bars
    | Histogram
    | Heatmap
    | Pictures
)


@dataclass(frozen=True, kw_only=True)
class Section:
    """One question of the report and its answer.

    Attributes:
        title: the question.
        blocks: text, tables and figures.
        lead: the answer in a sentence or two, with inline markup.
        key: anchor in the page; made from the title if empty.
    """

    title: str
    blocks: tuple[Block, ...]
    lead: str = ""
    key: str = ""

    def __post_init__(self) -> None:
        store(self, blocks=tuple(self.blocks))


@dataclass(frozen=True, kw_only=True)
class Page:
    """A whole report.

    Attributes:
        title: what was looked at.
        subtitle: when, with what.
        verdict: up to five sentences, with inline markup: all that many readers read.
        alerts: what must not be missed.
        sections: the questions, in order.
        colophon: how the page was made and how to make it again.
        language: BCP 47 tag of the prose.
        trail: the other pages of a site, above the title.
    """

    title: str
    subtitle: str
    verdict: tuple[str, ...]
    alerts: tuple[Alert, ...]
    sections: tuple[Section, ...]
    colophon: tuple[Block, ...]
    language: str = "en"
    trail: tuple[Link, ...] = ()

    def __post_init__(self) -> None:
        store(
            self,
            verdict=tuple(self.verdict),
            alerts=tuple(self.alerts),
            sections=tuple(self.sections),
            colophon=tuple(self.colophon),
            trail=tuple(self.trail),
        )
        if len(self.verdict) > 5:
            raise UsageError(f"Page: a verdict has at most five sentences, but {len(self.verdict)} came")
