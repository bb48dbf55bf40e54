"""Classification or regression: a guess from the target's values, with the numbers that led to it."""

from __future__ import annotations

import numpy as np
from jaxtyping import Shaped

from widthwise.datasets.dataset import Task
from widthwise.datasets.names import quoted

MOST_CLASSES = 20
"""Integers with more distinct values than this are taken for quantities."""
ROWS_PER_CLASS = 5
"""Integers with fewer rows per distinct value than this are taken for quantities."""


def guess_task(values: Shaped[np.ndarray, " n"], *, name: str) -> tuple[Task, str]:
    """Guess what is to be learnt from a target without missing values.

    Text and booleans are classes. Whole numbers are classes where they take two values, or at most
    20 with at least 5 rows each on average. All other numbers are quantities.

    Args:
        values: numbers, booleans or text (any other type counts as text).
        name: the target's name, for the reason.

    Returns:
        The task and the reason in one sentence, without a full stop.
    """
    n, distinct = len(values), len(np.unique(values))
    where = f"target {quoted(name)} holds"
    if values.dtype.kind not in "iuf":
        sort = "booleans" if values.dtype.kind == "b" else "text"
        return "classification", f"{where} {sort}, {distinct} distinct in {n} rows: classification"
    if not bool(np.all(np.floor(values) == values)):
        return "regression", f"{where} {distinct} distinct numbers with fractions in {n} rows: regression"
    if distinct == 2 or (distinct <= MOST_CLASSES and n >= ROWS_PER_CLASS * distinct):
        return "classification", f"{where} {distinct} distinct whole numbers in {n} rows: classification"
    return "regression", f"{where} {distinct} distinct numbers in {n} rows: regression"
