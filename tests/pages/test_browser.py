"""What a reader sees, measured in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from widthwise.pages.html import to_html

pytestmark = pytest.mark.browser
CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
VIEWS = [(width, scheme) for width in (1280, 768, 360) for scheme in ("light", "dark")]

# Walks every visible text node; backgrounds are composed from the element upwards.
MEASURE = """() => {
  const parse = c => { const m = c.match(/[\\d.]+/g).map(Number); return [m[0], m[1], m[2], m.length > 3 ? m[3] : 1]; };
  const lum = c => { const f = v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    return 0.2126 * f(c[0]) + 0.7152 * f(c[1]) + 0.0722 * f(c[2]); };
  const over = (a, b) => [0, 1, 2].map(i => a[i] * a[3] + b[i] * (1 - a[3])).concat(1);
  const paper = e => { let layers = []; for (; e; e = e.parentElement) {
    const c = parse(getComputedStyle(e).backgroundColor);
    if (c[3] > 0) layers.push(c); if (c[3] === 1) break; }
    return layers.reverse().reduce((b, a) => over(a, b), [255, 255, 255, 1]); };
  const faint = [], small = []; let texts = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; node = walker.nextNode();) {
    const e = node.parentElement;
    if (!node.data.trim() || ['STYLE', 'title', 'desc'].includes(e.tagName)) continue;
    if (!e.checkVisibility({visibilityProperty: true}) || e.classList.contains('skip')) continue;
    const inSvg = e.ownerSVGElement, style = getComputedStyle(e);
    texts += 1;
    if (inSvg) {
      const size = parseFloat(style.fontSize) * inSvg.getScreenCTM().a;
      if (size < 10.5) small.push([node.data, size]);
      // Paper-coloured text lies on deep heat-map cells: test_theme.py measures it.
      const papery = style.fill === getComputedStyle(document.querySelector('.ww')).backgroundColor;
      if (papery && inSvg.querySelector('[data-depth]')) continue;
    } else if (parseFloat(style.fontSize) < 10.5) small.push([node.data, style.fontSize]);
    const [a, b] = [lum(parse(inSvg ? style.fill : style.color)), lum(paper(inSvg ? inSvg : e))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) faint.push([node.data, (a + 0.05) / (b + 0.05)]);
  }
  const svgs = [...document.querySelectorAll('svg[role=img]')].filter(s => s.checkVisibility());
  const cut = svgs.flatMap(s => [...s.querySelectorAll('text')].filter(t => {
    const r = t.getBoundingClientRect(), f = s.getBoundingClientRect();
    return r.left < f.left - 2
      || r.right > f.right + 2 || r.top < f.top - 2
      || r.bottom > f.bottom + 2; }).map(t => t.textContent));
  return {faint, small, texts, cut, figures: svgs.length,
    classes: [...new Set(svgs.map(s => s.getAttribute('class')))],
    scroll: document.scrollingElement.scrollWidth, inner: innerWidth};
}"""


@pytest.fixture(scope="module")
def chromium():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.exists():
        pytest.skip(f"no Chromium at {CHROMIUM}")
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium, tmp_path):
    tabs = []

    def open_page(text, width, scheme, **options):
        path = tmp_path / "page.html"
        path.write_text(text, encoding="utf-8")
        tab = chromium.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme, **options)
        tab.problems = []
        tab.on("console", lambda message: tab.problems.append(message.text))
        tab.on("pageerror", lambda error: tab.problems.append(str(error)))
        tab.on("dialog", lambda dialog: (tab.problems.append("dialog"), dialog.dismiss()))
        tab.on(
            "request",
            lambda request: (
                tab.problems.append(request.url)
                if not request.url.startswith("data:") and request.url != path.as_uri()
                else None
            ),
        )
        tab.goto(path.as_uri())
        tabs.append(tab)
        return tab

    yield open_page
    for tab in tabs:
        tab.close()


@pytest.mark.parametrize(("width", "scheme"), VIEWS)
def test_every_text_can_be_read_and_nothing_overflows(opened, html, width, scheme):
    tab = opened(html, width, scheme)
    seen = tab.evaluate(MEASURE)
    assert tab.problems == []
    assert seen["scroll"] <= seen["inner"]
    assert seen["texts"] > 200
    assert seen["faint"] == []
    assert seen["small"] == []
    assert seen["cut"] == []
    assert seen["figures"] == 7
    assert seen["classes"] == ["narrow" if width == 360 else "wide"]


def test_themes_differ(opened, html):
    colours = [
        opened(html, 768, scheme).evaluate(
            "() => [getComputedStyle(document.querySelector('.ww')).backgroundColor,"
            " getComputedStyle(document.querySelector('[data-series] path')).stroke,"
            " getComputedStyle(document.body).backgroundColor]"
        )
        for scheme in ("light", "dark")
    ]
    assert all(a != b for a, b in zip(*colours, strict=True))
    assert all(c[0] == c[2] for c in colours)


@pytest.mark.parametrize("width", [1280, 360])
def test_hostile_names_do_nothing(opened, builders, width):
    for name in builders.HOSTILE[1:4]:
        tab = opened(to_html(builders.hostile_page(name)), width, "light")
        seen = tab.evaluate(MEASURE)
        assert tab.problems == []
        assert seen["scroll"] <= seen["inner"], name[:40]
        tab.close()


def test_a_fragment_in_a_narrow_cell_takes_the_narrow_figures(opened, piece):
    cell = f"<!doctype html><body style='margin:0'><div style='width:500px'>{piece}</div></body>"
    seen = opened(cell, 1280, "light").evaluate(MEASURE)
    assert seen["classes"] == ["narrow"]
    assert seen["faint"] == []


def test_print_is_light_and_opens_details(opened, html):
    tab = opened(html, 768, "dark")
    tab.emulate_media(media="print", color_scheme="dark")
    ink, paper, hidden = tab.evaluate(
        "() => { const s = getComputedStyle(document.querySelector('.ww'));"
        " const inside = document.querySelector('.inside');"
        " return [s.color, s.backgroundColor, inside.checkVisibility({contentVisibilityAuto: true})]; }"
    )
    assert ink == "rgb(28, 29, 31)"
    assert paper == "rgb(255, 255, 255)"
    assert hidden


def test_the_keyboard_reaches_the_report(opened, html):
    tab = opened(html, 1280, "light")
    tab.keyboard.press("Tab")
    assert tab.evaluate("() => document.activeElement.className") == "skip"
    assert tab.evaluate("() => document.activeElement.getBoundingClientRect().left >= 0")
    tab.keyboard.press("Enter")
    assert tab.evaluate("() => location.hash") == "#report"
