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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import scipy.linalg
from jaxtyping import Float

from widthwise._checks import available_memory, columns, count, positive
from widthwise.errors import DataError, UsageError
from widthwise.pages.progress import Progress
from widthwise.solvers.checkpoints import Checkpoint
from widthwise.solvers.coincidence import agreed, coincident_rows
from widthwise.solvers.conjugate_gradients import TRUSTED, Product, Refined, refine
from widthwise.solvers.dense import Kept, factorise
from widthwise.solvers.eigen import eigh
from widthwise.solvers.operators import (
    Dtype,
    Matrix,
    Operator,
    PackedTiles,
    TileReader,
    as_operator,
    write,
)
from widthwise.solvers.preconditioners import (
    CholeskyFactor,
    Deflation,
    LowRank,
    Preconditioner,
    Scaling,
    cholesky_columns,
    nystroem,
    pivoted_cholesky,
)
from widthwise.solvers.solution import Solution

Solver = Literal["auto", "cholesky", "mixed", "eigen", "cg", "nystroem"]
Precondition = Literal["pivoted-cholesky", "nystroem", "none"]
Store = Literal["auto", "float64", "float32", "none"]

SOLVERS = ("auto", "cholesky", "mixed", "eigen", "cg", "nystroem")
# Rows up to which a factor in float64, and one in float32, cost least on two cores.
CHOLESKY_ROWS = 4000
MIXED_ROWS = 14_000
# Rows up to which an eigendecomposition settles a singular system.
EIGEN_ROWS = 12_000
# Share of free memory that a stored matrix may take.
SHARE = 0.75
# Rows from which a preconditioner is applied in float32 whatever the products are in.
LARGE = 8000
# Columns of a preconditioner for each square root of n.
RANK = 8.0
# Inducing points for each square root of n, where nothing else was asked for.
INDUCING = 20.0
# A low-rank approximation that leaves no more of the trace than this is the matrix, to what its columns tell.
EXPLAINED = 1e-9
# Iterations after which a float32 factor is no preconditioner for the matrix.
FEW = 60
# A residual of a float64 factor above this is worth a step of refinement.
ACCURATE = 1e-12
# Steps of refinement by a factor before something stronger is tried.
STEPS = 6


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
    job = _Job(
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


@dataclass(frozen=True, kw_only=True, eq=False)
class _Job:
    K: Operator
    Y: Float[np.ndarray, "n k"]
    ridge: float
    tol: float
    rank: int | None
    precondition: str
    store: str
    max_iterations: int
    seed: int
    checkpoint: str | Path | None
    progress: bool
    reason: str = ""
    auto: bool = False

    @property
    def n(self) -> int:
        return self.K.shape[0]

    def product(self, K: Any = None) -> Product:
        """Products with K + ridge I in float64."""
        source = self.K if K is None else K
        return lambda V: source.matmul(V) + self.ridge * V

    def relative(self, X: Float[np.ndarray, "n k"], product: Product) -> Float[np.ndarray, " k"]:
        """True residual of every column over its norm."""
        sizes = np.linalg.norm(self.Y, axis=0)
        return np.asarray(np.linalg.norm(self.Y - product(X), axis=0) / np.where(sizes > 0, sizes, 1.0))


def _choose(job: _Job) -> tuple[str, str]:
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


def _cholesky(job: _Job) -> Solution:
    keep = not isinstance(job.K, Matrix)
    factor = factorise(job.K, shift=job.ridge, keep=keep)
    if factor is None or factor.condition * job.n * np.finfo(np.float64).eps >= 1.0:
        return _in_range(job)
    held = Kept(factor.triangle, job.K.diagonal()) if keep and np.all(factor.scale == 1.0) else job.K
    product = job.product(held)
    X = factor.solve(job.Y)
    relative = job.relative(X, product)
    if relative.max(initial=0.0) > ACCURATE:
        refined = X + factor.solve(job.Y - product(X))
        after = job.relative(refined, product)
        X, relative = np.where(after < relative, refined, X), np.minimum(relative, after)
    return _solution(job, "cholesky", X, relative, condition=factor.condition, rank=job.n)


def _mixed(job: _Job) -> Solution:
    held: Any = job.K
    if not isinstance(job.K, Matrix):
        held = PackedTiles.of(job.K, "float64", progress=job.progress)
    product = job.product(held)
    factor = factorise(held, shift=job.ridge, dtype="float32")
    eps = float(np.finfo(np.float32).eps)
    shifted = factor is None
    while factor is None and eps < 1.0:
        # A factor of a nearby matrix serves as a preconditioner; the system itself is not shifted.
        factor = factorise(held, shift=job.ridge + 10 * eps * float(job.K.diagonal().max()), dtype="float32")
        eps *= 10.0
    if factor is None:
        return _in_range(job, held)
    X = factor.solve(job.Y)
    relative = job.relative(X, product)
    history = [float(relative.max(initial=0.0))]
    goal = 0.1 * job.tol
    while relative.max(initial=0.0) > goal and len(history) < STEPS:
        refined = X + factor.solve(job.Y - product(X))
        new = job.relative(refined, product)
        if not new.max(initial=0.0) < 0.5 * relative.max(initial=0.0):
            break
        X, relative = refined, new
        history.append(float(relative.max(initial=0.0)))
    iterations = 0
    condition = factor.condition
    if relative.max(initial=0.0) > job.tol:
        few = replace(job, max_iterations=min(job.max_iterations, FEW))
        done = _refine(few, product, product, CholeskyFactor(factor), "float64")
        if done.relative.max(initial=0.0) < relative.max(initial=0.0):
            X, relative, iterations = done.X, done.relative, done.iterations
            history.extend(done.history)
        condition = max(condition, done.ritz[1] / done.ritz[0] if done.ritz[0] > 0 else np.inf)
        if relative.max(initial=0.0) > job.tol or done.outside.any():
            return _cholesky(replace(job, reason=f"{job.reason}; but float32 does not hold this matrix"))
    return _solution(
        job,
        "mixed",
        X,
        relative,
        condition=condition,
        iterations=iterations,
        refinements=len(history),
        history=tuple(history),
        precision="a float32 factor"
        + (" of a shifted matrix as preconditioner" if shifted else "")
        + ", float64 residuals",
        rank=job.n,
    )


def _eigen(job: _Job) -> Solution:
    return _in_range(job)


def _in_range(job: _Job, held: Operator | None = None) -> Solution:
    """Solve within the range: by eigenvectors, or by conjugate gradients where these would take too long."""
    source = job.K if held is None else held
    reason = job.reason
    if job.n > EIGEN_ROWS:
        return _cg(replace(job, reason=f"{reason}; the matrix is singular to working precision", auto=False))
    if isinstance(source, Matrix):
        lower: Float[np.ndarray, "n n"] = source.array
        held_matrix = Matrix(lower)
    else:
        lower = np.empty(source.shape, order="F")
        write(source, lower, mirror=True)
        held_matrix = Matrix(lower)
    values, vectors = eigh(lower)
    shifted = values + job.ridge
    tolerance = job.n * np.finfo(np.float64).eps * max(float(np.abs(values).max()) + job.ridge, 0.0)
    kept = shifted > tolerance
    rank = int(np.count_nonzero(kept))
    inside = vectors[:, kept]
    projected = inside.T @ job.Y
    X = inside @ (projected / shifted[kept, None])
    reachable = inside @ projected if rank < job.n else job.Y
    product = job.product(held_matrix)
    sizes = np.linalg.norm(job.Y, axis=0)
    units = np.where(sizes > 0, sizes, 1.0)
    if rank:
        # One step of refinement, within the range.
        step = inside @ ((inside.T @ (reachable - product(X))) / shifted[kept, None])
        if np.linalg.norm(reachable - product(X + step)) < np.linalg.norm(reachable - product(X)):
            X = X + step
    relative = np.linalg.norm(reachable - product(X), axis=0) / units
    total = float(np.sum(sizes**2))
    outside = float(np.sum((job.Y - reachable) ** 2)) / total if total > 0 else 0.0
    singular = rank < job.n
    told = f"; singular to working precision: solved in its range of dimension {rank} of {job.n}" if singular else ""
    return _solution(
        job,
        "eigen",
        X,
        relative,
        reason=reason + told,
        condition=float("inf") if singular else float(shifted[0] / shifted[-1]),
        rank=rank,
        outside=outside,
        coincident=coincident_rows(held_matrix) if singular else (),
        refinements=1,
    )


def _cg(job: _Job) -> Solution:
    held, told, dtype = _stored(job)
    source = held if dtype == "float64" else job.K
    exact = job.product(source)
    quick, dtype = _quick(job, held, dtype)
    approximate_product = job.product(quick)
    diagonal = job.K.diagonal()
    norm = float(diagonal.max()) + job.ridge
    groups: tuple[tuple[int, ...], ...] = ()
    asked = job.Y
    if job.ridge <= job.n * np.finfo(np.float64).eps * norm:
        # Without a ridge equal rows make the system singular: what they cannot agree on is taken off before, and named.
        groups = coincident_rows(source)
        job = replace(job, Y=agreed(job.Y, groups, diagonal))
    P, spread, low = _preconditioner(job, quick, dtype, norm)
    rank = job.n
    bare = job.ridge <= job.n * np.finfo(np.float64).eps * norm
    if bare and low is not None and len(low.values) < job.n and low.unexplained <= EXPLAINED:
        # The columns of the preconditioner span all of K: what of Y is outside of them no coefficients reach.
        rank = len(low.values)
        job = replace(job, Y=low.U @ (low.U.T @ job.Y))
    done = _refine(job, exact, approximate_product, P, dtype)
    relative = done.relative
    if job.checkpoint is not None and relative.max(initial=0.0) <= job.tol:
        Path(job.checkpoint).unlink(missing_ok=True)
    total = max(float(np.sum(asked**2)), np.finfo(np.float64).tiny)
    lost = float(np.sum((asked - job.Y) ** 2)) + float(np.sum(done.outside * np.sum(job.Y**2, axis=0)))
    singular = bool(done.outside.any()) or bool(groups) or rank < job.n
    least, most = done.ritz
    return _solution(
        job,
        "cg",
        done.X,
        relative,
        reason=job.reason
        + told
        + ("; singular: solved in its range" if singular else "")
        + (f" of dimension {rank} of {job.n}" if rank < job.n else ""),
        condition=float("inf") if singular or not least > 0 else spread * most / least,
        iterations=done.iterations,
        refinements=done.rounds,
        history=done.history,
        precision="float64" if dtype == "float64" else "float32 products, float64 residuals",
        rank=rank if rank < job.n or not singular else None,
        outside=lost / total,
        coincident=groups,
        stagnated=done.stagnated,
    )


def _stored(job: _Job) -> tuple[Operator, str, Dtype]:
    """What products are made with: the matrix as it is, or half of it packed; what is said of it, and its precision."""
    if isinstance(job.K, Matrix):
        single = job.K.array.dtype == np.float32
        return job.K, "", "float32" if single and job.store == "float32" else "float64"
    n, free = job.n, available_memory() or 0
    asked = job.store
    if asked == "auto":
        asked = "float32" if PackedTiles.bytes_for(n, "float64") > SHARE / 3 * free else "float64"
        if asked == "float32" and not _single(job):
            asked = "float64"
        if PackedTiles.bytes_for(n, "float32") > SHARE * free:
            asked = "none"
    if asked == "none":
        return job.K, "; every product evaluates the kernel", "float64"
    dtype: Dtype = "float64" if asked == "float64" else "float32"
    packed = PackedTiles.of(job.K, dtype, progress=job.progress)
    size = PackedTiles.bytes_for(n, dtype) / 1e9
    return packed, f"; half the matrix held in {dtype}, {size:.1f} GB", dtype


def _quick(job: _Job, held: Operator, dtype: Dtype) -> tuple[Operator, Dtype]:
    """What the recursion multiplies by: of float64 tiles a float32 copy where it fits, since a product then takes half as long."""
    if job.store != "auto" or not isinstance(held, PackedTiles) or dtype == "float32":
        return held, dtype
    if job.n <= LARGE or not _single(job):
        return held, dtype
    if PackedTiles.bytes_for(job.n, "float32") > SHARE / 3 * (available_memory() or 0):
        return held, dtype
    return held.rounded(), "float32"


def _single(job: _Job) -> bool:
    """Whether the entries lie well within the range of float32."""
    return 1e-20 < float(job.K.diagonal().max()) < 1e20


def _preconditioner(
    job: _Job, quick: Operator, dtype: str, norm: float
) -> tuple[Preconditioner, float, LowRank | None]:
    """The preconditioner, its own condition number, and the approximation of K that it is made of."""
    diagonal = job.K.diagonal() + job.ridge
    if job.precondition == "none" or not norm > 0:
        present = diagonal[diagonal > 0]
        return Scaling(diagonal), float(present.max() / present.min()) if len(present) else 1.0, None
    rank = min(job.n, job.rank or int(np.ceil(RANK * np.sqrt(job.n))))
    if job.precondition == "nystroem":
        found = nystroem(quick, rank, seed=job.seed)
    elif job.precondition == "pivoted-cholesky":
        # Columns of the kernel itself where it evaluates them; those of tiles on disk would be read again and again.
        source = quick if isinstance(job.K, TileReader) else job.K
        found = pivoted_cholesky(source, rank, seed=job.seed, progress=job.progress)
    else:
        raise UsageError(f"precondition must be 'pivoted-cholesky', 'nystroem' or 'none'; {job.precondition!r} came")
    spread = (float(found.values[0]) + job.ridge) / (float(found.values[-1]) + job.ridge)
    # It steers and decides nothing: float32 halves what it costs where that is felt.
    return Deflation(found, job.ridge, "float32" if job.n > LARGE else dtype), spread, found


def _refine(job: _Job, exact: Product, quick: Product, P: Preconditioner, dtype: str) -> Refined:
    checkpoint = None
    if job.checkpoint is not None:
        system = {
            "Y": job.Y,
            "diagonal": job.K.diagonal(),
            "probe": np.round(job.K.columns([0])[:, 0], 6),
            "ridge": job.ridge,
            "rank": job.rank,
            "precondition": job.precondition,
            "seed": job.seed,
            "dtype": dtype,
        }
        checkpoint = Checkpoint(job.checkpoint, system)
    with Progress(1.0, label="conjugate gradients", enabled=job.progress) as bar:

        def advance(iteration: int, level: float) -> None:
            share = np.log(max(level, 1e-300)) / np.log(job.tol) if job.tol < 1 else 1.0
            bar.advance(max(0.0, min(float(share), 0.99) - bar.done), f"conjugate gradients, iteration {iteration}")

        return refine(
            exact,
            quick,
            P,
            job.Y,
            tol=job.tol,
            trusted=TRUSTED[dtype],
            max_iterations=job.max_iterations,
            norm=max(float(job.K.diagonal().max()) + job.ridge, np.finfo(np.float64).tiny),
            checkpoint=checkpoint,
            advance=advance,
        )


def _nystroem(job: _Job) -> Solution:
    r"""Inducing points: :math:`(C^\top C + rK_{pp})\beta = C^\top Y` for columns C of K, in the basis that pivots give."""
    points = min(job.n, job.rank or int(np.ceil(INDUCING * np.sqrt(job.n))))
    F, pivots, unexplained = cholesky_columns(job.K, points, seed=job.seed, progress=job.progress)
    normal = F.T @ F
    right = F.T @ job.Y
    normal[np.diag_indices(len(normal))] += job.ridge
    values, vectors = eigh(normal)
    kept = values > len(values) * np.finfo(np.float64).eps * values[0]
    gamma = vectors[:, kept] @ ((vectors[:, kept].T @ right) / values[kept, None])
    left = np.linalg.norm(right - normal @ gamma, axis=0)
    sizes = np.linalg.norm(right, axis=0)
    beta = scipy.linalg.solve_triangular(F[pivots], gamma, lower=True, trans="T", check_finite=False)
    X = np.zeros_like(job.Y)
    X[pivots] = beta
    return _solution(
        job,
        "nystroem",
        X,
        left / np.where(sizes > 0, sizes, 1.0),
        reason=f"{job.reason}; {len(pivots)} inducing points leave {max(unexplained, 0.0):.2g} of the kernel's trace",
        condition=float(values[0] / values[-1]) if kept.all() else float("inf"),
        rank=int(np.count_nonzero(kept)),
        approximate=True,
    )


def _solution(
    job: _Job, solver: str, X: Float[np.ndarray, "n k"], relative: Float[np.ndarray, " k"], **fields: Any
) -> Solution:
    return Solution(
        **{
            "coefficients": X,
            "ridge": job.ridge,
            "solver": solver,
            "reason": job.reason,
            "residual": float(relative.max(initial=0.0)),
            "by_column": tuple(float(r) for r in relative),
            "tol": job.tol,
            **fields,
        }
    )


_SOLVE: dict[str, Callable[[_Job], Solution]] = {
    "cholesky": _cholesky,
    "mixed": _mixed,
    "eigen": _eigen,
    "cg": _cg,
    "nystroem": _nystroem,
}
