"""Files of estimators: what goes in comes out, and nothing else is opened."""

from __future__ import annotations

import io
import json
import pickle
import zipfile

import numpy as np
import pytest

from widthwise.errors import DataError, UsageError
from widthwise.estimators.persistence import HEADER, Persistent
from widthwise.kernels import NTK, LeakyReLU


def written(path, header, **arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **{HEADER: np.frombuffer(json.dumps(header).encode(), np.uint8)}, **arrays)
    path.write_bytes(buffer.getvalue())
    return path


def test_every_kind_of_value_comes_back_as_it_was(tmp_path):
    model = Persistent()
    model.kernel_ = NTK(depth=2, activation=LeakyReLU(0.1), bias_variance=0.25)
    model.values_ = {"floats": (1.5, -np.inf, np.nan), "nested": [None, True, 3, "text", {"k": (1,)}]}
    model.arrays_ = [np.arange(6.0).reshape(2, 3), np.array(["a", "bc"]), np.array([True, False])]
    model.classes_ = np.array(["cat", "a dog"], dtype=object)
    model.scalar_ = np.int32(7)
    again = Persistent.load(model.save(tmp_path / "model.npz"))
    assert again.kernel_ == model.kernel_
    assert again.values_["floats"][1] == -np.inf
    assert np.isnan(again.values_["floats"][2])
    assert again.values_["nested"] == model.values_["nested"]
    for mine, other in zip(again.arrays_, model.arrays_, strict=True):
        assert mine.dtype == other.dtype
        np.testing.assert_array_equal(mine, other)
    assert again.classes_.dtype == object
    assert again.classes_.tolist() == ["cat", "a dog"]
    assert again.scalar_ == 7
    assert again.scalar_.dtype == np.int32


def test_what_is_no_data_is_refused_by_name_and_leaves_no_file(tmp_path):
    model = Persistent()
    model.generator_ = np.random.default_rng(0)
    with pytest.raises(UsageError, match=r"Persistent\.generator_ must be data"):
        model.save(tmp_path / "model.npz")
    assert list(tmp_path.iterdir()) == []


def test_foreign_files_are_refused(tmp_path):
    np.savez(tmp_path / "arrays.npz", X=np.zeros(3))
    (tmp_path / "text.npz").write_text("not an archive")
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(Persistent()))
    with pytest.raises(DataError, match="not an estimator that widthwise saved"):
        Persistent.load(tmp_path / "arrays.npz")
    with pytest.raises(DataError, match="not an estimator that widthwise saved"):
        Persistent.load(tmp_path / "text.npz")
    with pytest.raises(DataError, match="never opened"):
        Persistent.load(tmp_path / "model.pkl")
    with pytest.raises(DataError, match="no such file"):
        Persistent.load(tmp_path / "absent.npz")


def test_a_file_cut_short_is_refused(tmp_path):
    whole = Persistent().save(tmp_path / "model.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="damaged"):
        Persistent.load(tmp_path / "cut.npz")


def test_another_schema_and_another_estimator_are_named(tmp_path):
    class Other(Persistent):
        pass

    newer = written(tmp_path / "new.npz", {"schema": "widthwise/estimator/9", "version": "9.0", "estimator": {}})
    with pytest.raises(DataError, match=r"load it with widthwise 9\.0"):
        Persistent.load(newer)
    saved = Persistent().save(tmp_path / "model.npz")
    with pytest.raises(DataError, match=r"holds Persistent; load it with Persistent\.load"):
        Other.load(saved)


@pytest.mark.parametrize(
    "named", ["os:system", "widthwise._checks:Path", "widthwise.kernels.fully_connected:NTK", "builtins:dict"]
)
def test_a_file_names_no_class_but_estimators_of_this_library(tmp_path, named):
    estimator = {"class": named, "parameters": {}, "state": {}, "requests": {}}
    path = written(tmp_path / "model.npz", {"schema": "widthwise/estimator/1", "version": "1", "estimator": estimator})
    with pytest.raises(DataError, match="is no estimator of this library"):
        Persistent.load(path)


def test_arrays_of_objects_in_the_archive_are_never_unpickled(tmp_path):
    path = tmp_path / "model.npz"
    header = {"schema": "widthwise/estimator/1", "version": "1", "estimator": {"array": "array0"}}
    buffer = io.BytesIO()
    np.savez(
        buffer,
        **{HEADER: np.frombuffer(json.dumps(header).encode(), np.uint8)},
        array0=np.array([print], dtype=object),
    )
    path.write_bytes(buffer.getvalue())
    with pytest.raises(DataError, match="damaged"):
        Persistent.load(path)
    assert zipfile.is_zipfile(path)
