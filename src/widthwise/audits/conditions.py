"""Published width conditions evaluated on a labelled data set, beside the measured width: the function behind the command.

A width asked by a theorem is sufficient at best, with unknown constants set to one; it is never advice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from jaxtyping import Float, Int

from widthwise import theory
from widthwise._checks import available_memory, count, enough_memory
from widthwise.audits.installation import versions
from widthwise.audits.report import Report
from widthwise.datasets import Scale, load, prepare, resolve_scale, stratified_rows
from widthwise.errors import UsageError
from widthwise.kernels import HInf
from widthwise.pages.progress import Progress
from widthwise.training import measured_width
from widthwise.training.measured_width import largest_width

if TYPE_CHECKING:
    from widthwise.pages import Page

SCHEMA: Literal["widthwise/conditions/1"] = "widthwise/conditions/1"
FEWEST_ROWS = 2
# Square matrices held at once: the kernel, its merged copy, eigenvectors and their workspace.
MATRICES = 6
# A width is measured unasked up to this many pairs of rows times outputs: some ten seconds of two cores.
MOST_UNASKED = 100_000
# Goal of networks on numbers: share of the norm of the centred targets that is left.
RESIDUAL = 0.1


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the conditions are evaluated on; see `theory.WidthFacts`.

    Attributes:
        n: distinct rows.
        merged: rows left out because they repeat another one, target included.
        d: features of the rows.
        classes: number of classes, 0 for a number.
        lambda_0: smallest eigenvalue of H-infinity, 0 where it is rounding.
        phi: smallest distance between two rows; None where there is one row.
        gamma: margin under H-infinity; None where the target is a number.
        delta: smallest distance between rows of different classes; None where the target is a number.
        clusters: clusters per class that the assumptions of Li and Liang would need; None where classes touch or the target is
            a number.
        memorising: whether that is every row by itself; None as above.
        depth: L.
        failure: delta of the theorems.
        accuracy: epsilon.
        start: kappa.
    """

    n: int
    merged: int
    d: int
    classes: int
    lambda_0: float
    phi: float | None
    gamma: float | None
    delta: float | None
    clusters: int | None
    memorising: bool | None
    depth: int
    failure: float
    accuracy: float
    start: float


