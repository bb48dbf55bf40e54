"""Complexity of labels: table K2, exact enumeration of what random labels give, and kernels that are singular."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from widthwise import theory
from widthwise.errors import SingularKernelError, UsageError
from widthwise.kernels import HInf

EPS = np.finfo(np.float64).eps
THREE = np.array([[1.0, 0.0], [3 / 5, 4 / 5], [-5 / 13, 12 / 13]])


def problem(n=12, d=3, seed=0):
    generator = np.random.default_rng(seed)
    X = generator.standard_normal((n, d))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    return HInf()(X), np.where(generator.random(n) < 0.5, -1.0, 1.0)


def test_three_points_have_the_measure_of_table_k2():
    found = theory.complexity(HInf()(THREE), np.array([1.0, -1.0, 1.0]))
    # tests/reference/fully_connected.py; the condition is four and the matrix is off by some eps.
    assert found.value == pytest.approx(3.220483181725242, rel=100 * EPS)
    assert found.by_column**2 * 3 / 2 == pytest.approx(15.55726788566271, rel=200 * EPS)
    assert found.residual <= 10 * EPS
    assert found.unreachable == 0.0


@pytest.mark.parametrize("n", [1, 2, 9])
def test_orthonormal_points_have_measure_two_for_any_signs(n):
    y = np.where(np.random.default_rng(n).random(n) < 0.5, -1.0, 1.0)
    # cos(pi / 2) is 6e-17: the matrix is half the identity to a rounding for each entry.
    assert theory.complexity(HInf()(np.eye(n)), y).value == pytest.approx(2.0, rel=8 * n * EPS)


def test_the_measure_is_linear_in_the_labels_and_a_root_mean_square_over_columns():
    H, y = problem()
    one = theory.complexity(H, y)
    Y = np.column_stack([y, -3.0 * y, 0.0 * y])
    found = theory.complexity(H, Y)
    np.testing.assert_allclose(found.by_column, one.value * np.array([1.0, 3.0, 0.0]), rtol=100 * EPS)
    assert found.value == pytest.approx(one.value * np.sqrt(10 / 3), rel=100 * EPS)


@pytest.mark.parametrize("seed", range(3))
def test_the_solve_and_the_spectrum_agree(seed):
    H, y = problem(n=40, d=4, seed=seed)
    spectrum = theory.spectrum(H)
    by_solve, by_spectrum = theory.complexity(H, y), theory.complexity(spectrum, y)
    # Both lose the condition number times n eps.
    tolerance = 40 * EPS * spectrum.condition
    assert by_solve.value == pytest.approx(by_spectrum.value, rel=tolerance)
    assert by_solve.value == pytest.approx(np.sqrt(2 * y @ np.linalg.solve(H, y) / 40), rel=tolerance)
    # A 1-norm estimate lies between the 2-norm condition over n and n times it.
    assert spectrum.condition / 40 <= by_solve.condition <= 40 * spectrum.condition
    assert by_spectrum.condition == spectrum.condition


def test_the_residual_is_that_of_the_solve():
    H, y = problem(n=40, d=2)
    found = theory.complexity(H, y)
    alpha = np.linalg.solve(H, y)
    # One refinement leaves n eps |H| |alpha| / |y| at most.
    assert found.residual <= 40 * EPS * np.linalg.norm(H, 2) * np.linalg.norm(alpha) / np.linalg.norm(y)


def _twins(y):
    X = np.vstack([THREE, THREE[:1], THREE[:1]])
    return HInf()(X), np.array(y)


def test_twins_with_equal_labels_measure_as_merged_rows():
    """y'H^+ y keeps its value: three equal rows are one row for the minimum norm."""
    H, y = _twins([1.0, -1.0, 1.0, 1.0, 1.0])
    for gram in (H, theory.spectrum(H)):
        found = theory.complexity(gram, y)
        assert found.by_column[0] ** 2 * 5 / 2 == pytest.approx(15.55726788566271, rel=1e4 * EPS)
        assert found.condition == np.inf
        assert found.unreachable == 0.0
        assert found.residual <= 100 * EPS


def test_twins_with_different_labels_are_refused_by_name():
    H, y = _twins([1.0, -1.0, 1.0, 1.0, -1.0])
    with pytest.raises(SingularKernelError, match=r"rows that coincide: 0 and 3, 0 and 4, 3 and 4") as caught:
        theory.complexity(H, y)
    # Twins 1, 1, -1 have mean 1/3: 2 * (2/3)^2 + (4/3)^2 = 8/3 of a squared norm of 5.
    assert "0.53 of their squared norm" in str(caught.value)


def test_dropping_what_no_network_fits_measures_the_nearest_labels_that_can_be():
    H, y = _twins([1.0, -1.0, 1.0, 1.0, -1.0])
    for gram in (H, theory.spectrum(H)):
        found = theory.complexity(gram, y, off_range="drop")
        assert found.unreachable == pytest.approx(8 / 15, rel=100 * EPS)
        nearest = np.array([1 / 3, -1.0, 1.0])
        expected = nearest @ np.linalg.solve(HInf()(THREE), nearest)
        assert found.by_column[0] ** 2 * 5 / 2 == pytest.approx(expected, rel=1e4 * EPS)
        assert found.residual <= 100 * EPS


def test_a_small_column_outside_the_range_does_not_hide_behind_a_large_one():
    H, y = _twins([1.0, -1.0, 1.0, 1.0, -1.0])
    large = 1e6 * np.array([1.0, -1.0, 1.0, 1.0, 1.0])
    with pytest.raises(SingularKernelError):
        theory.complexity(H, np.column_stack([large, y]))


