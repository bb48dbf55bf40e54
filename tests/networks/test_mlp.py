"""Finite networks: their start, their outputs and the arguments they refuse."""

from __future__ import annotations

import inspect
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from widthwise._jax import float64
from widthwise.errors import UsageError
from widthwise.kernels.activations import LeakyReLU
from widthwise.networks import MLP

EPS32 = float(np.finfo(np.float32).eps)
CHEN = {"widths": (8, 8), "parametrisation": "chen2019", "readout": "gaussian", "antisymmetric": False}
DEEP = {"antisymmetric": False, "trained": "all", "outputs": 2, "weight_variance": 2.0, "last_variance": 0.5}


def rows(n=6, d=4):
    return np.random.default_rng(0).standard_normal((n, d)).astype(np.float32)


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("width", [2, 64, 4096])
def test_an_antisymmetric_start_is_zero_to_rounding(width, outputs):
    net = MLP(widths=(width,), outputs=outputs)
    X = rows()
    params = net.init(0, d=4)
    found = np.asarray(net.apply(params, jnp.asarray(X)))
    assert found.shape == (6, outputs)
    # A sum of m float32 terms of mean size |x| sqrt(2 / pi) / 2 over sqrt m, in any order.
    size = np.abs(np.maximum(X @ np.asarray(params["W"]).T, 0)).sum(axis=1) / np.sqrt(width)
    assert np.all(np.abs(found) <= np.log2(width) * 8 * EPS32 * size[:, None])


def test_an_antisymmetric_start_pairs_equal_weights_with_opposite_signs():
    params = MLP(widths=(10,), outputs=2).init(3, d=4)
    W, a = np.asarray(params["W"]), np.asarray(params["a"])
    assert np.array_equal(W[:5], W[5:])
    assert np.array_equal(a[:5], -a[5:])
    assert not np.array_equal(W[:5], W[1:6])


@pytest.mark.parametrize("kappa", [1.0, 0.01])
def test_weights_are_gaussian_of_the_given_deviation_and_signs_are_fair(kappa):
    m, d = 4000, 5
    params = MLP(widths=(m,), antisymmetric=False, kappa=kappa, outputs=2).init(0, d=d)
    W, a = np.asarray(params["W"], np.float64), np.asarray(params["a"], np.float64)
    assert W.shape == (m, d)
    assert a.shape == (m, 2)
    # Four standard errors: of the mean, of the mean square (kurtosis three), of products of signs.
    assert np.all(np.abs(W.mean(axis=0)) < 4 * kappa / np.sqrt(m))
    assert abs(np.mean(W**2) / kappa**2 - 1) < 4 * np.sqrt(2 / (m * d))
    assert abs(np.mean(W**4) / kappa**4 - 3) < 4 * np.sqrt(96 / (m * d))
    assert set(np.unique(a)) == {-1.0, 1.0}
    assert np.all(np.abs(a.mean(axis=0)) < 4 / np.sqrt(m))
    assert abs(np.mean(a[:, 0] * a[:, 1])) < 4 / np.sqrt(m)


def test_outputs_are_those_of_the_formula():
    net = MLP(widths=(32,), antisymmetric=False, outputs=2, kappa=0.5)
    params = net.init(1, d=4)
    X = rows()
    W, a = (np.asarray(params[name], np.float64) for name in "Wa")
    expected = np.array(
        [[sum(a[r, c] * max(W[r] @ x, 0) for r in range(32)) / np.sqrt(32) for c in range(2)] for x in X.astype(float)]
    )
    # Sums of 32 and 4 float32 products.
    size = np.abs(X) @ np.abs(W).T @ np.abs(a) / np.sqrt(32)
    assert np.all(np.abs(np.asarray(net.apply(params, jnp.asarray(X))) - expected) <= 40 * EPS32 * size)


