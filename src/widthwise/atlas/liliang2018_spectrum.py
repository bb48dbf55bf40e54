"""Li and Liang 2018, figure 1 (d): the update has few directions, and the weights stay a random matrix."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from widthwise.atlas.claim import Axes, Claim, Scale
from widthwise.atlas.criteria import Equality
from widthwise.atlas.liliang2018_figures import SPECTRUM_1, UPDATE
from widthwise.atlas.liliang2018_figures import WEIGHTS as TRAINED
from widthwise.atlas.liliang2018_training import (
    ASSUMPTIONS,
    CLASSES,
    descend,
    mixture,
    rows_of_mixture,
    sample,
    start_deviation,
)
from widthwise.atlas.trial import Curve, Evidence, Rows, Settings, Trial
from widthwise.datasets.synthetic import sphere
from widthwise.training import TrainingRun

LARGE = "singular values above 1 % of the first"
SHARES = (0.0, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9)
"""Ranks of singular values, as shares of their number; 0 is the largest."""


def _update(run: TrainingRun) -> Float[np.ndarray, "m d"]:
    return np.asarray(run.update["W"], np.float64)


def _counts(trial: Trial, rows: Callable[[int], Rows]) -> Evidence:
    """Large singular values of the update for several numbers of components of a class."""
    grid = trial.more("components_grid")
    found, numbers = [], {}
    for l in grid:  # noqa: E741 - the paper's letter
        run = descend(trial, rows(l), max(trial.settings.widths))
        values = np.linalg.svd(_update(run), compute_uv=False)
        found.append(float(np.count_nonzero(values > 0.01 * values[0])))
        place = min(CLASSES * l, len(values) - 1)
        numbers[f"first singular value after k l = {CLASSES * l}, over the first"] = float(values[place] / values[0])
    return Evidence(Curve(LARGE, CLASSES * np.array(grid), np.array(found)), **numbers)


def predict_rank(trial: Trial) -> Evidence:
    """K times l."""
    kl = CLASSES * np.array(trial.more("components_grid"), np.float64)
    return Evidence(Curve(LARGE, kl, kl))


def measure_rank(trial: Trial) -> Evidence:
    """On the paper's mixture with more or fewer components."""

    def made(l: int) -> Rows:  # noqa: E741
        own = replace(trial.settings, more={**trial.settings.more, "components": l})
        return rows_of_mixture(mixture(own, trial.seed))

    return _counts(trial, made)


def unstructured(trial: Trial) -> Evidence:
    """Rows without components."""

    def made(l: int) -> Rows:  # noqa: E741
        X = sphere(trial.rows.n, trial.rows.d, seed=trial.seed)
        y = trial.rng.integers(CLASSES, size=trial.rows.n)
        return replace(trial.rows, X=X, y=y, X_test=X[:0], y_test=y[:0], source=f"the sphere, in place of l = {l}")

    return _counts(trial, made)


def bulk(m: int, d: int, deviation: float, shares: tuple[float, ...] = SHARES) -> Float[np.ndarray, " s"]:
    r"""Singular values of an m x d matrix of independent entries, by the law of Marchenko and Pastur.

    With :math:`q = \min/\max` of m and d the squares over :math:`\max \cdot \text{deviation}^2` have the density
    :math:`\sqrt{(b - t)(t - a)} / (2\pi q t)` on :math:`[a, b] = [(1 - \sqrt q)^2, (1 + \sqrt q)^2]`.

    Args:
        m: rows.
        d: columns.
        deviation: of an entry.
        shares: which values: the share of the min(m, d) values that are larger.
    """
    small, large = min(m, d), max(m, d)
    q = small / large
    low, high = (1.0 - np.sqrt(q)) ** 2, (1.0 + np.sqrt(q)) ** 2
    # t = middle + half cos(angle): the density times dt is smooth in the angle; angle 0 is the largest value.
    angle = np.linspace(0.0, np.pi, 20001)[1:-1]
    t = (low + high) / 2.0 + (high - low) / 2.0 * np.cos(angle)
    density = ((high - low) / 2.0 * np.sin(angle)) ** 2 / (2.0 * np.pi * q * t)
    above = np.concatenate([[0.0], np.cumsum(density)])
    squares = np.interp(np.array(shares) * above[-1], above, np.concatenate([[high], t]))
    return np.asarray(deviation * np.sqrt(large * squares))


WEIGHTS = "singular values of W(T)"


def _width(trial: Trial) -> int:
    return max(trial.settings.widths)


def predict_bulk(trial: Trial) -> Evidence:
    """Those of a random matrix with the deviation of the start."""
    run = descend(trial, trial.rows, _width(trial), steps=1)
    return Evidence(Curve(WEIGHTS, np.array(SHARES), bulk(_width(trial), trial.rows.d, start_deviation(run))))


def measure_bulk(trial: Trial, *, rate: float = 1.0) -> Evidence:
    """Those of the trained weights."""
    m = _width(trial)
    run = descend(trial, trial.rows, m, rate=rate * trial.more("rate") / m)
    values = np.linalg.svd(np.asarray(run.start["W"], np.float64) + _update(run), compute_uv=False)
    places = np.minimum((np.array(SHARES) * len(values)).astype(int), len(values) - 1)
    top = float(np.linalg.svd(_update(run), compute_uv=False)[0])
    return Evidence(
        Curve(WEIGHTS, np.array(SHARES), values[places]),
        **{
            "largest singular value of the update": top,
            "values above the edge of the random matrix by 1 %": float(
                np.count_nonzero(values > 1.01 * bulk(m, trial.rows.d, start_deviation(run), (0.0,))[0])
            ),
        },
    )


