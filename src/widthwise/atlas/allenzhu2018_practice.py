"""Allen-Zhu, Li and Liang 2018: choosing on test rows, noisy and misspecified targets, and which norm is penalised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from widthwise.atlas.allenzhu2018_figures import (
    FROBENIUS,
    NORM_ERRORS,
    NORM_SPREADS,
    QUARTIC,
    THREE,
    TWO,
    Table,
    published,
)
from widthwise.atlas.allenzhu2018_learners import (
    ASSUMPTIONS,
    RATES,
    Layers,
    descend,
    finite_kernel,
    kernel_fits,
    merged,
    network,
    sample,
)
from widthwise.atlas.claim import Axes, Claim, Scale
from widthwise.atlas.criteria import Equality, UpperBound
from widthwise.atlas.trial import Curve, Evidence, Rows, Settings, Trial
from widthwise.training import RowQuartic, WeightDecay
from widthwise.training.probes import Spread

# Choosing on the test rows.


def _candidates(trial: Trial, layers: Layers, rows: Rows, X: Float[np.ndarray, "t d"]) -> Float[np.ndarray, "c t"]:
    """Answers on rows X of every rate at every pause: what one may choose among."""
    m = max(trial.settings.widths)
    net = network(layers, m, biases=trial.more("biases"))
    found: list[Float[np.ndarray, " t"]] = []
    for factor in trial.more("factors"):
        run = descend(trial, net, rows, m, rate=RATES[layers] * factor, pauses=int(trial.more("pauses")), watch=X)
        found += [
            answers[:, 0] for answers in np.asarray(run.history.outputs, np.float64)[1:] if np.isfinite(answers).all()
        ]
    return np.array(found)


def _reported(squares: Float[np.ndarray, "c t"], k: int, rng: np.random.Generator, draws: int) -> tuple[float, float]:
    """Mean over draws of k test rows: the best value on them, and the error of that candidate on all the other rows."""
    best, true = [], []
    total, count = squares.sum(axis=1), squares.shape[1]
    for _ in range(draws):
        chosen = rng.choice(count, k, replace=False)
        on_test = squares[:, chosen].sum(axis=1)
        i = int(np.argmin(on_test))
        best.append(on_test[i] / k)
        true.append((total[i] - on_test[i]) / (count - k))
    return float(np.mean(best)), float(np.mean(true))


def _tests(trial: Trial) -> list[int]:
    return [k for k in trial.more("test sizes") if 2 * k <= len(trial.rows.y_test)]


def predict_choice(trial: Trial) -> Evidence:
    """One: what is reported is the error."""
    sizes = np.array(_tests(trial))
    return Evidence(*(Curve(label, sizes, np.ones(len(sizes))) for label in (TWO, THREE)))


def measure_choice(trial: Trial, *, seen: bool = False) -> Evidence:
    """The best test value over the error of what was chosen, over the number of test rows; or where they are training rows."""
    rows, sizes = trial.rows, _tests(trial)
    rng = np.random.default_rng([trial.seed, 13])
    curves, numbers = [], {}
    learners: tuple[tuple[str, Layers], ...] = ((TWO, 2), (THREE, 3))
    for label, layers in learners:
        held = rows.n // 5
        part = replace(rows, X=rows.X[held:], y=rows.y[held:])
        X = np.concatenate([rows.X_test, rows.X])
        answers = _candidates(trial, layers, part, X)
        squares = (answers - np.concatenate([rows.y_test, rows.y])) ** 2
        fresh, own = squares[:, : len(rows.y_test)], squares[:, len(rows.y_test) :]
        if seen:
            # As if the first test rows were rows of the training set.
            trained = own[:, held:].mean(axis=1)
            i = int(np.argmin(trained))
            values = [float(trained[i] / fresh[i].mean())] * len(sizes)
        else:
            pairs = [_reported(fresh, k, rng, int(trial.more("draws"))) for k in sizes]
            values = [best / true for best, true in pairs]
        honest = fresh[int(np.argmin(own[:, :held].mean(axis=1)))].mean()
        numbers[f"{label}: least error of all candidates"] = float(fresh.mean(axis=1).min())
        numbers[f"{label}: error of that chosen on a fifth of the training rows"] = float(honest)
        curves.append(Curve(label, np.array(sizes), values))
    return Evidence(*curves, **numbers)


# Targets that nothing in the class fits.

NOISE, OUTSIDE = "noise", "a part outside the class"
GAMMA = 0.25


def _spoilt(trial: Trial, kind: str, size: float) -> Rows:
    """The rows with a part of mean square `size` added: fresh noise, or a wave too fast to be learned."""
    rows = trial.rows
    rng = np.random.default_rng([trial.seed, 17])
    if kind == NOISE:
        added = [np.sqrt(size) * rng.standard_normal(len(y)) for y in (rows.y, rows.y_test)]
    else:
        direction = rng.standard_normal(rows.d)
        direction *= float(trial.more("frequency")) / np.linalg.norm(direction)
        added = [np.sqrt(2.0 * size) * np.sin(X @ direction) for X in (rows.X, rows.X_test)]
    return replace(rows, y=rows.y + added[0], y_test=rows.y_test + added[1])


def _stopped(trial: Trial, rows: Rows) -> float:
    """Test error of three layers, stopped where a held-out fifth of the training rows is best."""
    m = max(trial.settings.widths)
    held = rows.n // 5
    part = replace(rows, X=rows.X[held:], y=rows.y[held:])
    watch = np.concatenate([rows.X[:held], rows.X_test])
    run = descend(
        trial, network(3, m), part, m, rate=RATES[3], pauses=int(trial.more("pauses")), watch=watch, constant=True
    )
    squares = (np.asarray(run.history.outputs, np.float64)[:, :, 0] - np.concatenate([rows.y[:held], rows.y_test])) ** 2
    best = int(np.argmin(squares[:, :held].mean(axis=1)))
    return float(squares[best, held:].mean())


def _levels(trial: Trial) -> Float[np.ndarray, " t"]:
    return np.array(trial.more("levels"), np.float64) * float(np.var(trial.rows.y))


def predict_risk(trial: Trial) -> Evidence:
    """(1 + gamma) OPT + epsilon, epsilon being the risk without noise."""
    alone = _stopped(trial, trial.rows)
    levels = _levels(trial)
    return Evidence(*(Curve(label, levels, (1.0 + GAMMA) * levels + alone) for label in (NOISE, OUTSIDE)))


def measure_risk(trial: Trial, *, peak: bool = False) -> Evidence:
    """Test errors over OPT; or of the last layer of two by least squares with as many neurons as rows."""

    def error(rows: Rows) -> float:
        if not peak:
            return _stopped(trial, rows)
        K, cross = finite_kernel(trial, 2, rows, rows.n, trained="last")
        return kernel_fits(K, cross, rows.y, rows.y_test, (0.0,))[0].error

    levels = _levels(trial)
    return Evidence(
        *(
            Curve(label, levels, [error(_spoilt(trial, label, float(size))) for size in levels])
            for label in (NOISE, OUTSIDE)
        )
    )


# Which norm is penalised.

ERROR, SPREAD = "test error", "spread"


def _label(what: str, penalty: str) -> str:
    return f"{what}, {penalty}"


def _penalised(trial: Trial, m: int, penalty: str, strength: float) -> tuple[float, float]:
    """Test error and spread of W. The quartic penalty of rows as long as at the start shrinks them as much as the other."""
    rule = (
        WeightDecay(strength, names=("W",))
        if penalty == FROBENIUS
        else RowQuartic(strength * m / (4.0 * trial.rows.d), names=("W",))
    )
    net = network(3, m, biases=trial.more("biases"))
    run = descend(trial, net, trial.rows, m, rate=RATES[3], penalty=rule, probes=(Spread(of="weights"),))
    return float(run.history.test_loss[-1]), float(np.ravel(run.history.probes["spread"][-1])[0])


def _norms(trial: Trial, which: Mapping[str, str], strength: float) -> Evidence:
    """Curves of the two penalties, each measured with the penalty that it is mapped to."""
    widths = trial.settings.widths
    known: dict[tuple[str, int], tuple[float, float]] = {}
    for penalty in set(which.values()):
        for m in widths:
            known[penalty, m] = _penalised(trial, m, penalty, strength)
    return Evidence(
        *(
            Curve(_label(what, label), np.array(widths), [known[used, m][place] for m in widths])
            for place, what in enumerate((ERROR, SPREAD))
            for label, used in which.items()
        )
    )


def predict_norms(trial: Trial) -> Evidence:
    """Either penalty as the Frobenius norm does."""
    return _norms(trial, {QUARTIC: FROBENIUS, FROBENIUS: FROBENIUS}, float(trial.more("strength")))


def measure_norms(trial: Trial) -> Evidence:
    """Each as it is."""
    return _norms(trial, {QUARTIC: QUARTIC, FROBENIUS: FROBENIUS}, float(trial.more("strength")))


def overdone(trial: Trial) -> Evidence:
    """Both so strong that nothing is learned."""
    return _norms(trial, {QUARTIC: QUARTIC, FROBENIUS: FROBENIUS}, float(trial.more("too strong")))


def _figure_3() -> tuple[Curve, ...]:
    pairs: tuple[tuple[str, Table], ...] = ((ERROR, NORM_ERRORS), (SPREAD, NORM_SPREADS))
    return tuple(
        Curve(_label(what, curve.label), curve.x, curve.y) for what, table in pairs for curve in published(table)
    )


_SHARED = {"target": "sine", "passes": 200, "frequency": 60.0, "strength": 1e-4, "too strong": 1.0}


def _scales(biases: str, quick: Settings, paper: Settings) -> Mapping[Scale, Settings]:
    small = merged(_SHARED, biases=biases, factors=(0.5, 1.0), pauses=4, draws=20, levels=(0.0, 0.3))
    small |= {"test sizes": (20, 1000)}
    smoke = Settings(data="generated", n=100, n_test=2000, widths=(16,), more=small)
    return {
        "smoke": smoke,
        "quick": replace(quick, more=merged(_SHARED, biases=biases) | dict(quick.more)),
        "paper": replace(paper, more=merged(_SHARED, biases=biases) | dict(paper.more)),
    }


_CHOICE = {"factors": (0.2, 0.5, 1.0), "pauses": 8, "draws": 400, "test sizes": (20, 50, 200, 1000)}
_RISK = {"pauses": 50, "passes": 100, "levels": (0.0, 0.05, 0.2, 0.5)}
_WHOLE = Settings(data="generated", n=1000, n_test=20_000, widths=(2000,), seeds=5)

PRACTICE = (
    Claim(
        key="allenzhu2018-choice",
        type="E",
        source="allenzhu2018",
        locator="section 3, experiments",
        title="The best test value is the error, where there are test rows enough",
        statement="The authors report the best test value over rates and decays. Beside the error, on rows that had no part in the "
        "choice, of what was chosen so, the value reported is too small by less than 5 % once there are 1000 test rows.",
        formula=r"\min_\theta \widehat{\mathrm{risk}}_k(\theta) \,/\, \mathrm{risk}(\hat\theta_k) \to 1",
        quantity="test error",
        hypotheses=ASSUMPTIONS,
        predict=predict_choice,
        measure=measure_choice,
        criterion=Equality(tolerance=0.05, since=1000.0),
        control=lambda trial: measure_choice(trial, seen=True),
        control_text="test rows that are rows of the training set, as in a public reproduction",
        axes=Axes(x="test rows k", y="reported over true error", log_x=True),
        settings=_scales(
            "trained",
            Settings(data="generated", n=500, n_test=6000, widths=(100,), more=_CHOICE),
            replace(_WHOLE, more=merged(_CHOICE, passes=800, factors=(0.1, 0.2, 0.5, 1.0, 2.0))),
        ),
        method=(
            (
                "Candidates are all rates at all pauses; means over many draws of the test rows, so that only the bias of the "
                "choice is left."
            ),
            "Beside it the error of the candidate that a held-out fifth of the training rows chooses.",
        ),
        labels="number",
        sample=sample,
        cost=0.6,
    ),
    Claim(
        key="allenzhu2018-risk",
        type="U",
        source="allenzhu2018",
        locator="theorems 1 and 2",
        title="On noisy targets the risk is at most (1 + 1/4) OPT + epsilon",
        statement="Where nothing in the concept class fits the targets the algorithm comes within a factor 1 + gamma of the best "
        "of the class, gamma at most 1/4, and an epsilon that the number of rows decides.",
        formula=r"\mathrm{risk} \le (1 + \gamma)\,\mathrm{OPT} + \varepsilon_0, \quad \gamma \le 1/4",
        quantity="risk",
        hypotheses=ASSUMPTIONS,
        predict=predict_risk,
        measure=measure_risk,
        criterion=UpperBound(),
        control=lambda trial: measure_risk(trial, peak=True),
        control_text="the last of two layers by least squares, with as many neurons as rows",
        axes=Axes(x="OPT", y="test error"),
        settings=_scales(
            "frozen",
            Settings(data="generated", n=1000, n_test=4000, widths=(100,), more=_RISK),
            replace(_WHOLE, n=10_000, more=merged(_RISK, passes=400)),
        ),
        method=(
            "Three layers, stopped where a held-out fifth of the training rows is best, as the theorem's best of the steps.",
            "Noise is normal; the part outside the class is a wave of frequency 60. OPT is their mean square.",
            "Epsilon is the error without either: a leading term, since epsilon may be larger where the targets are.",
        ),
        labels="number",
        sample=sample,
        cost=0.8,
    ),
    Claim(
        key="allenzhu2018-norms",
        type="E",
        source="allenzhu2018",
        locator="section 4, figure 3",
        title="Penalising the (2, 4) norm or the Frobenius norm is the same",
        statement="The theorem penalises the fourth power of the (2, 4) norm of W, which spreads it over the neurons; the squared "
        "Frobenius norm leads to the same test error and to the same spread.",
        formula=r"\|W\|_{2,4}^4 \text{ or } \|W\|_F^2: \text{ same risk, same } m \|W\|_{2,4}^4 / \|W\|_F^4",
        quantity="norms",
        hypotheses=ASSUMPTIONS,
        predict=predict_norms,
        measure=measure_norms,
        criterion=Equality(tolerance=0.3),
        control=overdone,
        control_text="penalties ten thousand times as strong",
        axes=Axes(x="width m", y="test error, spread", log_x=True, log_y=True),
        settings=_scales(
            "trained",
            Settings(data="generated", n=1000, n_test=4000, widths=(100, 200), more={"passes": 400}),
            replace(_WHOLE, widths=(100, 200, 500, 1000, 2000, 5000), more={"passes": 800}),
        ),
        method=(
            (
                "Penalties on W alone, of strength 1e-4 for the Frobenius norm and as strong on rows of the length of the start "
                "for the other; around zero, as in the paper."
            ),
            (
                "Predicted is the run with the Frobenius norm. Tolerance 30 %: the paper's own figures 1 (a) and 3 (a) differ by "
                "so much at one setting."
            ),
        ),
        labels="number",
        sample=sample,
        published=_figure_3(),
        cost=1.2,
    ),
)
