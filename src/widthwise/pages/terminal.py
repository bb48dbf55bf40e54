"""Pages on a terminal, figures as short tables and block bars; elsewhere as plain text without escapes."""

from __future__ import annotations

import math
import re
from typing import IO, Any, Final, cast

from rich import box
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text as RichText

from widthwise.pages.charts import Bars, Curves, Figure, Heatmap, Histogram, Line, Pictures, Points, Scatter
from widthwise.pages.document import (
    Alert,
    Block,
    Bullets,
    Code,
    Details,
    Formula,
    KeyNumbers,
    Page,
    Section,
    Table,
    Text,
)
from widthwise.pages.markup import parse, shorten, visible
from widthwise.pages.scales import Scale, has_place, number
from widthwise.pages.streams import Stream

PLAIN_WIDTH: Final = 100
MEASURE: Final = 92  # longest line of prose
NAME_LIMIT: Final = 60
BAR: Final = 28
BINS: Final = 12
CELLS: Final = 12
PLAIN_HEAD: Final = box.Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)
_SPARKS = "▁▂▃▄▅▆▇█"
_WORDS = {"info": "Note", "warning": "Warning", "danger": "Danger"}
_STYLES = {"info": "blue", "warning": "yellow", "danger": "bold red"}
_ASCII = str.maketrans(
    {
        "…": "...",
        "–": "-",
        "—": "-",
        "−": "-",
        "×": "x",
        "·": "*",
        "→": "->",
        "↓": "",
        "\u202f": " ",
        "\u00a0": " ",
        "“": '"',
        "”": '"',
        "’": "'",
        "∞": "inf",
    }
)


