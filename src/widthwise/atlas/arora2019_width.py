"""Claims of Arora et al. 2019 on width: how the gap to the prediction and the drift of H shrink as it grows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from widthwise.atlas.arora2019_descent import GAP, OF_THEOREM, START, descend, rate, scaled, shown
from widthwise.atlas.arora2019_labels import kernel, labels
from widthwise.atlas.claim import Axes, Claim
from widthwise.atlas.criteria import Exponent
from widthwise.atlas.trial import Curve, Evidence, Trial
from widthwise.theory import Spectrum, spectrum, training_curve
from widthwise.training import TrainingRun
from widthwise.training.probes import KernelDrift

DRIFT = "relative drift of H"


def across(
    trial: Trial, kappa: Callable[[int], float], value: Callable[[TrainingRun, Spectrum], float], **options: Any
) -> Curve:
    """A number of runs on the true labels, by width: its mean over several starts."""
    modes, y = spectrum(kernel(trial)), labels(trial)

    def mean(m: int) -> float:
        runs = (
            descend(trial, y, rate(modes, trial), width=m, kappa=kappa(m), draw=draw, **options)
            for draw in range(trial.more("starts"))
        )
        return float(np.mean([value(run, modes) for run in runs]))

    found = [mean(m) for m in trial.settings.widths]
    return Curve("", trial.settings.widths, found)


def gap(trial: Trial) -> Callable[[TrainingRun, Spectrum], float]:
    """Largest distance of residual and prediction along a run, over |y|."""
    y = labels(trial)

    def of(run: TrainingRun, modes: Spectrum) -> float:
        steps = shown(trial)
        told = training_curve(modes, y, learning_rate=rate(modes, trial), steps=steps).residual
        return float(np.max(np.abs(run.history.residual[steps] - told)) / np.linalg.norm(y))

    return of


def one(_width: int) -> float:
    """Weights of deviation one at the start, whatever the width."""
    return 1.0


def shrinking(trial: Trial) -> Callable[[int], float]:
    """Weights whose deviation falls like the width to the power -1/2: the laziness index is the same at every width."""
    return lambda m: float(np.sqrt(min(trial.settings.widths) / m)) * float(trial.settings.more.get("kappa", 0.05))


def predict_gap(trial: Trial) -> Evidence:
    """The rate of a bound, not its constant."""
    m = np.array(trial.settings.widths, dtype=np.float64)
    return Evidence(Curve(GAP, m, m**-0.5))


def measure_gap(trial: Trial) -> Evidence:
    """At kappa = 1."""
    found = across(trial, one, gap(trial))
    return Evidence(Curve(GAP, found.x, found.y))


def gap_of_constant_laziness(trial: Trial) -> Evidence:
    """At kappa proportional to m^-1/2."""
    found = across(trial, shrinking(trial), gap(trial))
    return Evidence(Curve(GAP, found.x, found.y))


def predict_drift(trial: Trial) -> Evidence:
    """The rate of a bound, not its constant."""
    m = np.array(trial.settings.widths, dtype=np.float64)
    return Evidence(Curve(DRIFT, m, m**-0.5))


def measure_drift(trial: Trial) -> Evidence:
    """At kappa = 1."""
    return _drift(trial, one)


def drift_of_constant_laziness(trial: Trial) -> Evidence:
    """At kappa proportional to m^-1/2."""
    return _drift(trial, shrinking(trial))


def _drift(trial: Trial, kappa: Callable[[int], float]) -> Evidence:
    found = across(
        trial,
        kappa,
        lambda run, _: float(run.history.probes["kernel.norm"][-1]),
        probes=(KernelDrift(),),
        every=trial.steps,
    )
    return Evidence(Curve(DRIFT, found.x, found.y))


CLAIMS = (
    Claim(
        key="arora2019-gap-against-width",
        type="O",
        source="arora2019",
        locator="theorem 4.1",
        title="The gap to the prediction shrinks like one over the root of the width",
        statement="The largest distance between measured and predicted residual falls like the width to the power -1/2.",
        formula=r"\sup_k |\,\|y - u(k)\| - \text{predicted}\,| \sim m^{-1/2}",
        quantity="training speed",
        hypotheses=OF_THEOREM,
        predict=predict_gap,
        measure=measure_gap,
        criterion=Exponent(low=-0.7, high=-0.3),
        control=gap_of_constant_laziness,
        control_text="kappa proportional to the width to the power -1/2: the laziness index no longer falls",
        axes=Axes(x="width m", y="largest gap over |y|", log_x=True, log_y=True),
        settings=scaled(
            quick={"widths": (256, 1024, 4096), "steps": 200, "seeds": 4, "n": 50, "more": {"starts": 8}},
            smoke={"widths": (64, 1024), "steps": 100, "more": {"starts": 3}},
            paper={"widths": (1024, 4096, 16384), "steps": 1000, "seeds": 8, "more": {"starts": 8}},
        ),
        method=(
            START,
            "The line drawn as prediction is the power alone; the theorem has a bound without its constant.",
        ),
        gradient_flow=True,
        cost=1.5,
    ),
    Claim(
        key="arora2019-drift",
        type="O",
        source="arora2019",
        locator="section 5, from lemma C.2 of its appendix",
        title="H drifts less the wider the network",
        statement="The change of H between start and end falls with the width, at least as the power -1/2.",
        formula=r"\|H(k) - H(0)\|_F = O\bigl(n^3 / (\sqrt m\, \lambda_0 \kappa\, \delta^{3/2})\bigr)",
        quantity="drift of the kernel",
        hypotheses=OF_THEOREM,
        predict=predict_drift,
        measure=measure_drift,
        criterion=Exponent(low=-1.0, high=-0.4),
        control=drift_of_constant_laziness,
        control_text="kappa proportional to the width to the power -1/2: the laziness index no longer falls",
        axes=Axes(x="width m", y="|H(k) - H(0)| / |H(0)|", log_x=True, log_y=True),
        settings=scaled(
            quick={"widths": (256, 512, 1024, 2048, 4096), "steps": 200, "n": 50, "more": {"starts": 1}},
            smoke={"widths": (64, 1024), "steps": 100, "more": {"starts": 1}},
            paper={"widths": (1024, 4096, 16384), "steps": 1000, "more": {"starts": 1}},
        ),
        method=(
            START,
            "An upper bound is met by any power at or below -1/2; the interval allows for the error of a fit.",
        ),
        gradient_flow=True,
        cost=1.5,
    ),
)
