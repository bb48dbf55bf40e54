"""Parquet files: flat columns are read, the rest is refused by name."""

from __future__ import annotations

import pandas as pd
import pytest

from widthwise.datasets import load
from widthwise.errors import DataError

pytest.importorskip("pyarrow")


@pytest.fixture
def path(tmp_path):
    place = tmp_path / "data.parquet"
    pd.DataFrame({"a": [1.5, 2, 4, 3], "b": ["u", "v", "u", "v"], "label": ["x", "None", "x", "NA"]}).to_parquet(place)
    return place


def test_columns_and_text_labels_are_read(path):
    ds = load(path, target="label")
    assert ds.feature_names == ("a", "b=u", "b=v")
    assert ds.classes == ("NA", "None", "x")
    assert ds.X[:, 0].tolist() == [1.5, 2, 4, 3]


def test_nested_columns_are_named(tmp_path):
    place = tmp_path / "data.parquet"
    pd.DataFrame({"a": [[1], [2], [3]], "b": [{"c": 1}] * 3, "label": ["x", "y", "x"]}).to_parquet(place)
    with pytest.raises(DataError, match="must be flat; 'a', 'b' hold lists"):
        load(place, target="label")


@pytest.mark.parametrize("cut", [4, 50, -1])
def test_a_file_cut_short_is_refused(path, cut):
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(DataError, match="damaged, cut short or encrypted"):
        load(path, target="label")


def test_an_encrypted_file_is_refused(path):
    path.write_bytes(b"PARE" + path.read_bytes()[4:-4] + b"PARE")
    with pytest.raises(DataError, match="encrypted"):
        load(path, target="label")
