"""The entry point: words, exit codes, and how it leaves when it is told to."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner

import widthwise as ww
from widthwise.cli import commands

QUICK = ("--verify", "none", "--pad", "1")


def lines_until(process, beginning):
    for line in process.stdout:
        if line.startswith(beginning):
            return
    raise AssertionError(f"no line began with {beginning!r}: {process.stderr.read()}")


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_names_every_command_and_leaves_with_zero(flag):
    found = CliRunner().invoke(commands, [flag])
    assert found.exit_code == 0
    for name in ("audit", "doctor"):
        assert re.search(rf"^  {name}\b", found.output, re.MULTILINE)
        assert CliRunner().invoke(commands, [name, flag]).exit_code == 0


def test_the_version_is_that_of_the_package(run):
    done = run("--version")
    assert (done.code, done.out) == (0, f"widthwise {ww.__version__}\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["adit"], "No such command 'adit'"),
        (["audit", "--pda", "1"], "No such option"),
        (["audit", "--max-n", "many"], "'many' is not a valid integer"),
        (["audit", "--verify", "slow"], "'slow' is not one of 'quick', 'thorough', 'none'"),
        (["audit", "--format", "xml"], "'xml' is not one of"),
        (["audit", "a", "b"], "unexpected extra argument"),
        (["audit", "--seed", "-1"], "seed must be an integer of at least 0; -1 came"),
        (["audit", "--max-n", "2"], "max_n must be an integer of at least 3; 2 came"),
        (["audit", "--pad", "nan"], "pad must be a finite number"),
        (["audit", "diggits"], "did you mean 'digits'?"),
        (["audit", "digits", "--target", "x"], "has its own labels"),
        (["audit", "mnist:0,10"], "class '10' of 'mnist:0,10' is not known"),
        (["audit", "iris", "--coding", "raw"], "exactly two classes"),
    ],
)
def test_wrong_usage_is_two_with_one_reason_and_nothing_on_stdout(run, arguments, words):
    done = run(*arguments)
    assert (done.code, done.out) == (2, "")
    assert words in done.err
    assert "Traceback" not in done.err


def rejected(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("file", "options", "words"),
    [
        (("t.csv", "u,label\n1,a\n2,b\n3,a\n"), ["--target", "lable"], "did you mean 'label'? Columns: 'u', 'label'"),
        (("t.csv", "u,v,label\n1,1,a\n2,,b\n3,4,a\n"), [], "'v'"),
        (("t.csv", "u,v,label\n1,1,a\n2,NaN,b\n3,4,a\n"), [], "'v'"),
        (("t.csv", "u,label\n1,a\n2,a\n3,a\n"), [], "at least two classes; all 3 rows are of class"),
        (("t.csv", "u,label\n1,a\n2,b\n"), [], "rows"),
        (("t.csv", "u,label\n"), [], "rows"),
        (("t.csv", ""), [], "is empty (0 bytes)"),
        (("t.pkl", b"\x80\x05\x95"), [], "is a pickle"),
        (("t.csv", b"\x80\x04\x95"), [], "is a pickle"),
        (("t.npz", b"PK\x03\x04 cut"), [], "damaged or cut-off"),
        (("t.csv", "u,label\n1,5\n2,5\n3,5\n"), ["--task", "regression"], "must vary; all 3 rows hold 5"),
        (
            ("t.csv", "u,label\n1,a\n2,a\n3,a\n4,b\n"),
            ["--max-n", "3", "--subsample", "first"],
            "all 3 are of one class",
        ),
    ],
)
def test_data_that_cannot_be_used_are_three_in_one_line(run, tmp_path, file, options, words):
    done = run("audit", rejected(tmp_path, *file), *options)
    assert (done.code, done.out) == (3, "")
    said = [line for line in done.err.splitlines() if line.startswith("widthwise:")]
    assert len(said) == 1
    assert words in said[0]
    assert "Traceback" not in done.err


def test_a_missing_file_is_named_with_its_absolute_path(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run("audit", "absent.csv")
    assert done.code == 3
    assert str(tmp_path / "absent.csv") in done.err


def test_more_rows_than_memory_are_five_with_the_numbers(run, tmp_path):
    n = 300_000
    np.savez(tmp_path / "long.npz", X=np.arange(float(n))[:, None], y=np.arange(n) % 2)
    done = run("audit", tmp_path / "long.npz", "--task", "classification", "--max-n", str(n))
    assert (done.code, done.out) == (5, "")
    assert re.search(r"300000 rows needs? about \d+\.\d GB; \d+\.\d GB are free", done.err)


@pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX")
@pytest.mark.parametrize(
    ("sent", "code", "words"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
    ids=["SIGINT", "SIGTERM"],
)
def test_a_signal_in_the_middle_of_an_audit_leaves_nothing_half_written(start, tmp_path, sent, code, words):
    process = start("audit", "digits", "--out", tmp_path / "report")
    lines_until(process, "1. How fast")
    process.send_signal(sent)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert f"widthwise: {words}; nothing was left half-written" in err
    assert "Traceback" not in out + err
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX")
@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_that_lands_in_a_callback_of_the_garbage_collector_is_not_lost(name, code):
    # What such a callback raises is printed and forgotten by Python; JAX installs one.
    program = (
        "import gc, os, signal\nfrom widthwise.cli import main\ntold = []\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "def callback(phase, info):\n    if not told:\n        told.append(phase)\n"
        f"        os.kill(os.getpid(), signal.{name})\n"
        "gc.callbacks.append(callback)\nmain(['audit', 'digits'])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == code
    assert "Traceback" not in done.stderr


def test_a_reader_that_goes_away_is_no_error(start, table):
    process = start("audit", table, *QUICK)
    assert process.stdout.readline()
    process.stdout.close()
    err = process.stderr.read()
    assert process.wait(timeout=60) == 0
    assert "Traceback" not in err
    assert "internal error" not in err


def test_a_reader_that_went_away_before_json_was_written_is_no_error(start, table):
    process = start("audit", table, *QUICK, "--format", "json")
    process.stdout.close()
    err = process.stderr.read()
    assert process.wait(timeout=60) == 0
    assert "Traceback" not in err


def test_doctor_shows_what_the_json_holds(run):
    found = json.loads(run("doctor", "--format", "json").out)
    assert found.pop("schema") == "widthwise/doctor/1"
    assert {"widthwise", "python", "numpy", "jax", "device", "cores", "system", "memory available"} <= set(found)
    assert found["widthwise"] == ww.__version__
    assert int(found["cores"]) >= 1
    text = run("doctor")
    assert text.code == 0
    for name in found:
        assert name.split()[0] in text.out
