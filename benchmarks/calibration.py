"""Predicted against measured: the record from which the audit draws its bands, on forty data sets and three levels of label noise.

    WIDTHWISE_DATA=FOLDER .venv/bin/python benchmarks/calibration.py [--part I/N] [--out FOLDER] [--sets A,B] [STEP]

STEP is predict, train, widths, record or tables. Without one all of it is done: `predict` computes predictions from kernels,
`train` runs the networks as a sweep, `widths` measures widths, `record` writes
src/widthwise/audits/calibration-record.json. Each goes on where it was stopped; `--part` shares `train` and `widths` among
processes. `tables` prints the record as Markdown.
"""

from __future__ import annotations

import argparse
import datetime
import itertools
import json
import math
import os
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import widthwise as ww
from widthwise import theory
from widthwise.audits import calibration
from widthwise.audits.installation import versions
from widthwise.datasets import decode, folds, synthetic
from widthwise.kernels import NTK, HInf
from widthwise.pages.files import write_atomically
from widthwise.sweeps.settings import Settings
from widthwise.sweeps.sweep import prepare
from widthwise.sweeps.training_job import Material, material_of
from widthwise.training import measured_width

ROOT = Path(__file__).resolve().parents[1]
RECORD = ROOT / "src" / "widthwise" / "audits" / "calibration-record.json"
SCHEMA = "widthwise/calibration/1"

# Names of `load`; `~` marks arrays that this script writes first.
SETS = (
    "digits",
    "wine",
    "breast-cancer",
    "iris",
    "~diabetes",
    "mnist:0,1",
    "mnist:3,8",
    "~mnist1d",
    "~cifar-airplane-automobile",
    "~cifar-cat-dog",
    "~cifar-five",
    "~clusters",
    "~clusters-wide",
    "~sine",
    "~tanh",
    "uci:abalone",
    "uci:balance-scale",
    "uci:bank",
    "uci:cardiotocography-10clases",
    "uci:chess-krvkp",
    "uci:conn-bench-sonar-mines-rocks",
    "uci:credit-approval",
    "uci:dermatology",
    "uci:ecoli",
    "uci:energy-y2",
    "uci:heart-hungarian",
    "uci:ilpd-indian-liver",
    "uci:low-res-spect",
    "uci:musk-1",
    "uci:oocytes_merluccius_states_2f",
    "uci:parkinsons",
    "uci:semeion",
    "uci:statlog-australian-credit",
    "uci:statlog-heart",
    "uci:statlog-vehicle",
    "uci:synthetic-control",
    "uci:tic-tac-toe",
    "uci:vertebral-column-3clases",
    "uci:waveform-noise",
    "uci:yeast",
)
TUNED = 15
NOISES = (0.0, 0.2, 0.4)
WIDTH_NOISES = (0.0, 0.2)
ROWS, FEW_ROWS, MANY_COLUMNS, TEST_ROWS = 200, 100, 128, 500
WIDTH, WIDTH_ROWS = 2048, 100
# Longest training, and the largest prediction of steps to a tenth of the residual that is checked.
LONGEST, CHECKED = 3900, 3000
DRAWS = 5
RIDGES = np.geomspace(1e-4, 3.0, 15)
CIFAR = {"airplane": 0, "automobile": 1, "cat": 3, "dog": 5, "ship": 8}


def split() -> dict[str, str]:
    """Which sets were tuned on, drawn once."""
    tuned = np.random.default_rng(2019).permutation(len(SETS))[:TUNED]
    return {plain(name): "tune" if place in tuned else "report" for place, name in enumerate(SETS)}


def plain(name: str) -> str:
    return name.removeprefix("~").removeprefix("uci:")


def key(name: str, noise: float) -> str:
    return f"{re.sub(r'[^A-Za-z0-9]+', '-', plain(name))}-{noise:g}"


