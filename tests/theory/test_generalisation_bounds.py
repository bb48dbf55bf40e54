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


def test_the_bound_that_grows_with_the_width_is_there_where_a_width_is_given():
    X, y = population(30, 4, np.random.default_rng(1), 0.0)
    K = HInf()(X)
    found = {b.key: b for b in theory.bounds(K, y, depth=2, width=90.0)}
    assert found["chen2019"].value == pytest.approx(math.e**2 * math.sqrt(3.0) / theory.margin(K, y).value, rel=1e-12)
    assert found["chen2019"].kind == "leading term"
    assert "chen2019" not in {b.key for b in theory.bounds(K, y, depth=2)}
    with pytest.raises(UsageError, match="width"):
        theory.bounds(K, y, width=0.0)


def test_the_stability_term_is_the_loss_that_was_met_on_the_way():
    found = theory.stability_term(np.array([0.5, 0.25, 0.25]), learning_rate=2.0, n=10)
    assert (found.value, found.kind) == (0.2, "leading term")
    with pytest.raises(UsageError, match="diverged"):
        theory.stability_term(np.array([0.5, math.nan]), learning_rate=1.0, n=10)


def test_the_rate_and_the_arguments():
    assert theory.interpolation_rate(n=16, d=2) == pytest.approx(16 ** (-2 / 3), rel=1e-15)
    with pytest.raises(DataError, match="-1 or \\+1"):
        theory.bounds(np.eye(2), np.array([0.0, 1.0]))
    with pytest.raises(UsageError, match="failure"):
        theory.rademacher_margin_bound(np.ones(3), norm=1.0, trace=1.0, failure=0.0)


def test_every_bound_names_its_source_its_kind_and_how_it_is_known():
    X, y = population(40, 6, np.random.default_rng(1), 0.1)
    found = (
        *theory.bounds(HInf()(X), y, ridge=1.0, width=8.0),
        theory.stability_term(np.ones(2), learning_rate=1.0, n=2),
    )
    assert len({bound.key for bound in found}) == len(found)
    for bound in found:
        assert bound.kind in ("full constants", "leading term", "measure")
        assert bound.confidence in ("read", "code", "memory", "derived")
        assert bound.name
        assert bound.source
        assert bound.hypotheses
        assert bound.vacuous == (bound.kind != "measure" and not bound.value < 1.0)
