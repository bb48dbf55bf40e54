"""Conditional variances given nearest rows, and packed tiles read row by row and entry by entry."""

from __future__ import annotations

import numpy as np
import pytest

from widthwise.kernels import NTK
from widthwise.solvers import (
    PackedTiles,
    as_operator,
    conditional_variances,
    inverse,
    leave_one_out_estimate,
    nearest,
    pivoted_cholesky,
    sharpened,
)

RIDGE = 0.05


@pytest.fixture(scope="module")
def gram():
    rows = np.random.default_rng(0).standard_normal((700, 4))
    rows[30] = 3.0 * rows[31]
    return NTK(depth=1)(rows)


@pytest.fixture(scope="module")
def tiles(gram):
    packed = PackedTiles(len(gram), "float32", side=96)
    as_operator(gram).each_tile(packed.put, "float32")
    return packed


def test_rows_and_entries_of_packed_tiles_are_those_of_the_matrix(gram, tiles):
    rounded = gram.astype(np.float32)
    for start, stop in ((0, 5), (90, 200), (640, 700), (95, 97)):
        np.testing.assert_array_equal(tiles.rows(np.arange(start, stop)), rounded[start:stop])
    i, j = np.random.default_rng(1).integers(0, 700, (2, 50, 3))
    np.testing.assert_array_equal(tiles.entries(i, j), rounded[i, j].astype(np.float64))


def test_widened_products_are_those_of_the_rounded_entries_in_float64(gram, tiles):
    V = np.random.default_rng(2).standard_normal((700, 3))
    exact = gram.astype(np.float32).astype(np.float64) @ V
    np.testing.assert_allclose(tiles.widened().matmul(V), exact, rtol=0, atol=1e-12 * np.abs(exact).max())


def test_the_nearest_rows_are_those_of_largest_correlation(gram, tiles):
    size = np.sqrt(np.diag(gram))
    correlation = gram / np.outer(size, size)
    np.fill_diagonal(correlation, -np.inf)
    found = nearest(tiles, 7)
    for row in range(0, 700, 23):
        best = np.sort(correlation[row])[-7:]
        # Equal to the rounding of float32 entries.
        np.testing.assert_allclose(np.sort(correlation[row, found[row]]), best, atol=1e-6)
    assert nearest(tiles, 30).shape == (700, 30)


def test_all_other_rows_as_neighbours_give_the_inverse_s_diagonal_itself():
    rows = np.random.default_rng(3).standard_normal((40, 3))
    K = NTK(depth=1)(rows)
    packed = PackedTiles(40, "float64")
    as_operator(K).each_tile(packed.put, "float64")
    variances = conditional_variances(packed, nearest(packed, 39), ridge=RIDGE)
    np.testing.assert_allclose(1.0 / variances, np.diag(inverse(K, shift=RIDGE).matrix), rtol=1e-9)
    # Fewer of them leave more variance, never less.
    some = conditional_variances(packed, nearest(packed, 5), ridge=RIDGE)
    assert np.all(some >= variances * (1.0 - 1e-9))


# Unit rows, as audits have them, and rows of any size, whose neighbours tell less.
@pytest.mark.parametrize(("unit", "most"), [(True, 0.5), (False, 0.75)])
def test_neighbours_take_scatter_away_and_the_errors_say_how_much(unit, most):
    rows = np.random.default_rng(4).standard_normal((700, 4))
    if unit:
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    K = NTK(depth=1)(rows)
    tiles = PackedTiles.of(as_operator(K), "float32")
    exact = np.diag(inverse(K, shift=RIDGE).matrix)
    _, sampled = leave_one_out_estimate(as_operator(K), np.zeros((700, 1)), ridge=RIDGE, probes=8, rank=40)
    sharp = sharpened(sampled, conditional_variances(tiles, nearest(tiles), ridge=RIDGE))
    assert np.std(sharp.values / exact) < most * np.std(sampled.sampled / exact)
    inside = np.abs(sharp.values - exact) <= 2.0 * sharp.standard_errors
    assert inside.mean() >= 0.9


def test_a_low_rank_approximation_restricted_to_rows_is_that_of_their_block(gram):
    low = pivoted_cholesky(as_operator(gram), 60, seed=0)
    rows = np.arange(0, 700, 3)
    part = low.restricted(rows)
    np.testing.assert_allclose(part.U.T @ part.U, np.eye(len(part.values)), atol=1e-6)
    whole = (low.U * low.values) @ low.U.T
    np.testing.assert_allclose((part.U * part.values) @ part.U.T, whole[np.ix_(rows, rows)], atol=1e-8 * low.values[0])
