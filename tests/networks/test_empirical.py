"""Tangent kernels of finite networks: the Jacobian's Gram matrix, and the way to the limit."""

from __future__ import annotations

import inspect
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from widthwise import _checks
from widthwise._jax import float64
from widthwise.errors import ResourceError, UsageError
from widthwise.kernels import HInf
from widthwise.kernels.activations import LeakyReLU
from widthwise.networks import (
    MLP,
    Balanced,
    Centred,
    Doubled,
    ImplicitNetwork,
    Linearised,
    LinearRNN,
    Normal,
    PseudoNetwork,
    ResidualNetwork,
    Signs,
    TruncatedNormal,
    Zeros,
    empirical_ntk,
)

THREE = np.array([[1.0, 0.0], [3 / 5, 4 / 5], [-5 / 13, 12 / 13]])


@pytest.mark.parametrize("antisymmetric", [True, False])
@pytest.mark.parametrize("output", [0, 1])
def test_the_kernel_is_the_gram_matrix_of_the_jacobian_of_each_output(antisymmetric, output):
    net = MLP(widths=(64,), antisymmetric=antisymmetric, outputs=2, kappa=0.3)
    generator = np.random.default_rng(0)
    X, Z = generator.standard_normal((5, 3)), generator.standard_normal((4, 3))
    with float64():
        params = net.init(0, d=3)

        def jacobian(rows):
            derivative = jax.jacobian(lambda W: net.apply({"W": W, "a": params["a"]}, jnp.asarray(rows))[:, output])(
                params["W"]
            )
            return np.asarray(derivative).reshape(len(rows), -1)

        # Sums of 64 * 3 products of order one, in float64.
        atol = 192 * 10 * np.finfo(np.float64).eps
        found = np.asarray(empirical_ntk(net, params, jnp.asarray(X)))
        np.testing.assert_allclose(found, jacobian(X) @ jacobian(X).T, rtol=0, atol=atol)
        found = np.asarray(empirical_ntk(net, params, jnp.asarray(X), jnp.asarray(Z)))
        np.testing.assert_allclose(found, jacobian(X) @ jacobian(Z).T, rtol=0, atol=atol)


def test_the_derivative_of_relu_at_zero_is_one():
    net = MLP(widths=(4,))
    params = {"W": jnp.zeros((4, 2)), "a": net.init(0, d=2)["a"]}
    X = jnp.asarray(THREE, jnp.float32)
    np.testing.assert_allclose(empirical_ntk(net, params, X), X @ X.T, rtol=0, atol=1e-6)


def _off_diagonals(width, draws, *, antisymmetric=True):
    net = MLP(widths=(width,), antisymmetric=antisymmetric)
    X = jnp.asarray(THREE, jnp.float32)
    one = jax.jit(lambda params: empirical_ntk(net, params, X))
    generator = np.random.default_rng(width)
    kernels = np.array([one(net.init(generator, d=2)) for _ in range(draws)], np.float64)
    return kernels[:, *np.triu_indices(3, 1)]


@pytest.mark.parametrize("antisymmetric", [True, False])
def test_the_kernel_at_the_start_is_unbiased_for_its_limit(antisymmetric):
    """H12, H13, H23 of table K2; the kernel is a mean over neurons, so unbiased at every width."""
    found = _off_diagonals(256, 300, antisymmetric=antisymmetric)
    error = found.std(axis=0, ddof=1) / np.sqrt(len(found))
    expected = HInf()(THREE)[np.triu_indices(3, 1)]
    assert np.all(np.abs(found.mean(axis=0) - expected) < 4 * error)


def test_the_kernel_scatters_around_its_limit_like_one_over_the_root_of_the_width():
    """Standard deviation x'z sqrt(p (1 - p) / neurons drawn), p the share of gates open for both; pairs halve them."""
    draws = 300
    limit = HInf()(THREE)[np.triu_indices(3, 1)]
    inner = (THREE @ THREE.T)[np.triu_indices(3, 1)]
    share = limit / inner
    for width in (64, 256, 1024):
        found = _off_diagonals(width, draws)
        expected = np.abs(inner) * np.sqrt(share * (1 - share) / (width / 2))
        # A standard deviation from N draws is off by 1 / sqrt(2 N) of itself: four of those.
        np.testing.assert_allclose(found.std(axis=0, ddof=1), expected, rtol=4 / np.sqrt(2 * draws))


