"""CIFAR-10 from its two layouts on disk: the binary batches, and an archive of some classes."""

from __future__ import annotations

import numpy as np
import pytest

import widthwise as ww
from widthwise.errors import DataError

ROWS = 10_000


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("WIDTHWISE_DATA", str(tmp_path))
    place = tmp_path / "cifar10"
    place.mkdir()
    return place


def test_planes_of_the_binary_layout_become_pixels_of_three_colours(folder):
    labels = (np.arange(ROWS) % 10).astype(np.uint8)
    planes = np.zeros((ROWS, 3, 32, 32), dtype=np.uint8)
    planes[:, 1, 2, 3] = labels  # green, third row, fourth column
    whole = np.concatenate([labels[:, None], planes.reshape(ROWS, -1)], axis=1)
    (folder / "test_batch.bin").write_bytes(whole.tobytes())
    ds = ww.load("cifar10:dog,cat", split="test")
    assert (ds.classes, ds.n, ds.image_shape) == (("dog", "cat"), 2000, (32, 32, 3))
    assert np.array_equal(ds.X.reshape(-1, 32, 32, 3)[:, 2, 3, 1], np.where(ds.y == 0, 5, 3))
    assert np.array_equal(ds.rows[:4], [3, 5, 13, 15])


def test_an_archive_of_some_classes_serves_those(folder):
    x = np.arange(4 * 3072).reshape(4, 32, 32, 3).astype(np.uint8)
    np.savez(folder / "cifar10_some.npz", x_train=x, y_train=[0, 1, 1, 0], index_train=[4, 7, 9, 20])
    ds = ww.load("cifar10:airplane,automobile")
    assert ds.y.tolist() == [0, 1, 1, 0]
    assert ds.rows.tolist() == [4, 7, 9, 20]
    assert np.array_equal(ds.X, x.reshape(4, -1))


def test_a_batch_that_is_cut_short_is_refused(folder):
    (folder / "test_batch.bin").write_bytes(b"\0" * 3073)
    with pytest.raises(DataError, match="must have 30730000 bytes"):
        ww.load("cifar10", split="test")
