"""From a verdict to its page, and from a claim to what it says. Nothing is computed but deviations."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import replace

from widthwise.atlas.citation import bibtex, cited
from widthwise.atlas.claim import TYPES, Claim
from widthwise.atlas.registry import find
from widthwise.atlas.verdict import OUTSIDE, Band, Verdict
from widthwise.pages import (
    Alert,
    Block,
    Bullets,
    Code,
    Column,
    Curves,
    Details,
    Formula,
    KeyNumber,
    KeyNumbers,
    Line,
    Link,
    Mark,
    Page,
    Section,
    Table,
    Text,
    escape,
)
from widthwise.pages.scales import number

WORDS = {
    "holds": "**holds**",
    "holds outside its hypotheses": "**holds, outside its hypotheses**",
    "does not hold": "**does not hold**",
    "direction only": "holds in **direction only**",
    "inconclusive": "is **inconclusive**",
    "vacuous": "is **vacuous** here",
}
NONE = "—"
MEMORY = ("DataFrame", "arrays")
"""Sources that have no name to load them by."""
# What the two lines of a figure are, where they are not a prediction and its measurement.
NAMES = {"U": ("upper limit", "measured"), "S": ("required", "observed")}


def file_name(verdict: Verdict) -> str:
    """Name of its files, without ending."""
    data = re.sub(r"[^a-z0-9]+", "-", verdict.run.data.lower()).strip("-")[:40] or "data"
    return f"{verdict.claim}--{verdict.run.scale}--{data}--{verdict.run.digest[:8]}--{verdict.run.seed}"


def command(verdict: Verdict) -> str:
    """The command line that repeats a run; a line of Python for data from memory."""
    run = verdict.run
    if run.own and run.data in MEMORY:
        asked = f", target={run.target!r}" if run.target else ""
        return f"widthwise.atlas.run({verdict.claim!r}, data{asked}, scale={run.scale!r}, seed={run.seed})"
    data = ["--data", run.data, *(["--target", run.target] if run.target else [])] if run.own else []
    seed = ["--seed", str(run.seed)] if run.seed else []
    return shlex.join(["widthwise", "atlas", "run", verdict.claim, *data, "--scale", run.scale, *seed])


def verdict_page(verdict: Verdict, claim: Claim | None = None, trail: tuple[Link, ...] = ()) -> Page:
    """The page of a verdict.

    Args:
        verdict: what was found.
        claim: whose it is; looked up where not given.
        trail: the other pages of the site that it stands in.
    """
    claim = find(verdict.claim) if claim is None else claim
    run = verdict.run
    return Page(
        title=claim.title,
        subtitle=f"{cited(claim.source)}, {claim.locator}: {TYPES[claim.type]}",
        verdict=_sentences(verdict),
        alerts=_alerts(verdict),
        sections=(
            Section(title="The claim", lead=escape(claim.statement, limit=600), blocks=(Formula(tex=claim.formula),)),
            Section(title="Prediction and measurement", lead=_lead(verdict), blocks=(figure(verdict, claim),)),
            *_published(verdict, claim),
            _numbers(verdict),
            _hypotheses(verdict),
            _control(verdict, claim),
        ),
        colophon=(
            Details(title="Method", blocks=(Bullets(items=_method(verdict, claim)),)),
            Text(text="The same run again:"),
            Code(text=command(verdict)),
            Text(text=", ".join(f"{escape(k)} {escape(v)}" for k, v in run.versions.items()) + f"; {run.date}"),
            Details(title="Source", blocks=(Code(text=bibtex(claim.source)),)),
        ),
        trail=trail,
    )


def _found(verdict: Verdict) -> str:
    """The reason as a sentence: what was found, and what was asked."""
    numbers, asked, rest = verdict.reason.partition(f"; {verdict.threshold}")
    told = f"Found {numbers}; asked: {verdict.threshold}{rest}" if asked else numbers[0].upper() + numbers[1:]
    return escape(typeset(told), limit=500) + "."


def typeset(text: str) -> str:
    """Numbers as a page has them: with the sign of minus, and a deviation beside what it belongs to."""
    signed = re.sub(r"(?<![\w.])-(?=[\d.])", "\N{MINUS SIGN}", text)
    return signed.replace(" +- ", "\N{NO-BREAK SPACE}\N{PLUS-MINUS SIGN}\N{NO-BREAK SPACE}")


def _sentences(verdict: Verdict) -> tuple[str, ...]:
    run = verdict.run
    unmet = sum(one.status == "unmet" for one in verdict.hypotheses)
    unknown = sum(one.status == "unknown" for one in verdict.hypotheses)
    hypotheses = f"{len(verdict.hypotheses) - unmet - unknown} of {len(verdict.hypotheses)} hypotheses are met"
    said = [
        f"On {escape(run.data)}, {run.n} rows, the claim {WORDS[verdict.word]}{outside(verdict)}.",
        _found(verdict),
        f"{hypotheses}, {unmet} are not" + (f", {unknown} cannot be checked." if unknown else "."),
        "The control was found wrong, as it must be."
        if verdict.control.failed
        else "The control was **not** found wrong.",
        {
            "as recorded": "The verdict is the one on record.",
            "changed": "The verdict on record is **another one**.",
            "no record": "There is no verdict on record for these data, scale and seed.",
        }[verdict.recorded],
    ]
    return tuple(said)


def outside(verdict: Verdict) -> str:
    """What a word that does not say it must have beside it."""
    return f", {OUTSIDE}" if verdict.outside and OUTSIDE not in verdict.word else ""


def _alerts(verdict: Verdict) -> tuple[Alert, ...]:
    found = []
    if not verdict.control.failed:
        found.append(
            Alert(
                level="danger",
                text="The control must fail and did not: on these data the check cannot tell right from wrong.",
            )
        )
    if verdict.recorded == "changed":
        found.append(
            Alert(level="danger", text="This verdict differs from the one on record for the same data, scale and seed.")
        )
    if verdict.run.scale == "smoke":
        found.append(
            Alert(
                level="info", text="At the scale `smoke` there is one seed at one step size: machinery, not a verdict."
            )
        )
    return tuple(found)


def _lead(verdict: Verdict) -> str:
    return f"Asked, and fixed before the run: {escape(verdict.threshold, limit=300)}."


def figure(verdict: Verdict, claim: Claim) -> Curves:
    """Prediction, measurement, control and the paper's own numbers in one picture."""
    lines = []
    positive = claim.axes.log_y
    ahead, seen = NAMES.get(claim.type, ("predicted", "measured"))
    for group, (p, q) in enumerate(zip(verdict.predicted, _ordered(verdict.predicted, verdict.measured), strict=True)):
        several = len(verdict.predicted) > 1
        name = f", {p.label}" if several else ""
        # Nothing is predicted of a curve that is only told.
        if getattr(claim.criterion, "of", "") in ("", p.label):
            lines.append(_line(f"{ahead}{name}", _drawn(p), "prediction", group, band=False, positive=positive))
        lines.append(_line(f"{seen}{name}", q, "measurement", group, band=verdict.run.seeds > 1, positive=positive))
    for group, curve in enumerate(claim.published):
        several = len(claim.published) > 1
        lines.append(
            Line(
                label=f"published{f', {curve.label}' if several else ''}",
                x=tuple(map(float, curve.x)),
                y=tuple(map(float, curve.y)),
                kind="reference",
                group=group,
            )
        )
    if not claim.published and len(verdict.predicted) == 1:
        lines += [_line("control", c, "reference", 1, band=False, positive=positive) for c in verdict.control.measured]
    since = getattr(claim.criterion, "since", None)
    marks = (Mark(axis="x", value=since, label="judged from here"),) if since is not None and since > 0 else ()
    return Curves(
        title=f"{claim.title}: prediction and measurement",
        description=f"Thick: {ahead}. Thin with markers: {seen}, mean over the seeds, the band three standard errors wide."
        + (
            " Dotted: published." if claim.published else " Dotted: the control." if len(verdict.predicted) == 1 else ""
        ),
        x_label=claim.axes.x,
        y_label=claim.axes.y,
        lines=tuple(lines),
        log_x=claim.axes.log_x,
        log_y=claim.axes.log_y,
        marks=marks,
    )


