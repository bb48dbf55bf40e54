"""Wrong labels: drawn from the model they are counted right, in any unit; overlap is never called noise."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special

from widthwise import theory
from widthwise.errors import DataError, UsageError


def drawn(n, classes, rate, seed, *, certain=0.9, matrix=None):
    """Scores, given labels and which are wrong: most rows certain, others in doubt, labels drawn by both layers of the model."""
    rng = np.random.default_rng(seed)
    centre = rng.integers(0, classes, n)
    scores = rng.normal(0.0, 0.1, (n, classes))
    scores[np.arange(n), centre] += np.where(rng.random(n) < certain, rng.uniform(0.6, 2.0, n), 0.1)
    cumulative = np.cumsum(scipy.special.softmax(8.0 * scores, axis=1), axis=1)
    true = (rng.random((n, 1)) > cumulative).sum(axis=1)
    T = np.full((classes, classes), rate / (classes - 1)) if matrix is None else matrix
    if matrix is None:
        np.fill_diagonal(T, 1.0 - rate)
    given = (rng.random((n, 1)) > np.cumsum(T[true], axis=1)).sum(axis=1)
    return scores, given, given != true


@pytest.mark.parametrize(("classes", "rate"), [(2, 0.05), (2, 0.3), (3, 0.2), (10, 0.0), (10, 0.1), (10, 0.4)])
def test_the_rate_is_the_realised_share_within_its_interval(classes, rate):
    """Forty draws: the mean error is zero to three standard errors, and 90 % intervals miss at most as often as chance would."""
    errors, covered = [], 0
    for seed in range(40):
        scores, given, wrong = drawn(800, classes, rate, seed)
        found = theory.label_quality(scores, given)
        if found.rate is not None:
            errors.append(found.rate - wrong.mean())
        covered += found.low <= wrong.mean() <= found.high
    assert len(errors) >= 36
    # Rates are never below zero, so that clean labels leave an error on one side, of a fraction of a row in a hundred.
    assert abs(np.mean(errors)) <= 3 * np.std(errors) / 40**0.5 + 0.002
    # Of forty at 90 %, fewer than 31 come once in a hundred times.
    assert covered >= 31


def naive(scores, given):
    """Rate, sharpness and posteriors of the symmetric model by brute force over a grid, row by row."""
    n, c = scores.shape
    top = np.sort(scores, axis=1)
    own = scores[np.arange(n), given]
    others = np.array([max(scores[i, k] for k in range(c) if k != given[i]) for i in range(n)])
    unit = float(np.median(np.abs(own - others)))
    F = (scores - top[:, -1:]) / unit
    best = (-np.inf, 0.0, 0.0)
    for sharpness in np.exp(np.linspace(np.log(2.0), np.log(14.9), 60)):
        p = np.exp(sharpness * F)
        p = (p / p.sum(axis=1, keepdims=True))[np.arange(n), given]
        for rate in np.linspace(0.0, 0.4, 161):
            value = np.sum(np.log((1 - rate) * p + rate * (1 - p) / (c - 1)))
            best = max(best, (value, sharpness, rate))
    _, sharpness, rate = best
    wrong = []
    for row, j in zip(F, given, strict=True):
        p = np.exp(sharpness * row) / np.sum(np.exp(sharpness * row))
        right = p[j] * (1 - rate)
        wrong.append(1.0 - right / (right + sum(p[k] * rate / (c - 1) for k in range(c) if k != j)))
    return rate, np.array(wrong)


@pytest.mark.parametrize(("classes", "seed"), [(2, 9), (4, 8)])
def test_the_likelihood_is_maximised_and_bayes_is_right(classes, seed):
    """Draws for which Akaike's criterion asks for no more than one rate."""
    scores, given, _ = drawn(400, classes, 0.2, seed)
    rate, wrong = naive(scores, given)
    found = theory.label_quality(scores, given)
    assert found.matrix[0, 0] == pytest.approx(1.0 - rate, abs=0.0025)
    # The grid leaves 3.4 % of sharpness and 0.25 points of rate: posteriors move by a part of that.
    np.testing.assert_allclose(found.scores, wrong, atol=0.01)
    assert found.rate == pytest.approx(wrong.mean(), abs=0.001)


