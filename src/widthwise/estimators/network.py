r"""Finite ReLU networks as scikit-learn estimators: the networks whose limits `NTKRegressor` and `NTKClassifier` are.

A rate that nobody gave comes from the limit: one over the largest curvature that the loss has along the tangent kernel of the
infinitely wide network on the training rows, which descent can take at any width.
"""

from __future__ import annotations

import numbers
from typing import Any

import jax
import numpy as np
import scipy.linalg
import scipy.special
from jaxtyping import Float, Int
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from widthwise._checks import count
from widthwise._jax import float64
from widthwise.errors import DataError, UsageError
from widthwise.estimators.kernel_machine import coded, decoded, in_own_units
from widthwise.estimators.kernel_rows import padded
from widthwise.estimators.persistence import Persistent
from widthwise.estimators.validation import class_codes, new_rows, number, one_of, seed_of, training_data
from widthwise.kernels import NTK
from widthwise.kernels.parameters import matrix
from widthwise.networks import MLP, Doubled
from widthwise.training import Adam, GradientDescent, Momentum, Stop, TrainingRun, train

TRAINED = ("first", "last", "weights", "all")
OPTIMIZERS = {"gd": GradientDescent, "momentum": Momentum, "adam": Adam}
# Rows whose kernel says what rate is stable; of more, so many drawn at random.
CURVATURE_ROWS = 1000
# Largest second derivative of the loss of a row in its outputs: 1 of squares, 1/4 of the logistic one, 1/2 of the cross entropy.
CURVATURE = {"squared": 1.0, "logistic": 0.25, "cross_entropy": 0.5}
ADAM_RATE = 1e-3
# Numbers that a block of new rows may put into all layers, about: 128 MB.
ACTIVATIONS = 1 << 24


