"""What the experiments on Chen et al. 2019 compute, against the paper's formulas transcribed naively in NumPy."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest

from widthwise.atlas import chen2019_condition as conditions
from widthwise.atlas import chen2019_descent as descent
from widthwise.atlas import chen2019_margin as kernel_claims
from widthwise.atlas import chen2019_width as width_claims
from widthwise.atlas.chen2019_figures import CAT_DOG, CAT_SHIP
from widthwise.atlas.chen2019_rows import Growth, in_own_span, log10_width, radius
from widthwise.atlas.trial import Curve, Evidence, Rows, Settings, Trial
from widthwise.networks import MLP


def trial_of(n: int = 40, d: int = 5, **given: Any) -> Trial:
    """Rows on the sphere, labelled by a cubic: learnable, not linear. Shapes are those of the claims at smoke, compiled once."""
    rng = np.random.default_rng(3)
    X = rng.standard_normal((n + 10, d))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    y = np.where(X[:, 0] + 3 * X[:, 1] ** 3 >= 0.0, 1.0, -1.0)
    more = {"matrices": 2, "rate": 0.5, **given.pop("more", {})}
    settings = Settings(data="generated", n=n, more=more, **given)
    return Trial(settings=settings, rows=Rows(X=X[:n], y=y[:n], X_test=X[n:], y_test=y[n:], source="sphere"), seed=7)


def start(trial: Trial, width: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """W_1 and W_2 of the network, m^(1/2) W_2 relu(W_1 x)."""
    params = MLP.chen2019(2, width).init(seed, d=trial.rows.d)
    return np.asarray(params["W"], dtype=np.float64), np.asarray(params["a"], dtype=np.float64).reshape(1, -1)


def outputs(W: np.ndarray, a: np.ndarray, X: np.ndarray) -> np.ndarray:
    return np.sqrt(len(W)) * (np.maximum(X @ W.T, 0.0) @ a.T)[:, 0]


def loss_of(W: np.ndarray, a: np.ndarray, X: np.ndarray, y: np.ndarray) -> float:
    return float(np.mean(np.logaddexp(0.0, -y * outputs(W, a, X))))


def gradients(W: np.ndarray, a: np.ndarray, X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of the mean of log(1 + exp(-y f))."""
    pull = -y / (1.0 + np.exp(y * outputs(W, a, X))) / len(y) * np.sqrt(len(W))
    gates = X @ W.T >= 0.0
    return (pull[:, None] * gates * a).T @ X, (pull @ np.maximum(X @ W.T, 0.0))[None, :]


