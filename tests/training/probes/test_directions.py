"""Clusters and the quantisation index of neurons placed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components

from widthwise.errors import UsageError
from widthwise.networks import MLP
from widthwise.theory.alignment import extremal_directions
from widthwise.training import probes
from widthwise.training.probes.directions import clusters

EPS = float(np.finfo(np.float64).eps)
LINE = np.array([-1, -0.5, 0, 0.5, 1.0])
PLANE = np.column_stack([LINE, np.ones(5)])
TARGETS = np.array([[0.5], [-0.3], [0.8], [-0.6], [0.4]])


def at(degrees, size=1.0):
    angles = np.radians(np.asarray(degrees, float))
    return np.asarray(size)[..., None] * np.column_stack([np.cos(angles), np.sin(angles)])


def placed(take, W, a, *, X=PLANE, net=None, **options):
    """A network with these neurons, whatever its start was."""
    net = MLP(widths=(len(W),), antisymmetric=False, trained="weights", readout="gaussian") if net is None else net
    start = {name: np.asarray(value) for name, value in net.init(0, d=X.shape[1]).items()}
    update = {"W": W - start["W"], "a": np.reshape(a, (-1, 1)) - start["a"]}
    return take(net, X, TARGETS, start=start, update=update, **options)


def test_groups_weights_and_the_living_are_counted(take):
    degrees = [10.0, 10.4, 10.9, 100.0, 100.5, 190.0 + 80.0]
    sizes, a = np.array([1.0, 2.0, 3.0, 1.0, 0.5, 9.0]), np.array([1.0, -1.0, 2.0, 1.0, 4.0, 9.0])
    found = probes.Clusters()(placed(take, at(degrees, sizes), a))
    # The last neuron is dead: its angle is that of (0, -1), on the wrong side of every row.
    assert (found["count"], found["live"]) == (2, 5)
    parts = np.array([1 * 1 + 2 * 1 + 3 * 2, 1 * 1 + 0.5 * 4])
    p = parts / parts.sum()
    assert found["entropy"] == pytest.approx(-np.sum(p * np.log(p)), rel=100 * EPS)
    values = np.linalg.svd(at(degrees[:5]), compute_uv=False)
    shares = values / values.sum()
    assert found["rank"] == pytest.approx(np.exp(-np.sum(shares * np.log(shares))), rel=100 * EPS)
    assert probes.Clusters(tolerance=0.45)(placed(take, at(degrees, sizes), a))["count"] == 4


def test_one_direction_has_no_entropy_and_no_neuron_no_group(take):
    one = probes.Clusters()(placed(take, at([30.0, 30.0], [1.0, 5.0]), [1.0, -3.0]))
    assert (one["count"], one["entropy"], one["live"]) == (1, 0, 2)
    assert one["rank"] == pytest.approx(1.0, abs=1e-6)
    none = probes.Clusters()(placed(take, at([270.0, 0.0], [1.0, 0.0]), [1.0, 1.0]))
    assert [float(value) for value in none.values()] == [0, 0, 0, 0]


@pytest.mark.parametrize("tolerance", [5.0, 20.0, 60.0])
def test_groups_are_the_connected_components_of_near_pairs(tolerance):
    directions = np.random.default_rng(0).standard_normal((300, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    near = directions @ directions.T >= np.cos(np.radians(tolerance))
    number, labels = connected_components(near)
    found = clusters(directions, tolerance)
    assert found.max() + 1 == number
    assert len({(a, b) for a, b in zip(labels, found, strict=True)}) == number


def test_neurons_at_the_extremal_directions_are_quantised_wholly(take):
    extrema = extremal_directions(PLANE, TARGETS[:, 0])
    degrees = [extrema.angles[1], extrema.angles[1] + 0.9, extrema.angles[3], extrema.angles[6], 0.3, 135.0, 200.0]
    a = np.array([1.0, 2.0, 1.0, 1.0, -1.0, -1.0, 1.0])
    shot = placed(take, at(degrees), a)
    found = probes.Quantisation()(shot)
    # 200 degrees is live, and nowhere; the others are where the flow takes neurons of their sign.
    assert found["index"] == found["stable"] == pytest.approx(6 / 7)
    assert found["weighted"] == pytest.approx(7 / 8)
    assert found["positive"].tolist() == [0, 2, 0, 1, 1]
    assert found["negative"].tolist() == [1, 0, 1, 0, 0]
    turned = probes.Quantisation()(placed(take, at(degrees), -a))
    assert turned["index"] == found["index"]
    assert turned["stable"] == 0
    assert probes.Quantisation(tolerance=0.5)(shot)["index"] == pytest.approx(5 / 7)


def test_a_bias_is_a_second_column_of_ones(take):
    degrees, a = [107.3, 140.0, 333.5], [1.0, 1.0, -1.0]
    ones = probes.Quantisation()(placed(take, at(degrees), a))
    net = MLP(widths=(3,), antisymmetric=False, trained="all", readout="gaussian", bias_variance=1.0)
    start = {name: np.asarray(value) for name, value in net.init(0, d=1).items()}
    W = at(degrees)
    update = {"W": W[:, :1] - start["W"], "b": W[:, 1] - start["b"], "a": np.reshape(a, (-1, 1)) - start["a"]}
    update["c"] = np.zeros(1)
    shot = take(net, LINE[:, None], TARGETS, start=start, update=update)
    for name, value in probes.Quantisation()(shot).items():
        np.testing.assert_array_equal(value, ones[name])
    # Under the logistic loss the pull is half the labels: the same directions.
    labels = np.sign(TARGETS)
    halves = [
        probes.Quantisation()(take(net, LINE[:, None], labels, start=start, update=update, loss=loss))
        for loss in ("logistic", "squared")
    ]
    np.testing.assert_array_equal(halves[0]["positive"], halves[1]["positive"])


def test_no_neuron_alive_is_no_number(take):
    assert np.isnan(probes.Quantisation()(placed(take, at([270.0]), [1.0]))["index"])


@pytest.mark.parametrize(
    ("net", "d"),
    [
        (MLP(widths=(4,)), 3),
        (MLP(widths=(4,)), 1),
        (MLP(widths=(4,), antisymmetric=False, bias_variance=1.0, trained="all"), 2),
        (MLP(widths=(4,), outputs=2), 2),
        (MLP(widths=(4,), activation="abs"), 2),
    ],
)
def test_neurons_that_do_not_live_in_a_plane_are_refused(net, d):
    with pytest.raises(UsageError, match="neurons in a plane, and one output"):
        probes.check(probes.named("quantisation"), net, np.ones((3, d)), np.ones((3, net.outputs)))
    probes.check(probes.named("clusters"), net, np.ones((3, d)), np.ones((3, net.outputs)))


def test_depth_and_angles_out_of_range_are_refused():
    deep = MLP(widths=(4, 4), antisymmetric=False)
    for name in ("clusters", "quantisation", "kinks"):
        with pytest.raises(UsageError, match="one hidden layer"):
            probes.check(probes.named(name), deep, np.ones((3, 2)), np.ones((3, 1)))
    for make in (probes.Clusters, probes.Quantisation):
        with pytest.raises(UsageError, match=r"between 0.01 and 90 degrees; 0.0 came"):
            make(tolerance=0.0)


def test_small_neurons_gather_where_the_data_send_them(take):
    """Descent from neurons of size 1e-6, written out; balanced, so that all of E4's angles are reached in 2500 steps.

    The counts are those of the reference run: 84, 60 and 29 of the positive neurons at 107, 148 and 333 degrees, 61 of the
    negative ones at 0. The other negative ones went to 135 degrees, where they shrink until discrete steps turn their sign:
    5 and 14 of them have come to the maxima beside it, 4 are on their way.
    """
    m, rate = 400, 0.005
    generator = np.random.default_rng(0)
    W = generator.standard_normal((m, 2)) * 1e-6 / np.sqrt(m)
    a = np.linalg.norm(W, axis=1) * generator.choice([-1.0, 1.0], m)
    start = {"W": W, "a": a[:, None]}
    W, a = W.copy(), a.copy()
    for _ in range(2500):
        z = PLANE @ W.T
        error = np.maximum(z, 0) @ a - TARGETS[:, 0]
        pull = rate * error[:, None] * (z >= 0)
        W, a = W - (pull * a).T @ PLANE, a - rate * np.maximum(z, 0).T @ error
    net = MLP(widths=(m,), antisymmetric=False, trained="weights", readout="gaussian", parametrisation="standard")
    shot = take(
        net, PLANE, TARGETS, start=start, update={"W": W - start["W"], "a": a[:, None] - start["a"]}, outputs=True
    )
    assert 0.749 < float(np.sum((np.asarray(shot.outputs) - TARGETS) ** 2)) / 2 < 0.75
    found, groups = probes.Quantisation()(shot), probes.Clusters()(shot)
    assert groups["live"] == 173 + 84
    assert found["negative"].tolist() == [61, 0, 0, 0, 0]
    assert found["positive"].tolist() == [0, 84 + 5, 0, 60 + 14, 29]
    assert found["index"] == found["stable"] == pytest.approx(253 / 257)
