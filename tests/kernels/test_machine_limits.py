"""What a Gram takes of the machine: memory beside its output, and a disk that is too small, measured on real ones."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from widthwise.errors import ResourceError
from widthwise.kernels import NTK

MEMORY = """
import numpy as np
from pathlib import Path
from widthwise.kernels import NTK

def status(key):
    return next(int(l.split()[1]) * 1024 for l in Path("/proc/self/status").read_text().splitlines() if l.startswith(key))

k, n = NTK(depth=3), 4000
X = np.random.default_rng(0).standard_normal((n, 50))
# Compilation and the threads' scratch are there before; X and its directions are inputs.
k(X[:1200], dtype="float32")
out = np.empty((n, n), np.float32)
Path("/proc/self/clear_refs").write_text("5")
before = status("VmRSS")
k.gram(X, out)
print(status("VmHWM") - before - out.nbytes)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's peak-memory counter")
def test_a_gram_into_an_array_takes_64_megabytes_beside_it():
    done = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True)
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