def _drawn(band: Band) -> Band:
    """A single point as a short line, which can be seen behind its measurement."""
    if len(band.x) != 1:
        return band
    x = band.x[0]
    ends = (0.95 * x, 1.05 * x) if x else (-0.5, 0.5)
    return replace(band, x=ends, y=band.y * 2, low=band.low * 2, high=band.high * 2)


def _ordered(predicted: Sequence[Band], measured: Sequence[Band]) -> list[Band]:
    by_label = {band.label: band for band in measured}
    return [by_label[band.label] for band in predicted]


def _line(label: str, band_of: Band, kind: str, group: int, *, band: bool, positive: bool) -> Line:
    nan = float("nan")
    y = tuple(nan if value is None else value for value in band_of.y)
    low = tuple(nan if value is None else value for value in band_of.low)
    high = tuple(nan if value is None else value for value in band_of.high)
    if positive:
        # A band that reaches below zero ends, on a logarithmic axis, a little below its line.
        low = tuple(max(a, 0.1 * b) for a, b in zip(low, y, strict=True))
    return Line(
        label=label, x=band_of.x, y=y, kind=kind, group=group,  # type: ignore[arg-type]
        low=low if band else None, high=high if band else None,
    )  # fmt: skip


def deviations(verdict: Verdict, claim: Claim) -> tuple[tuple[str, ...], ...]:
    """Rows of ours beside the paper's: label, x, predicted, measured, published, deviation of the measurement in per cent."""
    rows = []
    by_label = {band.label: band for band in verdict.measured}
    told = {band.label: band for band in verdict.predicted}
    for curve in claim.published:
        ours, ahead = by_label.get(curve.label), told.get(curve.label)
        for x, theirs in zip(curve.x.tolist(), curve.y.tolist(), strict=True):
            mine = _at(ours, x)
            if mine is not None:
                expected = _at(ahead, x)
                rows.append(
                    (
                        curve.label,
                        number(x),
                        NONE if expected is None else number(expected),
                        number(mine),
                        number(theirs),
                        f"{100.0 * (mine / theirs - 1.0):+.1f} %" if theirs else NONE,
                    )
                )
    return tuple(rows)


