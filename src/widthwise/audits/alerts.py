"""Columns and an order of rows that may make every error of a report wrong: leaks, identifiers, near-constant columns.

Nothing is left out: each finding says what was seen, against which threshold, and what to do. Pixels of images are not
looked at one by one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from widthwise.audits.score import class_counts, imbalanced
from widthwise.audits.table import Finding
from widthwise.audits.wording import percent, quantity
from widthwise.datasets import Dataset, SourceColumn, first_rows
from widthwise.datasets.names import listed, quoted

FEWEST_ROWS = 20
# A column alone predicts the label (nearly) perfectly where it errs on at most this share of what guessing errs on. The best
# columns of the sets that come with scikit-learn leave 6 % (iris, petal width) and more.
LEAK = 0.02
# The same for numbers: share of the variance that the column leaves unexplained, and correlation that makes it a copy.
UNEXPLAINED = 0.01
COPY = 0.9999
# A text column is like an identifier where this share of its values is different.
DISTINCT = 0.95
# A column is near-constant where one value fills this share of the rows.
CONSTANT = 0.99
FEWEST_FOR_CONSTANT = 100
# Neighbouring rows agree in their labels beyond chance: by this many standard deviations, and by this share of the way to a sorted
# file.
ORDER_DEVIATIONS = 5.0
ORDER_SHARE = 0.1
FEWEST_FOR_ORDER = 50

_HASH = re.compile(r"(?:[0-9a-f]{8,}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Column:
    """A column of the source: numbers, or codes of categories with their names."""

    name: str
    values: Float[np.ndarray, " n"] | Int[np.ndarray, " n"]
    categories: tuple[str, ...] | None


def findings(ds: Dataset, *, order: bool = True) -> tuple[Finding, ...]:
    """What a user should look at before believing any number.

    Args:
        ds: rows to audit.
        order: whether the order of the rows is looked at; not where their time or groups are known.
    """
    found: list[Finding] = []
    constant: list[str] = []
    if ds.kind == "table" and ds.n >= FEWEST_ROWS:
        said, once = tuple(ds.alerts), _once(ds)
        for column in _columns(ds):
            # Reading has said it already where a column is the label itself or counts the rows.
            if any(text.startswith(f"Column {quoted(column.name)} ") for text in said):
                continue
            for one in (_leak(ds, column, once), _identifier(ds, column)):
                if one is not None:
                    found.append(one)
            if ds.n >= FEWEST_FOR_CONSTANT and _most_common(column) >= CONSTANT:
                constant.append(column.name)
    if constant:
        one_column = len(constant) == 1
        text = (
            f"{'Column' if one_column else f'{len(constant)} columns,'} {listed(constant)} {'holds' if one_column else 'hold'} one "
            f"value in at least {percent(CONSTANT)} of the rows. Standardised, the others become outliers: merge rare values "
            "or leave the column out if they are errors."
        )
        found.append(Finding(kind="near-constant", level="info", columns=tuple(constant), text=text))
    if order:
        found.extend(_order(ds))
    counts = class_counts(ds)
    if ds.task == "classification" and imbalanced(counts):
        least, most = int(np.argmin(counts)), int(np.argmax(counts))
        text = (
            f"Classes are imbalanced: {quoted(ds.classes[most])} has {percent(counts[most] / ds.n)} of the rows, "
            f"{quoted(ds.classes[least])} {percent(counts[least] / ds.n)}. Guessing the first errs on "
            f"{percent(1 - counts[most] / ds.n)} of the rows; judge by the balanced error, the mean over the classes."
        )
        found.append(Finding(kind="imbalance", level="info", columns=(ds.target_name,), text=text))
    return tuple(found)


def order_note(ds: Dataset) -> str | None:
    """A sentence where the rows are sorted by their target, which is common and harms nothing here."""
    y = ds.y
    if ds.n < FEWEST_ROWS:
        return None
    changes = int(np.count_nonzero(y[1:] != y[:-1]))
    grouped = ds.task == "classification" and changes == len(np.unique(y)) - 1
    ranked = ds.task == "regression" and (bool(np.all(np.diff(y) >= 0)) or bool(np.all(np.diff(y) <= 0)))
    if not (grouped or ranked):
        return None
    return "The rows are sorted by the target; folds and subsamples are shuffled, so that harms nothing here."


def _columns(ds: Dataset) -> Iterator[_Column]:
    """Columns of the source as far as they are features."""
    columns = tuple(SourceColumn(name=name) for name in ds.feature_names)
    place = {j: j for j in range(ds.d)}
    if ds.recipe is not None:
        columns = ds.recipe.columns
        place = {encoded: feature for feature, encoded in enumerate(ds.recipe.kept)}
    at = 0
    for column in columns:
        width = len(column.categories) if column.categories is not None else 1
        held = [place[j] for j in range(at, at + width) if j in place]
        at += width
        if not held:
            continue
        if column.categories is None:
            yield _Column(name=column.name, values=ds.X[:, held[0]], categories=None)
        else:
            codes = np.where(ds.X[:, held].any(axis=1), ds.X[:, held].argmax(axis=1), len(held))
            yield _Column(name=column.name, values=codes, categories=column.categories)


def _most_common(column: _Column) -> float:
    return float(np.unique(column.values, return_counts=True)[1].max()) / len(column.values)


def _once(ds: Dataset) -> Int[np.ndarray, " m"]:
    """Rows that are not a repetition of an earlier one: its twin would tell the label of each, whatever the column."""
    return np.unique(first_rows(ds.X))


def _leak(ds: Dataset, column: _Column, once: Int[np.ndarray, " m"]) -> Finding | None:
    """A column that predicts the target by itself, on rows that are no repetition of another."""
    values, y = column.values[once], ds.y[once]
    if len(once) < FEWEST_ROWS or np.all(y == y[0]):
        return None
    if ds.task == "regression":
        return _number_leak(column.name, values, y.astype(np.float64)) if column.categories is None else None
    guess = 1.0 - float(np.bincount(y.astype(np.intp)).max()) / len(y)
    error = alone_error(values, y.astype(np.intp), ordered=column.categories is None)
    if error > LEAK * guess:
        return None
    text = (
        f"Column {quoted(column.name)} alone predicts the label: its values, each row by the others, err on {percent(error)} "
        f"where guessing errs on {percent(guess)} (alert at {percent(LEAK)} of that or less). If it is known only after the "
        "label, or made from it, leave it out; if it is known before, this is simply an easy task."
    )
    return Finding(kind="leak", level="warning", columns=(column.name,), text=text)


def _number_leak(name: str, values: np.ndarray, y: Float[np.ndarray, " m"]) -> Finding | None:
    x = values.astype(np.float64)
    correlation, left = _correlation(x, y), unexplained(x, y)
    do = "If it is known only after the target, or made from it, leave it out"
    if abs(correlation) >= COPY:
        text = f"Column {quoted(name)} copies the target up to its unit (correlation {correlation:.5f}, alert from {COPY}). {do}."
        return Finding(kind="copy of the target", level="warning", columns=(name,), text=text)
    if left > UNEXPLAINED:
        return None
    text = (
        f"Column {quoted(name)} alone predicts the target: it leaves {percent(left)} of its variance unexplained (alert at "
        f"{percent(UNEXPLAINED)} or less). {do}; if it is known before, this is simply an easy task."
    )
    return Finding(kind="leak", level="warning", columns=(name,), text=text)


def alone_error(
    values: Float[np.ndarray, " n"] | Int[np.ndarray, " n"], y: Int[np.ndarray, " n"], *, ordered: bool
) -> float:
    """Error rate of predicting each label from one column, by the other rows.

    A row that shares its value with others gets the most frequent label among them, and counts as wrong where they tie; a row
    with a value of its own is right where one of its two neighbours along the column has its label, and wrong where the column
    has no order.

    Args:
        values: of the column.
        y: class codes.
        ordered: whether neighbours along the column mean anything.
    """
    place = np.unique(values, return_inverse=True)[1].reshape(-1)
    table = np.zeros((int(place.max()) + 1, int(y.max()) + 1))
    np.add.at(table, (place, y), 1.0)
    own = table[place, y] - 1.0
    others = table[place]
    others[np.arange(len(y)), y] = -1.0
    right = own > others.max(axis=1)
    single = table.sum(axis=1)[place] == 1
    right[single] = False
    if ordered:
        major = table.argmax(axis=1)
        before, after = np.concatenate([[-1], major[:-1]]), np.concatenate([major[1:], [-1]])
        near = (before[place] == y) | (after[place] == y)
        right[single] = near[single]
    return float(1.0 - right.mean())


def unexplained(x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"]) -> float:
    r"""Share of the variance of y that no smooth function of x explains.

    Half the mean square difference of targets that follow each other along x, over their variance: differences of a smooth
    function vanish as rows grow dense, those of noise do not. Targets of equal x are averaged first, and what they differ by is
    added.

    References:
        :cite:t:`rice1984`.
    """
    y = np.ldexp(y, -int(np.frexp(np.abs(y).max())[1]))
    variance = float(np.var(y))
    if variance == 0:
        return 0.0
    place, counts = (np.unique(x, return_inverse=True, return_counts=True)[i] for i in (1, 2))
    place = place.reshape(-1)
    means = np.bincount(place, weights=y) / counts
    within = float(np.mean((y - means[place]) ** 2)) * len(y) / max(len(y) - len(counts), 1)
    if len(counts) < 2:
        return 1.0
    between = float(np.mean(np.diff(means) ** 2)) / 2.0
    return min(1.0, max(within, between) / variance)


def _correlation(x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"]) -> float:
    scaled = [np.ldexp(v, -int(np.frexp(np.abs(v).max())[1])) for v in (x, y)]
    a, b = (v - v.mean() for v in scaled)
    size = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / size if size > 0 else 0.0


def _identifier(ds: Dataset, column: _Column) -> Finding | None:
    if column.categories is None:
        whole = bool(np.all(np.floor(column.values) == column.values))
        steps = np.diff(column.values)
        if not whole or not (bool(np.all(steps > 0)) or bool(np.all(steps < 0))):
            return None
        way = "rise" if steps[0] > 0 else "fall"
        text = (
            f"Column {quoted(column.name)} looks like an identifier: whole numbers that {way} from every row to the next. "
            "It tells where a row stands in the file, not what it is: leave it out, or name it with --time if it is a time."
        )
        return Finding(kind="identifier", level="warning", columns=(column.name,), text=text)
    different = len(np.unique(column.values))
    if different < DISTINCT * ds.n:
        return None
    sample = column.categories[:200]
    kind = "hashes or keys" if all(_HASH.fullmatch(text) for text in sample) else "names or free text"
    text = (
        f"Column {quoted(column.name)} looks like an identifier: {different} different values in {ds.n} rows (alert from "
        f"{percent(DISTINCT)}), {kind} such as {quoted(sample[0])}. Each value is a feature that no other row has: leave it out."
    )
    return Finding(kind="identifier", level="warning", columns=(column.name,), text=text)


def _order(ds: Dataset) -> tuple[Finding, ...]:
    """Whether neighbouring rows agree in their targets beyond chance, in a file that is not simply sorted by them."""
    if ds.n < FEWEST_FOR_ORDER or order_note(ds) is not None:
        return ()
    if ds.task == "classification":
        share, deviations = runs(ds.y.astype(np.intp))
        what = "have the same label"
    else:
        ranks = np.empty(ds.n)
        ranks[np.argsort(ds.y, kind="stable")] = np.arange(ds.n, dtype=np.float64)
        share = _correlation(ranks[1:], ranks[:-1])
        deviations = (share + 1.0 / (ds.n - 1)) * math.sqrt(ds.n)
        what = "have targets of like rank"
    if deviations < ORDER_DEVIATIONS or share < ORDER_SHARE:
        return ()
    text = (
        f"The order of the rows predicts the target: neighbouring rows {what} more often than chance, {percent(share)} of the way "
        f"to a sorted file ({quantity(deviations)} deviations; alert from {ORDER_DEVIATIONS:g} and {percent(ORDER_SHARE)}). "
        "Rows may come from batches, sites or times that tell on each other: name the column with --groups or --time."
    )
    return (Finding(kind="row order", level="warning", columns=(), text=text),)


def runs(y: Int[np.ndarray, " n"]) -> tuple[float, float]:
    """How far a sequence of classes is from chance towards a sorted one, and by how many standard deviations.

    Runs of equal classes are counted; under permutations of n labels with class counts n_c, s = sum n_c^2 and t = sum n_c^3
    their mean is (n (n + 1) - s) / n and their variance (s (s + n (n + 1)) - 2 n t - n^3) / (n^2 (n - 1)).

    References:
        :cite:t:`mood1940`.
    """
    n = len(y)
    counts = np.bincount(y).astype(np.float64)
    counts = counts[counts > 0]
    seen = 1 + int(np.count_nonzero(y[1:] != y[:-1]))
    squares, cubes = float(np.sum(counts**2)), float(np.sum(counts**3))
    mean = (n * (n + 1) - squares) / n
    variance = (squares * (squares + n * (n + 1)) - 2 * n * cubes - n**3) / (n**2 * (n - 1))
    fewest = len(counts)
    share = (mean - seen) / (mean - fewest) if mean > fewest else 0.0
    return share, (mean - seen) / math.sqrt(variance) if variance > 0 else 0.0