class FiniteNetwork(Persistent):
    """The parameters and the training that `ReLUNetworkRegressor` and `ReLUNetworkClassifier` share."""

    network_: MLP | Doubled
    kernel_: NTK
    params_: dict[str, np.ndarray]
    learning_rate_: float
    n_iter_: int
    history_: dict[str, np.ndarray]
    _padding: float
    _seed: int
    _calls: int

    def __init__(
        self,
        widths: Any = (512,),
        *,
        trained: Any = "first",
        weight_variance: Any = 2.0,
        bias_variance: Any = 0.0,
        pad: Any = 0.3,
        loss: Any = "auto",
        optimizer: Any = "gd",
        learning_rate: Any = "auto",
        steps: Any = 1000,
        batch_size: Any = None,
        tol: Any = 1e-6,
        random_state: Any = 0,
    ) -> None:
        self.widths = widths
        self.trained = trained
        self.weight_variance = weight_variance
        self.bias_variance = bias_variance
        self.pad = pad
        self.loss = loss
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.steps = steps
        self.batch_size = batch_size
        self.tol = tol
        self.random_state = random_state

    def _start(self, X: Float[np.ndarray, "n p"], columns: int, outputs: int, loss: str) -> None:
        """A network at its start, and the rate that is stable for these rows."""
        self._seed = seed_of(self.random_state)
        self._calls, self.n_iter_, self._loss = 0, 0, loss
        self.history_ = {"step": np.zeros(0, np.int64), "loss": np.zeros(0)}
        scales: dict[str, Any] = {
            "trained": one_of(self.trained, "trained", TRAINED),
            "weight_variance": number(self.weight_variance, "weight_variance"),
            "bias_variance": number(self.bias_variance, "bias_variance"),
            "input_scale": 1.0 / columns,
        }
        widths = _widths(self.widths)
        # Pairs of neurons make f = 0 at the start where there is one hidden layer and no output bias, else two networks.
        paired = len(widths) == 1 and scales["bias_variance"] == 0.0
        net = MLP(
            widths=widths, antisymmetric=paired, outputs=outputs,
            readout="signs" if paired else "gaussian", **scales,
        )  # fmt: skip
        self.network_ = net if paired else Doubled(net)
        self.kernel_ = NTK(depth=len(widths), **scales)
        with float64():
            start = self.network_.init(self._seed, d=X.shape[1])
            self.params_ = {name: np.asarray(value) for name, value in start.items()}
        self.learning_rate_ = self._rate(X, min(widths))

    def _rate(self, X: Float[np.ndarray, "n p"], width: int) -> float:
        if not isinstance(self.learning_rate, str):
            return number(self.learning_rate, "learning_rate", least=np.finfo(np.float64).tiny)
        one_of(self.learning_rate, "learning_rate", ("auto", "a number"))
        if self.optimizer == "adam":
            return ADAM_RATE * float(np.sqrt(width))
        n = len(X)
        rows = X
        if n > CURVATURE_ROWS:
            rows = X[np.random.default_rng(self._seed).choice(n, CURVATURE_ROWS, replace=False)]
        K = matrix(self.kernel_, rows)
        m = len(K)
        largest = float(scipy.linalg.eigh(K, eigvals_only=True, subset_by_index=[m - 1, m - 1])[0]) / m
        size = self._batch(n)
        if size is not None:
            # A batch sees the mean matrix only in mean: at worst a row of it stands alone.
            largest += float(np.diag(K).max()) / size
        if not largest > 0.0:
            raise DataError("every row of X is zero and pad is 0: the network has nothing to see; pass pad=0.3")
        return 1.0 / (CURVATURE[self._loss] * largest)

    def _batch(self, n: int) -> int | None:
        return None if self.batch_size is None else min(count(self.batch_size, "batch_size"), n)

    def _train(self, X: Float[np.ndarray, "n p"], Y: np.ndarray, steps: int) -> None:
        """Go on for some steps.

        Raises:
            UsageError: if the loss stops being finite.
        """
        one_of(self.optimizer, "optimizer", tuple(OPTIMIZERS))
        size = self._batch(len(X))
        seen = len(X) if size is None else size
        # `squared` is a sum over the rows of a step, the other losses are means.
        rate = self.learning_rate_ / seen if self._loss == "squared" else self.learning_rate_
        units = len(X) if self._loss == "squared" else 1
        seed = (
            int(np.random.SeedSequence([self._seed, self._calls]).generate_state(1)[0]) if self._calls else self._seed
        )
        run = train(
            self.network_, X, Y,
            learning_rate=rate, steps=steps, loss=self._loss, optimizer=OPTIMIZERS[self.optimizer](), batch_size=size,
            seed=seed, start=self.params_, stop=Stop(loss=number(self.tol, "tol") * units),
        )  # fmt: skip
        if run.diverged is not None:
            raise UsageError(
                f"training diverged at step {self.n_iter_ + run.diverged} with learning_rate={self.learning_rate_:.3g}: "
                "take learning_rate='auto' or a smaller one, and standardise the columns of X"
            )
        self._keep(run, units)

    def _keep(self, run: TrainingRun, units: int) -> None:
        self.params_ = {name: np.asarray(value) for name, value in run.params.items()}
        # The state that a call ended in is where the next one starts: one entry of the history.
        step, loss = (
            values[: np.searchsorted(self.history_["step"], self.n_iter_)] for values in self.history_.values()
        )
        self.history_ = {
            "step": np.concatenate([step, self.n_iter_ + run.history.steps]),
            "loss": np.concatenate([loss, run.history.loss / units]),
        }
        self.n_iter_ += run.steps
        self._calls += 1

    def _pass(self, n: int) -> int:
        """Steps of one pass over n rows."""
        size = self._batch(n)
        return 1 if size is None else -(-n // size)

    def _rows(self, X: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n p"]:
        return padded(X, self._padding)

    def _outputs(self, X: Any) -> Float[np.ndarray, "m k"]:
        """Outputs on new rows, in float64, so that they do not depend on which rows stand beside."""
        rows = self._rows(new_rows(self, X))
        size = max(1, ACTIVATIONS // sum(values.shape[0] for values in self.params_.values()))
        with float64():
            params = {name: jax.numpy.asarray(value, np.float64) for name, value in self.params_.items()}
            parts = [rows[first : first + size] for first in range(0, len(rows), size)]
            return np.concatenate([np.asarray(self.network_.apply(params, jax.numpy.asarray(part))) for part in parts])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        return tags


class ReLUNetworkRegressor(RegressorMixin, FiniteNetwork):
    r"""Regression by a ReLU network of finite width, trained by gradient descent from f = 0.

    .. math:: f(x) = \frac{1}{\sqrt{m}}\sum_{r=1}^m a_r\,\sigma(w_r^\top x)\quad\text{and deeper},\qquad
              \min_W \frac{1}{2n}\sum_i (f(x_i) - y_i)^2

    Targets are centred and divided by their standard deviation, column by column, and predictions given back in their units.
    The parametrisation is `ntk`: as widths grow, what T steps of a small rate eta give tends to `NTKRegressor` with the kernel
    `kernel_`, the same `pad`, `ridge=0` and `time` T eta / n.

    Args:
        widths: neurons of every hidden layer.
        trained: the `first` layer, with a frozen random readout; the `last`; all `weights`; `all` parameters.
        weight_variance: of a weight times its fan-in.
        bias_variance: of every bias; none at 0.
        pad: a constant column of this times the square root of d joins the rows, which is a bias of the first layer.
        loss: `squared`, which is also `auto`.
        optimizer: `gd`, descent, stochastic where there are batches; `momentum` of 0.9; `adam`.
        learning_rate: of the loss above, a mean over rows; `auto` is one over its largest curvature for an infinitely wide
            network on the training rows, and for `adam` a thousandth of the root of the smallest width.
        steps: of `fit`, at most.
        batch_size: rows of a step; all of them when None.
        tol: training ends early where the loss is at most this; with batches it is looked at every 32nd part of the run.
        random_state: seed of the start and of the batches.

    Attributes:
        network_: as `widthwise.networks` has it. params_: its parameters. kernel_: its kernel at infinite width.
        learning_rate_: that was used. n_iter_: steps done.
        history_: `step` and the training `loss` there, of every step in full-batch descent.
        n_features_in_: columns of X. feature_names_in_: their names, where X has them.

    References:
        :cite:t:`arora2019`; :cite:t:`jacot2018`.
    """

    def fit(self, X: Any, y: Any) -> ReLUNetworkRegressor:
        """Train from the start.

        Args:
            X: n rows of d numbers.
            y: targets of shape (n,) or (n, k).

        Raises:
            DataError: if data are not finite or shapes do not fit.
            UsageError: if a parameter is outside its range, or training diverges.
        """
        steps = count(self.steps, "steps")
        rows, targets = training_data(self, X, y, multi_output=True)
        self._begin(rows, targets)
        self._train(self._rows(rows), self._scaled(targets), steps)
        return self

    def partial_fit(self, X: Any, y: Any) -> ReLUNetworkRegressor:
        """Go on, or start, with one pass over these rows: one step, or the batches of an epoch.

        Scales of the targets and the rate are those of the first call, and what an optimizer remembers is forgotten between calls.
        Without batches and momentum as many calls with the same rows are the steps of `fit`.

        Args:
            X: n rows of d numbers.
            y: targets of shape (n,) or (n, k).

        Raises:
            DataError: if data are not finite, or shapes do not fit those of the first call.
            UsageError: if a parameter is outside its range, or training diverges.
        """
        if not hasattr(self, "params_"):
            rows, targets = training_data(self, X, y, multi_output=True)
            self._begin(rows, targets)
        else:
            rows, targets = training_data(self, X, y, multi_output=True, reset=False)
            if (targets.ndim == 1) != self._flat or _width(targets) != len(self.intercept_):
                raise DataError(
                    f"y must have the {len(self.intercept_)} outputs of the first call; an array of shape {targets.shape} came"
                )
        self._train(self._rows(rows), self._scaled(targets), self._pass(len(rows)))
        return self

    def _begin(self, X: Float[np.ndarray, "n d"], targets: np.ndarray) -> None:
        loss = one_of(self.loss, "loss", ("auto", "squared"))
        self._padding = number(self.pad, "pad")
        self._start(self._rows(X), X.shape[1], _width(targets), "squared" if loss == "auto" else loss)
        Y, self._scale = in_own_units(targets, None)
        self._flat, self.intercept_ = targets.ndim == 1, Y.mean(axis=0) * self._scale

    def _scaled(self, targets: np.ndarray) -> Float[np.ndarray, "n k"]:
        Y = targets[:, None] if targets.ndim == 1 else targets
        return np.asarray((Y - self.intercept_) / self._scale)

    def predict(self, X: Any) -> np.ndarray:
        """Predictions, of shape (m,) or (m, k) as y was."""
        check_is_fitted(self)
        found = np.asarray(self._outputs(X) * self._scale + self.intercept_)
        return found[:, 0] if self._flat else found

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


class ReLUNetworkClassifier(ClassifierMixin, FiniteNetwork):
    r"""Classification by a ReLU network of finite width, trained by gradient descent from f = 0.

    Two classes are one output, the second where it is positive; more are one output each. Other parameters are those of
    `ReLUNetworkRegressor`.

    Args:
        widths: neurons of every hidden layer.
        trained: `first`, `last`, `weights` or `all`.
        weight_variance: of a weight times its fan-in.
        bias_variance: of every bias; none at 0.
        pad: a constant column of this times the square root of d joins the rows.
        loss: `cross_entropy`, which is also `auto`: of two classes the logistic loss; or `squared`, half the square of the distance
            from -1 and +1, whose limit is `NTKClassifier`.
        optimizer: `gd`, `momentum` or `adam`.
        learning_rate: of the mean over rows; `auto` as in `ReLUNetworkRegressor`.
        steps: of `fit`, at most.
        batch_size: rows of a step; all of them when None.
        tol: training ends early where the loss is at most this.
        random_state: seed of the start and of the batches.

    Attributes:
        classes_: in sorted order.
        network_, params_, kernel_, learning_rate_, n_iter_, history_: as in `ReLUNetworkRegressor`.
        n_features_in_: columns of X. feature_names_in_: their names, where X has them.
    """

    def fit(self, X: Any, y: Any) -> ReLUNetworkClassifier:
        """Train from the start.

        Args:
            X: n rows of d numbers.
            y: labels.

        Raises:
            DataError: if data are not finite, shapes do not fit, or there is one class only.
            UsageError: if a parameter is outside its range, or training diverges.
        """
        steps = count(self.steps, "steps")
        rows, labels = training_data(self, X, y, numeric=False)
        self.classes_, codes = class_codes(labels)
        self._begin(rows)
        self._train(self._rows(rows), self._targets(codes), steps)
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> ReLUNetworkClassifier:
        """Go on, or start, with one pass over these rows: one step, or the batches of an epoch.

        The rate is that of the first call, and what an optimizer remembers is forgotten between calls.

        Args:
            X: n rows of d numbers.
            y: labels.
            classes: all classes there will be; at the first call, unless y has them all.

        Raises:
            DataError: if data are not finite, shapes do not fit those of the first call, or a label is none of the classes.
            UsageError: if a parameter is outside its range, classes are not those of the first call, or training diverges.
        """
        first = not hasattr(self, "params_")
        rows, labels = training_data(self, X, y, numeric=False, least=1, reset=first)
        if first:
            self.classes_ = class_codes(labels if classes is None else classes)[0]
            self._begin(rows)
        elif classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise UsageError(f"classes must be those of the first call, {self.classes_.tolist()}; {list(classes)} came")
        known = np.isin(labels, self.classes_)
        if not known.all():
            raise DataError(
                f"labels must be among the classes of the first call, {self.classes_.tolist()}; {labels[~known][0]!r} came: "
                "name them all in classes="
            )
        codes = np.searchsorted(self.classes_, labels).astype(np.int64)
        self._train(self._rows(rows), self._targets(codes), self._pass(len(rows)))
        return self

    def _begin(self, X: Float[np.ndarray, "n d"]) -> None:
        asked = one_of(self.loss, "loss", ("auto", "cross_entropy", "squared"))
        k = len(self.classes_)
        loss = "squared" if asked == "squared" else "logistic" if k == 2 else "cross_entropy"
        self._padding = number(self.pad, "pad")
        self._start(self._rows(X), X.shape[1], 1 if k == 2 else k, loss)

    def _targets(self, codes: Int[np.ndarray, " n"]) -> np.ndarray:
        return codes if self._loss == "cross_entropy" else coded(codes, len(self.classes_))

    def decision_function(self, X: Any) -> np.ndarray:
        """Outputs: of shape (m,) for two classes, the second one above zero; of shape (m, k) for more."""
        check_is_fitted(self)
        found = self._outputs(X)
        return found[:, 0] if found.shape[1] == 1 else found

    def predict(self, X: Any) -> np.ndarray:
        """Classes."""
        check_is_fitted(self)
        return np.asarray(self.classes_[decoded(self._outputs(X))])

    def predict_proba(self, X: Any) -> Float[np.ndarray, "m k"]:
        """Probabilities of the classes, as the loss has them.

        The logistic function or the softmax of the outputs; of `squared`, whose outputs estimate twice the probability minus
        one, that probability, cut to [0, 1] and divided by the sum over classes.
        """
        check_is_fitted(self)
        found = self._outputs(X)
        if self._loss == "cross_entropy":
            return np.asarray(scipy.special.softmax(found, axis=1))
        if self._loss == "logistic":
            return np.column_stack([scipy.special.expit(-found[:, 0]), scipy.special.expit(found[:, 0])])
        own = np.clip((1.0 + found) / 2.0, 0.0, 1.0)
        if own.shape[1] == 1:
            return np.hstack([1.0 - own, own])
        total = own.sum(axis=1, keepdims=True)
        return np.where(total > 0, own / np.where(total > 0, total, 1.0), 1.0 / own.shape[1])


def _widths(widths: Any) -> tuple[int, ...]:
    """Numbers of neurons, from one number or several.

    Raises:
        UsageError: if they are no positive whole numbers.
    """
    listed = (widths,) if isinstance(widths, numbers.Integral) else widths
    if isinstance(listed, str) or not np.iterable(listed):
        raise UsageError(f"widths must hold one number for each hidden layer; {widths!r} came")
    return tuple(int(count(w, f"widths[{layer}]")) for layer, w in enumerate(listed))


def _width(targets: np.ndarray) -> int:
    return 1 if targets.ndim == 1 else int(targets.shape[1])
