"""Answers 4 and 5: real networks, trained, against the curve predicted for their own rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from widthwise import theory
from widthwise._checks import enough_memory
from widthwise.audits.calibration import recorded
from widthwise.audits.result import Curve, Run, Verification
from widthwise.audits.score import balanced, class_counts, imbalanced, row_losses, score
from widthwise.audits.speed import spaced
from widthwise.audits.targets import predictions, targets
from widthwise.datasets import Dataset, stratified_rows
from widthwise.kernels import HInf
from widthwise.networks import MLP
from widthwise.training import train

QUICK_ROWS = 512
QUICK_WIDTHS = (128, 512, 2048)
THOROUGH_WIDTHS = (128, 512, 2048, 8192, 16384)
SEEDS = (0, 1)
MOST_STEPS = 300
# Largest distance, in units of the starting residual, between a measured and a predicted curve that is agreement.
BAND = 0.05
WATCHED = 24
# Arrays of rows by neurons in a step: pre-activations, activations, gates, the signal that comes back.
ARRAYS = 4


@dataclass(frozen=True, kw_only=True, eq=False)
class Trial:
    """What is trained and what is predicted for it."""

    ds: Dataset
    X: Float[np.ndarray, "n p"]
    held: Float[np.ndarray, "m p"]
    held_ds: Dataset
    Y: Float[np.ndarray, "n k"]
    shuffled: Float[np.ndarray, "n k"]
    offset: Float[np.ndarray, " k"]
    unit: float
    coding: str
    learning_rate: float
    steps: int
    true_curve: theory.TrainingCurve
    shuffled_curve: theory.TrainingCurve
    watched: Int[np.ndarray, " s"]
    predicted: theory.TestCurve
    widths: tuple[int, ...]


def trial(
    ds: Dataset,
    X: Float[np.ndarray, "n p"],
    *,
    coding: Literal["centred", "raw"],
    verify: Literal["quick", "thorough"],
    seed: int,
) -> Trial:
    """Choose rows, predict their curves from their own kernel, and set rate and steps.

    A quick trial trains on at most 512 rows and four fifths of the data, and holds out as many of the rest; a
    thorough one trains on all rows and holds out none.
    """
    n = ds.n if verify == "thorough" else min(QUICK_ROWS, int(0.8 * ds.n))
    widths = QUICK_WIDTHS if verify == "quick" else THOROUGH_WIDTHS
    enough_memory(
        4.0 * max(widths) * (ARRAYS * n + 4 * X.shape[1]),
        f"training width {max(widths)} on {n} rows",
        "Use --verify quick or a smaller --max-n",
    )
    kept = stratified_rows(ds.y, n, task=ds.task, seed=seed)
    rest = np.setdiff1d(np.arange(ds.n), kept)
    if len(rest):
        rest = rest[stratified_rows(ds.y[rest], min(QUICK_ROWS, len(rest)), task=ds.task, seed=seed)]
    train_ds, held_ds = ds.take(kept), ds.take(rest)
    coded = targets(train_ds, coding)
    shuffled = coded.Y[np.random.default_rng([seed, 1]).permutation(n)]
    kernel = HInf()
    spectrum = theory.spectrum(kernel(X[kept]))
    rate = theory.recommended_rate(spectrum)
    energies = spectrum.project(coded.Y) ** 2
    steps = min(MOST_STEPS, theory.steps_to(spectrum, energies, learning_rate=rate, fraction=0.1) or MOST_STEPS)
    watched = np.unique(np.round(np.geomspace(1, steps, WATCHED)).astype(np.int64))
    held = X[rest]
    K_held = kernel(held, X[kept]) if len(rest) else np.zeros((0, n))
    return Trial(
        ds=train_ds,
        X=X[kept],
        held=held,
        held_ds=held_ds,
        Y=coded.Y,
        shuffled=shuffled,
        offset=coded.offset,
        unit=coded.unit,
        coding=coding,
        learning_rate=rate,
        steps=steps,
        true_curve=theory.training_curve(spectrum, coded.Y, learning_rate=rate, steps=steps),
        shuffled_curve=theory.training_curve(spectrum, shuffled, learning_rate=rate, steps=steps),
        watched=watched,
        predicted=theory.test_curve(spectrum, K_held, coded.Y, learning_rate=rate, steps=watched),
        widths=widths,
    )


def verification(trial: Trial, *, advance: Callable[[float, str], None], pause: Callable[[], None]) -> Verification:
    """Train every width, seed and labelling of a trial.

    Args:
        trial: from `trial`.
        advance: told the share of the work that is done, and what is being done.
        pause: called every few steps; may raise to stop.
    """
    runs = []
    total = sum(trial.widths) * len(SEEDS) * 2
    # Wide ones last: they cost most, and the first results are in the hand when one interrupts.
    for width in trial.widths:
        for labels in ("true", "shuffled"):
            for seed in SEEDS:
                runs.append(_run(trial, width, seed, "true" if labels == "true" else "shuffled", pause))
                advance(width / total, f"training width {width}")
    predicted = _errors(trial, trial.predicted.predictions) or ()
    return Verification(
        n=trial.ds.n,
        held_out=trial.held_ds.n,
        learning_rate=trial.learning_rate,
        steps=trial.steps,
        true=_thinned(trial.true_curve.relative),
        shuffled=_thinned(trial.shuffled_curve.relative),
        watched=tuple(int(k) for k in trial.watched),
        predicted_errors=predicted,
        predicted_balanced=_balanced(trial, trial.predicted.predictions[-1]),
        runs=tuple(runs),
        band=BAND,
        recorded=(recorded("test_error", predicted[-1]),) if predicted and trial.ds.task == "classification" else (),
    )


def _run(trial: Trial, width: int, seed: int, labels: Literal["true", "shuffled"], pause: Callable[[], None]) -> Run:
    true = labels == "true"
    done = train(
        MLP(widths=(width,), outputs=trial.Y.shape[1]),
        trial.X,
        trial.Y if true else trial.shuffled,
        learning_rate=trial.learning_rate,
        steps=trial.steps,
        seed=seed,
        watch=trial.held if true and len(trial.held) else None,
        watch_at=trial.watched,
        between=lambda _: pause(),
    )
    predicted = trial.true_curve if true else trial.shuffled_curve
    measured = done.history.relative
    finite = done.diverged is None
    return Run(
        width=width,
        seed=seed,
        labels=labels,
        curve=_thinned(measured if finite else measured[: done.diverged]),
        gap=float(np.abs(measured - predicted.relative).max()) if finite else None,
        errors=_errors(trial, done.history.outputs) if true and finite else None,
        diverged=done.diverged,
        balanced=_balanced(trial, done.history.outputs[-1]) if true and finite else None,
    )


def _errors(trial: Trial, outputs: Float[np.ndarray, "s m k"]) -> tuple[float, ...] | None:
    """Held-out error of each slice of outputs; None where nothing is held out."""
    if not len(trial.held):
        return None
    found = []
    for slice_ in outputs:
        made = predictions(trial.held_ds, slice_ * trial.unit + trial.offset)
        found.append(score(trial.held_ds, row_losses(trial.held_ds, made)).value)
    return tuple(found)


def _balanced(trial: Trial, outputs: Float[np.ndarray, "m k"]) -> float | None:
    """Held-out error over classes, where those of the training rows are imbalanced and some rows are held out."""
    if not len(trial.held):
        return None
    made = predictions(trial.held_ds, outputs * trial.unit + trial.offset)
    found = balanced(trial.held_ds, row_losses(trial.held_ds, made), wanted=imbalanced(class_counts(trial.ds)))
    return None if found is None else found.value


def _thinned(relative: Float[np.ndarray, " t"]) -> Curve:
    steps = spaced(len(relative) - 1) if len(relative) > 1 else np.zeros(len(relative), dtype=np.int64)
    return Curve(steps=tuple(int(k) for k in steps), relative=tuple(float(relative[k]) for k in steps))
