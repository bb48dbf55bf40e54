"""Width conditions: each formula against numbers worked out apart, facts against brute force, and what fails by name."""

from __future__ import annotations

import dataclasses
import inspect
import math

import numpy as np
import pytest

from widthwise import theory
from widthwise.errors import DataError, UsageError
from widthwise.kernels import HInf

FACTS = theory.WidthFacts(
    n=100, merged=0, d=20, classes=2, lambda_0=0.1, lambda_rows=(), phi=0.5, phi_rows=(), norm=2.0, gamma=0.25, gamma_rows=(),
    depth=3, failure=0.1, accuracy=0.01, start=0.5,
)  # fmt: skip
LN = math.log(1000.0)
# Written out with plain numbers, from section 4 of the survey of conditions, not from the code.
EXPECTED = {
    "du2018": 1e12 / (1e-4 * 1e-3),
    "allen-zhu2018": 1e48 * 3**12 / 0.5**8,
    "du2018-deep": 8 * 1e8 / 1e-4,
    "zou2018": 1e52 * 3**38 / 0.5**8,
    "arora2019-dynamics": 1e14 / (1e-4 * 0.25 * 1e-4 * 1e-4),
    "oymak2019-smooth": 1e4 / 20,
    "oymak2019-relu": 100 * 64 / 1e-4,
    "oymak2019-sphere": 1e8 / 8000,
    "su2019": 100 * math.log(100),
    "cao2019": 1e14,
    "song2019": 1e8 / 1e-4,
    "song2019-properties": 1e4,
    "zou2019": 1e16 * 3**12 / 0.5**4,
    "zou2019-sgd": 1e34 * 3**12 / 0.5**4,
    "kawaguchi2019": 5.0,
    "ji2019": 4.0**8 * (LN + math.log(100) ** 2),
    "chen2019": 3.0**22 * 4.0**8,
    "chen2019-separation": 3.0**22 * 1e24 / 0.5**4,
    "gulcu2019": 100.0,
    "nguyen2020": 100.0,
    "montanari2020": 5.0,
    "daniely2020": 5.0,
    "nguyen2021": 100.0,
    "noy2021": 3e4,
    "song2021": 50.0,
    "gao2021": 1e4,
    "gao2022": 100.0,
    "bombari2022": 10.0,
    "munteanu2022-squared": 1e4 / 0.01,
    "munteanu2022-logistic": 16 * LN,
    "telgarsky2022": 4.0,
    "lei-cited2025": 4.0**8,
    "taheri2025": 4.0**22,
    "li2025": 3.0**16 * LN * math.log(100) ** 8 * 4.0**8,
}
WITHOUT_EXPONENTS = {"li-liang2018", "allen-zhu2018-targets", "arora2019-generalisation", "nitanda2019", "razborov2022"}


def sphere(n, d, seed=0):
    X = np.random.default_rng(seed).standard_normal((n, d))
    return X / np.linalg.norm(X, axis=1, keepdims=True)


def measured(X, target, **options):
    return theory.width_facts(X, target, HInf()(X), **options)


def test_every_condition_is_what_its_formula_says():
    rows = {row.condition.key: row for row in theory.width_conditions(FACTS, observed=10.0)}
    assert set(rows) == set(EXPECTED) | WITHOUT_EXPONENTS
    for key, value in EXPECTED.items():
        assert rows[key].log10_width == pytest.approx(math.log10(value), abs=1e-9), key
        assert rows[key].vacuity == pytest.approx(math.log10(value) - 1.0, abs=1e-9), key
        assert rows[key].note.startswith("at constant 1")
        assert rows[key].holds is True
    for key in WITHOUT_EXPONENTS:
        assert rows[key].log10_width is None
        assert rows[key].note == "no exponents published or seen"


def test_every_condition_names_its_source_year_and_how_well_it_is_known():
    keys = [c.key for c in theory.CONDITIONS]
    assert len(set(keys)) == len(keys)
    for condition in theory.CONDITIONS:
        assert str(condition.year)[:2] == "20"
        assert condition.confidence in ("read", "second-hand", "memory")
        assert condition.source
        assert condition.setting
        assert condition.formula
        assert str(condition.year) in condition.source


def test_outputs_count_where_there_are_several():
    several = {r.condition.key: r.log10_width for r in theory.width_conditions(dataclasses.replace(FACTS, classes=10))}
    assert several["allen-zhu2018"] == pytest.approx(math.log10(10 * EXPECTED["allen-zhu2018"]), abs=1e-9)


def test_widths_far_beyond_floating_point_stay_finite():
    rows = theory.width_conditions(dataclasses.replace(FACTS, n=10**6, phi=1e-30, lambda_0=1e-200, gamma=1e-100))
    assert all(math.isfinite(row.log10_width) for row in rows if row.log10_width is not None)
    assert max(row.log10_width for row in rows if row.log10_width is not None) > 308


def test_facts_are_those_of_brute_force():
    X, labels = sphere(30, 4), np.arange(30) % 2
    H = HInf()(X)
    found = measured(X, labels)
    assert found.lambda_0 == pytest.approx(np.linalg.eigvalsh(H)[0], rel=1e-9)
    assert found.phi == min(np.linalg.norm(X[i] - X[j]) for i in range(30) for j in range(i))
    assert found.norm == pytest.approx(math.sqrt(np.linalg.eigvalsh(X @ X.T)[-1]), rel=1e-12)
    assert found.gamma == theory.margin(H, np.where(labels == 0, 1.0, -1.0)).value
    assert (found.n, found.merged, found.d, found.classes) == (30, 0, 4, 2)


