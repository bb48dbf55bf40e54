"""`widthwise audit`: files in, answers on stdout, everything else on stderr, three files in a folder."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

import widthwise as ww
from widthwise.audits import AuditResult

QUICK = ("--verify", "none", "--pad", "1")
CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def test_a_folder_gets_exactly_three_files_and_stdout_the_five_answers(run, table, tmp_path):
    folder = tmp_path / "report"
    done = run("audit", table, "--target", "label", *QUICK, "--out", folder)
    assert done.code == 0
    assert sorted(p.name for p in folder.iterdir()) == ["audit.json", "report.html", "suspects.csv"]
    for name in ("report.html", "audit.json", "suspects.csv"):
        assert str(folder / name) in done.err.replace("\n", "")
        assert str(folder / name) not in done.out
    assert [line[:2] for line in done.out.splitlines() if re.match(r"[1-5]\. ", line)] == ["1.", "3.", "2."]
    assert "Verdict" in done.out
    result = AuditResult.from_json((folder / "audit.json").read_text(encoding="utf-8"))
    assert result.settings.target == "label"
    assert result == ww.audit(str(table), target="label", verify="none", pad=1.0)


def test_with_trainings_all_five_answers_are_printed(run, table):
    done = run("audit", table, "--pad", "1")
    assert done.code == 0
    assert sorted(line[:2] for line in done.out.splitlines() if re.match(r"[1-5]\. ", line)) == [
        f"{i}." for i in range(1, 6)
    ]


def test_json_is_all_that_stdout_gets(run, table):
    done = run("audit", table, *QUICK, "--format", "json")
    assert done.code == 0
    assert json.loads(done.out)["schema"] == "widthwise/audit/1"
    assert done.out == ww.audit(str(table), verify="none", pad=1.0).to_json()


def test_every_option_reaches_the_audit(run, table):
    given = {
        "target": "label",
        "task": "classification",
        "scale": "unit",
        "pad": 0.5,
        "coding": "raw",
        "max_n": 30,
        "subsample": "first",
        "verify": "none",
        "seed": 3,
    }
    words = [word for name, value in given.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    found = json.loads(run("audit", table, *words, "--format", "json").out)
    assert found["settings"] == given | {"groups": None, "time": None, "test": None}
    assert found["data"]["n"] == 30
    assert found["data"]["tau"] == 0.5


def test_groups_and_time_are_columns_and_no_features(run, tmp_path):
    rng = np.random.default_rng(0)
    lines = [
        f"{a:.3f},{i // 3},2024-01-{1 + i % 28:02d},{'yn'[int(a + b > 0)]}"
        for i, (a, b) in enumerate(rng.normal(size=(60, 2)))
    ]
    place = tmp_path / "visits.csv"
    place.write_text("\n".join(["a,patient,day,label", *lines]))
    words = ("audit", place, "--target", "label", "--verify", "none", "--pad", "1", "--format", "json")
    found = json.loads(run(*words, "--groups", "patient", "--time", "day").out)
    assert found["data"]["d"] == 1
    assert found["generalisation"]["groups"]["groups"] == 20
    assert found["generalisation"]["time"]["first"] == "2024-01-01"
    for option, value, code, said in (
        ("--groups", "patent", 3, "did you mean 'patient'"),
        ("--groups", "label", 2, "is the target"),
        ("--time", "label", 2, "is the target"),
        ("--time", "patient", 0, ""),
    ):
        done = run(*words, option, value)
        assert done.code == code
        assert said in done.err


def test_a_test_file_is_scored_and_shown(run, table, tmp_path):
    words = ("audit", table, "--target", "label", "--verify", "none", "--pad", "1", "--test")
    done = run(*words, table.with_name("test.csv"))
    assert done.code == 3
    other = tmp_path / "test.csv"
    other.write_text(table.read_text())
    done = run(*words, other)
    assert done.code == 0
    assert "6. How does the test file come out?" in done.out
    assert "no hold-out for them" in " ".join(done.out.split())
    assert "Test file." in done.out


@pytest.mark.parametrize("below", ["", "report"])
def test_a_file_in_place_of_the_folder_is_refused_before_any_work(run, table, below):
    done = run("audit", "absent.csv", "--out", table / below)
    # The data do not even exist: had any work begun, that would be the complaint.
    assert (done.code, done.out) == (2, "")
    assert f"{table} is not a folder" in done.err


def test_a_link_to_nowhere_is_no_folder(run, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    done = run("audit", "absent.csv", "--out", tmp_path / "link")
    assert (done.code, done.out) == (2, "")
    assert "is not a folder" in done.err


def test_a_name_that_no_file_system_takes_is_refused_before_any_work(run, tmp_path):
    done = run("audit", "absent.csv", "--out", tmp_path / ("n" * 5000))
    assert (done.code, done.out) == (2, "")


def test_control_characters_of_the_data_never_reach_the_terminal(run, tmp_path):
    hostile = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e"
    path = tmp_path / "h.csv"
    rows = [f"{i % 7},{i % 3},{'a' + hostile if i % 2 else 'b' + hostile}" for i in range(30)]
    path.write_text(f"u{hostile},v,label{hostile}\n" + "\n".join(rows) + "\n", encoding="utf-8")
    done = run("audit", path, "--target", f"label{hostile}", *QUICK)
    assert done.code == 0
    assert not CONTROLS.search(done.out)
    assert not CONTROLS.search(done.err)
    wrong = run("audit", path, "--target", f"lable{hostile}", *QUICK)
    assert wrong.code == 3
    assert not CONTROLS.search(wrong.out + wrong.err)
    for form in ("json",):
        found = run("audit", path, "--target", f"label{hostile}", *QUICK, "--format", form)
        assert json.loads(found.out)["data"]["target"] == f"label{hostile}"
        assert not re.search(r"[\x00-\x09\x0b-\x1f]", found.out)