class Place:
    """The folder of a run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "data").mkdir(parents=True, exist_ok=True)

    def data(self, name: str) -> str:
        """What `load` takes; arrays are written where they are not there."""
        if not name.startswith("~"):
            return name
        path = self.folder / "data" / f"{plain(name)}.npz"
        if not path.exists():
            X, y = arrays(plain(name))
            partial = path.with_suffix(".partial.npz")
            np.savez(partial, X=X, y=y)
            partial.rename(path)
        return str(path)

    def kept(self, kind: str, name: str, noise: float, make: Any) -> dict[str, Any]:
        """A piece of the record, computed once."""
        path = self.folder / kind / f"{key(name, noise)}.json"
        if path.exists():
            return json.loads(path.read_text(encoding="utf-8"))
        found = make()
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, json.dumps(found))
        print(kind, key(name, noise), {k: v for k, v in found.items() if not isinstance(v, (list, dict))}, flush=True)
        return found


def arrays(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Rows and targets of sets that have no name of their own; numbers in units of their standard deviation."""
    folder = Path(os.environ["WIDTHWISE_DATA"])
    if name == "diabetes":
        ds = ww.load("diabetes")
        return ds.X, ds.y / ds.y.std()
    if name == "mnist1d":
        found = np.load(folder / "mnist1d" / "mnist1d.npz")
        return found["x"], found["y"].astype(np.int64)
    if name.startswith("cifar-"):
        found = np.load(folder / "cifar10" / "cifar10_five_classes.npz")
        images, labels = found["x_train"], found["y_train"].astype(np.int64)
        # Blocks of four by four pixels are averaged: 192 columns.
        pooled = images.reshape(len(images), 8, 4, 8, 4, 3).mean(axis=(2, 4)).reshape(len(images), -1) / 255.0
        wanted = list(CIFAR) if name == "cifar-five" else name.split("-")[1:]
        rows = np.flatnonzero(np.isin(labels, [CIFAR[k] for k in wanted]))[:5000]
        return pooled[rows], labels[rows]
    if name in ("sine", "tanh"):
        sample = synthetic.composed(name, 2000, 1, seed=0)
        return sample.X, sample.y / sample.y.std()
    mixture = synthetic.clusters(
        3000, 1, d=40, classes=4, components=3, sigma=3.0 if name == "clusters" else 6.0, sigma0=5.0, seed=0
    )
    return mixture.X, mixture.y


@cache
def loaded(path: str) -> Any:
    return ww.load(path)


