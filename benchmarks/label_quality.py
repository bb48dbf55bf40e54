"""Wrong labels found and counted: `LabelNoiseDetector` beside cleanlab with three models, on noise whose truth is known.

    .venv/bin/python benchmarks/label_quality.py --rows rows.jsonl              # what rows.jsonl lacks, then the tables
    .venv/bin/python benchmarks/label_quality.py --rows rows.jsonl --sets mnist-5000 --seeds 2
    .venv/bin/python benchmarks/label_quality.py --rows rows.jsonl --report     # the tables alone

cleanlab 2.9.0 lives in an environment of its own (see peers.py) and gets out-of-sample probabilities of five stratified folds by
logistic regression, ExtraTrees (100) and nearest neighbours (10), each at scikit-learn's settings on standardised columns
(tables) or values in [0, 1] (images); its ranking is the better of self-confidence and normalised margin. Times are CPU seconds
on 10 % of symmetric noise, of both sides one after the other, scores and issues included; there `CleanLearning` with a random
forest of 300 trees is timed as well.

Noise: `symmetric` flips a label with probability r to any other class; `class` flips class c to c + 1 with a probability that
rises from 3/4 r to 5/4 r over the classes; `feature` flips to the class of the nearest row of another class, with a probability
that rises from r/2 to 3r/2 with the ratio of the distances to the nearest rows of the own and of another class.

CIFAR-10N (non-commercial: read from WIDTHWISE_DATA, never shipped): human labels, among all ten classes, of 3000 images of five
classes. MNIST's test set: 15 errors that people confirmed. The parameters of the estimator were chosen on seeds from 100 on.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.metrics import average_precision_score, roc_auc_score

sys.path.insert(0, str(Path(__file__).resolve().parent))

import peers

import widthwise as ww
from widthwise.estimators.label_noise import LabelNoiseDetector

CLEANLAB = (("cleanlab==2.9.0", "scikit-learn", "numpy", "pandas"),)
NOISES, RATES, SEEDS = ("symmetric", "class", "feature"), (0.05, 0.1, 0.2, 0.4), 5
SETS = ("digits", "breast cancer", "wine", "mnist-5000", "cifar-10n", "mnist-test")
MODELS = ("logistic regression", "ExtraTrees", "kNN")
HUMAN = ("aggre_label", "random_label1", "worse_label")
HUMAN_ROWS, HUMAN_SEEDS = 3000, 3

# Reads lines of JSON {path, out, forest}; the file holds X, y (codes); answers with a line of JSON and an npz of scores.
PEER = """
import json, os, sys, warnings
warnings.filterwarnings("ignore")
import numpy as np
from cleanlab.classification import CleanLearning
from cleanlab.count import estimate_joint
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier

MODELS = {
    "logistic regression": lambda: LogisticRegression(),
    "ExtraTrees": lambda: ExtraTreesClassifier(100, random_state=0),
    "kNN": lambda: KNeighborsClassifier(10),
}

def judged(y, p):
    scores = {m: get_label_quality_scores(y, p, method=m) for m in ("self_confidence", "normalized_margin")}
    issues = find_label_issues(y, p, n_jobs=1)
    joint = estimate_joint(y, p)
    return scores, float(np.mean(issues)), float(1 - np.trace(joint)), [int(i) for i in np.flatnonzero(issues)]

def clock():
    return sum(os.times()[:4])

