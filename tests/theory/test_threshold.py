"""Thresholds of logistic curves: against an ordinary fit, coverage by simulation, and counts that jump."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from widthwise import theory
from widthwise.errors import DataError

X = np.arange(7.0)
TEN = np.full(7, 10)


def test_it_is_the_maximum_of_the_likelihood():
    won = np.array([0, 1, 3, 4, 8, 9, 10])

    def loss(parameters):
        z = parameters[1] * (X - parameters[0])
        return np.sum(won * np.logaddexp(0, -z) + (TEN - won) * np.logaddexp(0, z))

    place, slope = minimize(loss, [3.0, 1.0], method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-12}).x
    found = theory.logistic_threshold(X, won, TEN)
    # The likelihood is called flat within 0.001: sqrt(2 * 0.001) standard errors, and a grid step of 0.01.
    error = (found.high - found.low) / 2 / 1.96
    assert found.value == pytest.approx(place, abs=np.sqrt(2e-3) * error + 0.02)
    assert found.slope == pytest.approx(slope, rel=0.2)  # slopes are tried at ratios of 1.18
    assert found.low < place < found.high


def test_the_interval_covers_the_truth():
    rng = np.random.default_rng(0)
    runs, truth, hits = 60, 2.7, 0
    for _ in range(runs):
        won = rng.binomial(10, 1 / (1 + np.exp(-1.6 * (X - truth))))
        found = theory.logistic_threshold(X, won, TEN)
        hits += found.low <= truth <= found.high
    assert hits / runs > 0.95 - 3 * np.sqrt(0.95 * 0.05 / runs)


def test_counts_that_jump_say_between_which_two():
    found = theory.logistic_threshold(X, np.array([0, 0, 0, 10, 10, 10, 10]), TEN)
    assert found.value == pytest.approx(2.5, abs=0.04)
    assert 1.5 < found.low < 2.1
    assert 2.9 < found.high < 3.5


def test_all_and_nothing_have_one_end():
    nothing = theory.logistic_threshold(X, np.zeros(7, dtype=int), TEN)
    assert nothing.value == np.inf == nothing.high
    assert nothing.low > 5
    everything = theory.logistic_threshold(X, TEN, TEN)
    assert everything.value == -np.inf == everything.low
    assert everything.high < 1


def test_the_order_of_places_and_their_unit_do_not_matter():
    won = np.array([0, 1, 3, 4, 8, 9, 10])
    one = theory.logistic_threshold(X, won, TEN)
    other = theory.logistic_threshold(3.0 * X[::-1] + 5.0, won[::-1], TEN)
    assert other.value == pytest.approx(3 * one.value + 5, rel=1e-9)
    assert other.high == pytest.approx(3 * one.high + 5, rel=1e-9)


@pytest.mark.parametrize(
    ("x", "won", "tried"),
    [([1.0], [1], [2]), ([1.0, 1.0], [1, 1], [2, 2]), ([1.0, 2.0], [3, 1], [2, 2])],
)
def test_counts_that_cannot_be_are_refused(x, won, tried):
    with pytest.raises(DataError):
        theory.logistic_threshold(np.array(x), np.array(won), np.array(tried))
