"""Draw the figures that lead the documents, each with its data as CSV beside it.

    WIDTHWISE_DATA=FOLDER .venv/bin/python docs/lead_figures.py widths    # width theorems by year, on forty tables
    .venv/bin/python docs/lead_figures.py steps    # predicted before training against measured, from the calibration record

The record itself is made by benchmarks/calibration.py. `widths` evaluates every condition on the rows whose width the record
has; in place of the record's five generated sets it takes five tables more and measures their widths, in minutes.
"""

from __future__ import annotations

import csv
import math
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from widthwise import theory
from widthwise.audits import calibration
from widthwise.kernels import HInf
from widthwise.sweeps.training_job import material_of

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "benchmarks"))

import calibration as made  # noqa: E402 - the script beside this folder

IMAGES = HERE / "images"
GENERATED = ("~mnist1d", "~clusters", "~clusters-wide", "~sine", "~tanh")
INSTEAD = (
    "uci:breast-tissue",
    "uci:haberman-survival",
    "uci:molec-biol-promoter",
    "uci:oocytes_trisopterus_states_5b",
    "uci:wine-quality-red",
)
TABLES = (*(name for name in made.SETS if name not in GENERATED), *INSTEAD)
GROUPS = {
    (): ("rows alone", "#0b5fa5", "o"),
    ("lambda_0",): ("smallest eigenvalue", "#c2571a", "s"),
    ("phi",): ("separation", "#00705c", "^"),
    ("gamma",): ("margin", "#8a3d8a", "D"),
}
# Written beside the column of a condition, over or under it.
NAMED = {
    "zou2018": "Zou et al.",
    "allen-zhu2018": "Allen-Zhu, Li, Song",
    "du2018": "Du et al.",
    "zou2019-sgd": "Zou, Gu (SGD)",
    "arora2019-dynamics": "Arora et al.",
    "chen2019-separation": "Chen et al.",
    "munteanu2022-squared": "Munteanu et al.",
    "ji2019": "Ji, Telgarsky",
    "li2025": "Li et al.",
    "telgarsky2022": "Telgarsky",
}
COLOURS = {0.0: "#0b5fa5", 0.2: "#c2571a", 0.4: "#6a3d8a"}


