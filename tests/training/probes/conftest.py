"""Snapshots built by hand, in float64."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import jax.numpy as jnp
import numpy as np
import pytest

from widthwise._jax import float64
from widthwise.training.snapshot import Snapshot


@pytest.fixture
def double() -> Iterator[None]:
    """JAX in float64 for the test."""
    with float64():
        yield


@pytest.fixture
def take(double: None) -> Callable[..., Snapshot]:
    """A snapshot of a network after an update, random where none is given."""

    def make(net, X, Y, *, update=None, start=None, loss="squared", reference=None, step=1, rate=0.1, seed=0, size=0.1):
        X, Y = jnp.asarray(X, float), jnp.asarray(Y, float)
        start = net.init(seed, d=X.shape[1]) if start is None else {n: jnp.asarray(v) for n, v in start.items()}
        generator = np.random.default_rng(seed + 1)
        if update is None:
            update = {n: size * generator.standard_normal(start[n].shape) for n in net.trained_names}
        update = {n: jnp.asarray(v, float) for n, v in update.items()}
        params = {n: v + update[n] if n in update else v for n, v in start.items()}
        return Snapshot(
            net=net,
            loss=loss,
            start=start,
            update=update,
            X=X,
            Y=Y,
            outputs=net.apply(params, X),
            reference=X if reference is None else jnp.asarray(reference, float),
            step=jnp.asarray(step),
            learning_rate=jnp.asarray(rate, float),
        )

    return make
