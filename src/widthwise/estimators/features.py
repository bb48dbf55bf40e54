r"""Features whose inner products are close to the kernel of an infinitely wide network, for methods that are linear in them.

Two kinds. Nystroem's, :math:`\phi(x) = L^{-1} k(P, x)` with :math:`LL^\top = k(P, P)` for landmarks P among the training rows, are
exact on what the landmarks explain. Random ones know no data: for one hidden layer with weights w, and signs r that stand for the
gradients that come back,

.. math:: \sqrt{v/D}\,\bigl[\sigma(w_j^\top u),\; (r_j^\top u)\,1[w_j^\top u \ge 0]\bigr]_{j \le D},
          \qquad u = (\sqrt s\,x, \sqrt b)

has the kernel as its mean; deeper ones take the place of u in the recursion, and are right as D grows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
from jaxtyping import Float, Int
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin

from widthwise._checks import count, enough_memory
from widthwise.errors import UsageError
from widthwise.estimators.kernel_rows import kernel_of, padded
from widthwise.estimators.persistence import Persistent
from widthwise.estimators.validation import new_rows, one_of, seed_of, training_rows
from widthwise.kernels import NNGP, NTK, HInf
from widthwise.kernels.kernel import Kernel
from widthwise.solvers.preconditioners import cholesky_columns

METHODS = ("nystroem", "random")
# Training rows on which the error is measured; of more, so many drawn at random.
MEASURED = 500


@dataclass(frozen=True, kw_only=True, eq=False)
class RandomLayer:
    r"""One step of the recursion on random features: of the activations h, and of the gradients g that the kernel counts.

    .. math:: h' = \bigl(\sqrt{v/D}\,\sigma(W_{1..D}\,h), \sqrt b\bigr), \qquad
              g' = \bigl(h', \sqrt{v/D'}\,(R g) \odot 1[W_{1..D'}\,h \ge 0]\bigr)

    Attributes:
        weights: W, of max(D, D') rows.
        signs: R, of D' rows.
        ahead: D.
        variance: v.
        bias: b.
        counted: whether the kernel counts the weights and biases of this layer, and g' has h' in it.
    """

    weights: Float[np.ndarray, "m i"]
    signs: Float[np.ndarray, "b o"]
    ahead: int
    variance: float
    bias: float
    counted: bool

    def step(
        self, h: Float[np.ndarray, "n i"], g: Float[np.ndarray, "n o"]
    ) -> tuple[Float[np.ndarray, "n k"], Float[np.ndarray, "n l"]]:
        """From one layer to the next."""
        seen, back = h @ self.weights.T, len(self.signs)
        h = (self.variance / max(self.ahead, 1)) ** 0.5 * np.maximum(seen[:, : self.ahead], 0.0)
        if self.bias > 0:
            h = np.column_stack([h, np.full(len(h), self.bias**0.5)])
        g = (self.variance / max(back, 1)) ** 0.5 * (g @ self.signs.T) * (seen[:, :back] >= 0)
        return h, np.hstack([h, g]) if self.counted else g


class NTKFeatures(ClassNamePrefixFeaturesOutMixin, TransformerMixin, Persistent):
    r"""Features with inner products near the kernel of an infinitely wide ReLU network.

    .. math:: \phi(x)^\top\phi(z) \approx k(x, z)

    A linear model on them is kernel regression at a cost that is linear in the number of rows. Nystroem's features take far fewer
    components for the same error, and any kernel; random ones are drawn without looking at the rows, cost no kernel and make no
    difference between rows that were fitted and new ones.

    Args:
        depth: number of hidden layers.
        weight_variance: of a weight times its fan-in.
        bias_variance: of every bias.
        kernel: `ntk`, `nngp`, `hinf` or a kernel of `widthwise.kernels`, as in `NTKRegressor`.
        pad: a constant column of this times the square root of d joins the rows.
        method: `nystroem`, landmarks by randomly pivoted Cholesky; or `random`, for ReLU networks of which all parameters or the
            first layer are trained.
        n_components: number of features; of Nystroem at most the rank of the kernel matrix to working precision.
        random_state: seed of landmarks or weights, and of the rows on which the error is measured.

    Attributes:
        error_: root mean square of :math:`(\phi(x)^\top\phi(z) - k(x, z)) / \sqrt{k(x, x)\,k(z, z)}` over all pairs of training
            rows, at most 500 of them drawn at random. With `random` new rows have the same, and it falls like one over the root of
            the number of components; with `nystroem` new rows have more.
        worst_error_: the largest of these, without sign.
        unexplained_: of `nystroem`, share of the trace of the kernel matrix that is not explained; nan otherwise.
        landmarks_: rows of X that are landmarks; none with `random`.
        kernel_: the kernel.
        n_features_in_: columns of X. feature_names_in_: their names, where X has them.

    References:
        Landmarks: :cite:t:`chen2025`. The kernels: :cite:t:`jacot2018`, :cite:t:`cho2009`.
    """

    kernel_: Kernel
    landmarks_: Int[np.ndarray, " p"]
    error_: float
    worst_error_: float
    unexplained_: float
    _padding: float
    _points: Float[np.ndarray, "p q"]
    _factor: Float[np.ndarray, "p p"]
    _layers: list[RandomLayer]
    _mixed: Float[np.ndarray, "l p"] | None

    def __init__(
        self,
        depth: Any = 1,
        *,
        weight_variance: Any = 2.0,
        bias_variance: Any = 0.1,
        kernel: Any = "ntk",
        pad: Any = 0.0,
        method: Any = "nystroem",
        n_components: Any = 256,
        random_state: Any = 0,
    ) -> None:
        self.depth = depth
        self.weight_variance = weight_variance
        self.bias_variance = bias_variance
        self.kernel = kernel
        self.pad = pad
        self.method = method
        self.n_components = n_components
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> NTKFeatures:  # noqa: ARG002 - of scikit-learn's signature
        """Choose landmarks, or draw weights, and measure the error.

        Args:
            X: n rows of d numbers.
            y: not used.

        Raises:
            DataError: if X is not finite.
            UsageError: if a parameter is outside its range, or the kernel has no random features.
            ResourceError: if memory does not hold the columns of the landmarks.
        """
        rows = padded(training_rows(self, X, least=1), self.pad)
        method = one_of(self.method, "method", METHODS)
        components = count(self.n_components, "n_components")
        self._padding = float(self.pad)
        self.kernel_ = kernel_of(
            self.kernel, self.n_features_in_, depth=self.depth, weight_variance=self.weight_variance,
            bias_variance=self.bias_variance,
        )  # fmt: skip
        self._mixed = None
        generator = np.random.default_rng(seed_of(self.random_state))
        if method == "nystroem":
            self._choose_landmarks(rows, components, generator)
        else:
            self._draw_layers(rows.shape[1], components, generator)
        self._measure(rows, generator)
        return self

    def _choose_landmarks(
        self, rows: Float[np.ndarray, "n q"], components: int, generator: np.random.Generator
    ) -> None:
        n = len(rows)
        enough_memory(16.0 * n * min(components, n), f"{components} landmarks of {n} rows", "Use fewer n_components")
        operator: Any = self.kernel_.operator(rows)
        columns, self.landmarks_, self.unexplained_ = cholesky_columns(operator, components, seed=generator)
        self._points, self._factor = rows[self.landmarks_], columns[self.landmarks_].copy()
        self._layers = []
        self._n_features_out = len(self.landmarks_)

    def _draw_layers(self, columns: int, components: int, generator: np.random.Generator) -> None:
        """Random weights and signs, layer by layer."""
        self.landmarks_, self.unexplained_ = np.zeros(0, dtype=np.int64), float("nan")
        self._points, self._factor, self._layers = np.zeros((0, columns)), np.zeros((0, 0)), []
        self._n_features_out = components
        network = self._network()
        layers, tangent = network.layers, self.kernel_.output == "ntk"
        counted, biases = layers.trained == "all", int(layers.bias_variance > 0)
        # One neuron ahead, one back and the constant; fewer components are sums of them with random signs, right in mean as well.
        least = 1 + int(tangent and counted) + biases
        if components < least:
            self._mixed = generator.choice([-1.0, 1.0], (least, components)) / components**0.5
            components = least
        enough_memory(
            16.0 * components * (columns + (layers.depth - 1) * components),
            f"{components} random features",
            "Use fewer n_components",
        )
        inner = outer = columns + biases
        for place in range(layers.depth):
            # Layers before the last are as wide as all components.
            last = place == layers.depth - 1
            ahead, back = components, components if tangent else 0
            if last and not tangent:
                ahead = components - biases
            elif last:
                ahead = max(1, components // 2 - biases) if counted else 0
                back = components - ahead - biases if counted else components
            self._layers.append(
                RandomLayer(
                    weights=generator.standard_normal((max(ahead, back), inner)),
                    signs=generator.choice([-1.0, 1.0], (back, outer)),
                    ahead=ahead,
                    variance=layers.last_variance if last else layers.weight_variance,
                    bias=layers.bias_variance,
                    counted=counted,
                )
            )
            inner = ahead + biases
            outer = back + counted * inner

    def _network(self) -> NTK | NNGP:
        """The network of the kernel.

        Raises:
            UsageError: if the recursion of random features does not hold for it.
        """
        kernel = self.kernel_
        found = NTK(depth=1, weight_variance=1.0, trained="first") if isinstance(kernel, HInf) else kernel
        if isinstance(found, NTK | NNGP):
            layers = found.layers
            if layers.activation == "relu" and layers.trained in ("all", "first") and layers.last_rate == 1.0:
                return found
        raise UsageError(
            "random features are those of ReLU networks of which all parameters, at one rate, or the first layer are trained; "
            f"{kernel!r} came: pass method='nystroem'"
        )

    def _features(self, rows: Float[np.ndarray, "m q"]) -> Float[np.ndarray, "m p"]:
        if not self._layers:
            cross = self.kernel_(self._points, rows)
            return np.asarray(
                scipy.linalg.solve_triangular(self._factor, cross, lower=True, check_finite=False).T, order="C"
            )
        network = self._network()
        h: np.ndarray = network.input_scale**0.5 * rows
        if network.bias_variance > 0:
            h = np.column_stack([h, np.full(len(h), network.bias_variance**0.5)])
        g = h
        for layer in self._layers:
            h, g = layer.step(h, g)
        found = g if self.kernel_.output == "ntk" else h
        return found if self._mixed is None else found @ self._mixed

    def _measure(self, rows: Float[np.ndarray, "n q"], generator: np.random.Generator) -> None:
        some = rows if len(rows) <= MEASURED else rows[generator.choice(len(rows), MEASURED, replace=False)]
        features, K = self._features(some), self.kernel_(some)
        size = np.sqrt(np.diag(K))
        size = np.where(size > 0, size, 1.0)
        off = (features @ features.T - K) / size[:, None] / size
        self.error_, self.worst_error_ = float(np.sqrt(np.mean(off**2))), float(np.abs(off).max())

    def transform(self, X: Any) -> Float[np.ndarray, "m p"]:
        """Features of rows."""
        return self._features(padded(new_rows(self, X), self._padding))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        return tags