def jacobian_kernels(net, params, X):
    """Reference: every pair of outputs, one part for each trained parameter, from the whole Jacobian."""
    moving = {name: params[name] for name in net.trained_names}
    whole = jax.jit(jax.jacobian(lambda leaves: net.apply({**params, **leaves}, X)))(moving)
    parts = {}
    for name, leaf in whole.items():
        J = np.asarray(leaf, np.float64).reshape(len(X), net.outputs, -1)
        parts[name] = np.einsum("icp,jdp->ijcd", J, J)
    return parts


DEEP = {"widths": (6, 5, 4), "antisymmetric": False, "weight_variance": 2.0, "readout": "gaussian"}
NETS = [
    *(MLP(**DEEP, trained=trained, outputs=2) for trained in ("first", "last", "weights", "all")),
    *(
        MLP(**DEEP, trained=trained, outputs=2, bias_variance=0.3, input_scale=0.5, parametrisation=form)
        for trained in ("first", "last", "weights", "all")
        for form in ("ntk", "standard")
    ),
    MLP(widths=(8,), trained="all", outputs=3),
    MLP(widths=(8,), antisymmetric=False, kappa=0.2, readout="gaussian", trained="all"),
    MLP.chen2019(2, 6),
    MLP.chen2019(4, 6, alpha=0.25, outputs=2),
    *(
        replace(MLP(**DEEP), widths=(5, 4), activation=activation, trained="all", last_variance=0.7)
        for activation in ("abs", "linear", "erf", LeakyReLU(slope=0.1))
    ),
    # Signs that are not of size one, with and without a factor; a network of one layer whose biases move with its weights.
    MLP(widths=(8,), parametrisation="standard", last_variance=3.0, outputs=2),
    MLP(widths=(8,), parametrisation="plain", alpha=-0.25, weight_laws=(None, Signs(0.3)), bias_laws=(Zeros(), None)),
    # Every trained set of which the biases are frozen, and of one that has them in some layers only.
    MLP(**DEEP, trained="hidden", outputs=2, bias_variance=0.3),
    MLP(**DEEP, trained="all", bias_laws=(Normal(0.4), None, Normal(0.2), None), biases="frozen"),
    MLP(**DEEP, trained="all", bias_laws=(None, Normal(0.4), None, Zeros())),
    MLP(**DEEP, trained="hidden", bias_laws=(None, Normal(0.4), Zeros(), Normal(0.1)), biases="trained", outputs=2),
    MLP(**DEEP, trained="first", bias_variance=0.3, biases="frozen"),
    MLP(**DEEP, trained="all", parametrisation="mean_field", bias_variance=0.3, last_variance=0.5),
    MLP(
        widths=(6, 5),
        antisymmetric=False,
        trained="weights",
        parametrisation="plain",
        alpha=0.5,
        outputs=2,
        weight_laws=(TruncatedNormal(0.5), None, Balanced()),
        bias_laws=(Normal(0.3), Normal(0.4), None),
    ),
]


ERF = next(net for net in NETS if net.activation == "erf")
FORMS = {"full": lambda K: K, "trace": lambda K: np.einsum("ijcc->ij", K)}


@pytest.mark.parametrize(
    ("net", "precision"),
    [*((net, "float64") for net in NETS), *((net, "float32") for net in (NETS[3], ERF))],
    ids=repr,
)
def test_every_form_and_part_is_that_of_the_jacobian(net, precision):
    generator = np.random.default_rng(1)
    with jax.enable_x64(precision == "float64"):
        rows = jnp.asarray(generator.standard_normal((9, 3)), precision)
        X, Z = rows[:5], rows[5:]
        params = net.init(2, d=3)
        parts = jacobian_kernels(net, params, rows)
        whole = sum(parts.values())
        # Each entry is a sum of fewer than 200 products, bounded by the norms of two gradients.
        atol = 200 * float(jnp.finfo(precision).eps) * max(1.0, np.abs(whole).max())
        for outputs, of in FORMS.items():
            found = empirical_ntk(net, params, X, Z, outputs=outputs)
            assert found.dtype == jnp.dtype(precision)
            np.testing.assert_allclose(found, of(whole)[:5, 5:], rtol=0, atol=atol)
            if net.outputs == 1:
                break
        found = empirical_ntk(net, params, X, outputs="full", layers=True)
        assert set(found) == set(parts)
        for name, part in parts.items():
            np.testing.assert_allclose(found[name], part[:5, :5], rtol=0, atol=atol)
        if net.outputs == 1 or net.trained == "last" or (len(net.widths), net.trained) == (1, "first"):
            np.testing.assert_allclose(empirical_ntk(net, params, X, Z), whole[:5, 5:, 0, 0], rtol=0, atol=atol)


