"""From a sweep to its page: what was run, curves over seeds with their exponents, the regime, what diverged and what failed."""

from __future__ import annotations

import pprint
import statistics
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from widthwise.errors import SpecError, UsageError
from widthwise.pages import (
    Alert,
    Bar,
    Bars,
    Block,
    Cloud,
    Code,
    Column,
    Curves,
    Details,
    KeyNumber,
    KeyNumbers,
    Line,
    Mark,
    Page,
    Scatter,
    Section,
    Table,
    Text,
    escape,
)
from widthwise.pages.scales import number
from widthwise.sweeps import formulas
from widthwise.sweeps.fits import PowerLaw, power_law
from widthwise.sweeps.settings import NUMBERS, Settings
from widthwise.sweeps.spec import FigureSpec
from widthwise.sweeps.table import Row, columns

if TYPE_CHECKING:
    from widthwise.sweeps.sweep import Sweep

SEEDS: Final = ("seed", "data_seed")
# Measures that a report shows unasked, if they vary.
_USUAL: Final = ("test_error", "train_error", "train_loss", "relative_residual", "movement")
_FACTS: Final = {"job", "status", "seconds", "attempt", "reason", "versions", "rows", "d", "outputs", "parameters",
                 "steps_done", "diverged"}  # fmt: skip
_MEANINGS: Final = {
    "test_error": "share of held-out rows put wrong, or their mean squared error",
    "train_error": "share of training rows put wrong, or their mean squared error",
    "train_loss": "training loss at the end",
    "relative_residual": "|y − f| at the end over that at the start",
    "movement": "|W(T) − W(0)| / |W(0)|, Frobenius norms",
}
_MOST_FIGURES, _MOST_ROWS, _MOST_LINES = 6, 200, 8
_LAZINESS: Final = ("laziness_predicted", "laziness_measured", "laziness", "movement")


def page(sweep: Sweep, figures: Sequence[FigureSpec] | None = None) -> Page:
    """The report of a sweep.

    Raises:
        UsageError: if a figure asks for a column that is not there.
    """
    rows, axes = sweep.table, sweep.axes
    whole = [row for row in rows if row["status"] == "done"]
    asked = list(figures) if figures is not None else sweep.spec.figures or _usual(whole, axes)
    count = {kind: sum(row["status"] == kind for row in rows) for kind in ("done", "diverged", "failed", "waiting")}
    sections = [_what(sweep, axes, count)]
    if whole:
        sections += [_figure(figure, whole, axes) for figure in asked]
        regime = _regime(whole, axes)
        sections += [regime] if regime else []
    if count["diverged"]:
        sections.append(_diverged(rows, axes))
    if count["failed"]:
        sections.append(_failed(rows, axes))
    sections.append(_runs(rows))
    spec = sweep.spec
    return Page(
        title=spec.title or spec.name,
        subtitle=f"sweep {spec.name}" + (f", after {spec.source}" if spec.source else ""),
        verdict=_verdict(count, sections),
        alerts=_alerts(count, len(rows)),
        sections=tuple(sections),
        colophon=(
            Text(text="The same sweep again, in Python:"),
            Code(text=f"import widthwise as ww\n\nww.sweep(\n{_python(spec.canonical())}\n)"),
            Text(
                text="Bands reach from the lowest to the highest run, lines go through medians. Diverged and failed runs are in "
                "no curve and no fit. An interval of an exponent is Student's, for independent errors of the logarithms; it "
                "does not say that a power law is the right curve."
            ),
        ),
    )


def values(rows: Sequence[Row], what: str) -> list[Any]:
    """A column of the table, or a formula of columns, row by row; None where something is missing.

    Raises:
        UsageError: if a name is no column.
    """
    if any(what in row for row in rows):
        return [row.get(what) for row in rows]
    known = columns(rows)
    try:
        needed = formulas.names(what)
    except SpecError as failure:
        raise UsageError(f"{what!r} is neither a column nor a formula of columns: {failure}") from None
    strange = sorted(needed - set(known))
    if strange:
        raise UsageError(f"the table has no column {strange[0]!r}; its columns: {', '.join(known)}")
    found: list[Any] = []
    for row in rows:
        numbers = {name: row[name] for name in needed if isinstance(row.get(name), (int, float))}
        try:
            found.append(formulas.evaluate(what, numbers))
        except SpecError:
            found.append(None)
    return found


