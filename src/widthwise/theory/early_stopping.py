r"""When to stop: the risk of gradient descent on noisy targets, step by step, on the training inputs.

With targets :math:`y = f^* + \varepsilon`, noise of variance :math:`\sigma^2` and residual factors :math:`p_i(k)`, the
mean square distance of the predictions from :math:`f^*` on the training inputs is exactly

.. math:: R(k) = \frac1n\sum_i\left[p_i(k)^2 (v_i^\top f^*)^2 + \sigma^2 (1 - p_i(k))^2\right].

Stopping after k steps regularises: a direction is fitted to the share :math:`1 - p_i(k)`, as a ridge fits it to
:math:`\lambda_i/(\lambda_i + r)`. Source: :cite:t:`raskutti2014`; the unbiased estimate is that of :cite:t:`mallows1973`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from widthwise._checks import positive
from widthwise.errors import UsageError
from widthwise.theory.dynamics import Spectrum, step_numbers
from widthwise.theory.modes import Optimizer, known, remaining


@dataclass(frozen=True, kw_only=True, eq=False)
class EarlyStopping:
    """Estimated risk along training.

    Attributes:
        steps: numbers of steps.
        risk: estimate after each, in squared units of y, summed over columns: of the distance to the noise-free targets
            (Mallows) or of the error on fresh targets (generalised cross-validation).
        degrees_of_freedom: effective number of directions that are fitted, sum of 1 - p_i.
        criterion: which estimate.
    """

    steps: Int[np.ndarray, " t"]
    risk: Float[np.ndarray, " t"]
    degrees_of_freedom: Float[np.ndarray, " t"]
    criterion: str

    @property
    def best(self) -> int:
        """Number of steps with the smallest estimate."""
        return int(self.steps[int(np.argmin(self.risk))])


def fixed_design_risk(
    spectrum: Spectrum,
    signal: Float[np.ndarray, " n"] | Float[np.ndarray, "n k"],
    *,
    noise_variance: float,
    learning_rate: float,
    steps: int | Int[np.ndarray, " t"],
    optimizer: Optimizer = "gd",
    momentum: float = 0.0,
) -> Float[np.ndarray, " t"]:
    r"""Expected mean square distance to noise-free targets that are known, formula R(k) above, summed over columns.

    Raises:
        UsageError: if the rate is not positive, the noise negative, a step negative or the optimizer unknown.
    """
    _noise(noise_variance)
    left = _factors(spectrum, learning_rate, step_numbers(steps), optimizer, momentum)
    signal_energy = spectrum.project(signal) ** 2
    bias = left**2 @ signal_energy.sum(axis=1)
    variance = noise_variance * signal_energy.shape[1] * np.sum((1.0 - left) ** 2, axis=1)
    return np.asarray((bias + variance) / len(spectrum.values))


def early_stopping(
    spectrum: Spectrum,
    y: Float[np.ndarray, " n"] | Float[np.ndarray, "n k"],
    *,
    learning_rate: float,
    steps: int | Int[np.ndarray, " t"],
    noise_variance: float | None = None,
    optimizer: Optimizer = "gd",
    momentum: float = 0.0,
) -> EarlyStopping:
    r"""Risk along training estimated from the noisy targets themselves.

    .. math::
        \text{noise known:}\quad \tfrac1n\|y - u_k\|^2 + 2\sigma^2\,\mathrm{df}_k/n - \sigma^2, \qquad
        \text{unknown:}\quad \frac{\|y - u_k\|^2/n}{(1 - \mathrm{df}_k/n)^2}

    The first is unbiased for `fixed_design_risk` at every step; the second is generalised cross-validation.

    Args:
        spectrum: of the kernel matrix of the training rows.
        y: noisy targets, one column for each output.
        learning_rate: rate on the summed loss.
        steps: number of steps (all from zero on), or the numbers wanted.
        noise_variance: of each target, in squared units of y; None where it is not known.
        optimizer: as for `training_curve`.
        momentum: beta of the heavy ball.

    Raises:
        UsageError: if the rate is not positive, the noise negative, a step negative or the optimizer unknown.
    """
    counts = step_numbers(steps)
    left = _factors(spectrum, learning_rate, counts, optimizer, momentum)
    n = len(spectrum.values)
    energies = spectrum.project(y) ** 2
    error = left**2 @ energies.sum(axis=1) / n
    freedom = np.sum(1.0 - left, axis=1)
    if noise_variance is not None:
        _noise(noise_variance)
        risk = error + noise_variance * energies.shape[1] * (2.0 * freedom / n - 1.0)
        return EarlyStopping(steps=counts, risk=risk, degrees_of_freedom=freedom, criterion="Mallows")
    with np.errstate(divide="ignore", invalid="ignore"):
        risk = error / (1.0 - freedom / n) ** 2
    # Where every direction is fitted to rounding, the quotient is one of roundings.
    risk = np.where(1.0 - freedom / n > 1e-9, risk, np.inf)
    return EarlyStopping(steps=counts, risk=risk, degrees_of_freedom=freedom, criterion="generalised cross-validation")


def _noise(variance: float) -> None:
    if not (np.isfinite(variance) and variance >= 0.0):
        raise UsageError(f"noise_variance must be at least zero; {variance!r} came")


def _factors(
    spectrum: Spectrum, learning_rate: float, steps: Int[np.ndarray, " t"], optimizer: Optimizer, momentum: float
) -> Float[np.ndarray, "t n"]:
    positive(learning_rate, "learning_rate")
    known(optimizer, momentum)
    values = np.where(spectrum.values > spectrum.tolerance, spectrum.values, 0.0)
    return remaining(learning_rate * values, steps, optimizer, momentum)
