"""One door for data: public sets by name, files by path, and arrays or DataFrames from memory."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from widthwise.datasets.arrays import as_matrix, read_npz_pair
from widthwise.datasets.cifar10 import CLASSES as CIFAR10_CLASSES
from widthwise.datasets.cifar10 import IMAGE_SHAPE as CIFAR10_SHAPE
from widthwise.datasets.cifar10 import read_cifar10
from widthwise.datasets.dataset import Dataset, Task
from widthwise.datasets.delimited import read_delimited
from widthwise.datasets.files import Content, read_content
from widthwise.datasets.idx import parse_idx, read_idx_pair
from widthwise.datasets.labels import read_labels
from widthwise.datasets.mnist import IMAGE_SETS, read_image_set
from widthwise.datasets.names import did_you_mean, listed, quoted
from widthwise.datasets.parquet import read_parquet
from widthwise.datasets.tables import TARGET_NAMES, assemble, from_frame
from widthwise.errors import DataError, UsageError

TaskChoice = Literal["auto", "classification", "regression"]
Split = Literal["train", "test"]

BUNDLED = ("digits", "iris", "wine", "breast-cancer", "diabetes")
"""Sets that come with scikit-learn."""


def load(
    data: Any,
    y: Any = None,
    *,
    target: str | None = None,
    task: TaskChoice = "auto",
    encoding: str = "utf-8",
    split: Split = "train",
    aside: Sequence[str] = (),
    like: Dataset | None = None,
) -> Dataset:
    """Load a labelled data set.

    Args:
        data: a name (`digits`, `iris`, `wine`, `breast-cancer`, `diabetes`, `mnist`, `fashion-mnist`, with
            chosen classes as in `mnist:0,1` or `fashion-mnist:Coat,Shirt`, `cifar10` or
            `cifar10:cat,dog`, `uci:NAME` from the folder WIDTHWISE_DATA); a path to a CSV, TSV,
            npz, idx or Parquet file, gzip or not; a DataFrame; features
            with `y`; a pair (X, y); or a `Dataset`, which is returned as it is.
        y: labels, one for each row, where `data` holds features only.
        target: the column (or npz array) of the labels.
        task: what is to be learnt; "auto" guesses from the labels and says why in `Dataset.task_reason`.
        encoding: of text files.
        split: the part to load, where a set has a test part.
        aside: names of columns of a DataFrame or table that are no features; their values are kept in `Dataset.beside`.
        like: data that these rows are read like: the same columns, categories, classes and task. Columns that they lack are
            refused, further ones left out with a note; a class that `like` does not have gets a code of its own, with an alert.

    Returns:
        The data set, rows in the order of the source. Classes are sorted, or in the order chosen by name.

    Raises:
        UsageError: for an unknown name (with the closest known one), or arguments that do not go together.
        DataError: if the data cannot be used as they are; the message names file, line, row or column.
        ResourceError: if a file unpacks to more than fits.
        DownloadError: if a public set is not on this machine and cannot be fetched.
    """
    if task not in ("auto", "classification", "regression"):
        raise UsageError(f"task must be 'auto', 'classification' or 'regression'; got {task!r}")
    if split not in ("train", "test"):
        raise UsageError(f"split must be 'train' or 'test'; got {split!r}")
    if isinstance(data, Dataset):
        if y is not None or target is not None:
            raise UsageError("a Dataset has its labels already; leave y and target out")
        if like is not None or aside:
            raise UsageError("a Dataset is read already; pass a table or arrays where columns are set aside or matched")
        return data
    if isinstance(data, (str, os.PathLike)):
        if y is not None:
            raise UsageError(
                "labels beside a name or a path are given by target, not by y; or load the arrays yourself"
            )
        return _named_or_file(data, target=target, task=task, encoding=encoding, split=split, aside=aside, like=like)
    if split == "test":
        raise UsageError("data from memory have no test part; pass the test rows themselves")
    if isinstance(data, tuple) and len(data) == 2 and y is None:
        data, y = data
    if _is_frame(data):
        named = _target_like(target, like) if y is None else target
        return from_frame(data, target=named, y=y, source="DataFrame", task=task, aside=aside, like=like)
    _no_columns(aside, "arrays")
    if target is not None:
        raise UsageError("target names a column of a DataFrame or a file; arrays take their labels as y")
    if y is None:
        raise UsageError(
            f"labels are needed: load(X, y), or a DataFrame with target; got a {type(data).__name__} alone"
        )
    return _from_arrays(data, y, source="arrays", target_name="y", task=task, like=like)


def _no_columns(aside: Sequence[str], source: str) -> None:
    if aside:
        raise UsageError(
            f"{quoted(source)} has no column {quoted(aside[0])}: columns are named in a DataFrame, a CSV or a Parquet file. "
            "Pass one value for each row instead (in Python)"
        )


def _target_like(target: str | None, like: Dataset | None) -> str | None:
    """The target's name: the one given, or where rows are read like others, theirs."""
    return like.target_name if target is None and like is not None else target


