"""Li and Liang 2018, figure 1 along the run: accuracy and distance over the steps; and what one rate for all widths does."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from widthwise.atlas.claim import Axes, Claim, Scale
from widthwise.atlas.criteria import Equality, Exponent
from widthwise.atlas.liliang2018_figures import (
    ACCURACY,
    COURSE_ACCURACY,
    COURSE_DISTANCE,
    DISTANCE,
    FIGURE_1,
    FIGURE_1_STEP,
    FLIPS,
    published,
)
from widthwise.atlas.liliang2018_movement import measure_figure_1, predict_figure_1
from widthwise.atlas.liliang2018_training import ASSUMPTIONS, descend, first_phase, laziness, sample
from widthwise.atlas.trial import Curve, Evidence, Settings, Trial
from widthwise.training import TrainingRun
from widthwise.training.probes import Distances, Flips

WATCHED = (Flips(rows=1000), Distances())


def _published(known: Mapping[int, float], label: str) -> Curve:
    return Curve(label, np.array(list(known), np.float64), np.array(list(known.values())))


def _ends(trial: Trial) -> tuple[int, ...]:
    """The narrowest and the widest network."""
    return tuple(dict.fromkeys((min(trial.settings.widths), max(trial.settings.widths))))


def _along(trial: Trial, m: int, mode: str | None, known: Mapping[int, float]) -> TrainingRun:
    """One run, watched at the steps of the published curve."""
    own = _in_mode(trial, mode)
    return descend(own, own.rows, m, every=math.gcd(*known), steps=max(known), probes=WATCHED, watch_test=True)


def predict_accuracy(trial: Trial) -> Evidence:
    """The published curve, the same at every width."""
    return Evidence(*(_published(COURSE_ACCURACY, f"{ACCURACY}, width {m}") for m in _ends(trial)))


def measure_accuracy(trial: Trial, *, mode: str | None = None) -> Evidence:
    """Test accuracy at the published steps."""
    steps, curves = list(COURSE_ACCURACY), []
    for m in _ends(trial):
        run = _along(trial, m, mode, COURSE_ACCURACY)
        at = np.searchsorted(run.history.probe_steps, steps)
        curves.append(Curve(f"{ACCURACY}, width {m}", steps, 1.0 - np.asarray(run.history.test_error, np.float64)[at]))
    return Evidence(*curves)


def predict_course(trial: Trial) -> Evidence:  # noqa: ARG001 - the figure does not depend on the rows
    """The published curve of width 500."""
    return Evidence(_published(COURSE_DISTANCE, DISTANCE))


def measure_course(trial: Trial, *, mode: str | None = None) -> Evidence:
    """Distance of the narrowest network at the published steps."""
    run = _along(trial, min(trial.settings.widths), mode, COURSE_DISTANCE)
    steps = np.array(list(COURSE_DISTANCE), np.float64)
    at = np.searchsorted(run.history.probe_steps, steps)
    found = np.asarray(run.history.probes["distances.relative"], np.float64)[at]
    slope = float(np.polyfit(np.log(steps), np.log(found), 1)[0])
    return Evidence(Curve(DISTANCE, steps, found), **{"exponent of the step": slope})


def _in_mode(trial: Trial, mode: str | None) -> Trial:
    if mode is None:
        return trial
    return replace(trial, settings=replace(trial.settings, more={**trial.settings.more, "mode": mode}))


def one_step(trial: Trial) -> Evidence:
    """Figure 1 after a single step."""
    return measure_figure_1(replace(trial, settings=replace(trial.settings, steps=1)))


def _in_words(settings: Settings) -> Settings:
    """The same settings with the network of the paper's words."""
    return replace(settings, more={**settings.more, "mode": "paper_text"})


def _fixed(trial: Trial, m: int) -> Trial:
    """The trial at the rate that the widest network has in the paper's scaling."""
    rate = trial.more("rate") * m / max(trial.settings.widths)
    return replace(trial, settings=replace(trial.settings, more={**trial.settings.more, "rate": rate}))


def predict_fixed(trial: Trial) -> Evidence:
    """From the gradient at the start."""
    widths = trial.settings.widths
    return Evidence(
        Curve(FLIPS, np.array(widths), np.array([float(first_phase(_fixed(trial, m), (m,)).flips[0]) for m in widths]))
    )


def measure_fixed(trial: Trial, *, scaled: bool = False) -> Evidence:
    """Gates that changed at one rate for all widths, or at rates in proportion to 1/m."""
    found, lazy = [], 0.0
    for m in trial.settings.widths:
        own = trial if scaled else _fixed(trial, m)
        run = descend(own, own.rows, m, probes=WATCHED, watch_test=True)
        found.append(float(run.history.probes["flips.mean"][-1]))
        lazy = laziness(run)
    return Evidence(Curve(FLIPS, np.array(trial.settings.widths), np.array(found)), laziness=lazy, flips=found[-1])


