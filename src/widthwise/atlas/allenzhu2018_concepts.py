"""Allen-Zhu, Li and Liang 2018: complexities of concepts, rows asked and needed, weights that learn them, size of the class."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import stats

from widthwise.atlas.allenzhu2018_coupling import THEORY
from widthwise.atlas.allenzhu2018_learners import (
    ASSUMPTIONS,
    SOURCES,
    Layers,
    Powers,
    first,
    merged,
    network,
    sample,
    shuffled,
    trained_error,
)
from widthwise.atlas.claim import Axes, Claim, Scale
from widthwise.atlas.criteria import Ordering, Sufficient, UpperBound
from widthwise.atlas.trial import Curve, Evidence, Rows, Settings, Trial
from widthwise.datasets.synthetic import CompositeConcept, Concept, composite_concept, concept
from widthwise.solvers.eigen import ridge_path
from widthwise.theory.learnability import (
    CompositeComplexity,
    composite_complexity,
    log_sample_complexity,
    polynomial,
    series,
)

DIFFICULTY = "error over variance"


def _of_scale(trial: Trial, scale: float) -> Rows:
    """The rows with targets sum_i a_i sin(s w1.x) w2.x of variance one; the same directions for every scale."""
    own = np.random.default_rng([trial.seed, 19])
    return _told_by(trial.rows, concept("sin", scale, terms=int(trial.more("terms")), d=trial.rows.d, seed=own))


def _told_by(rows: Rows, target: Concept | CompositeConcept) -> Rows:
    """The rows with targets of variance one."""
    y, y_test = target(rows.X), target(rows.X_test)
    unit = float(np.std(y))
    return replace(rows, y=y / unit, y_test=y_test / unit)


def predict_concepts(trial: Trial) -> Evidence:
    """The sample complexity of sin(s z), at C* = 1."""
    scales = trial.more("scales")
    return Evidence(Curve(DIFFICULTY, scales, [np.exp(log_sample_complexity(series("sin", s))) for s in scales]))


def _shuffled(rows: Rows, seed: int, place: int) -> Rows:
    """The rows with the target in an order of its own: one order for all would move their errors together."""
    own = np.random.default_rng([seed, 5, place])
    return replace(rows, y=own.permutation(rows.y), y_test=own.permutation(rows.y_test))


def measure_concepts(trial: Trial, *, shuffle: bool = False) -> Evidence:
    """Test errors of two layers on targets of growing scale, or on these in random order over the rows."""
    m, scales = max(trial.settings.widths), trial.more("scales")
    errors = []
    for place, scale in enumerate(scales):
        rows = _of_scale(trial, scale)
        rows = _shuffled(rows, trial.seed, place) if shuffle else rows
        errors.append(trained_error(trial, 2, rows, m) / float(np.var(rows.y_test)))
    return Evidence(Curve(DIFFICULTY, scales, errors))


THREE, TWO = "three layers", "two layers"


@dataclass(frozen=True, kw_only=True)
class Composite:
    """A target of sines of sines, by its scales.

    Attributes:
        outer: scale of the outer function.
        inner: scale of the inner ones.
        asked: its complexity at C* = 1.
        asked_large: at the paper's 10^4.
    """

    outer: float
    inner: float
    asked: CompositeComplexity
    asked_large: CompositeComplexity


def _composites(trial: Trial) -> list[Composite]:
    """Every pair of an outer and an inner scale, the easiest first."""

    def asked_of(outer: float, inner: float, constant: float) -> CompositeComplexity:
        return composite_complexity(
            (series("sin", outer),),
            (series("sin", inner), series("sin")),
            terms=int(trial.more("terms")),
            inner_terms=int(trial.more("inner terms")),
            accuracy=float(trial.more("epsilon")),
            constant=constant,
        )

    found = [
        Composite(outer=S, inner=s, asked=asked_of(S, s, 1.0), asked_large=asked_of(S, s, 1e4))
        for S in trial.more("outer scales")
        for s in trial.more("inner scales")
    ]
    return sorted(found, key=lambda one: one.asked.log_rows)


def predict_composites(trial: Trial) -> Evidence:
    """Decades of the rows asked at C* = 1, over those of the hardest; at C* = 10^4 their own logarithm, of the hardest."""
    targets = _composites(trial)
    decades = np.array([one.asked.decades for one in targets])
    told = {f"decades asked, outer scale {one.outer:g}, inner {one.inner:g}": one.asked.decades for one in targets}
    large = (targets[-1].asked_large.log_log_rows - np.log(np.log(10.0))) / np.log(10.0)
    told["log10 of the decades asked at C* = 10000, of the hardest"] = float(large)
    return Evidence(*(Curve(label, decades, decades / decades[-1]) for label in (THREE, TWO)), **told)


def measure_composites(trial: Trial) -> Evidence:
    """Test errors of three and of two layers on the targets, and their order beside that of the complexities."""
    targets = _composites(trial)
    decades = [one.asked.decades for one in targets]
    found = [_errors_on(trial, layers, targets) for layers in (3, 2)]
    large = [one.asked_large.log_log_rows for one in targets]
    told = {
        "rank correlation with the complexities, two layers": stats.kendalltau(decades, found[1]).statistic,
        "rank correlation at C* = 10000, three layers": stats.kendalltau(large, found[0]).statistic,
    }
    return Evidence(*(Curve(label, decades, errors) for label, errors in zip((THREE, TWO), found, strict=True)), **told)


def shuffled_composites(trial: Trial) -> Evidence:
    """Test errors of three layers on the same targets, each in random order over the rows."""
    targets = _composites(trial)
    return Evidence(Curve(THREE, [one.asked.decades for one in targets], _errors_on(trial, 3, targets, shuffle=True)))


def _errors_on(trial: Trial, layers: Layers, targets: Sequence[Composite], *, shuffle: bool = False) -> list[float]:
    """Test errors over the variance; the same directions and weights for every pair of scales."""
    errors = []
    for place, one in enumerate(targets):
        made = composite_concept(
            outer_scale=one.outer,
            inner_scale=one.inner,
            terms=int(trial.more("terms")),
            inner_terms=int(trial.more("inner terms")),
            d=trial.rows.d,
            seed=np.random.default_rng([trial.seed, 29]),
        )
        rows = _told_by(trial.rows, made)
        rows = _shuffled(rows, trial.seed, place) if shuffle else rows
        error = trained_error(trial, layers, rows, max(trial.settings.widths))
        errors.append(error / float(np.var(rows.y_test)))
    return errors


ROWS = "rows"


def asked(epsilon: float, *, constant: float = 1.0) -> CompositeComplexity:
    """What theorem 2 asks for F1: (sqrt(3) z - 2)^2 of three functions, the harder of sin 3z and cos 7z.

    The class has inner weights of norm one, 1/sqrt(3) each: the outer function makes up for it.
    """
    return composite_complexity(
        (polynomial((4.0, -4.0 * np.sqrt(3.0), 3.0)),), (series("sin", 3.0), series("cos", 7.0)),
        inner_terms=3, accuracy=epsilon, constant=constant,
    )  # fmt: skip


def predict_rows(trial: Trial) -> Evidence:
    """Rows asked at C* = 1; at the paper's 10^4 beside it."""
    epsilon = float(trial.more("epsilon"))
    decades = {
        f"decades asked at C* = {constant:g}": asked(epsilon, constant=constant).decades for constant in (1.0, 1e4)
    }
    return Evidence(Curve(ROWS, epsilon, 10.0 ** decades["decades asked at C* = 1"]), **decades)


