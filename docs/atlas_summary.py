"""Write the tables and pictures of docs/atlas-summary.md.

.venv/bin/python docs/atlas_summary.py           # verdicts on record, and figure 2 from the runs of atlas_figure_2.py
.venv/bin/python docs/atlas_summary.py FOLDER    # the rest too, from <claim>.json as `Verdict.to_json` writes it
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from widthwise.atlas import Verdict, summary
from widthwise.atlas.liliang2018_figures import FIGURE_2, SPECTRUM_2
from widthwise.atlas.maennel2018_maps import prescribed
from widthwise.atlas.maennel2018_training import ALIGNED, grown, network, plane, until
from widthwise.atlas.registry import find
from widthwise.atlas.trial import Trial
from widthwise.training.probes.kinks import kink_map

HERE = Path(__file__).parent
PAGE = HERE / "atlas-summary.md"
START, END = "<!-- verdicts -->", "<!-- end of verdicts -->"
PANELS = (
    ("liliang2018-coupling", "Figure 1: predicted before training", "predicted", (0.02, 0.05, 0.1)),
    ("liliang2018-mnist-coupling", "MNIST at its rate: gates do not stay", "predicted", (0.05, 0.1, 0.2, 0.5)),
    ("maennel2018-functions", "Wider networks, fewer functions", "upper bound", (1.0, 2.0, 4.0, 8.0)),
)
SEED = 0
MEASURED, PREDICTED = "#0b5fa5", "#c2571a"


def put(text: str, start: str, end: str) -> None:
    """Text between two marks of the page."""
    before, rest = PAGE.read_text(encoding="utf-8").split(start)
    after = rest.split(end)[1]
    PAGE.write_text(f"{before}{start}\n\n{text}\n{end}{after}", encoding="utf-8")


def verdict_of(folder: Path, claim: str) -> Verdict:
    """As `Verdict.to_json` wrote it."""
    return Verdict.from_json((folder / f"{claim}.json").read_text(encoding="utf-8"))


def beside(folder: Path, x: str, *claims: tuple[str, str]) -> str:
    """Published values, and for each claim that predicts them ours with the deviation in per cent.

    Args:
        folder: of the verdicts.
        x: name of the abscissa.
        claims: key, and what its setting is called.
    """
    found = [verdict_of(folder, key) for key, _ in claims]
    head = ["", x, "published", *(part for _, name in claims for part in (name, "deviation"))]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for place, theirs in enumerate(found[0].predicted):
        ours = [next(band for band in one.measured if band.label == theirs.label) for one in found]
        assert all(band.x == theirs.x for band in ours)  # noqa: S101 - claims match their curves
        assert all(one.predicted[place].y == theirs.y for one in found)  # noqa: S101 - of the same figure
        for i, there in enumerate(theirs.y):
            cells = [told(band.y[i], there) for band in ours]
            lines.append(f"| {theirs.label} | {theirs.x[i]:g} | {number(there)} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def told(ours: float | None, theirs: float | None) -> str:
    """Ours and the deviation, two cells."""
    return f"{number(ours)} | " + ("" if ours is None or not theirs else f"{100 * (ours / theirs - 1):+.1f} %")


def number(value: float | None) -> str:
    """Four digits."""
    return "" if value is None else f"{value:.4g}"


def figure_2() -> str:
    """Figure 2 (a, b, c) from the runs of atlas_figure_2.py."""
    runs = _runs()
    head = ["", "m", "published", *(part for name in runs for part in (name, "deviation"))]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for label, known in FIGURE_2.items():
        for m, theirs in known.items():
            cells = [told(found.get((m, label)), theirs) for found in runs.values()]
            if any(found.get((m, label)) is not None for found in runs.values()):
                lines.append(f"| {label} | {m} | {number(theirs)} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def spectrum_2() -> str:
    """Figure 2 (d), over the first value, at the largest width that every reading has."""
    runs = _runs()
    m = max(set.intersection(*({m for m, _ in found} for found in runs.values())))
    head = ["rank", "published", *(part for name in runs for part in (f"{name}, m = {m}", "deviation"))]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for rank, theirs in SPECTRUM_2.items():
        there = theirs / SPECTRUM_2[0]
        cells = []
        for found in runs.values():
            ours = found.get((m, f"singular value {rank}"))
            cells.append(told(None if ours is None else ours / found[m, "singular value 0"], there))
        lines.append(f"| {rank + 1} | {number(there)} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _runs() -> dict[str, dict[tuple[int, str], float]]:
    """Values by width and quantity, for every reading; the fitted one first."""
    found: dict[str, dict[tuple[int, str], float]] = {}
    with (HERE / "images" / "atlas-figure-2.csv").open(encoding="utf-8", newline="") as stream:
        for line in csv.DictReader(stream):
            name = f"`{line['mode']}`, {line['rate']}/m"
            found.setdefault(name, {})[int(line["width"]), line["quantity"]] = float(line["value"])
    return dict(sorted(found.items(), key=lambda item: ", 200/m" not in item[0]))


def functions_by_scale(folder: Path) -> str:
    """Distinct functions among fifty networks, means over the seeds."""
    found = verdict_of(folder, "maennel2018-functions-by-scale")
    scales = [10.0**-x for x in found.measured[0].x]
    larger = [float(name.rpartition(" ")[2]) for name in found.numbers if name.startswith(found.measured[0].label)]
    head = ["width", *(f"start {scale:g}" for scale in (*larger, *scales))]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for band in found.measured:
        beyond = [found.numbers[f"{band.label}, start of scale {scale:g}"] for scale in larger]
        lines.append(f"| {band.label.rpartition(' ')[2]} | {' | '.join(number(y) for y in (*beyond, *band.y))} |")
    return "\n".join([*lines, ""])


def smallest_widths(folder: Path) -> str:
    """Chen et al.'s figure: published, ours, the deviation in per cent, where the numbers of rows are the same."""
    lines = ["| | rows | published | here | deviation |", "|---|---|---|---|---|"]
    for key in ("chen2019-width-cat-dog", "chen2019-width-cat-ship"):
        if not (folder / f"{key}.json").exists():
            continue
        (ours,), (theirs,) = verdict_of(folder, key).measured, find(key).published
        for n, y in zip(theirs.x.tolist(), theirs.y.tolist(), strict=True):
            if n in ours.x:
                name = key.removeprefix("chen2019-width-").replace("-", " and ")
                lines.append(f"| {name} | {n:g} | {number(y)} | {told(ours.y[ours.x.index(n)], y)} |")
    return "\n".join([*lines, ""])


