"""CSV and TSV text to a DataFrame, with our own count of fields before pandas sees it.

pandas alone would take a first column for an index, fill short rows with nothing, and turn the class `None`
into a missing value. Here every such row is an error with its line.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from widthwise.datasets.names import counted, listed, quoted
from widthwise.errors import DataError, UsageError

if TYPE_CHECKING:
    import pandas as pd

_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_SAMPLE = 100
"""Records that the delimiter is detected from."""
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")


@dataclass(frozen=True, kw_only=True, eq=False)
class Delimited:
    """A text table: its frame, the notes on how it was read, and alerts."""

    frame: pd.DataFrame
    notes: tuple[str, ...]
    alerts: tuple[str, ...]


def read_delimited(data: bytes, *, where: str, encoding: str = "utf-8", text_columns: Sequence[str] = ()) -> Delimited:
    """Read a table of comma, semicolon, tab or bar separated values with one header line.

    Only an empty cell is missing; `NA`, `None` and `nan` are text. Lines without any text are skipped.

    Args:
        data: the file's bytes.
        where: its name, for messages.
        encoding: of the text; a byte-order mark of UTF-8 is read away.
        text_columns: columns kept as text whatever they hold (the target), in any case.

    Returns:
        The frame, in file order, with the names of the header.

    Raises:
        DataError: naming the line of a NUL byte, of a row longer or shorter than the header, of an unclosed
            quote; for another encoding, two possible delimiters, duplicate names, no rows, a single column.
        UsageError: for an encoding that Python does not know.
    """
    text = _decoded(data, where, encoding)
    notes: list[str] = []
    alerts: list[str] = []
    delimiter = _delimiter(text, where)
    if delimiter != ",":
        notes.append(f"Columns are separated by a {_DELIMITERS[delimiter]}.")
    header, rows, trailing = _checked(text, delimiter, where)
    if trailing:
        notes.append("The delimiter at the end of every line was dropped.")
        header = header[:-1]
    for j, name in enumerate(header):
        if not name.strip():
            header[j] = _fresh(f"column_{j}", header)
            notes.append(f"Column {j} (counted from 0) has no name and is called {header[j]}.")
    twice = sorted(name for name, times in Counter(header).items() if times > 1)
    if twice:
        raise DataError(f"column names must be distinct; {listed(twice)} occurs more than once in {quoted(where)}")
    if len(header) < 2:
        raise DataError(
            f"{quoted(where)} must hold at least two columns, features and a target; it holds one, "
            f"{listed(header)}.{_spaces_hint(text)}"
        )
    if not rows:
        raise DataError(f"{quoted(where)} must hold rows below its header; it holds the header only")
    if all(_NUMBER.fullmatch(name) for name in header):
        alerts.append(
            "The first line holds numbers only and was read as the header; if the file has none, read it "
            "with "
            "pandas.read_csv(path, header=None) and pass the DataFrame."
        )
    return Delimited(
        frame=_frame(text, delimiter, header, trailing, text_columns),
        notes=tuple(notes),
        alerts=tuple(alerts),
    )


def _decoded(data: bytes, where: str, encoding: str) -> str:
    shown = quoted(where, limit=200)
    try:
        utf8 = codecs.lookup(encoding).name in ("utf-8", "utf-8-sig", "ascii")
    except LookupError as cause:
        raise UsageError(f"encoding {encoding!r} is not known; 'utf-8', 'utf-16' and 'latin-1' are") from cause
    zeros = data[:4096].count(0)
    if utf8 and (data[:2] in (b"\xff\xfe", b"\xfe\xff") or zeros > len(data[:4096]) / 4):
        raise DataError(f"{shown} must be UTF-8; it looks like UTF-16. Pass encoding='utf-16', or save it as UTF-8.")
    try:
        text = data.decode("utf-8-sig" if utf8 else encoding)
    except UnicodeError as cause:
        line = data.count(b"\n", 0, getattr(cause, "start", 0)) + 1
        guess = "it looks like Latin-1 (Windows-1252). Pass encoding='latin-1'" if utf8 else "try another encoding"
        raise DataError(f"{shown} must be {encoding}; line {line} is not: {guess}, or save it as UTF-8.") from cause
    nul = text.find("\0")
    if nul >= 0:
        line = len(text[:nul].splitlines()) or 1
        raise DataError(f"{shown} holds a NUL byte in line {line}; a text table has none. Is the file damaged?")
    if not text.strip():
        raise DataError(f"{shown} must hold a header and rows; it holds blank lines only")
    return text


def _records(text: str, delimiter: str, where: str) -> Iterator[tuple[int, list[str]]]:
    """First line number and fields of every record that is not blank."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        for fields in reader:
            if len(fields) > 1 or (fields and fields[0].strip()):
                yield line, fields
            line = reader.line_num + 1
    except csv.Error as cause:
        reason = str(cause)
        shown = quoted(where, limit=200)
        if "unexpected end" in reason:
            raise DataError(
                f"a quote that opens in line {line} of {shown} is never closed; close it, or remove the quote"
            ) from cause
        if "field larger" in reason:
            raise DataError(
                f"line {line} of {shown} begins a cell of more than {csv.field_size_limit()} characters; "
                "is a quote left open there? Else remove that column."
            ) from cause
        raise DataError(
            f'line {line} of {shown} has text after a closing quote ({reason}); inside quotes, write " as ""'
        ) from cause


