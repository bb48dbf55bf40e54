r"""Learners of Allen-Zhu, Li and Liang 2018: networks of two and three layers, and their kernels solved exactly.

The paper trains its kernels by stochastic descent; here they are solved in kernel space, the ridge by leave-one-out on the
training rows alone. Its text trains the hidden weights only. Its curves for two layers are out of reach that way, and come near
once the biases move too, so that claims about the figures let them (`biases = "trained"`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from widthwise._jax import float64
from widthwise.atlas.claim import Finding, Hypothesis
from widthwise.atlas.hypotheses import unit_norm_rows, unknowable
from widthwise.atlas.trial import Curve, Evidence, Rows, Settings, Trial
from widthwise.datasets.synthetic import Sample, composed
from widthwise.networks import MLP, Network, Params, empirical_ntk, presets
from widthwise.networks.mlp import Biases, Trained
from widthwise.solvers.eigen import ridge_path
from widthwise.training import Milestones, Momentum, TrainingRun, WeightDecay, train
from widthwise.training.optimizers import Optimizer
from widthwise.training.regularisers import Regulariser
from widthwise.training.snapshot import Probe

SOURCES = {"sine": "F1 of Allen-Zhu, Li and Liang", "tanh": "F2 of Allen-Zhu, Li and Liang"}
BATCH = 50
RIDGES = np.logspace(-8, 0, 17)
"""Over the mean of the kernel's diagonal."""
RATES = {2: 3.0, 3: 0.5}
"""Rate of a step times the width, by layers: stable for targets of figures 1 and 2."""
Layers = Literal[2, 3]


def rows_of(made: Sample, source: str) -> Rows:
    """A generated sample as rows of a claim."""
    return Rows(
        X=made.X, y=made.y, X_test=made.X_test, y_test=made.y_test, source=source, steps=("uniform on the unit sphere",)
    )


def sample(settings: Settings, seed: int) -> Rows:
    """Rows of figures 1 or 2, by the `target` of the settings: `sine` or `tanh`."""
    target = str(settings.more.get("target", "sine"))
    return rows_of(
        composed(target, settings.n, settings.n_test, seed=np.random.default_rng([seed, 7])), SOURCES[target]
    )


def first(rows: Rows, n: int) -> Rows:
    """The first n of the training rows; all rows held out."""
    return replace(rows, X=rows.X[:n], y=rows.y[:n])


def shuffled(trial: Trial) -> Rows:
    """The rows with their targets in random order: nothing can be learned."""
    own = np.random.default_rng([trial.seed, 5])
    return replace(trial.rows, y=own.permutation(trial.rows.y), y_test=own.permutation(trial.rows.y_test))


def network(
    layers: Layers, m: int, *, biases: Biases = "frozen", trained: Trained = "hidden", readout: float = 1.0
) -> MLP:
    """The paper's network of two or three layers.

    Args:
        layers: 2 or 3 layers of weights, the output's included.
        m: width of every hidden layer.
        biases: `frozen` as the text says, or `trained`.
        trained: `hidden` weights, or the `last` layer alone.
        readout: deviation of the output weights, of two layers.
    """
    setting = (
        presets.allenzhu2018_three_layer(m) if layers == 3 else presets.allenzhu2018_two_layer(m, readout_std=readout)
    )
    assert isinstance(setting.net, MLP)  # noqa: S101 - the presets say so
    return replace(setting.net, biases=biases, trained=trained)


