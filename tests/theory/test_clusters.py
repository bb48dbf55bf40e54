"""Separation against brute force; clusters on data that were made of them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from widthwise import theory
from widthwise.errors import DataError


@pytest.mark.parametrize("seed", range(3))
def test_separations_are_those_of_all_pairs(seed):
    rng = np.random.default_rng(seed)
    X, labels = rng.standard_normal((60, 4)), rng.integers(3, size=60)
    pairs = [(float(np.linalg.norm(X[i] - X[j])), i, j) for i, j in itertools.combinations(range(60), 2)]
    every = theory.input_separation(X)
    assert (every.distance, *every.rows) == min(pairs)
    apart = theory.class_separation(X, labels)
    assert (apart.distance, *apart.rows) == min(p for p in pairs if labels[p[1]] != labels[p[2]])


def test_near_twins_keep_their_digits_and_twins_are_at_zero():
    X = np.random.default_rng(0).standard_normal((50, 8))
    near = X[7] + 1e-11 * np.eye(8)[0]
    found = theory.input_separation(np.vstack([X, near]))
    assert found.rows == (7, 50)
    assert found.distance == abs(near[0] - X[7, 0])
    assert theory.input_separation(np.vstack([X, X[3]])).distance == 0.0


def test_one_row_has_no_pair():
    assert theory.input_separation(np.ones((1, 2))) == theory.ClosestPair(distance=np.inf, rows=None)


def made(k, per_class, diameter, seed=0):
    """Classes of l balls each, centres 1 apart from all others by orthogonality times 1/sqrt 2."""
    rng = np.random.default_rng(seed)
    centres = np.eye(k * per_class) / np.sqrt(2)
    rows, labels = [], []
    for c in range(k * per_class):
        push = rng.standard_normal((12, k * per_class))
        push *= diameter / 2 / np.linalg.norm(push, axis=1, keepdims=True)
        rows.append(centres[c] + push)
        labels += [c % k] * 12
    return np.vstack(rows), np.array(labels)


@pytest.mark.parametrize(("k", "per_class"), [(2, 1), (3, 2), (2, 4)])
def test_clusters_that_meet_the_assumptions_are_found(k, per_class):
    # The smallest distance between balls is at least 1 minus a diameter; diameters meet 1/(8 l) of that.
    X, labels = made(k, per_class, 0.1 / per_class)
    found = theory.structure(X, labels)
    assert (found.classes, found.components, found.memorising) == (k, per_class, False)
    assert found.by_class == (per_class,) * k
    assert 1 - 0.1 / per_class <= found.delta <= 1.0
    assert found.diameter <= 1 / (8 * per_class)


def test_rows_without_structure_are_their_own_clusters():
    rng = np.random.default_rng(0)
    found = theory.structure(rng.standard_normal((40, 3)), np.arange(40) % 2)
    assert found.memorising
    assert found.components == 20
    assert found.diameter == 0.0


def test_classes_that_touch_have_no_structure():
    found = theory.structure(np.array([[1.0], [1.0], [2.0]]), np.array([0, 1, 1]))
    assert (found.delta, found.components, found.rows) == (0.0, 0, (0, 1))


def test_one_class_is_refused():
    with pytest.raises(DataError, match="two classes"):
        theory.structure(np.eye(3), np.zeros(3, dtype=int))
