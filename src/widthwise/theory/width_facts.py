r"""What the width theorems ask of data: eigenvalue, separation and margin, after rows that repeat are merged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from widthwise._checks import columns, count, finite_matrix, positive, square
from widthwise.errors import DataError, UsageError
from widthwise.solvers import eigh
from widthwise.theory.clusters import input_separation
from widthwise.theory.kernel_margin import margin

# Two rows are called parallel when their cosine is within this of one: rounding of normalised rows.
PARALLEL = 1e-14
MOST_NAMED = 6


@dataclass(frozen=True, kw_only=True)
class WidthFacts:
    """The numbers that width conditions are written in.

    Attributes:
        n: distinct rows.
        merged: rows that repeated an earlier one, target included, and were left out.
        d: features.
        classes: number of classes; 0 where the target is a number.
        lambda_0: smallest eigenvalue of H-infinity; 0 where it is rounding.
        lambda_rows: rows without which it would not be 0: those that carry the eigenvector, heaviest first.
        phi: smallest distance between two distinct rows.
        phi_rows: rows at that distance.
        norm: largest singular value of the distinct rows.
        gamma: margin of H-infinity, the smallest over one class against the rest; None where the target is a number.
        gamma_rows: rows that no function separates where gamma is 0, heaviest first.
        depth: hidden layers L that the conditions are evaluated for.
        failure: delta, the probability with which a theorem may fail.
        accuracy: epsilon of the theorems that have one.
        start: kappa, the standard deviation of the first weights.
    """

    n: int
    merged: int
    d: int
    classes: int
    lambda_0: float
    lambda_rows: tuple[int, ...]
    phi: float
    phi_rows: tuple[int, ...]
    norm: float
    gamma: float | None
    gamma_rows: tuple[int, ...]
    depth: int
    failure: float
    accuracy: float
    start: float


def width_facts(
    X: Float[np.ndarray, "n d"],
    target: Int[np.ndarray, " n"] | Float[np.ndarray, " n"],
    gram: Float[np.ndarray, "n n"],
    *,
    features: int | None = None,
    depth: int = 1,
    failure: float = 0.1,
    accuracy: float = 1.0,
    start: float = 1.0,
) -> WidthFacts:
    """Measure what the width theorems ask for.

    Rows that repeat an earlier one with the same target are merged first: they ask nothing new of a network. Rows that
    repeat one with another target stay, and are what makes a hypothesis fail. Row numbers are those of X.

    Args:
        X: rows as the network sees them, of norm one in every theorem.
        target: class codes, or numbers.
        gram: H-infinity of the rows.
        features: d where it is not the number of columns of X (a constant coordinate was appended).
        depth: L.
        failure: delta in (0, 1).
        accuracy: epsilon, at least at 1 as large as the starting residual of one row.
        start: kappa in (0, 1].

    Raises:
        DataError: if shapes do not fit.
        UsageError: if a constant is outside its range.
    """
    rows = finite_matrix(X)
    square(gram, "gram")
    if len(gram) != len(rows):
        raise DataError(f"gram must have one row for each of the {len(rows)} rows of X; {len(gram)} came")
    columns(np.asarray(target, dtype=np.float64), len(rows))
    count(depth, "depth")
    for name, value in (("failure", failure), ("accuracy", accuracy), ("start", start)):
        positive(value, name)
    if failure >= 1.0:
        raise UsageError(f"failure must lie between 0 and 1; {failure!r} came")
    kept = distinct_rows(rows, target)
    H, distinct, labels = gram[np.ix_(kept, kept)], rows[kept], np.asarray(target)[kept]
    smallest, guilty = _smallest_eigenvalue(H, distinct)
    pair = input_separation(distinct)
    names = np.unique(labels) if np.issubdtype(labels.dtype, np.integer) else np.zeros(0)
    gamma, touching = _smallest_margin(H, labels, names) if len(names) > 1 else (None, ())
    return WidthFacts(
        n=len(kept),
        merged=len(rows) - len(kept),
        d=rows.shape[1] if features is None else count(features, "features"),
        classes=len(names),
        lambda_0=smallest,
        lambda_rows=tuple(int(kept[i]) for i in guilty),
        phi=pair.distance,
        phi_rows=() if pair.rows is None else tuple(int(kept[i]) for i in pair.rows),
        norm=float(np.linalg.norm(distinct, 2)),
        gamma=gamma,
        gamma_rows=tuple(int(kept[i]) for i in touching),
        depth=depth,
        failure=float(failure),
        accuracy=float(accuracy),
        start=float(start),
    )


def distinct_rows(
    X: Float[np.ndarray, "n d"], target: Int[np.ndarray, " n"] | Float[np.ndarray, " n"]
) -> Int[np.ndarray, " m"]:
    """Rows that do not repeat an earlier one with the same target, in order."""
    paired = np.column_stack([X, np.asarray(target, dtype=np.float64)])
    return np.sort(np.unique(paired, axis=0, return_index=True)[1])


def _smallest_eigenvalue(H: Float[np.ndarray, "n n"], X: Float[np.ndarray, "n d"]) -> tuple[float, tuple[int, ...]]:
    """The eigenvalue, 0 where it is rounding, and the rows of its vector, a parallel pair first."""
    values, vectors = eigh(H)
    tolerance = len(H) * np.finfo(np.float64).eps * max(float(values[0]), 0.0)
    if values[-1] > tolerance:
        return float(values[-1]), ()
    norms = np.linalg.norm(X, axis=1)
    unit = X / np.where(norms > 0, norms, 1.0)[:, None]
    alike = np.triu(np.abs(unit @ unit.T) >= 1.0 - PARALLEL, 1)
    zero = np.flatnonzero(norms == 0)
    if len(zero):
        return 0.0, tuple(int(i) for i in zero[:MOST_NAMED])
    pairs = np.argwhere(alike)
    if len(pairs):
        return 0.0, tuple(int(i) for i in pairs[0])
    weight = np.abs(vectors[:, -1])
    order = np.argsort(-weight, kind="stable")
    return 0.0, tuple(int(i) for i in order[:MOST_NAMED] if weight[i] > 1e-6)


def _smallest_margin(
    H: Float[np.ndarray, "n n"], labels: Int[np.ndarray, " n"], names: Int[np.ndarray, " k"]
) -> tuple[float, tuple[int, ...]]:
    worst = np.inf
    rows: tuple[int, ...] = ()
    for name in names if len(names) > 2 else names[:1]:
        found = margin(H, np.where(labels == name, 1.0, -1.0))
        if found.value < worst:
            worst = found.value
            rows = found.support[:MOST_NAMED] if found.value == 0.0 else ()
    return float(worst), rows
