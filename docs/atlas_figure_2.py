"""Runs behind the tables of Li and Liang's figure 2 in docs/atlas-summary.md: MNIST at the paper's steps, three readings.

.venv/bin/python docs/atlas_figure_2.py WIDTH...     # a minute and a half of one core for each reading at width 1000, in proportion

Writes docs/images/atlas-figure-2.csv; runs that it has are not made again. `docs/atlas_summary.py` makes the tables of it.
"""

from __future__ import annotations

import csv
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from widthwise import load
from widthwise.atlas.liliang2018_figures import ACCURACY, DISTANCE, FIGURE_2_STEP, FLIPS, SPECTRUM_2
from widthwise.atlas.liliang2018_mnist import FITTED_RATE, PRINTED_RATE
from widthwise.atlas.liliang2018_training import descend
from widthwise.atlas.registry import find
from widthwise.atlas.trial import Trial, rows_of
from widthwise.training.probes import Distances, Flips

PLACE = Path(__file__).parent / "images" / "atlas-figure-2.csv"
FIELDS = ("mode", "rate", "width", "seed", "quantity", "value")
READINGS = (("paper_text", PRINTED_RATE), ("paper_figure", PRINTED_RATE), ("paper_figure", FITTED_RATE))
SEED = 0


def known() -> list[dict[str, str]]:
    """Lines of the file."""
    if not PLACE.exists():
        return []
    with PLACE.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def main(widths: list[int]) -> None:
    """All readings at these widths."""
    settings = find("liliang2018-figure-2").settings["paper"]
    rows = rows_of(load("mnist"), settings, labels="classes", unit=True, seed=SEED, test=load("mnist", split="test"))
    for m in widths:
        for mode, rate in READINGS:
            told = known()
            name = (mode, f"{rate:g}", str(m), str(SEED))
            if any(tuple(line[field] for field in FIELDS[:4]) == name for line in told):
                continue
            own = replace(settings, more={**settings.more, "mode": mode, "rate": rate})
            trial = Trial(settings=own, rows=rows, seed=SEED)
            run = descend(trial, rows, m, steps=FIGURE_2_STEP, probes=(Flips(rows=1000), Distances()), watch_test=True)
            found = {
                FLIPS: float(run.history.probes["flips.mean"][-1]),
                DISTANCE: float(run.history.probes["distances.relative"][-1]),
                ACCURACY: 1.0 - float(run.history.test_error[-1]),
            }
            values = np.linalg.svd(np.asarray(run.update["W"], np.float64), compute_uv=False)
            found |= {f"singular value {rank}": float(values[rank]) for rank in SPECTRUM_2 if rank < len(values)}
            lines = [dict(zip(FIELDS, (*name, what, f"{value:.6g}"), strict=True)) for what, value in found.items()]
            with PLACE.open("w", encoding="utf-8", newline="") as stream:
                table = csv.DictWriter(stream, FIELDS, lineterminator="\n")
                table.writeheader()
                table.writerows([*told, *lines])
            sys.stderr.write(f"{name}: {found}\n")


if __name__ == "__main__":
    main([int(width) for width in sys.argv[1:]] or [1000])
