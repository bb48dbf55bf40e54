"""Settings of papers: their networks and trainings against the numbers of the papers."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from widthwise.errors import UsageError
from widthwise.networks import MLP, presets


@pytest.mark.parametrize(("mode", "length"), [("paper_figure", 0.8796), ("paper_text", 1.0)])
def test_the_first_matrix_of_li_and_liang_has_its_length(mode, length):
    """||W(0)|| is about sqrt d, and .8796 sqrt d where the normal is cut; a frozen of deviation .045, or one."""
    width, d = 500, 400
    setting = presets.liliang2018(width, mode=mode)
    params = setting.net.init(0, d=d)
    W = np.asarray(params["W"], np.float64)
    # Four standard errors of a root mean square, at most that of a normal.
    assert abs(np.linalg.norm(W) / (length * np.sqrt(d)) - 1) < 4 / np.sqrt(2 * W.size) + 5e-5
    assert (np.abs(W).max() <= 2 / np.sqrt(width) * (1 + 1e-6)) == (mode == "paper_figure")
    a = np.asarray(params["a"], np.float64)
    assert a.shape == (width, 10)
    assert abs(a.std() / (0.045 if mode == "paper_figure" else 1.0) - 1) < 4 / np.sqrt(2 * a.size)
    assert setting.net.trained_names == ("W",)
    assert dict(setting.training) == {
        "loss": "cross_entropy",
        "optimizer": "sgd",
        "learning_rate": 10 / width,
        "steps": 400,
        "batch_size": 16,
        "sampling": "reshuffle",
    }


def test_the_outputs_of_li_and_liang_are_a_plain_sum():
    net = presets.liliang2018(4, outputs=2).net
    params = net.init(1, d=3)
    x = np.array([0.5, -1.0, 2.0])
    W, a = (np.asarray(params[name], np.float64) for name in "Wa")
    expected = [sum(a[r, i] * max(W[r] @ x, 0.0) for r in range(4)) for i in range(2)]
    # Sums of a dozen float32 products.
    np.testing.assert_allclose(net.apply(params, jnp.asarray(x[None], jnp.float32))[0], expected, rtol=1e-5, atol=1e-6)


def test_learners_of_allen_zhu_et_al_have_frozen_biases_and_readouts():
    two = presets.allenzhu2018_two_layer(400, readout_std=0.1, rows=1001)
    three = presets.allenzhu2018_three_layer(300, 200)
    assert two.net.trained_names == ("W",)
    assert three.net.trained_names == ("W", "W2")
    # 800 passes of 21 and of 20 batches of 50.
    assert (two.training["steps"], three.training["steps"]) == (16800, 16000)
    assert "learning_rate" not in two.training
    for net, variances in (
        (two.net, {"W": 1 / 400, "b": 1 / 400, "a": 0.01}),
        (three.net, {"W": 1 / 300, "b": 1 / 300, "W2": 1 / 200, "b2": 1 / 200, "a": 1.0}),
    ):
        params = net.init(0, d=4)
        assert set(params) == set(variances)
        for name, variance in variances.items():
            values = np.asarray(params[name], np.float64)
            assert abs(np.mean(values**2) / variance - 1) < 4 * np.sqrt(2 / values.size)


def test_the_experiment_of_arora_et_al():
    setting = presets.arora2019()
    assert setting.net == MLP(widths=(10000,), kappa=0.01, antisymmetric=False)
    assert dict(setting.training) == {"loss": "squared", "optimizer": "gd", "learning_rate": 1e-3}


def test_the_theorem_of_chen_et_al():
    setting = presets.chen2019(16, matrices=3, alpha=0.25)
    assert setting.net == MLP.chen2019(3, 16, alpha=0.25)
    assert setting.training["learning_rate"] == pytest.approx(16**-0.5 / 3)
    once = presets.chen2019(16, algorithm="sgd").training
    assert (once["optimizer"], once["batch_size"], once["sampling"]) == ("sgd", 1, "one_pass")


def test_the_small_start_after_maennel_et_al_is_balanced():
    setting = presets.maennel2018(400, scale=1e-3)
    params = {name: np.asarray(value, np.float64) for name, value in setting.net.init(0, d=1).items()}
    assert set(params) == set(setting.net.trained_names) == {"W", "b", "a"}
    incoming = np.sum(params["W"] ** 2, axis=1) + params["b"] ** 2
    # Squares of float32 numbers.
    np.testing.assert_allclose(params["a"][:, 0] ** 2, incoming, rtol=1e-6)
    # Mean of 400 chi-squared variables of two degrees: variance 4 / 400 of a mean of 2.
    assert abs(incoming.mean() * 400 / 1e-6 - 2) < 4 * np.sqrt(4 / 400)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: presets.liliang2018(0), "width must be an integer of at least 1"),
        (lambda: presets.maennel2018(8, scale=0.0), "scale must be a positive number"),
        (lambda: presets.chen2019(8, alpha=0.0), "alpha must be a positive number"),
        (lambda: presets.allenzhu2018_two_layer(8, rows=0), "rows must be an integer of at least 1"),
    ],
)
def test_arguments_outside_their_range_are_named(call, message):
    with pytest.raises(UsageError, match=message):
        call()