@dataclass(frozen=True, kw_only=True)
class Row:
    """One condition; see `theory.WidthRow`."""

    key: str
    source: str
    year: int
    eprint: str
    setting: str
    formula: str
    confidence: Literal["read", "second-hand", "memory"]
    needs: tuple[str, ...]
    assumes: str
    log10_width: float | None
    holds: bool | None
    note: str
    vacuity: float | None


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The width at which half of the networks succeed; see `training.MeasuredWidth`.

    Attributes:
        width: that width; None where it is beyond the last one that was tried, 0 where all networks succeeded.
        low: lower end of its 95 % interval; 0 where the counts set none.
        high: upper end; None where the counts set none.
        widths: that were tried.
        successes: networks that succeeded at each of them.
        seeds: networks at each width.
        residual: the goal, relative residual; None where it is that every row is put right.
        protocol: what was done, in words.
    """

    width: float | None
    low: float
    high: float | None
    widths: tuple[int, ...]
    successes: tuple[int, ...]
    seeds: int
    residual: float | None
    protocol: str


@dataclass(frozen=True, kw_only=True)
class ConditionsSettings:
    """Arguments that make the same table again."""

    target: str | None = None
    task: str = "auto"
    scale: str = "auto"
    pad: float | None = None
    max_n: int = 1000
    subsample: str = "stratified"
    depth: int = 1
    failure: float = 0.1
    accuracy: float = 1.0
    start: float = 1.0
    observed: float | None = None
    measure: bool | None = None
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class ConditionsResult(Report):
    """Published width conditions on one data set.

    Attributes:
        schema: name and version of this layout.
        source: what the user named.
        digest: SHA-256 of the features and targets that were used.
        n_source: rows in the source.
        subsample: how rows were chosen, empty where all were taken.
        steps: what was done to the features.
        facts: what the conditions are evaluated on.
        rows: the conditions, by year.
        observed: width at which networks were seen to train, as measured or as given: the smallest tried where all succeeded;
            None where nothing was measured, or none of the widths that were tried is wide enough.
        interpolation: m d / n of that width; None without one.
        settings: arguments.
        measured: the measured width; None where nothing was trained.
        unmeasured: why nothing was trained; empty where it was.
        versions: of widthwise and what it computes with.
    """

    schema: Literal["widthwise/conditions/1"] = SCHEMA
    source: str
    digest: str
    n_source: int
    subsample: str
    steps: tuple[str, ...]
    facts: Facts
    rows: tuple[Row, ...]
    observed: float | None
    interpolation: float | None
    settings: ConditionsSettings
    measured: Measured | None = None
    unmeasured: str = ""
    versions: dict[str, str] = field(default_factory=dict)

    def _page(self) -> Page:
        from widthwise.audits.conditions_page import page  # noqa: PLC0415

        return page(self)


def conditions(
    data: Any,
    y: Any = None,
    *,
    target: str | None = None,
    task: Literal["auto", "classification", "regression"] = "auto",
    scale: Scale = "auto",
    pad: float | None = None,
    max_n: int = 1000,
    subsample: Literal["stratified", "first"] = "stratified",
    depth: int = 1,
    failure: float = 0.1,
    accuracy: float = 1.0,
    start: float = 1.0,
    observed: float | None = None,
    measure: bool | None = None,
    seed: int = 0,
    progress: bool = False,
) -> ConditionsResult:
    """Evaluate every published width condition on a labelled data set, and measure the width from which networks fit it.

    Args:
        data: anything that `load` reads.
        y: targets, where `data` is a matrix.
        target: name of the target column.
        task: classification or regression; guessed when `auto`.
        scale: `standardise`, `unit` or `none`; `auto` standardises tables and brings images to unit rows.
        pad: size tau of the constant coordinate; 1 for tables and 0 for images when not given.
        max_n: most rows.
        subsample: how rows beyond `max_n` are left out: `stratified`, or the `first` ones.
        depth: L of the conditions that have one; lambda_0 and gamma stay those of the first layer of a two-layer network.
        failure: delta of the theorems.
        accuracy: epsilon.
        start: kappa, standard deviation of the first weights.
        observed: a width at which networks were seen to train, for the vacuity, in place of one that is measured here.
        measure: whether to train networks of growing width, ten at each, and say where half of them succeed
            (`training.measured_width`). When not given they are trained where that takes seconds: up to 100 000 pairs of rows
            times outputs.
        seed: of the subsample and of the networks.
        progress: show progress on stderr where the work takes more than two seconds.

    Returns:
        The table, which writes itself as JSON and as a page.

    Raises:
        DataError: if the data cannot be used as they are.
        UsageError: if an argument is outside its range.
        ResourceError: if the matrices do not fit into memory.
    """
    count(max_n, "max_n", FEWEST_ROWS)
    count(seed, "seed", 0)
    if measure and observed is not None:
        raise UsageError("observed is a width that was measured elsewhere: give it, or measure, not both")
    if subsample not in ("stratified", "first"):
        raise UsageError(f"subsample must be 'stratified' or 'first'; {subsample!r} came")
    if pad is not None and not (np.isfinite(pad) and pad >= 0):
        raise UsageError(f"pad must be a finite number of at least 0; {pad!r} came")
    given = observed
    whole = load(data, y, target=target, task=task)
    ds, how = whole, ""
    if whole.n > max_n and subsample == "first":
        ds, how = whole.take(np.arange(max_n)), f"the first {max_n} of {whole.n} rows in the order of the source"
    elif whole.n > max_n:
        ds = whole.take(stratified_rows(whole.y, max_n, task=whole.task, seed=seed))
        how = f"a random subsample of {max_n} of {whole.n} rows, stratified by the target (seed {seed})"
    fits = int(((available_memory() or 0) / (8.0 * MATRICES)) ** 0.5)
    enough_memory(MATRICES * 8.0 * ds.n**2, f"a kernel of {ds.n} rows", f"Use --max-n {fits} (max_n) or less")
    resolved = resolve_scale(scale, ds.kind)
    tau = pad if pad is not None else float(resolved == "standardise")
    features = prepare(ds.X, scale=resolved, tau=tau)
    classified = ds.task == "classification"
    labels = ds.y.astype(np.int64) if classified else np.asarray(ds.y, dtype=np.float64)
    outputs = len(ds.classes) if len(ds.classes) > 2 else 1
    ladder = math.log2(largest_width(ds.n, features.X.shape[1], outputs)) + 1.0
    with Progress(3.0 + ladder, label="kernel", enabled=progress) as bar:
        H = HInf()(features.X)
        bar.advance(1.0, "eigenvalues and margins")
        found = theory.width_facts(features.X, labels, H, depth=depth, failure=failure, accuracy=accuracy, start=start)
        bar.advance(1.0, "separation")
        shape = theory.structure(features.X, labels) if classified and found.classes > 1 else None
        bar.advance(1.0, "networks")
        unmeasured = _reason(found, labels, features.X, measure, observed)
        measured = None if unmeasured else _measured(features.X, labels, found.classes, seed, bar)
    if measured is not None:
        observed = float(measured.widths[0]) if measured.width == 0.0 else measured.width
    rows = theory.width_conditions(found, observed=observed)
    return ConditionsResult(
        source=ds.source,
        digest=ds.digest,
        n_source=whole.n,
        subsample=how,
        steps=features.steps,
        facts=Facts(
            n=found.n,
            merged=found.merged,
            d=found.d,
            classes=found.classes,
            lambda_0=found.lambda_0,
            phi=found.phi if math.isfinite(found.phi) else None,
            gamma=found.gamma,
            delta=None if shape is None else shape.delta,
            clusters=None if shape is None or shape.delta == 0 else shape.components,
            memorising=None if shape is None or shape.delta == 0 else shape.memorising,
            depth=found.depth,
            failure=found.failure,
            accuracy=found.accuracy,
            start=found.start,
        ),
        rows=tuple(
            Row(
                key=row.condition.key,
                source=row.condition.source,
                year=row.condition.year,
                eprint=row.condition.eprint,
                setting=row.condition.setting,
                formula=row.condition.formula,
                confidence=row.condition.confidence,
                needs=row.condition.needs,
                assumes=row.condition.assumes,
                log10_width=row.log10_width,
                holds=row.holds,
                note=row.note,
                vacuity=row.vacuity,
            )
            for row in rows
        ),
        observed=observed,
        interpolation=None if observed is None else theory.interpolation_ratio(width=observed, d=found.d, n=found.n),
        settings=ConditionsSettings(
            target=target,
            task=task,
            scale=scale,
            pad=pad,
            max_n=max_n,
            subsample=subsample,
            depth=depth,
            failure=failure,
            accuracy=accuracy,
            start=start,
            observed=given,
            measure=measure,
            seed=seed,
        ),
        measured=measured,
        unmeasured=unmeasured,
        versions=versions(),
    )


def _reason(
    found: theory.WidthFacts,
    labels: Int[np.ndarray, " n"] | Float[np.ndarray, " n"],
    X: Float[np.ndarray, "n d"],
    measure: bool | None,
    observed: float | None,
) -> str:
    """Why no network is trained, empty where some are: in words that end a sentence."""
    if observed is not None:
        return "a width was given"
    if measure is False:
        return "it was not asked for"
    if found.phi == 0.0:
        return f"no width fits rows {', '.join(map(str, found.phi_rows))}: equal features, different targets"
    if np.ptp(labels) == 0 or not np.any(X):
        return "there is nothing to learn: all targets are equal, or all features zero"
    outputs = found.classes if found.classes > 2 else 1
    if measure is None and found.n**2 * outputs > MOST_UNASKED:
        return (
            f"ten networks at each width on {found.n} rows with {outputs} output{'s' * (outputs > 1)} take longer than seconds; "
            "ask for them with --measure (measure=True), or for fewer rows"
        )
    return ""


def _measured(
    X: Float[np.ndarray, "n d"],
    labels: Int[np.ndarray, " n"] | Float[np.ndarray, " n"],
    classes: int,
    seed: int,
    bar: Progress,
) -> Measured:
    """Networks of growing width on the distinct rows: one output for two classes or a number, else one for each class."""
    kept = theory.distinct_rows(X, labels)
    named = labels[kept]
    if classes > 2:
        targets = np.where(named[:, None] == np.unique(named), 1.0, -1.0)
    elif classes:
        targets = np.where(named == named.max(), 1.0, -1.0)
    else:
        targets = named - named.mean()
    found = measured_width(
        X[kept],
        targets,
        residual=None if classes else RESIDUAL,
        seed=seed,
        observe=lambda width, _: bar.advance(1.0, f"networks of width {2 * width}"),
    )
    return Measured(
        width=found.width if math.isfinite(found.width) else None,
        low=found.low,
        high=found.high if math.isfinite(found.high) else None,
        widths=found.widths,
        successes=found.successes,
        seeds=found.seeds,
        residual=found.residual,
        protocol=found.protocol,
    )
