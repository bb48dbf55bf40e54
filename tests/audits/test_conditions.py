"""Width conditions on a data set: one result in Python, JSON, its schema and its page."""

from __future__ import annotations

import dataclasses
import inspect
import json
import math
from pathlib import Path

import jsonschema
import numpy as np
import pytest

import widthwise as ww
from widthwise import theory
from widthwise.audits import conditions as module
from widthwise.audits.conditions_page import command, observed, page, power, ranked
from widthwise.audits.report import adapter
from widthwise.errors import DataError, UsageError
from widthwise.kernels import HInf
from widthwise.training import measured_width

SCHEMA = Path(module.__file__).with_name("conditions-1.schema.json")


@pytest.fixture(scope="module")
def iris():
    return ww.conditions("iris", observed=64.0)


@pytest.fixture(scope="module")
def trained():
    """Two classes of ten rows that two neurons tell apart, one of them given twice."""
    X = np.random.default_rng(0).standard_normal((10, 2))
    y = np.where(X[:, 0] > 0, 1, 0)
    return ww.conditions((np.vstack([X, X[:1]]), np.append(y, y[0])), scale="unit", pad=0.0)


def test_the_schema_on_file_is_the_schema_of_the_code():
    wanted = json.dumps(adapter(module.ConditionsResult).json_schema(), indent=2, sort_keys=True) + "\n"
    assert SCHEMA.read_text(encoding="utf-8") == wanted


def test_the_json_is_strict_follows_the_schema_and_comes_back(iris):
    document = json.loads(iris.to_json(), parse_constant=pytest.fail)
    jsonschema.validate(document, json.loads(SCHEMA.read_text(encoding="utf-8")))
    assert document["schema"] == "widthwise/conditions/1"
    assert ww.ConditionsResult.from_json(iris.to_json()) == iris
    with pytest.raises(DataError, match="widthwise/conditions/1"):
        ww.ConditionsResult.from_json(iris.to_json().replace("widthwise/conditions/1", "widthwise/conditions/2"))


def test_the_rows_are_those_of_the_theory(iris):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((30, 4))
    y = np.where(X[:, 0] > 0, 1, 0)
    found = ww.conditions((X, y), scale="unit", pad=0.0, measure=False)
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    facts = theory.width_facts(unit, y, HInf()(unit))
    assert found.facts.lambda_0 == pytest.approx(facts.lambda_0, rel=1e-9)
    assert found.facts.gamma == pytest.approx(facts.gamma, rel=1e-9)
    assert found.facts.phi == pytest.approx(facts.phi, rel=1e-12)
    expected = {row.condition.key: row.log10_width for row in theory.width_conditions(facts)}
    for row in found.rows:
        assert row.log10_width == (None if expected[row.key] is None else pytest.approx(expected[row.key], rel=1e-9))
    assert [row.key for row in iris.rows] == list(expected)


def test_nothing_is_measured_unless_a_width_is_given(iris):
    assert iris.interpolation == pytest.approx(64 * iris.facts.d / iris.facts.n)
    assert all(
        r.vacuity == pytest.approx(r.log10_width - math.log10(64)) for r in iris.rows if r.log10_width is not None
    )
    assert (iris.measured, iris.unmeasured) == (None, "a width was given")
    unmeasured = ww.conditions("iris", measure=False)
    assert (unmeasured.observed, unmeasured.measured) == (None, None)
    assert all(row.vacuity is None for row in unmeasured.rows)
    table = page(unmeasured).sections[0].blocks[0]
    assert {row[3] for row in table.rows} == {"not measured"}


def test_the_measured_width_is_that_of_the_distinct_rows_and_stands_beside_the_table(trained):
    rows = np.random.default_rng(0).standard_normal((10, 2))
    labels = np.where(rows[:, 0] > 0, 1.0, -1.0)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    alone = measured_width(unit, labels)
    found = trained.measured
    assert trained.facts.merged == 1
    assert (found.width, found.low, found.high) == (alone.width, alone.low, alone.high)
    assert (found.widths, found.successes, found.protocol) == (alone.widths, alone.successes, alone.protocol)
    assert trained.observed == found.width
    assert trained.interpolation == pytest.approx(found.width * 2 / 10)
    for row in trained.rows:
        assert row.vacuity == (None if row.log10_width is None else row.log10_width - math.log10(found.width))


