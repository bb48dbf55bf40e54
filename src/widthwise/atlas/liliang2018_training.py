"""Networks of Li and Liang 2018 in training: how they start, what is measured, and what their first steps must do.

The paper's words (`mode = "paper_text"`: readout N(0, 1)) and its figures (`"paper_figure"`: truncated normal weights,
readout of deviation .045, fitted to the published curves) are different networks; claims say which one they take.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Num
from scipy.spatial.distance import pdist

from widthwise.atlas.claim import Finding, Hypothesis
from widthwise.atlas.hypotheses import unit_norm_rows, unknowable
from widthwise.atlas.trial import Rows, Settings, Trial
from widthwise.datasets.synthetic import Mixture, clusters
from widthwise.networks import MLP, Normal, TruncatedNormal, presets
from widthwise.sweeps.fits import power_law
from widthwise.theory import class_separation, structure
from widthwise.training import Stop, TrainingRun, train
from widthwise.training.snapshot import Probe

CLASSES, COMPONENTS = 10, 2
"""Of the mixture of figure 1."""
SOURCE = "Li and Liang's mixture of Gaussians"
COMPARED = 10000
"""Rows of which all pairs are looked at, at most: a hypothesis that fails on them fails on all."""


def mixture(settings: Settings, seed: int, *, d: int | None = None) -> Mixture:
    """Rows of figure 1: its mixture, in the dimension `d` of the settings and with their `sigma`, `classes`, `components`."""
    more = settings.more
    return clusters(
        settings.n,
        settings.n_test,
        d=int(more["d"]) if d is None else d,
        classes=int(more.get("classes", CLASSES)),
        components=int(more.get("components", COMPONENTS)),
        sigma=float(more.get("sigma", 1.0)),
        seed=seed,
    )


def rows_of_mixture(made: Mixture) -> Rows:
    """A mixture as rows of a claim."""
    return Rows(X=made.X, y=made.y, X_test=made.X_test, y_test=made.y_test, source=SOURCE, steps=("rows of unit norm",))


def sample(settings: Settings, seed: int) -> Rows:
    """Rows of figure 1."""
    return rows_of_mixture(mixture(settings, seed))


def outputs(rows: Rows) -> int:
    """Number of classes."""
    return int(np.max(rows.y)) + 1


def network(m: int, k: int, mode: str, *, readout: float = 1.0, start: float = 1.0) -> MLP:
    """The paper's network; `readout` and `start` multiply the deviations of the output and of the hidden weights."""
    net = presets.liliang2018(m, mode=mode, outputs=k).net  # type: ignore[arg-type]
    assert isinstance(net, MLP)  # noqa: S101 - the preset says so
    hidden, last = net.weight_laws or (None, None)
    assert isinstance(hidden, (Normal, TruncatedNormal)) and isinstance(last, Normal)  # noqa: S101
    laws = (replace(hidden, std=hidden.std * start), replace(last, std=last.std * readout))
    return replace(net, weight_laws=laws)


def descend(
    trial: Trial,
    rows: Rows,
    m: int,
    *,
    rate: float | None = None,
    readout: float = 1.0,
    start: float = 1.0,
    steps: int | None = None,
    probes: Sequence[Probe | str] = (),
    every: int | None = None,
    watch_test: bool = False,
    stop: Stop | None = None,
) -> TrainingRun:
    """Stochastic descent on the mean cross-entropy as in the paper: rate `trial.more("rate") / m`, batches of `batch`.

    Args:
        trial: seed and settings.
        rows: training and test rows, classes 0 ... k-1.
        m: width.
        rate: of a step; the paper's scaling when not given.
        readout: factor on the deviation of the output weights.
        start: factor on the deviation of the hidden weights.
        steps: those of the trial when not given.
        probes: as in `train`.
        every: their cadence; the end only when not given.
        watch_test: whether test rows are evaluated with the probes.
        stop: limits.
    """
    taken = trial.steps if steps is None else steps
    return train(
        network(m, outputs(rows), trial.more("mode"), readout=readout, start=start),
        rows.X,
        rows.y,
        loss="cross_entropy",
        optimizer="sgd",
        learning_rate=trial.more("rate") / m if rate is None else rate,
        batch_size=min(int(trial.settings.more.get("batch", 16)), rows.n),
        steps=taken,
        probes=probes,
        every=taken if every is None else every,
        test=(rows.X_test, rows.y_test) if watch_test else None,
        stop=stop,
        seed=trial.seed,
    )


