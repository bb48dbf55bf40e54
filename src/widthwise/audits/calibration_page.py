"""What a page says of predictions beside their record: how far such predictions were off, and where they do not hold."""

from __future__ import annotations

from collections.abc import Sequence

from widthwise.audits.calibration import LAZY, Recorded, record
from widthwise.audits.wording import count, percent, points, quantity
from widthwise.pages import Block, Column, Table, Text

NAMES = {
    "steps_50": "steps to half of the residual",
    "steps_10": "steps to a tenth of the residual",
    "test_error": "held-out error of a wide network",
    "test_error_alone": "error on new rows, from the training rows alone",
    "error_2n": "mean square error at twice the rows",
    "error_4n": "mean square error at four times the rows",
}
NOT_REACHED = "not reached"
# How long networks of the record were trained at least, in predicted steps.
TRAINED = {"steps_50": "twice", "steps_10": "1.3 times"}


def on_record(found: Sequence[Recorded]) -> tuple[Block, ...]:
    """Predictions of one section beside their record, and what their predicted movement means; nothing without any."""
    if not found:
        return ()
    table = Table(
        columns=(
            Column(name="prediction"),
            Column(name="value", align="right"),
            Column(name="off by, median", align="right"),
            Column(name="nine in ten within", align="right"),
            Column(name="sets", align="right"),
        ),
        rows=tuple(
            (NAMES[r.quantity] + _side(r), _value(r), _off(r, r.median), _off(r, r.ninety), count(r.sets))
            for r in found
        ),
        caption="How far such predictions were off on record: sets that nobody tuned on, up to 200 rows, "
        + ("kernel ridge" if found[0].quantity.startswith("error") else f"networks of width {count(record().width)}"),
    )
    said = [sentence for r in found if (sentence := caution(r))]
    return (table, *((Text(text=" ".join(said)),) if said else ()))


def caution(found: Recorded) -> str:
    """What a record does not say of a prediction: foremost of numbers of steps where the first layer is predicted to move far."""
    if found.quantity == "test_error_alone":
        return "On record, out-of-fold errors of the kernel's own descent stand for this one, against trained networks on new rows."
    if found.predicted is None:
        return f"Steps to a tenth were checked up to {count(record().checked)}: beyond, nothing is on record."
    if found.laziness is None or found.lazy:
        return ""
    late = (
        f"; {count(found.missed)} of {count(found.rows)} on record had not got there at {TRAINED[found.quantity]} the prediction"
        if found.missed
        else ""
    )
    return (
        f"{NAMES[found.quantity][0].upper()}{NAMES[found.quantity][1:]}: the first layer is predicted to move by "
        f"{quantity(found.laziness)} √m at width {count(record().width)}, beyond the {LAZY:g} √m up to which networks kept the "
        f"predicted pace. Trained networks are slower there{late}: take the number as the least."
    )


def _side(found: Recorded) -> str:
    return "" if found.lazy is None else ", lazy" if found.lazy else ", not lazy"


def _value(found: Recorded) -> str:
    if found.predicted is None:
        return "not checked"
    if found.quantity.startswith("steps"):
        return count(round(found.predicted))
    return quantity(found.predicted) if found.relative else percent(found.predicted)


def _off(found: Recorded, value: float | None) -> str:
    if value is None:
        return NOT_REACHED
    return percent(value) if found.relative else points(value)
