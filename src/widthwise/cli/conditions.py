"""`widthwise conditions`: every published width condition on a labelled data set."""

from __future__ import annotations

import sys
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
    help="What the labels are.",
)
@click.option(
    "--scale",
    type=click.Choice(["auto", "standardise", "unit", "none"]),
    default="auto",
    show_default=True,
    help="Features: standardise columns then unit rows, unit rows only, or as they are.",
)
@click.option("--pad", type=float, metavar="TAU", help="Size of the constant coordinate; default 1 for tables, 0 else.")
@click.option("--max-n", type=int, default=1000, show_default=True, help="Most rows; larger data are subsampled.")
@click.option(
    "--subsample",
    type=click.Choice(["stratified", "first"]),
    default="stratified",
    show_default=True,
    help="Which rows are kept beyond --max-n.",
)
@click.option(
    "--depth", type=int, default=1, show_default=True, help="Hidden layers L of the conditions that have one."
)
@click.option(
    "--failure", type=float, default=0.1, show_default=True, help="Probability delta that a theorem may fail."
)
@click.option("--accuracy", type=float, default=1.0, show_default=True, help="Epsilon of the theorems that have one.")
@click.option(
    "--start", type=float, default=1.0, show_default=True, help="Standard deviation kappa of the first weights."
)
@click.option(
    "--observed",
    type=float,
    metavar="WIDTH",
    help="A width seen to train, for the decades, in place of a measured one.",
)
@click.option(
    "--measure/--no-measure",
    default=None,
    help="Train ten networks at each of growing widths and say where half fit the rows; unasked where that takes seconds.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the subsample and of the networks.")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write the HTML page there."
)
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Of the output."
)
def conditions(data: str, out: Path | None, form: str, **options: Any) -> None:
    """Evaluate every published width condition on DATA, beside the measured width: sufficient at constant 1, never advice.

    DATA is a file or a name, as for `widthwise audit`.
    """
    import widthwise as ww  # noqa: PLC0415 - a second of imports, only for those who ask

    result = ww.conditions(data, progress=True, **options)
    if out is not None:
        result.to_html(out)
        click.echo(f"Wrote {out}", err=True)
    if form == "json":
        click.echo(result.to_json(), nl=False)
        return
    from widthwise.audits.conditions_page import page  # noqa: PLC0415
    from widthwise.pages import Points  # noqa: PLC0415
    from widthwise.pages.terminal import print_page_head, print_section  # noqa: PLC0415

    whole = page(result)
    print_page_head(whole, sys.stdout)
    for section in whole.sections:
        # The figure says on a page what the table says here.
        if not any(isinstance(block, Points) for block in section.blocks):
            print_section(section, stream=sys.stdout)
