"""The command line as users run it: in this process where only exit and words matter, in its own where signals do."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest

from widthwise.cli import main

# A test run in the background of a script inherits an ignored SIGINT; the command must be started as from a terminal.
ENTRY = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from widthwise.cli import main; main()"
)


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str


@pytest.fixture
def run(capfd):
    """Run a command in this process, through the entry point of the installed script."""

    def call(*arguments: str) -> Done:
        capfd.readouterr()
        with pytest.raises(SystemExit) as left:
            main([str(a) for a in arguments])
        seen = capfd.readouterr()
        return Done(code=left.value.code or 0, out=seen.out, err=seen.err)

    return call


@pytest.fixture
def start():
    """Start a command in a process of its own; ended with the test."""
    started = []

    def call(*arguments: str, **options: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", ENTRY, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            **options,
        )
        started.append(process)
        return process

    yield call
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


@pytest.fixture
def table(tmp_path):
    """A small CSV with a text label."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 2))
    label = np.where(X[:, 0] + 0.3 * rng.normal(size=40) > 0, "yes", "no")
    lines = [f"{a:.4f},{b:.4f},{c}" for (a, b), c in zip(X, label, strict=True)]
    path = tmp_path / "table.csv"
    path.write_text("u,v,label\n" + "\n".join(lines) + "\n")
    return path
