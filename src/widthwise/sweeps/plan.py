"""From a spec to its jobs: every combination with its formulas worked out, its data named by digest, its id a hash of all."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from widthwise._threads import one_blas_thread
from widthwise.errors import SpecError, UsageError
from widthwise.sweeps import formulas
from widthwise.sweeps.engine import Job
from widthwise.sweeps.settings import NUMBERS, Settings, is_whole
from widthwise.sweeps.spec import Path_, SweepSpec, problems

MAX_JOBS: Final = 100_000
SHOWN: Final = 20
# What decides the last bits of a result beside the settings: part of every job's hash, kept in the store.
PLAN: Final = {"device": "cpu", "threads": 1, "networks": "one at a time"}
# Settings that decide what is compiled.
_SHAPE: Final = (
    "data", "target", "n", "n_test", "d", "tau", "network", "width", "depth", "parametrisation", "trained", "antisymmetric",
    "kappa",
    "activation", "readout", "weight_variance", "bias_variance", "input_scale", "last_variance", "alpha", "loss", "optimizer",
    "batch_size", "sampling", "dtype", "probes", "every", "steps",
)  # fmt: skip
_LIBRARIES: Final = 350e6  # bytes of a worker that has JAX and a compiled training
_COMPILATION, _START = 1.5, 2.5  # seconds


@dataclass(frozen=True, kw_only=True)
class Source:
    """What a plan needs to know of a data set."""

    digest: str
    n: int
    d: int
    outputs: int


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a sweep will take, about.

    Attributes:
        jobs: number of jobs.
        shapes: number of compilations.
        seconds: of wall time with `workers` workers, from the products in the trainings at a rate measured now.
        memory: bytes of all workers.
        workers: number of workers.
    """

    jobs: int
    shapes: int
    seconds: float
    memory: float
    workers: int


