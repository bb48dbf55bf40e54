"""All verdicts on record: claim, hypotheses met on its data, verdict, vacuity."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from widthwise.atlas import records
from widthwise.atlas.citation import cited
from widthwise.atlas.claim import TYPES, Claim
from widthwise.atlas.registry import claims, find
from widthwise.datasets.sources import known_names
from widthwise.pages import Column, Link, Page, Section, Table, Text

COLUMNS = ("claim", "type", "data", "hypotheses not met", "verdict", "found", "vacuity")


def rows(paper: str) -> tuple[tuple[str, ...], ...]:
    """Verdicts on record of a paper, in the order of its claims; one text for each of `COLUMNS`."""
    known = records.read(paper)
    return tuple(
        _row(claim, entry)
        for claim in claims()
        if claim.source == paper
        for entry in known
        if entry["claim"] == claim.key
    )


def page(pages: Mapping[tuple[str, str, str], str] = MappingProxyType({}), trail: tuple[Link, ...] = ()) -> Page:
    """A row for every claim and data set that have verdicts on record, by paper.

    Args:
        pages: file of the page of a verdict, by claim, data and scale, where there is one beside this.
        trail: the other pages of the site.
    """
    known = {paper: _by_claim(paper) for paper in papers()}
    entries = [entry for found in known.values() for group in found.values() for entry in group]
    outside = sum(bool(entry["unmet"]) for entry in entries)
    real = [entry for entry in entries if is_real(entry)]
    met = sum(not entry["unmet"] for entry in real)
    return Page(
        title="What the claims came to",
        subtitle=f"{len(entries)} verdicts on record, of {len(known)} papers",
        verdict=(
            f"On record are {len(entries)} verdicts on {len({entry['claim'] for entry in entries})} claims.",
            f"In {outside} of them some hypothesis is not met by the rows and settings of the experiment.",
            f"Of the {len(real)} on real data, {met} have every hypothesis met that can be checked.",
        ),
        alerts=(),
        sections=tuple(
            Section(title=cited(paper), blocks=(_condensed(found, pages),), key=paper) for paper, found in known.items()
        ),
        colophon=(
            Text(
                text="Verdicts come with the package, made by `widthwise atlas record`; seeds are the first of each run."
            ),
        ),
        trail=trail,
    )


def papers() -> tuple[str, ...]:
    """Papers that have verdicts on record, in the order of the claims."""
    return tuple(paper for paper in dict.fromkeys(claim.source for claim in claims()) if rows(paper))


def is_real(entry: Mapping[str, Any]) -> bool:
    """Whether a record is of a data set, not of rows drawn for the claim."""
    known = {name.partition(":")[0] for name in known_names()}
    asked = find(entry["claim"]).settings[entry["scale"]].data
    return asked != "generated" or str(entry["data"]).partition(":")[0] in known


def _by_claim(paper: str) -> dict[tuple[str, str, str], list[dict[str, Any]]]:
    """Records of a paper by claim, data and scale, in the order of its claims."""
    found: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    known = records.read(paper)
    for claim in claims():
        for entry in known:
            if entry["claim"] == claim.key:
                found.setdefault((claim.key, entry["data"], entry["scale"]), []).append(entry)
    return found


def _condensed(
    found: Mapping[tuple[str, str, str], list[dict[str, Any]]], pages: Mapping[tuple[str, str, str], str]
) -> Table:
    table = []
    for (key, data, scale), entries in found.items():
        claim = find(key)
        vacuities = [entry["vacuity"] for entry in entries if entry.get("vacuity") is not None]
        table.append(
            (
                claim.title,
                _words(entries),
                _met(claim, entries[0]),
                f"{data}, {scale}{'' if is_real(entries[0]) else '; not real data'}",
                f"{min(vacuities):.1f} decades" if vacuities else "",
            )
        )
    shown = ("claim", "verdict", "hypotheses met", "data", "vacuity")
    # The last column says something for sufficient conditions alone.
    width = len(shown) if any(row[-1] for row in table) else len(shown) - 1
    return Table(
        columns=tuple(Column(name=name) for name in shown[:width]),
        rows=tuple(row[:width] for row in table),
        links=tuple(pages.get(key, "") for key in found),
    )


def _met(claim: Claim, entry: Mapping[str, Any]) -> str:
    unmet, unknown, every = len(entry["unmet"]), len(entry["unknown"]), len(claim.hypotheses)
    return f"{every - unmet - unknown} of {every}" + (f", {unknown} unknown" if unknown else "")


def _words(entries: list[dict[str, Any]]) -> str:
    by_word: dict[str, list[str]] = {}
    for entry in entries:
        by_word.setdefault(entry["word"], []).append(str(entry["seed"]))
    if len(by_word) == 1:
        return next(iter(by_word))
    return "; ".join(f"{word} (seed {', '.join(seeds)})" for word, seeds in by_word.items())


def markdown() -> str:
    """Every verdict on record, as tables of the documentation."""
    lines: list[str] = []
    for paper in papers():
        lines += [f"### {paper}", "", "| " + " | ".join(COLUMNS) + " |"]
        lines += ["|" + "|".join("---" for _ in COLUMNS) + "|"]
        lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows(paper)]
        lines += [""]
    return "\n".join(lines)


def _row(claim: Claim, entry: dict[str, Any]) -> tuple[str, ...]:
    vacuity = entry.get("vacuity")
    return (
        f"{claim.title} ({claim.key})",
        TYPES[claim.type],
        f"{entry['data']}, {entry['scale']}, seed {entry['seed']}",
        "; ".join(entry.get("unmet", ())) or "none",
        entry["word"],
        entry["reason"],
        "" if vacuity is None else f"{vacuity:.1f} decades",
    )
