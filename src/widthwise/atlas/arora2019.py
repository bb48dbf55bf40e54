"""Claims of Arora, Du, Hu, Li and Wang 2019: what the spectrum of H-infinity says of a wide two-layer ReLU network."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from widthwise.atlas.claim import Axes, Claim
from widthwise.atlas.criteria import Equality
from widthwise.atlas.hypotheses import at_most, bounded_labels, no_parallel_rows, smallest_eigenvalue, unit_norm_rows
from widthwise.atlas.trial import Curve, Evidence, Settings, Trial
from widthwise.kernels import HInf
from widthwise.networks import MLP
from widthwise.theory import Spectrum, spectrum, training_curve, worst_labels
from widthwise.training import TrainingRun, train

HALF = 0.5
"""Step size in units of 1/lambda_max: a quarter of the largest stable one."""


def rate(modes: Spectrum, trial: Trial) -> float:
    """Step size on the summed loss."""
    return HALF / float(modes.values.max()) / trial.slowdown


def descend(
    trial: Trial, y: Float[np.ndarray, " n"], modes: Spectrum, *, kappa: float = 1.0, probes: tuple[str, ...] = ()
) -> TrainingRun:
    """Full-batch descent of the first layer from f = 0, at the widest of the settings."""
    net = MLP(widths=(max(trial.settings.widths),), kappa=kappa, antisymmetric=True)
    return train(
        net, trial.rows.X, y, learning_rate=rate(modes, trial), steps=trial.steps, probes=probes, seed=trial.seed
    )


def shown(trial: Trial, points: int = 16) -> Int[np.ndarray, " t"]:
    """Steps of a figure, even in the logarithm, the same training time at every step size."""
    full = np.unique(np.geomspace(1, trial.settings.steps, points).astype(int))
    return np.concatenate([[0], full]) * trial.slowdown


def label_sets(trial: Trial, modes: Spectrum) -> dict[str, Float[np.ndarray, " n"]]:
    """True, random and worst labels of one norm; random ones are signs."""
    y = np.asarray(trial.rows.y, dtype=np.float64)
    size = float(np.linalg.norm(y))
    random = trial.rng.choice([-1.0, 1.0], size=len(y)) * size / np.sqrt(len(y))
    return {"true labels": y, "random labels": random, "worst labels": size * worst_labels(modes)}


def predict_speed(trial: Trial) -> Evidence:
    """Residuals from the spectrum."""
    modes = spectrum(HInf()(trial.rows.X))
    steps, step = shown(trial), rate(modes, trial)
    return Evidence(
        *(
            Curve(label, steps / trial.slowdown, training_curve(modes, y, learning_rate=step, steps=steps).residual)
            for label, y in label_sets(trial, modes).items()
        )
    )


def measure_speed(trial: Trial) -> Evidence:
    """Residuals along training."""
    modes = spectrum(HInf()(trial.rows.X))
    steps = shown(trial)
    curves = []
    for label, y in label_sets(trial, modes).items():
        history = descend(trial, y, modes).history
        curves.append(Curve(label, steps / trial.slowdown, history.residual[steps]))
    return Evidence(*curves)


def random_against_true(trial: Trial) -> Evidence:
    """True and random labels change places."""
    true, random, worst = measure_speed(trial).curves
    return Evidence(Curve(true.label, true.x, random.y), Curve(random.label, random.x, true.y), worst)


SMALL_STEP = at_most(
    "the step size is O(lambda_0 / n^2)",
    lambda trial: smallest_eigenvalue(trial) / trial.rows.n**2,
    lambda trial: rate(spectrum(HInf()(trial.rows.X)), trial),
)

CLAIMS = (
    Claim(
        key="arora2019-training-speed",
        type="E",
        source="arora2019",
        locator="theorem 4.1, figure 1 (a, c)",
        title="The residual follows the spectrum",
        statement="Along gradient descent the residual of a wide network is what the eigenvalues of H-infinity and the "
        "projections of the labels on its eigenvectors say, whatever the labels.",
        formula=r"\|y - u(k)\| = \sqrt{\sum_i (1 - \eta\lambda_i)^{2k} (v_i^\top y)^2} \pm \varepsilon",
        quantity="training speed",
        hypotheses=(unit_norm_rows, bounded_labels, no_parallel_rows, SMALL_STEP),
        predict=predict_speed,
        measure=measure_speed,
        criterion=Equality(tolerance=0.1, of_largest=True),
        control=random_against_true,
        control_text="measured curves of true and random labels change places",
        axes=Axes(x="steps", y="residual |y - f|", log_x=True, log_y=True),
        settings={
            "smoke": Settings(data="breast-cancer", n=32, widths=(512,), steps=200),
            "quick": Settings(data="mnist:0,1", n=200, widths=(8192,), steps=400),
            "paper": Settings(data="mnist:0,1", n=10000, widths=(10000,), steps=10000),
        },
        gradient_flow=True,
    ),
)
