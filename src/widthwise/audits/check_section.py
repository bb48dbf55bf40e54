"""Whether the prediction holds, as a section of a page: measured curves over predicted ones. It computes nothing."""

from __future__ import annotations

from widthwise.audits import calibration_page, verdict
from widthwise.audits.result import DataSummary, Verification
from widthwise.audits.sections import axis, line
from widthwise.audits.wording import count, percent, quantity, rate, steps
from widthwise.pages import Block, Column, Curves, Line, Section, Table, Text


def check_section(data: DataSummary, verified: Verification | None) -> Section:
    """Answer 5."""
    heading, lead = "Does it hold?", verdict.after_word(verdict.holding(verified))
    if verified is None:
        text = "Trained networks were not asked for. Run the audit with `--verify quick` to check the prediction."
        return Section(title=heading, lead=lead, blocks=(Text(text=text),), key="check")
    blocks: list[Block] = []
    for labels, predicted in (("true", verified.true), ("shuffled", verified.shuffled)):
        runs = [run for run in verified.runs if run.labels == labels]
        blocks.append(
            Curves(
                title=f"{labels.capitalize()} labels: measured over predicted",
                description=f"{count(verified.n)} rows, {steps(verified.steps)} of gradient descent at rate "
                f"{quantity(verified.learning_rate)}; mean over {len({r.seed for r in runs})} seeds. The prediction is "
                "the curve of these rows' own kernel, made before any network was trained.",
                x_label="gradient-descent steps",
                y_label="residual / residual at start",
                lines=(
                    line("predicted, infinite width", predicted, "prediction", 0),
                    *(_measured(verified, width, labels, place + 1) for place, width in enumerate(verified.widths)),
                ),
                log_x=True,
                y_min=0.0,
            )
        )
    if verified.predicted_errors:
        blocks.append(_held_out(data, verified))
        blocks.extend(calibration_page.on_record(verified.recorded))
    blocks.append(_runs(data, verified))
    return Section(title=heading, lead=lead, blocks=tuple(blocks), key="check")


def _measured(verified: Verification, width: int, labels: str, group: int) -> Line:
    """Mean over seeds with their range as a band, as far as all of them got."""
    curves = [run.curve for run in verified.runs if run.width == width and run.labels == labels]
    shared = [k for k in curves[0].steps if k > 0 and all(k in curve.steps for curve in curves)]
    values = [[curve.relative[curve.steps.index(k)] for curve in curves] for k in shared]
    return Line(
        label=f"width {count(width)}",
        x=tuple(float(k) for k in shared),
        y=tuple(sum(v) / len(v) for v in values),
        low=tuple(min(v) for v in values),
        high=tuple(max(v) for v in values),
        kind="measurement",
        group=group,
    )


def _held_out(data: DataSummary, verified: Verification) -> Curves:
    unit, size = axis(data)
    lines = [
        Line(
            label="predicted, infinite width",
            x=tuple(float(k) for k in verified.watched),
            y=tuple(size * e for e in verified.predicted_errors),
            kind="prediction",
            group=0,
        )
    ]
    for place, width in enumerate(verified.widths):
        errors = [r.errors for r in verified.runs if r.width == width and r.labels == "true" and r.errors is not None]
        if not errors:
            continue
        columns = list(zip(*errors, strict=True))
        lines.append(
            Line(
                label=f"width {count(width)}",
                x=tuple(float(k) for k in verified.watched),
                y=tuple(size * sum(c) / len(c) for c in columns),
                low=tuple(size * min(c) for c in columns),
                high=tuple(size * max(c) for c in columns),
                kind="measurement",
                group=place + 1,
            )
        )
    return Curves(
        title="Held-out error along training",
        description=f"{count(verified.held_out)} rows that were not trained on.",
        x_label="gradient-descent steps",
        y_label=unit,
        lines=tuple(lines),
        log_x=True,
        y_min=0.0,
    )


def _runs(data: DataSummary, verified: Verification) -> Table:
    even = verified.predicted_balanced
    rows = []
    for width in verified.widths:
        gap, shuffled, final = verified.gap(width), verified.gap(width, "shuffled"), verified.final_error(width)
        rows.append(
            (
                count(width),
                "diverged" if gap is None else percent(gap),
                "diverged" if shuffled is None else percent(shuffled),
                "" if final is None else _unit(data, final),
                *(("" if (b := verified.final_balanced(width)) is None else rate(b),) if even is not None else ()),
                "yes" if gap is not None and gap <= verified.band else "no",
            )
        )
    predicted = verified.predicted_errors[-1] if verified.predicted_errors else None
    rows.append(
        (
            "infinite",
            "0 %",
            "0 %",
            "" if predicted is None else _unit(data, predicted),
            *((rate(even),) if even is not None else ()),
            "predicted",
        )
    )
    return Table(
        columns=(
            Column(name="width", align="right"),
            Column(name="largest gap, true", align="right"),
            Column(name="largest gap, shuffled", align="right"),
            Column(name="held-out error", align="right"),
            *((Column(name="balanced", align="right"),) if even is not None else ()),
            Column(name="agrees"),
        ),
        rows=tuple(rows),
        caption=f"Agreement: the largest gap on true labels is at most {percent(verified.band)} of the starting residual, "
        "for every seed.",
    )


def _unit(data: DataSummary, error: float) -> str:
    return rate(error) if data.task == "classification" else quantity(error)
