"""Stratified samples and folds: which rows, never what is in them.

Classes are the strata of a classification target; a regression target is cut into bins of equal rank.
Everything follows from the seed.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Int
from numpy.typing import ArrayLike

from widthwise.datasets.dataset import Task
from widthwise.errors import DataError, UsageError

BINS = 10
"""Strata of a regression target."""

Seed = int | np.random.Generator


def stratified_rows(y: ArrayLike, n: int, *, task: Task, seed: Seed) -> Int[np.ndarray, " m"]:
    """Choose rows that keep the proportions of the strata.

    Stratum s with share q_s of the rows gets floor(n q_s) rows and the largest remainders get one more; every
    stratum keeps at least one row where n allows.

    Args:
        y: (N,) class codes or targets.
        n: how many rows to choose.
        task: decides the strata: classes, or bins of equal rank.
        seed: decides the rows within each stratum.

    Returns:
        min(n, N) row numbers, sorted.

    Raises:
        UsageError: if n is less than 1.
    """
    if n < 1:
        raise UsageError(f"a sample needs at least one row; got n = {n}")
    strata = _strata(np.asarray(y), task)
    if n >= len(strata):
        return np.arange(len(strata))
    rng = np.random.default_rng(seed)
    counts = np.bincount(strata)
    chosen = [rng.permutation(np.flatnonzero(strata == s))[:m] for s, m in enumerate(_shares(counts, n).tolist())]
    return np.sort(np.concatenate(chosen))


def folds(
    y: ArrayLike, *, task: Task, k: int = 5, seed: Seed, groups: ArrayLike | None = None
) -> tuple[Int[np.ndarray, " _"], ...]:
    """Split rows into k disjoint test parts that together hold every row once.

    Without groups the parts differ by at most one row, and so do the parts of every class; a class with fewer
    than k rows is in as many parts as it has rows. With groups, each group lies in one part, and groups are
    dealt, largest first, to the part that holds least of their strata.

    Args:
        y: (n,) class codes or targets.
        task: decides the strata: classes, or neighbours by rank.
        k: number of parts.
        seed: decides the split.
        groups: (n,) labels of the groups that must not be torn apart.

    Returns:
        k sorted arrays of row numbers, none empty.

    Raises:
        UsageError: if k is less than 2.
        DataError: if there are fewer rows, or fewer groups, than parts, or groups of another length.
    """
    values = np.asarray(y)
    if k < 2:
        raise UsageError(f"cross-validation needs at least two folds; got k = {k}")
    if len(values) < k:
        raise DataError(f"{k} folds need at least {k} rows; got {len(values)}. Ask for fewer folds.")
    rng = np.random.default_rng(seed)
    if groups is not None:
        part = _grouped(_strata(values, task), np.asarray(groups), k, rng)
    else:
        shuffled = rng.permutation(len(values))
        order = shuffled[np.argsort(values[shuffled], kind="stable")]  # by class or rank, ties at random
        part = np.empty(len(values), dtype=np.intp)
        if task == "classification":
            part[order] = np.arange(len(order)) % k
        else:
            blocks = [rng.permutation(k) for _ in range(-(-len(order) // k))]
            part[order] = np.concatenate(blocks)[: len(order)]
    return tuple(np.flatnonzero(part == fold) for fold in range(k))


def _strata(y: np.ndarray, task: Task) -> Int[np.ndarray, " n"]:
    if y.ndim != 1 or y.size == 0:
        raise DataError(f"strata need one label for each row and at least one row; got shape {y.shape}")
    if task == "classification":
        return np.asarray(np.unique(y, return_inverse=True)[1])
    ranks = np.empty(len(y), dtype=np.intp)
    ranks[np.argsort(y, kind="stable")] = np.arange(len(y))
    bins = min(BINS, len(y))
    return ranks * bins // len(y)


def _shares(counts: Int[np.ndarray, " s"], n: int) -> Int[np.ndarray, " s"]:
    """How many of n < sum(counts) rows each stratum gives: largest remainder, at least one where n allows."""
    quota = n * counts / counts.sum()
    least = int(n >= len(counts))
    share = np.maximum(n * counts // counts.sum(), least)
    while share.sum() > n:  # the minimum of one gave too many: from where the excess is largest
        excess = np.where(share > least, share - quota, -np.inf)
        share[excess.argmax()] -= 1
    while share.sum() < n:
        lack = np.where(share < counts, quota - share, -np.inf)
        share[lack.argmax()] += 1
    return np.asarray(share)


def _grouped(
    strata: Int[np.ndarray, " n"], groups: np.ndarray, k: int, rng: np.random.Generator
) -> Int[np.ndarray, " n"]:
    if groups.shape != strata.shape:
        raise DataError(f"groups must hold one label for each of {len(strata)} rows; got shape {groups.shape}")
    names, group = np.unique(groups, return_inverse=True)
    if len(names) < k:
        raise DataError(f"{k} folds need at least {k} groups; got {len(names)}. Ask for fewer folds.")
    table = np.zeros((len(names), strata.max() + 1))
    np.add.at(table, (group, strata), 1.0)
    weight = 1.0 / table.sum(axis=0)
    order = rng.permutation(len(names))
    order = order[np.argsort(-table[order].sum(axis=1), kind="stable")]
    held = np.zeros((k, table.shape[1]))
    home = np.empty(len(names), dtype=np.intp)
    for g in order:
        # An empty part costs 0 and holds 0 rows, so none stays empty.
        cost = held @ (weight * table[g])
        home[g] = np.lexsort((held.sum(axis=1), cost))[0]
        held[home[g]] += table[g]
    return np.asarray(home[group])
