"""One trial of a claim: rows, a seed, a step size; and what prediction and measurement hand back, curves over one axis.

Here data become what the papers assume: rows of unit norm, two classes as -1 and +1. Nothing here knows a claim.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int, Num

from widthwise.datasets.dataset import Dataset
from widthwise.datasets.features import prepare, resolve_scale
from widthwise.datasets.sampling import stratified_rows
from widthwise.errors import DataError, UsageError

Labels = Literal["binary", "classes", "number"]
FEWEST_ROWS = 8


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a claim is run with at one scale.

    Attributes:
        data: a name or path as `widthwise.load` takes it, or "generated" where the claim makes its own rows.
        n: training rows.
        n_test: rows held out.
        widths: numbers of neurons.
        steps: steps of descent at the full step size; four times as many are made at a quarter of it.
        seeds: how many; verdicts need at least three, unless nothing is random.
        first: take the first rows in the order of the source, not a random subset.
        test_part: hold out rows of the set's own test part, where it has one.
        more: anything else the claim asks for, by name: numbers, texts and tuples of them.
    """

    data: str
    n: int
    n_test: int = 0
    widths: tuple[int, ...] = ()
    steps: int = 0
    seeds: int = 3
    first: bool = False
    test_part: bool = False
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """Rows as a claim uses them.

    Attributes:
        X: training rows.
        y: their targets: -1 and +1, class codes, or numbers of at most 1 in absolute value.
        X_test: rows held out.
        y_test: their targets.
        source: what they are, for the page.
        steps: what was done to them, in words.
    """

    X: Float[np.ndarray, "n d"]
    y: Num[np.ndarray, " n"]
    X_test: Float[np.ndarray, "m d"]
    y_test: Num[np.ndarray, " m"]
    source: str
    steps: tuple[str, ...] = ()

    @property
    def n(self) -> int:
        """Number of training rows."""
        return int(self.X.shape[0])

    @property
    def d(self) -> int:
        """Number of columns."""
        return int(self.X.shape[1])


@dataclass(frozen=True, kw_only=True, eq=False)
class Trial:
    """What predictions, measurements, hypotheses and controls are given: one seed at one step size.

    Attributes:
        settings: those of the scale, `n` and `n_test` cut to what the data have.
        rows: the data.
        seed: of everything random in this trial.
        slowdown: 1, or 4 where a claim of gradient flow is repeated at a quarter of its step size: divide rates and multiply
            steps by it.
    """

    settings: Settings
    rows: Rows
    seed: int
    slowdown: int = 1

    @property
    def steps(self) -> int:
        """Steps of descent at this step size."""
        return self.settings.steps * self.slowdown

    @property
    def rng(self) -> np.random.Generator:
        """A fresh generator from the seed: the same numbers each time it is asked for."""
        return np.random.default_rng(self.seed)

    def more(self, name: str) -> Any:
        """A setting of this claim alone.

        Raises:
            UsageError: if the settings lack it.
        """
        if name not in self.settings.more:
            raise UsageError(
                f"settings must hold {name!r} in `more`; they hold {', '.join(self.settings.more) or 'none'}"
            )
        return self.settings.more[name]


@dataclass(frozen=True, eq=False, init=False)
class Curve:
    """Numbers over the axis of a claim's figure. Prediction and measurement are matched by label, point by point.

    Attributes:
        label: what it is, such as "true labels".
        x: abscissae; a single number is a curve of one point.
        y: ordinates.
    """

    label: str
    x: Float[np.ndarray, " t"]
    y: Float[np.ndarray, " t"]

    def __init__(self, label: str, x: Any, y: Any) -> None:
        own = {"x": np.atleast_1d(np.asarray(x, dtype=np.float64)), "y": np.atleast_1d(np.asarray(y, dtype=np.float64))}
        if own["x"].shape != own["y"].shape or own["x"].ndim != 1:
            raise UsageError(f"curve {label!r} must have one y for each x; got {own['y'].shape} for {own['x'].shape}")
        for name, value in {"label": label, **own}.items():
            object.__setattr__(self, name, value)


