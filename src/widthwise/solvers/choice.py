r"""One call that solves (K + rI) A = Y for kernel matrices of any size, and says how and why that way.

| solver | what is factorised or stored | cost |
|---|---|---|
| `cholesky` | a float64 factor | n^3 / 3 |
| `mixed` | a float32 factor; residuals in float64 | half of it |
| `eigen` | eigenvectors: singular matrices, and every ridge at once (`ridge_path`) | 9 n^3 and more |
| `cg` | half the matrix in tiles, or nothing: block conjugate gradients inside float64 refinement | n^2 an iteration |
| `nystroem` | some columns; an approximation, and said so | n p^2 |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from widthwise._checks import available_memory, columns, count, positive
from widthwise.errors import DataError, UsageError
from widthwise.solvers.direct import cholesky, in_range, mixed
from widthwise.solvers.iterative import cg, inducing
from widthwise.solvers.job import SHARE, Job
from widthwise.solvers.operators import Matrix, TileReader, as_operator
from widthwise.solvers.packed import PackedTiles
from widthwise.solvers.solution import Solution

Solver = Literal["auto", "cholesky", "mixed", "eigen", "cg", "nystroem"]
Precondition = Literal["pivoted-cholesky", "nystroem", "none"]
Store = Literal["auto", "float64", "float32", "none"]

SOLVERS = ("auto", "cholesky", "mixed", "eigen", "cg", "nystroem")
# Rows up to which a factor in float64, and one in float32, cost least on two cores.
CHOLESKY_ROWS = 4000
MIXED_ROWS = 14_000


def solve(
    K: Any,
    Y: Float[np.ndarray, " n"] | Float[np.ndarray, "n k"],
    *,
    ridge: float = 0.0,
    solver: Solver = "auto",
    tol: float = 1e-6,
    rank: int | None = None,
    precondition: Precondition = "pivoted-cholesky",
    store: Store = "auto",
    max_iterations: int = 2000,
    seed: int = 0,
    checkpoint: str | Path | None = None,
    progress: bool = False,
) -> Solution:
    r"""Solve :math:`(K + rI)A = Y` for a symmetric positive semi-definite K.

    Nothing is added to the diagonal but the ridge. A system that is singular to working precision is solved within its
    range, and the answer names the rows that coincide and the share of Y that is out of reach.

    Args:
        K: a square array or memory map, `kernel.operator(X)`, or a folder of tiles from `kernel.gram(X, "folder")`. The
            lower triangle is read.
        Y: right-hand sides.
        ridge: r, at least zero, in the units of K.
        solver: `auto` chooses by size, memory and what K is; see the table above.
        tol: of the relative residual |Y - (K + rI) A| / |Y|, evaluated in float64 from K itself, for every column.
        rank: columns of the preconditioner of `cg`, or inducing points of `nystroem`.
        precondition: of `cg`.
        store: how `cg` holds an operator of rows: tiles of float64 or float32, or `none`: every product evaluates the kernel.
        max_iterations: of `cg`.
        seed: of random choices inside; they change the time, and the answer below `tol` (of `nystroem`, the answer).
        checkpoint: file `name.npz` that keeps the state of `cg`: the same call goes on where a killed one stopped.
        progress: show progress on stderr.

    Returns:
        Coefficients, their true residual, and what was done. A residual above `tol` is said (`converged`), not raised.

    Raises:
        DataError: if K or Y are not of the right shape or not finite, or a checkpoint belongs to another system.
        UsageError: if an argument is outside its range.
        ResourceError: if memory does not hold what the solver asked for needs.
    """
    A = as_operator(K)
    n = A.shape[0]
    right = columns(Y, n)
    if not (np.isfinite(ridge) and ridge >= 0.0):
        raise UsageError(f"ridge must be a finite number of at least zero; {ridge!r} came")
    if solver not in SOLVERS:
        raise UsageError(f"solver must be one of {', '.join(SOLVERS)}; {solver!r} came")
    if isinstance(A, Matrix) and not np.isfinite(A.matmul(np.ones((n, 1)))).all():
        raise DataError("K must be finite; it holds NaN or infinity, or rows whose sum overflows")
    positive(tol, "tol")
    count(max_iterations, "max_iterations")
    if checkpoint is not None and solver not in ("auto", "cg"):
        raise UsageError(f"only solver='cg' keeps checkpoints; {solver!r} came")
    job = Job(
        K=A,
        Y=right,
        ridge=float(ridge),
        tol=float(tol),
        rank=None if rank is None else count(rank, "rank"),
        precondition=precondition,
        store=store,
        max_iterations=max_iterations,
        seed=seed,
        checkpoint=checkpoint,
        progress=progress,
    )
    chosen, reason = _choose(job) if solver == "auto" else (solver, "asked for")
    found = _SOLVE[chosen](replace(job, reason=reason, auto=solver == "auto"))
    if np.ndim(Y) == 1:
        found = replace(found, coefficients=found.coefficients[:, 0])
    return found


def _choose(job: Job) -> tuple[str, str]:
    n = job.n
    free = available_memory() or 0
    stored = isinstance(job.K, Matrix)
    if job.checkpoint is not None:
        return "cg", "a checkpoint was asked for"
    if n <= CHOLESKY_ROWS and 8.0 * n**2 <= SHARE * free:
        return "cholesky", f"{n} rows: a float64 factor takes seconds at most"
    if n <= MIXED_ROWS and (4.0 if stored else 8.0) * n**2 <= SHARE * free:
        return (
            "mixed",
            f"{n} rows: a float32 factor takes half the time of a float64 one, and float64 residuals certify it",
        )
    if stored or isinstance(job.K, TileReader) or PackedTiles.bytes_for(n, "float32") <= SHARE * free:
        return "cg", f"{n} rows: a factor takes n^3 operations, conjugate gradients n^2 an iteration"
    size = PackedTiles.bytes_for(n, "float32") / 1e9
    reason = (
        f"half the matrix of {n} rows takes {size:.1f} GB in float32 and {free / 1e9:.1f} GB are free: inducing points "
        "approximate it (solver='cg', store='none' is exact, and slow)"
    )
    return "nystroem", reason


_SOLVE: dict[str, Callable[[Job], Solution]] = {
    "cholesky": cholesky,
    "mixed": mixed,
    "eigen": in_range,
    "cg": cg,
    "nystroem": inducing,
}
