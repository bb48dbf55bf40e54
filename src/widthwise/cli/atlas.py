"""`widthwise atlas`: published claims listed, shown, run on data, and reported."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

SCALE = click.option(
    "--scale",
    type=click.Choice(["smoke", "quick", "paper"]),
    default="quick",
    show_default=True,
    help="smoke: seconds, machinery only; quick: minutes; paper: the paper's setting.",
)
SEED = click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="The first of the seeds.")
OUT = click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("atlas-runs"),
    show_default=True,
    help="Folder of trials, verdicts and the site; what is there is not run again.",
)
FORM = click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Of the output."
)


@click.group()
def atlas() -> None:
    """Run published claims as experiments: hypotheses, prediction, measurement, control, verdict."""


@atlas.command("list")
@click.option("--paper", metavar="KEY", help="Only claims of this paper, such as arora2019.")
@click.option("--type", "kind", type=click.Choice(list("EUOQSX")), help="Only claims of this type.")
@click.option("--cost", type=click.FloatRange(min=0), metavar="MINUTES", help="Only claims of at most so many minutes.")
@FORM
def list_(*, paper: str | None, kind: str | None, cost: float | None, form: str) -> None:
    """List the claims, by paper.

    Types: E equality or limit, U upper bound, O exponent, Q ordering, S sufficient condition, X existence.
    """
    from widthwise.atlas.catalogue import list_json, listed  # noqa: PLC0415
    from widthwise.atlas.citation import cited  # noqa: PLC0415
    from widthwise.atlas.records import words  # noqa: PLC0415

    found = listed(paper, kind, cost)
    if form == "json":
        click.echo(list_json(found), nl=False)
        return
    wide = max((len(claim.key) for claim in found), default=0)
    for source in dict.fromkeys(claim.source for claim in found):
        click.echo(f"{source}: {cited(source)}")
        for claim in found:
            if claim.source == source:
                record = ", ".join(dict.fromkeys(words(claim.key))) or "not on record"
                click.echo(f"  {claim.key:<{wide}}  {claim.type}  {claim.cost:>4g} min  {record}\n      {claim.title}")


@atlas.command()
@click.argument("claim")
@click.option("--cite", is_flag=True, help="Only the source, in BibTeX.")
@FORM
def show(*, claim: str, cite: bool, form: str) -> None:
    """Show what CLAIM says: statement, formula, hypotheses, test, source and its place there."""
    from widthwise.atlas.catalogue import claim_json  # noqa: PLC0415
    from widthwise.atlas.citation import bibtex  # noqa: PLC0415
    from widthwise.atlas.page import claim_page  # noqa: PLC0415
    from widthwise.atlas.records import lines  # noqa: PLC0415
    from widthwise.atlas.registry import find  # noqa: PLC0415

    found = find(claim)
    if cite:
        click.echo(bibtex(found.source))
        return
    if form == "json":
        click.echo(claim_json(found), nl=False)
        return
    from widthwise.pages.terminal import print_page_head, print_section  # noqa: PLC0415

    page = claim_page(found, lines(found.key))
    print_page_head(page, sys.stdout)
    for section in page.sections:
        print_section(section, stream=sys.stdout)


@atlas.command()
@click.argument("name", metavar="CLAIM|PAPER|all")
@click.option("--data", help="File or name, as for `widthwise audit`; the claim's own choice when not given.")
@click.option("--target", metavar="COL", help="Column that holds the labels.")
@SCALE
@SEED
@OUT
@FORM
def run(*, name: str, data: str | None, target: str | None, scale: Any, seed: int, out: Path, form: str) -> None:
    """Run a claim, all claims of a paper, or all.

    The same command goes on where it was interrupted. It leaves with 1 if a verdict is not the one on record, or a control
    did not fail.
    """
    found = _run(name, data, target, scale=scale, seed=seed, out=out, quiet=form == "json")
    if form == "json":
        from widthwise.atlas.catalogue import run_json  # noqa: PLC0415

        click.echo(run_json(found), nl=False)
    if not all(verdict.good for verdict in found):
        click.get_current_context().exit(1)


@atlas.command()
@click.argument("paper")
@SCALE
@SEED
@OUT
def record(*, paper: str, scale: Any, seed: int, out: Path) -> None:
    """Run all claims of PAPER and put the verdicts on record, in the package itself."""
    from widthwise.atlas import records  # noqa: PLC0415
    from widthwise.atlas.registry import papers  # noqa: PLC0415

    records.require_verdicts(scale)
    if paper not in papers():
        raise click.UsageError(f"{paper!r} is no paper of the atlas; papers: {', '.join(papers())}")
    found = _run(paper, scale=scale, seed=seed, out=out)
    click.echo(f"Wrote {records.write(paper, found)}", err=True)


@atlas.command()
@OUT
@click.option("--open", "show_it", is_flag=True, help="Open the first page in a browser.")
def report(*, out: Path, show_it: bool) -> None:
    """Make the static site of the verdicts in a folder: a page a claim, indexes, the regime map."""
    from widthwise.atlas.site import write  # noqa: PLC0415

    page = write(out)
    click.echo(str(page))
    if show_it:
        click.launch(str(page))


def _run(
    name: str,
    data: str | None = None,
    target: str | None = None,
    *,
    scale: Any,
    seed: int,
    out: Path,
    quiet: bool = False,
) -> list[Any]:
    """Verdicts of the claims of a name, each told as it comes."""
    import widthwise as ww  # noqa: PLC0415 - a second of imports, only for those who ask
    from widthwise.atlas.experiment import run_claim  # noqa: PLC0415
    from widthwise.atlas.registry import chosen  # noqa: PLC0415
    from widthwise.atlas.site import keep, store  # noqa: PLC0415

    claims = chosen(name)
    several = len(claims) > 1
    if target is not None and data is None:
        raise click.UsageError("--target names a column of the file that --data names; give that too")
    loaded = None if data is None else ww.load(data, target=target)
    if scale == "smoke":
        click.echo("smoke: one seed at one step size, for the machinery; verdicts need quick or paper", err=True)
    found = []
    for place, claim in enumerate(claims, 1):
        if several and loaded is not None and (claim.own_data or not _suits(claim, loaded)):
            click.echo(f"{claim.key}: left out, {claim.own_data or 'it needs classes'}", err=True)
            continue
        head = f"[{place}/{len(claims)}] " if several else ""
        verdict = run_claim(
            claim,
            loaded,
            target=target,
            scale=scale,
            seed=seed,
            out=store(out),
            tell=lambda line, head=head: click.echo(f"{head}{line}", err=True),  # type: ignore[misc]
        )
        if verdict.run.own:
            click.echo(f"{claim.key}, rows: {'; '.join(verdict.run.prepared) or 'as they are'}", err=True)
        control = "" if verdict.control.failed else "; THE CONTROL DID NOT FAIL"
        click.echo(f"{verdict}{control}", err=quiet)
        keep(out, verdict)
        found.append(verdict)
    return found


def _suits(claim: Any, data: Any) -> bool:
    return not (claim.labels == "classes" and data.task != "classification")
