"""Verdicts on record: what is kept, what is replaced, and that the rows they name are those that a run takes."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from widthwise.atlas import claims, records, run_claim
from widthwise.atlas.experiment import digest, rows_by_seed
from widthwise.atlas.registry import find
from widthwise.errors import UsageError

PAPERS = tuple(dict.fromkeys(claim.source for claim in claims()))
EVERY = [(paper, entry) for paper in PAPERS for entry in records.read(paper)]


def test_a_new_verdict_replaces_that_of_the_same_run_and_no_other(toy, tmp_path, monkeypatch):
    monkeypatch.setattr(records, "FOLDER", tmp_path)
    assert records.read("arora2019") == []
    records.write("arora2019", [run_claim(toy()), run_claim(toy(), seed=5), run_claim(toy(key="arora2019-other"))])
    changed = replace(run_claim(toy()), word="does not hold")
    path = records.write("arora2019", [changed])
    assert json.loads(path.read_text())["schema"] == "widthwise/atlas-records/1"
    told = {(entry["claim"], entry["seed"]): entry["word"] for entry in records.read("arora2019")}
    assert told == {
        ("arora2019-other", 0): "holds",
        ("arora2019-toy", 0): "does not hold",
        ("arora2019-toy", 5): "holds",
    }
    assert records.words("arora2019-toy") == ["does not hold", "holds"]
    assert [line.split(":")[0] for line in records.lines("arora2019-toy")] == [
        "iris, quick, seed 0",
        "iris, quick, seed 5",
    ]


def test_nothing_at_smoke_goes_on_record(toy, tmp_path):
    with pytest.raises(UsageError, match="use the scale quick or paper"):
        records.write("arora2019", [run_claim(toy()), run_claim(toy(), scale="smoke")], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_every_record_is_of_a_claim_and_says_whether_it_is_outside_its_hypotheses():
    assert EVERY
    for paper, entry in EVERY:
        claim = find(entry["claim"])
        assert claim.source == paper
        assert entry["scale"] in ("quick", "paper")
        assert {*entry["unmet"], *entry["unknown"]} <= {one.text for one in claim.hypotheses}
        if entry["unmet"]:
            assert "outside its hypotheses" in f"{entry['word']} {entry['reason']}", entry["claim"]
        else:
            assert "outside its hypotheses" not in f"{entry['word']} {entry['reason']}", entry["claim"]


def test_of_every_record_the_control_was_found_wrong():
    for _, entry in EVERY:
        criterion = find(entry["claim"]).criterion
        right = [value for value in entry["control"] if value is not None and criterion.low <= value <= criterion.high]
        assert not right, (entry["claim"], entry["seed"])


@pytest.mark.slow
@pytest.mark.parametrize("paper", PAPERS)
def test_rows_on_record_are_those_that_a_run_takes(paper, shared_data, monkeypatch):
    monkeypatch.setenv("WIDTHWISE_DATA", str(shared_data))
    # Claims share rows: one of each kind.
    for entry in {entry["digest"]: entry for entry in records.read(paper)}.values():
        claim = find(entry["claim"])
        asked = claim.settings[entry["scale"]]
        named = asked.data == "generated" and entry["data"] in ("mnist", "mnist:0,1", "mnist:3,8")
        rows = rows_by_seed(claim, asked, entry["data"] if named else None)(entry["seed"])
        assert (rows.source, digest(rows)) == (entry["data"], entry["digest"]), entry["claim"]