_FIGURE_1 = {"d": 1000, "rate": 10.0, "mode": "paper_figure"}
_SMOKE = Settings(
    data="generated", n=100, n_test=40, widths=(64, 256), steps=40, more={"d": 60, "rate": 10.0, "mode": "paper_figure"}
)
_QUICK = Settings(data="generated", n=1000, n_test=1000, widths=(500, 4000), steps=FIGURE_1_STEP, more=_FIGURE_1)
_SETTINGS: Mapping[Scale, Settings] = {
    "smoke": replace(_SMOKE, widths=(64,)),
    "quick": _QUICK,
    "paper": replace(_QUICK, widths=(500, 32000), seeds=5),
}
_METHOD = (
    "Stochastic descent on the mean cross-entropy of batches of 16, rate 10/m; rows, start and batches of every seed anew.",
    "Output weights have the deviation .045 and hidden weights are cut at two deviations, as figure 1 asks for.",
)
PRINTED = "the setting as printed: output weights N(0, 1), hidden weights N(0, 1/m)"

COURSE = (
    Claim(
        key="liliang2018-figure-1-accuracy",
        type="E",
        source="liliang2018",
        locator="figure 1 (a)",
        title="Figure 1 (a): the accuracy rises alike at every width",
        statement="The published test accuracies over the steps are one curve, whatever the width.",
        formula="figure 1 (a), steps 50 to 300",
        quantity="published figure",
        hypotheses=ASSUMPTIONS,
        predict=predict_accuracy,
        measure=measure_accuracy,
        criterion=Equality(tolerance=0.1, of_largest=True),
        control=lambda trial: measure_accuracy(trial, mode="paper_text"),
        control_text=PRINTED,
        axes=Axes(x="step", y="test accuracy"),
        settings=_SETTINGS,
        method=_METHOD,
        labels="classes",
        sample=sample,
        own_data="its numbers are those of the paper's synthetic data",
        published=tuple(_published(COURSE_ACCURACY, f"{ACCURACY}, width {m}") for m in (500, 4000)),
        cost=1.0,
    ),
    Claim(
        key="liliang2018-figure-1-course",
        type="E",
        source="liliang2018",
        locator="figure 1 (c)",
        title="Figure 1 (c): the distance grows in proportion to the steps",
        statement="The published distance at width 500 is a straight line in the number of steps, to the end of the run.",
        formula=r"\|W(t) - W(0)\|_F / \|W(0)\|_F, \text{ steps 20 to 390}",
        quantity="published figure",
        hypotheses=ASSUMPTIONS,
        predict=predict_course,
        measure=measure_course,
        criterion=Equality(tolerance=0.1),
        control=lambda trial: measure_course(trial, mode="paper_text"),
        control_text=PRINTED,
        axes=Axes(x="step", y="|W(t) - W(0)| / |W(0)|"),
        settings=_SETTINGS,
        method=_METHOD,
        labels="classes",
        sample=sample,
        own_data="its numbers are those of the paper's synthetic data",
        published=(_published(COURSE_DISTANCE, DISTANCE),),
        cost=0.3,
    ),
    Claim(
        key="liliang2018-figure-1-printed",
        type="E",
        source="liliang2018",
        locator="figure 1 (b, c)",
        title="Figure 1 in the setting as printed",
        statement="Output weights N(0, 1) and hidden weights N(0, 1/m), as the paper's words have them, give the published shares "
        "of changed gates and distances at step 390.",
        formula="figure 1, step 390",
        quantity="published figure",
        hypotheses=ASSUMPTIONS,
        predict=predict_figure_1,
        measure=measure_figure_1,
        criterion=Equality(tolerance=0.1),
        control=one_step,
        control_text="a single step",
        axes=Axes(x="width m", y="share, or relative distance", log_x=True, log_y=True),
        settings={
            "smoke": _in_words(_SMOKE),
            "quick": _in_words(replace(_QUICK, widths=(500, 1000, 2000, 4000))),
            "paper": _in_words(replace(_QUICK, widths=tuple(FIGURE_1[FLIPS]), seeds=5)),
        },
        method=_METHOD[:1],
        labels="classes",
        sample=sample,
        own_data="its numbers are those of the paper's synthetic data",
        published=published(FIGURE_1, FLIPS, DISTANCE),
        cost=1.0,
    ),
    Claim(
        key="liliang2018-fixed-rate",
        type="O",
        source="liliang2018",
        locator="theorem 4.1, its step size; beyond the paper",
        title="At one rate for all widths, more gates change the wider the network",
        statement="The theory takes a rate of order 1/m. At one rate for all widths the share of gates that change in a fixed "
        "number of steps grows like m^(1/2) as long as outputs are small, so width alone does not couple.",
        formula=r"\eta \text{ fixed: changed gates} \propto m^{1/2}; \quad \eta \propto 1/m\text{: } m^{-1/2}",
        quantity="gates",
        hypotheses=ASSUMPTIONS,
        predict=predict_fixed,
        measure=measure_fixed,
        criterion=Exponent(0.4, 0.6),
        control=lambda trial: measure_fixed(trial, scaled=True),
        control_text="rates in proportion to 1/m",
        axes=Axes(x="width m", y="share of gates that changed", log_x=True, log_y=True),
        settings={
            "smoke": _SMOKE,
            "quick": replace(_QUICK, widths=(500, 1000, 2000, 4000), steps=200),
            "paper": replace(_QUICK, widths=(500, 1000, 2000, 4000, 8000, 16000, 32000), steps=FIGURE_1_STEP, seeds=5),
        },
        method=(
            _METHOD[0].replace("rate 10/m", "the rate of the widest network, 10/m, for all"),
            _METHOD[1],
            "The prediction is made before training: neurons move along their gradient at the start.",
        ),
        labels="classes",
        sample=sample,
        cost=1.0,
    ),
)
