"""Allen-Zhu, Li and Liang 2018: negative curvature, a saddle that is built, and the theorem's variants of descent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from widthwise.atlas.allenzhu2018_learners import ASSUMPTIONS, RATES, descend, first, merged, network, sample
from widthwise.atlas.claim import Axes, Claim, Scale
from widthwise.atlas.criteria import Equality, Ordering, UpperBound
from widthwise.atlas.trial import Curve, Evidence, Rows, Settings, Trial
from widthwise.training import GaussianSmoothing, Momentum, RandomSigns, Stop, train
from widthwise.training.optimizers import Optimizer
from widthwise.training.probes import HessianEnds

Weights = dict[str, np.ndarray]


@dataclass(frozen=True, kw_only=True, eq=False)
class Saddle:
    r"""A saddle of three layers with frozen biases: both trained matrices zero, targets of the mean that the output then has.

    With W = V = 0 the output is the constant :math:`a^\top \sigma(b_2)`. Once the residuals e sum to zero both gradients
    vanish. In the second derivatives V is curved along one direction only, that of the constant, and V and W meet in
    :math:`\sum_{jr} c_j\, 1[b_{1r} \ge 0]\, v_{jr}\, g^\top w_r` with :math:`c_j = a_j 1[b_{2j} \ge 0]` and
    :math:`g = \frac2n \sum_i e_i x_i`. So the eigenvalues are 0, :math:`\pm |c||g|`, and those of a matrix of size two.

    Attributes:
        start: parameters there.
        rows: the rows with targets shifted.
        smallest: eigenvalue of the Hessian of the mean of squares, -|c||g|.
        largest: eigenvalue, (alpha + root(alpha^2 + 4 |c|^2 |g|^2)) / 2 with alpha = 2 |c|^2 |sigma(b_1)|^2.
    """

    start: Weights
    rows: Rows
    smallest: float
    largest: float


def saddle(trial: Trial, rows: Rows, m: int) -> Saddle:
    """The saddle of a network of three layers of width m."""
    start = {name: np.array(value) for name, value in network(3, m).init(trial.seed, d=rows.d).items()}
    for name in ("W", "W2"):
        start[name] = np.zeros_like(start[name])
    a, b1, b2 = (np.asarray(start[name], np.float64) for name in ("a", "b", "b2"))
    constant = float(a[:, 0] @ np.maximum(b2, 0.0))
    y = rows.y - rows.y.mean() + constant
    c = float(np.linalg.norm(a[b2 >= 0, 0]))
    g = float(np.linalg.norm(2.0 / rows.n * ((constant - y) @ rows.X)))
    alpha = 2.0 * c**2 * float(np.sum(np.maximum(b1, 0.0) ** 2))
    return Saddle(
        start=start,
        rows=replace(rows, y=y),
        smallest=-c * g,
        largest=(alpha + np.sqrt(alpha**2 + 4.0 * (c * g) ** 2)) / 2.0,
    )


def without_slope(rows: Rows) -> Rows:
    """Targets less their best linear part."""
    X = np.column_stack([rows.X, np.ones(rows.n)])
    return replace(rows, y=rows.y - X @ np.linalg.lstsq(X, rows.y, rcond=None)[0])


DOWN, UP = "minus the smallest eigenvalue", "largest eigenvalue"


def _ends(trial: Trial, built: Saddle, m: int) -> tuple[float, float]:
    run = train(
        network(3, m),
        built.rows.X,
        built.rows.y,
        loss="mean_squared",
        learning_rate=1e-6,
        steps=1,
        probes=(HessianEnds(iterations=trial.more("iterations")),),
        every=1,
        start=built.start,
    )
    probes = run.history.probes
    return -float(probes["hessian.smallest"][0]), float(probes["hessian.largest"][0])


def predict_saddle(trial: Trial) -> Evidence:
    """Both ends of the spectrum in closed form."""
    widths = trial.settings.widths
    built = [saddle(trial, trial.rows, m) for m in widths]
    return Evidence(
        Curve(DOWN, np.array(widths), [-one.smallest for one in built]),
        Curve(UP, np.array(widths), [one.largest for one in built]),
    )


def measure_saddle(trial: Trial, *, rows: Rows | None = None) -> Evidence:
    """Both ends by Lanczos."""
    widths = trial.settings.widths
    found = [_ends(trial, saddle(trial, trial.rows if rows is None else rows, m), m) for m in widths]
    return Evidence(
        Curve(DOWN, np.array(widths), [one[0] for one in found]), Curve(UP, np.array(widths), [one[1] for one in found])
    )


LEFT = "later by"


def _decades(trial: Trial) -> Float[np.ndarray, " t"]:
    """How many times ten smaller the displacements are than the largest one."""
    return np.arange(1.0, 1.0 + int(trial.more("decades")))


def _rate(trial: Trial, built: Saddle) -> float:
    return float(trial.more("share")) / built.largest / trial.slowdown


def predict_escape(trial: Trial) -> Evidence:
    """A displacement along the negative curvature grows by 1 + eta |lambda| in every step."""
    built = saddle(trial, trial.rows, max(trial.settings.widths))
    rate = _rate(trial, built)
    steps = _decades(trial) * np.log(10.0) / np.log1p(-rate * built.smallest)
    return Evidence(Curve(LEFT, _decades(trial), rate * steps))


def measure_escape(trial: Trial, *, usual: bool = False) -> Evidence:
    """Time at which the loss has fallen by a twentieth, from smaller and smaller displacements; or from the usual start."""
    m = max(trial.settings.widths)
    built = saddle(trial, trial.rows, m)
    net, rate = network(3, m), _rate(trial, built)
    base = (
        {name: np.array(value) for name, value in net.init(trial.seed, d=trial.rows.d).items()}
        if usual
        else built.start
    )
    rng = np.random.default_rng([trial.seed, 11])
    moves = {name: rng.standard_normal(base[name].shape) / np.sqrt(m) for name in ("W", "W2")}
    times = []
    for decade in (0.0, *_decades(trial)):
        size = float(trial.more("displacement")) * 10.0**-decade
        start = {n: (v + size * moves[n] if n in moves else v).astype(np.float64) for n, v in base.items()}
        run = train(
            net,
            built.rows.X,
            built.rows.y,
            loss="mean_squared",
            learning_rate=rate,
            steps=trial.steps,
            start=start,
            # In float32 the residuals do not sum to zero, which moves the weights as much as the smallest displacements.
            dtype="float64",
            stop=Stop(loss=float(0.5 * np.var(built.rows.y))),
        )
        times.append(rate * _first_below(run.history.loss, 0.95 * float(run.history.loss[0])))
    return Evidence(Curve(LEFT, _decades(trial), np.array(times[1:]) - times[0]), **{"time of the first": times[0]})


def _first_below(values: Float[np.ndarray, " t"], level: float) -> float:
    """First place, by interpolation, at which values are below a level; the last one if none is."""
    below = np.flatnonzero(values < level)
    if not len(below) or below[0] == 0:
        return float(len(values) - 1)
    i = int(below[0])
    return float(i - 1 + (values[i - 1] - level) / (values[i - 1] - values[i]))


SMALLEST = "minus the smallest eigenvalue"
QUOTIENT = "minus the smallest eigenvalue, over the root of the loss"


def _curvature(trial: Trial, layers: int) -> tuple[Float[np.ndarray, " t"], ...]:
    """Passes, minus the smallest eigenvalue, the largest one, and the loss, along training."""
    m = max(trial.settings.widths)
    run = descend(
        trial,
        network(3 if layers == 3 else 2, m),
        trial.rows,
        m,
        rate=RATES[layers],
        probes=(HessianEnds(iterations=trial.more("iterations")),),
        pauses=int(trial.more("pauses")),
    )
    history = run.history
    passes = history.probe_steps / trial.slowdown / -(-trial.rows.n // 50)
    loss = np.interp(history.probe_steps, history.steps, history.loss)
    ends = (np.asarray(history.probes[f"hessian.{end}"], np.float64) for end in ("smallest", "largest"))
    smallest, largest = ends
    return np.asarray(passes), -smallest, largest, loss


def _pauses(trial: Trial) -> Float[np.ndarray, " t"]:
    return np.linspace(0.0, float(trial.more("passes")), int(trial.more("pauses")) + 1)


def predict_flattening(trial: Trial) -> Evidence:
    """The order alone: less and less."""
    passes = _pauses(trial)
    return Evidence(Curve(SMALLEST, passes, np.arange(len(passes), 0.0, -1.0)))


def measure_flattening(trial: Trial, *, layers: int = 3) -> Evidence:
    """Along training of three layers; or of two, whose loss is convex where no gate changes."""
    passes, curvature, _, loss = _curvature(trial, layers)
    # What is zero but for rounding is one value, not an order.
    values = np.where(curvature < 1e-9 * max(float(loss[0]), 1.0), 0.0, curvature)
    numbers = {"loss at the start": loss[0], "loss at the end": loss[-1], "negative curvature at the end": values[-1]}
    return Evidence(Curve(SMALLEST, passes, values), **numbers)


def predict_quotient(trial: Trial) -> Evidence:
    r"""The norm of the second derivatives: :math:`2 |a| \max_i |x_i|`."""
    a = np.asarray(network(3, max(trial.settings.widths)).init(trial.seed, d=trial.rows.d)["a"], np.float64)
    bound = 2.0 * float(np.linalg.norm(a)) * float(np.linalg.norm(trial.rows.X, axis=1).max())
    passes = _pauses(trial)
    return Evidence(Curve(QUOTIENT, passes, np.full(len(passes), bound)))


def measure_quotient(trial: Trial, *, upwards: bool = False) -> Evidence:
    """Negative curvature over the root of the loss; or the largest eigenvalue over it."""
    passes, curvature, largest, loss = _curvature(trial, 3)
    return Evidence(Curve(QUOTIENT, passes, (largest if upwards else curvature) / np.sqrt(loss)))


SIGNS = 16
"""Draws of the random signs over which an error is a mean."""


def _variant(trial: Trial, optimizer: Optimizer | None, n: int) -> float:
    m = max(trial.settings.widths)
    rows, net = first(trial.rows, n), network(3, m)
    signs = isinstance(optimizer, RandomSigns)
    # Fresh signs in every step are noise of the size of the update: only smaller rates are stable.
    run = descend(trial, net, rows, m, rate=RATES[3] * (0.2 if signs else 1.0), optimizer=optimizer)
    found = float(run.history.test_loss[-1])
    if isinstance(optimizer, RandomSigns):
        # The network of the theorem has random signs where it answers, too; the better of the two counts.
        X, errors = jnp.asarray(rows.X_test, jnp.float32), []
        for key in jax.random.split(jax.random.key(trial.seed), SIGNS):
            answers = net.apply(optimizer.displaced(net, run.start, run.update, key), X)
            errors.append(float(np.mean((np.asarray(answers, np.float64)[:, 0] - rows.y_test) ** 2)))
        found = min(found, float(np.mean(errors)))
    return found if np.isfinite(found) else float(np.var(rows.y_test)) * 1e3


def _smoothing(trial: Trial, times: float) -> GaussianSmoothing:
    """Deviations of table 1 of the paper, 1/m of W and 1/root(m) of V but for tiny powers, times a factor."""
    m = max(trial.settings.widths)
    return GaussianSmoothing((times * m**-0.99, times * m**-0.51), inner=Momentum())


VARIANTS = ("against smoothed descent", "against random signs")


def predict_variants(trial: Trial) -> Evidence:
    """Errors of the theorem's variants."""
    n = trial.rows.n
    rules: tuple[Optimizer, ...] = (_smoothing(trial, float(trial.more("smoothing"))), RandomSigns(inner=Momentum()))
    return Evidence(*(Curve(label, n, _variant(trial, rule, n)) for label, rule in zip(VARIANTS, rules, strict=True)))


