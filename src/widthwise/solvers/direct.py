"""Solvers that factorise: Cholesky in float64, in float32 with float64 residuals, and eigenvectors for singular systems."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float

from widthwise.solvers.coincidence import coincident_rows
from widthwise.solvers.dense import Kept, factorise
from widthwise.solvers.eigen import eigh
from widthwise.solvers.iterative import cg, descend
from widthwise.solvers.job import Job, solution
from widthwise.solvers.operators import Matrix, Operator, write
from widthwise.solvers.packed import PackedTiles
from widthwise.solvers.preconditioners import CholeskyFactor
from widthwise.solvers.solution import Solution

# Rows up to which an eigendecomposition settles a singular system.
EIGEN_ROWS = 12_000
# Iterations after which a float32 factor is no preconditioner for the matrix.
FEW = 60
# A residual of a float64 factor above this is worth a step of refinement.
ACCURATE = 1e-12
# Steps of refinement by a factor before something stronger is tried.
STEPS = 6


def cholesky(job: Job) -> Solution:
    """By a float64 factor; within the range where the system is singular to working precision."""
    keep = not isinstance(job.K, Matrix)
    factor = factorise(job.K, shift=job.ridge, keep=keep)
    if factor is None or factor.condition * job.n * np.finfo(np.float64).eps >= 1.0:
        return in_range(job)
    held = Kept(factor.triangle, job.K.diagonal()) if keep and np.all(factor.scale == 1.0) else job.K
    product = job.product(held)
    X = factor.solve(job.Y)
    relative = job.relative(X, product)
    if relative.max(initial=0.0) > ACCURATE:
        refined = X + factor.solve(job.Y - product(X))
        after = job.relative(refined, product)
        X, relative = np.where(after < relative, refined, X), np.minimum(relative, after)
    return solution(job, "cholesky", X, relative, condition=factor.condition, rank=job.n)


def mixed(job: Job) -> Solution:
    """By a float32 factor and float64 residuals; by a float64 one where float32 does not hold the matrix."""
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
        return in_range(job, held)
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
        done = descend(few, product, product, CholeskyFactor(factor), "float64")
        if done.relative.max(initial=0.0) < relative.max(initial=0.0):
            X, relative, iterations = done.X, done.relative, done.iterations
            history.extend(done.history)
        condition = max(condition, done.ritz[1] / done.ritz[0] if done.ritz[0] > 0 else np.inf)
        if relative.max(initial=0.0) > job.tol or done.outside.any():
            return cholesky(replace(job, reason=f"{job.reason}; but float32 does not hold this matrix"))
    return solution(
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


def in_range(job: Job, held: Operator | None = None) -> Solution:
    """Solve within the range: by eigenvectors, or by conjugate gradients where these would take too long."""
    source = job.K if held is None else held
    reason = job.reason
    if job.n > EIGEN_ROWS:
        return cg(replace(job, reason=f"{reason}; the matrix is singular to working precision", auto=False))
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
    return solution(
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