def measure_rows(trial: Trial, *, rows: Rows | None = None) -> Evidence:
    """Least number of rows at which three layers err at most epsilon times the variance; none is infinity."""
    rows = trial.rows if rows is None else rows
    epsilon, m = float(trial.more("epsilon")), max(trial.settings.widths)
    variance = float(np.var(rows.y_test))
    found = float("inf")
    for n in trial.more("sizes"):
        if trained_error(trial, 3, first(rows, n), m) <= epsilon * variance:
            found = float(n)
            break
    return Evidence(Curve(ROWS, epsilon, found))


WHOLE, LARGEST = "Frobenius norm", "largest row"


def _good_weights(trial: Trial, m: int, readout: float) -> tuple[float, float]:
    r"""Norms of the smallest move of W that learns the targets in the pseudo-network, at a ridge of 1e-3 of the diagonal.

    W' = sum_i alpha_i a_r 1[z_r(x_i) >= 0] x_i, alpha = (K + ridge)^-1 (y - f(0)).
    """
    rows, net = trial.rows, network(2, m, readout=readout)
    start = {name: np.asarray(value, np.float64) for name, value in net.init(trial.seed, d=rows.d).items()}
    z, a = rows.X @ start["W"].T + start["b"], start["a"][:, 0]
    gates = (z >= 0) * a
    K = (gates @ gates.T) * (rows.X @ rows.X.T)
    alpha = ridge_path(K, rows.y - np.maximum(z, 0.0) @ a).coefficients(1e-3 * float(np.trace(K)) / rows.n)[:, 0]
    move = (gates * alpha[:, None]).T @ rows.X
    return float(np.linalg.norm(move)), float(np.linalg.norm(move, axis=1).max())


