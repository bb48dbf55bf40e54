"""From a claim to its verdict: trials over seeds and step sizes, kept in a store, then judged."""

from __future__ import annotations

import datetime
import functools
import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from widthwise.atlas.claim import SCALES, Claim, Scale
from widthwise.atlas.criteria import MARGIN, judge, right, summary
from widthwise.atlas.registry import find
from widthwise.atlas.trial import Curve, Evidence, Rows, Settings, Trial, rows_of
from widthwise.atlas.verdict import OUTSIDE, Band, Checked, Control, Pass, Run, Verdict, Word
from widthwise.datasets.dataset import Dataset
from widthwise.datasets.sources import load
from widthwise.errors import UsageError
from widthwise.sweeps.store import Store

SLOWDOWN = 4
"""Of the second step size of claims of gradient flow."""
DECIMALS = 6
"""Of the numbers whose digest names rows on record."""
STORE = {"name": "widthwise atlas", "layout": 1}
Told = Callable[[str], None]


def run(
    key: str,
    data: Any = None,
    *,
    target: str | None = None,
    scale: Scale = "quick",
    seed: int = 0,
    out: Path | str | None = None,
    tell: Told = lambda _: None,
) -> Verdict:
    """Run a claim: predict, measure, compare, and compare again where the claim is false.

    Args:
        key: of the claim, such as "arora2019-training-speed".
        data: anything `widthwise.load` takes; the claim's own choice when not given.
        target: the column of the labels, where the data need one; for a `Dataset`, that with which it was loaded.
        scale: `smoke` (one seed, one step size: machinery and control), `quick` (minutes) or `paper` (the paper's setting).
        seed: the first of the seeds.
        out: folder of the store: trials that are in it are not made again.
        tell: called with a line before every trial.

    Raises:
        UsageError: for an unknown claim or scale, or other data for a claim that makes no sense on them.
        DataError: if the data cannot be used.
        StoreError: if the store is damaged or something else.
    """
    return run_claim(find(key), data, target=target, scale=scale, seed=seed, out=out, tell=tell)


def run_claim(
    claim: Claim,
    data: Any = None,
    *,
    target: str | None = None,
    scale: Scale = "quick",
    seed: int = 0,
    out: Path | str | None = None,
    tell: Told = lambda _: None,
) -> Verdict:
    """`run` for a claim in hand, on record or not."""
    from widthwise.atlas.records import compared  # noqa: PLC0415 - records hold verdicts

    if scale not in SCALES:
        raise UsageError(f"scale must be one of {', '.join(SCALES)}; {scale!r} came")
    if seed < 0:
        raise UsageError(f"seed must be 0 or more; {seed} came")
    settings = claim.settings[scale]
    if data is not None and claim.own_data:
        raise UsageError(f"{claim.key} has no meaning on other data: {claim.own_data}")
    smoke = scale == "smoke"
    seeds = range(seed, seed + (1 if smoke or not claim.random else settings.seeds))
    slowdowns = (1, SLOWDOWN) if claim.gradient_flow and not smoke else (1,)
    if target is not None and data is None:
        raise UsageError(f"target names a column of data of one's own, and none came; {target!r} did")
    if data is not None and not isinstance(data, Dataset):
        data = load(data, target=target)
    rows = rows_by_seed(claim, settings, data)
    store = None
    if out is not None:
        store = Store(Path(out))
        store.create(STORE)
    started = time.perf_counter()
    trials: dict[tuple[int, int], tuple[Evidence, Evidence]] = {}
    controls: list[tuple[Evidence, Evidence]] = []
    first: Trial | None = None
    for each in seeds:
        own = rows(each)
        fitted = replace(settings, n=own.n, n_test=len(own.y_test))
        for slowdown in slowdowns:
            trial = Trial(settings=fitted, rows=own, seed=each, slowdown=slowdown)
            first = first or trial
            tell(f"{claim.key}, seed {each}" + (f", step size / {slowdown}" if slowdown > 1 else ""))
            predicted = _kept(store, claim, "predict", trial)
            trials[each, slowdown] = predicted, _kept(store, claim, "measure", trial)
            if slowdown == 1:
                tell(f"{claim.key}, control at seed {each}")
                controls.append((predicted, _kept(store, claim, "control", trial)))
    assert first is not None  # there is at least one seed  # noqa: S101
    passes = tuple(_judged(claim, [trials[each, s] for each in seeds], s) for s in slowdowns)
    hypotheses = tuple(_checked(hypothesis.text, hypothesis.check(first)) for hypothesis in claim.hypotheses)
    word, reason = _verdict(claim, passes, hypotheses)
    full = [trials[each, 1] for each in seeds]
    curves = full[0][0].curves
    found = Verdict(
        claim=claim.key,
        type=claim.type,
        word=word,
        reason=reason,
        threshold=claim.criterion.says(),
        hypotheses=hypotheses,
        passes=passes,
        control=_control(claim, controls),
        predicted=_bands([p for p, _ in full]),
        measured=_bands([q for _, q in full]),
        numbers=_numbers(full),
        vacuity=passes[0].mean if claim.type == "S" else None,
        chance=claim.criterion.chance(len(curves), len(curves[0].x), len(seeds)) if claim.random else 0.0,
        recorded="no record",
        run=Run(
            scale=scale,
            seed=seed,
            seeds=len(seeds),
            data=first.rows.source,
            digest=digest(first.rows),
            n=first.rows.n,
            n_test=len(first.rows.y_test),
            d=first.rows.d,
            prepared=first.rows.steps,
            widths=settings.widths,
            steps=settings.steps,
            own=data is not None,
            target=target or "",
            date=datetime.datetime.now(datetime.UTC).date().isoformat(),
            seconds=time.perf_counter() - started,
            versions=versions(),
            device=_device(),
        ),
    )
    return replace(found, recorded=compared(found))


