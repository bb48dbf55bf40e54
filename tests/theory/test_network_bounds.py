"""Bounds of two-layer networks: norms and constants worked out by hand, and no full bound below a gap that was measured."""

from __future__ import annotations

import math

import numpy as np
import pytest

import widthwise as ww
from widthwise import theory
from widthwise.errors import DataError, UsageError
from widthwise.networks import MLP
from widthwise.training import Stop


def population(n, d, rng, flip):
    """Unit rows, labels by a hyperplane, a share of them flipped: as many fresh ones as one likes."""
    X = rng.standard_normal((n, d))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    y = np.where(X[:, 0] > 0, 1.0, -1.0)
    return X, np.where(rng.random(n) < flip, -y, y)


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
@pytest.mark.parametrize("flip", [0.0, 0.3])
def test_no_full_bound_is_below_the_gap_of_a_network_that_was_trained(width, flip):
    """Two layers, both trained by descent until rows are fitted; the gap on 4000 fresh rows of the very population."""
    rng = np.random.default_rng(width)
    X, y = population(100, 6, rng, flip)
    codes = (y > 0).astype(np.int64)
    net = MLP(widths=(width,), parametrisation="standard", trained="all", antisymmetric=False, outputs=2,
              readout="gaussian", weight_variance=2.0, input_scale=1 / 3)  # fmt: skip
    start = net.init(0, d=6)
    run = ww.train(
        net, X, codes, loss="cross_entropy", learning_rate=0.5, steps=2000, start=start, stop=Stop(loss=0.05)
    )
    weights = theory.TwoLayerWeights(
        first=np.asarray(run.params["W"], np.float64), second=np.asarray(run.params["a"], np.float64).T,
        first_start=np.asarray(start["W"], np.float64), second_start=np.asarray(start["a"], np.float64).T,
    )  # fmt: skip
    fresh, truth = population(4000, 6, rng, flip)
    error = np.mean(np.argmax(weights.outputs(fresh), axis=1) != (truth > 0))
    outputs = weights.outputs(X)
    threshold = max(theory.margin_percentile(outputs, codes), 0.0)
    below = np.mean(outputs[np.arange(100), codes] - outputs[np.arange(100), 1 - codes] <= threshold)
    found = [b for b in theory.network_bounds(weights, X, codes) if b.kind == "full constants"]
    assert len(found) >= 6
    for bound in found:
        assert bound.value >= error - below, bound.key


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
    assert found["neyshabur2018-term"] == pytest.approx(
        math.sqrt(2) * math.sqrt(5) * (2 + start) / m / math.sqrt(n) + 1, rel=1e-13
    )
    logs = 3 * math.sqrt(math.log(n / 0.1))
    l1 = 8 * C * (4 * 2) * 2 * math.sqrt(math.log(2)) / m + logs
    assert found["bartlett-mendelson"] == pytest.approx(l1 / math.sqrt(n), rel=1e-13)
    # Moved by 2 in one row of U: its (2, 1) norm over the spectral norm 4 is 1/2.
    assert found["bartlett2017"] == pytest.approx(math.log(4) * math.log(2) / (m * math.sqrt(2)) * 8 * 0.5, rel=1e-13)
    # The code's own: 144 ln n ln(2 * 8) (1 + 1/sqrt n) (2 * 2) / margin, and the logarithms of everything.
    reach = (2 + 2 * 2) * 2 * (2 + 2 * 4) * (2 + 2 * 2)
    spelled = 144 * math.log(2) * math.log(16) * (1 + 1 / math.sqrt(2)) * 4 / m
    spelled += math.sqrt(
        4.5 * math.log(1 / 0.1) + math.log(2 * n / m) + 2 * math.log(2 + math.sqrt(2)) + 2 * math.log(reach)
    )
    assert found["bartlett2017-constants"] == pytest.approx(spelled / math.sqrt(n), rel=1e-13)
    alpha = math.sqrt(2 + math.log(2)) / m
    assert found["golowich-frobenius"] == pytest.approx(alpha * 5 * math.sqrt(5) / math.sqrt(n), rel=1e-13)
    assert found["golowich-l1"] == pytest.approx(alpha * 4 * 2 / math.sqrt(n), rel=1e-13)
    # l3 of each unit's weights, then l1.5 over units: (27^.5 + 64^.5)^(2/3) and (1 + 8^.5)^(2/3).
    l3 = (math.sqrt(27) + 8) ** (2 / 3) * (1 + math.sqrt(8)) ** (2 / 3)
    assert found["golowich-l3"] == pytest.approx(alpha * l3 / n ** (1 / 3), rel=1e-13)
    assert found["golowich2018"] == pytest.approx(
        (math.sqrt(4 * math.log(2)) + 1) * 5 * math.sqrt(5) / (m * math.sqrt(2)), rel=1e-13
    )
    units = 4 * math.e * (2 + 2 * 2)
    dimension = 2 + 8 * math.log2(2 * units * math.log2(units)) * (2 * 3 * 2 + 3 * 2) / (3 * 2 + 3 * 2)
    # Fewer rows than dimensions: the logarithm of e.
    assert found["vc"] == pytest.approx(math.sqrt((8 * C * dimension + 8 * math.log(2 / 0.1)) / n), rel=1e-13)
    assert found["path-1"] == pytest.approx((3 + 8) / (m * math.sqrt(2)), rel=1e-13)
    assert found["path-1.5"] == pytest.approx((3**1.5 + 8**1.5) ** (1 / 1.5) / (m * math.sqrt(2)), rel=1e-13)
    assert found["path-2"] == pytest.approx(math.sqrt(9 + 64) / (m * math.sqrt(2)), rel=1e-13)
    assert found["distance"] == 2.0
    assert found["distance-spectral"] == pytest.approx((8 / m) ** 2 * (2 / 4) ** 2, rel=1e-13)


def test_a_network_that_errs_on_its_training_rows_has_no_margin():
    weights, X, codes, _ = random_features(50, 8, 0)
    found = {b.key: b.value for b in theory.network_bounds(weights, X, 1 - codes)}
    assert found["golowich2018"] == math.inf
    assert math.isfinite(found["distance"])


def test_a_network_that_stayed_where_it_was_and_has_no_margin_bounds_nothing():
    weights = theory.TwoLayerWeights(first=np.eye(2), second=-np.eye(2), first_start=np.eye(2), second_start=-np.eye(2))
    found = {b.key: b.value for b in theory.network_bounds(weights, np.eye(2), np.array([0, 1]))}
    assert found["pac-bayes-spectral"] == found["bartlett2017-constants"] == found["distance-spectral"] == math.inf


def test_arguments_that_do_not_fit_are_named():
    weights, X, codes, _ = random_features(20, 8, 0)
    with pytest.raises(UsageError, match="two or more"):
        theory.network_bounds(weights, X, codes + 1)
    with pytest.raises(DataError, match="6 columns"):
        theory.network_bounds(weights, X[:, :5], codes)


def test_every_bound_of_a_network_names_its_source_its_kind_and_how_it_is_known():
    weights, X, codes, _ = random_features(40, 8, 1)
    found = theory.network_bounds(weights, X, codes)
    assert len({bound.key for bound in found}) == len(found)
    for bound in found:
        assert bound.kind in ("full constants", "leading term", "measure")
        assert bound.confidence in ("read", "code", "memory", "derived")
        assert bound.name
        assert bound.source
        assert bound.hypotheses
        assert bound.vacuous == (bound.kind != "measure" and not bound.value < 1.0)