def known_names() -> tuple[str, ...]:
    """Names that `load` knows without a file."""
    return (*BUNDLED, *IMAGE_SETS, "cifar10", "uci:NAME")


def _is_frame(data: object) -> bool:
    return type(data).__module__.split(".")[0] == "pandas" and hasattr(data, "columns")


def _named_or_file(
    data: str | os.PathLike[str],
    *,
    target: str | None,
    task: TaskChoice,
    encoding: str,
    split: Split,
    aside: Sequence[str],
    like: Dataset | None,
) -> Dataset:
    text = os.fspath(data)
    name, colon, rest = text.partition(":")
    if isinstance(data, str) and (text in BUNDLED or name in (*IMAGE_SETS, "cifar10") or (name == "uci" and colon)):
        if target is not None:
            raise UsageError(f"{text} has its own labels; leave target out")
        _no_columns(aside, text)
        _no_categories(like, text)
        if name == "cifar10":
            return _cifar10(text, rest if colon else None, task=task, split=split, like=like)
        if name in IMAGE_SETS:
            return _image_set(text, name, rest if colon else None, task=task, split=split, like=like)
        if colon:
            return _uci(text, rest, task, split, like)
        if split == "test":
            raise UsageError(f"{text} has no test part; load it whole and hold rows out")
        return _bundled(text, task, like)
    looks_like_path = (
        not isinstance(data, str)
        or Path(text).suffix != ""
        or any(separator in text for separator in (os.sep, os.altsep, "/") if separator)
    )
    if not looks_like_path and not os.path.lexists(text.replace("\0", "")):
        raise UsageError(
            f"no data set is called {quoted(text)}{did_you_mean(name, (*BUNDLED, *IMAGE_SETS, 'cifar10')) or '.'} "
            f"Known: {', '.join(known_names())}, or a path to a file"
        )
    return _file(
        read_content(data),
        source=text,
        target=target,
        task=task,
        encoding=encoding,
        split=split,
        aside=aside,
        like=like,
    )


