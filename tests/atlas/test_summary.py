"""The table of verdicts on record says what the records say, and nothing else."""

from __future__ import annotations

from typing import Any

from widthwise.atlas import claims, records, summary


def _run(entry: dict[str, Any]) -> tuple[str, str, str, int]:
    return entry["claim"], entry["data"], entry["scale"], entry["seed"]


def _asked(entry: dict[str, Any]) -> str:
    return f"{entry['data']}, {entry['scale']}, seed {entry['seed']}"


def test_every_record_of_a_claim_is_one_row_and_carries_its_word() -> None:
    for paper in {claim.source for claim in claims()}:
        known = {_run(entry): entry for entry in records.read(paper)}
        told = summary.rows(paper)
        assert len(told) == len(known)
        for row in told:
            (entry,) = [e for e in known.values() if f"({e['claim']})" in row[0] and row[2] == _asked(e)]
            assert row[4] == entry["word"]
            assert (row[3] == "none") == (not entry.get("unmet"))


def test_the_markdown_has_a_table_for_every_paper_on_record() -> None:
    text = summary.markdown()
    assert summary.papers()
    for paper in summary.papers():
        assert f"### {paper}" in text
