"""Li and Liang 2018, lemmas 5.1 and 5.2: gradients stay those of the gates at the start, and stay large."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Int

from widthwise.atlas.claim import Axes, Claim
from widthwise.atlas.criteria import UpperBound
from widthwise.atlas.liliang2018_training import (
    ASSUMPTIONS,
    components,
    descend,
    network,
    outputs,
    sample,
)
from widthwise.atlas.trial import Curve, Evidence, Settings, Trial
from widthwise.theory import class_separation
from widthwise.training.probes import CoupledFraction, Distances, GradientFraction

UNCOUPLED = "neurons whose gradient has changed gates"
SMALL = "neurons of small pseudo-gradient"


def _shown(trial: Trial) -> Int[np.ndarray, " t"]:
    """Steps of the figure, even in the logarithm."""
    return np.unique(np.geomspace(1, trial.steps, 7).round().astype(int))


def _longest(trial: Trial, m: int) -> float:
    """Length of the longest vector of output weights of a neuron at the start."""
    start = network(m, outputs(trial.rows), trial.more("mode")).init(trial.seed, d=trial.rows.d)
    return float(np.linalg.norm(np.asarray(start["a"], np.float64), axis=1).max())


def predict_uncoupled(trial: Trial) -> Evidence:
    r"""The bound :math:`e \tau k l / s` with a tau that no neuron can exceed.

    A step moves neuron r by at most :math:`\eta\sqrt 2\,\|a_r\|`: rows have norm one, and softmax less label at most
    :math:`\sqrt 2`.
    """
    k, l = components(trial)  # noqa: E741 - the paper's letters
    steps = _shown(trial)
    curves, numbers = [], {}
    for m in trial.settings.widths:
        tau = trial.more("rate") / m * steps * np.sqrt(2.0) * _longest(trial, m)
        bound = np.e * tau * k * l * np.sqrt(m)
        curves.append(Curve(f"{UNCOUPLED}, width {m}", steps, bound))
        per_step = bound[0] / steps[0] * np.sqrt(m)
        # At the paper's own rate and number of steps the bound falls below one from this width on.
        paper = per_step / trial.more("rate") * 10.0 * 400.0
        numbers["log10 of the width from which the bound speaks of the paper's 400 steps"] = 2.0 * np.log10(paper)
    return Evidence(*curves, **numbers)


def measure_uncoupled(trial: Trial, *, start: float = 1.0) -> Evidence:
    """Share of neurons with a changed gate on some training row."""
    steps = _shown(trial)
    curves, numbers = [], {}
    for m in trial.settings.widths:
        run = descend(trial, trial.rows, m, start=start, every=1, probes=(CoupledFraction(), Distances()))
        probes = run.history.probes
        curves.append(Curve(f"{UNCOUPLED}, width {m}", steps, 1.0 - probes["coupled.mean"][steps]))
        numbers["largest movement of a neuron, over its deviation at the start"] = float(
            probes["distances.two_infinity"][-1, 0] * np.sqrt(m)
        )
    return Evidence(*curves, **numbers)


def _delta(trial: Trial) -> float:
    return class_separation(trial.rows.X, np.asarray(trial.rows.y)).distance


def predict_small(trial: Trial) -> Evidence:
    """At most one less the share of the lemma."""
    k, l = components(trial)  # noqa: E741
    steps = _cadence(trial)
    return Evidence(Curve(SMALL, steps, np.full(len(steps), 1.0 - _delta(trial) / (k * l))))


def _cadence(trial: Trial) -> Int[np.ndarray, " t"]:
    return np.linspace(0, trial.steps, 5).round().astype(int)


def _small(trial: Trial, delta: float, l: int, steps: int) -> Evidence:  # noqa: E741
    m = max(trial.settings.widths)
    constants = (1.0, 10.0, 30.0)
    probes = [GradientFraction(components=l, separation=delta, constant=c, name=f"constant_{c:g}") for c in constants]
    run = descend(trial, trial.rows, m, probes=probes, every=max(steps // 4, 1), steps=steps)
    share = {c: np.asarray(run.history.probes[f"constant_{c:g}.share"], np.float64) for c in constants}
    wanted = _cadence(trial)
    at = np.searchsorted(run.history.probe_steps, wanted).clip(max=len(share[1.0]) - 1)
    return Evidence(
        Curve(SMALL, wanted, 1.0 - share[1.0][at]),
        **{
            "share the lemma asks for": delta / (components(trial)[0] * l),
            "share of large ones, least": float(share[1.0].min()),
            "the same at constant 10": float(share[10.0].min()),
            "the same at constant 30": float(share[30.0].min()),
        },
    )


def measure_small(trial: Trial) -> Evidence:
    """Along training."""
    return _small(trial, _delta(trial), components(trial)[1], trial.steps)


def contradicted(trial: Trial) -> Evidence:
    """Every row once with each class: pulls cancel."""
    k = outputs(trial.rows)
    X = np.repeat(trial.rows.X, k, axis=0)
    y = np.tile(np.arange(k), trial.rows.n)
    both = replace(trial, rows=replace(trial.rows, X=X, y=y))
    return _small(both, _delta(trial), components(trial)[1], 4)


_TIGHT = {"d": 200, "sigma": 0.2, "rate": 0.01, "mode": "paper_text"}
_LARGE = {"d": 1000, "sigma": 0.2, "rate": 10.0, "mode": "paper_figure"}

LEMMAS = (
    Claim(
        key="liliang2018-lemma-5-1",
        type="U",
        source="liliang2018",
        locator="lemma 5.1",
        title="Gradients stay those of the gates at the start",
        statement="If no neuron has moved by more than tau, at least a share 1 - e tau k l / s of the neurons has the gradient "
        "that the gates of the start would give, s being the deviation of a weight.",
        formula=r"1 - \text{coupled} \le e\,\tau\,k\,l / s, \quad s = m^{-1/2}",
        quantity="coupling",
        hypotheses=ASSUMPTIONS,
        predict=predict_uncoupled,
        measure=measure_uncoupled,
        criterion=UpperBound(),
        control=lambda trial: measure_uncoupled(trial, start=1e-4),
        control_text="hidden weights that start ten thousand times smaller than the s of the bound",
        axes=Axes(x="steps", y="share of neurons", log_x=True, log_y=True),
        settings={
            "smoke": Settings(data="generated", n=60, widths=(256,), steps=4, more={**_TIGHT, "d": 60}),
            "quick": Settings(data="generated", n=300, widths=(1000, 8000), steps=64, more=_TIGHT),
            "paper": Settings(data="generated", n=1000, widths=(8000, 32000), steps=400, seeds=5, more=_TIGHT),
        },
        method=(
            "Components are small (sigma .2 beside sigma_0 = 5), so that the paper's assumption on them holds.",
            (
                "tau is what no neuron can exceed, from the rate, the steps and the longest vector of output weights; the rate is "
                "a thousandth of the experiment's, where the bound says something."
            ),
            "A neuron counts as coupled if none of its gates has changed, on any training row.",
        ),
        labels="classes",
        sample=sample,
        cost=1.5,
    ),
    Claim(
        key="liliang2018-lemma-5-2",
        type="U",
        source="liliang2018",
        locator="lemma 5.2",
        title="Enough neurons have a large gradient",
        statement="While some outputs are wrong by v, at least a share delta / (k l) of the neurons has a pseudo-gradient of "
        "length v delta / (k l) or more, up to logarithms and a constant that is one here.",
        formula=r"\#\{r : \|\tilde g_r\| \ge v\,\delta/(kl)\} \ge m\,\delta/(kl)",
        quantity="gradients",
        hypotheses=ASSUMPTIONS,
        predict=predict_small,
        measure=measure_small,
        criterion=UpperBound(),
        control=contradicted,
        control_text="every row once with each of the classes: the pulls cancel while outputs stay wrong",
        axes=Axes(x="steps", y="share of neurons with a small pseudo-gradient"),
        settings={
            "smoke": Settings(data="generated", n=60, widths=(256,), steps=8, more={**_LARGE, "d": 60}),
            "quick": Settings(data="generated", n=300, widths=(2000,), steps=400, more={**_LARGE, "d": 200}),
            "paper": Settings(data="generated", n=1000, widths=(16000,), steps=400, seeds=5, more=_LARGE),
        },
        method=("Norms are taken over the deviation of the output weights, which the lemma has at one.",),
        labels="classes",
        sample=sample,
        cost=0.5,
    ),
)
