"""The calibration record: what it must hold, and bands against their definition."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from widthwise.audits.calibration import RELATIVE, Record, band, record
from widthwise.errors import DataError, UsageError


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
