"""What the experiments on Li and Liang 2018 predict: the bulk of a random matrix, and the first steps of training."""

from __future__ import annotations

import numpy as np
import pytest

from widthwise.atlas.liliang2018_spectrum import SHARES, bulk
from widthwise.atlas.liliang2018_training import descend, first_phase, sample
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
