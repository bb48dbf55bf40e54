"""The folder of an atlas: verdicts as JSON, the store of trials, and the static site made of them.

store/       trials, so that nothing is run twice
verdicts/    one JSON file a verdict
site/        one page a verdict, indexes, the regime map, the summary of all that is on record
"""

from __future__ import annotations

from pathlib import Path

from widthwise.atlas import summary
from widthwise.atlas.indexes import INDEXES, REGIME_MAP, SUMMARY, index_page, trail
from widthwise.atlas.page import file_name, verdict_page
from widthwise.atlas.regime_map import regime_page
from widthwise.atlas.registry import claims
from widthwise.atlas.verdict import Verdict
from widthwise.errors import StoreError, UsageError
from widthwise.pages.files import write_atomically


def store(folder: Path) -> Path:
    """Where trials are kept."""
    return folder / "store"


def keep(folder: Path, verdict: Verdict) -> Path:
    """Write a verdict into its folder; one of the same claim, data, scale and seed is replaced."""
    path = folder / "verdicts" / f"{file_name(verdict)}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, verdict.to_json())
    return path


def kept(folder: Path) -> tuple[Verdict, ...]:
    """All verdicts of a folder, by paper and in the order of their claims; those of claims that are gone are left out.

    Raises:
        UsageError: if there are none.
        StoreError: if a file is damaged.
    """
    paths = sorted((folder / "verdicts").glob("*.json"))
    order = {claim.key: place for place, claim in enumerate(claims())}
    found = []
    for path in paths:
        try:
            verdict = Verdict.from_json(path.read_text(encoding="utf-8"))
        except ValueError as fault:
            raise StoreError(f"{path} is damaged ({fault}); remove it and run its claim again") from None
        if verdict.claim in order:
            found.append(verdict)
    if not found:
        raise UsageError(f"{folder} holds no verdicts; run `widthwise atlas run CLAIM --out {folder}` first")
    return tuple(sorted(found, key=lambda one: (order[one.claim], one.run.data, one.run.scale, one.run.seed)))


def write(folder: Path) -> Path:
    """Make the site of a folder.

    Returns:
        Path of its first page.

    Raises:
        UsageError: if there are no verdicts.
        StoreError: if a verdict is damaged.
    """
    from widthwise.pages.html import to_html  # noqa: PLC0415 - Jinja2 and Matplotlib, only for those who draw

    verdicts = kept(folder)
    site = folder / "site"
    site.mkdir(parents=True, exist_ok=True)
    for verdict in verdicts:
        write_atomically(site / f"{file_name(verdict)}.html", to_html(verdict_page(verdict, trail=trail())))
    for name, _, _ in INDEXES:
        write_atomically(site / f"{name}.html", to_html(index_page(verdicts, name)))
    write_atomically(site / f"{REGIME_MAP}.html", to_html(regime_page(verdicts, trail(REGIME_MAP))))
    pages: dict[tuple[str, str, str], str] = {
        (one.claim, one.run.data, one.run.scale): f"{file_name(one)}.html" for one in verdicts
    }
    write_atomically(site / f"{SUMMARY}.html", to_html(summary.page(pages, trail(SUMMARY))))
    return site / "index.html"
