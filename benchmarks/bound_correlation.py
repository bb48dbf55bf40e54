"""Do bounds order networks as their errors do? Rank correlations over widths and over label noise, trained and measured.

    WIDTHWISE_DATA=FOLDER .venv/bin/python benchmarks/bound_correlation.py [--rows rows.jsonl] [--report]

Networks: two layers of ReLU without biases, ten outputs, both layers trained from He's start by mini-batch descent (batch 64,
momentum 0.9, rate 0.01) on the mean cross-entropy until it is 0.01; MNIST averaged to 14 x 14, 1000 rows, 2000 test rows with
their own labels. Over widths: labels as given. Over label noise: width 256, a share of the training labels moved to another class.
Bounds of the rows alone: MNIST 3 and 8, 400 rows, H-infinity, the error of kernel ridge regression at ridge 1 on 1000 rows.

Finished rows are kept in the file and not made again; `--report` prints the tables alone. Correlations are over all networks of a
part, Kendall's tau-b and Spearman's rho. A bound with all its constants is checked against the gap of every network: the test error
on labels as noisy as the training ones, minus the share of training rows below the margin; the PAC-Bayes bound against the error of
networks with its noise on their weights, the kernel's against the error itself.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import kendalltau, spearmanr

import widthwise as ww
from widthwise import theory
from widthwise.kernels import HInf
from widthwise.networks import MLP
from widthwise.training import Momentum, Stop
from widthwise.training.measures import flatness
from widthwise.training.pac_bayes import pac_bayes

WIDTHS = (16, 32, 64, 128, 256, 512, 1024, 2048)
NOISES = (0.0, 0.1, 0.2, 0.4, 0.6, 0.9)
SEEDS = (0, 1, 2)
N, TEST, NOISY_WIDTH = 1000, 2000, 256
RATE, BATCH, EPOCHS, GOAL = 0.01, 64, 600, 0.01
PAIR_ROWS, PAIR_TEST, PAIR_RIDGE, PAIR_NOISES = 400, 1000, 1.0, (0.0, 0.1, 0.2, 0.3, 0.4)


def mnist() -> tuple[np.ndarray, np.ndarray]:
    """Rows of 14 x 14 pixels, mean square one; labels."""
    ds = ww.load("mnist")
    pooled = ds.X.reshape(ds.n, 14, 2, 14, 2).mean(axis=(2, 4)).reshape(ds.n, 196)
    return pooled / math.sqrt(float(np.mean(pooled**2))), ds.y.astype(np.int64)


def moved(labels: np.ndarray, share: float, classes: int, rng: np.random.Generator) -> np.ndarray:
    """A share of the labels, exactly, at another class each."""
    found = labels.copy()
    rows = rng.permutation(len(labels))[: round(share * len(labels))]
    found[rows] = (labels[rows] + rng.integers(1, classes, len(rows))) % classes
    return found


def network(X: np.ndarray, y: np.ndarray, *, part: str, width: int, noise: float, seed: int) -> dict[str, Any]:
    """Train one network, and measure all that is said of it."""
    rng = np.random.default_rng([seed, 7])
    chosen = rng.permutation(len(X))[: N + TEST]
    rows, held = X[chosen[:N]], X[chosen[N:]]
    labels, truth = moved(y[chosen[:N]], noise, 10, rng), y[chosen[N:]]
    net = MLP(widths=(width,), parametrisation="standard", trained="all", antisymmetric=False, outputs=10,
              readout="gaussian", weight_variance=2.0, input_scale=2.0 / X.shape[1])  # fmt: skip
    start = net.init(seed, d=X.shape[1])
    epoch = math.ceil(N / BATCH)
    run = ww.train(net, rows, labels, loss="cross_entropy", learning_rate=RATE, steps=EPOCHS * epoch, batch_size=BATCH,
                   optimizer=Momentum(0.9), every=epoch, stop=Stop(loss=GOAL), start=start, seed=seed)  # fmt: skip
    first, second = (np.asarray(run.params[k], np.float64) for k in ("W", "a"))
    first_start, second_start = (np.asarray(start[k], np.float64) for k in ("W", "a"))
    weights = theory.TwoLayerWeights(first=first, second=second.T, first_start=first_start, second_start=second_start.T)
    outputs = weights.outputs(rows)
    margin = max(theory.margin_percentile(outputs, labels), 0.0)
    others = outputs.copy()
    others[np.arange(N), labels] = -np.inf
    below = float(np.mean(outputs[np.arange(N), labels] - others.max(axis=1) <= margin))
    error = float(np.mean(np.argmax(weights.outputs(held), axis=1) != truth))
    noisy = float(np.mean(np.argmax(weights.outputs(held), axis=1) != moved(truth, noise, 10, rng)))
    found = {b.key: (b.kind, b.value) for b in theory.network_bounds(weights, rows, labels)}
    coded = np.eye(10)[labels]
    small = rows[:: max(1, width // 512)], coded[:: max(1, width // 512)]
    flat = flatness(net, run.params, *small, loss="cross_entropy", measure="error", draws=3)
    relative = flatness(net, run.params, *small, loss="cross_entropy", measure="error", draws=3, relative=True)
    distance = found["distance"][1]
    found["flatness"] = ("measure", flat.complexity(distance, N))
    update = np.concatenate([(first - first_start).ravel(), (second - second_start).ravel()])
    found["flatness-magnitude"] = ("measure", relative.magnitude_complexity(update, N))
    bayes = pac_bayes(net, start, run.params, rows, coded, draws=60, trial_draws=4, seed=seed)
    found["pac-bayes"] = ("full constants", bayes.bound)
    drawn = []
    for _ in range(10):
        shaken = [w + bayes.sigmas[k] * rng.standard_normal(w.shape) for k, w in (("W", first), ("a", second))]
        drawn.append(np.argmax(np.maximum(held @ shaken[0].T, 0.0) @ shaken[1], axis=1))
    drawn_error = float(np.mean(np.array(drawn) != moved(truth, noise, 10, rng)))
    losses = np.asarray(run.history.loss, np.float64)
    found["stability"] = ("leading term", theory.stability_term(losses, learning_rate=RATE * epoch, n=N).value)
    return {
        "part": part, "width": width, "noise": noise, "seed": seed, "error": error, "noisy_error": noisy, "below": below,
        "steps": int(run.history.steps[-1]), "loss": float(losses[-1]), "stopped": run.stopped,
        "gibbs": drawn_error, "bounds": {k: [kind, value if math.isfinite(value) else None] for k, (kind, value) in found.items()},
    }  # fmt: skip


def pair(X: np.ndarray, y: np.ndarray, *, noise: float, seed: int) -> dict[str, Any]:
    """Bounds that need rows and labels alone, beside the error of kernel ridge regression."""
    rng = np.random.default_rng([seed, 8])
    pool = np.flatnonzero((y == 3) | (y == 8))
    chosen = rng.permutation(pool)[: PAIR_ROWS + PAIR_TEST]
    unit = X[chosen] / np.linalg.norm(X[chosen], axis=1, keepdims=True)
    codes = (y[chosen] == 8).astype(np.int64)
    labels = 2.0 * moved(codes[:PAIR_ROWS], noise, 2, rng) - 1.0
    K = HInf()(unit[:PAIR_ROWS])
    outputs = HInf()(unit[PAIR_ROWS:], unit[:PAIR_ROWS]) @ np.linalg.solve(K + PAIR_RIDGE * np.eye(PAIR_ROWS), labels)
    truth = codes[PAIR_ROWS:]
    found = {
        b.key: [b.kind, b.value if math.isfinite(b.value) else None] for b in theory.bounds(K, labels, ridge=PAIR_RIDGE)
    }
    noisy = np.mean((outputs > 0) != moved(truth, noise, 2, rng))
    return {"part": "rows", "width": 0, "noise": noise, "seed": seed, "error": float(np.mean((outputs > 0) != truth)),
            "noisy_error": float(noisy), "below": 0.0, "bounds": found}  # fmt: skip


def jobs() -> Iterator[tuple[str, int, float, int]]:
    """Part, width, noise and seed of every row: one seed of everything after another."""
    for seed in SEEDS:
        yield from (("rows", 0, noise, seed) for noise in PAIR_NOISES)
        yield from (("width", width, 0.0, seed) for width in WIDTHS)
        yield from (("noise", NOISY_WIDTH, noise, seed) for noise in NOISES)


def tables(rows: list[dict[str, Any]]) -> str:
    """One table a part: correlations, the range of the values, and the smallest distance of a full bound from its gap."""
    titles = {
        "width": "over widths",
        "noise": f"over label noise, width {NOISY_WIDTH}",
        "rows": "bounds of the rows, over label noise",
    }
    lines = []
    for part, title in titles.items():
        chosen = [row for row in rows if row["part"] == part]
        if not chosen:
            continue
        errors = [row["error"] for row in chosen]
        lines += [
            f"{title}: {len(chosen)} runs, test error {100 * min(errors):.1f} to {100 * max(errors):.1f} %",
            "",
            "| bound or measure | kind | smallest | largest | Kendall | Spearman | least above the gap |",
            "|---|---|---|---|---|---|---|",
        ]
        table = []
        for key, (kind, _) in chosen[0]["bounds"].items():
            values = [math.inf if row["bounds"][key][1] is None else row["bounds"][key][1] for row in chosen]
            constant = len(set(values)) == 1
            tau = math.nan if constant else float(kendalltau(values, errors).statistic)
            rho = math.nan if constant else float(spearmanr(values, errors).statistic)
            signs = "- | -" if constant else f"{tau:+.2f} | {rho:+.2f}"
            above = "-"
            if kind == "full constants":
                gaps = [row["noisy_error"] - row["below"] * (key not in ("pac-bayes", "rademacher")) for row in chosen]
                if key == "pac-bayes":
                    gaps = [row["gibbs"] for row in chosen]
                above = f"{min(v - g for v, g in zip(values, gaps, strict=True)):.3g}"
            place = math.inf if constant else -tau
            table.append((place, f"| {key} | {kind} | {min(values):.3g} | {max(values):.3g} | {signs} | {above} |"))
        lines += [line for _, line in sorted(table, key=lambda entry: entry[0])]
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    """Make what is lacking, then print."""
    parser = argparse.ArgumentParser(description="Rank correlation of bounds with the test error.")
    parser.add_argument("--rows", type=Path, default=Path("bound-correlation.jsonl"))
    parser.add_argument("--report", action="store_true")
    given = parser.parse_args()
    rows = [json.loads(line) for line in given.rows.read_text().splitlines()] if given.rows.exists() else []
    done = {(row["part"], row["width"], row["noise"], row["seed"]) for row in rows}
    if not given.report:
        X, y = mnist()
        for part, width, noise, seed in jobs():
            if (part, width, noise, seed) in done:
                continue
            if part == "rows":
                row = pair(X, y, noise=noise, seed=seed)
            else:
                row = network(X, y, part=part, width=width, noise=noise, seed=seed)
            rows.append(row)
            with given.rows.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(row) + "\n")
            print({k: v for k, v in row.items() if k != "bounds"}, flush=True)
    print(tables(rows))


if __name__ == "__main__":
    main()
