"""The engine with real processes: what dies, freezes or comes twice costs nothing but its own time."""

from __future__ import annotations

import os
import signal
import time

import pytest

from widthwise.sweeps import files
from widthwise.sweeps.engine import Local
from widthwise.sweeps.store import Claim, Store

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")


def until(true, seconds=30.0):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)


def check_whole(lights, jobs, ran=None):
    """Every job has its result, nothing is left behind, and each ran as often as said."""
    store = Store(lights.store)
    for job in jobs:
        assert store.result(job["id"], arrays=True)["measures"] == {"square": job["content"]["settings"]["x"] ** 2}
    assert store.claims() == {}
    assert [p.name for p in lights.store.rglob("*.tmp")] == []
    runs = lights.ran()
    for job in jobs:
        assert runs.count(job["id"]) == (1 if ran is None else ran.get(job["id"], 1))


def test_jobs_are_done_once_and_the_same_command_does_nothing_more(lights):
    jobs = [lights.job(x, shape=str(x % 3), arrays=4) for x in range(12)]
    assert lights.run(jobs, workers=2) == (0, "")
    check_whole(lights, jobs)
    assert len(set(lights.processes())) == 2
    assert lights.run(jobs) == (0, "")
    check_whole(lights, jobs)


def test_what_a_library_prints_does_not_reach_the_receipts(lights):
    jobs = [lights.job(x, do="print") for x in range(3)]
    assert lights.run(jobs) == (0, "")
    check_whole(lights, jobs)


def test_a_job_that_always_kills_its_worker_is_given_up_and_the_rest_completes(lights):
    guilty = [lights.job(100, do="die"), lights.job(101, do="leave"), lights.job(102, do="raise")]
    innocent = [lights.job(x) for x in range(8)]
    assert lights.run([*innocent[:4], *guilty, *innocent[4:]], workers=2)[0] == 0
    check_whole(lights, innocent)
    failures = Store(lights.store).failures()
    assert [len(failures[job["id"]]) for job in guilty] == [3, 3, 3]
    reasons = [failures[job["id"]][-1]["reason"] for job in guilty]
    assert reasons[0] == "the worker process was ended by SIGKILL"
    assert reasons[1] == "the worker process left with exit code 3"
    assert reasons[2] == "ValueError: this job cannot be done"
    # Given up is given up, until somebody forgives.
    lights.run(guilty)
    assert lights.ran().count(guilty[0]["id"]) == 3
    Store(lights.store).forgive([guilty[2]["id"]])
    lights.run(guilty)
    assert lights.ran().count(guilty[2]["id"]) == 6


def test_a_job_that_fails_once_is_tried_again(lights):
    job = lights.job(5, do="once")
    assert lights.run([job]) == (0, "")
    check_whole(lights, [job], {job["id"]: 2})
    assert len(Store(lights.store).failures()[job["id"]]) == 1


def test_failures_count_on_over_drivers_whatever_their_numbers(lights):
    job = lights.job(9, do="raise")
    lights.run([])
    store = Store(lights.store)
    store.fail(Claim(job=job["id"], attempt=4), "abandoned attempts are no failures, but have their numbers")
    lights.run([job])
    assert [one["attempt"] for one in store.failures()[job["id"]]] == [4, 5, 6]
    assert lights.ran().count(job["id"]) == 2


