"""MNIST and Fashion-MNIST: copies on this machine first, then downloads that are whole or not there."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import struct
import threading

import numpy as np
import pytest

from widthwise.datasets import load
from widthwise.datasets.mnist import fetch
from widthwise.errors import DataError, DownloadError, UsageError


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A user without any copy, whose downloads can go nowhere."""
    for name in ("HOME", "USERPROFILE", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("WIDTHWISE_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # a closed port
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def made_up(n=10_000):
    """Images whose first pixel is the label, and labels in turn."""
    y = (np.arange(n) % 10).astype(np.uint8)
    X = np.zeros((n, 28, 28), dtype=np.uint8)
    X[:, 0, 0] = y
    return X, y


def write_idx(folder, X, y, *, packed=False):
    folder.mkdir(parents=True)
    for name, code, array in (("images-idx3", 3, X), ("labels-idx1", 1, y)):
        data = bytes((0, 0, 8, code)) + struct.pack(f">{code}I", *array.shape) + array.tobytes()
        path = folder / f"t10k-{name}-ubyte{'.gz' if packed else ''}"
        path.write_bytes(gzip.compress(data, 1) if packed else data)


@pytest.mark.parametrize(
    ("spec", "place"),
    [
        ("mnist:7,2", "data/mnist"),
        ("mnist:7,2", "data/MNIST/raw"),
        ("fashion-mnist:sneaker,2", "data/fashion-mnist"),
        ("fashion-mnist:Sneaker,Pullover", ".keras/datasets/fashion-mnist"),
    ],
)
def test_copies_are_found_and_classes_keep_the_given_order(home, spec, place):
    write_idx(home / place, *made_up(), packed=place.endswith("mnist"))
    ds = load(spec, split="test")
    assert ds.n == 2000
    assert ds.classes == (("7", "2") if spec.startswith("mnist") else ("Sneaker", "Pullover"))
    np.testing.assert_array_equal(ds.X[:, 0], np.where(ds.y == 0, 7, 2))
    np.testing.assert_array_equal(ds.rows % 10, ds.X[:, 0])
    assert (ds.kind, ds.image_shape, ds.source) == ("image", (28, 28), spec)


def test_the_copy_of_keras_is_found(home):
    X, y = made_up()
    (home / ".keras/datasets").mkdir(parents=True)
    np.savez(home / ".keras/datasets/mnist.npz", x_test=X, y_test=y, x_train=X, y_train=y)
    assert load("mnist:0,1", split="test").n == 2000


def test_a_damaged_copy_is_named(home):
    X, y = made_up()
    write_idx(home / "data/mnist", X[:, :27], y)
    with pytest.raises(DataError, match=r"must hold 10000 images of 28 x 28 .*\(10000, 27, 28\)"):
        load("mnist", split="test")


@pytest.mark.parametrize(
    "spec", ["mnist:0", "mnist:0,0", "mnist:0,10", "mnist:0,x", "mnist:", "fashion-mnist:1,sneakr"]
)
def test_unknown_classes_are_usage_errors(home, spec):
    with pytest.raises(UsageError) as caught:
        load(spec)
    assert "sneakr" not in spec or "did you mean 'Sneaker'?" in str(caught.value)


def test_offline_names_file_hash_and_addresses(home):
    with pytest.raises(DownloadError) as caught:
        load("mnist")
    text = str(caught.value)
    for part in ("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873", "ossci-datasets", "cvdf-datasets"):
        assert part in text
    assert caught.value.exit_code == 7
    assert not [p for p in home.rglob("*") if p.is_file()]


@pytest.fixture
def server():
    """A web server on this machine: /good serves the file, /cut stops in the middle, /other is another file."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            data = {"/good": PAYLOAD, "/cut": PAYLOAD, "/other": b"another"}.get(self.path)
            self.send_response(404 if data is None else 200)
            self.send_header("Content-Length", str(len(data or b"")))
            self.end_headers()
            self.wfile.write((data or b"")[: 1000 if self.path == "/cut" else None])

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()
        thread.join()


PAYLOAD = bytes(range(256)) * 1000
MD5 = hashlib.md5(PAYLOAD, usedforsecurity=False).hexdigest()


def test_a_download_is_checked_and_kept(server, tmp_path):
    path = fetch("f.gz", urls=[f"{server}/missing", f"{server}/cut", f"{server}/good"], md5=MD5, folder=tmp_path / "c")
    assert path.read_bytes() == PAYLOAD
    assert fetch("f.gz", urls=["http://127.0.0.1:9/"], md5=MD5, folder=tmp_path / "c") == path  # no network needed
    assert [p.name for p in (tmp_path / "c").iterdir()] == ["f.gz"]


@pytest.mark.parametrize("what", ["missing", "cut", "other"])
def test_a_failed_download_leaves_nothing(server, tmp_path, what):
    with pytest.raises(DownloadError, match=f"{server}/{what}"):
        fetch("f.gz", urls=[f"{server}/{what}"], md5=MD5, folder=tmp_path / "c")
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


def test_the_real_training_images(shared_data, monkeypatch):
    monkeypatch.setenv("WIDTHWISE_DATA", str(shared_data))
    ds = load("mnist:0,1")
    assert (ds.n, ds.d, ds.classes) == (12665, 784, ("0", "1"))  # 5923 zeros and 6742 ones
    assert np.bincount(ds.y).tolist() == [5923, 6742]
    assert ds.X.max() == 255
    assert ds.rows[:3].tolist() == [1, 3, 6]
