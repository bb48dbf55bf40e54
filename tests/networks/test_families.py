"""Families beside the grid: their outputs against transcriptions, and the laws that make each what it is."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from widthwise._jax import float64
from widthwise.errors import DataError, UsageError
from widthwise.kernels.activations import LeakyReLU
from widthwise.networks import (
    MLP,
    Centred,
    Doubled,
    ImplicitNetwork,
    Linearised,
    LinearRNN,
    Network,
    Normal,
    PseudoNetwork,
    ResidualNetwork,
    empirical_ntk,
    presets,
)

X = np.random.default_rng(0).standard_normal((4, 3))
EPS = np.finfo(np.float64).eps
THREE = presets.allenzhu2018_three_layer(7, 5, outputs=2).net
BOTH = MLP(widths=(6,), antisymmetric=False, trained="all", activation=LeakyReLU(slope=0.2), bias_variance=0.3)


def moved(net, params, size, seed=1):
    """Parameters after a random step of the trained ones."""
    generator = np.random.default_rng(seed)
    return {
        name: value + size * generator.standard_normal(value.shape) if name in net.trained_names else value
        for name, value in params.items()
    }


@pytest.mark.parametrize(
    "net",
    [
        Linearised(THREE),
        Centred(THREE),
        Doubled(THREE),
        PseudoNetwork(THREE, biases=False),
        ResidualNetwork(8, 2),
        ImplicitNetwork(8),
        LinearRNN(4),
    ],
    ids=lambda net: type(net).__name__,
)
def test_every_family_is_a_network(net):
    assert isinstance(net, Network)
    assert hash(net) == hash(net)
    params = net.init(3, d=3)
    again = net.init(3, d=3)
    assert all(np.array_equal(params[name], again[name]) for name in params)
    assert set(net.trained_names) <= set(params)
    assert set(net.weight_names) <= set(params)
    assert all(value.dtype == jnp.float32 for value in params.values())
    # Leaves never share memory: a loop that gives one away keeps the others.
    places = [value.unsafe_buffer_pointer() for value in params.values()]
    assert len(set(places)) == len(places)
    rows = jnp.asarray(X, jnp.float32)
    assert net.apply(params, rows).shape == (4, net.outputs)
    assert all(z.shape[0] == 4 for z in net.pre_activations(params, rows))
    assert "\n" not in net.describe()


@pytest.mark.parametrize("net", [THREE, BOTH], ids=["three layers", "both layers"])
def test_the_linearised_network_is_the_first_order_taylor_polynomial(net):
    linear = Linearised(net)
    with float64():
        start, rows = linear.init(0, d=3), jnp.asarray(X)
        there = moved(linear, start, 1.0)
        f0 = np.asarray(net.apply(start, rows))
        np.testing.assert_array_equal(linear.apply(start, rows), f0)
        change = np.asarray(linear.apply(there, rows)) - f0
        # Affine in the update: twice and minus the step give twice and minus the change.
        for factor in (2.0, -1.0):
            scaled = {name: start[name] + factor * (there[name] - start[name]) for name in start}
            np.testing.assert_allclose(linear.apply(scaled, rows) - f0, factor * change, rtol=0, atol=1e-12)
        # Central differences of the network itself; it is a polynomial while no gate changes, so of its third order
        # h^2 remains, and rounding over h.
        h = 1e-5
        up, down = ({name: start[name] + sign * h * (there[name] - start[name]) for name in start} for sign in (1, -1))
        slope = (np.asarray(net.apply(up, rows)) - np.asarray(net.apply(down, rows))) / (2 * h)
        gates = [np.concatenate([z >= 0 for z in net.pre_activations(p, rows)], axis=1) for p in (up, down, start)]
        assert all(np.array_equal(gates[2], other) for other in gates[:2])
        np.testing.assert_allclose(change, slope, rtol=0, atol=1e-8 * max(1.0, np.abs(change).max()))
        # Its gates and its kernel are those of the start, wherever it has gone.
        for here, then in zip(linear.pre_activations(there, rows), net.pre_activations(start, rows), strict=True):
            np.testing.assert_array_equal(here, then)
        np.testing.assert_array_equal(
            empirical_ntk(linear, there, rows, outputs="trace"), empirical_ntk(net, start, rows, outputs="trace")
        )


def test_a_network_can_be_linearised_where_it_has_come():
    linear = Linearised(BOTH)
    with float64():
        rows = jnp.asarray(X)
        there = moved(BOTH, BOTH.init(0, d=3), 0.5)
        np.testing.assert_array_equal(linear.apply(linear.around(there), rows), BOTH.apply(there, rows))


@pytest.mark.parametrize("family", [Centred, Doubled])
def test_starts_at_zero_have_the_kernel_of_the_network(family):
    net = family(THREE)
    with float64():
        rows = jnp.asarray(X)
        params = net.init(5, d=3)
        np.testing.assert_array_equal(net.apply(params, rows), 0.0)
        plain = THREE.init(5, d=3)
        kernel = np.asarray(empirical_ntk(THREE, plain, rows, outputs="full"))
        found = np.asarray(empirical_ntk(net, params, rows, outputs="full"))
        np.testing.assert_allclose(found, kernel, rtol=0, atol=100 * EPS * np.abs(kernel).max())
        there = moved(net, params, 0.1)
        assert np.asarray(net.apply(there, rows)).any()


def test_a_doubled_network_is_the_difference_of_its_halves():
    net = Doubled(THREE)
    with float64():
        rows = jnp.asarray(X)
        there = moved(net, net.init(5, d=3), 0.3)
        first, second = net.halves(there)
        expected = (np.asarray(THREE.apply(first, rows)) - np.asarray(THREE.apply(second, rows))) / math.sqrt(2)
        np.testing.assert_allclose(net.apply(there, rows), expected, rtol=0, atol=8 * EPS * np.abs(expected).max())
        assert [z.shape for z in net.pre_activations(there, rows)] == [(4, 14), (4, 10)]


@pytest.mark.parametrize("biases", [True, False])
def test_outputs_of_the_pseudo_network_are_those_of_the_formula(biases):
    """A D_v (V D_w (W x + b_1) + b_2) with the gates of the start, row by row."""
    net = PseudoNetwork(THREE, biases=biases)
    with float64():
        start = net.init(2, d=3)
        there = moved(net, start, 1.0)
        found = np.asarray(net.apply(there, jnp.asarray(X)))
    old, new = ({name: np.asarray(value) for name, value in p.items()} for p in (start, there))
    b1, b2 = (old["b"], old["b2"]) if biases else (0.0, 0.0)
    for row, x in zip(found, X, strict=True):
        z = old["W"] @ x + old["b"]
        D_w = np.diag((z >= 0).astype(float))
        D_v = np.diag((old["W2"] @ np.maximum(z, 0) + old["b2"] >= 0).astype(float))
        expected = old["a"].T @ D_v @ (new["W2"] @ D_w @ (new["W"] @ x + b1) + b2)
        np.testing.assert_allclose(row, expected, rtol=0, atol=100 * EPS * max(1.0, np.abs(expected).max()))


def test_the_pseudo_network_is_quadratic_and_the_network_until_a_gate_changes():
    net = PseudoNetwork(THREE)
    with float64():
        start, rows = net.init(2, d=3), jnp.asarray(X)
        there = moved(net, start, 1.0)

        def at(t, network=net):
            here = {name: start[name] + t * (there[name] - start[name]) for name in start}
            return np.asarray(network.apply(here, rows))

        line = np.array([at(float(t)) for t in range(-2, 5)])
        second, third = np.diff(line, 2, axis=0), np.diff(line, 3, axis=0)
        size = 1000 * EPS * np.abs(line).max()
        assert np.abs(second).max() > 1e6 * size
        # A third difference adds eight rounded values.
        assert np.abs(third).max() <= size
        np.testing.assert_allclose(at(0.001), at(0.001, THREE), rtol=0, atol=size)
        assert np.abs(at(3.0) - at(3.0, THREE)).max() > 0.1


def test_a_pseudo_network_of_which_one_layer_moves_is_the_linearised_one():
    net = presets.allenzhu2018_two_layer(6).net
    pseudo, linear = PseudoNetwork(net), Linearised(net)
    with float64():
        start, rows = linear.init(4, d=3), jnp.asarray(X)
        there = moved(linear, start, 2.0)
        np.testing.assert_allclose(pseudo.apply(there, rows), linear.apply(there, rows), rtol=0, atol=1e-12)


def test_networks_without_gates_have_no_pseudo_network():
    with pytest.raises(UsageError, match="its activation must be piecewise linear; 'erf' came"):
        PseudoNetwork(MLP(widths=(4,), activation="erf"))
    unchecked = object.__new__(PseudoNetwork)
    object.__setattr__(unchecked, "net", LinearRNN())
    with pytest.raises(UsageError, match="holds the gates of an MLP; a LinearRNN came"):
        unchecked.__post_init__()


def test_outputs_of_a_residual_network_are_those_of_the_formula():
    net = ResidualNetwork(5, 2, branch_scale=0.7, outputs=2, weight_variance=1.5, input_scale=0.5)
    with float64():
        params = net.init(1, d=3)
        found = np.asarray(net.apply(params, jnp.asarray(X)))
        gates = [np.asarray(z) for z in net.pre_activations(params, jnp.asarray(X))]
    p = {name: np.asarray(value) for name, value in params.items()}
    assert tuple(p) == ("W", "W1", "V1", "W2", "V2", "a")
    for i, x in enumerate(X):
        h = math.sqrt(0.5) * p["W"] @ x
        for block in (1, 2):
            z = math.sqrt(1.5 / 5) * p[f"W{block}"] @ h
            np.testing.assert_allclose(gates[block - 1][i], z, rtol=0, atol=1e-13)
            h = h + 0.7 / math.sqrt(5) * p[f"V{block}"] @ np.maximum(z, 0)
        np.testing.assert_allclose(found[i], p["a"].T @ h / math.sqrt(5), rtol=0, atol=1e-12)
    assert ResidualNetwork(5, 4).beta == 0.5
    assert ResidualNetwork(5, 2, trained="blocks").trained_names == ("W1", "V1", "W2", "V2")
    with pytest.raises(UsageError, match="branch_scale must be a positive number"):
        ResidualNetwork(5, 2, branch_scale=0.0)


IMPLICIT = ImplicitNetwork(6, gamma=0.2, outputs=2)


def unrolled(net, params, rows, steps):
    """The implicit network as so many equal layers."""
    drive = jnp.maximum(rows @ params["W"].T, 0)

    def layer(z, _):
        return jnp.maximum(net.gamma / math.sqrt(net.width) * z @ params["A"].T + drive, 0), None

    z = jax.lax.scan(layer, drive, length=steps)[0]
    return z @ params["a"] / math.sqrt(net.width)


def test_the_equilibrium_and_its_gradient_are_those_of_many_layers():
    with float64():
        params, rows = IMPLICIT.init(0, d=3), jnp.asarray(X)
        q = float(IMPLICIT.contraction(params))
        singular = np.linalg.svd(np.asarray(params["A"]), compute_uv=False)[0]
        assert q == pytest.approx(0.2 * singular / math.sqrt(6), rel=1e-12)
        assert q < 0.6
        weights = jnp.asarray(np.random.default_rng(3).standard_normal((4, 2)))
        along = {name: jnp.asarray(np.random.default_rng(4).standard_normal(v.shape)) for name, v in params.items()}

        def implicit(p):
            return jnp.sum(weights * IMPLICIT.apply(p, rows))

        def explicit(p):
            return jnp.sum(weights * unrolled(IMPLICIT, p, rows, 100))  # q^100 is below rounding

        @jax.jit
        def everything(p):
            forward = jax.jvp(implicit, (p,), (along,))[1]
            states = IMPLICIT.equilibrium(p, rows), IMPLICIT.pre_activations(p, rows)[1]
            return jax.value_and_grad(implicit)(p), jax.value_and_grad(explicit)(p), forward, states

        (value, slopes), (expected, others), forward, (state, pre) = everything(params)
        state = np.asarray(state)
        drive = np.maximum(X @ np.asarray(params["W"]).T, 0)
        again = np.maximum(0.2 / math.sqrt(6) * state @ np.asarray(params["A"]).T + drive, 0)
        # The last step moved it by 32 units of rounding at most, times the sum of a geometric series.
        atol = 32 * EPS / (1 - q) * np.linalg.norm(state)
        np.testing.assert_allclose(again, state, rtol=0, atol=atol)
        np.testing.assert_allclose(np.maximum(np.asarray(pre), 0), state, rtol=0, atol=atol)
        assert value == pytest.approx(float(expected), abs=100 * atol)
        for name in slopes:
            size = max(1.0, float(jnp.abs(others[name]).max()))
            np.testing.assert_allclose(slopes[name], others[name], rtol=0, atol=1000 * atol * size)
        # Forward derivatives: those in a direction are the products with the gradient.
        backward = sum(float(jnp.vdot(along[name], slopes[name])) for name in slopes)
        assert float(forward) == pytest.approx(backward, abs=1e-11 * (1 + abs(backward)))


def test_rows_without_an_equilibrium_are_not_numbers():
    """A state that doubles itself: gamma A / sqrt m = 2 on the positive side."""
    net = ImplicitNetwork(1, gamma=2.0, iterations=50)
    params = {"W": jnp.ones((1, 1)), "A": jnp.ones((1, 1)), "a": jnp.ones((1, 1))}
    assert float(net.contraction(params)) == pytest.approx(2.0)
    found = np.asarray(net.apply(params, jnp.asarray([[1.0], [-1.0]])))
    assert np.isnan(found[0, 0])
    assert found[1, 0] == 0.0


def test_a_linear_recurrent_network_is_the_sum_over_powers():
    net = LinearRNN(state=4, scale=1.5, channels=2, outputs=3)
    rows = np.random.default_rng(5).standard_normal((3, 10))
    with float64():
        params = net.init(0, d=10)
        found = np.asarray(net.apply(params, jnp.asarray(rows)))
        response = np.asarray(net.impulse_response(params, 5))
    A, B, C = (np.asarray(params[name]) for name in "ABC")
    for j in range(5):
        np.testing.assert_allclose(response[j], C @ np.linalg.matrix_power(A, j) @ B, rtol=0, atol=1e-12)
    for i, row in enumerate(rows):
        state = np.zeros(4)
        for t in range(5):
            state = A @ state + B @ row[2 * t : 2 * t + 2]
        np.testing.assert_allclose(found[i], C @ state, rtol=0, atol=1e-12)
    assert net.pre_activations(params, jnp.asarray(rows)) == ()
    with pytest.raises(DataError, match="a whole number of steps of 2 channels; it has 3 columns"):
        net.init(0, d=3)


def test_a_linear_recurrent_network_starts_with_its_deviation():
    params = LinearRNN(state=200, scale=0.5).init(0, d=1)
    A = np.asarray(params["A"], np.float64)
    # Four standard errors of a root mean square of 40000 normal entries.
    assert abs(A.std() * math.sqrt(200) / 0.5 - 1) < 4 / math.sqrt(2 * A.size)


def test_linearised_networks_nest_in_other_families():
    """The linearised implicit network: forward derivatives of an equilibrium; biases of its own are not assumed."""
    net = Linearised(ImplicitNetwork(6, trained="implicit"))
    with float64():
        params, rows = net.init(0, d=3), jnp.asarray(X)
        there = moved(net, params, 1e-4)
        gap = np.asarray(net.apply(there, rows)) - np.asarray(net.net.apply(there, rows))
        change = np.asarray(net.apply(there, rows)) - np.asarray(net.apply(params, rows))
        # Second order in a step of 1e-4.
        assert np.abs(gap).max() < 1e-2 * np.abs(change).max()
    assert Doubled(MLP(widths=(4,), antisymmetric=False, bias_laws=(Normal(1.0), None))).outputs == 1
