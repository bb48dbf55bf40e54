"""Tables to data sets: the target found, features and labels encoded, what a user should know noticed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from jaxtyping import Float, Int

from widthwise.datasets.columns import encode_columns, encode_like
from widthwise.datasets.dataset import Dataset, Recipe, SourceColumn, Task
from widthwise.datasets.labels import Labels, read_labels
from widthwise.datasets.names import Cell, cells_listed, counted, did_you_mean, listed, quoted
from widthwise.errors import DataError, UsageError

if TYPE_CHECKING:
    import pandas as pd

LEAST_ROWS = 3
IDENTIFIER_ROWS = 10
"""With fewer rows, distinct values say nothing about identifiers."""
TARGET_NAMES = ("target", "label", "class", "y")

_IDENTIFIER = re.compile(r"(?:.*[\W_])?(?:id|uid|uuid|guid|index|key|rownames?|row)|unnamed: 0", re.IGNORECASE)


def from_frame(
    frame: pd.DataFrame,
    *,
    target: str | None,
    source: str,
    task: Literal["auto", "classification", "regression"] = "auto",
    y: Any = None,
    notes: Sequence[str] = (),
    alerts: Sequence[str] = (),
    aside: Sequence[str] = (),
    like: Dataset | None = None,
) -> Dataset:
    """Make a data set of a DataFrame.

    Args:
        frame: features, and the target unless `y` is given.
        target: name of the target column; None takes the only column called target, label, class or y.
        source: what the user asked for.
        task: the task, or "auto" for a guess.
        y: labels, if they are not in the frame.
        notes: what was noted before.
        alerts: what was noticed before.
        aside: columns that are no features; their values are kept in `Dataset.beside`.
        like: data whose columns, categories and classes these rows share.

    Returns:
        The data set; its rows are the frame's rows in order.

    Raises:
        DataError: if columns share a name, the target or another column is missing, or the values cannot be used
            (`encode_columns`, `read_labels`).
        UsageError: if the target is not named and cannot be guessed, or named beside `y`.
    """
    frame = frame.set_axis([str(c) for c in frame.columns], axis=1)
    twice = sorted(set(frame.columns[frame.columns.duplicated()]))
    if twice:
        raise DataError(f"column names must be distinct; {listed(twice)} occurs more than once in {quoted(source)}")
    said = list(notes)
    if y is not None:
        if target is not None:
            raise UsageError("labels come from y or from a target column; got both. Leave one out.")
        labels_from, name, features = y, "y", frame
    else:
        name = _target_column(list(frame.columns), target, source, said)
        labels_from, features = frame[name], frame.drop(columns=name)
    beside = {column: _set_aside(frame, column, name, source) for column in aside}
    features = features.drop(columns=list(beside))
    if like is not None:
        return _from_frame_like(
            features, labels_from, name=name, source=source, notes=said, alerts=alerts, beside=beside, like=like
        )
    _check_size(len(frame), features.shape[1], source)
    labels = read_labels(labels_from, name=name, task=task)
    _check_lengths(len(frame), len(labels.y))
    columns = encode_columns(features)
    identifier = _identifier(features)
    if identifier is not None:
        beside[identifier] = features[identifier].to_numpy(dtype=object)
    encoded = {column.name for column in columns.columns}
    return assemble(
        columns.X,
        labels,
        names=columns.names,
        target_name=name,
        source=source,
        notes=(*said, *columns.notes),
        alerts=(*alerts, *columns.alerts),
        codes=columns.codes,
        beside=beside,
        identifier=identifier,
        columns=columns.columns,
        left_out=(*aside, *(str(c) for c in features.columns if c not in encoded)),
    )


def _set_aside(frame: pd.DataFrame, column: str, target: str, source: str) -> np.ndarray:
    if column == target and column in frame.columns:
        raise UsageError(f"column {quoted(column)} is the target; it cannot be set aside as well. Name another column")
    if column not in frame.columns:
        raise DataError(
            f"column {quoted(column)} is not in {quoted(source)}{did_you_mean(column, frame.columns) or '.'} "
            f"Columns: {listed(list(frame.columns), limit=20)}"
        )
    return frame[column].to_numpy(dtype=object)


def _identifier(features: pd.DataFrame) -> str | None:
    """The column that names the rows: different in every row, and text, or called like one, or counting the rows."""
    if len(features) < IDENTIFIER_ROWS:
        return None
    found: list[tuple[bool, str]] = []
    for name, column in features.items():
        if not column[: 2 * IDENTIFIER_ROWS].is_unique or not column.is_unique or bool(column.isna().any()):
            continue
        called = _IDENTIFIER.fullmatch(str(name)) is not None
        kind = getattr(column.dtype, "kind", "O")
        if kind in "iu":
            counting = called or int(column.max()) - int(column.min()) == len(column) - 1
        else:
            texts = column.tolist()
            counting = kind not in "fbcMm" and all(isinstance(v, str) for v in texts)
            counting = counting and any(not _number(v) for v in texts)
        if counting:
            found.append((not called, str(name)))
    return min(found, key=lambda pair: pair[0])[1] if found else None


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _from_frame_like(
    features: pd.DataFrame,
    labels_from: Any,
    *,
    name: str,
    source: str,
    notes: Sequence[str],
    alerts: Sequence[str],
    beside: Mapping[str, np.ndarray],
    like: Dataset,
) -> Dataset:
    if like.recipe is None:
        raise UsageError("rows like others need to know how those were read: load them with widthwise.load")
    wanted, there = [column.name for column in like.recipe.columns], [str(c) for c in features.columns]
    missing = [column for column in wanted if column not in there]
    if missing:
        hint = did_you_mean(missing[0], [c for c in there if c not in wanted])
        raise DataError(
            f"{quoted(source)} must hold the columns that {quoted(like.source)} has; {counted(len(missing), 'column')} missing: "
            f"{listed(missing)}{hint or '.'} Columns: {listed(there, limit=20)}"
        )
    known = {*wanted, *like.recipe.left_out, like.target_name}
    extra = [column for column in there if column not in known]
    said = list(notes)
    if extra:
        said.append(
            f"{counted(len(extra), 'column')} of {quoted(source)} left out, unknown to {quoted(like.source)}: {listed(extra)}."
        )
    labels = read_labels(labels_from, name=name, like=(like.task, like.classes))
    columns = encode_like(features, like.recipe.columns)
    # What was set aside there is set aside here, where it is.
    beside = {**{c: features[c].to_numpy(dtype=object) for c in like.beside if c in features.columns}, **beside}
    return assemble(
        columns.X,
        labels,
        names=columns.names,
        target_name=name,
        source=source,
        notes=said,
        alerts=(*alerts, *columns.alerts),
        beside=beside,
        identifier=like.identifier if like.identifier in beside else None,
        like=like,
    )


def assemble(
    X: np.ndarray,
    labels: Labels,
    *,
    names: Sequence[str],
    target_name: str,
    source: str,
    notes: Sequence[str] = (),
    alerts: Sequence[str] = (),
    image_shape: tuple[int, ...] | None = None,
    codes: Mapping[str, Int[np.ndarray, " n"]] | None = None,
    rows: Int[np.ndarray, " n"] | None = None,
    beside: Mapping[str, np.ndarray] | None = None,
    identifier: str | None = None,
    columns: Sequence[SourceColumn] | None = None,
    left_out: Sequence[str] = (),
    like: Dataset | None = None,
) -> Dataset:
    """Check numeric features and join them with their labels.

    Constant columns of tables are dropped and noted; those of images stay. Columns that look like
    identifiers, or determine the label one to one, raise an alert.

    Args:
        X: (n, d) numbers.
        labels: what `read_labels` made of the target.
        names: one name per column of X.
        target_name: name of the target.
        source: what the user asked for.
        notes: what was noted before.
        alerts: what was noticed before.
        image_shape: shape of an image, if the columns are pixels.
        codes: category codes of the source columns that became one-hot, by name.
        rows: row numbers in the source, if not 0..n-1.
        beside: values of columns that are no features.
        identifier: the column among them that names the rows.
        columns: of the source that X was encoded from; one number each when not given.
        left_out: columns of the source that are no features.
        like: data whose features these rows share: columns that were left out there are left out here.

    Raises:
        DataError: for fewer than three rows, no column, rows and labels of different number, values that are
            not finite, or if all columns are constant.
    """
    if like is None:
        _check_size(len(X), X.shape[1], source)
    _check_lengths(len(X), len(labels.y))
    said, seen = [*notes, *labels.notes], [*alerts, *labels.alerts]
    if X.dtype.kind in "iu" and X.size and int(np.abs(X).max()) > 2**53:
        seen.append("Whole numbers above 2^53 lose their last digits as float64.")
    numbers = np.ascontiguousarray(X, dtype=np.float64)
    kept = tuple(names)
    if not np.isfinite(numbers).all():
        bad = np.argwhere(~np.isfinite(numbers))
        cells: list[Cell] = [(int(i), kept[j], numbers[i, j]) for i, j in bad]
        raise DataError(f"features must be finite numbers; {cells_listed(cells)}. Fill them in or remove the rows.")
    if like is not None:
        numbers = _columns_like(numbers, source, image_shape, like)
        return Dataset(
            X=numbers,
            y=labels.y,
            task=labels.task,
            task_reason=labels.task_reason,
            classes=labels.classes,
            feature_names=like.feature_names,
            target_name=target_name,
            source=source,
            kind=like.kind,
            image_shape=like.image_shape,
            notes=tuple(said),
            alerts=tuple(seen),
            rows=np.arange(len(numbers)) if rows is None else rows,
            beside=beside or {},
            identifier=identifier,
            recipe=like.recipe,
        )
    positions = np.arange(numbers.shape[1])
    if image_shape is None:
        constant = numbers.max(axis=0) == numbers.min(axis=0)
        if constant.all():
            raise DataError(f"features must vary; every column of {quoted(source)} is constant: {listed(kept)}")
        if constant.any():
            gone = [kept[j] for j in np.flatnonzero(constant)]
            said.append(f"{counted(len(gone), 'constant column')} left out: {listed(gone)}.")
            numbers = numbers[:, ~constant]
            kept = tuple(kept[j] for j in np.flatnonzero(~constant))
            positions = np.flatnonzero(~constant)
        seen += _suspicious(numbers, kept, labels, codes or {})
    return Dataset(
        X=numbers,
        y=labels.y,
        task=labels.task,
        task_reason=labels.task_reason,
        classes=labels.classes,
        feature_names=kept,
        target_name=target_name,
        source=source,
        kind="table" if image_shape is None else "image",
        image_shape=image_shape,
        notes=tuple(said),
        alerts=tuple(seen),
        rows=np.arange(len(numbers)) if rows is None else rows,
        beside=beside or {},
        identifier=identifier,
        recipe=Recipe(
            columns=tuple(columns) if columns is not None else tuple(SourceColumn(name=name) for name in names),
            kept=tuple(int(j) for j in positions),
            left_out=tuple(left_out),
        ),
    )


def _columns_like(
    X: Float[np.ndarray, "n p"], source: str, image_shape: tuple[int, ...] | None, like: Dataset
) -> Float[np.ndarray, "n d"]:
    """The columns of X that are features of other data."""
    if like.recipe is None:
        raise UsageError("rows like others need to know how those were read: load them with widthwise.load")
    wanted = sum(len(column.categories or ("",)) for column in like.recipe.columns)
    if X.shape[1] != wanted or (like.image_shape is not None and image_shape != like.image_shape):
        came = f"{X.shape[1]} columns" if like.image_shape is None or image_shape is None else f"images {image_shape}"
        held = f"{wanted} columns" if like.image_shape is None or image_shape is None else f"images {like.image_shape}"
        raise DataError(f"{quoted(source)} must hold {held}, as {quoted(like.source)} does; {came} came")
    return np.ascontiguousarray(X[:, list(like.recipe.kept)])


def _target_column(columns: list[str], target: str | None, source: str, notes: list[str]) -> str:
    if target is not None:
        if target not in columns:
            raise DataError(
                f"target column {quoted(target)} is not in "
                f"{quoted(source)}{did_you_mean(target, columns) or '.'} "
                f"Columns: {listed(columns, limit=20)}"
            )
        return target
    usual = [c for c in columns if c.strip().casefold() in TARGET_NAMES]
    if len(usual) == 1:
        notes.append(f"The target was not named; column {quoted(usual[0])} was taken for its name.")
        return usual[0]
    raise UsageError(
        f"which column of {quoted(source)} is the target? Name it with --target (target= in Python). "
        f"Columns: {listed(columns, limit=20)}"
    )


def _check_size(n: int, d: int, source: str) -> None:
    if n < LEAST_ROWS:
        raise DataError(f"{quoted(source)} must hold at least {LEAST_ROWS} rows; it holds {n}")
    if d < 1:
        raise DataError(f"{quoted(source)} must hold at least one feature column beside the target; it holds none")


def _check_lengths(rows: int, labels: int) -> None:
    if rows != labels:
        raise DataError(f"features and labels must have as many rows; got {rows} rows of features and {labels} labels")


def _suspicious(
    X: Float[np.ndarray, "n d"],
    names: Sequence[str],
    labels: Labels,
    codes: Mapping[str, Int[np.ndarray, " n"]],
) -> list[str]:
    """Alerts about columns that look like identifiers or give the label away."""
    prefixes = tuple(f"{name}=" for name in codes)
    numeric = [j for j, name in enumerate(names) if not (prefixes and name.startswith(prefixes))]
    # A few rows rule out nearly all columns, so the full check is paid by few.
    few = X[:: max(1, len(X) // 64)]
    y_few = labels.y[:: max(1, len(X) // 64)]
    alerts: list[str] = []
    leaks = [
        names[j] for j in numeric if _tells(few[:, j], y_few, labels.task) and _tells(X[:, j], labels.y, labels.task)
    ]
    leaks += [name for name, code in codes.items() if _tells(code, labels.y, labels.task)]
    alerts += [
        f"Column {quoted(name)} equals the label, row by row: a leak? Leave it out unless it is known beforehand."
        for name in leaks
    ]
    if len(X) >= IDENTIFIER_ROWS:
        ids = [names[j] for j in numeric if _numbers_rows(few[:, j], X[:, j], names[j])]
        ids += [name for name, code in codes.items() if code.max() + 1 == len(X)]
        alerts += [
            f"Column {quoted(name)} looks like an identifier: its value is different in every row. Leave it out?"
            for name in ids
        ]
    return alerts


def _tells(values: np.ndarray, y: np.ndarray, task: Task) -> bool:
    """Whether values and labels determine each other: one to one for classes, equal for quantities."""
    if task == "regression":
        return bool((values == y).all())
    present, first, codes = np.unique(y, return_index=True, return_inverse=True)
    representative = values[first]
    return len(np.unique(representative)) == len(present) and bool((values == representative[codes]).all())


def _numbers_rows(few: np.ndarray, values: np.ndarray, name: str) -> bool:
    if not bool((np.floor(few) == few).all()) or len(np.unique(few)) < len(few):
        return False
    distinct = np.unique(values)
    if len(distinct) < len(values) or not bool((np.floor(values) == values).all()):
        return False
    return bool(distinct[-1] - distinct[0] == len(values) - 1) or _IDENTIFIER.fullmatch(name) is not None
