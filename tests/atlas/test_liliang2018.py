"""What the experiments on Li and Liang 2018 predict: the bulk of a random matrix, and the first steps of training."""

from __future__ import annotations

import numpy as np
import pytest

from widthwise.atlas.liliang2018_course import predict_fixed
from widthwise.atlas.liliang2018_figures import DISTANCE, FIGURE_2, at_widths
from widthwise.atlas.liliang2018_mnist import shape
from widthwise.atlas.liliang2018_spectrum import SHARES, bulk
from widthwise.atlas.liliang2018_training import coupled_from, descend, first_phase, sample
from widthwise.atlas.trial import Settings, Trial
from widthwise.training.probes import Distances


@pytest.mark.parametrize(("m", "d"), [(1200, 300), (300, 1200)])
def test_singular_values_of_independent_entries_follow_marchenko_and_pastur(m: int, d: int) -> None:
    """Deviations of a quantile of so many values are of order 1/min(m, d), those of the edge of order its power 2/3."""
    values = np.linalg.svd(0.3 * np.random.default_rng(0).standard_normal((m, d)), compute_uv=False)
    places = np.minimum((np.array(SHARES) * len(values)).astype(int), len(values) - 1)
    assert np.allclose(values[places], bulk(m, d, 0.3), rtol=3 * 300 ** (-2 / 3))


def test_the_distance_of_the_first_steps_is_known_before_training() -> None:
    """To first order in the time trained, here 1/390 of the published experiment; the prediction averages 128 neurons."""
    settings = Settings(
        data="generated",
        n=200,
        widths=(6000,),
        steps=20,
        more={"d": 50, "rate": 0.5, "mode": "paper_figure", "batch": 200},
    )
    trial = Trial(settings=settings, rows=sample(settings, 0), seed=0)
    run = descend(trial, trial.rows, 6000, probes=(Distances(),))
    measured = float(run.history.probes["distances.relative"][-1])
    predicted = float(first_phase(trial, (6000,)).distance[0])
    assert abs(measured / predicted - 1) < 3 / np.sqrt(2 * 128)


def test_the_width_at_which_a_power_reaches_a_level_is_that_of_the_power() -> None:
    """3 m^-1/4 is .03 at m = 10^8; without scatter the band has no width. A power that does not fall reaches nothing."""
    m = np.array([500.0, 1000.0, 4000.0])
    found = coupled_from(m, 3.0 * m**-0.25, 0.03, "gates")
    assert np.allclose(list(found.values()), [-0.25, 8.0, 8.0, 8.0], rtol=1e-9)
    assert np.isinf(coupled_from(m, 3.0 * m**0.25, 0.03, "gates")["log10 of the width at which gates would be 0.03"])
    assert coupled_from(m[:2], m[:2], 0.03, "gates") == {}


def test_the_band_of_that_width_is_steeper_below_and_flatter_above() -> None:
    m = np.geomspace(500, 8000, 5)
    found = list(coupled_from(m, m**-0.5 * np.array([1.0, 1.1, 0.9, 1.1, 1.0]), 0.001, "gates").values())
    _, middle, steepest, flattest = found
    assert steepest < middle < flattest


def test_at_one_rate_the_first_steps_change_gates_like_the_root_of_the_width() -> None:
    """The distance a neuron goes is eta |a|, its weights are m^-1/2: the share is their quotient, up to its cap at one half."""
    settings = Settings(
        data="generated", n=60, widths=(250, 1000, 4000), steps=20, more={"d": 40, "rate": 10.0, "mode": "paper_figure"}
    )
    trial = Trial(settings=settings, rows=sample(settings, 0), seed=0)
    flips = predict_fixed(trial).curves[0].y
    assert flips[-1] < 0.5
    assert np.allclose(flips[1:] / flips[:-1], 2.0, rtol=1e-9)


def test_published_values_stand_at_their_widths_and_go_on_along_their_power() -> None:
    """Between m = 1000 and 32000 the distance of figure 2 is 62 m^-1/2 to 2 %."""
    found = at_widths(FIGURE_2, DISTANCE, (1000, 250))
    assert found[0] == FIGURE_2[DISTANCE][1000]
    assert abs(found[1] * np.sqrt(250) / 62 - 1) < 0.05


def test_the_shape_of_a_spectrum_is_that_of_its_factors() -> None:
    generator = np.random.default_rng(0)
    left, right = (np.linalg.qr(generator.standard_normal((n, 5)))[0] for n in (30, 20))
    values = np.array([4.0, 2.0, 1.0, 0.5, 0.1])
    assert np.allclose(shape(left * values @ right.T, np.array([0.0, 1.0, 4.0])), [1.0, 0.5, 0.025])
