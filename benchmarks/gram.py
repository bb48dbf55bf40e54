"""Gram matrices side by side: widthwise, neural-tangents jitted, and the bare matrix product; time, accuracy, growth.

    .venv/bin/python benchmarks/gram.py [--n 8192] [--repeats 3] [--columns 784 20 3072 2] [--depths 1 3 10] [--dtype float32]

Every figure is a median over rounds of medians of three calls; in each round every side has a fresh process, in turn.
Compilation is outside, as a first call. Prints Markdown. `--no-peers` leaves neural-tangents out; `--growth` instead measures
n from 1024 to 16384 and depth 1 to 50 and writes docs/images/gram-growth.png.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path
from typing import Any

import numpy as np
from peers import NEURAL_TANGENTS, OURS, STUB, environment, measure

SETUP = """
import json, resource, sys, time
import numpy as np
a = json.loads(sys.argv[1])
X = np.random.default_rng(0).standard_normal((a["n"], a["d"]))
X /= np.linalg.norm(X, axis=1, keepdims=True)

def timed(call, repeats=3):
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return sorted(times)[repeats // 2]
"""
WIDTHWISE = (
    SETUP
    + """
from widthwise.kernels import NTK
k = NTK(depth=a["depth"])
out = np.empty((a["n"], a["n"]), a["dtype"])
k(X[:600], dtype=a["dtype"])
seconds = timed(lambda: k.gram(X, out))
print(json.dumps({"seconds": seconds, "probe": out[:3, 5:8].ravel().tolist()}))
"""
)
BARE = (
    SETUP
    + """
X = X.astype(a["dtype"])
out = np.empty((a["n"], a["n"]), a["dtype"])
# NumPy hands X X' to SYRK, which computes one half, and mirrors it; X Z' is the full product.
Z = X.copy()
half = timed(lambda: np.matmul(X, X.T, out=out))
full = timed(lambda: np.matmul(X, Z.T, out=out))
print(json.dumps({"half": half, "full": full}))
"""
)
PEER = (
    STUB
    + SETUP
    + """
import jax
if a["dtype"] == "float64":
    jax.config.update("jax_enable_x64", True)
from neural_tangents import stax
layers = []
for _ in range(a["depth"]):
    layers += [stax.Dense(1, W_std=2**0.5, b_std=None), stax.Relu()]
_, _, kernel = stax.serial(*layers, stax.Dense(1, W_std=2**0.5, b_std=None))
call = jax.jit(lambda x: kernel(x, None, "ntk"))
X = jax.numpy.asarray(X, a["dtype"])
seconds = timed(lambda: call(X).block_until_ready())
# Its first layer has variance 2/d where ours has 1.
probe = np.asarray(call(X))[:3, 5:8] * a["d"] / 2
print(json.dumps({"seconds": seconds, "probe": probe.ravel().tolist()}))
"""
)


def main(options: argparse.Namespace) -> None:
    """Print P1 and P1m."""
    python = environment("neural-tangents", NEURAL_TANGENTS) if options.peers else None
    print(f"n = {options.n}, medians of {options.repeats} rounds\n")
    print(
        "| d | dtype | depth | widthwise | neural-tangents | ratio | half product | ours / half | full product | ours / full |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for d, depth in ((d, depth) for d in options.columns for depth in options.depths):
        arguments = {"n": options.n, "d": d, "dtype": options.dtype, "depth": depth}
        rows = []
        for _ in range(options.repeats):
            ours, bare = measure(OURS, WIDTHWISE, arguments), measure(OURS, BARE, arguments)
            peer = measure(python, PEER, arguments) if python else {"seconds": np.nan}
            if "probe" in peer:
                np.testing.assert_allclose(ours["probe"], peer["probe"], rtol=1e-3)
            rows.append((ours["seconds"], peer["seconds"], bare["half"], bare["full"]))
        us, them, half, full = (statistics.median(column) for column in zip(*rows, strict=True))
        print(
            f"| {d} | {options.dtype} | {depth} | {us:.3f} s | {them:.3f} s | {them / us:.1f} | {half:.3f} s | {us / half:.2f} "
            f"| {full:.3f} s | {us / full:.2f} |",
            flush=True,
        )


def growth(repeats: int) -> None:
    """Fit time against n and against depth, and draw both."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    def median(**arguments: Any) -> float:
        return statistics.median(measure(OURS, WIDTHWISE, arguments)["seconds"] for _ in range(repeats))

    sizes = (1024, 2048, 4096, 8192, 16384)
    depths = (1, 2, 3, 5, 10, 20, 50)
    by_n = [median(n=n, d=64, dtype="float32", depth=3) for n in sizes]
    by_depth = [median(n=4096, d=64, dtype="float32", depth=depth) for depth in depths]
    in_n, in_depth = (np.polyfit(np.log(x), np.log(y), 1)[0] for x, y in ((sizes, by_n), (depths[:5], by_depth[:5])))
    print(
        f"time against n, d = 64, depth 3: exponent {in_n:.2f}; "
        f"{' '.join(f'{n}: {t:.3f}' for n, t in zip(sizes, by_n, strict=True))}"
    )
    print(
        f"time against depth 1 to 10, n = 4096: exponent {in_depth:.3f}; "
        f"{' '.join(f'{depth}: {t:.3f}' for depth, t in zip(depths, by_depth, strict=True))}"
    )
    figure = Figure(figsize=(7.2, 3), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    left.loglog(sizes, by_n, "o-", color="#0b5fa5")
    left.loglog(sizes, [by_n[-1] * (n / sizes[-1]) ** 2 for n in sizes], ":", color="#666666")
    left.set(xlabel="rows n", ylabel="seconds", title=f"depth 3: n^{in_n:.2f} (dotted: n²)")
    right.semilogx(depths, by_depth, "s-", color="#0b5fa5")
    right.set(xlabel="depth", title="n = 4096: flat in depth", ylim=(0, 2 * max(by_depth)))
    path = Path(__file__).resolve().parents[1] / "docs" / "images" / "gram-growth.png"
    figure.savefig(path, dpi=110)
    print(f"wrote {path.name}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=8192)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--columns", type=int, nargs="+", default=(784, 20, 3072, 2))
    parser.add_argument("--depths", type=int, nargs="+", default=(1, 3, 10))
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    parser.add_argument("--no-peers", dest="peers", action="store_false")
    parser.add_argument("--growth", action="store_true")
    chosen = parser.parse_args()
    if chosen.growth:
        growth(chosen.repeats)
    else:
        main(chosen)
