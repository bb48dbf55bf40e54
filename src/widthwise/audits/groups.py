"""Rows that belong together: groups by a column, rows of equal features always in one, and leave-group-out beside leave-one-out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from widthwise import theory
from widthwise.audits.score import balanced, grouped_score, row_losses, score
from widthwise.audits.table import Finding, GroupCheck, GroupError
from widthwise.audits.targets import predictions
from widthwise.audits.wording import points, quantity
from widthwise.datasets import Dataset, first_rows
from widthwise.datasets.names import cells_listed, listed, quoted
from widthwise.errors import DataError

# Random groupings that show what training on fewer rows costs by itself.
DRAWS = 3
LISTED = 10


@dataclass(frozen=True, kw_only=True, eq=False)
class Groups:
    """Which rows belong together.

    Attributes:
        column: what names them; empty where only equal rows are grouped.
        labels: number of each row's group, from 0, rows of equal features in one.
        names: of the groups.
        joined: named groups that became part of another one.
        duplicates: rows that repeat the features of an earlier one.
    """

    column: str
    labels: Int[np.ndarray, " n"]
    names: tuple[str, ...]
    joined: int
    duplicates: int

    def take(self, rows: Int[np.ndarray, " m"]) -> Groups:
        """The groups of some of the rows, numbered anew."""
        kept, labels = np.unique(self.labels[rows], return_inverse=True)
        return Groups(
            column=self.column,
            labels=labels.reshape(-1),
            names=tuple(self.names[g] for g in kept),
            joined=self.joined,
            duplicates=self.duplicates,
        )


def aside(groups: Any, time: Any) -> tuple[str, ...]:
    """Names of columns among the two arguments: they are no features."""
    return tuple(dict.fromkeys(name for name in (groups, time) if isinstance(name, str)))


def one_for_each_row(values: Any, n: int, what: str, named: str = "") -> list[Any]:
    """A list, array or Series of one value for each row, none missing.

    Raises:
        DataError: naming the shape, or the first rows without a value.
    """
    array = np.asarray(values.to_numpy(dtype=object) if hasattr(values, "to_numpy") else values)
    if array.shape != (n,):
        raise DataError(f"{what} must hold one label for each of the {n} rows; shape {array.shape} came")
    listed_values: list[Any] = array.tolist() if array.dtype.kind not in "Mm" else list(array)
    # Only what is missing differs from itself.
    gaps = [
        i
        for i, v in enumerate(listed_values)
        if v is None or bool(v != v) or (isinstance(v, str) and not v.strip())  # noqa: PLR0124
    ]
    if gaps:
        cells = cells_listed([(i, named or what, None) for i in gaps])
        raise DataError(f"{what} must hold a value in every row; {cells}. Fill them in or remove the rows.")
    return listed_values


def read_groups(given: Any, whole: Dataset) -> tuple[str, ...] | None:
    """The group of each row of the source as text, from a column's name or from values; None where none are given.

    Raises:
        DataError: if the values do not fit the rows, are missing, name one group only, or are the target in other words.
    """
    if given is None:
        return None
    named = given if isinstance(given, str) else ""
    what = f"groups ({quoted(named)})" if named else "groups"
    values = one_for_each_row(whole.beside[given] if named else given, whole.n, what, named)
    names = tuple(str(v) for v in values)
    place = {name: code for code, name in enumerate(dict.fromkeys(names))}
    if len(place) < 2:
        raise DataError(
            f"{what} must name at least two groups; all {whole.n} rows are of group {quoted(names[0])}. Leave groups out, or "
            "name the column that tells the rows apart"
        )
    pairs = {(place[name], float(target)) for name, target in zip(names, whole.y, strict=True)}
    if whole.task == "classification" and len(pairs) == len(place) == len(np.unique(whole.y)):
        raise DataError(
            f"{what} must not be the target in other words: every group is one class, and without a group no row of its class is "
            "left to learn from. Name the column of what is measured several times, such as a patient or a site"
        )
    return names


def groups_of(ds: Dataset, names: Sequence[str] | None, column: str) -> Groups | None:
    """Groups of the rows that are audited; None where no row belongs to another.

    Args:
        ds: rows to audit.
        names: group of each row; None where groups are not named.
        column: what names them.

    Raises:
        DataError: if all rows end up in one group.
    """
    from scipy.sparse import coo_array  # noqa: PLC0415
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415

    order, same = np.unique(first_rows(ds.X), return_inverse=True)
    distinct = len(order)
    if names is None:
        if distinct == ds.n:
            return None
        labelled = tuple(f"row {ds.rows[i]}" for i in order)
        return Groups(column="", labels=same, names=labelled, joined=0, duplicates=ds.n - distinct)
    place = {name: code for code, name in enumerate(dict.fromkeys(names))}
    group = np.fromiter((place[name] for name in names), dtype=np.intp, count=ds.n)
    # Groups and sets of equal rows are the two sides of a graph; its connected parts are the groups to leave out.
    size = len(place) + distinct
    graph = coo_array((np.ones(ds.n), (group, len(place) + same)), shape=(size, size))
    parts = connected_components(graph, directed=False)[1][: len(place)]
    kept, first, labels = np.unique(parts, return_index=True, return_inverse=True)
    if len(kept) < 2:
        raise DataError(
            f"groups ({quoted(column)}) must leave at least two that share no row; rows of equal features join all "
            f"{len(place)} of them into one. Remove repeated rows, or leave groups out"
        )
    every = list(place)
    return Groups(
        column=column,
        labels=labels.reshape(-1)[group],
        names=tuple(every[i] for i in first),
        joined=len(place) - len(kept),
        duplicates=ds.n - distinct,
    )


def group_check(
    ds: Dataset,
    groups: Groups,
    K: Float[np.ndarray, "n n"],
    Y: Float[np.ndarray, "n k"],
    *,
    ridge: float,
    seed: int,
) -> GroupCheck:
    """Leave-group-out beside leave-one-out and beside random groups of the same sizes, from one inverse.

    Args:
        ds: rows.
        groups: of the rows.
        K: kernel matrix of the rows.
        Y: coded targets, offset included.
        ridge: of leave-one-out, in the units of K: that of one who does not know of groups.
        seed: of the random groups.
    """
    rng = np.random.default_rng([seed, 2])
    random = [rng.permutation(groups.labels) for _ in range(DRAWS)]
    alone, whole, *mixed = (
        row_losses(ds, predictions(ds, found.predictions))
        for found in theory.leave_groups_out(K, Y, ridge=ridge, groups=(None, groups.labels, *random), center=True)
    )
    gap = theory.grouped_mean(whole - alone, groups.labels)
    sizes = np.bincount(groups.labels)
    errors = np.bincount(groups.labels, weights=whole) / sizes
    spread = errors if ds.task == "classification" else np.sqrt(errors)
    order = np.lexsort((-sizes, -spread))[:LISTED]
    return GroupCheck(
        column=groups.column,
        groups=len(sizes),
        rows=ds.n,
        largest=int(sizes.max()),
        single=int(np.sum(sizes == 1)),
        joined=groups.joined,
        duplicates=groups.duplicates,
        leave_one_out=score(ds, alone),
        leave_group_out=grouped_score(ds, whole, groups.labels),
        balanced=balanced(ds, whole, groups=groups.labels),
        difference=gap.value,
        difference_error=gap.error,
        random=float(np.mean([losses.mean() for losses in mixed]) - alone.mean()),
        only=_only(ds, groups),
        worst=tuple(GroupError(name=groups.names[g], rows=int(sizes[g]), error=float(spread[g])) for g in order)
        if groups.column
        else (),
        # Nobody said that equal rows belong together, so that takes two standard errors.
        worse=gap.value > (1.0 if groups.column else 2.0) * gap.error,
    )


def _only(ds: Dataset, groups: Groups) -> tuple[str, ...]:
    """Classes of two rows or more that lie in one group."""
    if ds.task != "classification" or not groups.column:
        return ()
    found = []
    for code, name in enumerate(ds.classes):
        held = groups.labels[ds.y == code]
        if len(held) > 1 and np.all(held == held[0]):
            found.append(name)
    return tuple(found)


def group_findings(check: GroupCheck, classification: bool) -> tuple[Finding, ...]:
    """The alert, where leave-group-out is worse than leave-one-out by more than its standard error."""
    found: list[Finding] = []
    what = f"groups of {quoted(check.column)}" if check.column != "groups" else "the groups"
    what = what if check.column else "rows of equal features"
    if check.only:
        text = f"All rows of {listed(check.only)} are in one of the {what}: left out, no model can predict them."
        found.append(Finding(kind="groups", level="info", columns=(check.column,), text=text))
    if not check.worse:
        return tuple(found)
    show = points if classification else quantity
    unit = "error" if classification else "mean square error"
    excess = check.difference - check.random
    certain = excess > 2 * check.difference_error
    random = f"leaving out as many rows at random costs {show(check.random)}"
    if certain:
        cause = (
            f"{random}, so the rest comes from the groups: rows of a group tell on each other, and an error by random rows "
            "promises too much"
        )
    elif excess > check.difference_error:
        cause = f"{random}; the rest may come from the groups, or be chance: it is less than two standard errors"
    else:
        cause = f"{random} too: it may be no more than fewer rows to train on"
    do = (
        "Expect the nested error on new groups: its folds and its ridges leave whole groups out."
        if check.column
        else "Expect the error without repeats on new rows."
    )
    text = (
        f"Left out together, {what} raise the {unit} from that of leave-one-out by {show(check.difference)} (standard error "
        f"{show(check.difference_error)}); {cause}. {do}"
    )
    found.append(Finding(kind="groups", level="warning" if certain else "info", columns=(check.column,), text=text))
    return tuple(found)
