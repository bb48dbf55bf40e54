"""Forty-five small tables of the UCI repository, by the paper's protocol and by one without leaks.

    .venv/bin/python benchmarks/uci.py paper --out uci
    .venv/bin/python benchmarks/uci.py nested --out uci [--max-n 1000] [--methods ...]
    .venv/bin/python benchmarks/uci.py table --out uci

Data: the folder `uci` under WIDTHWISE_DATA, or under ../shared/data. Every finished (set, method) is one line of
`uci/paper.jsonl` or `uci/nested.jsonl`: the same command goes on where a stopped one was. `table` prints Markdown.

`paper`: the protocol of Arora et al. 2019b, "Harnessing the power of infinitely wide deep nets on small-data tasks". Kernel and
C by accuracy on `tune_valid` after a fit on `tune_train`; mean accuracy of the four given splits. Rows were standardised over
the whole file, and the tuning rows overlap the test rows: numbers to compare with the paper's, not estimates of anything.

`nested`: the same four splits, but scaling and settings are chosen inside the training part alone (columns that were standardised
over the file and are standardised again by the training rows are what raw columns would give). Every method tries twelve
settings by accuracy: NTK by leave-one-out in closed form, the forest out of bag, the others by three stratified folds, boosting's
numbers of iterations along one fit. `NTK (default)` is `NTKClassifierCV` as it comes. xRFM 0.4.5 lives in an environment of its own
(see peers.py) and watches the fold that it is scored on, and a fifth of the training part at the end, for its early stopping.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from widthwise.estimators.kernel_ridge_cv import NTKClassifierCV
from widthwise.kernels import NTK

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(Path(__file__).resolve().parent))

import peers  # noqa: E402 - beside this file

# Of the paper: depth 0 is the linear kernel, and C runs over powers of ten.
DEPTHS = range(5)
C_GRID = tuple(10.0**e for e in range(-2, 5))
RIDGES = tuple(10.0**e for e in np.arange(-5.0, 2.1, 0.5))


def folder() -> Path:
    """Where the tables are."""
    place = os.environ.get("WIDTHWISE_DATA")
    found = (Path(place) if place else ROOT.parent / "shared" / "data") / "uci"
    if not (found / "index.csv").is_file():
        raise SystemExit(f"no tables in {found}: set WIDTHWISE_DATA to the folder that holds uci/")
    return found


def tables(max_n: int) -> list[tuple[str, int]]:
    """Names and sizes, smallest first."""
    with (folder() / "index.csv").open(newline="") as file:
        rows = [
            r for r in csv.DictReader(file) if r["in_arora_90"] == "1" and (folder() / f"{r['name']}.npz").is_file()
        ]
    sizes = sorted((int(r["n"]), r["name"]) for r in rows)
    return [(name, n) for n, name in sizes if n <= max_n]


def load(name: str) -> dict[str, np.ndarray]:
    """The arrays of one table."""
    with np.load(folder() / f"{name}.npz", allow_pickle=False) as file:
        return {key: file[key] for key in file.files}


class Record:
    """Lines of JSON, each appended at once, so that two runs may share a folder; what is there already is not done again."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.rows: list[dict[str, Any]] = []
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        # A line that a killed run left without its end is not one.
        whole = text[: text.rfind("\n") + 1]
        if whole != text:
            path.write_text(whole, encoding="utf-8")
        self.rows = [json.loads(line) for line in whole.splitlines()]

    def has(self, name: str, method: str) -> bool:
        return any(r["set"] == name and r["method"] == method for r in self.rows)

    def add(self, row: dict[str, Any]) -> None:
        self.rows.append(row)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        shown = ", ".join(
            f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items() if k != "folds"
        )
        print(shown, flush=True)


# The paper's protocol.


