"""Laws of single weights: their moments with standard errors, and the balance of a readout."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, stats

from widthwise.errors import UsageError
from widthwise.networks import Balanced, Normal, Signs, TruncatedNormal, Zeros


@pytest.mark.parametrize(
    ("law", "variance", "fourth"),
    [
        (Normal(0.3), 0.09, 3.0),
        (Signs(0.3), 0.09, 1.0),
        (TruncatedNormal(0.3), 0.09 * stats.truncnorm(-2, 2).var(), None),
    ],
)
def test_moments_of_a_law_are_those_it_states(law, variance, fourth):
    values = law.draw(np.random.default_rng(0), (400, 300))
    assert values.shape == (400, 300)
    assert law.variance == pytest.approx(variance, rel=1e-9)
    squares = values**2
    # Four standard errors, taken from the sample itself; none for signs.
    assert abs(values.mean()) < 4 * values.std() / math.sqrt(values.size)
    assert abs(squares.mean() - variance) <= 4 * squares.std() / math.sqrt(values.size) + 1e-12
    if fourth is not None:
        powers = (values**2 / variance) ** 2
        assert abs(powers.mean() - fourth) <= 4 * powers.std() / math.sqrt(values.size) + 1e-12


def test_a_truncated_normal_ends_at_two_deviations_and_keeps_its_density_before():
    values = np.abs(TruncatedNormal(0.5).draw(np.random.default_rng(1), (200_000,)))
    assert values.max() <= 1.0
    # Its deviation is .8796 of the nominal one, by quadrature of the density.
    density = integrate.quad(lambda z: z**2 * stats.norm.pdf(z), -2, 2)[0] / (stats.norm.cdf(2) - stats.norm.cdf(-2))
    assert math.sqrt(density) == pytest.approx(0.8796, abs=5e-5)
    assert TruncatedNormal(0.5).variance == pytest.approx(0.25 * density, rel=1e-9)
    assert stats.kstest(values[:5000] / 0.5, lambda z: (2 * stats.norm.cdf(z) - 1) / 0.954499736).pvalue > 1e-4


def test_zeros_draw_nothing():
    generator = np.random.default_rng(2)
    assert not Zeros().draw(generator, (3, 4)).any()
    assert Zeros().variance == 0.0
    assert generator.integers(1 << 60) == np.random.default_rng(2).integers(1 << 60)


@pytest.mark.parametrize("outputs", [1, 3])
def test_a_balanced_readout_is_as_long_as_what_comes_in_and_its_direction_is_uniform(outputs):
    lengths = np.random.default_rng(3).uniform(0.1, 2.0, 20_000)
    a = Balanced().draw_for(np.random.default_rng(4), lengths, outputs)
    np.testing.assert_allclose(np.linalg.norm(a, axis=1), lengths, rtol=1e-14)
    directions = a / lengths[:, None]
    # Coordinates of a uniform direction: mean zero, mean square one over k.
    assert np.all(np.abs(directions.mean(axis=0)) < 4 / math.sqrt(outputs * 20_000))
    assert np.all(np.abs((directions**2).mean(axis=0) - 1 / outputs) <= 4 / math.sqrt(20_000))


@pytest.mark.parametrize("law", [Normal, TruncatedNormal, Signs])
@pytest.mark.parametrize("size", [0.0, -1.0, math.inf])
def test_sizes_that_are_not_positive_are_refused(law, size):
    with pytest.raises(UsageError, match="must be a positive number"):
        law(size)
