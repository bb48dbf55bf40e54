"""Answer 2: how well a wide network predicts rows it has not seen, and what it is up against."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from widthwise import theory
from widthwise.audits.baselines import HeldOut
from widthwise.audits.calibration import recorded
from widthwise.audits.result import Baseline, Generalisation, LabelComplexity
from widthwise.audits.score import balanced, row_losses, score
from widthwise.audits.targets import predictions
from widthwise.datasets import Dataset, Features, decode
from widthwise.kernels import NTK
from widthwise.solvers import ridge_path

# Ridges over the mean of the kernel's diagonal, from interpolation to next to nothing learnt.
RIDGES = tuple(10.0**e for e in (-5.0, -3.5, -2.5, -1.75, -1.0, -0.25, 0.5, 1.25))
# On thirty-one tables depths 1, 2, 3 and 5 err within 0.1 points of each other on average; one hidden layer is the
# network whose training the other answers predict (docs/decisions/0002-one-hidden-layer.md).
KERNEL = NTK(depth=1)
SHUFFLES = 400
# Rows whose leave-one-out tells where to begin, where there are more than twice as many.
PREVIEW = 1250


@dataclass(frozen=True, kw_only=True, eq=False)
class Chosen:
    """The scaling and ridge chosen by leave-one-out, and the predictions that follow.

    Attributes:
        features: the chosen features.
        ridge: over the mean of the kernel's diagonal.
        row_ridge: the one behind `loo`, of the least error of single rows; `ridge` where nothing is left out together.
        loo: leave-one-out predictions of coded targets, offset added.
        held_out: nested predictions of coded targets, offset added.
        residual: relative residual of the solve.
        condition: condition estimate.
        fold_ridges: ridge of each fold's predictions, chosen without the fold.
    """

    features: Features
    ridge: float
    row_ridge: float
    loo: Float[np.ndarray, "n k"]
    held_out: Float[np.ndarray, "n k"]
    residual: float
    condition: float
    fold_ridges: tuple[float, ...]


def choose(
    candidates: Sequence[Features],
    Y: Float[np.ndarray, "n k"],
    folds: Sequence[Int[np.ndarray, " _"]],
    advance: Callable[[float], None],
    groups: Int[np.ndarray, " n"] | None = None,
) -> Chosen:
    """Choose scaling and ridge by the mean square of leave-one-out: over all rows, and again inside every training part.

    Args:
        candidates: the same rows, scaled in different ways.
        Y: targets, offset included; they are centred anew on whatever rows are trained on.
        folds: held-out rows of each fold.
        advance: told the share of the work that is done.
        groups: what is left out together in that choice; each row alone when not given. `Chosen.loo` is of single rows in any case,
            at a ridge of its own: what rows of a group tell of each other is what ranks labels, and what a naive split promises.
    """
    scores: list[tuple[Features, float, theory.NestedScores]] = []
    for features in candidates:
        K = KERNEL(features.X)
        unit = float(np.mean(np.diag(K)))
        found = _descend(
            K, unit, Y, folds, groups=groups, advance=lambda: advance(1.0 / (len(RIDGES) * len(candidates)))
        )
        scores.extend((features, ridge, score) for ridge, score in found.items())
        advance((1.0 - len(found) / len(RIDGES)) / len(candidates))
    best = min(scores, key=lambda s: s[2].outer)
    alone = min((s for s in scores if s[0] is best[0]), key=lambda s: s[2].loo.mean_square)
    winners = np.array([score.inner for _, _, score in scores]).argmin(axis=0)
    held_out = np.empty_like(Y)
    for fold, winner in zip(folds, winners, strict=True):
        held_out[fold] = scores[winner][2].held_out[fold]
    return Chosen(
        features=best[0],
        ridge=best[1],
        row_ridge=alone[1],
        loo=alone[2].loo.predictions,
        held_out=held_out,
        residual=best[2].loo.solve_residual,
        condition=best[2].loo.condition,
        fold_ridges=tuple(scores[winner][1] for winner in winners),
    )


def _start(K: Float[np.ndarray, "n n"], unit: float, Y: Float[np.ndarray, "n k"]) -> int:
    """Where to start along the ridges: in the middle, or where leave-one-out on some of many rows is best."""
    if len(K) <= 2 * PREVIEW:
        return len(RIDGES) // 2
    some = np.arange(0, len(K), -(-len(K) // PREVIEW))
    part, targets = K[np.ix_(some, some)], Y[some] - Y[some].mean(axis=0)
    found = ridge_path(part, targets)
    errors = [np.mean(found.leave_one_out(ridge * unit) ** 2) for ridge in RIDGES]
    return int(np.argmin(errors))


def _descend(
    K: Float[np.ndarray, "n n"],
    unit: float,
    Y: Float[np.ndarray, "n k"],
    folds: Sequence[Int[np.ndarray, " _"]],
    *,
    groups: Int[np.ndarray, " n"] | None,
    advance: Callable[[], None],
) -> dict[float, theory.NestedScores]:
    """Scores of the ridges around the minimum of every criterion (all rows, each training part).

    Leave-one-out error falls and rises once along the ridges in practice, so only neighbours of a minimum are tried.
    """
    found: dict[int, theory.NestedScores] = {}
    wanted = {_start(K, unit, Y)}
    while wanted:
        for position in wanted:
            found[position] = theory.nested_scores(K, Y, ridge=RIDGES[position] * unit, folds=folds, groups=groups)
            advance()
        known = sorted(found)
        criteria = np.array([[found[p].loo.mean_square, found[p].outer, *found[p].inner] for p in known])
        minima = {known[i] for i in criteria.argmin(axis=0)}
        wanted = {p + side for p in minima for side in (-1, 1)} & set(range(len(RIDGES))) - set(found)
    return {RIDGES[p]: found[p] for p in sorted(found)}


def label_complexity(spectrum: theory.Spectrum, Y: Float[np.ndarray, "n k"], *, seed: int) -> LabelComplexity:
    """Complexity of the labels and its rank among shuffles of them."""
    found = theory.complexity(spectrum, Y, off_range="drop")
    sampled = theory.shuffle_sample(spectrum, Y, shuffles=SHUFFLES, seed=seed)
    return LabelComplexity(
        value=found.value,
        by_class=tuple(float(v) for v in found.by_column),
        shuffled=theory.shuffled_complexity(spectrum, Y),
        percentile=100.0 * (1 + int(np.count_nonzero(sampled <= found.value))) / (1 + SHUFFLES),
        shuffles=SHUFFLES,
        unreachable=found.unreachable,
        residual=found.residual,
        condition=found.condition if math.isfinite(found.condition) else None,
    )


def generalisation(
    ds: Dataset,
    chosen: Chosen,
    folds: Sequence[Int[np.ndarray, " _"]],
    complexity: LabelComplexity,
    groups: Int[np.ndarray, " n"] | None = None,
) -> Generalisation:
    """Errors of the chosen kernel predictor; the baselines join by `with_baselines`.

    Args:
        ds: rows.
        chosen: what was chosen for them, with its predictions.
        folds: held-out rows of each fold.
        complexity: of the labels.
        groups: named by the user; intervals then count groups, not rows.
    """
    losses = row_losses(ds, predictions(ds, chosen.held_out))
    alone = row_losses(ds, predictions(ds, chosen.loo))
    confusion = r2 = None
    if ds.task == "classification":
        table = np.zeros((len(ds.classes), len(ds.classes)), dtype=np.int64)
        np.add.at(table, (ds.y.astype(np.intp), decode(chosen.held_out, len(ds.classes))), 1)
        confusion = tuple(tuple(int(c) for c in row) for row in table)
    else:
        r2 = 1.0 - float(losses.sum() / np.sum((ds.y - ds.y.mean()) ** 2))
    nested = score(ds, losses)
    return Generalisation(
        metric="error rate" if ds.task == "classification" else "RMSE",
        kernel=repr(KERNEL),
        ridge=chosen.ridge,
        ridge_range=(RIDGES[0], RIDGES[-1]),
        folds=len(folds),
        nested=score(ds, losses, groups),
        balanced=balanced(ds, losses, groups=groups),
        fold_errors=tuple(score(ds, losses[fold]).value for fold in folds),
        loo=score(ds, alone).value,
        loo_balanced=None if (even := balanced(ds, alone)) is None else even.value,
        r2=r2,
        confusion=confusion,
        baselines=(),
        standing="as good",
        complexity=complexity,
        residual=chosen.residual,
        condition=chosen.condition,
        recorded=(recorded("test_error_alone", nested.value),) if ds.task == "classification" else (),
    )


def with_baselines(
    ds: Dataset,
    chosen: Chosen,
    found: Generalisation,
    models: Sequence[HeldOut],
    groups: Int[np.ndarray, " n"] | None = None,
) -> Generalisation:
    """Compare with other models, row by row on the same folds; where groups are named, errors count groups."""
    own = row_losses(ds, predictions(ds, chosen.held_out))
    baselines = []
    for model in models:
        losses = row_losses(ds, model.predictions)
        paired = own - losses
        baselines.append(
            Baseline(
                name=model.name,
                score=score(ds, losses, groups),
                balanced=balanced(ds, losses, groups=groups),
                difference=float(paired.mean()),
                difference_error=theory.grouped_mean(paired, np.arange(ds.n) if groups is None else groups).error,
            )
        )
    simplest, best = baselines[0], min(baselines, key=lambda b: b.score.value)
    standing = found.standing
    if simplest.difference >= -2 * simplest.difference_error:
        standing = "no better than guessing"
    elif best.difference > 2 * best.difference_error:
        standing = "worse"
    elif best.difference < -2 * best.difference_error:
        standing = "better"
    return replace(found, baselines=tuple(baselines), standing=standing)
