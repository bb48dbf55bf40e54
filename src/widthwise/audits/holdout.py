"""A real hold-out: rows of another file, read and scaled as the audited ones, and scored by all models."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.linalg
from jaxtyping import Float, Int

from widthwise import theory
from widthwise.audits.baselines import fitted_baselines
from widthwise.audits.generalisation import KERNEL
from widthwise.audits.large import Found
from widthwise.audits.score import balanced, class_counts, imbalanced, row_losses, score
from widthwise.audits.table import HeldOutModel, HoldOut, Score, TestedNetwork
from widthwise.audits.targets import predictions
from widthwise.audits.verification import Trial
from widthwise.datasets import Dataset, Features, Scale, first_rows, load, prepare, resolve_scale
from widthwise.datasets.names import quoted
from widthwise.errors import DataError
from widthwise.kernels import HInf
from widthwise.networks import MLP
from widthwise.training import train

LISTED = 20
BLOCK = 2000
# The widest network of a quick check.
WIDTH = 2048
SPLIT_NAMES = ("mnist", "fashion-mnist", "cifar10", "uci")


def read_test(test: Any, whole: Dataset, data: Any, target: str | None, groups: Any) -> Dataset:
    """Rows to test on, read like those of the source.

    Args:
        test: a file, a name of a set with a test part, a DataFrame, a pair (X, y), or a data set.
        whole: the source, whose columns, categories and classes they share.
        data: what the source was read from: the same file or name means its test part.
        target: name of the target column.
        groups: name of the column of groups, or their values; None without.

    Raises:
        DataError: if columns or labels are missing, or values cannot be used.
        UsageError: if the file or set has no test part.
    """
    if isinstance(test, Dataset):
        if test.feature_names != whole.feature_names or test.classes != whole.classes or test.task != whole.task:
            raise DataError(
                f"a test Dataset must have the features and classes of {whole.source}; read it with widthwise.load(..., like=)"
            )
        return test
    text = os.fspath(test) if isinstance(test, (str, os.PathLike)) else None
    part = text is not None and (
        text.partition(":")[0] in SPLIT_NAMES or (isinstance(data, (str, os.PathLike)) and text == os.fspath(data))
    )
    named = target if text is not None and not part and "." in text and whole.target_name == target else None
    try:
        ds = load(test, like=whole, target=named, split="test" if part else "train")
    except DataError as failure:
        # Both files have rows and columns of the same names.
        raise DataError(f"test rows ({quoted(text or 'in memory', limit=200)}): {failure}") from failure
    return replace(ds, alerts=(*ds.alerts, *_known_groups(ds, whole, groups)))


def _known_groups(tested: Dataset, whole: Dataset, groups: Any) -> tuple[str, ...]:
    """That test rows are of groups that were trained on, where the test rows name their groups."""
    if not isinstance(groups, str) or groups not in tested.beside:
        return ()
    known = {str(value) for value in whole.beside[groups]}
    rows = sum(str(value) in known for value in tested.beside[groups])
    if not rows:
        return ()
    text = (
        f"{rows} of {tested.n} test rows are of groups of {quoted(groups)} that the source has too: the error on them is not that "
        "of new groups, which the nested error is for."
    )
    return (text,)


def hold_out(
    tested: Dataset | None,
    whole: Dataset,
    known: Found,
    Y: Float[np.ndarray, "n k"],
    predicted: Score,
    *,
    scale: Scale,
    scaled_like: Float[np.ndarray, "n d"],
    trial: Trial | None,
    seed: int,
) -> HoldOut | None:
    """Score the kernel, the baselines and a trained network on the test rows; None without any.

    Args:
        tested: the test rows.
        whole: all rows of the source, among which equal ones are looked for.
        known: the rows audited and what was chosen for them; where they are too many for a square matrix, those of the
            comparison are trained on.
        Y: coded targets of the audited rows, offset included.
        predicted: nested error of the audit.
        scale: as asked of the audit.
        scaled_like: features of the audited rows, whose means and deviations the test rows are scaled by.
        trial: what networks were trained on; None where none were.
        seed: of trees and network.
    """
    if tested is None:
        return None
    ds, features = known.part_ds, known.part_chosen.features
    X = prepare(tested.X, scale=resolve_scale(scale, ds.kind), tau=features.tau, like=scaled_like).X
    uneven = imbalanced(class_counts(ds))
    own = row_losses(tested, predictions(tested, _kernel(features, known.part_chosen.ridge, Y[known.part], X)))
    models = [HeldOutModel(name="wide network (kernel)", score=score(tested, own), balanced=_even(tested, own, uneven))]
    for model in fitted_baselines(ds, tested.X, seed=seed):
        losses = row_losses(tested, model.predictions)
        models.append(
            HeldOutModel(name=model.name, score=score(tested, losses), balanced=_even(tested, losses, uneven))
        )
    equal = _equal(tested, whole)
    different = np.setdiff1d(np.arange(tested.n), [i for i, _ in equal])
    without = score(tested.take(different), own[different]) if equal and len(different) else None
    # Rows that were trained on hold nothing out.
    judged = without or models[0].score
    low, high = expected(predicted, judged, classification=bool(ds.classes))
    return HoldOut(
        source=tested.source,
        n=tested.n,
        trained=ds.n,
        models=tuple(models),
        predicted=predicted,
        low=low,
        high=high,
        standing="worse" if judged.value > high else "better" if judged.value < low else "as predicted",
        network=None if trial is None else _network(tested, trial, X, uneven, seed),
        identical=len(equal),
        identical_rows=tuple((int(tested.rows[i]), int(whole.rows[j])) for i, j in equal[:LISTED]),
        identical_agree=sum(bool(tested.y[i] == whole.y[j]) for i, j in equal),
        without=without,
        unseen=int(np.sum(tested.y >= len(tested.classes))) if tested.classes else 0,
        notes=tested.notes,
        alerts=tested.alerts,
    )


def expected(predicted: Score, tested: Score, *, classification: bool) -> tuple[float, float]:
    """Where the error on the test rows lies in 95 of 100 cases if they are like the others: both errors scatter."""
    if classification:
        half = math.hypot((predicted.high - predicted.low) / 2.0, (tested.high - tested.low) / 2.0)
        return max(0.0, predicted.value - half), min(1.0, predicted.value + half)
    half = math.hypot(predicted.high**2 - predicted.value**2, tested.high**2 - tested.value**2)
    return math.sqrt(max(0.0, predicted.value**2 - half)), math.sqrt(predicted.value**2 + half)


def _even(tested: Dataset, losses: Float[np.ndarray, " m"], uneven: bool) -> Score | None:
    return balanced(tested, losses, wanted=uneven) if np.any(tested.y < len(tested.classes)) else None


def _kernel(
    features: Features, ridge: float, Y: Float[np.ndarray, "n k"], X: Float[np.ndarray, "m p"]
) -> Float[np.ndarray, "m k"]:
    """Kernel ridge regression trained on the scaled rows, targets centred."""
    K = KERNEL(features.X)
    shift = ridge * float(np.mean(np.diag(K)))
    K[np.diag_indices(len(K))] += shift
    mean = Y.mean(axis=0)
    weights = scipy.linalg.solve(K, Y - mean, assume_a="pos", overwrite_a=True, check_finite=False)
    blocks = [KERNEL(X[start : start + BLOCK], features.X) @ weights for start in range(0, len(X), BLOCK)]
    return np.asarray(np.concatenate(blocks) + mean)


def _equal(tested: Dataset, whole: Dataset) -> list[tuple[int, int]]:
    """Test rows whose features are those of a row of the source, each with the first such row."""
    found = first_rows(np.concatenate([whole.X, tested.X]))[whole.n :]
    return [(i, int(j)) for i, j in enumerate(found) if j < whole.n]


def _network(tested: Dataset, trial: Trial, X: Float[np.ndarray, "m p"], uneven: bool, seed: int) -> TestedNetwork:
    """One network of the trial on the test rows, beside what its own rows predict."""
    last: Int[np.ndarray, " one"] = np.array([trial.steps])
    spectrum = theory.spectrum(HInf()(trial.X))
    K = np.concatenate([HInf()(X[start : start + BLOCK], trial.X) for start in range(0, len(X), BLOCK)])
    curve = theory.test_curve(spectrum, K, trial.Y, learning_rate=trial.learning_rate, steps=last)
    done = train(
        MLP(widths=(WIDTH,), outputs=trial.Y.shape[1]),
        trial.X,
        trial.Y,
        learning_rate=trial.learning_rate,
        steps=trial.steps,
        seed=seed,
        watch=X,
        watch_at=last,
    )
    losses = [
        row_losses(tested, predictions(tested, outputs * trial.unit + trial.offset))
        for outputs in (curve.predictions[-1], done.history.outputs[-1])
    ]
    finite = done.diverged is None
    return TestedNetwork(
        width=WIDTH,
        rows=trial.ds.n,
        steps=trial.steps,
        predicted=score(tested, losses[0]),
        measured=score(tested, losses[1]) if finite else None,
        balanced=_even(tested, losses[1], uneven) if finite else None,
    )
