"""Grams by tiles: one matrix to the bit wherever it goes, through kills, damage and full disks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from widthwise.errors import DataError, ResourceError, StoreError
from widthwise.kernels import NTK
from widthwise.kernels.lock import locked
from widthwise.kernels.tile_folder import TileFolder
from widthwise.kernels.tiles import Evaluator

EPS = np.finfo(np.float64).eps
N, SIZE = 37, 10
KERNEL = NTK(depth=2)


def rows(n, d=20, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d))


@pytest.fixture
def counted(monkeypatch):
    """Number of tiles that are computed."""
    calls, original = [], Evaluator.__call__
    monkeypatch.setattr(Evaluator, "__call__", lambda self, x, z: (calls.append(1), original(self, x, z))[1])
    return calls


def as_array(found):
    return found.to_array() if isinstance(found, TileFolder) else np.asarray(found)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("other", [None, rows(23, seed=1)], ids=["square", "rectangular"])
@pytest.mark.parametrize("tile", [SIZE, None])
def test_the_matrix_is_the_same_to_the_bit_wherever_it_goes(tmp_path, dtype, other, tile):
    X = rows(N)
    shape = (N, N if other is None else len(other))
    reference = KERNEL.gram(X, Z=other, dtype=dtype, tile=tile)
    for out in (np.empty(shape, dtype), tmp_path / "gram.npy", tmp_path / "gram"):
        found = as_array(KERNEL.gram(X, out=out, Z=other, dtype=dtype, tile=tile))
        assert found.dtype == np.dtype(dtype)
        assert np.array_equal(found, reference)
    if tile is None:
        assert np.array_equal(reference, KERNEL(X, other, dtype=dtype))
    if other is None:
        assert np.array_equal(reference, reference.T)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gram", "gram.npy"]


CHILD = """
import sys, time, numpy as np
from widthwise.kernels import NTK
from widthwise.kernels.tiles import Evaluator
original = Evaluator.__call__
def slow(self, x, z):
    time.sleep(0.3)
    return original(self, x, z)