def _file(
    content: Content,
    *,
    source: str,
    target: str | None,
    task: TaskChoice,
    encoding: str,
    split: Split,
    aside: Sequence[str],
    like: Dataset | None,
) -> Dataset:
    if split == "test" and content.format != "npz":
        raise UsageError(f"{quoted(source)} has no test part; load the file with the test rows instead")
    if content.format == "npy":
        raise DataError(
            f"{quoted(source)} holds one array, but features and labels are needed: pass "
            "load(numpy.load(path, "
            "allow_pickle=False), y), or save both with numpy.savez('data.npz', X=X, y=y)"
        )
    if content.format in ("npz", "idx"):
        _no_columns(aside, source)
    if content.format == "npz":
        X, y, name = read_npz_pair(content.data, where=source, target=target, split=split)
        return _from_arrays(X, y, source=source, target_name=name, task=task, notes=content.notes, like=like)
    if content.format == "idx":
        if target is not None:
            raise UsageError("idx files have no columns; the labels are found in the file beside the images")
        images, labels = read_idx_pair(parse_idx(content.data, where=source), content.path)
        return _from_arrays(
            images, labels, source=source, target_name="label", task=task, notes=content.notes, like=like
        )
    if content.format == "parquet":
        frame = read_parquet(content.data, where=source)
        named = _target_like(target, like)
        return from_frame(frame, target=named, source=source, task=task, notes=content.notes, aside=aside, like=like)
    target = _target_like(target, like)
    labels_as_text = ((target,) if target is not None else TARGET_NAMES) + tuple(aside)
    if like is not None and like.recipe is not None:
        labels_as_text += tuple(column.name for column in like.recipe.columns if column.categories is not None)
    table = read_delimited(content.data, where=source, encoding=encoding, text_columns=labels_as_text)
    return from_frame(
        table.frame,
        target=target,
        source=source,
        task=task,
        notes=(*content.notes, *table.notes),
        alerts=table.alerts,
        aside=aside,
        like=like,
    )


def _from_arrays(
    X: Any,
    y: Any,
    *,
    source: str,
    target_name: str,
    task: TaskChoice,
    notes: tuple[str, ...] = (),
    like: Dataset | None = None,
) -> Dataset:
    matrix, image_shape, more = as_matrix(X)
    if matrix.dtype.kind not in "OUST":
        _no_categories(like, source)
    if matrix.dtype.kind in "OUST":
        import pandas as pd  # noqa: PLC0415  pandas costs a third of a second

        frame = pd.DataFrame(matrix.astype(object), columns=[f"x{j}" for j in range(matrix.shape[1])])
        return from_frame(frame, target=None, y=y, source=source, task=task, notes=(*notes, *more), like=like)
    names = _pixel_names(image_shape) if image_shape else [f"x{j}" for j in range(matrix.shape[1])]
    return assemble(
        matrix,
        read_labels(y, name=target_name, task=task, like=_labels_of(like)),
        names=names,
        target_name=target_name,
        source=source,
        notes=(*notes, *more),
        image_shape=image_shape,
        like=like,
    )


def _no_categories(like: Dataset | None, source: str) -> None:
    """Columns without names cannot be matched with categories."""
    if like is not None and like.recipe is not None and any(c.categories is not None for c in like.recipe.columns):
        raise DataError(
            f"{quoted(source)} must hold the columns that {quoted(like.source)} has, categories among them: pass a DataFrame or a "
            f"table with columns {listed([c.name for c in like.recipe.columns], limit=20)}"
        )


def _labels_of(like: Dataset | None) -> tuple[Task, tuple[str, ...]] | None:
    return None if like is None else (like.task, like.classes)


def _pixel_names(shape: tuple[int, ...]) -> list[str]:
    return ["pixel_" + "_".join(map(str, index)) for index in np.ndindex(*shape)]


def _bundled(name: str, task: TaskChoice, like: Dataset | None) -> Dataset:
    from sklearn import datasets  # noqa: PLC0415  scikit-learn costs a second

    # Diabetes in the units of the source, not scaled beforehand.
    options = {"scaled": False} if name == "diabetes" else {}
    bunch = getattr(datasets, f"load_{name.replace('-', '_')}")(**options)
    classes = () if name == "diabetes" else tuple(str(c) for c in bunch.target_names)
    published: Literal["classification", "regression"] = "classification" if classes else "regression"
    image = (8, 8) if name == "digits" else None
    target_name = {"digits": "digit", "diabetes": "progression"}.get(name, "class")
    return assemble(
        np.asarray(bunch.data),
        read_labels(
            np.asarray(bunch.target), name=target_name, task=task, published=(published, classes), like=_labels_of(like)
        ),
        names=_pixel_names(image) if image else [str(f) for f in bunch.feature_names],
        target_name=target_name,
        source=name,
        notes=("Comes with scikit-learn.",),
        image_shape=image,
        like=like,
    )


