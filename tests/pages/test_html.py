from __future__ import annotations

import base64
import re
import struct
import zlib
from html.parser import HTMLParser

import pytest

from widthwise.pages import Picture
from widthwise.pages.html import fragment, to_html
from widthwise.pages.pictures import data_uri, png

VOID = {"meta", "link", "img", "br", "hr", "input"}


class Reader(HTMLParser):
    """Elements with attributes, text, and whether every tag is closed."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.elements, self.stack, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def read(html):
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.stack == []
    return reader


def test_the_page_is_self_contained(html):
    assert not re.search(r"https?://|//[a-z]|@import|url\((?!#)", html)
    reader = read(html)
    tags = {tag for tag, _ in reader.elements}
    assert not tags & {"script", "iframe", "object", "embed", "base", "form", "foreignobject"}
    for tag, attributes in reader.elements:
        assert not any(name.startswith("on") for name in attributes), (tag, attributes)
        for name in ("src", "href", "xlink:href", "srcset", "action"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:")), (tag, value)
    assert len(html.encode()) < 3_000_000


def test_the_policy_forbids_everything_else(html):
    policies = [a["content"] for t, a in read(html).elements if a.get("http-equiv") == "Content-Security-Policy"]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]
    assert html.index("Content-Security-Policy") < html.index("<style")


def test_ids_are_unique_and_links_arrive(html, piece):
    for text in (html, piece):
        elements = read(text).elements
        ids = [a["id"] for _, a in elements if "id" in a]
        assert len(ids) == len(set(ids))
        for _, attributes in elements:
            if attributes.get("href", "").startswith("#"):
                assert attributes["href"][1:] in ids
            for name in ("aria-labelledby", "aria-describedby"):
                assert set(attributes.get(name, "").split()) <= set(ids)


def test_fragments_of_two_pages_share_a_document(builders):
    sections = builders.page().sections
    both = fragment(builders.page(sections[:1])) + fragment(builders.page(sections[1:2]))
    ids = [a["id"] for _, a in read(both).elements if "id" in a]
    assert len(ids) == len(set(ids))


def test_a_fragment_is_scoped(piece):
    text = piece
    assert text.startswith("<div")
    assert not {"html", "head", "body", "title", "meta"} & {
        t for t, _ in read(text.replace("<title ", "<desc ").replace("</title>", "</desc>")).elements
    }
    css = re.sub(r"@(media|container)[^{]*\{", "", re.search(r"<style>(.*?)</style>", text, re.DOTALL).group(1))
    for selectors in re.findall(r"([^{}]+)\{[^{}]*\}", css):
        for selector in selectors.split(","):
            assert selector.strip().startswith(".ww"), selector


def test_the_verdict_comes_first(html):
    order = [html.index(mark) for mark in ('class="verdict"', 'class="alert', "<section", 'class="colophon"')]
    assert order == sorted(order)


def test_the_structure_is_semantic(html):
    elements = read(html).elements
    levels = [int(t[1]) for t, _ in elements if re.fullmatch("h[1-6]", t)]
    assert levels == [1, 2, 2, 2]
    assert ("html", {"lang": "en"}) in elements
    assert next(a.get("class") for t, a in elements if t == "a") == "skip"
    assert all(a.get("scope") in {"col", "row"} for t, a in elements if t == "th")
    assert all(a.get("alt") for t, a in elements if t == "img")
    for tag, attributes in elements:
        if tag == "svg":
            assert attributes.get("role") == "img" or attributes.get("aria-hidden") == "true"
    figures = sum(t == "svg" and a.get("role") == "img" for t, a in elements)
    assert figures == 2 * 7
    assert sum(t == "details" for t, _ in elements) == 1
    assert not any(t == "details" and "open" in a for t, a in elements)


def test_alerts_have_words(html):
    text = " ".join(read(html).text)
    for word in ("Warning", "Note", "Danger"):
        assert word in text


def test_hostile_text_stays_text(builders):
    for name in builders.HOSTILE:
        for render in (to_html,) if name is not builders.HOSTILE[1] else (to_html, fragment):
            text = render(builders.hostile_page(name))
            text.encode("utf-8")
            reader = read(text)
            allowed = {"icon", "wide", "narrow", None}
            assert {a.get("class") for t, a in reader.elements if t == "svg"} <= allowed
            assert not {t for t, _ in reader.elements} & {"script", "iframe"}
            assert sum(t == "img" for t, _ in reader.elements) == 1
            assert not any(n.startswith("on") for _, a in reader.elements for n in a)
            assert "\u202e" not in text
            assert "\x1b" not in text
            assert "49" not in "".join(t for t in reader.text if "7 * 7" in t)


def test_long_names_are_cut_and_names_are_isolated(builders):
    text = to_html(builders.hostile_page("n" * 10_000))
    # Prose and code are the author's to shorten; names are not.
    assert "n" * 301 not in re.sub(r"<(p|li|pre|desc|span|title)\b.*?</\1>", "", text, flags=re.DOTALL)
    assert "…" in text
    assert '<th scope="col"><bdi>' in text


def test_inline_markup(html):
    text = html
    assert "<li>It fits in <strong>310 steps</strong>.</li>" in text
    assert "<code><bdi>98 %</bdi></code>" in text


def test_rendering_twice_gives_the_same(page, html):
    assert to_html(page) == html


@pytest.mark.parametrize(
    ("pixels", "kind", "body"),
    [
        (((0.0, 1.0), (0.5, 2.0)), 0, b"\0\x00\xff\0\x80\xff"),
        ((((1.0, 0.0, float("nan")),),), 2, b"\0\xff\x00\x00"),
    ],
)
def test_pictures_are_png(pixels, kind, body):
    data = png(Picture(pixels=pixels, title="a"))
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height, depth, colour = struct.unpack(">IIBB", data[16:26])
    assert (width, height, depth, colour) == (len(pixels[0]), len(pixels), 8, kind)
    size = struct.unpack(">I", data[33:37])[0]
    assert zlib.decompress(data[41 : 41 + size]) == body
    assert base64.b64decode(data_uri(Picture(pixels=pixels, title="a")).split(",")[1]) == data
