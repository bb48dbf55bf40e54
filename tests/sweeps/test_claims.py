"""Claims: one owner, told abandoned only when it is, and superseded without harm."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from widthwise.sweeps import files
from widthwise.sweeps.claims import Watch, heartbeat, owner, owner_lives
from widthwise.sweeps.store import CLAIM, Claim, Store


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "store", durable=False)
    made.create({"sweep": "one"})
    return made


def test_the_owner_of_a_claim_is_this_process():
    assert owner_lives(owner()) is True
    assert owner_lives(f"{files.machine()} {os.getpid()} 1") is False  # a number that another process had before
    assert owner_lives("00000000 1 1") is None
    assert owner_lives("") is None


def test_an_ended_process_that_nobody_waited_for_is_no_owner():
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    start = files.process_start(process.pid)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert owner_lives(f"{files.machine()} {process.pid} {start}") is False
    process.wait()


def test_of_many_processes_one_gets_the_claim(store):
    program = (
        "import sys, time\nfrom pathlib import Path\nfrom widthwise.sweeps.store import Store\n"
        "store = Store(Path(sys.argv[1]), durable=False)\n"
        "while time.time() < float(sys.argv[2]):\n    pass\n"
        "print(sum(store.claim(f'{i:032x}', 1) is not None for i in range(200)))\n"
    )
    at = str(time.time() + 0.7)
    racers = [
        subprocess.Popen([sys.executable, "-c", program, str(store.folder), at], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    assert sum(int(racer.communicate()[0]) for racer in racers) == 200


def test_a_claim_is_abandoned_when_its_heartbeat_stands_still_for_a_lease(store):
    now = [0.0]
    watch = Watch(store.folder / "claims", lease=10.0, clock=lambda: now[0])
    claim = store.claim("a" * 32, 1)
    path = store.claim_path(claim)
    assert not watch.abandoned(claim.name)
    now[0] = 9.0
    assert not watch.abandoned(claim.name)
    os.utime(path, ns=(1, 1))  # a beat, whatever its clock says
    now[0] = 15.0
    assert not watch.abandoned(claim.name)
    now[0] = 25.1
    assert watch.abandoned(claim.name)


def test_a_claim_of_a_dead_process_is_abandoned_at_once_and_one_of_another_machine_after_a_lease(store):
    now = [0.0]
    watch = Watch(store.folder / "claims", lease=10.0, clock=lambda: now[0])
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    who = f"{files.machine()} {process.pid} {files.process_start(process.pid)}"
    files.create(store.folder / "claims" / "b.1", files.seal(CLAIM, {"owner": who}))
    files.create(store.folder / "claims" / "c.1", files.seal(CLAIM, {"owner": "00000000 1 1"}))
    files.create(store.folder / "claims" / "d.1", b"torn")
    assert [watch.abandoned(f"{name}.1") for name in "bcd"] == [False, False, False]
    process.kill()
    process.wait()
    process.stdin.close()
    assert [watch.abandoned(f"{name}.1") for name in "bcd"] == [True, False, False]
    now[0] = 11.0
    assert [watch.abandoned(f"{name}.1") for name in "bcd"] == [True, True, True]


def test_who_was_superseded_commits_nothing(store):
    job = "a" * 32
    first = store.claim(job, 1)
    assert store.claim(job, 1) is None
    second = store.claim(job, 2)
    assert store.superseded(first)
    assert not store.commit(first, {"measures": {"v": 1}}, {})
    assert store.commit(second, {"measures": {"v": 2}}, {})
    assert store.result(job)["measures"] == {"v": 2}
    assert not store.commit(Claim(job=job, attempt=3), {"measures": {"v": 3}}, {})
    assert store.claims() == {}
    assert store.claim(job, 4) is None


def test_a_heartbeat_touches_its_file(tmp_path):
    path = tmp_path / "claim"
    path.touch()
    os.utime(path, ns=(0, 0))
    with heartbeat(path, 0.01):
        until = time.monotonic() + 10
        while path.stat().st_mtime_ns == 0 and time.monotonic() < until:
            time.sleep(0.01)
    assert path.stat().st_mtime_ns > 0


def test_a_heart_stops_with_the_process_that_started_it(tmp_path):
    # The middle process starts one that works under a heartbeat, and is killed.
    inner = (
        "import os, sys, time\nfrom pathlib import Path\nfrom widthwise.sweeps.claims import heartbeat\n"
        "with heartbeat(Path(sys.argv[1]), 0.02, parent=int(sys.argv[2])):\n    print(os.getpid(), flush=True)\n"
        "    time.sleep(60)\n"
    )
    outer = (
        "import os, subprocess, sys, time\n"
        f"p = subprocess.Popen([sys.executable, '-c', {inner!r}, sys.argv[1], str(os.getpid())])\ntime.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", outer, str(tmp_path / "x")], stdout=subprocess.PIPE, text=True)
    pid = int(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    until = time.monotonic() + 10
    while files.process_lives(pid) and time.monotonic() < until:
        time.sleep(0.02)
    assert not files.process_lives(pid)
