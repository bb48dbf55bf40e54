"""Claims of Chen et al. 2019 on the kernel of gradients: the margin its width theorem assumes, the radius, linearisation."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from widthwise.atlas.chen2019_rows import (
    Growth,
    classes_apart,
    gram,
    in_own_span,
    labels,
    network,
    order,
    radius,
    rate,
    shuffled,
)
from widthwise.atlas.claim import Axes, Claim
from widthwise.atlas.criteria import Exponent, UpperBound
from widthwise.atlas.hypotheses import no_parallel_rows, unit_norm_rows, unknowable
from widthwise.atlas.trial import Curve, Evidence, Settings, Trial
from widthwise.networks import MLP, Params
from widthwise.theory import margin
from widthwise.training import train
from widthwise.training.probes import Margin, Radius

# --- the margin against the number of rows -----------------------------------------------------------------------------


def sizes_of(trial: Trial) -> list[int]:
    """Numbers of rows, doubling up to all of them."""
    return [trial.rows.n >> k for k in range(int(trial.more("sizes")) - 1, -1, -1)]


def margins(trial: Trial, y: Float[np.ndarray, " n"]) -> Curve:
    """NTRF margin of nested samples of the rows, in closed form."""
    chosen = order(trial)
    K, y = kernel(trial)[np.ix_(chosen, chosen)], y[chosen]
    sizes = sizes_of(trial)
    return Curve("margin", sizes, [margin(K[:n, :n], y[:n]).value for n in sizes])


@functools.lru_cache(maxsize=1)
def kernel(trial: Trial) -> Float[np.ndarray, "n n"]:
    """Kernel of the training rows."""
    return gram(trial)


@functools.lru_cache(maxsize=2)
def true_margins(trial: Trial) -> Curve:
    """Of the labels."""
    return margins(trial, labels(trial))


def predict_margin(trial: Trial) -> Evidence:
    """The margin of the fewest rows, at every number of rows."""
    curve = true_margins(trial)
    return Evidence(Curve("margin", curve.x, np.full_like(curve.y, curve.y[0])))


def measure_margin(trial: Trial) -> Evidence:
    """Of the labels; radius and width that it asks for grow with its inverse and the eighth power of that."""
    curve = true_margins(trial)
    return Evidence(
        curve,
        **{
            "largest margin possible": float(np.sqrt(np.min(np.diag(kernel(trial))))),
            "factor of the theorem's width from the fewest to all rows": float((curve.y[0] / curve.y[-1]) ** 8)
            if curve.y[-1] > 0
            else math.inf,
        },
    )


def shuffled_margin(trial: Trial) -> Evidence:
    """Of shuffled labels."""
    return Evidence(margins(trial, shuffled(trial)))


# --- radius -------------------------------------------------------------------------------------------------------------


def accuracies(trial: Trial) -> Float[np.ndarray, " e"]:
    """Losses epsilon that every row shall be below."""
    return 2.0 ** -np.arange(1.0, trial.more("halvings") + 1.0)


def predict_radius(trial: Trial) -> Evidence:
    """Corollary 4.4 at constant 1, with the margin in closed form."""
    epsilon = accuracies(trial)
    found = margin(gram(trial), labels(trial)).value
    return Evidence(Curve("radius", 1.0 / epsilon, radius(found, trial.rows.n, epsilon)), margin=found)


def radius_of(trial: Trial, y: Float[np.ndarray, " n"]) -> Evidence:
    """Radius at which descent has every row's loss below epsilon; infinite where it never has."""
    run = train(
        network(trial),
        in_own_span(trial.rows.X),
        y,
        loss="logistic",
        learning_rate=rate(trial),
        steps=trial.steps,
        probes=(Margin(), Radius()),
        every=max(trial.steps // 100, 1),
        seed=trial.seed,
    )
    probes, epsilon = run.history.probes, accuracies(trial)
    worst, moved = np.logaddexp(0.0, -probes["margin.smallest"]), probes["radius"]
    found = [moved[np.argmax(worst < e)] if np.any(worst < e) else math.inf for e in epsilon]
    return Evidence(Curve("radius", 1.0 / epsilon, found), **{"largest loss of a row at the end": worst[-1]})


def measure_radius(trial: Trial) -> Evidence:
    """Of the labels."""
    return radius_of(trial, labels(trial))


def radius_of_shuffled(trial: Trial) -> Evidence:
    """Of shuffled labels."""
    return radius_of(trial, shuffled(trial))


# --- linearisation ------------------------------------------------------------------------------------------------------

DIRECTIONS = ("random direction", "along the gradient")


@functools.lru_cache(maxsize=1)
def deviations(trial: Trial) -> Float[np.ndarray, "2 2 t"]:
    """Mean deviation of the outputs, over distances from the start.

    First from the linearisation, then from the start itself; in each, by direction.
    """
    net, distances = network(trial), np.asarray(trial.more("distances"), dtype=np.float64)
    rng = trial.rng
    with jax.enable_x64(True):
        X, y = jnp.asarray(trial.rows.X), jnp.asarray(labels(trial))
        start = {k: jnp.asarray(np.asarray(v), dtype=float) for k, v in net.init(trial.seed, d=trial.rows.d).items()}
        random = {k: jnp.asarray(rng.standard_normal(v.shape)) for k, v in start.items()}
        gradient = _loss_gradient(net)(start, X, y)
        found = [
            np.asarray(_departures(net)(start, towards, X, jnp.asarray(distances))) for towards in (random, gradient)
        ]
    return np.asarray(np.stack(found, axis=1))


@functools.lru_cache(maxsize=4)
def _loss_gradient(net: MLP) -> Callable[[Params, Array, Array], Params]:
    def loss(params: Params, X: Array, y: Array) -> Array:
        return jnp.mean(jnp.logaddexp(0.0, -y * net.apply(params, X)[:, 0]))

    return jax.jit(jax.grad(loss))


@functools.lru_cache(maxsize=4)
def _departures(net: MLP) -> Callable[[Params, Params, Array, Array], Array]:
    """Both deviations over the distances; the distance is that of the layer that moves furthest."""

    @jax.jit
    def over(start: Params, towards: Params, X: Array, distances: Array) -> Array:
        longest = jnp.max(jnp.stack([jnp.linalg.norm(v) for v in towards.values()]))
        unit = {k: -v / longest for k, v in towards.items()}
        at, slope = jax.jvp(lambda params: net.apply(params, X)[:, 0], (start,), (unit,))

        def one(tau: Array) -> Array:
            moved = net.apply({k: v + tau * unit[k] for k, v in start.items()}, X)[:, 0] - at
            return jnp.stack([jnp.mean(jnp.abs(moved - tau * slope)), jnp.mean(jnp.abs(moved))])

        found: Array = jax.lax.map(one, distances).T
        return found

    return over


def predict_linearisation(trial: Trial) -> Evidence:
    """The power 4/3, through the measurement at the largest distance."""
    return Evidence(
        *(Curve(c.label, c.x, c.y[-1] * (c.x / c.x[-1]) ** (4 / 3)) for c in measure_linearisation(trial).curves)
    )


def measure_linearisation(trial: Trial) -> Evidence:
    """Of the network."""
    left = deviations(trial)[0]
    return Evidence(*(Curve(name, trial.more("distances"), y) for name, y in zip(DIRECTIONS, left, strict=True)))


def without_gradient(trial: Trial) -> Evidence:
    """The gradient's part is left in."""
    whole = deviations(trial)[1]
    return Evidence(*(Curve(name, trial.more("distances"), y) for name, y in zip(DIRECTIONS, whole, strict=True)))


small_distance = unknowable(
    "the distance from the start is O(L^-6 log^-3/2 m)", "the paper gives no constant; distances go down to 0.001"
)


def _bounded(name: str, title: str, data: str) -> Claim:
    return Claim(
        key=f"chen2019-margin-{name}",
        type="O",
        source="chen2019",
        locator="assumption 4.3, corollary 4.4",
        title=f"The margin stays while the rows grow in number: {title}",
        statement="The width is polylogarithmic in n only if the margin of the neural tangent random features is bounded below "
        "as n grows; then its exponent in n is zero.",
        formula=r"\gamma(n) = \sqrt{\min_{q \in \Delta} q^\top (K \circ y y^\top) q} \ge \gamma_0",
        quantity="margin",
        hypotheses=(unit_norm_rows, no_parallel_rows, classes_apart),
        predict=predict_margin,
        measure=measure_margin,
        criterion=Exponent(low=-0.1, high=0.1),
        control=shuffled_margin,
        control_text="the margin of shuffled labels",
        axes=Axes(x="rows", y="margin", log_x=True, log_y=True),
        method=(
            "The kernel of gradients of five layers is taken in its limit of infinite width, in closed form; nothing is trained.",
            "The margin is that of nested samples, each with a certificate of optimality.",
            "Samples can only lose margin as they grow. The theorem's width is in proportion to its power -8.",
        ),
        settings={
            "smoke": Settings(data="iris", n=96, more={"matrices": 2, "sizes": 3}),
            "quick": Settings(data=data, n=1600, more={"matrices": 5, "sizes": 6}),
            "paper": Settings(data=data, n=10000, seeds=10, more={"matrices": 5, "sizes": 8}),
        },
        cost=1.0,
    )


CLAIMS = (
    _bounded("cat-dog", "CIFAR-10, cat and dog", "cifar10:cat,dog"),
    _bounded("cat-ship", "CIFAR-10, cat and ship", "cifar10:cat,ship"),
    Claim(
        key="chen2019-radius",
        type="U",
        source="chen2019",
        locator="proposition 4.2, corollary 4.4",
        title="The radius is one over the margin",
        statement="A ball of radius (log(1/eps) + sqrt(log(n/delta))) over the margin around the start holds weights at which "
        "every row has a loss below eps. At constant 1, so it is a leading term.",
        formula=r"R \le C \bigl[\sqrt{\log(n/\delta)} + \log(1/\varepsilon)\bigr] / \gamma,\quad C = 1",
        quantity="movement",
        hypotheses=(unit_norm_rows, classes_apart, unknowable("the constant C is one", "the paper gives none")),
        predict=predict_radius,
        measure=measure_radius,
        criterion=UpperBound(),
        control=radius_of_shuffled,
        control_text="the radius of shuffled labels, against the margin of the true ones",
        axes=Axes(x="1 / loss of the worst row", y="radius", log_x=True, log_y=True),
        method=(
            (
                "Full-batch descent on the logistic loss; the radius is m^(1/2) times the largest movement of a layer, at the "
                "first step at which no row's loss exceeds epsilon: never less than the smallest radius that would do."
            ),
            "The margin is that of infinite width.",
        ),
        settings={
            "smoke": Settings(
                data="iris", n=40, widths=(64,), steps=1000, more={"matrices": 2, "halvings": 3, "rate": 0.5}
            ),
            "quick": Settings(
                data="mnist:0,1", n=100, widths=(128,), steps=2000, more={"matrices": 3, "halvings": 5, "rate": 2.0}
            ),
            "paper": Settings(
                data="cifar10:cat,ship",
                n=2000,
                widths=(4096,),
                steps=100000,
                seeds=10,
                more={"matrices": 5, "halvings": 12, "rate": 0.2},
            ),
        },
        gradient_flow=True,
        cost=1.5,
    ),
    Claim(
        key="chen2019-linearisation",
        type="O",
        source="chen2019",
        locator="lemma on linearisation, section 6",
        title="Near its start the network is linear in its weights",
        statement="At distance tau from the start the outputs leave their linearisation by no more than the order of tau to the "
        "power 4/3, whatever the direction; a larger power is a smaller deviation.",
        formula=r"|f_{W'} - f_W - \langle\nabla f_W, W' - W\rangle| \le O(\tau^{1/3} L^2 m^\alpha \sqrt{\log m})"
        r"\textstyle\sum_l \|W'_l - W_l\|_F",
        quantity="linearisation",
        hypotheses=(unit_norm_rows, small_distance),
        predict=predict_linearisation,
        measure=measure_linearisation,
        criterion=Growth(low=4 / 3, high=math.inf),
        control=without_gradient,
        control_text="deviation from the outputs at the start, the linear part left in",
        axes=Axes(x="distance from the start", y="deviation from the linearisation", log_x=True, log_y=True),
        method=("Float64; a random direction in all layers, and the gradient of the logistic loss.",),
        settings={
            "smoke": Settings(data="iris", n=40, widths=(64,), more={"matrices": 2, "distances": (0.01, 0.03, 0.1)}),
            "quick": Settings(
                data="cifar10:cat,dog",
                n=100,
                widths=(1024,),
                seeds=5,
                more={"matrices": 5, "distances": (0.001, 0.003, 0.01, 0.03, 0.1)},
            ),
            "paper": Settings(
                data="cifar10:cat,dog",
                n=1000,
                widths=(8192,),
                seeds=10,
                more={"matrices": 5, "distances": (0.001, 0.003, 0.01, 0.03, 0.1)},
            ),
        },
        cost=0.5,
    ),
)
