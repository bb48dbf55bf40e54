"""The regime map: how far the weights of every run went, and how many gates changed on the way. Both are measured."""

from __future__ import annotations

from collections.abc import Sequence

from widthwise.atlas.citation import cited
from widthwise.atlas.page import file_name
from widthwise.atlas.registry import find
from widthwise.atlas.verdict import Verdict
from widthwise.pages import Block, Cloud, Column, Link, Mark, Page, Scatter, Section, Table, Text, escape
from widthwise.pages.scales import number

MEANING = (
    (
        "Laziness is the distance of the weights from their start at the end of training in units of `kappa sqrt m`, with "
        "`kappa` the deviation of a weight at the start and `m` the width. It is **measured**, in every run of every paper. "
        "What the spectrum predicts for the end of training stands on the pages of the claims that predict it, and is not "
        "drawn here."
    ),
    (
        "Flips are the share of gates, one for each neuron and row, that are not what they were at the start, measured too. "
        "Papers differ in loss, rate and number of steps: the map compares where runs went, not the papers."
    ),
)


def places(verdict: Verdict) -> list[tuple[str, float, float]]:
    """Runs of a verdict on the map: name, laziness, share of flips."""
    found = []
    for name, value in verdict.numbers.items():
        if name.startswith("laziness"):
            which = name.removeprefix("laziness").strip()
            flips = verdict.numbers.get(f"flips {which}".strip())
            if value is not None and flips is not None and value > 0 and flips > 0:
                found.append((which, value, flips))
    return found


def regime_page(verdicts: Sequence[Verdict], trail: tuple[Link, ...] = ()) -> Page:
    """Every run with a laziness and a share of flips.

    Args:
        verdicts: those of a site.
        trail: the other pages of the site.
    """
    clouds: dict[str, list[tuple[float, float]]] = {}
    rows, links = [], []
    for verdict in verdicts:
        run = verdict.run
        for name, x, y in places(verdict):
            clouds.setdefault(cited(find(verdict.claim).source), []).append((x, y))
            rows.append(
                (
                    f"{verdict.claim}{f', {name}' if name else ''}",
                    number(x),
                    number(y),
                    f"{run.data}, {run.scale}, seed {run.seed}",
                )
            )
            links.append(f"{file_name(verdict)}.html")
    blocks: tuple[Block, ...] = (Text(text="No verdict here has both numbers."),)
    if rows:
        drawn = Scatter(
            title="Movement and flips",
            description="One point for each run, means over its seeds. Left and low is where the linearised theory speaks.",
            x_label="laziness |W(T) - W(0)| / (kappa sqrt m)",
            y_label="share of gates that flipped",
            points=tuple(
                Cloud(label=label, x=tuple(x for x, _ in found), y=tuple(y for _, y in found), group=group)
                for group, (label, found) in enumerate(clouds.items())
            ),
            log_x=True,
            log_y=True,
            marks=(Mark(axis="x", value=1.0, label="1"),),
        )
        columns = (
            Column(name="run"),
            Column(name="laziness", align="right"),
            Column(name="flips", align="right"),
            Column(name="data"),
        )
        blocks = (drawn, Table(columns=columns, rows=tuple(rows), links=tuple(links)))
    return Page(
        title="The regime map",
        subtitle="Laziness against flips, with every run that has both",
        verdict=_sentences(rows, clouds),
        alerts=(),
        sections=(
            Section(title="Every run", blocks=blocks),
            Section(title="What the two numbers are", blocks=tuple(Text(text=text) for text in MEANING)),
        ),
        colophon=(),
        trail=trail,
    )


def _sentences(rows: Sequence[tuple[str, ...]], clouds: dict[str, list[tuple[float, float]]]) -> tuple[str, ...]:
    every = [point for found in clouds.values() for point in found]
    if not every:
        return ("No run here has both numbers.",)
    lazy = [flips for laziness, flips in every if laziness < 1.0]
    other = [flips for laziness, flips in every if laziness >= 1.0]
    said = [f"{len(rows)} runs of {', '.join(escape(name) for name in clouds)}."]
    if lazy:
        said.append(
            f"In the {len(lazy)} with laziness below 1 at most **{100 * max(lazy):.2g} %** of the gates flipped."
        )
    if other:
        said.append(f"In the {len(other)} beyond, from {100 * min(other):.2g} to {100 * max(other):.2g} %.")
    return tuple(said)
