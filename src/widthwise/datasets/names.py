"""Names and cells in messages: quoted so that no control character reaches a terminal, and shortened.

Data keep their raw names; only the sentences written here quote them.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

Cell = tuple[int, str, object]
"""Row (0-based), column name and what stands there."""


def quoted(name: object, *, limit: int = 60) -> str:
    """The name in quotes, control characters escaped, at most about `limit` characters long."""
    text = str(name)
    shown = repr(text[: 2 * limit])
    return shown if len(shown) <= limit and len(text) <= limit else f"{shown[:limit]}...'"


def listed(names: Sequence[object], *, limit: int = 8) -> str:
    """The first names, quoted and separated by commas, and how many more there are."""
    shown = ", ".join(quoted(name) for name in names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"


def counted(n: int, noun: str, plural: str | None = None) -> str:
    """`1 row`, `2 rows`: a number with its noun."""
    return f"{n} {noun if n == 1 else plural or noun + 's'}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'label'?` where one known name is close, else nothing."""
    by_fold = {k.casefold(): k for k in known}
    close = difflib.get_close_matches(name.strip().casefold(), by_fold, n=1, cutoff=0.6)
    return f"; did you mean {quoted(by_fold[close[0]])}?" if close else ""


def _cell(value: object) -> object:
    if value is None:
        return "nothing"
    return quoted(value, limit=30) if isinstance(value, str) else value


def cells_listed(cells: Sequence[Cell]) -> str:
    """The first five cells as row and column, with what stands there; None is a cell that holds nothing."""
    shown = "; ".join(f"row {row}, column {quoted(column)}: {_cell(value)}" for row, column, value in cells[:5])
    more = f"; and {len(cells) - 5} more" if len(cells) > 5 else ""
    return f"{shown}{more} (rows are counted from 0, without the header)"