def test_the_output_at_a_plain_start_has_the_covariance_of_its_gaussian_limit():
    """E f(x) f(z) = E relu(u) relu(v): .3387737839 at cosine .6, one half on the diagonal (table K3)."""
    net = MLP(widths=(512,), antisymmetric=False)
    X = jnp.asarray([[1.0, 0.0], [0.6, 0.8]])
    generator = np.random.default_rng(0)
    f = np.array([net.apply(net.init(generator, d=2), X)[:, 0] for _ in range(1000)], np.float64)
    for product, expected in ((f[:, 0] * f[:, 1], 0.3387737839), (f[:, 0] ** 2, 0.5), (f[:, 1] ** 2, 0.5)):
        assert abs(product.mean() - expected) < 4 * product.std() / np.sqrt(len(f))


def test_a_seed_gives_the_same_start_and_another_one_another():
    net = MLP(widths=(16,))
    first, again, other = net.init(7, d=3), net.init(7, d=3), net.init(8, d=3)
    for name in ("W", "a"):
        assert np.array_equal(first[name], again[name])
    assert not np.array_equal(first["W"], other["W"])
    key = jax.random.key(7)
    assert np.array_equal(net.init(key, d=3)["W"], net.init(key, d=3)["W"])
    assert not np.array_equal(net.init(key, d=3)["W"], net.init(jax.random.key(8), d=3)["W"])


def test_a_generator_moves_on_and_is_reproducible():
    net = MLP(widths=(16,))
    generator = np.random.default_rng(0)
    first, second = net.init(generator, d=3), net.init(generator, d=3)
    assert not np.array_equal(first["W"], second["W"])
    assert np.array_equal(net.init(np.random.default_rng(0), d=3)["W"], first["W"])


def test_the_start_follows_the_precision_of_the_context():
    net = MLP(widths=(16,))
    assert net.init(0, d=3)["W"].dtype == jnp.float32
    with float64():
        params = net.init(0, d=3)
        assert params["W"].dtype == params["a"].dtype == jnp.float64
        assert net.apply(params, jnp.ones((2, 3))).dtype == jnp.float64


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"widths": (8, 8)}, "pairs the neurons of one hidden layer; 2 came: pass antisymmetric=False"),
        ({"widths": ()}, "widths must hold one number for each hidden layer"),
        ({"widths": (0,)}, r"widths\[0\] must be an integer of at least 1"),
        ({"widths": (8, 0), "antisymmetric": False}, r"widths\[1\] must be an integer of at least 1"),
        ({"bias_variance": 0.1}, "an antisymmetric start has no output bias"),
        ({"bias_variance": -0.1}, "bias_variance must be a finite number of at least 0"),
        ({"weight_variance": 0.0}, "weight_variance must be a positive number"),
        ({"last_variance": float("inf")}, "last_variance must be a positive number"),
        ({"input_scale": -1.0}, "input_scale must be a positive number"),
        ({"alpha": 0.5}, "alpha belongs to the 'chen2019' parametrisation"),
        ({"parametrisation": "standard", "kappa": 0.1}, "kappa belongs to the 'ntk' parametrisation"),
        (CHEN | {"widths": (8, 4)}, r"has one width m for all layers; \(8, 4\) came"),
        (CHEN | {"alpha": 0.6}, r"alpha must lie in \[0, 1/2\]; 0.6 came"),
        (CHEN | {"readout": "signs"}, "a Gaussian readout and ReLU: pass readout='gaussian'"),
        (CHEN | {"weight_variance": 2.0}, "fixes its variances"),
        (CHEN | {"bias_variance": 0.1}, "fixes its variances"),
        (CHEN | {"input_scale": 0.5}, "fixes its variances"),
        (CHEN | {"last_variance": 1.0}, "fixes its variances"),
        (CHEN | {"activation": "erf"}, "a Gaussian readout and ReLU"),
        (CHEN | {"kappa": 0.5}, "kappa belongs to the 'ntk' parametrisation"),
        ({"widths": (7,)}, "the width must be even; 7 came"),
        ({"outputs": 0}, "outputs must be an integer of at least 1"),
        ({"kappa": 0.0}, "kappa must be a positive number"),
        ({"kappa": float("nan")}, "kappa must be a positive number"),
    ],
)
def test_arguments_outside_their_range_are_named(arguments, message):
    with pytest.raises(UsageError, match=message):
        MLP(**arguments)