def kink_maps() -> None:
    """Kinks of networks of several widths: at the end of the alignment, after the first growth, and from a start of one."""
    claim = find("maennel2018-kinks")
    settings = claim.settings["quick"]
    assert claim.sample is not None  # noqa: S101 - its rows are made
    trial = Trial(settings=settings, rows=claim.sample(settings, SEED), seed=SEED)
    small = trial.more("scale")
    panels = (
        ("From 1e-6, before the function grows", lambda m: until(trial, m, small, ALIGNED)),
        ("From 1e-6, after the first growth", lambda m: grown(trial, m, small, 1)[0]),
        ("From 1, as many steps of growth later", lambda m: grown(trial, m, 1.0, 1)[0]),
    )
    figure = Figure(figsize=(11.0, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    rows = []
    for axes, (title, run_of) in zip(figure.subplots(1, 3, sharey=True), panels, strict=True):
        for place in prescribed(trial):
            axes.axvline(place, color=PREDICTED, lw=0.8, ls="--", label="prescribed" if place == 0 else None)
        for m in settings.widths:
            run = run_of(m)
            kinks = kink_map(network(m), {name: np.asarray(v) for name, v in run.params.items()}, plane(trial))
            share = np.abs(kinks.jumps) / np.abs(kinks.jumps).max()
            seen = (np.abs(kinks.positions) <= 6.0) & (share > 1e-3)
            axes.scatter(
                kinks.positions[seen],
                np.full(seen.sum(), float(m)),
                s=4 + 60 * share[seen],
                c=[MEASURED if jump > 0 else "#555555" for jump in kinks.jumps[seen]],
                alpha=0.5,
                lw=0,
            )
            rows += [
                (title, m, f"{x:.6g}", f"{jump:.6g}")
                for x, jump in zip(kinks.positions[seen], kinks.jumps[seen], strict=True)
            ]
        axes.set(title=title, xlabel="where the slope jumps", yscale="log", xlim=(-6, 6))
        axes.axvspan(-1, 1, color="#f2f2f2", zorder=0)
    first = figure.axes[0]
    first.set_ylabel("width m")
    first.yaxis.set_major_locator(FixedLocator(list(settings.widths)))
    first.yaxis.set_minor_locator(NullLocator())
    first.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    first.set_ylim(0.6 * min(settings.widths), 1.6 * max(settings.widths))
    first.legend(frameon=False, loc="upper left")
    figure.savefig(HERE / "images" / "atlas-kinks.png", dpi=110)
    with (HERE / "images" / "atlas-kinks.csv").open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(("panel", "width", "position", "jump"))
        table.writerows(rows)


def picture(folder: Path) -> None:
    """Prediction and measurement of three claims, and the same numbers as CSV."""
    figure = Figure(figsize=(11.0, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    rows = []
    for axes, (key, title, name, levels) in zip(figure.subplots(1, 3), PANELS, strict=True):
        found = verdict_of(folder, key)
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


TABLES = (
    ("figure 1", lambda folder: beside(folder, "m", ("liliang2018-figure-1", "`paper_figure`"), PRINTED_1)),
    ("figure 1 a", lambda folder: beside(folder, "step", ("liliang2018-figure-1-accuracy", "`paper_figure`"))),
    ("figure 1 c", lambda folder: beside(folder, "step", ("liliang2018-figure-1-course", "`paper_figure`"))),
    ("figure 1 d", lambda folder: beside(folder, "rank", ("liliang2018-figure-1-spectrum", "`paper_figure`"))),
    ("functions by scale", functions_by_scale),
    ("smallest widths", smallest_widths),
)
PRINTED_1 = ("liliang2018-figure-1-printed", "`paper_text`")

if __name__ == "__main__":
    put(summary.markdown(), START, END)
    put(figure_2(), "<!-- figure 2 -->", "<!-- end of figure 2 -->")
    put(spectrum_2(), "<!-- figure 2 d -->", "<!-- end of figure 2 d -->")
    if len(sys.argv) > 1:
        verdicts = Path(sys.argv[1])
        for name, made in TABLES:
            put(made(verdicts), f"<!-- {name} -->", f"<!-- end of {name} -->")
        kink_maps()
        if all((verdicts / f"{key}.json").exists() for key, *_ in PANELS):
            picture(verdicts)
