"""A sweep in its store: what is done of it, its table, its report, and how it goes on."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from widthwise._checks import enough_memory
from widthwise.errors import JobsFailedError, UsageError
from widthwise.pages.files import write_atomically
from widthwise.pages.progress import Progress
from widthwise.sweeps import engine as engines
from widthwise.sweeps import table
from widthwise.sweeps.claims import Watch
from widthwise.sweeps.engine import Event, Job, Local
from widthwise.sweeps.plan import MAX_JOBS, PLAN, Estimate, data_key, estimate, every_setting, jobs, shard
from widthwise.sweeps.spec import FigureSpec, SweepSpec, read_spec
from widthwise.sweeps.store import TRIES, Store

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import xarray as xr

    from widthwise.pages import Page


@dataclass(frozen=True, kw_only=True)
class Status:
    """How far a sweep is.

    Attributes:
        total: jobs in all.
        done: jobs with a result, diverged ones among them.
        diverged: jobs whose training diverged.
        failed: jobs that failed for good.
        running: jobs that a live process holds.
        waiting: all others.
        seconds: median of the time of a job; None before the first is done.
    """

    total: int
    done: int
    diverged: int
    failed: int
    running: int
    waiting: int
    seconds: float | None

    def left(self, workers: int) -> float | None:
        """Seconds left with so many workers, about; None where nothing is known yet."""
        return None if self.seconds is None else self.seconds * (self.running + self.waiting) / max(workers, 1)


@dataclass(frozen=True)
class Sweep:
    """A sweep and its store.

    Args:
        folder: of the store.

    Raises:
        StoreError: if it is no store, or one of a newer version.
    """

    folder: Path
    durable: bool = field(default=True, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", Path(self.folder))
        self._stored  # noqa: B018 - refuse what is no store at once

    @cached_property
    def store(self) -> Store:
        """The store."""
        return Store(self.folder, durable=self.durable)

    @cached_property
    def _stored(self) -> dict[str, Any]:
        found = self.store.read_spec()
        assert found is not None  # noqa: S101 - it raises where there is none
        return found

    @cached_property
    def spec(self) -> SweepSpec:
        """The spec that the store was made for."""
        return read_spec(self._stored["spec"])[0]

    @cached_property
    def jobs(self) -> list[Job]:
        """All jobs, in the order of the axes."""
        settings = every_setting(self.spec, {}, str(self.folder / "spec.json"), max_jobs=len(self.spec))
        return jobs(settings, self._stored["data"])

    @property
    def axes(self) -> tuple[str, ...]:
        """Settings that vary on axes of their own; those that follow from them by a formula are not among them."""
        first = self.jobs[0].content["settings"]
        named = {**self.spec.axes("product"), **self.spec.axes("zip")}
        return tuple(
            n for n in first if n in named and any(job.content["settings"][n] != first[n] for job in self.jobs)
        )

    @property
    def table(self) -> list[table.Row]:
        """One row for each job, read from the store now."""
        return table.rows(self.store, self.jobs)

    def arrays(self, job: str) -> dict[str, np.ndarray]:
        """What a job recorded along training: `steps`, `loss`, `residual`, `probe_steps`, `error` and `probe.NAME`.

        Raises:
            StoreError: if it has no result.
        """
        return self.store.arrays(job)

    def status(self) -> Status:
        """How far it is, read from the store now."""
        rows = self.table
        claims = self.store.claims()
        watch = Watch(self.store.folder / "claims", float("inf"))
        open_ = [row["job"] for row in rows if row["status"] == "waiting"]
        running = sum(1 for job in open_ if job in claims and not watch.abandoned(f"{job}.{claims[job][-1]}"))
        count = {kind: sum(row["status"] == kind for row in rows) for kind in ("done", "diverged", "failed")}
        times = [row["seconds"] for row in rows if row.get("seconds") is not None]
        return Status(
            total=len(rows),
            done=count["done"] + count["diverged"],
            diverged=count["diverged"],
            failed=count["failed"],
            running=running,
            waiting=len(open_) - running,
            seconds=statistics.median(times) if times else None,
        )

    def resume(
        self,
        *,
        workers: int | None = None,
        part: tuple[int, int] = (1, 1),
        retry_failed: bool = False,
        progress: bool = False,
        engine: Local | None = None,
    ) -> Sweep:
        """Run what is not done yet.

        Args:
            workers: processes; one for each core when not given.
            part: share i of n, counted from 1.
            retry_failed: try again what failed for good.
            progress: show it on stderr.
            engine: the local engine with other settings than these.

        Raises:
            JobsFailedError: if jobs failed for good; all others are done.
            ResourceError: if a disk is full; what was committed stays.
            StoreError: if the store cannot be written.
        """
        i, n = part
        if not 1 <= i <= n:
            raise UsageError(f"a shard is i/n with i from 1 to n; {i}/{n} came")
        todo = shard(self.jobs, i, n)
        store = self.store
        store.clean()
        ready = set(store.check())
        if retry_failed:
            store.forgive(job.id for job in todo)
        dead: dict[str, str] = {}
        left = [job for job in todo if job.id not in ready]
        with Progress(len(todo), label=self.spec.name, enabled=progress) as bar:
            bar.advance(len(todo) - len(left))

            def observe(event: Event) -> None:
                if event.state in ("done", "dead"):
                    bar.advance(1)

            engines.run(store, left, engine or Local(workers=workers), observe=observe)
        for job, failed in store.failures().items():
            if len(failed) >= TRIES and not store.has(job):
                dead[job] = str(failed[-1]["reason"])
        mine = {job.id for job in todo}
        lost = {job: reason for job, reason in dead.items() if job in mine}
        if lost:
            reasons = sorted(set(lost.values()))
            shown = "\n  ".join(reason.strip().split("\n")[0][:300] for reason in reasons[:5])
            raise JobsFailedError(
                f"{len(lost)} of {len(todo)} jobs failed {TRIES} times each; the others are done and stored in {self.folder}. "
                f"Why:\n  {shown}\nRetry them with --retry-failed"
            )
        return self

    def to_pandas(self) -> pd.DataFrame:
        """The table as a DataFrame."""
        return table.to_pandas(self.table)

    def to_xarray(self) -> xr.Dataset:
        """Measures over the axes of the sweep.

        Raises:
            UsageError: if xarray is not installed or nothing varies.
        """
        return table.to_xarray(self.table, self.axes)

    def export(self, path: str | Path, form: str = "csv") -> Path:
        """Write the table to a file, whole or not at all.

        Args:
            path: of the file.
            form: `csv`, `parquet` (needs pyarrow) or `netcdf` (needs xarray).

        Raises:
            UsageError: if the form is unknown or its library is not installed.
        """
        target = Path(path)
        match form:
            case "csv":
                write_atomically(target, table.to_csv(self.table))
            case "parquet":
                write_atomically(target, table.to_parquet(self.table))
            case "netcdf":
                data = self.to_xarray()
                write_atomically(target, bytes(data.to_netcdf(engine="scipy")))
            case _:
                raise UsageError(f"the form is csv, parquet or netcdf; {form!r} came")
        return target

    def page(self, figures: list[FigureSpec] | None = None) -> Page:
        """The report.

        Args:
            figures: what to draw; those of the spec when not given, and else what suits the axes.
        """
        from widthwise.sweeps.page import page  # noqa: PLC0415

        return page(self, figures)

    def to_html(self, path: str | Path | None = None, figures: list[FigureSpec] | None = None) -> str:
        """The report as one self-contained page, also written to `path` when one is given."""
        from widthwise.pages.html import to_html  # noqa: PLC0415

        text = to_html(self.page(figures))
        if path is not None:
            write_atomically(Path(path), text)
        return text

    def _repr_html_(self) -> str:
        from widthwise.pages.html import fragment  # noqa: PLC0415

        return fragment(self.page())


def prepare(
    spec: Any,
    *,
    out: str | Path | None = None,
    changes: tuple[str, ...] = (),
    max_jobs: int = MAX_JOBS,
    workers: int | None = None,
    durable: bool = True,
) -> Sweep:
    """Make the store of a sweep, or open the one that is there; nothing runs yet.

    Raises:
        ResourceError: if the trainings of so many workers would not fit into memory.
        SpecError: all that is wrong with the spec.
        DataError: if a data set cannot be used.
        StoreError: if the folder holds something else.
    """
    from widthwise.sweeps.training_job import source  # noqa: PLC0415

    model, lines, origin = read_spec(spec, changes)
    settings = every_setting(model, lines, origin, max_jobs=max_jobs)
    folder = Path(out) if out is not None else Path("sweeps") / model.name
    store = Store(folder, durable=durable)
    store.read_spec(missing=None)  # one of a newer version is refused before data are read
    sources = {key: source(one) for key, one in sorted({data_key(one): one for one in settings}.items())}
    digests = {key: one.digest for key, one in sources.items()}
    needed = estimate(jobs(settings, digests), sources, len(Local(workers=workers).cores()))
    enough_memory(needed.memory, f"training with {needed.workers} workers", "Take fewer, with --workers")
    store.create({"spec": model.canonical(), "plan": PLAN, "data": digests})
    return Sweep(folder, durable=durable)


def foresee(
    spec: Any, *, changes: tuple[str, ...] = (), max_jobs: int = MAX_JOBS, workers: int | None = None
) -> Estimate:
    """What a sweep will take, without running it.

    Raises:
        SpecError: all that is wrong with the spec.
        DataError: if a data set cannot be used.
    """
    from widthwise.sweeps.training_job import source  # noqa: PLC0415

    model, lines, origin = read_spec(spec, changes)
    settings = every_setting(model, lines, origin, max_jobs=max_jobs)
    sources = {key: source(one) for key, one in {data_key(one): one for one in settings}.items()}
    planned = jobs(settings, {key: one.digest for key, one in sources.items()})
    return estimate(planned, sources, len(Local(workers=workers).cores()))


def sweep(
    spec: Any,
    *,
    out: str | Path | None = None,
    workers: int | None = None,
    changes: tuple[str, ...] = (),
    max_jobs: int = MAX_JOBS,
    shard: tuple[int, int] = (1, 1),
    retry_failed: bool = False,
    durable: bool = True,
    progress: bool = False,
) -> Sweep:
    """Run a grid of trainings, or what is left of it.

    A sweep that was interrupted, killed or lost its machine goes on with the same call. Any number of processes may run
    the same sweep in one folder: no job is done twice.

    Args:
        spec: the path of a TOML file, a dictionary, or a `SweepSpec`.
        out: folder of the store; `sweeps/NAME` when not given.
        workers: processes; one for each core when not given.
        changes: assignments `key=value` that replace what the spec says.
        max_jobs: most jobs that are allowed.
        shard: share i of n, counted from 1; the shares need not know of each other.
        retry_failed: try again what failed for good.
        durable: force every file to the disk, so that even a crash of the machine loses nothing.
        progress: show it on stderr.

    Returns:
        The sweep: its table, its report, and how it goes on.

    Raises:
        SpecError: if the spec cannot be run; all reasons at once.
        DataError: if a data set cannot be used.
        JobsFailedError: if jobs failed for good; all others are done.
        ResourceError: if a disk is full; what was committed stays.
        StoreError: if the folder holds another sweep or a newer store, or cannot be written.
    """
    prepared = prepare(spec, out=out, changes=changes, max_jobs=max_jobs, workers=workers, durable=durable)
    return prepared.resume(workers=workers, part=shard, retry_failed=retry_failed, progress=progress)
