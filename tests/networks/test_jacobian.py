"""Tangent kernels of any function or module: the kernels by layers are the reference, and the whole Jacobian."""

from __future__ import annotations

import inspect
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from widthwise._jax import float64
from widthwise.errors import DataError, UsageError
from widthwise.networks import MLP, empirical_ntk, empirical_ntk_of, jacobian

NET = MLP(widths=(6, 5), antisymmetric=False, trained="all", outputs=3, bias_variance=0.2, weight_variance=2.0)


def rows(n, seed=0):
    return np.random.default_rng(seed).standard_normal((n, 3))


@pytest.mark.parametrize("chunk", [None, 1, 2, 5])
@pytest.mark.parametrize("outputs", ["full", "trace"])
def test_the_kernel_of_a_function_is_that_by_layers(outputs, chunk):
    """Chunks of 2 divide neither 5 rows nor 3."""
    with float64():
        params = NET.init(0, d=3)
        X, Z = jnp.asarray(rows(5)), jnp.asarray(rows(3, seed=1))
        for others in (None, Z):
            found = empirical_ntk_of(NET.apply, params, X, others, outputs=outputs, chunk=chunk)
            expected = empirical_ntk(NET, params, X, others, outputs=outputs)
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13 * np.abs(expected).max())
            if others is None:
                K = np.asarray(found)
                assert np.array_equal(K, K.transpose(1, 0, 3, 2) if outputs == "full" else K.T)


def test_any_tree_of_parameters_and_any_shape_of_rows():
    def apply(params, images):
        hidden = jnp.tanh(images.reshape(len(images), -1) @ params["first"][0] + params["first"][1])
        return hidden @ params["last"] * params["gain"]

    generator = np.random.default_rng(0)
    draw = lambda *shape: jnp.asarray(generator.standard_normal(shape), jnp.float32)  # noqa: E731
    params = {"first": (draw(4, 6), draw(6)), "last": draw(6, 1), "gain": jnp.float32(0.7)}
    X = draw(5, 2, 2)
    whole = jax.jacobian(lambda p: apply(p, X)[:, 0])(params)
    J = np.concatenate([np.asarray(leaf, np.float64).reshape(5, -1) for leaf in jax.tree.leaves(whole)], axis=1)
    found = empirical_ntk_of(apply, params, X, chunk=2)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, J @ J.T, rtol=0, atol=1e-5 * np.abs(J @ J.T).max())
    compiled = jax.jit(lambda p: empirical_ntk_of(apply, p, X, chunk=2))(params)
    np.testing.assert_allclose(compiled, found, rtol=0, atol=1e-5 * np.abs(J @ J.T).max())


def test_chunks_fit_into_the_memory_that_is_meant_for_them():
    assert jacobian.chunk_rows(None, 1 << 20) == 256
    assert jacobian.chunk_rows(None, 1 << 40) == 1
    assert jacobian.chunk_rows(7, 1 << 40) == 7


def test_what_does_not_fit_is_refused():
    params, X = NET.init(0, d=3), jnp.asarray(rows(4), jnp.float32)
    with pytest.raises(UsageError, match="the 3 outputs need not have a kernel in common: outputs must be 'trace'"):
        empirical_ntk_of(NET.apply, params, X)
    with pytest.raises(DataError, match=r"outputs of shape \(rows, k\), k = 1 for one output; 1 rows gave \(1,\)"):
        empirical_ntk_of(lambda p, x: NET.apply(p, x)[:, 0], params, X)
    with pytest.raises(DataError, match=r"parameters must be floating; params\['step'\] is int32"):
        empirical_ntk_of(lambda p, x: NET.apply(p["net"], x), {"net": params, "step": 3}, X)
    with pytest.raises(DataError, match="params must hold at least one array"):
        empirical_ntk_of(lambda p, x: x, {}, X)
    with pytest.raises(DataError, match=r"rows of one shape; \(4, 3\) and \(4, 2\) came"):
        empirical_ntk_of(NET.apply, params, X, X[:, :2], outputs="trace")
    with pytest.raises(UsageError, match="chunk must be an integer of at least 1; 0 came"):
        empirical_ntk_of(NET.apply, params, X, outputs="trace", chunk=0)
    with pytest.raises(UsageError, match=r"apply must be a function of .* or a torch\.nn\.Module; a str came"):
        empirical_ntk_of("net", params, X)
    with pytest.raises(UsageError, match="outputs must be 'shared', 'trace' or 'full'; 'sum' came"):
        inspect.unwrap(empirical_ntk_of)(NET.apply, params, X, outputs="sum")