@dataclass(frozen=True, eq=False, init=False)
class Evidence:
    """Curves, and single numbers for the page beside them.

    Two numbers have a meaning for the atlas as a whole, the regime map: `laziness`, the measured distance of the weights from
    their start over kappa sqrt(m), and `flips`, the share of gates that changed; of several runs `laziness NAME` and `flips NAME`.
    """

    curves: tuple[Curve, ...]
    numbers: Mapping[str, float]

    def __init__(self, *curves: Curve, **numbers: Any) -> None:
        object.__setattr__(self, "curves", curves)
        object.__setattr__(self, "numbers", {name: float(value) for name, value in numbers.items()})


def rows_of(
    data: Dataset, settings: Settings, *, labels: Labels, unit: bool, seed: int, test: Dataset | None = None
) -> Rows:
    """Rows of a data set as a claim uses them.

    Columns of tables are standardised and a constant coordinate of the size of a row appended, rows of images and tables
    brought to unit norm. `binary` takes the first two classes as +1 and -1; a numeric target is centred and divided by its
    largest absolute value.

    Args:
        data: the data set.
        settings: how many rows.
        labels: what the claim needs.
        unit: bring rows to norm 1; else columns are only standardised (tables) or left alone (images).
        seed: which rows are taken, and which are held out.
        test: rows of the set's test part, from which those held out are taken; of the data themselves when not given.

    Raises:
        DataError: if the data have too few rows, or no classes where the claim needs them.
    """
    if labels == "classes" and data.task != "classification":
        raise DataError(f"this claim needs classes, but the target of {data.source} is a number")
    steps: tuple[str, ...] = ()
    if labels == "binary" and data.task == "classification":
        if len(data.classes) > 2:
            steps = (f"the first two of {len(data.classes)} classes, {data.classes[0]} and {data.classes[1]}",)
        data = data.take(np.flatnonzero(data.y <= 1))
        test = None if test is None else test.take(np.flatnonzero(test.y <= 1))
    if data.n < FEWEST_ROWS:
        raise DataError(f"a claim needs at least {FEWEST_ROWS} rows; {data.source} has {data.n}")
    n_test = min(settings.n_test, data.n // 3) if test is None else 0
    n = min(settings.n, data.n - n_test)
    index = _rows_in(data, n + n_test, settings.first, np.random.default_rng([seed, 1]))
    if n_test and not settings.first:
        # Which of them are held out.
        index = np.random.default_rng([seed, 2]).permutation(index)
    X, y = data.X[index], data.y[index]
    if test is not None:
        held = _rows_in(test, min(settings.n_test, test.n), settings.first, np.random.default_rng([seed, 3]))
        X, y = np.concatenate([X, test.X[held]]), np.concatenate([y, test.y[held]])
    scale = resolve_scale("auto", data.kind)
    if unit or scale == "standardise":
        features = prepare(X, scale=scale, tau=float(scale == "standardise"))
        X, steps = features.X, (*steps, *features.steps)
    y = _coded(y, labels if data.task == "classification" else "number")
    return Rows(X=X[:n], y=y[:n], X_test=X[n:], y_test=y[n:], source=data.source, steps=steps)


def _rows_in(data: Dataset, n: int, first: bool, generator: np.random.Generator) -> Int[np.ndarray, " n"]:
    return np.arange(n) if first else stratified_rows(data.y, n, task=data.task, seed=generator)


def _coded(y: Num[np.ndarray, " n"], labels: Labels) -> Float[np.ndarray, " n"] | Int[np.ndarray, " n"]:
    if labels == "classes":
        return y.astype(np.int64)
    if labels == "binary":
        return np.where(y == 0, 1.0, -1.0)
    centred = y.astype(np.float64) - float(np.mean(y))
    largest = float(np.max(np.abs(centred)))
    return centred / largest if largest > 0 else centred
