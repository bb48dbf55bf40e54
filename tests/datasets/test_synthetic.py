"""Generated data: their laws against closed forms, naive transcriptions and Monte Carlo."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pytest

from widthwise.datasets import synthetic
from widthwise.errors import UsageError


def test_the_mixture_of_the_first_figure_has_its_shape_and_unit_rows():
    sample = synthetic.clusters()
    assert sample.X.shape == sample.X_test.shape == (1000, 1000)
    assert set(np.unique(sample.y)) == set(np.unique(sample.y_test)) == set(range(10))
    assert np.array_equal(sample.y, sample.components // 2)
    # A sum of 1000 squares, each rounded once.
    np.testing.assert_allclose(np.linalg.norm(sample.X, axis=1), 1.0, rtol=0, atol=1000 * np.finfo(float).eps)


def test_components_have_the_given_spread_and_their_means_theirs():
    d, sigma, sigma0 = 400, 0.5, 3.0
    sample = synthetic.clusters(
        2000, 0, d=d, classes=3, components=2, sigma=sigma, sigma0=sigma0, unit_rows=False, seed=1
    )
    assert sample.X_test.shape == (0, d)
    within = np.sum((sample.X - sample.centres[sample.components]) ** 2, axis=1)
    # Squared norms are chi-squared over d: mean sigma^2, variance 2 sigma^4 / d; four standard errors of the mean.
    assert abs(within.mean() / sigma**2 - 1) < 4 * np.sqrt(2 / (d * len(within)))
    between = np.sum(sample.centres**2, axis=1)
    assert abs(between.mean() / sigma0**2 - 1) < 4 * np.sqrt(2 / (d * len(between)))
    # Counts of six equal components: binomial.
    shares = np.bincount(sample.components, minlength=6) / 2000
    assert np.all(np.abs(shares - 1 / 6) < 4 * np.sqrt(5 / 36 / 2000))


def test_distances_within_and_between_components_are_those_of_many_dimensions():
    sample = synthetic.clusters(20, 0, d=20000, classes=2, components=1, sigma=1.0, sigma0=2.0, unit_rows=False)
    gaps = np.linalg.norm(sample.X[:, None] - sample.X[None], axis=2)
    same = sample.components[:, None] == sample.components[None]
    # Norms of d coordinates scatter by 1 / sqrt(2 d) of themselves; products of independent vectors by 1 / sqrt d.
    np.testing.assert_allclose(gaps[same & ~np.eye(20, dtype=bool)], math.sqrt(2.0), rtol=6 / math.sqrt(20000))
    np.testing.assert_allclose(gaps[~same], math.sqrt(2.0 * (4.0 + 1.0)), rtol=6 / math.sqrt(20000))


@pytest.mark.parametrize(
    ("target", "naive", "variance", "allowed", "mean"),
    [
        (
            "sine",
            lambda x: (math.sin(3 * x[0]) + math.sin(3 * x[1]) + math.sin(3 * x[2]) - 2) ** 2 * math.cos(7 * x[3]),
            31.04,
            0.1,
            -0.072,
        ),
        (
            "tanh",
            lambda x: (math.tanh(8 * x[0]) + math.tanh(8 * x[1]) + math.tanh(8 * x[2]) - 2) ** 2 * math.tanh(8 * x[3]),
            76.75,
            0.2,
            0.0,
        ),
    ],
)
def test_composed_targets_are_the_published_ones_and_vary_as_tabulated(target, naive, variance, allowed, mean):
    sample = synthetic.composed(target, 1_000_000, 5, seed=2)
    np.testing.assert_allclose(sample.y_test, [naive(x) for x in sample.X_test], rtol=1e-12)
    np.testing.assert_allclose(sample.y[:20], [naive(x) for x in sample.X[:20]], rtol=1e-12)
    squares = (sample.y - sample.y.mean()) ** 2
    error = squares.std() / 1000
    # The table's own value is known to the allowed error; a million rows add four standard errors of their own.
    assert error < allowed
    assert abs(squares.mean() - variance) < allowed + 4 * error
    # The table's mean has three digits.
    assert abs(sample.y.mean() - mean) < 0.0005 + 4 * sample.y.std() / 1000 + 4 * sample.y.std() / np.sqrt(2e6)


def test_rows_of_the_sphere_are_uniform():
    X = synthetic.sphere(20000, 4, seed=3)
    np.testing.assert_allclose(np.linalg.norm(X, axis=1), 1.0, rtol=1e-14)
    # E x = 0, E x x' = I / d, E x_1^4 = 3 / (d (d + 2)): four standard errors each.
    assert np.all(np.abs(X.mean(axis=0)) < 4 * np.sqrt(1 / 4 / 20000))
    assert abs(np.mean(X[:, 0] * X[:, 1])) < 4 * np.sqrt(1 / 24 / 20000)
    fourth = X[:, 0] ** 4
    assert abs(fourth.mean() - 1 / 8) < 4 * fourth.std() / np.sqrt(20000)


def test_the_five_points_have_the_extremal_directions_of_their_table():
    """G(w) = sum of y relu(w.x~); its maxima and minima over angles, by a fine grid."""
    sample = synthetic.line_points("five")
    extended = np.column_stack([sample.X, np.ones(5)])
    angles = np.radians(np.linspace(0, 360, 360_001))
    W = np.column_stack([np.cos(angles), np.sin(angles)])
    G = np.maximum(W @ extended.T, 0) @ sample.y
    inner = G[1:-1]
    peaks = np.degrees(angles[1:-1][(inner > G[:-2]) & (inner > G[2:])])
    # The grid's step is a thousandth of a degree.
    np.testing.assert_allclose(peaks, [107.354025, 148.392498, 333.434949], rtol=0, atol=1e-3)


def test_the_points_that_stall_have_one_maximum():
    sample = synthetic.line_points("stalled")
    extended = np.column_stack([sample.X, np.ones(3)])
    angles = np.radians(np.linspace(0, 360, 360_001))
    G = np.maximum(np.column_stack([np.cos(angles), np.sin(angles)]) @ extended.T, 0) @ sample.y
    assert np.degrees(angles[np.argmax(G)]) == pytest.approx(111.181350, abs=1e-3)
    assert G.max() == pytest.approx(2.144907, abs=1e-6)


def test_the_orthogonal_points_are_orthogonal_with_the_coordinate_one():
    x = synthetic.line_points("orthogonal").X[:, 0]
    assert x[0] * x[1] + 1.0 == 0.0
    assert len(synthetic.line_points("scattered").y) == 5


def test_the_broken_line_passes_through_its_knots():
    sample = synthetic.broken_line(200, 50, seed=4)
    assert sample.X_test.shape == (50, 1)
    assert sample.y[np.argmin(np.abs(sample.X[:, 0] + 0.4))] == pytest.approx(1.0, abs=0.05)
    # Slopes between neighbours are those of the eight pieces, except across a knot.
    order = np.argsort(sample.X[:, 0])
    slopes = np.diff(sample.y[order]) / np.diff(sample.X[order, 0])
    pieces = np.diff(synthetic._KNOTS[1]) / np.diff(synthetic._KNOTS[0])
    close = np.min(np.abs(slopes[:, None] - pieces[None]), axis=1) < 1e-6
    assert np.sum(~close) <= 7


def test_a_teacher_answers_with_its_impulse_response():
    response = 0.8 ** np.arange(5)
    sample = synthetic.teacher_sequences(response, 20, 10, seed=5)
    for u, y in zip(sample.X, sample.y, strict=True):
        state = 0.0
        for entry in u:
            state = 0.8 * state + entry
        assert y == pytest.approx(state, rel=1e-12, abs=1e-12)
    assert sample.X_test.shape == (10, 5)


def test_a_seed_gives_the_same_data_and_a_generator_moves_on():
    first, again, other = (synthetic.composed("tanh", 10, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(first.X, again.X)
    assert not np.array_equal(first.X, other.X)
    assert not np.array_equal(first.X, first.X_test[:10])
    generator = np.random.default_rng(0)
    assert not np.array_equal(
        synthetic.clusters(5, 5, d=3, seed=generator).X, synthetic.clusters(5, 5, d=3, seed=generator).X
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: synthetic.clusters(0), "rows must be an integer of at least 1; 0 came"),
        (lambda: synthetic.clusters(sigma=0.0), "sigma must be a positive number"),
        (lambda: synthetic.clusters(components=0), "components must be an integer of at least 1"),
        (lambda: synthetic.composed("cosine"), "target must be 'sine' or 'tanh'; 'cosine' came"),
        (lambda: synthetic.line_points("six"), "name must be one of 'five', 'stalled', 'orthogonal', 'scattered'"),
        (lambda: synthetic.sphere(3, 0), "d must be an integer of at least 1"),
    ],
)
def test_arguments_outside_their_range_are_named(call, message):
    with pytest.raises(UsageError, match=message):
        call()


def test_a_concept_is_its_formula_and_keeps_its_directions_over_scales() -> None:
    one, two = synthetic.concept("sin", 1.5, terms=3, seed=2), synthetic.concept("sin", 4.0, terms=3, seed=2)
    assert np.array_equal(one.first, two.first)
    assert np.allclose(np.linalg.norm(np.vstack([one.first, one.second]), axis=1), 1.0)
    X = synthetic.sphere(5, 4, seed=0)
    for x, value in zip(X, one(X), strict=True):
        naive = sum(
            a * np.sin(1.5 * (w @ x)) * (v @ x) for a, w, v in zip(one.signs, one.first, one.second, strict=True)
        )
        assert value == pytest.approx(naive)
    with pytest.raises(UsageError, match="function must be one of"):
        inspect.unwrap(synthetic.concept)("tanh")


def test_a_composite_concept_is_its_formula() -> None:
    made = synthetic.composite_concept(
        "square", "cos", "exp", outer_scale=1.5, inner_scale=3.0, gate_scale=0.5, terms=2, inner_terms=3, d=5, seed=2
    )
    X = synthetic.sphere(5, 5, seed=0)
    for x, value in zip(X, made(X), strict=True):
        naive = 0.0
        for i in range(2):
            inner = sum(made.first_weights[i, j] * math.cos(3.0 * float(made.first[j] @ x)) for j in range(3))
            gate = sum(made.second_weights[i, j] * math.exp(0.5 * float(made.second[j] @ x)) for j in range(3))
            naive += made.signs[i] * (1.5 * inner) ** 2 * gate
        # Some twenty operations, each rounded once, on numbers of order ten.
        assert value == pytest.approx(naive, rel=1e-12, abs=1e-12)
    for rows in (made.first, made.second, made.first_weights, made.second_weights):
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, rtol=1e-14)
    assert set(np.abs(made.signs)) == {1.0}


def test_a_composite_concept_keeps_its_directions_over_functions_and_scales_and_not_over_seeds() -> None:
    one = synthetic.composite_concept(terms=2, inner_terms=3, seed=1)
    two = synthetic.composite_concept("exp", "cos", "square", outer_scale=4.0, terms=2, inner_terms=3, seed=1)
    other = synthetic.composite_concept(terms=2, inner_terms=3, seed=2)
    for name in ("first", "second", "first_weights", "second_weights"):
        assert np.array_equal(getattr(one, name), getattr(two, name)), name
        assert not np.array_equal(getattr(one, name), getattr(other, name)), name
    assert not np.array_equal(one.first, one.second)


def test_small_scales_leave_a_product_of_two_linear_functions() -> None:
    """Of sines of scale t the concept is t^2 s (v1.W1 x)(v2.W2 x), up to t^4: the cubes that are left out."""
    t, X = 1e-3, synthetic.sphere(20, 4, seed=0)
    made = synthetic.composite_concept(inner_scale=t, gate_scale=t, inner_terms=3, seed=5)
    linear = (
        t
        * t
        * made.signs[0]
        * (X @ made.first.T @ made.first_weights[0])
        * (X @ made.second.T @ made.second_weights[0])
    )
    # Each sine is off by at most t^3 / 6, three of them by sqrt 3 of it beside a factor of at most sqrt 3 t.
    assert np.max(np.abs(made(X) - linear)) < 4 * t**4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"outer": "tanh"}, "outer must be one of 'sin', 'cos', 'exp', 'square'; 'tanh' came"),
        ({"inner": "relu"}, "inner must be one of"),
        ({"gate": ""}, "gate must be one of"),
        ({"outer_scale": 0.0}, "outer_scale must be a positive number"),
        ({"gate_scale": -1.0}, "gate_scale must be a positive number"),
        ({"terms": 0}, "^terms must be an integer of at least 1"),
        ({"inner_terms": 0}, "inner_terms must be an integer of at least 1"),
        ({"d": 0}, "d must be an integer of at least 1"),
    ],
)
def test_a_composite_concept_names_what_is_outside_its_range(changes, message) -> None:
    with pytest.raises(UsageError, match=message):
        inspect.unwrap(synthetic.composite_concept)(**changes)
