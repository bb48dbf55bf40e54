"""Would more data help: the audit's learning curve against the error that more rows really leave."""

from __future__ import annotations

import numpy as np
import pytest

import widthwise as ww
from widthwise import theory
from widthwise.audits.generalisation import KERNEL, Chosen
from widthwise.audits.growth import FEWEST, growth
from widthwise.audits.growth_page import sentence
from widthwise.datasets import encode, load, prepare


def chosen_of(X, ridge):
    features = prepare(X, scale="standardise", tau=1.0)
    empty = np.zeros((len(X), 1))
    return Chosen(
        features=features,
        ridge=ridge,
        row_ridge=ridge,
        loo=empty,
        held_out=empty,
        residual=0.0,
        condition=1.0,
        fold_ridges=(),
    )


def test_the_predicted_error_at_four_times_the_rows_is_the_one_that_is_measured():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 5))
    y = X[:, 0] * X[:, 1] + np.abs(X[:, 2]) + 0.3 * rng.normal(size=2000)
    some = np.arange(300)
    ds = load(X[some], y[some], task="regression")
    found = growth(ds, chosen_of(X[some], 0.01), np.asarray(encode(ds).Y), folds=5, seed=0)
    assert found.sizes[found.now] == 300
    features = prepare(X, scale="standardise", tau=1.0).X
    ridge = 0.01 * float(KERNEL.diag(features[:1])[0])
    for size, predicted in zip(found.sizes, found.error, strict=True):
        K = KERNEL(features[:size])
        alpha = np.linalg.solve(K + ridge * np.eye(size), y[:size] - y[:size].mean())
        outputs = KERNEL(features[1200:], features[:size]) @ alpha + y[:size].mean()
        measured = float(np.mean((outputs - y[1200:]) ** 2))
        # Beyond the rows at hand the theory extrapolates: within a fifth here.
        assert predicted == pytest.approx(measured, rel=0.2), size
    assert found.noise_floor > 0.3**2
    # No fold was predicted here: zeros err by the targets themselves.
    assert found.measured == pytest.approx(np.mean(np.asarray(encode(ds).Y) ** 2))
    assert found.measured_rows == 240
    value, low, high = found.gain(4)
    assert low < value < high
    assert "four times" in sentence(found)


def test_its_risks_are_those_of_the_theory():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(60, 3))
    ds = load(X, X[:, 0] + 0.1 * rng.normal(size=60), task="regression")
    chosen = chosen_of(X, 0.1)
    Y = np.asarray(encode(ds).Y)
    found = growth(ds, chosen, Y, folds=5, seed=0)
    K = KERNEL(chosen.features.X)
    ridge = 0.1 * float(np.mean(np.diag(K)))
    centred = Y - Y.mean(axis=0)
    assert found.generalised == pytest.approx(theory.generalised_cross_validation(K, centred, ridge=ridge), rel=1e-9)
    assert found.leave_one_out == pytest.approx(theory.leave_one_out(K, centred, ridge=ridge).mean_square, rel=1e-9)
    assert found.effective_dimension == pytest.approx(np.trace(K @ np.linalg.inv(K + ridge * np.eye(60))), rel=1e-9)


def test_few_rows_predict_nothing_and_an_audit_says_what_more_would_bring(two_classes):
    X = np.random.default_rng(0).normal(size=(FEWEST - 1, 2))
    ds = load(X, X[:, 0], task="regression")
    assert growth(ds, chosen_of(X, 0.1), np.asarray(encode(ds).Y), folds=5, seed=0) is None
    assert two_classes.generalisation.growth.rows == 80
    assert "Would more data help?" in two_classes.to_html()
    few = ww.audit(X, (X[:, 0] > 0).astype(int), verify="none")
    assert few.generalisation.growth is None
    assert "Would more data help?" not in few.to_html()
