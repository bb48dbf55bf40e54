"""Allen-Zhu, Li and Liang 2018: how far networks stay with the gates of their start, and what the quadratic part learns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from widthwise._jax import float64
from widthwise.atlas.allenzhu2018_learners import (
    ASSUMPTIONS,
    RATES,
    Ahead,
    Powers,
    descend,
    kernel_error,
    merged,
    network,
    sample,
    shuffled,
)
from widthwise.atlas.claim import Axes, Claim, Finding, Hypothesis, Scale
from widthwise.atlas.criteria import UpperBound
from widthwise.atlas.trial import Curve, Evidence, Rows, Settings, Trial
from widthwise.networks import MLP, PseudoNetwork
from widthwise.training import TrainingRun, train
from widthwise.training.probes import Flips
from widthwise.training.snapshot import Snapshot

FLIPS = "share of gates that changed"
GRADIENTS = "gradients, (2, 1) norm"
NEURONS = "outputs, neuron by neuron"


@dataclass(frozen=True)
class Coupling:
    r"""How far a network of two layers is from the one with the gates of its start, at the same weights.

    `flips` is the share of gates that differ; `gradients` the (2, 1) norm of the difference of the two gradients of f, for
    rows of norm 1; `neurons` the sum of the differences of the neurons' contributions, without signs, :math:`\sum_r |a_r|\,
    |z_r|` over those that differ, which is at least :math:`|f - g|`. Means over the reference rows.
    """

    name: str = "coupling"
    on_host: ClassVar[bool] = False

    def __call__(self, snapshot: Snapshot) -> dict[str, Array]:
        """The three of them."""
        net = snapshot.net
        before = net.pre_activations(snapshot.start, snapshot.reference)[0]
        now = net.pre_activations(snapshot.params, snapshot.reference)[0]
        return coupling(before, now, snapshot.params["a"][:, 0])


def coupling(before: Float[Array, "n m"], now: Float[Array, "n m"], a: Float[Array, " m"]) -> dict[str, Array]:
    """The three measures of `Coupling` from pre-activations at the start and now, and the output weights."""
    changed = (before >= 0) != (now >= 0)
    # relu(z) - 1[z(0) >= 0] z is |z| wherever the gate has changed, on or off.
    beyond = jnp.where(changed, jnp.abs(now), 0.0)
    counted = changed.astype(now.dtype)
    return {
        "flips": jnp.mean(counted),
        "gradients": jnp.mean(counted @ jnp.abs(a)),
        "neurons": jnp.mean(beyond @ jnp.abs(a)),
    }


def _start(trial: Trial, m: int) -> tuple[MLP, Mapping[str, Float[np.ndarray, "..."]], Float[np.ndarray, "m d"]]:
    """A network of two layers, its start, and the gradient of the mean of squares in W there."""
    net, rows = network(2, m), trial.rows
    with float64():
        start = {name: np.asarray(value) for name, value in net.init(trial.seed, d=rows.d).items()}
        z = rows.X @ start["W"].T + start["b"]
        away = np.maximum(z, 0.0) @ start["a"][:, 0] - rows.y
        gates = (z >= 0) * away[:, None]
        return net, start, 2.0 / rows.n * start["a"] * (gates.T @ rows.X)


def first_order(
    moved: Float[np.ndarray, "n m"], a: Float[np.ndarray, " m"], deviation: Float[np.ndarray, " n"]
) -> dict[str, float]:
    r"""The measures of `Coupling` for small moves of pre-activations that are normal at the start.

    A gate flips where the pre-activation lies within :math:`|\Delta|` of zero on the side that flips, of probability
    :math:`p |\Delta|`, :math:`p = 1/(s\sqrt{2\pi})`; then |z| is uniform up to :math:`|\Delta|`:

    .. math:: p|\Delta|, \qquad \sum_r |a_r|\,p\,|\Delta_r|, \qquad \sum_r |a_r|\,\tfrac p2 \Delta_r^2
    """
    p = 1.0 / (deviation * np.sqrt(2.0 * np.pi))
    size = np.abs(moved)
    return {
        "flips": float(np.mean(p[:, None] * size)),
        "gradients": float(np.mean(p * (size @ np.abs(a)))),
        "neurons": float(np.mean(p / 2.0 * (size**2 @ np.abs(a)))),
    }


_LABELS = {"flips": FLIPS, "gradients": GRADIENTS, "neurons": NEURONS}


def _curves(which: tuple[str, ...], x: Float[np.ndarray, " t"], found: list[dict[str, float]]) -> Evidence:
    return Evidence(*(Curve(_LABELS[name], x, [float(one[name]) for one in found]) for name in which))


def _times(trial: Trial) -> Float[np.ndarray, " t"]:
    """Times eta t at which the gates are looked at."""
    return np.asarray(trial.more("rate") / max(trial.settings.widths) * np.array(trial.more("at"), np.float64))


def _expected(trial: Trial, m: int, time: float) -> dict[str, float]:
    _, start, gradient = _start(trial, m)
    s = np.sqrt((np.sum(trial.rows.X**2, axis=1) + 1.0) / m)
    return first_order(-time * (trial.rows.X @ gradient.T), start["a"][:, 0], s)


def _built(trial: Trial, m: int, time: float) -> dict[str, float]:
    """W moved along its gradient at the start."""
    _, start, gradient = _start(trial, m)
    z = trial.rows.X @ start["W"].T + start["b"]
    with float64():
        found = coupling(
            jnp.asarray(z), jnp.asarray(z - time * (trial.rows.X @ gradient.T)), jnp.asarray(start["a"][:, 0])
        )
        return {name: float(value) for name, value in found.items()}


def predict_time(trial: Trial, which: tuple[str, ...]) -> Evidence:
    """To first order, from the gradient at the start."""
    m = max(trial.settings.widths)
    return _curves(which, _times(trial), [_expected(trial, m, time) for time in _times(trial)])


def measure_time(trial: Trial, which: tuple[str, ...]) -> Evidence:
    """Along descent, all rows in every step."""
    m, at = max(trial.settings.widths), trial.more("at")
    run = train(
        network(2, m),
        trial.rows.X,
        trial.rows.y,
        loss="mean_squared",
        learning_rate=trial.more("rate") / m / trial.slowdown,
        steps=max(at) * trial.slowdown,
        probes=(Coupling(),),
        every=min(at) * trial.slowdown,
        seed=trial.seed,
    )
    history = run.history
    places = [int(np.flatnonzero(history.probe_steps == step * trial.slowdown)[0]) for step in at]
    found = [{name: float(history.probes[f"coupling.{name}"][i]) for name in which} for i in places]
    return _curves(which, _times(trial), found)


def far(trial: Trial, which: tuple[str, ...]) -> Evidence:
    """Moved along the first gradient, but so far that most gates have changed."""
    m = max(trial.settings.widths)
    return _curves(which, _times(trial), [_built(trial, m, 1e4 * time) for time in _times(trial)])


def over_width(trial: Trial, which: tuple[str, ...], *, predicted: bool = False, scaled: bool = False) -> Evidence:
    """At every width moved by one time, or by times in proportion to 1/m."""
    widths = trial.settings.widths
    each = _expected if predicted else _built
    times = [trial.more("time") * (min(widths) / m if scaled else 1.0) for m in widths]
    found = [each(trial, m, time) for m, time in zip(widths, times, strict=True)]
    return _curves(which, np.array(widths, np.float64), found)


_PROOF = ("flips", "gradients", "neurons")


# What the quadratic part learns.

BOTH, SECOND = "gates of the start in both layers", "gates of the start in the second layer"


def _with_gates(run: TrainingRun, X: Float[np.ndarray, "n d"], held: tuple[bool, bool]) -> Float[np.ndarray, " n"]:
    """Outputs of a network of three layers at the weights of now, with the gates of the start in the layers that are held."""
    now, then = (
        {name: np.asarray(value, np.float64) for name, value in params.items()} for params in (run.params, run.start)
    )
    values, before = X, X
    for W, b, old in zip(("W", "W2"), ("b", "b2"), held, strict=True):
        z, z0 = values @ now[W].T + now[b], before @ then[W].T + then[b]
        values, before = z * ((z0 if old else z) >= 0), np.maximum(z0, 0.0)
    return np.asarray(values @ now["a"][:, 0])


def measure_gates(trial: Trial) -> Evidence:
    """Variance of the targets over the error of the trained network with gates of the start."""
    rows, widths = trial.rows, trial.settings.widths
    lists: dict[str, list[float]] = {BOTH: [], SECOND: []}
    numbers: dict[str, float] = {}
    variance = float(np.var(rows.y_test))
    for m in widths:
        run = descend(trial, network(3, m), rows, m, rate=RATES[3], probes=(Flips(rows=300),))
        for label, held in ((BOTH, (True, True)), (SECOND, (False, True))):
            lists[label].append(variance / _error(run, rows, held))
        shares = np.asarray(run.history.probes["flips.layers"][-1], np.float64)
        numbers = {
            "error of the network": _error(run, rows, (False, False)),
            "error with the first layer's gates of the start": _error(run, rows, (True, False)),
            "flips": float(np.mean(shares)),
            "flips of the first layer": float(shares[0]),
            "flips of the second layer": float(shares[1]),
        }
    return Evidence(*(Curve(label, np.array(widths), values) for label, values in lists.items()), **numbers)


def _error(run: TrainingRun, rows: Rows, held: tuple[bool, bool]) -> float:
    return float(np.mean((_with_gates(run, rows.X_test, held) - rows.y_test) ** 2))


def gates_at_home(trial: Trial) -> Evidence:
    """The same of a pseudo-network: its gates are those of the start."""
    rows, widths = trial.rows, trial.settings.widths
    runs = [descend(trial, PseudoNetwork(network(3, m)), rows, m, rate=RATES[3]) for m in widths]
    found = [float(np.var(rows.y_test)) / float(run.history.test_loss[-1]) for run in runs]
    return Evidence(Curve(BOTH, np.array(widths), found), Curve(SECOND, np.array(widths), found))


def predict_gates(trial: Trial) -> Evidence:
    """One: no better than the mean."""
    widths = np.array(trial.settings.widths)
    return Evidence(*(Curve(label, widths, np.ones(len(widths))) for label in (BOTH, SECOND)))


NET, PSEUDO, TANGENT = "network", "quadratic pseudo-network", "tangent kernel"


def measure_pseudo(trial: Trial, *, rows: Rows | None = None) -> Evidence:
    """Test errors of three layers, of their quadratic pseudo-network trained as a model of its own, of their tangent kernel."""
    rows = trial.rows if rows is None else rows
    widths = trial.settings.widths
    nets = {m: network(3, m) for m in widths}
    found = {
        NET: [float(descend(trial, net, rows, m, rate=RATES[3]).history.test_loss[-1]) for m, net in nets.items()],
        PSEUDO: [
            float(descend(trial, PseudoNetwork(net), rows, m, rate=RATES[3]).history.test_loss[-1])
            for m, net in nets.items()
        ],
        TANGENT: [kernel_error(trial, 3, rows, m) for m in widths],
    }
    return Evidence(*(Curve(label, np.array(widths), values) for label, values in found.items()))


def measure_beyond(trial: Trial, *, rows: Rows | None = None) -> Evidence:
    """The pseudo-network beside the tangent kernel."""
    found = measure_pseudo(trial, rows=rows)
    return Evidence(*found.curves[1:], **{"error of the network": float(found.curves[0].y[-1])})


def worst(labels: tuple[str, ...], trial: Trial) -> Evidence:
    """The error of answering with the mean, for comparison."""
    widths = np.array(trial.settings.widths)
    return Evidence(*(Curve(label, widths, np.full(len(widths), np.var(trial.rows.y_test))) for label in labels))


def _text(trial: Trial) -> Finding:
    return Finding("unmet", f"one rate, {RATES[3]:g}/m, and no smoothing, for {max(trial.settings.widths)} neurons")


THEORY = Hypothesis("the algorithm is that of the theorem: smoothing, random signs, decaying outputs", _text)

_TIME: Mapping[str, Any] = {"target": "sine", "biases": "frozen", "rate": 0.008, "at": (4, 8, 16, 32, 64)}
_COUPLING: Mapping[Scale, Settings] = {
    "smoke": Settings(data="generated", n=60, n_test=1, widths=(256, 1024), more=merged(_TIME, at=(4, 16), time=1e-2)),
    "quick": Settings(
        data="generated",
        n=200,
        n_test=1,
        widths=(500, 1000, 2000, 4000, 8000),
        seeds=6,
        more=merged(_TIME, time=1e-2),
    ),
    "paper": Settings(
        data="generated",
        n=1000,
        n_test=1,
        widths=(1000, 2000, 4000, 8000, 16_000, 32_000, 64_000),
        seeds=20,
        more=merged(_TIME, time=1e-2),
    ),
}
_TRAINED: Mapping[Scale, Settings] = {
    "smoke": Settings(
        data="generated", n=200, n_test=200, widths=(48,), more={"target": "tanh", "biases": "frozen", "passes": 200}
    ),
    "quick": Settings(
        data="generated",
        n=500,
        n_test=4000,
        widths=(50, 100),
        seeds=4,
        more={"target": "sine", "biases": "frozen", "passes": 200},
    ),
    "paper": Settings(
        data="generated",
        n=1000,
        n_test=10_000,
        widths=(100, 200, 500, 1000, 2000),
        seeds=5,
        more={"target": "sine", "biases": "frozen", "passes": 800},
    ),
}
_MOVE = "W moves along its gradient at the start, for a time eta t that is the same at every width."

COUPLING = (
    Claim(
        key="allenzhu2018-coupling-time",
        type="O",
        source="allenzhu2018",
        locator="lemma B.3",
        title="Gates and outputs leave the start like the first and the second power of time",
        statement="While tau = epsilon_a eta t is small, the share of changed gates and the difference of gradients grow in "
        "proportion to it, and what changed gates put into the outputs, without signs, like its square.",
        formula=r"\frac{\|D' - D\|_0}{m} \lesssim \tau \sqrt{m}, \quad \|\nabla f - \nabla g\|_{2,1} \lesssim \tau m^{3/2}, "
        r"\quad |f - g| \lesssim \tau^2 m^{3/2}, \quad \tau = \varepsilon_a \eta t",
        quantity="coupling",
        hypotheses=ASSUMPTIONS,
        predict=lambda trial: predict_time(trial, _PROOF),
        measure=lambda trial: measure_time(trial, _PROOF),
        criterion=Powers(((FLIPS, 1.0), (GRADIENTS, 1.0), (NEURONS, 2.0)), 0.25),
        control=lambda trial: far(trial, _PROOF),
        control_text="W moved along the first gradient ten thousand times further, where most gates have changed",
        axes=Axes(x="eta t", y="distance from the gates of the start", log_x=True, log_y=True),
        settings=_COUPLING,
        method=(
            "Descent on two layers with all rows in every step.",
            "Predicted to first order: a pre-activation is normal at the start and lies so near to zero with its density there.",
            "Means over the training rows; sums over neurons without signs, as in the proof.",
        ),
        labels="number",
        sample=sample,
        gradient_flow=True,
        cost=0.3,
    ),
    Claim(
        key="allenzhu2018-coupling-width",
        type="O",
        source="allenzhu2018",
        locator="lemma B.3",
        title="Over the width the powers are 1/2, 3/2 and 3/2",
        statement="At a given time the share of changed gates grows like the root of the width, the difference of gradients and "
        "what changed gates put into the outputs, without signs, like its power 3/2.",
        formula=r"\frac{\|D' - D\|_0}{m} \lesssim \tau \sqrt{m}, \quad \|\nabla f - \nabla g\|_{2,1} \lesssim \tau m^{3/2}, "
        r"\quad |f - g| \lesssim \tau^2 m^{3/2}",
        quantity="coupling",
        hypotheses=ASSUMPTIONS,
        predict=lambda trial: over_width(trial, _PROOF, predicted=True),
        measure=lambda trial: over_width(trial, _PROOF),
        criterion=Powers(((FLIPS, 0.5), (GRADIENTS, 1.5), (NEURONS, 1.5)), 0.25),
        control=lambda trial: over_width(trial, _PROOF, scaled=True),
        control_text="times in proportion to 1/m",
        axes=Axes(x="width m", y="distance from the gates of the start", log_x=True, log_y=True),
        settings=_COUPLING,
        method=(_MOVE, "Means over the training rows; sums over neurons without signs, as in the proof."),
        labels="number",
        sample=sample,
        cost=0.2,
    ),
    Claim(
        key="allenzhu2018-gates",
        type="U",
        source="allenzhu2018",
        locator="lemma 6.5 and section 6",
        title="Three layers do not work with the gates of their start",
        statement="The second layer leaves the regime of frozen gates: with the gates of the start, at the weights of now, what "
        "three layers have learned is gone, and they are no better than the mean.",
        formula=r"\mathrm{Var}(y) \,/\, \mathrm{risk}(a D_v(0) V(T) D_w(0) W(T) x) \le 1",
        quantity="gates",
        hypotheses=(*ASSUMPTIONS, THEORY),
        predict=predict_gates,
        measure=measure_gates,
        criterion=UpperBound(),
        control=gates_at_home,
        control_text="a pseudo-network trained as such, whose gates are those of the start",
        axes=Axes(x="width m", y="variance over error", log_x=True, log_y=True),
        settings=_TRAINED,
        method=("Three layers, biases frozen, 200 passes at `quick`, 800 at `paper`.",),
        labels="number",
        sample=sample,
        cost=0.6,
    ),
    Claim(
        key="allenzhu2018-pseudo",
        type="Q",
        source="allenzhu2018",
        locator="section 6; the pseudo-network as a model of its own is ours",
        title="The quadratic pseudo-network learns what the tangent kernel cannot",
        statement="With gates held at the start, three layers are quadratic in their two weight matrices: trained as a model of "
        "its own this pseudo-network errs less than its linearisation, the tangent kernel of the same start.",
        formula=r"\mathrm{risk}(a D_v V D_w (W x + b_1) + \ldots) < \mathrm{risk}(\text{NTK})",
        quantity="test error",
        hypotheses=(*ASSUMPTIONS, THEORY),
        predict=lambda trial: worst((PSEUDO, TANGENT), trial),
        measure=measure_beyond,
        criterion=Ahead(PSEUDO),
        control=lambda trial: measure_beyond(trial, rows=shuffled(trial)),
        control_text="targets in random order",
        axes=Axes(x="width m", y="test error", log_x=True, log_y=True),
        settings=_TRAINED,
        method=(
            "The pseudo-network is trained like the network; the tangent kernel is solved exactly, its ridge by leave-one-out.",
            "Predicted is the error of answering with the mean, which both must beat.",
        ),
        labels="number",
        sample=sample,
        cost=0.6,
    ),
)
