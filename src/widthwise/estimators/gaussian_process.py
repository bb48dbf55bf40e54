r"""Gaussian process regression with the kernel of an infinitely wide network, its parameters chosen by the marginal likelihood."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg
import scipy.optimize
from jaxtyping import Float
from sklearn.base import MultiOutputMixin, RegressorMixin
from sklearn.utils import check_random_state

from widthwise._checks import count, enough_memory
from widthwise.errors import SingularKernelError, UsageError
from widthwise.estimators.persistence import Persistent
from widthwise.estimators.validation import new_rows, number, one_of, training_data
from widthwise.kernels import NNGP, NTK
from widthwise.kernels.parameters import matrix, parameter_gradients

KERNELS = {"ntk": NTK, "nngp": NNGP}
# Parameters, in the order of theta; those that start at zero are left out of it.
NAMES = ("signal_variance", "weight_variance", "bias_variance", "pad", "noise_variance")
OPTIMIZERS = ("fmin_l_bfgs_b",)
# Matrices of n x n that the likelihood and its gradient hold at once.
MATRICES = 24


class NTKGaussianProcessRegressor(MultiOutputMixin, RegressorMixin, Persistent):
    r"""Gaussian process regression with the tangent kernel, or the output covariance, of an infinitely wide ReLU network.

    .. math:: y = f(x) + \epsilon, \qquad f \sim GP(0, A\,K), \qquad \epsilon \sim N(0, s^2), \qquad
              \log p(y) = -\tfrac12 y^\top C^{-1}y - \tfrac12\log\det C - \tfrac n2\log 2\pi, \quad C = A\,K + s^2 I

    K is `NTK` or `NNGP` of the depth and variances given, on rows scaled by 1/d, with a constant coordinate of pad times the
    square root of d. Its derivatives are closed forms. With the NNGP the posterior is that of the Bayesian network of infinite
    width; with the NTK, that of an ensemble of networks, each trained to the end from a start of its own around zero.

    Args:
        depth: number of hidden layers.
        kernel: `ntk` or `nngp`.
        signal_variance: A.
        weight_variance: of a weight times its fan-in.
        bias_variance: of every bias.
        pad: of the constant coordinate.
        noise_variance: s^2, positive.
        optimizer: `fmin_l_bfgs_b` maximises the marginal likelihood over the logarithms of all parameters that are not zero; a
            callable `optimizer(objective, theta, bounds)` that returns theta and the minimum, where `objective(theta)` is the
            negative log marginal likelihood with its gradient; None keeps them.
        bounds: of every parameter, while it is optimised.
        n_restarts_optimizer: further starts, log-uniform within the bounds.
        normalize_y: whether targets are brought to mean 0 and variance 1 first; variances above are then in units of theirs.
        random_state: of the restarts.

    Attributes:
        theta_: logarithms of the parameters that are not zero, in the order of `theta_names_`.
        log_marginal_likelihood_value_: at theta, of the targets as normalised, summed over outputs.
        log_marginal_likelihood_: the same number.
        kernel_: the kernel, as `widthwise.kernels` has it; signal_variance_, noise_variance_, pad_: of it and around it.
        L_: lower Cholesky factor of C. alpha_: C^-1 y.
        X_train_, y_train_: what was fitted, the targets normalised.
        n_features_in_: columns of X. feature_names_in_: their names, where X has them.

    References:
        :cite:t:`rasmussen2006`, chapters 2 and 5; the kernels: :cite:t:`jacot2018`, :cite:t:`cho2009`.
    """

    kernel_: NTK | NNGP
    theta_: np.ndarray

    def __init__(
        self,
        depth: Any = 1,
        *,
        kernel: Any = "ntk",
        signal_variance: Any = 1.0,
        weight_variance: Any = 2.0,
        bias_variance: Any = 0.1,
        pad: Any = 0.0,
        noise_variance: Any = 0.1,
        optimizer: Any = "fmin_l_bfgs_b",
        bounds: Any = (1e-5, 1e5),
        n_restarts_optimizer: Any = 0,
        normalize_y: Any = True,
        random_state: Any = None,
    ) -> None:
        self.depth = depth
        self.kernel = kernel
        self.signal_variance = signal_variance
        self.weight_variance = weight_variance
        self.bias_variance = bias_variance
        self.pad = pad
        self.noise_variance = noise_variance
        self.optimizer = optimizer
        self.bounds = bounds
        self.n_restarts_optimizer = n_restarts_optimizer
        self.normalize_y = normalize_y
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> NTKGaussianProcessRegressor:
        """Choose the parameters and factorise the covariance.

        Args:
            X: n rows of d numbers.
            y: targets of shape (n,) or (n, k); outputs share the parameters and are independent otherwise.

        Raises:
            DataError: if data are not finite or shapes do not fit.
            UsageError: if a parameter is outside its range.
            SingularKernelError: if the covariance is singular to working precision.
            ResourceError: if memory does not hold the matrices.
        """
        rows, targets = training_data(self, X, y, multi_output=True, least=1)
        n = len(rows)
        enough_memory(MATRICES * 8.0 * n**2, f"a Gaussian process of {n} rows", "Use fewer rows")
        start = self._start()
        self.theta_names_ = tuple(name for name, value in start.items() if value > 0)
        Y = targets[:, None] if targets.ndim == 1 else targets
        self._one_output = targets.ndim == 1
        self._mean, self._scale = np.zeros(Y.shape[1]), np.ones(Y.shape[1])
        if self.normalize_y:
            size = np.abs(Y).max(axis=0)
            size = np.where(size > 0, size, 1.0)
            self._mean = (Y / size).mean(axis=0) * size
            spread = (Y / size).std(axis=0) * size
            # A column that is constant but for rounding stays as it is.
            self._scale = np.where(spread > 10 * np.finfo(np.float64).eps * size, spread, 1.0)
        self.X_train_, self.y_train_ = rows, (Y - self._mean) / self._scale
        theta = np.log([start[name] for name in self.theta_names_])
        self.theta_ = self._optimised(theta)
        self._set(self.theta_)
        covariance = self.signal_variance_ * matrix(self.kernel_, self._padded(rows))
        covariance[np.diag_indices(n)] += self.noise_variance_
        try:
            self.L_ = scipy.linalg.cholesky(covariance, lower=True, check_finite=False)
        except np.linalg.LinAlgError:
            raise SingularKernelError(
                f"the covariance of {n} rows must be positive definite; with a noise of {self.noise_variance_:.3g} beside a "
                f"signal of {self.signal_variance_:.3g} it is not (rows that coincide do this). Use a larger noise_variance"
            ) from None
        self.alpha_ = scipy.linalg.cho_solve((self.L_, True), self.y_train_, check_finite=False)
        self.log_marginal_likelihood_value_ = _likelihood(self.y_train_, self.L_, self.alpha_)
        return self

    @property
    def log_marginal_likelihood_(self) -> float:
        """The largest log marginal likelihood found: `log_marginal_likelihood_value_`."""
        return float(self.log_marginal_likelihood_value_)

    def log_marginal_likelihood(
        self, theta: Any = None, eval_gradient: bool = False
    ) -> float | tuple[float, Float[np.ndarray, " p"]]:
        """Log marginal likelihood of the targets as normalised, and its gradient in the logarithms of the parameters.

        Args:
            theta: logarithms in the order of `theta_names_`; `theta_` when not given.
            eval_gradient: whether the gradient comes too.

        Raises:
            UsageError: if theta has not as many entries as there are parameters.
        """
        if not hasattr(self, "theta_names_"):
            raise UsageError("the likelihood is one of data: call fit first")
        if theta is None:
            if not eval_gradient:
                return self.log_marginal_likelihood_
            theta = self.theta_
        logs = np.asarray(theta, dtype=np.float64)
        if logs.shape != (len(self.theta_names_),) or not np.isfinite(logs).all():
            raise UsageError(
                f"theta must hold the logarithms of {', '.join(self.theta_names_)}; an array of shape {logs.shape} came"
            )
        value, gradient = self._evaluate(logs)
        return (value, gradient) if eval_gradient else value

    def predict(
        self, X: Any, return_std: bool = False, return_cov: bool = False, *, latent: bool = False
    ) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """Mean of the posterior, with the standard deviation or covariance of new targets.

        Args:
            X: m rows.
            return_std: give standard deviations, of the shape of the mean.
            return_cov: give covariances, (m, m) for one output and (m, m, k) for more.
            latent: of f alone, without the noise of the targets.

        Raises:
            UsageError: if both are asked for.
        """
        if return_std and return_cov:
            raise UsageError(
                "return_std and return_cov exclude each other: the deviations are the roots of the diagonal"
            )
        rows = self._padded(new_rows(self, X))
        cross = self.signal_variance_ * matrix(self.kernel_, rows, self._padded(self.X_train_))
        mean = cross @ self.alpha_ * self._scale + self._mean
        shaped = mean[:, 0] if self._one_output else mean
        if not (return_std or return_cov):
            return np.asarray(shaped)
        half = scipy.linalg.solve_triangular(self.L_, cross.T, lower=True, check_finite=False)
        noise = 0.0 if latent else self.noise_variance_
        if return_std:
            variance = self.signal_variance_ * self.kernel_.diag(rows) - np.einsum("ij,ij->j", half, half)
            # Rounding may leave the variance of f a hair below zero.
            std = np.sqrt(np.maximum(variance, 0.0) + noise)
            return shaped, std * self._scale[0] if self._one_output else std[:, None] * self._scale
        covariance = self.signal_variance_ * matrix(self.kernel_, rows) - half.T @ half
        covariance[np.diag_indices(len(rows))] += noise
        if self._one_output:
            return shaped, covariance * self._scale[0] ** 2
        return shaped, covariance[:, :, None] * self._scale**2

    def sample_y(self, X: Any, n_samples: int = 1, random_state: Any = 0, *, latent: bool = False) -> np.ndarray:
        """Draws from the posterior of new targets.

        Args:
            X: m rows.
            n_samples: number of draws.
            random_state: as scikit-learn takes it.
            latent: draw f, without the noise of the targets.

        Returns:
            Of shape (m, n_samples), or (m, k, n_samples) for more outputs.
        """
        draws = count(n_samples, "n_samples")
        mean, covariance = self.predict(X, return_cov=True, latent=latent)
        generator = check_random_state(random_state)
        means = mean[:, None] if self._one_output else mean
        covariances = covariance[:, :, None] if self._one_output else covariance
        found = np.empty((*means.shape, draws))
        for output in range(means.shape[1]):
            values, vectors = scipy.linalg.eigh(covariances[:, :, output], check_finite=False)
            root = vectors * np.sqrt(np.maximum(values, 0.0))
            found[:, output] = means[:, output, None] + root @ generator.standard_normal((len(means), draws))
        return found[:, 0] if self._one_output else found

    def _start(self) -> dict[str, float]:
        """The parameters as given, checked."""
        one_of(self.kernel, "kernel", tuple(KERNELS))
        count(self.depth, "depth")
        found = {name: number(getattr(self, name), name) for name in NAMES}
        for name in ("signal_variance", "weight_variance", "noise_variance"):
            if found[name] == 0.0:
                raise UsageError(f"{name} must be positive; {getattr(self, name)!r} came")
        return found

    def _optimised(self, theta: Float[np.ndarray, " p"]) -> Float[np.ndarray, " p"]:
        """Theta of the largest likelihood from the starts that are asked for."""
        if self.optimizer is None:
            return theta
        limits = np.log([number(b, "bounds", least=np.finfo(np.float64).tiny) for b in self.bounds])
        if len(limits) != 2 or not limits[0] < limits[1]:
            raise UsageError(f"bounds must be two positive numbers, the smaller one first; {self.bounds!r} came")
        search: Callable[..., Any] = _l_bfgs_b
        if callable(self.optimizer):
            search = self.optimizer
        else:
            one_of(self.optimizer, "optimizer", (*OPTIMIZERS, "a callable"))

        def objective(logs: Float[np.ndarray, " p"]) -> tuple[float, Float[np.ndarray, " p"]]:
            value, gradient = self._evaluate(np.asarray(logs, dtype=np.float64))
            return -value, -gradient

        generator = check_random_state(self.random_state)
        starts = [np.clip(theta, *limits)]
        restarts = count(self.n_restarts_optimizer, "n_restarts_optimizer", 0)
        starts.extend(generator.uniform(*limits, size=len(theta)) for _ in range(restarts))
        box = np.tile(limits, (len(theta), 1))
        tried = [search(objective, start, box) for start in starts]
        return np.asarray(min(tried, key=lambda found: found[1])[0], dtype=np.float64)

    def _parameters(self, theta: Float[np.ndarray, " p"]) -> dict[str, float]:
        found = dict.fromkeys(NAMES, 0.0)
        found.update(zip(self.theta_names_, np.exp(theta).tolist(), strict=True))
        return found

    def _kernel_of(self, values: dict[str, float]) -> NTK | NNGP:
        made: NTK | NNGP = KERNELS[self.kernel](
            depth=self.depth,
            weight_variance=values["weight_variance"],
            bias_variance=values["bias_variance"],
            input_scale=1.0 / self.X_train_.shape[1],
        )
        return made

    def _set(self, theta: Float[np.ndarray, " p"]) -> None:
        values = self._parameters(theta)
        self.kernel_ = self._kernel_of(values)
        self.signal_variance_, self.noise_variance_ = values["signal_variance"], values["noise_variance"]
        self.pad_ = values["pad"]

    def _padded(self, X: Float[np.ndarray, "n d"], pad: float | None = None) -> Float[np.ndarray, "n p"]:
        size = self.pad_ if pad is None else pad
        return X if size == 0.0 else np.column_stack([X, np.full(len(X), size * X.shape[1] ** 0.5)])

    def _evaluate(self, theta: Float[np.ndarray, " p"]) -> tuple[float, Float[np.ndarray, " p"]]:
        r"""Likelihood and gradient, half the trace of :math:`(\alpha\alpha^\top - kC^{-1})\,\partial C`."""
        values = self._parameters(theta)
        n, k = self.y_train_.shape
        network = self._kernel_of(values)
        found = parameter_gradients(network, self._padded(self.X_train_, values["pad"]))
        signal, noise = values["signal_variance"], values["noise_variance"]
        covariance = signal * found.values
        covariance[np.diag_indices(n)] += noise
        try:
            L = scipy.linalg.cholesky(covariance, lower=True, check_finite=False)
        except np.linalg.LinAlgError:
            return -np.inf, np.zeros(len(theta))
        alpha = scipy.linalg.cho_solve((L, True), self.y_train_, check_finite=False)
        weights = alpha @ alpha.T - k * scipy.linalg.cho_solve((L, True), np.eye(n), check_finite=False)
        derivatives = {
            "signal_variance": found.values,
            "weight_variance": signal * found.weight_variance,
            "bias_variance": signal * found.bias_variance,
            # A coordinate of pad sqrt(d) adds pad^2 d to every product.
            "pad": signal * 2.0 * values["pad"] * self.X_train_.shape[1] * found.constant,
        }
        gradient = [
            0.5
            * values[name]
            * float(np.trace(weights) if name == "noise_variance" else np.vdot(weights, derivatives[name]))
            for name in self.theta_names_
        ]
        return _likelihood(self.y_train_, L, alpha), np.array(gradient)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        return tags


def _likelihood(Y: Float[np.ndarray, "n k"], L: Float[np.ndarray, "n n"], alpha: Float[np.ndarray, "n k"]) -> float:
    n, k = Y.shape
    value: float = -0.5 * float(np.vdot(Y, alpha)) - k * (
        float(np.log(np.diag(L)).sum()) + 0.5 * n * float(np.log(2.0 * np.pi))
    )
    return value


def _l_bfgs_b(
    objective: Callable[..., Any], start: Float[np.ndarray, " p"], bounds: Float[np.ndarray, "p 2"]
) -> tuple[Float[np.ndarray, " p"], float]:
    limits = [(float(low), float(high)) for low, high in bounds]
    found = scipy.optimize.minimize(objective, start, jac=True, method="L-BFGS-B", bounds=limits)
    return found.x, float(found.fun)