for line in sys.stdin:
    asked = json.loads(line)
    with np.load(asked["path"]) as file:
        arrays = dict(file)
    X, y, answer, kept = arrays["X"], arrays["y"], {}, {}
    if "probabilities" in arrays:
        scores, issues, joint, _ = judged(y, arrays["probabilities"])
        answer["given"] = {"issues": issues, "joint": joint, "seconds": None}
        kept.update({f"given|{m}": s for m, s in scores.items()})
    else:
        for name, make in MODELS.items():
            start = clock()
            p = cross_val_predict(make(), X, y, cv=StratifiedKFold(5, shuffle=True, random_state=0), method="predict_proba")
            scores, issues, joint, _ = judged(y, p)
            answer[name] = {"issues": issues, "joint": joint, "seconds": clock() - start}
            kept.update({f"{name}|{m}": s for m, s in scores.items()})
    if asked["forest"]:
        start = clock()
        CleanLearning(RandomForestClassifier(300), cv_n_folds=5, seed=0).find_label_issues(X, y)
        answer["CleanLearning, random forest"] = {"seconds": clock() - start}
    np.savez(asked["out"], **kept)
    print(json.dumps(answer), flush=True)
"""


def table(name: str) -> tuple[np.ndarray, np.ndarray, str]:
    """Rows, codes of the true classes, and the scaling that fits them."""
    if name == "digits":
        return *load_digits(return_X_y=True), "unit"
    if name == "breast cancer":
        return *load_breast_cancer(return_X_y=True), "standardise"
    if name == "wine":
        return *load_wine(return_X_y=True), "standardise"
    ds = ww.load("mnist")
    rows = np.random.default_rng(0).permutation(ds.n)[:5000]
    return ds.X[rows], ds.y[rows].astype(np.int64), "unit"


def flipped(X: np.ndarray, y: np.ndarray, cell: dict[str, Any], scale: str) -> np.ndarray:
    """Noisy labels."""
    kind, rate, seed = cell["noise"], cell["rate"], cell["seed"]
    rng = np.random.default_rng(seed)
    k, n = int(y.max()) + 1, len(y)
    chance = rng.random(n)
    if kind == "symmetric":
        return np.where(chance < rate, (y + rng.integers(1, k, n)) % k, y)
    if kind == "class":
        rates = rate * (0.75 + 0.5 * np.arange(k) / (k - 1))
        return np.where(chance < rates[y], (y + 1) % k, y)
    rows = ww.datasets.prepare(X, scale=scale, tau=0.0 if scale == "unit" else 1.0).X
    distance = np.maximum(2.0 - 2.0 * rows @ rows.T, 0.0)
    np.fill_diagonal(distance, np.inf)
    same = y[:, None] == y
    nearest = np.where(same, np.inf, distance).argmin(axis=1)
    ratio = np.where(same, distance, np.inf).min(axis=1) / np.maximum(distance[np.arange(n), nearest], 1e-300)
    place = ratio.argsort().argsort() / n
    return np.where(chance < rate * (0.5 + place), y[nearest], y)


def cells(sets: list[str], seeds: int) -> Iterator[dict[str, Any]]:
    """Every row of the tables, cheap sets first."""
    for name in sets:
        if name == "cifar-10n":
            yield {"set": name, "noise": HUMAN[0], "rate": None, "seed": 0, "timed": True}
            for seed in range(min(seeds, HUMAN_SEEDS)):
                for human in HUMAN:
                    yield {"set": name, "noise": human, "rate": None, "seed": seed}
        elif name == "mnist-test":
            yield {"set": name, "noise": "confirmed errors", "rate": None, "seed": 0}
        else:
            yield {"set": name, "noise": "none", "rate": 0.0, "seed": 0}
            yield {"set": name, "noise": "symmetric", "rate": 0.1, "seed": 0, "timed": True}
            for seed in range(seeds):
                for kind in NOISES:
                    for rate in RATES:
                        yield {"set": name, "noise": kind, "rate": rate, "seed": seed}


def drawn(cell: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray, str, np.ndarray | None]:
    """Rows, given codes, which are wrong, scaling, and probabilities where they come with the set."""
    data = Path(os.environ.get("WIDTHWISE_DATA", "."))
    if cell["set"] == "cifar-10n":
        with np.load(data / "cifar10" / "cifar10_five_classes.npz") as file:
            images, where = file["x_train"], file["index_train"]
        with np.load(data / "label-noise" / "cifar10n.npz") as file:
            given, clean = file[cell["noise"]][where], file["clean_label"][where]
        rows = np.random.default_rng(cell["seed"]).permutation(len(images))[:HUMAN_ROWS]
        X = images[rows].reshape(len(rows), -1).astype(np.float64)
        return X, given[rows].astype(np.int64), given[rows] != clean[rows], "standardise", None
    if cell["set"] == "mnist-test":
        import csv

        with np.load(data / "label-noise" / "mnist_test_pyx.npz") as file:
            probabilities, y = file["pyx"], file["given"].astype(np.int64)
        wrong = np.zeros(len(y), dtype=bool)
        with (data / "label-noise" / "mnist_test_label_errors.csv").open() as lines:
            for line in csv.DictReader(lines):
                wrong[int(line["index"])] |= line["validated_error"].lower() in ("1", "true")
        return mnist_test_rows(), y, wrong, "unit", probabilities
    X, y, scale = table(cell["set"])
    given = y if cell["noise"] == "none" else flipped(X, y, cell, scale)
    return X, given, given != y, scale, None


def mnist_test_rows() -> np.ndarray:
    """The images of MNIST's test set."""
    import gzip

    path = Path(os.environ["WIDTHWISE_DATA"]) / "mnist" / "t10k-images-idx3-ubyte.gz"
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=16).reshape(-1, 784).astype(np.float64)


