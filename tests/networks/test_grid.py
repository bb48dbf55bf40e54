"""The grid of fully connected networks: laws that overrule, biases that move or not, what is trained, every scale."""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
import pytest

from widthwise._jax import float64
from widthwise.errors import UsageError
from widthwise.kernels.activations import LeakyReLU
from widthwise.networks import MLP, Balanced, Network, Normal, Signs, TruncatedNormal, Zeros, empirical_ntk, presets

PLAIN = {"parametrisation": "plain", "antisymmetric": False}
DEEP = {"widths": (6, 5), **PLAIN, "bias_laws": (Normal(0.3), None, Zeros()), "outputs": 2}


def start(net, d=3, seed=0):
    with float64():
        return {name: np.asarray(value) for name, value in net.init(seed, d=d).items()}


def test_every_law_is_that_of_its_layer():
    m = 400
    net = MLP(
        widths=(m, m),
        antisymmetric=False,
        outputs=m,
        weight_laws=(TruncatedNormal(0.5), None, Signs(0.2)),
        bias_laws=(Zeros(), Normal(3.0), None),
    )
    params = start(net, d=m)
    assert set(params) == {"W", "W2", "a", "b", "b2"}
    assert np.abs(params["W"]).max() <= 1.0
    assert set(np.unique(params["a"])) == {-0.2, 0.2}
    assert not params["b"].any()
    for name, deviation in (("W", 0.5 * 0.8796), ("W2", 1.0), ("b2", 3.0)):
        # Four standard errors of a root mean square of normal entries.
        assert abs(params[name].std() / deviation - 1) < 4 / math.sqrt(2 * params[name].size) + 5e-5


def naive(net, params, x):
    """A plain network neuron by neuron, its laws in its parameters."""
    values = list(x)
    for weight, bias in zip(("W", "W2"), ("b", "b2"), strict=True):
        w = params[weight]
        b = params.get(bias, np.zeros(len(w)))
        z = [sum(w[r, i] * values[i] for i in range(len(values))) + b[r] for r in range(len(w))]
        values = [u if u >= 0 else 0.1 * u for u in z]
    factor = net.widths[-1] ** (net.alpha or 0.0)
    c = params.get("c", np.zeros(net.outputs))
    return [factor * sum(params["a"][r, k] * values[r] for r in range(len(values))) + c[k] for k in range(net.outputs)]


