"""From width conditions to their page: table, figure and how the same page is made again. It computes nothing."""

from __future__ import annotations

import math
import shlex
from dataclasses import fields

from widthwise.audits.conditions import ConditionsResult, ConditionsSettings, Row
from widthwise.audits.wording import count, quantity
from widthwise.pages import (
    Alert,
    Bullets,
    Code,
    Column,
    Details,
    KeyNumber,
    KeyNumbers,
    Mark,
    Page,
    Point,
    Points,
    Section,
    Table,
    Text,
    escape,
)

GROUPS = ("rows alone", "smallest eigenvalue", "separation", "margin")
NEEDS = {"lambda_0": 1, "phi": 2, "gamma": 3}
MARKS = {"read": "read", "second-hand": "second-hand", "memory": "from memory"}
NOT_MEASURED = "not measured"
IN_MEMORY = ("arrays", "DataFrame")


def page(result: ConditionsResult) -> Page:
    """The whole page."""
    return Page(
        title=f"{result.source}: published width conditions on {count(result.facts.n)} rows",
        subtitle=f"widthwise {result.versions.get('widthwise', '')}: sufficient conditions at constant 1, never advice",
        verdict=verdict(result),
        alerts=alerts(result),
        sections=(table_section(result), measured_section(result), figure_section(result), facts_section(result)),
        colophon=(
            Details(title="How to read this", blocks=(Bullets(items=_method(result)),)),
            Text(text="The same table again:"),
            Code(text=command(result)),
            Text(text=", ".join(f"{escape(name)} {escape(version)}" for name, version in result.versions.items())),
        ),
    )


def verdict(result: ConditionsResult) -> tuple[str, ...]:
    """What all that many readers read."""
    known = [row for row in result.rows if row.log10_width is not None]
    failed = [row for row in result.rows if row.holds is False]
    said = []
    if known:
        widths = [row.log10_width or 0.0 for row in known]
        said.append(
            f"{len(known)} conditions have a number on these rows: from **{power(min(widths))}** to **{power(max(widths))}** "
            "neurons at constant 1."
        )
    if failed:
        said.append(f"{len(failed)} ask for what these rows do not have.")
    if result.observed is not None and known:
        above = sorted(row.vacuity or 0.0 for row in known)
        of = "width given" if result.measured is None else "measured width"
        said.append(
            f"Against the {of}, **{observed(result)}**, they are {quantity(above[0])} to "
            f"{quantity(above[-1])} decades away; parameters over rows, m d / n, are {quantity(result.interpolation or 0.0)}."
        )
    elif result.measured is not None:
        said.append(
            f"Networks were trained, and up to width **{count(result.measured.widths[-1])}** fewer than half fit these rows."
        )
    else:
        said.append("No network was trained: the measured width is **not measured**.")
    said.append("Each is sufficient for its own theorem; narrower networks may train as well.")
    return tuple(said)


def alerts(result: ConditionsResult) -> tuple[Alert, ...]:
    """Rows left out, rows merged, hypotheses that fail."""
    found: list[Alert] = []
    notes = sorted({row.note for row in result.rows if row.holds is False})
    found.extend(Alert(level="warning", text=escape(note[0].upper() + note[1:], limit=400) + ".") for note in notes)
    if result.facts.merged:
        found.append(
            Alert(
                level="info",
                text=f"Merged, since they repeat another row and its target: {count(result.facts.merged)}.",
            )
        )
    if result.subsample:
        found.append(Alert(level="info", text=f"Only a part was used: {escape(result.subsample, limit=400)}."))
    return tuple(found)