def _at(band: Band | None, x: float) -> float | None:
    """The value at an abscissa that a curve has."""
    if band is None:
        return None
    return next((y for a, y in zip(band.x, band.y, strict=True) if abs(a - x) <= 1e-9 * max(1.0, abs(x))), None)


def _published(verdict: Verdict, claim: Claim) -> tuple[Section, ...]:
    rows = deviations(verdict, claim)
    if not rows:
        return ()
    columns = (
        Column(name="curve"),
        *(
            Column(name=name, align="right")
            for name in (claim.axes.x, "predicted", "measured", "published", "deviation")
        ),
    )
    return (Section(title="Ours beside the paper's", blocks=(Table(columns=columns, rows=rows),)),)


def _numbers(verdict: Verdict) -> Section:
    blocks: list[Block] = []
    rows = tuple(
        (
            "full" if one.slowdown == 1 else f"1/{one.slowdown}",
            one.outcome,
            NONE if one.mean is None else number(one.mean),
            number(3.0 * one.error),
            ", ".join(NONE if value is None else number(value) for value in one.values),
        )
        for one in verdict.passes
    )
    names = ("step size", "outcome", "mean", "three standard errors", "by seed")
    blocks.append(Table(columns=tuple(Column(name=name) for name in names), rows=rows))
    if verdict.vacuity is not None:
        blocks.append(
            KeyNumbers(
                items=(
                    KeyNumber(label="vacuity", value=f"{verdict.vacuity:.1f} decades", note="required over observed"),
                )
            )
        )
    if verdict.numbers:
        told = tuple((name, NONE if value is None else number(value)) for name, value in verdict.numbers.items())
        blocks.append(
            Table(columns=(Column(name="beside it"), Column(name="mean over seeds", align="right")), rows=told)
        )
    return Section(title="Numbers", blocks=tuple(blocks))


