"""The indexes of a site: verdicts by paper, by type, by verdict and by quantity."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from widthwise.atlas.citation import cited
from widthwise.atlas.claim import TYPES, Claim
from widthwise.atlas.page import WORDS, file_name, outside, typeset
from widthwise.atlas.registry import find
from widthwise.atlas.verdict import Verdict
from widthwise.pages import Alert, Column, Link, Page, Section, Table, Text, escape

NO_VERDICT = "no verdict: smoke"


def word_of(verdict: Verdict) -> str:
    """The word; none at smoke, where there is one seed at one step size."""
    return verdict.word if verdict.run.scale != "smoke" else NO_VERDICT


INDEXES: tuple[tuple[str, str, Callable[[Verdict, Claim], str]], ...] = (
    ("index", "paper", lambda _, claim: cited(claim.source)),
    ("by-type", "type", lambda _, claim: TYPES[claim.type]),
    ("by-verdict", "verdict", lambda verdict, _: word_of(verdict)),
    ("by-quantity", "quantity", lambda _, claim: claim.quantity),
)
SUMMARY, REGIME_MAP = "summary", "regime-map"
PLURAL = {
    "holds": "hold",
    "holds outside its hypotheses": "hold outside their hypotheses",
    "does not hold": "do not hold",
    "direction only": "hold in direction only",
    "inconclusive": "are inconclusive",
    "vacuous": "are vacuous",
}
SINGULAR = {
    "holds": "holds",
    "holds outside its hypotheses": "holds outside its hypotheses",
    "does not hold": "does not hold",
    "direction only": "holds in direction only",
    "inconclusive": "is inconclusive",
    "vacuous": "is vacuous",
}
# In the order of their lists elsewhere; the others as they come.
ORDER = {"by-type": list(TYPES.values()), "by-verdict": list(WORDS)}


def trail(current: str = "") -> tuple[Link, ...]:
    """The pages of a site, that on which it stands without a link.

    Args:
        current: its name, without ending; none of them for the page of a claim.
    """
    names = [(f"by {by}", name) for name, by, _ in INDEXES]
    names = [("summary", SUMMARY), *names, ("regime map", REGIME_MAP)]
    return tuple(Link(label=label, page="" if name == current else f"{name}.html") for label, name in names)


def index_page(verdicts: Sequence[Verdict], name: str) -> Page:
    """An index of the site: `index` (by paper), `by-type`, `by-verdict` or `by-quantity`."""
    by, group = next((by, group) for known, by, group in INDEXES if known == name)
    parts: dict[str, list[Verdict]] = {title: [] for title in ORDER.get(name, [])}
    for verdict in verdicts:
        parts.setdefault(group(verdict, find(verdict.claim)), []).append(verdict)
    return Page(
        title="The atlas: claims, and what became of them",
        subtitle=f"{len(verdicts)} runs, by {by}",
        verdict=totals(verdicts),
        alerts=_wrong(verdicts),
        sections=tuple(Section(title=title, blocks=(_listed(found, by),)) for title, found in parts.items() if found),
        colophon=(Text(text="Made by `widthwise atlas report` from the verdicts in its folder."),),
        trail=trail(name),
    )


def totals(verdicts: Sequence[Verdict]) -> tuple[str, ...]:
    """How many of each verdict, how many would hold by chance, how many controls failed; runs at smoke have no verdict."""
    failed = sum(one.control.failed for one in verdicts)
    control = f"Controls found wrong, as they must be: {failed} of {len(verdicts)}."
    judged = [one for one in verdicts if one.run.scale != "smoke"]
    without = len(verdicts) - len(judged)
    machinery = (f"{without} of the {len(verdicts)} runs at `smoke`, which gives no verdict.",) if without else ()
    if not judged:
        return (*machinery, control)
    counts = {word: sum(one.word == word for one in judged) for word in WORDS}
    told = ", ".join(f"{many} {SINGULAR[word] if many == 1 else PLURAL[word]}" for word, many in counts.items() if many)
    held = [verdict for verdict in judged if verdict.word.startswith("holds")]
    beyond = sum(one.outside for one in judged)
    return (
        f"Of {len(judged)} verdicts {told}.",
        f"In {beyond} of them some hypothesis of the theorem is not met by the rows and settings of the run.",
        f"Were all {len(held)} that hold just false, chance would still let **{sum(v.chance for v in held):.2f}** hold.",
        control,
        *machinery,
    )


def _wrong(verdicts: Sequence[Verdict]) -> tuple[Alert, ...]:
    changed = [verdict.claim for verdict in verdicts if verdict.recorded == "changed"]
    passed = [verdict.claim for verdict in verdicts if not verdict.control.failed]
    found = []
    if changed:
        found.append(Alert(level="danger", text=f"Not as recorded: {escape(', '.join(changed), limit=400)}."))
    if passed:
        found.append(Alert(level="danger", text=f"Controls that did not fail: {escape(', '.join(passed), limit=400)}."))
    return tuple(found)


def _listed(verdicts: Sequence[Verdict], by: str) -> Table:
    # Three columns and the claim are what a page is wide enough for.
    shown = ("claim", "type" if by == "verdict" else "verdict", "found", "data")
    return Table(
        columns=tuple(Column(name=name) for name in shown),
        rows=tuple(
            (
                find(one.claim).title,
                TYPES[one.type] if by == "verdict" else f"{word_of(one)}{outside(one)}",
                typeset(one.reason.split(";")[0]),
                f"{one.run.data}, {one.run.scale}, seed {one.run.seed}",
            )
            for one in verdicts
        ),
        links=tuple(f"{file_name(one)}.html" for one in verdicts),
    )
