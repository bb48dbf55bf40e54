"""Constants of learnable functions: their series summed at forty digits, and the measure they must bound."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest

from widthwise import theory
from widthwise.datasets import synthetic
from widthwise.errors import UsageError
from widthwise.kernels import HInf
from widthwise.theory import learnability


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


NAMED = {"exp": mp.exp, "sin": mp.sin, "cos": mp.cos, "square": lambda z: z * z}


def test_every_function_of_a_concept_has_its_taylor_series():
    assert set(synthetic._FUNCTIONS) == set(NAMED)
    for name, function in NAMED.items():
        assert synthetic._FUNCTIONS[name](1.3) == pytest.approx(float(function(1.3)), rel=1e-14)
        coefficients = mp.taylor(lambda z, own=function: own(mp.mpf(1.7) * z), 0, 9)
        found = np.exp(theory.series(name, 1.7).log_sizes(np.arange(10)))
        # Numerical derivatives, to half of the fifteen digits.
        np.testing.assert_allclose(found, [abs(float(c)) for c in coefficients], rtol=1e-7, atol=1e-12)


def size(coefficients, radius, accuracy, constant):
    """The size complexity as it is written, from coefficients at high precision."""
    total = mp.mpf(0)
    for i, c in enumerate(coefficients):
        base = mp.mpf(constant) * radius
        damped = (mp.sqrt(mp.log(1 / mp.mpf(accuracy))) * base / mp.sqrt(i)) ** i if i else mp.mpf(1)
        total += (base**i + damped) * abs(c)
    return total


def coefficients_of(name, scale, terms):
    """Sizes of the Taylor coefficients, by the recursion of the factorial."""
    found, power = [], mp.mpf(1)
    for i in range(terms):
        present = {"exp": True, "sin": i % 2 == 1, "cos": i % 2 == 0}[name]
        found.append(power if present else mp.mpf(0))
        power *= mp.mpf(scale) / (i + 1)
    return found


@pytest.mark.parametrize(
    ("outer", "written"),
    [
        (theory.series("sin", 2.0), ("sin", 2.0)),
        (theory.series("exp", 0.5), ("exp", 0.5)),
        (theory.polynomial((4, -4, 1)), (4, -4, 1)),
    ],
)
def test_the_rows_of_a_composite_are_the_formula_of_theorem_2(outer, written):
    """Naive transcription at forty digits; p1 = 2, p2 = 3, k = 2."""
    with mp.workdps(40):
        accuracy = mp.mpf("0.2")
        inner = max(
            size(coefficients_of(name, scale, 120), 1, accuracy, 1) for name, scale in (("sin", 3.0), ("cos", 2.0))
        )
        radius = mp.sqrt(3) * inner
        series = coefficients_of(*written, 600) if isinstance(written[0], str) else written
        whole = size(series, radius, accuracy, 1)
        rows = (whole * inner * mp.sqrt(3) * 2 * 2**2 / accuracy) ** 2
        expected = [float(mp.log(value)) for value in (inner, whole, rows)]
        expected.append(float(mp.log(mp.log(rows))))
    found = theory.composite_complexity(
        [outer], [theory.series("sin", 3.0), theory.series("cos", 2.0)], terms=2, inner_terms=3, outputs=2, accuracy=0.2
    )
    told = [found.log_inner, found.log_outer, found.log_rows, found.log_log_rows]
    np.testing.assert_allclose(told, expected, rtol=1e-12)
    assert found.decades == pytest.approx(found.log_rows / np.log(10.0))


def test_at_the_constant_of_the_paper_even_logarithms_overflow_and_their_own_are_finite():
    """At C* = 10^4 the size complexity of sin z is that of sinh: e^9999.3; sin of it asks for rows of e^e^10009."""
    inner = theory.series("sin")
    with mp.workdps(60):
        small = size(coefficients_of("sin", 1.0, 12_500), 1, mp.mpf("0.1"), 10_000)
        argument = 10_000 * mp.sqrt(3) * small * 2
        # sinh of a number of 4347 digits; the damped terms are its power 2/3 in the exponent.
        log_rows = 2 * (argument - mp.log(2) + mp.log(small) + mp.log(3) / 2 - mp.log(mp.mpf("0.1")))
        expected = float(mp.log(log_rows))
    found = theory.composite_complexity([theory.series("sin", 2.0)], [inner], inner_terms=3, constant=1e4)
    assert found.log_outer == found.log_rows == found.decades == np.inf
    assert found.log_log_rows == pytest.approx(expected, rel=1e-12)
    harder = theory.composite_complexity(
        [theory.series("cos", 3.0), theory.series("sin", 2.0)], [inner], inner_terms=3, constant=1e4
    )
    # The hardest of the outer functions counts, in whichever order they come.
    assert harder.log_log_rows - found.log_log_rows == pytest.approx(np.log(1.5), abs=1e-9)
    square = theory.composite_complexity([theory.polynomial((0, 0, 1))], [inner], inner_terms=3, constant=1e4)
    with mp.workdps(60):
        whole = size((0, 0, 1), mp.sqrt(3) * small, mp.mpf("0.1"), 10_000)
        rows = 2 * mp.log(whole * small * mp.sqrt(3) / mp.mpf("0.1"))
    assert square.log_rows == pytest.approx(float(rows), rel=1e-12)


@pytest.mark.parametrize(("name", "less"), [("exp", 0.0), ("sin", np.log(2.0)), ("cos", np.log(2.0))])
def test_beyond_a_large_argument_the_closed_form_goes_on_where_the_sum_ends(name, less):
    below, above = 0.99 * learnability.LARGE, 1.01 * learnability.LARGE
    for argument in (below, above):
        found = theory.log_size_complexity(theory.series(name), constant=argument, accuracy=1e-9)
        # Logarithms of factorials of 1e5 have sizes of 1e6: a rounding is 1e-10.
        assert found == pytest.approx(argument - less, abs=1e-8)


def test_composites_without_functions_or_with_none_but_zero_are_refused():
    sine = theory.series("sin")
    with pytest.raises(UsageError, match="one series or more each; 0 and 1 came"):
        theory.composite_complexity([], [sine])
    with pytest.raises(UsageError, match="function that is not zero"):
        theory.composite_complexity([sine], [theory.polynomial((0, 0))])
    with pytest.raises(UsageError, match="inner_terms must be an integer"):
        theory.composite_complexity([sine], [sine], inner_terms=0)
    with pytest.raises(UsageError, match="accuracy must lie between 0 and 1"):
        theory.composite_complexity([sine], [sine], accuracy=1.0)
    nothing = theory.composite_complexity([theory.polynomial((0.0,))], [sine])
    assert nothing.log_rows == nothing.log_log_rows == -np.inf
