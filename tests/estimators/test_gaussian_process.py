"""The Gaussian process is scikit-learn's with our kernel: the same likelihood, gradient, posterior, to the letter."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize
import scipy.stats
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Hyperparameter, Kernel
from sklearn.utils.estimator_checks import parametrize_with_checks

import widthwise as ww
from widthwise.errors import UsageError
from widthwise.estimators.gaussian_process import NTKGaussianProcessRegressor
from widthwise.kernels import NNGP, NTK
from widthwise.kernels.parameters import matrix


@parametrize_with_checks([NTKGaussianProcessRegressor(optimizer=None)])
def test_the_conventions_of_scikit_learn_hold(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks([NTKGaussianProcessRegressor()])
def test_the_conventions_of_scikit_learn_hold_with_parameters_by_the_likelihood(estimator, check):
    check(estimator)


class Wrapped(Kernel):
    """Our kernel with its noise, for scikit-learn's regressor, which has derivatives by finite differences only."""

    def __init__(self, signal=1.0, bias=0.1, noise=0.1, depth=1):
        self.signal, self.bias, self.noise, self.depth = signal, bias, noise, depth

    @property
    def hyperparameter_signal(self):
        return Hyperparameter("signal", "numeric", (1e-5, 1e5))

    @property
    def hyperparameter_bias(self):
        return Hyperparameter("bias", "numeric", (1e-5, 1e5))

    @property
    def hyperparameter_noise(self):
        return Hyperparameter("noise", "numeric", (1e-5, 1e5))

    def _kernel(self, X):
        return NTK(depth=self.depth, bias_variance=float(self.bias), input_scale=1.0 / X.shape[1])

    def __call__(self, X, Y=None, eval_gradient=False):
        assert not eval_gradient
        K = self.signal * matrix(self._kernel(X), X, Y)
        return K + self.noise * np.eye(len(X)) if Y is None else K

    def diag(self, X):
        return self.signal * self._kernel(X).diag(X) + self.noise

    def is_stationary(self):
        return False