def _image_set(
    source: str, name: str, chosen: str | None, *, task: TaskChoice, split: Split, like: Dataset | None
) -> Dataset:
    images = IMAGE_SETS[name]
    order = _class_order(chosen, images.classes, source, name)
    X, y, origin = read_image_set(images, split)
    place = np.full(256, -1)
    place[order] = np.arange(len(order))
    codes = place[y]
    rows = np.flatnonzero(codes >= 0)
    classes = tuple(images.classes[c] for c in order)
    return assemble(
        X[rows].reshape(len(rows), -1),
        read_labels(codes[rows], name="class", task=task, published=("classification", classes), like=_labels_of(like)),
        names=_pixel_names((28, 28)),
        target_name="class",
        source=source,
        notes=(f"The {'training' if split == 'train' else 'test'} part.", origin),
        image_shape=(28, 28),
        rows=rows,
        like=like,
    )


def _cifar10(source: str, chosen: str | None, *, task: TaskChoice, split: Split, like: Dataset | None) -> Dataset:
    order = _class_order(chosen, CIFAR10_CLASSES, source, "cifar10")
    X, y, rows, origin = read_cifar10(tuple(order), split)
    place = np.full(256, -1)
    place[order] = np.arange(len(order))
    return assemble(
        X.reshape(len(X), -1),
        read_labels(
            place[y],
            name="class",
            task=task,
            published=("classification", tuple(CIFAR10_CLASSES[c] for c in order)),
            like=_labels_of(like),
        ),
        names=_pixel_names(CIFAR10_SHAPE),
        target_name="class",
        source=source,
        notes=(f"The {'training' if split == 'train' else 'test'} part.", origin),
        image_shape=CIFAR10_SHAPE,
        rows=rows,
        like=like,
    )


def _class_order(chosen: str | None, classes: tuple[str, ...], source: str, name: str) -> list[int]:
    """Codes of the classes asked for, in that order."""
    order = (
        list(range(len(classes))) if chosen is None else [_class_code(c, classes, source) for c in chosen.split(",")]
    )
    if len(set(order)) < len(order) or len(order) < 2:
        raise UsageError(f"{quoted(source)} must name two or more different classes, such as {name}:0,1")
    return order


def _class_code(text: str, classes: tuple[str, ...], source: str) -> int:
    folded = [c.casefold() for c in classes]
    wanted = text.strip().casefold()
    if wanted in folded:
        return folded.index(wanted)
    if wanted.isascii() and wanted.isdigit() and int(wanted) < len(classes):
        return int(wanted)
    raise UsageError(
        f"class {quoted(text)} of {quoted(source)} is not known{did_you_mean(text, classes) or '.'} "
        f"Classes: {listed(classes, limit=10)}, or their numbers 0 to {len(classes) - 1}"
    )


def _uci(source: str, name: str, task: TaskChoice, split: Split, like: Dataset | None) -> Dataset:
    place = os.environ.get("WIDTHWISE_DATA")
    if not place:
        raise DataError(
            f"{quoted(source)} is read from the folder uci/ of a data folder; set WIDTHWISE_DATA to that folder"
        )
    folder = Path(place).expanduser() / "uci"
    present = sorted(p.stem for p in folder.glob("*.npz"))
    if name not in present:
        raise UsageError(
            f"no set {quoted(name)} in {quoted(folder, limit=200)}{did_you_mean(name, present) or '.'} "
            f"There: {listed(present, limit=12)}"
        )
    content = read_content(folder / f"{name}.npz")
    X, y, target_name = read_npz_pair(content.data, where=source, target=None, split=split)
    return _from_arrays(X, y, source=source, target_name=target_name, task=task, like=like)