def test_units_and_offsets_of_rows_and_the_order_of_classes_do_not_matter():
    scores, given, _ = drawn(300, 3, 0.15, 2)
    found = theory.label_quality(scores, given)
    offsets = np.random.default_rng(0).normal(size=(300, 1))
    order = np.array([2, 0, 1])
    moved = theory.label_quality(1e4 * scores + offsets, given)
    named = theory.label_quality(scores[:, order], np.argsort(order)[given])
    for other in (moved, named):
        np.testing.assert_allclose(other.scores, found.scores, atol=1e-4)
        assert other.rate == pytest.approx(found.rate, abs=1e-4)
    np.testing.assert_array_equal(order[named.suggested], found.suggested)


def test_rates_of_their_own_are_found_where_noise_has_a_direction():
    matrix = np.array([[0.75, 0.25, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    scores, given, wrong = drawn(2000, 3, 0.0, 4, matrix=matrix)
    found = theory.label_quality(scores, given)
    # 670 rows of class 0: the share that is flipped has a standard error of 1.7 points.
    np.testing.assert_allclose(found.matrix, matrix, atol=0.05)
    assert found.rate == pytest.approx(wrong.mean(), abs=0.01)
    ranks = [scores[i, 1] - scores[i, 0] for i in np.flatnonzero(found.suspect)]
    assert np.mean(wrong[found.suspect]) > 0.9
    assert len(ranks) > 0


@pytest.mark.parametrize("distance", [0.5, 1.0, 1.5])
@pytest.mark.parametrize("classes", [2, 3])
def test_classes_that_overlap_are_not_called_noise(distance, classes):
    """Exact posteriors of Gaussian classes: right labels disagree with them in up to 40 % of the rows."""
    rng = np.random.default_rng(1)
    y = np.arange(1500) % classes
    centres = distance * np.eye(classes)
    x = centres[y] + rng.normal(size=(1500, classes))
    scores = -0.5 * ((x[:, None, :] - centres) ** 2).sum(axis=2)
    found = theory.label_quality(scores, y)
    assert found.disagreement.value > 0.1
    assert found.rate is None or found.low == 0.0
    assert not found.identifiable
    assert not found.suspect.any()
    assert found.low == 0.0
    assert "overlap" in found.reason


def test_labels_without_relation_to_the_scores_are_not_called_noise():
    scores, given, _ = drawn(800, 4, 0.1, 0)
    found = theory.label_quality(scores, np.random.default_rng(0).permutation(given))
    assert found.rate is None
    assert not found.suspect.any()


def test_rows_that_are_all_alike_and_disagree_alike_are_wrong_not_doubtful():
    """A flatter softmax says exactly what flips say; margins with a gap at zero decide."""
    y = np.arange(400) % 2
    scores = np.where(y[:, None] == np.arange(2), 1.0, 0.0)
    given = np.where(np.isin(np.arange(400) % 20, (7, 12)), 1 - y, y)
    found = theory.label_quality(scores, given)
    assert found.rate == pytest.approx(0.1, abs=0.005)
    assert found.suspect.sum() == 40
    doubtful = theory.label_quality(scores, np.where(np.arange(400) % 20 < 6, 1 - y, y))
    assert doubtful.rate is None


def test_clean_labels_of_separate_classes_are_clean():
    scores, given, wrong = drawn(600, 5, 0.0, 3, certain=1.0)
    assert not wrong.any()
    found = theory.label_quality(scores, given)
    assert (found.identifiable, found.low) == (True, 0.0)
    assert found.rate <= 1 / 600
    assert not found.suspect.any()
    assert np.isfinite(found.scores).all()


def test_one_flip_is_the_one_suspect_and_its_label_is_given_back():
    scores = 2.0 * np.eye(3)[np.arange(90) % 3] + np.random.default_rng(0).normal(0, 0.1, (90, 3))
    given = np.arange(90) % 3
    given[31] = 0
    found = theory.label_quality(scores, given)
    assert np.flatnonzero(found.suspect).tolist() == [31]
    assert found.suggested[31] == 1
    assert np.argmax(found.scores) == 31


def test_few_rows_say_so():
    found = theory.label_quality(np.eye(3)[np.arange(12) % 3], np.arange(12) % 3)
    assert not found.identifiable
    assert found.reason.startswith("12 rows are fewer than 20 for each of 3 classes")
    assert found.high > 0.0


def test_scores_without_any_difference_are_answered():
    found = theory.label_quality(np.zeros((100, 2)), np.arange(100) % 2)
    assert found.rate is None
    assert np.isfinite(found.scores).all()


def test_what_does_not_fit_is_refused():
    good = np.zeros((4, 2))
    with pytest.raises(DataError, match="at least two classes; 1 came"):
        theory.label_quality(np.zeros((4, 1)), np.zeros(4, dtype=np.int64))
    with pytest.raises(DataError, match="finite"):
        theory.label_quality(np.full((4, 2), -np.inf), np.zeros(4, dtype=np.int64))
    with pytest.raises(UsageError, match="codes between 0 and 1"):
        theory.label_quality(good, np.array([0, 1, 2, 0]))


def test_a_number_three_robust_deviations_off_has_a_score_of_one_half():
    rng = np.random.default_rng(0)
    predictions = rng.normal(size=201)
    residual = np.linspace(-1.0, 1.0, 201)
    spread = 0.5 / 0.6744897501960817
    residual[200] = 3.0 * spread * (1 + 1e-12)
    residual[0] = -30.0 * spread
    found = theory.target_quality(predictions, predictions + residual)
    assert found.scores[200] == pytest.approx(0.5, abs=0.01)
    assert np.argmax(found.scores) == 0
    assert found.scores[0] == pytest.approx(100 / 101, abs=1e-3)
    assert found.scores.max() < 1.0
    assert (found.identifiable, found.rate) == (False, None)
    assert found.suspect[0]
    np.testing.assert_array_equal(found.suggested, predictions)


def test_exact_predictions_leave_the_one_other_number():
    y = np.zeros(50)
    y[7] = 2.0
    found = theory.target_quality(np.zeros(50), y)
    assert np.flatnonzero(found.suspect).tolist() == [7]
    assert theory.target_quality(y, y).suspect.sum() == 0
    with pytest.raises(DataError, match="finite"):
        theory.target_quality(y, np.full(50, np.nan))


def test_a_rare_class_is_suspect_where_its_scores_are_no_lower_than_others():
    """Scores of squares know no rare class: labels of a class that is never right are found by its offset."""
    rng = np.random.default_rng(0)
    n = 1200
    y = rng.integers(0, 2, n)
    scores = rng.normal(0.0, 0.4, (n, 3)) + 0.8 * np.eye(3)[y]
    flipped = rng.random(n) < 0.03
    second = rng.random(n) < scipy.special.expit(4.0 * (scores[:, 1] - scores[:, 0]))
    given = np.where(flipped, 2, second.astype(np.int64))
    found = theory.label_quality(scores, given)
    assert found.scores[flipped].min() > np.quantile(found.scores[~flipped], 0.9)


def test_the_rate_is_right_where_a_class_is_rarer_than_its_scores_say():
    """Labels drawn by a softmax with offsets, then one rate: 3000 rows know it to 0.7 points."""
    rng = np.random.default_rng(2)
    n, rate = 3000, 0.15
    centre = rng.integers(0, 3, n)
    scores = rng.normal(0.0, 0.1, (n, 3))
    scores[np.arange(n), centre] += rng.uniform(0.2, 2.0, n)
    cumulative = np.cumsum(scipy.special.softmax(8.0 * scores + np.array([0.0, 0.0, -6.0]), axis=1), axis=1)
    true = (rng.random((n, 1)) > cumulative).sum(axis=1)
    wrong = rng.random(n) < rate
    given = np.where(wrong, (true + rng.integers(1, 3, n)) % 3, true)
    found = theory.label_quality(scores, given)
    assert found.matrix[0, 1] == found.matrix[2, 1]
    assert 1.0 - found.matrix[0, 0] == pytest.approx(rate, abs=3 * (rate * (1 - rate) / n) ** 0.5)
    assert found.rate == pytest.approx(wrong.mean(), abs=0.01)
