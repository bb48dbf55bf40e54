"""Claims of Arora et al. 2019 on training: the residual, the movement, the drift of H, and where they stop being so.

Rows enter the network by their coordinates in their own span: the start is the same from every side, so nothing that is
measured here changes in law, and images of 784 pixels cost no more than there are rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from widthwise.atlas.arora2019_complexity import kernel, labels
from widthwise.atlas.claim import Axes, Claim, Scale
from widthwise.atlas.criteria import Equality, Exponent, Ordering
from widthwise.atlas.hypotheses import (
    at_most,
    bounded_labels,
    no_parallel_rows,
    smallest_eigenvalue,
    unit_norm_rows,
    width_at_least,
)
from widthwise.atlas.trial import Curve, Evidence, Settings, Trial
from widthwise.networks import MLP, empirical_ntk
from widthwise.theory import Spectrum, spectrum, training_curve, worst_labels
from widthwise.training import TrainingRun, train
from widthwise.training.probes import Distances, Flips, KernelDrift
from widthwise.training.snapshot import Probe

HALF = 0.5
"""Step size in units of 1/lambda_max: a quarter of the largest stable one."""
FAILURE, ACCURACY = 0.1, 0.1
"""Probability delta that a theorem may fail, and its epsilon, where a width is asked."""
LABELS = ("true labels", "random labels", "worst labels")


def rate(modes: Spectrum, trial: Trial) -> float:
    """Step size on half the sum of squares."""
    return HALF / float(modes.values.max()) / trial.slowdown


def in_span(X: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n p"]:
    """Coordinates of the rows in an orthonormal basis of their span: the same inner products, at most n columns."""
    if X.shape[1] <= X.shape[0]:
        return X
    _, triangle = np.linalg.qr(X.T)
    return np.ascontiguousarray(triangle.T)


def descend(
    trial: Trial,
    y: Float[np.ndarray, " n"],
    step: float,
    *,
    width: int | None = None,
    kappa: float = 1.0,
    probes: tuple[Probe, ...] = (),
    every: int | None = None,
    draw: int = 0,
) -> TrainingRun:
    """Full-batch descent of the first layer from f = 0."""
    net = MLP(widths=(max(trial.settings.widths) if width is None else width,), kappa=float(kappa), antisymmetric=True)
    return train(
        net, in_span(trial.rows.X), y,
        learning_rate=step, steps=trial.steps, probes=probes, every=every, seed=1000 * draw + trial.seed,
    )  # fmt: skip


def shown(trial: Trial, points: int = 16) -> Int[np.ndarray, " t"]:
    """Steps of a figure, even in the logarithm, at the same training times whatever the step size."""
    full = np.unique(np.geomspace(1, trial.settings.steps, points).round().astype(np.int64))
    return full * trial.slowdown


def label_sets(trial: Trial, modes: Spectrum) -> dict[str, Float[np.ndarray, " n"]]:
    """True, random and worst labels, all of one norm."""
    y = labels(trial)
    size = float(np.linalg.norm(y))
    random = trial.rng.choice([-1.0, 1.0], size=len(y)) * size / np.sqrt(len(y))
    return dict(zip(LABELS, (y, random, size * worst_labels(modes)), strict=True))


# --- training speed ----------------------------------------------------------------------------------------------------


def predicted_speed(trial: Trial, names: tuple[str, ...]) -> Evidence:
    """Residuals from the spectrum."""
    modes = spectrum(kernel(trial))
    steps, step, sets = shown(trial), rate(modes, trial), label_sets(trial, modes)
    return Evidence(
        *(
            Curve(
                name,
                steps / trial.slowdown,
                training_curve(modes, sets[name], learning_rate=step, steps=steps).residual,
            )
            for name in names
        )
    )


def measured_speed(trial: Trial, names: tuple[str, ...], stand_ins: tuple[str, ...] | None = None) -> Evidence:
    """Residuals along training, on the labels named or on those that stand in for them."""
    modes = spectrum(kernel(trial))
    steps, sets = shown(trial), label_sets(trial, modes)
    ends: dict[str, float] = {}
    curves = []
    for name, used in zip(names, stand_ins or names, strict=True):
        run = descend(trial, sets[used], rate(modes, trial), probes=(Flips(rows=256),), every=trial.steps)
        curves.append(Curve(name, steps / trial.slowdown, run.history.residual[steps]))
        ends |= regime(run, modes, sets[used], used.split()[0])
    return Evidence(*curves, **ends)


def predict_speed(trial: Trial) -> Evidence:
    """Of true and random labels."""
    return predicted_speed(trial, LABELS[:2])


def measure_speed(trial: Trial) -> Evidence:
    """Of true and random labels."""
    return measured_speed(trial, LABELS[:2])


def swapped_speed(trial: Trial) -> Evidence:
    """True and random labels change places."""
    return measured_speed(trial, LABELS[:2], LABELS[1::-1])


def predict_worst(trial: Trial) -> Evidence:
    """Of the eigenvector of the smallest eigenvalue."""
    return predicted_speed(trial, LABELS[2:])


def measure_worst(trial: Trial) -> Evidence:
    """Of the eigenvector of the smallest eigenvalue."""
    return measured_speed(trial, LABELS[2:])


def worst_by_true(trial: Trial) -> Evidence:
    """True labels in the place of the worst."""
    return measured_speed(trial, LABELS[2:], LABELS[:1])


def regime(run: TrainingRun, modes: Spectrum, y: Float[np.ndarray, " n"], name: str) -> dict[str, float]:
    """A run's place on the regime map."""
    kappa, width = run_scale(run)
    cost = float(np.sum(modes.project(y)[:, 0] ** 2 / np.maximum(modes.values, modes.tolerance)))
    return {
        f"laziness {name}": np.sqrt(cost) / (kappa * np.sqrt(width)),
        f"flips {name}": float(run.history.probes["flips.mean"][-1]),
    }


