r"""Kernel ridge regression whose network and ridge are chosen by leave-one-out, or leave-group-out, in closed form.

One kernel matrix and one eigendecomposition for each network answer for all ridges and all rows; nothing is refitted. Where `ntk`
and `nngp` of a network are both wanted, one pass makes both matrices.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.stats
from jaxtyping import Float, Int

from widthwise.errors import UsageError
from widthwise.estimators.iterative_ridge import PREVIEW
from widthwise.estimators.kernel_machine import (
    EXACT_ROWS,
    Classification,
    KernelRidge,
    Regression,
    decoded,
    in_own_units,
)
from widthwise.estimators.kernel_rows import kernel_of, padded
from widthwise.estimators.validation import group_codes, number, one_of, row_weights, seed_of, training_data
from widthwise.estimators.weighted_ridge import Path, path, problem, together
from widthwise.kernels.kernel import Kernel
from widthwise.solvers import solve

RIDGES = tuple(10.0 ** (e / 2.0) for e in range(-10, 3))
# (held-out scores, targets, weights) -> the smaller the better.
Loss = Callable[[Float[np.ndarray, "n k"], Float[np.ndarray, "n k"], Float[np.ndarray, " n"]], float]


def squares(held: Float[np.ndarray, "n k"], Y: Float[np.ndarray, "n k"], weights: Float[np.ndarray, " n"]) -> float:
    """Weighted mean square, mean over columns."""
    return float(np.average(np.mean((Y - held) ** 2, axis=1), weights=weights))


def distances(held: Float[np.ndarray, "n k"], Y: Float[np.ndarray, "n k"], weights: Float[np.ndarray, " n"]) -> float:
    """Weighted mean absolute error, mean over columns."""
    return float(np.average(np.mean(np.abs(Y - held), axis=1), weights=weights))


def mistakes(held: Float[np.ndarray, "n k"], Y: Float[np.ndarray, "n k"], weights: Float[np.ndarray, " n"]) -> float:
    """Weighted share of rows whose largest score is not that of their class."""
    return float(np.average(decoded(held) != decoded(Y), weights=weights))


@dataclass(frozen=True, kw_only=True, eq=False)
class Chosen:
    """The best of what was tried.

    Attributes:
        parameters: by name, the ridge among them.
        kernel: of the network.
        path: of its matrix, for all ridges.
        held: predictions without each row's own group.
        order: loss and, between equal ones, mean square.
    """

    parameters: dict[str, Any]
    kernel: Kernel
    path: Path
    held: Float[np.ndarray, "m k"]
    order: tuple[float, float]


class SearchedNetwork(KernelRidge):
    """The parameters and the search that `NTKRegressorCV` and `NTKClassifierCV` share."""

    cv_results_: dict[str, np.ndarray]
    best_params_: dict[str, Any]
    best_index_: int
    best_score_: float

    def __init__(
        self,
        *,
        depths: Any = (1, 2, 3),
        weight_variance: Any = 2.0,
        bias_variances: Any = (0.0, 0.1),
        kernels: Any = ("ntk",),
        pads: Any = (0.0,),
        ridges: Any = RIDGES,
        scoring: Any = "squared",
        solver: Any = "auto",
        random_state: Any = 0,
    ) -> None:
        self.depths = depths
        self.weight_variance = weight_variance
        self.bias_variances = bias_variances
        self.kernels = kernels
        self.pads = pads
        self.ridges = ridges
        self.scoring = scoring
        self.solver = solver
        self.random_state = random_state

    def _networks(self, columns: int) -> list[tuple[dict[str, Any], Kernel]]:
        """Parameters and kernels to try, each kernel once for each pad: `hinf` knows neither depth nor biases."""
        lists = {
            "depth": _listed(self.depths, "depths"),
            "bias_variance": _listed(self.bias_variances, "bias_variances"),
            "pad": _listed(self.pads, "pads"),
            "kernel": _listed(self.kernels, "kernels"),
        }
        found: list[tuple[dict[str, Any], Kernel]] = []
        for values in itertools.product(*lists.values()):
            chosen = dict(zip(lists, values, strict=True))
            kernel = kernel_of(
                chosen["kernel"],
                columns,
                depth=chosen["depth"],
                weight_variance=self.weight_variance,
                bias_variance=chosen["bias_variance"],
            )
            if not any(kernel == other and chosen["pad"] == tried["pad"] for tried, other in found):
                found.append((chosen, kernel))
        return found

    def _matrices(
        self, X: Float[np.ndarray, "n d"]
    ) -> Iterator[tuple[dict[str, Any], Kernel, Float[np.ndarray, "n n"]]]:
        """Kernel matrices of all networks."""
        names = [kernel for kernel in _listed(self.kernels, "kernels") if isinstance(kernel, str)]
        both = "ntk" in names and "nngp" in names
        last: tuple[Any, ...] = ()
        pair: dict[str, Float[np.ndarray, "n n"]] = {}
        for chosen, kernel in self._networks(X.shape[1]):
            rows = padded(X, chosen["pad"])
            if not both or not isinstance(chosen["kernel"], str) or chosen["kernel"] == "hinf":
                yield chosen, kernel, kernel(rows)
                continue
            network = (chosen["depth"], chosen["bias_variance"], chosen["pad"])
            if network != last:
                last, pair = network, dict(zip(("nngp", "ntk"), kernel.pair(rows), strict=True))
            yield chosen, kernel, pair[chosen["kernel"]]

    def _search(
        self,
        X: Float[np.ndarray, "n d"],
        Y: Float[np.ndarray, "n k"],
        weights: Float[np.ndarray, " n"] | None,
        codes: Int[np.ndarray, " n"] | None,
        loss: Loss,
    ) -> Chosen:
        """Try every network at every ridge; all weights are positive."""
        ridges = [number(r, "ridges") for r in _listed(self.ridges, "ridges")]
        table: list[dict[str, Any]] = []
        best: Chosen | None = None
        for chosen, kernel, K in self._matrices(X):
            given = problem(K, Y, weights)
            whole = path(given)
            for ridge in ridges:
                parameters = {**chosen, "ridge": ridge}
                order = (np.inf, np.inf)
                if ridge * given.unit >= whole.least:
                    held = whole.held_out(ridge * given.unit, codes).predictions
                    order = (loss(held, Y, given.weights), squares(held, Y, given.weights))
                    if best is None or order < best.order:
                        best = Chosen(parameters=parameters, kernel=kernel, path=whole, held=held, order=order)
                        self.best_index_ = len(table)
                table.append({**parameters, "order": order})
        if best is None:
            raise UsageError(
                f"no ridge of {ridges} makes a kernel matrix of these rows regular to working precision: give larger ridges"
            )
        names = list(best.parameters)
        self.cv_results_ = {f"param_{name}": _column([row[name] for row in table]) for name in names}
        scores = np.array([-row["order"][0] for row in table])
        places = {order: place for place, order in enumerate(sorted({row["order"] for row in table}))}
        ranks = scipy.stats.rankdata([places[row["order"]] for row in table], method="min")
        self.cv_results_ |= {"score": scores, "rank": ranks.astype(np.int64)}
        self.best_params_, self.best_score_ = best.parameters, -best.order[0]
        return best

    def _fit_searched(
        self,
        X: Float[np.ndarray, "n d"],
        Y: Float[np.ndarray, "n k"],
        weights: Float[np.ndarray, " n"] | None,
        groups: Int[np.ndarray, " n"] | None,
        loss: Loss,
    ) -> tuple[Float[np.ndarray, "m k"], Int[np.ndarray, " m"]]:
        """Search and fit; rows of weight zero are as if they were not there.

        Returns:
            Held-out scores of the best, and the rows that they are of.
        """
        self._forget()
        self._solver()
        kept = np.arange(len(X)) if weights is None else np.flatnonzero(weights > 0)
        some = kept
        if len(kept) > EXACT_ROWS:
            some = np.sort(np.random.default_rng(seed_of(self.random_state)).choice(kept, PREVIEW, replace=False))
        codes = together(X[some], None if groups is None else groups[some])
        if codes is not None and codes.max() == 0:
            raise UsageError(
                f"groups and equal rows must leave two parts to hold out in turn; the {len(some)} rows are all one"
            )
        best = self._search(X[some], Y[some], None if weights is None else weights[some], codes, loss)
        self.kernel_, self._padding = best.kernel, float(best.parameters["pad"])
        rows = padded(X, self._padding)
        self.rows_ = rows[kept]
        ridge = best.parameters["ridge"]
        if len(some) == len(kept):
            given = best.path.given
            self._settle(given, solve(given.M, given.right, ridge=ridge * given.unit, solver=self._solver()))
            self._held, self.effective_dimension_ = best.held, best.path.effective_dimension(ridge * given.unit)
        else:
            self._iterate(Y[kept], None if weights is None else weights[kept], ridge)
            if groups is not None:
                self._held, self._held_errors = None, None
                self._refused = (
                    f"leave-group-out of more than {EXACT_ROWS} rows has no estimate: best_score_ is that of {PREVIEW}"
                )
        self._hold_everywhere(rows, kept)
        return best.held, some


def _listed(values: Any, name: str) -> list[Any]:
    """A list of what is to be tried.

    Raises:
        UsageError: if it is empty, or no list.
    """
    if isinstance(values, str) or not np.iterable(values) or not list(values):
        raise UsageError(f"{name} must be a list of at least one value to try; {values!r} came")
    return list(values)


def _column(values: list[Any]) -> np.ndarray:
    """A column of the table of results: numbers and names as such, kernels as objects."""
    if all(isinstance(v, int | float) for v in values) or all(isinstance(v, str) for v in values):
        return np.array(values)
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found


class NTKRegressorCV(Regression, SearchedNetwork):
    """Regression by an infinitely wide network that is chosen by leave-one-out, or leave-group-out, in closed form.

    Args:
        depths: numbers of hidden layers to try.
        weight_variance: of a weight times its fan-in.
        bias_variances: of every bias, to try.
        kernels: to try: `ntk`, `nngp`, `hinf` or kernels of `widthwise.kernels`.
        pads: to try, as in `NTKRegressor`.
        ridges: to try, over the mean of the kernel's diagonal; half decades from 1e-5 to 10 when not given.
        scoring: error of what was held out, in units of each output's standard deviation: `squared` or `absolute`.
        solver: of the final fit, as in `NTKRegressor`. Of more than 5000 rows 2000, drawn at random, choose for all.
        random_state: seed of that draw, and of the estimates of large problems.

    Attributes:
        best_params_: kernel, depth, variance, pad and ridge of the smallest error. best_score_: minus that error; that of the
            best of many, so a little better than the truth.
        cv_results_: all that were tried: `param_...`, `score` (minus the error), `rank`. best_index_: place of the best.
        loo_predictions_, loo_score_: of what was left out, groups where there were groups; others as in `NTKRegressor`. Rows of
            weight zero are predicted by the whole fit.
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> NTKRegressorCV:
        """Choose and fit.

        Args:
            X: n rows of d numbers.
            y: targets of shape (n,) or (n, k).
            sample_weight: at least zero; of fits and errors.
            groups: labels of rows that are left out together; rows that are equal always are.

        Raises:
            DataError: if data are not finite or shapes do not fit.
            UsageError: if a parameter is outside its range, or there is one group only.
            ResourceError: if memory does not hold what the solver needs.
        """
        rows, targets = training_data(self, X, y, multi_output=True)
        weights = row_weights(self, sample_weight, rows)
        loss = {"squared": squares, "absolute": distances}[one_of(self.scoring, "scoring", ("squared", "absolute"))]
        Y, scale = in_own_units(targets, weights)
        self._fit_searched(rows, Y, weights, group_codes(groups, len(rows)), loss)
        self._in_units(scale)
        self._flat, self._weights, self._targets = targets.ndim == 1, weights, targets
        return self


