"""Claims of Arora et al. 2019 on training speed: the residual of true, random and worst labels."""

from __future__ import annotations

import numpy as np

from widthwise.atlas.arora2019_descent import (
    LABELS,
    OF_THEOREM,
    START,
    descend,
    label_sets,
    rate,
    regime,
    scaled,
    shown,
)
from widthwise.atlas.arora2019_labels import kernel, labels
from widthwise.atlas.claim import Axes, Claim
from widthwise.atlas.criteria import Equality, Ordering
from widthwise.atlas.trial import Curve, Evidence, Trial
from widthwise.theory import spectrum, training_curve
from widthwise.training.probes import Distances, Flips

NO_WORST = "The worst labels have a claim of their own: they ask for far wider networks."


def predicted_speed(trial: Trial, names: tuple[str, ...]) -> Evidence:
    """Residuals from the spectrum."""
    modes = spectrum(kernel(trial))
    steps, step, sets = shown(trial), rate(modes, trial), label_sets(trial, modes)
    return Evidence(
        *(
            Curve(
                name,
                steps / trial.slowdown,
                training_curve(modes, sets[name], learning_rate=step, steps=steps).residual,
            )
            for name in names
        )
    )


def measured_speed(trial: Trial, names: tuple[str, ...], stand_ins: tuple[str, ...] | None = None) -> Evidence:
    """Residuals along training, on the labels named or on those that stand in for them."""
    modes = spectrum(kernel(trial))
    steps, sets = shown(trial), label_sets(trial, modes)
    ends: dict[str, float] = {}
    curves = []
    for name, used in zip(names, stand_ins or names, strict=True):
        run = descend(trial, sets[used], rate(modes, trial), probes=(Distances(), Flips(rows=256)), every=trial.steps)
        curves.append(Curve(name, steps / trial.slowdown, run.history.residual[steps]))
        ends |= regime(run, modes, sets[used], used.split()[0])
    return Evidence(*curves, **ends)


def predict_speed(trial: Trial) -> Evidence:
    """Of true and random labels."""
    return predicted_speed(trial, LABELS[:2])


def measure_speed(trial: Trial) -> Evidence:
    """Of true and random labels."""
    return measured_speed(trial, LABELS[:2])


def swapped_speed(trial: Trial) -> Evidence:
    """True and random labels change places."""
    return measured_speed(trial, LABELS[:2], LABELS[1::-1])


def predict_worst(trial: Trial) -> Evidence:
    """Of the eigenvector of the smallest eigenvalue."""
    return predicted_speed(trial, LABELS[2:])


def measure_worst(trial: Trial) -> Evidence:
    """Of the eigenvector of the smallest eigenvalue."""
    return measured_speed(trial, LABELS[2:])


def worst_by_true(trial: Trial) -> Evidence:
    """True labels in the place of the worst."""
    return measured_speed(trial, LABELS[2:], LABELS[:1])


def predict_order(trial: Trial) -> Evidence:
    """Residuals at the end, from the spectrum."""
    return _ends(predicted_speed(trial, LABELS))


def measure_order(trial: Trial) -> Evidence:
    """Residuals at the end of training."""
    return _ends(measured_speed(trial, LABELS))


def turned_order(trial: Trial) -> Evidence:
    """The top eigenvector as the worst labels, the bottom one as the true ones."""
    modes = spectrum(kernel(trial))
    found = []
    size = float(np.linalg.norm(labels(trial)))
    for place in (len(modes.values) - 1, len(modes.values) // 2, 0):
        unit = np.zeros((len(modes.values), 1))
        unit[place] = size
        found.append(descend(trial, modes.combine(unit)[:, 0], rate(modes, trial)).history.residual[-1])
    return Evidence(Curve("residual at the end", np.arange(1.0, 4.0), found))


def _ends(found: Evidence) -> Evidence:
    return Evidence(Curve("residual at the end", np.arange(1.0, 4.0), [c.y[-1] for c in found.curves]), **found.numbers)


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
        hypotheses=OF_THEOREM,
        predict=predict_speed,
        measure=measure_speed,
        criterion=Equality(tolerance=0.05, of_largest=True),
        control=swapped_speed,
        control_text="measured curves of true and random labels change places",
        axes=Axes(x="steps", y="residual |y - f|", log_x=True, log_y=True),
        settings=scaled(
            quick={"widths": (4096,), "steps": 300},
            smoke={"widths": (512,), "steps": 100},
            paper={"widths": (16384,), "steps": 2000},
        ),
        method=(START, "Deviations are relative to the residual at the first step shown, nearly |y|.", NO_WORST),
        gradient_flow=True,
        cost=1.5,
    ),
    Claim(
        key="arora2019-worst-labels",
        type="E",
        source="arora2019",
        locator="theorem 4.1, figure 1 (a, c)",
        title="The worst labels train as slowly as the smallest eigenvalue says",
        statement="Labels along the last eigenvector of H-infinity are learnt at the rate of the smallest eigenvalue.",
        formula=r"\|y - u(k)\| = (1 - \eta\lambda_{\min})^k \|y\| \pm \varepsilon",
        quantity="training speed",
        hypotheses=OF_THEOREM,
        predict=predict_worst,
        measure=measure_worst,
        criterion=Equality(tolerance=0.05, of_largest=True),
        control=worst_by_true,
        control_text="the true labels in the place of the worst",
        axes=Axes(x="steps", y="residual |y - f|", log_x=True, log_y=True),
        settings=scaled(
            quick={"widths": (4096,), "steps": 300},
            smoke={"widths": (512,), "steps": 100},
            paper={"widths": (16384,), "steps": 2000},
        ),
        method=(
            START,
            (
                "The eigenvector of H-infinity is none of the kernel of a finite network: H(0) is off by about n / sqrt(m), to be "
                "small beside the smallest eigenvalue."
            ),
        ),
        gradient_flow=True,
        cost=1.0,
    ),
    Claim(
        key="arora2019-speed-by-labels",
        type="Q",
        source="arora2019",
        locator="section 4, figure 1 (a, c)",
        title="True labels train faster than random ones, and those than the worst",
        statement="After a number of steps the residual is smallest for the true labels, larger for random ones and largest for "
        "the eigenvector of the smallest eigenvalue.",
        formula=r"\|y_{true} - u(k)\| < \|y_{random} - u(k)\| < \|y_{worst} - u(k)\|",
        quantity="training speed",
        hypotheses=OF_THEOREM,
        predict=predict_order,
        measure=measure_order,
        criterion=Ordering(tau=1.0),
        control=turned_order,
        control_text="the bottom, a middle and the top eigenvector stand for true, random and worst labels",
        axes=Axes(x="labels: 1 true, 2 random, 3 worst", y="residual |y - f| at the end"),
        settings=scaled(
            quick={"widths": (4096,), "steps": 200},
            smoke={"widths": (256,), "steps": 100},
            paper={"widths": (16384,), "steps": 2000},
        ),
        method=(START,),
        gradient_flow=True,
    ),
)
