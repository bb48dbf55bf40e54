"""Finite networks: their start, their outputs and the arguments they refuse."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from widthwise._jax import float64
from widthwise.errors import UsageError
from widthwise.networks import MLP

EPS32 = float(np.finfo(np.float32).eps)


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
        ({"widths": (8, 8)}, r"widths must hold one hidden layer; \(8, 8\) came"),
        ({"widths": ()}, "widths must hold one hidden layer"),
        ({"widths": (0,)}, r"widths\[0\] must be an integer of at least 1"),
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