def descended(
    trial: Trial, width: int, seed: int, *, rate: float, steps: int, momentum: float = 0.0
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Weights before every step and at the end."""
    W, a = start(trial, width, seed)
    found, speed = [(W, a)], (np.zeros_like(W), np.zeros_like(a))
    for _ in range(steps):
        slopes = gradients(W, a, trial.rows.X, trial.rows.y)
        speed = tuple(momentum * v + g for v, g in zip(speed, slopes, strict=True))  # type: ignore[assignment]
        W, a = W - rate * speed[0], a - rate * speed[1]
        found.append((W, a))
    return found


@pytest.mark.parametrize(("gamma", "n", "L", "epsilon"), [(0.3, 100, 5, 0.1), (0.02, 4000, 8, 2.0**-12)])
def test_the_width_of_the_theorem_is_its_formula(gamma: float, n: int, L: int, epsilon: float) -> None:
    with mpmath.workdps(30):
        R = (mpmath.sqrt(mpmath.log(n / mpmath.mpf("0.1"))) + mpmath.log(1 / mpmath.mpf(epsilon))) / mpmath.mpf(gamma)
        asked = (R**4 * L**11) ** 2 * mpmath.log(n / mpmath.mpf("0.1")) ** (mpmath.mpf(4) / 3)
        assert log10_width(gamma, n, L, epsilon) == pytest.approx(float(mpmath.log10(asked)), rel=1e-12)
        assert radius(gamma, n, np.array([epsilon]))[0] == pytest.approx(float(R), rel=1e-12)


def test_no_margin_asks_for_an_infinite_width() -> None:
    assert log10_width(0.0, 100, 5, 0.1) == math.inf


def test_a_basis_of_the_span_keeps_the_rows() -> None:
    X = np.random.default_rng(0).standard_normal((6, 40))
    assert in_own_span(X).shape == (6, 6)
    assert np.allclose(in_own_span(X) @ in_own_span(X).T, X @ X.T, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("points", "power", "logarithm", "rms_power", "rms_logarithm"),
    [(CAT_DOG, 0.325, 2.16, 0.065, 0.056), (CAT_SHIP, 0.273, 1.83, 0.072, 0.046)],
)
def test_laws_of_the_published_points(
    points: Curve, power: float, logarithm: float, rms_power: float, rms_logarithm: float
) -> None:
    """Exponents and residuals as found once by another program, to the digits that it printed."""
    found = width_claims.laws(points.x, points.y)
    assert found[0] == pytest.approx(power, abs=5e-4)
    assert found[1] == pytest.approx(logarithm, abs=5e-3)
    rounding = 2 * len(points.x) * (0.0005 / rms_power + 0.0005 / rms_logarithm)
    assert found[2] == pytest.approx(2 * len(points.x) * math.log(rms_power / rms_logarithm), abs=rounding)


def test_the_criterion_tells_the_two_laws_apart() -> None:
    n = np.array([25.0, 50.0, 100.0, 200.0, 400.0])
    judge = width_claims.Polylogarithm()
    for y, right in ((np.log(n) ** 2, True), (n**0.5, False)):
        assert (judge.statistic(Evidence(), Evidence(Curve("w", n, y))) >= judge.low) is right
    assert judge.statistic(Evidence(), Evidence(Curve("w", n, [1.0, 2.0, 3.0, 4.0, math.inf]))) == -math.inf


def test_a_point_out_of_reach_has_an_infinite_exponent() -> None:
    x = np.array([1.0, 2.0, 4.0])
    assert Growth(0.0, 1.0).statistic(Evidence(), Evidence(Curve("t", x, 3 * x**0.7))) == pytest.approx(0.7)
    assert Growth(0.0, 1.0).statistic(Evidence(), Evidence(Curve("t", x, [1.0, 2.0, math.inf]))) == math.inf


def test_random_columns_separate_as_cover_counts() -> None:
    """P(m columns separate n rows in general position) = 2^(1-n) sum_{k<m} C(n-1, k), so the mean of the fewest is known."""
    n, draws, rng = 16, 60, np.random.default_rng(1)
    found = [width_claims.separating(rng.standard_normal((n, n)), rng.choice([-1.0, 1.0], n)) for _ in range(draws)]
    below = np.array([sum(math.comb(n - 1, k) for k in range(m)) for m in range(n + 1)]) / 2.0 ** (n - 1)
    mean = float(np.sum(1.0 - below[:n]))
    deviation = math.sqrt(float(np.sum(np.diff(below) * np.arange(1, n + 1) ** 2)) - mean**2)
    assert abs(np.mean(found) - mean) < 3.0 * deviation / math.sqrt(draws)


def test_successes_are_those_of_descent_in_numpy() -> None:
    """And the width does not depend on where the search begins."""
    given = {"nets": 3, "rates": (0.5,), "batch": 0}
    trial = trial_of(widths=(1, 16), steps=300, more=given)
    X, y = trial.rows.X, trial.rows.y
    won = [
        sum(
            any(
                np.all(y * outputs(W, a, X) > 0)
                for W, a in descended(trial, m, 1000 * k + 7, rate=0.5 / m, steps=299, momentum=0.9)
            )
            for k in range(3)
        )
        for m in (1, 16)
    ]
    up, _ = width_claims.smallest_width(trial, X, y, matrices=2)
    down, _ = width_claims.smallest_width(trial, X, y, matrices=2, near=1)
    assert up == down
    assert won == [0, 3], "none at the one end, all at the other: the width is in the middle"
    assert up == pytest.approx(4.0, rel=0.05)


def test_the_lemma_is_summed_as_printed() -> None:
    trial = trial_of(widths=(64,), steps=80, more={"beyond": 4})
    found = descent.measure_distance(trial)
    path = descended(trial, 64, trial.seed, rate=0.5 / 64, steps=320)
    X, y = trial.rows.X, trial.rows.y
    losses = [np.logaddexp(0.0, -y * outputs(W, a, X)) for W, a in path]
    epsilon, (W_star, a_star) = float(losses[-1].max()), path[-1]
    for t, measured in zip(found.curves[0].x.astype(int), found.curves[0].y, strict=True):
        square = np.sum((path[t][0] - W_star) ** 2) + np.sum((path[t][1] - a_star) ** 2)
        asked = 0.5 / 64 * (sum(float(v.mean()) for v in losses[:t]) - 2 * t * epsilon)
        assert measured == pytest.approx(square + asked, rel=1e-4)
    started = np.sum((path[0][0] - W_star) ** 2) + np.sum((path[0][1] - a_star) ** 2)
    assert descent.predict_distance(trial).curves[0].y == pytest.approx(np.full(descent.POINTS, started), rel=1e-4)


def test_deviations_from_the_linearisation_of_two_matrices() -> None:
    distances = (0.01, 0.03, 0.1)
    trial = trial_of(widths=(64,), more={"distances": distances})
    left, whole = kernel_claims.deviations(trial)
    W, a = start(trial, 64, trial.seed)
    X, y = trial.rows.X, trial.rows.y
    rng = trial.rng
    names = list(MLP.chen2019(2, 64).init(trial.seed, d=5))
    random = {name: rng.standard_normal(W.shape if name == "W" else a.shape) for name in names}
    hidden = X @ W.T
    for place, towards in enumerate([(random["W"], random["a"]), gradients(W, a, X, y)]):
        longest = max(np.linalg.norm(v) for v in towards)
        for k, tau in enumerate(distances):
            V, b = (-tau * v / longest for v in towards)
            moved = outputs(W + V, a + b, X) - outputs(W, a, X)
            slope = 8.0 * ((np.maximum(hidden, 0.0) @ b.T) + (((hidden >= 0) * (X @ V.T)) @ a.T))[:, 0]
            assert whole[place, k] == pytest.approx(np.mean(np.abs(moved)), rel=1e-6)
            assert left[place, k] == pytest.approx(np.mean(np.abs(moved - slope)), rel=1e-6)


def test_the_two_branches_at_two_matrices() -> None:
    m, R, n = np.array([4.0, 4096.0]), np.array([2.0, 8.0]), 100
    rising, falling = descent.branches(m, n, 2, R)
    assert np.allclose(rising, [64 * 2 * 0.2, 64 * 8 * 6.4], rtol=1e-12)
    printed = [2**1.5 * R / 10 + 2 ** (11 / 3) * R ** (4 / 3) / m_ ** (1 / 6) for m_, R in ((4.0, 2.0), (4096.0, 8.0))]
    assert np.allclose(falling, printed, rtol=1e-12)


def test_the_terms_of_one_pass_are_minimised_over_the_loss() -> None:
    trial = trial_of(more={"sizes": 2})
    K = kernel_claims.gram(trial)
    gamma = kernel_claims.margin(K, trial.rows.y).value
    for n, found in zip(descent.passes(trial), descent.leading_terms(trial), strict=True):
        term = min(
            8 * 4 * ((math.sqrt(math.log(10 * n)) + k * math.log(2)) / gamma) ** 2 / n
            + 8 * math.log(10) / n
            + 24 / 2**k
            for k in range(1, 25)
        )
        assert found == pytest.approx(term, rel=1e-9)


def test_a_loss_that_is_never_reached_is_no_success() -> None:
    """Networks counted by descent in NumPy; the width is infinite where none of them reaches the loss."""
    trial = trial_of(widths=(1, 16), steps=300, more={"nets": 3, "rates": (0.5,), "batch": 0, "halvings": 4})
    X, y = trial.rows.X, trial.rows.y
    won = np.zeros((2, 4), dtype=int)
    for i, m in enumerate((1, 16)):
        for k in range(3):
            path = descended(trial, m, 1000 * k + 7, rate=0.5 / m, steps=299, momentum=0.9)
            won[i] += min(loss_of(W, a, X, y) for W, a in path) <= 2.0 ** -np.arange(1.0, 5.0)
    assert won.tolist() == [[3, 0, 0, 0], [3, 3, 3, 3]]
    assert np.array_equal(np.isfinite(conditions.first_steps(trial)).sum(axis=1), won)
    assert conditions.widths_by_accuracy(trial, math.inf) == pytest.approx([1.0, 4.0, 4.0, 4.0], rel=0.05)
    assert np.all(np.isinf(conditions.widths_by_accuracy(trial, 0.0)))