def ranking(wrong: np.ndarray, suspicion: np.ndarray) -> dict[str, float | None]:
    """Average precision and area under the ROC curve."""
    if not wrong.any():
        return {"ap": None, "auroc": None}
    return {"ap": float(average_precision_score(wrong, suspicion)), "auroc": float(roc_auc_score(wrong, suspicion))}


def ours(
    X: np.ndarray, y: np.ndarray, wrong: np.ndarray, scale: str, p: np.ndarray | None, *, repeats: int = 1
) -> dict[str, Any]:
    """What the detector says, and how long it takes."""
    start = time.process_time()
    for _ in range(repeats):
        found = LabelNoiseDetector(scale=scale).fit(X, y, pred_probs=p)
    seconds = (time.process_time() - start) / repeats
    low, high = found.noise_rate_interval_
    return {
        **ranking(wrong, found.scores_),
        "rate": None if np.isnan(found.noise_rate_) else found.noise_rate_,
        "low": low,
        "high": high,
        "disagreement": found.disagreement_,
        "suspects": float(found.suspect_.mean()),
        "seconds": seconds,
    }


def measured(cell: dict[str, Any], peer: subprocess.Popen[str], folder: Path) -> dict[str, Any]:
    """One row: both sides on the same labels."""
    X, y, wrong, scale, probabilities = drawn(cell)
    timed = cell.get("timed", False)
    row: dict[str, Any] = {**cell, "n": len(y), "realised": float(wrong.mean())}
    row["ours"] = ours(X, y, wrong, scale, None, repeats=3 if timed else 1)
    if probabilities is not None:
        row["ours, given probabilities"] = ours(X, y, wrong, scale, probabilities)
    values = X / X.max() if scale == "unit" else (X - X.mean(axis=0)) / np.where(X.std(axis=0) > 0, X.std(axis=0), 1.0)
    # Codes without gaps, as both sides number the classes that are there.
    arrays = {"X": values, "y": np.unique(y, return_inverse=True)[1]}
    if probabilities is not None:
        arrays["probabilities"] = probabilities
    np.savez(folder / "in.npz", **arrays)
    asked = {"path": str(folder / "in.npz"), "out": str(folder / "out.npz"), "forest": timed}
    assert peer.stdin is not None
    assert peer.stdout is not None
    peer.stdin.write(json.dumps(asked) + "\n")
    peer.stdin.flush()
    answer = json.loads(peer.stdout.readline())
    with np.load(folder / "out.npz") as scores:
        for key in scores.files:
            model, method = key.split("|")
            answer[model][method] = ranking(wrong, -scores[key])
    return {**row, "cleanlab": answer}


