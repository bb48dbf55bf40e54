"""Which labels deserve a look, as a section of a page: it arranges and words, it computes nothing."""

from __future__ import annotations

from widthwise.audits import verdict
from widthwise.audits.doubts import Labels, Suspect
from widthwise.audits.result import DataSummary
from widthwise.audits.wording import between, count, percent, quantity, rate
from widthwise.pages import Block, Column, Counts, Details, Histogram, Mark, Picture, Pictures, Section, Table, Text

LISTED = 20
PICTURED = 18


def labels_section(data: DataSummary, labels: Labels) -> Section:
    """Answer 3."""
    blocks: list[Block] = []
    classification = data.task == "classification"
    if classification:
        blocks.append(Text(text=_separation(data, labels)))
    blocks.append(
        Histogram(
            title="Margins of the given labels" if classification else "Residuals of the targets",
            description="Leave-one-out score of the given class minus that of the best other one, halved: 1 where the "
            "other rows predict the label, below 0 where they prefer another."
            if classification
            else "Minus the distance of the leave-one-out residual from their median, in robust standard "
            "deviations; below −3 a target is listed.",
            x_label="leave-one-out margin" if classification else "minus residual, robust standard deviations",
            edges=labels.margin_edges,
            counts=(Counts(label="rows", values=tuple(float(c) for c in labels.margin_counts), group=0),),
            marks=(Mark(axis="x", value=0.0 if classification else -3.0, label="listed to the left"),),
        )
    )
    pictured = [s for s in labels.suspects if s.image is not None][:PICTURED]
    if pictured:
        blocks.append(
            Pictures(
                items=tuple(
                    Picture(
                        pixels=s.image,
                        title=f"{s.label} → {s.suggested}",
                        caption=f"row {s.row}, {quantity(s.margin)}",
                    )
                    for s in pictured
                ),
                caption="Given label → what the other rows predict, with the margin; most doubtful first.",
            )
        )
    if labels.suspects:
        table = _suspects(labels)
        blocks.append(Details(title="Rows as a table", blocks=(table,)) if pictured else table)
    beside = [s for s in pictured if any(n.image is not None for n in s.neighbours)]
    if beside:
        blocks.append(
            Details(
                title="Beside the rows that speak against them",
                blocks=tuple(_beside(s) for s in beside),
            )
        )
    if labels.conflicts:
        blocks.append(
            Details(
                title="Rows with equal features and different " + ("labels" if classification else "targets"),
                blocks=(
                    Text(text=floor(data, labels)),
                    Table(
                        columns=(Column(name="rows"), Column(name="labels" if classification else "targets")),
                        rows=tuple(
                            (", ".join(str(r) for r in c.rows[:12]), ", ".join(c.labels[:12]))
                            for c in labels.conflicts[:LISTED]
                        ),
                        caption=f"The first {min(LISTED, len(labels.conflicts))} groups",
                    ),
                ),
            )
        )
    return Section(
        title="Which labels deserve a look?",
        lead=verdict.after_word(verdict.doubting(data, labels)),
        blocks=tuple(blocks),
        key="labels",
    )


def _suspects(labels: Labels) -> Table:
    named = bool(labels.identifier)
    shown = labels.suspects[:LISTED]
    return Table(
        columns=(
            Column(name="row", align="right"),
            *((Column(name=labels.identifier),) if named else ()),
            Column(name="given"),
            Column(name="predicted by the others"),
            Column(name="margin", align="right"),
            Column(name="rows that speak against it (distance)"),
        ),
        rows=tuple(
            (
                str(s.row),
                *((s.id or "",) if named else ()),
                s.label,
                s.suggested,
                quantity(s.margin),
                ", ".join(f"{n.id if named else n.row} ({quantity(n.distance)})" for n in s.neighbours),
            )
            for s in shown
        ),
        caption=f"The {len(shown)} most doubtful of {count(len(labels.suspects))} rows (counted from 0; all of them are in "
        "suspects.csv). Beside each, the nearest rows that have the predicted label and are not suspects; distances between rows "
        "as scaled",
    )


def _beside(suspect: Suspect) -> Pictures:
    return Pictures(
        items=(
            Picture(pixels=suspect.image, title=f"row {suspect.row}: {suspect.label}?", caption="the suspect"),
            *(
                Picture(pixels=n.image, title=f"row {n.row}: {n.label}", caption=f"distance {quantity(n.distance)}")
                for n in suspect.neighbours
                if n.image is not None
            ),
        ),
        caption=f"Row {suspect.row}, given {suspect.label}, predicted {suspect.suggested}",
    )


def _separation(data: DataSummary, labels: Labels) -> str:
    share, guessing = labels.disagreement, 1.0 - max(data.class_counts) / data.n
    test = (
        f"{rate(labels.ambiguous or 0.0)} of the rows have a margin within a quarter of the median margin of zero (test: at "
        f"most 7.5 %), leave-one-out scores explain {percent(labels.explained)} of the labels' variance (test: at least 25 %), and "
        f"{rate(share.value)} of the rows disagree where guessing the commonest class errs on {rate(guessing)} (test: at most half)"
    )
    limit = (
        f"The disagreement rate, {rate(share.value)}, is an upper limit on label noise as long as a wrong label is usually "
        f"contradicted by the other rows. Its interval, {between(share.low, share.high)}, runs from the 95\u00a0% lower end "
        "for rows that disagree clearly to the 95\u00a0% upper end for all that disagree."
    )
    limit = f"{limit} {_noise(labels)}"
    if labels.separate:
        far = (
            f"{percent(labels.confident or 0.0)} of the disagreeing rows lie beyond half the median margin on the other side"
            if labels.suspects
            else "No row disagrees"
        )
        return (
            f"{limit} The classes separate: {test}. {far}; wrong labels would lie there (more than half of them), rare or "
            "ambiguous rows would not."
        )
    return (
        f"{limit} **The classes do not separate** by the test used here: {test}. Overlap of the classes alone can produce "
        "every one of these disagreements; from the features alone the two cannot be told apart, and no row is accused."
    )


def _noise(labels: Labels) -> str:
    """What the model of wrong labels beside overlap says."""
    if labels.noise is None:
        return f"The share of wrong labels is not identifiable: {labels.noise_reason}."
    return (
        f"An estimated **{rate(labels.noise.value)}** of the labels are wrong (90\u00a0% interval "
        f"{between(labels.noise.low, labels.noise.high)}; its upper end calls every disagreement wrong): {labels.noise_reason}."
    )


def floor(data: DataSummary, labels: Labels) -> str:
    """The error that rows of equal features and different labels force on every model."""
    if data.task == "classification":
        return (
            f"{count(labels.conflict_rows)} rows share their features with a row of another class: **{rate(labels.floor)}** "
            "of these rows are predicted wrongly by any model on these features, a certain error floor."
        )
    return (
        f"{count(labels.conflict_rows)} rows share their features with a row of another target: a root mean square error of "
        f"**{quantity(labels.floor)}** on these rows is certain for any model on these features."
    )
