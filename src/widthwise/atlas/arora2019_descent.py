"""Gradient descent as Arora et al. 2019 have it, and what their theorems assume of it.

Rows enter the network by their coordinates in their own span: the start is the same from every side, so nothing that is
measured here changes in law, and images of 784 pixels cost no more than there are rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from widthwise.atlas.arora2019_labels import kernel, labels
from widthwise.atlas.claim import Scale
from widthwise.atlas.hypotheses import (
    at_most,
    bounded_labels,
    no_parallel_rows,
    smallest_eigenvalue,
    unit_norm_rows,
    width_at_least,
)
from widthwise.atlas.trial import Settings, Trial
from widthwise.networks import MLP
from widthwise.theory import Spectrum, spectrum, worst_labels
from widthwise.training import TrainingRun, train
from widthwise.training.snapshot import Probe

HALF = 0.5
"""Step size in units of 1/lambda_max: a quarter of the largest stable one."""

FAILURE, ACCURACY = 0.1, 0.1
"""Probability delta that a theorem may fail, and its epsilon, where a width is asked."""

LABELS = ("true labels", "random labels", "worst labels")

GAP = "gap over |y|"

START = "The network starts at f = 0, by pairs of neurons, so that kappa need not be small."

REAL = "mnist:0,1"


def rate(modes: Spectrum, trial: Trial) -> float:
    """Step size on half the sum of squares."""
    return HALF / float(modes.values.max()) / trial.slowdown


def in_span(X: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n p"]:
    """Coordinates of the rows in an orthonormal basis of their span: the same inner products, at most n columns."""
    if X.shape[1] <= X.shape[0]:
        return X
    _, triangle = np.linalg.qr(X.T)
    return np.ascontiguousarray(triangle.T)


def descend(
    trial: Trial,
    y: Float[np.ndarray, " n"],
    step: float,
    *,
    width: int | None = None,
    kappa: float = 1.0,
    probes: tuple[Probe, ...] = (),
    every: int | None = None,
    draw: int = 0,
) -> TrainingRun:
    """Full-batch descent of the first layer from f = 0."""
    net = MLP(widths=(max(trial.settings.widths) if width is None else width,), kappa=float(kappa), antisymmetric=True)
    return train(
        net, in_span(trial.rows.X), y,
        learning_rate=step, steps=trial.steps, probes=probes, every=every, seed=1000 * draw + trial.seed,
    )  # fmt: skip


def shown(trial: Trial, points: int = 16) -> Int[np.ndarray, " t"]:
    """Steps of a figure, even in the logarithm, at the same training times whatever the step size."""
    full = np.unique(np.geomspace(1, trial.settings.steps, points).round().astype(np.int64))
    return full * trial.slowdown


def label_sets(trial: Trial, modes: Spectrum) -> dict[str, Float[np.ndarray, " n"]]:
    """True, random and worst labels, all of one norm."""
    y = labels(trial)
    size = float(np.linalg.norm(y))
    random = trial.rng.choice([-1.0, 1.0], size=len(y)) * size / np.sqrt(len(y))
    return dict(zip(LABELS, (y, random, size * worst_labels(modes)), strict=True))


def regime(run: TrainingRun, modes: Spectrum, y: Float[np.ndarray, " n"], name: str) -> dict[str, float]:
    """A run's place on the regime map, from its probes, and the index that the labels ask for, from the spectrum."""
    kappa, width = run_scale(run)
    cost = float(np.sum(modes.project(y)[:, 0] ** 2 / np.maximum(modes.values, modes.tolerance)))
    size = kappa * np.sqrt(width)
    return {
        f"laziness {name}": float(run.history.probes["distances.frobenius"][-1]) / size,
        f"predicted laziness at the end of training, {name}": np.sqrt(cost) / size,
        f"flips {name}": float(run.history.probes["flips.mean"][-1]),
    }


def run_scale(run: TrainingRun) -> tuple[float, int]:
    """Deviation and number of the first layer's weights at the start."""
    W = np.asarray(next(value for value in run.start.values() if np.asarray(value).ndim == 2))
    return float(np.sqrt(np.mean(W.astype(np.float64) ** 2))), max(W.shape[0], W.shape[1])


# --- what the theorems assume ------------------------------------------------------------------------------------------

SMALL_STEP = at_most(
    "the step size is O(lambda_0 / n^2)",
    lambda trial: smallest_eigenvalue(trial) / trial.rows.n**2,
    lambda trial: rate(spectrum(kernel(trial)), trial),
)


def log_width_of_the_theorem(trial: Trial) -> float:
    """log10 of n^7 / (lambda_0^4 kappa^2 delta^4 epsilon^2) at kappa = 1."""
    smallest = smallest_eigenvalue(trial)
    if smallest <= 0.0:
        return np.inf
    return float(7 * np.log10(trial.rows.n) - 4 * np.log10(smallest) - 4 * np.log10(FAILURE) - 2 * np.log10(ACCURACY))


WIDE = width_at_least("the width is Omega(n^7 / (lambda_0^4 kappa^2 delta^4 eps^2))", log_width_of_the_theorem)

SMALL_START = at_most(
    "the start is small, kappa = O(eps delta / sqrt n)",
    lambda trial: ACCURACY * FAILURE / np.sqrt(trial.rows.n),
    lambda _trial: 1.0,
)

OF_THEOREM = (unit_norm_rows, bounded_labels, no_parallel_rows, SMALL_START, SMALL_STEP, WIDE)


def scaled(quick: Mapping[str, Any], smoke: Mapping[str, Any], paper: Mapping[str, Any]) -> dict[Scale, Settings]:
    """Settings of the three scales: digits of scikit-learn for smoke, MNIST for the others."""
    return {
        "smoke": Settings(**{"data": "digits", "n": 24, **smoke}),
        "quick": Settings(**{"data": REAL, "n": 100, **quick}),
        "paper": Settings(**{"data": REAL, "n": 1000, "seeds": 5, **paper}),
    }
