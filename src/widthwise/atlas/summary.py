"""All verdicts on record in one table: claim, hypotheses met on its data, verdict, vacuity."""

from __future__ import annotations

from typing import Any

from widthwise.atlas import records
from widthwise.atlas.claim import TYPES, Claim
from widthwise.atlas.registry import claims
from widthwise.pages import Column, Page, Section, Table

COLUMNS = (
    Column(name="claim"),
    Column(name="type"),
    Column(name="data"),
    Column(name="hypotheses not met"),
    Column(name="verdict"),
    Column(name="found"),
    Column(name="vacuity", align="right"),
)


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


def page() -> Page:
    """The table of every paper that has verdicts on record."""
    papers = [paper for paper in dict.fromkeys(claim.source for claim in claims()) if rows(paper)]
    told = [row for paper in papers for row in rows(paper)]
    outside = sum(row[3] != "none" for row in told)
    return Page(
        title="What the claims came to",
        subtitle="Verdicts on record",
        verdict=(
            f"{len(told)} verdicts on record, of {len(papers)} papers.",
            f"In {outside} of them some hypothesis is not met by the rows and settings of the experiment.",
        ),
        alerts=(),
        sections=tuple(
            Section(title=paper, blocks=(Table(columns=COLUMNS, rows=rows(paper)),), key=paper) for paper in papers
        ),
        colophon=(),
    )


def markdown() -> str:
    """The same as tables of the documentation."""
    lines: list[str] = []
    for section in page().sections:
        lines += [f"### {section.title}", "", "| " + " | ".join(column.name for column in COLUMNS) + " |"]
        lines += ["|" + "|".join("---" for _ in COLUMNS) + "|"]
        lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows(section.title)]
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
