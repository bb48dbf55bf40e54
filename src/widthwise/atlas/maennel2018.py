"""Claims of Maennel, Bousquet and Gelly 2018: from a small start, the data decide which few directions neurons take."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from widthwise.atlas.claim import Axes, Claim, Scale
from widthwise.atlas.criteria import Equality, Existence, Ordering, UpperBound
from widthwise.atlas.maennel2018_maps import MAPS
from widthwise.atlas.maennel2018_training import (
    ALIGNED,
    ASSUMPTIONS,
    OURS,
    distinct,
    extrema,
    family,
    fastest,
    growing,
    learned,
    network,
    plane,
    rate,
    sample,
    start,
    targets,
    tolerance,
    until,
)
from widthwise.atlas.trial import Curve, Evidence, Settings, Trial
from widthwise.training import train
from widthwise.training.probes import Clusters, Quantisation

INDEX = "live neurons within 1 degree of an extremal direction"
DISTINCT = "distinct functions"
NEAR = "networks whose function is one of the family"
SLOPE = "time to leave the plateau for each e-fold of a smaller start"
AT_ONCE = 1e9
"""Share of the loss of f = 0 at which neurons are looked at before any step."""


def _quantised(trial: Trial, m: int, scale: float, level: float = ALIGNED) -> tuple[float, float]:
    run = until(trial, m, scale, level, probes=(Quantisation(), Clusters()))
    return float(run.history.probes["quantisation.index"][-1]), float(run.history.probes["clusters.count"][-1])


def measure_index(trial: Trial, *, scale: float | None = None) -> Evidence:
    """Share of live neurons at an enumerated direction at the end of the alignment, at several widths."""
    widths = trial.settings.widths
    found = [_quantised(trial, m, trial.more("scale") if scale is None else scale) for m in widths]
    return Evidence(
        Curve(INDEX, np.array(widths), np.array([one[0] for one in found])),
        **{
            "enumerated directions": sum(kind != "flat edge" for kind in extrema(trial).kinds),
            "groups of neurons at the largest width": found[-1][1],
        },
    )


def all_of_them(trial: Trial) -> Evidence:
    """All."""
    widths = trial.settings.widths
    return Evidence(Curve(INDEX, np.array(widths), np.ones(len(widths))))


def measure_scales(trial: Trial, *, level: float = ALIGNED) -> Evidence:
    """The index against the scale of the start, one curve a width."""
    scales = trial.more("scales")
    decades = -np.log10(np.array(scales))
    return Evidence(
        *(
            Curve(f"{INDEX}, width {m}", decades, np.array([_quantised(trial, m, s, level)[0] for s in scales]))
            for m in trial.settings.widths
        )
    )


def ever_more(trial: Trial) -> Evidence:
    """The order alone: the same at every width."""
    decades = -np.log10(np.array(trial.more("scales")))
    order = np.arange(1.0, len(decades) + 1) / len(decades)
    return Evidence(*(Curve(f"{INDEX}, width {m}", decades, order) for m in trial.settings.widths))


def count_bound(trial: Trial) -> Evidence:
    """Two to the number of growing directions."""
    widths = trial.settings.widths
    return Evidence(Curve(DISTINCT, np.array(widths), np.full(len(widths), 2.0 ** len(growing(trial)))))


def count_functions(trial: Trial, *, scale: float | None = None) -> Evidence:
    """Distinct functions among many networks of each width."""
    own = trial.more("scale") if scale is None else scale
    made = [learned(trial, m, own, int(trial.more("networks"))) for m in trial.settings.widths]
    found = [float(distinct(functions, tolerance(trial))) for functions in made]
    return Evidence(Curve(DISTINCT, np.array(trial.settings.widths), np.array(found)))


def share_in_family(trial: Trial, *, scale: float | None = None) -> Evidence:
    """Share of networks whose function is that of one neuron at each of a set of directions."""
    own = trial.more("scale") if scale is None else scale
    known = family(trial, own)
    found, worst = [], 0.0
    for m in trial.settings.widths:
        functions = learned(trial, m, own, int(trial.more("networks")))
        nearest = np.abs(functions[:, None] - known[None]).max(axis=2).min(axis=1)
        found.append(float(np.mean(nearest <= tolerance(trial))))
        worst = max(worst, float(nearest.max()))
    return Evidence(
        Curve(NEAR, np.array(trial.settings.widths), np.array(found)), **{"largest distance from the family": worst}
    )


def whole_family(trial: Trial) -> Evidence:
    """All."""
    widths = trial.settings.widths
    return Evidence(Curve(NEAR, np.array(widths), np.ones(len(widths))))


def predict_slope(trial: Trial) -> Evidence:
    """One over the largest G."""
    return Evidence(Curve(SLOPE, np.array([max(trial.settings.widths)]), np.array([1.0 / fastest(trial)])))


def measure_slope(trial: Trial, *, labels: float = 1.0) -> Evidence:
    """Slope of the time at which a twentieth of the loss has gone against log(1 / scale)."""
    m, scales = max(trial.settings.widths), np.array(trial.more("scales"))
    y = labels * targets(trial)
    times = [until(trial, m, float(s), 0.95, y=y).steps * rate(trial) for s in scales]
    slope = float(np.polyfit(np.log(1.0 / scales), np.array(times), 1)[0])
    return Evidence(Curve(SLOPE, np.array([m]), np.array([slope])))


LEFT = "loss at the end"


def _left(trial: Trial, scale: float) -> Evidence:
    m = max(trial.settings.widths)
    run = train(
        network(m),
        plane(trial),
        targets(trial),
        learning_rate=rate(trial),
        steps=trial.steps,
        dtype="float64",
        start=start(m, scale, [trial.seed, m]),
    )
    return Evidence(Curve(LEFT, np.array([m]), np.array([run.history.loss[-1]])))


_FIVE = {"points": "five", "scale": 1e-6, "networks": 50, "scales": (1.0, 1e-1, 1e-2, 1e-3, 1e-4)}
_SETTINGS: Mapping[Scale, Settings] = {
    "smoke": Settings(
        data="generated", n=5, widths=(16,), more={**_FIVE, "scale": 1e-4, "networks": 20, "scales": (1.0, 1e-2, 1e-4)}
    ),
    "quick": Settings(data="generated", n=5, widths=(16, 64, 256, 1024), more=_FIVE),
    "paper": Settings(data="generated", n=5, widths=(16, 64, 256, 1024, 4096, 20000), seeds=10, more=_FIVE),
}
_SMALL_STARTS: Mapping[Scale, Settings] = {
    "smoke": Settings(data="generated", n=5, widths=(32,), more={**_FIVE, "scales": (1e-4, 1e-6)}),
    "quick": Settings(data="generated", n=5, widths=(256,), more={**_FIVE, "scales": (1e-3, 1e-4, 1e-6, 1e-8)}),
    "paper": Settings(
        data="generated", n=5, widths=(20000,), seeds=10, more={**_FIVE, "scales": (1e-3, 1e-4, 1e-6, 1e-8)}
    ),
}
_FUNCTIONS: Mapping[Scale, Settings] = {
    "smoke": Settings(data="generated", n=5, widths=(8,), more={**_FIVE, "scale": 1e-3, "networks": 30}),
    "quick": Settings(data="generated", n=5, widths=(8, 32, 128, 512), more=_FIVE),
    "paper": Settings(data="generated", n=5, widths=(8, 32, 128, 512, 2048), seeds=10, more=_FIVE),
}
_MNIST: Mapping[Scale, Settings] = {
    "smoke": Settings(data="digits", n=40, widths=(16,), more={**_FIVE, "scale": 1e-5}),
    "quick": Settings(data="mnist:3,8", n=500, widths=(16, 64, 256), more=_FIVE),
    "paper": Settings(data="mnist:3,8", n=10000, widths=(64, 1024, 20000), seeds=10, more=_FIVE),
}
_STALLED: Mapping[Scale, Settings] = {
    "smoke": Settings(
        data="generated", n=3, widths=(30,), steps=20000, more={**_FIVE, "points": "stalled", "scale": 1e-3}
    ),
    "quick": Settings(
        data="generated", n=3, widths=(200,), steps=250000, more={**_FIVE, "points": "stalled", "scale": 1e-3}
    ),
    "paper": Settings(
        data="generated", n=3, widths=(20000,), steps=2000000, more={**_FIVE, "points": "stalled", "scale": 1e-3}
    ),
}
_ALIGNMENT = (
    *OURS,
    (
        "Extremal directions are enumerated from the rows and targets alone; neurons are looked at when a thousandth of the loss "
        "has gone."
    ),
)

CLAIMS = (
    Claim(
        key="maennel2018-directions",
        type="E",
        source="maennel2018",
        locator="abstract",
        title="Neurons turn to directions that the data prescribe",
        statement="From a small start, weight vectors gather at a small number of directions that depend on the data and not on "
        "the width of the network.",
        formula=r"\hat w_j \to \text{extrema of } G(w) = \sum_i r_i \max(w^\top x_i, 0) \text{ on the circle}",
        quantity="directions",
        hypotheses=ASSUMPTIONS,
        predict=all_of_them,
        measure=measure_index,
        criterion=Equality(tolerance=0.05),
        control=lambda trial: measure_index(trial, scale=1.0),
        control_text="a start of scale one",
        axes=Axes(x="width m", y="share of live neurons", log_x=True),
        settings=_SETTINGS,
        method=_ALIGNMENT,
        unit=False,
        sample=sample,
        gradient_flow=True,
        cost=1.0,
    ),
    Claim(
        key="maennel2018-mnist",
        type="E",
        source="maennel2018",
        locator="abstract",
        title="Neurons turn to the directions of MNIST in a plane",
        statement="On images of two digits, reduced to two principal components, weight vectors gather at the directions that "
        "the data prescribe.",
        formula=r"\hat w_j \to \text{extrema of } G \text{ on the circle}",
        quantity="directions",
        hypotheses=ASSUMPTIONS,
        predict=all_of_them,
        measure=measure_index,
        criterion=Equality(tolerance=0.05),
        control=lambda trial: measure_index(trial, scale=1.0),
        control_text="a start of scale one",
        axes=Axes(x="width m", y="share of live neurons", log_x=True),
        settings=_MNIST,
        method=_ALIGNMENT,
        gradient_flow=True,
        cost=1.5,
    ),
    Claim(
        key="maennel2018-scale",
        type="Q",
        source="maennel2018",
        locator="abstract",
        title="The smaller the start, the more neurons are quantised",
        statement="The smaller the start, the larger the share of neurons at the directions of the data, at every width.",
        formula=r"\text{index} \to 1 \text{ as } \varepsilon \to 0",
        quantity="directions",
        hypotheses=ASSUMPTIONS,
        predict=ever_more,
        measure=measure_scales,
        criterion=Ordering(tau=0.8),
        control=lambda trial: measure_scales(trial, level=AT_ONCE),
        control_text="neurons as they start, before any step",
        axes=Axes(x="decades by which the start is below one", y="share of live neurons"),
        settings=_SETTINGS,
        method=_ALIGNMENT,
        unit=False,
        sample=sample,
        cost=1.5,
    ),
    Claim(
        key="maennel2018-family",
        type="E",
        source="maennel2018",
        locator="abstract",
        title="What is learned first is one of a few functions, known beforehand",
        statement="For given data only finitely many simple functions are reached, whatever the width: after the first growth, "
        "those of one neuron at each of a set of the enumerated directions.",
        formula=r"f \in \{f_J : J \subseteq \text{growing extremal directions}\}",
        quantity="functions",
        hypotheses=ASSUMPTIONS,
        predict=whole_family,
        measure=share_in_family,
        criterion=Equality(tolerance=0.02),
        control=lambda trial: share_in_family(trial, scale=1.0),
        control_text="a start of scale one",
        axes=Axes(x="width m", y="share of networks", log_x=True),
        settings=_FUNCTIONS,
        method=(
            *OURS,
            (
                "50 networks a width. The family is made beforehand by training one neuron for each direction of every set; a "
                "function belongs to it if it is nowhere further from a member than an eighth of the largest target."
            ),
        ),
        unit=False,
        sample=sample,
        cost=1.5,
    ),
    Claim(
        key="maennel2018-functions",
        type="U",
        source="maennel2018",
        locator="abstract",
        title="Wider networks do not learn more functions",
        statement="The number of distinct functions that networks of different seeds learn first is at most two to the number "
        "of growing directions, at every width.",
        formula=r"\#\{f\} \le 2^{\#\text{growing extremal directions}}",
        quantity="functions",
        hypotheses=ASSUMPTIONS,
        predict=count_bound,
        measure=count_functions,
        criterion=UpperBound(),
        control=lambda trial: count_functions(trial, scale=1.0),
        control_text="a start of scale one",
        axes=Axes(x="width m", y="distinct functions among 50 networks", log_x=True, log_y=True),
        settings=_FUNCTIONS,
        method=(
            *OURS,
            "50 networks a width; functions nowhere further apart than an eighth of the largest target are one.",
        ),
        unit=False,
        sample=sample,
        cost=1.5,
    ),
    Claim(
        key="maennel2018-plateau",
        type="E",
        source="maennel2018",
        locator="abstract",
        title="The first plateau lasts log(1/epsilon) over the largest G",
        statement="The time at which the loss leaves its first plateau grows with the logarithm of the inverse scale of the "
        "start, by one over the growth rate of the fastest direction.",
        formula=r"\mathrm{d}t / \mathrm{d}\log(1/\varepsilon) = 1 / \max|G|",
        quantity="plateaus",
        hypotheses=ASSUMPTIONS,
        predict=predict_slope,
        measure=measure_slope,
        criterion=Equality(tolerance=0.05),
        control=lambda trial: measure_slope(trial, labels=1.5),
        control_text="targets half as large again, against the slope of the true ones",
        axes=Axes(x="width m", y="time for each e-fold"),
        settings=_SMALL_STARTS,
        method=(
            *OURS,
            "The slope is fitted to four starts; the plateau is left when a twentieth of the loss has gone.",
        ),
        unit=False,
        sample=sample,
        gradient_flow=True,
        cost=1.0,
    ),
    Claim(
        key="maennel2018-stalled",
        type="X",
        source="maennel2018",
        locator="a limit of the theory, found by Boursier and Flammarion 2024",
        title="Alignment can stop training short of a fit",
        statement="There are data on which a small start ends far from the fit that a larger one reaches, at any width.",
        formula=r"\tfrac12 \sum_i (f(x_i) - y_i)^2 \to 0.262564",
        quantity="loss",
        hypotheses=ASSUMPTIONS,
        predict=lambda trial: Evidence(Curve(LEFT, np.array([max(trial.settings.widths)]), np.array([0.262564]))),
        measure=lambda trial: _left(trial, trial.more("scale")),
        criterion=Existence(at_least=0.99),
        control=lambda trial: _left(trial, 1.0),
        control_text="a start of scale one",
        axes=Axes(x="width m", y="half the sum of squares at the end"),
        settings=_STALLED,
        method=OURS,
        unit=False,
        sample=sample,
        own_data="it exhibits three points",
        cost=1.5,
    ),
    *MAPS,
)
