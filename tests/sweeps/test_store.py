"""The store: what was committed is there, what is damaged is found and set aside, and what is not ours is left alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from widthwise.errors import StoreError
from widthwise.sweeps import files
from widthwise.sweeps.store import Claim, Store

JOB = "0123456789abcdef" * 2
RESULT = {"settings": {"x": 3}, "measures": {"v": 1.5, "w": None}, "seconds": 0.1}


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "store", durable=False)
    made.create({"sweep": "one", "list": [1, 2]})
    return made


def commit(store, job=JOB, arrays=None):
    claim = store.claim(job, 1)
    assert store.commit(claim, RESULT, {"v": np.arange(9.0)} if arrays is None else arrays)


def snapshot(folder: Path) -> dict:
    return {p.relative_to(folder): (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.rglob("*") if p.is_file()}


def test_a_result_and_its_arrays_come_back(store):
    commit(store)
    found = store.result(JOB, arrays=True)
    assert {key: found[key] for key in RESULT} == RESULT
    np.testing.assert_array_equal(store.arrays(JOB)["v"], np.arange(9.0))
    assert store.committed() == [JOB]


def test_the_same_sweep_opens_again_and_another_is_refused(store):
    before = snapshot(store.folder)
    store.create({"list": [1, 2], "sweep": "one"})
    with pytest.raises(StoreError, match=r"another sweep \(list is \[1, 2\] there and \[1, 3\] here\)"):
        store.create({"sweep": "one", "list": [1, 3]})
    assert snapshot(store.folder) == before


def test_a_store_of_a_newer_version_is_left_untouched(store):
    commit(store)
    path = store.folder / "spec.json"
    path.write_bytes(path.read_bytes().replace(b"widthwise/sweep/1", b"widthwise/sweep/2"))
    before = snapshot(store.folder)
    for touch in (lambda: store.create({"sweep": "one"}), store.read_spec):
        with pytest.raises(StoreError, match="newer version"):
            touch()
    assert snapshot(store.folder) == before


def test_a_result_of_a_newer_version_is_left_untouched(store):
    commit(store)
    path = store.folder / "jobs" / f"{JOB}.json"
    path.write_bytes(path.read_bytes().replace(b"widthwise/job/1", b"widthwise/job/7"))
    with pytest.raises(StoreError, match="newer version"):
        store.check()
    assert path.exists()


def test_a_folder_with_other_things_is_no_store_and_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("dear")
    with pytest.raises(StoreError, match=r"thesis\.tex"):
        Store(tmp_path).create({"sweep": "one"})
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(StoreError, match=r"no spec\.json"):
        Store(tmp_path).read_spec()


@pytest.mark.parametrize("kind", ["jobs", "arrays", "failures"])
@pytest.mark.parametrize("damage", ["flip", "cut", "empty"])
def test_a_damaged_file_is_set_aside_and_counts_no_more(store, kind, damage):
    commit(store)
    other = "f" * 32
    commit(store, other)
    store.fail(Claim(job=JOB, attempt=1), "because")
    name = {"jobs": f"{JOB}.json", "arrays": f"{JOB}.npz", "failures": f"{JOB}.1"}[kind]
    path = store.folder / kind / name
    data = path.read_bytes()
    middle = len(data) // 2
    flipped = data[:middle] + bytes([data[middle] ^ 4]) + data[middle + 1 :]
    path.write_bytes({"flip": flipped, "cut": data[:middle], "empty": b""}[damage])
    assert store.check() == ([JOB, other] if kind == "failures" else [other])
    assert store.failures() == ({} if kind == "failures" else {JOB: [{"id": JOB, "attempt": 1, "reason": "because"}]})
    assert not path.exists()
    aside = [path.name for path in (store.folder / "quarantine").iterdir()]
    assert f"{name}.0" in aside
    assert store.result(other, arrays=True) is not None


def test_a_damaged_spec_is_told_and_written_anew_with_the_results_kept(store):
    commit(store)
    path = store.folder / "spec.json"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(StoreError, match="run the sweep again with its spec"):
        store.read_spec()
    store.create({"sweep": "one", "list": [1, 2]})
    assert store.read_spec() == {"sweep": "one", "list": [1, 2]}
    assert store.check() == [JOB]


def test_a_result_under_another_name_is_damage(store):
    commit(store)
    (store.folder / "jobs" / f"{JOB}.json").rename(store.folder / "jobs" / f"{'e' * 32}.json")
    assert store.result("e" * 32) is None


def test_failed_attempts_are_kept_in_order_and_forgiven(store):
    for attempt in (10, 2, 1):
        store.fail(Claim(job=JOB, attempt=attempt), f"reason {attempt}")
    assert [one["attempt"] for one in store.failures()[JOB]] == [1, 2, 10]
    store.forgive([JOB])
    assert store.failures() == {}


def test_equal_arrays_make_equal_files(tmp_path):
    for name in ("a", "b"):
        store = Store(tmp_path / name, durable=False)
        store.create({})
        commit(store)
    one, two = (tmp_path / name / "arrays" / f"{JOB}.npz" for name in ("a", "b"))
    assert one.read_bytes() == two.read_bytes()


def test_arrays_of_a_job_without_a_result_are_told(store):
    with pytest.raises(StoreError, match="no result"):
        store.arrays(JOB)


def test_the_store_needs_no_library(tmp_path):
    code = "import sys, widthwise.sweeps.worker, widthwise.sweeps.engine\n"
    code += "print([m for m in ('jax', 'numpy', 'pydantic') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the faults are tried in forked processes")
def test_every_operation_may_be_killed_or_fail():
    script = Path(__file__).with_name("store_faults.py")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "| killed before it |" in done.stdout


def test_machine_and_process_are_told_apart():
    assert len(files.machine()) == 8
    assert files.process_start(os.getpid()) == files.process_start(os.getpid())
