"""Every published width condition evaluated on a labelled data set: result, JSON and the function behind the command.

A width asked by a theorem is sufficient at best, with unknown constants set to one; it is never advice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from widthwise import theory
from widthwise._checks import available_memory, count, enough_memory
from widthwise.audits.installation import versions
from widthwise.datasets import Scale, load, prepare, resolve_scale, stratified_rows
from widthwise.errors import DataError, UsageError
from widthwise.kernels import HInf
from widthwise.pages.progress import Progress

if TYPE_CHECKING:
    from pydantic import TypeAdapter

SCHEMA: Literal["widthwise/conditions/1"] = "widthwise/conditions/1"
FEWEST_ROWS = 2
# Square matrices held at once: the kernel, its merged copy, eigenvectors and their workspace.
MATRICES = 6


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
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class ConditionsResult:
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
        observed: width at which networks were seen to train, as given; None where nothing was measured.
        interpolation: m d / n of that width; None without one.
        settings: arguments.
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
    versions: dict[str, str] = field(default_factory=dict)

    def to_json(self, path: str | Path | None = None) -> str:
        """The result as JSON of schema `widthwise/conditions/1`, also written to `path` when one is given."""
        from widthwise.pages.files import write_atomically  # noqa: PLC0415

        text = adapter().dump_json(self, indent=1).decode() + "\n"
        if path is not None:
            write_atomically(Path(path), text)
        return text

    @classmethod
    def from_json(cls, text: str | bytes) -> ConditionsResult:
        """Read what `to_json` wrote.

        Raises:
            DataError: if the text is not a result of this schema.
        """
        from pydantic import ValidationError  # noqa: PLC0415

        try:
            return adapter().validate_json(text)
        except ValidationError as failure:
            first = failure.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise DataError(f"the JSON must follow {SCHEMA}; at {where or 'the top'}: {first['msg']}") from None

    def to_html(self, path: str | Path | None = None) -> str:
        """The result as one self-contained HTML page, also written to `path` when one is given."""
        from widthwise.audits.conditions_page import page  # noqa: PLC0415
        from widthwise.pages.files import write_atomically  # noqa: PLC0415
        from widthwise.pages.html import to_html  # noqa: PLC0415

        text = to_html(page(self))
        if path is not None:
            write_atomically(Path(path), text)
        return text

    def _repr_html_(self) -> str:
        from widthwise.audits.conditions_page import page  # noqa: PLC0415
        from widthwise.pages.html import fragment  # noqa: PLC0415

        return fragment(page(self))


def adapter() -> TypeAdapter[ConditionsResult]:
    """The reader and writer of the JSON layout; also the source of its schema."""
    from pydantic import TypeAdapter  # noqa: PLC0415

    return TypeAdapter(ConditionsResult)


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
    seed: int = 0,
    progress: bool = False,
) -> ConditionsResult:
    """Evaluate every published width condition on a labelled data set.

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
        observed: a width at which networks were seen to train, for the vacuity; nothing is trained here.
        seed: of the subsample.
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
    if subsample not in ("stratified", "first"):
        raise UsageError(f"subsample must be 'stratified' or 'first'; {subsample!r} came")
    if pad is not None and not (np.isfinite(pad) and pad >= 0):
        raise UsageError(f"pad must be a finite number of at least 0; {pad!r} came")
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
    with Progress(3.0, label="kernel", enabled=progress) as bar:
        H = HInf()(features.X)
        bar.advance(1.0, "eigenvalues and margins")
        found = theory.width_facts(features.X, labels, H, depth=depth, failure=failure, accuracy=accuracy, start=start)
        bar.advance(1.0, "separation")
        shape = theory.structure(features.X, labels) if classified and found.classes > 1 else None
        bar.advance(1.0)
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
            observed=observed,
            seed=seed,
        ),
        versions=versions(),
    )
