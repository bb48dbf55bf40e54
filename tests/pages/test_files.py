from __future__ import annotations

import ctypes
import os
import stat
from pathlib import Path

import pytest

from widthwise.errors import ResourceError
from widthwise.pages.files import write_atomically


def test_text_and_bytes(tmp_path):
    write_atomically(tmp_path / "a.html", "é\n")
    assert (tmp_path / "a.html").read_bytes() == b"\xc3\xa9\n"
    write_atomically(str(tmp_path / "a.html"), b"\r\n\xff")
    assert (tmp_path / "a.html").read_bytes() == b"\r\n\xff"
    assert [p.name for p in tmp_path.iterdir()] == ["a.html"]


def test_permissions_and_links_stay(tmp_path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "real").chmod(0o640)
    (tmp_path / "link").symlink_to("real")
    write_atomically(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"
    assert stat.S_IMODE((tmp_path / "real").stat().st_mode) == 0o640


@pytest.mark.parametrize("error", [OSError(5, "broken"), KeyboardInterrupt()])
@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, error, step):
    (tmp_path / "a").write_text("old")

    def fail(*arguments):
        raise error

    monkeypatch.setattr(*((os, "fsync") if step == "fsync" else (Path, "replace")), fail)
    with pytest.raises(type(error)):
        write_atomically(tmp_path / "a", "new")
    assert (tmp_path / "a").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_missing_folder_is_the_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "no" / "a", "new")


def test_a_full_disk(tmp_path):
    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "mount"):
        pytest.skip("no mount(2) on this system")
    disk = tmp_path / "disk"
    disk.mkdir()
    if library.mount(b"none", os.fsencode(disk), b"tmpfs", 0, b"size=64k") != 0:
        pytest.skip(f"cannot mount a small disk: {os.strerror(ctypes.get_errno())}")
    try:
        write_atomically(disk / "a", "old")
        with pytest.raises(ResourceError, match=r"a needs 1,000,000 bytes.*make room") as caught:
            write_atomically(disk / "a", "n" * 1_000_000)
        assert str(disk) in str(caught.value)
        assert (disk / "a").read_text() == "old"
        assert [p.name for p in disk.iterdir()] == ["a"]
    finally:
        library.umount2(os.fsencode(disk), 2)
