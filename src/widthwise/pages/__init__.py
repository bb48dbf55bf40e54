"""A small document model and its renderers to HTML, SVG and the terminal.

Importing this package loads only the model; each renderer is a module of its own and brings its library
with it: `pages.html` Jinja2 and Matplotlib, `pages.terminal` and `pages.progress` rich.
This floor knows no mathematics and no result type: a result's own floor turns it into a `Page`.
"""

from __future__ import annotations

from widthwise.pages.charts import (
    Bar,
    Bars,
    Cloud,
    Counts,
    Curves,
    Figure,
    Heatmap,
    Histogram,
    Line,
    Mark,
    Picture,
    Pictures,
    Point,
    Points,
    Scatter,
)
from widthwise.pages.document import (
    Alert,
    Block,
    Bullets,
    Code,
    Column,
    Details,
    Formula,
    KeyNumber,
    KeyNumbers,
    Link,
    Page,
    Section,
    Table,
    Text,
)
from widthwise.pages.markup import escape

__all__ = [
    "Alert",
    "Bar",
    "Bars",
    "Block",
    "Bullets",
    "Cloud",
    "Code",
    "Column",
    "Counts",
    "Curves",
    "Details",
    "Figure",
    "Formula",
    "Heatmap",
    "Histogram",
    "KeyNumber",
    "KeyNumbers",
    "Line",
    "Link",
    "Mark",
    "Page",
    "Picture",
    "Pictures",
    "Point",
    "Points",
    "Scatter",
    "Section",
    "Table",
    "Text",
    "escape",
]
