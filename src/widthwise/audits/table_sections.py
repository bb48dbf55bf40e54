"""Recommended settings and the test file as blocks of a page: they arrange and word, they compute nothing."""

from __future__ import annotations

from widthwise.audits import verdict
from widthwise.audits.result import DataSummary
from widthwise.audits.table import HoldOut, Recommended, Score
from widthwise.audits.wording import between, count, percent, quantity, rate
from widthwise.pages import Alert, Bar, Bars, Block, Bullets, Code, Column, Details, Section, Table, Text, escape

FORMS = {"theory": "(a) theory", "standard": "(b) standard", "sgd": "(c) batches"}


def settings_blocks(found: Recommended) -> tuple[Block, ...]:
    """The three forms, what was predicted and what came, the code, and what does not translate."""
    table = Table(
        columns=(
            Column(name="form"),
            Column(name="width", align="right"),
            Column(name="rate", align="right"),
            Column(name="batch", align="right"),
            Column(name="steps", align="right"),
            Column(name="loss predicted", align="right"),
            Column(name="measured", align="right"),
            Column(name="gap", align="right"),
        ),
        rows=tuple(
            (
                FORMS[s.form],
                count(s.width),
                quantity(s.learning_rate),
                "all" if s.batch is None else count(s.batch),
                count(s.steps),
                quantity(s.predicted),
                "diverged" if s.measured is None else quantity(s.measured),
                "" if s.gap is None else percent(s.gap),
            )
            for s in found.settings
        ),
        caption="Settings in three forms, each checked by one run on "
        + " and ".join(dict.fromkeys(count(s.rows) for s in found.settings))
        + " rows",
    )
    words = tuple(f"**{FORMS[s.form]}**: {s.network}; {s.initialisation}." for s in found.settings)
    code: list[Block] = []
    for s in found.settings:
        for snippet in s.snippets:
            code += [Text(text=f"**{FORMS[s.form]}**, {snippet.name}:"), Code(text=snippet.code)]
    return (
        table,
        Bullets(items=words),
        Text(
            text="Rate and loss are those of the mean of squares over rows and outputs (MSELoss) on coded targets, "
            f"{quantity(found.settings[0].start)} at the start. The gap is that of the roots of the losses, over the root at the "
            "start; it falls with the width. On the mean loss a rate depends little on the number of rows, since the largest "
            "eigenvalue of the kernel grows like it; it is half of what diverges, and holds for more rows of the same kind."
        ),
        Details(title="Code to paste", blocks=tuple(code)),
        Details(title="What these settings do not translate to", blocks=(Bullets(items=found.untranslated),)),
    )


def hold_out_section(data: DataSummary, found: HoldOut) -> Section:
    """The test file: every model's error, beside what was predicted."""
    classes = data.task == "classification"
    size, unit = (100.0, "error rate, %") if classes else (1.0, f"RMSE, in units of {data.target}")
    blocks: list[Block] = [Alert(level="warning", text=escape(text, limit=1000)) for text in found.alerts]
    if found.identical:
        blocks.append(Alert(level="warning", text=identical(found, classes)))
    scores = [("predicted (nested)", found.predicted), *((m.name, m.score) for m in found.models)]
    if found.network is not None:
        net = found.network
        scores.append((f"infinite width, {count(net.rows)} rows", net.predicted))
        if net.measured is not None:
            scores.append((f"network of width {count(net.width)}, {count(net.rows)} rows", net.measured))
    blocks.append(
        Bars(
            title="Errors on the test file",
            description=f"{count(found.n)} rows that nothing above has seen, with 95 % intervals; models trained on "
            f"{count(found.trained)} rows. The first bar was predicted without them.",
            x_label=unit,
            bars=tuple(
                Bar(
                    label=name,
                    value=size * s.value,
                    low=size * s.low,
                    high=size * s.high,
                    emphasis=place < 2,
                    text=_error(s.value, classes),
                )
                for place, (name, s) in enumerate(scores)
            ),
        )
    )
    blocks.append(_table(found, classes))
    if found.network is not None and found.network.measured is None:
        blocks.append(Text(text=f"The network of width {count(found.network.width)} diverged."))
    if found.notes:
        notes = tuple(escape(note, limit=1000) for note in found.notes)
        blocks.append(Details(title="What reading the test file did", blocks=(Bullets(items=notes),)))
    return Section(
        title="How does the test file come out?",
        lead=verdict.after_word(verdict.testing(data, found)),
        blocks=tuple(blocks),
        key="test",
    )


def identical(found: HoldOut, classes: bool) -> str:
    """How many test rows were trained on, and which."""
    pairs = ", ".join(f"{i} (= {j})" for i, j in found.identical_rows[:8])
    more = f" and {count(found.identical - 8)} more" if found.identical > 8 else ""
    what = "label" if classes else "target"
    without = (
        f" Without them the kernel's error is {_error(found.without.value, classes)}."
        if found.without is not None
        else " No other rows are left."
    )
    return (
        f"{count(found.identical)} of {count(found.n)} test rows have the features of a row of the source, "
        f"{count(found.identical_agree)} with its {what}: no hold-out for them. Test row (= source row, counted from 0): "
        f"{pairs}{more}.{without}"
    )


def _table(found: HoldOut, classes: bool) -> Table:
    even = any(m.balanced is not None for m in found.models)
    rows: list[tuple[str, Score | None, Score | None]] = [(m.name, m.score, m.balanced) for m in found.models]
    if found.network is not None:
        net = found.network
        rows.append((f"network of width {count(net.width)}, {count(net.rows)} rows", net.measured, net.balanced))
    return Table(
        columns=(
            Column(name="model"),
            Column(name="error", align="right"),
            Column(name="95 % interval", align="right"),
            *((Column(name="balanced error", align="right"),) if even else ()),
        ),
        rows=tuple(
            (
                name,
                "diverged" if s is None else _error(s.value, classes),
                "" if s is None else between(s.low, s.high) if classes else f"{quantity(s.low)}–{quantity(s.high)}",
                *(("" if b is None else rate(b.value),) if even else ()),
            )
            for name, s, b in rows
        ),
        caption=f"If these rows are like the others, the kernel's error {'on rows not in the source ' if found.without else ''}"
        f"lies in {_range(found, classes)} in 95 of 100 cases"
        + (
            f"; {percent(found.unseen / found.n)} of the rows are of classes that were not trained on"
            if found.unseen
            else ""
        ),
    )


def _range(found: HoldOut, classes: bool) -> str:
    return between(found.low, found.high) if classes else f"{quantity(found.low)} to {quantity(found.high)}"


def _error(value: float, classes: bool) -> str:
    return rate(value) if classes else quantity(value)
