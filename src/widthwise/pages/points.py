"""Labelled points over a pair of axes: filled where they hold, hollow where they do not, at the edge where they have no end."""

from __future__ import annotations

import math
from typing import Final

from widthwise.pages.canvas import MARKER_SHAPES, Canvas
from widthwise.pages.charts import Point, Points
from widthwise.pages.curves import Frame, draw_axes, draw_legend, draw_marks, legend_rows, y_ticks
from widthwise.pages.scales import Scale, fit, text_width
from widthwise.pages.theme import MARKERS, group_role

_ROW: Final = 18.0
_RADIUS: Final = 5.0


def draw_points(figure: Points, *, wide: bool) -> Canvas:
    """Draw a `Points` figure.

    A point with an infinite ordinate lies on the upper edge, hollow or not as it says. Labels are written where they
    cover no point and no other label, the first ones first; the rest are left to the table beside the figure.

    Args:
        figure: what to draw.
        wide: for columns of about 720 pixels; else for about 340.

    Returns:
        The canvas.
    """
    width, size = (720.0, 12.5) if wide else (340.0, 12.0)
    height = 380.0 if wide else 300.0
    x = Scale.around([p.x for p in figure.points], padding=0.06)
    finite = [p.y for p in figure.points if math.isfinite(p.y)]
    y = Scale.around([*finite, *(m.value for m in figure.marks if m.axis == "y")], padding=0.08)
    left = 14 + max((text_width(text, size) for _, text in y_ticks(y, height)), default=20.0)
    entries = [
        (
            label,
            {
                "role": group_role(number),
                "width": 0.0,
                "marker": MARKER_SHAPES[number % len(MARKER_SHAPES)],
                "markersize": 7.0,
                "linestyle": "None",
                "markerfacecolor": MARKERS[group_role(number)],
            },
        )
        for number, label in enumerate(figure.groups)
    ]
    rows = legend_rows(entries, width, size)
    head = _ROW * len(rows) + (8 if rows else 0)
    marked = _ROW if any(m.axis == "x" for m in figure.marks) else 0.0
    top = head + _ROW + 14 + marked
    canvas = Canvas(width, top + height + 48)
    frame = Frame(left=left, top=top, width=width - left - 10, height=height, x=x, y=y)
    draw_legend(canvas, rows, left=0.0, top=14.0, size=size)
    canvas.text(0.0, head + 13, fit(figure.y_label, width, size), size=size)
    axes = canvas.axes((frame.left, frame.top, frame.width, frame.height), x, y)
    draw_axes(canvas, frame, figure.x_label, size=size)
    places = []
    for number, point in enumerate(figure.points):
        if not math.isfinite(point.x) or math.isnan(point.y):
            continue
        role = group_role(point.group)
        at = min(max(point.y, y.low), y.high)
        axes.plot(
            [point.x],
            [at],
            linestyle="None",
            marker=MARKER_SHAPES[point.group % len(MARKER_SHAPES)],
            markersize=2 * _RADIUS - 2,
            markeredgewidth=1.5,
            markeredgecolor=MARKERS[role],
            markerfacecolor=MARKERS["paper" if point.hollow else role],
            clip_on=False,
            gid=f"data-point-{number}",
        )
        places.append((point, frame.across(point.x), frame.down(at)))
    draw_marks(canvas, figure.marks, frame, size, [(a, b) for _, a, b in places])
    if wide:
        _write_labels(canvas, places, frame, size - 1.5)
    return canvas


def _write_labels(canvas: Canvas, places: list[tuple[Point, float, float]], frame: Frame, size: float) -> None:
    taken = [(a - _RADIUS, b - _RADIUS, a + _RADIUS, b + _RADIUS) for _, a, b in places]
    for point, a, b in places:
        text = fit(point.label, 150.0, size)
        wide = text_width(text, size)
        for start, base in ((a + 8, b + 4), (a - 8 - wide, b + 4), (a - wide / 2, b - 9), (a - wide / 2, b + 17)):
            box = (start, base - size, start + wide, base + 2)
            inside = box[0] >= frame.left and box[2] <= frame.right + 8 and box[3] <= frame.bottom
            own = (a - _RADIUS, b - _RADIUS, a + _RADIUS, b + _RADIUS)
            if inside and not any(other != own and _meet(box, other) for other in taken):
                canvas.text(start, base, text, size=size, role="soft", halo=True)
                taken.append(box)
                break


def _meet(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