def steps() -> None:
    """Steps to half of the residual: tables times label noise."""
    record = calibration.record()
    rows = [row for row in record.rows if row["steps_50"][0]]
    with (IMAGES / "steps.csv").open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(("set", "part", "label_noise", "predicted", "measured", "longest", "laziness"))
        for row in rows:
            predicted, measured = row["steps_50"]
            table.writerow(
                (row["set"], row["part"], row["label_noise"], predicted, measured, row["steps"], row["laziness"][0])
            )
    figure = Figure(figsize=(9.4, 6.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes, beside = figure.subplots(1, 2, width_ratios=(3.2, 1.0))
    ends = (0.8, 6000.0)
    axes.plot(ends, ends, color="#444444", linewidth=1, zorder=1)
    axes.fill_between(ends, [0.85 * e for e in ends], [1.15 * e for e in ends], color="#dddddd", linewidth=0, zorder=0)
    for noise, colour in COLOURS.items():
        for lazy in (True, False):
            chosen = [
                row
                for row in rows
                if row["label_noise"] == noise and record.lazy(row, "steps_50") is lazy and row["steps_50"][1]
            ]
            axes.scatter(
                [row["steps_50"][0] for row in chosen],
                [row["steps_50"][1] for row in chosen],
                s=30,
                facecolors=colour if lazy else "none",
                edgecolors=colour,
                linewidths=1.1,
                label=f"label noise {noise:g}" if lazy else None,
                zorder=3,
            )
        missed = [row for row in rows if row["label_noise"] == noise and row["steps_50"][1] is None]
        axes.scatter(
            [row["steps_50"][0] for row in missed],
            [row["steps"] for row in missed],
            s=34,
            marker="^",
            color=colour,
            zorder=3,
        )
    axes.scatter([], [], s=30, facecolors="none", edgecolors="#444444", label="predicted to leave the lazy regime")
    axes.scatter([], [], s=34, marker="^", color="#444444", label="not reached, at the end of its training")
    axes.set(
        xscale="log",
        yscale="log",
        xlim=ends,
        ylim=ends,
        xlabel="steps to half of the residual, predicted from the data before training",
        ylabel=f"measured: gradient descent, width {record.width}",
        title=f"Predicted before training against measured: {len({row['set'] for row in rows})} tables, {len(rows)} trainings",
    )
    axes.set_aspect("equal")
    axes.grid(visible=True, which="major", color="#eeeeee", zorder=0)
    axes.legend(frameon=False, loc="upper left")
    _failures(beside, rows)
    figure.savefig(IMAGES / "steps.png", dpi=130)
    sys.stdout.write("wrote docs/images/steps.png and steps.csv\n")


def _failures(axes: Axes, rows: list[dict[str, Any]]) -> None:
    """Names of the trainings that did not get there, and of those that were far off."""
    missed: dict[str, list[str]] = {}
    far: list[tuple[float, str]] = []
    for row in rows:
        predicted, measured = row["steps_50"]
        if measured is None:
            missed.setdefault(row["set"], []).append(f"{row['label_noise']:g}")
        else:
            far.append((measured / predicted, f"{row['set']}, {row['label_noise']:g}"))
    far.sort(reverse=True)
    number = sum(len(noises) for noises in missed.values())
    lines = [
        f"not reached, {number} of {len(rows)}",
        "(table: label noise)",
        "",
        *(f"{name}: {', '.join(noises)}" for name, noises in sorted(missed.items())),
        "",
        "slowest of those that were",
        "(measured over predicted)",
        "",
        *(f"{ratio:.1f}  {name}" for ratio, name in far[:8]),
    ]
    axes.set_axis_off()
    axes.text(0.0, 1.0, "\n".join(lines), transform=axes.transAxes, fontsize=7.5, va="top", linespacing=1.35)


def widths() -> None:
    """Publication year against the width that each theorem asks, on forty tables, over the widths that were measured."""
    # Outside of the tree: arrays that are written there are large.
    place = made.Place(Path(tempfile.gettempdir()) / "widthwise-lead-figures")
    on_record = {row["set"]: row for row in calibration.record().rows if row["label_noise"] == 0.0}
    rows: list[dict[str, Any]] = []
    for name in TABLES:
        table = _table(place, name, on_record.get(made.plain(name)))
        rows.extend(table)
        sys.stdout.write(f"{made.plain(name)}: measured width {table[0]['measured'] or 'beyond those tried'}\n")
        sys.stdout.flush()
    with (IMAGES / "widths.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({k: f"{v:.5g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows)
    _draw(rows)
    sys.stdout.write("wrote docs/images/widths.png and widths.csv\n")


def _table(place: made.Place, name: str, recorded: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Every condition with a number on one table, beside its measured width."""
    settings = made.settings(place, name, 0.0)
    if settings is None:
        raise ValueError(f"{name} has no rows without label noise")
    material = material_of(settings.model_copy(update={"n": min(made.WIDTH_ROWS, settings.n or made.WIDTH_ROWS)}))
    codes = material.codes[: len(material.X)]
    target = codes.astype(np.int64) if material.classes else np.asarray(material.targets, np.float64).reshape(-1)
    facts = theory.width_facts(material.X, target, HInf()(material.X))
    if recorded is not None:
        measured, interval = recorded["width"][1], recorded["width_interval"]
    else:
        found = made.width(place, name, 0.0) or {}
        measured, interval = made.within(found), [found["low"], found["high"]]
    own = {
        "set": made.plain(name),
        "n": facts.n,
        "d": facts.d,
        "classes": facts.classes,
        "lambda_0": facts.lambda_0,
        "phi": facts.phi,
        "gamma": facts.gamma,
        "measured": measured,
        "measured_low": interval[0],
        "measured_high": interval[1],
    }
    return [
        own
        | {
            "condition": row.condition.key,
            "year": row.condition.year,
            "log10_width": row.log10_width,
            "hypotheses": "unmet" if row.holds is False else "unchecked" if row.condition.assumes else "met",
        }
        for row in theory.width_conditions(facts)
        if row.condition.log10 is not None
    ]


def _draw(rows: list[dict[str, Any]]) -> None:
    tables = {row["set"]: row["measured"] for row in rows}
    seen = sorted(math.log10(width) for width in tables.values() if width)
    needs = {c.key: c.needs for c in theory.CONDITIONS}
    finite = [row["log10_width"] for row in rows if row["log10_width"] is not None]
    top = math.ceil(max(finite) / 10) * 10 + 4
    figure = Figure(figsize=(9.6, 6.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.axhspan(seen[0], seen[-1], color="#d9d9d9", linewidth=0, zorder=0)
    axes.axhline(float(np.median(seen)), color="#444444", linewidth=1.2, zorder=1)
    by_year: dict[int, list[str]] = {}
    for row in rows:
        if row["condition"] not in by_year.setdefault(row["year"], []):
            by_year[row["year"]].append(row["condition"])
    highest = {
        key: max((row["log10_width"] or 0.0) for row in rows if row["condition"] == key)
        for keys in by_year.values()
        for key in keys
    }
    for year, keys in by_year.items():
        keys.sort(key=lambda key: -highest[key])
        for place, key in enumerate(keys):
            x = year + 0.84 * ((place + 0.5) / len(keys) - 0.5)
            _column(axes, [row for row in rows if row["condition"] == key], x, GROUPS[needs[key]], top)
            if key in NAMED:
                axes.annotate(
                    NAMED[key],
                    (x, highest[key]),
                    (0, 6),
                    textcoords="offset points",
                    fontsize=7.5,
                    ha="left",
                    rotation=38,
                )
    for label, colour, marker in GROUPS.values():
        axes.scatter(
            [], [], s=22, marker=marker, color=colour, label=f"needs the {label}" if label != "rows alone" else label
        )
    axes.scatter(
        [], [], s=22, facecolors="none", edgecolors="#444444", label="hypothesis unmet (upper edge), or unchecked"
    )
    reached = len(seen)
    axes.text(
        2025.6,
        -3.7,
        f"measured: half of ten networks fit, {10 ** seen[0]:.0f} to {10 ** seen[-1]:.0f} neurons, median "
        f"{10 ** float(np.median(seen)):.0f}\n({reached} of {len(tables)} tables; more than was tried on {len(tables) - reached})",
        fontsize=8,
        ha="right",
        va="bottom",
    )
    axes.set(
        xlim=(2017.4, 2025.7),
        ylim=(-4, top + 2),
        xticks=range(2018, 2026),
        xlabel="year of the first version",
        ylabel="log10 of the width asked, constants at 1",
        title=f"Eight years of width theorems on {len(tables)} tables of up to {made.WIDTH_ROWS} rows",
    )
    axes.grid(visible=True, axis="y", color="#eeeeee", zorder=0)
    axes.legend(frameon=False, loc="upper right", fontsize=8.5)
    figure.savefig(IMAGES / "widths.png", dpi=130)


def _column(axes: Axes, rows: list[dict[str, Any]], x: float, group: tuple[str, str, str], top: float) -> None:
    """One condition on all tables."""
    _, colour, marker = group
    for state in ("met", "unchecked", "unmet"):
        values = [
            top if row["log10_width"] is None else row["log10_width"] for row in rows if row["hypotheses"] == state
        ]
        axes.scatter(
            [x] * len(values),
            values,
            s=13,
            marker=marker,
            facecolors=colour if state == "met" else "none",
            edgecolors=colour,
            linewidths=0.7,
            alpha=0.7,
            zorder=3,
        )


if __name__ == "__main__":
    {"steps": steps, "widths": widths}[sys.argv[1]]()
