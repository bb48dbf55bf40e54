"""The audit: predictions from the closed forms first, then baselines and real trainings side by side."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int

from widthwise import theory
from widthwise._checks import available_memory, count
from widthwise._jax import device_line
from widthwise.audits import capacity, large
from widthwise.audits import generalisation as generalising
from widthwise.audits.baselines import HeldOut, held_out_baselines
from widthwise.audits.dependence import dependence, tie
from widthwise.audits.groups import aside
from widthwise.audits.growth import growth
from widthwise.audits.holdout import hold_out, read_test
from widthwise.audits.installation import versions
from widthwise.audits.labels import labels as look_at_labels
from widthwise.audits.recommended import recommended
from widthwise.audits.result import AuditResult, DataSummary, Generalisation, Settings, Speed
from widthwise.audits.speed import speed as fit_speed
from widthwise.audits.table import VALUES
from widthwise.audits.targets import targets
from widthwise.audits.verdict import verdict
from widthwise.audits.verification import trial as plan_trial
from widthwise.audits.verification import verification as verify_by_training
from widthwise.datasets import Dataset, Features, Scale, encode, folds, load, prepare, resolve_scale, stratified_rows
from widthwise.errors import DataError, UsageError
from widthwise.kernels import HInf
from widthwise.pages.progress import Progress

Observer = Callable[[str, DataSummary, Any], None]
TAUS = (0.5, 1.0, 2.0)
FOLDS = 5
FEWEST_ROWS = 3
# What scikit-learn's trees take.
LARGEST_SEED = 2**32 - 1
MATRICES = 6


def audit(
    data: Any,
    y: Any = None,
    *,
    target: str | None = None,
    task: Literal["auto", "classification", "regression"] = "auto",
    scale: Scale = "auto",
    pad: float | None = None,
    coding: Literal["centred", "raw"] = "centred",
    groups: Any = None,
    time: Any = None,
    test: Any = None,
    max_n: int = 5000,
    subsample: Literal["stratified", "first"] = "stratified",
    verify: Literal["quick", "thorough", "none"] = "quick",
    seed: int = 0,
    progress: bool = False,
    observe: Observer | None = None,
) -> AuditResult:
    """Predict how a wide network fits and generalises on a labelled data set, then train some and compare.

    Dynamics (speed, complexity, rates, trained networks) use the first-layer kernel `HInf`; held-out predictions use
    the tangent kernel `NTK(depth=1)` with a ridge.

    Args:
        data: anything that `load` reads.
        y: targets, where `data` is a matrix.
        target: name of the target column.
        task: classification or regression; guessed, with its reason, when `auto`.
        scale: `standardise` (columns, then unit rows), `unit` (rows), `none`; `auto` standardises tables and brings
            images to unit rows.
        pad: size tau of the constant coordinate tau * sqrt(d), 0 for none; chosen among 1/2, 1 and 2 by leave-one-out
            for tables and 0 for images when not given.
        coding: of the labels for dynamics: `centred` by column, or `raw` -1/+1 for two classes, as in the papers.
        groups: what belongs together: the name of a column, which is then no feature, or one label for each row of the source.
            Groups stay in one fold, leave-group-out chooses scaling and ridge and is set beside leave-one-out, and intervals count
            groups. Rows of equal features are always one group. Labels are ranked by leave-one-out of single rows.
        time: the name of a column, which is then no feature, or one number or date for each row of the source: every block of
            rows is predicted from its past as well.
        test: rows to test on: a file, a DataFrame, a pair (X, y), or the name of a set with a test part. They are read and scaled
            as the audited rows, and all models are scored on them.
        max_n: most rows. From 8000 on, or where dense linear algebra does not fit into memory, no square matrix is
            factorised, and what is estimated carries its error (`audits.large`).
        subsample: how rows beyond `max_n` are left out: `stratified`, or the `first` ones in the order of the source.
        verify: `quick` trains up to width 2048 on up to 512 rows; `thorough` up to 16384 on all rows; `none` trains
            nothing.
        seed: of subsamples, folds, shuffles and trees.
        progress: show progress on stderr where the work takes more than two seconds.
        observe: called as `observe(name, data, answer)` with `speed`, `labels`, `generalisation`, `recommended`, `verification`
            and `holdout` as they come.

    Returns:
        The answers, which write themselves as JSON, as a page and as a folder.

    Raises:
        DataError: if the data cannot be used as they are.
        UsageError: if an argument is outside its range.
        ResourceError: if half a kernel matrix in float32 does not fit into memory.
    """
    _arguments(max_n, seed, pad, verify, subsample)
    whole = load(data, y, target=target, task=task, aside=aside(groups, time))
    ds, chosen_rows, how = _rows(whole, max_n, subsample, seed)
    tested = None if test is None else read_test(test, whole, data, target, groups)
    ds, bonds = tie(ds, whole, chosen_rows, groups=groups, time=time)
    coded = targets(ds, coding)
    big = _big(ds, coded.Y.shape[1])
    parts = folds(
        ds.y,
        task=ds.task,
        k=min(FOLDS, ds.n if bonds.together is None else len(bonds.together.names)),
        seed=seed,
        groups=None if bonds.together is None else bonds.together.labels,
    )
    shown = observe or (lambda *_: None)
    candidates = _scalings(ds, scale, pad)
    cost = _costs(ds, len(candidates), verify)
    with Progress(sum(cost.values()), label="exact predictions", enabled=progress) as bar:
        Y = np.asarray(encode(ds).Y + encode(ds).offset)

        def show_speed(features: Features, fast: Speed) -> None:
            shown("speed", _summary(ds, whole, how, coded.name, features), fast)

        def advance(share: float, label: str) -> None:
            bar.advance(cost["answers"] * share, label)

        answers = large.answers if big else _dense
        known = answers(
            ds, candidates, coded.Y, Y, parts, groups=bonds.named, seed=seed, advance=advance, shown=show_speed
        )
        chosen, fast = known.chosen, known.speed
        summary = _summary(ds, whole, how, coded.name, chosen.features)
        doubtful = look_at_labels(ds, chosen.features.X, chosen.loo, Y)
        shown("labels", summary, doubtful)
        found = replace(
            generalising.generalisation(ds, chosen, parts, known.complexity, bonds.named),
            growth=growth(ds, chosen, Y, folds=len(parts), seed=seed),
        )
        found, findings = dependence(known, Y, found, bonds=bonds, seed=seed)

        compared: list[Generalisation] = []

        def compare(models: tuple[HeldOut, ...]) -> None:
            if not compared:
                compared.append(large.with_baselines(found, known, models, bonds.named))
                shown("generalisation", summary, compared[0])

        def pause() -> None:
            if models.done():
                compare(models.result())

        def advance_baselines(share: float, stop: Callable[[], None]) -> None:
            stop()
            bar.advance(cost["baselines"] * share)

        with _aside(
            lambda stop: held_out_baselines(
                known.part_ds, known.part_folds, seed=seed, advance=lambda share: advance_baselines(share, stop)
            )
        ) as models:
            verified = trial = settled = None
            if verify != "none":
                trial = plan_trial(*known.trained(ds, verify), coding=coding, verify=verify, seed=seed)
                verified = verify_by_training(
                    trial,
                    advance=lambda share, label: bar.advance(cost["training"] * share, label),
                    pause=pause,
                )
                settled = recommended(trial, chosen.features, verified, verify=verify, seed=seed, pause=pause)
                shown("recommended", summary, settled)
            compare(models.result())
        if verified is not None:
            shown("verification", summary, verified)
        held = hold_out(
            tested, whole, known, Y, compared[0].nested, scale=scale, scaled_like=ds.X, trial=trial, seed=seed
        )
        if held is not None:
            shown("holdout", summary, held)
    return AuditResult(
        data=summary,
        speed=fast,
        generalisation=compared[0],
        labels=doubtful,
        verification=verified,
        verdict=verdict(summary, fast, compared[0], doubtful, verified, tested=held),
        settings=Settings(
            target=target,
            task=task,
            scale=scale,
            pad=pad,
            coding=coding,
            groups=_said(groups),
            time=_said(time),
            test=_said(test),
            max_n=max_n,
            subsample=subsample,
            verify=verify,
            seed=seed,
        ),
        versions={**versions(), "device": device_line()},
        how=known.how,
        findings=findings,
        recommended=settled,
        holdout=held,
    )


def _said(given: Any) -> str | None:
    """How an argument that may be a column or values is written down."""
    return (
        given
        if given is None or isinstance(given, str)
        else os.fspath(given)
        if isinstance(given, os.PathLike)
        else VALUES
    )


def _big(ds: Dataset, k: int) -> bool:
    """Whether square matrices are too slow or do not fit; half of one must."""
    # Held at once: kernel, its shifted factor, its inverse, a fold's blocks.
    free = available_memory()
    big = ds.n > capacity.ROWS or (free is not None and MATRICES * 8.0 * ds.n**2 > free)
    if big:
        capacity.check_memory(ds.n, ds.d + 1, k, FOLDS)
    return big


def _dense(
    ds: Dataset,
    candidates: Sequence[Features],
    coded: Float[np.ndarray, "n k"],
    Y: Float[np.ndarray, "n j"],
    folds: Sequence[Int[np.ndarray, " _"]],
    *,
    groups: Int[np.ndarray, " n"] | None,
    seed: int,
    advance: capacity.Advance,
    shown: Callable[[Features, Speed], None],
) -> large.Found:
    """The answers from square matrices; arguments as for `large.answers`."""

    def fit(features: Features) -> tuple[theory.Spectrum, Speed]:
        spectrum = theory.spectrum(HInf()(features.X), factored=True)
        advance(0.2, "spectrum")
        fast = fit_speed(spectrum, coded)
        shown(features, fast)
        return spectrum, fast

    # Where there is nothing to choose between, the first answer need not wait for the choice of the ridge.
    early = fit(candidates[0]) if len(candidates) == 1 else None
    chosen = generalising.choose(candidates, Y, folds, lambda share: advance(0.8 * share, "exact predictions"), groups)
    spectrum, fast = early or fit(chosen.features)
    complexity = generalising.label_complexity(spectrum, coded, seed=seed)
    return large.Found.dense(ds, chosen, fast, complexity, tuple(folds))


def _arguments(max_n: int, seed: int, pad: float | None, verify: str, subsample: str) -> None:
    _choice("verify", verify, ("quick", "thorough", "none"))
    _choice("subsample", subsample, ("stratified", "first"))
    count(max_n, "max_n", FEWEST_ROWS)
    if count(seed, "seed", 0) > LARGEST_SEED:
        raise UsageError(f"seed must be at most {LARGEST_SEED}; {seed!r} came")
    if pad is not None and not (np.isfinite(pad) and pad >= 0):
        raise UsageError(f"pad must be a finite number of at least 0; {pad!r} came")


def _choice(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise UsageError(f"{name} must be one of {', '.join(allowed)}; {value!r} came")


def _rows(ds: Dataset, max_n: int, subsample: str, seed: int) -> tuple[Dataset, Int[np.ndarray, " m"], str]:
    """The rows to audit, their positions, and how they were chosen."""
    if ds.n < FEWEST_ROWS:
        raise DataError(f"an audit needs at least {FEWEST_ROWS} rows; {ds.source} has {ds.n}")
    if ds.n <= max_n:
        kept, how = np.arange(ds.n), ""
    elif subsample == "first":
        kept = np.arange(max_n)
        how = f"the first {max_n} of {ds.n} rows in the order of the source"
    else:
        kept = stratified_rows(ds.y, max_n, task=ds.task, seed=seed)
        how = f"a random subsample of {max_n} of {ds.n} rows, stratified by the target (seed {seed})"
    if np.all(ds.y[kept] == ds.y[kept[0]]):
        what = "are of one class" if ds.task == "classification" else "have one target"
        raise DataError(f"the rows to audit must differ in their targets; all {len(kept)} {what} ({how or ds.source})")
    return (ds.take(kept) if how else ds), kept, how


def _costs(ds: Dataset, scalings: int, verify: str) -> dict[str, float]:
    """Rough seconds of each part on two cores, for the progress bar alone; measured on digits, scaled by flops."""
    cubic = (ds.n / 1800) ** 3 if ds.n <= capacity.ROWS else 100.0 * (ds.n / 18_000) ** 2
    outputs = max(1, len(ds.classes)) / 10
    compared = min(ds.n, capacity.COMPARED) if ds.n > capacity.ROWS else ds.n
    rows, seeds = (compared, 1.5) if verify == "thorough" else (min(ds.n, 512), 1.0)
    training = {"none": 0.0, "quick": 1.0, "thorough": 10.0}[verify]
    return {
        "answers": 0.6 + (4.0 * scalings + 0.8) * cubic,
        "baselines": 2.0 + 12.0 * outputs * (compared / 1800) ** 0.7 * (ds.d / 64) ** 0.5,
        "training": training * (2.0 + seeds * rows / 512 * (2.0 + 5.0 * (ds.d / 64))),
    }


def _scalings(ds: Dataset, scale: Scale, pad: float | None) -> list[Features]:
    resolved = resolve_scale(scale, ds.kind)
    if pad is not None:
        taus: tuple[float, ...] = (pad,)
    else:
        taus = TAUS if resolved == "standardise" else (0.0,)
    return [prepare(ds.X, scale=resolved, tau=tau) for tau in taus]


def _summary(ds: Dataset, whole: Dataset, how: str, coding: str, features: Features) -> DataSummary:
    return DataSummary(
        source=ds.source,
        digest=ds.digest,
        n_source=whole.n,
        n=ds.n,
        d=ds.d,
        subsample=how,
        kind=ds.kind,
        image_shape=ds.image_shape,
        task=ds.task,
        task_reason=ds.task_reason,
        target=ds.target_name,
        classes=ds.classes,
        class_counts=tuple(int(c) for c in np.bincount(ds.y.astype(np.intp), minlength=len(ds.classes)))
        if ds.classes
        else (),
        coding=coding,
        steps=features.steps,
        tau=features.tau,
        notes=ds.notes,
        alerts=ds.alerts,
    )


@dataclass(frozen=True)
class _Stopped(Exception):  # noqa: N818 - never seen outside: it ends the worker thread
    """Asked to stop by the thread that waits."""


@contextlib.contextmanager
def _aside(work: Callable[[Callable[[], None]], tuple[HeldOut, ...]]) -> Any:
    """Run work in a daemon thread beside the trainings; it is told to stop when the block is left early."""
    future: Future[tuple[HeldOut, ...]] = Future()
    stopped = threading.Event()

    def stop() -> None:
        if stopped.is_set():
            raise _Stopped

    def body() -> None:
        try:
            future.set_result(work(stop))
        except BaseException as failure:  # handed to the thread that asks for the result
            future.set_exception(failure)

    thread = threading.Thread(target=body, name="baselines", daemon=True)
    thread.start()
    try:
        yield future
    finally:
        stopped.set()
