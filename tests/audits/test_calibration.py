"""The calibration record: what it must hold, and bands against their definition."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from widthwise.audits.calibration import RELATIVE, Record, band, record, recorded
from widthwise.audits.calibration_page import on_record
from widthwise.audits.page import page
from widthwise.errors import DataError, UsageError
from widthwise.pages import Table, Text


def made(*rows):
    base = dict.fromkeys(RELATIVE) | {"part": "report", "classes": 2}
    return Record(command="c", date="d", versions={}, width=1, checked=3000, rows=tuple(base | row for row in rows))


def test_the_record_keeps_sets_to_tune_on_apart():
    found = record()
    parts = {row["set"]: row["part"] for row in found.rows}
    assert all(parts[row["set"]] == row["part"] for row in found.rows)
    assert sum(part == "report" for part in parts.values()) >= 10
    assert len(parts) >= 25
    assert len({(row["set"], row["label_noise"]) for row in found.rows}) == len(found.rows)
    assert "benchmarks/calibration.py" in found.command


@pytest.mark.parametrize("quantity", list(RELATIVE))
def test_every_quantity_has_a_band(quantity):
    found = band(quantity)
    assert 0 <= found.median <= found.ninety
    assert found.sets >= 10
    assert found.rows >= found.sets


def test_a_band_holds_half_and_nine_in_ten():
    off = np.array([0.5, 0.1, 0.3, 0.2, 0.4, 0.9, 0.8, 0.7, 0.6, 1.0])
    rows = [{"set": f"s{i}", "steps_50": [1.0 + v, 1.0]} for i, v in enumerate(off)]
    found = made(*rows).band("steps_50")
    assert found.median == pytest.approx(0.5)
    assert found.ninety == pytest.approx(0.9)
    assert found.rows == found.sets == 10


def test_what_was_not_reached_is_infinitely_far_and_what_was_not_checked_is_left_out():
    reached = {"set": "a", "steps_10": [100.0, 110.0]}
    never, long = {"set": "b", "steps_10": [100.0, None]}, {"set": "c", "steps_10": [4000.0, None]}
    found = made(reached, never, long).band("steps_10")
    assert (found.rows, found.missed) == (2, 1)
    assert math.isinf(found.ninety)
    assert found.median == pytest.approx(1 / 11)


def test_lazy_rows_are_told_apart():
    near, far = (
        {"set": "a", "steps_50": [10.0, 10.0], "laziness": [0.1, 0.3]},
        {"set": "b", "steps_50": [10.0, 40.0], "laziness": [0.9, None]},
    )
    found = made(near, far)
    assert found.band("steps_50", lazy=True).median == 0.0
    assert found.band("steps_50", lazy=False).median == pytest.approx(0.75)
    with pytest.raises(UsageError, match="laziness"):
        found.band("error_2n", lazy=True)


def test_on_record_lazy_networks_keep_the_predicted_pace():
    assert band("steps_50", lazy=True).median < 0.15
    assert band("steps_50", lazy=False).median > 0.15


def test_errors_of_numbers_are_not_shares():
    row = {"set": "a", "test_error": [0.2, 0.3]}
    assert made(row).band("test_error").median == pytest.approx(0.1)
    with pytest.raises(DataError, match="no row"):
        dataclasses.replace(made(row), rows=({**made(row).rows[0], "classes": 0},)).band("test_error")


@pytest.mark.parametrize(("share", "lazy"), [(0.2, True), (0.3, False)])
def test_a_prediction_gets_the_band_of_its_side_of_the_lazy_regime(share, lazy):
    found, wanted = recorded("steps_50", 40.0, movement=share * math.sqrt(record().width)), band("steps_50", lazy=lazy)
    assert (found.laziness, found.lazy) == (pytest.approx(share), lazy)
    assert (found.median, found.rows, found.missed) == (wanted.median, wanted.rows, wanted.missed)
    assert found.ninety == (wanted.ninety if math.isfinite(wanted.ninety) else None)


def test_a_prediction_beyond_what_was_checked_has_no_record():
    found = recorded("steps_10", record().checked + 1.0, movement=1.0)
    assert found.predicted is None
    table, text = on_record((found,))
    assert table.rows[0][1] == "not checked"
    assert "nothing is on record" in text.text


def test_without_predictions_a_page_says_nothing_of_the_record():
    assert on_record(()) == ()


@pytest.mark.parametrize("kind", ["two classes", "many classes", "numbers"])
def test_audits_set_every_prediction_that_is_on_record_beside_it(audits, kind):
    result = audits[kind]
    steps = {r.quantity: r.predicted for r in result.speed.recorded}
    expected = dict(zip(("steps_50", "steps_10"), result.speed.steps, strict=False))
    assert steps == {q: k if q == "steps_50" or k <= record().checked else None for q, k in expected.items()}
    growth = result.generalisation.growth
    now = growth.now
    assert [(r.quantity, r.predicted) for r in growth.recorded] == [
        ("error_2n", growth.error[now + 1]),
        ("error_4n", growth.error[now + 2]),
    ]
    classes = result.data.task == "classification"
    assert [r.predicted for r in result.generalisation.recorded] == (
        [result.generalisation.nested.value] if classes else []
    )
    if result.verification is not None:
        assert [r.predicted for r in result.verification.recorded] == (
            [result.verification.predicted_errors[-1]] if classes else []
        )


def test_the_page_shows_the_bands_and_says_where_steps_are_not_lazy(two_classes):
    far = dataclasses.replace(two_classes.speed.recorded[0], laziness=0.7, lazy=False, missed=3, rows=9)
    changed = dataclasses.replace(two_classes, speed=dataclasses.replace(two_classes.speed, recorded=(far,)))
    blocks = page(changed).sections[0].blocks
    table = next(b for b in blocks if isinstance(b, Table) and b.caption.startswith("How far"))
    assert table.rows[0][0].endswith("not lazy")
    text = next(b for b in blocks if isinstance(b, Text) and "lazy" not in b.text and "√m" in b.text)
    assert "3 of 9 on record had not got there at twice the prediction" in text.text
    shown = {b.rows[0][0] for s in page(two_classes).sections for b in s.blocks if isinstance(b, Table)}
    assert {"held-out error of a wide network", "mean square error at twice the rows"} <= shown
