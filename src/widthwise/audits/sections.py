"""The five answers as sections of a page: they arrange and word, they compute nothing."""

from __future__ import annotations

from typing import Literal

from widthwise.audits import calibration_page, growth_page, large_page, verdict
from widthwise.audits.dependence_sections import group_blocks, time_blocks
from widthwise.audits.result import Curve, DataSummary, Generalisation, Speed, Verification
from widthwise.audits.table import Recommended, Score
from widthwise.audits.table_sections import settings_blocks
from widthwise.audits.wording import between, count, percent, quantity, rate
from widthwise.pages import (
    Bar,
    Bars,
    Block,
    Column,
    Curves,
    Details,
    Heatmap,
    KeyNumber,
    KeyNumbers,
    Line,
    Mark,
    Section,
    Table,
    Text,
)

LISTED = 20


def speed_section(data: DataSummary, speed: Speed) -> Section:
    """Answer 1."""
    names = [percent(f) for f in speed.fractions]
    ratios = [quantity(r) if r is not None else "" for r in speed.ratios]
    rows = zip(names, map(_bare, speed.steps), map(_bare, speed.shuffled_steps), ratios, strict=True)
    blocks: list[Block] = [
        Curves(
            title="Predicted training curve",
            description="Relative residual ||y − f|| / ||y|| of an infinitely wide network trained by gradient descent at "
            "the recommended rate, for the given labels and, as a root mean square over all permutations, for "
            "shuffled ones.",
            x_label="gradient-descent steps",
            y_label="residual / residual at start",
            lines=(
                line("given labels", speed.true, "prediction", 0),
                line("shuffled labels", speed.shuffled, "prediction", 1),
            ),
            log_x=True,
            y_min=0.0,
            y_max=1.0,
        ),
        Table(
            columns=(
                Column(name="residual falls to"),
                Column(name="steps, given labels", align="right"),
                Column(name="steps, shuffled", align="right"),
                Column(name="ratio", align="right"),
            ),
            rows=tuple(tuple(row) for row in rows),
            caption="Steps at the recommended rate",
        ),
        Curves(
            title="Where the labels lie in the spectrum",
            description="Share of the labels' squared norm in the leading eigenvectors of the kernel matrix. Labels that "
            "rise early are learned early; shuffled labels spread over all eigenvectors.",
            x_label="leading eigenvectors",
            y_label="share of squared norm",
            lines=(
                Line(label="given labels", x=speed.index, y=speed.captured, kind="prediction", group=0),
                Line(label="shuffled labels", x=speed.index, y=speed.captured_shuffled, kind="prediction", group=1),
            ),
            log_x=True,
            y_min=0.0,
            y_max=1.0,
        ),
        Details(
            title="The spectrum itself",
            blocks=(
                Curves(
                    title="Eigenvalues of the kernel matrix",
                    description=f"H-infinity on the {count(data.n)} rows; condition number "
                    f"{_condition(speed)}, rank "
                    f"{count(speed.rank)}.",
                    x_label="index",
                    y_label="eigenvalue",
                    lines=(Line(label="eigenvalues", x=speed.index, y=speed.eigenvalues, kind="prediction", group=0),),
                    log_x=True,
                    log_y=True,
                ),
                *_half_lives(speed),
            ),
        ),
    ]
    if speed.unreachable > 0:
        blocks.insert(
            2,
            Text(
                text=f"{percent(speed.unreachable)} of the labels' squared norm can never be fitted: it lies outside "
                "the range of the kernel, as where rows coincide and their labels differ."
            ),
        )
    blocks.extend(calibration_page.on_record(speed.recorded))
    blocks.extend(large_page.estimates(speed.estimates))
    return Section(
        title="How fast will a wide network fit it?",
        lead=verdict.after_word(verdict.fitting(speed)),
        blocks=tuple(blocks),
        key="speed",
    )


