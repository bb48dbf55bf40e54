"""Kinks against the slopes of the function itself."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from widthwise.errors import UsageError
from widthwise.kernels.activations import LeakyReLU
from widthwise.networks import MLP
from widthwise.training import probes
from widthwise.training.probes.kinks import KinkMap, kink_map

EPS = float(np.finfo(np.float64).eps)
LINE = np.array([[-1.0], [0.2], [1.0]])
Y = np.ones((3, 1))


@pytest.mark.parametrize("form", ["relu", LeakyReLU(0.3), "abs"], ids=["ReLU", "leaky", "absolute value"])
@pytest.mark.parametrize("ones", [False, True], ids=["biases", "a constant column"])
def test_every_kink_is_where_the_slope_jumps_and_by_as_much(form, ones, take):
    net = MLP(
        widths=(6,),
        antisymmetric=False,
        readout="gaussian",
        trained="all",
        activation=form,
        input_scale=2.0,
        bias_variance=0.0 if ones else 0.7,
    )
    X = np.column_stack([LINE, np.full(3, 0.5)]) if ones else LINE
    shot = take(net, X, Y)
    params = {name: np.asarray(value) for name, value in shot.params.items()}
    found = kink_map(net, params, X)
    assert len(found.positions) == 6
    assert np.all(np.diff(found.positions) > 0)
    slope = jax.jit(
        jax.vmap(jax.grad(lambda x: net.apply(shot.params, jnp.stack([x, 0.5])[None] if ones else x[None, None])[0, 0]))
    )
    edges = np.concatenate([[-100.0], found.positions, [100.0]])
    slopes = np.asarray(slope(jnp.asarray((edges[1:] + edges[:-1]) / 2)))
    # Slopes are sums of six products.
    np.testing.assert_allclose(np.diff(slopes), found.jumps, rtol=0, atol=100 * EPS * np.abs(slopes).max())


def test_near_kinks_merge_at_their_weighted_mean_and_faint_ones_are_left_out():
    every = KinkMap(positions=np.array([0.0, 0.1, 0.2, 1.0, 2.0]), jumps=np.array([1.0, 3.0, -2.0, 0.01, -4.0]))
    merged = every.merged(0.1 + 1e-9)
    np.testing.assert_allclose(merged.positions, [(0.1 * 3 + 0.2 * 2) / 6, 1.0, 2.0])
    np.testing.assert_allclose(merged.jumps, [2.0, 0.01, -4.0])
    assert merged.above(0.01).positions.tolist() == [merged.positions[0], 2.0]
    np.testing.assert_allclose(every.merged(0.0).positions, every.positions, rtol=4 * EPS)
    # Three in a chain are one, though the ends are apart.
    assert len(every.merged(0.15).positions) == 3
    nothing = KinkMap(positions=np.zeros(0), jumps=np.zeros(0))
    assert len(nothing.merged(1.0).above(0.5).positions) == 0
    zeros = KinkMap(positions=np.array([0.0, 1.0]), jumps=np.zeros(2))
    np.testing.assert_array_equal(zeros.merged(2.0).positions, [0.5])


def test_distinct_kinks_are_counted_in_all_and_inside_the_data(take):
    net = MLP(widths=(5,), antisymmetric=False, readout="gaussian", trained="weights")
    X = np.column_stack([LINE, np.ones(3)])
    # Kinks at 0, 0.005, 0.5 and -3, and one neuron without any.
    W = np.array([[1.0, 0.0], [-2.0, 0.01], [1.0, -0.5], [1.0, 3.0], [0.0, 1.0]])
    a = np.sqrt(5) * np.array([[1.0], [2.0], [-3.0], [1.0], [7.0]])
    start = {name: np.asarray(value) for name, value in net.init(0, d=2).items()}
    shot = take(net, X, Y, start=start, update={"W": W - start["W"], "a": a - start["a"]})
    found = probes.Kinks(keep=4)(shot)
    assert (found["distinct"], found["inside"]) == (3, 2)
    np.testing.assert_allclose(found["positions"], [-3.0, 0.005 * 4 / 5, 0.5, np.nan], rtol=1e-12)
    np.testing.assert_allclose(found["jumps"], [1.0, 5.0, -3.0, np.nan], rtol=1e-12)
    assert probes.Kinks(tolerance=0.0)(shot)["distinct"] == 4
    largest = probes.Kinks(keep=2)(shot)
    np.testing.assert_allclose(largest["positions"], [0.004, 0.5], rtol=1e-12)


@pytest.mark.parametrize(
    ("net", "X"),
    [
        (MLP(widths=(4,)), LINE),
        (MLP(widths=(4,)), np.column_stack([LINE, LINE])),
        (MLP(widths=(4,), bias_variance=1.0, antisymmetric=False), np.ones((3, 2))),
        (MLP(widths=(4,), bias_variance=1.0, antisymmetric=False, activation="erf"), LINE),
        (MLP(widths=(4,), bias_variance=1.0, antisymmetric=False, outputs=2), LINE),
    ],
)
def test_more_than_one_input_is_refused(net, X):
    with pytest.raises(UsageError, match="one input and one output"):
        probes.check(probes.named("kinks"), net, X, Y)