def test_pytorch_is_not_imported_for_a_function():
    code = (
        "import sys, jax.numpy as jnp\n"
        "from widthwise.networks import empirical_ntk_of\n"
        "empirical_ntk_of(lambda p, x: x @ p, jnp.ones((2, 1)), jnp.ones((3, 2)))\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="PyTorch is not installed; it is no dependency")


def module_of(torch, params):
    """The module that computes what `NET` does."""
    first, second, last = (torch.nn.Linear(*shape, dtype=torch.float64) for shape in ((3, 6), (6, 5), (5, 3)))
    factors = NET.factors
    with torch.no_grad():
        for layer, weight, bias, factor in zip(
            (first, second, last), ("W", "W2", "a"), ("b", "b2", "c"), factors, strict=True
        ):
            values = np.array(params[weight]) if weight != "a" else np.array(params["a"]).T
            layer.weight.copy_(torch.as_tensor(factor * values))
            layer.bias.copy_(torch.as_tensor(NET.bias_factor * np.array(params[bias])))
    return torch.nn.Sequential(first, torch.nn.ReLU(), second, torch.nn.ReLU(), last)


@pytest.mark.parametrize("outputs", ["full", "trace"])
@pytest.mark.parametrize("chunk", [None, 2])
def test_the_kernel_of_a_module_is_that_of_the_function(torch, outputs, chunk):
    with float64():
        params = NET.init(0, d=3)
        standard = MLP(**{**NET.__dict__, "parametrisation": "standard"})
        scaled = {
            name: np.asarray(value) * dict(zip(NET.weight_names, NET.factors, strict=True)).get(name, NET.bias_factor)
            for name, value in params.items()
        }
        scaled = {name: jnp.asarray(value) for name, value in scaled.items()}
        module = module_of(torch, params)
        for others in (None, rows(3, seed=1)):
            expected = np.asarray(
                empirical_ntk(
                    standard,
                    scaled,
                    jnp.asarray(rows(5)),
                    None if others is None else jnp.asarray(others),
                    outputs=outputs,
                )
            )
            found = empirical_ntk_of(module, None, rows(5), others, outputs=outputs, chunk=chunk)
            assert isinstance(found, np.ndarray)
            assert found.dtype == np.float64
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13 * np.abs(expected).max())
            if others is None:
                assert np.array_equal(found, found.transpose(1, 0, 3, 2) if outputs == "full" else found.T)


def test_a_module_moves_what_requires_gradients_or_what_is_named(torch):
    with float64():
        module = module_of(torch, NET.init(0, d=3))
    whole = empirical_ntk_of(module, None, rows(4), outputs="trace")
    named = dict(module.named_parameters())
    last = empirical_ntk_of(module, {n: named[n] for n in ("4.weight", "4.bias")}, rows(4), outputs="trace")
    for name, value in named.items():
        value.requires_grad_(not name.startswith("4."))
    rest = empirical_ntk_of(module, None, torch.as_tensor(rows(4)), outputs="trace")
    np.testing.assert_allclose(last + rest, whole, rtol=0, atol=1e-13 * np.abs(whole).max())
    assert np.abs(last).max() > 0.1
    for value in named.values():
        value.requires_grad_(False)
    with pytest.raises(DataError, match="the module must have a parameter that requires a gradient"):
        empirical_ntk_of(module, None, rows(4), outputs="trace")
    with pytest.raises(DataError, match="'nine' is none of"):
        empirical_ntk_of(module, {"nine": named["4.bias"]}, rows(4), outputs="trace")
    with pytest.raises(UsageError, match="the 3 outputs need not"):
        empirical_ntk_of(module, dict(named), rows(4))
    with pytest.raises(DataError, match="rows of one shape"):
        empirical_ntk_of(module, dict(named), rows(4), rows(4)[:, :2], outputs="trace")
    with pytest.raises(DataError, match=r"parameters must be float32 or float64; '4\.bias'"):
        empirical_ntk_of(module, {"4.bias": named["4.bias"].to(torch.float16)}, rows(4), outputs="trace")


@pytest.mark.parametrize("layer", ["BatchNorm1d", "Dropout"])
def test_layers_that_mix_rows_or_draw_numbers_are_refused_while_training(torch, layer):
    mixing = torch.nn.BatchNorm1d(3) if layer == "BatchNorm1d" else torch.nn.Dropout()
    module = torch.nn.Sequential(mixing, torch.nn.Linear(3, 1))
    X = rows(4).astype(np.float32)
    with pytest.raises(UsageError, match=f"layer '0' is {layer} in training mode: call module.eval"):
        empirical_ntk_of(module, None, X)
    found = empirical_ntk_of(module.eval(), {"1.weight": module[1].weight}, X)
    # Kernel of a linear layer: the Gram matrix of its inputs (in evaluation mode a fresh BatchNorm divides by sqrt(1 + 1e-5)).
    np.testing.assert_allclose(found, X @ X.T, rtol=0, atol=3e-5 * np.abs(X @ X.T).max())
    assert found.dtype == np.float32
