"""Extremal directions against the reference example, a scan of the circle, and the symmetries of the plane."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import lsq_linear

from widthwise.errors import DataError, UsageError
from widthwise.theory.alignment import attractors, extremal_directions, potential

# Five points on a line with a bias; the angles and potentials are worked out by hand and to six digits.
LINE = np.column_stack([[-1, -0.5, 0, 0.5, 1], np.ones(5)])
TARGETS = np.array([0.5, -0.3, 0.8, -0.6, 0.4])
TABLE = [
    (0.000000, 0.100000, "minimum", False),
    (107.354025, 0.838153, "maximum", True),
    (135.000000, 0.742462, "minimum", False),
    (148.392498, 0.763217, "maximum", True),
    (225.000000, 0.0, "flat edge", False),
    (315.000000, 0.0, "flat edge", False),
    (333.434949, 0.178885, "maximum", False),
]


def random_plane(seed, n=6):
    generator = np.random.default_rng(seed)
    return generator.standard_normal((n, 2)), generator.standard_normal(n)


def test_the_reference_example_has_its_seven_directions():
    found = extremal_directions(LINE, TARGETS)
    # The table is rounded to six digits.
    np.testing.assert_allclose(found.angles, [row[0] for row in TABLE], rtol=0, atol=5.1e-7)
    np.testing.assert_allclose(found.G, [row[1] for row in TABLE], rtol=0, atol=5.1e-7)
    assert found.kinds == tuple(row[2] for row in TABLE)
    assert found.interior.tolist() == [row[3] for row in TABLE]
    assert found.sectors == 10
    assert found.angles[found.stable(1)].round().tolist() == [107, 148, 333]
    assert found.angles[found.stable(-1)].round().tolist() == [0, 135]
    # Negative neurons shrink wherever they gather, since G is positive there.
    assert not found.growing(-1).any()
    assert found.growing(1).tolist() == [True, True, True, True, False, False, True]


def test_the_example_that_stalls_has_one_maximum():
    X = np.column_stack([[-0.75, -0.5, 0.125], np.ones(3)])
    found = extremal_directions(X, np.array([1.1, 0.1, 0.8]))
    (only,) = np.nonzero(found.stable(1))[0]
    assert found.angles[only] == pytest.approx(111.181350, abs=5.1e-7)
    assert found.G[only] == pytest.approx(2.144907, abs=5.1e-7)
    assert not found.stable(-1).any()


@pytest.mark.parametrize("seed", range(12))
def test_every_extremum_of_a_scan_of_the_circle_is_found_and_no_other(seed):
    X, r = random_plane(seed)
    steps = 200_000
    angles = 2 * np.pi * np.arange(steps) / steps
    G = potential(X, r, np.column_stack([np.cos(angles), np.sin(angles)]))
    before, after = np.roll(G, 1), np.roll(G, -1)
    # Strict, so that the flat sector, if there is one, counts neither way.
    live = (np.abs(G) > 0) | (np.abs(before) > 0) | (np.abs(after) > 0)
    scanned = {
        "maximum": np.degrees(angles[(before < G) & (after < G) & live]),
        "minimum": np.degrees(angles[(before > G) & (after > G) & live]),
    }
    found = extremal_directions(X, r)
    for kind, places in scanned.items():
        exact = found.angles[np.array([k == kind for k in found.kinds])]
        assert len(exact) == len(places)
        apart = np.abs((exact[:, None] - places[None, :] + 180) % 360 - 180)
        assert apart.min(axis=1).max(initial=0) <= 360 / steps
    np.testing.assert_allclose(found.G, potential(X, r, found.directions), rtol=0, atol=1e-13)
    assert found.sectors <= 2 * len(X)


@given(seed=st.integers(0, 10_000), turn=st.floats(0, 360), scale=st.floats(0.01, 100))
@settings(max_examples=50)
def test_turning_the_data_turns_the_directions_and_scaling_leaves_them(seed, turn, scale):
    X, r = random_plane(seed)
    c, s = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    found, turned = extremal_directions(X, r), extremal_directions(scale * X @ np.array([[c, s], [-s, c]]), r)
    assert sorted(found.kinds) == sorted(turned.kinds)
    apart = np.abs((found.angles[:, None] + turn - turned.angles[None, :] + 180) % 360 - 180)
    # A sum of six terms that may cancel a thousandfold decides an interior angle.
    assert apart.min(axis=1).max() < 1e-9
    np.testing.assert_allclose(np.sort(turned.G), scale * np.sort(found.G), rtol=0, atol=1e-12 * scale)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=30)
def test_turning_the_residual_round_exchanges_maxima_and_minima(seed):
    X, r = random_plane(seed)
    found, other = extremal_directions(X, r), extremal_directions(X, -r)
    np.testing.assert_array_equal(found.stable(1), other.stable(-1))
    # Angles of extrema are rounded, and sums of six terms of order one.
    np.testing.assert_allclose(found.G, -other.G, rtol=0, atol=1e-13)


def test_parallel_rows_and_rows_of_zeros_cut_no_sector_of_their_own():
    X, r = random_plane(3)
    plain = extremal_directions(X, r)
    more = extremal_directions(np.vstack([X, 3 * X[:1], -2 * X[1:2], np.zeros((1, 2))]), np.append(r, [0.0, 0.0, 5.0]))
    np.testing.assert_allclose(more.angles, plain.angles, rtol=0, atol=1e-12)
    assert more.kinds == plain.kinds
    assert more.sectors == plain.sectors


def test_a_maximum_that_falls_on_a_border_is_one():
    # D = (1, 0) on both sides of the border at 0 degrees, which the second row cuts without pulling.
    found = extremal_directions(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([1.0, 0.0]))
    assert dict(zip(found.angles, found.kinds, strict=True)) == {0.0: "maximum", 90.0: "flat edge", 270.0: "flat edge"}


def test_the_distance_is_the_angle_to_the_nearest():
    found = extremal_directions(LINE, TARGETS)
    at = np.radians([107.354025 + 0.5, 333.0, 10.0])
    vectors = 7.0 * np.column_stack([np.cos(at), np.sin(at)])
    np.testing.assert_allclose(found.distance(vectors), [0.5, 0.434949, 10.0], rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.distance(vectors, sign=-1), [135 - 107.854025, 27.0, 10.0], atol=1e-6)
    assert np.isnan(found.distance(np.zeros((1, 2))))[0]
    lonely = extremal_directions(np.array([[1.0, 0.0]]), np.array([1.0]))
    assert lonely.distance(vectors, sign=-1).tolist() == [np.inf] * 3


def test_what_is_not_a_plane_is_refused():
    with pytest.raises(DataError, match="two columns"):
        inspect.unwrap(extremal_directions)(np.ones((3, 3)), np.ones(3))
    with pytest.raises(DataError, match="other than zero"):
        extremal_directions(np.zeros((3, 2)), np.ones(3))
    with pytest.raises(DataError, match="3 finite numbers"):
        extremal_directions(LINE[:3], np.array([1.0, np.nan, 1.0]))
    with pytest.raises(UsageError, match="sign must be 1 or -1"):
        extremal_directions(LINE, TARGETS).stable(0)


@pytest.mark.parametrize("sign", [1, -1])
def test_followed_from_random_starts_the_flow_ends_at_the_enumerated_extrema(sign):
    """Its last step is .3 / 301 radians, .06 degrees: no limit is further from an extremum that attracts.

    Those of the twelve rows have basins as narrow as a third of a degree, which 200 starts need not hit.
    """
    generator = np.random.default_rng(5)
    random = generator.standard_normal((12, 2)), generator.standard_normal(12)
    for (X, r), narrow in (((LINE, TARGETS), 0), (random, 1)):
        exact = extremal_directions(X, r)
        found = attractors(X, r, sign=sign, starts=200, seed=1)
        assert 0 <= np.count_nonzero(exact.stable(sign)) - len(found.directions) <= narrow
        assert np.all(exact.distance(found.directions, sign=sign) < 0.1)
        np.testing.assert_allclose(found.growth, sign * potential(X, r, found.directions), atol=1e-12)
        assert np.all(np.diff(found.growth) <= 0)
        assert found.share.sum() <= 1.0 + 1e-12


def test_limits_in_four_dimensions_are_stationary_by_a_certificate():
    """Zero is in the tangential part of D, each row at its border taken by some share in [0, 1]: bounded least squares.

    A row is at its border if the limit is within four last steps of it; moving the limit by as much turns D by as much.
    """
    generator = np.random.default_rng(0)
    X, r = generator.standard_normal((15, 4)), generator.standard_normal(15)
    found = attractors(X, r, seed=1)
    assert len(found.directions)
    for w in found.directions:
        size = np.linalg.norm(X, axis=1)
        border = np.abs(X @ w) < 4e-3 * size
        D = ((X @ w > 0) & ~border) * r @ X
        tangent = np.eye(4) - np.outer(w, w)
        left = lsq_linear(tangent @ (X[border] * r[border, None]).T, -tangent @ D, bounds=(0, 1)).fun
        assert np.linalg.norm(left) < 4e-3 * np.sum(np.abs(r) * size)


def test_what_attracts_negative_neurons_attracts_positive_ones_of_the_other_targets():
    X, r = np.random.default_rng(2).standard_normal((9, 3)), np.random.default_rng(3).standard_normal(9)
    one, other = attractors(X, r, sign=-1, seed=4), attractors(X, -r, seed=4)
    np.testing.assert_array_equal(one.directions, other.directions)
    turned = 2.0 * np.concatenate([one.directions, -one.directions[:1]])
    assert np.all(one.distance(turned)[: len(one.directions)] < 1e-5)
    with pytest.raises(DataError, match="9 finite numbers"):
        attractors(X, np.append(r[:-1], np.inf))
    with pytest.raises(UsageError, match="sign must be 1 or -1"):
        attractors(X, r, sign=2)