def settings(place: Place, name: str, noise: float, **changes: Any) -> Settings | None:
    """Data settings of a row; None where the set has no label noise of this level."""
    data = place.data(name)
    ds = loaded(data)
    if noise and ds.task == "regression":
        return None
    test = min(TEST_ROWS, max(30, ds.n // 5))
    n = min(ROWS if ds.d <= MANY_COLUMNS else FEW_ROWS, ds.n - test)
    scale = "unit" if ds.kind == "image" or plain(name).startswith("cifar") else "standardise"
    if plain(name) in ("sine", "tanh", "clusters", "clusters-wide"):
        scale = "none"
    given = {"data": data, "n": n, "n_test": test, "scale": scale, "tau": 1.0 if scale == "standardise" else 0.0}
    return Settings(**given, label_noise=noise, width=WIDTH, **changes)


def curve_of(material: Material) -> tuple[theory.Spectrum, float, np.ndarray]:
    spectrum = theory.spectrum(HInf()(material.X))
    return spectrum, theory.recommended_rate(spectrum), spectrum.project(material.targets) ** 2


def wrong(outputs: np.ndarray, offset: np.ndarray, codes: np.ndarray, classes: int) -> float:
    """Share of rows put wrong, or mean square error over the variance of the targets."""
    if classes:
        return float(np.mean(decode(outputs + offset, classes) != codes))
    return float(np.mean((outputs[:, 0] + offset[0] - codes) ** 2))


def predict(place: Place, name: str, noise: float) -> dict[str, Any] | None:
    """Everything that the theory says of a row."""
    s = settings(place, name, noise)
    if s is None:
        return None
    material = material_of(s)
    spectrum, rate, energies = curve_of(material)
    to = {f: theory.steps_to(spectrum, energies, learning_rate=rate, fraction=f) for f in (0.5, 0.1)}
    wanted = [2 * to[0.5] if to[0.5] else LONGEST]
    if to[0.1] and to[0.1] <= CHECKED:
        wanted.append(math.ceil(1.3 * to[0.1]))
    steps = max(10, min(LONGEST, *[max(wanted)]))
    kernel = HInf()
    outputs = theory.test_curve(
        spectrum, kernel(material.held, material.X), material.targets, learning_rate=rate, steps=np.array([steps])
    ).predictions[0]
    n = len(material.X)
    return {
        "n": n,
        "n_test": len(material.held),
        "d": material.X.shape[1],
        "outputs": material.outputs,
        "classes": material.classes,
        "learning_rate": rate,
        "steps": steps,
        "steps_50": between(spectrum, material.targets, rate, to[0.5], 0.5),
        "steps_10": between(spectrum, material.targets, rate, to[0.1], 0.1),
        "test_error": wrong(outputs, material.offset, material.codes[n:], material.classes),
        "test_error_alone": alone(material, kernel(material.X), rate, steps),
        "curve": learning(place, name, noise),
    }


def laziness(place: Place, name: str, noise: float) -> dict[str, Any]:
    """Predicted distance of the first layer from its start, over the square root of the width: where half and a tenth is left."""

    def make() -> dict[str, Any]:
        s = settings(place, name, noise)
        said = predictions(place, name, noise)
        assert s is not None
        assert said is not None
        spectrum, rate, energies = curve_of(material_of(s))
        kept = spectrum.values > spectrum.tolerance
        values, total = spectrum.values[kept], energies.sum(axis=1)[kept]
        found = {}
        for which in ("steps_50", "steps_10"):
            steps = said[which]
            if steps is None:
                found[which] = None
                continue
            done = -np.expm1(steps * np.log1p(-np.minimum(rate * values, 1.0 - 1e-15)))
            found[which] = float(np.sqrt(np.sum(done**2 / values * total) / WIDTH))
        return found

    return place.kept("laziness", name, noise, make)


def between(
    spectrum: theory.Spectrum, targets: np.ndarray, rate: float, steps: int | None, fraction: float
) -> float | None:
    """Where between two steps the predicted residual passes a fraction."""
    if not steps:
        return steps
    found = theory.training_curve(spectrum, targets, learning_rate=rate, steps=np.array([0, steps - 1, steps])).residual
    return steps - 1 + passed(found[1], found[2], fraction * found[0])


def passed(before: float, after: float, goal: float) -> float:
    """Share of a step, on a logarithmic scale."""
    return float(np.log(before / goal) / np.log(before / after))


def alone(material: Material, gram: np.ndarray, rate: float, steps: int) -> float:
    """Error of the same descent on tenths that are left out, in turn: the training rows say it all by themselves."""
    n = len(gram)
    codes = material.codes[:n]
    task = "classification" if material.classes else "regression"
    losses = np.empty(n)
    for out in folds(codes, task=task, k=10, seed=0):
        kept = np.setdiff1d(np.arange(n), out)
        mean = material.targets.reshape(n, -1)[kept].mean(axis=0)
        found = theory.test_curve(
            gram[np.ix_(kept, kept)], gram[np.ix_(out, kept)], material.targets.reshape(n, -1)[kept] - mean,
            learning_rate=rate, steps=np.array([steps]),
        ).predictions[0] + mean  # fmt: skip
        shifted = found + material.offset
        if material.classes:
            losses[out] = decode(shifted, material.classes) != codes[out]
        else:
            losses[out] = (shifted[:, 0] - codes[out]) ** 2
    return float(losses.mean())


def learning(place: Place, name: str, noise: float) -> dict[str, Any] | None:
    """Square error at 2n and 4n from n rows, and as kernel ridge regression has it there."""
    s = settings(place, name, noise)
    assert s is not None
    ds = loaded(s.data)
    n = min(ROWS, (ds.n - s.n_test) // 4)
    if n < 20:
        return None
    kernel = NTK(depth=1)
    first = material_of(s.model_copy(update={"n": n}))
    K, Y = kernel(first.X), np.asarray(first.targets, np.float64).reshape(n, -1)
    size = float(np.mean(np.diag(K)))
    ridge = min(RIDGES * size, key=lambda r: theory.leave_one_out(K, Y, ridge=float(r)).mean_square)
    said = theory.learning_curve(K, Y, sizes=[n, 2 * n, 4 * n], ridge=float(ridge))
    measured = []
    for times in (1, 2, 4):
        errors = []
        for draw in range(DRAWS):
            part = material_of(s.model_copy(update={"n": times * n, "data_seed": draw}))
            m = len(part.X)
            targets = np.asarray(part.targets, np.float64).reshape(m, -1)
            weights = np.linalg.solve(kernel(part.X) + ridge * np.eye(m), targets)
            errors.append(square_error(kernel(part.held, part.X) @ weights, part, noise))
        measured.append(float(np.mean(errors)))
    return {
        "n": n,
        "ridge": float(ridge),
        "predicted": [float(v) for v in said.error],
        "low": [float(v) for v in said.low],
        "high": [float(v) for v in said.high],
        "extrapolated": [bool(v) for v in said.extrapolated],
        "measured": measured,
    }


def square_error(outputs: np.ndarray, part: Material, noise: float) -> float:
    """Mean square error on held-out targets that are as noisy as the training ones, exactly in expectation."""
    codes = part.codes[len(part.X) :]
    if not part.classes:
        return float(np.mean((outputs[:, 0] + part.offset[0] - codes) ** 2))
    k = part.classes
    names = np.array([[-1.0], [1.0]]) if k == 2 else 2.0 * np.eye(k) - 1.0
    by_class = np.sum((outputs[:, None, :] + part.offset - names[None, :, :]) ** 2, axis=2)
    chance = np.full((len(codes), k), noise / (k - 1))
    chance[np.arange(len(codes)), codes.astype(np.intp)] = 1.0 - noise
    return float(np.mean(np.sum(chance * by_class, axis=1)))


def sweep_of(place: Place, names: Iterable[str]) -> dict[str, Any]:
    """The trainings of the rows, as a sweep."""
    rows: list[tuple[str, Settings, dict[str, Any]]] = []
    for name in names:
        for noise in NOISES:
            said = predictions(place, name, noise)
            s = settings(place, name, noise)
            if said is not None and s is not None:
                rows.append((name, s, said))
    # One after another on one machine: short ones first.
    rows.sort(key=lambda row: row[2]["steps"] * row[2]["n"] * row[2]["d"])
    axes = ("data", "n", "n_test", "scale", "tau", "label_noise")
    return {
        "name": "calibration",
        "title": "Calibration of the predictions",
        "settings": {"width": WIDTH, "data_seed": 0, "seed": 0},
        "zip": {
            **{axis: [getattr(s, axis) for _, s, _ in rows] for axis in axes},
            "learning_rate": [said["learning_rate"] for _, _, said in rows],
            "steps": [said["steps"] for _, _, said in rows],
        },
    }


def predictions(place: Place, name: str, noise: float) -> dict[str, Any] | None:
    if settings(place, name, noise) is None:
        return None
    return place.kept("predictions", name, noise, lambda: predict(place, name, noise))


def width(place: Place, name: str, noise: float) -> dict[str, Any] | None:
    """The measured width of up to a hundred rows."""
    s = settings(place, name, noise)
    if s is None:
        return None

    def make() -> dict[str, Any]:
        material = material_of(s.model_copy(update={"n": min(WIDTH_ROWS, s.n or WIDTH_ROWS)}))
        n = len(material.X)
        codes = material.codes[:n]
        if not material.classes:
            targets = np.asarray(material.targets, np.float64)
        elif material.classes == 2:
            targets = 2.0 * codes - 1.0
        else:
            targets = np.where(codes[:, None] == np.arange(material.classes), 1.0, -1.0)
        found = measured_width(material.X, targets, residual=None if material.classes else 0.1)
        return {
            "n": n, "d": material.X.shape[1], "outputs": material.outputs, "width": number(found.width),
            "low": number(found.low), "high": number(found.high), "largest": found.widths[-1],
            "successes": list(found.successes), "protocol": found.protocol,
        }  # fmt: skip

    return place.kept("widths", name, noise, make)


def within(measured: dict[str, Any]) -> float | None:
    """The measured width where it is among those that were tried."""
    found = measured["width"]
    return found if found is not None and found <= measured["largest"] else None


def number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def first_below(residual: np.ndarray, fraction: float) -> float | None:
    """Where between two steps a measured residual passes a fraction; None where it does not."""
    goal = fraction * residual[0]
    found = np.flatnonzero(residual <= goal)
    if not len(found):
        return None
    k = int(found[0])
    return k - 1 + passed(float(residual[k - 1]), float(residual[k]), float(goal))


def record(place: Place, names: list[str], command: str) -> dict[str, Any]:
    """The rows of all that is done."""
    done = {}
    sweep = prepare(sweep_of(place, names), out=place.folder / "sweep", workers=1)
    for row in sweep.table:
        done[row["data"], row["label_noise"]] = row
    part = split()
    rows = []
    for name in names:
        for noise in NOISES:
            said = predictions(place, name, noise)
            if said is None:
                continue
            found = done[place.data(name), noise]
            trained = found["status"] in ("done", "diverged")
            residual = sweep.arrays(found["job"])["residual"] if trained else np.array([])
            curve = said["curve"] or {}
            beyond = said["steps_10"] is None or said["steps_10"] > CHECKED
            has_width = (place.folder / "widths" / f"{key(name, noise)}.json").exists()
            measured = width(place, name, noise) if has_width else None
            moved = laziness(place, name, noise)
            rows.append(
                {
                    "set": plain(name),
                    "part": part[plain(name)],
                    "label_noise": noise,
                    "n": said["n"],
                    "d": said["d"],
                    "classes": said["classes"],
                    "status": found["status"],
                    "laziness": [moved["steps_50"], moved["steps_10"]],
                    "steps": said["steps"],
                    "steps_50": [said["steps_50"], first_below(residual, 0.5) if trained else None],
                    "steps_10": [said["steps_10"], first_below(residual, 0.1) if trained and not beyond else None],
                    "test_error": [said["test_error"], found.get("test_error")],
                    "test_error_alone": [
                        said["test_error_alone"],
                        noisy(found.get("test_error"), noise, said["classes"]),
                    ],
                    "curve_n": curve.get("n"),
                    "error_2n": [curve["predicted"][1], curve["measured"][1]] if curve else None,
                    "error_4n": [curve["predicted"][2], curve["measured"][2]] if curve else None,
                    "extrapolated_4n": curve["extrapolated"][2] if curve else None,
                    "width_n": measured and measured["n"],
                    "width": measured and [measured["n"] * measured["outputs"] / measured["d"], within(measured)],
                    "width_interval": measured and [measured["low"], measured["high"]],
                }
            )
    return {
        "schema": SCHEMA,
        "command": command,
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        "versions": versions(),
        "width": WIDTH,
        "checked": CHECKED,
        "draws": DRAWS,
        "rows": rows,
    }


LAZY_OR_NOT: dict[str, tuple[bool | None, ...]] = {"steps_50": (True, False)}
NAMED = {True: ", lazy", False: ", not lazy", None: ""}


def tables(found: calibration.Record) -> str:
    """Bands, measured widths, then one line for each set and level of label noise."""
    return "\n\n".join((bands(found), measured_widths(found), every_row(found)))


def bands(found: calibration.Record) -> str:
    """How far each quantity was off, by part."""
    lines = [
        "| quantity | part | sets | rows | median | nine in ten within | not reached |",
        "|---|---|---|---|---|---|---|",
    ]
    kinds = [
        (q, p, lazy) for q in calibration.RELATIVE for p in ("report", "tune") for lazy in LAZY_OR_NOT.get(q, (None,))
    ]
    for quantity, part, lazy in kinds:
        band = found.band(quantity, part=part, lazy=lazy)
        unit = " %" if band.relative else " points"
        lines.append(
            f"| {quantity}{NAMED[lazy]} | {part} | {band.sets} | {band.rows} | {100 * band.median:.1f}{unit} | "
            f"{100 * band.ninety:.1f}{unit} | {band.missed} |"
        )
    return "\n".join(lines)


def measured_widths(found: calibration.Record) -> str:
    """Measured widths, and how many parameters they have for each number that is fitted."""
    lines = [
        "| noise | part | sets | median | range | width over n k / d, median | nine in ten | no width tried |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for noise, part in itertools.product(WIDTH_NOISES, ("report", "tune")):
        pairs = [
            row["width"] for row in found.rows if row["label_noise"] == noise and row["part"] == part and row["width"]
        ]
        known = [(numbers, width) for numbers, width in pairs if width is not None]
        widths = [width for _, width in known]
        ratios = [width / numbers for numbers, width in known]
        low, middle, high = (calibration.quantile(ratios, share) for share in (0.05, 0.5, 0.95))
        lines.append(
            f"| {noise:g} | {part} | {len(pairs)} | {np.median(widths):.0f} | {min(widths):.1f} to {max(widths):.0f} | "
            f"{middle:.2f} | {low:.2f} to {high:.2f} | {len(pairs) - len(known)} |"
        )
    return "\n".join(lines)


def every_row(found: calibration.Record) -> str:
    """Predicted and measured, one line for each set and level of label noise."""
    lines = [
        f"| set | noise | n, d | {' | '.join(calibration.RELATIVE)} |",
        "|" + "---|" * (3 + len(calibration.RELATIVE)),
    ]
    for row in sorted(found.rows, key=lambda row: row["part"]):
        cells = []
        for quantity in calibration.RELATIVE:
            predicted, measured = found.pair(row, quantity)
            cells.append(
                "" if predicted is None else f"{predicted:.3g} / {'-' if measured is None else format(measured, '.3g')}"
            )
        star = "" if row["part"] == "report" else " *"
        lines.append(f"| {row['set']}{star} | {row['label_noise']:g} | {row['n']}, {row['d']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def noisy(error: float | None, noise: float, classes: int) -> float | None:
    """Error on labels of which a share was moved to another class, from that on labels that were not."""
    if error is None or not classes:
        return error
    return (1 - noise) * error + noise * (1 - error + error * (1 - 1 / (classes - 1)))


def rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, list):
        return [rounded(v) for v in value]
    return {k: rounded(v) for k, v in value.items()} if isinstance(value, dict) else value


def main() -> None:
    """Do a part, or all of it."""
    parser = argparse.ArgumentParser(description="Calibration of the predictions.")
    parser.add_argument(
        "what", nargs="?", choices=["all", "predict", "train", "widths", "record", "tables"], default="all"
    )
    parser.add_argument("--part", default="1/1")
    parser.add_argument("--out", type=Path, default=Path("sweeps") / "calibration-run")
    parser.add_argument("--sets", default="")
    parser.add_argument("--record", type=Path, default=RECORD)
    given = parser.parse_args()
    i, parts = (int(v) for v in given.part.split("/"))
    names = [name for name in SETS if not given.sets or plain(name) in given.sets.split(",")]
    place = Place(given.out)
    everything = given.what == "all"
    if everything or given.what == "predict":
        for name in names:
            for noise in NOISES:
                predictions(place, name, noise)
    if everything or given.what == "train":
        ww.sweep(
            sweep_of(place, names),
            out=given.out / "sweep",
            workers=None if everything or parts == 1 else 1,
            shard=(i, parts),
            progress=True,
        )
    if everything or given.what == "widths":
        for number_, name in enumerate(names):
            for noise in WIDTH_NOISES:
                if number_ % parts == i - 1:
                    width(place, name, noise)
    if everything or given.what == "record":
        command = "WIDTHWISE_DATA=FOLDER .venv/bin/python benchmarks/calibration.py"
        found = record(place, names, command)
        text = json.dumps({k: v for k, v in rounded(found).items() if k != "rows"}, indent=1)[:-2]
        lines = ",\n  ".join(json.dumps(rounded(row)) for row in found["rows"])
        write_atomically(given.record, f'{text},\n "rows": [\n  {lines}\n ]\n}}\n')
        print(f"wrote {given.record}: {len(found['rows'])} rows")
    if given.what == "tables":
        print(tables(calibration.record()))


if __name__ == "__main__":
    main()
