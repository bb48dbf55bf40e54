"""Bounds: constants worked out apart, and no bound with all its constants below a gap that was measured."""

from __future__ import annotations

import math

import numpy as np
import pytest

from widthwise import theory
from widthwise.errors import DataError, UsageError
from widthwise.kernels import HInf


def population(n, d, rng, flip):
    """Unit rows, labels by a hyperplane, a share of them flipped: as many fresh ones as one likes."""
    X = rng.standard_normal((n, d))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    y = np.where(X[:, 0] > 0, 1.0, -1.0)
    return X, np.where(rng.random(n) < flip, -y, y)


@pytest.mark.parametrize("flip", [0.0, 0.2, 0.5])
@pytest.mark.parametrize(("n", "ridge"), [(60, 0.0), (60, 1.0), (400, 30.0)])
def test_the_bound_with_all_constants_is_never_below_the_error_of_the_kernel_predictor(n, ridge, flip):
    """No network: kernel ridge regression, its error on 4000 fresh rows of the very population."""
    rng = np.random.default_rng(n)
    X, y = population(n, 6, rng, flip)
    fresh, truth = population(4000, 6, rng, flip)
    K = HInf()(X)
    alpha = np.linalg.solve(K + ridge * np.eye(n), y)
    error = np.mean(truth * (HInf()(fresh, X) @ alpha) <= 0)
    found = {b.key: b for b in theory.bounds(K, y, ridge=ridge)}
    assert found["rademacher"].kind == "full constants"
    assert found["rademacher"].value >= error
    norm = math.sqrt(alpha @ K @ alpha)
    again = theory.rademacher_margin_bound(y * (K @ alpha), norm=norm, trace=float(np.trace(K)))
    assert found["rademacher"].value == pytest.approx(again, rel=1e-9)


def test_the_rademacher_bound_is_its_three_terms():
    margins = np.array([2.0, 0.5, -1.0, 1.0])
    found = theory.rademacher_margin_bound(margins, norm=3.0, trace=2.0, failure=0.1)
    # Ramp losses 0, 1/2, 1, 0; the norm rounds up to 4 = 2^2, a share 1 / (G 9) of the failure, G = pi^2/3 - 1.
    share = 0.1 / ((math.pi**2 / 3 - 1) * 9)
    expected = 1.5 / 4 + 2 * 4 * math.sqrt(2) / 4 + 3 * math.sqrt(math.log(2 / share) / 8)
    assert found == pytest.approx(expected, rel=1e-14)
    assert sum(1 / (abs(j) + 1) ** 2 for j in range(-(10**5), 10**5)) == pytest.approx(math.pi**2 / 3 - 1, abs=3e-5)


def test_it_says_something_when_rows_are_many_and_the_function_small():
    n = 200_000
    assert theory.rademacher_margin_bound(np.full(n, 1.0), norm=2.0, trace=n / 2) < 0.05


def test_leading_terms_are_the_numbers_of_the_margin_and_the_measure():
    X, y = population(40, 5, np.random.default_rng(0), 0.0)
    K = HInf()(X)
    gamma = theory.margin(K, y).value
    found = {b.key: b.value for b in theory.bounds(K, y, depth=2)}
    assert found["arora2019"] == pytest.approx(theory.complexity(K, y).value, rel=1e-9)
    assert found["cao-gu"] == pytest.approx(2 / (gamma * math.sqrt(40)), rel=1e-12)
    assert found["ji-telgarsky"] == pytest.approx(1 / (gamma**2 * math.sqrt(40)), rel=1e-12)
    assert found["lei"] == pytest.approx(1 / (gamma**2 * 40), rel=1e-12)
    assert found["li2025"] == pytest.approx(64 * found["lei"], rel=1e-12)
    kinds = {b.key: b.kind for b in theory.bounds(K, y)}
    assert {key for key, kind in kinds.items() if kind == "full constants"} == {"rademacher"}


def test_where_no_function_separates_the_margin_bounds_are_infinite_and_vacuous():
    X, y = population(10, 3, np.random.default_rng(0), 0.0)
    K = HInf()(np.vstack([X, X[:1]]))
    found = {b.key: b for b in theory.bounds(K, np.append(y, -y[0]), ridge=0.1)}
    for key in ("arora2019", "cao-gu", "ji-telgarsky", "lei"):
        assert found[key].value == math.inf
        assert found[key].vacuous
    assert math.isfinite(found["rademacher"].value)


def random_features(n, width, seed):
    """A two-layer network whose first layer stays and whose second is the kernel ridge fit of its features."""
    rng = np.random.default_rng(seed)
    X, y = population(n, 6, rng, 0.1)
    first = rng.standard_normal((width, 6)) * math.sqrt(2 / width)
    features = np.maximum(X @ first.T, 0)
    codes = (y > 0).astype(int)
    targets = 2.0 * np.eye(2)[codes] - 1.0
    second = np.linalg.solve(features.T @ features + 1e-3 * np.eye(width), features.T @ targets).T
    weights = theory.TwoLayerWeights(first=first, second=second, first_start=first, second_start=np.zeros_like(second))
    return weights, X, codes, rng


