"""Claims of Arora et al. 2019 on movement: how far the weights go, and from which laziness on the theory is silent."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from widthwise.atlas.arora2019_descent import (
    GAP,
    OF_THEOREM,
    SMALL_STEP,
    START,
    WIDE,
    descend,
    in_span,
    label_sets,
    rate,
    regime,
    run_scale,
    scaled,
    shown,
)
from widthwise.atlas.arora2019_labels import kernel, labels
from widthwise.atlas.claim import Axes, Claim
from widthwise.atlas.criteria import Equality, Ordering
from widthwise.atlas.hypotheses import bounded_labels, no_parallel_rows, unit_norm_rows
from widthwise.atlas.trial import Curve, Evidence, Trial
from widthwise.networks import MLP, empirical_ntk
from widthwise.theory import spectrum, training_curve
from widthwise.training import TrainingRun
from widthwise.training.probes import Distances, Flips


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
        run = descend(trial, y, step, kappa=kappa, probes=(Distances(), Flips(rows=256)), every=trial.steps)
        gaps.append(gap_to_the_start(run, trial, y, step))
        ends |= regime(run, modes, y, f"kappa {kappa:g}")
    return Evidence(Curve(GAP, np.array(KAPPAS), gaps), **ends)


def measure_regime(trial: Trial) -> Evidence:
    """The gap between residual and prediction at each kappa."""
    return regime_runs(trial, 0)


def labels_shrink_faster(trial: Trial) -> Evidence:
    """Labels times kappa^2: the laziness index now falls with kappa."""
    return regime_runs(trial, 2)


CLAIMS = (
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