def run_scale(run: TrainingRun) -> tuple[float, int]:
    """Deviation and number of the first layer's weights at the start."""
    W = np.asarray(next(value for value in run.start.values() if np.asarray(value).ndim == 2))
    return float(np.sqrt(np.mean(W.astype(np.float64) ** 2))), max(W.shape[0], W.shape[1])


def predict_order(trial: Trial) -> Evidence:
    """Residuals at the end, from the spectrum."""
    return _ends(predicted_speed(trial, LABELS))


def measure_order(trial: Trial) -> Evidence:
    """Residuals at the end of training."""
    return _ends(measured_speed(trial, LABELS))


def turned_order(trial: Trial) -> Evidence:
    """The top eigenvector as the worst labels, the bottom one as the true ones."""
    modes = spectrum(kernel(trial))
    found = []
    size = float(np.linalg.norm(labels(trial)))
    for place in (len(modes.values) - 1, len(modes.values) // 2, 0):
        unit = np.zeros((len(modes.values), 1))
        unit[place] = size
        found.append(descend(trial, modes.combine(unit)[:, 0], rate(modes, trial)).history.residual[-1])
    return Evidence(Curve("residual at the end", np.arange(1.0, 4.0), found))


def _ends(found: Evidence) -> Evidence:
    return Evidence(Curve("residual at the end", np.arange(1.0, 4.0), [c.y[-1] for c in found.curves]), **found.numbers)


# --- width, and the drift of H -----------------------------------------------------------------------------------------


def across(
    trial: Trial, kappa: Callable[[int], float], value: Callable[[TrainingRun, Spectrum], float], **options: Any
) -> Curve:
    """A number of runs on the true labels, by width: its mean over several starts."""
    modes, y = spectrum(kernel(trial)), labels(trial)

    def mean(m: int) -> float:
        runs = (
            descend(trial, y, rate(modes, trial), width=m, kappa=kappa(m), draw=draw, **options)
            for draw in range(trial.more("starts"))
        )
        return float(np.mean([value(run, modes) for run in runs]))

    found = [mean(m) for m in trial.settings.widths]
    return Curve("", trial.settings.widths, found)


def gap(trial: Trial) -> Callable[[TrainingRun, Spectrum], float]:
    """Largest distance of residual and prediction along a run, over |y|."""
    y = labels(trial)

    def of(run: TrainingRun, modes: Spectrum) -> float:
        steps = shown(trial)
        told = training_curve(modes, y, learning_rate=rate(modes, trial), steps=steps).residual
        return float(np.max(np.abs(run.history.residual[steps] - told)) / np.linalg.norm(y))

    return of


def one(_width: int) -> float:
    """Weights of deviation one at the start, whatever the width."""
    return 1.0


def shrinking(trial: Trial) -> Callable[[int], float]:
    """Weights whose deviation falls like the width to the power -1/2: the laziness index is the same at every width."""
    return lambda m: float(np.sqrt(min(trial.settings.widths) / m)) * float(trial.settings.more.get("kappa", 0.05))


def as_root(trial: Trial, label: str, measured: Curve) -> Evidence:
    """The power -1/2 of the width through the first point of a measurement."""
    m = np.array(trial.settings.widths, dtype=np.float64)
    return Evidence(Curve(label, m, measured.y[0] * np.sqrt(m[0] / m)))


GAP, DRIFT = "gap over |y|", "relative drift of H"


def predict_gap(trial: Trial) -> Evidence:
    """The rate of a bound, not its constant."""
    m = np.array(trial.settings.widths, dtype=np.float64)
    return Evidence(Curve(GAP, m, m**-0.5))


def measure_gap(trial: Trial) -> Evidence:
    """At kappa = 1."""
    found = across(trial, one, gap(trial))
    return Evidence(Curve(GAP, found.x, found.y))


def gap_of_constant_laziness(trial: Trial) -> Evidence:
    """At kappa proportional to m^-1/2."""
    found = across(trial, shrinking(trial), gap(trial))
    return Evidence(Curve(GAP, found.x, found.y))


def predict_drift(trial: Trial) -> Evidence:
    """The rate of a bound, not its constant."""
    m = np.array(trial.settings.widths, dtype=np.float64)
    return Evidence(Curve(DRIFT, m, m**-0.5))


def measure_drift(trial: Trial) -> Evidence:
    """At kappa = 1."""
    return _drift(trial, one)


def drift_of_constant_laziness(trial: Trial) -> Evidence:
    """At kappa proportional to m^-1/2."""
    return _drift(trial, shrinking(trial))


def _drift(trial: Trial, kappa: Callable[[int], float]) -> Evidence:
    found = across(
        trial,
        kappa,
        lambda run, _: float(run.history.probes["kernel.norm"][-1]),
        probes=(KernelDrift(),),
        every=trial.steps,
    )
    return Evidence(Curve(DRIFT, found.x, found.y))


# --- movement ----------------------------------------------------------------------------------------------------------


def predict_movement(trial: Trial) -> Evidence:
    """From the spectrum, after each number of steps; its limit is sqrt(y'H^-1 y)."""
    modes = spectrum(kernel(trial))
    steps, step = probed(trial), rate(modes, trial)
    kept = modes.values > modes.tolerance
    shrink = 1.0 - step * modes.values[kept]
    curves = []
    for label, y in list(label_sets(trial, modes).items())[:2]:
        energies = modes.project(y)[kept, 0] ** 2 / modes.values[kept]
        moved = [np.sqrt(np.sum((1.0 - shrink**k) ** 2 * energies)) for k in steps]
        curves.append(Curve(label, steps / trial.slowdown, moved))
    return Evidence(*curves)


def probed(trial: Trial) -> Int[np.ndarray, " t"]:
    """Steps at which movement is taken."""
    return np.arange(1, 17) * (trial.steps // 16)


def measure_movement(trial: Trial) -> Evidence:
    """|W(k) - W(0)|."""
    modes = spectrum(kernel(trial))
    steps = probed(trial)
    ends: dict[str, float] = {}
    curves = []
    for label, y in list(label_sets(trial, modes).items())[:2]:
        run = descend(trial, y, rate(modes, trial), probes=(Distances(), Flips(rows=256)), every=int(steps[0]))
        at = np.searchsorted(run.history.probe_steps, steps)
        curves.append(Curve(label, steps / trial.slowdown, run.history.probes["distances.frobenius"][at]))
        ends |= regime(run, modes, y, label.split()[0])
    return Evidence(*curves, **ends)


def swapped_movement(trial: Trial) -> Evidence:
    """True and random labels change places."""
    true, random = measure_movement(trial).curves
    return Evidence(Curve(true.label, true.x, random.y), Curve(random.label, random.x, true.y))


# --- in and out of the regime ------------------------------------------------------------------------------------------

KAPPAS = (1.0, 0.1, 0.01)


def predict_regime(trial: Trial) -> Evidence:
    """The laziness index at each kappa."""
    modes = spectrum(kernel(trial))
    kept = modes.values > modes.tolerance
    cost = float(np.sqrt(np.sum(modes.project(labels(trial))[kept, 0] ** 2 / modes.values[kept])))
    index = cost / (np.array(KAPPAS) * np.sqrt(max(trial.settings.widths)))
    return Evidence(Curve(GAP, np.array(KAPPAS), index))


def gap_to_the_start(run: TrainingRun, trial: Trial, y: Float[np.ndarray, " n"], step: float) -> float:
    """Largest distance of the residual to that of the kernel H(0), over |y|: what comes of the drift alone."""
    net = MLP(widths=(run_scale(run)[1],), antisymmetric=True)
    with jax.enable_x64(True):
        start = {name: jnp.asarray(np.asarray(value, dtype=np.float64)) for name, value in run.start.items()}
        H = np.asarray(empirical_ntk(net, start, jnp.asarray(in_span(trial.rows.X))))
    steps = shown(trial)
    told = training_curve(spectrum((H + H.T) / 2.0), y, learning_rate=step, steps=steps).residual
    return float(np.max(np.abs(run.history.residual[steps] - told)) / np.linalg.norm(y))


def regime_runs(trial: Trial, power: int) -> Evidence:
    """The gap at each kappa, labels multiplied by a power of kappa."""
    modes = spectrum(kernel(trial))
    step = rate(modes, trial)
    ends: dict[str, float] = {}
    gaps = []
    for kappa in KAPPAS:
        y = kappa**power * labels(trial)
        run = descend(trial, y, step, kappa=kappa, probes=(Flips(rows=256),), every=trial.steps)
        gaps.append(gap_to_the_start(run, trial, y, step))
        ends |= regime(run, modes, y, f"kappa {kappa:g}")
    return Evidence(Curve(GAP, np.array(KAPPAS), gaps), **ends)


def measure_regime(trial: Trial) -> Evidence:
    """The gap between residual and prediction at each kappa."""
    return regime_runs(trial, 0)


def labels_shrink_faster(trial: Trial) -> Evidence:
    """Labels times kappa^2: the laziness index now falls with kappa."""
    return regime_runs(trial, 2)


# --- what the theorems assume ------------------------------------------------------------------------------------------

SMALL_STEP = at_most(
    "the step size is O(lambda_0 / n^2)",
    lambda trial: smallest_eigenvalue(trial) / trial.rows.n**2,
    lambda trial: rate(spectrum(kernel(trial)), trial),
)


def log_width_of_the_theorem(trial: Trial) -> float:
    """log10 of n^7 / (lambda_0^4 kappa^2 delta^4 epsilon^2) at kappa = 1."""
    smallest = smallest_eigenvalue(trial)
    if smallest <= 0.0:
        return np.inf
    return float(7 * np.log10(trial.rows.n) - 4 * np.log10(smallest) - 4 * np.log10(FAILURE) - 2 * np.log10(ACCURACY))


WIDE = width_at_least("the width is Omega(n^7 / (lambda_0^4 kappa^2 delta^4 eps^2))", log_width_of_the_theorem)
SMALL_START = at_most(
    "the start is small, kappa = O(eps delta / sqrt n)",
    lambda trial: ACCURACY * FAILURE / np.sqrt(trial.rows.n),
    lambda _trial: 1.0,
)
OF_THEOREM = (unit_norm_rows, bounded_labels, no_parallel_rows, SMALL_START, SMALL_STEP, WIDE)
REAL = "mnist:0,1"


def scaled(quick: Mapping[str, Any], smoke: Mapping[str, Any], paper: Mapping[str, Any]) -> dict[Scale, Settings]:
    """Settings of the three scales: digits of scikit-learn for smoke, MNIST for the others."""
    return {
        "smoke": Settings(**{"data": "digits", "n": 24, **smoke}),
        "quick": Settings(**{"data": REAL, "n": 100, **quick}),
        "paper": Settings(**{"data": REAL, "n": 1000, "seeds": 5, **paper}),
    }


START = "The network starts at f = 0, by pairs of neurons, so that kappa need not be small."
NO_WORST = "The worst labels have a claim of their own: they ask for far wider networks."
CLAIMS = (
    Claim(
        key="arora2019-training-speed",
        type="E",
        source="arora2019",
        locator="theorem 4.1, figure 1 (a, c)",
        title="The residual follows the spectrum",
        statement="Along gradient descent the residual of a wide network is what the eigenvalues of H-infinity and the "
        "projections of the labels on its eigenvectors say, whatever the labels.",
        formula=r"\|y - u(k)\| = \sqrt{\sum_i (1 - \eta\lambda_i)^{2k} (v_i^\top y)^2} \pm \varepsilon",
        quantity="training speed",
        hypotheses=OF_THEOREM,
        predict=predict_speed,
        measure=measure_speed,
        criterion=Equality(tolerance=0.05, of_largest=True),
        control=swapped_speed,
        control_text="measured curves of true and random labels change places",
        axes=Axes(x="steps", y="residual |y - f|", log_x=True, log_y=True),
        settings=scaled(
            quick={"widths": (4096,), "steps": 300},
            smoke={"widths": (512,), "steps": 100},
            paper={"widths": (16384,), "steps": 2000},
        ),
        method=(START, "Deviations are relative to the residual at the first step shown, nearly |y|.", NO_WORST),
        gradient_flow=True,
        cost=1.5,
    ),
    Claim(
        key="arora2019-worst-labels",
        type="E",
        source="arora2019",
        locator="theorem 4.1, figure 1 (a, c)",
        title="The worst labels train as slowly as the smallest eigenvalue says",
        statement="Labels along the last eigenvector of H-infinity are learnt at the rate of the smallest eigenvalue.",
        formula=r"\|y - u(k)\| = (1 - \eta\lambda_{\min})^k \|y\| \pm \varepsilon",
        quantity="training speed",
        hypotheses=OF_THEOREM,
        predict=predict_worst,
        measure=measure_worst,
        criterion=Equality(tolerance=0.05, of_largest=True),
        control=worst_by_true,
        control_text="the true labels in the place of the worst",
        axes=Axes(x="steps", y="residual |y - f|", log_x=True, log_y=True),
        settings=scaled(
            quick={"widths": (4096,), "steps": 300},
            smoke={"widths": (512,), "steps": 100},
            paper={"widths": (16384,), "steps": 2000},
        ),
        method=(
            START,
            (
                "The eigenvector of H-infinity is none of the kernel of a finite network: H(0) is off by about n / sqrt(m), to be "
                "small beside the smallest eigenvalue."
            ),
        ),
        gradient_flow=True,
        cost=1.0,
    ),
    Claim(
        key="arora2019-speed-by-labels",
        type="Q",
        source="arora2019",
        locator="section 4, figure 1 (a, c)",
        title="True labels train faster than random ones, and those than the worst",
        statement="After a number of steps the residual is smallest for the true labels, larger for random ones and largest for "
        "the eigenvector of the smallest eigenvalue.",
        formula=r"\|y_{true} - u(k)\| < \|y_{random} - u(k)\| < \|y_{worst} - u(k)\|",
        quantity="training speed",
        hypotheses=OF_THEOREM,
        predict=predict_order,
        measure=measure_order,
        criterion=Ordering(tau=1.0),
        control=turned_order,
        control_text="the bottom, a middle and the top eigenvector stand for true, random and worst labels",
        axes=Axes(x="labels: 1 true, 2 random, 3 worst", y="residual |y - f| at the end"),
        settings=scaled(
            quick={"widths": (4096,), "steps": 200},
            smoke={"widths": (256,), "steps": 100},
            paper={"widths": (16384,), "steps": 2000},
        ),
        method=(START,),
        gradient_flow=True,
    ),
    Claim(
        key="arora2019-gap-against-width",
        type="O",
        source="arora2019",
        locator="theorem 4.1",
        title="The gap to the prediction shrinks like one over the root of the width",
        statement="The largest distance between measured and predicted residual falls like the width to the power -1/2.",
        formula=r"\sup_k |\,\|y - u(k)\| - \text{predicted}\,| \sim m^{-1/2}",
        quantity="training speed",
        hypotheses=OF_THEOREM,
        predict=predict_gap,
        measure=measure_gap,
        criterion=Exponent(low=-0.7, high=-0.3),
        control=gap_of_constant_laziness,
        control_text="kappa proportional to the width to the power -1/2: the laziness index no longer falls",
        axes=Axes(x="width m", y="largest gap over |y|", log_x=True, log_y=True),
        settings=scaled(
            quick={"widths": (256, 1024, 4096), "steps": 200, "seeds": 4, "n": 50, "more": {"starts": 8}},
            smoke={"widths": (64, 1024), "steps": 100, "more": {"starts": 3}},
            paper={"widths": (1024, 4096, 16384), "steps": 1000, "seeds": 8, "more": {"starts": 8}},
        ),
        method=(
            START,
            "The line drawn as prediction is the power alone; the theorem has a bound without its constant.",
        ),
        gradient_flow=True,
        cost=1.5,
    ),
    Claim(
        key="arora2019-movement",
        type="E",
        source="arora2019",
        locator="lemma 5.3 and its auxiliary sequence",
        title="The weights move as far as the labels cost",
        statement="The distance of the weights from their start follows the spectrum, and tends to the square root of y'H^-1 y.",
        formula=r"\|W(k) - W(0)\|_F^2 = \sum_i (1 - (1 - \eta\lambda_i)^k)^2 (v_i^\top y)^2 / \lambda_i "
        r"\to y^\top (H^\infty)^{-1} y",
        quantity="movement",
        hypotheses=OF_THEOREM,
        predict=predict_movement,
        measure=measure_movement,
        criterion=Equality(tolerance=0.05),
        control=swapped_movement,
        control_text="movements of true and random labels change places",
        axes=Axes(x="steps", y="distance from the start |W(k) - W(0)|"),
        settings=scaled(
            quick={"widths": (4096,), "steps": 320},
            smoke={"widths": (512,), "steps": 160},
            paper={"widths": (16384,), "steps": 4000},
        ),
        method=(START,),
        gradient_flow=True,
        cost=1.5,
    ),
    Claim(
        key="arora2019-drift",
        type="O",
        source="arora2019",
        locator="section 5, from lemma C.2 of its appendix",
        title="H drifts less the wider the network",
        statement="The change of H between start and end falls with the width, at least as the power -1/2.",
        formula=r"\|H(k) - H(0)\|_F = O\bigl(n^3 / (\sqrt m\, \lambda_0 \kappa\, \delta^{3/2})\bigr)",
        quantity="drift of the kernel",
        hypotheses=OF_THEOREM,
        predict=predict_drift,
        measure=measure_drift,
        criterion=Exponent(low=-1.0, high=-0.4),
        control=drift_of_constant_laziness,
        control_text="kappa proportional to the width to the power -1/2: the laziness index no longer falls",
        axes=Axes(x="width m", y="|H(k) - H(0)| / |H(0)|", log_x=True, log_y=True),
        settings=scaled(
            quick={"widths": (256, 512, 1024, 2048, 4096), "steps": 200, "n": 50, "more": {"starts": 1}},
            smoke={"widths": (64, 1024), "steps": 100, "more": {"starts": 1}},
            paper={"widths": (1024, 4096, 16384), "steps": 1000, "more": {"starts": 1}},
        ),
        method=(
            START,
            "An upper bound is met by any power at or below -1/2; the interval allows for the error of a fit.",
        ),
        gradient_flow=True,
        cost=1.5,
    ),
    Claim(
        key="arora2019-regime",
        type="Q",
        source="arora2019",
        locator="section 3 and the settings of the experiments",
        title="The laziness index says where the theory speaks",
        statement="The further the labels drive the neurons in units of their start, the larger the gap to the prediction. At "
        "kappa = 1 the network is inside its theory, at the kappa = 0.01 of the paper's own experiments far outside.",
        formula=r"\Lambda = \sqrt{y^\top (H^\infty)^{-1} y} / (\kappa \sqrt m)",
        quantity="regime",
        hypotheses=(unit_norm_rows, bounded_labels, no_parallel_rows, SMALL_STEP, WIDE),
        predict=predict_regime,
        measure=measure_regime,
        criterion=Ordering(tau=1.0),
        control=labels_shrink_faster,
        control_text="labels multiplied by the square of kappa, so that the index falls with kappa",
        axes=Axes(x="kappa", y="laziness index; largest gap over |y|", log_x=True, log_y=True),
        settings=scaled(
            quick={"widths": (4096,), "steps": 200},
            smoke={"widths": (1024,), "steps": 100},
            paper={"widths": (10000,), "steps": 2000},
        ),
        method=(
            "The network starts at f = 0 by pairs of neurons.",
            "The gap is that to the curve of H(0), so that it comes of the drift alone and not of the finite width.",
        ),
        gradient_flow=True,
        cost=1.5,
    ),
)
