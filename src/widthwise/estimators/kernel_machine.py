r"""Kernel ridge regression behind every estimator of infinitely wide networks: the solve, what was held out, and what they answer.

Which kernel and which ridge is for the estimators to say: one given by parameters in `kernel_ridge`, one searched for in
`kernel_ridge_cv`. Targets are centred by their (weighted) mean, which is learned with everything else: leaving a row out leaves it
out of the mean.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from jaxtyping import Float, Int
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.metrics import accuracy_score, r2_score

from widthwise._checks import count
from widthwise.errors import DataError, SingularKernelError
from widthwise.estimators import iterative_ridge
from widthwise.estimators.calibration import by_class, probabilities, temperature
from widthwise.estimators.kernel_rows import padded
from widthwise.estimators.persistence import Persistent
from widthwise.estimators.validation import class_codes, new_rows, one_of
from widthwise.estimators.weighted_ridge import Path, Problem, best_ridge, held_out, path
from widthwise.kernels.kernel import Kernel
from widthwise.solvers import Solution, solve
from widthwise.solvers.choice import SOLVERS, Solver

# Rows up to which everything is exact unless a solver is named: a decomposition of so many takes half a minute.
EXACT_ROWS = 5000


class KernelRidge(Persistent):
    """A fitted kernel ridge regression of columns of targets."""

    # Parameters are stored as they come and checked by `fit`, as scikit-learn asks.
    solver: Any
    random_state: Any

    kernel_: Kernel
    rows_: np.ndarray
    dual_coef_: np.ndarray
    intercept_: np.ndarray
    ridge_: float
    effective_dimension_: float
    solution_: Solution | None
    _padding: float
    _held: np.ndarray | None
    _held_errors: np.ndarray | None
    _refused: str

    def _exactly(
        self,
        given: Problem,
        ridge: float | str,
        codes: Int[np.ndarray, " n"] | None,
    ) -> None:
        whole: Path | None = None
        alone = codes is not None and codes.max() == 0
        if isinstance(ridge, str):
            if alone and ridge == "loo":
                raise DataError(
                    f"leave-one-out chooses a ridge where rows differ; all {len(given.Y)} rows of X are equal: pass a number"
                )
            whole = path(given)
            ridge = best_ridge(whole.criterion(ridge, codes), given.unit, whole.least)
        else:
            ridge = ridge * given.unit
        self._settle(given, solve(given.M, given.right, ridge=ridge, solver=self._solver()))
        if alone:
            self.effective_dimension_ = path(given).effective_dimension(ridge)
            self._refused = f"all {len(given.Y)} rows of X are equal: leaving them out leaves nothing to fit"
            return
        try:
            found = held_out(given, ridge, codes) if whole is None else whole.held_out(ridge, codes)
            self._held, self.effective_dimension_ = found.predictions, found.effective_dimension
        except SingularKernelError as cause:
            self._refused = str(cause)
            self.effective_dimension_ = float(self.solution_.rank or 0) if self.solution_ is not None else 0.0

    def _iterate(
        self, Y: Float[np.ndarray, "n k"], weights: Float[np.ndarray, " n"] | None, ridge: float | str
    ) -> None:
        seed = count(self.random_state, "random_state", 0)
        given = iterative_ridge.large(self.kernel_, self.rows_, Y, weights, seed)
        if isinstance(ridge, str):
            start = iterative_ridge.preview(self.kernel_, self.rows_, Y, weights, ridge)
            ridge = given.choose(start, ridge)
        else:
            ridge = ridge * given.given.unit
        if ridge > 0.0:
            found = given.at(ridge)
            self._held, self._held_errors = found.predictions, found.standard_errors
            self.effective_dimension_ = found.effective_dimension
        else:
            self._refused = (
                "leave-one-out of many rows is estimated by conjugate gradients, which take a ridge above zero"
            )
            self.effective_dimension_ = float("nan")
        self._settle(
            given.given, solve(given.operator, given.given.right, ridge=ridge, solver=self._solver(), seed=seed)
        )

    def _hold_everywhere(self, rows: Float[np.ndarray, "n p"], kept: np.ndarray) -> None:
        """Predictions for rows of weight zero, of which nothing is left out, among those of the others."""
        if self._held is not None and len(self._held) < len(rows):
            everywhere = self._scores(rows)
            everywhere[kept] = self._held
            self._held = everywhere

    def _forget(self) -> None:
        self._held, self._held_errors, self._refused = None, None, ""

    def _solver(self) -> Solver:
        return cast("Solver", one_of(self.solver, "solver", SOLVERS))

    def _settle(self, given: Problem, solution: Solution) -> None:
        self.solution_, self.ridge_ = solution, solution.ridge
        self.dual_coef_, self.intercept_ = given.root * solution.coefficients, given.mean

    def _scores(self, rows: Float[np.ndarray, "m p"]) -> Float[np.ndarray, "m k"]:
        return np.asarray(self.kernel_.matmul(rows, self.dual_coef_, self.rows_) + self.intercept_)

    def _new_scores(self, X: Any) -> Float[np.ndarray, "m k"]:
        return self._scores(padded(new_rows(self, X), self._padding))

    def _held_scores(self) -> np.ndarray:
        held = self._held if "_held" in vars(self) else None
        if held is None:
            raise AttributeError(
                self._refused if "_refused" in vars(self) else f"{type(self).__name__} is not fitted: call fit first"
            )
        return held

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        return tags


class Regression(RegressorMixin, KernelRidge):
    """What a fitted regression answers."""

    _flat: bool
    _weights: np.ndarray | None
    _targets: np.ndarray

    def _in_units(self, scale: Float[np.ndarray, " k"]) -> None:
        """Back to the units of the targets, of which every column has its own."""
        self.dual_coef_ = self.dual_coef_ * scale
        self.intercept_ = self.intercept_ * scale
        self._held = None if self._held is None else self._held * scale
        self._held_errors = None if self._held_errors is None else self._held_errors * scale

    def predict(self, X: Any) -> np.ndarray:
        """Predictions, of shape (m,) or (m, k) as y was."""
        scores = self._new_scores(X)
        return scores[:, 0] if self._flat else scores

    @property
    def loo_predictions_(self) -> np.ndarray:
        """Prediction for each training row by the fit without it."""
        held = self._held_scores()
        return held[:, 0] if self._flat else held

    @property
    def loo_standard_errors_(self) -> np.ndarray:
        """Standard errors of estimated leave-one-out predictions."""
        return standard_errors(self)

    @property
    def loo_score_(self) -> float:
        """R^2 of the leave-one-out predictions, mean over outputs."""
        return float(r2_score(self._targets, self.loo_predictions_, sample_weight=self._weights))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


class Classification(ClassifierMixin, KernelRidge):
    """What a fitted classification answers."""

    classes_: np.ndarray
    temperature_: float | None
    _codes: np.ndarray
    _weights: np.ndarray | None

    def _take_labels(self, labels: np.ndarray, weights: Float[np.ndarray, " n"] | None) -> Float[np.ndarray, "n c"]:
        """Classes and codes of the labels; columns of targets."""
        self.classes_, self._codes = class_codes(labels)
        self._weights = weights
        if weights is not None and len(np.unique(self._codes[weights > 0])) < 2:
            raise DataError(
                "a classifier needs rows of positive sample_weight in at least two classes; 1 class has such"
            )
        return coded(self._codes, len(self.classes_))

    def _calibrate(self, held: Float[np.ndarray, "m c"] | None, places: Int[np.ndarray, " m"] | None = None) -> None:
        """The temperature of held-out scores, where there are such: of all rows, or of those at some places."""
        own = np.ones(len(self._codes)) if self._weights is None else self._weights
        some = np.arange(len(own)) if places is None else places
        self.temperature_ = None if held is None else temperature(by_class(held), self._codes[some], own[some])

    def decision_function(self, X: Any) -> np.ndarray:
        """Scores: of shape (m,) for two classes, the second one above zero; of shape (m, k) for more."""
        scores = self._new_scores(X)
        return scores[:, 0] if scores.shape[1] == 1 else scores

    def predict(self, X: Any) -> np.ndarray:
        """Classes."""
        codes = decoded(self._new_scores(X))
        return np.asarray(self.classes_[codes])

    def predict_proba(self, X: Any) -> Float[np.ndarray, "m k"]:
        """Probabilities of the classes, calibrated by leave-one-out.

        Raises:
            DataError: if there were no held-out scores to calibrate by: the kernel matrix is singular and the ridge zero.
        """
        scores = self._new_scores(X)
        if self.temperature_ is None:
            raise DataError(f"probabilities are calibrated by leave-one-out, which failed: {self._refused}")
        return probabilities(by_class(scores), self.temperature_)

    @property
    def loo_decision_(self) -> np.ndarray:
        """Score of each training row by the fit without it."""
        held = self._held_scores()
        return held[:, 0] if held.shape[1] == 1 else held

    @property
    def loo_predictions_(self) -> np.ndarray:
        """Class of each training row by the fit without it."""
        codes = decoded(self._held_scores())
        return np.asarray(self.classes_[codes])

    @property
    def loo_standard_errors_(self) -> np.ndarray:
        """Standard errors of estimated leave-one-out scores."""
        return standard_errors(self)

    @property
    def loo_score_(self) -> float:
        """Accuracy of the leave-one-out predictions."""
        return float(accuracy_score(self._codes, decoded(self._held_scores()), sample_weight=self._weights))


def coded(codes: Int[np.ndarray, " n"], k: int) -> Float[np.ndarray, "n c"]:
    """Columns of -1 and +1: one for two classes, +1 for the second; else one for each class."""
    if k == 2:
        return 2.0 * codes[:, None] - 1.0
    return np.where(codes[:, None] == np.arange(k), 1.0, -1.0)


def decoded(scores: Float[np.ndarray, "n c"]) -> Int[np.ndarray, " n"]:
    """Codes of the classes with the largest scores."""
    if scores.shape[1] == 1:
        return (scores[:, 0] > 0).astype(np.int64)
    return np.asarray(scores.argmax(axis=1), dtype=np.int64)


def in_own_units(
    targets: np.ndarray, weights: Float[np.ndarray, " n"] | None
) -> tuple[Float[np.ndarray, "n k"], Float[np.ndarray, " k"]]:
    """Columns of targets, each over its own standard deviation, so that no unit outweighs another where one ridge serves all."""
    Y = targets[:, None] if targets.ndim == 1 else targets
    mean = np.average(Y, axis=0, weights=weights)
    scale = np.sqrt(np.average((Y - mean) ** 2, axis=0, weights=weights))
    scale = np.where(scale > 0, scale, 1.0)
    return Y / scale, scale


def standard_errors(model: KernelRidge) -> np.ndarray:
    """Of the leave-one-out scores of a large problem.

    Raises:
        AttributeError: if they are exact, or absent.
    """
    model._held_scores()
    errors: np.ndarray | None = vars(model)["_held_errors"]
    if errors is None:
        raise AttributeError("the leave-one-out predictions are exact: they have no standard errors")
    return errors[:, 0] if errors.shape[1] == 1 else errors
