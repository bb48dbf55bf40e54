"""Lines over a pair of axes: predictions thick, measurements thin with markers, references dotted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from matplotlib.axes import Axes

from widthwise.pages.canvas import MARKER_SHAPES, Canvas
from widthwise.pages.charts import Curves, Line, Mark
from widthwise.pages.scales import Scale, fit, has_place, text_width
from widthwise.pages.theme import MARKERS, group_role

POINTS: Final = 300
_ROW = 18.0


@dataclass(frozen=True, kw_only=True)
class Frame:
    """The plot area in the canvas and the scales of its axes."""

    left: float
    top: float
    width: float
    height: float
    x: Scale
    y: Scale

    def across(self, value: float) -> float:
        """Canvas abscissa of a value."""
        return self.left + self.width * self.x.position(value)

    def down(self, value: float) -> float:
        """Canvas ordinate of a value."""
        return self.top + self.height * (1 - self.y.position(value))

    @property
    def right(self) -> float:
        """Abscissa of the right edge."""
        return self.left + self.width

    @property
    def bottom(self) -> float:
        """Ordinate of the lower edge."""
        return self.top + self.height


def y_ticks(y: Scale, height: float) -> tuple[tuple[float, str], ...]:
    """The ticks of a vertical axis of some height."""
    return y.ticks(max(2, round(height / 56)))


def draw_axes(canvas: Canvas, frame: Frame, x_label: str, *, size: float, y_lines: bool = True) -> None:
    """Hairlines, tick texts and the label of the horizontal axis, for which 46 pixels are free below."""
    for value, text in y_ticks(frame.y, frame.height) if y_lines else ():
        y = frame.down(value)
        canvas.line((frame.left, frame.right), (y, y), role="rule", width=1.0, zorder=-1)
        canvas.text(frame.left - 8, y + size * 0.35, text, size=size, anchor="end", role="soft")
    canvas.line((frame.left, frame.right), (frame.bottom, frame.bottom), role="axis", width=1.0)
    free = -math.inf
    for value, text in frame.x.ticks(max(2, round(frame.width / 90))):
        x, half = frame.across(value), text_width(text, size) / 2
        canvas.line((x, x), (frame.bottom, frame.bottom + 5), role="axis", width=1.0)
        centre = min(x, canvas.width - half)
        if centre - half > free:
            canvas.text(centre, frame.bottom + 8 + size, text, size=size, anchor="middle", role="soft")
            free = centre + half + 6
    canvas.text(
        frame.left + frame.width / 2,
        frame.bottom + 38,
        fit(x_label, canvas.width - 16, size),
        size=size,
        anchor="middle",
    )


def legend_rows(
    entries: list[tuple[str, dict[str, Any]]], width: float, size: float
) -> list[list[tuple[str, dict[str, Any]]]]:
    """Break legend entries into rows that fit a width."""
    rows: list[list[tuple[str, dict[str, Any]]]] = []
    used = math.inf
    for label, style in entries:
        cut = fit(label, width - 40, size)
        need = 34 + text_width(cut, size) + 14
        if used + need > width + 14:
            rows.append([])
            used = 0.0
        rows[-1].append((cut, style))
        used += need
    return rows


def draw_legend(
    canvas: Canvas, rows: list[list[tuple[str, dict[str, Any]]]], *, left: float, top: float, size: float
) -> None:
    """Write legend rows; each swatch is the line itself."""
    for number, row in enumerate(rows):
        x, y = left, top + _ROW * number
        for label, style in row:
            middle = y - size * 0.33
            if "fill" in style:
                canvas.line((x, x + 26), (middle, middle), **style["fill"])
                canvas.line((x, x + 26), (middle - 4, middle - 4), **style["edge"])
            else:
                canvas.line((x, x + 13, x + 26), (middle,) * 3, markevery=[1], **style)
            canvas.text(x + 34, y, label, size=size)
            x += 34 + text_width(label, size) + 14


def place_marks(marks: tuple[Mark, ...], frame: Frame, size: float) -> list[tuple[Mark, int]]:
    """Vertical marks inside the frame with the row their label takes above it."""
    ends: list[float] = []
    placed = []
    for mark in sorted((m for m in marks if m.axis == "x" and frame.x.holds(m.value)), key=lambda m: m.value):
        half = text_width(fit(mark.label, frame.width * 0.6, size), size) / 2
        centre = min(max(frame.across(mark.value), frame.left + half), frame.right - half)
        row = next((r for r, end in enumerate(ends) if centre - half > end + 10), len(ends))
        if row == len(ends):
            ends.append(0.0)
        ends[row] = centre + half
        placed.append((mark, row))
    return placed


def draw_marks(
    canvas: Canvas,
    marks: tuple[Mark, ...],
    frame: Frame,
    size: float,
    obstacles: Sequence[tuple[float, float]] = (),
) -> None:
    """Thin labelled rules.

    Labels of vertical ones go above the frame, where `place_marks` found rows; those of horizontal ones to the
    end and the side of their rule where they cover the fewest obstacles.
    """
    for mark, row in place_marks(marks, frame, size):
        x = frame.across(mark.value)
        label = fit(mark.label, frame.width * 0.6, size)
        half = text_width(label, size) / 2
        centre = min(max(x, frame.left + half), frame.right - half)
        y = frame.top - 8 - 16 * row
        canvas.line((x, x), (y + 5, frame.bottom), role="soft", width=1.0, linestyle=(0, (3, 3)))
        canvas.text(centre, y, label, size=size, anchor="middle", role="soft", halo=True)
    for mark in marks:
        if mark.axis == "y" and frame.y.holds(mark.value):
            y = frame.down(mark.value)
            canvas.line((frame.left, frame.right), (y, y), role="soft", width=1.0, linestyle=(0, (3, 3)))
            label = fit(mark.label, frame.width * 0.6, size)
            x, base = _free_place(label, y, frame, size, obstacles)
            canvas.text(x, base, label, size=size, role="soft", halo=True)


def _free_place(
    label: str, y: float, frame: Frame, size: float, obstacles: Sequence[tuple[float, float]]
) -> tuple[float, float]:
    """Where the label of a horizontal rule covers the fewest obstacles: its left end and its baseline."""
    width = text_width(label, size)
    bases = [b for b in (y - 5, y + 5 + size * 0.8) if b - size > frame.top and b + 3 < frame.bottom] or [y - 5]
    places = [
        (x, base)
        for base in bases
        for x in (frame.right - width - 2, frame.left + 4, frame.left + (frame.width - width) / 2)
    ]

    def covered(place: tuple[float, float]) -> int:
        x, base = place
        return sum(x - 6 <= a <= x + width + 6 and base - size - 2 <= b <= base + size * 0.3 + 2 for a, b in obstacles)

    return min(places, key=covered)


def decimate(line: Line, x: Scale, y: Scale, points: int = POINTS) -> list[int]:
    """Indices to draw: per column of the axis the first, last, lowest and highest point.

    Args:
        line: the series, in increasing x for the decimation to be exact.
        x: horizontal scale.
        y: vertical scale.
        points: about how many to keep.

    Returns:
        Increasing indices; a point that cannot be drawn is kept where a gap begins.
    """
    size = len(line.x)
    if size <= points:
        return list(range(size))
    columns = max(points // 4, 1)
    buckets: dict[int, list[int]] = {}
    gaps: list[int] = []
    for i in range(size):
        if not has_place(line.x[i], log=x.log) or not has_place(line.y[i], log=y.log):
            if not gaps or gaps[-1] != i - 1:
                gaps.append(i)
            else:
                gaps[-1] = i
            continue
        column = min(max(int(x.position(line.x[i]) * columns), -1), columns)
        buckets.setdefault(column, []).append(i)
    kept = set(gaps[:points])
    for members in buckets.values():
        kept.update((members[0], members[-1]))
        kept.add(min(members, key=lambda i: line.y[i]))
        kept.add(max(members, key=lambda i: line.y[i]))
    return sorted(kept)


def _style(line: Line) -> dict[str, Any]:
    shape = MARKER_SHAPES[line.group % len(MARKER_SHAPES)]
    if line.kind == "reference":
        return {"role": "axis", "width": 1.5, "linestyle": (0, (1.5, 2.5)), "marker": "None"}
    if line.kind == "prediction":
        return {
            "role": group_role(line.group),
            "width": 3.0,
            "linestyle": "-",
            "marker": "None",
            "solid_capstyle": "round",
        }
    return {
        "role": group_role(line.group),
        "width": 1.1,
        "linestyle": "-",
        "marker": shape,
        "markersize": 5.5,
        "markerfacecolor": MARKERS["paper"],
        "markeredgewidth": 1.3,
    }


def _draw_line(axes: Axes, line: Line, which: int, frame: Frame) -> None:
    kept = decimate(line, frame.x, frame.y)
    nan = float("nan")
    good = [has_place(line.x[i], log=frame.x.log) and has_place(line.y[i], log=frame.y.log) for i in kept]
    xs = [line.x[i] if ok else nan for i, ok in zip(kept, good, strict=True)]
    ys = [line.y[i] if ok else nan for i, ok in zip(kept, good, strict=True)]
    style = _style(line)
    role, width = style.pop("role"), style.pop("width")
    if line.low is not None and line.high is not None:
        floor = frame.y.low
        band = [i for i in kept if has_place(line.x[i], log=frame.x.log) and has_place(line.high[i], log=frame.y.log)]
        lows = [line.low[i] if has_place(line.low[i], log=frame.y.log) else floor for i in band]
        if len(band) > 1:
            axes.fill_between(
                [line.x[i] for i in band],
                lows,
                [line.high[i] for i in band],
                color=MARKERS[role],
                alpha=0.14,
                linewidth=0,
                gid=f"data-band-{which}",
            )
    if not any(good):
        return
    if style["marker"] == "None" and sum(good) == 1:
        style.update(marker=MARKER_SHAPES[line.group % len(MARKER_SHAPES)], markersize=6.0)
    axes.plot(
        xs,
        ys,
        color=MARKERS[role],
        linewidth=width,
        markevery=_sparse(xs, ys, frame),
        gid=f"data-series-{which}",
        # Clipping would cut a marker on the edge in half: only a line that leaves the frame needs it.
        clip_on=not all(
            frame.x.holds(x) and frame.y.holds(y) for x, y in zip(xs, ys, strict=True) if not math.isnan(y)
        ),
        **style,
    )


def _sparse(xs: list[float], ys: list[float], frame: Frame) -> list[int]:
    """Points that carry a marker: no two closer than 34 pixels, none outside the frame."""
    chosen: list[int] = []
    last = (-math.inf, -math.inf)
    for i, (x, y) in enumerate(zip(xs, ys, strict=True)):
        if math.isnan(x) or not frame.y.holds(y):
            continue
        here = (frame.across(x), frame.down(y))
        if math.hypot(here[0] - last[0], here[1] - last[1]) >= 34:
            chosen.append(i)
            last = here
    return chosen


def _obstacles(figure: Curves, frame: Frame) -> list[tuple[float, float]]:
    """Points of the canvas that lines pass through, a few pixels apart."""
    points: list[tuple[float, float]] = []
    for line in figure.lines:
        before: tuple[float, float] | None = None
        for i in decimate(line, frame.x, frame.y):
            if not (has_place(line.x[i], log=frame.x.log) and has_place(line.y[i], log=frame.y.log)):
                before = None
                continue
            here = (frame.across(line.x[i]), frame.down(line.y[i]))
            if before is not None:
                steps = min(int(math.hypot(here[0] - before[0], here[1] - before[1]) / 5), 200)
                points += [
                    (
                        before[0] + (here[0] - before[0]) * k / steps,
                        before[1] + (here[1] - before[1]) * k / steps,
                    )
                    for k in range(1, steps)
                ]
            points.append(here)
            before = here
    return points


def _line_end(line: Line, frame: Frame) -> tuple[float, float] | None:
    for x, y in zip(reversed(line.x), reversed(line.y), strict=True):
        if has_place(x, log=frame.x.log) and has_place(y, log=frame.y.log):
            return frame.across(x), min(max(frame.down(y), frame.top), frame.bottom)
    return None


def _spread(wanted: list[float], gap: float, top: float, bottom: float) -> list[float]:
    """Positions at least `gap` apart and as near as can be to the wanted ones, which must be increasing."""
    blocks: list[list[float]] = []  # of (mean wanted position, members)
    for position in wanted:
        blocks.append([position, 1.0])
        while len(blocks) > 1:
            (a, n), (b, m) = blocks[-2], blocks[-1]
            if b - (m - 1) * gap / 2 - (a + (n - 1) * gap / 2) >= gap:
                break
            # Merge: the centre of the joint block balances the wishes of its members.
            blocks[-2:] = [[(a * n + b * m) / (n + m), n + m]]
    placed: list[float] = []
    for centre, members in blocks:
        extent = (members - 1) * gap
        start = min(max(centre - extent / 2, top), bottom - extent)
        placed += [start + i * gap for i in range(int(members))]
    for i in range(1, len(placed)):
        placed[i] = max(placed[i], placed[i - 1] + gap)
    overflow = placed[-1] - bottom if placed else 0.0
    if overflow > 0:
        placed[-1] = bottom
        for i in range(len(placed) - 2, -1, -1):
            placed[i] = min(placed[i], placed[i + 1] - gap)
    return placed


def draw_curves(figure: Curves, *, wide: bool) -> Canvas:
    """Draw a `Curves` figure.

    Args:
        figure: what to draw.
        wide: for columns of about 720 pixels; else for about 340.

    Returns:
        The canvas.
    """
    width, size = (720.0, 12.5) if wide else (340.0, 12.0)
    x_marks = [m.value for m in figure.marks if m.axis == "x"]
    y_marks = [m.value for m in figure.marks if m.axis == "y"]
    xs = [
        x
        for line in figure.lines
        for x, y in zip(line.x, line.y, strict=True)
        if has_place(y, log=figure.log_y) and has_place(x, log=figure.log_x)
    ]
    ys = [
        y
        for line in figure.lines
        for series in (line.y, line.low or (), line.high or ())
        for x, y in zip(line.x, series, strict=False)
        if has_place(x, log=figure.log_x)
    ]
    x = Scale.around([*xs, *x_marks], log=figure.log_x)
    y = Scale.around([*ys, *y_marks], log=figure.log_y, padding=0.05)
    y = _limited(y, figure)
    plot_height = 300.0 if wide else 230.0
    ticks = y_ticks(y, plot_height)
    left = 14 + max((text_width(text, size) for _, text in ticks), default=20.0)

    direct = wide and _fits_directly(figure, x, size)
    room = (
        max(
            (min(text_width(line.label, size, bold=line.kind == "prediction"), 180.0) for line in figure.lines),
            default=0.0,
        )
        + 16
    )
    right = room if direct else (14.0 if wide else 10.0)
    entries = [] if direct or not figure.lines else [(line.label, _style(line)) for line in figure.lines]
    rows = legend_rows(entries, width, size)
    trial = Frame(left=left, top=0.0, width=width - left - right, height=plot_height, x=x, y=y)
    mark_rows = 1 + max((row for _, row in place_marks(figure.marks, trial, size)), default=-1)
    top = (_ROW * len(rows) + 8 if rows else 0.0) + _ROW + 12 + 16 * mark_rows
    canvas = Canvas(width, top + plot_height + 48)
    frame = Frame(left=left, top=top, width=width - left - right, height=plot_height, x=x, y=y)

    draw_legend(canvas, rows, left=0.0, top=14.0, size=size)
    label_y = (_ROW * len(rows) + 8 if rows else 0.0) + 13
    canvas.text(0.0, label_y, fit(figure.y_label, width, size), size=size)
    axes = canvas.axes((frame.left, frame.top, frame.width, frame.height), x, y)
    draw_axes(canvas, frame, figure.x_label, size=size)
    # Measurements lie over predictions, predictions over references.
    order = {"reference": 0, "prediction": 1, "measurement": 2}
    for which in sorted(range(len(figure.lines)), key=lambda i: order[figure.lines[i].kind]):
        _draw_line(axes, figure.lines[which], which, frame)
    draw_marks(canvas, figure.marks, frame, size, _obstacles(figure, frame))
    if direct:
        _label_ends(canvas, figure, frame, size)
    return canvas


def _limited(y: Scale, figure: Curves) -> Scale:
    """The vertical range with the ends that the figure asks for, where they make sense."""
    low = y.low if figure.y_min is None or not has_place(figure.y_min, log=figure.log_y) else figure.y_min
    high = y.high if figure.y_max is None or not has_place(figure.y_max, log=figure.log_y) else figure.y_max
    if low >= high:
        return y
    return Scale(low=low, high=high, log=y.log)


def _fits_directly(figure: Curves, x: Scale, size: float) -> bool:
    """Whether every line ends near the right edge and every label fits beside it."""
    if not 0 < len(figure.lines) <= 8:
        return False
    for line in figure.lines:
        ends = [
            a
            for a, b in zip(line.x, line.y, strict=True)
            if has_place(a, log=figure.log_x) and has_place(b, log=figure.log_y)
        ]
        if not ends or x.position(ends[-1]) < 0.97 or text_width(line.label, size, bold=True) > 180:
            return False
    return True


def _label_ends(canvas: Canvas, figure: Curves, frame: Frame, size: float) -> None:
    ends = []
    for line in figure.lines:
        end = _line_end(line, frame)
        if end is not None:
            ends.append((end[1], end[0], line))
    ends.sort(key=lambda item: item[0])
    placed = _spread([end[0] for end in ends], size * 1.3, frame.top + 2, frame.bottom - 4)
    for (y, x, line), at in zip(ends, placed, strict=True):
        role = "soft" if line.kind == "reference" else group_role(line.group)
        if abs(at - y) > 3:
            canvas.line((x + 4, frame.right + 12), (y, at), role="rule", width=1.0)
        canvas.text(
            frame.right + 14,
            at + size * 0.35,
            fit(line.label, 180.0, size, bold=line.kind == "prediction"),
            size=size,
            role=role,
            bold=line.kind == "prediction",
        )
