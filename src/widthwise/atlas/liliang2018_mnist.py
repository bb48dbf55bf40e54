"""Li and Liang 2018, figure 2: MNIST, number by number.

Three readings of the experiment: the printed rate with the network of the words (`paper_text`) or with that of figure 1
(`paper_figure`), and a rate twenty times smaller than the printed one, which is what gives the published numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from widthwise.atlas.claim import Axes, Claim, Scale
from widthwise.atlas.criteria import Equality
from widthwise.atlas.liliang2018_figures import (
    ACCURACY,
    DISTANCE,
    FIGURE_2,
    FIGURE_2_STEP,
    FLIPS,
    SPECTRUM_2,
    at_widths,
    published,
)
from widthwise.atlas.liliang2018_training import ASSUMPTIONS, coupled_from, descend, laziness
from widthwise.atlas.trial import Curve, Evidence, Settings, Trial
from widthwise.training import TrainingRun
from widthwise.training.probes import Distances, Flips

PRINTED_RATE, FITTED_RATE = 4e3, 2e2
SHAPE = "singular value of the update, over the first"


def predict_figure_2(trial: Trial) -> Evidence:
    """The paper's figure, and where its own values would come to the synthetic ones of figure 1."""
    widths = trial.settings.widths
    numbers: dict[str, float] = {}
    for name, label, level in (("published gates", FLIPS, 0.05), ("published distance", DISTANCE, 0.1)):
        known = FIGURE_2[label]
        numbers |= coupled_from(np.array(list(known), np.float64), np.array(list(known.values())), level, name)
    return Evidence(
        *(Curve(label, np.array(widths), at_widths(FIGURE_2, label, widths)) for label in (FLIPS, DISTANCE, ACCURACY)),
        **numbers,
    )


def _run(trial: Trial, m: int, steps: int | None = None) -> TrainingRun:
    probes = (Flips(rows=1000), Distances())
    return descend(trial, trial.rows, m, steps=steps, probes=probes, watch_test=True)


def measure_figure_2(trial: Trial, *, steps: int | None = None) -> Evidence:
    """Gates, distance and accuracy at the end, at every width."""
    found = []
    numbers: dict[str, float] = {}
    for m in trial.settings.widths:
        run = _run(trial, m, steps)
        probes = run.history.probes
        found.append(
            (
                float(probes["flips.mean"][-1]),
                float(probes["distances.relative"][-1]),
                1.0 - float(run.history.test_error[-1]),
            )
        )
        numbers = {
            "laziness": laziness(run),
            "flips": found[-1][0],
            "training loss at the end": float(run.history.loss[-1]),
        }
    return Evidence(
        *(
            Curve(label, np.array(trial.settings.widths), np.array([one[i] for one in found]))
            for i, label in enumerate((FLIPS, DISTANCE, ACCURACY))
        ),
        **numbers,
    )


def printed(settings: Settings) -> Settings:
    """The settings at the printed rate, with the network of the paper's words."""
    return replace(settings, more={**settings.more, "mode": "paper_text", "rate": PRINTED_RATE})


def as_printed(trial: Trial) -> Trial:
    """The trial at the printed rate, with the network of the paper's words."""
    return replace(trial, settings=printed(trial.settings))


def shape(W: Float[np.ndarray, "m d"], ranks: Float[np.ndarray, " r"]) -> Float[np.ndarray, " r"]:
    """Singular values over the first, at ranks counted from zero."""
    values = np.linalg.svd(W, compute_uv=False)
    return np.asarray(values[ranks.astype(int)] / values[0])


def _ranks(trial: Trial) -> Float[np.ndarray, " r"]:
    """Those of the figure that the matrix has."""
    ranks = np.array(list(SPECTRUM_2), np.float64)
    return ranks[ranks < min(trial.rows.d, max(trial.settings.widths))]


def predict_shape(trial: Trial) -> Evidence:
    """The paper's figure."""
    ranks = _ranks(trial)
    values = np.array([SPECTRUM_2[int(rank)] for rank in ranks])
    return Evidence(Curve(SHAPE, ranks + 1, values / SPECTRUM_2[0]))


def measure_shape(trial: Trial) -> Evidence:
    """Of the accumulated update of the widest network."""
    run = _run(trial, max(trial.settings.widths))
    ranks = _ranks(trial)
    update = np.asarray(run.update["W"], np.float64)
    found = shape(update, ranks)
    return Evidence(
        Curve(SHAPE, ranks + 1, found),
        **{"first singular value": float(np.linalg.norm(update, 2))},
    )


def untrained(trial: Trial) -> Evidence:
    """The weights at the start in the place of the update."""
    run = _run(trial, max(trial.settings.widths), 1)
    ranks = _ranks(trial)
    return Evidence(Curve(SHAPE, ranks + 1, shape(np.asarray(run.start["W"], np.float64), ranks)))


