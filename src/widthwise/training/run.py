"""What training leaves: the history of what was watched, and the trained network."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int

from widthwise.networks.mlp import Params
from widthwise.training.plan import Plan
from widthwise.training.stops import Reason


@dataclass(frozen=True, kw_only=True, eq=False)
class History:
    """What was watched while a network trained.

    Attributes:
        steps: numbers of steps at which the training set was evaluated: 0 ... T in full-batch descent; `probe_steps`
            where batches or noise leave the loss of a step unknown.
        residual: Frobenius norm of the residual at those steps: of y - f for the squared losses, in the units of y; of
            y - softmax(f) and of y sigmoid(-y f) for the others.
        loss: training loss at those steps, penalties not included.
        watched: numbers of steps at which the watched rows were evaluated.
        outputs: outputs on the watched rows at those steps; empty where there are none.
        probe_steps: numbers of steps at which probes, training error and test rows were evaluated.
        probes: results of the probes at those steps, by name; those of one probe with several results as `name.key`.
        error: share of training rows put wrong at those steps: by sign with one output, by the largest one with several.
        test_loss: loss on the test rows at those steps; empty where there are none.
        test_error: share of test rows put wrong at those steps; empty where there are none.
    """

    steps: Int[np.ndarray, " t"]
    residual: Float[np.ndarray, " t"]
    watched: Int[np.ndarray, " s"]
    outputs: Float[np.ndarray, "s m k"]
    loss: Float[np.ndarray, " t"]
    probe_steps: Int[np.ndarray, " p"]
    probes: dict[str, np.ndarray]
    error: Float[np.ndarray, " p"]
    test_loss: Float[np.ndarray, " q"]
    test_error: Float[np.ndarray, " q"]

    @property
    def relative(self) -> Float[np.ndarray, " t"]:
        """Residual over its value at step zero."""
        return np.asarray(self.residual / self.residual[0])


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingRun:
    """A trained network.

    Parameters are JAX arrays in the precision of the run. Those of a float64 run keep their digits in `np.asarray`, and in
    JAX only inside `jax.enable_x64`.

    Attributes:
        history: what was watched.
        params: parameters at the end.
        diverged: step at which the loss stopped being finite, None where it never did.
        start: parameters at step zero.
        update: W(t) - W(0) of the trained parameters, accumulated apart, with digits that `params` has lost.
        stopped: why the run ended: `steps` (all done), `loss`, `error`, `seconds` or `diverged`.
        steps: number of steps done.
        seconds: wall time of the loop, compilation included; over all parts of a run that was resumed.
        plan: how it was computed.
    """

    history: History
    params: Params
    diverged: int | None
    start: Params
    update: Params
    stopped: Reason
    steps: int
    seconds: float
    plan: Plan = field(default_factory=Plan)