def table_section(result: ConditionsResult) -> Section:
    """Every condition in a row."""
    columns = (
        Column(name="source"),
        Column(name="condition"),
        Column(name="width asked", align="right"),
        Column(name="decades above", align="right"),
        Column(name="known"),
        Column(name="note"),
    )
    rows = tuple(
        (
            f"{cited(row)} {row.year}",
            row.formula,
            "none" if row.log10_width is None else power(row.log10_width),
            decades(result, row),
            MARKS[row.confidence],
            row.note.removeprefix("at constant 1").removeprefix("; "),
        )
        for row in ranked(result)
    )
    return Section(
        title="What each theorem asks",
        lead="Width asked at constant 1, and decades above the width at which networks fit these rows. "
        f"Failure probability {quantity(result.facts.failure)}, accuracy {quantity(result.facts.accuracy)}, "
        f"start {quantity(result.facts.start)}, {count(result.facts.depth)} hidden layer"
        + ("s." if result.facts.depth > 1 else "."),
        blocks=(Table(columns=columns, rows=rows),),
    )


def decades(result: ConditionsResult, row: Row) -> str:
    """Decades between the width asked for and the one at which networks train."""
    if result.observed is None:
        return NOT_MEASURED if result.measured is None else "none tried is enough"
    return "none" if row.vacuity is None else f"{row.vacuity:.1f}"


def observed(result: ConditionsResult) -> str:
    """The width at which networks train, with its interval where it was measured here."""
    found = result.measured
    if found is None:
        return NOT_MEASURED if result.observed is None else quantity(result.observed)
    if found.width is None:
        return f"more than {count(found.widths[-1])}"
    if found.width == 0.0:
        return f"at most {count(found.widths[0])}"
    high = "more" if found.high is None else quantity(found.high)
    return f"{quantity(found.width)} ({quantity(found.low) if found.low else 'less'} to {high})"


def measured_section(result: ConditionsResult) -> Section:
    """Where networks fit the rows, and how that was found out."""
    found = result.measured
    if found is None:
        return Section(
            title="Where networks fit these rows",
            blocks=(Text(text=f"{NOT_MEASURED.capitalize()}: {escape(result.unmeasured, limit=400)}."),),
        )
    counts = Table(
        columns=(
            Column(name="width", align="right"),
            Column(name=f"of {count(found.seeds)} networks fit", align="right"),
        ),
        rows=tuple((count(w), count(s)) for w, s in zip(found.widths, found.successes, strict=True)),
        caption="Networks of each width that fit all rows",
    )
    numbers = KeyNumbers(
        items=(
            KeyNumber(
                label="measured width", value=observed(result), note="half of the networks succeed; 95 % interval"
            ),
        )
    )
    return Section(
        title="Where networks fit these rows",
        lead="The width at which half of the networks succeed, by a logistic curve through the counts.",
        blocks=(numbers, counts, Text(text=found.protocol)),
    )


def cited(row: Row) -> str:
    """Authors in short."""
    authors = row.source.split(" as cited")[0].split(f" {row.year}")[0].rstrip(",").split(", ")
    return authors[0] + (" et al." if len(authors) > 2 else f", {authors[1]}" if len(authors) == 2 else "")


def ranked(result: ConditionsResult) -> list[Row]:
    """Conditions with a number from the widest down, then those whose hypothesis fails, then those without exponents."""
    return sorted(
        result.rows,
        key=lambda r: (
            0 if r.log10_width is not None else 1 if r.holds is False else 2,
            -(r.log10_width if r.log10_width is not None else 0.0),
            r.year,
            r.key,
        ),
    )


