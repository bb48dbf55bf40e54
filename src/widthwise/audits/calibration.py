"""How far predictions were off, on record: tables that nobody tuned on, predicted before training and trained after.

The record is a file of this package, made by `benchmarks/calibration.py`; its command, versions and date stand in it. A band
says how far a quantity was off on the tables that were kept for the report: a fact about those tables, no promise about another.
"""

from __future__ import annotations

import functools
import json
import math
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final, Literal

import numpy as np

from widthwise.errors import DataError, UsageError

SCHEMA: Final = "widthwise/calibration/1"
FILE: Final = "calibration-record.json"
Quantity = Literal["steps_50", "steps_10", "test_error", "test_error_alone", "error_2n", "error_4n"]
# Deviation: relative to the measured number, or the difference of two shares.
RELATIVE: Final[dict[str, bool]] = {
    "steps_50": True,
    "steps_10": True,
    "test_error": False,
    "test_error_alone": False,
    "error_2n": True,
    "error_4n": True,
}
# Place of a quantity's laziness in a row's pair; and the largest that is called lazy, chosen on the sets to tune on.
LAZINESS: Final = {"steps_50": 0, "steps_10": 1}
LAZY: Final = 0.25


@dataclass(frozen=True, kw_only=True)
class Band:
    """How far one quantity was off.

    Attributes:
        quantity: which.
        relative: whether deviations are |predicted / measured - 1|; else they are |predicted - measured|, differences of
            error shares.
        median: median deviation.
        ninety: nine in ten deviations are at most this; infinite where more than one in ten was never reached.
        sets: data sets behind it.
        rows: trainings behind it, one for each set and level of label noise.
        missed: rows whose measured number was not reached within the training, counted as infinitely far off.
    """

    quantity: Quantity
    relative: bool
    median: float
    ninety: float
    sets: int
    rows: int
    missed: int


@dataclass(frozen=True, kw_only=True)
class Record:
    """The record.

    Attributes:
        command: that made it.
        date: of the run.
        versions: of widthwise and what it computes with.
        width: of the networks.
        checked: largest predicted number of steps to a tenth of the residual that was checked.
        rows: one for each data set and level of label noise, with pairs (predicted, measured).
    """

    command: str
    date: str
    versions: dict[str, str]
    width: int
    checked: int
    rows: tuple[dict[str, Any], ...]

    def band(self, quantity: Quantity, *, part: Literal["tune", "report"] = "report", lazy: bool | None = None) -> Band:
        r"""How far a quantity was off on the sets of one part.

        Args:
            quantity: which.
            part: of the sets.
            lazy: only rows whose predicted laziness, :math:`\|W(k) - W(0)\|_F / \sqrt m` at the predicted step k, is at most
                1/4, or only the others; both when not given. Numbers of steps have one.

        Raises:
            UsageError: if the quantity is not one that is on record.
            DataError: if no row of that part has it.
        """
        if quantity not in RELATIVE:
            raise UsageError(f"on record are {', '.join(RELATIVE)}; {quantity!r} came")
        if lazy is not None and quantity not in LAZINESS:
            raise UsageError(f"laziness is on record for {', '.join(LAZINESS)}; {quantity!r} came")
        chosen = [
            row for row in self.rows if row["part"] == part and (lazy is None or self.lazy(row, quantity) is lazy)
        ]
        found = [(row["set"], *self.pair(row, quantity)) for row in chosen]
        known = [(name, predicted, measured) for name, predicted, measured in found if predicted is not None]
        if not known:
            raise DataError(f"no row of the part {part!r} has {quantity}")
        off = [deviation(predicted, measured, relative=RELATIVE[quantity]) for _, predicted, measured in known]
        return Band(
            quantity=quantity,
            relative=RELATIVE[quantity],
            median=quantile(off, 0.5),
            ninety=quantile(off, 0.9),
            sets=len({name for name, _, _ in known}),
            rows=len(off),
            missed=sum(math.isinf(value) for value in off),
        )

    def lazy(self, row: dict[str, Any], quantity: str) -> bool:
        """Whether the first layer was predicted to stay near its start."""
        moved = row["laziness"][LAZINESS[quantity]]
        return moved is not None and moved <= LAZY

    def pair(self, row: dict[str, Any], quantity: str) -> tuple[float | None, float | None]:
        """Predicted and measured; a prediction is None where it does not apply, or was too long to be checked."""
        predicted, measured = row[quantity] or (None, None)
        unchecked = quantity == "steps_10" and predicted is not None and predicted > self.checked
        # Errors of numbers are not shares of rows.
        foreign = quantity.startswith("test_error") and not row["classes"]
        return (None, None) if unchecked or foreign else (predicted, measured)


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """How far predictions of a kind were off on record, beside one that was made.

    Attributes:
        quantity: which.
        predicted: the prediction; None where it is beyond what the record checked.
        relative: whether deviations are |predicted / measured - 1|; else they are differences of error shares.
        median: median deviation on the sets of the report; None where half of the networks were not there when they stopped.
        ninety: nine in ten deviations are at most this; None where more than one in ten were not.
        sets: data sets behind it.
        rows: trainings behind it.
        missed: of these, how many had not got there when their training stopped.
        laziness: predicted movement of the first layer over the root of the width of the record's networks; None for quantities
            that have none.
        lazy: whether that is at most 1/4; the deviations are those of rows on the same side.
    """

    quantity: Quantity
    predicted: float | None
    relative: bool
    median: float | None
    ninety: float | None
    sets: int
    rows: int
    missed: int
    laziness: float | None = None
    lazy: bool | None = None