def versions() -> dict[str, str]:
    """Of what computes verdicts."""
    import jax  # noqa: PLC0415 - half a second, only for those who run
    import scipy  # noqa: PLC0415

    from widthwise import __version__  # noqa: PLC0415

    return {"widthwise": __version__, "jax": jax.__version__, "numpy": np.__version__, "scipy": scipy.__version__}


def _device() -> str:
    import jax  # noqa: PLC0415

    return str(jax.devices()[0].device_kind)


def rows_by_seed(claim: Claim, settings: Settings, data: Any = None) -> Callable[[int], Rows]:
    """Rows of each seed.

    Args:
        claim: whose they are.
        settings: how many.
        data: anything `widthwise.load` takes; the claim's own choice when not given.
    """
    if data is None and settings.data == "generated":
        sample = claim.sample
        assert sample is not None  # claims see to it  # noqa: S101
        return lambda seed: sample(settings, seed)
    whole = load(settings.data if data is None else data)
    of_the_claim = data is None
    held = load(settings.data, split="test") if of_the_claim and settings.test_part else None
    chosen = settings if of_the_claim else replace(settings, first=False)
    return lambda seed: rows_of(whole, chosen, labels=claim.labels, unit=claim.unit, seed=seed, test=held)


def digest(rows: Rows) -> str:
    """Name of rows on every machine: their numbers to six decimals, since libraries of linear algebra differ in the last bits.

    Args:
        rows: of the first seed.
    """
    return _seal(np.round(np.asarray(array, dtype=np.float64), DECIMALS) + 0.0 for array in _arrays(rows))


def _arrays(rows: Rows) -> tuple[np.ndarray, ...]:
    return rows.X, rows.y, rows.X_test, rows.y_test


def _seal(arrays: Iterable[np.ndarray]) -> str:
    """Digest of every bit."""
    found = hashlib.sha256()
    for array in arrays:
        found.update(f"{array.dtype.str}{array.shape}".encode())
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()


def _kept(store: Store | None, claim: Claim, part: str, trial: Trial) -> Evidence:
    """Evidence from the store, or made and put there."""
    make: Callable[[Trial], Evidence] = getattr(claim, part)
    if store is None:
        return make(trial)
    told = {
        "claim": claim.key,
        "part": part,
        "code": _code(claim, make),
        "rows": _seal(_arrays(trial.rows)),
        "settings": _plain(trial.settings),
        "seed": trial.seed,
        "slowdown": trial.slowdown,
        "versions": versions(),
        "device": _device(),
    }
    job = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:32]
    known = store.result(job, arrays=True)
    if known is not None:
        arrays = store.arrays(job)
        labels = known["measures"]["labels"]
        curves = (Curve(label, arrays[f"x{i}"], arrays[f"y{i}"]) for i, label in enumerate(labels))
        numbers = arrays["numbers"]
        return Evidence(*curves, **dict(zip(known["measures"]["numbers"], numbers, strict=True)))
    found = make(trial)
    attempt = store.claim(job, 1 + max(store.claims().get(job, [-1])))
    if attempt is not None:
        arrays = {f"x{i}": curve.x for i, curve in enumerate(found.curves)}
        arrays |= {f"y{i}": curve.y for i, curve in enumerate(found.curves)}
        arrays["numbers"] = np.array(list(found.numbers.values()), dtype=np.float64)
        measures = {"labels": [curve.label for curve in found.curves], "numbers": list(found.numbers)}
        store.commit(attempt, {**told, "measures": measures}, arrays)
    return found


