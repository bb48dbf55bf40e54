"""Ends of the Hessian against the dense one of a small smooth network."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from widthwise.networks import MLP
from widthwise.training import probes
from widthwise.training.probes.objective import total_loss

EPS = float(np.finfo(np.float64).eps)
GENERATOR = np.random.default_rng(0)
X = GENERATOR.standard_normal((9, 3))
NET = MLP(
    widths=(4,), antisymmetric=False, readout="gaussian", trained="all", bias_variance=0.5, activation="erf", outputs=2
)


def dense(shot):
    net = shot.net
    flat, unravel = ravel_pytree({name: shot.params[name] for name in net.trained_names})
    H = jax.jit(jax.hessian(lambda v: total_loss(shot.loss, net.apply({**shot.params, **unravel(v)}, shot.X), shot.Y)))(
        flat
    )
    return np.linalg.eigvalsh(np.asarray(H))


def test_all_iterations_give_the_ends_of_the_dense_hessian(take):
    shot = take(NET, X, GENERATOR.standard_normal((9, 2)))
    values = dense(shot)
    assert values[0] < 0 < values[-1]
    found = probes.HessianEnds(iterations=99)(shot)
    # Exhausted after the number of parameters; each product rounds in units of the largest eigenvalue.
    scale = 100 * EPS * np.abs(values).max()
    assert found["smallest"] == pytest.approx(values[0], abs=scale)
    assert found["largest"] == pytest.approx(values[-1], abs=scale)


def test_a_few_iterations_are_inside_and_within_their_residual_of_an_eigenvalue(take):
    shot = take(NET, X, GENERATOR.standard_normal((9, 2)))
    values = dense(shot)
    tolerance = 100 * EPS * np.abs(values).max()
    for seed in range(3):
        found = probes.HessianEnds(iterations=6, seed=seed)(shot)
        assert values[0] - tolerance <= found["smallest"] <= found["largest"] <= values[-1] + tolerance
        for end in ("smallest", "largest"):
            assert found[f"{end}_residual"] > 0
            assert np.abs(values - found[end]).min() <= found[f"{end}_residual"] + tolerance


def test_a_loss_quadratic_in_the_parameters_has_the_kernels_eigenvalues(take):
    """F linear in the last layer: the Hessian is J'J, of rank two here, so that Lanczos ends early and zero is smallest."""
    net = MLP(widths=(6,), antisymmetric=False, readout="gaussian", trained="last")
    shot = take(net, X[:2], [[1.0], [0.0]])
    features = net.factors[-1] * np.maximum(X[:2] @ np.asarray(shot.start["W"]).T, 0)
    values = np.linalg.eigvalsh(features @ features.T)
    found = probes.HessianEnds()(shot)
    assert found["largest"] == pytest.approx(values[-1], rel=100 * EPS)
    assert found["smallest"] == pytest.approx(0.0, abs=100 * EPS * values[-1])
    assert max(found["smallest_residual"], found["largest_residual"]) <= 100 * EPS * values[-1]


def test_what_is_no_number_stays_none(take):
    shot = take(NET, X, np.full((9, 2), np.inf))
    assert np.isnan(probes.HessianEnds(iterations=6)(shot)["smallest"])
    assert jnp.isfinite(shot.outputs).all()
