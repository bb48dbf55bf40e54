"""What a page draws, as frozen data: curves, points, bars, heat maps and pictures.

The blocks around them are in `document`. Numbers are stored as plain floats, NumPy's among them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from widthwise.errors import UsageError

# Whole numbers are welcome where live type checks would not take an int for a float.
Number: TypeAlias = float | int


def floats(values: Iterable[Any]) -> tuple[float, ...]:
    """Plain numbers."""
    return tuple(float(value) for value in values)


def store(instance: object, **fields: object) -> None:
    """Set fields of a frozen dataclass while it is being made."""
    for name, value in fields.items():
        object.__setattr__(instance, name, value)


def same_length(what: str, **fields: tuple[Any, ...] | None) -> None:
    """Refuse series of different lengths."""
    sizes = {name: len(values) for name, values in fields.items() if values is not None}
    if len(set(sizes.values())) > 1:
        came = ", ".join(f"{name} has {size}" for name, size in sizes.items())
        raise UsageError(f"{what}: all series must have one length, but {came}")


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a `Curves` figure.

    Attributes:
        label: name in the figure.
        x: abscissae.
        y: ordinates; points that are not finite (or not positive on a log axis) leave a gap.
        kind: a prediction is drawn solid and thick, a measurement thin with markers, a reference dotted in grey.
        low: lower edge of a shaded band, given together with `high`.
        high: upper edge of the band.
        group: lines of one group share colour and marker shape.
    """

    label: str
    x: tuple[Number, ...]
    y: tuple[Number, ...]
    kind: Literal["prediction", "measurement", "reference"]
    low: tuple[Number, ...] | None = None
    high: tuple[Number, ...] | None = None
    group: int = 0

    def __post_init__(self) -> None:
        store(self, x=floats(self.x), y=floats(self.y))
        if (self.low is None) != (self.high is None):
            raise UsageError("Line: low and high must come together")
        if self.low is not None and self.high is not None:
            store(self, low=floats(self.low), high=floats(self.high))
        same_length(f"Line {self.label[:60]!r}", x=self.x, y=self.y, low=self.low, high=self.high)


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A thin labelled rule across a figure, at `value` of the named axis."""

    axis: Literal["x", "y"]
    value: Number
    label: str

    def __post_init__(self) -> None:
        store(self, value=float(self.value))


@dataclass(frozen=True, kw_only=True)
class Curves:
    """Lines over a common pair of axes.

    Attributes:
        title: what the figure shows, in a few words.
        description: how to read it, for the caption and for screen readers.
        x_label: quantity and unit of the horizontal axis.
        y_label: quantity and unit of the vertical axis.
        lines: the series.
        log_x: logarithmic horizontal axis.
        log_y: logarithmic vertical axis.
        marks: labelled rules.
        y_min: lower end of the vertical axis; from the data if absent.
        y_max: upper end of the vertical axis; from the data if absent.
    """

    title: str
    description: str
    x_label: str
    y_label: str
    lines: tuple[Line, ...]
    log_x: bool = False
    log_y: bool = False
    marks: tuple[Mark, ...] = ()
    y_min: Number | None = None
    y_max: Number | None = None

    def __post_init__(self) -> None:
        store(
            self,
            lines=tuple(self.lines),
            marks=tuple(self.marks),
            y_min=None if self.y_min is None else float(self.y_min),
            y_max=None if self.y_max is None else float(self.y_max),
        )


@dataclass(frozen=True, kw_only=True)
class Point:
    """One point of a `Points` figure.

    Attributes:
        label: its name, written where there is room.
        x: abscissa; what is not finite is left out.
        y: ordinate; an infinite one is drawn on the edge.
        group: number of its entry in `Points.groups`: colour and shape.
        hollow: drawn as a ring.
    """

    label: str
    x: Number
    y: Number
    group: int = 0
    hollow: bool = False

    def __post_init__(self) -> None:
        store(self, x=float(self.x), y=float(self.y))


@dataclass(frozen=True, kw_only=True)
class Points:
    """Named points over a common pair of axes.

    Attributes:
        title: what the figure shows, in a few words.
        description: how to read it.
        x_label: quantity and unit of the horizontal axis.
        y_label: quantity and unit of the vertical axis.
        points: what is drawn, the most important first: labels are placed in this order.
        groups: names of the groups.
        marks: labelled rules.
    """

    title: str
    description: str
    x_label: str
    y_label: str
    points: tuple[Point, ...]
    groups: tuple[str, ...] = ()
    marks: tuple[Mark, ...] = ()

    def __post_init__(self) -> None:
        store(self, points=tuple(self.points), groups=tuple(self.groups), marks=tuple(self.marks))
        for point in self.points:
            if self.groups and not 0 <= point.group < len(self.groups):
                raise UsageError(
                    f"Points: {len(self.groups)} groups are named, but {point.label[:60]!r} is of group {point.group}"
                )


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """One population of a `Scatter` figure.

    Attributes:
        label: name in the figure.
        x: abscissae.
        y: ordinates; points that are not finite (or not positive on a log axis) are left out.
        group: sets colour and marker shape.
    """

    label: str
    x: tuple[Number, ...]
    y: tuple[Number, ...]
    group: int = 0

    def __post_init__(self) -> None:
        store(self, x=floats(self.x), y=floats(self.y))
        same_length(f"Cloud {self.label[:60]!r}", x=self.x, y=self.y)


@dataclass(frozen=True, kw_only=True)
class Scatter:
    """Clouds of points over a common pair of axes.

    Attributes:
        title: what the figure shows, in a few words.
        description: how to read it, for the caption and for screen readers.
        x_label: quantity and unit of the horizontal axis.
        y_label: quantity and unit of the vertical axis.
        points: the populations.
        log_x: logarithmic horizontal axis.
        log_y: logarithmic vertical axis.
        marks: labelled rules.
    """

    title: str
    description: str
    x_label: str
    y_label: str
    points: tuple[Cloud, ...]
    log_x: bool = False
    log_y: bool = False
    marks: tuple[Mark, ...] = ()

    def __post_init__(self) -> None:
        store(self, points=tuple(self.points), marks=tuple(self.marks))


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One bar, with an optional whisker from `low` to `high`.

    Attributes:
        label: name of the bar.
        value: its length; not a finite number means no bar, only the text.
        low: lower end of the whisker.
        high: upper end of the whisker.
        emphasis: drawn in the accent colour and bold.
        text: written at the end of the bar; the value to three digits if empty.
    """

    label: str
    value: Number
    low: Number | None = None
    high: Number | None = None
    emphasis: bool = False
    text: str = ""

    def __post_init__(self) -> None:
        store(
            self,
            value=float(self.value),
            low=None if self.low is None else float(self.low),
            high=None if self.high is None else float(self.high),
        )


