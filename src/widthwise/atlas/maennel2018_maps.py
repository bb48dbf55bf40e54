"""Maennel, Bousquet and Gelly 2018: kinks, functions over scales of the start, plateaus, and MNIST in more than two dimensions.

The paper's text was not available: these experiments are this library's own, on what its abstract says.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from widthwise.atlas.claim import Axes, Claim, Scale
from widthwise.atlas.criteria import Equality, UpperBound
from widthwise.atlas.maennel2018_training import (
    ALIGNED,
    ASSUMPTIONS,
    BALANCED,
    GROWTH,
    OURS,
    SMALL,
    distinct,
    extrema,
    growing,
    grown,
    learned,
    network,
    plane,
    rate,
    reduced,
    sample,
    start,
    targets,
    tolerance,
    until,
)
from widthwise.atlas.trial import Curve, Evidence, Settings, Trial
from widthwise.theory.alignment import Attractors, attractors
from widthwise.training import Stop, train
from widthwise.training.probes.kinks import KinkMap, kink_map

# --- kinks -------------------------------------------------------------------------------------------------------------

AT_KINKS = "share of the bend at the prescribed kinks"
DISTINCT_KINKS = "distinct kinks"
NEAR = 0.02
"""Kinks closer than this share of the range of the inputs are one."""


def prescribed(trial: Trial) -> Float[np.ndarray, " k"]:
    """Where neurons at the extremal directions have their kinks."""
    found = extrema(trial)
    directions = found.directions[[kind != "flat edge" for kind in found.kinds]]
    bending = directions[np.abs(directions[:, 0]) > 1e-12]
    return np.asarray(np.sort(-float(plane(trial)[0, 1]) * bending[:, 1] / bending[:, 0]))


def _range(trial: Trial) -> float:
    x = plane(trial)[:, 0]
    return float(x.max() - x.min())


def predict_bend(trial: Trial) -> Evidence:
    """All of it."""
    widths = trial.settings.widths
    return Evidence(Curve(AT_KINKS, np.array(widths), np.ones(len(widths))))


def measure_bend(trial: Trial, *, scale: float | None = None) -> Evidence:
    """Share of the sum of |jump| at the end of the alignment that lies at the kinks of the extremal directions."""
    own = trial.more("scale") if scale is None else scale
    places, found = prescribed(trial), []
    for m in trial.settings.widths:
        run = until(trial, m, own, ALIGNED)
        kinks = kink_map(network(m), {k: np.asarray(v) for k, v in run.params.items()}, plane(trial))
        near = np.abs(kinks.positions[:, None] - places).min(axis=1) <= NEAR * _range(trial)
        found.append(float(np.sum(np.abs(kinks.jumps[near])) / np.sum(np.abs(kinks.jumps))))
    told = {f"prescribed kink {i + 1}, at x": float(place) for i, place in enumerate(places)}
    return Evidence(Curve(AT_KINKS, np.array(trial.settings.widths), np.array(found)), **told)


def _kinks(trial: Trial, m: int, scale: float, count: int) -> list[KinkMap]:
    """Kinks of several networks after the first growth, near ones merged and small ones left out."""
    return [
        kink_map(network(m), {k: np.asarray(v) for k, v in run.params.items()}, plane(trial))
        .merged(NEAR * _range(trial))
        .above(0.01)
        for run in grown(trial, m, scale, count)
    ]


def predict_count(trial: Trial) -> Evidence:
    """One for each growing direction."""
    widths = trial.settings.widths
    return Evidence(Curve(DISTINCT_KINKS, np.array(widths), np.full(len(widths), float(len(growing(trial))))))


def measure_count(trial: Trial, *, scale: float | None = None) -> Evidence:
    """The most that any of several networks has."""
    own = trial.more("scale") if scale is None else scale
    found = []
    last: list[KinkMap] = []
    for m in trial.settings.widths:
        last = _kinks(trial, m, own, int(trial.more("maps")))
        found.append(float(max(len(one.positions) for one in last)))
    largest = {
        f"kink {i + 1} of the first network of the largest width, at x": float(place)
        for i, place in enumerate(last[0].positions[:5])
    }
    return Evidence(Curve(DISTINCT_KINKS, np.array(trial.settings.widths), np.array(found)), **largest)


# The largest scale of these claims is `scale` in their settings, for the hypothesis that weights start small.
# --- functions over scales of the start --------------------------------------------------------------------------------

FUNCTIONS = "distinct functions"


def predict_functions(trial: Trial) -> Evidence:
    """Two to the number of growing directions, at every scale and width."""
    decades = -np.log10(np.array(trial.more("grid")))
    bound = 2.0 ** len(growing(trial))
    return Evidence(
        *(Curve(f"{FUNCTIONS}, width {m}", decades, np.full(len(decades), bound)) for m in trial.settings.widths),
        **{
            "sectors": extrema(trial).sectors,
            "growing directions": len(growing(trial)),
        },
    )


def measure_functions(trial: Trial) -> Evidence:
    """Distinct functions among many networks for each scale and width; larger scales beside them."""
    beside = _counted(trial, trial.more("larger"), 1.0) if trial.more("larger") else Evidence()
    return Evidence(
        *_counted(trial, trial.more("grid"), 1.0).curves,
        **{
            f"{curve.label}, start of scale {10.0**-x:g}": y
            for curve in beside.curves
            for x, y in zip(curve.x, curve.y, strict=True)
        },
    )


def _counted(trial: Trial, scales: tuple[float, ...], larger: float) -> Evidence:
    """Distinct functions at scales that are `larger` by a factor, over the scales themselves."""
    apart, networks = tolerance(trial), int(trial.more("networks"))
    decades = -np.log10(np.array(scales))
    return Evidence(
        *(
            Curve(
                f"{FUNCTIONS}, width {m}",
                decades,
                [float(distinct(learned(trial, m, s * larger, networks), apart)) for s in scales],
            )
            for m in trial.settings.widths
        )
    )


# --- plateaus ----------------------------------------------------------------------------------------------------------

LONGER = "time on the plateau beyond that of the largest start"


def _after_largest(trial: Trial) -> Float[np.ndarray, " s"]:
    scales = np.array(trial.more("starts"))
    return np.asarray(np.log(scales[0] / scales[1:]))


def predict_plateaus(trial: Trial) -> Evidence:
    """The logarithm of the quotient of the scales over the largest G."""
    x = _after_largest(trial)
    G = GROWTH / trial.slowdown / rate(trial)
    return Evidence(*(Curve(f"{LONGER}, width {m}", x, x / G) for m in trial.settings.widths))


def measure_plateaus(trial: Trial, *, labels: float = 1.0) -> Evidence:
    """Time at which a twentieth of the loss has gone, less that of the largest start."""
    y = labels * targets(trial)
    curves = []
    for m in trial.settings.widths:
        times = np.array([until(trial, m, float(s), 0.95, y=y).steps * rate(trial) for s in trial.more("starts")])
        curves.append(Curve(f"{LONGER}, width {m}", _after_largest(trial), times[1:] - times[0]))
    return Evidence(*curves)


# --- MNIST in more dimensions ------------------------------------------------------------------------------------------

TURNED = "live neurons near a direction of the data"


def _dimensions(trial: Trial) -> tuple[int, ...]:
    """Those of the settings that the rows have; at least the smallest."""
    asked = trial.more("dimensions")
    return tuple(d for d in asked if d <= trial.rows.d) or asked[:1]


def _limits(trial: Trial, d: int) -> tuple[Attractors, Attractors]:
    """Where positive and negative neurons gather, from rows and targets alone."""
    X, y = reduced(trial, d), targets(trial)
    return attractors(X, y, sign=1, seed=trial.seed), attractors(X, y, sign=-1, seed=trial.seed)


def predict_turned(trial: Trial) -> Evidence:
    """All, and how many directions there are."""
    dims = _dimensions(trial)
    told = {f"directions in {d} dimensions": sum(len(one.directions) for one in _limits(trial, d)) for d in dims}
    return Evidence(Curve(TURNED, np.array(dims), np.ones(len(dims))), **told)


def measure_turned(trial: Trial, *, scale: float | None = None) -> Evidence:
    """Share of live neurons within the angle of the settings of a direction found without the network."""
    own = trial.more("scale") if scale is None else scale
    m, found = max(trial.settings.widths), []
    y = targets(trial)
    for d in _dimensions(trial):
        X, limits = reduced(trial, d), _limits(trial, d)
        fastest = max(float(np.abs(one.growth).max()) for one in limits)
        steps = int((np.log(1.0 / own) + 12.0) / GROWTH * trial.slowdown)
        run = train(
            network(m),
            X,
            y,
            learning_rate=GROWTH / fastest / trial.slowdown,
            steps=steps,
            dtype="float64",
            start=start(m, own, [trial.seed, m, d], d=d),
            stop=Stop(loss=ALIGNED * 0.5 * float(np.sum(y**2))),
            seed=trial.seed,
        )
        W = np.asarray(run.params["W"], np.float64)
        live = np.any(X @ W.T > 0, axis=0)
        apart = np.minimum(*(one.distance(W[live]) for one in limits))
        found.append(float(np.mean(apart <= trial.more("degrees"))))
    return Evidence(Curve(TURNED, np.array(_dimensions(trial)), np.array(found)))


_FIVE = {
    "points": "five",
    "scale": 1e-6,
    "networks": 50,
    "maps": 10,
    "grid": (1e-3, 1e-4, 1e-6),
    "larger": (1.0, 1e-1, 1e-2),
    "starts": (1e-3, 1e-4, 1e-5, 1e-6, 1e-8),
}
_KINKS: Mapping[Scale, Settings] = {
    "smoke": Settings(data="generated", n=5, widths=(16,), more={**_FIVE, "scale": 1e-4, "maps": 3}),
    "quick": Settings(data="generated", n=5, widths=(16, 64, 256), more=_FIVE),
    "paper": Settings(data="generated", n=5, widths=(16, 64, 256, 1024, 4096, 20000), seeds=10, more=_FIVE),
}
_GRID: Mapping[Scale, Settings] = {
    "smoke": Settings(
        data="generated",
        n=5,
        widths=(8,),
        more={**_FIVE, "scale": 1e-3, "networks": 30, "grid": (1e-3,), "larger": ()},
    ),
    "quick": Settings(data="generated", n=5, widths=(8, 32, 128, 512), more={**_FIVE, "scale": 1e-3}),
    "paper": Settings(
        data="generated",
        n=5,
        widths=(8, 32, 128, 512, 2048),
        seeds=10,
        more={**_FIVE, "scale": 1e-3, "grid": (1e-3, 1e-4, 1e-6, 1e-8)},
    ),
}
_STARTS: Mapping[Scale, Settings] = {
    "smoke": Settings(data="generated", n=5, widths=(32,), more={**_FIVE, "scale": 1e-3, "starts": (1e-3, 1e-4, 1e-6)}),
    "quick": Settings(data="generated", n=5, widths=(16, 256), more={**_FIVE, "scale": 1e-3}),
    "paper": Settings(data="generated", n=5, widths=(16, 256, 20000), seeds=10, more={**_FIVE, "scale": 1e-3}),
}
_IMAGES = {**_FIVE, "dimensions": (3, 5, 10, 20), "degrees": 2.0}
_MNIST: Mapping[Scale, Settings] = {
    "smoke": Settings(data="digits", n=40, widths=(32,), more={**_IMAGES, "dimensions": (3,), "scale": 1e-5}),
    "quick": Settings(data="mnist:3,8", n=500, widths=(128,), more=_IMAGES),
    "paper": Settings(data="mnist:3,8", n=10000, widths=(20000,), seeds=10, more=_IMAGES),
}

MAPS = (
    Claim(
        key="maennel2018-kinks",
        type="E",
        source="maennel2018",
        locator="abstract",
        title="Kinks lie where the data prescribe",
        statement="A neuron at an extremal direction (u, v) has its kink at -v/u. From a small start the whole bend of the "
        "function, the sum of the jumps of its slope, lies at these places before the function grows.",
        formula=r"\sum_{j \in \text{near}} |a_j w_{j,1}| \,/\, \sum_j |a_j w_{j,1}| = 1, \quad x_j = -w_{j,2} / w_{j,1}",
        quantity="kinks",
        hypotheses=ASSUMPTIONS,
        predict=predict_bend,
        measure=measure_bend,
        criterion=Equality(tolerance=0.05),
        control=lambda trial: measure_bend(trial, scale=1.0),
        control_text="a start of scale one",
        axes=Axes(x="width m", y="share of the bend", log_x=True),
        settings=_KINKS,
        method=(
            *OURS,
            (
                "Kinks are looked at when a thousandth of the loss has gone; near is within a fiftieth of the range of the "
                "inputs."
            ),
        ),
        unit=False,
        sample=sample,
        own_data="kinks are of functions of one input",
        gradient_flow=True,
        cost=1.0,
    ),
    Claim(
        key="maennel2018-kink-count",
        type="U",
        source="maennel2018",
        locator="abstract",
        title="Wider networks do not have more kinks",
        statement="After the first growth the function has at most one kink for each growing direction, whatever the width.",
        formula=r"\#\{\text{kinks}\} \le \#\{\text{growing extremal directions}\}",
        quantity="kinks",
        hypotheses=ASSUMPTIONS,
        predict=predict_count,
        measure=measure_count,
        criterion=UpperBound(),
        control=lambda trial: measure_count(trial, scale=1.0),
        control_text="a start of scale one",
        axes=Axes(x="width m", y="most kinks of any network", log_x=True, log_y=True),
        settings=_KINKS,
        method=(
            *OURS,
            (
                "Ten networks a width. Kinks of which each is within a fiftieth of the range of the next are one; those that "
                "bend by less than a hundredth of the largest are none."
            ),
        ),
        unit=False,
        sample=sample,
        own_data="kinks are of functions of one input",
        gradient_flow=True,
        cost=1.0,
    ),
    Claim(
        key="maennel2018-functions-by-scale",
        type="U",
        source="maennel2018",
        locator="abstract",
        title="How small a start must be for the data to limit the functions",
        statement="Among fifty networks the number of distinct functions learned first is at most two to the number of growing "
        "directions, at every width and every small scale of the start.",
        formula=r"\#\{f\} \le 2^{\#\text{growing extremal directions}}, \quad \varepsilon \le 10^{-3}",
        quantity="functions",
        hypotheses=ASSUMPTIONS,
        predict=predict_functions,
        measure=measure_functions,
        criterion=UpperBound(),
        control=lambda trial: _counted(trial, trial.more("grid"), 1000.0),
        control_text="starts a thousand times larger",
        axes=Axes(x="decades by which the start is below one", y="distinct functions among 50 networks", log_y=True),
        settings=_GRID,
        method=(
            *OURS,
            (
                "50 networks for each width and scale; functions nowhere further apart than an eighth of the largest target "
                "are one."
            ),
            "Scales 1, 0.1 and 0.01 are beside it: there the start is not small, and the bound not claimed.",
        ),
        unit=False,
        sample=sample,
        cost=2.0,
    ),
    Claim(
        key="maennel2018-plateaus",
        type="E",
        source="maennel2018",
        locator="abstract",
        title="The plateau against log(1/epsilon)",
        statement="A start smaller by a factor stays on the first plateau longer by the logarithm of the factor over the largest "
        "G, whatever the width.",
        formula=r"t(\varepsilon) - t(\varepsilon_0) = \log(\varepsilon_0/\varepsilon) / \max|G|",
        quantity="plateaus",
        hypotheses=ASSUMPTIONS,
        predict=predict_plateaus,
        measure=measure_plateaus,
        criterion=Equality(tolerance=0.05),
        control=lambda trial: measure_plateaus(trial, labels=1.5),
        control_text="targets half as large again, against the times of the true ones",
        axes=Axes(x="log of the largest start over the start", y="longer on the plateau, in time"),
        settings=_STARTS,
        method=(*OURS, "The plateau is left when a twentieth of the loss has gone; the largest start has scale .001."),
        unit=False,
        sample=sample,
        gradient_flow=True,
        cost=1.0,
    ),
    Claim(
        key="maennel2018-mnist-dimensions",
        type="E",
        source="maennel2018",
        locator="abstract",
        title="Neurons turn to the directions of MNIST in 3 to 20 dimensions",
        statement="On images of two digits, reduced to a few principal components, weight vectors gather at the few directions "
        "that the data prescribe.",
        formula=r"\hat w_j \to \text{attractors of } \hat w' = s\,(I - \hat w \hat w^\top) D(\hat w)",
        quantity="directions",
        hypotheses=(SMALL, BALANCED),
        predict=predict_turned,
        measure=measure_turned,
        criterion=Equality(tolerance=0.05),
        control=lambda trial: measure_turned(trial, scale=1.0),
        control_text="a start of scale one",
        axes=Axes(x="principal components", y="share of live neurons", log_x=True),
        settings=_MNIST,
        method=(
            *OURS,
            (
                "Beyond the plane directions are not enumerated: they are the limits of the alignment flow from 64 random "
                "directions for each sign, from rows and targets alone."
            ),
            "Neurons are looked at when a thousandth of the loss has gone; near is within two degrees.",
        ),
        gradient_flow=True,
        cost=1.5,
    ),
)
