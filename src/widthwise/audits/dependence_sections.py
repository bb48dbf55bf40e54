"""Leave-group-out and forward blocks as blocks of a page: they arrange and word, they compute nothing."""

from __future__ import annotations

from widthwise.audits.table import GroupCheck, TimeCheck
from widthwise.audits.wording import count, points, quantity, rate
from widthwise.pages import Bar, Bars, Block, Column, Curves, Details, Line, Table, Text, escape


def group_blocks(check: GroupCheck, classification: bool) -> tuple[Block, ...]:
    """Leave-group-out beside leave-one-out."""
    size, unit = (100.0, "error rate, %") if classification else (1.0, "RMSE")
    error, show = (rate, points) if classification else (quantity, quantity)
    what = f"groups of {check.column}" if check.column else "rows of equal features"
    bars = [
        Bar(
            label=name,
            value=size * found.value,
            low=size * found.low,
            high=size * found.high,
            emphasis=name != "each row alone",
            text=error(found.value),
        )
        for name, found in (("each row alone", check.leave_one_out), ("each group whole", check.leave_group_out))
    ]
    said = (
        f"{count(check.groups)} groups in {count(check.rows)} rows, {count(check.single)} of one row, the largest of "
        f"{count(check.largest)}."
    )
    if check.duplicates:
        said += f" {count(check.duplicates)} rows repeat the features of an earlier one and are in its group"
        said += f"; that joined {count(check.joined)} groups to others." if check.joined else "."
    if check.balanced is not None:
        said += f" Balanced over classes, each group whole: {rate(check.balanced.value)}."
    cost = (
        f"Whole groups raise the mean {'error' if classification else 'square error'} by {show(check.difference)} (standard error "
        f"over groups {show(check.difference_error)}); as many rows left out at random, by {show(check.random)}."
    )
    if check.single == check.groups:
        cost = "Every group is one row: the two are the same."
    blocks: list[Block] = [
        Bars(
            title=f"Left out together: {what}",
            description="Exact errors without the row, and without its whole group, with 95 % intervals; that of groups counts "
            "groups, not rows."
            + (
                " Both at the ridge that leave-one-out chooses; the nested error has those of leave-group-out."
                if check.column
                else ""
            ),
            x_label=unit,
            bars=tuple(bars),
        ),
        Text(text=f"{said} {cost}"),
    ]
    if check.worst:
        table = Table(
            columns=(Column(name="group"), Column(name="rows", align="right"), Column(name="error", align="right")),
            rows=tuple((g.name, count(g.rows), error(g.error)) for g in check.worst),
            caption="Each predicted without any of its rows",
        )
        blocks.append(Details(title="The groups with the largest errors", blocks=(table,)))
    return tuple(blocks)


def time_blocks(check: TimeCheck, classification: bool) -> tuple[Block, ...]:
    """The future from the past, block by block."""
    size, unit = (100.0, "error rate, %") if classification else (1.0, "RMSE")
    error, show = (rate, points) if classification else (quantity, quantity)
    number = tuple(float(i + 1) for i in range(len(check.blocks)))
    drawn = Curves(
        title=f"The future from the past, along {check.column}",
        description="Each block of rows predicted from all rows before it, and from as many rows drawn from all times: the "
        "difference is what time costs, apart from the number of rows.",
        x_label="block",
        y_label=unit,
        lines=(
            Line(
                label="from the past",
                x=number,
                y=tuple(size * b.error for b in check.blocks),
                kind="measurement",
                group=0,
            ),
            Line(
                label="from all times",
                x=number,
                y=tuple(size * b.random for b in check.blocks),
                kind="prediction",
                group=1,
            ),
        ),
        y_min=0.0,
    )
    said = (
        f"From the past: **{error(check.forward.value)}** (95\u00a0% interval {error(check.forward.low)} to "
        f"{error(check.forward.high)}); from as many rows of all times: {error(check.random)}. The mean "
        f"{'error' if classification else 'square error'} is {show(check.difference)} higher, standard error over blocks "
        f"{show(check.difference_error)}."
    )
    if check.balanced is not None:
        said += f" Balanced over classes, from the past: {rate(check.balanced.value)}."
    table = Table(
        columns=(
            Column(name="block"),
            Column(name="from"),
            Column(name="to"),
            Column(name="rows", align="right"),
            Column(name="rows before", align="right"),
            Column(name="from the past", align="right"),
            Column(name="from all times", align="right"),
        ),
        rows=tuple(
            (str(i + 1), b.first, b.last, count(b.rows), count(b.past), error(b.error), error(b.random))
            for i, b in enumerate(check.blocks)
        ),
        caption=f"Time runs from {check.first} to {check.last}",
    )
    blocks: tuple[Block, ...] = (Text(text=said), Details(title=f"Blocks of {escape(check.column)}", blocks=(table,)))
    return (drawn, *blocks) if len(check.blocks) > 1 else blocks
