"""Claims of Chen et al. 2019 on descent: steps to an accuracy, the distance to a solution, one pass, error against width."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from widthwise.atlas.chen2019_rows import (
    FAILURE,
    Growth,
    gram,
    in_own_span,
    labels,
    network,
    radius,
    rate,
    shuffled,
    small_rate,
    test_labels,
    theorem_width,
)
from widthwise.atlas.claim import Axes, Claim
from widthwise.atlas.criteria import Ordering, UpperBound
from widthwise.atlas.hypotheses import unit_norm_rows, unknowable
from widthwise.atlas.trial import Curve, Evidence, Settings, Trial
from widthwise.kernels import NTK
from widthwise.networks.network import Network
from widthwise.theory import margin
from widthwise.training import Inverse, Stop, TrainingRun, train, train_many
from widthwise.training.probes import Margin, Radius
from widthwise.training.schedules import Schedule
from widthwise.training.snapshot import Snapshot

# --- steps to an accuracy -----------------------------------------------------------------------------------------------


def accuracies(trial: Trial) -> Float[np.ndarray, " e"]:
    """Training losses that are asked for."""
    return 2.0 ** -np.arange(1.0, trial.more("halvings") + 1.0)


def steps_to_accuracy(trial: Trial, schedule: float | Schedule) -> Evidence:
    """First step of full-batch descent with a training loss of at most epsilon; infinite where there is none."""
    epsilon = accuracies(trial)
    run = train(
        network(trial),
        in_own_span(trial.rows.X),
        labels(trial),
        loss="logistic",
        learning_rate=schedule,
        steps=trial.steps,
        stop=Stop(loss=float(epsilon[-1])),
        seed=trial.seed,
    )
    loss = run.history.loss
    first = [max(int(np.argmax(loss <= e)), 1) if np.any(loss <= e) else math.inf for e in epsilon]
    return Evidence(Curve("steps", 1.0 / epsilon, np.array(first) / trial.slowdown))


def predict_steps(trial: Trial) -> Evidence:
    """The leading term's growth, L^2 R^2 / epsilon with the radius of corollary 4.4, through the steps to the first accuracy."""
    curve = measure_steps(trial).curves[0]
    epsilon = accuracies(trial)
    gamma = margin(gram(trial), labels(trial)).value
    term = radius(gamma, trial.rows.n, epsilon) ** 2 / epsilon
    slope = np.polyfit(np.log(1.0 / epsilon), np.log(term), 1)[0] if np.all(np.isfinite(term)) else math.inf
    drawn = curve.y[0] * term / term[0] if np.all(np.isfinite(term)) else np.full_like(term, math.inf)
    return Evidence(Curve("steps", curve.x, drawn), **{"exponent of the leading term": slope})


@functools.lru_cache(maxsize=1)
def measure_steps(trial: Trial) -> Evidence:
    """At a constant rate."""
    return steps_to_accuracy(trial, rate(trial))


def steps_at_a_falling_rate(trial: Trial) -> Evidence:
    """At a rate that falls like one over the step."""
    return steps_to_accuracy(trial, Inverse(rate(trial), 1.0))


# --- lemma 6.2 ----------------------------------------------------------------------------------------------------------

POINTS = 8
"""Times that are shown."""


@dataclass(frozen=True)
class Update:
    """W(t) - W(0) of all layers, as one vector."""

    name: str = "update"
    on_host: ClassVar[bool] = False

    def check(self, net: Network, X: Float[np.ndarray, "n d"], Y: Float[np.ndarray, "n k"]) -> None:
        """Any network has one."""

    def __call__(self, snapshot: Snapshot) -> Float[Array, " p"]:
        """In the order of the layers."""
        return jnp.concatenate([snapshot.update[name].ravel() for name in snapshot.net.trained_names])


