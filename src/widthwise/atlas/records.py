"""Verdicts on record: one JSON file a paper, in `records/`, made by `widthwise atlas record`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from widthwise.atlas.verdict import Recorded, Verdict
from widthwise.errors import UsageError
from widthwise.sweeps import files as whole_files

SCHEMA: Literal["widthwise/atlas-records/1"] = "widthwise/atlas-records/1"
FOLDER = Path(str(files("widthwise.atlas"))) / "records"
FIELDS = ("claim", "word", "reason")


def entry(verdict: Verdict) -> dict[str, Any]:
    """What is kept of a verdict."""
    run = verdict.run
    return {
        **{name: getattr(verdict, name) for name in FIELDS},
        "scale": run.scale,
        "seed": run.seed,
        "seeds": run.seeds,
        "data": run.data,
        "digest": run.digest,
        "date": run.date,
        "versions": run.versions,
        "device": run.device,
        "unmet": [one.text for one in verdict.hypotheses if one.status == "unmet"],
        "unknown": [one.text for one in verdict.hypotheses if one.status == "unknown"],
        "vacuity": verdict.vacuity,
        "values": [list(one.values) for one in verdict.passes],
        "control": list(verdict.control.values),
    }


def read(paper: str) -> list[dict[str, Any]]:
    """Verdicts on record for a paper; none where it has no file."""
    file = FOLDER / f"{paper}.json"
    if not file.is_file():
        return []
    body = json.loads(file.read_text(encoding="utf-8"))
    return list(body["verdicts"])


def compared(verdict: Verdict) -> Recorded:
    """Whether a verdict is that on record for the same data, scale and seed."""
    mine = entry(verdict)
    same = ("claim", "scale", "seed", "seeds", "digest")
    for known in read(verdict.claim.partition("-")[0]):
        if all(known[name] == mine[name] for name in same):
            return "as recorded" if known["word"] == verdict.word else "changed"
    return "no record"


def write(paper: str, verdicts: Iterable[Verdict], folder: Path | None = None) -> Path:
    """Put verdicts on record; those of other claims, scales, seeds and data stay.

    Args:
        paper: citation key.
        verdicts: to be kept.
        folder: where the file goes; that of the package when not given.

    Raises:
        UsageError: for verdicts at `smoke`, which are none.
    """
    verdicts = list(verdicts)
    require_verdicts(*(verdict.run.scale for verdict in verdicts))
    place = (FOLDER if folder is None else folder) / f"{paper}.json"
    place.parent.mkdir(parents=True, exist_ok=True)
    new = [entry(verdict) for verdict in verdicts]
    told = [json.loads(place.read_text(encoding="utf-8"))["verdicts"]] if place.exists() else [[]]
    identity = ("claim", "scale", "seed", "data")
    fresh = {tuple(one[name] for name in identity) for one in new}
    kept = [one for one in told[0] if tuple(one[name] for name in identity) not in fresh]
    body = {"schema": SCHEMA, "verdicts": sorted([*kept, *new], key=lambda e: tuple(str(e[name]) for name in identity))}
    whole_files.replace(place, (json.dumps(body, indent=1, ensure_ascii=False) + "\n").encode())
    return place


def require_verdicts(*scales: str) -> None:
    """Refuse what cannot go on record.

    Raises:
        UsageError: for `smoke`, where there is one seed at one step size.
    """
    if "smoke" in scales:
        raise UsageError(
            "only verdicts go on record, and there are none at `smoke`: one seed, one step size; use the scale quick or paper"
        )


def words(claim: str) -> list[str]:
    """Verdicts on record for a claim."""
    return [entry["word"] for entry in read(claim.partition("-")[0]) if entry["claim"] == claim]


def lines(claim: str) -> list[str]:
    """The same, a sentence each."""
    return [
        f"{entry['data']}, {entry['scale']}, seed {entry['seed']}: {entry['word']} ({entry['reason']}), {entry['date']}"
        for entry in read(claim.partition("-")[0])
        if entry["claim"] == claim
    ]
