"""The table of verdicts on record says what the records say, and nothing else."""

from __future__ import annotations

from widthwise.atlas import claims, records, summary


def test_every_record_of_a_claim_is_one_row_and_carries_its_word() -> None:
    for paper in {claim.source for claim in claims()}:
        known = {(entry["claim"], entry["data"], entry["scale"]): entry for entry in records.read(paper)}
        told = summary.rows(paper)
        assert len(told) == len(known)
        for row in told:
            (entry,) = [
                e for e in known.values() if f"({e['claim']})" in row[0] and row[2] == f"{e['data']}, {e['scale']}"
            ]
            assert row[4] == entry["word"]
            assert (row[3] == "none") == (not entry.get("unmet"))


def test_the_markdown_has_a_table_for_every_paper_on_record() -> None:
    text = summary.markdown()
    for section in summary.page().sections:
        assert f"### {section.title}" in text
