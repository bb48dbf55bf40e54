"""Arrays and npz archives: headers are believed only if every byte accounts for them."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile

import numpy as np
import pytest
from scipy import sparse

from widthwise.datasets import load
from widthwise.datasets.arrays import read_npz_pair
from widthwise.errors import DataError, ResourceError, UsageError

X = np.arange(12.0).reshape(4, 3) ** 2
y = np.array([0, 1, 0, 1])


def npy(array, **options):
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, **options)
    return buffer.getvalue()


def lying_npy(shape, data=b""):
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return buffer.getvalue() + data


def archive(path, members, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, data in members:
            file.writestr(name, data)
    return path


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_an_archive_reads_back(tmp_path, compression):
    path = archive(tmp_path / "a.npz", [("X.npy", npy(np.asfortranarray(X))), ("y.npy", npy(y))], compression)
    ds = load(path)
    np.testing.assert_array_equal(ds.X, X)
    np.testing.assert_array_equal(ds.y, y)
    assert ds.target_name == "y"


@pytest.mark.parametrize(
    ("names", "split", "target"),
    [
        (("X", "y"), "train", None),
        (("x", "Y"), "train", None),
        (("x_train", "y_train", "x_test", "y_test"), "train", None),
        (("x_test", "y_test", "x_train", "y_train"), "test", None),
        (("data", "labels"), "train", None),
        (("points", "outcome"), "train", None),
        (("X", "y2", "y"), "train", "y2"),
        (("points", "y2", "y3"), "train", "y2"),
    ],
)
def test_the_arrays_are_found_by_name(tmp_path, names, split, target):
    arrays = {}
    for i, name in enumerate(names):
        matrix = name.lower().startswith(("x", "data", "points"))
        arrays[name] = X + i if matrix else y
    np.savez(tmp_path / "a.npz", **arrays)
    ds = load(tmp_path / "a.npz", split=split, target=target)
    np.testing.assert_array_equal(ds.X, arrays[names[0]])
    assert ds.target_name == (target or names[1])


def test_unclear_arrays_are_listed(tmp_path):
    np.savez(tmp_path / "a.npz", a=X, b=X, c=y)
    with pytest.raises(DataError, match=r"'a' \(4, 3\), 'b' \(4, 3\), 'c' \(4,\)"):
        load(tmp_path / "a.npz")
    with pytest.raises(DataError, match=r"one matrix of features"):
        load(tmp_path / "a.npz", target="c")
    with pytest.raises(UsageError, match="no test part"):
        load(tmp_path / "a.npz", split="test")
    np.savez(tmp_path / "a.npz", X=X, label=y)
    with pytest.raises(DataError, match="did you mean 'label'"):
        load(tmp_path / "a.npz", target="lable")


@pytest.mark.parametrize("shape", [(10**12,), (0, 10**15), (4, 4), (4, 2), (2**40, 2**40)])
def test_a_lying_header_allocates_nothing(tmp_path, shape):
    path = archive(tmp_path / "a.npz", [("X.npy", lying_npy(shape, X.tobytes())), ("y.npy", npy(y))])
    with pytest.raises(DataError, match="header says shape"):
        load(path)


def test_an_empty_array_is_told(tmp_path):
    path = archive(tmp_path / "a.npz", [("X.npy", lying_npy((0, 10**15))), ("y.npy", npy(y))])
    with pytest.raises(DataError, match="is empty"):
        load(path)


def test_object_arrays_are_never_unpickled(tmp_path):
    proof = tmp_path / "proof"

    class Bomb:
        def __reduce__(self):
            return open, (str(proof), "w")

    header = npy(np.array([[1, 2]] * 4, dtype=object))
    header = header[: header.index(b"\n") + 1]
    path = archive(tmp_path / "a.npz", [("X.npy", header + pickle.dumps(Bomb())), ("y.npy", npy(y))])
    with pytest.raises(DataError, match="never opened"):
        load(path)
    assert not proof.exists()


@pytest.mark.parametrize("name", ["../../x.npy", "/etc/x.npy", "a/b.npy", "..\\x.npy", "C:x.npy"])
def test_members_named_like_paths_are_refused(tmp_path, name):
    with pytest.raises(DataError, match="named like paths"):
        load(archive(tmp_path / "a.npz", [("X.npy", npy(X)), ("y.npy", npy(y)), (name, npy(y))]))


def test_members_of_one_name_are_refused(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = archive(tmp_path / "a.npz", [("X.npy", npy(X)), ("y.npy", npy(y)), ("X.npy", npy(X))])
    with pytest.raises(DataError, match=r"'X\.npy' more than once"):
        load(path)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path):
    path = archive(tmp_path / "a.npz", [("X.npy", lying_npy((10**6, 9), bytes(72 * 10**6))), ("y.npy", npy(y))])
    assert path.stat().st_size < 10**5
    with pytest.raises(ResourceError, match="unpacks to 72000"):
        load(path)
    with pytest.raises(ResourceError, match="limit: 100,"):
        read_npz_pair(
            archive(tmp_path / "b.npz", [("X.npy", npy(X)), ("y.npy", npy(y))]).read_bytes(),
            where="b.npz",
            target=None,
            split="train",
            max_bytes=100,
        )


def test_every_cut_of_an_archive_is_refused(tmp_path):
    whole = archive(tmp_path / "a.npz", [("X.npy", npy(X)), ("y.npy", npy(y))]).read_bytes()
    for length in range(4, len(whole), 7):
        (tmp_path / "cut.npz").write_bytes(whole[:length])
        with pytest.raises(DataError):
            load(tmp_path / "cut.npz")


def test_flipped_bits_never_change_the_numbers(tmp_path):
    path = archive(tmp_path / "a.npz", [("X.npy", npy(X)), ("y.npy", npy(y))], zipfile.ZIP_STORED)
    whole = path.read_bytes()
    for at in range(0, len(whole), 3):
        data = bytearray(whole)
        data[at] ^= 1 << (at % 8)
        try:
            got = read_npz_pair(bytes(data), where="x", target=None, split="train")
        except (DataError, ResourceError):
            continue
        np.testing.assert_array_equal(got[0], X)
        np.testing.assert_array_equal(got[1], y)


def test_a_flipped_bit_of_the_data_fails_the_checksum(tmp_path):
    path = archive(tmp_path / "a.npz", [("X.npy", npy(X)), ("y.npy", npy(y))], zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    at = data.index(struct.pack("<d", 121.0))
    data[at + 3] ^= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match="Bad CRC"):
        load(path)


def test_an_encrypted_member_is_told(tmp_path):
    path = archive(tmp_path / "a.npz", [("X.npy", npy(X)), ("y.npy", npy(y))])
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match="encrypted"):
        load(path)


def test_a_single_array_is_refused_with_the_remedy(tmp_path):
    np.save(tmp_path / "X.npy", X)
    with pytest.raises(DataError, match=r"allow_pickle=False.*numpy\.savez"):
        load(tmp_path / "X.npy")


@pytest.mark.parametrize(
    "features",
    [
        X.tolist(),
        X.astype(np.float32),
        X.astype(np.int16),
        sparse.csr_array(X),
        sparse.coo_matrix(X),
        X[:, ::-1][:, ::-1],
    ],
)
def test_features_from_memory(features):
    ds = load(features, y)
    np.testing.assert_array_equal(ds.X, X)
    assert ds.X.dtype == np.float64
    assert ds.feature_names == ("x0", "x1", "x2")
    np.testing.assert_array_equal(load((features, y)).X, X)


def test_one_column_and_text_columns_from_memory():
    assert load([3.0, 1.0, 2.0], ["a", "b", "a"]).X.tolist() == [[3], [1], [2]]
    ds = load([["u", 1.5], ["v", 2.5], ["u", 3.0]], ["a", "b", "a"])
    assert ds.feature_names == ("x0=u", "x0=v", "x1")


@pytest.mark.parametrize("shape", [(4, 5, 6), (4, 5, 6, 3), (4, 5, 6, 1)])
def test_images_are_known_by_their_shape(shape):
    images = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    images[:, 0, 0] = 0  # constant pixels stay
    ds = load(images, y)
    assert ds.kind == "image"
    assert ds.image_shape == (shape[1:] if shape[-1] == 3 else (5, 6))
    assert ds.d == int(np.prod(shape[1:]))
    assert len(ds.feature_names) == ds.d
    np.testing.assert_array_equal(ds.X, images.reshape(4, -1))


@pytest.mark.parametrize(
    ("features", "labels", "message"),
    [
        ([[1, 2], [3]], [0, 1], "rows of equal length"),
        (X * 1j, y, "complex"),
        (np.array([["2020-01-01"]] * 4, dtype="M8[D]"), y, "dates"),
        (np.zeros((2, 2, 2, 2, 2)), [0, 1], "shape"),
        (X, y[:3], "4 rows of features and 3 labels"),
        (X[:2], y[:2], "at least 3 rows"),
        (X[:, :0], y, "at least one feature"),
        (X * np.array([1, np.nan, 1]), y, "row 0, column 'x1': nan"),
        (np.ones((4, 2)), y, "every column"),
    ],
)
def test_arrays_that_cannot_be_used(features, labels, message):
    with pytest.raises(DataError, match=message):
        load(features, labels)


def test_sparse_features_too_large_to_be_dense_are_refused():
    with pytest.raises(ResourceError, match="dense"):
        load(sparse.csr_array((10**6, 10**6)), y)


def test_more_columns_than_rows():
    assert load(np.random.default_rng(0).normal(size=(3, 50)), [0, 1, 1]).d == 50
