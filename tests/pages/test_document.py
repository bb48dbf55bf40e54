from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from widthwise.errors import UsageError
from widthwise.pages import Bar, Column, Counts, Heatmap, Histogram, Line, Page, Picture, Table, Text, document


def test_every_class_is_frozen_and_keyword_only():
    classes = [c for c in vars(document).values() if dataclasses.is_dataclass(c)]
    assert len(classes) >= 20
    for cls in classes:
        assert cls.__dataclass_params__.frozen, cls
        assert all(field.kw_only for field in dataclasses.fields(cls)), cls
    with pytest.raises(dataclasses.FrozenInstanceError):
        Text(text="a").text = "b"  # type: ignore[misc]


def test_numbers_are_stored_as_plain_floats():
    line = Line(label="a", x=tuple(np.arange(3.0)), y=tuple(np.ones(3)), kind="prediction")
    assert line.x == (0.0, 1.0, 2.0)
    assert all(type(v) is float for v in (*line.x, *line.y))
    assert type(Bar(label="a", value=np.float64(1)).value) is float
    assert "np.float64" not in repr(line)


def test_pictures_may_come_as_arrays_of_any_type():
    picture = Picture(pixels=np.zeros((2, 3, 3), dtype=np.float32), title="a")
    assert picture.pixels == (((0.0,) * 3,) * 3,) * 2
    assert Picture(pixels=[[0, 1]], title="a").pixels == ((0.0, 1.0),)
    hash(picture)


def test_shapes_must_agree():
    with pytest.raises(UsageError, match="x has 2, y has 1"):
        Line(label="a", x=(1.0, 2.0), y=(1.0,), kind="prediction")
    with pytest.raises(UsageError, match="low and high"):
        Line(label="a", x=(1.0,), y=(1.0,), low=(1.0,), kind="prediction")
    with pytest.raises(UsageError, match="row 1 has 2"):
        Table(columns=(Column(name="a"),), rows=(("1",), ("1", "2")))
    counts = (Counts(label="a", values=(1.0,)),)
    with pytest.raises(UsageError, match="3 edges need 2"):
        Histogram(title="", description="", x_label="", edges=(0.0, 1.0, 2.0), counts=counts)
    with pytest.raises(UsageError, match="increase"):
        Histogram(title="", description="", x_label="", edges=(0.0, float("nan")), counts=counts)
    names = {"title": "", "description": "", "x_label": "", "y_label": "", "x_names": ("a",), "y_names": ("b",)}
    with pytest.raises(UsageError, match="1 rows of 1"):
        Heatmap(**names, values=((1.0, 2.0),), text=(("",),))  # type: ignore[arg-type]
    for pixels in ((), ((),), ((0.0, 0.0), (0.0,)), np.zeros((2, 2, 4)), ((0.0, (0.0, 0.0, 0.0)),)):
        with pytest.raises(UsageError, match="shape"):
            Picture(pixels=pixels, title="a")


def test_a_verdict_has_at_most_five_sentences():
    with pytest.raises(UsageError, match="five"):
        Page(title="", subtitle="", verdict=("a",) * 6, alerts=(), sections=(), colophon=())


def test_importing_the_model_is_cheap():
    code = (
        "import sys, widthwise.pages; "
        "heavy = {'matplotlib', 'jinja2', 'rich', 'numpy', 'jax'} & set(sys.modules); "
        "sys.exit(', '.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