def test_rows_that_repeat_are_merged_and_change_nothing():
    X, labels = sphere(20, 3), np.arange(20) % 2
    plain = measured(X, labels)
    again = measured(np.vstack([X[:6], X]), np.append(labels[:6], labels))
    assert again.merged == 6
    for name in ("n", "classes"):
        assert getattr(again, name) == getattr(plain, name)
    for name in ("lambda_0", "phi", "gamma"):
        assert getattr(again, name) == pytest.approx(getattr(plain, name), rel=1e-9)


def test_twins_in_conflict_fail_every_hypothesis_by_their_rows():
    X, labels = sphere(10, 3), np.arange(10) % 2
    found = measured(np.vstack([X, X[3]]), np.append(labels, 1 - labels[3]))
    assert (found.lambda_0, found.phi, found.gamma) == (0.0, 0.0, 0.0)
    rows = {row.condition.key: row for row in theory.width_conditions(found)}
    assert rows["du2018"].note == "hypothesis fails: rows 3, 10 (lambda_0 = 0)"
    assert rows["zou2019"].note == "hypothesis fails: rows 3, 10 (phi = 0)"
    assert rows["chen2019"].note in (
        "hypothesis fails: rows 3, 10 (gamma = 0)",
        "hypothesis fails: rows 10, 3 (gamma = 0)",
    )
    assert rows["du2018"].holds is False
    assert rows["nguyen2021"].log10_width == pytest.approx(math.log10(11))


def test_parallel_and_opposite_rows_have_no_eigenvalue_but_a_separation():
    X = np.vstack([sphere(8, 3), 2.0 * sphere(8, 3)[5:6]])
    found = measured(X, np.arange(9) % 2)
    assert (found.lambda_0, found.lambda_rows) == (0.0, (5, 8))
    assert found.phi > 0


def test_odd_degrees_that_no_row_carries_name_the_rows_of_the_null_vector():
    """Sixteen equispaced points of the circle: six zero eigenvalues (table K8), and no two rows to blame."""
    angle = 2 * np.pi * np.arange(16) / 16
    X = np.column_stack([np.cos(angle), np.sin(angle)])
    found = measured(X, np.arange(16) % 2)
    assert found.lambda_0 == 0.0
    assert len(found.lambda_rows) >= 2


def test_a_numeric_target_has_no_margin():
    X = sphere(12, 3)
    found = measured(X, X[:, 0])
    assert (found.gamma, found.classes) == (None, 0)
    rows = {row.condition.key: row for row in theory.width_conditions(found)}
    assert rows["ji2019"].note == "hypothesis fails: needs classes, the target is a number"


def test_of_several_classes_the_hardest_counts():
    X, labels = sphere(24, 5), np.arange(24) % 3
    H = HInf()(X)
    hardest = min(theory.margin(H, np.where(labels == c, 1.0, -1.0)).value for c in range(3))
    assert measured(X, labels).gamma == hardest


def test_the_interpolation_ratio_counts_parameters_for_each_row():
    assert theory.interpolation_ratio(width=50.0, d=10, n=250) == 2.0


def test_arguments_outside_their_range_are_named():
    X = sphere(5, 3)
    with pytest.raises(UsageError, match="failure"):
        measured(X, np.arange(5) % 2, failure=1.0)
    with pytest.raises(DataError, match="one row for each of the 5 rows"):
        inspect.unwrap(theory.width_facts)(X, np.arange(5) % 2, np.eye(4))
    with pytest.raises(UsageError, match="observed"):
        theory.width_conditions(FACTS, observed=0.0)


PILOT = {
    100: {"allen-zhu2018": 4e51, "arora2019-dynamics": 4e22, "du2018": 4e19, "zou2019": 6e17, "song2019": 4e12, "ji2019": 1e9,
          "munteanu2022-squared": 2e6, "munteanu2022-logistic": 800, "nguyen2021": 100, "oymak2019-smooth": 13,
          "kawaguchi2019": 0.13},
    300: {"allen-zhu2018": 1e63, "arora2019-dynamics": 2e26, "du2018": 7e22, "zou2019": 4e21, "song2019": 7e14, "ji2019": 3e10,
          "munteanu2022-squared": 3e7, "munteanu2022-logistic": 2000, "nguyen2021": 300, "oymak2019-smooth": 110,
          "kawaguchi2019": 0.38},
}  # fmt: skip
PILOT_FACTS = {100: (0.072, 0.36, 0.093), 300: (0.058, 0.36, 0.063)}


@pytest.mark.parametrize("n", [100, 300])
def test_the_table_of_mnist_is_reproduced_from_its_own_three_numbers(n):
    """Section 4's table states lambda_0, phi and gamma to two digits; its widths follow from them to their one digit."""
    eigenvalue, separation, gamma = PILOT_FACTS[n]
    facts = theory.WidthFacts(
        n=n, merged=0, d=784, classes=2, lambda_0=eigenvalue, lambda_rows=(), phi=separation, phi_rows=(), norm=1.0, gamma=gamma,
        gamma_rows=(), depth=1, failure=0.1, accuracy=1.0, start=1.0,
    )  # fmt: skip
    rows = {row.condition.key: row for row in theory.width_conditions(facts)}
    for key, value in PILOT[n].items():
        # One digit is a factor of up to 1.5 around it; phi^8 and lambda^4 to two digits are as much again.
        assert abs(rows[key].log10_width - math.log10(value)) <= math.log10(1.5) + math.log10(1.12), key
