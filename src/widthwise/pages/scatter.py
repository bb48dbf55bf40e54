"""Clouds of points over a pair of axes, one mark for each run."""

from __future__ import annotations

from typing import Any

from widthwise.pages.canvas import MARKER_SHAPES, Canvas
from widthwise.pages.charts import Cloud, Scatter
from widthwise.pages.curves import Frame, draw_axes, draw_legend, draw_marks, legend_rows, place_marks, y_ticks
from widthwise.pages.scales import Scale, fit, has_place, text_width
from widthwise.pages.theme import MARKERS, group_role

_ROW = 18.0


def draw_scatter(figure: Scatter, *, wide: bool) -> Canvas:
    """Draw a `Scatter` figure.

    Args:
        figure: what to draw.
        wide: for columns of about 720 pixels; else for about 340.

    Returns:
        The canvas.
    """
    width, size = (720.0, 12.5) if wide else (340.0, 12.0)
    placed = [_placed(points, figure) for points in figure.points]
    marks = {axis: [m.value for m in figure.marks if m.axis == axis] for axis in ("x", "y")}
    x = Scale.around([*(a for xs, _ in placed for a in xs), *marks["x"]], log=figure.log_x, padding=0.04)
    y = Scale.around([*(b for _, ys in placed for b in ys), *marks["y"]], log=figure.log_y, padding=0.05)
    height = 320.0 if wide else 250.0
    left = 14 + max((text_width(text, size) for _, text in y_ticks(y, height)), default=20.0)
    right = 14.0 if wide else 10.0
    rows = legend_rows([(points.label, _style(points)) for points in figure.points], width, size)
    trial = Frame(left=left, top=0.0, width=width - left - right, height=height, x=x, y=y)
    mark_rows = 1 + max((row for _, row in place_marks(figure.marks, trial, size)), default=-1)
    head = _ROW * len(rows) + 8 if rows else 0.0
    top = head + _ROW + 12 + 16 * mark_rows
    canvas = Canvas(width, top + height + 48)
    frame = Frame(left=left, top=top, width=width - left - right, height=height, x=x, y=y)
    draw_legend(canvas, rows, left=0.0, top=14.0, size=size)
    canvas.text(0.0, head + 13, fit(figure.y_label, width, size), size=size)
    axes = canvas.axes((frame.left, frame.top, frame.width, frame.height), x, y)
    draw_axes(canvas, frame, figure.x_label, size=size)
    for which, (points, (xs, ys)) in enumerate(zip(figure.points, placed, strict=True)):
        if xs:
            style = _style(points)
            role = style.pop("role")
            style.pop("width")
            axes.plot(xs, ys, color=MARKERS[role], gid=f"data-points-{which}", clip_on=False, **style)
    obstacles = [(frame.across(a), frame.down(b)) for xs, ys in placed for a, b in zip(xs, ys, strict=True)]
    draw_marks(canvas, figure.marks, frame, size, obstacles)
    return canvas


def _placed(points: Cloud, figure: Scatter) -> tuple[list[float], list[float]]:
    """Those points that the axes have a place for."""
    good = [
        (a, b)
        for a, b in zip(points.x, points.y, strict=True)
        if has_place(a, log=figure.log_x) and has_place(b, log=figure.log_y)
    ]
    return [a for a, _ in good], [b for _, b in good]


def _style(points: Cloud) -> dict[str, Any]:
    return {
        "role": group_role(points.group),
        "width": 0.0,
        "linestyle": "None",
        "marker": MARKER_SHAPES[points.group % len(MARKER_SHAPES)],
        "markersize": 6.5,
        "markerfacecolor": MARKERS["paper"],
        "markeredgewidth": 1.5,
    }