def paper_kernels(X: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Kernels by depth and number of layers that stay at their start: none, the first, all but the last."""
    yield "linear", X @ X.T
    for depth in DEPTHS[1:]:
        everything, first = (NTK(depth=depth, weight_variance=1.0, trained=t)(X) for t in ("all", "first"))
        yield f"depth {depth}", everything
        yield f"depth {depth}, first layer fixed", everything - first
        if depth > 1:
            yield f"depth {depth}, last layer trained", NTK(depth=depth, weight_variance=1.0, trained="last")(X)


def machine(K: np.ndarray, y: np.ndarray, train: np.ndarray, test: np.ndarray, C: float) -> float:
    """Accuracy of a support vector machine."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import SVC

    # What is not separable at a large C is stopped; accuracy on the tuning rows then decides against it.
    model = SVC(kernel="precomputed", C=C, cache_size=1000, max_iter=1_000_000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(K[np.ix_(train, train)], y[train])
    return float(np.mean(model.predict(K[np.ix_(test, train)]) == y[test]))


def ridge_accuracies(K: np.ndarray, y: np.ndarray, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Accuracy of ridge regression on one-against-rest labels, for every ridge over the mean of the diagonal."""
    from widthwise.solvers import ridge_path

    inner = K[np.ix_(train, train)]
    codes = np.where(y[train][:, None] == np.unique(y[train]), 1.0, -1.0)
    mean = codes.mean(axis=0)
    path = ridge_path(inner, codes - mean)
    unit = float(np.trace(inner)) / len(train)
    cross = K[np.ix_(test, train)]
    found = [cross @ path.coefficients(ridge * unit) + mean for ridge in RIDGES]
    return np.array([np.mean(np.unique(y[train])[scores.argmax(axis=1)] == y[test]) for scores in found])


def paper_svm(X: np.ndarray, y: np.ndarray, data: dict[str, np.ndarray]) -> dict[str, Any]:
    best: tuple[float, str, float] = (-1.0, "", 0.0)
    chosen = np.zeros((0, 0))
    for name, K in paper_kernels(X):
        for C in C_GRID:
            score = machine(K, y, data["tune_train"], data["tune_valid"], C)
            if score > best[0]:
                best, chosen = (score, name, C), K
    splits = zip(data["folds_train"], data["folds_test"], strict=True)
    folds = [machine(chosen, y, train, test, best[2]) for train, test in splits]
    return {"accuracy": float(np.mean(folds)), "folds": folds, "tune": best[0], "kernel": best[1], "C": best[2]}


def paper_ridge(X: np.ndarray, y: np.ndarray, data: dict[str, np.ndarray]) -> dict[str, Any]:
    best: tuple[float, str, int] = (-1.0, "", 0)
    chosen = np.zeros((0, 0))
    for name, K in paper_kernels(X):
        scores = ridge_accuracies(K, y, data["tune_train"], data["tune_valid"])
        # Of equal ones the largest ridge.
        place = len(scores) - 1 - int(scores[::-1].argmax())
        if scores[place] > best[0]:
            best, chosen = (float(scores[place]), name, place), K
    splits = zip(data["folds_train"], data["folds_test"], strict=True)
    folds = [float(ridge_accuracies(chosen, y, train, test)[best[2]]) for train, test in splits]
    return {
        "accuracy": float(np.mean(folds)),
        "folds": folds,
        "tune": best[0],
        "kernel": best[1],
        "ridge": RIDGES[best[2]],
    }


PAPER: dict[str, Callable[..., dict[str, Any]]] = {"NTK-ridge": paper_ridge, "NTK-SVM": paper_svm}


def paper(record: Record, max_n: int, methods: list[str]) -> None:
    for method in methods or list(PAPER):
        for name, n in tables(max_n):
            if not record.has(name, method):
                data = load(name)
                X, y = data["X"], data["y"].astype(np.int64)
                start = time.perf_counter()
                found = PAPER[method](X, y, data)
                record.add({"set": name, "n": n, "method": method, **found, "seconds": time.perf_counter() - start})


# The protocol without leaks.

FOLDS = 3


def folds(y: np.ndarray, count: int = FOLDS) -> list[tuple[np.ndarray, np.ndarray]]:
    """Stratified as far as classes have rows enough."""
    from sklearn.model_selection import KFold, StratifiedKFold

    kind = StratifiedKFold if np.bincount(y).max() >= count else KFold
    with warnings.catch_warnings():
        # Classes with fewer rows than folds are in some of them only.
        warnings.simplefilter("ignore")
        return list(kind(count, shuffle=True, random_state=0).split(np.zeros(len(y)), y))


def searched(make: Callable[..., Any], grid: list[dict[str, Any]], X: np.ndarray, y: np.ndarray) -> Any:
    """The setting with the best accuracy over the folds, fitted to all rows."""
    scores = [np.mean([np.mean(make(**g).fit(X[a], y[a]).predict(X[b]) == y[b]) for a, b in folds(y)]) for g in grid]
    return make(**grid[int(np.argmax(scores))]).fit(X, y)


def ntk(X: np.ndarray, y: np.ndarray, Z: np.ndarray) -> np.ndarray:
    """Twelve networks."""
    ridges = (1e-3, 1e-2, 1e-1, 0.3, 1.0, 3.0)
    model = NTKClassifierCV(depths=(1, 3), bias_variances=(0.1,), ridges=ridges, scoring="accuracy")
    return np.asarray(model.fit(X, y).predict(Z))


def ntk_default(X: np.ndarray, y: np.ndarray, Z: np.ndarray) -> np.ndarray:
    """As it comes: depths 1 to 3, with and without biases, thirteen ridges, by squares."""
    return np.asarray(NTKClassifierCV().fit(X, y).predict(Z))


def support_vectors(X: np.ndarray, y: np.ndarray, Z: np.ndarray) -> np.ndarray:
    """RBF kernel; gamma around one over the number of columns, which are standardised."""
    from sklearn.svm import SVC

    grid = [{"C": c, "gamma": g / X.shape[1]} for c in (0.1, 1.0, 10.0, 100.0) for g in (0.1, 0.3, 1.0)]
    return np.asarray(searched(SVC, grid, X, y).predict(Z))


def forest(X: np.ndarray, y: np.ndarray, Z: np.ndarray) -> np.ndarray:
    """Settings out of bag, of 60 trees; the best with 300."""
    from sklearn.ensemble import RandomForestClassifier

    d = X.shape[1]
    grid = [
        {"max_features": m, "min_samples_leaf": s}
        for m in (1, max(1, round(d**0.5)), max(1, d // 3), d)
        for s in (1, 2, 5)
    ]
    out = [RandomForestClassifier(60, oob_score=True, random_state=0, **g).fit(X, y).oob_score_ for g in grid]
    return np.asarray(RandomForestClassifier(300, random_state=0, **grid[int(np.argmax(out))]).fit(X, y).predict(Z))


def boosting(X: np.ndarray, y: np.ndarray, Z: np.ndarray) -> np.ndarray:
    """Two sizes of trees, six numbers of iterations each along the same fit."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    counts = (5, 10, 20, 40, 70, 100)

    def made(leaves: int, iterations: int) -> Any:
        return HistGradientBoostingClassifier(
            max_leaf_nodes=leaves, max_iter=iterations, early_stopping=False, min_samples_leaf=5, random_state=0
        )

    scores: dict[tuple[int, int], list[float]] = {}
    for leaves in (4, 16):
        for a, b in folds(y):
            stages = list(made(leaves, counts[-1]).fit(X[a], y[a]).staged_predict(X[b]))
            for count in counts:
                scores.setdefault((leaves, count), []).append(float(np.mean(stages[count - 1] == y[b])))
    best = max(scores, key=lambda s: np.mean(scores[s]))
    return np.asarray(made(*best).fit(X, y).predict(Z))


# Arguments: a file of arrays. Prints predictions of every split and seconds.
XRFM_SCRIPT = """
import json, sys, time
import numpy as np, torch
from xrfm import xRFM
torch.set_num_threads(1)
given = np.load(json.loads(sys.argv[1]), allow_pickle=False)
grid = [(b, r) for b in (2.5, 5.0, 10.0, 20.0) for r in (1e-4, 1e-2, 1e-1)]

def fitted(bandwidth, reg, X, y, V, v):
    params = {"model": {"kernel": "l2", "bandwidth": bandwidth, "exponent": 1.0, "diag": False, "bandwidth_mode": "constant"},
              "fit": {"reg": reg, "iters": 5, "verbose": False, "early_stop_rfm": True}}
    model = xRFM(rfm_params=params, device=torch.device("cpu"), tuning_metric="accuracy", random_state=0, verbose=False)
    model.fit(X, y, V, v)
    return model

def predicted(model, Z):
    return np.asarray(model.predict(Z)).ravel()

answers = []
start = time.perf_counter()
for s in range(int(given["splits"])):
    X, y, Z = given[f"X{s}"], given[f"y{s}"], given[f"Z{s}"]
    parts = [(np.flatnonzero(given[f"fold{s}"] != k), np.flatnonzero(given[f"fold{s}"] == k)) for k in range(int(given["folds"]))]
    scores = [np.mean([np.mean(predicted(fitted(*g, X[a], y[a], X[b], y[b]), X[b]) == y[b]) for a, b in parts]) for g in grid]
    held = given[f"held{s}"]
    model = fitted(*grid[int(np.argmax(scores))], X[~held], y[~held], X[held], y[held])
    answers.append(predicted(model, Z).tolist())
print(json.dumps({"answers": answers, "seconds": time.perf_counter() - start}))
"""


def xrfm(parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> tuple[list[np.ndarray], float]:
    """Predictions of every split, and seconds without the start of the process."""
    python = peers.environment("xrfm", peers.XRFM)
    arrays: dict[str, Any] = {"splits": len(parts), "folds": FOLDS}
    for s, (X, y, Z) in enumerate(parts):
        # Classes that a training part lacks would leave gaps in the codes.
        codes = np.unique(y, return_inverse=True)[1]
        number = np.empty(len(y), dtype=np.int64)
        for k, (_, b) in enumerate(folds(y)):
            number[b] = k
        held = np.zeros(len(y), dtype=bool)
        held[folds(y, 5)[0][1]] = True
        arrays |= {
            f"X{s}": X.astype(np.float32),
            f"y{s}": codes,
            f"Z{s}": Z.astype(np.float32),
            f"fold{s}": number,
            f"held{s}": held,
        }
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "parts.npz"
        np.savez(path, **arrays)
        found = peers.measure(python, XRFM_SCRIPT, str(path))
    answers = [
        np.unique(y)[np.asarray(a, dtype=np.int64)] for a, (_, y, _) in zip(found["answers"], parts, strict=True)
    ]
    return answers, float(found["seconds"])


NESTED: dict[str, Callable[..., np.ndarray]] = {
    "NTK": ntk,
    "NTK (default)": ntk_default,
    "SVC-RBF": support_vectors,
    "RandomForest": forest,
    "HistGradientBoosting": boosting,
}
METHODS = (*NESTED, "xRFM")


def in_parts(data: dict[str, np.ndarray]) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Training rows, labels and test rows of every split, standardised by the training rows."""
    found = []
    for train, test in zip(data["folds_train"], data["folds_test"], strict=True):
        X, Z = data["X"][train], data["X"][test]
        mean, spread = X.mean(axis=0), X.std(axis=0)
        moves = spread > 0
        scale = np.where(moves, spread, 1.0)
        found.append(
            (
                (X - mean)[:, moves] / scale[moves],
                data["y"][train].astype(np.int64),
                (Z - mean)[:, moves] / scale[moves],
            )
        )
    return found


def nested(record: Record, max_n: int, methods: list[str]) -> None:
    for name, n in tables(max_n):
        for method in methods or METHODS:
            if record.has(name, method):
                continue
            data = load(name)
            parts = in_parts(data)
            start = time.perf_counter()
            if method == "xRFM":
                answers, seconds = xrfm(parts)
            else:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", UserWarning)
                    answers = [NESTED[method](*part) for part in parts]
                seconds = time.perf_counter() - start
            accuracies = [float(np.mean(a == data["y"][t])) for a, t in zip(answers, data["folds_test"], strict=True)]
            record.add(
                {
                    "set": name,
                    "n": n,
                    "method": method,
                    "accuracy": float(np.mean(accuracies)),
                    "folds": accuracies,
                    "seconds": seconds,
                }
            )


# Tables.


def accuracies(record: Record, methods: list[str]) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Sets that all methods have finished, accuracies and seconds, of shape (sets, methods)."""
    by = {(r["set"], r["method"]): r for r in record.rows}
    names = [n for n in dict.fromkeys(r["set"] for r in record.rows) if all((n, m) in by for m in methods)]
    values = [np.array([[by[n, m][what] for m in methods] for n in names]) for what in ("accuracy", "seconds")]
    return names, values[0], values[1]


def paper_table(record: Record) -> None:
    with (folder() / "ntk_reference_accuracy.csv").open(newline="") as file:
        reference = {r["name"]: float(r["mean_4fold_acc"]) for r in csv.DictReader(file)}
    methods = [m for m in ("NTK-SVM", "NTK-ridge") if any(r["method"] == m for r in record.rows)]
    names, found, seconds = accuracies(record, methods)
    theirs = np.array([reference[n] for n in names])
    print(
        "| | sets | mean accuracy | equal to the reference | above | below | seconds in all |\n|---|---|---|---|---|---|---|"
    )
    for place, method in enumerate(methods):
        gap = np.round(found[:, place] - theirs, 6)
        counts = " | ".join(str(int(np.sum(c))) for c in (np.abs(gap) < 1e-4, gap >= 1e-4, gap <= -1e-4))
        print(f"| {method} | {len(names)} | {found[:, place].mean():.2%} | {counts} | {seconds[:, place].sum():.0f} |")
    print(f"| reference (NTK-SVM) | {len(names)} | {theirs.mean():.2%} | | | | |")


def nested_table(record: Record) -> None:
    import scipy.stats

    methods = [m for m in METHODS if any(r["method"] == m for r in record.rows)]
    names, found, seconds = accuracies(record, methods)
    # Equal to the last digit of a share of rows is equal.
    found = np.round(found, 10)
    ranks = scipy.stats.rankdata(-found, axis=1).mean(axis=0)
    share = found / found.max(axis=1, keepdims=True)
    print(
        "| | mean accuracy | mean rank | P90 | P95 | PMA | NTK better / equal / worse | Wilcoxon p | seconds a set, median (mean) |"
        "\n|---|---|---|---|---|---|---|---|---|"
    )
    for m, method in enumerate(methods):
        against = " | "
        if m:
            gap = found[:, 0] - found[:, m]
            counts = " / ".join(str(int(np.sum(c))) for c in (gap > 0, gap == 0, gap < 0))
            against = f"{counts} | {scipy.stats.wilcoxon(gap).pvalue:.2g}"
        print(
            f"| {method} | {found[:, m].mean():.2%} | {ranks[m]:.2f} | {np.mean(share[:, m] >= 0.9):.1%} | "
            f"{np.mean(share[:, m] >= 0.95):.1%} | {share[:, m].mean():.2%} | {against} | "
            f"{np.median(seconds[:, m]):.1f} ({seconds[:, m].mean():.1f}) |"
        )
    test = scipy.stats.friedmanchisquare(*found.T)
    sizes = {r["set"]: r["n"] for r in record.rows}
    print(f"\n{len(names)} sets of {min(sizes[n] for n in names)} to {max(sizes[n] for n in names)} rows. ", end="")
    print(f"Friedman chi-squared {test.statistic:.1f}, p = {test.pvalue:.2g}.")


def main() -> None:
    """Parse, run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("paper", "nested", "table"))
    parser.add_argument("--out", type=Path, default=Path("uci"))
    parser.add_argument("--max-n", type=int, default=10**9)
    parser.add_argument("--methods", nargs="*", default=[])
    given = parser.parse_args()
    records = {what: Record(given.out / f"{what}.jsonl") for what in ("paper", "nested")}
    if given.what == "paper":
        paper(records["paper"], given.max_n, given.methods)
    elif given.what == "nested":
        nested(records["nested"], given.max_n, given.methods)
    else:
        if records["paper"].rows:
            paper_table(records["paper"])
        if records["nested"].rows:
            print()
            nested_table(records["nested"])


if __name__ == "__main__":
    main()
