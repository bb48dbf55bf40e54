"""Claims of Chen et al. 2019 on the theorem's width: is it enough, has it the right order, and what depth and accuracy ask for."""

from __future__ import annotations

import functools
import math
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from widthwise.atlas.chen2019_figures import WIDTH
from widthwise.atlas.chen2019_rows import (
    Growth,
    gram,
    in_own_span,
    labels,
    log10_width,
    order,
    radius,
    shuffled,
    small_rate,
    theorem_width,
)
from widthwise.atlas.chen2019_width import (
    LADDER,
    PAPER,
    PROTOCOL,
    QUICK,
    SMOKE,
    THIN,
    counts,
    law,
    runs,
    samples,
    smallest_width,
    widths_by_rows,
)
from widthwise.atlas.claim import Axes, Claim
from widthwise.atlas.criteria import Ordering, Sufficient
from widthwise.atlas.trial import Curve, Evidence, Settings, Trial
from widthwise.networks import MLP
from widthwise.theory import logistic_threshold, margin
from widthwise.training import Stop

# --- the theorem's width ------------------------------------------------------------------------------------------------


def asked(trial: Trial, y: Float[np.ndarray, " n"]) -> Float[np.ndarray, " k"]:
    """The theorem's width by sample, at constant 1 and the loss below which a row is put right."""
    K, L = gram(trial), int(trial.more("matrices"))
    found = [log10_width(margin(K[np.ix_(r, r)], y[r]).value, len(r), L, math.log(2.0)) for r in samples(trial)]
    return np.asarray(10.0 ** np.array(found))


def predict_theory(trial: Trial) -> Evidence:
    """What the theorem asks for."""
    return Evidence(Curve(WIDTH, counts(trial), asked(trial, labels(trial))))


def measure_theory(trial: Trial) -> Evidence:
    """What is enough."""
    return Evidence(Curve(WIDTH, counts(trial), widths_by_rows(trial, labels(trial))))


def with_both_labels(trial: Trial) -> Evidence:
    """Every other row is the one before it with the other label: no width is enough."""
    found = []
    for rows in samples(trial):
        pairs = np.repeat(rows[::2], 2)[: len(rows)]
        found.append(never(trial, trial.rows.X[pairs], int(trial.more("matrices"))))
    return Evidence(Curve(WIDTH, counts(trial), found))


def never(trial: Trial, X: Float[np.ndarray, "n d"], matrices: int) -> float:
    """Smallest width for rows that come in pairs of opposite labels, tried at the widest alone."""
    y = np.resize([1.0, -1.0], len(X))
    return smallest_width(trial, X, y, matrices=matrices, near=len(trial.settings.widths) - 1)[0]


KINDS = ("labels", "shuffled labels")


def predict_order(trial: Trial) -> Evidence:
    """The theorem's width of both kinds of labels."""
    n = counts(trial)
    return Evidence(*(Curve(k, n, asked(trial, y)) for k, y in zip(KINDS, both(trial), strict=True)))


def both(trial: Trial) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """The labels, and the same on other rows."""
    return labels(trial), shuffled(trial)


@functools.lru_cache(maxsize=1)
def measure_order(trial: Trial) -> Evidence:
    """What is enough for each."""
    n = counts(trial)
    return Evidence(*(Curve(k, n, widths_by_rows(trial, y)) for k, y in zip(KINDS, both(trial), strict=True)))


def from_the_other_end(trial: Trial) -> Evidence:
    """The same widths, each at the place of the other kind and the other end."""
    curves = measure_order(trial).curves
    return Evidence(*(Curve(a.label, a.x, b.y[::-1]) for a, b in zip(curves, reversed(curves), strict=True)))


# --- depth --------------------------------------------------------------------------------------------------------------


def depths(trial: Trial) -> list[int]:
    """Numbers of matrices."""
    return [int(L) for L in trial.more("depths")]


def predict_depth(trial: Trial) -> Evidence:
    """What the theorem asks for."""
    y, n, L = labels(trial), trial.rows.n, depths(trial)
    found = [10.0 ** log10_width(margin(gram(trial, k), y).value, n, k, math.log(2.0)) for k in L]
    return Evidence(
        Curve(WIDTH, L, found), **{"exponent asked for": law(np.array(L, dtype=np.float64), np.array(found))[0]}
    )


def measure_depth(trial: Trial) -> Evidence:
    """What is enough."""
    L = depths(trial)
    found, near = [], 0
    for k in L:
        width, near = smallest_width(trial, trial.rows.X, labels(trial), matrices=k, near=near)
        found.append(width)
    whole = bool(np.all(np.isfinite(found)))
    exponent = law(np.array(L, dtype=np.float64), np.array(found))[0] if whole else math.inf
    return Evidence(Curve(WIDTH, L, found), **{"exponent measured": exponent})


