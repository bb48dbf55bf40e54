"""Margins, intervals, conflicts and the test of separation on cases whose answer is known."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.stats

from widthwise import theory
from widthwise.errors import UsageError
from widthwise.kernels import NTK


def test_a_margin_is_half_the_lead_of_the_given_class():
    scores = np.array([[1.0, -1.0, -1.0], [1.0, -1.0, -1.0], [0.2, 0.1, -0.5]])
    found = theory.margins(scores, np.array([0, 1, 2]))
    np.testing.assert_allclose(found.margin, [1.0, -1.0, -0.35], rtol=1e-15)
    assert found.suggested.tolist() == [0, 0, 0]
    assert found.order.tolist() == [1, 2, 0]


def test_two_classes_in_one_column_have_the_margin_of_the_coded_product():
    s = np.random.default_rng(0).standard_normal(20)
    labels = np.random.default_rng(1).integers(0, 2, 20)
    found = theory.margins(np.column_stack([-s, s]), labels)
    assert np.array_equal(found.margin, (2 * labels - 1) * s)
    assert np.array_equal(found.suggested, (s > 0).astype(int))


def test_a_margin_is_negative_where_another_class_is_suggested():
    generator = np.random.default_rng(0)
    scores, labels = generator.standard_normal((200, 4)), generator.integers(0, 4, 200)
    found = theory.margins(scores, labels)
    assert np.array_equal(found.margin < 0, found.suggested != labels)
    assert np.all(np.diff(found.margin[found.order]) >= 0)


@pytest.mark.parametrize("n", [1, 2, 10, 137, 10_000])
def test_the_wilson_interval_is_that_of_scipy(n):
    for successes in {0, 1, n // 3, n // 2, n - 1, n}:
        found = theory.wilson(successes, n)
        expected = scipy.stats.binomtest(successes, n).proportion_ci(0.95, method="wilson")
        assert found.value == successes / n
        # SciPy's interval is off by 1e-16 of its quantile and its roundings.
        assert found.low == pytest.approx(expected.low, abs=1e-14)
        assert found.high == pytest.approx(expected.high, abs=1e-14)
        assert 0.0 <= found.low <= found.value <= found.high <= 1.0


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (3, 2), (-1, 2)])
def test_a_share_of_nothing_has_no_interval(successes, n):
    with pytest.raises(UsageError, match="must"):
        theory.wilson(successes, n)


def _held_out(X, labels, ridge=100.0):
    """Leave-one-out scores of a kernel ridge regression, with their margins."""
    coded = (2.0 * labels - 1.0)[:, None]
    scores = theory.leave_one_out(NTK(depth=1)(X), coded, ridge=ridge, center=True).predictions
    margin = theory.margins(np.column_stack([-scores[:, 0], scores[:, 0]]), labels).margin
    return theory.separation(margin, coded, scores), margin


def _two_gaussians(distance, flipped, n=400):
    generator = np.random.default_rng(0)
    truth = np.arange(n) % 2
    X = generator.standard_normal((n, 3)) + distance * (truth[:, None] - 0.5) * np.array([1.0, 0.0, 0.0])
    flips = generator.permutation(n)[: int(flipped * n)]
    labels = truth.copy()
    labels[flips] = 1 - labels[flips]
    return np.column_stack([X, np.full(n, 2.0)]), labels, flips


@pytest.mark.parametrize("flipped", [0.0, 0.05, 0.1])
def test_two_clouds_far_apart_separate_whatever_labels_are_flipped(flipped):
    X, labels, flips = _two_gaussians(12.0, flipped)
    found, margin = _held_out(X, labels)
    assert found.separate
    assert set(flips) == set(np.nonzero(margin < 0)[0])
    assert found.confident == (1.0 if flipped else 0.0)


def test_two_clouds_that_overlap_do_not_separate():
    found, _ = _held_out(*_two_gaussians(1.5, 0.0)[:2])
    assert not found.separate
    assert found.ambiguous > 0.075
    assert found.confident < 1.0


def test_labels_that_features_know_nothing_of_do_not_separate():
    X, labels, _ = _two_gaussians(12.0, 0.0)
    found, _ = _held_out(X, np.random.default_rng(1).permutation(labels))
    assert not found.separate
    assert found.explained < 0.25


def test_scores_that_know_only_the_commonest_class_do_not_separate():
    # Everything is called common, rare rows a little less surely: a gap at zero, and a good part of the variance explained.
    y = np.where(np.arange(100) < 87, -1.0, 1.0)
    scores = np.where(y < 0, -0.9, -0.3) + np.linspace(-0.05, 0.05, 100)
    found = theory.separation(y * scores, y[:, None], scores[:, None])
    assert found.ambiguous <= 0.075
    assert found.explained >= 0.25
    assert found.guessing == pytest.approx(0.13)
    assert not found.separate
    # Half of the rare rows found are enough.
    found = theory.separation(y * np.where(np.arange(100) < 93, scores, 0.8), y[:, None], scores[:, None])
    assert found.separate


def test_constant_predictions_do_not_separate():
    y = np.array([[1.0], [1.0], [-1.0], [-1.0]])
    for constant in (0.0, 0.3):
        scores = np.full((4, 1), constant)
        found = theory.separation(y[:, 0] * constant, y, scores)
        assert not found.separate
        assert found.explained <= 0.0
    assert theory.separation(np.zeros(4), y, np.zeros((4, 1))).ambiguous == 1.0


def test_one_class_alone_explains_nothing():
    found = theory.separation(np.ones(3), np.ones((3, 1)), np.ones((3, 1)))
    assert found.explained == 0.0
    assert not found.separate


def test_perfect_scores_separate():
    y = np.array([[1.0], [1.0], [-1.0], [-1.0]])
    assert theory.separation(np.ones(4), y, y) == theory.Separation(
        ambiguous=0.0, explained=1.0, guessing=0.5, separate=True, confident=0.0
    )


def _few_rows(n, seed):
    generator = np.random.default_rng(seed)
    return generator.integers(0, 2, (n, 2)).astype(float), generator.integers(0, 3, n)


@pytest.mark.parametrize("seed", range(4))
def test_the_floor_of_the_error_rate_is_that_of_the_best_of_all_models(seed):
    """A model gives each distinct row one of three classes: all of them are tried."""
    X, y = _few_rows(12, seed)
    group = np.unique(X, axis=0, return_inverse=True)[1].reshape(-1)
    best = min(
        np.mean(np.array(answer)[group] != y) for answer in itertools.product(range(3), repeat=int(group.max()) + 1)
    )
    found = theory.conflicts(X, y, classes=True)
    assert found.floor == pytest.approx(best, abs=1e-15)
    for rows in found.groups:
        assert len(np.unique(X[rows], axis=0)) == 1
        assert len(np.unique(y[rows])) > 1
    assert [int(rows[0]) for rows in found.groups] == sorted(int(rows[0]) for rows in found.groups)
    pairs = {(*x, t) for x, t in zip(X.tolist(), y.tolist(), strict=True)}
    assert found.duplicates == 12 - len(pairs)


def test_the_floor_of_the_root_mean_square_is_that_of_the_group_means():
    X, _ = _few_rows(12, 0)
    y = np.random.default_rng(0).standard_normal(12)
    indicator = (np.unique(X, axis=0, return_inverse=True)[1].reshape(-1)[:, None] == np.arange(4)).astype(float)
    _, lost, _, _ = np.linalg.lstsq(indicator, y, rcond=None)
    assert theory.conflicts(X, y, classes=False).floor == pytest.approx(np.sqrt(lost[0] / 12), rel=1e-13)


def test_rows_without_conflict_have_no_floor():
    X = np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    found = theory.conflicts(X, np.array([1, 0, 1]), classes=True)
    assert (found.groups, found.floor, found.duplicates) == ((), 0.0, 1)


def test_a_zero_is_a_zero_whatever_its_sign():
    found = theory.conflicts(np.array([[0.0], [-0.0]]), np.array([0, 1]), classes=True)
    assert found.floor == 0.5
    assert found.groups[0].tolist() == [0, 1]