class NTKClassifierCV(Classification, SearchedNetwork):
    """Classification by an infinitely wide network that is chosen by leave-one-out, or leave-group-out, in closed form.

    Args:
        depths: numbers of hidden layers to try.
        weight_variance: of a weight times its fan-in.
        bias_variances: of every bias, to try.
        kernels: to try: `ntk`, `nngp`, `hinf` or kernels of `widthwise.kernels`.
        pads: to try, as in `NTKRegressor`.
        ridges: to try, over the mean of the kernel's diagonal; half decades from 1e-5 to 10 when not given.
        scoring: what of the held-out scores decides: `squared`, their mean square error against -1 and +1, or `accuracy`, with
            the mean square error between equal ones.
        solver: of the final fit, as in `NTKRegressor`. Of more than 5000 rows 2000, drawn at random, choose for all.
        random_state: seed of that draw, and of the estimates of large problems.

    Attributes:
        best_params_: kernel, depth, variance, pad and ridge of the best. best_score_: minus their mean square error, or minus
            their share of mistakes; that of the best of many, so a little better than the truth.
        cv_results_: all that were tried: `param_...`, `score`, `rank`. best_index_: place of the best.
        loo_predictions_, loo_score_, temperature_: of what was left out, groups where there were groups; others as in
            `NTKClassifier`. Rows of weight zero are predicted by the whole fit.
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> NTKClassifierCV:
        """Choose and fit.

        Args:
            X: n rows of d numbers.
            y: labels.
            sample_weight: at least zero; of fits and errors.
            groups: labels of rows that are left out together; rows that are equal always are.

        Raises:
            DataError: if data are not finite, shapes do not fit, or there is one class only.
            UsageError: if a parameter is outside its range, or there is one group only.
            ResourceError: if memory does not hold what the solver needs.
        """
        rows, labels = training_data(self, X, y, numeric=False)
        weights = row_weights(self, sample_weight, rows)
        loss = {"squared": squares, "accuracy": mistakes}[one_of(self.scoring, "scoring", ("squared", "accuracy"))]
        Y = self._take_labels(labels, weights)
        held, places = self._fit_searched(rows, Y, weights, group_codes(groups, len(rows)), loss)
        if self._held is not None:
            held, places = self._held, np.arange(len(rows))
        self._calibrate(held, places)
        return self