def measure_variants(trial: Trial, *, noisy: bool = False) -> Evidence:
    """The error of plain descent, beside each variant; or of descent smoothed beyond measure."""
    n = trial.rows.n
    error = _variant(trial, _smoothing(trial, 100.0) if noisy else None, n)
    return Evidence(*(Curve(label, n, error) for label in VARIANTS))


_SHARED = {"target": "sine", "biases": "frozen", "iterations": 40, "decades": 3, "displacement": 1e-4, "share": 0.2}
_SHARED |= {"pauses": 8, "passes": 400, "smoothing": 0.1}
_SADDLE: Mapping[Scale, Settings] = {
    "smoke": Settings(
        data="generated",
        n=100,
        n_test=100,
        widths=(16,),
        steps=1500,
        more=merged(_SHARED, target="tanh", decades=2, pauses=3, passes=600, iterations=20),
    ),
    "quick": Settings(
        data="generated",
        n=300,
        n_test=2000,
        widths=(25, 50, 100),
        steps=1500,
        seeds=4,
        more=merged(_SHARED, passes=200),
    ),
    "paper": Settings(
        data="generated",
        n=1000,
        n_test=10_000,
        widths=(100, 200, 500, 1000),
        steps=5000,
        seeds=5,
        more=merged(_SHARED, passes=800),
    ),
}
_ESCAPE: Mapping[Scale, Settings] = {
    "smoke": _SADDLE["smoke"],
    "quick": replace(_SADDLE["quick"], n=200, widths=(50,), steps=20_000),
    "paper": replace(_SADDLE["paper"], steps=50_000),
}
_BUILT = (
    "All weights of W and V are zero, biases and outputs as drawn; targets are shifted to the mean that the output has."
)

