"""What a run of a claim found: frozen plain data, the same in Python, JSON (`widthwise/verdict/1`) and the page."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from widthwise.atlas.claim import Claim, Scale, Status, Type
from widthwise.atlas.criteria import Outcome
from widthwise.errors import DataError

if TYPE_CHECKING:
    from pydantic import TypeAdapter

SCHEMA: Literal["widthwise/verdict/1"] = "widthwise/verdict/1"
Word = Literal["holds", "holds outside its hypotheses", "does not hold", "direction only", "inconclusive", "vacuous"]
Recorded = Literal["as recorded", "changed", "no record"]
OUTSIDE = "outside its hypotheses"


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A hypothesis and what the first trial showed of it."""

    text: str
    status: Status
    number: str


@dataclass(frozen=True, kw_only=True)
class Band:
    """A curve over the seeds.

    Attributes:
        label: of the curve.
        x: abscissae.
        y: means.
        low: means less three standard errors; with one seed, the means.
        high: means and three standard errors.
    """

    label: str
    x: tuple[float, ...]
    y: tuple[float | None, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]


@dataclass(frozen=True, kw_only=True)
class Pass:
    """All seeds at one step size.

    Attributes:
        slowdown: 1, or 4 for a quarter of the step size.
        outcome: of these seeds.
        values: the statistic of each seed; None where it is not finite.
        mean: of them.
        error: its standard error.
    """

    slowdown: int
    outcome: Outcome
    values: tuple[float | None, ...]
    mean: float | None
    error: float


@dataclass(frozen=True, kw_only=True)
class Control:
    """The same check where the statement is false.

    Attributes:
        text: what it is.
        failed: whether it was found wrong at every seed, as it must be.
        values: its statistic at each seed.
        measured: its curves.
    """

    text: str
    failed: bool
    values: tuple[float | None, ...]
    measured: tuple[Band, ...]


@dataclass(frozen=True, kw_only=True)
class Run:
    """What was run, so that it can be again.

    Attributes:
        scale: smoke, quick or paper.
        seed: the first.
        seeds: how many.
        data: what was asked for.
        digest: of the rows of the first seed, to six decimals.
        n: training rows.
        n_test: rows held out.
        d: columns.
        prepared: what was done to them.
        widths: numbers of neurons.
        steps: of descent, at the full step size.
        own: data of the user's, not the claim's.
        target: the column of the labels that was asked for; empty where none was.
        date: day of the run.
        seconds: of all trials together.
        versions: of what computed it.
        device: of what kind.
    """

    scale: Scale
    seed: int
    seeds: int
    data: str
    digest: str
    n: int
    n_test: int
    d: int
    prepared: tuple[str, ...]
    widths: tuple[int, ...]
    steps: int
    own: bool
    date: str
    seconds: float
    versions: dict[str, str]
    device: str
    target: str = ""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The verdict on a claim.

    Attributes:
        claim: its key.
        type: of the claim.
        word: the verdict.
        reason: why, with the numbers.
        threshold: what was asked, fixed before the run.
        hypotheses: each with what was found.
        passes: at each step size.
        control: the check that had to fail.
        predicted: curves.
        measured: curves at the full step size.
        numbers: single numbers, means over the seeds.
        vacuity: decades of required over observed, for a sufficient condition.
        chance: probability that "holds" came by chance were the claim just false.
        recorded: against the verdict on record for the same data, scale and seed.
        run: what was run.
    """

    claim: str
    type: Type
    word: Word
    reason: str
    threshold: str
    hypotheses: tuple[Checked, ...]
    passes: tuple[Pass, ...]
    control: Control
    predicted: tuple[Band, ...]
    measured: tuple[Band, ...]
    numbers: dict[str, float | None]
    vacuity: float | None
    chance: float
    recorded: Recorded
    run: Run

    @property
    def outside(self) -> bool:
        """Whether some hypothesis is not met on the rows and settings of the run."""
        return any(one.status == "unmet" for one in self.hypotheses)

    @property
    def good(self) -> bool:
        """Whether the verdict is the one on record, if there is one, and the control failed as it must."""
        return self.recorded != "changed" and self.control.failed

    def to_json(self, path: Path | str | None = None) -> str:
        """The JSON `widthwise/verdict/1`; written to a file where a path is given."""
        body = json.loads(_adapter().dump_json(self))
        text = json.dumps({"schema": SCHEMA, **body}, indent=1, ensure_ascii=False) + "\n"
        if path is not None:
            from widthwise.pages.files import write_atomically  # noqa: PLC0415

            write_atomically(path, text)
        return text

    @classmethod
    def from_json(cls, text: str) -> Verdict:
        """A verdict from its JSON.

        Raises:
            DataError: if it is none.
        """
        try:
            body = json.loads(text)
            if not isinstance(body, dict) or body.pop("schema", None) != SCHEMA:
                raise DataError(f"this is no verdict: it does not carry the schema {SCHEMA}")
            return _adapter().validate_python(body)
        except ValueError as fault:
            if isinstance(fault, DataError):
                raise
            raise DataError(f"this is no verdict: {fault}") from None

    def to_html(self, path: Path | str | None = None, *, claim: Claim | None = None) -> str:
        """The page of the verdict as one HTML document; written to a file where a path is given.

        Args:
            path: where to.
            claim: whose verdict it is, where the claim is not of the atlas.
        """
        from widthwise.atlas.page import verdict_page  # noqa: PLC0415 - pages are made of verdicts
        from widthwise.pages.files import write_atomically  # noqa: PLC0415
        from widthwise.pages.html import to_html  # noqa: PLC0415

        text = to_html(verdict_page(self, claim))
        if path is not None:
            write_atomically(path, text)
        return text

    def _repr_html_(self) -> str:
        from widthwise.atlas.page import verdict_page  # noqa: PLC0415
        from widthwise.pages.html import fragment  # noqa: PLC0415

        return fragment(verdict_page(self))

    def __str__(self) -> str:
        return f"{self.claim}: {self.word} ({self.reason}; {self.recorded})"


def json_schema() -> dict[str, Any]:
    """JSON Schema of `widthwise/verdict/1`."""
    body = _adapter().json_schema(mode="serialization")
    body["properties"] = {"schema": {"const": SCHEMA}, **body["properties"]}
    body["required"] = ["schema", *body["required"]]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA, **body}


@functools.cache
def _adapter() -> TypeAdapter[Verdict]:
    from pydantic import TypeAdapter  # noqa: PLC0415 - only for those who read or write

    return TypeAdapter(Verdict)
