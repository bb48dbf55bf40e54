"""Claims of Chen et al. 2019 on the smallest width that fits: its search by a stated protocol, and its growth with the rows."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import scipy.optimize
from jaxtyping import Float, Int

from widthwise.atlas.chen2019_figures import CAT_DOG, CAT_SHIP, WIDTH
from widthwise.atlas.chen2019_rows import (
    FAILURE,
    Growth,
    classes_apart,
    in_own_span,
    labels,
    order,
    theorem_width,
)
from widthwise.atlas.claim import Axes, Claim
from widthwise.atlas.hypotheses import no_parallel_rows, unit_norm_rows
from widthwise.atlas.trial import Curve, Evidence, Settings, Trial
from widthwise.networks import MLP
from widthwise.theory import logistic_threshold
from widthwise.training import Momentum, Stop, TrainingRun, train_many

MOMENTUM = 0.9
DRAWS = 800
"""Rows over all draws of the control, at every number of rows."""
FINEST = 0.01
"""Deviation of the logarithm of a measured width below which a fit is not called better."""

# --- laws ---------------------------------------------------------------------------------------------------------------


def law(x: Float[np.ndarray, " k"], y: Float[np.ndarray, " k"]) -> tuple[float, float]:
    """Exponent of the power of x that fits y best in the logarithms, and Akaike's criterion of the fit.

    Two numbers are fitted, so the criterion is k log(mean square) + 4.
    """
    slope, offset = np.polyfit(np.log(x), np.log(y), 1)
    left = np.log(y) - slope * np.log(x) - offset
    return float(slope), float(len(x) * np.log(max(np.mean(left**2), FINEST**2)) + 4.0)


def laws(n: Float[np.ndarray, " k"], m: Float[np.ndarray, " k"]) -> tuple[float, float, float]:
    """Exponents of n and of log n, and by how much Akaike's criterion prefers the power of log n."""
    power, other = law(n, m)
    logarithm, own = law(np.log(n), m)
    return power, logarithm, other - own


@dataclass(frozen=True)
class Polylogarithm:
    """O: widths follow a power of log n and not one of n: Akaike's criterion prefers it by `at_least`."""

    at_least: float = 2.0
    kind: ClassVar[str] = "O"

    @property
    def low(self) -> float:
        """The least preference."""
        return self.at_least

    @property
    def high(self) -> float:
        """No upper limit."""
        return math.inf

    def statistic(self, predicted: Evidence, measured: Evidence) -> float:  # noqa: ARG002
        """Preference for the power of log n, the least of the curves; minus infinity where a width was never found."""
        found = [laws(c.x, c.y)[2] if np.all(np.isfinite(c.y)) else -math.inf for c in measured.curves]
        return min(found)

    def says(self) -> str:
        """The threshold in words."""
        return f"Akaike's criterion prefers a power of log n to a power of n by {self.at_least:g} at least"

    def chance(self, curves: int, points: int, seeds: int) -> float:
        """That of a mean beyond the margin, as for an exponent."""
        return Growth(0.0, 1.0).chance(curves, points, seeds)


# --- the smallest width -------------------------------------------------------------------------------------------------


