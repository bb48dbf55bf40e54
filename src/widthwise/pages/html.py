"""Pages as one self-contained HTML text: no script, no network, light and dark, wide and narrow."""

from __future__ import annotations

import functools
import hashlib
import re
from itertools import count

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from widthwise.pages import formula
from widthwise.pages.charts import Figure
from widthwise.pages.document import Page, Section
from widthwise.pages.figures import to_svg
from widthwise.pages.markup import parse, shorten, visible
from widthwise.pages.pictures import data_uri
from widthwise.pages.theme import COLOURS, declarations

NAME_LIMIT = 120
CELL_LIMIT = 300


def _prose(text: str) -> Markup:
    """Inline markup as HTML, everything escaped."""
    tags = {
        "plain": "{}",
        "bold": "<strong>{}</strong>",
        "code": "<code><bdi>{}</bdi></code>",
    }
    return Markup("").join(Markup(tags[span.style]).format(span.text) for span in parse(text))  # noqa: S704 - constants


def _name(text: str, limit: int = NAME_LIMIT) -> Markup:
    """Literal text that may come from data: shortened, controls spelled out, isolated."""
    return Markup("<bdi>{}</bdi>").format(shorten(visible(text), limit))


def _drawn(tex: str) -> Markup:
    """A formula as it is drawn, or its text."""
    svg = formula.to_svg(tex)
    text = Markup("<code>{}</code>").format(visible(tex, keep="\n\t"))
    return text if svg is None else Markup(svg)  # noqa: S704 - coordinates, and a label that is escaped


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("widthwise.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        prose=_prose,
        name=_name,
        cell=lambda text: _name(text, CELL_LIMIT),
        shorten=lambda text, limit: shorten(visible(text), limit),
        visible=lambda text: visible(text, keep="\n\t"),
        data_uri=data_uri,
        drawn=_drawn,
        kind=lambda block: type(block).__name__,
    )
    return environment


def _anchors(sections: tuple[Section, ...], prefix: str) -> list[str]:
    """One identifier per section, made of letters, digits and hyphens, none twice."""
    anchors: list[str] = []
    for number, section in enumerate(sections, start=1):
        slug = re.sub(r"[^a-z0-9]+", "-", (section.key or section.title).lower()).strip("-")[:60]
        anchor = f"{prefix}{slug or f'section-{number}'}"
        anchors.append(anchor if anchor not in anchors else f"{anchor}-{number}")
    return anchors


def _style() -> Markup:
    source = _environment().loader
    assert source is not None  # noqa: S101 - set three lines above; for the type checker
    css = source.get_source(_environment(), "style.css")[0]
    css = css.replace("/*light*/", declarations("light")).replace("/*dark*/", declarations("dark"))
    css = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)
    return Markup(re.sub(r"\s*\n\s*", "\n", css))  # noqa: S704 - a file of this package, no text from data


def _render(page: Page, template: str, *, anchor_prefix: str) -> str:
    digest = hashlib.sha256(repr(page).encode("utf-8", "backslashreplace")).hexdigest()[:8]
    numbers = count(1)

    def drawings(figure: Figure) -> Markup:
        number = next(numbers)
        both = (to_svg(figure, wide=wide, prefix=f"w{digest}-{number}{'wn'[not wide]}") for wide in (True, False))
        return Markup("").join(Markup(svg) for svg in both)  # noqa: S704 - an XML serialiser wrote it

    return (
        _environment()
        .get_template(template)
        .render(
            page=page,
            anchors=_anchors(page.sections, anchor_prefix.format(digest)),
            drawings=drawings,
            main_id=f"{anchor_prefix.format(digest)}report",
            paper=COLOURS["paper"],
            style=_style(),
        )
    )


def to_html(page: Page) -> str:
    """The page as one HTML document.

    Args:
        page: what to render.

    Returns:
        A text that needs no other file and no network, to be stored as UTF-8.
    """
    return _render(page, "page.html", anchor_prefix="")


def fragment(page: Page) -> str:
    """The page as an HTML fragment for a notebook, its styles scoped to itself.

    Args:
        page: what to render.

    Returns:
        A `<div>` with a `<style>`; ids hold a digest of the page, so that several fragments share a document.
    """
    return _render(page, "fragment.html", anchor_prefix="ww-{}-")
