"""The claims as JSON, and the JSON Schema of it.

The list is `widthwise/atlas-list/1`, one of them `widthwise/atlas-claim/1`, the verdicts of a command `widthwise/atlas-run/1`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from widthwise.atlas import records, verdict
from widthwise.atlas.claim import Claim, Type
from widthwise.atlas.registry import chosen
from widthwise.atlas.verdict import Verdict

Layout = Literal["atlas-list", "atlas-claim", "atlas-run", "verdict"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A claim in the list.

    Attributes:
        claim: its key.
        paper: citation key of its source.
        locator: where in the paper.
        type: E, U, O, Q, S or X.
        title: what it says, in a few words.
        quantity: what is measured.
        minutes: of one core at `quick`, roughly.
        own_data: whether it runs on other data.
        recorded: verdicts on record.
    """

    claim: str
    paper: str
    locator: str
    type: Type
    title: str
    quantity: str
    minutes: float
    own_data: bool
    recorded: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """All that a claim says.

    Attributes:
        claim: its key.
        paper: citation key of its source.
        locator: where in the paper.
        type: E, U, O, Q, S or X.
        title: what it says, in a few words.
        quantity: what is measured.
        minutes: of one core at `quick`, roughly.
        statement: what it says, in one or two sentences.
        formula: as TeX, or plain text.
        hypotheses: in words.
        threshold: what is asked, fixed before a run.
        control: the check that must fail.
        method: what is done.
        other_data: why it is not run on other data; nothing where it is.
        recorded: verdicts on record, as they are kept.
    """

    claim: str
    paper: str
    locator: str
    type: Type
    title: str
    quantity: str
    minutes: float
    statement: str
    formula: str
    hypotheses: tuple[str, ...]
    threshold: str
    control: str
    method: tuple[str, ...]
    other_data: str | None
    recorded: tuple[dict[str, Any], ...]


def listed(paper: str | None = None, type: str | None = None, minutes: float | None = None) -> tuple[Claim, ...]:  # noqa: A002
    """Claims of a paper, of a type, of at most so many minutes; all of them where nothing is asked.

    Raises:
        UsageError: if no paper has that name.
    """
    return tuple(
        claim
        for claim in chosen("all" if paper is None else paper)
        if (type is None or claim.type == type) and (minutes is None or claim.cost <= minutes)
    )


def list_json(claims: Sequence[Claim]) -> str:
    """The JSON `widthwise/atlas-list/1`."""
    found = tuple(
        Entry(
            claim=claim.key,
            paper=claim.source,
            locator=claim.locator,
            type=claim.type,
            title=claim.title,
            quantity=claim.quantity,
            minutes=claim.cost,
            own_data=not claim.own_data,
            recorded=tuple(records.words(claim.key)),
        )
        for claim in claims
    )
    return _json("atlas-list", {"claims": _plain(tuple[Entry, ...], found)})


def claim_json(claim: Claim) -> str:
    """The JSON `widthwise/atlas-claim/1`."""
    found = Sheet(
        claim=claim.key,
        paper=claim.source,
        locator=claim.locator,
        type=claim.type,
        title=claim.title,
        quantity=claim.quantity,
        minutes=claim.cost,
        statement=claim.statement,
        formula=claim.formula,
        hypotheses=tuple(one.text for one in claim.hypotheses),
        threshold=claim.criterion.says(),
        control=claim.control_text,
        method=claim.method,
        other_data=claim.own_data or None,
        recorded=tuple(entry for entry in records.read(claim.source) if entry["claim"] == claim.key),
    )
    return _json("atlas-claim", _plain(Sheet, found))


def run_json(verdicts: Iterable[Verdict]) -> str:
    """The JSON `widthwise/atlas-run/1`: the verdicts of one command, each as `widthwise/verdict/1`."""
    return _json("atlas-run", {"verdicts": [json.loads(one.to_json()) for one in verdicts]})


def json_schema(layout: Layout) -> dict[str, Any]:
    """JSON Schema of one of the layouts."""
    if layout == "verdict":
        return verdict.json_schema()
    if layout == "atlas-claim":
        body = _adapter(Sheet).json_schema(mode="serialization")
    else:
        name, items = ("claims", _adapter(Entry).json_schema(mode="serialization"))
        if layout == "atlas-run":
            name, items = "verdicts", {k: v for k, v in verdict.json_schema().items() if k not in ("$schema", "$id")}
        # References are to the root of the document.
        body = {"type": "object", "properties": {name: {"type": "array", "items": items}}, "required": [name]}
        if "$defs" in items:
            body["$defs"] = items.pop("$defs")
    schema = _name(layout)
    body["properties"] = {"schema": {"const": schema}, **body["properties"]}
    body["required"] = ["schema", *body["required"]]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": schema, **body}


def _name(layout: Layout) -> str:
    return f"widthwise/{layout}/1"


def _json(layout: Layout, body: dict[str, Any]) -> str:
    return json.dumps({"schema": _name(layout), **body}, indent=1, ensure_ascii=False) + "\n"


def _plain(kind: Any, value: Any) -> Any:
    return _adapter(kind).dump_python(value, mode="json")


def _adapter(kind: Any) -> Any:
    from pydantic import TypeAdapter  # noqa: PLC0415 - only for those who read or write JSON

    return TypeAdapter(kind)
