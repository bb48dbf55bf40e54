"""From the columns of a DataFrame to numbers: numeric ones as they are, the others one-hot."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int

from widthwise.datasets.dataset import SourceColumn
from widthwise.datasets.names import Cell, cells_listed, counted, listed, quoted
from widthwise.errors import DataError, ResourceError

if TYPE_CHECKING:
    import pandas as pd

MOST_CATEGORIES = 1000
"""A column with more categories than this is left out."""
MOST_BYTES = 16 * 2**30
"""Most bytes the one-hot features may take."""

_DECIMAL_COMMA = re.compile(r"\s*[+-]?\d{1,3}(?:\.\d{3})*,\d+\s*|\s*[+-]?\d+,\d+\s*")
_THOUSANDS = re.compile(r"\s*[+-]?\d{1,3}(?:[,' ]\d{3})+(?:\.\d*)?\s*")
_DATE = re.compile(r"\s*\d{4}-\d{1,2}-\d{1,2}([T ].*)?|\s*\d{1,2}[/.]\d{1,2}[/.]\d{2,4}.*")


@dataclass(frozen=True, kw_only=True, eq=False)
class Columns:
    """Encoded features.

    Attributes:
        X: the numbers.
        names: one per column of X: the source column, or `column=category`.
        codes: category codes of each one-hot source column by name, for the search for leaks.
        columns: of the source that were encoded, in order.
        notes: what was done.
        alerts: what to look at.
    """

    X: Float[np.ndarray, "n p"]
    names: tuple[str, ...]
    codes: dict[str, Int[np.ndarray, " n"]]
    columns: tuple[SourceColumn, ...]
    notes: tuple[str, ...]
    alerts: tuple[str, ...]


def encode_columns(frame: pd.DataFrame) -> Columns:
    """Encode every column of a frame whose column names are distinct strings.

    Numbers stay as they are. Booleans, text and categories become one 0/1 column per category, categories
    sorted. Columns without any value, and columns of more than 1000 categories, are left out with an alert.

    Raises:
        DataError: naming the first five cells that are missing, or text in a column of numbers; for dates and
            complex numbers; if no column is left.
        ResourceError: if the one-hot columns need more than 16 GiB.
    """
    parts: list[tuple[str, Any]] = []  # a float column, or (codes, categories)
    notes: list[str] = []
    alerts: list[str] = []
    gaps: list[Cell] = []
    hot: list[str] = []
    for name, column in frame.items():
        values = _values(column, str(name))
        if bool(_missing(values).all()):
            alerts.append(f"Column {quoted(name)} holds no value and was left out.")
            continue
        if values.dtype.kind == "f":
            parts.append((str(name), values))
            continue
        if _missing(values).any():
            gaps += [(int(i), str(name), None) for i in np.flatnonzero(_missing(values))]
            continue
        categories, codes = np.unique(values.astype(object), return_inverse=True)
        if len(categories) > MOST_CATEGORIES:
            alerts.append(
                f"Column {quoted(name)} holds {len(categories)} categories, more than {MOST_CATEGORIES}, and "
                "was left "
                "out; group them, or turn the column into numbers."
            )
            continue
        if len(categories) > 1 and sum(bool(_DATE.fullmatch(c)) for c in categories) > len(categories) / 2:
            alerts.append(
                f"Column {quoted(name)} looks like dates and is read as {len(categories)} categories; turn "
                "it into a "
                "number, such as days since a fixed day."
            )
        parts.append((str(name), (codes.astype(np.intp), categories)))
        hot.append(str(name))
    if gaps:
        raise DataError(f"features must not be missing; {cells_listed(gaps)}. Fill them in or remove the rows.")
    if not parts:
        raise DataError(
            f"no usable feature column is left of {listed(list(frame.columns))}. {' '.join(alerts)}".strip()
        )
    if hot:
        width = sum(len(p[1]) for _, p in parts if isinstance(p, tuple))
        notes.append(f"{counted(len(hot), 'column')} one-hot, giving {counted(width, 'column')}: {listed(hot)}.")
    X, names = _joined(parts, len(frame))
    codes_by_name = {name: part[0] for name, part in parts if isinstance(part, tuple)}
    columns = tuple(
        SourceColumn(name=name, categories=tuple(part[1]) if isinstance(part, tuple) else None) for name, part in parts
    )
    return Columns(X=X, names=names, codes=codes_by_name, columns=columns, notes=tuple(notes), alerts=tuple(alerts))


def encode_like(frame: pd.DataFrame, columns: Sequence[SourceColumn]) -> Columns:
    """Encode the columns of another frame as those of a first one were.

    A category that the first frame did not hold is 0 in all of its columns, with an alert.

    Args:
        frame: holds every column by name, and any others.
        columns: of the first frame.

    Raises:
        DataError: naming the first five cells that are missing or no numbers where numbers were; for dates and complex numbers.
    """
    parts: list[tuple[str, Any]] = []
    alerts: list[str] = []
    gaps: list[Cell] = []
    for wanted in columns:
        values = _values_like(frame[wanted.name], wanted)
        gaps += [(int(i), wanted.name, None) for i in np.flatnonzero(_missing(values))]
        if wanted.categories is None:
            if values.dtype.kind != "f":
                words: list[Cell] = [(i, wanted.name, v) for i, v in enumerate(values.tolist()) if v is not None]
                raise DataError(
                    f"column {quoted(wanted.name)} holds numbers in the rows trained on and must hold numbers here; "
                    f"{cells_listed(words)}"
                )
            parts.append((wanted.name, values))
            continue
        place = {category: code for code, category in enumerate(wanted.categories)}
        codes = np.fromiter((place.get(v, -1) for v in values.tolist()), dtype=np.intp, count=len(values))
        new = sorted({str(v) for v, code in zip(values.tolist(), codes.tolist(), strict=True) if code < 0 and v})
        if new:
            alerts.append(
                f"Column {quoted(wanted.name)} holds {counted(len(new), 'category', 'categories')} that no row trained on has, "
                f"in {counted(int(np.sum(codes < 0)), 'row')}: {listed(new)}; they are none of the known ones."
            )
        parts.append((wanted.name, (codes, np.asarray(wanted.categories, dtype=object))))
    if gaps:
        raise DataError(f"features must not be missing; {cells_listed(gaps)}. Fill them in or remove the rows.")
    X, names = _joined(parts, len(frame))
    return Columns(X=X, names=names, codes={}, columns=tuple(columns), notes=(), alerts=tuple(alerts))


def _joined(parts: Sequence[tuple[str, Any]], n: int) -> tuple[Float[np.ndarray, "n p"], tuple[str, ...]]:
    width = sum(len(p[1]) if isinstance(p, tuple) else 1 for _, p in parts)
    if n * width * 8 > MOST_BYTES:
        raise ResourceError(
            f"{n} rows of {width} columns need {n * width * 8} bytes, more than {MOST_BYTES}; "
            "group the categories of the longest text columns, or choose fewer rows"
        )
    X = np.zeros((n, width))
    names: list[str] = []
    at = 0
    for name, part in parts:
        if isinstance(part, tuple):
            codes, categories = part
            known = np.flatnonzero(codes >= 0)
            X[known, at + codes[known]] = 1.0
            names += [f"{name}={c}" for c in categories]
            at += len(categories)
        else:
            X[:, at] = part
            names.append(name)
            at += 1
    return X, tuple(names)


def _values_like(column: pd.Series[Any], wanted: SourceColumn) -> np.ndarray:
    """Values as those of the first column: text where that held categories, whatever these would be taken for alone."""
    if wanted.categories is not None and getattr(column.dtype, "kind", "O") not in "Mmc":
        return _texts(column.tolist(), np.asarray(column.isna()))
    return _values(column, wanted.name)


def _values(column: pd.Series[Any], name: str) -> np.ndarray:
    """A float column (missing is NaN), or an object column of text (missing is None)."""
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iuf":
        return np.asarray(column.to_numpy(), dtype=np.float64)
    from pandas.api import types  # noqa: PLC0415  pandas costs a third of a second

    kind = getattr(column.dtype, "kind", "O")
    if kind in "Mm" or "period" in str(column.dtype):
        raise DataError(
            f"column {quoted(name)} holds dates ({column.dtype}); features must be numbers or categories. "
            "Turn it into "
            "a number, such as days since a fixed day."
        )
    if kind == "c":
        raise DataError(f"column {quoted(name)} holds complex numbers; features must be real")
    missing = np.asarray(column.isna())
    if types.is_bool_dtype(column.dtype):
        return _texts(column.tolist(), missing)
    if types.is_numeric_dtype(column.dtype):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    present = [v for v, gap in zip(column.tolist(), missing.tolist(), strict=True) if not gap]
    if any(isinstance(v, (list, tuple, dict, set, np.ndarray)) for v in present):
        raise DataError(f"column {quoted(name)} holds lists or records; features must be numbers or categories")
    if all(isinstance(v, (bool, np.bool_)) for v in present):
        return _texts(column.tolist(), missing)
    if any(isinstance(v, complex) for v in present):
        raise DataError(f"column {quoted(name)} holds complex numbers; features must be real")
    if hasattr(column.dtype, "categories"):
        return _texts(column.tolist(), missing)  # said to be categories, numbers or not
    return _numbers_or_texts(column.tolist(), missing, name)


def _missing(values: np.ndarray) -> np.ndarray:
    if values.dtype.kind == "f":
        return np.asarray(np.isnan(values))
    return np.fromiter((v is None for v in values), dtype=bool, count=len(values))


def _texts(values: Sequence[object], missing: np.ndarray) -> np.ndarray:
    texts = np.empty(len(values), dtype=object)
    texts[:] = [None if gap else str(v) for v, gap in zip(values, missing.tolist(), strict=True)]
    return texts


def _numbers_or_texts(values: list[Any], missing: np.ndarray, name: str) -> np.ndarray:
    numbers = np.full(len(values), np.nan)
    words: list[Cell] = []
    for i, (value, gap) in enumerate(zip(values, missing.tolist(), strict=True)):
        if gap:
            continue
        try:
            # float() also takes 1_000 and nan, which no table means as numbers.
            if isinstance(value, str) and ("_" in value or value.strip().lower().lstrip("+-") == "nan"):
                raise ValueError(value)
            numbers[i] = float(value)
        except (ValueError, TypeError, OverflowError):
            words.append((i, name, str(value)))
    present = len(values) - int(missing.sum())
    if not words:
        return numbers
    told = [str(cell[2]) for cell in words]
    for pattern, what in ((_THOUSANDS, "thousands separators"), (_DECIMAL_COMMA, "decimal commas")):
        if 2 * sum(bool(pattern.fullmatch(t)) for t in told) > present:
            raise DataError(
                f"column {quoted(name)} seems to hold numbers with {what}; {cells_listed(words)}. Write "
                "plain numbers "
                "such as 1234.5, or read it with pandas.read_csv(path, decimal=',') or thousands=',' and "
                "pass the DataFrame."
            )
    if 2 * len(words) < present:
        raise DataError(
            f"column {quoted(name)} holds numbers, but not in every row; {cells_listed(words)}. Fill in or "
            "remove these "
            "rows, or make every cell text if the column is a category."
        )
    return _texts(values, missing)