def depth_with_both_labels(trial: Trial) -> Evidence:
    """Rows in pairs with opposite labels: no width is enough."""
    chosen = order(trial)
    pairs = np.repeat(chosen[::2], 2)[: trial.rows.n]
    return Evidence(Curve(WIDTH, depths(trial), [never(trial, trial.rows.X[pairs], L) for L in depths(trial)]))


# --- accuracy -----------------------------------------------------------------------------------------------------------


def accuracies(trial: Trial) -> Float[np.ndarray, " e"]:
    """Training losses that are asked for."""
    return 2.0 ** -np.arange(1.0, trial.more("halvings") + 1.0)


@functools.lru_cache(maxsize=1)
def first_steps(trial: Trial) -> Float[np.ndarray, "w k e"]:
    """First step with a loss of at most epsilon, by width and network; infinite where there is none."""
    epsilon, rows = accuracies(trial), in_own_span(trial.rows.X)
    found = np.full((len(trial.settings.widths), int(trial.more("nets")), len(epsilon)), math.inf)
    for i, width in enumerate(trial.settings.widths):
        net = MLP.chen2019(int(trial.more("matrices")), width)
        for j, run in enumerate(runs(trial, rows, labels(trial), net, Stop(loss=float(epsilon[-1])))):
            for k, e in enumerate(epsilon):
                reached = np.flatnonzero(run.history.loss <= e)
                if len(reached):
                    found[i, j, k] = run.history.steps[reached[0]]
    return found


def widths_by_accuracy(trial: Trial, steps: float) -> Float[np.ndarray, " e"]:
    """Width at which half of the networks reach epsilon within so many steps."""
    nets, ladder = int(trial.more("nets")), trial.settings.widths
    found = []
    first = first_steps(trial)
    for won in np.sum(np.isfinite(first) & (first <= steps), axis=1).T:
        fit = logistic_threshold(np.log2(ladder), won, np.full(len(ladder), nets))
        beyond = fit.value > np.log2(ladder[-1])
        found.append(math.inf if beyond else max(2.0**fit.value, float(ladder[0])))
    return np.array(found)


def measure_accuracy(trial: Trial) -> Evidence:
    """In the steps of the settings."""
    first = first_steps(trial)[-1]
    return Evidence(
        Curve(WIDTH, 1.0 / accuracies(trial), widths_by_accuracy(trial, math.inf)),
        **{
            "median steps of the widest to the first loss": np.median(first[:, 0]),
            "median steps of the widest to the last loss": np.median(first[:, -1]),
        },
    )


def predict_accuracy(trial: Trial) -> Evidence:
    """The same width for every accuracy; beside it the exponent of the theorem's own formula on these accuracies."""
    epsilon, m = accuracies(trial), widths_by_accuracy(trial, math.inf)
    exponent = law(1.0 / epsilon, radius(1.0, trial.rows.n, epsilon) ** 8)[0]
    return Evidence(Curve(WIDTH, 1.0 / epsilon, np.full_like(m, m[0])), **{"exponent of the leading term": exponent})


def in_few_steps(trial: Trial) -> Evidence:
    """In the steps that the first accuracy takes the widest networks."""
    few = float(np.median(first_steps(trial)[-1, :, 0]))
    return Evidence(Curve(WIDTH, 1.0 / accuracies(trial), widths_by_accuracy(trial, few)))


# --- the claims ---------------------------------------------------------------------------------------------------------