def generalisation_section(data: DataSummary, found: Generalisation) -> Section:
    """Answer 2."""
    complexity = found.complexity
    even = found.balanced
    numbers = [
        KeyNumber(
            label="nested error" if found.metric == "error rate" else "nested RMSE",
            value=_error(found, found.nested.value),
            note=f"{found.folds}-fold; 95 % interval {_error(found, found.nested.low)} to {_error(found, found.nested.high)}",
        ),
        KeyNumber(
            label="leave-one-out error" if found.metric == "error rate" else "leave-one-out RMSE",
            value=_error(found, found.loo),
            note=_alone(found) + (f"; balanced {rate(found.loo_balanced)}" if found.loo_balanced is not None else ""),
        ),
        KeyNumber(
            label="complexity of the labels",
            value=quantity(complexity.value),
            note=_percentile(complexity.percentile, complexity.shuffles, complexity.shuffled),
        ),
    ]
    if even is not None:
        note = f"mean over the classes; 95 % interval {rate(even.low)} to {rate(even.high)}"
        numbers.insert(1, KeyNumber(label="balanced error", value=rate(even.value), note=note))
    if found.r2 is not None:
        numbers.insert(1, KeyNumber(label="nested R²", value=quantity(found.r2), note="1 is perfect, 0 is the mean"))
    blocks: list[Block] = [KeyNumbers(items=tuple(numbers))]
    unit, size = axis(data)
    blocks.append(
        Bars(
            title="The same folds, other models",
            description=f"{large_page.comparison(found)}Held-out error with its 95 % interval. None of the models is tuned, "
            "except for the ridges.",
            x_label=unit,
            bars=(
                *_kernel_bars(found, size),
                *(
                    Bar(
                        label=b.name,
                        value=size * b.score.value,
                        low=size * b.score.low,
                        high=size * b.score.high,
                        text=_error(found, b.score.value),
                    )
                    for b in found.baselines
                ),
            ),
        )
    )
    if even is not None:
        blocks.append(_balanced(found, even))
    if found.groups is not None:
        blocks.extend(group_blocks(found.groups, data.task == "classification"))
    if found.time is not None:
        blocks.extend(time_blocks(found.time, data.task == "classification"))
    if found.confusion is not None:
        blocks.append(_confusion(data, found))
    blocks.extend(calibration_page.on_record(found.recorded))
    blocks.extend(growth_page.growth(found.growth))
    blocks.append(_below_the_fold(data, found))
    blocks.extend(large_page.estimates((*found.complexity.estimates, *found.estimates)))
    return Section(
        title="How well will it generalise?",
        lead=verdict.after_word(verdict.generalising(found)),
        blocks=tuple(blocks),
        key="generalisation",
    )


def width_section(
    data: DataSummary, speed: Speed, verified: Verification | None, recommended: Recommended | None = None
) -> Section:
    """Answer 4."""
    blocks: list[Block] = [
        KeyNumbers(
            items=(
                KeyNumber(
                    label="recommended rate",
                    value=quantity(speed.learning_rate),
                    note=f"summed loss; {quantity(speed.learning_rate * data.n)} on the mean loss",
                ),
                KeyNumber(
                    label="largest stable rate",
                    value=quantity(speed.largest_rate),
                    note=f"summed loss; {quantity(speed.largest_rate * data.n)} on the mean loss",
                ),
                KeyNumber(label="width from which it holds", value=_width(verified), note=_width_note(verified)),
            )
        )
    ]
    if verified is not None:
        points = [(float(w), verified.gap(w), verified.gap(w, "shuffled")) for w in verified.widths]
        blocks.append(
            Curves(
                title="Distance from the infinitely wide network",
                description="Largest gap between measured and predicted training curve, in units of the starting residual, "
                "over both seeds. Diverged widths have no point.",
                x_label="width",
                y_label="largest gap",
                lines=(
                    Line(
                        label="true labels",
                        x=tuple(w for w, a, _ in points if a is not None),
                        y=tuple(a for _, a, _ in points if a is not None),
                        kind="measurement",
                        group=0,
                    ),
                    Line(
                        label="shuffled labels",
                        x=tuple(w for w, _, b in points if b is not None),
                        y=tuple(b for _, _, b in points if b is not None),
                        kind="measurement",
                        group=1,
                    ),
                ),
                log_x=True,
                log_y=True,
                marks=(Mark(axis="y", value=verified.band, label="agreement below"),),
            )
        )
    blocks.append(
        Text(
            text="Rates are for full-batch gradient descent on the first layer in the parametrisation of the theory "
            "(factor 1/√m on the output). The width is measured on the rows that were trained, not asked from a theorem; "
            "theorems ask for widths that no one can train."
        )
    )
    if recommended is not None:
        blocks.extend(settings_blocks(recommended))
    return Section(
        title="How wide, and which learning rate?",
        lead=verdict.after_word(verdict.sizing(speed, verified)),
        blocks=tuple(blocks),
        key="width",
    )


def _half_lives(speed: Speed) -> tuple[Block, ...]:
    moving = [(i, h) for i, h in zip(speed.index, speed.half_lives, strict=False) if h is not None and h > 0]
    if not moving:
        return ()
    return (
        Curves(
            title="Half-lives",
            description="Steps at the recommended rate in which each eigendirection loses half of its residual.",
            x_label="index",
            y_label="steps",
            lines=(
                Line(
                    label="half-life",
                    x=tuple(float(i) for i, _ in moving),
                    y=tuple(h for _, h in moving),
                    kind="prediction",
                    group=0,
                ),
            ),
            log_x=True,
            log_y=True,
        ),
    )


def _condition(speed: Speed) -> str:
    if speed.condition is None:
        return "infinite to working precision"
    return f"{'at least ' if speed.estimates else ''}{quantity(speed.condition)}"


def _bare(value: int | None) -> str:
    return "never" if value is None else count(value)


def line(label: str, curve: Curve, kind: Literal["prediction", "measurement"], group: int) -> Line:
    """A curve of residuals as a line; on a logarithmic axis step zero has no place."""
    pairs = [(k, r) for k, r in zip(curve.steps, curve.relative, strict=True) if k > 0]
    return Line(label=label, x=tuple(float(k) for k, _ in pairs), y=tuple(r for _, r in pairs), kind=kind, group=group)


