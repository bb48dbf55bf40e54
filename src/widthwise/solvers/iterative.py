"""Solvers of large systems: block conjugate gradients over a stored or matrix-free kernel, and inducing points."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import scipy.linalg

from widthwise._checks import available_memory
from widthwise.errors import UsageError
from widthwise.pages.progress import Progress
from widthwise.solvers.checkpoints import Checkpoint
from widthwise.solvers.coincidence import agreed, coincident_rows
from widthwise.solvers.conjugate_gradients import TRUSTED, Product, Refined, refine
from widthwise.solvers.eigen import eigh
from widthwise.solvers.job import SHARE, Job, solution
from widthwise.solvers.operators import Dtype, Matrix, Operator, TileReader
from widthwise.solvers.packed import PackedTiles, SplitTiles
from widthwise.solvers.preconditioners import (
    RANK,
    Deflation,
    LowRank,
    Preconditioner,
    Scaling,
    cholesky_columns,
    nystroem,
    pivoted_cholesky,
)
from widthwise.solvers.solution import Solution

# Rows from which a preconditioner is applied in float32 whatever the products are in.
LARGE = 8000
# Inducing points for each square root of n, where nothing else was asked for.
INDUCING = 20.0
# A low-rank approximation that leaves no more of the trace than this is the matrix, to what its columns tell.
EXPLAINED = 1e-9


def cg(job: Job) -> Solution:
    """By block conjugate gradients; equal rows without a ridge are named, and what they cannot agree on is taken off."""
    source, quick, told, dtype = _stored(job)
    exact, approximate_product = job.product(source), job.product(quick)
    diagonal = job.K.diagonal()
    norm = float(diagonal.max()) + job.ridge
    groups: tuple[tuple[int, ...], ...] = ()
    asked = job.Y
    if job.ridge <= job.n * np.finfo(np.float64).eps * norm:
        # Without a ridge equal rows make the system singular: what they cannot agree on is taken off before, and named.
        groups = coincident_rows(source)
        job = replace(job, Y=agreed(job.Y, groups, diagonal))
    P, spread, low = _preconditioner(job, source, quick, dtype, norm)
    rank = job.n
    bare = job.ridge <= job.n * np.finfo(np.float64).eps * norm
    if bare and low is not None and len(low.values) < job.n and low.unexplained <= EXPLAINED:
        # The columns of the preconditioner span all of K: what of Y is outside of them no coefficients reach.
        rank = len(low.values)
        job = replace(job, Y=low.U @ (low.U.T @ job.Y))
    done = descend(job, exact, approximate_product, P, dtype)
    relative = done.relative
    if job.checkpoint is not None and relative.max(initial=0.0) <= job.tol:
        Path(job.checkpoint).unlink(missing_ok=True)
    total = max(float(np.sum(asked**2)), np.finfo(np.float64).tiny)
    lost = float(np.sum((asked - job.Y) ** 2)) + float(np.sum(done.outside * np.sum(job.Y**2, axis=0)))
    singular = bool(done.outside.any()) or bool(groups) or rank < job.n
    least, most = done.ritz
    return solution(
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


def _stored(job: Job) -> tuple[Operator, Operator, str, Dtype]:
    """What residuals are evaluated with, what the recursion multiplies by, what is said of it, and the latter's precision."""
    if isinstance(job.K, Matrix):
        single = job.K.array.dtype == np.float32
        return job.K, job.K, "", "float32" if single and job.store == "float32" else "float64"
    n, free = job.n, available_memory() or 0
    asked = job.store
    if asked == "auto":
        asked = "float32" if PackedTiles.bytes_for(n, "float64") > SHARE / 3 * free else "float64"
        if asked == "float32" and not _single(job):
            asked = "float64"
        if PackedTiles.bytes_for(n, "float32") > SHARE * free:
            asked = "none"
    if asked == "none":
        return job.K, job.K, "; every product evaluates the kernel", "float64"
    dtype: Dtype = "float64" if asked == "float64" else "float32"
    told = f"; half the matrix held in {dtype}, {PackedTiles.bytes_for(n, dtype) / 1e9:.1f} GB"
    if job.store == "auto" and dtype == "float64" and n > LARGE and _single(job):
        # A product in float32 takes half as long.
        split = SplitTiles.of(job.K, progress=job.progress)
        return split, split.quick, f"{told}, as two halves of float32", "float32"
    packed = PackedTiles.of(job.K, dtype, progress=job.progress)
    return packed if dtype == "float64" else job.K, packed, told, dtype


def _single(job: Job) -> bool:
    """Whether the entries lie well within the range of float32."""
    return 1e-20 < float(job.K.diagonal().max()) < 1e20


def _preconditioner(
    job: Job, exact: Operator, quick: Operator, dtype: str, norm: float
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
        # Columns of tiles on disk would be read again and again.
        source = quick if isinstance(exact, TileReader) else exact
        found = pivoted_cholesky(source, rank, seed=job.seed, progress=job.progress)
    else:
        raise UsageError(f"precondition must be 'pivoted-cholesky', 'nystroem' or 'none'; {job.precondition!r} came")
    spread = (float(found.values[0]) + job.ridge) / (float(found.values[-1]) + job.ridge)
    # It steers and decides nothing: float32 halves what it costs where that is felt.
    return Deflation(found, job.ridge, "float32" if job.n > LARGE else dtype), spread, found


def descend(job: Job, exact: Product, quick: Product, P: Preconditioner, dtype: str) -> Refined:
    """Rounds of the recursion with `quick` on residuals by `exact`, kept in the job's checkpoint and shown as it goes."""
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


def inducing(job: Job) -> Solution:
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
    return solution(
        job,
        "nystroem",
        X,
        left / np.where(sizes > 0, sizes, 1.0),
        reason=f"{job.reason}; {len(pivots)} inducing points leave {max(unexplained, 0.0):.2g} of the kernel's trace",
        condition=float(values[0] / values[-1]) if kept.all() else float("inf"),
        rank=int(np.count_nonzero(kept)),
        approximate=True,
    )
