"""Claims of Arora et al. 2019 on projections: where labels lie among the eigenvectors of H-infinity."""

from __future__ import annotations

import itertools

import numpy as np
from jaxtyping import Float

from widthwise.atlas.arora2019_labels import ROWS, kernel, labels
from widthwise.atlas.claim import Axes, Claim
from widthwise.atlas.criteria import Equality, Ordering
from widthwise.atlas.trial import Curve, Evidence, Settings, Trial
from widthwise.theory import spectrum

EDGES = np.array([0.0, 0.01, 0.05, 0.1, 0.3, 0.6, 1.0])
"""Bins of the eigenvectors, as shares of n: those in which the paper's figure 1 (b, d) can be read."""


# Read off the vector paths of figure 1 of the paper.

MNIST_PROJECTIONS = (1.51, 0.40, 0.20, 0.093, 0.041, 0.011)


def projections(H: Float[np.ndarray, "n n"], y: Float[np.ndarray, " n"]) -> Float[np.ndarray, " b"]:
    """Mean |v_i'y| in bins of eigenvectors, from the top of the spectrum down."""
    projected = np.abs(spectrum(H).project(y)[:, 0])
    ends = np.maximum(np.round(EDGES * len(y)).astype(int), np.arange(len(EDGES)))
    return np.array([projected[a:b].mean() for a, b in itertools.pairwise(ends)])


def predict_alignment(_trial: Trial) -> Evidence:
    """An order: falling from bin to bin."""
    return Evidence(Curve("mean projection", EDGES[1:], 2.0 ** -np.arange(len(EDGES) - 1.0)))


def measure_alignment(trial: Trial) -> Evidence:
    """Of the labels."""
    return Evidence(Curve("mean projection", EDGES[1:], projections(kernel(trial), labels(trial))))


def alignment_of_random_labels(trial: Trial) -> Evidence:
    """Of fair coins: flat but for chance."""
    y = trial.rng.choice([-1.0, 1.0], trial.rows.n)
    return Evidence(Curve("mean projection", EDGES[1:], projections(kernel(trial), y)))


def predict_random(_trial: Trial) -> Evidence:
    """A standard normal's mean absolute value, in every bin."""
    return Evidence(Curve("mean projection", EDGES[3:], np.full(len(EDGES) - 3, np.sqrt(2.0 / np.pi))))


def measure_random(trial: Trial) -> Evidence:
    """Of fair coins, mean of several draws."""
    modes = spectrum(kernel(trial))
    y = trial.rng.choice([-1.0, 1.0], (trial.rows.n, trial.more("draws")))
    return _in_bins(np.abs(modes.project(y)).mean(axis=1))


def random_by_true(trial: Trial) -> Evidence:
    """Of the labels themselves."""
    return _in_bins(np.abs(spectrum(kernel(trial)).project(labels(trial))[:, 0]))


def _in_bins(values: Float[np.ndarray, " n"]) -> Evidence:
    ends = np.round(EDGES[2:] * len(values)).astype(int)
    means = [values[a:b].mean() for a, b in itertools.pairwise(ends)]
    return Evidence(Curve("mean projection", EDGES[3:], means))


CLAIMS = (
    Claim(
        key="arora2019-alignment",
        type="Q",
        source="arora2019",
        locator="section 4, figure 1 (b, d)",
        title="True labels lie along the top eigenvectors",
        statement="The projection of the true labels on the eigenvectors of H-infinity falls with the eigenvalue.",
        formula=r"|v_i^\top y| \text{ falls in } i",
        quantity="projections",
        hypotheses=ROWS,
        predict=predict_alignment,
        measure=measure_alignment,
        criterion=Ordering(tau=1.0),
        control=alignment_of_random_labels,
        control_text="random labels, whose projections are flat but for chance",
        axes=Axes(x="share of the eigenvectors, from the top", y="mean |v_i'y| in the bin", log_y=True),
        settings={
            "smoke": Settings(data="digits", n=120),
            "quick": Settings(data="mnist:0,1", n=1500),
            "paper": Settings(data="mnist:0,1", n=10000, first=True, seeds=3),
        },
        method=(
            "The order alone is predicted; the line drawn is an order, not a size.",
            "The paper's numbers are for 10000 rows, with the same shares of the spectrum.",
        ),
        published=(Curve("mean projection", EDGES[1:], MNIST_PROJECTIONS),),
        cost=0.5,
    ),
    Claim(
        key="arora2019-random-projections",
        type="E",
        source="arora2019",
        locator="section 4, figure 1 (b, d)",
        title="Random labels lie along no eigenvector more than along another",
        statement="Projections of random signs on the eigenvectors have the mean absolute value of a standard normal, .798, in "
        "every part of the spectrum.",
        formula=r"E\,|v_i^\top y| = \sqrt{2/\pi}",
        quantity="projections",
        hypotheses=ROWS,
        predict=predict_random,
        measure=measure_random,
        criterion=Equality(tolerance=0.1),
        control=random_by_true,
        control_text="the true labels",
        axes=Axes(x="share of the eigenvectors, from the top", y="mean |v_i'y| in the bin"),
        settings={
            "smoke": Settings(data="digits", n=120, more={"draws": 50}),
            "quick": Settings(data="mnist:0,1", n=1500, more={"draws": 50}),
            "paper": Settings(data="mnist:0,1", n=10000, first=True, seeds=3, more={"draws": 50}),
        },
        published=(Curve("mean projection", EDGES[3:], (0.82,) * 4),),
        method=(
            "The paper's figure has .80 to .85, drawn at .82.",
            "The top 5 % are left out: few of them, and not normal.",
        ),
        cost=0.5,
    ),
)
