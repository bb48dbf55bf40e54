"""Small ReLU networks in a plane, for the claims of Maennel, Bousquet and Gelly 2018.

The paper's text was not available: these experiments are this library's own, on what its abstract says.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from widthwise.atlas.claim import Finding, Hypothesis
from widthwise.atlas.trial import Rows, Settings, Trial
from widthwise.datasets.synthetic import line_points
from widthwise.errors import DataError
from widthwise.networks import MLP, Balanced, Normal
from widthwise.theory.alignment import ExtremalDirections, extremal_directions
from widthwise.training import Stop, TrainingRun, train, train_many
from widthwise.training.snapshot import Probe

GROWTH = 0.0042
"""Growth in a step of the fastest neuron: the step size is this over the largest G."""
ALIGNED = 0.999
"""Share of the loss of f = 0 at which the alignment ends."""
OURS = (
    "The paper's text was not available: the experiment is this library's own, on what the abstract says.",
    "Both layers train by full-batch descent on half the sum of squares in double precision, from a balanced start.",
)


def sample(settings: Settings, seed: int) -> Rows:  # noqa: ARG001 - the points are given
    """Points on a line with the coordinate one appended: `points` of the settings."""
    made = line_points(str(settings.more["points"]))
    X = np.column_stack([made.X, np.ones(len(made.X))])
    return Rows(X=X, y=made.y, X_test=X[:0], y_test=made.y[:0], source=f"points on a line: {settings.more['points']}")


def plane(trial: Trial) -> Float[np.ndarray, "n 2"]:
    """The rows in two columns: as they are, or their first two principal components at mean square one."""
    return reduced(trial, 2)


def reduced(trial: Trial, d: int) -> Float[np.ndarray, "n d"]:
    """The rows in d columns: as they are, or their first principal components at mean square one."""
    X = np.asarray(trial.rows.X, np.float64)
    if X.shape[1] == d:
        return X
    if X.shape[1] < d:
        raise DataError(f"this claim reduces rows to {d} columns; these have {X.shape[1]}")
    centred = X - X.mean(axis=0)
    components = centred @ np.linalg.svd(centred, full_matrices=False)[2][:d].T
    return np.asarray(components / np.sqrt(np.mean(np.sum(components**2, axis=1))))


def targets(trial: Trial) -> Float[np.ndarray, " n"]:
    """Targets as numbers."""
    return np.asarray(trial.rows.y, np.float64)


def extrema(trial: Trial) -> ExtremalDirections:
    """Directions that the data prescribe, for half the sum of squares."""
    return extremal_directions(plane(trial), targets(trial))


def fastest(trial: Trial) -> float:
    """Largest growth rate of a neuron of either sign."""
    return float(np.abs(extrema(trial).G).max())


def network(m: int) -> MLP:
    """Both layers trained, no biases: the constant coordinate is a column."""
    laws = (Normal(1.0), Balanced())
    return MLP(widths=(m,), parametrisation="plain", trained="all", antisymmetric=False, weight_laws=laws)


def start(m: int, scale: float, seed: Sequence[int], *, d: int = 2) -> dict[str, np.ndarray]:
    """Balanced: |a_j| = |w_j|, weights N(0, scale^2 / m)."""
    generator = np.random.default_rng(seed)
    W = scale / np.sqrt(m) * generator.standard_normal((m, d))
    a = np.linalg.norm(W, axis=1, keepdims=True) * generator.choice([-1.0, 1.0], (m, 1))
    return {"W": W, "a": a}


def rate(trial: Trial) -> float:
    """Step size on half the sum of squares."""
    return GROWTH / fastest(trial) / trial.slowdown


def horizon(trial: Trial, scale: float, beyond: float) -> int:
    """Steps in which the fastest neuron grows from the scale to one, and by so many powers of e more."""
    return int((np.log(1.0 / scale) + beyond) / GROWTH * trial.slowdown)


def nothing(trial: Trial) -> float:
    """The loss of f = 0."""
    return 0.5 * float(np.sum(targets(trial) ** 2))


def until(
    trial: Trial,
    m: int,
    scale: float,
    level: float,
    *,
    y: Float[np.ndarray, " n"] | None = None,
    probes: Sequence[Probe] = (),
) -> TrainingRun:
    """Descent until the loss is at a share `level` of that of f = 0."""
    own = targets(trial) if y is None else y
    steps = horizon(trial, scale, 12.0)
    return train(
        network(m),
        plane(trial),
        own,
        learning_rate=rate(trial),
        steps=steps,
        dtype="float64",
        start=start(m, scale, [trial.seed, m]),
        stop=Stop(loss=level * 0.5 * float(np.sum(own**2))),
        probes=probes,
        every=steps,
        seed=trial.seed,
    )


def grid(trial: Trial) -> Float[np.ndarray, "g 2"]:
    """Where functions are compared: on and around the rows."""
    X = plane(trial)
    low, high = X.min(axis=0), X.max(axis=0)
    return np.asarray(low + (high - low) * np.linspace(-0.1, 1.1, 49)[:, None])


def _after(trial: Trial, scale: float) -> int:
    """The first groups have grown, and later ones of a residual that has changed have not."""
    return horizon(trial, scale, 9.0)


def grown(trial: Trial, m: int, scale: float, count: int) -> tuple[TrainingRun, ...]:
    """Several networks after the first growth."""
    return train_many(
        network(m),
        plane(trial),
        targets(trial),
        learning_rate=rate(trial),
        steps=_after(trial, scale),
        seeds=range(count),
        starts=[start(m, scale, [trial.seed, m, each]) for each in range(count)],
        dtype="float64",
        watch=grid(trial),
    )


def learned(trial: Trial, m: int, scale: float, count: int) -> Float[np.ndarray, "c g"]:
    """Functions of several networks after the first growth, on the grid."""
    return np.array([run.history.outputs[-1, :, 0] for run in grown(trial, m, scale, count)])


def growing(trial: Trial) -> list[tuple[np.ndarray, float]]:
    """Directions where neurons gather and grow, with the sign of their readout."""
    found = extrema(trial)
    return [
        (found.directions[i], float(sign))
        for sign in (1, -1)
        for i in np.flatnonzero(found.stable(sign) & found.growing(sign))
    ]


def family(trial: Trial, scale: float) -> Float[np.ndarray, "f g"]:
    """Functions of networks with one neuron at each of a set of growing directions, for every set."""
    pull = growing(trial)
    made = [np.zeros(len(grid(trial)))]
    for size in range(1, len(pull) + 1):
        for chosen in itertools.combinations(pull, size):
            W = scale * np.array([direction for direction, _ in chosen])
            run = train(
                network(size),
                plane(trial),
                targets(trial),
                learning_rate=rate(trial),
                steps=_after(trial, scale),
                dtype="float64",
                start={"W": W, "a": scale * np.array([[sign] for _, sign in chosen])},
                watch=grid(trial),
            )
            made.append(run.history.outputs[-1, :, 0])
    return np.array(made)


def tolerance(trial: Trial) -> float:
    """Functions closer than this everywhere on the grid are one: an eighth of the largest target."""
    return 0.125 * float(np.abs(targets(trial)).max())


def distinct(functions: Float[np.ndarray, "c g"], apart: float) -> int:
    """Number of functions, those within `apart` of a first one counted with it."""
    kept: list[np.ndarray] = []
    for one in functions:
        if all(np.abs(one - other).max() > apart for other in kept):
            kept.append(one)
    return len(kept)


def _small(trial: Trial) -> Finding:
    return Finding("met" if trial.more("scale") <= 1e-3 else "unmet", f"scale {trial.more('scale'):g}")


def _isolated(trial: Trial) -> Finding:
    found = extrema(trial)
    number = sum(kind != "flat edge" for kind in found.kinds)
    said = f"{number} extremal directions in {found.sectors} sectors, {len(growing(trial))} of them grow"
    return Finding("met" if growing(trial) else "unmet", said)


def _planar(trial: Trial) -> Finding:
    d = trial.rows.d
    return Finding(
        "met" if d == 2 else "unmet", f"{d} columns" + ("" if d == 2 else ", reduced to two by principal components")
    )


SMALL = Hypothesis("weights start small", _small)
ISOLATED = Hypothesis("the data have directions at which neurons gather and grow", _isolated)
PLANAR = Hypothesis("neurons live in a plane, where directions can be enumerated", _planar)
BALANCED = Hypothesis("|a_j| = |w_j| at the start", lambda _trial: Finding("met", "by construction"))
ASSUMPTIONS = (SMALL, BALANCED, ISOLATED, PLANAR)