def known(path: Path) -> list[dict[str, Any]]:
    """Rows that are there; a line torn by a kill is left out."""
    rows = []
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return rows


def name_of(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["set"], row["noise"], row["rate"], row["seed"], row.get("timed", False)


def run(path: Path, sets: list[str], seeds: int) -> None:
    """Measure what is missing, a line at a time."""
    done = {name_of(row) for row in known(path)}
    missing = [cell for cell in cells(sets, seeds) if name_of(cell) not in done]
    if not missing:
        return
    python = peers.environment("cleanlab", CLEANLAB)
    with tempfile.TemporaryDirectory() as folder, path.open("a") as file:
        if path.stat().st_size and not path.read_bytes().endswith(b"\n"):
            file.write("\n")
        with subprocess.Popen([str(python), "-c", PEER], stdin=-1, stdout=-1, text=True) as peer:
            # What is compiled once is compiled before anything is timed.
            LabelNoiseDetector().fit(*load_wine(return_X_y=True))
            for place, cell in enumerate(missing):
                row = measured(cell, peer, Path(folder))
                file.write(json.dumps(row) + "\n")
                file.flush()
                os.fsync(file.fileno())
                print(f"{place + 1}/{len(missing)} {name_of(row)}: {row['ours']['ap']}", file=sys.stderr, flush=True)
            assert peer.stdin is not None
            peer.stdin.close()


def best_method(rows: list[dict[str, Any]], model: str, what: str) -> float:
    """Mean over rows of the better of cleanlab's two rankings."""
    return max(
        float(np.mean([row["cleanlab"][model][method][what] for row in rows]))
        for method in ("self_confidence", "normalized_margin")
    )


def cell_of(rows: list[dict[str, Any]], what: str) -> list[str]:
    models = [m for m in MODELS if m in rows[0]["cleanlab"]]
    mine = float(np.mean([row["ours"][what] for row in rows]))
    return [f"{mine:.3f}", *(f"{best_method(rows, m, what):.3f}" for m in models)]


def covered_share(rows: list[dict[str, Any]]) -> str:
    """How often the interval holds the realised share."""
    if not rows:
        return "none"
    return f"{np.mean([r['ours']['low'] <= r['realised'] <= r['ours']['high'] for r in rows]):.1%} of {len(rows)}"


def report(rows: list[dict[str, Any]]) -> None:
    """The tables, in Markdown."""
    groups: dict[tuple[str, str, float], list[dict[str, Any]]] = {}
    for row in rows:
        if row["set"] != "mnist-test" and row["noise"] != "none" and not row.get("timed"):
            groups.setdefault((row["set"], row["noise"], row["rate"]), []).append(row)
    print("| data | noise | r | seeds | AP: ours | LR | ExtraTrees | kNN | AUROC: ours | LR | ExtraTrees | kNN |")
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    behind = []
    for (name, noise, rate), found in groups.items():
        ap, auroc = cell_of(found, "ap"), cell_of(found, "auroc")
        behind.append(float(ap[0]) - max(map(float, ap[1:])))
        shown = f"{rate:.0%}" if rate is not None else f"{np.mean([r['realised'] for r in found]):.1%}"
        print(f"| {name} | {noise} | {shown} | {len(found)} | {' | '.join(ap)} | {' | '.join(auroc)} |")
    if behind:
        print(f"\nAverage precision at or above the best of cleanlab's in {sum(b >= 0 for b in behind)} of {len(behind)} rows; "
              f"least lead {min(behind):+.3f}, median {np.median(behind):+.3f}.\n")  # fmt: skip
    print(
        "| data | noise | r | identified | mean error | 2 points + deviation | covered | width | joint: LR | ExtraTrees | kNN |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for (name, noise, _), found in groups.items():
        errors = [abs(r["ours"]["rate"] - r["realised"]) for r in found if r["ours"]["rate"] is not None]
        covered = [r["ours"]["low"] <= r["realised"] <= r["ours"]["high"] for r in found]
        width = np.mean([r["ours"]["high"] - r["ours"]["low"] for r in found])
        theirs = [np.mean([abs(r["cleanlab"][m]["joint"] - r["realised"]) for r in found]) for m in MODELS]
        real = float(np.mean([r["realised"] for r in found]))
        allowed = 0.02 + (real * (1 - real) / found[0]["n"]) ** 0.5
        mean = f"{100 * np.mean(errors):.2f}" if errors else "not identifiable"
        print(
            f"| {name} | {noise} | {real:.1%} | {len(errors)} of {len(found)} | {mean} | {100 * allowed:.2f} | "
            f"{np.mean(covered):.0%} | {100 * width:.1f} | {' | '.join(f'{100 * t:.2f}' for t in theirs)} |"
        )
    every = [r for found in groups.values() for r in found]
    for noise in (*NOISES, "all"):
        some = [r for r in every if noise in ("all", r["noise"])]
        if some:
            told = [r for r in some if r["ours"]["rate"] is not None]
            print(
                f"\nCoverage of the 90 % interval, {noise}: {covered_share(some)}; where a rate is told, {covered_share(told)}."
            )
    clean = [r for r in rows if r["noise"] == "none"]
    if clean:
        print(
            "\n| clean set | rate | interval | suspects | cleanlab's issues: LR | ExtraTrees | kNN |\n|---|---|---|---|---|---|---|"
        )
    for r in clean:
        mine, theirs = r["ours"], [f"{r['cleanlab'][m]['issues']:.2%}" for m in MODELS]
        rate = "not identifiable" if mine["rate"] is None else f"{mine['rate']:.2%}"
        print(
            f"| {r['set']} | {rate} | {mine['low']:.1%} to {mine['high']:.1%} | {mine['suspects']:.2%} | {' | '.join(theirs)} |"
        )
    print(
        "\n| data | n | ours, CPU s | LR over ours | ExtraTrees | kNN | CleanLearning, forest of 300 |"
        "\n|---|---|---|---|---|---|---|"
    )
    for r in (r for r in rows if r.get("timed")):
        mine = r["ours"]["seconds"]
        ratios = [r["cleanlab"][m]["seconds"] / mine for m in (*MODELS, "CleanLearning, random forest")]
        print(f"| {r['set']} | {r['n']} | {mine:.2f} | {' | '.join(f'{q:.1f}' for q in ratios)} |")
    for r in (r for r in rows if r["set"] == "mnist-test"):
        given = max(
            (r["cleanlab"]["given"][m] for m in ("self_confidence", "normalized_margin")), key=lambda v: v["ap"]
        )
        print(
            f"\nMNIST test set, {r['realised'] * r['n']:.0f} confirmed errors among {r['n']}: average precision of our "
            f"leave-one-out {r['ours']['ap']:.3f} (AUROC {r['ours']['auroc']:.4f}), of ours on the published probabilities "
            f"{r['ours, given probabilities']['ap']:.3f}, of cleanlab on the same {given['ap']:.3f}; rate "
            f"{r['ours']['rate']}, interval {r['ours']['low']:.3%} to {r['ours']['high']:.3%}."
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=Path, default=Path(tempfile.gettempdir()) / "widthwise-label-quality.jsonl")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--seeds", type=int, default=SEEDS, help="of each kind and rate of noise")
    parser.add_argument("--report", action="store_true", help="only print the tables of what is there")
    options = parser.parse_args()
    if not options.report:
        run(options.rows, options.sets, options.seeds)
    report([row for row in known(options.rows) if row["set"] in options.sets])


if __name__ == "__main__":
    main()
