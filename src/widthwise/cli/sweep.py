"""`widthwise sweep`: a grid of trainings, run, looked at, continued and exported."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click


class Shard(click.ParamType):  # type: ignore[type-arg]
    """`i/n`: share i of n, counted from 1."""

    name = "i/n"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Read the two numbers."""
        if isinstance(value, tuple):
            return value
        first, slash, last = str(value).partition("/")
        if not (slash and first.isdigit() and last.isdigit() and 1 <= int(first) <= int(last)):
            self.fail(f"{value!r} is not i/n with i from 1 to n, as 1/4", param, ctx)
        return int(first), int(last)


STORE = click.argument("store", type=click.Path(path_type=Path))
WORKERS = click.option("--workers", type=click.IntRange(min=1), help="Processes; one for each core by default.")
SHARD = click.option(
    "--shard", type=Shard(), default="1/1", help="Only share i of n, for machines without a scheduler."
)
RETRY = click.option("--retry-failed", is_flag=True, help="Try again what failed for good.")
ENGINE = click.option("--engine", type=click.Choice(["local"]), default="local", help="Where jobs run.")
NO_FSYNC = click.option(
    "--no-fsync",
    is_flag=True,
    help="Do not force results to the disk: faster, but a crash of the machine can cost some.",
)
FORM = click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="Of the output.")


@click.group()
def sweep() -> None:
    """Run grids of trainings that cannot be lost."""


@sweep.command()
@click.argument("spec", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="The store; sweeps/NAME by default.")
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Replace what the spec says, as steps=100.")
@click.option("--dry-run", is_flag=True, help="Only say how many jobs, how long and how much memory.")
@click.option("--max-jobs", type=click.IntRange(min=1), default=100_000, show_default=True, help="Most jobs allowed.")
@WORKERS
@SHARD
@RETRY
@ENGINE
@NO_FSYNC
@FORM
def run(
    *,
    spec: Path,
    out: Path | None,
    changes: tuple[str, ...],
    max_jobs: int,
    dry_run: bool,
    workers: int | None,
    shard: tuple[int, int],
    retry_failed: bool,
    engine: str,  # noqa: ARG001 - there is one
    no_fsync: bool,
    form: str,
) -> None:
    """Run the trainings of SPEC, a TOML file.

    The same command goes on with a sweep that was interrupted or killed.
    """
    from widthwise.sweeps.sweep import foresee, prepare  # noqa: PLC0415

    if dry_run:
        told = foresee(spec, changes=changes, max_jobs=max_jobs, workers=workers)
        _show_estimate(told, form)
        return
    found = prepare(spec, out=out, changes=changes, max_jobs=max_jobs, workers=workers, durable=not no_fsync)
    _go_on(found, workers, shard, retry_failed, form)


@sweep.command()
@STORE
@WORKERS
@SHARD
@RETRY
@ENGINE
@NO_FSYNC
@FORM
def resume(
    *,
    store: Path,
    workers: int | None,
    shard: tuple[int, int],
    retry_failed: bool,
    engine: str,  # noqa: ARG001
    no_fsync: bool,
    form: str,
) -> None:
    """Go on with the sweep in STORE, without its spec."""
    from widthwise.sweeps.sweep import Sweep  # noqa: PLC0415

    _go_on(Sweep(store, durable=not no_fsync), workers, shard, retry_failed, form)


@sweep.command()
@STORE
@FORM
def status(store: Path, form: str) -> None:
    """Show how far the sweep in STORE is."""
    from widthwise.sweeps.sweep import Sweep  # noqa: PLC0415

    _show_status(Sweep(store), form)


@sweep.command()
@STORE
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "parquet", "netcdf"]),
    default="csv",
    show_default=True,
    help="Of the file.",
)
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Where to; csv goes to stdout by default.")
def export(store: Path, form: str, out: Path | None) -> None:
    """Write the table of the sweep in STORE."""
    from widthwise.sweeps.sweep import Sweep  # noqa: PLC0415
    from widthwise.sweeps.table import to_csv  # noqa: PLC0415

    found = Sweep(store)
    if out is None:
        if form != "csv":
            raise click.UsageError(f"--format {form} needs --out FILE")
        click.echo(to_csv(found.table), nl=False)
        return
    click.echo(f"Wrote {found.export(out, form)}", err=True)