SMALL = MLP(widths=(6, 5), antisymmetric=False, trained="hidden", bias_variance=0.2, outputs=2, weight_variance=2.0)
FAMILIES = [
    Linearised(SMALL),
    Centred(SMALL),
    Doubled(SMALL),
    PseudoNetwork(SMALL),
    ResidualNetwork(width=5, blocks=1, trained="blocks", outputs=2),
    ImplicitNetwork(width=5, outputs=2),
    LinearRNN(state=3, outputs=2),
]


@pytest.mark.parametrize("net", FAMILIES, ids=lambda net: type(net).__name__)
def test_the_kernel_of_any_family_away_from_its_start_is_that_of_the_jacobian(net):
    generator = np.random.default_rng(1)
    with float64():
        X = jnp.asarray(generator.standard_normal((4, 3)))
        params = {
            name: value + 0.1 * generator.standard_normal(value.shape) if name in net.trained_names else value
            for name, value in net.init(2, d=3).items()
        }
        parts = jacobian_kernels(net, params, X)
        whole = sum(parts.values())
        # Sums of fewer than 200 products; the equilibrium is known to 32 units of rounding over one minus its contraction.
        atol = 2000 * np.finfo(float).eps * max(1.0, np.abs(whole).max())
        found = empirical_ntk(net, params, X, outputs="full", layers=True)
        assert set(found) == set(parts)
        for name, part in parts.items():
            np.testing.assert_allclose(found[name], part, rtol=0, atol=atol)
        found = empirical_ntk(net, params, X, X[:2], outputs="trace")
        np.testing.assert_allclose(found, np.einsum("ijcc->ij", whole)[:, :2], rtol=0, atol=atol)
        with pytest.raises(UsageError, match="outputs must be 'trace'"):
            empirical_ntk(net, params, X)


@pytest.mark.parametrize("gram", [True, False])
@pytest.mark.parametrize("layers", [True, False])
@pytest.mark.parametrize("outputs", FORMS)
def test_tiles_that_do_not_divide_the_rows_give_the_same_kernel(outputs, layers, gram):
    net = MLP(**DEEP, outputs=2, trained="all", bias_variance=0.3)
    with float64():
        X, Z = (jnp.asarray(np.random.default_rng(n).standard_normal((n, 3))) for n in (5, 4))
        params = net.init(0, d=3)
        forms = {"outputs": outputs, "layers": layers}
        whole, tiled = (empirical_ntk(net, params, X, None if gram else Z, tile=tile, **forms) for tile in (9, 2))
        jax.tree.map(lambda left, right: np.testing.assert_allclose(left, right, rtol=0, atol=1e-12), whole, tiled)


def test_forms_of_frozen_signs_agree():
    net = MLP(widths=(8,), outputs=3)
    X = jnp.asarray(THREE, jnp.float32)
    params = net.init(0, d=2)
    full = np.asarray(empirical_ntk(net, params, X, outputs="full"))
    shared = np.asarray(empirical_ntk(net, params, X))
    for c in range(3):
        np.testing.assert_allclose(full[:, :, c, c], shared, rtol=0, atol=1e-6)
    np.testing.assert_allclose(empirical_ntk(net, params, X, outputs="trace"), 3 * shared, rtol=0, atol=1e-6)


