"""The numbers drawn are the numbers given: paths are read back through the axes."""

from __future__ import annotations

import dataclasses
import math
import re
from xml.etree import ElementTree

import matplotlib
import pytest

from widthwise.pages import Bar, Bars, Counts, Curves, Heatmap, Histogram, Line, Mark
from widthwise.pages.curves import POINTS
from widthwise.pages.figures import to_svg
from widthwise.pages.theme import COLOURS

NAN, INF = math.nan, math.inf
BOTH = pytest.mark.parametrize("wide", [True, False], ids=["wide", "narrow"])


def read(svg):
    return ElementTree.fromstring(svg)  # noqa: S314 - our own


def numbers_of(path):
    return [(float(x), float(y)) for x, y in re.findall(r"[ML] (-?[\d.]+) (-?[\d.]+)", path)]


def unscale(part, range_):
    low, high, kind = range_.split()
    low, high = float(low), float(high)
    if kind == "log":
        return 10 ** (math.log10(low) + part * (math.log10(high) - math.log10(low)))
    return low + part * (high - low)


def data_of(root, points):
    left, top, width, height = map(float, root.get("data-box").split())
    return [
        (
            unscale((x - left) / width, root.get("data-x")),
            unscale(1 - (y - top) / height, root.get("data-y")),
        )
        for x, y in points
    ]


def series(root, which):
    group = next(e for e in root.iter("g") if e.get("data-series") == str(which))
    return data_of(root, numbers_of(group.find("path").get("d")))


def texts(root):
    return [e.text for e in root.iter("text")]


def one(x, y, **changes):
    kind = changes.pop("kind", "prediction")
    line = Line(
        label="line", x=tuple(x), y=tuple(y), kind=kind, **{k: changes.pop(k) for k in ("low", "high") if k in changes}
    )
    return Curves(title="t", description="d", x_label="x", y_label="y", lines=(line,), **changes)


@BOTH
@pytest.mark.parametrize("log_x", [False, True])
def test_marks_on_the_edge_are_whole_and_lines_beyond_it_are_cut(wide, log_x):
    """Clipping would halve the first and the last mark; a line that leaves the frame needs it."""

    def cut(**changes):
        root = read(
            to_svg(
                one((4.85434, 20.0, 78.59765), (0.2, 0.9, 0.4), kind="measurement", log_x=log_x, **changes), wide=wide
            )
        )
        group = next(e for e in root.iter("g") if e.get("data-series") == "0")
        return any("clip-path" in e.attrib for e in group.iter())

    assert not cut()
    assert cut(y_max=0.5)


@BOTH
@pytest.mark.parametrize(("log_x", "log_y"), [(False, False), (True, False), (False, True), (True, True)])
def test_curves_draw_their_points(wide, log_x, log_y):
    x, y = (1.0, 3.0, 10.0, 40.0, 100.0), (1.0, 0.3, 0.5, 0.01, 0.02)
    root = read(to_svg(one(x, y, log_x=log_x, log_y=log_y), wide=wide))
    drawn = series(root, 0)
    assert len(drawn) == 5
    for (a, b), u, v in zip(drawn, x, y, strict=True):
        # Coordinates have two decimals: 0.005 of at least 190 pixels, on ranges of 2.1 decades or one unit at most.
        assert a == pytest.approx(u, rel=2e-4 if log_x else 0, abs=0 if log_x else 0.005)
        assert b == pytest.approx(v, rel=2e-4 if log_y else 0, abs=0 if log_y else 5e-5)


@BOTH
def test_the_range_of_an_axis_can_be_given(wide):
    root = read(to_svg(one((0.0, 1.0), (0.2, 0.4), y_min=0.0, y_max=1.0), wide=wide))
    assert root.get("data-y") == "0.0 1.0 linear"
    root = read(to_svg(one((0.0, 1.0), (0.2, 0.4), y_min=0.0, log_y=True), wide=wide))
    assert root.get("data-y").endswith("log")


def test_long_lines_are_thinned_but_keep_their_extremes():
    x = tuple(float(k) for k in range(6_000))
    y = tuple(math.sin(k / 500) + (5.0 if k == 4_321 else 0.0) - (7.0 if k == 777 else 0.0) for k in range(6_000))
    drawn = series(read(to_svg(one(x, y), wide=True)), 0)
    assert len(drawn) <= POINTS + 4
    assert max(b for _, b in drawn) == pytest.approx(max(y), abs=1e-3)
    assert min(b for _, b in drawn) == pytest.approx(min(y), abs=1e-3)
    assert (drawn[0][0], drawn[-1][0]) == (pytest.approx(0, abs=1), pytest.approx(5_999, abs=1))


def test_the_thinning_is_even_on_a_log_axis():
    x = tuple(float(k) for k in range(1, 6_001))
    drawn = series(read(to_svg(one(x, x, log_x=True), wide=True)), 0)
    assert sum(a < 100 for a, _ in drawn) > 30
    assert len(drawn) <= POINTS + 4