def figure_section(result: ConditionsResult) -> Section:
    """Year against width."""
    drawn = [row for row in ranked(result) if row.log10_width is not None or row.holds is False]
    by_year: dict[int, list[Row]] = {}
    for row in sorted(drawn, key=lambda r: r.key):
        by_year.setdefault(row.year, []).append(row)
    points = []
    for row in drawn:
        siblings = by_year[row.year]
        # Spread over the year, in a fixed order, so that points of one year stay apart.
        offset = 0.7 * ((siblings.index(row) + 0.5) / len(siblings) - 0.5)
        points.append(
            Point(
                label=cited(row),
                x=row.year + offset,
                y=math.inf if row.log10_width is None else row.log10_width,
                group=max((NEEDS[symbol] for symbol in row.needs), default=0),
                hollow=row.holds is False or bool(row.assumes),
            )
        )
    marks = (
        ()
        if result.observed is None
        else (
            Mark(
                axis="y",
                value=math.log10(result.observed),
                label=f"{'given' if result.measured is None else 'measured'}: {observed(result)}",
            ),
        )
    )
    figure = Points(
        title="Widths asked for, by year of publication",
        description="Decimal logarithm of the width at constant 1. Hollow: a hypothesis that these rows do not meet (on the "
        "upper edge: no finite width), or one that cannot be checked on them.",
        x_label="year of the first version",
        y_label="log10 of the width asked for",
        points=tuple(points),
        groups=tuple(f"needs {name}" if number else name for number, name in enumerate(GROUPS)),
        marks=marks,
    )
    return Section(title="How the demand fell", blocks=(figure,))


def facts_section(result: ConditionsResult) -> Section:
    """What the conditions are evaluated on."""
    facts = result.facts
    numbers = [
        KeyNumber(label="distinct rows n", value=count(facts.n)),
        KeyNumber(label="features d", value=count(facts.d)),
        KeyNumber(label="smallest eigenvalue", value=quantity(facts.lambda_0), note="of H-infinity"),
    ]
    if facts.phi is not None:
        numbers.append(KeyNumber(label="separation phi", value=quantity(facts.phi), note="of any two rows"))
    if facts.gamma is not None:
        one = "" if facts.classes == 2 else ", hardest class against the rest"
        numbers.append(KeyNumber(label="margin gamma", value=quantity(facts.gamma), note=f"under H-infinity{one}"))
    blocks: list[KeyNumbers | Text] = [KeyNumbers(items=tuple(numbers))]
    if facts.delta is not None and facts.clusters is not None:
        own = (
            "every row by itself: no structure to speak of"
            if facts.memorising
            else f"{count(facts.clusters)} per class"
        )
        blocks.append(
            Text(
                text=f"Classes are {quantity(facts.delta)} apart. Clusters of the diameter that Li and Liang 2018 ask for, "
                f"delta / (8 l): {own}."
            )
        )
    return Section(title="What these rows have", blocks=tuple(blocks))


def power(log10: float) -> str:
    """A width from its logarithm, without ever forming it."""
    exponent = math.floor(log10)
    if -3 <= exponent <= 5:
        return quantity(float(f"{10.0**log10:.2g}"))
    mantissa = round(10.0 ** (log10 - exponent), 1)
    if mantissa >= 10.0:
        mantissa, exponent = 1.0, exponent + 1
    digits = str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{mantissa:g}·10{digits}"


def command(result: ConditionsResult) -> str:
    """The command line that repeats the table, or the call where the data came from memory."""
    changed = {
        f.name: value for f in fields(ConditionsSettings) if (value := getattr(result.settings, f.name)) != f.default
    }
    if result.source in IN_MEMORY:
        data = "df" if result.source == "DataFrame" else "X, y"
        return f"widthwise.conditions({data}{''.join(f', {name}={value!r}' for name, value in changed.items())})"
    measure = changed.pop("measure", None)
    words = [word for name, value in changed.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    asked = [] if measure is None else ["--measure" if measure else "--no-measure"]
    return shlex.join(["widthwise", "conditions", result.source, *words, *asked])


def _method(result: ConditionsResult) -> tuple[str, ...]:
    return (
        (
            "Unknown constants are one and polylogarithms are left out unless the formula shows them; n / d counts parameters "
            "over features, and can be below one neuron."
        ),
        (
            "lambda_0 and gamma belong to H-infinity, the first layer of a two-layer ReLU network; gamma stands in for the "
            "margins of the logistic theorems, in their favour."
        ),
        (
            "Rows that repeat another one with the same target are merged first; rows that repeat one with another target make "
            "hypotheses fail, and are named by their number among the rows that were used."
        ),
        *(escape(step[0].upper() + step[1:], limit=400) + "." for step in result.steps),
    )
