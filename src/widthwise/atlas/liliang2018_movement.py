"""Li and Liang 2018, coupling: how many gates change and how far weights move, on the paper's data and on MNIST."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from widthwise.atlas.claim import Axes, Claim, Scale
from widthwise.atlas.criteria import Equality, Exponent
from widthwise.atlas.liliang2018_figures import (
    DISTANCE,
    FIGURE_1,
    FIGURE_1_STEP,
    FIGURE_2,
    FLIPS,
    at_widths,
    published,
)
from widthwise.atlas.liliang2018_training import ASSUMPTIONS, coupled_from, descend, first_phase, laziness, sample
from widthwise.atlas.trial import Curve, Evidence, Settings, Trial
from widthwise.training import TrainingRun
from widthwise.training.probes import Distances, Flips

PER_WIDTH = "rate 10/m"
REFERENCE_WIDTH = 500.0
"""Where the control's network is the paper's own."""


def runs(trial: Trial, *, mean_field: bool = False) -> list[TrainingRun]:
    """One run a width; in mean-field scaling the readout falls like m^-1/2 and rates grow so that outputs move alike."""
    found = []
    for m in trial.settings.widths:
        fall = (REFERENCE_WIDTH / m) ** 0.5 if mean_field else 1.0
        found.append(
            descend(
                trial,
                trial.rows,
                m,
                rate=trial.more("rate") / m / fall**2,
                readout=fall,
                probes=(Flips(rows=1000), Distances()),
                watch_test=bool(len(trial.rows.y_test)),
            )
        )
    return found


def _flips(made: list[TrainingRun]) -> np.ndarray:
    return np.array([float(run.history.probes["flips.mean"][-1]) for run in made])


def _distance(made: list[TrainingRun]) -> np.ndarray:
    return np.array([float(run.history.probes["distances.relative"][-1]) for run in made])


def _numbers(made: list[TrainingRun]) -> dict[str, float]:
    """For the page and the regime map: of the widest network."""
    last = made[-1]
    found = {
        "laziness": laziness(last),
        "flips": float(_flips(made)[-1]),
        "training loss at the start": float(last.history.loss[0]),
        "training loss at the end": float(last.history.loss[-1]),
    }
    if len(last.history.test_error):
        found["test accuracy at the end"] = 1.0 - float(last.history.test_error[-1])
    return found


def measure_flips(trial: Trial) -> Evidence:
    """Gates that changed on the training rows."""
    made = runs(trial)
    return Evidence(Curve(FLIPS, np.array(trial.settings.widths), _flips(made)), **_numbers(made))


def measure_distance(trial: Trial) -> Evidence:
    """Relative distance from the start."""
    made = runs(trial)
    distance = _distance(made)
    scaled = distance * np.sqrt(trial.settings.widths)
    return Evidence(
        Curve(DISTANCE, np.array(trial.settings.widths), distance),
        **_numbers(made),
        **{"distance times sqrt(m), narrowest": scaled[0], "distance times sqrt(m), widest": scaled[-1]},
    )


def predict_flips(trial: Trial) -> Evidence:
    """From the gradient at the start."""
    return Evidence(Curve(FLIPS, np.array(trial.settings.widths), first_phase(trial, trial.settings.widths).flips))


def predict_distance(trial: Trial) -> Evidence:
    """From the gradient at the start."""
    return Evidence(
        Curve(DISTANCE, np.array(trial.settings.widths), first_phase(trial, trial.settings.widths).distance)
    )


def _mean_field(take: Callable[[list[TrainingRun]], np.ndarray], label: str) -> Callable[[Trial], Evidence]:
    return lambda trial: Evidence(Curve(label, np.array(trial.settings.widths), take(runs(trial, mean_field=True))))


MEAN_FIELD = (
    "output weights that fall like m^-1/2 with rates that move the outputs alike: the mean-field limit, where gates \
go on changing at any width"
)


def predict_figure_1(trial: Trial) -> Evidence:
    """The paper's figure."""
    widths = trial.settings.widths
    return Evidence(
        *(Curve(label, np.array(widths), at_widths(FIGURE_1, label, widths)) for label in (FLIPS, DISTANCE))
    )


