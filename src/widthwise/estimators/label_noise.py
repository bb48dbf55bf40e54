"""Which labels are wrong, how many, and whether the data can tell: leave-one-out scores of an infinitely wide network."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.utils.validation import check_array

from widthwise import theory
from widthwise._checks import available_memory, enough_memory
from widthwise._threads import one_blas_thread
from widthwise.datasets import guess_task, prepare
from widthwise.errors import DataError, UsageError
from widthwise.estimators.persistence import Persistent
from widthwise.estimators.validation import class_codes, number, one_of, training_data
from widthwise.kernels import NTK
from widthwise.solvers import RidgePath, leave_one_out_estimate, ridge_path

SCALES = ("standardise", "unit", "none")
TASKS = ("auto", "classification", "regression")
PADS = (0.5, 1.0, 2.0)
# Ridges over the mean of the kernel's diagonal, half a decade apart: noise of 40 % asks for ten, clean labels for next to nothing.
RIDGES = tuple(10.0 ** (e / 2.0) for e in range(-9, 4))
# Rows whose eigendecomposition answers for every ridge: of more rows, so many choose pad and ridge for all.
PREVIEW = 600
# Kernel, factor, and what LAPACK copies.
MATRICES = 3
# Up to this many rows a second thread of BLAS doubles the CPU time and saves none of the wall time.
ONE_THREAD = 2000
# Probabilities below this are this: a model that gives a zero to a label that it was given knows it no better.
LEAST = 1e-12


@dataclass(frozen=True, kw_only=True, eq=False)
class _HeldOut:
    """Leave-one-out predictions and how they were chosen."""

    predictions: Float[np.ndarray, "n k"]
    pad: float
    ridge: float
    error: float


class LabelNoiseDetector(Persistent):
    r"""Finds labels that are likely wrong, and says how many there are where overlap of the classes lets it.

    Every row is scored by the kernel ridge regression on all other rows, in closed form, with the tangent kernel of an
    infinitely wide ReLU network; pad and ridge are those of the least leave-one-out error, which label noise raises by the same
    amount everywhere. A softmax of these scores with a noise matrix, fitted by maximum likelihood, tells wrong labels from
    classes that overlap (`theory.label_quality`). Classes that overlap are never called noise: where the two cannot be told apart,
    the rate is nan, no row is a suspect, and `reason_` says why; the scores rank the rows all the same.

    Args:
        depth: number of hidden layers.
        scale: `standardise` columns, then bring rows to norm 1, for tables; `unit` brings rows to norm 1, for images;
            `none` leaves them.
        pad: size of a constant coordinate, as in `datasets.prepare`; `loo` chooses among 1/2, 1 and 2 for `standardise`, and
            takes 0 otherwise.
        ridge: over the mean of the kernel's diagonal; `loo` chooses.
        task: `classification`, `regression`, or `auto`, which guesses as `load` does: text is classes, and whole numbers of at
            most twenty values with five rows each; with `pred_probs` y holds classes.
        random_state: seed of the rows that choose where there are many, and of estimates where no inverse fits into memory.

    Attributes:
        scores_: of each row, in [0, 1], larger for the more suspect: the probability that the label is wrong.
        suspect_: whether the label is more likely wrong than right.
        suggested_labels_: most probable label of each row, the given one taken into account; the prediction of a number.
        disagreement_: share of rows whose label is not the one with the best leave-one-out score; of a regression, of rows
            beyond three robust standard deviations.
        noise_rate_: share of wrong labels among the rows; nan where it is not identifiable.
        noise_rate_interval_: 90 % interval of that share.
        noise_rate_upper_: its upper end; always a number.
        identifiable_: whether the rate can be told from overlap. reason_: why, or why not.
        quality_: all of it, `theory.LabelQuality`.
        loo_predictions_: leave-one-out scores, one column for each class, in -1 / +1 coding; predictions of numbers. None with
            `pred_probs`.
        pad_, ridge_: chosen, the ridge in units of the mean of the kernel's diagonal; nan with `pred_probs`.
        classes_: in sorted order; of a regression, empty.
        n_features_in_: columns of X. feature_names_in_: their names, where X has them.
    """

    scores_: np.ndarray
    suspect_: np.ndarray
    suggested_labels_: np.ndarray

    def __init__(
        self,
        depth: Any = 3,
        *,
        scale: Any = "standardise",
        pad: Any = "loo",
        ridge: Any = "loo",
        task: Any = "auto",
        random_state: Any = 0,
    ) -> None:
        self.depth = depth
        self.scale = scale
        self.pad = pad
        self.ridge = ridge
        self.task = task
        self.random_state = random_state

    def fit(self, X: Any, y: Any, pred_probs: Any = None) -> LabelNoiseDetector:
        """Judge the labels y of the rows X.

        Args:
            X: n rows of d numbers.
            y: labels, or numbers.
            pred_probs: probabilities of the classes, in sorted order, that any model gives to rows it was not trained on; they
                take the place of the kernel's leave-one-out scores.

        Raises:
            DataError: if data are not finite, shapes do not fit, or there is one class only.
            UsageError: if a parameter is outside its range, or probabilities come with a regression.
            ResourceError: if memory does not hold the kernel matrix.
        """
        task = one_of(self.task, "task", TASKS)
        rows, targets = training_data(self, X, y, numeric=task == "regression")
        if task == "auto":
            task = "classification" if pred_probs is not None else guess_task(np.asarray(targets), name="y")[0]
        self.loo_predictions_, self.pad_, self.ridge_ = None, np.nan, np.nan
        if task == "classification":
            self.classes_, codes = class_codes(targets)
            k = len(self.classes_)
            if pred_probs is None:
                Y = 2.0 * codes[:, None] - 1.0 if k == 2 else np.where(codes[:, None] == np.arange(k), 1.0, -1.0)
                held = self._held_out(rows, Y).predictions
                scores = np.hstack([-held, held]) if k == 2 else held
                self.loo_predictions_ = scores
            else:
                scores = np.log(np.maximum(_probabilities(pred_probs, (len(rows), k)), LEAST))
            with one_blas_thread():
                self.quality_ = theory.label_quality(scores, codes)
            self.suggested_labels_ = self.classes_[self.quality_.suggested]
        else:
            if pred_probs is not None:
                raise UsageError("pred_probs are of classes; task='regression' takes none: pass task='classification'")
            numbers = np.asarray(targets, dtype=np.float64)
            self.classes_ = np.empty(0)
            self.loo_predictions_ = self._held_out(rows, numbers[:, None]).predictions[:, 0]
            self.quality_ = theory.target_quality(self.loo_predictions_, numbers)
            self.suggested_labels_ = self.quality_.suggested
        found = self.quality_
        self.scores_, self.suspect_ = found.scores, found.suspect
        self.disagreement_ = found.disagreement.value
        self.noise_rate_ = np.nan if found.rate is None else found.rate
        self.noise_rate_interval_ = (found.low, found.high)
        self.noise_rate_upper_ = found.high
        self.identifiable_, self.reason_ = found.identifiable, found.reason
        return self

    def _held_out(self, X: Float[np.ndarray, "n d"], Y: Float[np.ndarray, "n k"]) -> _HeldOut:
        """Leave-one-out by the pad and the ridge that make it best."""
        one_of(self.scale, "scale", SCALES)
        pads = self._pads()
        ridges = RIDGES if self.ridge == "loo" else (number(self.ridge, "ridge", least=np.finfo(np.float64).eps),)
        kernel = NTK(depth=self.depth)
        # A common factor of the targets changes nothing, and none of their squares overflows.
        size = float(np.abs(Y).max()) or 1.0
        targets = Y / size
        n = len(X)
        some = np.arange(n)
        if n > PREVIEW:
            some = np.sort(np.random.default_rng(self.random_state).choice(n, PREVIEW, replace=False))
        scaled = {pad: prepare(X, scale=self.scale, tau=pad).X for pad in pads}
        tried: list[_HeldOut] = []
        for pad, rows in scaled.items():
            K = kernel(rows[some])
            with one_blas_thread():
                path = _centred_path(K, targets[some])
                tried.extend(_along(path, targets[some], ridges, float(np.mean(np.diag(K))), pad))
        best = min(tried, key=lambda t: t.error)
        if n > PREVIEW:
            best = self._on_all(kernel, scaled[best.pad], targets, best)
        self.pad_, self.ridge_ = best.pad, best.ridge
        return _HeldOut(predictions=best.predictions * size, pad=best.pad, ridge=best.ridge, error=best.error)

    def _pads(self) -> tuple[float, ...]:
        if isinstance(self.pad, str):
            one_of(self.pad, "pad", ("loo", "a number"))
            return PADS if self.scale == "standardise" else (0.0,)
        return (number(self.pad, "pad"),)

    def _on_all(
        self,
        kernel: NTK,
        rows: Float[np.ndarray, "n p"],
        Y: Float[np.ndarray, "n k"],
        start: _HeldOut,
    ) -> _HeldOut:
        """All rows, at the ridge where some of them were best: it is in the units of the kernel, whatever their number."""
        n = len(rows)
        if MATRICES * 8.0 * n**2 > (available_memory() or np.inf):
            enough_memory(8.0 * n * (Y.shape[1] + 64), f"leave-one-out of {n} rows", "Use fewer rows")
            return self._estimated(kernel, rows, Y, start)
        K = kernel(rows)
        with one_blas_thread() if n <= ONE_THREAD else contextlib.nullcontext():
            loo = theory.leave_one_out(K, Y, ridge=start.ridge * float(np.mean(np.diag(K))), center=True)
        return replace(start, predictions=loo.predictions, error=loo.mean_square)

    def _estimated(
        self, kernel: NTK, rows: Float[np.ndarray, "n p"], Y: Float[np.ndarray, "n k"], start: _HeldOut
    ) -> _HeldOut:
        """By conjugate gradients, at the ridge of the preview: the diagonal of the inverse is an estimate."""
        operator: Any = kernel.operator(rows)
        unit = float(np.mean(operator.diagonal()))
        n = len(rows)
        columns = np.column_stack([Y, np.ones(n)])
        loo, _ = leave_one_out_estimate(operator, columns, ridge=start.ridge * unit, seed=self.random_state)
        residuals = loo.residuals[:, :-1] - loo.residuals[:, -1:] * ((Y.sum(axis=0) - Y) / (n - 1))
        return replace(start, predictions=Y - residuals, error=float(np.mean(np.sum(residuals**2, axis=1))))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.input_tags.sparse = False
        return tags


def _centred_path(K: Float[np.ndarray, "n n"], Y: Float[np.ndarray, "n k"]) -> RidgePath:
    """Every ridge for targets and a column of ones, from which the centring of each fit follows."""
    return ridge_path(K, np.column_stack([Y, np.ones(len(Y))]))


def _along(
    path: RidgePath, Y: Float[np.ndarray, "n k"], ridges: Sequence[float], unit: float, pad: float
) -> Iterator[_HeldOut]:
    """Leave-one-out at every ridge, targets centred by the mean of the other rows."""
    remaining = (Y.sum(axis=0) - Y) / (len(Y) - 1)
    for ridge, residuals in zip(ridges, path.leave_one_out_path([r * unit for r in ridges]), strict=True):
        held = residuals[:, :-1] - residuals[:, -1:] * remaining
        yield _HeldOut(predictions=Y - held, pad=pad, ridge=ridge, error=float(np.mean(np.sum(held**2, axis=1))))


def _probabilities(pred_probs: Any, shape: tuple[int, int]) -> Float[np.ndarray, "n k"]:
    found = np.asarray(check_array(pred_probs, dtype=np.float64, input_name="pred_probs"))
    if found.shape != shape:
        raise DataError(
            f"pred_probs must hold one row for each of the {shape[0]} rows and one column for each of the {shape[1]} classes "
            f"of y, in sorted order; shape {found.shape} came"
        )
    sums = found.sum(axis=1)
    if found.min() < 0 or not np.allclose(sums, 1.0, atol=1e-3):
        raise DataError(
            f"pred_probs must be probabilities: rows that sum to 1, none negative; row {int(np.argmax(np.abs(sums - 1)))} "
            f"sums to {sums[np.argmax(np.abs(sums - 1))]:.4g}, the least is {found.min():.3g}"
        )
    return found
