"""Loss, error and margins against loops over rows."""

from __future__ import annotations

import inspect
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from widthwise.errors import UsageError
from widthwise.networks import MLP
from widthwise.training import probes
from widthwise.training.probes.fit import are_classes, margins
from widthwise.training.probes.objective import MEANS, row_derivatives, row_losses, total_loss

EPS = float(np.finfo(np.float64).eps)
NET3 = MLP(widths=(8,), outputs=3, antisymmetric=False)
NET1 = MLP(widths=(8,), antisymmetric=False)


def outputs_and_targets(loss, n=7, k=3, seed=0):
    generator = np.random.default_rng(seed)
    F = generator.standard_normal((n, k))
    if loss == "cross_entropy":
        return F, np.eye(k)[generator.integers(0, k, n)]
    return F, generator.choice([-1.0, 1.0], (n, k)) if loss == "logistic" else generator.standard_normal((n, k))


def naive_loss(loss, F, Y):
    n, k = F.shape
    total = 0.0
    for i in range(n):
        if loss == "cross_entropy":
            normaliser = math.log(sum(math.exp(v) for v in F[i]))
            total -= sum(Y[i, c] * (F[i, c] - normaliser) for c in range(k))
        for c in range(k if loss != "cross_entropy" else 0):
            if loss == "logistic":
                total += math.log(1 + math.exp(-Y[i, c] * F[i, c]))
            else:
                total += (F[i, c] - Y[i, c]) ** 2
    return {"squared": total / 2, "mean_squared": total / (n * k)}.get(loss, total / n)


@pytest.mark.parametrize("loss", MEANS)
def test_the_loss_is_the_sum_or_mean_over_rows_of_the_naive_transcription(loss, double):
    F, Y = outputs_and_targets(loss)
    # Twenty-one terms of order one.
    assert float(total_loss(loss, jnp.asarray(F), jnp.asarray(Y))) == pytest.approx(
        naive_loss(loss, F, Y), rel=100 * EPS
    )


@pytest.mark.parametrize("loss", MEANS)
def test_derivatives_of_a_row_are_the_textbook_ones(loss, double):
    F, Y = outputs_and_targets(loss)
    softmax = np.exp(F) / np.exp(F).sum(axis=1, keepdims=True)
    known = {
        "squared": F - Y,
        "mean_squared": 2 * (F - Y) / 3,
        "logistic": -Y / (1 + np.exp(Y * F)),
        "cross_entropy": softmax - Y,
    }
    found = np.asarray(row_derivatives(loss, jnp.asarray(F), jnp.asarray(Y)))
    np.testing.assert_allclose(found, known[loss], rtol=0, atol=20 * EPS * np.abs(known[loss]).max())


@pytest.mark.parametrize("loss", MEANS)
def test_the_loss_is_the_one_that_training_minimises(loss, double):
    losses = pytest.importorskip("widthwise.training.losses")
    F, Y = outputs_and_targets(loss)
    assert float(total_loss(loss, jnp.asarray(F), jnp.asarray(Y))) == pytest.approx(
        float(losses.value(loss, F, Y)), rel=100 * EPS
    )


def test_an_unknown_loss_is_refused():
    with pytest.raises(UsageError, match="'squared', 'mean_squared', 'logistic', 'cross_entropy'; 'hinge' came"):
        row_losses("hinge", jnp.zeros((1, 1)), jnp.zeros((1, 1)))


def test_margins_of_signs_are_products(double):
    F, Y = np.array([[0.5], [-2.0], [1.0]]), np.array([[1.0], [1.0], [-1.0]])
    for loss in ("squared", "logistic"):
        np.testing.assert_array_equal(margins(loss, jnp.asarray(F), jnp.asarray(Y)), [0.5, -2.0, -1.0])


def test_margins_of_classes_are_gaps_to_the_best_other_output(double):
    F, Y = outputs_and_targets("cross_entropy")
    right = Y.argmax(axis=1)
    expected = [F[i, c] - max(F[i, o] for o in range(3) if o != c) for i, c in enumerate(right)]
    for loss in ("cross_entropy", "squared"):
        np.testing.assert_allclose(margins(loss, jnp.asarray(F), jnp.asarray(Y)), expected, rtol=0, atol=8 * EPS)


