"""Power laws: exact ones come back, and the interval is the one of the textbook."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from widthwise.sweeps.fits import power_law


def test_an_exact_law_comes_back():
    x = np.array([1.0, 2.0, 8.0, 64.0])
    fit = power_law(x, 3.0 * x**-0.5)
    assert fit.exponent == pytest.approx(-0.5, abs=1e-14)
    assert fit.factor == pytest.approx(3.0, rel=1e-14)
    assert fit.high - fit.low < 1e-6
    np.testing.assert_allclose(fit.at(x), 3.0 * x**-0.5, rtol=1e-13)


def test_slope_and_interval_are_those_of_scipy():
    rng = np.random.default_rng(0)
    x = np.repeat([10.0, 20.0, 40.0, 80.0], 5)
    y = x**-0.4 * np.exp(0.2 * rng.standard_normal(20))
    fit, known = power_law(x, y), stats.linregress(np.log(x), np.log(y))
    half = known.stderr * stats.t.ppf(0.975, 18)
    np.testing.assert_allclose((fit.exponent, fit.low, fit.high), (known.slope, known.slope - half, known.slope + half))


def test_the_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(1)
    x = np.repeat([1.0, 3.0, 9.0], 3)
    trials = 1000
    hits = 0
    for _ in range(trials):
        fit = power_law(x, x**0.7 * np.exp(0.3 * rng.standard_normal(9)))
        hits += fit.low <= 0.7 <= fit.high
    # Four standard errors of a binomial share.
    assert abs(hits / trials - 0.95) < 4 * np.sqrt(0.95 * 0.05 / trials)


def test_what_cannot_be_fitted_is_not():
    nan = float("nan")
    assert power_law(np.array([1.0, 2.0]), np.array([1.0, 2.0])) is None
    assert power_law(np.array([2.0, 2.0, 2.0]), np.array([1.0, 2.0, 3.0])) is None
    assert power_law(np.array([1.0, 2.0, 0.0, -1.0]), np.array([1.0, 2.0, 3.0, 4.0])) is None
    assert power_law(np.array([1.0, 2.0, 3.0]), np.array([1.0, nan, 0.0])) is None
