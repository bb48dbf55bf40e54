"""What is no regular data file is refused before it is read; the rest is known by content."""

from __future__ import annotations

import gzip
import os
import pickle
import socket
import threading
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from widthwise.datasets import load
from widthwise.datasets.files import read_content, unpack_gzip
from widthwise.errors import DataError, ResourceError

TABLE = b"a,b,label\n1,2,x\n3,4,y\n5,7,x\n"


def test_a_missing_path_is_named_in_full(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="no such file") as caught:
        load("folder/data.csv", target="label")
    assert str(tmp_path / "folder/data.csv") in str(caught.value)


def test_a_directory_is_refused(tmp_path):
    with pytest.raises(DataError, match="is a directory"):
        load(tmp_path, target="label")


@pytest.mark.parametrize("data", [b"", gzip.compress(b"")], ids=["nothing", "nothing, packed"])
def test_an_empty_file_is_refused(tmp_path, data):
    path = tmp_path / "data.csv"
    path.write_bytes(data)
    with pytest.raises(DataError, match="must hold data"):
        load(path, target="label")


@pytest.mark.skipif(os.name != "posix", reason="pipes, sockets and devices of POSIX")
def test_pipes_devices_and_sockets_are_refused_without_waiting(tmp_path, monkeypatch):
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    with pytest.raises(DataError, match="pipe"):
        load(pipe, target="label")
    with pytest.raises(DataError, match="device"):
        load("/dev/zero", target="label")
    with socket.socket(socket.AF_UNIX) as server:
        monkeypatch.chdir(tmp_path)  # names of sockets are short
        server.bind("s.csv")
        with pytest.raises(DataError, match="socket"):
            load("s.csv", target="label")


@pytest.mark.skipif(os.name != "posix", reason="symbolic links of POSIX")
def test_a_circle_of_links_is_told(tmp_path):
    (tmp_path / "a.csv").symlink_to(tmp_path / "b.csv")
    (tmp_path / "b.csv").symlink_to(tmp_path / "a.csv")
    with pytest.raises(DataError, match="leads back to itself"):
        load(tmp_path / "a.csv", target="label")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_permission_is_told(tmp_path):
    path = tmp_path / "data.csv"
    path.write_bytes(TABLE)
    path.chmod(0)
    with pytest.raises(DataError, match="may not be read"):
        load(path, target="label")


@pytest.mark.parametrize("name", ["a\0b.csv", "x" * 5000 + ".csv"])
def test_impossible_names_are_told(name):
    with pytest.raises(DataError):
        load(name, target="label")


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path):
    path = tmp_path / "data.csv"
    path.write_bytes(b"1,2,3\n" * 500_000)
    stop = threading.Event()

    def grow() -> None:
        with path.open("ab", buffering=0) as file:
            while not stop.is_set():
                file.write(b"4,5,6\n")

    def read_for_seconds(seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            read_content(path)

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        with pytest.raises(DataError, match="changed while it was read"):
            read_for_seconds(10)
    finally:
        stop.set()
        writer.join()


@pytest.mark.parametrize("name", ["data.npz", "data.bin", "data"])
def test_content_decides_and_not_the_extension(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(TABLE)
    assert load(path, target="label").classes == ("x", "y")
    path.write_bytes(gzip.compress(TABLE))
    ds = load(path, target="label")
    assert ds.feature_names == ("a", "b")
    assert any("gzip" in note for note in ds.notes)


def test_npz_under_another_name_is_read(tmp_path):
    np.savez(tmp_path / "data.npz", X=np.eye(4), y=[0, 1, 0, 1])
    (tmp_path / "data.npz").rename(tmp_path / "data.csv")
    assert load(tmp_path / "data.csv").d == 4


class Bomb:
    """Would create a file if it were unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize(
    ("name", "protocol"), [*(("model.pkl", p) for p in range(6)), *(("data.csv", p) for p in range(2, 6))]
)
def test_pickles_are_never_opened(tmp_path, name, protocol):
    proof = tmp_path / "proof"
    path = tmp_path / name
    path.write_bytes(pickle.dumps(Bomb(proof), protocol=protocol))
    with pytest.raises(DataError, match=r"never opened.*numpy\.savez"):
        load(path)
    assert not proof.exists()


@pytest.mark.parametrize("member", ["archive/data.pkl", "xl/workbook.xml", "readme.txt"])
def test_other_zip_files_are_refused_with_the_remedy(tmp_path, member):
    path = tmp_path / "data.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, b"x")
    with pytest.raises(DataError, match=r"Excel.*to_csv|pickled.*savez|without arrays"):
        load(path)


@pytest.mark.parametrize("magic", [b"\x89HDF\r\n", b"SQLite format 3\0", b"\x89PNG\r\n", b"\xd0\xcf\x11\xe0"])
def test_formats_that_are_not_read_are_called_by_name(tmp_path, magic):
    path = tmp_path / "data.csv"
    path.write_bytes(magic + b"x" * 100)
    with pytest.raises(DataError, match="does not read"):
        load(path)


@pytest.mark.parametrize("cut", [5, 12, 20, -1])
def test_a_gzip_file_cut_short_is_refused(tmp_path, cut):
    path = tmp_path / "data.csv.gz"
    path.write_bytes(gzip.compress(TABLE * 10)[:cut])
    with pytest.raises(DataError, match="cut short"):
        load(path, target="label")


def test_a_flipped_bit_in_gzip_is_found():
    data = bytearray(gzip.compress(os.urandom(2000)))
    data[1000] ^= 16
    with pytest.raises(DataError, match="damaged"):
        unpack_gzip(bytes(data), where="data.gz")


def test_gzip_members_are_joined():
    assert unpack_gzip(gzip.compress(b"ab") + gzip.compress(b"cd"), where="x") == b"abcd"


def test_a_gzip_bomb_stops_at_the_limit():
    with pytest.raises(ResourceError, match="limit of 1000 bytes"):
        unpack_gzip(gzip.compress(bytes(10**7)), where="bomb.gz", max_bytes=1000)
    assert len(unpack_gzip(gzip.compress(bytes(1000)), where="x", max_bytes=1000)) == 1000


def test_a_file_above_the_limit_is_not_read(tmp_path):
    path = tmp_path / "data.csv"
    with path.open("wb") as file:
        file.truncate(2000)
    with pytest.raises(ResourceError, match="2000 bytes"):
        read_content(path, max_bytes=1999)