@BOTH
@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize(
    ("x", "y"),
    [
        ((), ()),
        ((1.0,), (2.0,)),
        ((0.0,), (0.0,)),
        ((1.0, 2.0, 3.0), (NAN, INF, -INF)),
        ((0.0, 1.0, 2.0, NAN, INF), (0.0, 1.0, -1.0, 1.0, 1.0)),
        ((1.0, 1.0), (1.0, 1.0)),
        ((1e-300, 1e300), (1e-300, 1e300)),
        ((5e-324, 1.7e308), (-1.7e308, 1.7e308)),
        (tuple(float(k) for k in range(1000)), (NAN,) * 500 + (1.0,) * 500),
        (tuple(float(k) for k in range(1000)), (NAN, 1.0) * 500),
    ],
)
def test_awkward_lines_do_not_crash(x, y, log, wide):
    plain = one(x, y, log_x=log, log_y=log)
    lines = tuple(
        dataclasses.replace(plain.lines[0], kind=kind, group=group, low=low, high=low)
        for group, kind in enumerate(("prediction", "measurement", "reference"))
        for low in (None, y)
    )
    read(to_svg(plain, wide=wide))
    read(to_svg(dataclasses.replace(plain, lines=lines), wide=wide))


def test_a_gap_stays_a_gap():
    root = read(to_svg(one((1.0, 2.0, 3.0, 4.0, 5.0), (1.0, 2.0, NAN, 1.0, 2.0)), wide=True))
    path = next(e for e in root.iter("g") if e.get("data-series") == "0").find("path").get("d")
    assert path.count("M") == 2


def test_a_single_point_is_seen():
    root = read(to_svg(one((1.0,), (2.0,)), wide=True))
    assert list(root.iter("use"))


def test_kinds_look_different():
    lines = tuple(
        Line(label=kind, x=(0.0, 1.0), y=(0.0, 1.0), kind=kind, group=1)  # type: ignore[arg-type]
        for kind in ("prediction", "measurement", "reference")
    )
    root = read(to_svg(Curves(title="", description="", x_label="", y_label="", lines=lines), wide=True))
    found = {e.get("data-series"): e for e in root.iter("g") if e.get("data-series")}
    style = {key: group.find("path").get("style") for key, group in found.items()}
    assert "stroke-width: 3;" in style["0"] + ";"
    assert "var(--c1)" in style["0"]
    assert "stroke-width: 1.1" in style["1"]
    assert len(list(found["1"].iter("use"))) > 0
    assert len(list(found["0"].iter("use"))) == 0
    assert "dasharray" in style["2"]
    assert "var(--axis)" in style["2"]


@BOTH
def test_every_label_is_written_once(builders, wide):
    written = texts(read(to_svg(builders.curves(), wide=wide)))
    for label in ("predicted", "width 128", "shuffled labels", "chance", "steps", "training error", "half way", "5 %"):
        assert written.count(label) == 1, label


@BOTH
def test_no_two_texts_overlap_and_none_leaves_the_figure(builders, wide):
    from widthwise.pages.scales import text_width

    for figure in (builders.curves(), builders.curves(log_y=True), builders.bars(), builders.histogram()):
        root = read(to_svg(figure, wide=wide))
        _, _, width, height = map(float, root.get("viewBox").split())
        boxes = []
        for e in root.iter("text"):
            style = e.get("style")
            size = float(re.search(r"font-size: ([\d.]+)", style).group(1))
            assert size >= 11.5
            # The estimate is generous; what is drawn is a tenth narrower.
            long = text_width(e.text, size) * 0.9
            start = (
                float(e.get("x"))
                - {"start": 0, "middle": long / 2, "end": long}[re.search("anchor: ([a-z]+)", style).group(1)]
            )
            boxes.append((start, float(e.get("y")) - size * 0.75, start + long, float(e.get("y")), e.text))
        for left, top, right, bottom, text in boxes:
            assert -1 <= left <= right <= width + 1, text
            assert 0 <= top <= bottom <= height, text
        for i, a in enumerate(boxes):
            for b in boxes[:i]:
                assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1], (a, b)


@BOTH
def test_bars_have_the_length_of_their_values(builders, wide):
    figure = builders.bars()
    root = read(to_svg(figure, wide=wide))
    drawn = {}
    for e in root.iter("g"):
        if e.get("data-bar"):
            drawn[int(e.get("data-bar"))] = data_of(root, numbers_of(e.find("path").get("d")))
    assert sorted(drawn) == [0, 1, 3]
    for which, points in drawn.items():
        xs = [a for a, _ in points]
        value = figure.bars[which].value
        assert (min(xs), max(xs)) == (pytest.approx(min(value, 0), abs=1e-3), pytest.approx(max(value, 0), abs=1e-3))
    whisker = next(e for e in root.iter("g") if e.get("data-whisker") == "0")
    ends = [a for a, _ in data_of(root, numbers_of(whisker.find("path").get("d")))]
    assert ends == [pytest.approx(0.75, abs=1e-3), pytest.approx(0.85, abs=1e-3)]
    assert "did not converge" in texts(root)