CLAIMS = (
    Claim(
        key="chen2019-width-theorem",
        type="S",
        source="chen2019",
        locator="theorem 3.3, corollary 4.4",
        title="The theorem's width is enough",
        statement="A width of (R^4 L^11)^2 log^(4/3)(n/delta), R the radius that the margin gives, is enough to fit the rows; at "
        "constant 1.",
        formula=r"m \ge [R^4 L^{11}]^{1/\alpha} \log^{2/(2-\alpha)}(n/\delta),\quad \alpha = 1/2",
        quantity="width",
        hypotheses=THIN,
        predict=predict_theory,
        measure=measure_theory,
        criterion=Sufficient(),
        control=with_both_labels,
        control_text="rows in pairs that differ in nothing but their label: no width is enough",
        axes=Axes(x="rows", y="width", log_x=True, log_y=True),
        method=(PROTOCOL, "The loss asked for is log 2 for every row: below it a row is on its right side."),
        settings={
            "smoke": SMOKE,
            "quick": Settings(
                data="cifar10:cat,dog", n=200, widths=LADDER, steps=1000, more={**QUICK, "sizes": (25, 50, 100, 200)}
            ),
            "paper": Settings(
                data="cifar10:cat,dog",
                n=4000,
                widths=LADDER,
                steps=1000,
                seeds=10,
                more={**PAPER, "sizes": (100, 200, 400, 1000, 2000, 4000)},
            ),
        },
        cost=1.0,
    ),
    Claim(
        key="chen2019-width-order",
        type="Q",
        source="chen2019",
        locator="theorem 3.3, corollary 4.4",
        title="Labels of a smaller margin need wider networks",
        statement="Over numbers of rows, and over the labels and shuffled ones, the width that is enough has the order of the "
        "theorem's: what the margin says bears on what is needed, whatever the constant.",
        formula=r"\tau\bigl(m_{\min},\ [R^4 L^{11}]^{1/\alpha} \log^{2/(2-\alpha)}(n/\delta)\bigr) \ge 0.7",
        quantity="width",
        hypotheses=(*THIN, theorem_width),
        predict=predict_order,
        measure=measure_order,
        criterion=Ordering(tau=0.7),
        control=from_the_other_end,
        control_text="the same widths, each at the place of the other kind of labels and the other number of rows",
        axes=Axes(x="rows", y="width", log_x=True, log_y=True),
        method=(PROTOCOL, "Shuffled labels are the same labels on other rows."),
        settings={
            "smoke": replace(SMOKE, more={**SMOKE.more, "sizes": (10,)}),
            "quick": Settings(
                data="cifar10:cat,dog", n=200, widths=LADDER, steps=1000, more={**QUICK, "sizes": (50, 100, 200)}
            ),
            "paper": Settings(
                data="cifar10:cat,dog",
                n=2000,
                widths=LADDER,
                steps=1000,
                seeds=10,
                more={**PAPER, "sizes": (100, 200, 400, 1000, 2000)},
            ),
        },
        cost=1.5,
    ),
    Claim(
        key="chen2019-width-depth",
        type="S",
        source="chen2019",
        locator="theorem 3.3",
        title="The theorem's width is enough at every depth from two to eight matrices",
        statement="The width asked for grows with the depth like L^22 at a given radius, polynomially and not exponentially; at "
        "constant 1 it is enough at every depth.",
        formula=r"m \ge [R^4 L^{11}]^{1/\alpha} \log^{2/(2-\alpha)}(n/\delta),\quad L = 2, \ldots, 8",
        quantity="width",
        hypotheses=THIN,
        predict=predict_depth,
        measure=measure_depth,
        criterion=Sufficient(),
        control=depth_with_both_labels,
        control_text="rows in pairs that differ in nothing but their label: no width is enough",
        axes=Axes(x="matrices L", y="width", log_y=True),
        method=(PROTOCOL,),
        settings={
            "smoke": replace(SMOKE, more={**SMOKE.more, "depths": (2, 3)}),
            "quick": Settings(
                data="cifar10:cat,dog", n=100, widths=LADDER, steps=1000, more={**QUICK, "depths": (2, 3, 5, 8)}
            ),
            "paper": Settings(
                data="cifar10:cat,dog",
                n=1000,
                widths=LADDER,
                steps=1000,
                seeds=10,
                more={**PAPER, "depths": (2, 3, 4, 5, 6, 7, 8)},
            ),
        },
        cost=2.0,
    ),
    Claim(
        key="chen2019-width-accuracy",
        type="O",
        source="chen2019",
        locator="theorem 3.3, table 1",
        title="A smaller loss does not ask for a wider network",
        statement="The width from which descent reaches a training loss of epsilon hardly grows as epsilon falls from 1/2 on: its "
        "exponent in 1/epsilon is zero up to logarithms, where earlier theorems have powers up to 14.",
        formula=r"m_{\min}(\varepsilon) = \mathrm{polylog}(1/\varepsilon)",
        quantity="width",
        hypotheses=(*THIN, theorem_width, small_rate),
        predict=predict_accuracy,
        measure=measure_accuracy,
        criterion=Growth(low=-0.1, high=0.1),
        control=in_few_steps,
        control_text="no more steps than the widest networks take to the first loss: the others are out of reach",
        axes=Axes(x="1 / training loss", y="smallest width", log_x=True, log_y=True),
        method=(
            (
                "Protocol: full-batch descent with momentum .9 on the mean logistic loss, all layers, at a rate in proportion to "
                "1/m; the width is where a logistic curve through the networks that reach the loss passes one half."
            ),
        ),
        settings={
            "smoke": replace(SMOKE, widths=(1, 16), more={**SMOKE.more, "halvings": 4}),
            "quick": Settings(
                data="cifar10:cat,dog",
                n=100,
                widths=(2, 3, 4, 6, 8, 11, 16),
                steps=3000,
                more={**QUICK, "halvings": 12},
            ),
            "paper": Settings(
                data="cifar10:cat,dog",
                n=1000,
                widths=LADDER,
                steps=20000,
                seeds=10,
                more={**PAPER, "batch": 0, "halvings": 12},
            ),
        },
        cost=1.5,
    ),
)