def _hypotheses(verdict: Verdict) -> Section:
    rows = tuple((one.text, one.status, one.number) for one in verdict.hypotheses)
    columns = (Column(name="hypothesis"), Column(name="status"), Column(name="found on the rows of the first seed"))
    return Section(title="Hypotheses", blocks=(Table(columns=columns, rows=rows),))


def _control(verdict: Verdict, claim: Claim) -> Section:
    values = ", ".join(NONE if value is None else number(value) for value in verdict.control.values)
    return Section(
        title="Control",
        lead=f"The same check where the statement is false: {escape(claim.control_text, limit=300)}.",
        blocks=(
            Text(
                text=f"Its number at each seed: {values}. "
                + (
                    "Found wrong at every seed."
                    if verdict.control.failed
                    else "**Found right: the check proves nothing.**"
                )
            ),
        ),
    )


def _method(verdict: Verdict, claim: Claim) -> tuple[str, ...]:
    run = verdict.run
    widths = ", ".join(map(str, run.widths))
    return (
        *(escape(line, limit=600) for line in claim.method),
        f"Rows: {run.n} for training and {run.n_test} held out, {run.d} columns"
        + "".join(f"; {escape(step, limit=200)}" for step in run.prepared)
        + ".",
        *((f"Widths: {widths}.",) if run.widths else ()),
        *((f"Steps: {run.steps}.",) if run.steps else ()),
        f"Seeds: {run.seeds}, from {run.seed} on.",
        "A mean is right, or wrong, when it is so with three standard errors; anything else is inconclusive.",
        *(
            ("Every seed ran at the step size and at a quarter of it; the two must agree.",)
            if len(verdict.passes) > 1
            else ()
        ),
        f"Probability that a claim just false would be said to hold: {number(verdict.chance)}.",
        f"{number(run.seconds)} seconds on {escape(run.device)}.",
    )


def claim_page(claim: Claim, records: Sequence[str]) -> Page:
    """What a claim says, for the terminal."""
    settings = tuple(
        f"`{scale}`: {escape(s.data)}, {s.n} rows"
        + (f", widths {', '.join(map(str, s.widths))}" if s.widths else "")
        + (f", {s.steps} steps" if s.steps else "")
        + f", {1 if scale == 'smoke' else s.seeds} seed{'s' if s.seeds > 1 and scale != 'smoke' else ''}"
        for scale, s in claim.settings.items()
    )
    return Page(
        title=claim.title,
        subtitle=f"{claim.key}: {TYPES[claim.type]}",
        verdict=(escape(claim.statement, limit=600),),
        alerts=(),
        sections=(
            Section(title="Formula", blocks=(Formula(tex=claim.formula),)),
            Section(
                title="Hypotheses", blocks=(Bullets(items=tuple(escape(h.text, limit=300) for h in claim.hypotheses)),)
            ),
            Section(
                title="The test",
                blocks=(
                    Bullets(
                        items=(
                            f"Asked: {escape(claim.criterion.says(), limit=300)}.",
                            f"Control: {escape(claim.control_text, limit=300)}.",
                            *(escape(line, limit=600) for line in claim.method),
                            *(
                                (f"Other data are refused: {escape(claim.own_data, limit=300)}.",)
                                if claim.own_data
                                else ()
                            ),
                        )
                    ),
                ),
            ),
            Section(title="Settings", blocks=(Bullets(items=settings),)),
            Section(title="Source", blocks=(Text(text=f"{escape(cited(claim.source))}, {escape(claim.locator)}."),)),
            *(
                (Section(title="On record", blocks=(Bullets(items=tuple(map(escape_line, records))),)),)
                if records
                else ()
            ),
        ),
        colophon=(),
    )


def escape_line(text: str) -> str:
    """A line of literal text."""
    return escape(text, limit=400)