@functools.lru_cache(maxsize=1)
def the_run(trial: Trial) -> tuple[Float[np.ndarray, "t p"], Float[np.ndarray, " s"], float, float]:
    """Updates at the start, at the times shown and at the end, the loss of every step, and the last losses: largest and mean."""
    run = train(
        network(trial),
        in_own_span(trial.rows.X),
        labels(trial),
        loss="logistic",
        learning_rate=rate(trial),
        steps=int(trial.more("beyond")) * trial.steps,
        probes=(Update(), Margin()),
        every=trial.steps // POINTS,
        seed=trial.seed,
    )
    worst = float(np.logaddexp(0.0, -run.history.probes["margin.smallest"][-1]))
    watched = run.history.probes["update"]
    updates = np.asarray(np.concatenate([watched[: POINTS + 1], watched[-1:]]), dtype=np.float64)
    return updates, np.asarray(run.history.loss, dtype=np.float64), worst, float(run.history.loss[-1])


def times(trial: Trial) -> Int[np.ndarray, " t"]:
    """Steps that are shown: not the start, where both sides are the same."""
    return np.arange(1, POINTS + 1) * (trial.steps // POINTS)


def predict_distance(trial: Trial) -> Evidence:
    """The squared distance from the start to W*."""
    star = the_run(trial)[0][-1]
    return Evidence(Curve("squared distance and losses", times(trial) / trial.slowdown, [star @ star] * POINTS))


def distance_to(trial: Trial, sign: float) -> Evidence:
    """Squared distance to W*, or to its opposite, and the rate times the sum of losses beyond twice epsilon."""
    updates, loss, epsilon, mean = the_run(trial)
    shown = times(trial)
    summed = np.concatenate([[0.0], np.cumsum(loss)])[shown]
    squares = np.sum((updates[1 : POINTS + 1] - sign * updates[-1]) ** 2, axis=1)
    left = squares + rate(trial) * (summed - 2.0 * shown * epsilon)
    sharper = squares + rate(trial) * (summed - 2.0 * shown * mean)
    return Evidence(
        Curve("squared distance and losses", shown / trial.slowdown, left),
        **{
            "largest loss of a row at the solution": epsilon,
            "mean loss at the solution": mean,
            "largest quotient with the mean loss": np.max(sharper / np.sum(updates[-1] ** 2)),
            "share of the squared distance left": squares[-1] / np.sum(updates[-1] ** 2),
        },
    )


def measure_distance(trial: Trial) -> Evidence:
    """Towards the weights of a later step."""
    return distance_to(trial, 1.0)


def distance_to_the_opposite(trial: Trial) -> Evidence:
    """Towards the point opposite to W*, as far from the start."""
    return distance_to(trial, -1.0)


# --- one pass -----------------------------------------------------------------------------------------------------------


def passes(trial: Trial) -> list[int]:
    """Numbers of rows, doubling up to all of them."""
    return [trial.rows.n >> k for k in range(int(trial.more("sizes")) - 1, -1, -1)]


def one_pass(trial: Trial, y: Float[np.ndarray, " n"]) -> Evidence:
    """Test error of a uniformly random iterate of one pass, over the number of rows of the pass."""
    n = trial.rows.n
    run = train(
        network(trial),
        trial.rows.X,
        y,
        loss="logistic",
        optimizer="sgd",
        learning_rate=rate(trial),
        batch_size=1,
        sampling="one_pass",
        steps=n,
        every=max(n // 256, 1),
        test=(trial.rows.X_test, test_labels(trial)),
        seed=trial.seed,
    )
    steps, error = run.history.probe_steps, run.history.test_error
    each = np.interp(np.arange(n), steps, error)
    found = [float(each[:size].mean()) for size in passes(trial)]
    return Evidence(Curve("expected test error", passes(trial), found), **{"error of the last iterate": error[-1]})


def leading_terms(trial: Trial) -> Float[np.ndarray, " s"]:
    """Theorem 3.8 at the radius of corollary 4.4 at constant 1 and the best epsilon, by number of rows."""
    L, rows = int(trial.more("matrices")), slice(0, 1000)
    gamma = margin(NTK.chen2019(L)(trial.rows.X[rows]), labels(trial)[rows]).value
    epsilon = 2.0 ** -np.arange(1.0, 25.0)
    found = []
    for n in passes(trial):
        R = radius(gamma, n, epsilon)
        found.append(np.min(8.0 * L**2 * R**2 / n + 8.0 * np.log(1.0 / FAILURE) / n + 24.0 * epsilon))
    return np.array(found)


def predict_one_pass(trial: Trial) -> Evidence:
    """The growth of the leading terms, through the error after the fewest rows."""
    curve, term = measure_one_pass(trial).curves[0], leading_terms(trial)
    drawn = curve.y[0] * term / term[0] if np.all(np.isfinite(term)) else np.full_like(term, math.inf)
    return Evidence(Curve("expected test error", curve.x, drawn), **{"the theorem's terms at all rows": term[-1]})


@functools.lru_cache(maxsize=1)
def measure_one_pass(trial: Trial) -> Evidence:
    """Of the labels."""
    return one_pass(trial, labels(trial))


def one_pass_of_shuffled(trial: Trial) -> Evidence:
    """Of labels without a relation to the rows."""
    return one_pass(trial, shuffled(trial))


# --- error against width ------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=1)
def trained(trial: Trial) -> tuple[Float[np.ndarray, " w"], Float[np.ndarray, " w"], Float[np.ndarray, " w"]]:
    """Test error, training loss and radius by width, means over several networks."""
    found = []
    for width in trial.settings.widths:
        runs: tuple[TrainingRun, ...] = train_many(
            network(trial, width),
            trial.rows.X,
            labels(trial),
            loss="logistic",
            learning_rate=rate(trial, width),
            steps=trial.steps,
            probes=(Radius(),),
            every=trial.steps,
            test=(trial.rows.X_test, test_labels(trial)),
            seeds=[1000 * k + trial.seed for k in range(int(trial.more("nets")))],
        )
        ends = [(r.history.test_error[-1], r.history.loss[-1], r.history.probes["radius"][-1]) for r in runs]
        found.append(np.mean(ends, axis=0))
    errors, losses, radii = np.array(found, dtype=np.float64).T
    return errors, losses, radii


def branches(
    m: Float[np.ndarray, " w"], n: int, L: int, R: Float[np.ndarray, " w"]
) -> tuple[Float[np.ndarray, " w"], Float[np.ndarray, " w"]]:
    """The two terms of theorem 3.5 at constant 1 and alpha = 1/2: rising in the width, and falling."""
    rising = 4.0**L * L**2 * R * np.sqrt(m / n)
    falling = L**1.5 * R / np.sqrt(n) + L ** (11 / 3) * R ** (4 / 3) * m ** (-1 / 6)
    return rising, falling


def predict_width(trial: Trial) -> Evidence:
    """Twice the training loss and the smaller branch, with the radii that descent has used."""
    _, losses, radii = trained(trial)
    m = np.array(trial.settings.widths, dtype=np.float64)
    rising, falling = branches(m, trial.rows.n, int(trial.more("matrices")), radii)
    return Evidence(
        Curve("test error", m, 2.0 * losses + np.minimum(rising, falling)),
        **{"widths at which the terms rise": np.sum(rising < falling)},
    )


def measure_width(trial: Trial) -> Evidence:
    """Test error by width."""
    errors, losses, radii = trained(trial)
    return Evidence(
        Curve("test error", trial.settings.widths, errors),
        **{
            "training loss of the narrowest": losses[0],
            "training loss of the widest": losses[-1],
            "radius of the narrowest": radii[0],
            "radius of the widest": radii[-1],
        },
    )


def guessing(trial: Trial) -> Evidence:
    """One row in two put wrong, whatever the width."""
    return Evidence(Curve("test error", trial.settings.widths, np.full(len(trial.settings.widths), 0.5)))


CLAIMS = (
    Claim(
        key="chen2019-steps",
        type="O",
        source="chen2019",
        locator="theorem 3.3",
        title="Steps grow no faster than one over the accuracy",
        statement="Gradient descent at a rate of the order 1/(L m) has a training loss of epsilon after O(L^2 R^2 / epsilon) "
        "steps. With R of corollary 4.4 that is an exponent of 1.3 over the losses asked for; a smaller one satisfies it.",
        formula=r"T = O(L^2 R^2 / \varepsilon)",
        quantity="training speed",
        hypotheses=(unit_norm_rows, small_rate, theorem_width),
        predict=predict_steps,
        measure=measure_steps,
        criterion=Growth(low=0.0, high=1.3),
        control=steps_at_a_falling_rate,
        control_text="a rate that falls like one over the step: the accuracies are out of reach",
        axes=Axes(x="1 / training loss", y="steps", log_x=True, log_y=True),
        method=(
            "Full-batch descent on the logistic loss, all layers; the step at which the loss is first at most epsilon.",
            "The prediction is the growth of the leading term, drawn through the first point.",
        ),
        settings={
            "smoke": Settings(
                data="iris", n=40, widths=(64,), steps=400, more={"matrices": 2, "rate": 0.5, "halvings": 3}
            ),
            "quick": Settings(
                data="cifar10:cat,dog",
                n=100,
                widths=(64,),
                steps=20000,
                more={"matrices": 5, "rate": 1.0, "halvings": 12},
            ),
            "paper": Settings(
                data="cifar10:cat,dog",
                n=1000,
                widths=(4096,),
                steps=1000000,
                seeds=10,
                more={"matrices": 5, "rate": 0.2, "halvings": 12},
            ),
        },
        gradient_flow=True,
        cost=1.5,
    ),
    Claim(
        key="chen2019-distance-to-solution",
        type="U",
        source="chen2019",
        locator="lemma 6.2",
        title="Descent pays for its losses by nearing a solution",
        statement="Along descent the squared distance to any good solution near the start falls by at least the rate times the sum "
        "of the losses beyond twice the largest loss of a row at that solution.",
        formula=r"\sum_l \|W_l^{(0)} - W_l^*\|^2 - \sum_l \|W_l^{(t)} - W_l^*\|^2 \ge "
        r"\eta\Bigl[\sum_{s<t} L_S(W^{(s)}) - 2 t \varepsilon\Bigr]",
        quantity="movement",
        hypotheses=(unit_norm_rows, small_rate, theorem_width),
        predict=predict_distance,
        measure=measure_distance,
        criterion=UpperBound(),
        control=distance_to_the_opposite,
        control_text="the point opposite to the solution takes its place",
        axes=Axes(x="steps", y="squared distance + rate x (losses - 2 t eps)"),
        method=(
            "The solution is the same run's weights twenty times as many steps on, epsilon the largest loss of a row there.",
            "Beside it: the same with the mean loss there, which asks more than the lemma does.",
        ),
        settings={
            "smoke": Settings(
                data="iris", n=40, widths=(64,), steps=80, more={"matrices": 2, "rate": 0.5, "beyond": 4}
            ),
            "quick": Settings(
                data="mnist:0,1",
                n=100,
                widths=(128,),
                steps=200,
                more={"matrices": 3, "rate": 1 / 3, "beyond": 20},
            ),
            "paper": Settings(
                data="cifar10:cat,dog",
                n=1000,
                widths=(512,),
                steps=10000,
                seeds=10,
                more={"matrices": 5, "rate": 0.2, "beyond": 20},
            ),
        },
        gradient_flow=True,
        cost=1.0,
    ),
    Claim(
        key="chen2019-one-pass",
        type="O",
        source="chen2019",
        locator="theorem 3.8",
        title="The error of one pass falls like one over the rows",
        statement="A uniformly random iterate of one pass of stochastic descent has an expected error of the order R^2 / n. With R "
        "at a loss of 1/n that is an exponent of -0.7 at these numbers of rows; one further below zero satisfies it.",
        formula=r"E\,L^{0\text{-}1} \le 8 L^2 R^2 / n + 8 \log(1/\delta) / n + 24 \varepsilon",
        quantity="generalisation",
        hypotheses=(
            unit_norm_rows,
            small_rate,
            theorem_width,
            unknowable("the margin does not fall with n", "it is a claim of its own here"),
        ),
        predict=predict_one_pass,
        measure=measure_one_pass,
        criterion=Growth(low=-math.inf, high=-0.7),
        control=one_pass_of_shuffled,
        control_text="shuffled labels",
        axes=Axes(x="rows of the pass", y="expected test error", log_x=True, log_y=True),
        method=(
            "One row a step, each row once; the error of every iterate is interpolated between 256 of them and averaged.",
            "The prediction is the growth of the theorem's terms at constant 1, drawn through the first point.",
        ),
        settings={
            "smoke": Settings(
                data="breast-cancer", n=256, n_test=128, widths=(64,), more={"matrices": 2, "rate": 0.5, "sizes": 4}
            ),
            "quick": Settings(
                data="mnist:0,1",
                n=4096,
                n_test=500,
                widths=(128,),
                seeds=5,
                more={"matrices": 3, "rate": 1 / 3, "sizes": 6},
            ),
            "paper": Settings(
                data="cifar10:cat,ship",
                n=9000,
                n_test=1000,
                widths=(4096,),
                seeds=10,
                more={"matrices": 5, "rate": 0.2, "sizes": 7},
            ),
        },
        cost=1.0,
    ),
    Claim(
        key="chen2019-error-against-width",
        type="Q",
        source="chen2019",
        locator="theorem 3.5 and the remark on it",
        title="The test error rises with the width, then falls, as the theorem's two terms do",
        statement="Two terms limit the error, one rising like the root of the width, one falling. The authors leave open "
        "whether that is more than a way of proving it; here the order of the test errors is held against that of the terms.",
        formula=r"L^{0\text{-}1} \le 2 L_S + \tilde O\bigl(\min\{4^L L^2 R \sqrt{m/n},\ L^{3/2} R/\sqrt n + "
        r"L^{11/3} R^{4/3} m^{-\alpha/3}\}\bigr)",
        quantity="generalisation",
        hypotheses=(unit_norm_rows, small_rate, theorem_width),
        predict=predict_width,
        measure=measure_width,
        criterion=Ordering(tau=0.6),
        control=guessing,
        control_text="the error of guessing, the same at every width: it has no order",
        axes=Axes(x="width", y="test error, and the terms at constant 1", log_x=True, log_y=True),
        method=(
            "Two matrices: with more of them the rising term is the larger one at every width.",
            (
                "The terms are evaluated at constant 1 with the radius that descent has used: leading terms, and above 1 they say "
                "nothing."
            ),
        ),
        settings={
            "smoke": Settings(
                data="iris",
                n=40,
                n_test=20,
                widths=(8, 64),
                steps=10,
                more={"matrices": 2, "rate": 0.5, "nets": 1},
            ),
            "quick": Settings(
                data="mnist:3,8",
                n=200,
                n_test=1000,
                widths=(2, 4, 8, 16, 32, 64, 128, 256),
                steps=300,
                seeds=5,
                more={"matrices": 2, "rate": 0.5, "nets": 2},
            ),
            "paper": Settings(
                data="cifar10:cat,dog",
                n=9000,
                n_test=1000,
                widths=(2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192),
                steps=10000,
                seeds=10,
                more={"matrices": 2, "rate": 0.5, "nets": 3},
            ),
        },
        cost=2.0,
    ),
)