def predict_published(trial: Trial) -> Evidence:
    """The paper's figure, at the ranks that the matrix has."""
    last = min(_width(trial), trial.rows.d)
    return Evidence(
        *(
            Curve(label, [rank + 1 for rank in known if rank < last], [v for rank, v in known.items() if rank < last])
            for label, known in SPECTRUM_1.items()
        )
    )


def measure_published(trial: Trial, *, mode: str | None = None) -> Evidence:
    """Singular values of the trained weights and of their update."""
    if mode is not None:
        trial = replace(trial, settings=replace(trial.settings, more={**trial.settings.more, "mode": mode}))
    run = descend(trial, trial.rows, _width(trial))
    update = _update(run)
    curves = []
    for label, matrix in ((TRAINED, np.asarray(run.start["W"], np.float64) + update), (UPDATE, update)):
        values = np.linalg.svd(matrix, compute_uv=False)
        ranks = [rank for rank in SPECTRUM_1[label] if rank < len(values)]
        curves.append(Curve(label, [rank + 1 for rank in ranks], values[ranks]))
    return Evidence(*curves)


_FIGURE_1 = {"d": 1000, "rate": 10.0, "mode": "paper_figure", "components_grid": (1, 2, 4)}
_SETTINGS: Mapping[Scale, Settings] = {
    "smoke": Settings(
        data="generated", n=150, widths=(128,), steps=60, more={**_FIGURE_1, "d": 60, "components_grid": (1, 2)}
    ),
    "quick": Settings(data="generated", n=1000, widths=(2000,), steps=400, more=_FIGURE_1),
    "paper": Settings(data="generated", n=1000, widths=(4000,), steps=400, seeds=5, more=_FIGURE_1),
}

SPECTRUM = (
    Claim(
        key="liliang2018-update-rank",
        type="E",
        source="liliang2018",
        locator="section 6, figure 1 (d)",
        title="The update has k l directions",
        statement="The accumulated update of the weights has as many large singular values as the data have components, k "
        "classes of l each; the next one is smaller by two orders.",
        formula=r"\#\{i : \sigma_i(W(T) - W(0)) > 0.01\,\sigma_1\} = k\,l",
        quantity="rank of the update",
        hypotheses=ASSUMPTIONS,
        predict=predict_rank,
        measure=measure_rank,
        criterion=Equality(tolerance=0.05),
        control=unstructured,
        control_text="rows drawn uniformly from the sphere with random classes: every row is its own component",
        axes=Axes(x="components k l of the data", y="large singular values", log_x=True, log_y=True),
        settings=_SETTINGS,
        method=(
            "The paper's mixture with 1, 2 and 4 components of each of 10 classes.",
            (
                "Stochastic descent on the mean cross-entropy of batches of 16, rate 10/m, 400 steps; one singular value "
                "decomposition in double precision of the update, which is accumulated apart from the weights."
            ),
        ),
        labels="classes",
        sample=sample,
        own_data="the rank it predicts needs rows made of a known number of components",
        cost=1.5,
    ),
    Claim(
        key="liliang2018-random-weights",
        type="E",
        source="liliang2018",
        locator="section 6, figure 1 (d)",
        title="The trained weights look untrained",
        statement="After training the singular values of the weights are still those of a random matrix.",
        formula=r"\sigma_i(W(T)) \approx \sigma_i(W(0)), \text{ the law of Marchenko and Pastur}",
        quantity="spectrum of the weights",
        hypotheses=ASSUMPTIONS,
        predict=predict_bulk,
        measure=measure_bulk,
        criterion=Equality(tolerance=0.05),
        control=lambda trial: measure_bulk(trial, rate=100.0),
        control_text="a rate a hundred times larger, at which the network learns too",
        axes=Axes(x="share of the singular values that are larger", y="singular value"),
        settings=_SETTINGS,
        method=(
            "The prediction knows the deviation of a weight at the start and the shape of the matrix, nothing else.",
            "Stochastic descent on the mean cross-entropy of batches of 16, rate 10/m, 400 steps.",
        ),
        labels="classes",
        sample=sample,
        cost=1.0,
    ),
    Claim(
        key="liliang2018-figure-1-spectrum",
        type="E",
        source="liliang2018",
        locator="figure 1 (d)",
        title="Figure 1 (d), singular value by singular value",
        statement="The published singular values of the weights and of their update at step 400 are these.",
        formula="figure 1 (d)",
        quantity="published figure",
        hypotheses=ASSUMPTIONS,
        predict=predict_published,
        measure=measure_published,
        criterion=Equality(tolerance=0.15),
        control=lambda trial: measure_published(trial, mode="paper_text"),
        control_text="the setting as printed: output weights N(0, 1), hidden weights N(0, 1/m)",
        axes=Axes(x="rank", y="singular value", log_x=True, log_y=True),
        settings={**_SETTINGS, "quick": replace(_SETTINGS["quick"], widths=(4000,))},
        method=(
            "Every tenth value is drawn in the paper; the width is not printed, and 4000 fits the weights.",
            "Stochastic descent on the mean cross-entropy of batches of 16, rate 10/m, 400 steps.",
        ),
        labels="classes",
        sample=sample,
        own_data="its numbers are those of the paper's synthetic data",
        published=tuple(
            Curve(label, [rank + 1 for rank in known], list(known.values())) for label, known in SPECTRUM_1.items()
        ),
        cost=1.5,
    ),
)
