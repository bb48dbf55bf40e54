"""`widthwise sweep` and `widthwise schema`: what they print, and how they leave."""

from __future__ import annotations

import csv
import io
import json
import signal
import time
from pathlib import Path

import pytest

from widthwise.sweeps.store import Store
from widthwise.sweeps.sweep import Sweep, prepare

GALLERY = sorted((Path(__file__).parents[2] / "docs" / "sweeps").glob("*.toml"))
SPEC = """
name = "tiny"
[settings]
data = "iris"
n = 30
steps = 5
learning_rate = "1 / width"
[product]
width = [8, 16]
seed = { count = 2 }
"""


@pytest.fixture
def spec(tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(SPEC)
    return path


@pytest.fixture
def finished(spec, tmp_path):
    """A store with known results, made without training."""
    made = prepare(spec, out=tmp_path / "store", durable=False)
    for job in made.jobs:
        measures = {"diverged": None, "movement": 1.0 / job.content["settings"]["width"]}
        result = {"settings": job.content["settings"], "measures": measures, "seconds": 0.25}
        made.store.commit(made.store.claim(job.id, 1), result, {})
    return tmp_path / "store"


def test_a_dry_run_says_what_it_would_take_and_makes_nothing(run, spec, tmp_path):
    done = run("sweep", "run", spec, "--out", tmp_path / "store", "--dry-run", "--format", "json")
    told = json.loads(done.out)
    assert done.code == 0
    assert (told["schema"], told["jobs"], told["shapes"]) == ("widthwise/sweep-estimate/1", 4, 2)
    assert told["seconds"] > 0
    assert told["memory"] > 1e8
    assert not (tmp_path / "store").exists()
    assert "time, about" in run("sweep", "run", spec, "--dry-run", "--set", "seed=3").out


@pytest.mark.parametrize("path", GALLERY, ids=lambda path: path.stem)
def test_every_spec_of_the_gallery_can_be_planned(run, path):
    done = run("sweep", "run", path, "--dry-run", "--format", "json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["jobs"] >= 30


def test_a_finished_sweep_has_nothing_left_to_do(run, spec, finished):
    done = run("sweep", "run", spec, "--out", finished, "--format", "json")
    told = json.loads(done.out)
    assert done.code == 0
    assert (told["total"], told["done"], told["waiting"], told["left"]) == (4, 4, 0, 0.0)
    assert "4 (100 %)" in run("sweep", "status", finished).out
    assert run("sweep", "resume", finished).code == 0


def test_export_and_report_write_what_they_say(run, finished, tmp_path):
    rows = list(csv.DictReader(io.StringIO(run("sweep", "export", finished).out)))
    assert [float(row["movement"]) for row in rows] == [0.125, 0.125, 0.0625, 0.0625]
    assert run("sweep", "export", finished, "--out", tmp_path / "t.csv").code == 0
    assert list(csv.DictReader(io.StringIO((tmp_path / "t.csv").read_text()))) == rows
    assert run("sweep", "export", finished, "--format", "parquet").code == 2
    assert run("sweep", "report", finished, "--y", "movement", "--fit").code == 0
    assert "to the power" in (finished / "report.html").read_text()
    done = run("sweep", "report", finished, "--y", "mvement")
    assert (done.code, "no column 'mvement'" in done.err) == (2, True)
    assert run("sweep", "report", finished, "--fit").code == 2


def test_a_bad_spec_leaves_with_4_and_says_where(run, tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text('name = "a"\n[settings]\nwidth = -1\n')
    done = run("sweep", "run", path)
    assert (done.code, f"{path}:3: settings.width" in done.err, done.out) == (4, True, "")
    assert run("sweep", "run", tmp_path / "absent.toml").code == 4
    path.write_text('name = "a"\n[product]\nseed = { count = 1000000 }\ndata_seed = { count = 1000 }\n')
    done = run("sweep", "run", path, "--max-jobs", "10")
    assert (done.code, "1,000,000,000 jobs" in done.err) == (4, True)


def test_what_is_no_store_or_a_newer_one_leaves_with_6(run, spec, finished, tmp_path):
    assert run("sweep", "status", tmp_path / "nothing").code == 6
    path = finished / "spec.json"
    data = path.read_bytes().replace(b"sweep/1", b"sweep/9")
    path.write_bytes(data)
    for words in (["run", spec, "--out", finished], ["status", finished], ["resume", finished], ["export", finished]):
        done = run("sweep", *words)
        assert (done.code, "newer version" in done.err) == (6, True)
    assert path.read_bytes() == data


def test_a_store_of_another_sweep_is_told(run, spec, finished):
    done = run("sweep", "run", spec, "--out", finished, "--set", "steps=6")
    assert (done.code, "holds another sweep" in done.err) == (6, True)


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b"])
def test_a_shard_that_is_none_is_a_usage_error(run, spec, text):
    assert run("sweep", "run", spec, "--shard", text).code == 2


def test_a_misspelt_data_set_leaves_with_2(run, spec):
    done = run("sweep", "run", spec, "--set", "data=digist")
    assert (done.code, "did you mean 'digits'" in done.err) == (2, True)


def test_failed_jobs_leave_with_8_and_the_status_is_printed(run, spec, tmp_path):
    made = prepare(spec, out=tmp_path / "store", durable=False)
    for job in made.jobs:
        for attempt in (1, 2, 3):
            made.store.fail(made.store.claim(job.id, attempt), "ValueError: because")
    done = run("sweep", "run", spec, "--out", tmp_path / "store")
    assert done.code == 8
    assert "4 of 4 jobs failed 3 times each" in done.err
    assert "ValueError: because" in done.err
    assert "failed" in done.out


def test_a_reader_that_goes_away_is_no_error(start, finished):
    process = start("sweep", "export", finished)
    process.stdout.close()
    err = process.stderr.read()
    assert process.wait(timeout=60) == 0
    assert "Traceback" not in err


def test_more_memory_than_there_is_is_refused_before_anything_is_made(run, spec, tmp_path):
    huge = ("--set", "width=4000000", "--set", "depth=2", "--set", "antisymmetric=false", "--set", "trained=all")
    done = run("sweep", "run", spec, "--out", tmp_path / "store", *huge)
    assert (done.code, "--workers" in done.err) == (5, True)
    assert not (tmp_path / "store").exists()


def test_schemas_are_printed(run):
    assert json.loads(run("schema").out)["$id"] == "widthwise/sweep-spec/1"
    assert "widthwise/audit/1" in run("schema", "audit").out
    assert "widthwise/conditions/1" in run("schema", "conditions").out
    assert run("schema", "nothing").code == 2


@pytest.mark.slow
def test_a_sweep_runs_from_spec_to_report_and_the_same_command_goes_on(start, run, spec, tmp_path):
    process = start("sweep", "run", spec, "--out", tmp_path / "store", "--set", "steps=200000")
    until = time.monotonic() + 120
    while not any((tmp_path / "store" / "claims").glob("*")) and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command goes on" in err
    assert "Traceback" not in err
    assert Store(tmp_path / "store").check() == Store(tmp_path / "store").committed()
    process = start("sweep", "run", spec, "--out", tmp_path / "store", "--set", "steps=200000")
    time.sleep(1.0)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 143
    assert run("sweep", "run", spec, "--out", tmp_path / "other").code == 0
    assert run("sweep", "report", tmp_path / "other").code == 0
    found = Sweep(tmp_path / "other")
    assert found.status().done == 4
    assert (tmp_path / "other" / "report.html").stat().st_size > 10_000