def steps_of(passes: int, n: int) -> int:
    """Steps of so many passes over n rows in batches of 50."""
    return max(1, passes * -(-n // BATCH))


def descend(
    trial: Trial,
    net: Network,
    rows: Rows,
    m: int,
    *,
    rate: float,
    passes: int | None = None,
    decay: float = 0.0,
    penalty: Regulariser | None = None,
    optimizer: Optimizer | None = None,
    probes: Sequence[Probe | str] = (),
    pauses: int = 1,
    watch: Float[np.ndarray, "w d"] | None = None,
    start: Params | None = None,
    constant: bool = False,
) -> TrainingRun:
    """Training as in the paper: momentum .9, batches of 50, the rate a tenth after half of the passes, mean of squares.

    Args:
        trial: seed and step size.
        net: the network.
        rows: training rows, and those whose loss is taken with the probes.
        m: width, by which the rate is divided.
        rate: times the width.
        passes: over the rows; those of the settings when not given.
        decay: strength of the squared Frobenius norm.
        penalty: another regulariser, instead.
        optimizer: another rule.
        probes: as in `train`.
        pauses: how often they are taken.
        watch: rows whose outputs are wanted at those pauses.
        start: parameters at step zero.
        constant: keep the rate.
    """
    steps = steps_of(trial.more("passes") if passes is None else passes, rows.n) * trial.slowdown
    every = max(1, steps // pauses)
    own = rate / m / trial.slowdown
    return train(
        net,
        rows.X,
        rows.y,
        loss="mean_squared",
        optimizer=Momentum() if optimizer is None else optimizer,
        learning_rate=own if constant or steps < 2 else Milestones(own, (steps // 2,)),
        batch_size=min(BATCH, rows.n),
        steps=steps,
        regulariser=WeightDecay(decay) if decay > 0 else penalty,
        probes=probes,
        every=every,
        test=(rows.X_test, rows.y_test),
        watch=watch,
        watch_at=None if watch is None else np.array([*range(0, steps, every), steps]),
        start=start,
        seed=trial.seed,
    )


def trained_error(trial: Trial, layers: Layers, rows: Rows, m: int, *, rate: float | None = None) -> float:
    """Test error of a trained network; with several rates or decays in the settings, those that do best on a held-out fifth."""
    net = network(layers, m, biases=trial.more("biases"))
    more = trial.settings.more
    rates = (rate,) if rate is not None else tuple(more.get(f"rates of {layers} layers", (RATES[layers],)))
    grid = [(r, decay) for r in rates for decay in more.get("decays", (0.0,))]
    chosen = grid[0]
    if len(grid) > 1:
        held = rows.n // 5
        part = replace(rows, X=rows.X[held:], y=rows.y[held:], X_test=rows.X[:held], y_test=rows.y[:held])
        chosen = min(grid, key=lambda own: _end(descend(trial, net, part, m, rate=own[0], decay=own[1])))
    return _end(descend(trial, net, rows, m, rate=chosen[0], decay=chosen[1]))


def _end(run: TrainingRun) -> float:
    found = float(run.history.test_loss[-1])
    return found if np.isfinite(found) else float("inf")


@dataclass(frozen=True, kw_only=True)
class KernelFit:
    """Kernel ridge regression.

    Attributes:
        error: on the rows held out.
        left_out: leave-one-out error on the training rows.
        ridge: over the mean of the diagonal.
    """

    error: float
    left_out: float
    ridge: float


def kernel_fits(
    K: Float[np.ndarray, "n n"],
    cross: Float[np.ndarray, "t n"],
    y: Float[np.ndarray, " n"],
    y_test: Float[np.ndarray, " t"],
    ridges: Sequence[float] | Float[np.ndarray, " r"] = RIDGES,
) -> tuple[KernelFit, ...]:
    """Regression with a kernel at every ridge, from one eigendecomposition."""
    path, unit = ridge_path(K, y), float(np.trace(K)) / len(K)
    found = []
    for ridge in ridges:
        own = float(ridge) * unit
        answers = cross @ path.coefficients(own)[:, 0]
        # Below the rounding of the largest eigenvalue nothing can be left out.
        safe = path.values[-1] + own > path.tolerance
        left = float(np.mean(path.leave_one_out(own) ** 2)) if safe else float("inf")
        found.append(KernelFit(error=float(np.mean((answers - y_test) ** 2)), left_out=left, ridge=float(ridge)))
    return tuple(found)


def by_leave_one_out(fits: Sequence[KernelFit]) -> KernelFit:
    """That of the least leave-one-out error."""
    return min(fits, key=lambda fit: fit.left_out)


def finite_kernel(
    trial: Trial, layers: Layers, rows: Rows, m: int, *, trained: Trained = "hidden", biases: Biases | None = None
) -> tuple[Float[np.ndarray, "n n"], Float[np.ndarray, "t n"]]:
    """Kernel of the gradients of a network at its start: of training rows, and of held-out against training rows."""
    net = network(layers, m, biases=trial.more("biases") if biases is None else biases, trained=trained)
    with float64():
        params = net.init(trial.seed, d=rows.d)
        X, Z = jnp.asarray(rows.X), jnp.asarray(rows.X_test)
        return np.asarray(empirical_ntk(net, params, X)), np.asarray(empirical_ntk(net, params, Z, X))


def kernel_error(trial: Trial, layers: Layers, rows: Rows, m: int, *, trained: Trained = "hidden") -> float:
    """Test error of a finite kernel, its ridge by leave-one-out."""
    K, cross = finite_kernel(trial, layers, rows, m, trained=trained)
    return by_leave_one_out(kernel_fits(K, cross, rows.y, rows.y_test)).error


@dataclass(frozen=True)
class Ahead:
    """Q: one curve is below all others at every x; the prediction is drawn, not used.

    Attributes:
        best: its label.
    """

    best: str
    kind: ClassVar[str] = "Q"
    low: ClassVar[float] = -np.inf
    high: ClassVar[float] = 1.0

    def statistic(self, predicted: Evidence, measured: Evidence) -> float:  # noqa: ARG002
        """Largest quotient of that curve and the best of the others."""
        curves: Mapping[str, Curve] = {curve.label: curve for curve in measured.curves}
        others = np.min([curve.y for label, curve in curves.items() if label != self.best], axis=0)
        return float(np.max(curves[self.best].y / others))

    def says(self) -> str:
        """The threshold in words."""
        return f"{self.best}, over the best of the others, at most 1 at every point"

    def chance(self, curves: int, points: int, seeds: int) -> float:
        """That one of so many equals is the first at every point and seed."""
        return float(curves ** -float(points * seeds))


@dataclass(frozen=True)
class Falling:
    """O: no measured curve rises with x; the prediction is drawn, not used.

    Attributes:
        high: largest exponent.
    """

    high: float = 0.0
    kind: ClassVar[str] = "O"
    low: ClassVar[float] = -np.inf

    def statistic(self, predicted: Evidence, measured: Evidence) -> float:  # noqa: ARG002
        """Largest slope of log y against log x, over the curves of more than one point."""
        return max(slope(curve) for curve in measured.curves if len(curve.x) > 1)

    def says(self) -> str:
        """The threshold in words."""
        return f"exponent of every curve at most {self.high:g}"

    def chance(self, curves: int, points: int, seeds: int) -> float:  # noqa: ARG002
        """That as many coins fall on one side."""
        return float(0.5 ** (curves * seeds))


@dataclass(frozen=True)
class Powers:
    """O: each measured curve is a power of x with an exponent of its own; the prediction is drawn, not used.

    Attributes:
        exponents: of each curve by its label.
        high: largest right deviation of an exponent.
    """

    exponents: tuple[tuple[str, float], ...]
    high: float
    kind: ClassVar[str] = "O"
    low: ClassVar[float] = -np.inf

    def statistic(self, predicted: Evidence, measured: Evidence) -> float:  # noqa: ARG002
        """Largest deviation of a curve's slope in log-log from its exponent."""
        asked = dict(self.exponents)
        return max(abs(slope(curve) - asked[curve.label]) for curve in measured.curves)

    def says(self) -> str:
        """The threshold in words."""
        told = ", ".join(f"{power:g} ({label})" for label, power in self.exponents)
        return f"exponents within {self.high:g} of {told}"

    def chance(self, curves: int, points: int, seeds: int) -> float:  # noqa: ARG002
        """That an exponent between 0 and 2 falls so near, for every curve."""
        return float(min(1.0, self.high) ** curves)


def slope(curve: Curve) -> float:
    """Of log y against log x."""
    return float(np.polyfit(np.log(curve.x), np.log(curve.y), 1)[0])


def _text_biases(trial: Trial) -> Finding:
    frozen = trial.settings.more.get("biases", "frozen") == "frozen"
    return Finding("met" if frozen else "unmet", "they never move" if frozen else "they move with the weights")


def _lipschitz(_trial: Trial) -> Finding:
    return Finding("unmet", "the square, as in the experiments")


BIASES = Hypothesis("biases are random and frozen", _text_biases)
LIPSCHITZ = Hypothesis("the loss is 1-Lipschitz and 1-smooth", _lipschitz)
WIDE = unknowable(
    "the width is at least a polynomial of the complexities and 1/epsilon", "the paper gives no exponents"
)
ASSUMPTIONS = (unit_norm_rows, BIASES, LIPSCHITZ, WIDE)


def merged(more: Mapping[str, Any], **own: Any) -> dict[str, Any]:
    """Settings of one scale from those that all share."""
    return {**more, **own}
