"""Target coding: class codes to -1/+1 columns, centred, and scores back to class codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from widthwise.datasets.dataset import Dataset
from widthwise.errors import UsageError


@dataclass(frozen=True, kw_only=True, eq=False)
class Coding:
    """Targets as columns of numbers.

    Attributes:
        Y: coded targets; -1/+1 minus the offset for classes, in units of the target for regression.
        offset: the column means that were subtracted; 0 for raw coding. Y + offset are the coded targets.
        name: the coding in words, for reports.
        columns: the class of each column (two classes: one column, named after the second), or the target's
            name.
    """

    Y: Float[np.ndarray, "n k"]
    offset: Float[np.ndarray, " k"]
    name: str
    columns: tuple[str, ...]


def encode(ds: Dataset, *, coding: Literal["centred", "raw"] = "centred") -> Coding:
    r"""Code the targets of a data set as columns.

    .. math:: Y_{ic} = (2 \cdot 1[y_i = c] - 1) - \text{offset}_c

    Two classes give one column, +1 for the second class; k > 2 classes give k columns; a regression target
    gives one.

    Args:
        ds: the data set.
        coding: "centred" subtracts each column's mean; "raw" keeps -1/+1 and exists for two classes only.

    Returns:
        The coded targets.

    Raises:
        UsageError: if raw coding is asked for a regression target or for more than two classes.
    """
    if coding not in ("centred", "raw"):
        raise UsageError(f"coding must be 'centred' or 'raw'; got {coding!r}")
    k = len(ds.classes)
    columns: tuple[str, ...]
    if coding == "raw" and (ds.task == "regression" or k > 2):
        what = "a regression target" if ds.task == "regression" else f"{k} classes"
        raise UsageError(f"raw -1/+1 coding needs exactly two classes; {ds.source} has {what}. Use 'centred'.")
    if ds.task == "regression":
        Y = ds.y[:, None].astype(np.float64)
        name, columns = "target", (ds.target_name,)
    elif k == 2:
        Y = 2.0 * ds.y[:, None] - 1.0
        name, columns = "-1/+1", (ds.classes[1],)
    else:
        Y = np.where(ds.y[:, None] == np.arange(k), 1.0, -1.0)
        name, columns = "one-vs-rest, -1/+1", ds.classes
    if coding == "raw":
        return Coding(Y=Y, offset=np.zeros(Y.shape[1]), name=f"raw {name}", columns=columns)
    offset = _means(Y)
    centred = "centred" if ds.task == "regression" else "centred by column"
    return Coding(Y=Y - offset, offset=offset, name=f"{name}, {centred}", columns=columns)


def decode(scores: Float[np.ndarray, "n k"], n_classes: int) -> Int[np.ndarray, " n"]:
    """Class codes from scores.

    Args:
        scores: predictions in the coding of `encode`, offset added back.
        n_classes: how many classes there are.

    Returns:
        Two classes in one column: 1 where the score is above 0, else 0. Otherwise the column of the largest
        score.

    Raises:
        UsageError: if the number of columns does not fit the number of classes.
    """
    columns = scores.shape[1]
    if columns == 1 and n_classes == 2:
        return (scores[:, 0] > 0).astype(np.intp)
    if n_classes < 2 or columns != n_classes:
        raise UsageError(
            f"scores must have one column per class (or one for two classes); got {columns} for {n_classes} classes"
        )
    return np.asarray(scores.argmax(axis=1), dtype=np.intp)


def _means(Y: Float[np.ndarray, "n k"]) -> Float[np.ndarray, " k"]:
    """Column means that do not overflow where the targets do not."""
    if Y.size == 0:
        return np.zeros(Y.shape[1])
    exponent = np.frexp(np.abs(Y).max())[1]
    return np.asarray(np.ldexp(np.ldexp(Y, -exponent).mean(axis=0), exponent))