Evaluator.__call__ = slow
NTK(depth=2).gram(np.load(sys.argv[1]), out=sys.argv[2], tile=10)
"""


@pytest.mark.parametrize("name", ["gram.npy", "gram"])
def test_a_killed_run_continues_and_ends_with_the_bytes_of_an_uninterrupted_one(tmp_path, name, counted):
    X, out = rows(N), tmp_path / name
    np.save(tmp_path / "X.npy", X)
    journal = tmp_path / "gram.npy.tiles" if name.endswith(".npy") else out / "tiles.txt"
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path / "X.npy"), str(out)])
    deadline = time.monotonic() + 60
    while not (journal.exists() and journal.read_text().count("\n") > 3) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    told = journal.read_text().count("\n") - 1
    assert 3 <= told < 10
    found = as_array(KERNEL.gram(X, out=out, tile=SIZE))
    assert len(counted) == 10 - told
    whole = KERNEL.gram(X, out=tmp_path / f"whole-{name}", tile=SIZE)
    assert np.array_equal(found, as_array(whole))
    if name.endswith(".npy"):
        assert out.read_bytes() == (tmp_path / f"whole-{name}").read_bytes()


def interrupted(monkeypatch, X, out, after=5):
    original, calls = Evaluator.__call__, []

    def failing(self, x, z):
        calls.append(1)
        if len(calls) > after:
            raise KeyboardInterrupt
        return original(self, x, z)

    with monkeypatch.context() as patch:
        patch.setattr(Evaluator, "__call__", failing)
        with pytest.raises(KeyboardInterrupt):
            KERNEL.gram(X, out=out, tile=SIZE)


def test_flipped_bytes_and_a_journal_cut_short_are_found_and_computed_again(tmp_path, monkeypatch):
    X, out = rows(N), tmp_path / "gram.npy"
    interrupted(monkeypatch, X, out)
    part, journal = tmp_path / "gram.npy.part", tmp_path / "gram.npy.tiles"
    data = bytearray(part.read_bytes())
    data[140] ^= 255
    part.write_bytes(data)
    journal.write_bytes(journal.read_bytes()[:-3])
    assert np.array_equal(KERNEL.gram(X, out=out, tile=SIZE), KERNEL.gram(X, tile=SIZE))


def test_a_damaged_tile_of_a_folder_is_refused_and_repaired(tmp_path, counted):
    X, out = rows(N), tmp_path / "gram"
    folder = KERNEL.gram(X, out=out, tile=SIZE)
    file = sorted(out.glob("*.npy"))[2]
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(DataError, match="missing or damaged"):
        folder.to_array()
    counted.clear()
    again = KERNEL.gram(X, out=out, tile=SIZE)
    assert len(counted) == 1
    assert np.array_equal(again.to_array(), KERNEL.gram(X, tile=SIZE))


@pytest.mark.parametrize("name", ["gram.npy", "gram"])
def test_the_unfinished_matrix_of_another_kernel_is_refused_and_left_alone(tmp_path, monkeypatch, name):
    X, out = rows(N), tmp_path / name
    interrupted(monkeypatch, X, out)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    with pytest.raises(DataError, match="belongs to another matrix"):
        NTK(depth=3).gram(X, out=out, tile=SIZE)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize("name", ["gram.npy", "gram"])
def test_a_full_disk_is_refused_before_anything_is_computed(tmp_path, monkeypatch, counted, name):
    import shutil
    from types import SimpleNamespace

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=10_000_000))
        for _ in range(2):
            with pytest.raises(ResourceError, match="on disk"):
                KERNEL.gram(rows(N), out=tmp_path / name, tile=SIZE)
    assert not counted
    assert as_array(KERNEL.gram(rows(N), out=tmp_path / name, tile=SIZE)).shape == (N, N)


@pytest.mark.parametrize("name", ["gram.npy", "gram"])
def test_a_second_run_on_the_same_path_is_refused_until_the_first_is_over_or_killed(tmp_path, name):
    X, out = rows(N), tmp_path / name
    np.save(tmp_path / "X.npy", X)
    journal = tmp_path / "gram.npy.tiles" if name.endswith(".npy") else out / "tiles.txt"
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path / "X.npy"), str(out)])
    deadline = time.monotonic() + 60
    while not (journal.exists() and "\n" in journal.read_text()) and time.monotonic() < deadline:
        time.sleep(0.02)
    with pytest.raises(StoreError, match="one run at a time") as refused:
        KERNEL.gram(X, out=out, tile=SIZE)
    assert refused.value.exit_code == 6
    child.kill()
    child.wait()
    assert np.array_equal(as_array(KERNEL.gram(X, out=out, tile=SIZE)), KERNEL.gram(X, tile=SIZE))
    assert not list(tmp_path.rglob("*.lock"))


def test_a_lock_is_held_against_threads_of_the_same_process_and_given_back_after_failures(tmp_path):
    path = tmp_path / "lock"
    with locked(path, tmp_path), pytest.raises(StoreError), locked(path, tmp_path):
        pass
    with pytest.raises(KeyboardInterrupt), locked(path, tmp_path):
        raise KeyboardInterrupt
    with locked(path, tmp_path):
        assert path.exists()
    assert not path.exists()
    with pytest.raises(StoreError, match="must be made"), locked(tmp_path / "nowhere" / "lock", tmp_path):
        pass


def test_products_are_those_of_the_matrix_and_the_same_bits_again(tmp_path):
    X, Z = rows(600), rows(40, seed=1)
    for other, count in ((None, 600), (Z, 40)):
        V = rows(count, 3, seed=2)
        K = KERNEL(X, other)
        product = KERNEL.matmul(X, V, other)
        # Sums of `count` products, in another order.
        bound = count * EPS * np.abs(K) @ np.abs(V)
        assert np.all(np.abs(product - K @ V) <= bound)
        assert np.array_equal(product, KERNEL.matmul(X, V, other))
        folder = KERNEL.gram(X, out=tmp_path / str(count), Z=other)
        assert np.all(np.abs(folder.matmul(V) - K @ V) <= bound)
    with pytest.raises(DataError, match="V must be finite"):
        KERNEL.matmul(X, np.full(600, np.nan))


def test_an_array_that_does_not_fit_is_refused():
    for out in (np.empty((3, 3)), np.empty((N, N), np.float16)):
        with pytest.raises(DataError, match="out must be"):
            KERNEL.gram(rows(N), out=out)
    locked = np.empty((N, N))
    locked.flags.writeable = False
    with pytest.raises(DataError, match="can be written"):
        KERNEL.gram(rows(N), out=locked)