def measure_figure_1(trial: Trial) -> Evidence:
    """Both curves in one of the two readings of the paper's words."""
    made = runs(trial)
    widths = trial.settings.widths
    return Evidence(
        Curve(FLIPS, np.array(widths), _flips(made)),
        Curve(DISTANCE, np.array(widths), _distance(made)),
        **_numbers(made),
    )


def as_printed(trial: Trial) -> Trial:
    """The trial with the network of the paper's words."""
    return replace(trial, settings=replace(trial.settings, more={**trial.settings.more, "mode": "paper_text"}))


def coupling_widths(trial: Trial) -> Evidence:
    """Gates that changed, and the widths at which the fitted powers would reach the paper's own synthetic values."""
    made = runs(trial)
    widths = np.array(trial.settings.widths, np.float64)
    flips, distance = _flips(made), _distance(made)
    numbers = _numbers(made)
    for name, values, level in (("gates", flips, 0.05), ("distance", distance, 0.1)):
        numbers |= coupled_from(widths, values, level, name)
    return Evidence(Curve(FLIPS, np.array(trial.settings.widths), flips), **numbers)


_FIGURE_1 = {"d": 1000, "rate": 10.0, "mode": "paper_figure"}
_SMOKE = Settings(
    data="generated", n=100, n_test=40, widths=(64, 256), steps=40, more={"d": 60, "rate": 10.0, "mode": "paper_figure"}
)
_QUICK = Settings(
    data="generated", n=1000, n_test=1000, widths=(500, 1000, 2000, 4000), steps=FIGURE_1_STEP, more=_FIGURE_1
)
_PAPER = Settings(
    data="generated",
    n=1000,
    n_test=1000,
    widths=(500, 1000, 2000, 4000, 8000, 16000, 32000),
    steps=FIGURE_1_STEP,
    seeds=5,
    more=_FIGURE_1,
)
_SETTINGS: Mapping[Scale, Settings] = {"smoke": _SMOKE, "quick": _QUICK, "paper": _PAPER}
_METHOD = (
    "Rows, start and batches of every seed are drawn anew.",
    "Stochastic descent on the mean cross-entropy of batches of 16, rate 10/m, 390 steps; gates on all training rows.",
    "The prediction is made before training, from the rows alone: neurons move along their gradient at the start.",
)
_MNIST = {"rate": 4e3, "mode": "paper_figure", "batch": 64}

