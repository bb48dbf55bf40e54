"""`widthwise schema`: the layout of what widthwise reads and writes, as JSON Schema."""

from __future__ import annotations

import json

import click


@click.command()
@click.argument(
    "what",
    type=click.Choice(["sweep", "audit", "conditions", "verdict", "atlas-run", "atlas-list", "atlas-claim"]),
    default="sweep",
)
def schema(what: str) -> None:
    """Print the JSON Schema of a sweep's spec, or of the JSON that `audit`, `conditions` and `atlas` write."""
    if what in ("audit", "conditions"):
        from importlib.resources import files  # noqa: PLC0415

        click.echo(files("widthwise.audits").joinpath(f"{what}-1.schema.json").read_text(encoding="utf-8"), nl=False)
        return
    if what != "sweep":
        from widthwise.atlas.catalogue import json_schema as of_the_atlas  # noqa: PLC0415

        click.echo(json.dumps(of_the_atlas(what), indent=1))  # type: ignore[arg-type]
        return
    from widthwise.sweeps.spec import json_schema  # noqa: PLC0415

    click.echo(json.dumps(json_schema(), indent=1))
