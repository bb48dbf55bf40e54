"""Horizontal bars and histograms."""

from __future__ import annotations

import math
from typing import Any, Final

from widthwise.pages.canvas import Canvas
from widthwise.pages.charts import Bar, Bars, Histogram
from widthwise.pages.curves import Frame, draw_axes, draw_legend, draw_marks, legend_rows, place_marks, y_ticks
from widthwise.pages.scales import Scale, fit, number, text_width
from widthwise.pages.theme import MARKERS, group_role

HATCHES: Final = ("", "////", "\\\\\\\\", "....", "xxxx", "----")


def bar_text(bar: Bar) -> str:
    """What is written at the end of a bar."""
    return bar.text or number(bar.value)


def draw_bars(figure: Bars, *, wide: bool) -> Canvas:
    """Draw a `Bars` figure.

    Args:
        figure: what to draw.
        wide: for columns of about 720 pixels; else for about 340, with labels above their bars.

    Returns:
        The canvas.
    """
    width, size = (720.0, 12.5) if wide else (340.0, 12.0)
    thickness, pitch = (15.0, 29.0) if wide else (12.0, 39.0)
    values = [v for bar in figure.bars for v in (bar.value, bar.low, bar.high) if v is not None]
    x = _to_ticks(Scale.around([0.0, *values]), wide=wide)
    longest = max((text_width(bar.label, size, bold=bar.emphasis) for bar in figure.bars), default=0.0)
    left = min(longest, 240.0) + 12 if wide else 2.0
    right = max((text_width(bar_text(bar), size, bold=bar.emphasis) for bar in figure.bars), default=0.0) + 14
    right = min(right, width * 0.4)
    height = pitch * max(len(figure.bars), 1)
    canvas = Canvas(width, height + 54)
    frame = Frame(
        left=left,
        top=4.0,
        width=width - left - right,
        height=height,
        x=x,
        y=Scale(low=0.0, high=height),
    )
    axes = canvas.axes((frame.left, frame.top, frame.width, frame.height), frame.x, frame.y)
    for value, _ in x.ticks(max(2, round(frame.width / 90))):
        canvas.line((frame.across(value),) * 2, (frame.top, frame.bottom), role="rule", width=1.0, zorder=-1)
    draw_axes(canvas, frame, figure.x_label, size=size, y_lines=False)
    if x.low < 0:
        canvas.line((frame.across(0.0),) * 2, (frame.top, frame.bottom), role="axis", width=1.0)
    for which, bar in enumerate(figure.bars):
        top = frame.top + pitch * which
        middle = top + (pitch / 2 if wide else 28.0)
        _draw_bar(canvas, axes, bar, which, frame, middle=middle, thickness=thickness, size=size)
        if wide:
            label = fit(bar.label, left - 12, size, bold=bar.emphasis)
            canvas.text(left - 10, middle + size * 0.35, label, size=size, anchor="end", bold=bar.emphasis)
        else:
            canvas.text(
                left,
                top + 16,
                fit(bar.label, width - 4, size, bold=bar.emphasis),
                size=size,
                bold=bar.emphasis,
                halo=True,
            )
    return canvas


def _to_ticks(x: Scale, *, wide: bool) -> Scale:
    """The range with its high end moved to the next tick where that is near."""
    ticks = x.ticks(5 if wide else 3)
    if len(ticks) < 2:
        return x
    after = 2 * ticks[-1][0] - ticks[-2][0]
    near = x.high < after < x.high + 0.08 * (x.high - x.low)
    return Scale(low=x.low, high=after * (1 + 1e-12)) if near else x


