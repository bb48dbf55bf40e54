"""From a target column to class codes or numbers: missing labels, class names, traps of spelling."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int

from widthwise.datasets.dataset import Task
from widthwise.datasets.names import cells_listed, counted, listed, quoted
from widthwise.datasets.tasks import guess_task
from widthwise.errors import DataError

_PLAIN_NUMBER = re.compile(r"[+-]?(?:0|[1-9]\d*|(?=\.\d))(?:\.\d*)?(?:[eE][+-]?\d+)?")
OUTLIER_FACTOR = 1e6
"""A target this many interquartile ranges from the median is pointed out."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Labels:
    """Targets ready for a `Dataset`, in its fields of the same names, and what was noticed."""

    y: Int[np.ndarray, " n"] | Float[np.ndarray, " n"]
    task: Task
    task_reason: str
    classes: tuple[str, ...]
    notes: tuple[str, ...]
    alerts: tuple[str, ...]


def read_labels(
    values: Any,
    *,
    name: str,
    task: Literal["auto", "classification", "regression"] = "auto",
    published: tuple[Task, tuple[str, ...]] | None = None,
    like: tuple[Task, tuple[str, ...]] | None = None,
) -> Labels:
    """Turn a target column into codes or numbers.

    Args:
        values: (n,) array, list or pandas Series of numbers, booleans or text; an (n, 1) column and a one-hot
            (n, k) matrix are accepted and noted.
        name: the target's name, for messages.
        task: the task, or "auto" for a guess.
        published: task and class names of a public set whose values are the codes 0..k-1.
        like: task and class names of other rows, whose codes these get; a class that they lack gets a code from k on, with an
            alert.

    Returns:
        Codes in the order of the sorted classes (numeric order for numbers), or float64 targets.

    Raises:
        DataError: for empty or non-finite labels, dates, complex numbers, text where numbers are needed,
            a single class, a constant regression target.
    """
    notes: list[str] = []
    alerts: list[str] = []
    flat = _flat(values, name, notes)
    plain = _plain(flat, name, alerts)
    if like is not None:
        return _labels_like(plain, name=name, published=published, like=like, notes=notes, alerts=alerts)
    if task != "auto":
        chosen, reason = task, "given"
    elif published is not None:
        chosen, reason = published[0], f"the set is published for {published[0]}"
    else:
        chosen, reason = guess_task(plain, name=name)
    if chosen == "regression":
        y = _quantities(plain, name, alerts)
        return Labels(y=y, task=chosen, task_reason=reason, classes=(), notes=tuple(notes), alerts=tuple(alerts))
    if published is not None and published[1]:
        codes, classes = plain.astype(np.intp), published[1]
    else:
        codes, classes = _codes(plain, name, notes, alerts)
    return Labels(y=codes, task=chosen, task_reason=reason, classes=classes, notes=tuple(notes), alerts=tuple(alerts))


def _labels_like(
    plain: np.ndarray,
    *,
    name: str,
    published: tuple[Task, tuple[str, ...]] | None,
    like: tuple[Task, tuple[str, ...]],
    notes: list[str],
    alerts: list[str],
) -> Labels:
    task, classes = like
    reason = "that of the rows trained on"
    if task == "regression":
        y = _quantities(plain, name, alerts, varying=False)
        return Labels(y=y, task=task, task_reason=reason, classes=(), notes=tuple(notes), alerts=tuple(alerts))
    named = published[1] if published is not None and published[1] else None
    found = [_class_name(named[int(v)] if named else v) for v in plain.tolist()]
    place = {c: code for code, c in enumerate(classes)}
    new = sorted(set(found) - set(place))
    place |= {c: len(classes) + more for more, c in enumerate(new)}
    codes = np.asarray([place[c] for c in found], dtype=np.intp)
    if new:
        rows = int(np.sum(codes >= len(classes)))
        alerts.append(
            f"Target {quoted(name)} holds {counted(len(new), 'class', 'classes')} that no row trained on has, in "
            f"{counted(rows, 'row')}: {listed(new)}. No model can predict them; these rows count as errors. Known: "
            f"{listed(classes)}."
        )
    return Labels(y=codes, task=task, task_reason=reason, classes=classes, notes=tuple(notes), alerts=tuple(alerts))


