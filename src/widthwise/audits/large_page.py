"""What a page says of an audit whose numbers were estimated: each with its error, and how it came about."""

from __future__ import annotations

from collections.abc import Sequence

from widthwise.audits.result import Estimate, Generalisation
from widthwise.audits.wording import count, quantity
from widthwise.pages import Block, Bullets, Column, Details, Table


def estimates(found: Sequence[Estimate]) -> tuple[Block, ...]:
    """A table of estimated numbers and their errors; nothing where there are none."""
    if not found:
        return ()
    table = Table(
        columns=(
            Column(name="estimated"),
            Column(name="value", align="right"),
            Column(name="error, at most about", align="right"),
            Column(name="how"),
        ),
        rows=tuple((e.quantity, quantity(e.value), quantity(e.error), e.how) for e in found),
        caption="Too many rows to factorise a square matrix: these numbers are estimates, with their errors",
    )
    return (Details(title="What was estimated, and how far it may be off", blocks=(table,)),)


def method(how: Sequence[str]) -> tuple[Block, ...]:
    """How the numbers came about; nothing where all was dense linear algebra."""
    return (Details(title="How so many rows were audited", blocks=(Bullets(items=tuple(how)),)),) if how else ()


def comparison(found: Generalisation) -> str:
    """Which rows the models were compared on; empty for all of them."""
    if found.compared_rows is None:
        return ""
    return f"All models, and the kernel beside them, trained on folds of the same {count(found.compared_rows)} rows. "