@dataclass(frozen=True, kw_only=True)
class Bars:
    """Horizontal bars from zero."""

    title: str
    description: str
    x_label: str
    bars: tuple[Bar, ...]

    def __post_init__(self) -> None:
        store(self, bars=tuple(self.bars))


@dataclass(frozen=True, kw_only=True)
class Counts:
    """One population of a histogram: a count for every bin."""

    label: str
    values: tuple[Number, ...]
    group: int = 0

    def __post_init__(self) -> None:
        store(self, values=floats(self.values))


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """Counts over common bins.

    Attributes:
        title: what the figure shows.
        description: how to read it.
        x_label: quantity and unit of the horizontal axis.
        edges: increasing edges of the bins, one more than there are counts.
        counts: the populations.
        marks: labelled rules.
    """

    title: str
    description: str
    x_label: str
    edges: tuple[Number, ...]
    counts: tuple[Counts, ...]
    marks: tuple[Mark, ...] = ()

    def __post_init__(self) -> None:
        store(self, edges=floats(self.edges), counts=tuple(self.counts), marks=tuple(self.marks))
        for population in self.counts:
            if len(population.values) != len(self.edges) - 1:
                raise UsageError(
                    f"Histogram: {len(self.edges)} edges need {max(len(self.edges) - 1, 0)} counts, "
                    f"but {population.label[:60]!r} has {len(population.values)}"
                )
        if any(not low < high for low, high in zip(self.edges, self.edges[1:], strict=False)):
            raise UsageError("Histogram: edges must be finite and increase")


@dataclass(frozen=True, kw_only=True)
class Heatmap:
    """A matrix of cells, such as a confusion matrix.

    Attributes:
        title: what the figure shows.
        description: how to read it.
        x_label: what the columns are.
        y_label: what the rows are.
        x_names: names of the columns.
        y_names: names of the rows.
        values: one row of numbers per name of a row; depth of colour, the square root of
            their share in the largest.
        text: what to write in the cells; left out where cells are too small.
    """

    title: str
    description: str
    x_label: str
    y_label: str
    x_names: tuple[str, ...]
    y_names: tuple[str, ...]
    values: tuple[tuple[Number, ...], ...]
    text: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        store(
            self,
            x_names=tuple(self.x_names),
            y_names=tuple(self.y_names),
            values=tuple(floats(row) for row in self.values),
            text=tuple(tuple(row) for row in self.text),
        )
        shape = (len(self.y_names), len(self.x_names))
        for name, cells in (("values", self.values), ("text", self.text)):
            if len(cells) != shape[0] or any(len(row) != shape[1] for row in cells):
                raise UsageError(f"Heatmap: {name} must have {shape[0]} rows of {shape[1]} cells")


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A small image.

    Attributes:
        pixels: numbers in [0, 1] as nested sequences or an array, of shape (h, w), or (h, w, 3) for colour.
        title: a short name.
        caption: one more line.
    """

    pixels: Any
    title: str
    caption: str = ""

    def __post_init__(self) -> None:
        pixels = self.pixels.tolist() if hasattr(self.pixels, "tolist") else self.pixels
        rows = tuple(tuple(floats(p) if isinstance(p, (list, tuple)) else float(p) for p in row) for row in pixels)
        shapes = {(len(row), *{len(p) if isinstance(p, tuple) else 1 for p in row}) for row in rows}
        if len(shapes) != 1 or next(iter(shapes))[1:] not in {(1,), (3,)}:
            raise UsageError(
                f"Picture {self.title[:60]!r}: pixels must have shape (h, w) or (h, w, 3), none of them zero"
            )
        store(self, pixels=rows)


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """A grid of small images."""

    items: tuple[Picture, ...]
    caption: str

    def __post_init__(self) -> None:
        store(self, items=tuple(self.items))


Figure: TypeAlias = Curves | Points | Scatter | Bars | Histogram | Heatmap