def _flat(values: Any, name: str, notes: list[str]) -> np.ndarray:
    """The target as a one-dimensional array without missing values."""
    if hasattr(values, "toarray"):
        values = values.toarray()
    if hasattr(values, "isna") and hasattr(values, "to_numpy"):  # pandas, nullable types included
        gaps = np.asarray(values.isna())
        if gaps.any():
            _refuse_gaps(np.flatnonzero(gaps if gaps.ndim == 1 else gaps.any(axis=1)), name)
        kind = getattr(getattr(values, "dtype", None), "kind", None)
        kinds = {"b": np.bool_, "i": np.int64, "u": np.uint64, "f": np.float64}
        array = values.to_numpy(dtype=kinds.get(kind)) if kind in kinds else values.to_numpy()
    else:
        try:
            mixed = isinstance(values, (list, tuple)) and any(isinstance(v, str) or v is None for v in values)
            array = np.asarray(values, dtype=object if mixed else None)
        except ValueError as cause:
            raise DataError(f"target {quoted(name)} must hold one label for each row: {cause}") from cause
    if array.ndim == 2 and array.shape[1] == 1:
        notes.append(f"The target {quoted(name)} came as a column of shape {array.shape} and was flattened.")
        array = array[:, 0]
    elif array.ndim == 2:
        hot = array.dtype.kind in "biuf" and bool(np.isin(array, (0, 1)).all())
        if not hot or not bool((array.sum(axis=1) == 1).all()):
            raise DataError(
                f"target {quoted(name)} must hold one label for each row; its shape is {array.shape} and its "
                "rows are not one-hot (a single 1 among zeros). Choose one column."
            )
        notes.append(f"The one-hot target of shape {array.shape} was read as {array.shape[1]} classes.")
        array = array.argmax(axis=1)
    elif array.ndim != 1:
        raise DataError(f"target {quoted(name)} must hold one label for each row; its shape is {array.shape}")
    return np.asarray(array)


def _refuse_gaps(rows: np.ndarray, name: str) -> None:
    raise DataError(
        f"target {quoted(name)} is empty in {counted(len(rows), 'row')} (first: "
        f"{', '.join(map(str, rows[:5]))}, counted from 0); every row needs a label. Remove those rows first."
    )


def _plain(flat: np.ndarray, name: str, alerts: list[str]) -> np.ndarray:
    """The target as numbers, booleans or `str` objects."""
    if flat.dtype.kind == "f" and np.isnan(flat).any():
        _refuse_gaps(np.flatnonzero(np.isnan(flat)), name)
    if flat.dtype.kind == "f" and np.isinf(flat).any():
        cells = [(int(i), name, flat[i]) for i in np.flatnonzero(np.isinf(flat))]
        raise DataError(f"targets must be finite; {cells_listed(cells)}")
    if flat.dtype.kind in "biu":
        return flat
    if flat.dtype.kind == "f":
        return flat.astype(np.float64)
    if flat.dtype.kind in "Mm":
        raise DataError(
            f"target {quoted(name)} holds dates; widthwise learns classes or numbers. Turn it into a number "
            "first, such as days since a fixed day."
        )
    if flat.dtype.kind == "c":
        raise DataError(f"target {quoted(name)} holds complex numbers; targets must be real")
    if flat.dtype.kind not in "OUS" and not flat.dtype.kind == "T":
        raise DataError(f"target {quoted(name)} holds values of type {flat.dtype}; labels are numbers or text")
    return _from_objects(flat.tolist(), name, alerts)


