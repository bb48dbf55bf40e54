from __future__ import annotations

import io
import os
import pty
import re
import threading
import time

from widthwise.pages import progress
from widthwise.pages.progress import Progress, duration


def test_durations():
    assert [duration(s) for s in (0, 9.4, 59.6, 200, 3600 * 2 + 300)] == [
        "0 s",
        "9 s",
        "1 min",
        "3 min 20 s",
        "2 h 5 min",
    ]


def test_short_work_shows_nothing():
    stream = io.StringIO()
    with Progress(3, label="verifying", stream=stream) as bar:
        bar.advance(3)
    assert stream.getvalue() == ""


def test_long_work_shows_plain_lines(monkeypatch):
    monkeypatch.setattr(progress, "INTERVAL", 0.05)
    stream = io.StringIO()
    with Progress(4, label="verifying\x1b[2J", stream=stream, delay=0.05) as bar:
        for step in range(4):
            time.sleep(0.06)
            bar.advance(1, label=f"width {step}\x9b")
    lines = stream.getvalue().splitlines()
    assert len(lines) >= 2
    assert re.fullmatch(r"(verifying\\x1b\[2J|width \d\\x9b): \d+ %(, about \d+ s left)?", lines[0])
    assert "\x1b" not in stream.getvalue()
    assert "\x9b" not in stream.getvalue()


def test_within_a_long_step_the_time_left_runs_down_and_ends(monkeypatch):
    """Half of the work in one unit of time leaves one more, whatever passes until the next step is counted."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with Progress(2, label="a", stream=io.StringIO(), enabled=False) as bar:
        assert bar._state() == ("a", 0.0, None)
        now[0] = 100.0
        bar.advance(1)
        assert bar._state() == ("a", 0.5, 100.0)
        now[0] = 160.0
        assert bar._state() == ("a", 0.5, 40.0)
        now[0] = 260.0
        assert bar._state() == ("a", 0.5, None)
        bar.advance(0.5, "b")
        assert bar._state() == ("b", 0.75, 260.0 / 3.0)


def test_lines_are_sparse():
    stream = io.StringIO()
    with Progress(100, label="a", stream=stream, delay=0.01) as bar:
        for _ in range(20):
            bar.advance(1)
            time.sleep(0.01)
    assert len(stream.getvalue().splitlines()) <= 1


def test_silence():
    stream = io.StringIO()
    with Progress(1, label="a", stream=stream, delay=0.0, enabled=False) as bar:
        time.sleep(0.05)
        bar.advance(1)
    assert stream.getvalue() == ""
    assert bar.done == 1


def test_many_threads_count_right():
    with Progress(8000, label="a", stream=io.StringIO(), delay=0.0) as bar:

        def work():
            for _ in range(1000):
                bar.advance(1)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert bar.done == 8000


def test_a_terminal_gets_a_bar(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    master, slave = pty.openpty()
    with os.fdopen(slave, "w", encoding="utf-8") as stream:
        with Progress(10, label="verifying", stream=stream, delay=0.02) as bar:
            time.sleep(0.2)
            bar.advance(4)
            time.sleep(0.2)
        seen = os.read(master, 100_000).decode()
    os.close(master)
    assert "verifying" in seen
    assert "40 %" in seen
    assert "left" in seen


def test_a_broken_stream_and_no_work_do_no_harm(monkeypatch):
    monkeypatch.setattr(progress, "INTERVAL", 0.02)
    stream = io.StringIO()
    stream.close()
    for total, out in ((1.0, stream), (0.0, io.StringIO())):
        with Progress(total, label="a", stream=out, delay=0.0) as bar:
            time.sleep(0.05)
            bar.advance(1)


def test_errors_pass_and_the_thread_ends():
    before = threading.active_count()
    try:
        with Progress(1, label="a", stream=io.StringIO(), delay=0.0):
            raise KeyError("x")
    except KeyError:
        pass
    assert threading.active_count() == before