def table(n=40, d=3, outputs=0, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    y = np.sin(2 * X[:, 0]) + X[:, 1] + 0.1 * rng.normal(size=n)
    return X, (y if not outputs else np.column_stack([y, X[:, 2] ** 2 + 0.1 * rng.normal(size=n)]))


@pytest.mark.parametrize("outputs", [0, 2])
def test_likelihood_and_posterior_are_those_of_scikit_learn_with_the_same_kernel(outputs):
    X, y = table(outputs=outputs)
    Z = table(15, seed=1)[0]
    ours = NTKGaussianProcessRegressor(
        depth=2, signal_variance=1.3, bias_variance=0.2, noise_variance=0.05, optimizer=None
    ).fit(X, y)
    theirs = GaussianProcessRegressor(Wrapped(1.3, 0.2, 0.05, 2), alpha=1e-300, optimizer=None, normalize_y=True).fit(
        X, y
    )
    assert ours.log_marginal_likelihood_ == pytest.approx(theirs.log_marginal_likelihood_value_, rel=1e-10)
    for asked in ({"return_std": True}, {"return_cov": True}):
        for mine, other in zip(ours.predict(Z, **asked), theirs.predict(Z, **asked), strict=True):
            np.testing.assert_allclose(mine, other, rtol=1e-7, atol=1e-9)


def test_the_maximum_is_that_of_scikit_learns_search():
    """The same three parameters, its optimiser by differences, ours by the closed form."""
    X = table()[0]
    y = X[:, 0] + 0.5 * np.random.default_rng(5).normal(size=len(X))

    def theirs(objective, start, bounds):
        found = scipy.optimize.minimize(lambda t: objective(t, False), start, method="L-BFGS-B", bounds=bounds)
        return found.x, found.fun

    reference = GaussianProcessRegressor(Wrapped(), alpha=1e-300, optimizer=theirs, normalize_y=True).fit(X, y)

    def fixed(objective, start, bounds):
        """Without the weight variance, the second entry."""
        free = np.array([0, 2, 3])

        def part(logs):
            whole = start.copy()
            whole[free] = logs
            value, gradient = objective(whole)
            return value, gradient[free]

        found = scipy.optimize.minimize(part, start[free], jac=True, method="L-BFGS-B", bounds=bounds[free])
        whole = start.copy()
        whole[free] = found.x
        return whole, found.fun

    ours = NTKGaussianProcessRegressor(optimizer=fixed).fit(X, y)
    assert ours.log_marginal_likelihood_ == pytest.approx(reference.log_marginal_likelihood_value_, abs=1e-3)
    free = NTKGaussianProcessRegressor(n_restarts_optimizer=1, random_state=0).fit(X, y)
    assert free.log_marginal_likelihood_ >= ours.log_marginal_likelihood_ - 1e-6
    assert np.abs(free.log_marginal_likelihood(free.theta_, eval_gradient=True)[1]).max() < 0.1


@pytest.mark.parametrize("kernel", ["ntk", "nngp"])
@pytest.mark.parametrize("outputs", [0, 2])
def test_the_gradient_is_that_of_finite_differences(kernel, outputs):
    X, y = table(25, outputs=outputs)
    X = np.vstack([X, X[:1], -X[1:2]])
    y = np.concatenate([y, y[:1] + 0.1, y[1:2]])
    model = NTKGaussianProcessRegressor(depth=3, kernel=kernel, pad=0.7, optimizer=None).fit(X, y)
    assert model.theta_names_ == ("signal_variance", "weight_variance", "bias_variance", "pad", "noise_variance")
    value, gradient = model.log_marginal_likelihood(model.theta_, eval_gradient=True)
    assert value == pytest.approx(model.log_marginal_likelihood_, rel=1e-10)
    step = 1e-3
    for place in range(5):

        def at(shift, place=place):
            theta = model.theta_.copy()
            theta[place] += shift
            return model.log_marginal_likelihood(theta)

        difference = (8 * (at(step) - at(-step)) - (at(2 * step) - at(-2 * step))) / (12 * step)
        assert gradient[place] == pytest.approx(difference, rel=1e-6, abs=1e-6)


def test_the_likelihood_is_the_density_of_a_gaussian():
    X, y = table(12)
    model = NTKGaussianProcessRegressor(kernel="nngp", optimizer=None, normalize_y=False).fit(X, y)
    K = NNGP(depth=1, bias_variance=0.1, input_scale=1 / 3)(X) + 0.1 * np.eye(12)
    assert model.log_marginal_likelihood_ == pytest.approx(scipy.stats.multivariate_normal(np.zeros(12), K).logpdf(y))


def test_central_intervals_hold_what_they_promise_on_draws_of_the_model():
    """New targets drawn from the prior: 80 % intervals hold 80 % of 4000, to four standard errors of dependent draws."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 2))
    kernel = NTK(depth=1, bias_variance=0.1, input_scale=0.5)
    L = np.linalg.cholesky(kernel(X) + 0.1 * np.eye(120))
    inside = []
    for _ in range(50):
        y = L @ rng.standard_normal(120)
        model = NTKGaussianProcessRegressor(optimizer=None, normalize_y=False).fit(X[:40], y[:40])
        mean, std = model.predict(X[40:], return_std=True)
        inside.append(np.mean(np.abs(y[40:] - mean) <= 1.2815515655446004 * std))
    assert np.mean(inside) == pytest.approx(0.8, abs=4 * np.std(inside) / 50**0.5)


def test_draws_have_the_mean_and_covariance_of_the_posterior():
    X, y = table(20, outputs=2)
    model = NTKGaussianProcessRegressor(optimizer=None).fit(X, y)
    Z = table(4, seed=2)[0]
    draws = model.sample_y(Z, 20000, random_state=0)
    assert draws.shape == (4, 2, 20000)
    mean, covariance = model.predict(Z, return_cov=True)
    error = np.sqrt(np.diagonal(covariance).T / 20000)
    np.testing.assert_array_less(np.abs(draws.mean(axis=2) - mean), 4.5 * error)
    found = np.cov(draws[:, 1])
    scale = np.sqrt(np.outer(np.diag(found), np.diag(found)))
    np.testing.assert_allclose(found / scale, covariance[:, :, 1] / scale, atol=5 * 2**0.5 / 20000**0.5)
    assert model.sample_y(Z, 3, random_state=1, latent=True).shape == (4, 2, 3)


def test_deviations_are_the_roots_of_the_diagonal_and_noise_is_part_of_them():
    X, y = table()
    model = NTKGaussianProcessRegressor(depth=2, pad=1.0, optimizer=None).fit(X, y)
    Z = np.vstack([X[:3], 5.0 + X[:2]])
    _, std = model.predict(Z, return_std=True)
    _, covariance = model.predict(Z, return_cov=True)
    np.testing.assert_allclose(std, np.sqrt(np.diag(covariance)), rtol=1e-10)
    _, latent = model.predict(Z, return_std=True, latent=True)
    np.testing.assert_allclose(std**2 - latent**2, model.noise_variance_ * y.std() ** 2, rtol=1e-9)
    assert latent[3:].min() > latent[:3].max()


def test_units_of_the_targets_do_not_matter_when_normalised():
    X, y = table()
    model = NTKGaussianProcessRegressor().fit(X, y)
    moved = NTKGaussianProcessRegressor().fit(X, 1e6 * y + 3e7)
    assert moved.log_marginal_likelihood_ == pytest.approx(model.log_marginal_likelihood_, rel=1e-5)
    np.testing.assert_allclose(moved.predict(X), 1e6 * model.predict(X) + 3e7, rtol=1e-4)


def test_files_bring_predictions_back(tmp_path):
    X, y = table()
    model = NTKGaussianProcessRegressor(optimizer=None).fit(X, y)
    again = NTKGaussianProcessRegressor.load(model.save(tmp_path / "process.npz"))
    np.testing.assert_array_equal(again.predict(X, return_std=True)[1], model.predict(X, return_std=True)[1])
    assert ww.NTKGaussianProcessRegressor is NTKGaussianProcessRegressor


def test_what_cannot_be_used_is_refused():
    X, y = table()
    for change, words in (
        ({"kernel": "rbf"}, "kernel must be 'ntk' or 'nngp'"),
        ({"noise_variance": 0.0}, "noise_variance must be positive"),
        ({"depth": 0}, "depth must be an integer of at least 1"),
        ({"optimizer": "adam"}, "optimizer must be 'fmin_l_bfgs_b' or 'a callable'"),
        ({"bounds": (2.0, 1.0)}, "the smaller one first"),
    ):
        with pytest.raises(UsageError, match=words):
            NTKGaussianProcessRegressor(**change).fit(X, y)
    model = NTKGaussianProcessRegressor(optimizer=None)
    with pytest.raises(UsageError, match="call fit first"):
        model.log_marginal_likelihood()
    model.fit(X, y)
    with pytest.raises(UsageError, match="exclude each other"):
        model.predict(X, return_std=True, return_cov=True)
    with pytest.raises(UsageError, match="theta must hold the logarithms of signal_variance"):
        model.log_marginal_likelihood([0.0])
    with pytest.raises(ValueError, match="NaN"):
        model.fit(X, np.column_stack([y, np.full(len(y), np.nan)]))
