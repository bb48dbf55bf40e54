"""Files of a store: what is damaged is seen, what exists is not replaced, and the disk's faults are told with the path."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from widthwise.errors import ResourceError, StoreError
from widthwise.sweeps import files


def names(folder):
    return [path.name for path in folder.iterdir()]


BODY = {"a": [1, 2.5, None], "b": "text"}


def test_a_sealed_body_comes_back(tmp_path):
    assert files.unseal(files.seal("widthwise/job/1", BODY), "widthwise/job/1", tmp_path) == BODY


def test_every_flipped_bit_and_every_cut_is_seen(tmp_path):
    data = files.seal("widthwise/job/1", BODY)
    for place in range(len(data)):
        for bit in (0, 3, 7):
            broken = data[:place] + bytes([data[place] ^ (1 << bit)]) + data[place + 1 :]
            # A flip in the number of the layout may make it look newer, which is refused as well.
            with pytest.raises((files.DamagedError, StoreError)):
                files.unseal(broken, "widthwise/job/1", tmp_path)
        with pytest.raises(files.DamagedError):
            files.unseal(data[:place], "widthwise/job/1", tmp_path)


def test_a_newer_layout_is_refused_and_another_kind_is_damage(tmp_path):
    with pytest.raises(StoreError, match="newer version"):
        files.unseal(files.seal("widthwise/job/2", BODY), "widthwise/job/1", tmp_path)
    with pytest.raises(files.DamagedError):
        files.unseal(files.seal("widthwise/claim/1", BODY), "widthwise/job/1", tmp_path)


def test_what_exists_is_not_created_again_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "file"
    assert files.create(path, b"one")
    assert not files.create(path, b"two")
    assert path.read_bytes() == b"one"
    files.replace(path, b"three")
    assert path.read_bytes() == b"three"
    assert names(tmp_path) == ["file"]


def test_temporary_files_of_dead_writers_go_and_those_of_live_ones_stay(tmp_path):
    dead = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True
    )
    gone = tmp_path / f".{files.machine()}-{int(dead.stdout)}-ab.tmp"
    live = tmp_path / f".{files.machine()}-{os.getpid()}-ab.tmp"
    foreign = tmp_path / f".00000000-{int(dead.stdout)}-ab.tmp"
    for path in (gone, live, foreign):
        path.touch()
    files.sweep_temporaries(tmp_path)
    assert not gone.exists()
    assert live.exists()
    assert foreign.exists()


LIMITED = """
import os, resource, sys
from pathlib import Path
from widthwise.errors import WidthwiseError
from widthwise.sweeps import files
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
path = Path(sys.argv[2])
files.create(path, b"old")
if sys.argv[1] == "EFBIG":
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
else:
    resource.setrlimit(resource.RLIMIT_NOFILE, (os.open("/", 0), resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
try:
    files.replace(path, b"n" * 5000)
except WidthwiseError as failure:
    print(failure.exit_code, failure)
"""


@pytest.mark.parametrize(("limit", "code"), [("EFBIG", 5), ("EMFILE", 6)])
def test_a_real_limit_is_told_with_the_path_and_the_old_file_stays(tmp_path, limit, code):
    pytest.importorskip("resource")
    path = tmp_path / "file"
    done = subprocess.run([sys.executable, "-c", LIMITED, limit, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"{code} {path}")
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_a_full_disk_is_told_and_the_old_file_stays(small_disk):
    path = small_disk / "file"
    files.create(path, b"old")
    with pytest.raises(ResourceError, match=str(path)):
        files.replace(path, bytes(1_000_000))
    assert path.read_bytes() == b"old"
    assert names(small_disk) == ["file"]


def test_a_disk_that_is_read_only_is_told_with_the_path(small_disk):
    path = small_disk / "file"
    files.create(path, b"old")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(StoreError, match=f"{path}.*Read-only"):
        files.replace(path, b"new")
    assert path.read_bytes() == b"old"
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)


def test_a_folder_that_may_not_be_written_is_told_with_the_path():
    if os.geteuid() != 0:
        pytest.skip("only root can give its rights away")
    program = (
        "import os, sys\nfrom pathlib import Path\nfrom widthwise.sweeps import files\n"
        "from widthwise.errors import StoreError\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "try:\n    files.create(Path(sys.argv[1]), b'x')\nexcept StoreError as failure:\n    print(failure)\n"
    )
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        path = f"{place}/file"
        done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=True)
    assert path in done.stdout
    assert "Permission denied" in done.stdout