def runs(
    trial: Trial, X: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"], net: MLP, stop: Stop
) -> list[TrainingRun]:
    """Networks of one architecture by the stated protocol; a network that fails at one rate tries the next."""
    batch = int(trial.more("batch"))
    epoch = -(-len(y) // batch) if 0 < batch < len(y) else None
    best: dict[int, TrainingRun] = {}
    seeds = [1000 * k + trial.seed for k in range(int(trial.more("nets")))]
    for each in trial.more("rates"):
        left = [seed for seed in seeds if seed not in best or best[seed].stopped not in ("error", "loss")]
        if not left:
            break
        made = train_many(
            net,
            X,
            y,
            loss="logistic",
            learning_rate=float(each) / net.widths[0],
            steps=trial.settings.steps * (epoch or 1),
            seeds=left,
            optimizer=Momentum(MOMENTUM),
            stop=stop,
            batch_size=batch if epoch else None,
            every=epoch,
        )
        best.update(zip(left, made, strict=True))
    return [best[seed] for seed in seeds]


def smallest_width(
    trial: Trial, X: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"], *, matrices: int, near: int = 0
) -> tuple[float, int]:
    """Width at which half of the networks put every row right, and the place of the last width where none did.

    Widths of the settings are tried upwards from place `near` until all networks succeed, and downwards until none does.

    Returns:
        The width, by a logistic curve in its logarithm: that of the ends where all, or at the widest none, succeed; and
        the place at which a larger sample may begin.
    """
    ladder, rows = trial.settings.widths, in_own_span(X)
    nets = int(trial.more("nets"))
    won: dict[int, int] = {}

    def successes(place: int) -> int:
        net = MLP.chen2019(matrices, ladder[place])
        won[place] = sum(run.stopped == "error" for run in runs(trial, rows, y, net, Stop(error=0.0)))
        return won[place]

    place = near
    while successes(place) < nets and place + 1 < len(ladder):
        place += 1
    place = near
    while won[place] > 0 and place > 0:
        place -= 1
        successes(place)
    places = sorted(won)
    none = [p for p in places if won[p] == 0]
    if len(none) == len(places):
        return math.inf, near
    if won[places[0]] == nets:
        return float(ladder[0]), 0
    widths = np.log2([ladder[p] for p in places])
    found = logistic_threshold(widths, np.array([won[p] for p in places]), np.full(len(places), nets))
    return float(2.0**found.value), none[-1] if none else 0


def samples(trial: Trial) -> list[Int[np.ndarray, " n"]]:
    """Nested samples of the rows, of the sizes that the settings have."""
    chosen = order(trial)
    return [chosen[: min(int(n), len(chosen))] for n in trial.more("sizes")]


def widths_by_rows(trial: Trial, y: Float[np.ndarray, " n"]) -> Float[np.ndarray, " k"]:
    """Smallest width by sample."""
    found, near = [], 0
    for rows in samples(trial):
        width, near = smallest_width(
            trial, trial.rows.X[rows], y[rows], matrices=int(trial.more("matrices")), near=near
        )
        found.append(width)
    return np.array(found)


def counts(trial: Trial) -> Float[np.ndarray, " k"]:
    """Numbers of rows of the samples."""
    return np.array([len(rows) for rows in samples(trial)], dtype=np.float64)


@functools.lru_cache(maxsize=1)
def measure_growth(trial: Trial) -> Evidence:
    """Of the labels."""
    n, m = counts(trial), widths_by_rows(trial, labels(trial))
    if not np.all(np.isfinite(m)):
        return Evidence(Curve(WIDTH, n, m))
    power, logarithm, gain = laws(n, m)
    return Evidence(
        Curve(WIDTH, n, m), **{"exponent of n": power, "exponent of log n": logarithm, "preference for log n": gain}
    )


def predict_growth(trial: Trial) -> Evidence:
    """The theorem's factor, log^(4/3)(n / delta), through the width of the fewest rows."""
    n, m = counts(trial), measure_growth(trial).curves[0].y
    return Evidence(Curve(WIDTH, n, m[0] * (np.log(n / FAILURE) / np.log(n[0] / FAILURE)) ** (4 / 3)))


def last_layer_alone(trial: Trial) -> Evidence:
    """Random labels, and nothing but the last matrix trained: the smallest number of last neurons that separates them.

    The number has a deviation of root n / 2: the fewer the rows, the more draws, so that all points are known alike.
    """
    L, rng = int(trial.more("matrices")), trial.rng
    found = []
    for rows in samples(trial):
        n = len(rows)
        draws = range(max(DRAWS // n, 2))
        found.append(
            np.mean([separating(features(trial, rows, L, 2 * n, k), rng.choice([-1.0, 1.0], n)) for k in draws])
        )
    return Evidence(Curve(WIDTH, counts(trial), found))


def features(
    trial: Trial, rows: Int[np.ndarray, " n"], matrices: int, width: int, draw: int
) -> Float[np.ndarray, "n m"]:
    """Outputs of the last hidden layer at the start."""
    net = MLP.chen2019(matrices, width)
    h = trial.rows.X[rows]
    params = net.init(1000 * draw + trial.seed, d=h.shape[1])
    for name in net.weight_names[:-1]:
        h = np.maximum(h @ np.asarray(params[name], dtype=np.float64).T, 0.0)
    return np.asarray(h)


def separating(phi: Float[np.ndarray, "n m"], y: Float[np.ndarray, " n"]) -> float:
    """Fewest columns, from the first on, whose span separates the labels, by bisection over linear programmes."""

    def enough(m: int) -> bool:
        signed = -y[:, None] * phi[:, :m] / np.max(np.abs(phi))
        return bool(scipy.optimize.linprog(np.zeros(m), signed, -np.ones(len(y)), bounds=(None, None)).status == 0)

    low, high = 0, max(len(y) // 2, 1)
    while not enough(high):
        if high == phi.shape[1]:
            return math.inf
        low, high = high, min(2 * high, phi.shape[1])
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return float(high)


# --- the claims ---------------------------------------------------------------------------------------------------------

PROTOCOL = (
    "Protocol: descent with momentum .9 on the mean logistic loss, all layers, at the rate 0.3/m, full batches, 1000 steps at most "
    "(at scale `paper` batches of 64, 1000 epochs, the best of 1, .3, .1 and .03 over m). A network succeeds if every row is "
    "on its right side at some step (epoch); the width is where a logistic curve through the successes of the networks, on widths "
    "a factor of root two apart, passes one half."
)
NO_PROTOCOL = "The paper states no rate, rule, number of steps, start or search: its numbers and ours need not agree."
THIN = (unit_norm_rows, no_parallel_rows, classes_apart)
LADDER = (2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 64)
SMOKE = Settings(
    data="iris",
    n=40,
    widths=(16,),
    steps=300,
    more={"matrices": 2, "nets": 3, "rates": (0.5,), "batch": 0, "sizes": (20, 40), "rate": 0.5},
)
QUICK = {"matrices": 5, "nets": 5, "rates": (0.3,), "batch": 0, "rate": 0.3}
PAPER = {"matrices": 5, "nets": 10, "rates": (1.0, 0.3, 0.1, 0.03), "batch": 64, "rate": 1.0}


def _growth(name: str, title: str, data: str, published: Curve) -> Claim:
    power, logarithm, gain = laws(published.x, published.y)
    return Claim(
        key=f"chen2019-width-{name}",
        type="O",
        source="chen2019",
        locator="figure 1, theorem 3.3",
        title=f"The smallest width grows like a power of log n: {title}",
        statement="The smallest width whose networks fit n rows follows a power of log n better than a power of n. Where points "
        "cannot tell the two apart, that is not shown.",
        formula=r"m_{\min}(n) \sim \log^p n",
        quantity="width",
        hypotheses=(*THIN, theorem_width),
        predict=predict_growth,
        measure=measure_growth,
        criterion=Polylogarithm(),
        control=last_layer_alone,
        control_text="random labels, and of networks of twice as many neurons as rows nothing but the last matrix trained, decided "
        "by linear programmes: the fewest of the last neurons that separate grow like n",
        axes=Axes(x="rows", y="smallest width that fits", log_x=True, log_y=True),
        method=(
            PROTOCOL,
            NO_PROTOCOL,
            f"The paper's points: n^{power:.2f} or (log n)^{logarithm:.2f}; Akaike's criterion prefers the latter by {gain:.1f}.",
            "The prediction is the theorem's factor of n alone, log^(4/3)(n/delta), through the first point.",
        ),
        settings={
            "smoke": SMOKE,
            "quick": Settings(
                data=data, n=400, widths=LADDER, steps=1000, more={**QUICK, "sizes": (25, 50, 100, 200, 400)}
            ),
            "paper": Settings(
                data=data,
                n=10000,
                widths=LADDER,
                steps=1000,
                seeds=10,
                more={**PAPER, "sizes": (100, 200, 400, 1000, 2000, 4000, 10000)},
            ),
        },
        published=(published,),
        cost=2.0,
    )


CLAIMS = (
    _growth("cat-dog", "CIFAR-10, cat and dog", "cifar10:cat,dog", CAT_DOG),
    _growth("cat-ship", "CIFAR-10, cat and ship", "cifar10:cat,ship", CAT_SHIP),
)
