"""CIFAR-10: copies on this machine found first, else the binary archive downloaded against a known hash.

Source: :cite:t:`krizhevsky2009`. The binary layout is one byte of label and three planes of 32 x 32 bytes an image.
"""

from __future__ import annotations

import os
import tarfile
import zipfile
from pathlib import Path
from typing import Literal

import numpy as np

from widthwise.datasets.mnist import cache_folder, fetch
from widthwise.datasets.names import quoted
from widthwise.errors import DataError

Split = Literal["train", "test"]

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
IMAGE_SHAPE = (32, 32, 3)
URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
MD5 = "c32a1d4ab5d03f1284b67883e8d87530"
PLACES = ("~/.cache/torch/datasets", "data", "~/data", "~/.keras/datasets")

_PARTS = {"train": tuple(f"data_batch_{k}.bin" for k in range(1, 6)), "test": ("test_batch.bin",)}
_FOLDER = "cifar-10-batches-bin"
_RECORD = 1 + 3 * 32 * 32
_BATCH = 10_000


def read_cifar10(codes: tuple[int, ...], split: Split) -> tuple[np.ndarray, np.ndarray, np.ndarray, str]:
    """Read the images of some classes.

    Looks for the binary files, or an npz file that has these classes, in WIDTHWISE_DATA and where other tools put the
    binary files, then downloads.

    Args:
        codes: of the classes wanted, 0 to 9.
        split: the 50000 training images or the 10000 test images.

    Returns:
        (n, 32, 32, 3) uint8 images, (n,) their codes, (n,) their numbers in the official order, and a note on where they are
        from.

    Raises:
        DataError: if a copy on this machine is damaged.
        DownloadError: if there is none and it cannot be fetched.
    """
    given = os.environ.get("WIDTHWISE_DATA")
    folders = [Path(given).expanduser() / "cifar10"] if given else []
    folders += [Path(place).expanduser() for place in PLACES]
    for folder in folders:
        for place in (folder, folder / _FOLDER):
            if all((place / name).is_file() for name in _PARTS[split]):
                images, labels = _records([(place / name).read_bytes() for name in _PARTS[split]], place)
                return *_chosen(images, labels, np.arange(len(labels)), codes), f"Read from {place}."
        for path in sorted(folder.glob("cifar10*.npz")):
            found = _from_npz(path, codes, split)
            if found is not None:
                return *found, f"Read from {path}."
    archive = fetch("cifar-10-binary.tar.gz", urls=[URL], md5=MD5, folder=cache_folder() / "cifar10")
    with tarfile.open(archive) as whole:
        data = [_member(whole, f"{_FOLDER}/{name}", archive) for name in _PARTS[split]]
    images, labels = _records(data, archive)
    return *_chosen(images, labels, np.arange(len(labels)), codes), f"Fetched into {archive.parent}."


def _member(whole: tarfile.TarFile, name: str, archive: Path) -> bytes:
    try:
        file = whole.extractfile(name)
    except KeyError:
        file = None
    if file is None:
        raise DataError(f"{quoted(archive, limit=200)} has no {name}; remove it, so that it is fetched again")
    return file.read()


def _records(data: list[bytes], place: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of binary batches."""
    for batch in data:
        if len(batch) != _BATCH * _RECORD:
            raise DataError(
                f"a batch in {quoted(place, limit=200)} must have {_BATCH * _RECORD} bytes; it has {len(batch)}. Remove this "
                "copy, so that another is found."
            )
    records = np.frombuffer(b"".join(data), dtype=np.uint8).reshape(-1, _RECORD)
    return records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), records[:, 0]


def _chosen(
    images: np.ndarray, labels: np.ndarray, index: np.ndarray, codes: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows = np.flatnonzero(np.isin(labels, codes))
    return images[rows], labels[rows], index[rows]


def _from_npz(path: Path, codes: tuple[int, ...], split: Split) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """The classes from an archive with arrays x_, y_ and index_ of each part; None if it lacks one of them."""
    try:
        with np.load(path, allow_pickle=False) as whole:
            if f"x_{split}" not in whole.files or f"y_{split}" not in whole.files:
                return None
            labels = whole[f"y_{split}"]
            if not set(codes) <= set(np.unique(labels).tolist()):
                return None
            images = whole[f"x_{split}"]
            index = whole[f"index_{split}"] if f"index_{split}" in whole.files else np.arange(len(labels))
    except (ValueError, zipfile.BadZipFile, EOFError) as cause:
        raise DataError(f"npz file {quoted(path, limit=200)} is damaged ({cause}); make or fetch it again") from cause
    if images.shape != (len(labels), *IMAGE_SHAPE) or images.dtype != np.uint8:
        raise DataError(f"{quoted(path, limit=200)} must hold images of 32 x 32 x 3 bytes; it holds {images.shape}")
    return _chosen(images, labels, index.astype(np.int64), codes)