@sweep.command()
@STORE
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE", help="Where to; report.html in the store by default."
)
@click.option("--y", "measures", multiple=True, help="A measure to draw, or a formula of columns; may be repeated.")
@click.option("--x", help="What it is drawn against.")
@click.option("--by", help="The setting whose values are lines of their own.")
@click.option("--fit", is_flag=True, help="Fit a power law over all runs.")
@click.option("--open", "opened", is_flag=True, help="Open the report in a browser.")
def report(
    *, store: Path, out: Path | None, measures: tuple[str, ...], x: str | None, by: str | None, fit: bool, opened: bool
) -> None:
    """Draw the results of the sweep in STORE: any measure against any axis."""
    from widthwise.sweeps.spec import FigureSpec  # noqa: PLC0415
    from widthwise.sweeps.sweep import Sweep  # noqa: PLC0415

    figures = [FigureSpec(y=y, x=x, by=by, fit=fit) for y in measures] or None
    if figures is None and (x or by or fit):
        raise click.UsageError("--x, --by and --fit go with --y")
    found = Sweep(store)
    place = store / "report.html" if out is None else out
    found.to_html(place, figures)
    click.echo(f"Wrote {place}", err=True)
    if opened:
        click.launch(str(place.resolve()))


def _go_on(found: Any, workers: int | None, shard: tuple[int, int], retry_failed: bool, form: str) -> None:
    """Run what is left and show how far it is, however it ends."""
    from widthwise.errors import JobsFailedError  # noqa: PLC0415

    try:
        found.resume(workers=workers, part=shard, retry_failed=retry_failed, progress=True)
    except JobsFailedError:
        _show_status(found, form)
        raise
    except Exception:
        raise
    except BaseException:
        # An interrupt: what is done is done, and the same command goes on.
        told = found.status()
        click.echo(f"widthwise: {told.done} of {told.total} jobs are done; the same command goes on", err=True)
        raise
    _show_status(found, form)


def _show_estimate(told: Any, form: str) -> None:
    from widthwise.pages.progress import duration  # noqa: PLC0415

    if form == "json":
        body = {name: getattr(told, name) for name in ("jobs", "shapes", "workers", "seconds", "memory")}
        click.echo(json.dumps({"schema": "widthwise/sweep-estimate/1", **body}, indent=1))
        return
    _print_table(
        "Nothing was run",
        (
            ("jobs", str(told.jobs)),
            ("compilations", str(told.shapes)),
            ("workers", str(told.workers)),
            ("time, about", duration(told.seconds)),
            ("memory, about", f"{told.memory / 1e9:.1f} GB"),
        ),
    )


def _show_status(found: Any, form: str) -> None:
    from widthwise.pages.progress import duration  # noqa: PLC0415
    from widthwise.sweeps.engine import Local  # noqa: PLC0415

    told = found.status()
    workers = len(Local().cores())
    left = told.left(workers)
    if form == "json":
        names = ("total", "done", "diverged", "failed", "running", "waiting", "seconds")
        body = {name: getattr(told, name) for name in names}
        click.echo(
            json.dumps(
                {"schema": "widthwise/sweep-status/1", "store": str(found.folder), **body, "left": left}, indent=1
            )
        )
        return
    rows = [
        ("jobs", str(told.total)),
        ("done", f"{told.done} ({100 * told.done / max(told.total, 1):.0f} %)"),
        ("of them diverged", str(told.diverged)),
        ("failed", str(told.failed)),
        ("running now", str(told.running)),
        ("waiting", str(told.waiting)),
    ]
    if told.seconds is not None:
        rows.append(("median of a job", f"{told.seconds:.2f} s"))
    if left is not None and told.running + told.waiting:
        rows.append((f"time left with {workers} workers, about", duration(left)))
    _print_table(f"{found.spec.name}: {found.folder}", tuple(rows))


def _print_table(title: str, rows: tuple[tuple[str, str], ...]) -> None:
    from widthwise.pages import Column, Section, Table  # noqa: PLC0415
    from widthwise.pages.terminal import print_section  # noqa: PLC0415

    table = Table(columns=(Column(name="what"), Column(name="value", align="right")), rows=rows)
    print_section(Section(title=title, blocks=(table,)), stream=sys.stdout)
