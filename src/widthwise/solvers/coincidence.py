"""Rows that a kernel cannot tell apart: what makes most singular kernel matrices singular."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from widthwise.solvers.operators import Operator

# Rows are one where |phi(x) - phi(z)|^2 is below this share of |phi(x)|^2 + |phi(z)|^2: rounding of a kernel's entries.
SAME = 1e-13
# Candidates are compared at most so many at a time.
BATCH = 512


def coincident_rows(K: Operator, *, seed: int = 0) -> tuple[tuple[int, ...], ...]:
    """Groups of rows with equal feature vectors, smallest row first; rows of zeros are a group.

    Equal rows have equal products with any vector: two products with random vectors, sorted, leave few candidates, whose
    distances are then evaluated from the columns of K.

    Args:
        K: the matrix.
        seed: of the vectors.
    """
    n = K.shape[0]
    diagonal = K.diagonal()
    size = np.sqrt(np.maximum(diagonal, 0.0))
    zero = np.nonzero(size == 0)[0]
    groups = [tuple(int(i) for i in zero)] if len(zero) else []
    V = np.random.default_rng(seed).standard_normal((n, 1)) / np.where(size > 0, size, 1.0)[:, None]
    marks = K.matmul(V)[:, 0]
    # What the rounding of a sum of n terms may differ by.
    near = 1e-12 * np.sqrt(n) * size * np.linalg.norm(V[:, 0] * size)
    parent = np.arange(n)
    order = np.argsort(marks, kind="stable")
    order = order[size[order] > 0]
    close = np.diff(marks[order]) <= np.maximum(near[order[1:]], near[order[:-1]])
    for run in _runs(close):
        rows = order[run]
        while True:
            for start in range(0, len(rows), BATCH):
                _unite(K, diagonal, rows[start : start + BATCH], parent)
            # One of each group goes on, so that groups of several batches meet.
            left = np.unique(parent[rows])
            if len(rows) <= BATCH or len(left) == len(rows):
                break
            rows = left
    roots, sizes = np.unique(parent, return_counts=True)
    groups.extend(tuple(int(i) for i in np.nonzero(parent == root)[0]) for root in roots[sizes > 1])
    return tuple(sorted(groups))


def agreed(
    Y: Float[np.ndarray, "n k"], groups: tuple[tuple[int, ...], ...], diagonal: Float[np.ndarray, " n"]
) -> Float[np.ndarray, "n k"]:
    """Targets that equal rows agree on: their mean; zero for rows of zeros.

    Args:
        Y: targets.
        groups: rows that coincide, from `coincident_rows`.
        diagonal: of the kernel matrix.
    """
    found = Y.copy()
    for group in groups:
        rows = list(group)
        found[rows] = Y[rows].mean(axis=0) if diagonal[rows[0]] > 0 else 0.0
    return found


def _runs(close: Float[np.ndarray, " m"] | Int[np.ndarray, " m"] | np.ndarray) -> list[slice]:
    """Runs of neighbours that are close."""
    found, start = [], None
    for place, yes in enumerate(close):
        if yes and start is None:
            start = place
        elif not yes and start is not None:
            found.append(slice(start, place + 1))
            start = None
    if start is not None:
        found.append(slice(start, len(close) + 1))
    return found


def _unite(
    K: Operator, diagonal: Float[np.ndarray, " n"], rows: Int[np.ndarray, " m"], parent: Int[np.ndarray, " n"]
) -> None:
    block = K.columns(rows)[rows]
    both = diagonal[rows][:, None] + diagonal[rows][None, :]
    same = both - 2.0 * block <= SAME * both
    for place in range(len(rows)):
        alike = rows[same[place]]
        root = parent[alike].min()
        for other in np.unique(parent[alike]):
            parent[parent == other] = root