LANDSCAPE = (
    Claim(
        key="allenzhu2018-saddle",
        type="E",
        source="allenzhu2018",
        locator="section 6, second-order stationary points",
        title="Where the loss is large and the gradient zero there is negative curvature",
        statement="A point of large loss at which both gradients vanish is a saddle: the smallest eigenvalue of the Hessian is "
        "negative, and its size is the product of the norms of the open output weights and of the residuals' slope.",
        formula=r"\lambda_{\min} = -\|a \circ 1[b_2 \ge 0]\| \cdot \Bigl\|\tfrac2n \sum_i e_i x_i\Bigr\|",
        quantity="curvature",
        hypotheses=ASSUMPTIONS,
        predict=predict_saddle,
        measure=measure_saddle,
        criterion=Equality(tolerance=0.001),
        control=lambda trial: measure_saddle(trial, rows=without_slope(trial.rows)),
        control_text="targets without a linear part: the same point is then flat",
        axes=Axes(x="width m", y="eigenvalue", log_x=True, log_y=True),
        settings=_SADDLE,
        method=(_BUILT, "Predicted in closed form, measured by Lanczos on Hessian-vector products."),
        labels="number",
        sample=sample,
        cost=0.4,
    ),
    Claim(
        key="allenzhu2018-escape",
        type="E",
        source="allenzhu2018",
        locator="section 6, second-order stationary points",
        title="Descent leaves the saddle in a time that grows with the logarithm of the displacement",
        statement="A displacement from the saddle grows by the negative curvature: each power of ten by which it is smaller costs "
        "the same time.",
        formula=r"t(\delta/10) - t(\delta) = \eta \ln 10 \,/\, \ln(1 + \eta |\lambda_{\min}|)",
        quantity="time",
        hypotheses=ASSUMPTIONS,
        predict=predict_escape,
        measure=measure_escape,
        criterion=Equality(tolerance=0.05),
        control=lambda trial: measure_escape(trial, usual=True),
        control_text="displacements of the usual random start, which is no saddle",
        axes=Axes(x="displacement, powers of ten below the largest", y="eta t, later by"),
        settings=_ESCAPE,
        method=(_BUILT, "Full-batch descent; the time at which the loss has fallen by a twentieth."),
        labels="number",
        sample=sample,
        gradient_flow=True,
        cost=0.5,
    ),
    Claim(
        key="allenzhu2018-flattening",
        type="Q",
        source="allenzhu2018",
        locator="section 6, second-order stationary points",
        title="Negative curvature goes as three layers learn",
        statement="While the loss is large there are directions of negative curvature; on the way to a small loss the smallest "
        "eigenvalue of the Hessian rises towards zero.",
        formula=r"-\lambda_{\min}(\nabla^2 L(W_t, V_t)) \text{ falls with } t",
        quantity="curvature",
        hypotheses=ASSUMPTIONS,
        predict=predict_flattening,
        measure=measure_flattening,
        criterion=Ordering(tau=0.5),
        control=lambda trial: measure_flattening(trial, layers=2),
        control_text="two layers, which are linear in their weights where no gate changes: there is no negative curvature",
        axes=Axes(x="passes", y="minus the smallest eigenvalue"),
        settings=_SADDLE,
        method=(
            "Momentum as in the paper; the ends of the spectrum by Lanczos, a bound from below on the negative curvature.",
        ),
        labels="number",
        sample=sample,
        cost=0.5,
    ),
    Claim(
        key="allenzhu2018-curvature",
        type="U",
        source="allenzhu2018",
        locator="section 6; the constants are ours",
        title="Negative curvature is at most twice the output norm times the root of the loss",
        statement="Only residuals curve the loss of three layers downwards, through the second derivatives between its two "
        "weight matrices, whose norm is at most that of the output weights times that of the row.",
        formula=r"-\lambda_{\min} \le 2\, \|a\|\, \max_i \|x_i\|\, \sqrt{L}",
        quantity="curvature",
        hypotheses=ASSUMPTIONS[:1],
        predict=predict_quotient,
        measure=measure_quotient,
        criterion=UpperBound(),
        control=lambda trial: measure_quotient(trial, upwards=True),
        control_text="the largest eigenvalue, which does not vanish with the loss",
        axes=Axes(x="passes", y="over the root of the loss"),
        settings=_SADDLE,
        method=(
            "The Gauss-Newton part has no negative eigenvalue; of the rest the norm is at most 2 mean |e| |a| |x|.",
            "L is the mean of squares without one half.",
        ),
        labels="number",
        sample=sample,
        cost=0.5,
    ),
    Claim(
        key="allenzhu2018-variants",
        type="U",
        source="allenzhu2018",
        locator="section 4, remarks after algorithm 1",
        title="Smoothing and random signs are not needed",
        statement="The theorem smooths the weights by Gaussian noise, or gives the updates of neurons random signs; plain descent "
        "learns as well.",
        formula=r"\mathrm{risk}(\text{plain}) \le 1.3\, \mathrm{risk}(\text{variant})",
        quantity="test error",
        hypotheses=ASSUMPTIONS,
        predict=predict_variants,
        measure=measure_variants,
        criterion=UpperBound(slack=0.3),
        control=lambda trial: measure_variants(trial, noisy=True),
        control_text="descent smoothed by a hundred times the deviations of the theory, in place of plain descent",
        axes=Axes(x="rows N", y="test error", log_y=True),
        settings=_SADDLE,
        method=(
            "Three layers with momentum; deviations of the smoothing are a tenth of table 1 of the paper.",
            (
                "Random signs need a fifth of the rate; their error is the better of that without signs and the mean over 16 draws "
                "of them."
            ),
            "Slack 30 %: the paper's own figures 1 (a) and 3 (a) differ by so much at one setting.",
        ),
        labels="number",
        sample=sample,
        cost=0.6,
    ),
)
