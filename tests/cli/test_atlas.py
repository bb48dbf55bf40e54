"""`widthwise atlas`: what it prints, what it writes, and how it leaves."""

from __future__ import annotations

import json
import signal
import time
from typing import get_args

import jsonschema
import pytest

from widthwise.atlas import claims, records
from widthwise.atlas.catalogue import Layout
from widthwise.cli.schema import schema

CHEAP = "arora2019-odd-harmonics"
ON_DATA = "arora2019-alignment"


@pytest.fixture
def checked(run):
    """The JSON of a command, valid under the schema that `widthwise schema` prints for it."""

    def call(layout: str, *words: object) -> dict:
        done = run(*words, "--format", "json")
        told = json.loads(done.out)
        assert told["schema"] == f"widthwise/{layout}/1"
        body = json.loads(run("schema", layout).out)
        jsonschema.Draft202012Validator.check_schema(body)
        jsonschema.validate(told, body)
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**told, "schema": "widthwise/other/1"}, body)
        return told

    return call


def test_the_schemas_are_those_of_the_catalogue():
    (choice,) = (parameter.type for parameter in schema.params)
    assert set(get_args(Layout)) < set(choice.choices)


def test_the_list_has_every_claim(run, checked):
    done = run("atlas", "list")
    assert (done.code, done.err) == (0, "")
    assert all(claim.key in done.out for claim in claims())
    assert "arora2019: Arora et al. 2019" in done.out
    told = checked("atlas-list", "atlas", "list")
    assert [entry["claim"] for entry in told["claims"]] == [claim.key for claim in claims()]


def test_the_list_is_narrowed_by_paper_type_and_cost(run, checked):
    told = checked("atlas-list", "atlas", "list", "--paper", "arora2019", "--type", "O", "--cost", "1")["claims"]
    expected = [c.key for c in claims() if (c.source, c.type) == ("arora2019", "O") and c.cost <= 1]
    assert [entry["claim"] for entry in told] == expected != []
    done = run("atlas", "list", "--paper", "arora2018")
    assert (done.code, "did you mean 'arora2019'?" in done.err) == (2, True)
    assert run("atlas", "list", "--type", "Z").code == 2


def test_show_says_what_is_claimed_and_cite_only_the_source(run, checked):
    done = run("atlas", "show", CHEAP)
    assert done.code == 0
    for word in ("Formula", "Hypotheses", "every row has norm 1", "exponent between 0.9 and 1.1", "cos 2 theta"):
        assert word in done.out
    cited = run("atlas", "show", CHEAP, "--cite").out
    assert cited.startswith("@inproceedings{arora2019,")
    assert cited.strip().endswith("}")
    told = checked("atlas-claim", "atlas", "show", CHEAP)
    assert [entry["claim"] for entry in told["recorded"]] == [CHEAP] * len(told["recorded"])


@pytest.mark.parametrize("verb", ["show", "run"])
def test_a_wrong_name_leaves_with_2_and_the_right_one(run, verb, tmp_path):
    options = ["--out", tmp_path] if verb == "run" else []
    done = run("atlas", verb, "arora2019-odd-harmonic", *options)
    assert (done.code, done.out) == (2, "")
    assert f"did you mean '{CHEAP}'?" in done.err


def test_a_run_is_told_kept_and_not_made_again(run, checked, tmp_path):
    words = ("atlas", "run", CHEAP, "--scale", "smoke", "--out", tmp_path)
    told = checked("atlas-run", *words)
    (verdict,) = told["verdicts"]
    assert (verdict["schema"], verdict["claim"]) == ("widthwise/verdict/1", CHEAP)
    jobs = {path: path.stat().st_mtime_ns for path in (tmp_path / "store" / "jobs").rglob("*.json")}
    assert len(jobs) == 3
    done = run(*words)
    assert done.code == 0
    assert done.out.startswith(f"{CHEAP}: inconclusive (")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "store" / "jobs").rglob("*.json")} == jobs
    assert len(list((tmp_path / "verdicts").iterdir())) == 1
    run("atlas", "run", CHEAP, "--scale", "smoke", "--seed", "1", "--out", tmp_path)
    assert len(list((tmp_path / "store" / "jobs").rglob("*.json"))) == 6


