"""The results of a sweep as a table: one row a job, and what can be made of it: CSV, Parquet, pandas, xarray."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from widthwise.errors import UsageError
from widthwise.pages.cells import spreadsheet_safe
from widthwise.sweeps.engine import Job
from widthwise.sweeps.store import TRIES, Store

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

Row = dict[str, Any]


def rows(store: Store, jobs: Sequence[Job]) -> list[Row]:
    """One row for each job: its id, its status, its settings, its measures.

    `status` is `done`, `diverged`, `failed` (its last reason in `reason`) or `waiting`.
    """
    failures = store.failures()
    found = []
    for job in jobs:
        settings = {name: _cell(value) for name, value in job.content["settings"].items()}
        result = store.result(job.id)
        row: Row = {"job": job.id, "status": "waiting", **settings}
        if result is not None:
            measures = result["measures"]
            row |= {"status": "done" if measures.get("diverged") is None else "diverged", **measures}
            row |= {"seconds": result["seconds"], "attempt": result["attempt"]}
        elif len(failures.get(job.id, [])) >= TRIES:
            row |= {"status": "failed", "reason": str(failures[job.id][-1]["reason"])}
        found.append(row)
    return found


def columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names of all columns, in the order in which they first come."""
    return list(dict.fromkeys(name for row in rows for name in row))


def to_csv(rows: Sequence[Row]) -> str:
    """The table as CSV; texts that a spreadsheet would run get a quote, numbers read back equal."""
    names = columns(rows)
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(names)
    for row in rows:
        cells = [row.get(name) for name in names]
        writer.writerow(["" if c is None else spreadsheet_safe(c) if isinstance(c, str) else c for c in cells])
    return stream.getvalue()


def to_pandas(rows: Sequence[Row]) -> pd.DataFrame:
    """The table as a DataFrame; what was not measured is missing."""
    import pandas as pd  # noqa: PLC0415

    return pd.DataFrame(list(rows), columns=columns(rows))


def to_parquet(rows: Sequence[Row]) -> bytes:
    """The table as the bytes of a Parquet file.

    Raises:
        UsageError: if pyarrow is not installed.
    """
    try:
        import pyarrow  # noqa: F401, PLC0415
    except ImportError:
        raise UsageError("Parquet needs pyarrow: pip install 'widthwise[parquet]', or export as csv") from None
    stream = io.BytesIO()
    to_pandas(rows).to_parquet(stream, index=False)
    return stream.getvalue()


def to_xarray(rows: Sequence[Row], axes: Sequence[str]) -> xr.Dataset:
    """Measures over the axes of the sweep, as an xarray Dataset.

    Args:
        rows: of the table.
        axes: the settings that vary; together they must tell rows apart.

    Raises:
        UsageError: if xarray is not installed, nothing varies, or a value of an axis is a list.
    """
    try:
        import xarray  # noqa: F401, PLC0415
    except ImportError:
        raise UsageError("this export needs xarray: pip install xarray, or export as csv or parquet") from None
    if not axes:
        raise UsageError("an xarray Dataset has the axes of the sweep as dimensions; this sweep has none")
    frame = to_pandas(rows)
    measures = [name for name in frame.columns if name not in rows[0] or name in ("job", "status")]
    return frame.set_index(list(axes))[measures].to_xarray()


def _cell(value: Any) -> Any:
    """A setting as one cell."""
    return " ".join(map(str, value)) if isinstance(value, (list, tuple)) else value