def test_a_plain_start_takes_odd_widths_and_rows_have_columns():
    assert MLP(widths=(7,), antisymmetric=False).init(0, d=2)["W"].shape == (7, 2)
    with pytest.raises(UsageError, match="d must be an integer of at least 1"):
        MLP().init(0, d=0)


@pytest.mark.parametrize(
    ("name", "known"), [("parametrisation", "'standard'"), ("trained", "'weights'"), ("readout", "'gaussian'")]
)
def test_names_that_are_not_known_are_answered_with_those_that_are(name, known):
    unchecked = inspect.unwrap(MLP.__init__)
    net = object.__new__(MLP)
    with pytest.raises(UsageError, match=f"{name} must be .*{known}.*; 'other' came"):
        unchecked(net, **{name: "other"})


ACTIVATIONS = {
    "relu": lambda z: max(z, 0.0),
    "abs": abs,
    "linear": lambda z: z,
    "erf": math.erf,
    LeakyReLU(slope=0.25): lambda z: z if z > 0 else z / 4,
}


def naive(net, params, x):
    """The published formula, neuron by neuron, for one row."""
    m = (*net.widths, 1)
    last = net.weight_variance if net.last_variance is None else net.last_variance
    variances = [net.input_scale, *(net.weight_variance / width for width in net.widths[:-1]), last / net.widths[-1]]
    factors = [v**0.5 for v in variances] if net.parametrisation == "ntk" else [1.0] * len(m)
    if net.parametrisation == "chen2019":
        factors[-1] = net.widths[0] ** net.alpha
    weights = [np.asarray(params[name], np.float64) for name in ("W", "W2", "W3")[: len(net.widths)]]
    weights.append(np.asarray(params["a"], np.float64).T)
    biases = [np.zeros(len(w)) for w in weights]
    if net.bias_variance:
        factor = net.bias_variance**0.5 if net.parametrisation == "ntk" else 1.0
        names = [*("b", "b2", "b3")[: len(net.widths)], "c"]
        biases = [factor * np.asarray(params[name], np.float64) for name in names]
    values = x
    for layer, (s, w, b) in enumerate(zip(factors, weights, biases, strict=True)):
        z = [s * sum(w[r, i] * values[i] for i in range(len(values))) + b[r] for r in range(len(w))]
        values = [ACTIVATIONS[net.activation](u) for u in z] if layer < len(net.widths) else z
    return values


@pytest.mark.parametrize(
    "net",
    [
        MLP(widths=(8, 6, 4), **DEEP),
        MLP(widths=(8, 6), bias_variance=0.3, input_scale=0.5, kappa=0.4, readout="gaussian", **DEEP),
        MLP(widths=(8, 6), parametrisation="standard", bias_variance=0.3, input_scale=0.5, **DEEP),
        MLP.chen2019(3, 8, alpha=0.25),
        *(MLP(widths=(6, 4), activation=name, **DEEP) for name in ACTIVATIONS),
    ],
    ids=repr,
)
def test_outputs_of_any_network_are_those_of_the_formula(net):
    X = rows().astype(np.float64)
    with float64():
        params = net.init(1, d=4)
        found = np.asarray(net.apply(params, jnp.asarray(X)))
    expected = np.array([naive(net, params, x) for x in X])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13 * max(1.0, np.abs(expected).max()))


def test_parameters_start_with_the_variances_of_their_parametrisation():
    """Four standard errors of a mean square: sqrt(2 / entries) of itself, none for signs."""
    m, d = 600, 400
    deep = {"antisymmetric": False, "weight_variance": 2.0, "last_variance": 0.5, "input_scale": 3.0}
    gaussian = {"readout": "gaussian", "outputs": 400}
    for net, variances in (
        (MLP(widths=(m, m), **deep, **gaussian, bias_variance=0.2), {"W": 1, "W2": 1, "a": 1, "b": 1, "c": 1}),
        (
            MLP(widths=(m, m), **deep, **gaussian, parametrisation="standard", bias_variance=0.2),
            {"W": 3.0, "W2": 2 / m, "a": 0.5 / m, "b": 0.2, "b2": 0.2, "c": 0.2},
        ),
        (MLP.chen2019(3, m, outputs=400), {"W": 2 / m, "W2": 2 / m, "a": 1 / m}),
    ):
        params = net.init(0, d=d)
        for name, variance in variances.items():
            values = np.asarray(params[name], np.float64)
            assert abs(np.mean(values**2) / variance - 1) < 4 * np.sqrt(2 / values.size), (net, name)
            assert abs(np.mean(values)) < 4 * np.sqrt(variance / values.size), (net, name)
    signs = MLP(widths=(8, 16), **deep, parametrisation="standard").init(0, d=d)["a"]
    np.testing.assert_allclose(np.abs(signs), np.sqrt(0.5 / 16), rtol=1e-6)


