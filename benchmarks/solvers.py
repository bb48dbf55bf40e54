"""Solvers side by side: a dense solve against bare LAPACK, growth with n, and all of MNIST and CIFAR-10 beside Nystroem.

    .venv/bin/python benchmarks/solvers.py dense          # n = 10000 against LAPACK's own calls
    .venv/bin/python benchmarks/solvers.py middle         # n = 20000, Gram included
    .venv/bin/python benchmarks/solvers.py growth [N ...] # iterations and time for n = 1000 ... ; appends to a table
    .venv/bin/python benchmarks/solvers.py figure         # fits the table and draws docs/images/solver-growth.png
    .venv/bin/python benchmarks/solvers.py mnist [N]      # all 60000 rows, ten classes, and scikit-learn's Nystroem
    .venv/bin/python benchmarks/solvers.py cifar [N]      # five classes of CIFAR-10
    .venv/bin/python benchmarks/solvers.py xrfm [N]       # xRFM on the same rows of MNIST, in an environment of its own

Data sets are found as `widthwise.load` finds them (WIDTHWISE_DATA). The table of `growth` is kept in the system's temporary
folder, so that each size can be a run of its own.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

DEPTH = 3
# In units of the kernel's mean diagonal.
RIDGE = 1e-3
TOL = 1e-6
# Points of Nystroem, and the seconds that all of them together may take.
POINTS = (1000, 4000, 8000, 12_000)
BUDGET = 1500
TABLE = Path(tempfile.gettempdir()) / "widthwise-solver-growth.jsonl"


def peak() -> float:
    """Most memory this process has held, in GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def mnist() -> tuple[Any, ...]:
    """Unit rows and labels of MNIST, training part and test part."""
    from widthwise.datasets.mnist import MNIST, read_image_set

    (X, y, _), (Z, z, _) = (read_image_set(MNIST, split) for split in ("train", "test"))
    return unit(X.reshape(len(X), -1)), y.astype(int), unit(Z.reshape(len(Z), -1)), z.astype(int)


def cifar() -> tuple[Any, ...]:
    """Unit rows, centred by channel mean, and labels of five classes of CIFAR-10."""
    import os

    place = Path(os.environ["WIDTHWISE_DATA"]) / "cifar10"
    (path,) = place.glob("*.npz")
    with np.load(path, allow_pickle=False) as stored:
        names = {key.lower(): key for key in stored.files}
        print({key: stored[key].shape for key in stored.files})
        X, y = (stored[names[k]] for k in ("x_train", "y_train"))
        Z, z = (stored[names[k]] for k in ("x_test", "y_test"))
    X, Z = (a.reshape(len(a), -1).astype(np.float64) / 255.0 for a in (X, Z))
    middle = X.mean(axis=0)
    codes = np.unique(y)
    return unit(X - middle), np.searchsorted(codes, y.ravel()), unit(Z - middle), np.searchsorted(codes, z.ravel())


def unit(X: Any) -> Any:
    X = np.asarray(X, dtype=np.float64)
    return X / np.linalg.norm(X, axis=1, keepdims=True)


def coded(y: Any, classes: int) -> tuple[Any, Any]:
    """One-hot targets, centred, and the mean."""
    Y = np.eye(classes)[y]
    return Y - Y.mean(axis=0), Y.mean(axis=0)


def timed(call: Any) -> tuple[float, Any]:
    start = time.perf_counter()
    found = call()
    return time.perf_counter() - start, found


def dense(n: int = 10_000, repeats: int = 3) -> None:
    """`solve` with its residual, its condition and its copy, against copy, Cholesky and solve of LAPACK."""
    from scipy.linalg import lapack

    from widthwise.kernels import NTK
    from widthwise.solvers import solve

    X, y, *_ = mnist()
    kernel = NTK(depth=DEPTH)
    K = kernel(X[:n])
    Y, _ = coded(y[:n], 10)
    ridge = RIDGE * float(np.mean(np.diag(K)))

    def bare() -> Any:
        work = K.copy()
        work[np.diag_indices(n)] += ridge
        factor, _ = lapack.dpotrf(work.T, lower=0, overwrite_a=1, clean=0)
        return lapack.dpotrs(factor, np.asfortranarray(Y), lower=0)[0]

    rows = []
    for _ in range(repeats):
        rows.append(
            [timed(bare)[0], *(timed(lambda s=s: solve(K, Y, ridge=ridge, solver=s))[0] for s in ("cholesky", "mixed"))]
        )
    b, c, m = np.median(rows, axis=0)
    print(
        f"n = {n}, 10 right-hand sides, medians of {repeats}: LAPACK {b:.2f} s, cholesky {c:.2f} s ({c / b:.2f}), "
        f"mixed {m:.2f} s ({m / b:.2f})"
    )
    for solver in ("cholesky", "mixed"):
        print(solve(K, Y, ridge=ridge, solver=solver))


