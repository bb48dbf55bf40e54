"""The result: one layout in Python, JSON, its schema, CSV and on the disk."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest

import widthwise as ww
from widthwise.audits import AuditResult, result
from widthwise.audits.doubts import Suspect
from widthwise.audits.report import adapter
from widthwise.errors import DataError, ResourceError

KINDS = ("two classes", "many classes", "numbers", "pictures", "conflicting")
SCHEMA = Path(result.__file__).with_name("audit-1.schema.json")


def strict(text: str) -> object:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.fixture
def audit(request, audits):
    return audits[request.param]


of_each_kind = pytest.mark.parametrize("audit", KINDS, indirect=True)


def test_the_schema_on_file_is_the_schema_of_the_code():
    wanted = json.dumps(adapter(AuditResult).json_schema(), indent=2, sort_keys=True) + "\n"
    assert SCHEMA.read_text(encoding="utf-8") == wanted, "write it anew, and raise its version if a reader would break"


def test_the_schema_is_a_schema_and_pins_its_version():
    schema = strict(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    with pytest.raises(jsonschema.ValidationError, match="widthwise/audit/1"):
        jsonschema.validate({"schema": "widthwise/audit/2"}, schema)


@of_each_kind
def test_the_json_is_strict_and_follows_the_schema(audit):
    document = strict(audit.to_json())
    jsonschema.validate(document, strict(SCHEMA.read_text(encoding="utf-8")))
    assert document["schema"] == "widthwise/audit/1"


@of_each_kind
def test_reading_what_was_written_gives_the_same_result(audit):
    assert AuditResult.from_json(audit.to_json()) == audit
    assert AuditResult.from_json(audit.to_json().encode()).to_json() == audit.to_json()


def test_the_json_of_digits_follows_the_schema_and_comes_back(digits):
    jsonschema.validate(strict(digits.to_json()), strict(SCHEMA.read_text(encoding="utf-8")))
    assert AuditResult.from_json(digits.to_json()) == digits


@of_each_kind
def test_every_number_is_finite_and_of_python(audit):
    def look(value):
        if isinstance(value, dict):
            for inner in value.values():
                look(inner)
        elif isinstance(value, tuple):
            for inner in value:
                look(inner)
        elif hasattr(value, "__dataclass_fields__"):
            for name in value.__dataclass_fields__:
                look(getattr(value, name))
        else:
            assert type(value) in (int, float, str, bool, type(None)), value
            assert not isinstance(value, float) or math.isfinite(value)

    look(audit)


@pytest.mark.parametrize(
    ("damage", "place"),
    [
        (lambda t: t[: len(t) // 2], "top"),
        (lambda t: "", "top"),
        (lambda t: "[1, 2]", "top"),
        (lambda t: "null", "top"),
        (lambda t: t.replace("widthwise/audit/1", "widthwise/audit/2"), "schema"),
        (lambda t: t.replace('"speed"', '"spede"'), "speed"),
        (lambda t: t.replace('"learning_rate": ', '"learning_rate": "quick", "was": ', 1), "speed.learning_rate"),
        (lambda t: t.encode() + b"\xff", "top"),
        (lambda t: b"\x80\x05pickle", "top"),
    ],
)
def test_damaged_json_is_refused_with_its_place(many_classes, damage, place):
    with pytest.raises(DataError, match=rf"must follow widthwise/audit/1; at (the )?{place}"):
        AuditResult.from_json(damage(many_classes.to_json()))


def test_the_same_arguments_give_the_same_bits_trainings_included():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    y = X[:, 0] + rng.normal(size=60) > 0
    first, second = (ww.audit(X, y, seed=3) for _ in range(2))
    assert first.to_json() == second.to_json()


def test_another_seed_gives_other_folds():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    y = X[:, 0] + rng.normal(size=60) > 0
    first, second = (ww.audit(X, y, verify="none", seed=seed) for seed in (3, 4))
    assert first.generalisation.fold_errors != second.generalisation.fold_errors
    assert first.speed == second.speed


def suspects_of(many_classes, *labels: tuple[str, str]) -> list[list[str]]:
    suspects = tuple(Suspect(row=i, label=a, suggested=b, margin=-0.5) for i, (a, b) in enumerate(labels))
    changed = replace(many_classes, labels=replace(many_classes.labels, suspects=suspects))
    return list(csv.reader(io.StringIO(changed.suspects_csv())))


@pytest.mark.parametrize("label", ["=cmd|' /C calc'!A0", "@x", "+good", "-bad", "\tx", "\rx", "=1+1", "-1-1", "+-1"])
def test_labels_that_a_spreadsheet_would_run_are_quoted(many_classes, label):
    rows = suspects_of(many_classes, (label, "b"), ("b", label))
    assert rows[1][:4] == ["0", "'" + label, "b", "-0.5"]
    assert rows[2][:4] == ["1", "b", "'" + label, "-0.5"]


@pytest.mark.parametrize("label", ["-1", "+1", "-1.5e-3", "1", "a=b", "x@y", "a,b", 'say "so"', "two\nlines", "", "é"])
def test_numbers_and_harmless_labels_stay_as_they_are(many_classes, label):
    assert suspects_of(many_classes, (label, "b"))[1][:4] == ["0", label, "b", "-0.5"]


def test_text_labels_of_real_rows_are_quoted_in_the_csv_alone():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 2))
    y = np.where(X[:, 0] > 0, "=cmd", "@x").astype(object)
    y[0] = "=cmd" if y[0] == "@x" else "@x"
    found = ww.audit(X, y, verify="none")
    assert {s.label for s in found.labels.suspects} <= {"=cmd", "@x"}
    written = {row["row"]: row for row in csv.DictReader(io.StringIO(found.suspects_csv()))}
    assert written["0"]["label"] == "'" + y[0]


def test_the_csv_lists_every_suspect_most_doubtful_first(two_classes):
    rows = list(csv.DictReader(io.StringIO(two_classes.suspects_csv())))
    assert [int(r["row"]) for r in rows] == [s.row for s in two_classes.labels.suspects]
    margins = [float(r["margin"]) for r in rows]
    assert margins == sorted(margins)
    assert margins
    assert margins[-1] < 0


def test_a_folder_gets_three_files_that_hold_the_result(two_classes, tmp_path):
    written = two_classes.write(tmp_path / "new" / "folder")
    assert [p.name for p in written] == ["report.html", "audit.json", "suspects.csv"]
    assert sorted(p.name for p in (tmp_path / "new" / "folder").iterdir()) == sorted(p.name for p in written)
    assert written[0].read_text(encoding="utf-8") == two_classes.to_html()
    assert AuditResult.from_json(written[1].read_bytes()) == two_classes
    assert written[2].read_text(encoding="utf-8") == two_classes.suspects_csv()


def test_writing_again_replaces_the_files(two_classes, many_classes, tmp_path):
    many_classes.write(tmp_path)
    two_classes.write(tmp_path)
    assert AuditResult.from_json((tmp_path / "audit.json").read_text(encoding="utf-8")) == two_classes
    assert len(list(tmp_path.iterdir())) == 3


def test_a_file_in_place_of_the_folder_is_left_alone(two_classes, tmp_path):
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(FileExistsError):
        two_classes.write(tmp_path / "taken")
    assert (tmp_path / "taken").read_text() == "mine"
    assert list(tmp_path.iterdir()) == [tmp_path / "taken"]


@pytest.mark.parametrize("old", [None, "old report"])
def test_a_full_disk_leaves_nothing_half_written(two_classes, tmp_path, old):
    resource = pytest.importorskip("resource", reason="the system has no limit on the size of a file")
    if old:
        (tmp_path / "report.html").write_text(old)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Python ignores SIGXFSZ, so that a write beyond the limit fails as one on a full disk does.
    resource.setrlimit(resource.RLIMIT_FSIZE, (16_384, hard))
    try:
        with pytest.raises(ResourceError, match=r"report\.html needs [0-9,]+ bytes"):
            two_classes.write(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == ({"report.html": old} if old else {})


def test_files_can_be_written_one_by_one(many_classes, tmp_path):
    assert many_classes.to_json(tmp_path / "a.json") == (tmp_path / "a.json").read_text(encoding="utf-8")
    assert many_classes.to_html(tmp_path / "a.html") == (tmp_path / "a.html").read_text(encoding="utf-8")