def measure_weights(trial: Trial, *, small_outputs: bool = False) -> Evidence:
    """Both norms over the width, with output weights of variance 1; or of variance 1/m."""
    widths = trial.settings.widths
    found = [_good_weights(trial, m, m**-0.5 if small_outputs else 1.0) for m in widths]
    return Evidence(
        *(Curve(label, np.array(widths), [one[i] for one in found]) for i, label in enumerate((WHOLE, LARGEST)))
    )


def predict_weights(trial: Trial) -> Evidence:
    """The powers of the lemma, with the complexity C_s of cos 7z for F1 and factor one."""
    m = np.array(trial.settings.widths, np.float64)
    size = float(np.exp(log_sample_complexity(series("cos", 7.0)))) if trial.rows.source in SOURCES.values() else 1.0
    return Evidence(Curve(WHOLE, m, size * m**-0.5), Curve(LARGEST, m, size / m))


CLASS = "Rademacher complexity"


def _gates(trial: Trial) -> tuple[np.ndarray, np.ndarray]:
    rows, m = trial.rows, max(trial.settings.widths)
    start = {n: np.asarray(v, np.float64) for n, v in network(2, m).init(trial.seed, d=rows.d).items()}
    return (rows.X @ start["W"].T + start["b"] >= 0).astype(np.float64), np.abs(start["a"][:, 0])


def predict_class(trial: Trial) -> Evidence:
    """Tau times the sum of the output weights' sizes, over the root of N: by Jensen, for rows of norm 1."""
    _, a = _gates(trial)
    sizes = np.array(trial.more("sizes"), np.float64)
    longest = np.array([float(np.sqrt(np.mean(np.sum(trial.rows.X[: int(n)] ** 2, axis=1)))) for n in sizes])
    return Evidence(Curve(CLASS, sizes, a.sum() * longest / np.sqrt(sizes)))


def measure_class(trial: Trial, *, equal: bool = False) -> Evidence:
    r"""The complexity of pseudo-networks with :math:`\|w'_r\| \le \tau` at tau = 1: a supremum that is a sum of norms.

    .. math:: E_\xi \sup_{W'} \frac1N \sum_i \xi_i g_{W'}(x_i) = \tau \sum_r |a_r|\,
              E \Bigl\| \frac1N \sum_i \xi_i 1[z_r(x_i) \ge 0] x_i \Bigr\|
    """
    gates, a = _gates(trial)
    rng = np.random.default_rng([trial.seed, 23])
    values = []
    for n in trial.more("sizes"):
        draws = []
        for _ in range(int(trial.more("draws"))):
            signs = np.ones(n) if equal else rng.choice([-1.0, 1.0], n)
            draws.append(float(a @ np.linalg.norm((gates[:n] * signs[:, None]).T @ trial.rows.X[:n], axis=1)) / n)
        values.append(float(np.mean(draws)))
    return Evidence(Curve(CLASS, np.array(trial.more("sizes")), values))


def _offset(settings: Settings, seed: int) -> Rows:
    """Rows of F1 with the theory's padding: a last coordinate 1/2, within norm 1."""
    rows = sample(settings, seed)
    padded = [np.column_stack([np.sqrt(0.75) * X, np.full(len(X), 0.5)]) for X in (rows.X, rows.X_test)]
    return replace(rows, X=padded[0], X_test=padded[1], steps=(*rows.steps, "padded with a coordinate 1/2"))