@given(shift=st.floats(-3, 3), scale=st.floats(0.1, 10), k=st.sampled_from([1, 3]), seed=st.integers(0, 20))
@settings(max_examples=20)
def test_margins_under_a_squared_loss_do_not_depend_on_the_coding(shift, scale, k, seed):
    F, Y = outputs_and_targets("cross_entropy", n=9, k=3, seed=seed)
    F, Y = (F[:, :1], Y[:, :1]) if k == 1 else (F, Y)
    assume(bool(are_classes(Y)))
    expected = np.asarray(margins("squared", jnp.asarray(F), jnp.asarray(Y)))
    found = np.asarray(margins("squared", jnp.asarray(shift + scale * F), jnp.asarray(shift + scale * Y)))
    # float32; the shift takes its digits from the outputs, thirty times the span at most.
    np.testing.assert_allclose(found, expected, rtol=0, atol=64 * 2**-23 * 35 * (1 + np.abs(F).max()))


def test_a_tie_and_what_is_no_number_are_errors(take):
    X = np.eye(2)
    shot = take(NET1, X, [[1.0], [-1.0]], update={"W": np.zeros((8, 2))})
    for outputs, error in (([[0.0], [-1.0]], 0.5), ([[np.nan], [-1.0]], 0.5), ([[2.0], [-1.0]], 0.0)):
        moved = type(shot)(**{**vars(shot), "outputs": jnp.asarray(outputs)})
        assert float(jax.jit(probes.Error())(moved)) == error


def test_the_error_of_a_regression_is_the_root_mean_square(take):
    X, Y = np.eye(3), np.array([[0.1], [0.7], [-2.0]])
    shot = take(NET1, X, Y)
    expected = np.sqrt(np.mean((np.asarray(shot.outputs) - Y) ** 2))
    assert float(jax.jit(probes.Error())(shot)) == pytest.approx(expected, rel=10 * EPS)
    classes = take(NET1, X, [[2.0], [2.0], [0.0]])
    assert float(jax.jit(probes.Error())(classes)) == np.mean(
        (np.asarray(classes.outputs)[:, 0] > 1) != [True, True, False]
    )
    assert float(jax.jit(probes.Error(task="regression"))(classes)) != float(jax.jit(probes.Error())(classes))


def test_percentiles_are_those_of_the_margins(take):
    X = np.random.default_rng(0).standard_normal((11, 4))
    shot = take(NET3, X, np.eye(3)[np.arange(11) % 3], loss="cross_entropy")
    found = jax.jit(probes.Margin(percentiles=(0.0, 25.0, 50.0)))(shot)
    every = np.asarray(margins("cross_entropy", shot.outputs, shot.Y))
    np.testing.assert_allclose(found["percentiles"], np.percentile(every, [0, 25, 50]), rtol=0, atol=20 * EPS)
    assert float(found["smallest"]) == every.min()


@pytest.mark.parametrize("Y", [[[0.1], [0.7], [-2.0]], [[1.0], [1.0], [1.0]]])
def test_margins_and_classification_errors_refuse_targets_that_are_no_classes(Y):
    for probe in (probes.Margin(), probes.Error(task="classification")):
        with pytest.raises(UsageError, match=r"needs classes.*task='regression'"):
            probes.check(probe, NET1, np.eye(3), np.asarray(Y))
    with pytest.raises(UsageError, match="needs classes"):
        probes.check(probes.Margin(), NET3, np.eye(3), np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: inspect.unwrap(probes.Error.__init__)(object.__new__(probes.Error), task="ranking"), "'ranking' came"),
        (lambda: probes.Margin(percentiles=()), "at least one"),
        (lambda: probes.Margin(percentiles=(101.0,)), "between 0 and 100"),
    ],
)
def test_options_outside_their_range_are_refused(make, words):
    with pytest.raises(UsageError, match=words):
        make()