def middle(n: int = 20_000) -> None:
    """A kernel of rows, solved to the tolerance, Gram included."""
    X, y, *_ = mnist()
    Y, _ = coded(y[:n], 10)
    run(X[:n], Y)


def run(X: Any, Y: Any, **arguments: Any) -> tuple[float, Any]:
    from widthwise.kernels import NTK
    from widthwise.solvers import solve

    kernel = NTK(depth=DEPTH)
    for dtype in ("float64", "float32"):  # compilation is outside
        kernel(X[:600], dtype=dtype)
    operator = kernel.operator(X, progress=False)
    ridge = RIDGE * float(operator.diagonal().mean())
    seconds, found = timed(lambda: solve(operator, Y, ridge=ridge, tol=TOL, progress=False, **arguments))
    print(f"n = {len(X)}: {seconds:.1f} s, peak {peak():.1f} GiB. {found}", flush=True)
    return seconds, found


def growth(sizes: list[int]) -> None:
    X, y, *_ = mnist()
    for n in sizes:
        Y, _ = coded(y[:n], 10)
        seconds, found = run(X[:n], Y, solver="cg", store="float32")
        append(TABLE, n, seconds, found)


def append(table: Path, n: int, seconds: float, found: Any) -> None:
    row = {"n": n, "seconds": seconds, "iterations": found.iterations, "residual": found.residual}
    with table.open("a") as file:
        file.write(json.dumps(row) + "\n")


def figure() -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    found = {row["n"]: row for row in map(json.loads, TABLE.read_text().splitlines())}
    rows = [found[n] for n in sorted(found)]
    n, seconds, iterations = (np.array([row[k] for row in rows], float) for k in ("n", "seconds", "iterations"))
    # A size whose run was disturbed has null for its seconds: its iterations stay.
    known = n[np.isfinite(seconds)].max()
    last = seconds[n == known][0]
    in_time, in_iterations = (
        np.polyfit(np.log(n[kept]), np.log(v[kept]), 1)[0]
        for v in (seconds, iterations)
        if (kept := (n >= 4000) & np.isfinite(v)) is not None
    )
    for row in rows:
        print(f"| {row['n']} | {row['iterations']} | {row['seconds']} | {row['residual']:.1e} |")
    print(f"from n = 4000 on: seconds n^{in_time:.2f}, iterations n^{in_iterations:.2f}")
    drawing = Figure(figsize=(7.2, 3.0), layout="constrained")
    FigureCanvasAgg(drawing)
    left, right = drawing.subplots(1, 2)
    left.loglog(n, seconds, "o-", color="#0b5fa5", label="measured")
    left.loglog(n, last * (n / known) ** 2, ":", color="#666666", label="n²")
    left.loglog(n, last * (n / known) ** 3, "--", color="#999999", label="n³")
    left.set(xlabel="rows n", ylabel="seconds, Gram included", title=f"time: n^{in_time:.2f}")
    left.set_ylim(np.nanmin(seconds) / 2, np.nanmax(seconds) * 30)
    left.legend(frameon=False)
    right.loglog(n, iterations, "s-", color="#b3541e", label="measured")
    right.loglog(n, iterations[-1] * (n / n[-1]) ** 0.5, ":", color="#666666", label="√n")
    right.set(xlabel="rows n", ylabel="iterations to 1e-6", title=f"iterations: n^{in_iterations:.2f}")
    right.set_ylim(iterations.min() / 2, iterations.max() * 2)
    right.set_yticks([10, 20, 30, 40, 60], labels=["10", "20", "30", "40", "60"])
    right.minorticks_off()
    right.legend(frameon=False)
    path = Path(__file__).resolve().parents[1] / "docs" / "images" / "solver-growth.png"
    drawing.savefig(path, dpi=110)
    print(f"wrote {path.name}")