def _usual(rows: Sequence[Row], axes: Sequence[str]) -> list[FigureSpec]:
    """Figures for a spec that asks for none: what was measured, against the first axis."""
    measured = [name for name in columns(rows) if name not in Settings.model_fields and name not in _FACTS]
    wanted = [name for name in _USUAL if name in measured] + [name for name in measured if name not in _USUAL]
    varied = [n for n in wanted if len({row.get(n) for row in rows if isinstance(row.get(n), (int, float))}) > 1]
    if not [axis for axis in axes if axis not in SEEDS]:
        return []
    return [FigureSpec(y=name) for name in varied[:_MOST_FIGURES]]


def _main_axis(axes: Sequence[str]) -> str | None:
    found = [axis for axis in axes if axis not in SEEDS]
    return next((axis for axis in found if axis in NUMBERS), found[0] if found else None)


def _what(sweep: Sweep, axes: Sequence[str], count: dict[str, int]) -> Section:
    numbers = [KeyNumber(label="runs", value=str(sum(count.values())))]
    numbers += [
        KeyNumber(label=kind, value=str(count[kind]))
        for kind in ("done", "diverged", "failed", "waiting")
        if count[kind]
    ]
    first = sweep.jobs[0].content["settings"]
    rows = []
    for axis in axes:
        found = dict.fromkeys(_shown(job.content["settings"][axis]) for job in sweep.jobs)
        listed = list(found)
        text = ", ".join(listed[:12]) + (f" and {len(listed) - 12} more" if len(listed) > 12 else "")
        rows.append((axis, str(len(listed)), text))
    fixed = tuple((n, _shown(first[n])) for n in sweep.spec.fixed() if n not in axes)
    blocks: list[Block] = [KeyNumbers(items=tuple(numbers))]
    if rows:
        names = (Column(name="axis"), Column(name="values", align="right"), Column(name="which"))
        blocks.append(Table(columns=names, rows=tuple(rows), caption="What varies"))
    if fixed:
        blocks.append(
            Details(
                title="What all runs share",
                blocks=(Table(columns=(Column(name="setting"), Column(name="value")), rows=fixed),),
            )
        )
    return Section(title="What was run", key="what", blocks=tuple(blocks))


def _figure(figure: FigureSpec, rows: Sequence[Row], axes: Sequence[str]) -> Section:
    x = figure.x or _main_axis(axes)
    if x is None:
        raise UsageError(f"a figure of {figure.y} needs --x: no setting varies but the seeds")
    xs, ys = values(rows, x), values(rows, figure.y)
    by = figure.by or _second_axis(x, rows, axes)
    title = figure.title or f"{figure.y} against {x}"
    groups: dict[str, list[tuple[Any, float]]] = {"" if by is None else _shown(v): [] for v in _ordered(rows, by)}
    for row, a, b in zip(rows, xs, ys, strict=True):
        if a is not None and isinstance(b, (int, float)):
            groups["" if by is None else _shown(row.get(by))].append((a, float(b)))
    groups = {name: many for name, many in groups.items() if many}
    if not groups:
        return Section(title=title, blocks=(Text(text="No finished run has both."),))
    if not all(isinstance(a, (int, float)) for many in groups.values() for a, _ in many):
        return Section(title=title, blocks=(_bars(figure, x, by, groups),))
    fits = {name: _fit(many) for name, many in groups.items()} if figure.fit else {}
    blocks: list[Block] = [_curves(figure, x, by, groups, fits)]
    told = [(name, fit) for name, fit in fits.items() if fit is not None]
    if len(told) > 1:
        blocks.append(_exponents(by or "", told))
    lead = ""
    if len(told) == 1 and told[0][1] is not None:
        lead = f"Fitted over {told[0][1].runs} runs: {_law(figure.y, x, told[0][1])}."
    elif figure.fit and not told:
        lead = "No power law was fitted: it needs three runs with positive values at two abscissae."
    return Section(title=title, lead=lead, blocks=tuple(blocks))


def _ordered(rows: Sequence[Row], by: str | None) -> list[Any]:
    """Values of a column, each once: numbers in their order, others as they come."""
    found = list(dict.fromkeys(None if by is None else row.get(by) for row in rows))
    return sorted(found) if all(isinstance(value, (int, float)) for value in found) else found


def _second_axis(x: str, rows: Sequence[Row], axes: Sequence[str]) -> str | None:
    """The axis whose values become lines: one that x does not hold already, and with few values."""
    inside = formulas.names(x) if x not in rows[0] else {x}
    for axis in axes:
        if axis not in SEEDS and axis not in inside and len({_shown(row.get(axis)) for row in rows}) <= _MOST_LINES:
            return axis
    return None