def _delimiter(text: str, where: str) -> str:
    """The delimiter that gives every sampled record as many fields as the header, or else most of them."""
    widths: dict[str, list[int]] = {}
    for delimiter in _DELIMITERS:
        widths[delimiter] = []
        try:
            for _, fields in _records(text, delimiter, where):
                widths[delimiter].append(len(fields))
                if len(widths[delimiter]) == _SAMPLE:
                    break
        except DataError:  # a quote that does not fit; the chosen delimiter will say so with its line
            continue
    fitting = [d for d, w in widths.items() if w and w[0] > 1 and len(w) > 1 and len(set(w)) == 1]
    if len(fitting) > 1:
        said = " and ".join(f"{_DELIMITERS[d]} ({widths[d][0]} columns)" for d in fitting)
        raise DataError(
            f"the delimiter of {quoted(where, limit=200)} is ambiguous: {said} both fit every line. Put "
            "cells that hold a "
            "delimiter in quotes, or read it with pandas.read_csv(path, sep=...) and pass the DataFrame."
        )
    if fitting:
        return fitting[0]
    return max(_DELIMITERS, key=lambda d: (sum(w == widths[d][0] > 1 for w in widths[d]), (widths[d] or [0])[0]))


def _checked(text: str, delimiter: str, where: str) -> tuple[list[str], int, bool]:
    """The header, the number of rows, and whether every line ends in a delimiter."""
    records = _records(text, delimiter, where)
    _, header = next(records)
    width = len(header)
    shown = quoted(where, limit=200)
    rows = 0
    odd: tuple[int, int] | None = None  # line and width of the first row that does not fit
    one_more, trailing = True, width > 1 and not header[-1].strip()
    for line, fields in records:
        rows += 1
        one_more = one_more and len(fields) == width + 1
        trailing = trailing and not fields[-1].strip()
        if len(fields) != width and odd is None:
            odd = line, len(fields)
    if odd is None:
        return header, rows, trailing
    line, length = odd
    if one_more and rows > 1:
        raise DataError(
            f"every row of {shown} has one field more than the header ({length} against {width}, first in "
            f"line {line}): "
            "name the missing column in the header, or remove the delimiter at the end of the rows"
        )
    if length > width:
        raise DataError(
            f"line {line} of {shown} has {length} fields, the header has {width}; put a cell that holds a "
            f"{_DELIMITERS[delimiter]} in quotes"
        )
    raise DataError(
        f"line {line} of {shown} has only {counted(length, 'field')}, the header has {width}; fill the row "
        "or remove it"
        f"{_spaces_hint(text)}"
    )


def _frame(text: str, delimiter: str, header: list[str], trailing: bool, text_columns: Sequence[str]) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415  pandas costs a third of a second

    names = [*header, "\0trailing"] if trailing else header
    folded = {name.strip().casefold() for name in text_columns}
    frame = pd.read_csv(
        io.StringIO(text, newline=""),
        sep=delimiter,
        header=0,
        names=names,
        index_col=False,
        keep_default_na=False,
        na_values=[""],
        skip_blank_lines=True,
        low_memory=False,
        dtype={name: str for name in header if name.strip().casefold() in folded},
    )
    return frame[header]


def _fresh(name: str, taken: list[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _spaces_hint(text: str) -> str:
    first = text.lstrip().splitlines()[0]
    if not any(d in first for d in _DELIMITERS) and len(first.split()) > 1:
        return (
            " If columns are separated by spaces, read it with pandas.read_csv(path, sep=r'\\s+') and "
            "pass the DataFrame."
        )
    return ""