def whole(data: tuple[Any, ...], n: int | None = None, *, table: Path | None = None) -> None:
    """Exact regression on all rows, its certificate and its accuracy; then Nystroem with ridge on the same kernel.

    Appends to a table of `growth`, where one is given. Points are added until Nystroem is as accurate (within 0.05 points
    of the error), or the next number would not fit into memory or, by the cube of the points, into BUDGET seconds.
    """
    from widthwise.kernels import NTK

    X, y, Z, z = data
    X, y = X[:n], y[:n]
    classes = int(y.max()) + 1
    Y, mean = coded(y, classes)
    kernel = NTK(depth=DEPTH)
    seconds, found = run(X, Y, solver="cg", store="float32")
    if table is not None:
        append(table, len(X), seconds, found)
    accuracy = float(np.mean((kernel.matmul(Z, found.coefficients, X) + mean).argmax(axis=1) == z))
    print(
        f"exact: {seconds:.0f} s, residual {found.residual:.2g}, test accuracy {100 * accuracy:.2f} %, history {found.history}",
        flush=True,
    )
    spent, ours, before = 0.0, accuracy, 0
    for count in POINTS:
        # Features, and the factors of scikit-learn's decomposition of the points' own matrix.
        needed = 8.0 * count * (2.0 * len(X) + 5.0 * count)
        if needed > free_memory() or (before and spent + seconds * (count / before) ** 3 > BUDGET):
            print(f"Nystroem with {count} points: left out, {needed / 1e9:.1f} GB and more than {BUDGET} s in all")
            break
        seconds, predict = nystroem(X, Y, kernel, count)
        spent, before = spent + seconds, count
        accuracy = float(np.mean((predict(Z) + mean).argmax(axis=1) == z))
        print(
            f"Nystroem with {count} points: {seconds:.0f} s, test accuracy {100 * accuracy:.2f} %, peak {peak():.1f} GiB",
            flush=True,
        )
        if accuracy >= ours - 5e-4:
            print(f"equal accuracy at {count} points")
            break


# Arguments: a file of arrays, rows of a leaf. Prints the accuracy, the seconds and the peak memory in GiB.
XRFM_SCRIPT = """
import json, resource, sys, time
import numpy as np, torch
from xrfm import xRFM
path, leaf = json.loads(sys.argv[1])
given = np.load(path, allow_pickle=False)
params = {"model": {"kernel": "l2", "bandwidth": 10.0, "exponent": 1.0, "diag": False, "bandwidth_mode": "constant"},
          "fit": {"reg": 1e-3, "iters": 3, "verbose": False, "early_stop_rfm": True}}
model = xRFM(rfm_params=params, device=torch.device("cpu"), tuning_metric="accuracy", max_leaf_size=leaf, random_state=0,
             verbose=False)
start = time.perf_counter()
model.fit(given["X"], given["y"], given["V"], given["v"])
seconds = time.perf_counter() - start
found = np.asarray(model.predict(given["Z"])).ravel()
print(json.dumps({"accuracy": float(np.mean(found == given["z"])), "seconds": seconds,
                  "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}))
"""


def xrfm(n: int | None = None, leaf: int = 10_000) -> None:
    """Fit xRFM 0.4.5 as it comes, in leaves that two cores can factorise; a tenth of the rows validates."""
    import peers

    X, y, Z, z = mnist()
    X, y = X[:n].astype(np.float32), y[:n]
    held = np.random.default_rng(0).permutation(len(X)) < len(X) // 10
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "rows.npz"
        np.savez(path, X=X[~held], y=y[~held], V=X[held], v=y[held], Z=Z.astype(np.float32), z=z)
        found = peers.measure(peers.environment("xrfm", peers.XRFM), XRFM_SCRIPT, [str(path), leaf])
    print(
        f"xRFM, {len(X)} rows, leaves of at most {leaf}: {found['seconds']:.0f} s, test accuracy "
        f"{100 * found['accuracy']:.2f} %, peak {found['peak']:.1f} GiB"
    )


def free_memory() -> float:
    from widthwise._checks import available_memory

    return float(available_memory() or np.inf)


def nystroem(X: Any, Y: Any, kernel: Any, points: int) -> tuple[float, Any]:
    """scikit-learn's Nystroem features of the same kernel, and its ridge regression.

    scikit-learn calls a kernel of one's own pair by pair, which would take days: it is given matrices of the kernel instead.
    """
    from sklearn import kernel_approximation
    from sklearn.linear_model import Ridge

    kernel_approximation.pairwise_kernels = lambda a, b=None, **_: kernel(a, b)
    ridge = RIDGE * float(kernel.diag(X[:1])[0])
    features = kernel_approximation.Nystroem(kernel="rbf", n_components=points, random_state=0)
    model = Ridge(alpha=ridge, fit_intercept=False, solver="cholesky")
    seconds, _ = timed(lambda: model.fit(features.fit_transform(X), Y))
    return seconds, lambda Z: model.predict(features.transform(Z))


if __name__ == "__main__":
    what, numbers = sys.argv[1], [int(word) for word in sys.argv[2:]]
    if what == "dense":
        dense()
    elif what == "middle":
        middle(*numbers)
    elif what == "growth":
        growth(numbers or [1000, 2000, 4000, 8000, 16_000])
    elif what == "figure":
        figure()
    elif what == "mnist":
        whole(mnist(), *numbers, table=TABLE)
    elif what == "cifar":
        whole(cifar(), *numbers)
    elif what == "xrfm":
        xrfm(*numbers)