def _curves(
    figure: FigureSpec,
    x: str,
    by: str | None,
    groups: dict[str, list[tuple[Any, float]]],
    fits: dict[str, PowerLaw | None],
) -> Curves:
    lines: list[Line] = []
    every_x = [float(a) for many in groups.values() for a, _ in many]
    every_y = [b for many in groups.values() for _, b in many]
    log_x = _log(every_x) if figure.log_x is None else figure.log_x
    log_y = _log(every_y) if figure.log_y is None else figure.log_y
    most = 1
    for place, (name, many) in enumerate(groups.items()):
        at: dict[float, list[float]] = {}
        for a, b in many:
            at.setdefault(float(a), []).append(b)
        xs = sorted(at)
        most = max(most, *(len(at[a]) for a in xs))
        label = figure.y if by is None else f"{by} {name}"
        lines.append(
            Line(
                label=label,
                x=tuple(xs),
                y=tuple(statistics.median(at[a]) for a in xs),
                low=tuple(min(at[a]) for a in xs),
                high=tuple(max(at[a]) for a in xs),
                kind="measurement",
                group=place,
            )
        )
        fit = fits.get(name)
        if fit is not None:
            ends = np.geomspace(min(a for a in xs if a > 0), xs[-1], 20)
            lines.append(
                Line(
                    label=f"power {_two(fit.exponent)}",
                    x=tuple(ends),
                    y=tuple(fit.at(ends)),
                    kind="reference",
                    group=place,
                )
            )
    over = f"Median and range of up to {most} runs at each point." if most > 1 else "One run at each point."
    dotted = " Dotted: fitted power laws." if any(fits.values()) else ""
    return Curves(
        title=figure.y,
        description=over + dotted,
        x_label=_label(x),
        y_label=_label(figure.y),
        lines=tuple(lines),
        log_x=log_x,
        log_y=log_y,
    )


def _bars(figure: FigureSpec, x: str, by: str | None, groups: dict[str, list[tuple[Any, float]]]) -> Bars:
    bars = []
    for name, many in groups.items():
        for value in dict.fromkeys(_shown(a) for a, _ in many):
            found = [b for a, b in many if _shown(a) == value]
            label = value if by is None else f"{value}, {by} {name}"
            bars.append(Bar(label=label, value=statistics.median(found), low=min(found), high=max(found)))
    return Bars(
        title=f"{figure.y} for each {x}",
        description="Median; whiskers: all runs.",
        x_label=_label(figure.y),
        bars=tuple(bars),
    )


def _fit(many: Sequence[tuple[Any, float]]) -> PowerLaw | None:
    return power_law(np.array([float(a) for a, _ in many]), np.array([b for _, b in many]))


def _exponents(by: str, told: Sequence[tuple[str, PowerLaw | None]]) -> Table:
    rows = tuple(
        (name, _two(fit.exponent), f"{_two(fit.low)} to {_two(fit.high)}", str(fit.runs))
        for name, fit in told
        if fit is not None
    )
    names = (by, "exponent", "95 % interval", "runs")
    aligned = tuple(Column(name=n, align="left" if i == 0 else "right") for i, n in enumerate(names))
    return Table(columns=aligned, rows=rows, caption="Fitted power laws")


def _law(y: str, x: str, fit: PowerLaw) -> str:
    return (
        f"`{escape(y)}` goes as `{escape(x)}` to the power **{_two(fit.exponent)}** "
        f"(95 %: {_two(fit.low)} to {_two(fit.high)})"
    )


def _regime(rows: Sequence[Row], axes: Sequence[str]) -> Section | None:
    """Laziness against the share of gates that flipped, one point a run."""
    found = columns(rows)
    lazy = next((name for name in _LAZINESS if name in found), None)
    flips = next((name for name in found if name == "flips" or name.startswith("flips_")), None)
    if lazy is None or flips is None:
        return None
    axis = _main_axis(axes)
    groups: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        a, b = row.get(lazy), row.get(flips)
        if isinstance(a, (int, float)) and isinstance(b, (int, float)):
            groups.setdefault("" if axis is None else f"{axis} {_shown(row[axis])}", []).append((float(a), float(b)))
    if not groups:
        return None
    if len(groups) > _MOST_LINES:
        groups = {"runs": [point for many in groups.values() for point in many]}
    points = tuple(
        Cloud(label=name or "runs", x=tuple(a for a, _ in many), y=tuple(b for _, b in many), group=place)
        for place, (name, many) in enumerate(groups.items())
    )
    every = [point for many in groups.values() for point in many]
    figure = Scatter(
        title="Regime map",
        description="One point a run. Lower left: lazy, the kernel stays and the theory of wide networks holds.",
        x_label=_label(lazy),
        y_label=_label(flips),
        points=points,
        log_x=_log([a for a, _ in every]),
        log_y=_log([b for _, b in every]),
        marks=(Mark(axis="x", value=1.0, label="no longer small"),) if max(a for a, _ in every) >= 1 else (),
    )
    return Section(title="Lazy or not", key="regime", blocks=(figure,))