def test_the_standard_parametrisation_has_the_same_outputs_at_the_start():
    X = jnp.asarray(rows())
    ntk, standard = (
        MLP(widths=(8, 6), parametrisation=name, bias_variance=0.3, input_scale=0.5, **DEEP)
        for name in ("ntk", "standard")
    )
    np.testing.assert_allclose(
        ntk.apply(ntk.init(3, d=4), X), standard.apply(standard.init(3, d=4), X), rtol=0, atol=50 * EPS32
    )


def test_the_derivative_of_the_outputs_at_zero_is_that_of_the_positive_side():
    net = MLP(widths=(4,), antisymmetric=False)
    params = net.init(0, d=2)
    zero = {"W": jnp.zeros((4, 2)), "a": params["a"]}
    slope = jax.grad(lambda W: net.apply({"W": W, "a": zero["a"]}, jnp.ones((1, 2)))[0, 0])(zero["W"])
    np.testing.assert_allclose(slope, jnp.tile(params["a"] / 2, (1, 2)), rtol=1e-6)


@pytest.mark.parametrize(
    ("net", "line"),
    [
        (
            MLP(widths=(64,)),
            (
                "ReLU network with 1 hidden layer (64), 1 output, NTK parametrisation, weight variance 1, no biases, "
                "input scale 1, signs as readout, antisymmetric start, first layer trained: the setting of Arora et al. "
                "2019; Du et al. 2019; Munteanu et al. 2022, paired start"
            ),
        ),
        (
            MLP(
                widths=(8, 6),
                outputs=3,
                activation=LeakyReLU(slope=0.1),
                parametrisation="standard",
                bias_variance=0.1,
                last_variance=2.0,
                antisymmetric=False,
                trained="all",
            ),
            (
                "leaky ReLU 0.1 network with 2 hidden layers (8, 6), 3 outputs, standard parametrisation, weight variance 1, "
                "last 2, bias variance 0.1, input scale 1, signs as readout, plain start, all trained"
            ),
        ),
        (
            MLP.chen2019(3, 16),
            (
                "ReLU network with 2 hidden layers (16, 16), 1 output, parametrisation of Chen et al. 2019 with alpha 0.5, "
                "Gaussian readout, plain start, all trained: the setting of Chen et al. 2019"
            ),
        ),
        (
            MLP(widths=(4,), kappa=0.01, activation="erf", trained="last"),
            (
                "erf network with 1 hidden layer (4), 1 output, NTK parametrisation, weight variance 1, no biases, input scale "
                "1, first weights of deviation 0.01, signs as readout, antisymmetric start, last layer trained"
            ),
        ),
    ],
)
def test_a_network_describes_itself_in_one_line(net, line):
    assert net.describe() == line


def test_the_keys_of_what_moves():
    deep = {"widths": (4, 4), "antisymmetric": False}
    for trained, plain, biased in (
        ("first", ("W",), ("W", "b")),
        ("last", ("a",), ("a", "c")),
        ("weights", ("W", "W2", "a"), ("W", "W2", "a")),
        ("all", ("W", "W2", "a"), ("W", "W2", "a", "b", "b2", "c")),
    ):
        assert MLP(trained=trained, **deep).trained_names == plain
        net = MLP(trained=trained, bias_variance=0.1, **deep)
        assert net.trained_names == biased
        assert set(net.init(0, d=2)) == {"W", "W2", "a", "b", "b2", "c"}
