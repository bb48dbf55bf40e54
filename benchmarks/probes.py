"""What the default probes cost of a training at the default cadence, and each traced probe of one step.

    .venv/bin/python benchmarks/probes.py [RUNS]

A run without probes, with `probes.DEFAULT`, and with nothing but `loss` in turn, each the best of RUNS (3) after one that
compiles.
"""

from __future__ import annotations

import sys
import time

import numpy as np

import widthwise as ww
from widthwise.networks import MLP
from widthwise.training import probes

SETTINGS = (
    # rows, columns, neurons, steps, batch
    (500, 100, 2048, 400, None),
    (1000, 20, 4096, 400, None),
    (1000, 784, 1024, 2000, 16),
)


def seconds(runs: int, net: MLP, X: np.ndarray, y: np.ndarray, **options: object) -> float:
    """Best time of a run after one that compiles."""
    best = float("inf")
    for attempt in range(runs + 1):
        started = time.perf_counter()
        ww.train(net, X, y, learning_rate=1e-3, **options)  # type: ignore[arg-type]
        if attempt:
            best = min(best, time.perf_counter() - started)
    return best


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    generator = np.random.default_rng(0)
    print("| n, d, m, steps, batch | no probes | loss alone | default probes | cost of the default |")
    print("|---|---|---|---|---|")
    for n, d, m, steps, batch in SETTINGS:
        X = generator.standard_normal((n, d))
        X /= np.linalg.norm(X, axis=1, keepdims=True)
        y = np.where(X[:, 0] > 0, 1.0, -1.0)
        net = MLP(widths=(m,))
        common = {"steps": steps, "batch_size": batch}
        bare, one, usual = (
            seconds(runs, net, X, y, probes=taken, **common) for taken in ((), (probes.Loss(),), probes.DEFAULT)
        )
        print(
            f"| {n}, {d}, {m}, {steps}, {batch or 'all'} | {bare:.3f} s | {one:.3f} s | {usual:.3f} s "
            f"| {100 * (usual / bare - 1):.1f} % |"
        )


if __name__ == "__main__":
    main()
