"""Formulas: what they are worth, and that nothing but arithmetic gets through."""

from __future__ import annotations

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from widthwise.errors import SpecError
from widthwise.sweeps.formulas import evaluate, names


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10 / width", 10 / 64),
        ("2 ** -3 + width // 10 - width % 10", 0.125 + 6 - 4),
        ("round(sqrt(width) * 1.26)", 10),
        ("-max(1, min(width, 3))", -3),
        ("exp(log(width)) * pi / pi", math.exp(math.log(64))),
        ("floor(2.7) + ceil(2.1) + abs(-1) + log2(8) + log10(100)", 2 + 3 + 1 + 3 + 2),
    ],
)
def test_a_formula_has_the_value_of_its_arithmetic(text, value):
    assert evaluate(text, {"width": 64}) == value


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "().__class__.__bases__",
        "width.__class__",
        "[1, 2]",
        "(lambda: 1)()",
        "open('x')",
        "max(width, key=abs)",
        "max(*width)",
        "1 if width else 2",
        "width and 1",
        "width < 3",
        "f'{width}'",
        "(x := 3)",
        "True",
        "1j",
        "~width",
        "1 << 99",
        "sqrt",
        "sqrt()",
        "1 +",
        "",
        "a b",
        "0" + "+1" * 400,
        "(" * 200 + ")" * 200,
    ],
)
def test_what_is_not_arithmetic_is_refused(text):
    with pytest.raises(SpecError):
        evaluate(text, {"width": 64, "sqrt": 2} if text != "sqrt" else {"width": 64})


@pytest.mark.parametrize(
    "text", ["9 ** 9 ** 9", "1 / 0", "log(-1)", "10.0 ** 400", "(-8) ** (1 / 3)", "width * 1e308 * 10"]
)
def test_what_has_no_finite_value_is_refused_at_once(text):
    with pytest.raises(SpecError, match="value"):
        evaluate(text, {"width": 64})


def test_names_are_those_that_a_formula_depends_on():
    assert names("a * sqrt(b) + pi") == {"a", "b"}
    with pytest.raises(SpecError, match="needs 'c'"):
        evaluate("c", {"a": 1})


@given(st.text(max_size=60))
def test_no_text_does_anything_but_be_refused_or_have_a_value(text):
    with contextlib.suppress(SpecError):
        assert math.isfinite(evaluate(text, {"x": 2.0}))
