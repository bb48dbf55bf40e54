"""One labelled data set in memory: features, targets and all that reading did to them.

Nothing here scales features (`features`), codes targets (`coding`) or reads files (`sources`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from widthwise.errors import UsageError

Task = Literal["classification", "regression"]
Kind = Literal["table", "image"]


@dataclass(frozen=True, kw_only=True)
class SourceColumn:
    """A column of the source that became features.

    Attributes:
        name: raw.
        categories: of a one-hot column, in the order of its features; None for numbers.
    """

    name: str
    categories: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How the features came from the source, so that another table can be read in the same way.

    Attributes:
        columns: of the source, in the order of their features.
        kept: numbers of the encoded columns that vary and are features.
        left_out: columns of the source that are no features.
    """

    columns: tuple[SourceColumn, ...]
    kept: tuple[int, ...]
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """A labelled data set.

    Attributes:
        X: features in the units of the source, categories one-hot, nothing scaled.
        y: class codes 0..k-1 for classification, targets in their own units for regression.
        task: what is to be learnt.
        task_reason: why the task was guessed, with the numbers, or "given".
        classes: name of each class code; empty for regression.
        feature_names: name of each column of X, raw (escape before rendering).
        target_name: name of the target, raw.
        source: what was asked for, such as "digits" or the path as given.
        kind: "image" where the columns are pixels.
        image_shape: shape of one image, such as (28, 28) or (32, 32, 3); None for tables.
        notes: what reading did, one sentence each.
        alerts: what a user should look at, one sentence each.
        rows: row number of each row in the source, 0-based.
        beside: values of columns that were set aside, and of the identifier, as they came, by raw name.
        identifier: name of a column whose value is different in every row and that names the rows; None without one.
        recipe: how the features came from the source.
    """

    X: Float[np.ndarray, "n d"]
    y: Int[np.ndarray, " n"] | Float[np.ndarray, " n"]
    task: Task
    task_reason: str
    classes: tuple[str, ...]
    feature_names: tuple[str, ...]
    target_name: str
    source: str
    kind: Kind
    image_shape: tuple[int, ...] | None
    notes: tuple[str, ...]
    alerts: tuple[str, ...]
    rows: Int[np.ndarray, " n"]
    beside: Mapping[str, np.ndarray] = field(default_factory=dict)
    identifier: str | None = None
    recipe: Recipe | None = None

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.X.shape[0])

    @property
    def d(self) -> int:
        """Number of feature columns."""
        return int(self.X.shape[1])

    @property
    def digest(self) -> str:
        """SHA-256, in hex, of the bytes, types and shapes of X and y: equal data have equal digests."""
        seal = hashlib.sha256()
        for array in (self.X, self.y):
            seal.update(f"{array.dtype.str}{array.shape}".encode())
            seal.update(np.ascontiguousarray(array).data)
        return seal.hexdigest()

    def take(self, index: ArrayLike) -> Dataset:
        """The rows at `index`, in that order; the classes stay, also those that lose their last row.

        Args:
            index: row numbers of this data set (negative ones count from the end), or one boolean per row.

        Returns:
            A data set whose `rows` still point into the source.

        Raises:
            UsageError: if the index is not one-dimensional, not integer, or leaves the data.
        """
        where = np.asarray(index)
        if where.size == 0 and where.dtype != bool:
            where = where.astype(np.intp)
        if where.dtype == bool and where.shape == (self.n,):
            where = np.flatnonzero(where)
        if where.ndim != 1 or where.dtype.kind not in "iu":
            raise UsageError(
                f"rows are taken by a list of integers or by {self.n} booleans; got an index "
                f"of type {where.dtype} and shape {where.shape}"
            )
        if where.size and not -self.n <= where.min() <= where.max() < self.n:
            raise UsageError(
                f"row numbers must be below {self.n}, the number of rows; got {where.min()} to {where.max()}"
            )
        beside = {name: values[where] for name, values in self.beside.items()}
        return replace(self, X=self.X[where], y=self.y[where], rows=self.rows[where], beside=beside)