MOVEMENT = (
    Claim(
        key="liliang2018-coupling",
        type="O",
        source="liliang2018",
        locator="lemma 5.1, figure 1 (b)",
        title="The wider the network, the fewer gates change",
        statement="After a fixed number of steps at a rate of order 1/m, the share of gates that differ from those of the "
        "start is of order m^(-1/2).",
        formula=r"\frac{1}{nm} \sum_{r,i} 1[\,1[w_r(t)^\top x_i \ge 0] \ne 1[w_r(0)^\top x_i \ge 0]\,] = O(m^{-1/2})",
        quantity="gates",
        hypotheses=ASSUMPTIONS,
        predict=predict_flips,
        measure=measure_flips,
        criterion=Exponent(-0.6, -0.4),
        control=_mean_field(_flips, FLIPS),
        control_text=MEAN_FIELD,
        axes=Axes(x="width m", y="share of gates that changed", log_x=True, log_y=True),
        settings=_SETTINGS,
        method=_METHOD,
        labels="classes",
        sample=sample,
        published=published(FIGURE_1, FLIPS),
        cost=2.0,
    ),
    Claim(
        key="liliang2018-distance",
        type="O",
        source="liliang2018",
        locator="section 6, figure 1 (c)",
        title="The wider the network, the less its weights move",
        statement="After a fixed number of steps at a rate of order 1/m, the distance of the weights from their start, "
        "relative to the start, is of order m^(-1/2).",
        formula=r"\|W(t) - W(0)\|_F / \|W(0)\|_F = O(m^{-1/2})",
        quantity="movement",
        hypotheses=ASSUMPTIONS,
        predict=predict_distance,
        measure=measure_distance,
        criterion=Exponent(-0.6, -0.4),
        control=_mean_field(_distance, DISTANCE),
        control_text=MEAN_FIELD,
        axes=Axes(x="width m", y="|W(t) - W(0)| / |W(0)|", log_x=True, log_y=True),
        settings=_SETTINGS,
        method=_METHOD,
        labels="classes",
        sample=sample,
        published=published(FIGURE_1, DISTANCE),
        cost=2.0,
    ),
    Claim(
        key="liliang2018-figure-1",
        type="E",
        source="liliang2018",
        locator="figure 1 (b, c)",
        title="Figure 1, number by number",
        statement="At step 390 the published experiment has these shares of changed gates and these distances. The paper's "
        "printed setting does not give them; output weights of deviation .045 and hidden weights cut at two deviations do.",
        formula="figure 1, step 390",
        quantity="published figure",
        hypotheses=ASSUMPTIONS,
        predict=predict_figure_1,
        measure=measure_figure_1,
        criterion=Equality(tolerance=0.1),
        control=lambda trial: measure_figure_1(as_printed(trial)),
        control_text="the setting as printed: output weights N(0, 1), hidden weights N(0, 1/m)",
        axes=Axes(x="width m", y="share, or relative distance", log_x=True, log_y=True),
        settings=_SETTINGS,
        method=(
            *_METHOD[:2],
            "The deviation .045 was fitted to the first steps of the distance at widths 500 and 32000 (and to nothing else).",
        ),
        labels="classes",
        sample=sample,
        own_data="its numbers are those of the paper's synthetic data",
        published=published(FIGURE_1, FLIPS, DISTANCE),
        cost=2.0,
    ),
    Claim(
        key="liliang2018-mnist-coupling",
        type="O",
        source="liliang2018",
        locator="section 6, figure 2 (b)",
        title="Coupling on MNIST",
        statement="On MNIST, as on the synthetic data though less so, the share of gates that change falls with the width; "
        "the law of the theory is m^(-1/2).",
        formula=r"\text{changed gates} = O(m^{-1/2})",
        quantity="gates",
        hypotheses=ASSUMPTIONS,
        predict=predict_flips,
        measure=coupling_widths,
        criterion=Exponent(-0.6, -0.4),
        control=_mean_field(_flips, FLIPS),
        control_text=MEAN_FIELD,
        axes=Axes(x="width m", y="share of gates that changed", log_x=True, log_y=True),
        settings={
            "smoke": Settings(
                data="digits", n=100, n_test=50, widths=(64, 256), steps=40, more={**_MNIST, "rate": 100.0}
            ),
            "quick": Settings(data="mnist", n=10000, n_test=1000, widths=(500, 1000, 2000), steps=300, more=_MNIST),
            "paper": Settings(
                data="mnist",
                n=55000,
                n_test=5000,
                widths=(1000, 2000, 4000, 8000, 16000, 32000),
                steps=18000,
                seeds=5,
                more=_MNIST,
            ),
        },
        method=(
            "Stochastic descent on the mean cross-entropy of batches of 64 at the rate 4000/m, rows of unit norm.",
            "The paper's figure is at step 18000; runs at quick scale stop earlier, which favours the claim.",
            (
                "The width at which a tenth of the way, or one gate in twenty, would be reached follows the fitted power; its "
                "band is the 95 % interval of the exponent."
            ),
        ),
        labels="classes",
        published=published(FIGURE_2, FLIPS),
        cost=2.0,
    ),
)
