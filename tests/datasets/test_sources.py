"""One door: names, paths, memory, and what does not go together."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn import datasets as sklearn_datasets

import widthwise
from widthwise.datasets import load
from widthwise.errors import DataError, UsageError


@pytest.mark.parametrize(
    ("name", "n", "d", "k"),
    [("digits", 1797, 64, 10), ("iris", 150, 4, 3), ("wine", 178, 13, 3), ("breast-cancer", 569, 30, 2)],
)
def test_bundled_sets_equal_their_source(name, n, d, k):
    ds = load(name)
    source = getattr(sklearn_datasets, f"load_{name.replace('-', '_')}")()
    np.testing.assert_array_equal(ds.X, source.data)
    np.testing.assert_array_equal(ds.y, source.target)
    assert (ds.n, ds.d, len(ds.classes), ds.task) == (n, d, k, "classification")
    assert ds.classes == tuple(str(c) for c in source.target_names)
    assert ds.source == name
    assert ds.alerts == ()


def test_digits_are_images():
    ds = load("digits")
    assert (ds.kind, ds.image_shape) == ("image", (8, 8))


def test_diabetes_is_regression_in_its_own_units():
    ds = load("diabetes")
    assert (ds.task, ds.classes, ds.y.dtype) == ("regression", (), np.float64)
    assert ds.X[:, 0].max() == 79  # years


def test_a_published_class_may_be_learnt_as_a_number():
    ds = load("digits", task="regression")
    assert ds.y[:3].tolist() == [0.0, 1.0, 2.0]
    assert (ds.classes, ds.task_reason) == ((), "given")


@pytest.mark.parametrize(
    ("typo", "meant"),
    [("digts", "digits"), ("Iris", "iris"), ("mnst:0,1", "mnist"), ("breast_cancer", "breast-cancer")],
)
def test_a_misspelt_name_is_a_usage_error_with_the_name_meant(typo, meant):
    with pytest.raises(UsageError, match=f"did you mean '{meant}'") as caught:
        load(typo)
    assert "Known: digits, iris" in str(caught.value)


def test_what_looks_like_a_path_is_a_missing_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in ("digts.csv", "./digts"):
        with pytest.raises(DataError, match="no such file"):
            load(path)


def test_a_file_without_extension_is_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "table").write_text("a,y\n1,u\n2,v\n3,u\n")
    assert load("table").classes == ("u", "v")


def test_uci_sets_come_from_the_data_folder(tmp_path, monkeypatch):
    (tmp_path / "uci").mkdir()
    X = np.random.default_rng(0).normal(size=(20, 3))
    np.savez(
        tmp_path / "uci/tiny.npz", X=X, y=np.arange(20) % 2, X_test=X[:5] + 1, y_test=np.arange(5) % 2, folds_train=X
    )
    monkeypatch.setenv("WIDTHWISE_DATA", str(tmp_path))
    np.testing.assert_array_equal(load("uci:tiny").X, X)
    np.testing.assert_array_equal(load("uci:tiny", split="test").X, X[:5] + 1)
    with pytest.raises(UsageError, match="did you mean 'tiny'"):
        load("uci:tinny")
    with pytest.raises(UsageError):
        load("uci:../tiny")
    monkeypatch.delenv("WIDTHWISE_DATA")
    with pytest.raises(DataError, match="set WIDTHWISE_DATA"):
        load("uci:tiny")


def test_a_real_uci_set(shared_data, monkeypatch):
    monkeypatch.setenv("WIDTHWISE_DATA", str(shared_data))
    ds = load("uci:abalone")
    assert (ds.n, ds.d, ds.classes) == (4177, 8, ("0", "1", "2"))
    assert np.bincount(ds.y).tolist() == [1407, 1323, 1447]


def test_a_dataset_is_returned_as_it_is():
    ds = load("iris")
    assert load(ds) is ds


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (("iris", [1, 2]), {}),
        (("iris",), {"target": "class"}),
        (("iris",), {"split": "test"}),
        (("iris",), {"split": "valid"}),
        (("iris",), {"task": "ranking"}),
        ((np.eye(3),), {}),
        ((np.eye(3), [0, 1, 1]), {"target": "y"}),
        ((np.eye(3), [0, 1, 1]), {"split": "test"}),
        ((pd.DataFrame({"a": [1, 2, 3]}),), {}),
    ],
)
def test_arguments_that_do_not_go_together(arguments, options):
    with pytest.raises((UsageError, TypeError)):
        load(*arguments, **options)


def test_errors_are_value_errors():
    with pytest.raises(ValueError, match="no data set"):
        load("digts")


def test_importing_is_cheap():
    code = (
        "import sys, widthwise.datasets; "
        "heavy = ('pandas', 'sklearn', 'scipy', 'jax', 'pooch', 'pyarrow', 'matplotlib'); "
        "print([m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_module_hides_a_public_function():
    import widthwise.datasets as package

    assert all(
        callable(getattr(package, name)) for name in package.__all__ if name not in ("Task", "Scale", "synthetic")
    )
    assert widthwise.load is load
