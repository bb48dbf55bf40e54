"""Half a symmetric matrix in tiles: entries, products and columns against the matrix itself."""

import numpy as np
import pytest

from widthwise.errors import DataError, ResourceError
from widthwise.kernels import NTK
from widthwise.solvers import PackedTiles, SplitTiles, as_operator, iterative, solve

EPS = np.finfo(np.float64).eps
N, K_COLUMNS = 1300, 7


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(0).standard_normal((N, 20))


@pytest.fixture(scope="module")
def gram(rows):
    return NTK(depth=2)(rows)


@pytest.fixture(scope="module")
def vectors():
    return np.random.default_rng(1).standard_normal((N, K_COLUMNS))


@pytest.mark.parametrize("hold", [lambda K: PackedTiles.of(K, "float64"), SplitTiles.of], ids=["float64", "split"])
def test_tiles_hold_the_matrix(hold, rows, gram, vectors):
    """Tiles of a kernel and tiles of products have different sides, and both leave a remainder of the rows."""
    tiles = hold(NTK(depth=2).operator(rows))
    # Two halves of 24 bits, each rounded to nearest: 2^-48 of an entry; nothing is lost in float64.
    close = {"rtol": 2.0**-48, "atol": 0}
    assert tiles.shape == (N, N)
    np.testing.assert_allclose(tiles.diagonal(), np.diag(gram), **close)
    chosen = np.array([1299, 0, 1055, 1056, 700])
    np.testing.assert_allclose(tiles.columns(chosen), gram[:, chosen], **close)
    found = np.zeros_like(gram)

    def store(top, left, values):
        found[top : top + values.shape[0], left : left + values.shape[1]] = values

    tiles.each_tile(store, "float64")
    np.testing.assert_allclose(np.tril(found), np.tril(gram), **close)
    size = np.abs(gram) @ np.abs(vectors)
    np.testing.assert_array_less(np.abs(tiles.matmul(vectors) - gram @ vectors), (2.0**-48 + N * EPS) * size)


def test_the_quick_half_is_the_matrix_in_float32(rows, gram):
    quick = SplitTiles.of(as_operator(gram)).quick
    assert quick.dtype == np.float32
    everything = np.arange(N)
    assert np.array_equal(quick.columns(everything), gram.astype(np.float32))


def test_columns_come_in_the_order_they_were_asked_for(gram):
    tiles = PackedTiles.of(as_operator(gram), "float64")
    chosen = np.random.default_rng(2).permutation(N)[:40]
    assert np.array_equal(tiles.columns(chosen), np.tril(gram)[:, chosen] + np.tril(gram, -1).T[:, chosen])


def test_a_large_system_is_refined_by_both_halves(monkeypatch, rows, gram, vectors):
    """Above a size the recursion multiplies in float32 and residuals come from the sum of both halves."""
    monkeypatch.setattr(iterative, "LARGE", N - 1)
    ridge = 1e-4 * float(np.diag(gram).mean())
    found = solve(NTK(depth=2).operator(rows), vectors, ridge=ridge, solver="cg", tol=1e-9)
    left = vectors - gram @ found.coefficients - ridge * found.coefficients
    true = np.linalg.norm(left, axis=0) / np.linalg.norm(vectors, axis=0)
    assert found.precision == "float32 products, float64 residuals"
    assert found.refinements >= 2
    assert found.converged
    # What 48 bits leave of an entry, over the size of the answer.
    unseen = (
        2.0**-48 * np.linalg.norm(np.abs(gram) @ np.abs(found.coefficients), axis=0) / np.linalg.norm(vectors, axis=0)
    )
    assert np.abs(true.max() - found.residual) <= unseen.max() + 1e-3 * found.residual


def test_memory_of_both_halves_is_asked_for_before_any_is_taken(monkeypatch):
    one = PackedTiles.bytes_for(3000, "float32")
    monkeypatch.setattr("widthwise._checks.available_memory", lambda: int(1.5 * one))
    PackedTiles(3000, "float32")
    with pytest.raises(ResourceError, match="half a kernel matrix of 3000 rows in float64"):
        SplitTiles(3000)


def test_entries_beyond_float32_are_refused():
    with pytest.raises(DataError, match=r"below 3\.4e38; larger ones came"):
        SplitTiles.of(as_operator(np.diag([1.0, 1e39])))