@pytest.mark.parametrize("alpha", [None, -1.0, 0.5])
def test_outputs_of_a_plain_network_are_those_of_the_formula(alpha):
    net = MLP(**{**DEEP, "bias_laws": (Normal(0.3), None, Normal(0.2))}, alpha=alpha, activation=LeakyReLU(slope=0.1))
    params = start(net)
    X = np.random.default_rng(1).standard_normal((4, 3))
    with float64():
        found = np.asarray(net.apply(net.init(0, d=3), jnp.asarray(X)))
    expected = np.array([naive(net, params, x) for x in X])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("net", "power"),
    [
        (MLP(widths=(8,), parametrisation="plain", alpha=-0.5), 0.0),
        (MLP(widths=(8,), parametrisation="mean_field"), -0.5),
        (MLP(widths=(8,), parametrisation="plain", alpha=-1.0), -0.5),
        (MLP(widths=(8,), parametrisation="plain"), 0.5),
        (MLP(widths=(8,), parametrisation="plain", weight_laws=(None, Signs(8**-0.5))), 0.0),
    ],
)
def test_scales_of_the_output_differ_by_powers_of_the_width(net, power):
    """One start, one function up to a power of m; so are the kernels, by its square."""
    ntk = MLP(widths=(8,))
    X = jnp.asarray(np.random.default_rng(2).standard_normal((3, 2)), jnp.float32)
    params, own = ntk.init(0, d=2), net.init(0, d=2)
    np.testing.assert_array_equal(params["W"], own["W"])
    expected = 8**power * np.asarray(ntk.apply(params, X))
    # Sums of eight float32 terms.
    np.testing.assert_allclose(net.apply(own, X), expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(
        empirical_ntk(net, own, X), 8 ** (2 * power) * empirical_ntk(ntk, params, X), rtol=1e-5, atol=1e-6
    )


def test_the_keys_of_what_moves_for_every_trained_set_and_kind_of_biases():
    weights = {
        "first": ("W",),
        "hidden": ("W", "W2"),
        "last": ("a",),
        "weights": ("W", "W2", "a"),
        "all": ("W", "W2", "a"),
    }
    moving = {"first": ("b",), "hidden": ("b",), "last": ("c",), "all": ("b", "c")}
    for trained, names in weights.items():
        assert MLP(**DEEP, trained=trained, biases="frozen").trained_names == names
        given = MLP(**DEEP, trained=trained).trained_names
        assert given == names + (() if trained in ("hidden", "weights") else moving[trained])
        if trained != "weights":
            assert MLP(**DEEP, trained=trained, biases="trained").trained_names == names + moving[trained]


def test_pairs_carry_their_biases_and_cancel():
    net = MLP(widths=(6,), bias_laws=(Normal(0.5), None), weight_laws=(None, Balanced()), outputs=2)
    params = start(net)
    assert np.array_equal(params["b"][:3], params["b"][3:])
    assert np.array_equal(params["a"][:3], -params["a"][3:])
    with float64():
        found = np.asarray(net.apply(net.init(0, d=3), jnp.ones((2, 3))))
    np.testing.assert_allclose(found, 0.0, atol=1e-14)


def test_a_balanced_start_has_equal_lengths_in_and_out():
    net = MLP(**{**DEEP, "bias_laws": (Normal(0.3), Normal(0.2), None)}, weight_laws=(None, Normal(0.4), Balanced()))
    params = start(net)
    incoming = np.sum(params["W2"] ** 2, axis=1) + params["b2"] ** 2
    np.testing.assert_allclose(np.sum(params["a"] ** 2, axis=1), incoming, rtol=1e-13)


def test_variances_of_the_readout_and_of_the_output_bias_are_those_of_their_laws():
    net = MLP(**{**DEEP, "bias_laws": (None, None, Normal(0.3))}, weight_laws=(None, None, Signs(0.5)), alpha=0.5)
    assert net.readout_variance == pytest.approx(5 * 0.25, rel=1e-14)
    assert net.output_bias_variance == pytest.approx(0.09, rel=1e-14)
    assert MLP(**DEEP).output_bias_variance == 0.0
    with pytest.raises(UsageError, match="a balanced readout has no variance of its own"):
        _ = MLP(**DEEP, weight_laws=(None, None, Balanced())).readout_variance


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weight_laws": (Normal(1.0),)}, "weight_laws must hold one law for each of the 2 layers, or none; 1 came"),
        ({"bias_laws": (Normal(1.0), None, None)}, "bias_laws must hold one law for each of the 2 layers"),
        (
            {"weight_laws": (Balanced(), None)},
            "Balanced is a law of the readout, the last of weight_laws; it came at 0",
        ),
        ({"bias_laws": (Normal(1.0), None), "bias_variance": 1.0}, "biases have one law"),
        ({"weight_laws": (Normal(1.0), None), "kappa": 0.1}, "the first layer has one law"),
        ({"biases": "frozen"}, "biases='frozen' needs biases: give bias_laws or bias_variance"),
        (
            {"trained": "weights", "biases": "trained", "bias_laws": (Normal(1.0), None)},
            "trained='weights' leaves biases frozen: pass trained='all'",
        ),
        ({"bias_laws": (None, Normal(1.0))}, "an antisymmetric start has no output bias"),
        (
            {"parametrisation": "plain", "weight_variance": 2.0},
            "has no factors but the output's: leave weight_variance",
        ),
        ({"parametrisation": "plain", "alpha": math.nan}, "alpha must be a finite number"),
        (
            {"parametrisation": "mean_field", "alpha": 1.0},
            "alpha belongs to the 'chen2019' parametrisation and to 'plain'",
        ),
        (
            {
                "parametrisation": "chen2019",
                "readout": "gaussian",
                "antisymmetric": False,
                "weight_laws": (Normal(1.0), None),
            },
            "fixes its laws: for others pass parametrisation='plain'",
        ),
        ({"widths": (4, 4)}, "wrap the network in Doubled"),
    ],
)
def test_arguments_that_do_not_go_together_are_named(arguments, message):
    with pytest.raises(UsageError, match=message):
        MLP(**{"widths": (8,), **arguments})