def start_deviation(run: TrainingRun) -> float:
    """Root mean square of the hidden weights at the start."""
    return float(np.sqrt(np.mean(np.asarray(run.start["W"], np.float64) ** 2)))


def laziness(run: TrainingRun) -> float:
    """How far the weights are from their start in units of kappa sqrt(m), with kappa the deviation of a weight."""
    moved = np.linalg.norm(np.asarray(run.update["W"], np.float64))
    return float(moved / (start_deviation(run) * np.sqrt(len(run.update["W"]))))


def coupled_from(
    widths: Float[np.ndarray, " w"], values: Float[np.ndarray, " w"], level: float, name: str
) -> dict[str, float]:
    """Numbers for a page: the fitted power of the width, and from which width on it would bring the values to a level.

    The band follows the 95 % interval of the exponent, through the geometric middle of the points; nothing from fewer than
    three widths.
    """
    law = power_law(widths, values)
    if law is None:
        return {}
    found = {f"exponent of the {name}": law.exponent}
    middle = float(np.exp(np.mean(np.log(values)))), float(np.mean(np.log10(widths)))
    # The steeper the fall, the sooner the level is reached; a power that does not fall never does.
    for end, power in (("", law.exponent), (", steepest", law.low), (", flattest", law.high)):
        decades = np.log10(middle[0] / level) / -power if power < 0 else np.inf
        found[f"log10 of the width at which {name} would be {level:g}{end}"] = middle[1] + decades
    return found


@dataclass(frozen=True, kw_only=True, eq=False)
class FirstPhase:
    """What training must do while the outputs stay next to nothing.

    Attributes:
        flips: share of gates that change.
        distance: of the weights from their start, relative to it.
    """

    flips: Float[np.ndarray, " w"]
    distance: Float[np.ndarray, " w"]


def first_phase(trial: Trial, widths: Sequence[int], *, draws: int = 128) -> FirstPhase:
    r"""Movement of the weights while all classes are still as likely, from the data alone.

    With f = 0 the gradient of neuron r does not change: :math:`\Delta w_r = -\eta T\, a_r^\top M_r`,
    :math:`M_r = \frac1n \sum_i (\tfrac1k 1 - e_{y_i})\, 1[w_r^\top x_i \ge 0]\, x_i^\top`, Gaussian given its gates. Its size is
    the distance; a gate of x flips with probability :math:`E|\Delta w_r^\top x| / (s \sqrt{2\pi})`. Exact to first order in
    :math:`\eta T`, averaged over `draws` neurons; a share of gates above one half, where first order says nothing, is put at
    one half.
    """
    rows = trial.rows
    k = outputs(rows)
    law_hidden, law_last = network(1, k, trial.more("mode")).weight_laws or (None, None)
    assert isinstance(law_hidden, (Normal, TruncatedNormal)) and isinstance(law_last, Normal)  # noqa: S101
    s, c = float(np.sqrt(law_hidden.variance)), law_last.std
    away = 1.0 / k - np.eye(k)[np.asarray(rows.y)]
    gram = rows.X @ rows.X.T
    squares, moves = [], []
    for w in trial.rng.standard_normal((draws, rows.d)):
        open_rows = (rows.X @ w >= 0)[:, None] * away
        # |M_r|^2, and |M_r x| at every row.
        seen = gram @ open_rows / rows.n
        squares.append(float(np.sum(open_rows * seen)) / rows.n)
        moves.append(float(np.mean(np.linalg.norm(seen, axis=1))))
    travelled = c * float(trial.more("rate")) * trial.steps / np.sqrt(np.asarray(widths, np.float64))
    return FirstPhase(
        flips=np.minimum(travelled * np.sqrt(2.0 / np.pi) * np.mean(moves) / (s * np.sqrt(2.0 * np.pi)), 0.5),
        distance=np.asarray(travelled * np.sqrt(np.mean(squares) / rows.d) / s),
    )


