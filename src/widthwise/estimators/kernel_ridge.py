r"""Infinitely wide networks as scikit-learn estimators: kernel ridge regression, and gradient flow stopped early.

Targets are centred by their (weighted) mean, which is learned with everything else: leaving a row out leaves it out of the mean.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from jaxtyping import Float, Int
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.metrics import accuracy_score, r2_score

from widthwise._checks import count
from widthwise.errors import DataError, SingularKernelError, UsageError
from widthwise.estimators import iterative_ridge
from widthwise.estimators.calibration import by_class, probabilities, temperature
from widthwise.estimators.kernel_rows import kernel_of, padded
from widthwise.estimators.persistence import Persistent
from widthwise.estimators.validation import class_codes, new_rows, number, one_of, row_weights, training_data
from widthwise.estimators.weighted_ridge import Path, Problem, best_ridge, held_out, path, problem, together
from widthwise.kernels.kernel import Kernel
from widthwise.solvers import Solution, solve
from widthwise.solvers.choice import SOLVERS, Solver

CRITERIA = ("loo", "gcv", "evidence")
# Rows up to which everything is exact unless a solver is named: a decomposition of so many takes half a minute.
EXACT_ROWS = 5000
ITERATIVE = ("cg", "nystroem")
# Of a stopped flow, whose leave-one-out has no closed form; probabilities are calibrated on these parts instead.
FOLDS = 5


class KernelRidge(Persistent):
    """What regression and classification by an infinitely wide network share."""

    # Parameters are stored as they come and checked by `fit`, as scikit-learn asks.
    depth: Any
    weight_variance: Any
    bias_variance: Any
    kernel: Any
    pad: Any
    ridge: Any
    time: Any
    solver: Any
    random_state: Any

    kernel_: Kernel
    rows_: np.ndarray
    dual_coef_: np.ndarray
    intercept_: np.ndarray
    ridge_: float
    effective_dimension_: float
    solution_: Solution | None
    _held: np.ndarray | None
    _held_errors: np.ndarray | None
    _refused: str

    def _kernel_rows(self, X: Float[np.ndarray, "n d"]) -> tuple[Kernel, Float[np.ndarray, "n p"]]:
        rows = padded(X, self.pad)
        kernel = kernel_of(
            self.kernel,
            X.shape[1],
            depth=self.depth,
            weight_variance=self.weight_variance,
            bias_variance=self.bias_variance,
        )
        return kernel, rows

    def _fit_columns(
        self, X: Float[np.ndarray, "n d"], Y: Float[np.ndarray, "n k"], weights: Float[np.ndarray, " n"] | None
    ) -> None:
        """Fit columns of targets, all in one unit; rows of weight zero are as if they were not there."""
        self._solver()
        stopped = None if self.time is None else number(self.time, "time")
        ridge: float | str
        if isinstance(self.ridge, str):
            ridge = one_of(self.ridge, "ridge", CRITERIA)
            if stopped is not None:
                raise UsageError(
                    f"time={self.time!r} stops a flow, for which no criterion chooses a ridge: pass a number, ridge=0.0 for "
                    f"the flow alone; {ridge!r} came"
                )
        else:
            ridge = number(self.ridge, "ridge")
        kernel, rows = self._kernel_rows(X)
        kept = np.ones(len(X), dtype=bool) if weights is None else weights > 0
        own = None if weights is None else weights[kept]
        self.kernel_, self.rows_ = kernel, rows[kept]
        self._forget()
        exact = self.solver in ("cholesky", "eigen") or (len(self.rows_) <= EXACT_ROWS and self.solver not in ITERATIVE)
        if stopped is not None:
            if not exact:
                raise UsageError(
                    f"time= takes all eigenvectors: at most {EXACT_ROWS} rows unless solver='eigen'; {len(self.rows_)} came "
                    f"with solver={self.solver!r}"
                )
            given = problem(kernel(self.rows_), Y[kept], own)
            self._stop(given, float(ridge), stopped)
        elif exact:
            self._exactly(problem(kernel(self.rows_), Y[kept], own), ridge, together(self.rows_))
        else:
            self._iterate(Y[kept], own, ridge)
        if self._held is not None and not kept.all():
            everywhere = self._scores(rows)
            everywhere[kept] = self._held
            self._held = everywhere

    def _exactly(
        self,
        given: Problem,
        ridge: float | str,
        codes: Int[np.ndarray, " n"] | None,
        whole: Path | None = None,
    ) -> None:
        if isinstance(ridge, str):
            whole = path(given) if whole is None else whole
            ridge = best_ridge(whole.criterion(ridge, codes), given.unit, whole.least)
        else:
            ridge = ridge * given.unit
        self._settle(given, solve(given.M, given.right, ridge=ridge, solver=self._solver()))
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

    def _forget(self) -> None:
        self._held, self._held_errors, self._refused = None, None, ""

    def _solver(self) -> Solver:
        return cast("Solver", one_of(self.solver, "solver", SOLVERS))

    def _settle(self, given: Problem, solution: Solution) -> None:
        self.solution_, self.ridge_ = solution, solution.ridge
        self.dual_coef_, self.intercept_ = given.root * solution.coefficients, given.mean

    def _stop(self, given: Problem, ridge: float, stopped: float) -> None:
        self.ridge_ = ridge * given.unit
        self.dual_coef_, self.effective_dimension_ = path(given).flow(stopped, self.ridge_)
        self.intercept_, self.solution_ = given.mean, None
        self._refused = (
            "a flow that is stopped has no leave-one-out in closed form: leave time out, or use cross_val_predict"
        )

    def _scores(self, rows: Float[np.ndarray, "m p"]) -> Float[np.ndarray, "m k"]:
        return np.asarray(self.kernel_.matmul(rows, self.dual_coef_, self.rows_) + self.intercept_)

    def _new_scores(self, X: Any) -> Float[np.ndarray, "m k"]:
        return self._scores(padded(new_rows(self, X), self.pad))

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


class NTKRegressor(RegressorMixin, KernelRidge):
    r"""Regression by an infinitely wide ReLU network: kernel ridge regression with its tangent kernel, in closed form.

    .. math:: f(x) = m + k(x)^\top (K + rW^{-1})^{-1}(y - m), \qquad f_t(x) = m + k(x)^\top
              \frac{1 - e^{-t(K + r)}}{K + r}(y - m)

    The first is the network trained to the end (with an l2 penalty on how far its weights moved), the second the network trained
    for a time t. Columns are best standardised before, in a pipeline.

    Args:
        depth: number of hidden layers.
        weight_variance: of a weight times its fan-in; 2 keeps norms from layer to layer.
        bias_variance: of every bias; the first layer's covariance is x.z/d plus this.
        kernel: `ntk`, all layers trained; `nngp`, the last one; `hinf`, the first one of a two-layer network without biases, for
            which depth and variances say nothing; or a kernel of `widthwise.kernels`, as it is.
        pad: a constant column of this times the square root of d joins the rows.
        ridge: r over the mean of the kernel's diagonal, as a number; or chosen by leave-one-out (`loo`), generalised
            cross-validation (`gcv`) or marginal likelihood (`evidence`).
        time: of gradient flow on half the sum of squares, learning rate times steps; to the end when None. The ridge must then
            be a number.
        solver: as in `solvers.solve`. Up to 5000 rows, or where `cholesky` or `eigen` is named, all results are exact; above, and
            with `cg` or `nystroem`, leave-one-out and dimension are stochastic estimates with standard errors.
        random_state: seed of those estimates.

    Attributes:
        ridge_: r in the units of the kernel.
        dual_coef_: coefficients of the rows' kernel functions, one column for each output.
        intercept_: m.
        loo_predictions_: for each training row by the fit without it and the rows equal to it, exact; absent where the matrix is
            singular, and with `time`. Equal rows stay in where predictions are estimated.
        loo_standard_errors_: of estimated ones; absent where they are exact.
        loo_score_: R^2 of these predictions.
        effective_dimension_: trace of K (K + r)^-1, or of what the flow has fitted: the number of directions in use.
        solution_: `solvers.Solution`: residual, condition, solver and why; None with `time`.
        kernel_: the kernel. rows_: the rows that it is given.
        n_features_in_: columns of X. feature_names_in_: their names, where X has them.

    References:
        :cite:t:`jacot2018`; :cite:t:`arora2019b`; leave-one-out: :cite:t:`hastie2009`, section 7.10.
    """

    def __init__(
        self,
        depth: Any = 1,
        *,
        weight_variance: Any = 2.0,
        bias_variance: Any = 0.1,
        kernel: Any = "ntk",
        pad: Any = 0.0,
        ridge: Any = "loo",
        time: Any = None,
        solver: Any = "auto",
        random_state: Any = 0,
    ) -> None:
        self.depth = depth
        self.weight_variance = weight_variance
        self.bias_variance = bias_variance
        self.kernel = kernel
        self.pad = pad
        self.ridge = ridge
        self.time = time
        self.solver = solver
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> NTKRegressor:
        """Fit.

        Args:
            X: n rows of d numbers.
            y: targets of shape (n,) or (n, k).
            sample_weight: at least zero; a row of weight 2 counts as two equal rows, exactly.

        Raises:
            DataError: if data are not finite or shapes do not fit.
            UsageError: if a parameter is outside its range.
            ResourceError: if memory does not hold what the solver needs.
        """
        rows, targets = training_data(self, X, y, multi_output=True)
        weights = row_weights(self, sample_weight, rows)
        self._fit_targets(rows, targets, weights)
        return self

    def _fit_targets(
        self, rows: Float[np.ndarray, "n d"], targets: np.ndarray, weights: Float[np.ndarray, " n"] | None
    ) -> None:
        Y, scale = in_own_units(targets, weights)
        self._flat = targets.ndim == 1
        self._fit_columns(rows, Y, weights)
        self._in_units(scale)
        self._weights, self._targets = weights, targets

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


class NTKClassifier(ClassifierMixin, KernelRidge):
    r"""Classification by an infinitely wide ReLU network: ridge regression on labels of -1 and +1, in closed form.

    Two classes are one column, +1 for the second; more are one column each against the rest, centred by their means. The
    class is that of the largest score. Parameters are those of `NTKRegressor`.

    Probabilities are the softmax of the scores over one temperature, the most likely one for the leave-one-out scores of the
    training rows (:cite:t:`platt1999`; for two classes the logistic function). Where leave-one-out has no closed form (`time`)
    scores of five refits, each without a fifth of the rows, stand in.

    Args:
        depth: number of hidden layers.
        weight_variance: of a weight times its fan-in.
        bias_variance: of every bias.
        kernel: `ntk`, `nngp`, `hinf` or a kernel of `widthwise.kernels`.
        pad: a constant column of this times the square root of d joins the rows.
        ridge: over the mean of the kernel's diagonal; or `loo`, `gcv`, `evidence`, all of the coded labels.
        time: of gradient flow on half the sum of squares; to the end when None.
        solver: as in `solvers.solve`.
        random_state: seed of estimates of large problems, and of the parts that calibrate a stopped flow.

    Attributes:
        classes_: in sorted order.
        loo_predictions_: class of each training row by the fit without it. loo_decision_: the scores behind it.
        loo_score_: accuracy of these predictions.
        temperature_: of the probabilities.
        ridge_, dual_coef_, intercept_, effective_dimension_, solution_, kernel_, rows_: as in `NTKRegressor`.
        n_features_in_: columns of X. feature_names_in_: their names, where X has them.
    """

    def __init__(
        self,
        depth: Any = 1,
        *,
        weight_variance: Any = 2.0,
        bias_variance: Any = 0.1,
        kernel: Any = "ntk",
        pad: Any = 0.0,
        ridge: Any = "loo",
        time: Any = None,
        solver: Any = "auto",
        random_state: Any = 0,
    ) -> None:
        self.depth = depth
        self.weight_variance = weight_variance
        self.bias_variance = bias_variance
        self.kernel = kernel
        self.pad = pad
        self.ridge = ridge
        self.time = time
        self.solver = solver
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> NTKClassifier:
        """Fit.

        Args:
            X: n rows of d numbers.
            y: labels.
            sample_weight: at least zero; a row of weight 2 counts as two equal rows, exactly.

        Raises:
            DataError: if data are not finite, shapes do not fit, or there is one class only.
            UsageError: if a parameter is outside its range.
            ResourceError: if memory does not hold what the solver needs.
        """
        rows, labels = training_data(self, X, y, numeric=False)
        weights = row_weights(self, sample_weight, rows)
        self._fit_labels(rows, labels, weights)
        return self

    def _fit_labels(
        self, rows: Float[np.ndarray, "n d"], labels: np.ndarray, weights: Float[np.ndarray, " n"] | None
    ) -> None:
        self.classes_, codes = class_codes(labels)
        if weights is not None and len(np.unique(codes[weights > 0])) < 2:
            raise DataError(
                "a classifier needs rows of positive sample_weight in at least two classes; 1 class has such"
            )
        Y = coded(codes, len(self.classes_))
        self._fit_columns(rows, Y, weights)
        self._codes, self._weights = codes, weights
        self._calibrate(rows, Y, weights)

    def _calibrate(
        self, rows: Float[np.ndarray, "n d"], Y: Float[np.ndarray, "n k"], weights: Float[np.ndarray, " n"] | None
    ) -> None:
        own = np.ones(len(Y)) if weights is None else weights
        held = self._held
        if held is None and self.time is not None:
            held = self._stopped_without_fifths(rows, Y, own)
        self.temperature_ = None if held is None else temperature(by_class(held), self._codes, own)

    def _stopped_without_fifths(
        self, X: Float[np.ndarray, "n d"], Y: Float[np.ndarray, "n k"], weights: Float[np.ndarray, " n"]
    ) -> Float[np.ndarray, "n k"]:
        """Scores of the stopped flow for every fifth of the rows by the fit to the others."""
        kernel, rows = self._kernel_rows(X)
        K, n = kernel(rows), len(rows)
        places = np.random.default_rng(self.random_state).permutation(n) % min(FOLDS, n)
        found = np.tile(np.average(Y, axis=0, weights=weights), (n, 1))
        for part in range(min(FOLDS, n)):
            out, kept = places == part, (places != part) & (weights > 0)
            if np.count_nonzero(kept) > 1:
                given = problem(K[np.ix_(kept, kept)], Y[kept], weights[kept])
                found[out] = (
                    K[np.ix_(out, kept)] @ path(given).flow(float(self.time or 0.0), self.ridge_)[0] + given.mean
                )
        return found

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


def standard_errors(model: NTKRegressor | NTKClassifier) -> np.ndarray:
    """Of the leave-one-out scores of a large problem.

    Raises:
        AttributeError: if they are exact, or absent.
    """
    model._held_scores()
    errors: np.ndarray | None = vars(model)["_held_errors"]
    if errors is None:
        raise AttributeError("the leave-one-out predictions are exact: they have no standard errors")
    return errors[:, 0] if errors.shape[1] == 1 else errors