def test_the_measured_width_is_in_the_json_the_page_the_figure_and_the_verdict(trained):
    document = json.loads(trained.to_json(), parse_constant=pytest.fail)
    jsonschema.validate(document, json.loads(SCHEMA.read_text(encoding="utf-8")))
    assert ww.ConditionsResult.from_json(trained.to_json()) == trained
    whole = page(trained)
    table, section, figure = whole.sections[0].blocks[0], whole.sections[1], whole.sections[2].blocks[0]
    assert all("not measured" not in row[3] for row in table.rows)
    assert [int(row[1]) for row in section.blocks[1].rows] == list(trained.measured.successes)
    assert section.blocks[2].text == trained.measured.protocol
    assert figure.marks[0].value == pytest.approx(math.log10(trained.measured.width))
    assert "measured width" in " ".join(whole.verdict)


@pytest.mark.parametrize(
    ("interval", "text", "cell"),
    [((None, 20.0, None), "more than 64", "none tried is enough"), ((0.0, 0.0, 1.5), "at most 1", "0.3"),
     ((4.0, 3.0, None), "4 (3 to more)", "-0.3")],
)  # fmt: skip
def test_widths_that_were_not_bracketed_say_so(trained, interval, text, cell):
    width, low, high = interval
    found = dataclasses.replace(trained.measured, width=width, low=low, high=high, widths=(1, 64), successes=(0, 0))
    seen = None if width is None else width or 1.0
    vacuity = None if seen is None else math.log10(2 / seen)
    row = dataclasses.replace(trained.rows[0], log10_width=math.log10(2), vacuity=vacuity)
    changed = dataclasses.replace(trained, measured=found, observed=seen, rows=(row,))
    assert observed(changed) == text
    assert page(changed).sections[0].blocks[0].rows[0][3] == cell
    assert text in changed.to_html()


@pytest.mark.parametrize(
    ("data", "options", "reason"),
    [(np.vstack([np.eye(3), np.eye(3)[:1]]), {}, "no width fits rows 0, 3"), (np.eye(400), {}, "take longer than seconds"),
     (np.eye(3), {"observed": 2.0}, "a width was given"), (np.eye(3), {"measure": False}, "not asked for")],
)  # fmt: skip
def test_where_nothing_is_trained_the_page_says_why(data, options, reason):
    y = np.append(np.arange(len(data) - 1) % 2, 1)
    found = ww.conditions((data, y), scale="none", pad=0.0, **options)
    assert found.measured is None
    assert reason in found.unmeasured
    assert reason in page(found).sections[1].blocks[0].text


def test_conflicts_are_named_and_the_page_draws_them_hollow_on_the_edge():
    X = np.random.default_rng(0).standard_normal((12, 3))
    found = ww.conditions((np.vstack([X, X[:1]]), np.append(np.arange(12) % 2, 1)), scale="unit", pad=0.0)
    failed = [row for row in found.rows if row.holds is False]
    assert {row.note for row in failed} >= {"hypothesis fails: rows 0, 12 (phi = 0)"}
    figure = page(found).sections[2].blocks[0]
    edge = [point for point in figure.points if math.isinf(point.y)]
    assert len(edge) == len(failed)
    assert all(point.hollow for point in edge)
    assert found.facts.clusters is None
    assert "hypothesis fails" in found.to_html()


def test_a_numeric_target_has_conditions_without_a_margin():
    X = np.random.default_rng(0).standard_normal((25, 3))
    found = ww.conditions((X, X[:, 0] + 0.5), task="regression", measure=False)
    assert found.facts.gamma is None
    assert found.facts.classes == 0
    assert next(row for row in found.rows if row.key == "du2018").log10_width is not None


def test_the_widest_come_first_and_those_without_a_number_last(iris):
    rows = ranked(iris)
    widths = [row.log10_width for row in rows if row.log10_width is not None]
    assert widths == sorted(widths, reverse=True)
    assert [row.log10_width is None for row in rows] == sorted(row.log10_width is None for row in rows)


def test_the_page_holds_every_condition_and_its_own_command(iris):
    html = iris.to_html()
    for row in iris.rows:
        assert str(row.year) in html
    assert command(iris) == "widthwise conditions iris --observed 64.0"
    assert "widthwise conditions iris --observed 64.0" in html
    assert "never advice" in html
    assert iris._repr_html_().startswith("<")