@BOTH
def test_histograms_draw_their_counts(builders, wide):
    root = read(to_svg(builders.histogram(), wide=wide))
    heights = {round(b, 1) for _, b in series(root, 0)}
    assert heights == {0.0, 1.0, 5.0, 10.0}
    assert list(root.iter("pattern"))


@BOTH
@pytest.mark.parametrize("classes", [0, 1, 2, 10, 20, 21, 100])
def test_heat_maps_of_any_size(builders, wide, classes):
    svg = to_svg(builders.heatmap(classes), wide=wide)
    root = read(svg)
    cells = sum(e.find("path").get("d").count("M") for e in root.iter("g") if e.get("data-depth"))
    expected = sum(v > 0 for row in builders.heatmap(classes).values for v in row)
    assert cells == expected
    assert len(svg) < 1_000_000
    if classes > 20:
        assert not {"14", "9", "100"} & set(texts(root))


def test_cells_stand_where_their_names_say():
    figure = Heatmap(
        title="",
        description="",
        x_label="",
        y_label="",
        x_names=("a", "b"),
        y_names=("c", "d"),
        values=((0.0, 1.0), (0.0, NAN)),
        text=(("", "here"), ("", "")),
    )
    root = read(to_svg(figure, wide=True))
    left, top, width, height = map(float, root.get("data-box").split())
    cell = next(e for e in root.iter("g") if e.get("data-depth"))
    xs, ys = zip(*numbers_of(cell.find("path").get("d")), strict=True)
    assert min(xs) == pytest.approx(left + width / 2, abs=0.02)
    assert max(ys) == pytest.approx(top + height / 2, abs=0.02)
    at = {e.text: float(e.get("x")) for e in root.iter("text")}
    assert at["here"] == at["b"] > at["a"]


def test_empty_figures_do_not_crash():
    for wide in (True, False):
        to_svg(Curves(title="", description="", x_label="", y_label="", lines=()), wide=wide)
        to_svg(Bars(title="", description="", x_label="", bars=()), wide=wide)
        to_svg(Bars(title="", description="", x_label="", bars=(Bar(label="a", value=0.0),)), wide=wide)
        to_svg(Histogram(title="", description="", x_label="", edges=(), counts=()), wide=wide)
        none = Counts(label="a", values=())
        to_svg(Histogram(title="", description="", x_label="", edges=(0.0,), counts=(none,)), wide=wide)


def test_marks_outside_the_range_are_left_out():
    marks = (Mark(axis="y", value=NAN, label="nowhere"), Mark(axis="y", value=9.0, label="above"))
    root = read(to_svg(one((0.0, 1.0), (0.0, 1.0), y_max=1.0, y_min=0.0, marks=marks), wide=True))
    assert not {"nowhere", "above"} & set(texts(root))


def test_hostile_labels_are_text(builders):
    for name in builders.HOSTILE:
        figure = one((0.0, 1.0), (0.0, 1.0), marks=(Mark(axis="y", value=0.5, label=name),))
        root = read(to_svg(dataclasses.replace(figure, title=name, y_label=name), wide=True))
        assert not [e for e in root.iter() if e.tag in {"script", "img", "foreignObject", "style"}]


def test_drawings_are_lean_and_reproducible(builders):
    first, second = (to_svg(builders.curves(), wide=True) for _ in range(2))
    assert first == second
    assert len(first) < 60_000
    assert "http" not in first
    assert "#ad00" not in first
    assert set(re.findall(r"var\(--([a-z0-9]+)\)", first)) <= set(COLOURS)
    assert not re.findall(r"\d\.\d{3,}", re.sub(r'data-[xy]="[^"]*"', "", first))


def test_ids_of_two_drawings_never_meet(builders):
    drawings = [to_svg(f, wide=w) for f in (builders.curves(), builders.histogram()) for w in (True, False)]
    ids = [i for svg in drawings for i in re.findall(r'\bid="([^"]+)"', svg)]
    assert len(ids) == len(set(ids))
    for svg in drawings:
        own = set(re.findall(r'\bid="([^"]+)"', svg))
        assert set(re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', svg)) <= {
            pair for i in own for pair in ((i, ""), ("", i))
        }


def test_the_settings_of_the_reader_neither_matter_nor_change(builders):
    expected = to_svg(builders.curves(), wide=True)
    with matplotlib.rc_context(
        {
            "text.usetex": True,
            "svg.fonttype": "path",
            "axes.linewidth": 9,
            "lines.marker": "o",
            "savefig.bbox": "tight",
            "savefig.dpi": 300,
            "figure.autolayout": True,
            "font.size": 30,
            "axes.xmargin": 0.4,
            "savefig.pad_inches": 2.0,
        }
    ):
        before = dict(matplotlib.rcParams)
        assert to_svg(builders.curves(), wide=True) == expected
        assert dict(matplotlib.rcParams) == before
