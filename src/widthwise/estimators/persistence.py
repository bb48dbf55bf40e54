"""Fitted estimators as files: an npz of plain arrays and one JSON text. No pickle is written or opened.

A file holds the estimator's parameters and everything that fitting left, under the schema `widthwise/estimator/1`. Values
that are not JSON are tagged: arrays by their key in the archive, frozen dataclasses of this library by name and fields,
estimators within estimators by name, parameters and state.
"""

from __future__ import annotations

import dataclasses
import importlib
import io
import json
import math
import os
import zipfile
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from sklearn import config_context
from sklearn.base import BaseEstimator

from widthwise import __version__
from widthwise.datasets.files import MAX_BYTES, read_content
from widthwise.datasets.names import quoted
from widthwise.errors import DataError, UsageError
from widthwise.pages.files import write_atomically

SCHEMA = "widthwise/estimator/1"
HEADER = "widthwise"
P = TypeVar("P", bound="Persistent")
_SCALARS = (bool, int, str)
_ROUTED = ("fit", "partial_fit", "predict", "score", "transform")


class Persistent(BaseEstimator):
    """Estimators that `save` and `load` as npz and JSON; they pickle as scikit-learn's do."""

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the estimator, parameters and fitted state, to one file; a reader sees the whole file or none.

        Args:
            path: of the file; its folder must exist.

        Raises:
            UsageError: if a parameter is not data that a file can hold, as a random generator is not.
            ResourceError: if the disk is full.
        """
        arrays: dict[str, np.ndarray] = {}
        header = {"schema": SCHEMA, "version": __version__, "estimator": _encode(self, "estimator", arrays)}
        # As bytes: an array of text would take four for each letter.
        text = np.frombuffer(json.dumps(header, allow_nan=False).encode(), np.uint8)
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **{HEADER: text}, **arrays)
        where = Path(path)
        write_atomically(where, buffer.getvalue())
        return where

    @classmethod
    def load(cls: type[P], path: str | os.PathLike[str]) -> P:
        """Read an estimator that `save` wrote.

        Args:
            path: of the file.

        Raises:
            DataError: if the file is missing, damaged, of something else, of a newer schema, or of another estimator.
        """
        shown = quoted(path, limit=200)
        header, arrays = _contents(path, shown)
        try:
            found = _decode(header["estimator"], arrays)
        except (KeyError, TypeError, ValueError, AttributeError, ImportError) as cause:
            raise DataError(f"{shown} is damaged, or was not written by this library: {cause}") from cause
        if not isinstance(found, cls):
            raise DataError(f"{shown} holds {type(found).__name__}; load it with {type(found).__name__}.load")
        return found


def _contents(path: str | os.PathLike[str], shown: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    content = read_content(path)
    foreign = DataError(f"{shown} is not an estimator that widthwise saved: use a file written by its `save`")
    if content.format != "npz":
        raise foreign
    with zipfile.ZipFile(io.BytesIO(content.data)) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > MAX_BYTES:
            raise DataError(f"{shown} unpacks to more than {MAX_BYTES} bytes: no saved estimator does")
    try:
        with np.load(io.BytesIO(content.data), allow_pickle=False) as file:
            if HEADER not in file.files:
                raise foreign
            header = json.loads(file[HEADER].tobytes().decode())
            arrays = {name: file[name] for name in file.files if name != HEADER}
    except DataError:
        raise
    except (ValueError, OSError, zipfile.BadZipFile, EOFError) as cause:
        raise DataError(f"{shown} is damaged: {cause}") from cause
    schema = header.get("schema", "") if isinstance(header, dict) else ""
    if not isinstance(schema, str) or not schema.startswith("widthwise/estimator/"):
        raise foreign
    if schema != SCHEMA:
        raise DataError(
            f"{shown} has the schema {schema}, this version reads {SCHEMA}: load it with widthwise {header.get('version')}"
        )
    return header, arrays


def _encode(value: Any, name: str, arrays: dict[str, np.ndarray]) -> Any:  # noqa: PLR0911 - one for each kind
    """Plain data for JSON; arrays go to `arrays` under a new key."""
    if value is None or isinstance(value, _SCALARS):
        return value
    # NumPy's float64 is a float as well.
    if isinstance(value, np.generic):
        return {"scalar": _encode(np.asarray(value), name, arrays)}
    if isinstance(value, float):
        return value if math.isfinite(value) else {"number": repr(value)}
    if hasattr(value, "__array__") and not isinstance(value, np.ndarray):
        value = np.asarray(value)
    if isinstance(value, np.ndarray):
        return _encode_array(value, name, arrays)
    if isinstance(value, list | tuple):
        return {type(value).__name__: [_encode(v, f"{name}[{i}]", arrays) for i, v in enumerate(value)]}
    if isinstance(value, dict):
        return {"dict": [[_encode(k, name, arrays), _encode(v, f"{name}[{k!r}]", arrays)] for k, v in value.items()]}
    if isinstance(value, Persistent):
        return _encode_estimator(value, arrays)
    if (
        dataclasses.is_dataclass(value)
        and not isinstance(value, type)
        and type(value).__module__.startswith("widthwise.")
    ):
        fields = {
            f.name: _encode(getattr(value, f.name), f"{name}.{f.name}", arrays)
            for f in dataclasses.fields(value)
            if f.init
        }
        return {"data": _named(value), "fields": fields}
    raise UsageError(
        f"{name} must be data to be saved: numbers, text, arrays, kernels of this library; {type(value).__name__} came. "
        "Pickle the estimator instead, or set the parameter to data"
    )


def _encode_array(value: np.ndarray, name: str, arrays: dict[str, np.ndarray]) -> Any:
    if value.dtype != object:
        key = f"array{len(arrays)}"
        arrays[key] = value
        return {"array": key}
    flat = [_encode(v, name, arrays) for v in value.ravel().tolist()]
    return {"objects": flat, "shape": list(value.shape)}


def _encode_estimator(value: Persistent, arrays: dict[str, np.ndarray]) -> Any:
    parameters = value.get_params(deep=False)
    state = {k: v for k, v in vars(value).items() if k not in parameters and k != "_metadata_request"}
    requests = {}
    if "_metadata_request" in vars(value):
        asked = value.get_metadata_routing()
        requests = {m: dict(getattr(asked, m).requests) for m in _ROUTED if getattr(asked, m).requests}
    whose = type(value).__name__
    return {
        "class": _named(value),
        "parameters": {k: _encode(v, f"{whose}.{k}", arrays) for k, v in parameters.items()},
        "state": {k: _encode(v, f"{whose}.{k}", arrays) for k, v in state.items()},
        "requests": requests,
    }


def _decode(value: Any, arrays: dict[str, np.ndarray]) -> Any:  # noqa: PLR0911 - one for each kind
    if not isinstance(value, dict):
        return value
    if "number" in value:
        return float(value["number"])
    if "scalar" in value:
        return _decode(value["scalar"], arrays)[()]
    if "array" in value:
        return arrays[value["array"]]
    if "objects" in value:
        found = np.empty(len(value["objects"]), dtype=object)
        found[:] = [_decode(v, arrays) for v in value["objects"]]
        return found.reshape(value["shape"])
    for kind in (list, tuple):
        if kind.__name__ in value:
            return kind(_decode(v, arrays) for v in value[kind.__name__])
    if "dict" in value:
        return {_decode(k, arrays): _decode(v, arrays) for k, v in value["dict"]}
    if "data" in value:
        return _known(value["data"], dataclass=True)(**{k: _decode(v, arrays) for k, v in value["fields"].items()})
    return _decode_estimator(value, arrays)


def _decode_estimator(value: dict[str, Any], arrays: dict[str, np.ndarray]) -> Persistent:
    kind = _known(value["class"], dataclass=False)
    found: Persistent = kind(**{k: _decode(v, arrays) for k, v in value["parameters"].items()})
    for name, state in value["state"].items():
        setattr(found, name, _decode(state, arrays))
    with config_context(enable_metadata_routing=True):
        for method, asked in value["requests"].items():
            if method not in _ROUTED:
                raise DataError(f"no metadata can be asked for in {method!r}")
            getattr(found, f"set_{method}_request")(**asked)
    return found


def _named(value: object) -> str:
    return f"{type(value).__module__}:{type(value).__qualname__}"


def _known(name: str, *, dataclass: bool) -> Any:
    """A class of this library by name; a file can name nothing else."""
    module, _, kind = name.partition(":")
    found = getattr(importlib.import_module(module), kind, None) if module.startswith("widthwise.") else None
    right = isinstance(found, type) and found.__module__ == module
    if not right or not (dataclasses.is_dataclass(found) if dataclass else issubclass(found, Persistent)):  # type: ignore[arg-type]
        raise DataError(f"{name!r} is no {'record' if dataclass else 'estimator'} of this library")
    return found
