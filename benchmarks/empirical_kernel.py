"""Empirical tangent kernels side by side: widthwise, neural-tangents' three implementations, torch.func, and bare products.

    .venv/bin/python benchmarks/empirical_kernel.py [--repeats 3] [--no-peers] [--no-products]

Prints one table in Markdown: medians of wall time, and ratios. All sides are float32, see the same rows and compute the
kernel of one output with respect to every weight. Peers have environments of their own (see peers.py).
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

from peers import NEURAL_TANGENTS, STUB, TORCH, environment, measure

Row = tuple[str, str, float, str]

# Rows, columns, width and numbers of hidden layers of the comparison with peers, and of that with bare products.
PEERS = (400, 784, 1024, (1, 2))
PRODUCTS = (2000, 784, 4096, (1, 2, 4))

TIMING = """
import json, statistics, sys, time
import numpy as np
n, d, m, depths, repeats = json.loads(sys.argv[1])
X = np.random.default_rng(0).standard_normal((n, d)).astype(np.float32) / d**0.5
def timed(what):
    start = time.perf_counter(); what(); first = time.perf_counter() - start
    times = []
    for _ in range(repeats if first < 30 else 1):
        start = time.perf_counter(); what(); times.append(time.perf_counter() - start)
    return statistics.median(times)
found = {}
"""

NEURAL_TANGENTS_PROGRAM = (
    STUB
    + TIMING
    + """
import jax
import neural_tangents as nt
from neural_tangents import stax
rows = jax.numpy.asarray(X)
for depth in depths:
    layers = [layer for _ in range(depth) for layer in (stax.Dense(m, W_std=2**0.5), stax.Relu())]
    init, apply, _ = stax.serial(*layers, stax.Dense(1))
    params = init(jax.random.PRNGKey(0), (n, d))[1]
    for implementation in (3, 2, 1):
        kernel = jax.jit(nt.empirical_ntk_fn(apply, trace_axes=(), vmap_axes=0, implementation=implementation))
        seconds = timed(lambda: kernel(rows, None, params).block_until_ready())
        found[f"neural-tangents 0.6.5, implementation {implementation}/{depth}"] = seconds
print(json.dumps(found))
"""
)

TORCH_PROGRAM = (
    TIMING
    + """
import torch
from torch.func import functional_call, jacrev, vmap
rows = torch.as_tensor(X)
for depth in depths:
    layers, fan = [], d
    for _ in range(depth):
        layers += [torch.nn.Linear(fan, m, bias=False), torch.nn.ReLU()]
        fan = m
    net = torch.nn.Sequential(*layers, torch.nn.Linear(fan, 1, bias=False))
    params = {name: value.detach() for name, value in net.named_parameters()}
    one = lambda values, row: functional_call(net, values, (row[None],))[0, 0]
    def kernel():
        leaves = vmap(jacrev(one), (None, 0))(params, rows).values()
        return sum(leaf.reshape(n, -1) @ leaf.reshape(n, -1).T for leaf in leaves)
    found[f"torch.func {torch.__version__}/{depth}"] = timed(kernel)
print(json.dumps(found))
"""
)


def timed(what: Callable[[], object], repeats: int) -> float:
    """Median seconds of several calls after one that compiles."""
    what()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        what()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def ours(n: int, d: int, m: int, depth: int, repeats: int) -> float:
    """Seconds of `widthwise.networks.empirical_ntk` on an array that is there."""
    import jax.numpy as jnp
    import numpy as np

    from widthwise.networks import MLP, empirical_ntk

    X = jnp.asarray(np.random.default_rng(0).standard_normal((n, d)) / d**0.5, jnp.float32)
    net = MLP(widths=(m,) * depth, trained="all", antisymmetric=False, weight_variance=2.0)
    params = net.init(0, d=d)
    return timed(lambda: empirical_ntk(net, params, X).block_until_ready(), repeats)


def products(n: int, d: int, m: int, depth: int, repeats: int) -> float:
    """Seconds of the matrix products that the layers need, each whole, and nothing else."""
    import jax
    import jax.numpy as jnp

    X, A = jnp.ones((n, d)), jnp.ones((n, m))
    first, inner = jnp.ones((m, d)), jnp.ones((m, m))
    product = jax.jit(lambda x, z: x @ z.T)
    # Forward, backward, and for each layer the Gram matrices of its inputs and of its back-propagated signals.
    pairs = [(X, first), (X, X), *[(A, inner)] * (2 * (depth - 1)), *[(A, A)] * (2 * depth)]

    def run() -> None:
        for x, z in pairs:
            product(x, z).block_until_ready()

    return timed(run, repeats)


def peers(repeats: int) -> dict[str, float]:
    """Seconds of every peer, by `name/depth`."""
    found: dict[str, float] = {}
    for name, steps, program in (
        ("neural-tangents", NEURAL_TANGENTS, NEURAL_TANGENTS_PROGRAM),
        ("torch", TORCH, TORCH_PROGRAM),
    ):
        found |= measure(environment(name, steps), program, [*PEERS, repeats])
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--no-products", action="store_true")
    options = parser.parse_args()
    table: list[Row] = []
    if not options.no_peers:
        n, d, m, depths = PEERS
        others = peers(options.repeats)
        for depth in depths:
            seconds = ours(n, d, m, depth, 5 * options.repeats)
            work = f"n={n}, d={d}, m={m}, {depth} hidden"
            table.append((work, "widthwise", seconds, ""))
            for name, theirs in others.items():
                peer, at = name.rsplit("/", 1)
                if int(at) == depth:
                    table.append((work, peer, theirs, f"{theirs / seconds:.1f}x ours"))
    if not options.no_products:
        n, d, m, depths = PRODUCTS
        for depth in depths:
            bare, seconds = (side(n, d, m, depth, options.repeats) for side in (products, ours))
            work = f"n={n}, d={d}, m={m}, {depth} hidden"
            table.append((work, "its own products, whole", bare, ""))
            table.append((work, "widthwise", seconds, f"{seconds / bare:.2f}x the products"))
    print("| work | who | seconds | ratio |\n|---|---|---:|---|")
    for work, who, seconds, ratio in table:
        print(f"| {work} | {who} | {seconds:.4f} | {ratio} |")


if __name__ == "__main__":
    main()
