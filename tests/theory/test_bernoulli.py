"""Relative entropy of coins against mpmath, and its inverse against its definition and a binomial sample."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from widthwise.errors import UsageError
from widthwise.theory.bernoulli import bernoulli_kl, kl_inverse

EPS = float(np.finfo(np.float64).eps)


def exact(q, p):
    with mpmath.workdps(40):
        q, p = mpmath.mpf(q), mpmath.mpf(p)
        first = q * mpmath.log(q / p) if q else mpmath.mpf(0)
        return first + ((1 - q) * mpmath.log((1 - q) / (1 - p)) if q < 1 else 0)


@given(q=st.floats(0, 1), p=st.floats(1e-12, 1 - 1e-12))
def test_the_entropy_is_that_of_forty_digits(q, p):
    # Two terms of at most thirty nats that may cancel.
    assert bernoulli_kl(q, p) == pytest.approx(float(exact(q, p)), rel=1e-12, abs=16 * EPS)


def test_the_entropy_is_infinite_where_the_coin_excludes_what_came():
    assert bernoulli_kl(0.1, 0.0) == bernoulli_kl(0.9, 1.0) == math.inf
    assert bernoulli_kl(0.0, 0.0) == bernoulli_kl(1.0, 1.0) == bernoulli_kl(0.3, 0.3) == 0.0


@given(c=st.floats(0, 30))
def test_the_limit_for_no_error_is_exponential(c):
    assert kl_inverse(0.0, c) == pytest.approx(-math.expm1(-c), rel=1e-12, abs=4 * EPS)


@given(q=st.floats(1e-3, 0.999), c=st.floats(1e-6, 5))
def test_the_inverse_is_the_root_above_q(q, c):
    p = kl_inverse(q, c)
    assert q < p <= 1
    if p == 1.0:
        assert exact(q, 1 - 2**-53) <= c
        return
    # The computed entropy rounds at a few eps, and so does p, by which the entropy changes with its slope.
    slope = (p - q) / (p * (1 - p))
    assert abs(float(exact(q, p)) - c) <= 64 * EPS * (1 + c) + 2 * EPS * slope


def test_the_limit_covers_a_binomial_proportion():
    """The chance that the upper limit of level delta lies below p is at most delta: summed exactly over all outcomes."""
    n, delta = 40, 0.05
    limits = np.array([kl_inverse(k / n, math.log(1 / delta) / n) for k in range(n + 1)])
    for p in (0.01, 0.1, 0.3, 0.5, 0.9):
        assert binom.pmf(np.arange(n + 1), n, p)[limits < p].sum() <= delta


def test_what_is_no_probability_is_refused():
    for call in (lambda: bernoulli_kl(1.1, 0.5), lambda: bernoulli_kl(0.5, -0.1), lambda: kl_inverse(2.0, 0.1)):
        with pytest.raises(UsageError, match=r"must lie in \[0, 1\]"):
            call()
    with pytest.raises(UsageError, match="at least zero nats"):
        kl_inverse(0.5, -1.0)