_POWER = re.compile("[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_DIGITS = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


class Printer:
    """A console on a stream, and whether it may use colour and block characters.

    Args:
        stream: where to write.
        width: columns; those of the terminal if absent, 100 where there is none.
    """

    def __init__(self, stream: Stream, width: int | None = None) -> None:
        self.tty = stream.isatty()
        self.encoding = (getattr(stream, "encoding", None) or "utf-8").lower()
        self.blocks = self.tty and self.encoding.startswith("utf")
        self.console = Console(
            file=cast("IO[str]", stream),
            width=width if width is not None else (None if self.tty else PLAIN_WIDTH),
            force_terminal=self.tty,
            color_system="auto" if self.tty else None,
            force_jupyter=False,
            highlight=False,
            markup=False,
            emoji=False,
            soft_wrap=False,
        )

    def emit(self, what: RenderableType, **options: Any) -> None:
        """Print; outside a terminal without blanks at the ends of lines."""
        with self.console.capture() as captured:
            self.console.print(what, **options)
        text = captured.get()
        if not self.tty:
            text = "\n".join(line.rstrip() for line in text.split("\n"))
        if not self.encoding.startswith("utf"):
            text = text.replace("…", ".")  # where rich cut a cell
        self.console.file.write(text)

    def safe(self, text: str, limit: int | None = None, *, keep: str = "") -> str:
        """Text without controls that the stream can encode."""
        text = visible(text if limit is None else shorten(text, limit), keep=keep)
        if not self.encoding.startswith("utf"):
            text = _POWER.sub(lambda m: "^" + m.group().translate(_DIGITS), text)
            text = text.replace(" · ", ", ").translate(_ASCII)
            text = text.encode(self.encoding, "backslashreplace").decode(self.encoding)
        return text.encode("utf-8", "backslashreplace").decode("utf-8")

    def prose(self, text: str, style: str = "") -> RichText:
        """Inline markup as styled text."""
        styles = {"plain": "", "bold": "bold", "code": "cyan"}
        result = RichText(style=style)
        for span in parse(text):
            result.append(self.safe(span.text), styles[span.style])
        return result

    def name(self, text: str, style: str = "", *, limit: int = NAME_LIMIT) -> RichText:
        """Literal text, shortened."""
        return RichText(self.safe(text, limit), style=style)

    def write(self, text: RichText, *, indent: int = 0) -> None:
        """Write wrapped text."""
        width = min(self.console.width, MEASURE + indent)
        self.emit(Padding(text, (0, 0, 0, indent)), width=width)

    def gap(self) -> None:
        """Write an empty line."""
        self.emit("")

    def grid(self, *, header: bool) -> RichTable:
        """An empty table in the house style."""
        return RichTable(
            box=(box.SIMPLE_HEAD if self.blocks else PLAIN_HEAD) if header else None,
            show_header=header,
            show_edge=False,
            pad_edge=False,
            header_style="dim",
            padding=(0, 2, 0, 0),
        )

    def put(self, table: RichTable, *, indent: int = 2) -> None:
        """Write a table."""
        self.emit(Padding(table, (0, 0, 0, indent), expand=False))


def print_page_head(page: Page, stream: Stream, *, width: int | None = None) -> None:
    """Print title, verdict and alerts of a page.

    Args:
        page: the page.
        stream: where to.
        width: columns.
    """
    out = Printer(stream, width)
    out.write(out.name(page.title, "bold", limit=200))
    if page.subtitle:
        out.write(out.name(page.subtitle, "dim", limit=200))
    out.gap()
    _points(out, page.verdict)
    if page.alerts:
        out.gap()
        _alerts(out, page.alerts)


def print_alerts(alerts: tuple[Alert, ...], stream: Stream, *, width: int | None = None) -> None:
    """Print alerts, each led by its word.

    Args:
        alerts: the alerts.
        stream: where to.
        width: columns.
    """
    _alerts(Printer(stream, width), alerts)


def print_section(section: Section, *, stream: Stream, width: int | None = None) -> None:
    """Print a section; what is behind a `Details` is only named.

    Args:
        section: the section.
        stream: where to.
        width: columns; those of the terminal if absent, 100 where there is none.
    """
    out = Printer(stream, width)
    out.gap()
    title = out.name(section.title, "bold", limit=200)
    out.write(title)
    rule = "─" if out.blocks else "-"
    out.write(RichText(rule * min(title.cell_len, out.console.width), style="dim"))
    if section.lead:
        out.write(out.prose(section.lead))
    for block in section.blocks:
        out.gap()
        _block(out, block)


def _alerts(out: Printer, alerts: tuple[Alert, ...]) -> None:
    for alert in alerts:
        text = RichText(f"{_WORDS[alert.level]}: ", style=_STYLES[alert.level])
        body = RichText.assemble(text, out.prose(alert.text))
        out.write(body)


def _block(out: Printer, block: Block) -> None:
    match block:
        case Text():
            out.write(out.prose(block.text))
        case Bullets():
            _points(out, block.items)
        case KeyNumbers():
            _numbers(out, block)
        case Alert():
            _alerts(out, (block,))
        case Table():
            _table(out, block)
        case Code():
            _code(out, block.text)
        case Formula():
            _code(out, block.tex)
        case Details():
            out.write(RichText.assemble(("+ ", "dim"), out.name(block.title, "dim", limit=200)))
        case Pictures():
            _pictures(out, block)
        case _:
            _figure(out, block)


def _points(out: Printer, items: tuple[str, ...]) -> None:
    for item in items:
        grid = RichTable.grid(padding=(0, 1, 0, 0))
        grid.add_row("•" if out.blocks else "-", out.prose(item))
        out.emit(grid, width=min(out.console.width, MEASURE))


def _numbers(out: Printer, block: KeyNumbers) -> None:
    grid = out.grid(header=False)
    for key in block.items:
        grid.add_row(out.name(key.label), out.name(key.value, "bold"), out.name(key.note, "dim"))
    out.put(grid)


def _code(out: Printer, text: str) -> None:
    """Lines are not wrapped: they are there to be copied."""
    for line in text.splitlines():
        shown = RichText("    " + out.safe(line.expandtabs(4)))
        out.emit(shown, soft_wrap=True, no_wrap=True, overflow="ignore")


def _pictures(out: Printer, block: Pictures) -> None:
    for picture in block.items:
        text = RichText.assemble(out.name(picture.title), "  ", out.name(picture.caption, "dim"))
        out.write(text, indent=2)


def _figure(out: Printer, figure: Figure) -> None:
    out.write(out.name(figure.title, "italic", limit=200))
    match figure:
        case Curves():
            _curves(out, figure)
        case Points():
            _named_points(out, figure)
        case Scatter():
            _scatter(out, figure)
        case Bars():
            _bars(out, figure)
        case Histogram():
            _histogram(out, figure)
        case Heatmap():
            _heatmap(out, figure)


def _table(out: Printer, table: Table) -> None:
    if table.caption:
        out.write(out.name(table.caption, "italic", limit=200))
    grid = out.grid(header=True)
    for column in table.columns:
        grid.add_column(out.name(column.name, limit=40), justify=column.align)
    for row in table.rows:
        grid.add_row(*(out.name(text, limit=120) for text in row))
    out.put(grid)


def _good(line: Line, figure: Curves) -> list[tuple[float, float]]:
    return [
        (x, y)
        for x, y in zip(line.x, line.y, strict=True)
        if has_place(x, log=figure.log_x) and has_place(y, log=False)
    ]


def _samples(figure: Curves, wanted: int) -> list[float]:
    """A few abscissae of the longest line, spread over the axis, ends included."""
    lines = [_good(line, figure) for line in figure.lines]
    longest = max(lines, key=len, default=[])
    if not longest:
        return []
    xs = sorted({x for x, _ in longest})
    scale = Scale.around(xs, log=figure.log_x)
    chosen = {min(xs, key=lambda x: abs(scale.position(x) - k / max(wanted - 1, 1))) for k in range(wanted)}
    return sorted(chosen)


def _near(points: list[tuple[float, float]], x: float, scale: Scale) -> str:
    """The ordinate at the nearest point, if there is one within a twentieth of the axis."""
    if not points:
        return ""
    nearest = min(points, key=lambda point: abs(scale.position(point[0]) - scale.position(x)))
    return number(nearest[1]) if abs(scale.position(nearest[0]) - scale.position(x)) <= 0.05 else ""


def _spark(points: list[tuple[float, float]], scale: Scale, heights: Scale, *, columns: int = 14) -> str:
    """The shape of a line in one row of blocks."""
    text = ""
    for column in range(columns):
        inside = [y for x, y in points if column <= scale.position(x) * columns < column + 1 + 1e-9]
        inside = [y for y in inside if heights.holds(y)]
        text += _SPARKS[round(heights.position(inside[-1]) * (len(_SPARKS) - 1))] if inside else " "
    return text


def _curves(out: Printer, figure: Curves) -> None:
    lines = [(line, _good(line, figure)) for line in figure.lines]
    xs = _samples(figure, 5 if out.console.width >= 90 or not out.blocks else 4)
    if not xs:
        out.write(RichText("(no points to show)", style="dim"), indent=2)
        return
    scale = Scale.around([x for _, points in lines for x, _ in points], log=figure.log_x)
    # A line of a single point between the columns would be an empty row.
    xs = sorted({*xs, *(p[0][0] for _, p in lines if len(p) == 1 and not any(_near(p, x, scale) for x in xs))})
    heights = Scale.around([y for _, points in lines for _, y in points], log=figure.log_y)
    grid = out.grid(header=True)
    grid.add_column("")
    if out.blocks:
        grid.add_column("", no_wrap=True)
    for x in xs:
        grid.add_column(RichText(out.safe(number(x))), justify="right", no_wrap=True)
    for line, points in lines:
        cells = [RichText(out.safe(_near(points, x, scale))) for x in xs]
        style = "bold" if line.kind == "prediction" else ("dim" if line.kind == "reference" else "")
        shape = [RichText(_spark(points, scale, heights), style="cyan")] if out.blocks else []
        grid.add_row(out.name(line.label, style, limit=32), *shape, *cells)
    out.put(grid)
    axes = f"{shorten(figure.y_label, NAME_LIMIT)}; columns: {shorten(figure.x_label, NAME_LIMIT)}"
    out.write(out.name(axes, "dim", limit=2 * NAME_LIMIT + 20), indent=2)


def _strip(out: Printer, part: float, width: int = BAR) -> str:
    """A bar of a share of a width."""
    part = min(max(part, 0.0), 1.0) if math.isfinite(part) else 0.0
    if not out.blocks:
        return "#" * round(part * width)
    eighths = round(part * width * 8)
    return "█" * (eighths // 8) + (" ▏▎▍▌▋▊▉"[eighths % 8] if eighths % 8 else "")


def _named_points(out: Printer, figure: Points) -> None:
    grid = out.grid(header=True)
    grid.add_column(out.name("point", limit=40))
    for name in (figure.x_label, figure.y_label):
        grid.add_column(out.name(name, limit=32), justify="right")
    for point in figure.points:
        hollow = " (hollow)" if point.hollow else ""
        grid.add_row(out.name(point.label, limit=40), out.name(number(point.x)), out.name(number(point.y) + hollow))
    out.put(grid)


def _scatter(out: Printer, figure: Scatter) -> None:
    """How many points each population has, and where they lie."""
    grid = out.grid(header=True)
    grid.add_column("")
    for name in ("points", f"{figure.x_label}, from", "to", f"{figure.y_label}, from", "to"):
        grid.add_column(out.name(name, limit=32), justify="right")
    for points in figure.points:
        good = [
            (x, y)
            for x, y in zip(points.x, points.y, strict=True)
            if has_place(x, log=figure.log_x) and has_place(y, log=figure.log_y)
        ]
        ends = [end(values) for values in zip(*good, strict=True) for end in (min, max)]
        cells = [out.safe(number(value)) for value in ends] or [""] * 4
        grid.add_row(out.name(points.label, limit=32), str(len(good)), *cells)
    out.put(grid)


def _bars(out: Printer, figure: Bars) -> None:
    finite = [abs(bar.value) for bar in figure.bars if math.isfinite(bar.value)]
    largest = max(finite, default=0.0) or 1.0
    rows = []
    for bar in figure.bars:
        text = bar.text or number(bar.value)
        if bar.low is not None and bar.high is not None:
            text += f"  ({number(bar.low)} to {number(bar.high)})"
        style = "bold" if bar.emphasis else ""
        rows.append((out.name(bar.label, style, limit=32), bar, out.name(text, style)))
    used = max((label.cell_len for label, _, _ in rows), default=0)
    used += max((text.cell_len for _, _, text in rows), default=0)
    width = min(max(out.console.width - used - 8, 8), BAR)
    grid = out.grid(header=False)
    for label, bar, note in rows:
        strip = _strip(out, abs(bar.value) / largest, width)
        grid.add_row(label, RichText(strip, style="cyan" if bar.emphasis else "dim", no_wrap=True), note)
    out.put(grid)
    out.write(out.name(figure.x_label, "dim"), indent=2)


def _histogram(out: Printer, figure: Histogram) -> None:
    bins = len(figure.edges) - 1
    if bins < 1:
        out.write(RichText("(no bins to show)", style="dim"), indent=2)
        return
    merge = math.ceil(bins / BINS)
    starts = list(range(0, bins, merge))
    sums = [[sum(counts.values[i : i + merge]) for i in starts] for counts in figure.counts]
    largest = max((v for column in sums for v in column if math.isfinite(v)), default=0.0) or 1.0
    step = 10.0 ** math.floor(math.log10((figure.edges[-1] - figure.edges[0]) / len(starts)))
    grid = out.grid(header=True)
    grid.add_column(out.name(figure.x_label, limit=32), justify="right")
    width = max(BAR // max(len(sums), 1), 8)
    for counts in figure.counts:
        grid.add_column(out.name(counts.label, limit=24))
        grid.add_column("", justify="right")
    for row, i in enumerate(starts):
        low, high = figure.edges[i], figure.edges[min(i + merge, bins)]
        cells: list[RichText] = [RichText(out.safe(f"{number(low, step=step)} to {number(high, step=step)}"))]
        for column in sums:
            cells += [
                RichText(_strip(out, column[row] / largest, width), style="cyan", no_wrap=True),
                RichText(out.safe(number(column[row]))),
            ]
        grid.add_row(*cells)
    out.put(grid)


def _heatmap(out: Printer, figure: Heatmap) -> None:
    if max(len(figure.x_names), len(figure.y_names)) > CELLS:
        _largest_cells(out, figure)
        return
    grid = out.grid(header=True)
    grid.add_column(out.name(f"{figure.y_label} / {figure.x_label}", limit=24))
    for name in figure.x_names:
        grid.add_column(out.name(name, limit=12), justify="right")
    for name, row in zip(figure.y_names, figure.text, strict=True):
        grid.add_row(out.name(name, limit=16), *(out.name(text, limit=12) for text in row))
    out.put(grid)


def _largest_cells(out: Printer, figure: Heatmap) -> None:
    """The eight largest cells, off the diagonal where rows and columns have the same names."""
    square = figure.x_names == figure.y_names
    cells = [
        (value, i, j)
        for i, row in enumerate(figure.values)
        for j, value in enumerate(row)
        if math.isfinite(value) and value > 0 and not (square and i == j)
    ]
    cells.sort(key=lambda cell: (-cell[0], cell[1], cell[2]))
    grid = out.grid(header=True)
    grid.add_column(out.name(figure.y_label, limit=32))
    grid.add_column(out.name(figure.x_label, limit=32))
    grid.add_column("largest cells", justify="right")
    for value, i, j in cells[:8]:
        text = figure.text[i][j] or number(value)
        grid.add_row(out.name(figure.y_names[i]), out.name(figure.x_names[j]), out.name(text))
    out.put(grid)