_MNIST = {"rate": FITTED_RATE, "mode": "paper_figure", "batch": 64}
_SMOKE = Settings(data="digits", n=100, n_test=50, widths=(64,), steps=60, more={**_MNIST, "rate": 20.0})
_QUICK = Settings(data="mnist", n=60000, n_test=10000, test_part=True, widths=(250,), steps=FIGURE_2_STEP, more=_MNIST)
_WIDTHS = tuple(FIGURE_2[FLIPS])
_SETTINGS: Mapping[Scale, Settings] = {
    "smoke": _SMOKE,
    "quick": _QUICK,
    "paper": replace(_QUICK, widths=_WIDTHS, seeds=5),
}
_SHAPES: Mapping[Scale, Settings] = {
    "smoke": _SMOKE,
    "quick": replace(_QUICK, steps=20000),
    "paper": replace(_QUICK, widths=(8000,), steps=20000, seeds=5),
}
_READINGS = (
    (
        "The printed rate is 4000/m. With the network of figure 1 (output weights of deviation .045) a rate of 200/m comes close "
        "to the published numbers, and the printed one does not; 200 was fitted at width 1000, to the distance."
    ),
    "Stochastic descent on the mean cross-entropy of batches of 64; rows of unit norm, as the paper does not say otherwise.",
)
_FIGURE_METHOD = (
    "Gates are those of 1000 training rows; the accuracy is on the 10000 images of the test part.",
    "At a width that the figure does not have, such as that of quick scale, published values go on along their power law.",
)

MNIST = (
    Claim(
        key="liliang2018-figure-2",
        type="E",
        source="liliang2018",
        locator="figure 2 (a, b, c)",
        title="Figure 2, number by number",
        statement="At step 18000 the published experiment on MNIST has these shares of changed gates, these distances and these "
        "accuracies.",
        formula="figure 2, step 18000",
        quantity="published figure",
        hypotheses=ASSUMPTIONS,
        predict=predict_figure_2,
        measure=measure_figure_2,
        criterion=Equality(tolerance=0.1),
        control=lambda trial: measure_figure_2(as_printed(trial), steps=max(trial.steps // 10, 1)),
        control_text="the setting as printed, output weights N(0, 1), hidden weights N(0, 1/m) and the rate 4000/m, after a tenth "
        "of the steps",
        axes=Axes(x="width m", y="share, or relative distance", log_x=True, log_y=True),
        settings=_SETTINGS,
        method=_READINGS + _FIGURE_METHOD,
        labels="classes",
        own_data="its numbers are those of MNIST",
        published=published(FIGURE_2, FLIPS, DISTANCE, ACCURACY),
        cost=2.0,
    ),
    Claim(
        key="liliang2018-figure-2-printed",
        type="E",
        source="liliang2018",
        locator="figure 2 (a, b, c)",
        title="Figure 2 in the setting as printed",
        statement="Output weights N(0, 1), hidden weights N(0, 1/m) and the rate 4000/m, as the paper's words have them, give the "
        "published shares of changed gates, distances and accuracies at step 18000.",
        formula="figure 2, step 18000",
        quantity="published figure",
        hypotheses=ASSUMPTIONS,
        predict=predict_figure_2,
        measure=measure_figure_2,
        criterion=Equality(tolerance=0.1),
        control=lambda trial: measure_figure_2(trial, steps=1),
        control_text="a single step",
        axes=Axes(x="width m", y="share, or relative distance", log_x=True, log_y=True),
        settings={scale: printed(settings) for scale, settings in _SETTINGS.items()},
        method=_READINGS[1:] + _FIGURE_METHOD,
        labels="classes",
        own_data="its numbers are those of MNIST",
        published=published(FIGURE_2, FLIPS, DISTANCE, ACCURACY),
        cost=1.5,
    ),
    Claim(
        key="liliang2018-figure-2-spectrum",
        type="E",
        source="liliang2018",
        locator="figure 2 (d)",
        title="The update on MNIST has few directions too, with a tail",
        statement="On MNIST the singular values of the accumulated update fall steadily, by two orders in the first two hundred.",
        formula=r"\sigma_i(W(T) - W(0)) / \sigma_1",
        quantity="rank of the update",
        hypotheses=ASSUMPTIONS,
        predict=predict_shape,
        measure=measure_shape,
        criterion=Equality(tolerance=0.5),
        control=untrained,
        control_text="the weights at the start in the place of the update",
        axes=Axes(x="rank", y="over the first singular value", log_x=True, log_y=True),
        settings=_SHAPES,
        method=(
            *_READINGS,
            "The width of the published spectrum is not printed, so shapes are compared: values over the first.",
            "Half of the value is the resolution asked for: a factor of two either way would be found wrong.",
        ),
        labels="classes",
        own_data="its numbers are those of MNIST",
        published=(
            Curve(SHAPE, np.array(list(SPECTRUM_2)) + 1.0, np.array(list(SPECTRUM_2.values())) / SPECTRUM_2[0]),
        ),
        cost=2.0,
    ),
)