def test_layers_of_the_standard_parametrisation_are_those_of_the_other_over_their_factors():
    forms = {"bias_variance": 0.3, "input_scale": 0.5, "trained": "all"}
    X = jnp.asarray(THREE, jnp.float32)
    ntk, standard = (MLP(**DEEP, **forms, parametrisation=form) for form in ("ntk", "standard"))
    left, right = (empirical_ntk(net, net.init(4, d=2), X, layers=True) for net in (ntk, standard))
    squares = dict(zip(ntk.weight_names, (0.5, 2 / 6, 2 / 5, 2 / 4), strict=True)) | dict.fromkeys(ntk.bias_names, 0.3)
    for name, square in squares.items():
        np.testing.assert_allclose(left[name], square * np.asarray(right[name]), rtol=0, atol=1e-5)


@pytest.mark.parametrize("outputs", ["trace", "full"])
@pytest.mark.parametrize("tile", [None, 3, 7])
def test_the_kernel_of_rows_with_themselves_is_symmetric_to_the_bit(outputs, tile):
    net = MLP(**DEEP, outputs=2, trained="all")
    X = jnp.asarray(np.random.default_rng(0).standard_normal((7, 3)), jnp.float32)
    K = np.asarray(empirical_ntk(net, net.init(0, d=3), X, outputs=outputs, tile=tile))
    assert np.array_equal(K, K.transpose(1, 0, 3, 2) if outputs == "full" else K.T)


def test_the_kernel_can_be_compiled_and_differentiated():
    net = MLP(widths=(6, 5), antisymmetric=False, trained="all", activation="erf")
    X = jnp.asarray(THREE, jnp.float32)
    params = net.init(0, d=2)
    inside = jax.jit(lambda values: empirical_ntk(net, values, X, tile=2))
    np.testing.assert_allclose(inside(params), empirical_ntk(net, params, X), rtol=0, atol=1e-5)
    slope = jax.grad(lambda values: inside(values)[0, 1])(params)
    assert all(np.isfinite(np.asarray(leaf)).all() for leaf in slope.values())


LAWS = MLP(widths=(8, 6), antisymmetric=False, trained="all", weight_variance=2.0)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), order=st.permutations(range(5)), power=st.integers(-20, 20))
def test_kernels_are_homogeneous_and_follow_the_order_of_the_rows(seed, order, power):
    """Without biases ReLU networks are homogeneous in each argument; powers of two scale without rounding."""
    generator = np.random.default_rng(seed)
    X = jnp.asarray(generator.standard_normal((5, 3)), jnp.float32)
    params = LAWS.init(generator, d=3)
    K = np.asarray(empirical_ntk(LAWS, params, X))
    atol = 100 * float(np.finfo(np.float32).eps) * np.abs(K).max()
    np.testing.assert_allclose(
        empirical_ntk(LAWS, params, X[jnp.asarray(order)]), K[np.ix_(order, order)], rtol=0, atol=atol
    )
    scaled = np.asarray(empirical_ntk(LAWS, params, 2.0**power * X, X))
    np.testing.assert_allclose(scaled / 2.0**power, K, rtol=0, atol=atol)
    assert np.linalg.eigvalsh(K.astype(np.float64))[0] >= -atol


def test_outputs_without_a_common_kernel_are_refused():
    X = jnp.asarray(THREE, jnp.float32)
    for net in (
        MLP(widths=(8,), outputs=2, trained="all"),
        MLP(widths=(8,), outputs=2, readout="gaussian"),
        MLP(widths=(8, 8), outputs=2, antisymmetric=False),
    ):
        with pytest.raises(UsageError, match="the 2 outputs have no kernel in common: outputs must be 'trace'"):
            empirical_ntk(net, net.init(0, d=2), X)
    net = MLP(widths=(8,))
    with pytest.raises(UsageError, match="tile must be an integer of at least 1; 0 came"):
        empirical_ntk(net, net.init(0, d=2), X, tile=0)
    with pytest.raises(UsageError, match="outputs must be 'shared', 'trace' or 'full'; 'sum' came"):
        inspect.unwrap(empirical_ntk)(net, net.init(0, d=2), X, outputs="sum")


def test_memory_is_checked_before_the_work(monkeypatch):
    monkeypatch.setattr(_checks, "available_memory", lambda: 1000)
    net = MLP(widths=(8,))
    with pytest.raises(ResourceError, match="the empirical kernel needs about"):
        empirical_ntk(net, net.init(0, d=2), jnp.ones((20, 2)))