def _kernel_bars(found: Generalisation, size: float) -> tuple[Bar, ...]:
    """The kernel trained on the rows of the other models, and on all rows where these are more."""
    scores = [("wide network (kernel)", found.nested)]
    if found.compared is not None:
        scores = [("wide network (kernel), all rows", found.nested), ("wide network (kernel)", found.compared)]
    return tuple(
        Bar(
            label=label,
            value=size * error.value,
            low=size * error.low,
            high=size * error.high,
            emphasis=True,
            text=_error(found, error.value),
        )
        for label, error in scores
    )


def axis(data: DataSummary) -> tuple[str, float]:
    """What an axis of errors says, and what its numbers are multiplied with."""
    if data.task == "classification":
        return "error rate, %", 100.0
    return f"RMSE, in units of {data.target}", 1.0


def _alone(found: Generalisation) -> str:
    """What leaving out single rows says."""
    if found.groups is not None and found.groups.column:
        return "each row alone, at a ridge of its own; rows of its group tell on it"
    return "at the chosen ridge, so slightly optimistic"


def _error(found: Generalisation, value: float) -> str:
    return rate(value) if found.metric == "error rate" else quantity(value)


def _confusion(data: DataSummary, found: Generalisation) -> Heatmap:
    table = found.confusion or ()
    return Heatmap(
        title="What is taken for what",
        description="Rows of the table are the given classes, columns the nested predictions.",
        x_label="predicted",
        y_label="given",
        x_names=data.classes,
        y_names=data.classes,
        values=tuple(tuple(float(c) for c in row) for row in table),
        text=tuple(tuple(str(c) if c else "" for c in row) for row in table),
    )


def _balanced(found: Generalisation, even: Score) -> Table:
    """Error and balanced error of every model, where classes are imbalanced."""
    own = "wide network (kernel)" + (", all rows" if found.compared is not None else "")
    rows = [(own, found.nested, even), *((b.name, b.score, b.balanced) for b in found.baselines)]
    return Table(
        columns=(
            Column(name="model"),
            Column(name="error", align="right"),
            Column(name="balanced error", align="right"),
            Column(name="95 % interval", align="right"),
        ),
        rows=tuple(
            (name, rate(plain.value), rate(b.value), between(b.low, b.high)) if b else (name, rate(plain.value), "", "")
            for name, plain, b in rows
        ),
        caption="Classes are imbalanced: the balanced error is the mean of the error rates of the classes",
    )


def _below_the_fold(data: DataSummary, found: Generalisation) -> Details:
    c = found.complexity
    unit = "" if data.task == "classification" else " The target is in units of its standard deviation."
    blocks: list[Block] = [
        Text(
            text="The complexity √(2 y′H⁻¹y / n) is the leading term of Arora et al. 2019, theorem 5.1. Its other terms are "
            "not evaluated, so it ranks labellings of the same rows and says nothing on its own." + unit
        ),
        Text(
            text=f"Over all permutations of the labels it would be {quantity(c.shuffled)} (root mean square, closed form); "
            + (f"{count(c.shuffles)} sampled shuffles" if c.shuffles else "the normal law of many shuffles")
            + (" give" if c.shuffles else " gives")
            + " the percentile."
        ),
    ]
    if c.unreachable > 0:
        blocks.append(
            Text(
                text=f"{percent(c.unreachable)} of the labels' squared norm cannot be fitted by any network and is left out: "
                "the value is that of the nearest labels that can be."
            )
        )
    if len(c.by_class) > 1:
        pairs = sorted(zip(data.classes, c.by_class, strict=True), key=lambda pair: -pair[1])
        blocks.append(
            Table(
                columns=(Column(name="class"), Column(name="complexity", align="right")),
                rows=tuple((name, quantity(value)) for name, value in pairs[:LISTED]),
                caption="One class against the rest, most complex first; the headline is their root mean square",
            )
        )
    return Details(title="Complexity: the leading term of a theorem, not a bound", blocks=tuple(blocks))


def _percentile(percentile: float, shuffles: int, shuffled: float) -> str:
    if not shuffles:
        place = "far below" if percentile < 0.01 else f"percentile {quantity(percentile)} of"
        return f"{place} the normal law of shuffles ({quantity(shuffled)} on average)"
    if percentile <= 100.0 / (1 + shuffles) + 1e-9:
        return f"below all {shuffles} shuffles of the labels ({quantity(shuffled)} on average)"
    return f"percentile {quantity(percentile)} among shuffles of the labels ({quantity(shuffled)} on average)"


def _width(verified: Verification | None) -> str:
    if verified is None:
        return "not measured"
    width = verified.agreeing_width
    return f"> {count(verified.widths[-1])}" if width is None else count(width)


def _width_note(verified: Verification | None) -> str:
    if verified is None:
        return "no network was trained"
    if verified.agreeing_width is None:
        return "at this budget"
    return f"of {', '.join(count(w) for w in verified.widths)}, on {count(verified.n)} rows"
