"""Laws of batches and schedules: what each promises, and that neither depends on where a run is cut."""

from __future__ import annotations

import numpy as np
import pytest

from widthwise.errors import UsageError
from widthwise.networks import MLP
from widthwise.training import Constant, Cosine, Inverse, Milestones, train
from widthwise.training.sampling import batches


def test_every_epoch_is_a_permutation_and_no_two_are_the_same():
    rows = batches(0, 0, 30, n=12, size=5, sampling="reshuffle").ravel()
    epochs = rows[: len(rows) // 12 * 12].reshape(-1, 12)
    assert np.array_equal(np.sort(epochs, axis=1), np.tile(np.arange(12), (len(epochs), 1)))
    assert len({tuple(epoch) for epoch in epochs}) == len(epochs)


@pytest.mark.parametrize("law", ["reshuffle", "replacement"])
def test_batches_do_not_depend_on_where_a_run_is_cut(law):
    whole = batches(5, 0, 2100, n=7, size=3, sampling=law)
    parts = [batches(5, a, b, n=7, size=3, sampling=law) for a, b in ((0, 1), (1, 1023), (1023, 1026), (1026, 2100))]
    assert np.array_equal(np.concatenate(parts), whole)
    assert not np.array_equal(batches(6, 0, 2100, n=7, size=3, sampling=law), whole)
    assert batches(5, 4, 4, n=7, size=3, sampling=law).shape == (0, 3)


def test_replacement_draws_uniformly():
    rows = batches(0, 0, 4000, n=8, size=4, sampling="replacement").ravel()
    counts = np.bincount(rows, minlength=8)
    # Five standard errors of a binomial count.
    assert np.all(np.abs(counts - rows.size / 8) < 5 * np.sqrt(rows.size * (1 / 8) * (7 / 8)))


def test_one_pass_sees_each_row_once_and_no_more_steps_are_given():
    rows = batches(0, 0, 4, n=12, size=3, sampling="one_pass").ravel()
    assert sorted(rows) == list(range(12))
    with pytest.raises(UsageError, match="one pass over 12 rows is 4 steps of 3 rows; 5 steps came"):
        train(
            MLP(widths=(4,)),
            np.ones((12, 2)),
            np.ones(12),
            learning_rate=0.1,
            steps=5,
            batch_size=3,
            sampling="one_pass",
        )


def test_schedules_are_their_formulas():
    steps = np.arange(7)
    assert Constant(0.5)(steps).tolist() == [0.5] * 7
    np.testing.assert_allclose(Milestones(1.0, (2, 5))(steps), [1, 1, 0.1, 0.1, 0.1, 0.01, 0.01], rtol=1e-15)
    np.testing.assert_allclose(Cosine(2.0, 4, last=1.0)(steps)[[0, 2, 4, 6]], [2, 1.5, 1, 1], rtol=1e-15)
    np.testing.assert_allclose(Inverse(1.0, 2.0)(steps)[[0, 2, 6]], [1, 1 / 2, 1 / 4], rtol=1e-15)
    for wrong in (lambda: Milestones(1.0, (5, 2)), lambda: Cosine(1.0, 0), lambda: Inverse(0.0, 1.0)):
        with pytest.raises(UsageError):
            wrong()