@pytest.mark.parametrize("width", [16, 128])
def test_network_bounds_with_all_constants_are_never_below_the_measured_gap(width):
    weights, X, codes, rng = random_features(150, width, width)
    fresh, truth = population(4000, 6, rng, 0.1)
    test_error = np.mean(np.argmax(weights.outputs(fresh), axis=1) != (truth > 0))
    below = np.mean(
        (weights.outputs(X)[np.arange(150), codes] - weights.outputs(X)[np.arange(150), 1 - codes])
        <= max(theory.margin_percentile(weights.outputs(X), codes), 0.0)
    )
    for bound in theory.network_bounds(weights, X, codes):
        if bound.kind == "full constants":
            assert bound.value >= test_error - below, bound.key


def test_network_measures_are_worked_out_by_hand():
    """One hidden unit per input, nothing moved but by a known amount; every norm in sight is a whole number."""
    U, V = np.diag([3.0, 4.0]), np.array([[1.0, 0.0], [0.0, 2.0]])
    weights = theory.TwoLayerWeights(first=U, second=V, first_start=np.diag([1.0, 4.0]), second_start=V)
    X, codes = np.eye(2), np.array([0, 1])
    # Outputs are (3, 0) and (0, 8): margins 3 and 8, their lowest percentile 3.
    assert theory.margin_percentile(weights.outputs(X), codes, 0.0) == 3.0
    found = {b.key: b.value for b in theory.network_bounds(weights, X, codes, percentile=0.0, failure=0.1)}
    n, H, C, m = 2, 2, 2, 3.0
    # Hidden units at the start: 1 on the first row and 4 on the second; mean squares 1/2 and 8.
    start = math.sqrt(0.5 + 8)
    ney = 3 * math.sqrt(2) * (math.sqrt(2 * C) + 1) * (math.sqrt(5) + 1) * (start + 2 * 1 + 1) / m
    ney += 3 * math.sqrt(5 * H + math.log(m * math.sqrt(n) / 0.1))
    assert found["neyshabur2018"] == pytest.approx(ney / math.sqrt(n), rel=1e-13)
    pac = 42 * 8 * 4 * math.sqrt(math.log(8 * H)) * math.sqrt(H * (2 * 2) ** 2) / math.sqrt(2) / m
    assert found["pac-bayes-spectral"] == pytest.approx(
        math.sqrt(pac**2 + 6 * math.log(2 * n / 0.1)) / math.sqrt(n), rel=1e-13
    )
    fro = 8 * math.sqrt(2) * 5 * math.sqrt(5) / m + 3 * math.sqrt(math.log(n / 0.1))
    assert found["neyshabur2015"] == pytest.approx(fro / math.sqrt(n), rel=1e-13)
    l1 = 8 * 2 * 4 * 2 * 2 * math.sqrt(math.log(2)) / m
    assert found["bartlett-mendelson"] == pytest.approx(l1 / math.sqrt(n), rel=1e-13)
    # Moved by 2 in one row of U: its (2, 1) norm over the spectral norm 4 is 1/2.
    assert found["bartlett2017"] == pytest.approx(math.log(4) * math.log(2) / (m * math.sqrt(2)) * 8 * 0.5, rel=1e-13)
    assert found["golowich2018"] == pytest.approx(
        (math.sqrt(4 * math.log(2)) + 1) * 5 * math.sqrt(5) / (m * math.sqrt(2)), rel=1e-13
    )
    assert found["vc"] == pytest.approx(math.sqrt(8 * 2 * math.log(8) / 2), rel=1e-13)
    assert found["path-1"] == pytest.approx((3 + 8) / (m * math.sqrt(2)), rel=1e-13)
    assert found["path-2"] == pytest.approx(math.sqrt(9 + 64) / (m * math.sqrt(2)), rel=1e-13)
    assert found["distance"] == 2.0
    assert found["distance-spectral"] == pytest.approx((8 / m) ** 2 * (2 / 4) ** 2, rel=1e-13)


def test_a_network_that_errs_on_its_training_rows_has_no_margin():
    weights, X, codes, _ = random_features(50, 8, 0)
    found = {b.key: b.value for b in theory.network_bounds(weights, X, 1 - codes)}
    assert found["golowich2018"] == math.inf
    assert math.isfinite(found["distance"])


def test_the_rate_and_the_arguments():
    assert theory.interpolation_rate(n=16, d=2) == pytest.approx(16 ** (-2 / 3), rel=1e-15)
    with pytest.raises(DataError, match="-1 or \\+1"):
        theory.bounds(np.eye(2), np.array([0.0, 1.0]))
    with pytest.raises(UsageError, match="failure"):
        theory.rademacher_margin_bound(np.ones(3), norm=1.0, trace=1.0, failure=0.0)
    weights, X, codes, _ = random_features(20, 8, 0)
    with pytest.raises(UsageError, match="two or more"):
        theory.network_bounds(weights, X, codes + 1)
    with pytest.raises(DataError, match="6 columns"):
        theory.network_bounds(weights, X[:, :5], codes)


def test_every_bound_names_its_source_its_kind_and_how_it_is_known():
    weights, X, codes, _ = random_features(40, 8, 1)
    K, y = HInf()(X), 2.0 * codes - 1.0
    found = (*theory.bounds(K, y, ridge=1.0), *theory.network_bounds(weights, X, codes))
    assert len({bound.key for bound in found}) == len(found)
    for bound in found:
        assert bound.kind in ("full constants", "leading term", "measure")
        assert bound.confidence in ("read", "code", "memory", "derived")
        assert bound.name
        assert bound.source
        assert bound.hypotheses
        assert bound.vacuous == (bound.kind != "measure" and not bound.value < 1.0)
