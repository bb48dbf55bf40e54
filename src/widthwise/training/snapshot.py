"""A network in the midst of training, as probes see it, and what a probe is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import jax
import numpy as np
from jaxtyping import Array, Float, Int

from widthwise.networks.mlp import Params
from widthwise.networks.network import Network


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, eq=False)
class Snapshot:
    """State of a run after a number of steps; a JAX pytree, so that a probe can be traced.

    Attributes:
        net: the network; static.
        loss: name of the loss, as `train` takes it; static.
        start: all parameters at step zero.
        update: W(t) - W(0) of the trained parameters, accumulated apart from W(0), so that it keeps its digits in float32.
        X: training rows.
        Y: targets as the loss takes them.
        outputs: f(X) at this step.
        reference: rows on which gates are compared; X itself unless others were given.
        step: number of steps done.
        learning_rate: in force at this step.
    """

    net: Network = field(metadata={"static": True})
    loss: str = field(metadata={"static": True})
    start: Params
    update: Params
    X: Float[Array, "n d"]
    Y: Float[Array, "n k"]
    outputs: Float[Array, "n k"]
    reference: Float[Array, "r d"]
    step: Int[Array, ""]
    learning_rate: Float[Array, ""]

    @property
    def params(self) -> Params:
        """All parameters at this step."""
        return {
            name: self.start[name] + self.update[name] if name in self.update else self.start[name]
            for name in self.start
        }


@runtime_checkable
class Probe(Protocol):
    """A measure taken while a network trains: frozen, hashable data with a name.

    A probe that is not `on_host` is traced into the compiled step and must be pure JAX with a result of fixed shape; one
    that is gets a snapshot of concrete arrays between steps, which `np.asarray` reads without a copy on a CPU, and is as slow as
    it is.

    It may have a method `check(net, X, Y)` that raises, before training starts, where it makes no sense of the network or
    the data; `probes.check` calls it.
    """

    @property
    def name(self) -> str:
        """Key of its results in the history."""
        ...

    @property
    def on_host(self) -> bool:
        """Whether it runs outside the compiled loop, on concrete arrays."""
        ...

    def __call__(self, snapshot: Snapshot) -> Array | Mapping[str, Array] | Mapping[str, np.ndarray]:
        """One measurement: an array of fixed shape, or several by name (kept as `name.key`)."""
        ...
