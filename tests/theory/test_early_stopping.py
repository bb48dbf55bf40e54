"""Early stopping: the exact risk against noise drawn again and again, its estimates against the exact risk."""

from __future__ import annotations

import numpy as np
import pytest

from widthwise import theory
from widthwise.errors import UsageError
from widthwise.kernels import HInf

N, SIGMA = 40, 0.5
STEPS = np.array([0, 1, 3, 10, 30, 100, 300, 1000, 10_000])


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N, 3))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    K = HInf()(X)
    return K, theory.spectrum(K), X[:, 0] + X[:, 1] ** 2


def fits(K, Y, rate):
    """Predictions of gradient descent after each number of steps, one column for each draw."""
    stay = np.eye(N) - rate * K
    return [Y - np.linalg.matrix_power(stay, int(k)) @ Y for k in STEPS]


def test_the_risk_is_the_mean_over_noise_and_mallows_is_unbiased_for_it(problem):
    K, spectrum, signal = problem
    rate = theory.recommended_rate(spectrum)
    draws = 2000
    Y = signal[:, None] + SIGMA * np.random.default_rng(1).standard_normal((N, draws))
    risk = theory.fixed_design_risk(spectrum, signal, noise_variance=SIGMA**2, learning_rate=rate, steps=STEPS)
    seen = np.array([np.mean((u - signal[:, None]) ** 2, axis=0) for u in fits(K, Y, rate)])
    error = seen.std(axis=1, ddof=1) / np.sqrt(draws)
    assert np.all(np.abs(seen.mean(axis=1) - risk) <= 4 * error + 1e-12)
    estimates = np.array(
        [
            theory.early_stopping(spectrum, y, learning_rate=rate, steps=STEPS, noise_variance=SIGMA**2).risk
            for y in Y.T[:400]
        ]
    )
    error = estimates.std(axis=0, ddof=1) / np.sqrt(400)
    assert np.all(np.abs(estimates.mean(axis=0) - risk) <= 4 * error + 1e-12)


def test_the_risk_starts_at_the_signal_and_ends_at_the_noise(problem):
    _, spectrum, signal = problem
    rate = theory.recommended_rate(spectrum)
    risk = theory.fixed_design_risk(
        spectrum, signal, noise_variance=SIGMA**2, learning_rate=rate, steps=np.array([0, 10**9]), optimizer="flow"
    )
    np.testing.assert_allclose(risk, [np.mean(signal**2), SIGMA**2], rtol=1e-12)


def test_generalised_cross_validation_is_the_quotient_of_the_smoother(problem):
    K, spectrum, signal = problem
    y = signal + SIGMA * np.random.default_rng(2).standard_normal(N)
    rate = theory.recommended_rate(spectrum)
    found = theory.early_stopping(spectrum, y, learning_rate=rate, steps=STEPS[:6])
    for k, estimate, freedom in zip(STEPS[:6], found.risk, found.degrees_of_freedom, strict=True):
        S = np.eye(N) - np.linalg.matrix_power(np.eye(N) - rate * K, int(k))
        assert freedom == pytest.approx(np.trace(S), abs=1e-11)
        assert estimate == pytest.approx(np.mean((y - S @ y) ** 2) / (1 - np.trace(S) / N) ** 2, rel=1e-10)
    assert 0 < found.best <= 100
    assert found.criterion == "generalised cross-validation"


def test_noise_below_zero_is_refused(problem):
    _, spectrum, signal = problem
    with pytest.raises(UsageError, match="noise_variance"):
        theory.fixed_design_risk(spectrum, signal, noise_variance=-1.0, learning_rate=1.0, steps=3)
