"""`widthwise audit`: a labelled data set in, a report out."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import click


@click.command()
@click.argument("data", default="digits")
@click.option("--target", metavar="COL", help="Column that holds the labels, or array name in an .npz file.")
@click.option(
    "--task",
    type=click.Choice(["auto", "classification", "regression"]),
    default="auto",
    show_default=True,
    help="What the labels are; auto guesses and says why.",
)
@click.option(
    "--scale",
    type=click.Choice(["auto", "standardise", "unit", "none"]),
    default="auto",
    show_default=True,
    help="Features: standardise columns then unit rows, unit rows only, or as they are. auto: by the kind of data.",
)
@click.option(
    "--pad",
    type=float,
    metavar="TAU",
    help="Size of the constant coordinate tau*sqrt(d), 0 for none. Default: chosen for tables, none for images.",
)
@click.option(
    "--coding",
    type=click.Choice(["centred", "raw"]),
    default="centred",
    show_default=True,
    help="Labels one-vs-rest centred by column, or raw -1/+1 for two classes as in the papers.",
)
@click.option(
    "--groups",
    metavar="COL",
    help="Column of what belongs together (a patient, a site): no feature; left out whole, and kept in one fold.",
)
@click.option(
    "--time",
    metavar="COL",
    help="Column of a number or date: no feature; the future is predicted from the past as well.",
)
@click.option(
    "--test",
    metavar="FILE",
    help="Rows to test on, with the same columns: read and scaled as DATA, scored by all models.",
)
@click.option("--max-n", type=int, default=5000, show_default=True, help="Most rows; larger data are subsampled.")
@click.option(
    "--subsample",
    type=click.Choice(["stratified", "first"]),
    default="stratified",
    show_default=True,
    help="Which rows are kept beyond --max-n.",
)
@click.option(
    "--verify",
    type=click.Choice(["quick", "thorough", "none"]),
    default="quick",
    show_default=True,
    help="Train real networks: to width 2048 on 512 rows, to 16384 on all rows, or not at all.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of folds, subsamples and shuffles.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write report.html, audit.json and suspects.csv there.",
)
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Of the output."
)
@click.option("--open", "opened", is_flag=True, help="Open the report in a browser.")
def audit(data: str, out: Path | None, form: str, opened: bool, **options: Any) -> None:
    """Predict how a wide network fits and generalises on DATA, then train some and compare.

    DATA is a file (CSV, TSV, .npz, idx, Parquet), or a name: digits (the default), iris, wine, breast-cancer, diabetes,
    mnist:0,1, fashion-mnist, uci:NAME.
    """
    import widthwise as ww  # noqa: PLC0415 - a second and more of imports, only for those who audit

    if out is not None:
        _writable(out)
    result = ww.audit(data, progress=True, observe=_printer(out is not None) if form == "text" else None, **options)
    if opened and out is None:
        out = Path(tempfile.mkdtemp(prefix="widthwise-"))
    # Files first: a reader of stdout that goes away must not cost them.
    written = () if out is None else result.write(out)
    if form == "json":
        click.echo(result.to_json(), nl=False)
    else:
        _print_verdict(result)
    if written:
        click.echo(f"Wrote {', '.join(str(path) for path in written)}", err=True)
    if opened and written:
        click.launch(str(written[0].resolve()))


def _writable(folder: Path) -> None:
    """Refuse a folder that cannot be written before an audit is spent on it."""
    import os  # noqa: PLC0415

    place = folder
    try:
        while not (place.exists() or place.is_symlink()):
            place = place.parent
    except OSError as failure:
        raise click.BadParameter(f"{folder} cannot be a folder: {failure.strerror}", param_hint="--out") from None
    if not place.is_dir():
        raise click.BadParameter(f"{place} is not a folder; name one", param_hint="--out")
    if not os.access(place, os.W_OK):
        raise click.BadParameter(f"{place} cannot be written", param_hint="--out")


def _printer(silent_to_the_end: bool) -> Any:
    """Print each answer as it comes, numbered as on the page."""
    from dataclasses import replace  # noqa: PLC0415

    from widthwise.audits import check_section, labels_section, page, sections, table_sections  # noqa: PLC0415
    from widthwise.pages import Section  # noqa: PLC0415
    from widthwise.pages.terminal import print_section  # noqa: PLC0415

    started: list[bool] = []
    speed: list[Any] = []
    settled: list[Any] = []

    def show(name: str, data: Any, answer: Any) -> None:
        try:
            print_answer(name, data, answer)
        except (BrokenPipeError, SystemExit):
            # The reader went away (rich makes that an exit). With a folder to fill, the audit goes on without a word.
            if not silent_to_the_end:
                raise

    def print_answer(name: str, data: Any, answer: Any) -> None:
        if not started:
            lead = f"{page.task(data)} Labels coded {data.coding}."
            print_section(Section(title=page.title(data), lead=lead, blocks=()), stream=sys.stdout)
            started.append(True)
        match name:
            case "speed":
                speed.append(answer)
                found = [(1, sections.speed_section(data, answer))]
            case "generalisation":
                found = [(2, sections.generalisation_section(data, answer))]
            case "labels":
                found = [(3, labels_section.labels_section(data, answer))]
            case "recommended":
                settled.append(answer)
                return
            case "holdout":
                found = [(6, table_sections.hold_out_section(data, answer))]
            case _:
                found = [
                    (4, sections.width_section(data, speed[0], answer, settled[0])),
                    (5, check_section.check_section(data, answer)),
                ]
        for number, section in found:
            print_section(replace(section, title=f"{number}. {section.title}"), stream=sys.stdout)
        sys.stdout.flush()

    return show


def _print_verdict(result: Any) -> None:
    from dataclasses import replace  # noqa: PLC0415

    from widthwise.audits.page import page  # noqa: PLC0415
    from widthwise.pages.terminal import print_page_head  # noqa: PLC0415

    click.echo()
    print_page_head(replace(page(result), title="Verdict", subtitle=""), sys.stdout)
