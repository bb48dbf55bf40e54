"""NumPy arrays, from memory or from `.npz` files whose every header is checked before any array is read."""

from __future__ import annotations

import io
import lzma
import math
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from widthwise.datasets.files import MAX_BYTES
from widthwise.datasets.names import did_you_mean, listed, quoted
from widthwise.errors import DataError, ResourceError, UsageError, WidthwiseError

BOMB_BYTES = 64 * 2**20
"""Smaller archives may be packed as tightly as they like."""
BOMB_RATIO = 200
"""Archives above `BOMB_BYTES` that unpack to more than this many times their size are refused."""

# zipfile raises the plain ones on offsets and flags that make no sense.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    RuntimeError,
    OverflowError,
)

_PAIRS = {
    "train": (
        ("X", "y"),
        ("X_train", "y_train"),
        ("data", "target"),
        ("data", "labels"),
        ("images", "labels"),
    ),
    "test": (("X_test", "y_test"), ("test_data", "test_target"), ("test_images", "test_labels")),
}


@dataclass(frozen=True, kw_only=True)
class Member:
    """An array of an archive as its header describes it, not yet read."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran_order: bool
    header_bytes: int


def read_npz_pair(
    data: bytes,
    *,
    where: str,
    target: str | None,
    split: Literal["train", "test"],
    max_bytes: int = MAX_BYTES,
) -> tuple[np.ndarray, np.ndarray, str]:
    """Read features and labels from an npz archive; nothing is unpickled and no other array is read.

    Args:
        data: the archive.
        where: its name, for messages.
        target: name of the labels' array, or None for X and y, x_train and y_train, data and target, or the
            only matrix beside the only vector of the same length.
        split: which part, where the archive names two.
        max_bytes: most bytes the archive may unpack to.

    Returns:
        Features (n, ...), labels (n, ...) and the name of the labels' array.

    Raises:
        DataError: for a damaged, duplicate, path-like, encrypted or lying member, an object or structured
            array, or names that leave open which arrays are meant.
        ResourceError: if the archive unpacks to more than `max_bytes`, or looks like a bomb.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _refuse_strange(archive, len(data), where, max_bytes)
            members = {
                i.filename.removesuffix(".npy"): _header(archive, i, where)
                for i in archive.infolist()
                if i.filename.endswith(".npy")
            }
            features, labels = _chosen(members, where, target, split)
            return _read(archive, members[features], where), _read(archive, members[labels], where), labels
    except WidthwiseError:
        raise
    except _DAMAGE as cause:
        raise DataError(f"npz file {quoted(where, limit=200)} is damaged ({cause}); make or fetch it again") from cause


def _refuse_strange(archive: zipfile.ZipFile, packed: int, where: str, max_bytes: int) -> None:
    infos = archive.infolist()
    names = [i.filename for i in infos]
    shown = quoted(where, limit=200)
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise DataError(f"npz file {shown} holds {listed(twice)} more than once; array names must be distinct")
    paths = [i.orig_filename for i in infos if set(i.orig_filename) & set("/\\:\0") or i.filename.startswith("..")]
    if paths:
        raise DataError(f"npz file {shown} holds members named like paths: {listed(paths)}; array names must be plain")
    if any(i.flag_bits & 1 for i in infos):
        raise DataError(f"npz file {shown} is encrypted; save it without a password")
    size = sum(i.file_size for i in infos)
    if size > max_bytes or (size > BOMB_BYTES and size > BOMB_RATIO * packed):
        raise ResourceError(
            f"npz file {shown} of {packed} bytes unpacks to {size} bytes (limit: {max_bytes}, and "
            f"{BOMB_RATIO} times "
            f"its size above {BOMB_BYTES}); if you trust it, load it with NumPy and pass the arrays"
        )


def _header(archive: zipfile.ZipFile, info: zipfile.ZipInfo, where: str) -> Member:
    shown = f"array {quoted(info.filename.removesuffix('.npy'))} of {quoted(where, limit=200)}"
    with archive.open(info) as file:
        try:
            version = np.lib.format.read_magic(file)
            read = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }[version]
            shape, fortran_order, dtype = read(file)
        except (ValueError, KeyError, SyntaxError, TypeError, MemoryError, RecursionError) as cause:
            raise DataError(f"{shown} has no readable header ({cause}); save it again with numpy.savez") from cause
        start = file.tell()
    if dtype.hasobject:
        raise DataError(
            f"{shown} holds Python objects, stored as a pickle, which can run code and is never opened; "
            "save it as numbers or text: numpy.savez(path, X=X.astype(float), y=y.astype(str))"
        )
    if dtype.names is not None or dtype.kind not in "biufcUSMm":
        raise DataError(f"{shown} is of type {dtype}; arrays must be of one plain type")
    if any(not isinstance(s, int) or s < 0 for s in shape):
        raise DataError(f"{shown} has an impossible shape {shape}")
    promised = math.prod(shape) * dtype.itemsize
    if promised != info.file_size - start:
        raise DataError(
            f"{shown}: the header says shape {shape} of {dtype}, {promised} bytes, but "
            f"{info.file_size - start} are "
            "there; the file is cut short or made by hand"
        )
    return Member(name=info.filename, shape=shape, dtype=dtype, fortran_order=fortran_order, header_bytes=start)


