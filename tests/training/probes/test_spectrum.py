"""Singular values of updates built from known ones."""

from __future__ import annotations

import numpy as np
import pytest

from widthwise.errors import UsageError
from widthwise.networks import MLP
from widthwise.training import probes

EPS = float(np.finfo(np.float64).eps)
NET = MLP(widths=(9,), antisymmetric=False, trained="all", readout="gaussian")
X, Y = np.eye(5), np.ones((5, 1))


def with_values(values, shape=(9, 5), seed=0):
    generator = np.random.default_rng(seed)
    U, V = (np.linalg.qr(generator.standard_normal((side, side)))[0] for side in shape)
    D = np.zeros(shape)
    np.fill_diagonal(D, values)
    return U @ D @ V.T


def test_values_and_ranks_are_those_the_update_was_built_from(take):
    values = np.array([5.0, 3.0, 1.0, 0.051, 0.049])
    shot = take(NET, X, Y, update={"W": with_values(values), "a": np.zeros((9, 1))})
    found = probes.UpdateSpectrum(values=7)(shot)
    np.testing.assert_allclose(found["values"], [*values, 0, 0], rtol=0, atol=40 * EPS * 5)
    assert found["stable_rank"] == pytest.approx(np.sum(values**2) / 25, rel=40 * EPS)
    p = values / values.sum()
    assert found["effective_rank"] == pytest.approx(np.exp(-np.sum(p * np.log(p))), rel=400 * EPS)
    assert found["above"] == 4
    assert probes.UpdateSpectrum(share=0.005)(shot)["above"] == 5
    readout = take(NET, X, Y, update={"W": np.zeros((9, 5)), "a": np.full((9, 1), 2.0)})
    assert probes.UpdateSpectrum(layer="a", values=1)(readout)["values"] == pytest.approx([6.0])


@pytest.mark.parametrize("rank", [1, 3, 5])
def test_equal_values_have_their_number_as_rank(rank, take):
    update = with_values(0.3 * (np.arange(5) < rank))
    found = probes.UpdateSpectrum()(take(NET, X, Y, update={"W": update, "a": np.zeros((9, 1))}))
    assert found["above"] == rank
    assert found["stable_rank"] == pytest.approx(rank, rel=100 * EPS)
    # Zeros come back as rounding, each with an entropy of its own.
    assert found["effective_rank"] == pytest.approx(rank, rel=5 * 40 * EPS * 40)


def test_nothing_has_moved_at_the_start_and_what_is_no_number_stays_none(take):
    found = probes.UpdateSpectrum()(take(NET, X, Y, update={"W": np.zeros((9, 5)), "a": np.zeros((9, 1))}))
    assert [float(found[key]) for key in ("stable_rank", "effective_rank", "above")] == [0, 0, 0]
    broken = probes.UpdateSpectrum()(take(NET, X, Y, update={"W": np.full((9, 5), np.nan), "a": np.zeros((9, 1))}))
    assert np.isnan(broken["values"][0])


def test_a_matrix_that_is_not_trained_is_refused():
    with pytest.raises(UsageError, match="trained: W, a; 'W2' came"):
        probes.check(probes.UpdateSpectrum(layer="W2"), NET, X, Y)
    with pytest.raises(UsageError, match="trained: W; 'a' came"):
        probes.check(probes.UpdateSpectrum(layer="a"), MLP(widths=(4,)), X, Y)
