"""Li and Liang 2018: how many steps learning takes, what fits at all, and how structure decides how far weights move."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from jaxtyping import Int

from widthwise.atlas.claim import Axes, Claim, Scale
from widthwise.atlas.criteria import Equality, Exponent, Ordering
from widthwise.atlas.liliang2018_training import (
    ASSUMPTIONS,
    descend,
    mixture,
    outputs,
    rows_of_mixture,
    sample,
    steps_to_accuracy,
)
from widthwise.atlas.trial import Curve, Evidence, Rows, Settings, Trial
from widthwise.theory import input_separation
from widthwise.training import Stop
from widthwise.training.probes import Distances, Flips

STEPS = "steps to the accuracy"


def _steps(trial: Trial, rows: Rows, m: int, *, rate: float | None = None) -> float:
    run = descend(trial, rows, m, rate=rate, every=int(trial.more("cadence")), watch_test=True)
    return steps_to_accuracy(run, trial.more("accuracy"))


def steps_against_width(trial: Trial, *, fixed: bool = False) -> Evidence:
    """Steps to a test accuracy at rates in proportion to 1/m, or at one rate for all widths."""
    widths = trial.settings.widths
    rates = [trial.more("rate") / (min(widths) if fixed else m) for m in widths]
    found = [_steps(trial, trial.rows, m, rate=rate) for m, rate in zip(widths, rates, strict=True)]
    return Evidence(Curve(STEPS, np.array(widths), np.array(found)))


def flat_in_width(trial: Trial) -> Evidence:
    """As many at every width: those of the narrowest, drawn for comparison."""
    widths = trial.settings.widths
    return Evidence(Curve(STEPS, np.array(widths), np.full(len(widths), _steps(trial, trial.rows, min(widths)))))


def steps_against_dimension(trial: Trial, *, noise_grows: bool = False) -> Evidence:
    """Steps to a test accuracy for the same mixture in more and more dimensions."""
    grid = trial.more("dimensions")
    found = []
    for d in grid:
        sigma = float(np.sqrt(d / grid[0])) if noise_grows else 1.0
        own = replace(trial.settings, more={**trial.settings.more, "sigma": sigma})
        found.append(_steps(trial, rows_of_mixture(mixture(own, trial.seed, d=d)), max(trial.settings.widths)))
    return Evidence(Curve(STEPS, np.array(grid), np.array(found)))


def flat_in_dimension(trial: Trial) -> Evidence:
    """As many in every dimension: those of the first."""
    grid = trial.more("dimensions")
    rows = rows_of_mixture(mixture(trial.settings, trial.seed, d=grid[0]))
    return Evidence(Curve(STEPS, np.array(grid), np.full(len(grid), _steps(trial, rows, max(trial.settings.widths)))))


FITTED = "training accuracy on random labels"


def _sizes(trial: Trial) -> list[int]:
    return [max(trial.rows.n // part, 4) for part in (4, 2, 1)]


def _fits(trial: Trial, rows: Rows, m: int) -> float:
    run = descend(trial, rows, m, every=20, stop=Stop(error=0.0))
    return 1.0 - float(run.history.error[-1])


def predict_memory(trial: Trial) -> Evidence:
    """Every row as its label says."""
    sizes = _sizes(trial)
    return Evidence(Curve(FITTED, np.array(sizes), np.ones(len(sizes))))


def measure_memory(trial: Trial, *, twice: bool = False) -> Evidence:
    """Random classes on growing parts of the rows; or each row twice, with two different classes."""
    k = max(outputs(trial.rows), 2)
    found = []
    for n in _sizes(trial):
        own = n // 2 if twice else n
        X, y = trial.rows.X[:own], trial.rng.integers(k, size=own)
        if twice:
            X, y = np.concatenate([X, X]), np.concatenate([y, (y + 1) % k])
        found.append(_fits(trial, replace(trial.rows, X=X, y=y), max(trial.settings.widths)))
    delta = input_separation(trial.rows.X).distance
    return Evidence(Curve(FITTED, np.array(_sizes(trial)), np.array(found)), **{"smallest distance of two rows": delta})


MOVED = "relative distance"


def _distance(trial: Trial, rows: Rows, *, same_steps: bool) -> tuple[float, float, float]:
    """Distance, flips and steps when the training loss is at its level; or after a fixed number of steps."""
    run = descend(
        trial,
        rows,
        max(trial.settings.widths),
        probes=(Flips(rows=300), Distances()),
        steps=int(trial.more("same_steps")) if same_steps else None,
        every=int(trial.more("same_steps")) if same_steps else 10,
        stop=None if same_steps else Stop(loss=trial.more("loss")),
    )
    probes = run.history.probes
    return float(probes["distances.relative"][-1]), float(probes["flips.mean"][-1]), float(run.steps)


def _along(
    trial: Trial, grid: tuple[float | int, ...], rows: Callable[[float | int], Rows], *, same_steps: bool
) -> Evidence:
    found = [_distance(trial, rows(value), same_steps=same_steps) for value in grid]
    numbers = {"steps at the first point": found[0][2], "steps at the last point": found[-1][2]}
    return Evidence(Curve(MOVED, np.array(grid), np.array([one[0] for one in found])), flips=found[-1][1], **numbers)


def _rising(setting: str) -> Callable[[Trial], Evidence]:
    """The order alone: one, two, three, drawn as it is."""
    return lambda trial: Evidence(
        Curve(MOVED, np.array(trial.more(setting)), 1.0 + np.arange(len(trial.more(setting))))
    )


def relabelled(trial: Trial, share: float | int) -> Rows:
    """The rows with a share of their labels drawn anew; the same ones for every larger share."""
    rng = trial.rng
    y: Int[np.ndarray, " n"] = np.array(trial.rows.y)
    drawn = rng.random(len(y)) < share
    y[drawn] = rng.integers(outputs(trial.rows), size=len(y))[drawn]
    return replace(trial.rows, y=y)


def along_noise(trial: Trial, *, same_steps: bool = False) -> Evidence:
    """More and more labels at random."""
    return _along(trial, trial.more("noise"), lambda share: relabelled(trial, share), same_steps=same_steps)


def _remade(trial: Trial, **more: float | int) -> Rows:
    return rows_of_mixture(mixture(replace(trial.settings, more={**trial.settings.more, **more}), trial.seed))


def along_overlap(trial: Trial, *, same_steps: bool = False) -> Evidence:
    """Components that overlap more and more."""
    return _along(trial, trial.more("sigmas"), lambda sigma: _remade(trial, sigma=sigma), same_steps=same_steps)


def along_components(trial: Trial, *, same_steps: bool = False) -> Evidence:
    """More and more components of every class."""
    return _along(
        trial, trial.more("counts"), lambda number: _remade(trial, components=int(number)), same_steps=same_steps
    )


_FIGURE_1 = {"d": 1000, "rate": 10.0, "mode": "paper_figure", "accuracy": 0.9, "cadence": 10}
_STEPS: Mapping[Scale, Settings] = {
    "smoke": Settings(
        data="generated",
        n=100,
        n_test=50,
        widths=(64, 512),
        steps=400,
        more={**_FIGURE_1, "d": 60, "rate": 30.0, "dimensions": (40, 400), "accuracy": 0.8},
    ),
    "quick": Settings(
        data="generated",
        n=1000,
        n_test=500,
        widths=(500, 1000, 2000),
        steps=500,
        more={**_FIGURE_1, "dimensions": (250, 500, 1000)},
    ),
    "paper": Settings(
        data="generated",
        n=1000,
        n_test=1000,
        widths=(500, 1000, 2000, 4000, 8000, 16000, 32000),
        steps=1000,
        seeds=5,
        more={**_FIGURE_1, "dimensions": (250, 500, 1000, 2000, 4000)},
    ),
}
_STRUCTURE = {
    "d": 200,
    "rate": 10.0,
    "mode": "paper_text",
    "loss": 0.1,
    "same_steps": 20,
    "noise": (0.0, 0.25, 0.5, 1.0),
    "sigmas": (0.5, 1.0, 2.0, 4.0, 8.0),
    "counts": (1, 2, 4, 8, 16),
}
_FIT: Mapping[Scale, Settings] = {
    "smoke": Settings(
        data="generated",
        n=60,
        widths=(128,),
        steps=1000,
        more={**_STRUCTURE, "d": 60, "noise": (0.0, 1.0), "sigmas": (1.0, 8.0), "counts": (1, 6)},
    ),
    "quick": Settings(data="generated", n=200, widths=(500,), steps=6000, more=_STRUCTURE),
    "paper": Settings(data="generated", n=1000, widths=(4000,), steps=40000, seeds=5, more={**_STRUCTURE, "d": 1000}),
}
_SAME_STEPS = (
    "the same after a fixed number of steps instead of at one training loss: unstructured rows pull against each \
other and move the weights less"
)
_FIT_METHOD = (
    "The setting as printed: output weights N(0, 1), rate 10/m, batches of 16.",
    (
        "Training ends when the mean training loss is 0.1, or where it has not come so far after the last step: then the "
        "distance is a lower one."
    ),
)

STRUCTURE = (
    Claim(
        key="liliang2018-steps",
        type="O",
        source="liliang2018",
        locator="theorem 4.1, figure 1 (a)",
        title="Learning takes as long at every width",
        statement="At rates in proportion to 1/m the number of steps to a given test accuracy is the same at every width; the "
        "theorem bounds its growth by a power of log m.",
        formula=r"T = \mathrm{poly}(k, l, 1/\delta, 1/\varepsilon, \log m), \quad \eta \propto 1/m",
        quantity="steps",
        hypotheses=ASSUMPTIONS,
        predict=flat_in_width,
        measure=steps_against_width,
        criterion=Exponent(-0.1, 0.1),
        control=lambda trial: steps_against_width(trial, fixed=True),
        control_text="one rate for all widths instead of rates in proportion to 1/m",
        axes=Axes(x="width m", y="steps to 90 % test accuracy", log_x=True, log_y=True),
        settings=_STEPS,
        method=("Test accuracy every 10 steps; between two evaluations by interpolation.",),
        labels="classes",
        sample=sample,
        cost=1.5,
    ),
    Claim(
        key="liliang2018-dimension",
        type="O",
        source="liliang2018",
        locator="theorem 4.1",
        title="The number of columns does not matter",
        statement="With the same classes, components and distances, the number of steps does not depend on the dimension of "
        "the rows.",
        formula=r"T = \mathrm{poly}(k, l, 1/\delta, 1/\varepsilon, \log m), \text{ without } d",
        quantity="steps",
        hypotheses=ASSUMPTIONS,
        predict=flat_in_dimension,
        measure=steps_against_dimension,
        criterion=Exponent(-0.1, 0.1),
        control=lambda trial: steps_against_dimension(trial, noise_grows=True),
        control_text="noise of one size in every coordinate, so that components overlap more in more dimensions",
        axes=Axes(x="columns d", y="steps to 90 % test accuracy", log_x=True, log_y=True),
        settings=_STEPS,
        method=("The paper's mixture keeps its distances in every dimension: its variances are over d.",),
        labels="classes",
        sample=sample,
        own_data="it needs the same classes in several dimensions",
        cost=1.5,
    ),
    Claim(
        key="liliang2018-memorisation",
        type="E",
        source="liliang2018",
        locator="section 4, remarks after theorem 4.1",
        title="Any labels can be fitted",
        statement="With every row a component of its own, a network that is wide enough fits any labels of rows that are apart.",
        formula=r"\text{training error } 0 \text{ for } m \ge \mathrm{poly}(N, 1/\delta')",
        quantity="training error",
        hypotheses=ASSUMPTIONS[:1] + ASSUMPTIONS[-1:],
        predict=predict_memory,
        measure=measure_memory,
        criterion=Equality(tolerance=1e-6),
        control=lambda trial: measure_memory(trial, twice=True),
        control_text="every row twice, with two different classes: delta' is 0",
        axes=Axes(x="rows", y="training accuracy"),
        settings=_FIT,
        method=("Classes are drawn at random for a quarter, a half and all of the rows.", _FIT_METHOD[0]),
        labels="classes",
        sample=sample,
        cost=1.0,
    ),
    Claim(
        key="liliang2018-label-noise",
        type="Q",
        source="liliang2018",
        locator="section 4, discussion",
        title="Random labels take the weights further",
        statement="The less structure the labels have, the further the weights must move from their start at a given width.",
        formula=r"\|W(T) - W(0)\|_F \text{ rises with the share of random labels, at one training loss}",
        quantity="movement",
        hypotheses=ASSUMPTIONS,
        predict=_rising("noise"),
        measure=along_noise,
        criterion=Ordering(),
        control=lambda trial: along_noise(trial, same_steps=True),
        control_text=_SAME_STEPS,
        axes=Axes(x="share of labels drawn anew", y="|W(T) - W(0)| / |W(0)|"),
        settings=_FIT,
        method=_FIT_METHOD,
        labels="classes",
        sample=sample,
        cost=1.5,
    ),
    Claim(
        key="liliang2018-overlap",
        type="Q",
        source="liliang2018",
        locator="section 4, discussion",
        title="Overlap takes the weights further",
        statement="The larger the components are beside their distances, the further the weights must move.",
        formula=r"\|W(T) - W(0)\|_F \text{ rises with } \sigma/\sigma_0, \text{ at one training loss}",
        quantity="movement",
        hypotheses=ASSUMPTIONS,
        predict=_rising("sigmas"),
        measure=along_overlap,
        criterion=Ordering(),
        control=lambda trial: along_overlap(trial, same_steps=True),
        control_text=_SAME_STEPS,
        axes=Axes(x="sigma, with sigma_0 = 5", y="|W(T) - W(0)| / |W(0)|", log_x=True),
        settings=_FIT,
        method=_FIT_METHOD,
        labels="classes",
        sample=sample,
        own_data="it needs components whose size can be set",
        cost=1.0,
    ),
    Claim(
        key="liliang2018-components",
        type="Q",
        source="liliang2018",
        locator="section 4, discussion",
        title="More components take the weights further",
        statement="The more components the classes are made of, the further the weights must move.",
        formula=r"\|W(T) - W(0)\|_F \text{ rises with } l, \text{ at one training loss}",
        quantity="movement",
        hypotheses=ASSUMPTIONS,
        predict=_rising("counts"),
        measure=along_components,
        criterion=Ordering(),
        control=lambda trial: along_components(trial, same_steps=True),
        control_text=_SAME_STEPS,
        axes=Axes(x="components l of a class", y="|W(T) - W(0)| / |W(0)|", log_x=True),
        settings=_FIT,
        method=_FIT_METHOD,
        labels="classes",
        sample=sample,
        own_data="it needs components whose number can be set",
        cost=1.0,
    ),
)
