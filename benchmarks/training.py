"""A step of training side by side: widthwise, its two products alone, PyTorch eager and compiled, torch.func, jax.vmap.

    .venv/bin/python benchmarks/training.py [--part floor|small|many|probes|all] [--probes NAME ...] [--no-peers]

Prints tables in Markdown: medians of wall time. All sides are float32 and see the same rows. PyTorch has an environment of
its own (see peers.py).
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

from peers import TORCH, environment, measure

ROWS = 1000
FLOORS = ((64, 1024), (64, 4096), (64, 16384), (784, 1024), (784, 4096), (784, 16384))
SMALL = (1000, 64, 256, 64)
MANY = (100, 20, 256, 16)

TORCH_PROGRAM = """
import json, statistics, sys, time
import torch
from torch.func import functional_call, grad, stack_module_state, vmap
floors, rows, small, many = json.loads(sys.argv[1])
found = {}
def timed(step, repeats):
    for _ in range(3): step()
    times = []
    for _ in range(repeats):
        start = time.perf_counter(); step(); times.append(time.perf_counter() - start)
    return statistics.median(times)
def full_batch(d, m, compiled):
    torch.manual_seed(0)
    X, y = torch.randn(rows, d) / d**.5, torch.randn(rows, 1)
    W = torch.randn(m, d, requires_grad=True); a = torch.sign(torch.randn(m, 1)) / m**.5
    loss = lambda W: ((torch.relu(X @ W.T) @ a - y) ** 2).sum() / 2
    loss = torch.compile(loss) if compiled else loss
    def step():
        W.grad = None
        loss(W).backward()
        with torch.no_grad(): W.sub_(1e-3 * W.grad)
    return step
for d, m in floors:
    for name, compiled in (("torch eager", False), ("torch.compile", True)):
        found[f"floor/{name}/{d}/{m}"] = timed(full_batch(d, m, compiled), 7)
n, d, m, B = small
for name, compiled in (("torch eager", False), ("torch.compile", True)):
    X, y = torch.randn(n, d) / d**.5, torch.randn(n, 1)
    W = torch.randn(m, d, requires_grad=True); a = torch.sign(torch.randn(m, 1)) / m**.5
    loss = lambda W, X, y: ((torch.relu(X @ W.T) @ a - y) ** 2).sum() / 2
    loss = torch.compile(loss) if compiled else loss
    optimizer = torch.optim.SGD([W], lr=1e-3)
    def step():
        rows_ = torch.randint(n, (B,))
        optimizer.zero_grad(); loss(W, X[rows_], y[rows_]).backward(); optimizer.step()
    found[f"small/{name}"] = timed(step, 500)
n, d, m, N = many
X, y = torch.randn(n, d) / d**.5, torch.randn(n, 1)
Ws = torch.randn(N, m, d); a = torch.sign(torch.randn(N, m, 1)) / m**.5
one = grad(lambda W, a: ((torch.relu(X @ W.T) @ a - y) ** 2).sum() / 2)
many_ = vmap(one)
def step():
    Ws.sub_(1e-3 * many_(Ws, a))