def _named(source: str) -> Callable[[Settings, int], Rows]:
    """The rows of F1, for targets that are drawn later."""
    return lambda settings, seed: replace(sample(settings, seed), source=f"{source} on the sphere of R^4")


_MORE = {
    "target": "sine",
    "biases": "trained",
    "terms": 3,
    "scales": (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0),
    "draws": 30,
}
_MORE |= {"inner terms": 3, "outer scales": (1.0, 2.0, 4.0), "inner scales": (1.0, 2.0, 3.0)}
_MORE |= {"passes": 200, "epsilon": 0.1, "sizes": (100, 200, 500, 1000)}
_SETTINGS: Mapping[Scale, Settings] = {
    "smoke": Settings(
        data="generated",
        n=200,
        n_test=200,
        widths=(16, 64),
        more=merged(
            _MORE,
            target="tanh",
            epsilon=0.6,
            sizes=(100, 200),
            draws=5,
            **{"outer scales": (1.0, 4.0), "inner scales": (1.0, 3.0)},
        ),
    ),
    "quick": Settings(data="generated", n=1000, n_test=4000, widths=(100,), more=_MORE),
    "paper": Settings(
        data="generated",
        n=10_000,
        n_test=10_000,
        widths=(2000,),
        seeds=5,
        more=merged(_MORE, passes=800, sizes=(100, 200, 500, 1000, 2000, 5000, 10_000)),
    ),
}


def _with(**own: Any) -> Mapping[Scale, Settings]:
    """The same with widths of the claim at `quick` and `paper`."""
    return {scale: one if scale == "smoke" else replace(one, **own) for scale, one in _SETTINGS.items()}