def test_a_start_of_networks_that_were_there_before_laws_is_drawn_as_ever():
    """The first numbers of a fixed seed, as NumPy draws them: weights from the input on, the readout, then biases."""
    generator = np.random.default_rng(7)
    W, W2 = generator.standard_normal((4, 2)), generator.standard_normal((3, 4))
    a, b = generator.choice([-1.0, 1.0], (3, 1)), generator.standard_normal(4)
    params = start(MLP(widths=(4, 3), antisymmetric=False, bias_variance=0.5, kappa=0.3), d=2, seed=7)
    for name, expected in (("W", 0.3 * W), ("W2", W2), ("a", a), ("b", b)):
        assert np.array_equal(params[name], expected)


SETTINGS = {
    "Arora et al. 2019": [
        presets.arora2019(8).net,
        MLP(widths=(8,), kappa=0.3, trained="hidden"),
        MLP(widths=(8,), parametrisation="plain", weight_laws=(Normal(0.5), Signs(8**-0.5))),
    ],
    "Du et al. 2019": [MLP(widths=(8,), antisymmetric=False)],
    "Munteanu et al. 2022, paired start": [MLP(widths=(8,))],
    "Li and Liang 2018, as printed": [
        presets.liliang2018(8, mode="paper_text").net,
        MLP(widths=(16,), **PLAIN, trained="first", weight_laws=(Normal(0.25), None), readout="gaussian"),
    ],
    "Li and Liang 2018, as its figure 1": [presets.liliang2018(8).net],
    "Allen-Zhu et al. 2018, two layers": [presets.allenzhu2018_two_layer(8).net],
    "Allen-Zhu et al. 2018, three layers": [presets.allenzhu2018_three_layer(8, 6).net],
    "Chen et al. 2019": [presets.chen2019(8).net, MLP.chen2019(3, 4)],
    "Maennel et al. 2018": [presets.maennel2018(8).net],
    "Mei et al. 2018, mean field": [
        MLP(widths=(8,), parametrisation="mean_field", trained="all"),
        MLP(widths=(8,), parametrisation="plain", alpha=-1.0, trained="weights"),
    ],
    "Frei et al. 2021": [MLP(widths=(8,), activation=LeakyReLU(slope=0.1))],
}


@pytest.mark.parametrize("paper", SETTINGS)
def test_a_paper_is_recognised_from_the_fields(paper):
    for net in SETTINGS[paper]:
        line = net.describe()
        assert paper in line.split(": the setting of ")[1].split("; ")
        assert "\n" not in line
        assert isinstance(net, Network)
    others = [net for other, nets in SETTINGS.items() if other != paper for net in nets]
    strangers = [net for net in others if paper not in net.describe()]
    # Du et al. and paired starts are special cases of Arora et al.; nothing else is two papers' setting.
    assert len(others) - len(strangers) <= (2 if paper == "Arora et al. 2019" else 1)


def test_a_network_of_no_paper_names_none():
    for net in (
        MLP(widths=(8,), activation="erf"),
        MLP(widths=(8,), trained="last"),
        MLP(widths=(8,), parametrisation="standard", trained="all"),
        MLP(widths=(8,), bias_variance=0.1, antisymmetric=False),
        MLP(widths=(8,), **PLAIN, weight_laws=(Normal(0.3), Normal(1.0))),
        MLP.chen2019(3, 4, alpha=0.0),
    ):
        assert "setting" not in net.describe()
