"""Figures of the document model as inline SVG."""

from __future__ import annotations

import hashlib

from widthwise.pages.bars import draw_bars, draw_histogram
from widthwise.pages.canvas import settings
from widthwise.pages.charts import Bars, Curves, Figure, Heatmap, Histogram, Points, Scatter
from widthwise.pages.curves import draw_curves
from widthwise.pages.heatmap import draw_heatmap
from widthwise.pages.points import draw_points
from widthwise.pages.scatter import draw_scatter


def to_svg(figure: Figure, *, wide: bool, prefix: str = "") -> str:
    """Draw a figure.

    Args:
        figure: what to draw.
        wide: for columns of about 720 pixels; else for about 340.
        prefix: what every id starts with; made from the content if empty. Two drawings on one page need two.

    Returns:
        An `<svg>` element for inline use, its colours CSS variables of `pages.theme`, its text text.
    """
    if not prefix:
        prefix = "f" + hashlib.sha256(f"{wide} {figure!r}".encode("utf-8", "backslashreplace")).hexdigest()[:10]
    with settings():
        match figure:
            case Curves():
                canvas = draw_curves(figure, wide=wide)
            case Points():
                canvas = draw_points(figure, wide=wide)
            case Scatter():
                canvas = draw_scatter(figure, wide=wide)
            case Bars():
                canvas = draw_bars(figure, wide=wide)
            case Histogram():
                canvas = draw_histogram(figure, wide=wide)
            case Heatmap():
                canvas = draw_heatmap(figure, wide=wide)
        return canvas.svg(
            title=figure.title,
            description=figure.description,
            prefix=prefix,
            name="wide" if wide else "narrow",
        )