def of_mixture(trial: Trial) -> bool:
    """Whether the rows are the paper's mixture, and not a user's."""
    return trial.rows.source == SOURCE


def components(trial: Trial) -> tuple[int, int]:
    """K and l: those of the mixture where the rows are one, else the fewest clusters that meet the paper's assumption."""
    if of_mixture(trial):
        more = trial.settings.more
        return int(more.get("classes", CLASSES)), int(more.get("components", COMPONENTS))
    found = structure(trial.rows.X, np.asarray(trial.rows.y))
    return found.classes, max(found.components, 1)


def _compared(trial: Trial) -> tuple[Float[np.ndarray, "n d"], Num[np.ndarray, " n"], str]:
    """Rows that are compared with each other, at most `COMPARED`, their targets, and which they are in words."""
    some = slice(COMPARED)
    which = f"{COMPARED} of the rows" if trial.rows.n > COMPARED else "the sample"
    return trial.rows.X[some], np.asarray(trial.rows.y[some]), which


def _separated(trial: Trial) -> Finding:
    X, y, which = _compared(trial)
    delta = class_separation(X, y).distance
    return Finding("met" if delta > 0 else "unmet", f"delta is {delta:.3g} on {which}")


def _clustered(trial: Trial) -> Finding:
    X, y, _ = _compared(trial)
    found = structure(X, y)
    if of_mixture(trial) and found.delta > 0:
        made = mixture(trial.settings, trial.seed)
        own = [made.X[made.components == c] for c in np.unique(made.components)]
        size = max(float(pdist(rows).max()) for rows in own if len(rows) > 1) / found.delta
        asked = 1.0 / (8.0 * components(trial)[1])
        return Finding(
            "met" if size <= asked else "unmet", f"lambda = {size:.3g} for its own components, asked {asked:.3g}"
        )
    if found.delta == 0:
        return Finding("unmet", "rows of different classes coincide")
    if found.memorising:
        return Finding(
            "unmet",
            f"only single rows are small enough: l would be {found.components}, with {len(X)} rows of {found.classes} classes",
        )
    return Finding("met", f"l = {found.components}, lambda = {found.diameter:.3g}, asked 1/(8 l)")


def _readout(trial: Trial) -> Finding:
    law = (network(1, 2, trial.more("mode")).weight_laws or (None,))[-1]
    assert isinstance(law, Normal)  # noqa: S101
    return Finding("met" if law.std == 1.0 else "unmet", f"deviation {law.std:g}")


def _passes(trial: Trial) -> Finding:
    passes = trial.steps * min(int(trial.settings.more.get("batch", 16)), trial.rows.n) / trial.rows.n
    return Finding("met" if passes <= 1 else "unmet", f"{passes:.3g} passes over {trial.rows.n} rows")


SEPARATED = Hypothesis("classes are a distance delta > 0 apart", _separated)
CLUSTERED = Hypothesis("a class is l components of diameter at most delta / (8 l)", _clustered)
READOUT = Hypothesis("output weights are N(0, 1)", _readout)
ONE_PASS = Hypothesis("every batch is of rows not seen before", _passes)
WIDE = unknowable("the width is at least a polynomial of k, l, 1/delta, 1/epsilon", "the paper gives no exponents")
ASSUMPTIONS = (unit_norm_rows, SEPARATED, CLUSTERED, READOUT, ONE_PASS, WIDE)


def steps_to_accuracy(run: TrainingRun, accuracy: float) -> float:
    """First step at which the test accuracy is reached, by interpolation between evaluations; the last one if it is not."""
    found = 1.0 - np.asarray(run.history.test_error, np.float64)
    steps = run.history.probe_steps.astype(np.float64)
    over = np.flatnonzero(found >= accuracy)
    if not len(over):
        return float(steps[-1])
    i = int(over[0])
    if i == 0:
        return float(max(steps[0], 1.0))
    share = (accuracy - found[i - 1]) / (found[i] - found[i - 1])
    return float(steps[i - 1] + share * (steps[i] - steps[i - 1]))
