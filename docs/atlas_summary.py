"""Write the tables of docs/atlas-summary.md from the verdicts on record; its picture and figure 1 from verdicts as JSON.

.venv/bin/python docs/atlas_summary.py                 # tables
.venv/bin/python docs/atlas_summary.py FOLDER          # picture too, from <claim>.json as `Verdict.to_json` writes it
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from widthwise.atlas import Verdict, summary

HERE = Path(__file__).parent
PAGE = HERE / "atlas-summary.md"
START, END = "<!-- verdicts -->", "<!-- end of verdicts -->"
PANELS = (
    ("liliang2018-coupling", "Figure 1: predicted before training", "predicted", (0.02, 0.05, 0.1)),
    ("liliang2018-mnist-coupling", "MNIST at its rate: gates do not stay", "predicted", (0.05, 0.1, 0.2, 0.5)),
    ("maennel2018-functions", "Wider networks, fewer functions", "upper bound", (1.0, 2.0, 4.0, 8.0)),
)
MEASURED, PREDICTED = "#0b5fa5", "#c2571a"


def put(text: str, start: str, end: str) -> None:
    """Text between two marks of the page."""
    before, rest = PAGE.read_text(encoding="utf-8").split(start)
    after = rest.split(end)[1]
    PAGE.write_text(f"{before}{start}\n\n{text}\n{end}{after}", encoding="utf-8")


def figure_1(folder: Path) -> str:
    """Li and Liang's figure 1: ours, theirs, the deviation in per cent."""
    found = Verdict.from_json((folder / "liliang2018-figure-1.json").read_text(encoding="utf-8"))
    lines = ["| | m | here | published | deviation |", "|---|---|---|---|---|"]
    for ours, theirs in zip(found.measured, found.predicted, strict=True):
        for m, here, there in zip(ours.x, ours.y, theirs.y, strict=True):
            assert here is not None and there is not None  # noqa: S101, PT018 - the claim holds, so all are finite
            lines.append(f"| {ours.label} | {m:g} | {here:.4f} | {there:.4f} | {100 * (here / there - 1):+.1f} % |")
    return "\n".join([*lines, ""])


def picture(folder: Path) -> None:
    """Prediction and measurement of three claims, and the same numbers as CSV."""
    figure = Figure(figsize=(11.0, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    rows = []
    for axes, (key, title, name, levels) in zip(figure.subplots(1, 3), PANELS, strict=True):
        found = Verdict.from_json((folder / f"{key}.json").read_text(encoding="utf-8"))
        for label, bands, colour, mark in (
            (name, found.predicted, PREDICTED, "-"),
            ("measured", found.measured, MEASURED, "o-"),
        ):
            for band in bands:
                axes.plot(band.x, [y or float("nan") for y in band.y], mark, color=colour, label=label)
                rows += [(key, label, band.label, x, y) for x, y in zip(band.x, band.y, strict=True)]
        axes.set(xscale="log", yscale="log", title=title, xlabel="width m", ylabel=found.measured[0].label)
        for axis, ticks in ((axes.xaxis, found.measured[0].x), (axes.yaxis, levels)):
            axis.set_major_locator(FixedLocator(list(ticks)))
            axis.set_minor_locator(NullLocator())
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.set_ylim(0.8 * levels[0], 1.25 * levels[-1])
        axes.legend(frameon=False, loc="best")
    figure.savefig(HERE / "images" / "atlas-surprises.png", dpi=110)
    with (HERE / "images" / "atlas-surprises.csv").open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(("claim", "kind", "curve", "width", "value"))
        table.writerows(rows)


if __name__ == "__main__":
    put(summary.markdown(), START, END)
    if len(sys.argv) > 1:
        picture(Path(sys.argv[1]))
        put(figure_1(Path(sys.argv[1])), "<!-- figure 1 -->", "<!-- end of figure 1 -->")