def every_setting(
    spec: SweepSpec, lines: Mapping[Path_, int], origin: str, *, max_jobs: int = MAX_JOBS
) -> list[Settings]:
    """The settings of every job, in the order of the axes, each once.

    Raises:
        SpecError: if there are more than `max_jobs`, or some are not allowed; all reasons at once.
    """
    if len(spec) > max_jobs:
        raise SpecError(
            f"{origin} has {len(spec):,} jobs; at most {max_jobs:,} are allowed: take values from its axes, or pass "
            f"--max-jobs {len(spec)}"
        )
    where = {name: ("settings", name) for name in spec.fixed()}
    for which in ("product", "zip"):
        where |= {name: (which, name) for name in spec.axes(which)}
    found: dict[Settings | str, Settings] = {}
    wrong: dict[tuple[Path_, str], int] = {}
    for values in _combinations(spec):
        try:
            one = Settings.model_validate(_worked_out(values))
        except _UnworkableError as failure:
            wrong[where.get(failure.name, ("settings", failure.name)), str(failure)] = 0
            continue
        except ValidationError as failure:
            for error in failure.errors():
                name = str(error["loc"][0])
                text = str(error["msg"]).removeprefix("Value error, ").removeprefix("Input ")
                wrong[where.get(name, ("settings", name)), f"{text}; {error['input']!r} came"] = 0
            continue
        for path, text in _refused(one):
            wrong[where.get(str(path[-1]), path), text] = 0
        found.setdefault(one.model_dump_json(), one)
    if wrong:
        listed = list(wrong)
        text = problems(listed[:SHOWN], lines, origin)
        raise SpecError(text + (f"\n  and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""))
    return list(found.values())


def jobs(settings: list[Settings], digests: Mapping[str, str]) -> list[Job]:
    """Jobs with their ids.

    Args:
        settings: of each job.
        digests: of each data set by `data_key`.
    """
    found = []
    for one in settings:
        told = one.model_dump()
        content = {"settings": told, "data": digests[data_key(one)], "plan": PLAN}
        shape = {name: told[name] for name in _SHAPE}
        found.append(Job(id=job_id(content), content=content, shape=json.dumps(shape)))
    return found


def job_id(content: Mapping[str, Any]) -> str:
    """The content hash of a job: of its settings with the seed, digest of the data, plan and layout."""
    text = json.dumps({"schema": "widthwise/job/1", **content}, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def data_key(settings: Settings) -> str:
    """What names the data of a job before rows are chosen."""
    if settings.data.startswith("synthetic:"):
        return f"{settings.data} d {settings.d} sigma {settings.sigma} n {settings.n}"
    return settings.data if settings.target is None else f"{settings.data} target {settings.target}"


def shard(jobs: list[Job], part: int, parts: int) -> list[Job]:
    """The jobs of one of several shares, the same whoever asks."""
    return [job for job in jobs if int(job.id[:12], 16) % parts == part - 1]


def estimate(jobs: list[Job], sources: Mapping[str, Source], workers: int) -> Estimate:
    """What jobs will take, about: matrix products at a rate measured now, compilations, start; memory of all workers."""
    rate = _rate()
    seconds, memory = 0.0, 0.0
    shapes = {job.shape for job in jobs}
    for job in jobs:
        one = Settings(**job.content["settings"])
        source = sources[data_key(one)]
        n = min(one.n or source.n, source.n)
        weights = source.d * one.width + (one.depth - 1) * one.width**2 + one.width * source.outputs
        rows = n if one.optimizer == "gd" or one.batch_size is None else min(one.batch_size, n)
        seconds += one.steps * (6.0 * rows * weights / rate + 2e-5)
        numbers = 6.0 * weights + 4.0 * n * one.width * one.depth + 3.0 * n * source.d
        memory = max(memory, numbers * (4 if one.dtype == "float32" else 8))
    workers = max(min(workers, len(jobs)), 1)
    wall = (seconds + _COMPILATION * max(len(shapes), workers)) / workers + _START
    return Estimate(
        jobs=len(jobs), shapes=len(shapes), seconds=wall, memory=workers * (_LIBRARIES + memory), workers=workers
    )


class _UnworkableError(Exception):
    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = name


def _combinations(spec: SweepSpec) -> Iterator[dict[str, Any]]:
    fixed, product, beside = spec.fixed(), spec.axes("product"), spec.axes("zip")
    rows = [dict(zip(beside, row, strict=True)) for row in zip(*beside.values(), strict=True)] if beside else [{}]
    for row in rows:
        for values in itertools.product(*product.values()):
            yield {**fixed, **row, **dict(zip(product, values, strict=True))}


def _worked_out(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values with their formulas evaluated, whatever order they depend on each other in."""
    found = dict(values)
    waiting = {name: value for name, value in values.items() if name in NUMBERS and isinstance(value, str)}
    defaults = {name: Settings.model_fields[name].default for name in NUMBERS}
    while waiting:
        ready = [name for name, text in waiting.items() if not formulas.names(text) & waiting.keys()]
        if not ready:
            name = next(iter(waiting))
            raise _UnworkableError(name, f"formulas depend on each other in a circle: {', '.join(sorted(waiting))}")
        known = {name: found.get(name, defaults[name]) for name in NUMBERS if name not in waiting}
        numbers = {name: value for name, value in known.items() if isinstance(value, (int, float))}
        for name in ready:
            text = waiting.pop(name)
            try:
                value = formulas.evaluate(text, numbers)
            except SpecError as failure:
                raise _UnworkableError(name, str(failure)) from None
            if is_whole(name):
                if not math.isclose(value, round(value), rel_tol=1e-9):
                    raise _UnworkableError(
                        name, f"must be a whole number; {text!r} gives {value:g}: use round, floor or ceil"
                    )
                value = round(value)
            found[name] = value if is_whole(name) else float(value)
    return found


def _refused(settings: Settings) -> list[tuple[Path_, str]]:
    """What a network, a loop or a probe would refuse."""
    from widthwise.sweeps.training_job import network, probes_of  # noqa: PLC0415 - they bring JAX

    found: list[tuple[Path_, str]] = []
    try:
        network(settings, outputs=1)
    except UsageError as failure:
        found.append((("settings", "width"), str(failure)))
    try:
        probes_of(settings)
    except UsageError as failure:
        found.append((("settings", "probes"), str(failure)))
    if settings.batch_size is not None and settings.optimizer == "gd":
        found.append((("settings", "batch_size"), "goes with the optimizers sgd, momentum and adam; gd takes all rows"))
    return found


def _rate() -> float:
    """Operations a second of a matrix product of usual size, on one core."""
    import numpy as np  # noqa: PLC0415

    a, b = np.ones((256, 128), np.float32), np.ones((128, 1024), np.float32)
    with one_blas_thread():
        a @ b
        best = math.inf
        for _ in range(5):
            start = time.perf_counter()
            a @ b
            best = min(best, time.perf_counter() - start)
    return 2.0 * a.shape[0] * a.shape[1] * b.shape[1] / max(best, 1e-6)
