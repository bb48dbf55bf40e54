"""Draw the figures that lead the documents, each with its data as CSV beside it.

    .venv/bin/python docs/lead_figures.py steps    # predicted before training against measured, from the calibration record

The record itself is made by benchmarks/calibration.py.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from widthwise.audits import calibration

IMAGES = Path(__file__).parent / "images"
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
    figure = Figure(figsize=(7.2, 6.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
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
    figure.savefig(IMAGES / "steps.png", dpi=130)
    sys.stdout.write("wrote docs/images/steps.png and steps.csv\n")


if __name__ == "__main__":
    {"steps": steps}[sys.argv[1]]()
