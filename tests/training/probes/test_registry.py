"""What every probe keeps: a name, a hash, a fixed shape, and an objection before training rather than in it."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from widthwise.errors import UsageError
from widthwise.networks import MLP
from widthwise.training import probes

# A network and data of which every probe can speak but two, which have networks of their own.
PLANE = MLP(widths=(6,), antisymmetric=False)
HOMOGENEOUS = MLP(widths=(6,), antisymmetric=False, trained="weights", readout="gaussian")
DEEP = MLP.chen2019(3, 6)
X = np.column_stack([np.random.default_rng(0).standard_normal(8), np.ones(8)])
Y = np.where(np.arange(8) % 2, 1.0, -1.0)[:, None]


@pytest.mark.parametrize("name", probes.names())
def test_a_probe_is_hashable_data_that_its_name_finds(name):
    probe = probes.named(name)
    assert probe.name == name
    assert probe == type(probe)()
    assert hash(probe) == hash(type(probe)())
    assert type(probe)(name="other").name == "other"


@pytest.mark.parametrize("name", probes.names())
def test_measurements_can_be_traced_or_have_one_shape_throughout_a_run(name, take):
    probe, net = probes.named(name), {"radius": DEEP, "balancedness": HOMOGENEOUS}.get(name, PLANE)
    probes.check(probe, net, X, Y)
    zero = {n: np.zeros(value.shape) for n, value in net.init(0, d=2).items() if n in net.trained_names}
    first, later = (take(net, X, Y, update=update) for update in (zero, None))
    if probe.on_host:
        assert jax.tree.map(np.shape, probe(first)) == jax.tree.map(np.shape, probe(later))
    else:
        assert jax.tree.leaves(jax.eval_shape(probe, first))


def test_the_default_probes_are_traced_and_named_apart():
    assert probes.chosen(["default"]) == probes.DEFAULT
    assert not any(probe.on_host for probe in probes.DEFAULT)


def test_names_and_probes_mix_and_no_name_comes_twice():
    mixed = probes.chosen(["default", probes.Flips(name="all_flips"), "spectrum"])
    assert [probe.name for probe in mixed] == ["loss", "error", "margin", "flips", "distances", "all_flips", "spectrum"]
    with pytest.raises(UsageError, match=r"twice came flips: give one of them name='\.\.\.'"):
        probes.chosen(["default", "flips"])
    with pytest.raises(UsageError, match=r"called loss, error, .*; 'flip' came"):
        probes.named("flip")


def test_only_probes_without_objection_are_suitable():
    regression = np.arange(8.0)[:, None]
    assert [p.name for p in probes.suitable(probes.DEFAULT, PLANE, X, regression)] == [
        "loss",
        "error",
        "flips",
        "distances",
    ]
    smooth = MLP(widths=(4,), activation="erf")
    assert [p.name for p in probes.suitable(probes.DEFAULT, smooth, X, Y)] == ["loss", "error", "margin", "distances"]
    assert probes.suitable(probes.DEFAULT, PLANE, X, Y) == probes.DEFAULT