def test_a_worker_killed_in_mid_job_costs_that_job_alone(lights):
    jobs = [lights.job(x, sleep=0.3 if x == 2 else 0) for x in range(6)]
    process = lights.start(jobs)
    until(lambda: jobs[2]["id"] in lights.ran())
    os.kill(lights.processes()[-1], signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode == 0
    check_whole(lights, jobs, {jobs[2]["id"]: 2})


def test_a_killed_driver_ends_its_workers_and_the_same_command_goes_on(lights):
    jobs = [lights.job(x, sleep=0.15) for x in range(8)]
    process = lights.start(jobs, workers=2, lease=1.0)
    until(lambda: len(Store(lights.store).committed()) >= 2 if (lights.store / "jobs").exists() else False)
    process.kill()
    process.communicate()
    workers = set(lights.processes())
    until(lambda: not any(files.process_lives(pid) for pid in workers))
    done = Store(lights.store).check()
    before = lights.ran()
    assert lights.run(jobs, workers=2) == (0, "")
    again = lights.ran()[len(before) :]
    assert not set(done) & set(again)
    assert sorted(again) == sorted({job["id"] for job in jobs} - set(done))
    assert sorted(Store(lights.store).check()) == sorted(job["id"] for job in jobs)
    assert Store(lights.store).claims() == {}


def test_two_drivers_on_one_store_do_every_job_once(lights):
    jobs = [lights.job(x, shape=str(x % 2), sleep=0.02) for x in range(30)]
    drivers = [lights.start(jobs, workers=1) for _ in range(2)]
    for driver in drivers:
        _, err = driver.communicate(timeout=60)
        assert (driver.returncode, err) == (0, "")
    check_whole(lights, jobs)
    assert len(set(lights.processes())) == 2


def test_a_worker_frozen_past_its_lease_and_woken_gives_one_result(lights):
    job = lights.job(7, sleep=0.5)
    first = lights.start([job], lease=0.6)
    until(lights.ran)
    frozen = lights.processes()[0]
    # Worker and driver stand still, as on a machine that was suspended; another driver takes over.
    os.kill(frozen, signal.SIGSTOP)
    os.kill(first.pid, signal.SIGSTOP)
    try:
        assert lights.run([job], lease=0.6) == (0, "")
        path = lights.store / "jobs" / f"{job['id']}.json"
        before = path.read_bytes(), path.stat().st_mtime_ns
    finally:
        os.kill(frozen, signal.SIGCONT)
        os.kill(first.pid, signal.SIGCONT)
    _, err = first.communicate(timeout=60)
    assert (first.returncode, err) == (0, "")
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert Store(lights.store).result(job["id"])["attempt"] == 2
    check_whole(lights, [job], {job["id"]: 2})


def test_a_driver_replaces_its_own_worker_that_stands_still(lights):
    jobs = [lights.job(7, sleep=0.3), lights.job(8)]
    process = lights.start(jobs, lease=0.5)
    until(lights.ran)
    os.kill(lights.processes()[0], signal.SIGSTOP)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    check_whole(lights, jobs, {jobs[0]["id"]: 2})


@pytest.mark.parametrize(("signals", "code"), [(1, -signal.SIGINT), (2, -signal.SIGINT)])
def test_an_interrupt_leaves_nothing_half_written_and_no_worker(lights, signals, code):
    jobs = [lights.job(x, sleep=0.1, arrays=1000) for x in range(50)]
    process = lights.start(jobs, workers=2)
    until(lambda: len(lights.ran()) >= 4)
    for _ in range(signals):
        process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode in (code, 1, 130)
    assert not any(files.process_lives(pid) for pid in lights.processes())
    store = Store(lights.store)
    assert store.check() == store.committed()
    assert len(store.committed()) < len(jobs)


def test_a_full_disk_stops_the_sweep_and_it_goes_on_when_there_is_room(lights, small_disk):
    lights.store = small_disk / "store"
    jobs = [lights.job(x, arrays=1000) for x in range(15)]
    filler = small_disk / "filler"
    filler.write_bytes(bytes(200_000))
    code, err = lights.run(jobs)
    assert code == 5
    assert "make room" in err
    assert str(small_disk) in err
    store = Store(lights.store)
    done = store.committed()
    assert 0 < len(done) < len(jobs)
    assert store.check() == done
    filler.unlink()
    assert lights.run(jobs) == (0, "")
    assert len(store.check()) == len(jobs)
    assert all(lights.ran().count(job) == 1 for job in done)


def test_damaged_results_run_again_and_no_others(lights):
    jobs = [lights.job(x, arrays=50) for x in range(6)]
    lights.run(jobs)
    for name, kind in ((jobs[1]["id"], "jobs/{}.json"), (jobs[3]["id"], "arrays/{}.npz")):
        path = lights.store / kind.format(name)
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    assert lights.run(jobs) == (0, "")
    check_whole(lights, jobs, {jobs[1]["id"]: 2, jobs[3]["id"]: 2})
    assert len(list((lights.store / "quarantine").iterdir())) == 4


def test_a_worker_that_cannot_start_is_told_with_its_last_words(lights, tmp_path):
    from widthwise.errors import WidthwiseError
    from widthwise.sweeps.engine import Job, run

    store = Store(tmp_path / "other", durable=False)
    store.create({})
    with pytest.raises(WidthwiseError, match=r"(?s)could not start.*No module named 'absent'"):
        run(store, [Job(id="a" * 32, content={})], Local(workers=1, runner="absent:run"))


def test_workers_have_cores_of_their_own():
    cores = Local(workers=2).cores()
    if hasattr(os, "sched_getaffinity") and len(os.sched_getaffinity(0)) >= 2:
        assert len(set(cores)) == 2
    assert Local(workers=3, pin=False).cores() == [None] * 3


@pytest.mark.slow
@pytest.mark.parametrize("durable", [True, False])
def test_a_driver_killed_at_any_moment_loses_nothing(lights, durable):
    """A kill after every few milliseconds of a whole sweep, again and again on one store."""
    jobs = [lights.job(x, arrays=10) for x in range(20)]
    kills, known, before = 0, [], []
    store = Store(lights.store)
    for wait in range(40):
        process = lights.start(jobs, workers=2, lease=1.0, durable=durable)
        time.sleep(0.05 + 0.03 * wait)
        process.kill()
        process.communicate()
        kills += process.returncode != 0
        if (lights.store / "jobs").exists():
            known = store.committed()
            before = lights.ran()
            assert store.check() == known
            time.sleep(0.3)  # workers of the dead driver end at their next beat
            known = store.committed()
            before = lights.ran()
    assert kills > 5
    assert lights.run(jobs, workers=2) == (0, "")
    assert not set(known) & set(lights.ran()[len(before) :])
    assert sorted(store.check()) == sorted(job["id"] for job in jobs)
    assert store.claims() == {}
