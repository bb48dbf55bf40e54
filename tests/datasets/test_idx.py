"""The idx format: every byte is accounted for, images find their labels."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from widthwise.datasets import load
from widthwise.datasets.idx import parse_idx
from widthwise.errors import DataError

CODES = {"uint8": 8, "int8": 9, "int16": 11, "int32": 12, "float32": 13, "float64": 14}


def idx(array):
    head = bytes((0, 0, CODES[array.dtype.name], array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


@settings(deadline=None)  # the shape checker compiles on first use
@given(st.sampled_from(sorted(CODES)).flatmap(lambda t: hnp.arrays(t, hnp.array_shapes(max_dims=4, max_side=4))))
def test_every_type_reads_back(array):
    got = parse_idx(idx(array), where="x")
    assert got.dtype == array.dtype
    np.testing.assert_array_equal(got, array)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\0\0\x07\x01\0\0\0\0", "magic number; it begins with 00 00 07 01"),
        (b"\0\0\x08", "magic number"),
        (b"\0\0\x08\x03\0\0\0\x02", "cut short within its header"),
        (idx(np.zeros((2, 3, 3), np.uint8))[:-1], "says 2 x 3 x 3, 18 bytes, but 17 follow"),
        (idx(np.zeros((2, 3, 3), np.uint8)) + b"\0", "18 bytes, but 19 follow"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "bytes, but 0 follow"),
    ],
)
def test_damage_is_told(data, message):
    with pytest.raises(DataError, match=message):
        parse_idx(data, where="x")


IMAGES = np.random.default_rng(0).integers(0, 255, (6, 4, 5), dtype=np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, 2], dtype=np.uint8)


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
        ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
        ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte"),
        ("train-images.idx3-ubyte", "train-labels.idx1-ubyte.gz"),
    ],
)
def test_images_find_their_labels(tmp_path, images, labels):
    for name, array in ((images, IMAGES), (labels, LABELS)):
        data = idx(array)
        (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    ds = load(tmp_path / images, task="classification")
    np.testing.assert_array_equal(ds.X, IMAGES.reshape(6, 20))
    assert (ds.kind, ds.image_shape, ds.classes) == ("image", (4, 5), ("0", "1", "2"))
    np.testing.assert_array_equal(ds.y, LABELS)


def test_images_without_fitting_labels_are_refused(tmp_path):
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(idx(IMAGES))
    with pytest.raises(DataError, match=r"images without labels: .*'train-labels-idx1-ubyte'"):
        load(path)
    beside = tmp_path / "train-labels-idx1-ubyte"
    beside.write_bytes(idx(LABELS[:5]))
    with pytest.raises(DataError, match=r"holds 6, .* shape \(5,\)"):
        load(path)
    with pytest.raises(DataError, match="named by its images file"):
        load(beside)
