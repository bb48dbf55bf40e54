"""Parquet files to a DataFrame, through pyarrow where it is installed."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, cast

from widthwise.datasets.names import listed, quoted
from widthwise.errors import DataError, UsageError

if TYPE_CHECKING:
    import pandas as pd


def read_parquet(data: bytes, *, where: str) -> pd.DataFrame:
    """Read a Parquet file of flat columns.

    Args:
        data: the file's bytes.
        where: its name, for messages.

    Raises:
        DataError: for nested columns, which are named, and for damaged or encrypted files.
        UsageError: if pyarrow is not installed.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415  an extra
        import pyarrow.parquet as pq  # noqa: PLC0415
    except ImportError as cause:
        raise UsageError(
            f"reading Parquet ({quoted(where, limit=200)}) needs pyarrow: pip install 'widthwise[parquet]'"
        ) from cause
    try:
        table = pq.ParquetFile(io.BytesIO(data)).read()
    except (pa.ArrowException, OSError) as cause:
        raise DataError(
            f"Parquet file {quoted(where, limit=200)} is damaged, cut short or encrypted ({cause}); write it again"
        ) from cause
    nested = [field.name for field in table.schema if pa.types.is_nested(field.type)]
    if nested:
        raise DataError(
            f"columns of {quoted(where, limit=200)} must be flat; {listed(nested)} hold lists or records. "
            "Flatten or drop them."
        )
    return cast("pd.DataFrame", table.to_pandas(ignore_metadata=True))
