r"""Infinitely wide networks as scikit-learn estimators: kernel ridge regression, and gradient flow stopped early."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from widthwise.errors import UsageError
from widthwise.estimators.kernel_machine import EXACT_ROWS, Classification, KernelRidge, Regression, in_own_units
from widthwise.estimators.kernel_rows import kernel_of, padded
from widthwise.estimators.validation import number, one_of, row_weights, training_data
from widthwise.estimators.weighted_ridge import Problem, path, problem, together
from widthwise.kernels.kernel import Kernel

CRITERIA = ("loo", "gcv", "evidence")
ITERATIVE = ("cg", "nystroem")
# Of a stopped flow, whose leave-one-out has no closed form; probabilities are calibrated on these parts instead.
FOLDS = 5


class GivenNetwork(KernelRidge):
    """The parameters and the fit that `NTKRegressor` and `NTKClassifier` share."""

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
        self.kernel_, self.rows_, self._padding = kernel, rows[kept], float(self.pad)
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
        self._hold_everywhere(rows, kept)

    def _stop(self, given: Problem, ridge: float, stopped: float) -> None:
        self.ridge_ = ridge * given.unit
        self.dual_coef_, self.effective_dimension_ = path(given).flow(stopped, self.ridge_)
        self.intercept_, self.solution_ = given.mean, None
        self._refused = (
            "a flow that is stopped has no leave-one-out in closed form: leave time out, or use cross_val_predict"
        )


class NTKRegressor(Regression, GivenNetwork):
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
        Y, scale = in_own_units(targets, weights)
        self._fit_columns(rows, Y, weights)
        self._in_units(scale)
        self._flat, self._weights, self._targets = targets.ndim == 1, weights, targets
        return self


class NTKClassifier(Classification, GivenNetwork):
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
        Y = self._take_labels(labels, weights)
        self._fit_columns(rows, Y, weights)
        held = self._held
        if held is None and self.time is not None:
            held = self._stopped_without_fifths(rows, Y, np.ones(len(Y)) if weights is None else weights)
        self._calibrate(held)
        return self

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
