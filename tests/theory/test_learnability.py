"""Constants of learnable functions: their series summed at forty digits, and the measure they must bound."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest

from widthwise import theory
from widthwise.errors import UsageError
from widthwise.kernels import HInf


def sphere(n, d, seed=0):
    X = np.random.default_rng(seed).standard_normal((n, d))
    return X / np.linalg.norm(X, axis=1, keepdims=True)


def measure(X, y):
    return np.sqrt(len(y) / 2) * theory.complexity(HInf()(X), y).value


@pytest.mark.parametrize(
    ("function", "value"),
    [
        (theory.series("sin"), 5.448594),
        (theory.series("exp"), 10.607477),
        (theory.polynomial((0, 0, 1)), 6.838521),
        (theory.series("sin", 3.0), 127.5154),
        (theory.series("cos", 7.0), 22360.79),
    ],
)
def test_sample_complexities_are_those_of_the_table(function, value):
    # Seven digits are printed.
    assert np.exp(theory.log_sample_complexity(function)) == pytest.approx(value, rel=1e-6)


@pytest.mark.parametrize(("radius", "constant"), [(1.0, 1.0), (2.5, 3.0), (1.0, 1e4)])
def test_size_complexity_is_its_series_at_forty_digits(radius, constant):
    with mp.workdps(40):
        base, shrink, total = mp.mpf(constant) * radius, mp.sqrt(mp.log(10)), mp.mpf(2)
        term_factor = mp.mpf(1)
        for i in range(1, 12_500 if constant == 1e4 else 300):
            term_factor /= i
            total += (base**i + (shrink * base / mp.sqrt(i)) ** i) * term_factor
        expected = float(mp.log(total))
    found = theory.log_size_complexity(theory.series("exp"), radius=radius, accuracy=0.1, constant=constant)
    assert found == pytest.approx(expected, rel=1e-12)


def test_a_constant_counts_twice_for_size_and_once_for_samples():
    assert theory.log_size_complexity(theory.polynomial((3.0,))) == pytest.approx(np.log(6.0), rel=1e-14)
    assert theory.log_sample_complexity(theory.polynomial((3.0,))) == pytest.approx(np.log(3.0), rel=1e-14)


def test_a_high_power_alone_is_not_missed():
    function = theory.polynomial((0.0,) * 200 + (1.0,))
    assert theory.log_sample_complexity(function) == pytest.approx(1.75 * np.log(201.0), rel=1e-14)


@pytest.mark.parametrize("norm", [0.0, 0.3, 1.0, 1.7])
def test_closed_forms_are_their_power_series(norm):
    cosine = sum(3 * p * mp.mpf(norm) ** p / mp.factorial(p) for p in range(2, 80, 2))
    assert theory.cosine_constant(norm) == pytest.approx(float(cosine), rel=1e-13)
    arctan = sum(3 * p * mp.mpf(norm) ** p * mp.mpf(2) ** (1 - p) / (p - 1) for p in range(2, 1200, 2))
    assert theory.arctan_constant(norm) == pytest.approx(float(arctan), rel=1e-12)


def test_a_quadratic_is_the_sum_over_its_eigenvectors():
    A = np.array([[1.0, 2.0], [0.0, -3.0]])
    values = np.linalg.eigvalsh((A + A.T) / 2)
    assert theory.quadratic_constant(A) == pytest.approx(theory.sum_constant([(2, v, 1.0) for v in values]), rel=1e-14)


@pytest.mark.parametrize("power", [1, 2, 4, 6])
def test_the_constant_of_a_power_bounds_its_measure(power):
    X = sphere(150, 4)
    beta = 0.8 * np.eye(4)[0]
    assert measure(X, 1.5 * (X @ beta) ** power) <= theory.monomial_constant(power, alpha=1.5, norm=0.8)


def test_the_other_constants_bound_their_measures():
    X = sphere(150, 3)
    beta = np.array([0.9, -0.3, 0.2])
    norm = float(np.linalg.norm(beta))
    z = X @ beta
    A = np.random.default_rng(1).standard_normal((3, 3))
    assert measure(X, np.cos(z) - 1) <= theory.cosine_constant(norm)
    assert measure(X, z * np.arctan(z / 2)) <= theory.arctan_constant(norm)
    assert measure(X, np.einsum("ij,jk,ik->i", X, A, X)) <= theory.quadratic_constant(A)


@pytest.mark.parametrize(("n", "values"), [(17, (1.99300, 2.97271, 23.0012, 7.92935)), (65, (1.99953, 2.97985, 91.655, 8.07127)),
                                           (257, (1.99997, 2.98034, 363.385, 8.08101))])  # fmt: skip
def test_on_the_circle_the_first_second_and_fourth_power_converge_and_the_third_grows_with_n(n, values):
    """Table K8: cos(k theta) for k = 1 to 4; limits 2, 2.980376, 8.081680 for k = 1, 2, 4."""
    angle = 2 * np.pi * np.arange(n) / n
    H = HInf()(np.column_stack([np.cos(angle), np.sin(angle)]))
    found = [np.sqrt(n / 2) * theory.complexity(H, np.cos(k * angle)).value for k in (1, 2, 3, 4)]
    # The table has six digits; k = 3 sits on eigenvalues near rounding at large n.
    np.testing.assert_allclose(found, values, rtol=1e-5)


def test_odd_powers_from_three_on_have_no_constant():
    with pytest.raises(UsageError, match="odd powers such as 3"):
        theory.monomial_constant(3)
    with pytest.raises(UsageError, match="series converges"):
        theory.arctan_constant(2.0)