CONCEPTS = (
    Claim(
        key="allenzhu2018-concepts",
        type="Q",
        source="allenzhu2018",
        locator="theorem 1, complexity C_s",
        title="The sample complexity of a concept orders how hard it is",
        statement="The measure C_s of the power series of a concept decides the rows that are enough: at one number of rows "
        "the error over the variance rises with it.",
        formula=r"\mathfrak{C}_s(\phi) = \sum_i (i + 1)^{1.75} |c_i|, \quad f = \sum_i a_i "
        r"\sin(s\, w_{1,i}^\top x)\, w_{2,i}^\top x",
        quantity="test error",
        hypotheses=ASSUMPTIONS,
        predict=predict_concepts,
        measure=measure_concepts,
        criterion=Ordering(tau=0.8),
        control=lambda trial: measure_concepts(trial, shuffle=True),
        control_text="each target in random order over the rows: nothing is easier than anything else",
        axes=Axes(x="scale s", y="error over variance", log_x=True, log_y=True),
        settings=_with(n=500, widths=(500,)),
        method=("Two layers with momentum; three terms with the same directions at every scale, of variance one.",),
        labels="number",
        sample=_named("sines"),
        cost=0.4,
    ),
    Claim(
        key="allenzhu2018-composites",
        type="Q",
        source="allenzhu2018",
        locator="theorem 2, complexity of composites",
        title="The complexities of functions of functions order how hard they are for three layers",
        statement="Size complexities that compose decide the rows that are enough for three layers: at one number of rows the "
        "error over the variance rises with them, whether the outer or the inner functions become harder.",
        formula=r"f = \sum_i a_i \sin\Bigl(S \sum_j v_{1,ij} \sin(s\, w_{1,j}^\top x)\Bigr) \sum_j v_{2,ij} "
        r"\sin(w_{2,j}^\top x)",
        quantity="test error",
        hypotheses=(*ASSUMPTIONS, THEORY),
        predict=predict_composites,
        measure=measure_composites,
        criterion=Ordering(tau=0.8, of=THREE),
        control=shuffled_composites,
        control_text="each target in random order over the rows: nothing is easier than anything else",
        axes=Axes(x="decades of rows asked at C* = 1", y="error over variance", log_x=True, log_y=True),
        settings={**_with(n=500, widths=(100,), seeds=6), "paper": replace(_SETTINGS["paper"], n=1000)},
        method=(
            "Every pair of an outer scale S and an inner scale s; the same directions, weights and signs for all, variance one.",
            "Predicted: the decades of rows that theorem 2 asks without logarithms, at C* = 1, over those of the hardest.",
            "Only the order is judged, and of three layers alone; two, of which the theorem says nothing, are told beside them.",
            "The paper's C* = 10^4 orders the targets by the inner scale first: that correlation is told too.",
        ),
        labels="number",
        sample=_named("sines of sines"),
        cost=0.4,
    ),
    Claim(
        key="allenzhu2018-rows",
        type="S",
        source="allenzhu2018",
        locator="theorem 2",
        title="The rows that theorem 2 asks for F1",
        statement="So many rows are enough for three layers to come within epsilon of F1: a square of complexities that compose.",
        formula=r"N \ge \tilde\Omega\Bigl(\bigl(\mathfrak{C}_\varepsilon(\Phi, \sqrt{p_2}\,\mathfrak{C}_\varepsilon(\phi, 1))\,"
        r"\mathfrak{C}_\varepsilon(\phi, 1)\,\sqrt{p_2}\,p_1 k^2/\varepsilon_0\bigr)^2\Bigr)",
        quantity="rows",
        hypotheses=ASSUMPTIONS,
        predict=predict_rows,
        measure=measure_rows,
        criterion=Sufficient(),
        control=lambda trial: measure_rows(trial, rows=shuffled(trial)),
        control_text="targets in random order: no number of rows is enough",
        axes=Axes(x="epsilon, over the variance", y="rows", log_y=True),
        settings=_SETTINGS,
        method=(
            "Asked: at C* = 1 and without logarithms.",
            "Needed: the least number of the grid at which the test error is at most epsilon times the variance.",
        ),
        labels="number",
        sample=sample,
        own_data="the complexities are those of F1",
        cost=0.4,
    ),
    Claim(
        key="allenzhu2018-good-weights",
        type="O",
        source="allenzhu2018",
        locator="lemma B.1",
        title="Weights that learn are near the start: m to the -1/2, each row m to the -1",
        statement="There are weights near the start whose pseudo-network has the concept; the wider the network, the nearer they "
        "are, in all and row by row.",
        formula=r"\|W^\star\|_F \lesssim k p\, \mathfrak{C}_s / (\varepsilon_a \sqrt m), \quad "
        r"\|W^\star\|_{2,\infty} \lesssim k p\, C_0 / (\varepsilon_a m)",
        quantity="movement",
        hypotheses=ASSUMPTIONS[:2],
        predict=predict_weights,
        measure=measure_weights,
        criterion=Powers(((WHOLE, -0.5), (LARGEST, -1.0)), 0.25),
        control=lambda trial: measure_weights(trial, small_outputs=True),
        control_text="output weights of variance 1/m instead of one",
        axes=Axes(x="width m", y="norm of the move", log_x=True, log_y=True),
        settings=_with(n=300, n_test=1, widths=(500, 1000, 2000, 4000, 8000), seeds=6),
        method=(
            "The smallest move that fits the targets, by kernel regression at a ridge of a thousandth of the diagonal.",
        ),
        labels="number",
        sample=sample,
        cost=0.2,
    ),
    Claim(
        key="allenzhu2018-class",
        type="U",
        source="allenzhu2018",
        locator="lemma B.5",
        title="Pseudo-networks near the start are a small class",
        statement="The Rademacher complexity of pseudo-networks whose rows move by at most tau falls like one over the root of the "
        "number of rows.",
        formula=r"\mathfrak{R}_N \le \tau \sum_r |a_r| \big/ \sqrt N \sim \tau\, \varepsilon_a m / \sqrt N",
        quantity="complexity",
        hypotheses=ASSUMPTIONS[:2],
        predict=predict_class,
        measure=measure_class,
        criterion=UpperBound(),
        control=lambda trial: measure_class(trial, equal=True),
        control_text="signs that are all equal",
        axes=Axes(x="rows N", y="complexity at tau = 1", log_x=True, log_y=True),
        settings=_with(n_test=1, widths=(1000,)),
        method=(
            "The supremum is a sum of norms; its mean over random signs.",
            "Rows padded with a coordinate 1/2 as in the theory.",
        ),
        labels="number",
        sample=_offset,
        cost=0.2,
    ),
)
