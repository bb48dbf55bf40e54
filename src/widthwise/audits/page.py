"""From an audit to its page: title, alerts, sections, and how the same page is made again. It computes nothing."""

from __future__ import annotations

import shlex
from dataclasses import fields

from widthwise.audits import large_page
from widthwise.audits.check_section import check_section
from widthwise.audits.labels_section import floor, labels_section
from widthwise.audits.result import AuditResult, DataSummary, Settings
from widthwise.audits.sections import (
    generalisation_section,
    speed_section,
    width_section,
)
from widthwise.audits.table import VALUES
from widthwise.audits.table_sections import hold_out_section
from widthwise.audits.wording import count, quantity
from widthwise.pages import Alert, Block, Bullets, Code, Details, Page, Text, escape

LONGEST_SENTENCE = 1000

# What `load` calls data that came as objects.
IN_MEMORY = ("arrays", "DataFrame")


def page(result: AuditResult) -> Page:
    """The whole report."""
    data = result.data
    return Page(
        title=title(data),
        subtitle=f"widthwise {result.versions.get('widthwise', '')}: what the theory of wide ReLU networks says of "
        "these data, checked by training",
        verdict=result.verdict,
        alerts=alerts(result),
        sections=(
            speed_section(data, result.speed),
            generalisation_section(data, result.generalisation),
            labels_section(data, result.labels),
            width_section(data, result.speed, result.verification, result.recommended),
            check_section(data, result.verification),
            *((hold_out_section(data, result.holdout),) if result.holdout is not None else ()),
        ),
        colophon=colophon(result),
    )


def title(data: DataSummary) -> str:
    """What was audited, in a line."""
    what = f"{count(data.n)} rows, {count(data.d)} {'pixels' if data.kind == 'image' else 'features'}"
    kind = f"{len(data.classes)} classes" if data.task == "classification" else "a numeric target"
    return f"{data.source}: {what}, {kind}"


def task(data: DataSummary) -> str:
    """The task and why it was chosen, in a sentence."""
    return f"Target `{escape(data.target)}`, {data.task}: {_sentence(data.task_reason)}."


def alerts(result: AuditResult) -> tuple[Alert, ...]:
    """What must not be missed, worst first."""
    found: list[Alert] = []
    verified, labels, data = result.verification, result.labels, result.data
    if labels.floor > 0:
        found.append(Alert(level="warning", text=floor(data, labels)))
    if verified is not None:
        broken = [run for run in verified.runs if run.diverged is not None]
        if broken:
            widths = ", ".join(count(w) for w in sorted({run.width for run in broken}))
            found.append(
                Alert(
                    level="danger", text=f"{len(broken)} of {len(verified.runs)} trainings diverged (widths {widths})."
                )
            )
    if data.subsample:
        found.append(Alert(level="info", text=f"Only a part was audited: {data.subsample}."))
    found.extend(Alert(level="warning", text=_sentence(text)) for text in data.alerts)
    found.extend(Alert(level=finding.level, text=_sentence(finding.text)) for finding in result.findings)
    order = ("danger", "warning", "info")
    return tuple(sorted(found, key=lambda alert: order.index(alert.level)))


def colophon(result: AuditResult) -> tuple[Block, ...]:
    """Method, assumptions, versions, and the command that makes the report again."""
    data = result.data
    done = [task(data), f"Labels coded {data.coding}."]
    done.extend(_sentence(step[0].upper() + step[1:]) + "." for step in data.steps)
    done.extend(_sentence(note) for note in data.notes)
    if data.tau:
        left_out = "leave-group-out" if result.settings.groups else "leave-one-out"
        chosen = "as asked" if result.settings.pad is not None else f"chosen with the ridge by {left_out}"
        done.append(f"The constant coordinate acts as a random bias; its size tau = {quantity(data.tau)} was {chosen}.")
    method = (
        (
            "**Dynamics** (speed, complexity, rates, trained networks): the kernel H-infinity of the first layer of a "
            "two-layer ReLU network, from f = 0, full-batch gradient descent on half the sum of squares (Arora et al. 2019, "
            "theorem 4.1 without its error term)."
        ),
        (
            f"**Held-out predictions**: kernel ridge regression with `{result.generalisation.kernel}` (both layers trained), "
            f"ridge {quantity(result.generalisation.ridge)} of the kernel's mean diagonal, chosen by {_criterion(result)}; "
            f"in the nested error it is chosen again {_nested(result)}. Features are scaled once, over all rows, without their "
            "labels."
        ),
        (
            f"**Certificates**: relative residual of the solve {quantity(result.generalisation.residual)} at condition "
            f"{quantity(result.generalisation.condition)}."
        ),
        (
            f"**Assumptions**: {'groups' if result.settings.groups else 'rows'} independent; classes coded "
            "one against the rest share one first layer. Nothing is "
            "extrapolated beyond the widths and steps that were trained."
        ),
    )
    return (
        Details(title="What was done to the data", blocks=(Bullets(items=tuple(done)),)),
        Details(title="Method and assumptions", blocks=(Bullets(items=method),)),
        *large_page.method(result.how),
        Text(text="The same report again:"),
        Code(text=command(result)),
        Text(
            text=", ".join(f"{escape(name)} {escape(version)}" for name, version in result.versions.items())
            + f". Data digest `{data.digest[:16]}`, seed {result.settings.seed}."
        ),
    )


def _criterion(result: AuditResult) -> str:
    if result.settings.groups is None:
        return "leave-one-out with an estimated diagonal" if result.how else "closed-form leave-one-out"
    return f"closed-form leave-group-out{' on a part of the rows' if result.how else ''}"


def _nested(result: AuditResult) -> str:
    return "for every training part, as said below" if result.how else "inside every training part"


def command(result: AuditResult) -> str:
    """The command line that repeats the audit, or the call where the data came from memory."""
    changed = {
        field.name: value
        for field in fields(Settings)
        if (value := getattr(result.settings, field.name)) != field.default
    }
    if result.data.source in IN_MEMORY or VALUES in changed.values():
        named = {"DataFrame": "df", "arrays": "X, y"}
        data = named.get(result.data.source, repr(result.data.source))
        arguments = "".join(f", {name}={name if value == VALUES else repr(value)}" for name, value in changed.items())
        return f"widthwise.audit({data}{arguments}).write('report')"
    words = [word for name, value in changed.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    return shlex.join(["widthwise", "audit", result.data.source, *words, "--out", "report"])


def _sentence(text: str) -> str:
    """A whole sentence of what reading said: it quotes names, each cut already, so only absurd ones are cut again."""
    return escape(text, limit=LONGEST_SENTENCE)
