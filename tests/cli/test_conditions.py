"""`widthwise conditions`: the table on stdout, JSON that is all stdout gets, a page where one is wanted."""

from __future__ import annotations

import json

import pytest

import widthwise as ww


def test_the_table_is_printed_and_says_that_nothing_was_measured(run, table):
    done = run("conditions", table, "--target", "label", "--no-measure")
    assert done.code == 0
    # Cells are wrapped by the width of the terminal; words are not.
    for word in ("Du", "n^6", "delta^3)", "measured", "second-hand", "never", "advice", "eigenvalue", "gamma"):
        assert word in done.out
    assert done.err == ""


def test_json_is_all_that_stdout_gets(run, table):
    done = run("conditions", table, "--format", "json", "--max-n", "30", "--observed", "16")
    assert done.code == 0
    assert done.out == ww.conditions(str(table), max_n=30, observed=16.0).to_json()


def test_every_option_reaches_the_result(run, table):
    given = {
        "target": "label", "task": "classification", "scale": "unit", "pad": 0.5, "max_n": 30, "subsample": "first", "depth": 2,
        "failure": 0.05, "accuracy": 0.5, "start": 0.25, "observed": 32.0, "measure": None, "seed": 3,
    }  # fmt: skip
    words = [word for name, value in given.items() if value is not None
             for word in (f"--{name.replace('_', '-')}", str(value))]  # fmt: skip
    found = json.loads(run("conditions", table, *words, "--format", "json").out)
    assert found["settings"] == given
    assert found["facts"]["n"] == 30


def test_a_page_is_written_where_one_is_wanted(run, table, tmp_path):
    path = tmp_path / "conditions.html"
    done = run("conditions", table, "--no-measure", "--out", path)
    assert done.code == 0
    assert path.read_text(encoding="utf-8").lower().startswith("<!doctype html>")
    assert str(path) in done.err.replace("\n", "")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("nosuchset",), 2),
        (("absent.csv",), 3),
        (("iris", "--max-n", "0"), 2),
        (("iris", "--failure", "2"), 2),
        (("iris", "--observed", "2", "--measure"), 2),
    ],
)
def test_exit_codes_are_those_of_the_audit(run, arguments, code):
    done = run("conditions", *arguments)
    assert (done.code, done.out) == (code, "")
    assert done.err
