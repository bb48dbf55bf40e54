"""MNIST and Fashion-MNIST: copies on this machine found first, else downloaded against a known hash.

Sources: :cite:t:`lecun1998`, :cite:t:`xiao2017`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from widthwise.datasets.arrays import read_npz_pair
from widthwise.datasets.files import read_content
from widthwise.datasets.idx import parse_idx
from widthwise.datasets.names import quoted
from widthwise.errors import DataError, DownloadError

Split = Literal["train", "test"]
TIMEOUT_SECONDS = 30

_FILES = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}
_ROWS = {"train": 60000, "test": 10000}


@dataclass(frozen=True, kw_only=True)
class ImageSet:
    """A public set of 28 x 28 grey images in the four idx files of MNIST.

    Attributes:
        name: what users call it; also its folder under WIDTHWISE_DATA.
        classes: name of each class code.
        urls: folders on the web that hold the files, tried in order.
        md5: hash of each packed file.
        places: folders on this machine where other tools put the idx files.
        keras: an npz file where Keras puts the set, or None.
    """

    name: str
    classes: tuple[str, ...]
    urls: tuple[str, ...]
    md5: dict[str, str]
    places: tuple[str, ...]
    keras: str | None


MNIST = ImageSet(
    name="mnist",
    classes=tuple("0123456789"),
    urls=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    md5={
        "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
        "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
        "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
    },
    places=("data/MNIST/raw", "~/.cache/torch/datasets/MNIST/raw", "~/.cache/MNIST/raw", "~/data/MNIST/raw"),
    keras="~/.keras/datasets/mnist.npz",
)
FASHION_MNIST = ImageSet(
    name="fashion-mnist",
    classes=(
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
        "Ankle boot",
    ),
    urls=("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
    md5={
        "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
    },
    places=(
        "data/FashionMNIST/raw",
        "~/.cache/torch/datasets/FashionMNIST/raw",
        "~/.cache/FashionMNIST/raw",
        "~/data/FashionMNIST/raw",
        "~/.keras/datasets/fashion-mnist",
        "/usr/share/datasets/fashion-mnist",
    ),
    keras=None,
)  # fmt: skip
IMAGE_SETS = {s.name: s for s in (MNIST, FASHION_MNIST)}


def read_image_set(images: ImageSet, split: Split) -> tuple[np.ndarray, np.ndarray, str]:
    """Read one part of a public image set.

    Looks in WIDTHWISE_DATA, then where torchvision, Keras and Debian put the files, then downloads.

    Args:
        images: which set.
        split: the 60000 training images or the 10000 test images.

    Returns:
        (n, 28, 28) uint8 images, (n,) uint8 labels, and a note on where they are from.

    Raises:
        DataError: if a copy on this machine is damaged.
        DownloadError: if there is none and it cannot be fetched.
    """
    for folder in _folders(images):
        paths = [_either(folder, name) for name in _FILES[split]]
        if paths[0] is not None and paths[1] is not None:
            return *_pair(paths[0], paths[1], split), f"Read from {paths[0].parent}."
    keras = Path(images.keras).expanduser() if images.keras else None
    if keras is not None and keras.is_file():
        X, y, _ = read_npz_pair(read_content(keras).data, where=str(keras), target=None, split=split)
        _check(X, y, keras, split)
        return X, y, f"Read from {keras}."
    fetched = [
        fetch(
            name,
            urls=[url + name for url in images.urls],
            md5=images.md5[name],
            folder=cache_folder() / images.name,
        )
        for name in _FILES[split]
    ]
    return *_pair(fetched[0], fetched[1], split), f"Fetched into {fetched[0].parent}."


def cache_folder() -> Path:
    """The folder of this user's downloads."""
    import pooch  # noqa: PLC0415  only needed for downloads

    return Path(pooch.os_cache("widthwise"))


def fetch(name: str, *, urls: Sequence[str], md5: str, folder: Path) -> Path:
    """Download one file, unless the folder has it already; what comes is checked before it gets its name.

    Args:
        name: the file's name in the folder.
        urls: addresses that hold it, tried in order.
        md5: its hash.
        folder: where to keep it.

    Returns:
        Path of the file.

    Raises:
        DownloadError: naming the file, its addresses, its hash and what each address answered. Nothing is
            left half-written.
    """
    import pooch  # noqa: PLC0415

    answers: list[str] = []
    for url in urls:
        try:
            return Path(
                pooch.retrieve(
                    url=url,
                    known_hash=f"md5:{md5}",
                    fname=name,
                    path=folder,
                    downloader=pooch.HTTPDownloader(timeout=TIMEOUT_SECONDS),
                )
            )
        except (OSError, ValueError) as cause:  # the network, the disk; a wrong hash
            answers.append(f"{url}: {str(cause)[:200] or type(cause).__name__}")
    raise DownloadError(
        f"{quoted(name)} (MD5 {md5}) could not be fetched. Tried: {'; '.join(answers)}. Go online and try "
        "again, or put "
        f"the file into {str(folder)!r}."
    )


def _folders(images: ImageSet) -> list[Path]:
    given = os.environ.get("WIDTHWISE_DATA")
    first = [Path(given).expanduser() / images.name] if given else []
    return first + [Path(place).expanduser() for place in images.places]


def _either(folder: Path, packed: str) -> Path | None:
    """The packed or the unpacked file, also under the name with a dot."""
    plain = packed.removesuffix(".gz")
    dotted = plain.replace("-idx", ".idx")
    names = (packed, plain, dotted, f"{dotted}.gz")
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _pair(images: Path, labels: Path, split: Split) -> tuple[np.ndarray, np.ndarray]:
    X = parse_idx(read_content(images).data, where=str(images))
    y = parse_idx(read_content(labels).data, where=str(labels))
    _check(X, y, images, split)
    return X, y


def _check(X: np.ndarray, y: np.ndarray, path: Path, split: Split) -> None:
    """Copies are often packed anew, so the content is checked and not the hash of the file."""
    n = _ROWS[split]
    if X.shape != (n, 28, 28) or y.shape != (n,) or X.dtype != np.uint8 or y.dtype != np.uint8 or y.max() > 9:
        raise DataError(
            f"{quoted(path, limit=200)} must hold {n} images of 28 x 28 bytes with labels 0 to 9; it holds "
            f"shape {X.shape} "
            f"of {X.dtype} and labels of shape {y.shape}. Remove this copy, so that another is found."
        )