found["many/torch.func vmap"] = timed(step, 50) / N
print(json.dumps(found))
"""


def timed(what: Callable[[], object], repeats: int) -> float:
    """Median seconds of several calls after one."""
    what()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        what()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def problem(n: int, d: int):
    import numpy as np

    generator = np.random.default_rng(0)
    return generator.standard_normal((n, d)) / d**0.5, generator.standard_normal(n)


def floor(d: int, m: int) -> float:
    """Seconds of the two products of a step, whole, by BLAS with all its threads, into arrays that are there."""
    import numpy as np

    X = problem(ROWS, d)[0].astype(np.float32)
    W, back, step = np.ones((m, d), np.float32), np.ones((ROWS, m), np.float32), np.empty((m, d), np.float32)

    def both() -> None:
        np.matmul(X, W.T, out=back)
        np.matmul(back.T, X, out=step)

    return timed(both, 9)


def ours(net, n: int, d: int, steps: int, repeats: int = 3, **more) -> float:
    """Seconds of a step of `train`: two lengths, so that what a run costs once falls out."""
    import statistics

    import widthwise as ww

    X, y = problem(n, d)

    def seconds(steps: int) -> float:
        start = time.perf_counter()
        ww.train(net, X, y, learning_rate=1e-3, steps=steps, **more)
        return time.perf_counter() - start

    seconds(steps)
    seconds(3 * steps)
    return statistics.median((seconds(3 * steps) - seconds(steps)) / (2 * steps) for _ in range(repeats))


def floors(theirs: dict[str, float]) -> None:
    """Full-batch steps against their own products."""
    from widthwise.networks import MLP
    from widthwise.training import Plan

    print("| d | m | products | widthwise | / products | its compiled path | torch eager | torch.compile |")
    print("|---|---|---:|---:|---:|---:|---:|---:|")
    for d, m in FLOORS:
        bare = floor(d, m)
        steps = max(5, int(0.15 / bare))
        net = MLP(widths=(m,))
        step, compiled = ours(net, ROWS, d, steps), ours(net, ROWS, d, steps, plan=Plan())
        others = [theirs.get(f"floor/{name}/{d}/{m}") for name in ("torch eager", "torch.compile")]
        told = " | ".join("" if t is None else f"{1e3 * t:.2f} ms ({t / bare:.2f})" for t in others)
        print(
            f"| {d} | {m} | {1e3 * bare:.2f} ms | {1e3 * step:.2f} ms | {step / bare:.2f} | "
            f"{1e3 * compiled:.2f} ms ({compiled / bare:.2f}) | {told} |",
            flush=True,
        )


def small(theirs: dict[str, float]) -> None:
    """Stochastic steps of a small network."""
    from widthwise.networks import MLP

    n, d, m, B = SMALL
    step = ours(MLP(widths=(m,)), n, d, 2000, batch_size=B, every=10**6)
    print("| small network, batch 64 | us a step | / ours |\n|---|---:|---:|")
    print(f"| widthwise | {1e6 * step:.0f} | |")
    for name, t in theirs.items():
        if name.startswith("small/"):
            print(f"| {name[6:]} | {1e6 * t:.0f} | {t / step:.1f} |", flush=True)


def many(theirs: dict[str, float]) -> None:
    """Many networks, seconds a step and network."""
    from widthwise.networks import MLP
    from widthwise.training import Plan, train_many

    n, d, m, N = MANY
    X, y = problem(n, d)
    print(f"| {N} networks, us a step and network | | / map |\n|---|---:|---:|")
    found = {}
    for name, plan in (("widthwise, map", Plan(batch=N)), ("jax.vmap in the same loop", Plan(mode="vmap", batch=N))):

        def seconds(steps: int, plan: Plan = plan) -> float:
            start = time.perf_counter()
            train_many(MLP(widths=(m,)), X, y, seeds=range(N), learning_rate=1e-3, steps=steps, plan=plan)
            return time.perf_counter() - start

        seconds(100), seconds(300)
        found[name] = statistics.median((seconds(300) - seconds(100)) / (200 * N) for _ in range(3))
    found |= {name[5:]: t for name, t in theirs.items() if name.startswith("many/")}
    for name, t in found.items():
        print(f"| {name} | {1e6 * t:.0f} | {t / found['widthwise, map']:.2f} |", flush=True)


def probes(names: list[str]) -> None:
    """What probes cost at their default cadence, of runs of 320 steps."""
    from widthwise.networks import MLP

    n, d, m = 500, 64, 1024
    print("| probes | share of a run without |\n|---|---:|")
    bare = ours(MLP(widths=(m,)), n, d, 320, every=10)
    for name in [[], *[[name] for name in names], names]:
        more = ours(MLP(widths=(m,)), n, d, 320, probes=tuple(name), every=10)
        print(f"| {', '.join(name) or 'none'} | {100 * (more / bare - 1):.1f} % |", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", default="all", choices=["floor", "small", "many", "probes", "all"])
    parser.add_argument("--probes", nargs="*", default=[])
    parser.add_argument("--no-peers", action="store_true")
    options = parser.parse_args()
    theirs: dict[str, float] = {}
    if not options.no_peers and options.part != "probes":
        theirs = measure(environment("torch", TORCH), TORCH_PROGRAM, [FLOORS, ROWS, SMALL, MANY])
    for part, work in (("floor", floors), ("small", small), ("many", many)):
        if options.part in (part, "all"):
            work(theirs)
    if options.part in ("probes", "all") and options.probes:
        probes(options.probes)


if __name__ == "__main__":
    main()