def _draw_bar(
    canvas: Canvas,
    axes: Any,
    bar: Bar,
    which: int,
    frame: Frame,
    *,
    middle: float,
    thickness: float,
    size: float,
) -> None:
    end = frame.across(0.0)
    if math.isfinite(bar.value):
        axes.barh(
            frame.bottom - middle,
            bar.value,
            height=thickness,
            color=MARKERS["accent" if bar.emphasis else "bar"],
            linewidth=0,
            gid=f"data-bar-{which}",
        )
        end = max(end, frame.across(bar.value))
    whisker = [v for v in (bar.low, bar.high) if v is not None and math.isfinite(v)]
    if len(whisker) == 2:
        low, high = (frame.across(v) for v in sorted(whisker))
        canvas.line((low, high), (middle, middle), role="ink", width=1.2, gid=f"data-whisker-{which}")
        for x in (low, high):
            canvas.line((x, x), (middle - 4, middle + 4), role="ink", width=1.2)
        end = max(end, high)
    text = fit(bar_text(bar), canvas.width - end - 8, size, bold=bar.emphasis)
    canvas.text(end + 8, middle + size * 0.35, text, size=size, bold=bar.emphasis, halo=True)


def draw_histogram(figure: Histogram, *, wide: bool) -> Canvas:
    """Draw a `Histogram` figure: overlapping outlines, told apart by hatch and colour.

    Args:
        figure: what to draw.
        wide: for columns of about 720 pixels; else for about 340.

    Returns:
        The canvas.
    """
    width, size = (720.0, 12.5) if wide else (340.0, 12.0)
    x = Scale.around([*figure.edges, *(m.value for m in figure.marks if m.axis == "x")])
    y_marks = [m.value for m in figure.marks if m.axis == "y"]
    y = Scale.around([0.0, *(v for c in figure.counts for v in c.values), *y_marks])
    y = Scale(low=y.low, high=y.high + 0.04 * (y.high - y.low))
    plot_height = 220.0 if wide else 190.0
    left = 14 + max((text_width(text, size) for _, text in y_ticks(y, plot_height)), default=20.0)
    styles = [_population(counts.group) for counts in figure.counts]
    entries = [(counts.label, style) for counts, style in zip(figure.counts, styles, strict=True)]
    rows = legend_rows(entries, width, size)
    trial = Frame(left=left, top=0.0, width=width - left - 14, height=plot_height, x=x, y=y)
    mark_rows = 1 + max((row for _, row in place_marks(figure.marks, trial, size)), default=-1)
    top = 18.0 * len(rows) + 34 + 16 * mark_rows
    canvas = Canvas(width, top + plot_height + 48)
    frame = Frame(left=left, top=top, width=trial.width, height=plot_height, x=x, y=y)
    draw_legend(canvas, rows, left=0.0, top=14.0, size=size)
    canvas.text(0.0, 18.0 * len(rows) + 20, "count", size=size)
    axes = canvas.axes((frame.left, frame.top, frame.width, frame.height), x, y)
    draw_axes(canvas, frame, figure.x_label, size=size)
    for which, counts in enumerate(figure.counts):
        values = [v if math.isfinite(v) else 0.0 for v in counts.values]
        colour = MARKERS[group_role(counts.group)]
        hatch = HATCHES[counts.group % len(HATCHES)]
        if not values:
            continue
        if hatch:
            axes.stairs(values, figure.edges, fill=True, facecolor="none", edgecolor=colour, hatch=hatch, linewidth=0)
        else:
            axes.stairs(values, figure.edges, fill=True, facecolor=colour, alpha=0.28, linewidth=0)
        axes.stairs(values, figure.edges, color=colour, linewidth=1.5, gid=f"data-series-{which}")
    draw_marks(canvas, figure.marks, frame, size)
    return canvas


def _population(group: int) -> dict[str, Any]:
    """The swatch of a population: a filled or a striped strip under its outline."""
    role = group_role(group)
    fill: dict[str, Any] = {"role": role, "width": 8.0}
    if HATCHES[group % len(HATCHES)]:
        fill["linestyle"] = (0, (1.0, 2.5))
    else:
        fill["alpha"] = 0.28
    return {"fill": fill, "edge": {"role": role, "width": 1.5}}