@pytest.mark.parametrize(
    ("log10", "text"), [(0.0, "1"), (2.477, "300"), (-0.417, "0.38"), (19.602, "4·10¹⁹"), (350.99999, "1·10³⁵¹")]
)
def test_widths_are_written_without_being_formed(log10, text):
    assert power(log10) == text


def test_settings_that_differ_are_in_the_command(iris):
    changed = dataclasses.replace(iris, settings=module.ConditionsSettings(max_n=300, subsample="first"))
    assert command(changed) == "widthwise conditions iris --max-n 300 --subsample first"
    for measure, word in ((True, "--measure"), (False, "--no-measure")):
        asked = dataclasses.replace(changed, settings=module.ConditionsSettings(measure=measure))
        assert command(asked) == f"widthwise conditions iris {word}"
    memory = dataclasses.replace(changed, source="arrays")
    assert command(memory) == "widthwise.conditions(X, y, max_n=300, subsample='first')"


def test_arguments_outside_their_range_are_named():
    with pytest.raises(UsageError, match="max_n"):
        ww.conditions("iris", max_n=1)
    with pytest.raises(UsageError, match="pad"):
        ww.conditions("iris", pad=-1.0)
    with pytest.raises(UsageError, match="not both"):
        ww.conditions("iris", observed=3.0, measure=True)
    with pytest.raises(UsageError, match="subsample"):
        inspect.unwrap(ww.conditions)("iris", subsample="last")


# Section 4 of the survey of conditions: widths at one digit, and what they were worked out from.
TABLE = {
    100: {"allen-zhu2018": 4e51, "arora2019-dynamics": 4e22, "du2018": 4e19, "zou2019": 6e17, "song2019": 4e12, "ji2019": 1e9,
          "munteanu2022-squared": 2e6, "munteanu2022-logistic": 800, "nguyen2021": 100, "oymak2019-smooth": 13,
          "kawaguchi2019": 0.13},
    300: {"allen-zhu2018": 1e63, "arora2019-dynamics": 2e26, "du2018": 7e22, "zou2019": 4e21, "song2019": 7e14, "ji2019": 3e10,
          "munteanu2022-squared": 3e7, "munteanu2022-logistic": 2000, "nguyen2021": 300, "oymak2019-smooth": 110,
          "kawaguchi2019": 0.38},
}  # fmt: skip


@pytest.mark.parametrize("n", [100, 300])
def test_mnist_threes_and_eights_ask_for_the_widths_of_the_table(n, shared_data, monkeypatch, capsys):
    """The table's rows are another subsample: lambda_0, phi and gamma differ by up to a quarter, the widths by their powers."""
    monkeypatch.setenv("WIDTHWISE_DATA", str(shared_data))
    found = ww.conditions("mnist:3,8", max_n=n, measure=False)
    facts = {100: (0.072, 0.36, 0.093), 300: (0.058, 0.36, 0.063)}[n]
    ratios = {
        "lambda_0": found.facts.lambda_0 / facts[0], "phi": found.facts.phi / facts[1], "gamma": found.facts.gamma / facts[2]
    }  # fmt: skip
    assert all(0.7 < ratio < 1.4 for ratio in ratios.values()), ratios
    powers = {"allen-zhu2018": ("phi", 8), "arora2019-dynamics": ("lambda_0", 4), "du2018": ("lambda_0", 4),
              "zou2019": ("phi", 4), "song2019": ("lambda_0", 4), "ji2019": ("gamma", 8),
              "munteanu2022-squared": ("lambda_0", 2), "munteanu2022-logistic": ("gamma", 2)}  # fmt: skip
    rows = {row.key: row.log10_width for row in found.rows}
    with capsys.disabled():
        print(f"\nMNIST 3/8, n = {n}: ours, table")
        for key, value in TABLE[n].items():
            print(f"  {key:24s} {10 ** rows[key]:9.2g} {value:9.2g}")
    for key, value in TABLE[n].items():
        symbol, exponent = powers.get(key, ("phi", 0))
        # With the ratio of the facts taken out, what is left is the table's one digit and its facts' two.
        left = rows[key] + exponent * math.log10(ratios[symbol]) - math.log10(value)
        assert abs(left) <= math.log10(1.5) + math.log10(1.12), key
