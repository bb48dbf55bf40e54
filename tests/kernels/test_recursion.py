"""Arc-cosine functions against table K1 and mpmath; see tests/reference/fully_connected.py and relu_moments.py."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from widthwise.kernels.recursion import angle, angle_gap

EPS = np.finfo(np.float64).eps


def kappa0(theta):
    return 1.0 - theta / np.pi


def kappa1(theta):
    return 1.0 - angle_gap(theta, 1.0, np)


def next_angle(theta, bend=1.0):
    return angle(angle_gap(theta, bend, np) / 2.0, np)


# rho, kappa0, kappa1: tests/reference/fully_connected.py, which has them by quadrature as well.
TABLE = [
    (-1.0, 0.0, 0.0),
    (-0.5, 0.3333333333333333, 0.1089977810442294),
    (0.0, 0.5, 0.3183098861837907),
    (0.5, 0.6666666666666667, 0.6089977810442294),
    (0.6, 0.7048327646991335, 0.6775475677665126),
    (0.9, 0.8564337068712937, 0.9095383988446721),
    (1.0, 1.0, 1.0),
]


@pytest.mark.parametrize(("rho", "zeroth", "first"), TABLE)
def test_the_functions_are_those_of_the_table(rho, zeroth, first):
    theta = np.arccos(np.array([rho]))
    # A few roundings of numbers of order one: arccos, sine, cosine, arcsine and the sums.
    assert abs(kappa0(theta)[0] - zeroth) <= 4 * EPS
    assert abs(kappa1(theta)[0] - first) <= 16 * EPS


# rho, share of both positive, mean product of the ReLUs, their standard errors: 4e6 draws of
# tests/reference/relu_moments.py.
DRAWN = [
    (-0.5, 0.16651, 0.00019, 0.05440, 0.00010),
    (0.0, 0.24983, 0.00022, 0.15883, 0.00024),
    (0.6, 0.35225, 0.00024, 0.33837, 0.00042),
    (0.9, 0.42804, 0.00025, 0.45443, 0.00052),
]


@pytest.mark.parametrize(("rho", "gates", "gates_error", "relus", "relus_error"), DRAWN)
def test_the_functions_are_twice_the_gaussian_means(rho, gates, gates_error, relus, relus_error):
    theta = np.arccos(np.array([rho]))
    assert abs(kappa0(theta)[0] / 2 - gates) < 4 * gates_error
    assert abs(kappa1(theta)[0] / 2 - relus) < 4 * relus_error


def test_a_fresh_draw_of_gaussians_has_these_means():
    generator = np.random.default_rng(1)
    u, v = generator.standard_normal((2, 200_000))
    for theta in (0.3, 1.2, 2.5):
        w = np.cos(theta) * u + np.sin(theta) * v
        for product, expected in (
            ((u > 0) & (w > 0), kappa0(np.array([theta]))[0] / 2),
            (np.maximum(u, 0) * np.maximum(w, 0), kappa1(np.array([theta]))[0] / 2),
        ):
            error = product.std() / np.sqrt(len(u))
            assert abs(product.mean() - expected) < 4 * error


ANGLES = np.concatenate([10.0 ** np.arange(-16, 0), np.linspace(0.1, 3.1, 31), np.pi - 10.0 ** np.arange(-15, 0)])


def test_the_next_angle_is_that_of_fifty_digits_from_zero_to_pi():
    with mp.workdps(60):
        exact = [
            mp.acos((mp.sin(t) + (mp.pi - t) * mp.cos(t)) / mp.pi) for t in (mp.mpf(float(angle)) for angle in ANGLES)
        ]
        found = next_angle(ANGLES)
        errors = [float(abs(mp.mpf(float(f)) - e)) for f, e in zip(found, exact, strict=True)]
    # gap = 1 - kappa1 is off by a few eps * theta (small angles) or eps (large ones); its derivative in the next
    # angle is sin(angle), of the order of theta: so a few eps in all.
    assert max(errors) <= 8 * EPS


def test_the_next_angle_of_zero_is_zero_and_of_pi_a_right_one():
    assert next_angle(np.array([0.0]))[0] == 0.0
    assert abs(next_angle(np.array([np.pi]))[0] - np.pi / 2) <= 4 * EPS


@given(st.floats(0.0, np.pi), st.floats(0.0, np.pi))
def test_layers_bring_directions_together_and_keep_their_order(one, other):
    low, high = sorted((one, other))
    after = next_angle(np.array([low, high]))
    assert after[0] <= after[1] + 8 * EPS
    assert np.all(after <= np.array([low, high]) + 8 * EPS)
    assert np.all((after >= 0) & (after <= np.pi / 2 + 4 * EPS))


def test_an_even_activation_maps_opposites_as_it_maps_duplicates():
    """The absolute value: to a few roundings of pi, however near the pole."""
    theta = 10.0 ** np.arange(-15, 1)
    assert np.all(np.abs(next_angle(np.pi - theta, 2.0) - next_angle(theta, 2.0)) <= 8 * EPS)
