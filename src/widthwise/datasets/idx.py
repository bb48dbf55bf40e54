"""The idx format of MNIST: a big-endian header, then the numbers of one array, row by row."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np

from widthwise.datasets.files import read_content
from widthwise.datasets.names import quoted
from widthwise.errors import DataError

_TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


def parse_idx(data: bytes, *, where: str) -> np.ndarray:
    """Read one array of unpacked idx bytes.

    The header is two zero bytes, a type, the number of dimensions, and each dimension as 32 bits.

    Args:
        data: the bytes.
        where: the file's name, for messages.

    Raises:
        DataError: if the magic number is wrong or the dimensions do not account for every byte.
    """
    shown = quoted(where, limit=200)
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in _TYPES or data[3] == 0:
        raise DataError(f"{shown} must begin with an idx magic number; it begins with {data[:4].hex(' ')}")
    start = 4 + 4 * data[3]
    if len(data) < start:
        raise DataError(f"idx file {shown} is cut short within its header of {start} bytes; fetch it again")
    shape = struct.unpack(f">{data[3]}I", data[4:start])
    dtype = np.dtype(_TYPES[data[2]])
    promised = math.prod(shape) * dtype.itemsize
    if promised != len(data) - start:
        raise DataError(
            f"idx file {shown}: the header says {' x '.join(map(str, shape))}, {promised} bytes, but "
            f"{len(data) - start} follow; the file is damaged, fetch it again"
        )
    array = np.frombuffer(data, dtype=dtype, offset=start).reshape(shape)
    return array.astype(dtype.newbyteorder("="), copy=False)


def labels_beside(images: Path) -> Path:
    """The labels file that belongs to an images file, found beside it.

    Raises:
        DataError: if the name does not say which file holds images, or no labels file is there.
    """
    if "images" not in images.name:
        what = "labels" if "labels" in images.name else "no images by its name"
        raise DataError(
            "an idx data set is named by its images file, such as train-images-idx3-ubyte; "
            f"{quoted(images, limit=200)} "
            f"holds {what}"
        )
    name = images.name.replace("images", "labels").replace("idx3", "idx1").replace("idx4", "idx1")
    plain = name.removesuffix(".gz")
    for candidate in (name, plain, f"{plain}.gz"):
        if (images.parent / candidate).exists():
            return images.parent / candidate
    raise DataError(
        f"images without labels: beside {quoted(images, limit=200)} there must be {quoted(name)}; put it there"
    )


def read_idx_pair(images: np.ndarray, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Join images with the labels found beside their file.

    Args:
        images: (n, height, width[, channels]) what the images file holds.
        path: the images file.

    Returns:
        Images and (n,) labels.

    Raises:
        DataError: if there are no labels, or not as many as images.
    """
    beside = labels_beside(path)
    labels = parse_idx(read_content(beside).data, where=str(beside))
    if labels.ndim != 1 or len(labels) != len(images):
        raise DataError(
            f"images and labels must be as many; {quoted(path, limit=200)} holds {len(images)}, "
            f"{quoted(beside, limit=200)} holds an array of shape {labels.shape}"
        )
    return images, labels
