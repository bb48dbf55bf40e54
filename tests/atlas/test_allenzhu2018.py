"""What the experiments on Allen-Zhu, Li and Liang 2018 compute: limits of kernels, leave-one-out, coupling, saddles."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from widthwise._jax import float64
from widthwise.atlas import allenzhu2018_comparison as comparison
from widthwise.atlas import allenzhu2018_concepts as concepts
from widthwise.atlas import allenzhu2018_coupling as coupling
from widthwise.atlas import allenzhu2018_figures as figures
from widthwise.atlas import allenzhu2018_landscape as landscape
from widthwise.atlas import allenzhu2018_learners as learners
from widthwise.atlas import allenzhu2018_practice as practice
from widthwise.atlas.criteria import Ordering
from widthwise.atlas.trial import Curve, Evidence, Rows, Settings, Trial
from widthwise.datasets.synthetic import sine_target, sphere, tanh_target
from widthwise.errors import UsageError
from widthwise.networks import PseudoNetwork
from widthwise.theory.learnability import composite_complexity, log_size_complexity, polynomial, series


def _rows(n: int = 30, seed: int = 0) -> Rows:
    X, X_test = sphere(n, 4, seed=seed), sphere(n, 4, seed=seed + 1)
    return Rows(X=X, y=sine_target(X), X_test=X_test, y_test=sine_target(X_test), source="rows of a test")


def _trial(seed: int = 0, **more: object) -> Trial:
    settings = Settings(data="generated", n=30, n_test=30, more={"biases": "frozen", **more})
    return Trial(settings=settings, rows=_rows(), seed=seed)


@pytest.mark.parametrize(("target", "variance", "off"), [(sine_target, 31.04, 0.1), (tanh_target, 76.75, 0.2)])
def test_targets_have_the_variance_of_the_published_errors_of_no_rows(target, variance, off) -> None:  # type: ignore[no-untyped-def]
    values = target(sphere(10**6, 4, seed=3))
    assert abs(np.var(values) - variance) < off


def test_published_ratios_are_those_of_the_text() -> None:
    """At N = 1000 and m = 2000 three layers are 17 times below two and 20 times below their tangent kernel."""
    table = figures.SIZES["sine"]
    assert round(table[figures.TWO][1000] / table[figures.THREE][1000]) == 17
    assert round(table[figures.NTK3][1000] / table[figures.THREE][1000]) == 20
    for label in figures.LEARNERS:
        between = figures.read_off(table, label, [200, 300, 500, 20_000])
        assert between[0] == pytest.approx(table[label][200])
        assert table[label][500] < between[1] < table[label][200]
        assert between[-1] == pytest.approx(table[label][10_000])


@pytest.mark.parametrize("biases", ["frozen", "trained"])
def test_the_limit_of_two_layers_is_the_orthant_probability(biases: str) -> None:
    r"""Gates of neurons of N(0, x.z + 1) are both open with probability (pi - angle) / 2 pi; cosines are (x.z + 1) / 2."""
    rows = _rows()
    products = rows.X_test @ rows.X.T
    angle = np.arccos(np.clip((products + 1.0) / 2.0, -1.0, 1.0))
    expected = (products + (biases == "trained")) * (np.pi - angle) / (2.0 * np.pi)
    assert np.allclose(comparison.limit_kernel(rows, 2, trained="hidden", biases=biases)[1], expected, atol=1e-7)
    closed = 2.0 * (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / (2.0 * np.pi)
    assert np.allclose(comparison.limit_kernel(rows, 2, trained="last", biases=biases)[1], closed, atol=1e-7)


@pytest.mark.parametrize("biases", ["frozen", "trained"])
@pytest.mark.parametrize("trained", ["hidden", "last"])
def test_kernels_of_three_layers_have_their_limit_in_mean(trained: str, biases: str) -> None:
    rows, m, draws = _rows(8), 300, 24
    found = []
    for seed in range(draws):
        K, _ = learners.finite_kernel(_trial(seed), 3, rows, m, trained=trained, biases=biases)
        found.append(K / (1.0 if trained == "last" else m))
    limit, _ = comparison.limit_kernel(rows, 3, trained=trained, biases=biases)
    error = np.std(found, axis=0, ddof=1) / np.sqrt(draws)
    # Beyond chance there is a bias of order 1/m.
    assert np.all(np.abs(np.mean(found, axis=0) - limit) < 5 * error + 4.0 / m * np.abs(limit).max())


def test_leave_one_out_is_that_of_refits() -> None:
    rows = _rows()
    K, cross = comparison.limit_kernel(rows, 2, trained="last", biases="frozen")
    (fit,) = learners.kernel_fits(K, cross, rows.y, rows.y_test, (1e-3,))
    ridge = 1e-3 * np.trace(K) / rows.n
    left = []
    for i in range(rows.n):
        rest = np.arange(rows.n) != i
        weights = np.linalg.solve(K[np.ix_(rest, rest)] + ridge * np.eye(rows.n - 1), rows.y[rest])
        left.append(K[i, rest] @ weights - rows.y[i])
    assert fit.left_out == pytest.approx(np.mean(np.square(left)), rel=1e-8)
    weights = np.linalg.solve(K + ridge * np.eye(rows.n), rows.y)
    assert fit.error == pytest.approx(np.mean((cross @ weights - rows.y_test) ** 2), rel=1e-8)


def test_coupling_counts_what_the_pseudo_network_leaves_out() -> None:
    """With one neuron at a time the sum over neurons is |f - g|, g the pseudo-network at the same weights."""
    net, rng = learners.network(2, 1), np.random.default_rng(0)
    rows = _rows()
    total, flips = 0.0, 0.0
    befores, nows, a = [], [], []
    with float64():
        X = jnp.asarray(rows.X)
        for seed in range(6):
            start = net.init(seed, d=4)
            now = {**start, "W": start["W"] + jnp.asarray(rng.standard_normal((1, 4)))}
            pseudo = PseudoNetwork(net)
            at = {**pseudo.around(start), "W": now["W"]}
            total += float(jnp.mean(jnp.abs(net.apply(now, X) - pseudo.apply(at, X))))
            befores.append(net.pre_activations(start, X)[0])
            nows.append(net.pre_activations(now, X)[0])
            a.append(start["a"][:, 0])
            flips += float(jnp.mean((befores[-1] >= 0) != (nows[-1] >= 0))) / 6
        found = coupling.coupling(jnp.hstack(befores), jnp.hstack(nows), jnp.hstack(a))
        assert float(found["neurons"]) == pytest.approx(total, rel=1e-10)
        assert float(found["flips"]) == pytest.approx(flips)


def test_small_moves_flip_gates_with_the_density_at_zero() -> None:
    """Normal pre-activations of deviation .7, moves of at most 1 % of it: deviations of second order."""
    rng = np.random.default_rng(1)
    m = 400_000
    z, a = 0.7 * rng.standard_normal((1, m)), rng.standard_normal(m)
    moved = 0.05 * a[None, :] * rng.random((1, m))
    expected = coupling.first_order(moved, a, np.array([0.7]))
    with float64():
        found = coupling.coupling(jnp.asarray(z), jnp.asarray(z + moved), jnp.asarray(a))
    count = expected["flips"] * m
    for name in ("flips", "gradients", "neurons"):
        assert float(found[name]) == pytest.approx(expected[name], rel=5 * 2.0 / np.sqrt(count)), name


def test_gates_of_now_give_the_network_and_gates_of_the_start_the_pseudo_network() -> None:
    trial = _trial(passes=30)
    net = learners.network(3, 12)
    run = learners.descend(trial, net, trial.rows, 12, rate=0.5)
    X = trial.rows.X_test
    own = np.asarray(net.apply(run.params, jnp.asarray(X)))[:, 0]
    assert np.allclose(coupling._with_gates(run, X, (False, False)), own, atol=1e-4)
    pseudo = PseudoNetwork(net)
    at = {**pseudo.around(run.start), **{name: run.params[name] for name in net.trained_names}}
    assert np.allclose(
        coupling._with_gates(run, X, (True, True)), np.asarray(pseudo.apply(at, jnp.asarray(X)))[:, 0], atol=1e-4
    )


def test_criteria_of_order_and_powers() -> None:
    x = np.array([1.0, 2.0, 4.0])
    measured = Evidence(Curve("a", x, x**-0.5), Curve("b", x, 3 * x**-0.25))
    assert learners.Falling().statistic(measured, measured) == pytest.approx(-0.25)
    assert learners.Powers((("a", -0.5), ("b", 0.0)), 0.1).statistic(measured, measured) == pytest.approx(0.25)
    ahead = learners.Ahead("a").statistic(measured, measured)
    assert ahead == pytest.approx(1 / 3)
    assert learners.Ahead("b").statistic(measured, measured) == pytest.approx(3 * 4.0**0.25)


def test_the_saddle_is_one_and_its_spectrum_is_that_of_the_dense_hessian() -> None:
    trial, m = _trial(), 6
    built, net = landscape.saddle(trial, trial.rows, m), learners.network(3, m)
    with float64():
        held = {name: jnp.asarray(value, jnp.float64) for name, value in built.start.items()}
        X, y = jnp.asarray(built.rows.X), jnp.asarray(built.rows.y)
        flat, back = ravel_pytree({name: held[name] for name in net.trained_names})

        def loss(theta: jax.Array) -> jax.Array:
            return jnp.mean((net.apply({**held, **back(theta)}, X)[:, 0] - y) ** 2)

        gradient, values = np.asarray(jax.grad(loss)(flat)), np.linalg.eigvalsh(np.asarray(jax.hessian(loss)(flat)))
    assert np.abs(gradient).max() < 1e-6
    assert values[0] == pytest.approx(built.smallest, rel=1e-6)
    assert values[-1] == pytest.approx(built.largest, rel=1e-6)
    flat_rows = landscape.without_slope(trial.rows)
    assert landscape.saddle(trial, flat_rows, m).smallest == pytest.approx(0.0, abs=1e-6)


def test_negative_curvature_is_below_its_bound_anywhere() -> None:
    """At random weights of any size, by dense Hessians."""
    trial, m = _trial(), 5
    net = learners.network(3, m)
    with float64():
        X, y = jnp.asarray(trial.rows.X), jnp.asarray(trial.rows.y)
        for seed in range(4):
            held = net.init(seed, d=4)
            flat, back = ravel_pytree({name: (1.0 + 3.0 * seed) * held[name] for name in net.trained_names})

            def loss(theta: jax.Array) -> jax.Array:
                return jnp.mean((net.apply({**held, **back(theta)}, X)[:, 0] - y) ** 2)  # noqa: B023

            smallest = float(np.linalg.eigvalsh(np.asarray(jax.hessian(loss)(flat)))[0])
            assert -smallest <= 2.0 * float(jnp.linalg.norm(held["a"])) * float(jnp.sqrt(loss(flat)))
            assert smallest < 0.0


def test_what_is_reported_of_one_candidate_is_unbiased_and_of_many_too_small() -> None:
    rng = np.random.default_rng(0)
    squares = rng.exponential(size=(40, 4000))
    best, true = practice._reported(squares[:1], 50, rng, 300)
    assert best == pytest.approx(true, abs=5.0 / np.sqrt(50 * 300))
    best, true = practice._reported(squares, 50, rng, 100)
    # The least of 40 means of 50 exponentials is two deviations of .14 below their mean.
    assert best < 0.8
    assert true > 0.95


def test_the_supremum_over_pseudo_networks_is_a_sum_of_norms() -> None:
    """No move of rows of norm one correlates more with the signs than the closed form, and that along the gradients as much."""
    trial = replace(_trial(draws=1, sizes=(30,)), rows=_rows(30))
    trial = replace(trial, settings=replace(trial.settings, widths=(7,)))
    gates, a = concepts._gates(trial)
    signs = np.random.default_rng([0, 23]).choice([-1.0, 1.0], 30)
    # a enters by its size: its sign turns the move.
    along = a[:, None] * ((gates * signs[:, None]).T @ trial.rows.X) / 30
    best = float(np.sum(np.linalg.norm(along, axis=1)))
    assert float(concepts.measure_class(trial).curves[0].y[0]) == pytest.approx(best)
    for seed in range(50):
        move = np.random.default_rng(seed).standard_normal(along.shape)
        move /= np.linalg.norm(move, axis=1, keepdims=True)
        assert float(np.sum(move * along)) <= best
    assert best <= float(concepts.predict_class(trial).curves[0].y[0]) * 2


def test_rows_asked_for_f1_are_those_of_its_complexities_one_by_one() -> None:
    """At C* = 1 every complexity is a number: 6.48e21 rows."""
    inner = max(log_size_complexity(series(*one)) for one in (("sin", 3.0), ("cos", 7.0)))
    radius = np.sqrt(3.0) * np.exp(inner)
    outer = log_size_complexity(polynomial((4.0, -4.0 * 3.0**0.5, 3.0)), radius=float(radius))
    found = concepts.asked(0.1)
    assert found.log_rows == pytest.approx(2.0 * (outer + np.log(radius / 0.1)), rel=1e-12)
    # At 10^4 only the logarithm is one; 2 log10 3 more than (z - 2)^2 at the same radius, where the square outgrows the rest.
    unweighted = composite_complexity(
        (polynomial((4.0, -4.0, 1.0)),),
        (series("sin", 3.0), series("cos", 7.0)),
        inner_terms=3,
        accuracy=0.1,
        constant=1e4,
    )
    added = concepts.asked(0.1, constant=1e4).decades - unweighted.decades
    assert added == pytest.approx(2.0 * np.log10(3.0), abs=1e-6)


def test_composites_come_in_the_order_of_their_complexities() -> None:
    more = {"inner terms": 2, "outer scales": (4.0, 1.0), "inner scales": (2.0, 1.0)}
    trial = _trial(terms=2, epsilon=0.1, **more)
    targets, predicted = concepts._composites(trial), concepts.predict_composites(trial)
    # At C* = 1 the outer scale times the complexity of sin(s z), 2.8 and 7.6, decides; at 10^4 the inner scale does.
    assert [(one.outer, one.inner) for one in targets] == [(1.0, 1.0), (1.0, 2.0), (4.0, 1.0), (4.0, 2.0)]
    large = sorted(targets, key=lambda one: one.asked_large.log_log_rows)
    assert [(one.outer, one.inner) for one in large] == [(1.0, 1.0), (4.0, 1.0), (1.0, 2.0), (4.0, 2.0)]
    for curve in predicted.curves:
        assert np.all(np.diff(curve.x) > 0)
        assert np.allclose(curve.y, curve.x / curve.x[-1])
    assert predicted.numbers["decades asked, outer scale 4, inner 2"] == predicted.curves[0].x[-1]
    # The logarithm of the rows is e^(s C*) and little more.
    assert predicted.numbers["log10 of the decades asked at C* = 10000, of the hardest"] == pytest.approx(
        2e4 / np.log(10.0), rel=1e-3
    )


def test_an_order_of_one_curve_leaves_the_others_out() -> None:
    x = np.arange(4.0)
    predicted = Evidence(Curve("a", x, x), Curve("b", x, x))
    measured = Evidence(Curve("a", x, x**2), Curve("b", x, -x))
    assert Ordering(of="a").statistic(predicted, measured) == pytest.approx(1.0)
    assert Ordering(of="b").statistic(predicted, measured) == pytest.approx(-1.0)
    assert Ordering().statistic(predicted, measured) < 0.5
    # What is not judged may be absent, what is judged may not.
    assert Ordering(of="a").statistic(predicted, Evidence(measured.curves[0])) == pytest.approx(1.0)
    with pytest.raises(UsageError, match="needs a curve of this name"):
        Ordering(of="b").statistic(predicted, Evidence(measured.curves[0]))
    # One order of four points, or of eight.
    assert Ordering(1.0, of="a").chance(2, 4, 1) == pytest.approx(1 / 24)
    assert Ordering(1.0).chance(2, 4, 1) == pytest.approx(1 / 40320)
    assert Ordering(0.8, of="a").says() == "rank correlation (Kendall's tau) at least 0.8, of a"


def test_good_weights_fit_the_targets_in_the_pseudo_network() -> None:
    """At the ridge of the claim the residual is (ridge) alpha; the norm is that of the dual."""
    trial = replace(_trial(), settings=replace(_trial().settings, widths=(300,)))
    whole, largest = concepts._good_weights(trial, 300, 1.0)
    K, _ = learners.finite_kernel(trial, 2, trial.rows, 300)
    net = learners.network(2, 300)
    start = net.init(0, d=4)
    y = trial.rows.y - np.asarray(net.apply(start, jnp.asarray(trial.rows.X)))[:, 0]
    alpha = np.linalg.solve(K + 1e-3 * np.trace(K) / 30 * np.eye(30), y)
    assert whole == pytest.approx(float(np.sqrt(alpha @ K @ alpha)), rel=1e-3)
    assert whole / np.sqrt(300) < largest < whole
