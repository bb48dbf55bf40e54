"""What a Gram takes of the machine: memory beside its output, and a disk too small or filling up, measured on real ones."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from widthwise.errors import ResourceError
from widthwise.kernels import NTK
from widthwise.kernels.tiles import Evaluator

MEMORY = """
import sys, numpy as np
from pathlib import Path
from widthwise.kernels import NTK

def status(key):
    return next(int(l.split()[1]) * 1024 for l in Path("/proc/self/status").read_text().splitlines() if l.startswith(key))

dtype, d, bias = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
k, n = NTK(depth=3, bias_variance=bias), 4000
X = np.random.default_rng(0).standard_normal((n, d))
# Compilation and the threads' scratch are there before; X and its directions are inputs.
k(X[:1200], dtype=dtype)
out = np.empty((n, n), dtype)
Path("/proc/self/clear_refs").write_text("5")
before = status("VmRSS")
k.gram(X, out)
print(status("VmHWM") - before - out.nbytes)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's peak-memory counter")
@pytest.mark.parametrize(
    ("dtype", "d", "bias"), [("float32", 50, 0), ("float32", 784, 0), ("float64", 50, 0), ("float64", 8, 0.1)]
)
def test_a_gram_into_an_array_takes_64_megabytes_beside_it(dtype, d, bias):
    arguments = [dtype, str(d), str(bias)]
    done = subprocess.run([sys.executable, "-c", MEMORY, *arguments], capture_output=True, text=True, check=True)
    assert int(done.stdout) <= 64e6


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 70 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=70m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a small disk")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("name", ["gram.npy", "tiles"])
def test_a_disk_that_is_too_small_is_refused_before_work_and_serves_once_there_is_room(small_disk, name):
    X = np.random.default_rng(0).standard_normal((700, 20))
    filler = small_disk / "filler"
    filler.write_bytes(bytes(20_000_000))
    with pytest.raises(ResourceError, match="on disk"):
        NTK().gram(X, small_disk / name)
    assert sum(f.stat().st_size for f in small_disk.rglob("*") if f.is_file() and f != filler) < 10_000
    filler.unlink()
    found = NTK().gram(X, small_disk / name)
    matrix = found if isinstance(found, np.ndarray) else found.to_array()
    np.testing.assert_array_equal(matrix, NTK()(X))
    del found, matrix


@pytest.mark.parametrize("name", ["gram.npy", "tiles"])
def test_a_disk_that_fills_up_during_a_run_loses_nothing_that_was_written(small_disk, tmp_path, monkeypatch, name):
    """465 tiles: a journal of more than two pages, so that it meets the full disk even where the matrix has its blocks."""
    X = np.random.default_rng(0).standard_normal((300, 20))
    whole = NTK().gram(X, tmp_path / name, tile=10)
    filler, original, calls = small_disk / "filler", Evaluator.__call__, []
    turn = threading.Lock()

    def filling(self, x, z):
        # The other worker waits: it could finish all tiles while this one fills the disk.
        with turn:
            calls.append(1)
            if len(calls) == 50:
                with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
                    while file.write(bytes(1 << 16)):
                        pass
                with filler.open("ab", buffering=0) as file, contextlib.suppress(OSError):
                    while file.write(bytes(1)):
                        pass
        return original(self, x, z)

    with monkeypatch.context() as patch:
        patch.setattr(Evaluator, "__call__", filling)
        with pytest.raises(ResourceError, match=r"full|No space left"):
            NTK().gram(X, small_disk / name, tile=10)
    failed = len(calls)
    assert 50 <= failed < 465
    filler.unlink()
    monkeypatch.setattr(Evaluator, "__call__", lambda self, x, z: (calls.append(1), original(self, x, z))[1])
    found = NTK().gram(X, small_disk / name, tile=10)
    # All but the tiles in the threads' hands had been told.
    assert len(calls) - failed <= 465 - failed + 2
    if name == "tiles":
        np.testing.assert_array_equal(found.to_array(), whole.to_array())
        assert sorted(p.name for p in found.path.iterdir()) == sorted(p.name for p in whole.path.iterdir())
    else:
        assert (small_disk / name).read_bytes() == (tmp_path / name).read_bytes()
        assert sorted(p.name for p in small_disk.iterdir()) == [name]
    del found, whole
