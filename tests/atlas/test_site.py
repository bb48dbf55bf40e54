"""The site: verdicts kept and found again, every page reached, no link into nothing."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from widthwise.atlas import summary
from widthwise.atlas.claim import TYPES
from widthwise.atlas.indexes import INDEXES, index_page, totals
from widthwise.atlas.page import file_name
from widthwise.atlas.registry import find
from widthwise.atlas.site import keep, kept, write
from widthwise.errors import StoreError, UsageError

CHROMIUM = Path("/usr/bin/chromium")


def links(page: Path) -> set[str]:
    return {link for link in re.findall(r'href="([^"]+)"', page.read_text()) if not link.startswith(("#", "data:"))}


@pytest.fixture(scope="module")
def site(smoke, tmp_path_factory):
    folder = tmp_path_factory.mktemp("atlas")
    for verdict in smoke:
        keep(folder, verdict)
    return write(folder).parent


def test_no_link_leads_into_nothing(site):
    pages = sorted(site.glob("*.html"))
    assert len(pages) == 3 + len(INDEXES) + 2
    for page in pages:
        assert links(page), page.name
        assert all((site / link).is_file() for link in links(page)), page.name


def test_every_page_is_reached_from_every_index_or_through_it(site, smoke):
    for name, *_ in INDEXES:
        seen = links(site / f"{name}.html")
        assert {f"{file_name(verdict)}.html" for verdict in smoke} <= seen
        assert {"summary.html", "regime-map.html"} <= seen


@pytest.mark.parametrize("name", [name for name, *_ in INDEXES])
def test_an_index_has_every_verdict_once_under_its_heading(smoke, name):
    page = index_page(smoke, name)
    listed = [link for section in page.sections for link in section.blocks[0].links]
    assert sorted(listed) == sorted(f"{file_name(verdict)}.html" for verdict in smoke)
    heading = {link: section.title for section in page.sections for link in section.blocks[0].links}
    for verdict in smoke:
        claim = find(verdict.claim)
        told = {
            "index": {"arora2019": "Arora et al. 2019", "maennel2018": "Maennel et al. 2018"}[claim.source],
            "by-type": TYPES[claim.type],
            "by-verdict": "no verdict: smoke",
            "by-quantity": claim.quantity,
        }[name]
        assert heading[f"{file_name(verdict)}.html"] == told


def test_verdicts_are_counted_and_chance_is_summed(smoke):
    quick = [replace(one, run=replace(one.run, scale="quick")) for one in smoke]
    held = [
        replace(quick[0], word="holds", chance=0.25),
        replace(quick[1], word="holds outside its hypotheses", chance=0.5),
    ]
    told = totals([*held, replace(quick[2], word="does not hold", chance=0.5), smoke[0]])
    assert told[0] == "Of 3 verdicts 1 holds, 1 holds outside its hypotheses, 1 does not hold."
    assert "all 2 that hold" in told[2]
    assert "**0.75**" in told[2]
    assert told[3].endswith("4 of 4.")
    assert told[4] == "1 of the 4 runs at `smoke`, which gives no verdict."
    assert len(totals(smoke)) == 2


def test_a_changed_verdict_or_a_control_that_did_not_fail_is_an_alert_of_every_index(smoke):
    passed = replace(smoke[0], control=replace(smoke[0].control, failed=False))
    changed = replace(smoke[1], recorded="changed")
    for name, *_ in INDEXES:
        said = " ".join(alert.text for alert in index_page([passed, changed], name).alerts)
        assert smoke[0].claim in said
        assert smoke[1].claim in said


def test_a_verdict_kept_twice_is_one(smoke, tmp_path):
    assert keep(tmp_path, smoke[0]) == keep(tmp_path, replace(smoke[0], word="holds"))
    (found,) = kept(tmp_path)
    assert found.word == "holds"


def test_verdicts_come_in_the_order_of_claims_and_seeds(smoke, tmp_path):
    first, second = smoke[0], smoke[1]
    later = [replace(one, run=replace(one.run, seed=seed)) for one in (first, second) for seed in (100, 20, 3)]
    for verdict in later:
        keep(tmp_path, verdict)
    told = [(verdict.claim, verdict.run.seed) for verdict in kept(tmp_path)]
    assert told == [(one.claim, seed) for one in (second, first) for seed in (3, 20, 100)]


def test_an_empty_folder_and_a_damaged_verdict_are_told(smoke, tmp_path):
    with pytest.raises(UsageError, match="holds no verdicts; run `widthwise atlas run CLAIM --out"):
        write(tmp_path)
    path = keep(tmp_path, smoke[0])
    path.write_text(path.read_text()[:200])
    with pytest.raises(StoreError, match="is damaged"):
        write(tmp_path)


def test_a_verdict_on_a_claim_that_is_gone_is_left_out(smoke, tmp_path):
    keep(tmp_path, replace(smoke[0], claim="arora2019-gone"))
    keep(tmp_path, smoke[0])
    assert kept(tmp_path) == (smoke[0],)


def test_the_summary_has_a_row_for_every_claim_and_data_set_on_record():
    page = summary.page()
    known = {(e["claim"], e["data"], e["scale"]) for paper in summary.papers() for e in summary.records.read(paper)}
    assert sum(len(section.blocks[0].rows) for section in page.sections) == len(known)


def test_rows_drawn_for_a_claim_are_not_called_real_data():
    entries = {entry["data"]: entry for paper in summary.papers() for entry in summary.records.read(paper)}
    real = {data for data, entry in entries.items() if summary.is_real(entry)}
    assert {"mnist:0,1", "cifar10:airplane,automobile", "mnist"} <= real
    assert "1025 equal steps on the circle" not in real


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_site_can_be_walked_in_a_browser(site, width, scheme):
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.exists():
        pytest.skip(f"no Chromium at {CHROMIUM}")
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
        tab.set_default_timeout(10_000)
        problems: list[str] = []
        tab.on("console", lambda message: problems.append(message.text))
        tab.on("pageerror", lambda error: problems.append(str(error)))
        tab.goto((site / "index.html").as_uri())
        names = tab.locator("nav.trail a").all_inner_texts()
        assert names == ["summary", "by type", "by verdict", "by quantity", "regime map"]
        trail = tab.get_by_role("navigation", name="Pages")
        for name in names:
            trail.get_by_role("link", name=name, exact=True).click()
            assert tab.locator("nav.trail [aria-current=page]").inner_text() == name
            assert tab.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
        trail.get_by_role("link", name="by paper", exact=True).click()
        tab.click("section table a >> nth=0")
        assert tab.locator("section").count() >= 5
        assert not tab.get_by_text("Seeds: 1, from 0 on.").is_visible()
        tab.get_by_text("Method", exact=True).click()
        assert tab.get_by_text("Seeds: 1, from 0 on.").is_visible()
        assert tab.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
        trail.get_by_role("link", name="regime map", exact=True).click()
        assert tab.locator("svg[role=img]:visible").count() == 1
        assert problems == []
        browser.close()