def _from_objects(values: list[Any], name: str, alerts: list[str]) -> np.ndarray:
    gaps = [
        i
        for i, v in enumerate(values)
        if v is None or (isinstance(v, float) and math.isnan(v)) or (isinstance(v, str) and not v.strip())
    ]
    if gaps:
        _refuse_gaps(np.asarray(gaps), name)
    types = {type(v) for v in values}
    if types <= {bool, np.bool_}:
        return np.asarray(values, dtype=bool)
    if all(issubclass(t, (int, float, np.number)) and t is not bool for t in types):
        return _plain(np.asarray(values), name, alerts) if np.asarray(values).dtype.kind in "iuf" else _text(values)
    texts = [v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values]
    if len({(type(v), t) for v, t in zip(values, texts, strict=True)}) > len(set(texts)):
        both = sorted({t for t in texts if len({type(v) for v, u in zip(values, texts, strict=True) if u == t}) > 1})
        alerts.append(
            f"Target {quoted(name)} mixes types: {listed(both)} occurs as text and as another type, read as one class."
        )
    if types == {str} and all(_PLAIN_NUMBER.fullmatch(t) for t in set(texts)):
        return _numbers(texts, name)
    return _text(texts)


def _text(values: list[Any]) -> np.ndarray:
    array = np.empty(len(values), dtype=object)
    array[:] = [str(v) for v in values]
    return array


def _numbers(texts: list[str], name: str) -> np.ndarray:
    numbers = np.asarray([float(t) for t in texts])
    if np.isinf(numbers).any():
        cells = [(int(i), name, texts[i]) for i in np.flatnonzero(np.isinf(numbers))]
        raise DataError(f"targets must be finite; {cells_listed(cells)}")
    return numbers


def _quantities(plain: np.ndarray, name: str, alerts: list[str], varying: bool = True) -> Float[np.ndarray, " n"]:
    if plain.dtype.kind not in "biuf":
        cells = [(i, name, v) for i, v in enumerate(plain.tolist()) if not _PLAIN_NUMBER.fullmatch(v)]
        if cells:
            raise DataError(f"regression needs numbers as targets; {cells_listed(cells)}")
    y = plain.astype(np.float64)
    if varying and y.size and bool((y == y[0]).all()):
        raise DataError(
            f"target {quoted(name)} must vary; all {len(y)} rows hold {y[0]:g}: nothing to learn. "
            "Check that it is the right column."
        )
    low, middle, high = (float(q) for q in np.quantile(y, (0.25, 0.5, 0.75)))
    if math.isfinite(high - low) and high > low:
        far = np.flatnonzero(np.abs(y / (high - low) - middle / (high - low)) > OUTLIER_FACTOR)
        if far.size:
            cells = [(int(i), name, y[i]) for i in far]
            alerts.append(
                f"Target {quoted(name)}: {counted(far.size, 'value')} more than {OUTLIER_FACTOR:g} "
                f"interquartile ranges from the median; {cells_listed(cells)}."
            )
    return y


def _codes(
    plain: np.ndarray, name: str, notes: list[str], alerts: list[str]
) -> tuple[Int[np.ndarray, " n"], tuple[str, ...]]:
    values, codes, counts = np.unique(plain, return_inverse=True, return_counts=True)
    classes = tuple(_class_name(v) for v in values.tolist())
    if len(classes) < 2:
        raise DataError(
            f"target {quoted(name)} must hold at least two classes; all {len(plain)} rows are of class "
            f"{listed(classes)}. Check that it is the right column, and that the rows were not filtered."
        )
    if len(classes) == len(plain):
        alerts.append(
            f"Target {quoted(name)} has as many classes as rows ({len(plain)}): nothing can be learnt about "
            "a class seen once. If it is a quantity, pass task='regression'."
        )
    elif (counts == 1).any():
        lone = [c for c, m in zip(classes, counts, strict=True) if m == 1]
        notes.append(f"{counted(len(lone), 'class', 'classes')} with a single row: {listed(lone)}.")
    spellings: dict[str, list[str]] = {}
    for c in classes:
        spellings.setdefault("".join(c.split()).casefold(), []).append(c)
    for twins in spellings.values():
        if len(twins) > 1:
            alerts.append(f"Classes differ only by case or space: {listed(twins)}; they are kept apart.")
    return codes.astype(np.intp), classes


def _class_name(value: object) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return str(value)