def _diverged(rows: Sequence[Row], axes: Sequence[str]) -> Section:
    """Where training diverged: counts over the axes but the seeds."""
    shown = [axis for axis in axes if axis not in SEEDS]
    cells: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        cells.setdefault(tuple(_shown(row[axis]) for axis in shown), []).append(row)
    listed = []
    for key, many in cells.items():
        broken = [int(row["diverged"]) for row in many if row["status"] == "diverged"]
        if broken:
            listed.append((*key, f"{len(broken)} of {len(many)}", f"{statistics.median(broken):g}"))
    names = [*(Column(name=axis, align="right") for axis in shown), Column(name="diverged", align="right")]
    table = Table(columns=(*names, Column(name="median step", align="right")), rows=tuple(listed[:_MOST_ROWS]))
    total = sum(row["status"] == "diverged" for row in rows)
    return Section(
        title="Runs that diverged",
        key="diverged",
        lead=f"**{total} runs** lost every finite value; they are in no curve and no fit.",
        blocks=(table,),
    )


def _failed(rows: Sequence[Row], axes: Sequence[str]) -> Section:
    broken = [row for row in rows if row["status"] == "failed"]
    names = (*(Column(name=axis, align="right") for axis in axes), Column(name="last reason"))
    listed = tuple((*(_shown(row[axis]) for axis in axes), str(row["reason"])) for row in broken[:_MOST_ROWS])
    return Section(title="Jobs that failed", key="failed", blocks=(Table(columns=names, rows=listed),))


def _runs(rows: Sequence[Row]) -> Section:
    varied = [n for n in columns(rows) if n not in ("job", "reason") and len({_shown(r.get(n)) for r in rows}) > 1]
    listed = tuple(tuple(_shown(row.get(name)) for name in varied) for row in rows[:_MOST_ROWS])
    if not varied:
        return Section(title="All runs", key="runs", blocks=(Text(text="All runs are alike."),))
    more = (
        f"The first {_MOST_ROWS} of {len(rows)} runs; `widthwise sweep export` has all."
        if len(rows) > _MOST_ROWS
        else ""
    )
    table = Table(columns=tuple(Column(name=name, align="right") for name in varied), rows=listed)
    return Section(title="All runs", key="runs", lead=more, blocks=(Details(title="Table", blocks=(table,)),))


def _verdict(count: dict[str, int], sections: Sequence[Section]) -> tuple[str, ...]:
    total = sum(count.values())
    said = [f"**{count['done'] + count['diverged']} of {total} runs** are done."]
    said += [section.lead for section in sections if section.lead.startswith("Fitted")][:4]
    return tuple(said)


def _alerts(count: dict[str, int], total: int) -> tuple[Alert, ...]:
    found = []
    if count["failed"]:
        found.append(Alert(level="danger", text=f"{count['failed']} of {total} jobs failed for good."))
    if count["diverged"]:
        found.append(Alert(level="warning", text=f"{count['diverged']} of {total} runs diverged and are set apart."))
    if count["waiting"]:
        found.append(Alert(level="info", text=f"{count['waiting']} of {total} jobs are not done yet."))
    return tuple(found)


def _python(value: dict[str, Any]) -> str:
    return textwrap.indent(pprint.pformat(value, width=96, sort_dicts=False), "    ")


def _label(what: str) -> str:
    """What stands at an axis: the column, and what it means where that is known."""
    return f"{what}: {_MEANINGS[what]}" if what in _MEANINGS else what


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return number(value)
    return " ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _log(found: Sequence[float]) -> bool:
    """Whether values want a logarithmic axis: all positive, and a factor of eight apart or more."""
    return min(found) > 0 and max(found) / min(found) >= 8


def _two(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")
