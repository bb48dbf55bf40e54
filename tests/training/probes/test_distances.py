"""Distances against norms written out, and their extremes."""

from __future__ import annotations

import inspect

import jax
import numpy as np
import pytest

from widthwise.errors import UsageError
from widthwise.networks import MLP
from widthwise.training import probes

EPS = float(np.finfo(np.float64).eps)
X, Y = np.eye(3), np.ones((3, 1))
NET = MLP(widths=(5, 4), antisymmetric=False, readout="gaussian", trained="all", bias_variance=0.5)


def test_distances_are_the_norms_written_out(take):
    shot = take(NET, X, Y)
    found = {name: np.asarray(value) for name, value in jax.jit(probes.Distances())(shot).items()}
    layers, starts, largest, fourth = [], [], [], []
    for name in NET.trained_names:
        D, W = np.asarray(shot.update[name]), np.asarray(shot.start[name])
        rows = [np.sqrt(np.sum(np.atleast_1d(row) ** 2)) for row in D]
        layers.append(np.sqrt(sum(r**2 for r in rows)))
        starts.append(np.sqrt(np.sum(W**2)))
        largest.append(max(rows))
        fourth.append(sum(r**4 for r in rows) ** 0.25)
    layers, starts = np.array(layers), np.array(starts)
    np.testing.assert_allclose(found["layers"], layers, rtol=20 * EPS)
    np.testing.assert_allclose(found["relative_layers"], layers / starts, rtol=40 * EPS)
    np.testing.assert_allclose(found["frobenius"], np.linalg.norm(layers), rtol=20 * EPS)
    np.testing.assert_allclose(found["relative"], np.linalg.norm(layers) / np.linalg.norm(starts), rtol=40 * EPS)
    np.testing.assert_allclose(found["two_infinity"], largest, rtol=20 * EPS)
    np.testing.assert_allclose(found["two_four"], fourth, rtol=40 * EPS)


def test_the_fourth_power_of_a_small_update_does_not_vanish(take):
    net = MLP(widths=(5,), antisymmetric=False)
    for size in (1e-90, 1e90):
        shot = take(net, X, Y, update={"W": np.full((5, 3), size)})
        # Five rows of norm size sqrt(3); fourth powers would leave float64.
        assert float(jax.jit(probes.Distances())(shot)["two_four"][0]) == pytest.approx(
            5**0.25 * 3**0.5 * size, rel=20 * EPS
        )
        assert float(jax.jit(probes.Spread())(shot)[0]) == pytest.approx(1.0, rel=20 * EPS)


def test_the_spread_is_one_for_equal_rows_and_the_width_for_one(take):
    net = MLP(widths=(6,), antisymmetric=False)
    alone = np.zeros((6, 3))
    alone[2] = [1.0, -2.0, 0.5]
    shot = take(net, X, Y, update={"W": alone})
    assert float(jax.jit(probes.Spread())(shot)[0]) == pytest.approx(6.0, rel=10 * EPS)
    W = np.asarray(shot.params["W"])
    rows = np.sum(W**2, axis=1)
    assert float(jax.jit(probes.Spread(of="weights"))(shot)[0]) == pytest.approx(
        6 * np.sum(rows**2) / rows.sum() ** 2, rel=20 * EPS
    )
    assert np.isnan(jax.jit(probes.Spread())(take(net, X, Y, update={"W": np.zeros((6, 3))}))[0])


def test_the_radius_is_the_largest_layer_times_the_power_of_the_width(take):
    net = MLP.chen2019(3, 16, alpha=0.25)
    shot = take(net, X, Y)
    expected = max(np.linalg.norm(np.asarray(shot.update[name])) for name in net.weight_names)
    assert float(jax.jit(probes.Radius())(shot)) == pytest.approx(2.0 * expected, rel=20 * EPS)
    assert float(jax.jit(probes.Radius(alpha=0.5))(shot)) == pytest.approx(4.0 * expected, rel=20 * EPS)


def test_the_radius_asks_for_an_exponent_where_there_is_none():
    with pytest.raises(UsageError, match=r"Radius\(alpha=...\)"):
        probes.check(probes.Radius(), NET, X, Y)
    probes.check(probes.Radius(alpha=0.5), NET, X, Y)
    with pytest.raises(UsageError, match="'update' or 'weights'; 'both' came"):
        inspect.unwrap(probes.Spread.__init__)(object.__new__(probes.Spread), of="both")
