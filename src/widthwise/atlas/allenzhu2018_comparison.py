"""Allen-Zhu, Li and Liang 2018: learners of two and three layers beside their kernels, over width and number of rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Float

from widthwise.atlas.allenzhu2018_figures import (
    LAST2,
    LAST3,
    LEARNERS,
    NTK3,
    SIZES,
    THREE,
    TWO,
    WIDTHS,
    published,
    read_off,
)
from widthwise.atlas.allenzhu2018_learners import (
    ASSUMPTIONS,
    SOURCES,
    Ahead,
    Falling,
    Layers,
    Powers,
    by_leave_one_out,
    finite_kernel,
    first,
    kernel_error,
    kernel_fits,
    merged,
    sample,
    shuffled,
    trained_error,
)
from widthwise.atlas.claim import Axes, Claim, Scale
from widthwise.atlas.criteria import Equality
from widthwise.atlas.trial import Curve, Evidence, Rows, Settings, Trial
from widthwise.kernels import NNGP, NTK
from widthwise.networks.mlp import Trained

Pair = tuple[Float[np.ndarray, "n n"], Float[np.ndarray, "t n"]]


def _of_paper(trial: Trial) -> bool:
    return trial.rows.source in SOURCES.values()


def _sizes(trial: Trial) -> list[int]:
    return [n for n in trial.more("sizes") if n <= trial.rows.n] or [trial.rows.n]


def _told(trial: Trial, table: Mapping[str, Mapping[str, Mapping[int, float]]], label: str, x: list[int]) -> Curve:
    """What the paper has; on rows that it does not have, the error of answering with the mean."""
    if _of_paper(trial):
        return Curve(label, np.array(x), read_off(table[str(trial.more("target"))], label, x))
    return Curve(label, np.array(x), np.full(len(x), float(np.var(trial.rows.y_test))))


def predict_sizes(trial: Trial) -> Evidence:
    """The published errors, at m = 2000."""
    return Evidence(*(_told(trial, SIZES, label, _sizes(trial)) for label in LEARNERS))


def measure_sizes(trial: Trial, *, rows: Rows | None = None, sizes: list[int] | None = None) -> Evidence:
    """Test errors of the five learners over the number of rows."""
    rows = trial.rows if rows is None else rows
    sizes = _sizes(trial) if sizes is None else sizes
    m = max(trial.settings.widths)
    learners: Mapping[str, Callable[[Rows], float]] = {
        THREE: lambda part: trained_error(trial, 3, part, trial.more("three")),
        TWO: lambda part: trained_error(trial, 2, part, m),
        NTK3: lambda part: kernel_error(trial, 3, part, m),
        LAST3: lambda part: kernel_error(trial, 3, part, m, trained="last"),
        LAST2: lambda part: kernel_error(trial, 2, part, m, trained="last"),
    }
    curves = [
        Curve(label, np.array(sizes), [error(first(rows, n)) for n in sizes]) for label, error in learners.items()
    ]
    best = {"exponent of three layers over N": curves[0], "exponent of the tangent kernel over N": curves[2]}
    slopes = {k: float(np.polyfit(np.log(c.x), np.log(c.y), 1)[0]) for k, c in best.items() if len(sizes) > 1}
    return Evidence(*curves, **slopes)


def nothing_to_learn(trial: Trial) -> Evidence:
    """The five learners on targets in random order, at the least number of rows."""
    return measure_sizes(trial, rows=shuffled(trial), sizes=_sizes(trial)[:1])


def predict_widths(trial: Trial) -> Evidence:
    """The published errors, at N = 1000."""
    return Evidence(*(_told(trial, WIDTHS, label, list(grid)) for label, grid in trial.more("grids").items()))


def measure_widths(trial: Trial) -> Evidence:
    """Test errors of the five learners over their widths."""
    rows = trial.rows
    learners: Mapping[str, Callable[[int], float]] = {
        THREE: lambda m: trained_error(trial, 3, rows, m),
        TWO: lambda m: trained_error(trial, 2, rows, m),
        NTK3: lambda m: kernel_error(trial, 3, rows, m),
        LAST3: lambda m: kernel_error(trial, 3, rows, m, trained="last"),
        LAST2: lambda m: kernel_error(trial, 2, rows, m, trained="last"),
    }
    grids: Mapping[str, tuple[int, ...]] = trial.more("grids")
    return Evidence(
        *(Curve(label, np.array(grid), [learners[label](m) for m in grid]) for label, grid in grids.items())
    )


def without_ridge(trial: Trial) -> Evidence:
    """The last of two layers by least squares on targets in random order, at a quarter as many neurons as rows and at as many."""
    rows = shuffled(trial)
    grid = (max(2, rows.n // 4), rows.n)
    errors = []
    for m in grid:
        K, cross = finite_kernel(trial, 2, rows, m, trained="last")
        errors.append(kernel_fits(K, cross, rows.y, rows.y_test, (0.0,))[0].error)
    return Evidence(Curve(LAST2, np.array(grid), errors))


def limit_kernel(rows: Rows, layers: Layers, *, trained: str, biases: str) -> Pair:
    """Kernel of infinitely wide layers: of the hidden weights over the width, or of the last layer alone.

    Hidden weights and biases of variance 1/m make pre-activations of variance 1/m: over it they are those of the kernels
    with unit variances; the last layer of variance one then has the factor of the limit. The output has no bias.
    """
    shape: dict[str, Any] = {"depth": layers - 1, "weight_variance": 1.0, "bias_variance": 1.0}
    pairs = ((rows.X,), (rows.X_test, rows.X))
    covariance = [NNGP(**shape)(*pair) for pair in pairs]
    if trained == "last":
        return covariance[0] - 1.0, covariance[1] - 1.0
    # With every parameter trained but those of the output: its weights, and a bias that it does not have.
    which: Literal["all", "weights"] = "all" if biases == "trained" else "weights"
    whole = [NTK(**shape, trained=which)(*pair) for pair in pairs]
    less = covariance if biases == "trained" else [K - 1.0 for K in covariance]
    return whole[0] - less[0], whole[1] - less[1]


LIMITS: Mapping[str, tuple[Layers, Trained]] = {
    "limit of the tangent kernel of three layers": (3, "hidden"),
    "limit of the last of three layers": (3, "last"),
    "limit of the tangent kernel of two layers": (2, "hidden"),
    "limit of the last of two layers": (2, "last"),
}


def limit_error(trial: Trial, rows: Rows, layers: Layers, trained: str) -> float:
    """Test error of a limit kernel, its ridge by leave-one-out."""
    K, cross = limit_kernel(rows, layers, trained=trained, biases=trial.more("biases"))
    return by_leave_one_out(kernel_fits(K, cross, rows.y, rows.y_test)).error


def predict_limits(trial: Trial) -> Evidence:
    """The published error of three layers, which the limits must not reach."""
    sizes = _sizes(trial)
    told = _told(trial, SIZES, THREE, sizes)
    return Evidence(told, *(Curve(label, told.x, told.y) for label in LIMITS))


def measure_limits(trial: Trial, *, rows: Rows | None = None, sizes: list[int] | None = None) -> Evidence:
    """Three layers beside the limits of four kernels."""
    rows = trial.rows if rows is None else rows
    sizes = _sizes(trial) if sizes is None else sizes
    three = [trained_error(trial, 3, first(rows, n), trial.more("three")) for n in sizes]
    kernels = [
        Curve(label, np.array(sizes), [limit_error(trial, first(rows, n), layers, which) for n in sizes])
        for label, (layers, which) in LIMITS.items()
    ]
    return Evidence(Curve(THREE, np.array(sizes), three), *kernels)


_KINDS = ("tangent kernel", "last layer")
_PARTS: tuple[Trained, ...] = ("hidden", "last")


def _depth(trial: Trial, error: Callable[[Rows, Trained], float]) -> Evidence:
    sizes = _sizes(trial)
    return Evidence(
        *(
            Curve(label, np.array(sizes), [error(first(trial.rows, n), which) for n in sizes])
            for label, which in zip(_KINDS, _PARTS, strict=True)
        )
    )


def measure_depth(trial: Trial) -> Evidence:
    """Errors of the limits for three layers, and how alike the tangent kernels of two and of three layers are."""
    two, three = (
        limit_kernel(trial.rows, layers, trained="hidden", biases=trial.more("biases"))[0]
        for layers in get_args(Layers)
    )
    pairs = np.tril_indices(len(two), -1)
    found = _depth(trial, lambda rows, which: limit_error(trial, rows, 3, which))
    alike = float(np.corrcoef(two[pairs], three[pairs])[0, 1])
    return Evidence(*found.curves, **{"correlation of the two tangent kernels over pairs of rows": alike})


def _relative(kernel: Callable[[Layers, Trained], Pair], limit: Callable[[Layers, Trained], Pair]) -> list[float]:
    found = []
    for layers, which in LIMITS.values():
        K, L = kernel(layers, which)[0], limit(layers, which)[0]
        found.append(float(np.linalg.norm(K - L) / np.linalg.norm(L)))
    return found


FINITE = tuple(label.replace("limit of the ", "") for label in LIMITS)


def measure_convergence(trial: Trial, *, without_biases: bool = False) -> Evidence:
    """Relative distance of finite kernels from their limits, over the width."""
    widths = trial.settings.widths
    rows = trial.rows
    columns = []
    for m in widths:

        def finite(layers: Layers, which: Trained, m: int = m) -> Pair:
            K, cross = finite_kernel(trial, layers, rows, m, trained=which, biases="frozen")
            unit = 1.0 if which == "last" else float(m)
            return K / unit, cross / unit

        def limit(layers: Layers, which: Trained) -> Pair:
            own = replace(rows, X=rows.X, X_test=rows.X_test[:1])
            if without_biases:
                shape: dict[str, Any] = {"depth": layers - 1, "weight_variance": 1.0, "bias_variance": 0.0}
                K = NNGP(**shape)(own.X)
                K = K if which == "last" else NTK(**shape)(own.X) - K
                return K, K[:1]
            return limit_kernel(own, layers, trained=which, biases="frozen")

        columns.append(_relative(finite, limit))
    table = np.array(columns)
    return Evidence(*(Curve(label, np.array(widths), table[:, i]) for i, label in enumerate(FINITE)))


def predict_convergence(trial: Trial) -> Evidence:
    """One over the root of the width."""
    widths = np.array(trial.settings.widths, np.float64)
    return Evidence(*(Curve(label, widths, widths**-0.5) for label in FINITE))


_SINE: Mapping[str, Any] = {"target": "sine", "biases": "trained"}
_GRID_SMOKE = {THREE: (16,), TWO: (16, 64), NTK3: (16, 64), LAST3: (16, 64), LAST2: (16, 64)}
_GRID_QUICK = {THREE: (100, 200), TWO: (100, 500, 2000)} | dict.fromkeys(
    (NTK3, LAST3, LAST2), (100, 200, 500, 1000, 2000)
)
_SIX = (100, 200, 500, 1000, 2000, 5000)
_GRID_PAPER = {
    THREE: _SIX,
    TWO: (*_SIX, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000),
    NTK3: _SIX,
    LAST3: _SIX,
}
_GRID_PAPER |= {LAST2: (*_SIX, 10_000, 20_000, 50_000, 100_000, 200_000)}
_TUNED = {
    "rates of 2 layers": (0.5, 1.0, 2.0, 5.0),
    "rates of 3 layers": (0.1, 0.2, 0.5, 1.0),
    "decays": (0.0, 1e-5, 1e-4, 1e-3),
}


def _comparison(more: Mapping[str, Any], **quick: Any) -> Mapping[Scale, Settings]:
    small = merged(more, passes=200, sizes=(200,), three=16, grids=_GRID_SMOKE)
    own = merged(more, passes=800, sizes=(200, 500, 1000), three=100, grids=_GRID_QUICK) | quick
    whole = merged(more, passes=800, sizes=(200, 500, 1000, 2000, 5000, 10_000), three=2000, grids=_GRID_PAPER) | _TUNED
    return {
        "smoke": Settings(data="generated", n=200, n_test=200, widths=(64,), more=small),
        "quick": Settings(data="generated", n=1000, n_test=4000, widths=(2000,), more=own),
        "paper": Settings(data="generated", n=10_000, n_test=10_000, widths=(2000,), seeds=5, more=whole),
    }


def _at_paper_width(settings: Mapping[Scale, Settings]) -> Mapping[Scale, Settings]:
    """Figures (a) have 1000 rows."""
    return {**settings, "paper": replace(settings["paper"], n=1000)}


_PROTOCOL = (
    "Momentum .9, batches of 50, 800 passes, the rate a tenth after half of them; biases move, which the text denies and the \
published curves of two layers need.",
    "Kernels are solved exactly in kernel space, the ridge by leave-one-out: the paper trains them by stochastic descent.",
    (
        "Nothing is chosen on the test rows. At `paper` rates and decays are chosen on a held-out fifth of the training rows; at "
        "`quick` they are fixed."
    ),
)
_SMALL = "At `quick` three layers have 100 neurons in each, the others 2000."


def _samples(target: str, figure: str, name: str, **quick: Any) -> Claim:
    return Claim(
        key=f"allenzhu2018-samples-{target}",
        type="Q",
        source="allenzhu2018",
        locator=f"section 3, figure {figure} (b)",
        title=f"Three layers need fewer rows than their kernels, {name}",
        statement="On a composed target a trained network of three layers errs less than one of two layers, than its own "
        "tangent kernel and than the last layers alone, at every number of rows.",
        formula=r"\mathrm{risk}(\text{3 layers}) < \min(\mathrm{risk}(\text{2 layers}), \mathrm{risk}(\text{NTK}), "
        r"\mathrm{risk}(\text{last}))",
        quantity="test error",
        hypotheses=ASSUMPTIONS,
        predict=predict_sizes,
        measure=measure_sizes,
        criterion=Ahead(THREE),
        control=nothing_to_learn,
        control_text="targets in random order, at the least number of rows: nothing is composed, nothing can be learned",
        axes=Axes(x="rows N", y="test error", log_x=True, log_y=True),
        settings=_comparison(merged(_SINE, target=target), **quick),
        method=(*_PROTOCOL, _SMALL),
        labels="number",
        sample=sample,
        published=published(SIZES[target]),
        cost=1.8,
    )


def _widths(target: str, figure: str, name: str, **quick: Any) -> Claim:
    return Claim(
        key=f"allenzhu2018-widths-{target}",
        type="O",
        source="allenzhu2018",
        locator=f"theorems 1 and 2, figure {figure} (a)",
        title=f"Wider is never worse, {name}",
        statement="The number of rows that is enough grows with the logarithm of the width only: at a fixed number of rows the "
        "error of no learner rises with its width.",
        formula=r"N \ge \tilde\Omega(\mathrm{poly}(C_s, 1/\varepsilon)) \text{ with } m \text{ in a logarithm only}",
        quantity="test error",
        hypotheses=ASSUMPTIONS,
        predict=predict_widths,
        measure=measure_widths,
        criterion=Falling(),
        control=without_ridge,
        control_text="targets in random order and the last of two layers by least squares, up to as many neurons as rows, where "
        "its error has its peak",
        axes=Axes(x="width m", y="test error", log_x=True, log_y=True),
        settings=_at_paper_width(_comparison(merged(_SINE, target=target), **quick)),
        method=_PROTOCOL,
        labels="number",
        sample=sample,
        published=published(WIDTHS[target]),
        cost=1.5,
    )


COMPARISON = (
    _samples("sine", "1", "F1"),
    _samples("tanh", "2", "F2"),
    _widths("sine", "1", "F1"),
    _widths("tanh", "2", "F2", grids={**_GRID_QUICK, THREE: (100,)}),
    Claim(
        key="allenzhu2018-limits",
        type="Q",
        source="allenzhu2018",
        locator="section 3; the limits are ours",
        title="Three layers beat every kernel in the limit of infinite width",
        statement="What a trained network of three layers has over kernels does not end where these are as wide as can be: "
        "it errs less than the infinite-width limits of the tangent kernels and of the last layers.",
        formula=r"\mathrm{risk}(\text{3 layers}) < \lim_{m \to \infty} \mathrm{risk}(\text{kernel}_m)",
        quantity="test error",
        hypotheses=ASSUMPTIONS,
        predict=predict_limits,
        measure=measure_limits,
        criterion=Ahead(THREE),
        control=lambda trial: measure_limits(trial, rows=shuffled(trial), sizes=_sizes(trial)[:1]),
        control_text="targets in random order, at the least number of rows",
        axes=Axes(x="rows N", y="test error", log_x=True, log_y=True),
        settings=_comparison(_SINE, sizes=(200, 500), three=100),
        method=(
            *_PROTOCOL[:1],
            (
                "Limits by their closed forms, the ridge by leave-one-out. What is predicted of them is the published error of "
                "three layers, which they must stay above."
            ),
        ),
        labels="number",
        sample=sample,
        cost=0.8,
    ),
    Claim(
        key="allenzhu2018-depth-of-limits",
        type="E",
        source="allenzhu2018",
        locator="section 3; the limits are ours",
        title="Without training of features a third layer adds nothing on F1",
        statement="The advantage of three layers is one of training: the infinite-width limits of the kernels err alike with two "
        "layers and with three.",
        formula=r"\lim_{m \to \infty} \mathrm{risk}(\text{kernel of 3 layers}) = \lim_{m \to \infty} "
        r"\mathrm{risk}(\text{kernel of 2 layers})",
        quantity="test error",
        hypotheses=ASSUMPTIONS[:1],
        predict=lambda trial: _depth(trial, lambda rows, which: limit_error(trial, rows, 2, which)),
        measure=measure_depth,
        criterion=Equality(tolerance=0.05),
        control=lambda trial: _depth(
            trial, lambda rows, which: kernel_error(trial, 3, rows, trial.more("three"), trained=which)
        ),
        control_text="the kernels of a finite network of three layers instead of their limits",
        axes=Axes(x="rows N", y="test error", log_x=True, log_y=True),
        settings=_comparison(_SINE),
        method=(
            "Predicted: limits for two layers. Measured: limits for three. The ridge by leave-one-out.",
            (
                "Biases have the variance of the weights, as the text says, which makes the two kernels nearly functions of each "
                "other (see the correlation): the finding is one of this start and this target."
            ),
        ),
        labels="number",
        sample=sample,
        cost=0.3,
    ),
    Claim(
        key="allenzhu2018-kernel-convergence",
        type="O",
        source="allenzhu2018",
        locator="section 3; the limits are ours",
        title="Finite kernels come to their limits like one over the root of the width",
        statement="The tangent kernels of the hidden weights, over the width, and the kernels of the last layers are "
        "averages over neurons: they differ from their limits by a multiple of the width to the power -1/2.",
        formula=r"\|K_m - K_\infty\|_F / \|K_\infty\|_F \propto m^{-1/2}",
        quantity="kernel",
        hypotheses=ASSUMPTIONS[:2],
        predict=predict_convergence,
        measure=measure_convergence,
        criterion=Powers(tuple((label, -0.5) for label in FINITE), 0.15),
        control=lambda trial: measure_convergence(trial, without_biases=True),
        control_text="limits of networks without biases",
        axes=Axes(x="width m", y="relative distance from the limit", log_x=True, log_y=True),
        settings={
            "smoke": Settings(data="generated", n=20, n_test=1, widths=(32, 512), more=_SINE),
            "quick": Settings(
                data="generated", n=200, n_test=1, widths=(100, 200, 400, 800, 1600, 3200), seeds=8, more=_SINE
            ),
            "paper": Settings(
                data="generated", n=1000, n_test=1, widths=(100, 200, 500, 1000, 2000, 5000), seeds=20, more=_SINE
            ),
        },
        method=("Biases are frozen, as the text says.",),
        labels="number",
        sample=sample,
        cost=0.5,
    ),
)
