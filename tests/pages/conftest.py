"""A page with every kind of block, and one full of hostile names."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest

from widthwise.pages import (
    Alert,
    Bar,
    Bars,
    Bullets,
    Code,
    Column,
    Counts,
    Curves,
    Details,
    Heatmap,
    Histogram,
    KeyNumber,
    KeyNumbers,
    Line,
    Mark,
    Page,
    Picture,
    Pictures,
    Section,
    Table,
    Text,
)
from widthwise.pages.html import fragment, to_html

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "abc\u202egnp.exe",
    "n" * 10_000,
    "\x1b[31mred\x1b[0m\x07\x9b2J",
    "$\\frac{1}{0}$",
    "_hidden",
    "[bold]rich[/bold] :smile:",
    "{{ 7 * 7 }}",
    "名前の列",
    "\ud800 lone",
    "`code` **bold**",
    "</style></title></svg>",
    "javascript:alert(1)",
)


def make_curves(**changes: object) -> Curves:
    x = tuple(10 ** (k / 100) for k in range(401))
    fast = tuple(math.exp(-v / 50) for v in x)
    fields: dict[str, object] = {
        "title": "Training error",
        "description": "Thick lines are predictions.",
        "x_label": "steps",
        "y_label": "training error",
        "lines": (
            Line(label="predicted", x=x, y=fast, kind="prediction", low=tuple(v * 0.8 for v in fast), high=fast),
            Line(label="width 128", x=x, y=tuple(v * 1.1 for v in fast), kind="measurement", group=1),
            Line(label="shuffled labels", x=x, y=tuple(v**0.2 for v in fast), kind="prediction", group=2),
            Line(label="chance", x=(1.0, 1e4), y=(0.9, 0.9), kind="reference"),
        ),
        "log_x": True,
        "marks": (
            Mark(axis="x", value=35.0, label="half way"),
            Mark(axis="x", value=40.0, label="another close by"),
            Mark(axis="y", value=0.05, label="5 %"),
        ),
    }
    return Curves(**{**fields, **changes})  # type: ignore[arg-type]


def make_bars() -> Bars:
    return Bars(
        title="Accuracy",
        description="Whiskers: 95 %.",
        x_label="accuracy",
        bars=(
            Bar(label="wide network", value=0.8, low=0.75, high=0.85, emphasis=True, text="80 %"),
            Bar(label="baseline", value=0.4),
            Bar(label="failed", value=math.nan, text="did not converge"),
            Bar(label="worse than nothing", value=-0.1, low=-0.15, high=-0.05),
        ),
    )


def make_histogram() -> Histogram:
    return Histogram(
        title="Margins",
        description="Left of zero: suspects.",
        x_label="margin",
        edges=(-1.0, 0.0, 1.0, 2.0),
        counts=(
            Counts(label="all", values=(1.0, 5.0, 10.0)),
            Counts(label="suspects", values=(3.0, 1.0, 0.0), group=1),
        ),
        marks=(Mark(axis="x", value=0.0, label="undecided"),),
    )


def make_heatmap(classes: int, *, name: str = "class {}") -> Heatmap:
    names = tuple(name.format(i) for i in range(classes))
    values = tuple(
        tuple(1.0 if i == j else ((i * 7 + j * 3) % 11) / 22 for j in range(classes)) for i in range(classes)
    )
    return Heatmap(
        title=f"Confusion of {classes}",
        description="Rows: label; columns: predicted.",
        x_label="predicted",
        y_label="label",
        x_names=names,
        y_names=names,
        values=values,
        text=tuple(tuple(f"{100 * v:.0f}" for v in row) for row in values),
    )


def make_page(sections: tuple[Section, ...] | None = None) -> Page:
    grey = tuple(tuple((i + j) / 14 for j in range(8)) for i in range(8))
    red = tuple(tuple((1.0, 0.0, 0.0) for _ in range(3)) for _ in range(2))
    table = Table(
        columns=(Column(name="row", align="right"), Column(name="label"), Column(name="remark")),
        rows=(("1", "cat", "a remark that is rather long for a narrow column"), ("23", "dog", "")),
        caption="Rows to look at",
    )
    default = (
        Section(
            key="speed",
            title="How fast will a wide network fit it?",
            lead="Fast: **310 steps**.",
            blocks=(
                KeyNumbers(items=(KeyNumber(label="steps", value="310", note="learning rate 0.2"),) * 3),
                make_curves(),
                Text(text="A paragraph with `code` in it."),
                Details(title="More", blocks=(Text(text="Hidden at first."), table)),
            ),
        ),
        Section(
            title="How well will it generalise?",
            blocks=(
                make_bars(),
                make_heatmap(10, name="{}"),
                make_heatmap(4),
                make_heatmap(30),
                Bullets(items=("One.", "Two, `three`.")),
            ),
        ),
        Section(
            title="Which labels deserve a look?",
            blocks=(
                make_histogram(),
                Pictures(
                    items=(
                        Picture(pixels=grey, title="row 1", caption="p 0.01"),
                        Picture(pixels=red, title="row 2"),
                    ),
                    caption="Suspects.",
                ),
                table,
                Alert(level="danger", text="Equal rows differ."),
                make_curves(log_y=True, title="The same, log"),
                Code(text="import widthwise as ww\n\nww.audit('data.csv', target='label', verify='quick', seed=0)"),
            ),
        ),
    )
    return Page(
        title="digits: 1797 rows",
        subtitle="seed 0",
        verdict=("It fits in **310 steps**.", "It should be right on `98 %`."),
        alerts=(Alert(level="warning", text="**24 rows** occur twice."), Alert(level="info", text="Scaled.")),
        sections=default if sections is None else sections,
        colophon=(Text(text="Made by widthwise."), Code(text="widthwise audit digits")),
    )


def make_hostile_page(name: str) -> Page:
    """A name from data in every place where one can stand."""
    return Page(
        title=name,
        subtitle=name,
        verdict=(name,),
        alerts=(Alert(level="danger", text=name),),
        sections=(
            Section(
                title=name,
                key=name,
                lead=name,
                blocks=(
                    Text(text=name),
                    Bullets(items=(name,)),
                    KeyNumbers(items=(KeyNumber(label=name, value=name, note=name),)),
                    Table(columns=(Column(name=name),), rows=((name,),), caption=name),
                    Code(text=name),
                    Details(title=name, blocks=(Text(text=name),)),
                    make_curves(
                        title=name,
                        description=name,
                        x_label=name,
                        y_label=name,
                        lines=(Line(label=name, x=(1.0, 2.0), y=(1.0, 2.0), kind="measurement"),),
                        marks=(Mark(axis="y", value=1.5, label=name), Mark(axis="x", value=1.5, label=name)),
                    ),
                    Bars(
                        title=name,
                        description=name,
                        x_label=name,
                        bars=(Bar(label=name, value=1.0, text=name), Bar(label="b", value=2.0)),
                    ),
                    Histogram(
                        title=name,
                        description=name,
                        x_label=name,
                        edges=(0.0, 1.0),
                        counts=(Counts(label=name, values=(1.0,)),),
                    ),
                    Heatmap(
                        title=name,
                        description=name,
                        x_label=name,
                        y_label=name,
                        x_names=(name, "b"),
                        y_names=(name, "b"),
                        values=((1.0, 0.0), (0.2, 1.0)),
                        text=((name, "0"), ("1", "2")),
                    ),
                    Pictures(items=(Picture(pixels=((0.5,),), title=name, caption=name),), caption=name),
                ),
            ),
            Section(title=name, key=name, blocks=()),
        ),
        colophon=(Text(text=name),),
    )


@pytest.fixture(scope="session")
def page() -> Page:
    return make_page()


@pytest.fixture(scope="session")
def builders() -> SimpleNamespace:
    """The functions of this file, for tests that need other pages."""
    return SimpleNamespace(
        HOSTILE=HOSTILE,
        curves=make_curves,
        bars=make_bars,
        histogram=make_histogram,
        heatmap=make_heatmap,
        page=make_page,
        hostile_page=make_hostile_page,
    )


@pytest.fixture(scope="session")
def html(page: Page) -> str:
    """The page rendered as a document."""
    return to_html(page)


@pytest.fixture(scope="session")
def piece(page: Page) -> str:
    """The page rendered as a fragment."""
    return fragment(page)
