"""A matrix of cells shaded from paper to accent, so that one drawing serves both themes."""

from __future__ import annotations

import math
from typing import Final

from matplotlib.patches import PathPatch
from matplotlib.path import Path

from widthwise.pages.canvas import Canvas
from widthwise.pages.charts import Heatmap
from widthwise.pages.scales import Scale, fit, text_width
from widthwise.pages.theme import HEAT_TURN, MARKERS

LEVELS: Final = 24
TEXT_LIMIT: Final = 20


def depth(value: float, largest: float) -> float:
    """Depth of colour of a cell, in steps: 0 for nothing, 1 for the largest.

    It grows as the square root, since a confusion matrix is read for its small cells off the diagonal, and jumps
    in the middle over the depths on which neither ink nor paper could be read.
    """
    if not math.isfinite(value) or value <= 0 or largest <= 0:
        return 0.0
    step = max(1, math.ceil(math.sqrt(min(value / largest, 1.0)) * LEVELS)) / LEVELS
    return 0.96 * step if step <= 0.5 else 0.5 + 0.5 * step


def draw_heatmap(figure: Heatmap, *, wide: bool) -> Canvas:
    """Draw a `Heatmap`.

    Args:
        figure: what to draw.
        wide: for columns of about 720 pixels; else for about 340.

    Returns:
        The canvas.
    """
    width, size = (720.0, 12.5) if wide else (340.0, 11.5)
    rows, columns = len(figure.y_names), len(figure.x_names)
    left = min(max((text_width(n, size) for n in figure.y_names), default=0.0), width * 0.25) + 10
    y_label = fit(f"{figure.y_label} ↓", width * 0.3, size)
    left = max(left, text_width(y_label, size) + 10 if wide else 0.0)
    cell = min((width - left - 2) / max(columns, 1), 44.0 if wide else 30.0)
    if rows > columns:
        cell = min(cell, (width - left) * 1.6 / rows)
    level_names = max((text_width(n, size) for n in figure.x_names), default=0.0) <= cell - 2
    name_height = size + 8 if level_names else _upright_height(figure, size, cell)
    top = size + 10 + name_height
    box = (left, top, max(cell * columns, 1.0), max(cell * rows, 1.0))
    canvas = Canvas(width, top + box[3] + 6)
    if wide:
        canvas.text(left - 10, top - 8, y_label, size=size, anchor="end", role="soft")
    x_label = fit(f"{figure.x_label} →" if wide else f"{figure.y_label} ↓ · {figure.x_label} →", width, size)
    canvas.text(left if wide else 0.0, size, x_label, size=size, role="soft")
    stride = next((s for s in (1, 2, 5, 10, 20, 50) if s * cell >= size + 2), 100)
    for i, name in enumerate(figure.x_names):
        if i % stride:
            continue
        x = left + cell * (i + 0.5)
        if level_names:
            canvas.text(x, top - 8, name, size=size, anchor="middle")
        else:
            canvas.text(x + size * 0.35, top - 8, fit(name, name_height - 6, size), size=size, rotation=90.0)
    for i, name in enumerate(figure.y_names):
        if i % stride == 0:
            y = top + cell * (i + 0.5) + size * 0.35
            canvas.text(left - 10, y, fit(name, left - 10, size), size=size, anchor="end")
    largest = max((v for row in figure.values for v in row if math.isfinite(v)), default=0.0)
    _draw_cells(canvas, figure, box, cell, largest)
    _draw_grid(canvas, box, cell, rows, columns)
    widest = max((text_width(t, size) for row in figure.text for t in row), default=0.0)
    if max(rows, columns) <= TEXT_LIMIT and widest <= cell - 5 and size <= cell:
        for i, row in enumerate(figure.text):
            for j, text in enumerate(row):
                deep = depth(figure.values[i][j], largest) > HEAT_TURN
                y = top + cell * (i + 0.5) + size * 0.35
                role = "paper" if deep else "ink"
                canvas.text(left + cell * (j + 0.5), y, text, size=size, anchor="middle", role=role)
    return canvas


def _upright_height(figure: Heatmap, size: float, cell: float) -> float:
    longest = max((text_width(n, size) for n in figure.x_names), default=0.0)
    return min(longest, max(90.0, 2 * cell)) + 12


def _draw_cells(
    canvas: Canvas, figure: Heatmap, box: tuple[float, float, float, float], cell: float, largest: float
) -> None:
    """One path per depth of colour: a hundred classes stay a small drawing. Empty cells are not drawn."""
    _, _, width, height = box
    axes = canvas.axes(box, Scale(low=0.0, high=width), Scale(low=0.0, high=height))
    levels: dict[float, list[tuple[float, float]]] = {}
    for i, row in enumerate(figure.values):
        for j, value in enumerate(row):
            shade = depth(value, largest)
            if shade > 0:
                levels.setdefault(shade, []).append((j * cell, height - (i + 1) * cell))
    for shade, corners in sorted(levels.items()):
        vertices = [
            point for x, y in corners for point in ((x, y), (x + cell, y), (x + cell, y + cell), (x, y + cell), (x, y))
        ]
        codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY] * len(corners)
        axes.add_patch(
            PathPatch(
                Path(vertices, codes),
                facecolor=MARKERS["heat"],
                alpha=shade,
                linewidth=0,
                gid=f"data-depth-{shade:.3f}",
            )
        )


def _draw_grid(canvas: Canvas, box: tuple[float, float, float, float], cell: float, rows: int, columns: int) -> None:
    """Hairlines of paper between large cells, and a frame."""
    left, top, width, height = box
    if cell >= 10:
        for i in range(1, rows):
            canvas.line((left, left + width), (top + i * cell,) * 2, role="paper", width=1.0)
        for j in range(1, columns):
            canvas.line((left + j * cell,) * 2, (top, top + height), role="paper", width=1.0)
    canvas.line(
        (left, left + width, left + width, left, left),
        (top, top, top + height, top + height, top),
        role="rule",
        width=1.0,
    )
