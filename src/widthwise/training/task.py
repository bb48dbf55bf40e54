"""What is trained on what: everything that a compiled loop needs to know, checked, and the same for several networks."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from widthwise.networks.network import Network
from widthwise.training.losses import Loss
from widthwise.training.optimizers import Optimizer
from widthwise.training.plan import Plan
from widthwise.training.regularisers import Regulariser
from widthwise.training.sampling import Sampling
from widthwise.training.schedules import Schedule
from widthwise.training.snapshot import Probe
from widthwise.training.stops import Stop


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """What several networks of one architecture are trained on.

    Attributes:
        net: the architecture.
        X, Y: training rows, and targets as the loss takes them.
        loss, optimizer, regularisers, steps, batch_size, sampling, probes, stop: as in `train`; no batch size is the
            whole batch.
        records: numbers of steps at which probes are evaluated; the last step among them.
        reference: rows for gates.
        watch, watch_at: rows whose outputs are wanted, and when.
        test: rows and targets held out; None where there are none.
        plan: how it is computed.
    """

    net: Network
    X: Float[np.ndarray, "n d"]
    Y: Float[np.ndarray, "n k"]
    loss: Loss
    optimizer: Optimizer
    regularisers: tuple[Regulariser, ...]
    steps: int
    batch_size: int | None
    sampling: Sampling
    probes: tuple[Probe, ...]
    records: Int[np.ndarray, " p"]
    reference: Float[np.ndarray, "r d"]
    watch: Float[np.ndarray, "w d"]
    watch_at: Int[np.ndarray, " s"]
    test: tuple[Float[np.ndarray, "v d"], Float[np.ndarray, "v k"]] | None
    stop: Stop
    plan: Plan

    @property
    def exact(self) -> bool:
        """Whether every step evaluates the loss of the training set at the weights."""
        return self.batch_size is None and not self.optimizer.displaces

    @property
    def traced(self) -> tuple[Probe, ...]:
        """Probes that are compiled."""
        return tuple(probe for probe in self.probes if not probe.on_host)

    @property
    def on_host(self) -> tuple[Probe, ...]:
        """Probes that run between steps."""
        return tuple(probe for probe in self.probes if probe.on_host)

    def digest(self, member: Member) -> str:
        """Hash of what decides the numbers of one network's run: another run has another."""
        words = {
            name: repr(getattr(self, name))
            for name in ("net", "loss", "optimizer", "regularisers", "steps", "batch_size", "sampling", "probes")
        }
        words |= {"stop": repr(self.stop), "plan": repr(self.plan), "seed": repr(member.seed)}
        words |= {"schedule": repr(member.schedule)}
        arrays = [self.X, self.Y, self.records, self.reference, self.watch, self.watch_at, *(self.test or ())]
        arrays += [member.start[name] for name in sorted(member.start)]
        found = hashlib.sha256(json.dumps(words, sort_keys=True).encode())
        for array in arrays:
            found.update(f"{array.dtype} {array.shape}".encode())
            found.update(np.ascontiguousarray(array).data)
        return found.hexdigest()


@dataclass(frozen=True, kw_only=True, eq=False)
class Member:
    """What is one network's own among several: its seed, its rates, its start."""

    seed: int
    schedule: Schedule
    start: dict[str, np.ndarray]