def _read(archive: zipfile.ZipFile, member: Member, where: str) -> np.ndarray:
    if 0 in member.shape:
        raise DataError(
            f"array {quoted(member.name.removesuffix('.npy'))} of {quoted(where, limit=200)} is empty: "
            f"shape {member.shape}"
        )
    raw = archive.read(member.name)  # checks length and CRC
    array = np.frombuffer(raw, dtype=member.dtype, offset=member.header_bytes)
    return array.reshape(member.shape, order="F" if member.fortran_order else "C")


def _chosen(
    members: Mapping[str, Member], where: str, target: str | None, split: Literal["train", "test"]
) -> tuple[str, str]:
    shown = quoted(where, limit=200)
    inventory = ", ".join(f"{quoted(m)} {members[m].shape}" for m in list(members)[:12])
    folded = {name.casefold(): name for name in members}
    pairs = [
        (folded[x.casefold()], folded[y.casefold()])
        for x, y in _PAIRS[split]
        if x.casefold() in folded and y.casefold() in folded
    ]
    if target is not None:
        if target not in members:
            raise DataError(
                f"target array {quoted(target)} is not in {shown}{did_you_mean(target, members)} Arrays: {inventory}"
            )
        same_pair = [x for x, y in pairs if y == target]
        rows = members[target].shape[:1]
        if same_pair:
            return same_pair[0], target
        rest = [m for m in members if m != target and members[m].shape[:1] == rows and len(members[m].shape) >= 2]
        named = [x for x, _ in pairs if x in rest]
        if len(rest) == 1 or named:
            return (named or rest)[0], target
        raise DataError(
            f"{shown} must hold one matrix of features with as many rows as {quoted(target)}; it holds "
            f"{inventory}. "
            "Load it with NumPy and pass (X, y)."
        )
    if pairs:
        return pairs[0]
    if split == "test":
        raise UsageError(f"{shown} has no test part (X_test and y_test); it holds {inventory}")
    matrices = [m for m in members if len(members[m].shape) >= 2]
    vectors = [m for m in members if len(members[m].shape) == 1]
    if len(matrices) == 1:
        vectors = [v for v in vectors if members[v].shape == members[matrices[0]].shape[:1]]
        if len(vectors) == 1:
            return matrices[0], vectors[0]
    raise DataError(
        f"{shown} must hold arrays X and y (or x_train and y_train), or name the labels with target=; it "
        f"holds {inventory}"
    )


def as_matrix(X: Any) -> tuple[np.ndarray, tuple[int, ...] | None, tuple[str, ...]]:
    """Features from memory as a matrix.

    Args:
        X: array, list, or SciPy sparse matrix; (n, d), or (n, height, width[, channels]) for images, or (n,)
            for one feature.

    Returns:
        The matrix (real numbers, or objects and text as they came), the image shape if there is one, and
        notes.

    Raises:
        DataError: for ragged lists, complex numbers, dates, and any other number of dimensions.
        ResourceError: if a sparse matrix does not fit into memory.
    """
    notes: tuple[str, ...] = ()
    if hasattr(X, "toarray") and hasattr(X, "nnz"):
        cells = math.prod(X.shape)
        if cells * 8 > MAX_BYTES:
            raise ResourceError(
                f"sparse features of shape {tuple(X.shape)} need {cells * 8} bytes when dense, more than "
                f"{MAX_BYTES}; "
                "choose fewer columns or rows first"
            )
        X = X.toarray()
        notes = ("The sparse features were made dense.",)
    try:
        array = np.asarray(X)
    except ValueError as cause:
        raise DataError(f"features must be a matrix with rows of equal length: {cause}") from cause
    if array.dtype.kind in "cMmV":
        what = {"c": "complex numbers", "V": "records"}.get(array.dtype.kind, "dates")
        raise DataError(f"features must be real numbers; got {what} ({array.dtype}). Turn them into numbers first.")
    if array.ndim == 1 and array.size:
        return array[:, None], None, (*notes, "The features came as one column.")
    if array.ndim == 2:
        return array, None, notes
    if array.ndim == 3 or (array.ndim == 4 and array.shape[3] in (1, 2, 3, 4)):
        shape = array.shape[1:3] if array.ndim == 3 or array.shape[3] == 1 else array.shape[1:]
        return array.reshape(len(array), math.prod(array.shape[1:])), tuple(shape), notes
    raise DataError(
        "features must be a matrix (n, d), or images (n, height, width) or (n, height, width, channels); "
        f"got shape {array.shape}. Reshape them."
    )
