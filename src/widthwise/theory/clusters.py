r"""Structure of labelled rows: how far classes are apart, and of how many small clusters each class is made.

Li and Liang (:cite:t:`liliang2018`) suppose k classes of l components each, supports of different classes at distance at
least delta, every component of diameter at most lambda delta with lambda <= 1/(8 l). Any labelled rows meet this with each
row its own component, unless two classes touch; what the data say is how few components suffice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.cluster.hierarchy
import scipy.spatial.distance
from jaxtyping import Bool, Float, Int

from widthwise._checks import columns, finite_matrix
from widthwise.errors import DataError

BLOCK = 1024


@dataclass(frozen=True, kw_only=True)
class ClosestPair:
    """The smallest distance between two rows, and which rows they are; infinite without a pair."""

    distance: float
    rows: tuple[int, int] | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Structure:
    """The assumptions of Li and Liang, estimated on a sample.

    Attributes:
        classes: k.
        components: l, the smallest number for which every class splits into at most l clusters of diameter at most
            delta / (8 l); the number of rows of the largest class where only single rows do. Zero where delta is 0.
        delta: smallest distance between rows of different classes.
        diameter: largest diameter of a cluster of that split, over delta: lambda.
        by_class: clusters of each class at that split.
        rows: the two rows that are delta apart.
        memorising: whether some class needs a cluster for every one of its distinct rows: structure in name only.
    """

    classes: int
    components: int
    delta: float
    diameter: float
    by_class: tuple[int, ...]
    rows: tuple[int, int] | None
    memorising: bool


def class_separation(X: Float[np.ndarray, "n d"], labels: Int[np.ndarray, " n"]) -> ClosestPair:
    """Smallest distance between rows of different classes (phi of Chen et al. 2019), in the units of X.

    Raises:
        DataError: if X is not finite or the number of labels differs.
    """
    rows = finite_matrix(X)
    columns(labels.astype(np.float64), len(rows))
    return _closest(rows, labels)


def input_separation(X: Float[np.ndarray, "n d"]) -> ClosestPair:
    """Smallest distance between any two rows (phi of Allen-Zhu et al. 2019), in the units of X.

    Raises:
        DataError: if X is not finite.
    """
    rows = finite_matrix(X)
    return _closest(rows, None)


def structure(X: Float[np.ndarray, "n d"], labels: Int[np.ndarray, " n"]) -> Structure:
    """Smallest l for which the rows meet the assumptions of Li and Liang, by complete-linkage clustering of every class.

    Complete linkage bounds diameters, and need not find the fewest clusters: l is an upper estimate of the sample's, and
    the sample's delta an upper estimate of the distribution's.

    Args:
        X: rows.
        labels: class codes.

    Raises:
        DataError: if X is not finite, the numbers differ, or there is only one class.
    """
    rows = finite_matrix(X)
    names = np.unique(labels)
    if len(labels) != len(rows) or len(names) < 2:
        raise DataError(f"structure needs one label for each of the {len(rows)} rows, of at least two classes")
    pair = class_separation(rows, labels)
    if pair.distance == 0.0:
        return Structure(
            classes=len(names),
            components=0,
            delta=0.0,
            diameter=float("inf"),
            by_class=(),
            rows=pair.rows,
            memorising=True,
        )
    members = [rows[labels == name] for name in names]
    heights = [_merges(group) for group in members]
    sizes = [len(group) for group in members]

    def split(limit: float) -> list[int]:
        return [n - int(np.count_nonzero(h <= limit)) for n, h in zip(sizes, heights, strict=True)]

    # The limit shrinks with l, so the need only grows: the first l that meets its own need is the smallest.
    components = 1
    while (needed := max(split(pair.distance / (8.0 * components)))) > components:
        components = needed
    limit = pair.distance / (8.0 * components)
    by_class = split(limit)
    largest = max((float(h[h <= limit].max(initial=0.0)) for h in heights), default=0.0)
    distinct = [n - int(np.count_nonzero(h == 0.0)) for n, h in zip(sizes, heights, strict=True)]
    return Structure(
        classes=len(names),
        components=components,
        delta=pair.distance,
        diameter=largest / pair.distance,
        by_class=tuple(by_class),
        rows=pair.rows,
        memorising=any(found == own > 1 for found, own in zip(by_class, distinct, strict=True)),
    )


def _merges(group: Float[np.ndarray, "m d"]) -> Float[np.ndarray, " _"]:
    """Diameters at which complete linkage merges clusters."""
    if len(group) < 2:
        return np.zeros(0)
    return np.asarray(scipy.cluster.hierarchy.linkage(group, method="complete")[:, 2])


def _closest(X: Float[np.ndarray, "n d"], labels: Int[np.ndarray, " n"] | None) -> ClosestPair:
    """Products of blocks find the candidates, differences of rows decide: near duplicates keep all digits."""
    squares = np.einsum("ij,ij->i", X, X)
    slack = 64.0 * np.finfo(np.float64).eps * X.shape[1] * float(squares.max())
    best, pair = np.inf, None
    for start in range(0, len(X), BLOCK):
        block = slice(start, min(start + BLOCK, len(X)))
        far = squares[block, None] + squares[None, :] - 2.0 * (X[block] @ X.T)
        allowed: Bool[np.ndarray, "b n"] = np.arange(len(X))[None, :] > np.arange(block.start, block.stop)[:, None]
        if labels is not None:
            allowed &= labels[block, None] != labels[None, :]
        far[~allowed] = np.inf
        near = np.argwhere(far <= min(float(far.min()), best**2) + slack)
        for i, j in near[:BLOCK]:
            if not allowed[i, j]:
                continue
            distance = float(np.linalg.norm(X[start + i] - X[j]))
            if distance < best:
                best, pair = distance, (start + int(i), int(j))
        if best == 0.0:
            break
    return ClosestPair(distance=best, rows=pair)