def test_a_verdict_that_is_not_the_one_on_record_leaves_with_1(run, tmp_path, monkeypatch):
    """At smoke, where nothing can go on record by itself: the record is written by hand."""
    words = ("atlas", "run", CHEAP, "--scale", "smoke", "--out", tmp_path)
    run(*words, "--format", "json")
    (path,) = (tmp_path / "verdicts").iterdir()
    kept = json.loads(path.read_text())
    entry = {"claim": CHEAP, **{name: kept["run"][name] for name in ("scale", "seed", "seeds", "digest")}}
    monkeypatch.setattr(records, "FOLDER", tmp_path)
    for word, code, said in ((kept["word"], 0, "as recorded"), ("holds", 1, "changed")):
        body = {"schema": records.SCHEMA, "verdicts": [{**entry, "word": word}]}
        (tmp_path / "arora2019.json").write_text(json.dumps(body))
        done = run(*words)
        assert (done.code, said in done.out) == (code, True)


def test_nothing_at_smoke_goes_on_record(run, tmp_path):
    done = run("atlas", "record", "arora2019", "--scale", "smoke", "--out", tmp_path / "runs")
    assert (done.code, "use the scale quick or paper" in done.err) == (2, True)
    assert not (tmp_path / "runs").exists()
    assert run("atlas", "record", "arora", "--out", tmp_path).code == 2


def test_own_data_are_run_where_the_claim_makes_sense_on_them(run, table, tmp_path):
    words = ("--scale", "smoke", "--out", tmp_path / "runs")
    done = run("atlas", "run", ON_DATA, "--data", table, "--target", "label", *words)
    assert done.code in (0, 1)
    (path,) = (tmp_path / "runs" / "verdicts").iterdir()
    told = json.loads(path.read_text())["run"]
    assert (told["data"], told["target"], told["own"], told["n"]) == (str(table), "label", True, 40)
    assert "constant coordinate appended" in done.err
    done = run("atlas", "run", ON_DATA, "--target", "label", *words)
    assert (done.code, "--data" in done.err) == (2, True)
    done = run("atlas", "run", CHEAP, "--data", table, "--target", "label", *words)
    assert (done.code, "has no meaning on other data" in done.err) == (2, True)


def test_data_that_cannot_be_used_leave_with_their_code(run, tmp_path):
    def code(text: str, *options: str) -> tuple[int, str]:
        path = tmp_path / "own.csv"
        path.write_text(text)
        done = run("atlas", "run", ON_DATA, "--data", path, "--scale", "smoke", "--out", tmp_path / "runs", *options)
        return done.code, done.err

    numbers = "\n".join(f"{k},{(k * 7) % 13}" for k in range(20))
    assert code("a,label\n" + "\n".join(f"{k},x" for k in range(20)), "--target", "label")[0] == 3
    assert code(f"a,b\nnan,1\n{numbers}", "--target", "b")[0] == 3
    assert code("a,label\n1,x\n2,y\n", "--target", "label")[0] == 3
    left, said = code(f"length,label\n{numbers}", "--target", "lable")
    assert (left, "did you mean 'label'" in said) == (3, True)
    done = run("atlas", "run", ON_DATA, "--data", tmp_path / "absent.csv", "--out", tmp_path / "runs")
    assert (done.code, "absent.csv" in done.err) == (3, True)


def test_an_output_folder_that_is_a_file_is_refused(run, table):
    done = run("atlas", "run", CHEAP, "--scale", "smoke", "--out", table)
    assert (done.code, done.out) == (2, "")


def test_the_report_is_a_site(run, tmp_path):
    done = run("atlas", "report", "--out", tmp_path)
    assert (done.code, "run `widthwise atlas run CLAIM" in done.err) == (2, True)
    run("atlas", "run", CHEAP, "--scale", "smoke", "--out", tmp_path)
    done = run("atlas", "report", "--out", tmp_path)
    assert (done.code, done.out) == (0, f"{tmp_path / 'site' / 'index.html'}\n")
    assert "The third harmonic" in (tmp_path / "site" / "index.html").read_text()


@pytest.mark.slow
def test_a_run_that_was_interrupted_goes_on(start, run, tmp_path):
    words = ("atlas", "run", "arora2019", "--scale", "smoke", "--out", tmp_path)
    process = start(*words)
    jobs = tmp_path / "store" / "jobs"
    while not (jobs.is_dir() and any(jobs.rglob("*.json"))):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130
    before = {path: path.stat().st_mtime_ns for path in jobs.rglob("*.json")}
    assert run(*words).code in (0, 1)
    after = {path: path.stat().st_mtime_ns for path in jobs.rglob("*.json")}
    assert before.items() <= after.items()
    assert len(after) == 3 * sum(claim.source == "arora2019" for claim in claims())