def _code(claim: Claim, function: Callable[..., Any]) -> str:
    """Digest of the modules of a paper: another version of any of them is another experiment.

    They are the file that the function stands in and those beside it whose names start with the citation key.
    """
    while isinstance(function, functools.partial):
        function = function.func
    file = getattr(sys.modules.get(function.__module__), "__file__", None)
    if not file:
        return ""
    seal = hashlib.sha256()
    for path in sorted({Path(file), *Path(file).parent.glob(f"{claim.source}*.py")}):
        seal.update(path.name.encode() + b"\0" + path.read_bytes())
    return seal.hexdigest()[:16]


def _plain(settings: Settings) -> dict[str, Any]:
    values = {name: getattr(settings, name) for name in ("n", "n_test", "widths", "steps")}
    plain: dict[str, Any] = json.loads(json.dumps({**values, "more": dict(settings.more)}, default=repr))
    return plain


def _judged(claim: Claim, evidence: list[tuple[Evidence, Evidence]], slowdown: int) -> Pass:
    values = [claim.criterion.statistic(p, q) for p, q in evidence]
    mean, error = summary(values)
    outcome = judge(claim.criterion, values, random=claim.random)
    return Pass(slowdown=slowdown, outcome=outcome, values=tuple(map(_finite, values)), mean=_finite(mean), error=error)


def _checked(text: str, finding: Any) -> Checked:
    return Checked(text=text, status=finding.status, number=finding.number)


def _verdict(claim: Claim, passes: tuple[Pass, ...], hypotheses: tuple[Checked, ...]) -> tuple[Word, str]:
    """The word, and the numbers behind it."""
    outcomes = {one.outcome for one in passes}
    numbers = "; ".join(
        ("" if one.slowdown == 1 else f"at a step size {one.slowdown} times smaller ")
        + ("not finite" if one.mean is None else f"{one.mean:.4g}")
        + (f" +- {MARGIN * one.error:.2g}" if one.error else "")
        for one in passes
    )
    reason = f"{numbers}; {claim.criterion.says()}"
    unmet = any(checked.status == "unmet" for checked in hypotheses)
    # A verdict outside a theorem's hypotheses says so, whichever it is.
    outside = f"; {OUTSIDE}" if unmet else ""
    if len(outcomes) > 1:
        return "inconclusive", f"{reason}; the two step sizes disagree: {' and '.join(sorted(outcomes))}{outside}"
    outcome = passes[0].outcome
    if outcome != "holds":
        return outcome, f"{reason}{outside}"
    decades = passes[0].mean
    if claim.type == "S" and decades is not None and decades >= getattr(claim.criterion, "decades", np.inf):
        return "vacuous", f"required over observed: {decades:.1f} decades{outside}"
    return "holds outside its hypotheses" if unmet else "holds", reason


def _control(claim: Claim, evidence: list[tuple[Evidence, Evidence]]) -> Control:
    values = [claim.criterion.statistic(p, q) for p, q in evidence]
    return Control(
        text=claim.control_text,
        failed=not any(right(claim.criterion, value) for value in values),
        values=tuple(map(_finite, values)),
        measured=_bands([q for _, q in evidence]),
    )


def _bands(evidence: list[Evidence]) -> tuple[Band, ...]:
    found = []
    for place, curve in enumerate(evidence[0].curves):
        each = np.array([one.curves[place].y for one in evidence])
        with np.errstate(invalid="ignore"):
            mean = each.mean(axis=0)
        error = np.zeros_like(mean)
        if len(each) > 1:
            # A value that was never reached is infinite, and so is the mean: it has no error.
            known = np.isfinite(mean)
            error[known] = each[:, known].std(axis=0, ddof=1) / np.sqrt(len(each))
        found.append(
            Band(
                label=curve.label,
                x=tuple(map(float, curve.x)),
                y=tuple(map(_finite, mean)),
                low=tuple(map(_finite, mean - MARGIN * error)),
                high=tuple(map(_finite, mean + MARGIN * error)),
            )
        )
    return tuple(found)


def _numbers(evidence: list[tuple[Evidence, Evidence]]) -> dict[str, float | None]:
    each: list[Mapping[str, float]] = [{**p.numbers, **q.numbers} for p, q in evidence]
    return {name: _finite(float(np.mean([one[name] for one in each if name in one]))) for name in each[0]}


def _finite(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
