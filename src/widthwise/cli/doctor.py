"""`widthwise doctor`: what this installation computes with."""

from __future__ import annotations

import json
import sys

import click


@click.command()
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Of the output."
)
def doctor(form: str) -> None:
    """Show versions, device, threads and memory."""
    from widthwise.audits.installation import installation  # noqa: PLC0415

    found = installation()
    if form == "json":
        click.echo(json.dumps({"schema": "widthwise/doctor/1", **found}, indent=1))
        return
    from widthwise.pages import Column, Section, Table  # noqa: PLC0415
    from widthwise.pages.terminal import print_section  # noqa: PLC0415

    table = Table(columns=(Column(name="what"), Column(name="found")), rows=tuple(found.items()))
    print_section(Section(title="widthwise doctor", blocks=(table,)), stream=sys.stdout)