def test_what_to_do_off_range_is_named():
    H, y = problem()
    with pytest.raises(UsageError, match="off_range must be 'raise' or 'drop'"):
        theory.complexity(H, y, off_range="ignore")


@pytest.mark.parametrize(
    ("fraction", "value"),
    # tests/reference/label_complexity.py, by enumeration of 3^5 cases.
    [(0.0, 2.76515362632350), (0.1, 2.69073083468678), (0.5, 2.45830767135215), (1.0, 2.34712816373153)],
)
def test_random_labels_measure_as_the_enumeration_says(fraction, value):
    """Condition about twenty: the enumerated value is good to 1e-13."""
    X = np.array([[1.0, 0.0], [0.6, 0.8], [-5 / 13, 12 / 13], [0.0, -1.0], [-0.8, -0.6]])
    y = np.array([1.0, -1.0, 1.0, 1.0, -1.0])
    found = theory.random_label_complexity(theory.spectrum(HInf()(X)), y, fraction=fraction)
    assert found == pytest.approx(value, rel=1e-12)


def test_random_labels_measure_as_the_mean_over_all_signs():
    H, y = problem(n=8)
    spectrum = theory.spectrum(H)
    tolerance = 100 * EPS * spectrum.condition
    all_signs = [
        theory.complexity(spectrum, np.array(signs)).value ** 2 for signs in itertools.product((-1.0, 1.0), repeat=8)
    ]
    found = theory.random_label_complexity(spectrum, y, fraction=1.0)
    assert found**2 == pytest.approx(np.mean(all_signs), rel=tolerance)
    found = theory.random_label_complexity(spectrum, y, fraction=0.0)
    assert found == pytest.approx(theory.complexity(H, y).value, rel=tolerance)


PUBLISHED = {
    # Arora et al. 2019, figure 2 (table C4 of the specification): the measure for p = 0, .1, ..., 1.
    "mnist": (0.380, 2.889, 3.972, 4.708, 5.271, 5.703, 6.037, 6.284, 6.454, 6.556, 6.587),
    "cifar": (3.868, 4.703, 5.336, 5.836, 6.239, 6.565, 6.814, 7.009, 7.142, 7.218, 7.246),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_ends_of_a_published_curve_give_its_middle(name):
    """Two points with the clean and the random measure of the paper; read from a figure, good to half a per cent."""
    curve = PUBLISHED[name]
    clean, random = curve[0], curve[-1]
    # Eigenvectors (1, 1) and (1, -1) over sqrt 2, labels (1, 1): clean^2 = 2 / l_1, random^2 = 1 / l_1 + 1 / l_2.
    values = np.array([2 / clean**2, 1 / (random**2 - clean**2 / 2)])
    order = np.argsort(-values)
    vectors = (np.array([[1.0, 1.0], [1.0, -1.0]]) / np.sqrt(2))[:, order]
    spectrum = theory.Spectrum(values=values[order], vectors=vectors, tolerance=0.0)
    found = [theory.random_label_complexity(spectrum, np.ones(2), fraction=p / 10) for p in range(11)]
    np.testing.assert_allclose(found, curve, rtol=5e-3)
    if name == "mnist":
        assert 2.889 <= found[1] <= 2.892
        assert 5.703 <= found[5] <= 5.708


@pytest.mark.parametrize(("labels", "fraction"), [([1.0, 0.5, 1.0], 0.1), ([1.0, -1.0, 1.0], 1.1)])
def test_random_labels_want_signs_and_a_share(labels, fraction):
    with pytest.raises(UsageError, match="must"):
        theory.random_label_complexity(theory.spectrum(HInf()(THREE)), np.array(labels), fraction=fraction)


@pytest.mark.parametrize("offset", [0.0, 0.8])
def test_shuffled_labels_measure_as_the_mean_over_all_permutations(offset):
    H, _ = problem(n=6)
    Y = np.random.default_rng(2).standard_normal((6, 2))
    Y = Y - Y.mean(axis=0) + offset
    spectrum = theory.spectrum(H)
    every = [theory.complexity(spectrum, Y[list(o)]).value ** 2 for o in itertools.permutations(range(6))]
    found = theory.shuffled_complexity(spectrum, Y)
    assert found**2 == pytest.approx(np.mean(every), rel=100 * EPS * spectrum.condition)


def test_a_sample_of_shuffles_has_the_mean_in_closed_form():
    H, _ = problem(n=20, d=4)
    Y = np.random.default_rng(2).standard_normal((20, 2)) + 0.5
    spectrum = theory.spectrum(H)
    sample = theory.shuffle_sample(spectrum, Y, shuffles=4000, seed=0) ** 2
    error = sample.std() / np.sqrt(len(sample))
    assert abs(sample.mean() - theory.shuffled_complexity(spectrum, Y) ** 2) < 4 * error


def test_each_shuffle_of_a_sample_is_a_permutation_of_the_labels():
    H, _ = problem(n=4)
    y = np.array([1.0, 2.0, 3.0, -6.0])
    spectrum = theory.spectrum(H)
    every = [theory.complexity(spectrum, y[list(o)]).value for o in itertools.permutations(range(4))]
    sample = theory.shuffle_sample(spectrum, y, shuffles=200, seed=1)
    assert np.abs(sample[:, None] - np.array(every)).min(axis=1).max() <= 100 * EPS * spectrum.condition * max(every)
    assert len(np.unique(np.round(sample, 9))) > 12
    assert np.array_equal(sample, theory.shuffle_sample(spectrum, y, shuffles=200, seed=1))
