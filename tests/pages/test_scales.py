from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from widthwise.pages.scales import Scale, fit, number, text_width


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.21, "0.21"),
        (-0.5, "−0.5"),
        (310.0, "310"),
        (1797.0, "1797"),
        (12345.0, "12\u202f345"),
        (3.2e19, "3.2·10¹⁹"),
        (1e-7, "10⁻⁷"),
        (9.999e6, "10⁷"),
        (math.nan, "n/a"),
        (-math.inf, "−∞"),
        (5e-324, "4.94·10⁻³²⁴"),
    ],
)
def test_numbers(value, text):
    assert number(value) == text


def test_ticks_show_their_step():
    assert Scale(low=0.0, high=1.0).ticks(4) == (
        (0.0, "0"),
        (0.25, "0.25"),
        (0.5, "0.50"),
        (0.75, "0.75"),
        (1.0, "1.00"),
    )
    assert [text for _, text in Scale(low=1.0, high=1e4, log=True).ticks(6)] == [
        "1",
        "10",
        "100",
        "1000",
        "10\u202f000",
    ]
    assert [text for _, text in Scale(low=1e-9, high=1.0, log=True).ticks(5)] == ["10⁻⁸", "10⁻⁶", "10⁻⁴", "10⁻²", "10⁰"]


floats = st.floats(allow_nan=True, allow_infinity=True)


@given(st.lists(floats, max_size=6), st.booleans())
def test_scales_hold_whatever_can_be_drawn(values, log):
    scale = Scale.around(values, log=log, padding=0.05)
    assert scale.low < scale.high
    for value in values:
        if math.isfinite(value) and abs(value) < 1e299 and (value > 1e-299 or not log):
            assert -0.01 <= scale.position(value) <= 1.01
    for value, text in scale.ticks(4):
        assert text
        assert -0.01 <= scale.position(value) <= 1.01


@given(st.lists(st.floats(1e-290, 1e290), min_size=1, max_size=6), st.booleans())
def test_a_range_without_padding_holds_its_ends(values, log):
    """By comparison, not by a tolerance: what is drawn at an end must not be taken for outside."""
    scale = Scale.around(values, log=log)
    assert all(scale.holds(value) for value in values)


@given(st.text(max_size=50), st.floats(20, 400))
def test_fitted_text_fits(text, width):
    assert text_width(fit(text, width, 12.0), 12.0) <= max(width, 26.0) + 0.02


def test_positions_are_linear_or_logarithmic():
    assert [Scale(low=-1.0, high=3.0).position(v) for v in (-1.0, 0.0, 3.0)] == [0.0, 0.25, 1.0]
    positions = [Scale(low=0.1, high=1000.0, log=True).position(v) for v in (0.1, 1.0, 1000.0)]
    assert positions == [pytest.approx(p, abs=1e-12) for p in (0.0, 0.25, 1.0)]