def recorded(quantity: Quantity, predicted: float, *, movement: float | None = None) -> Recorded:
    """Set a prediction beside its record.

    Args:
        quantity: which.
        predicted: the prediction.
        movement: for numbers of steps, the predicted distance of the first layer from its start at that step.
    """
    found = record()
    laziness = None if movement is None else movement / math.sqrt(found.width)
    lazy = None if laziness is None else laziness <= LAZY
    seen = found.band(quantity, lazy=lazy)
    beyond = quantity == "steps_10" and predicted > found.checked
    return Recorded(
        quantity=quantity,
        predicted=None if beyond else predicted,
        relative=seen.relative,
        median=_finite(seen.median),
        ninety=_finite(seen.ninety),
        sets=seen.sets,
        rows=seen.rows,
        missed=seen.missed,
        laziness=laziness,
        lazy=lazy,
    )


def deviation(predicted: float, measured: float | None, *, relative: bool) -> float:
    """How far a prediction is off; infinite where there is nothing measured to hold it against."""
    if measured is None:
        return math.inf
    if not relative:
        return abs(predicted - measured)
    return abs(predicted / measured - 1.0) if measured else math.inf


@functools.cache
def record() -> Record:
    """The record that comes with this package.

    Raises:
        DataError: if the file is of another schema.
    """
    document = json.loads(resources.files("widthwise.audits").joinpath(FILE).read_text(encoding="utf-8"))
    if document["schema"] != SCHEMA:
        raise DataError(f"the calibration record must be of schema {SCHEMA}; {document['schema']!r} came")
    return Record(
        command=document["command"],
        date=document["date"],
        versions=document["versions"],
        width=document["width"],
        checked=document["checked"],
        rows=tuple(document["rows"]),
    )


def band(quantity: Quantity, *, lazy: bool | None = None) -> Band:
    """How far a quantity was off on the tables kept for the report; see `Record.band`."""
    return record().band(quantity, lazy=lazy)


def quantile(values: list[float], share: float) -> float:
    """The smallest value that at least this share of all values does not exceed."""
    return float(np.sort(values)[math.ceil(share * len(values)) - 1])


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
