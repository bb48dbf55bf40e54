"""Would more data help, as blocks of a page."""

from __future__ import annotations

from widthwise.audits.calibration_page import on_record
from widthwise.audits.result import Growth
from widthwise.audits.wording import count, percent, quantity
from widthwise.pages import Block, Column, Curves, Details, Line, Table, Text


def growth(found: Growth | None) -> tuple[Block, ...]:
    """The predicted learning curve, in words, as a figure and as a table; nothing where nothing was predicted."""
    if found is None:
        return ()
    figure = Curves(
        title="Would more data help?",
        description=f"Mean square error of the coded targets on new rows, predicted from the kernel matrix of {count(found.rows)} "
        "rows and their targets, at the chosen ridge. The band is the scatter of those rows, not a failure of the theory.",
        x_label="training rows",
        y_label="mean square error",
        lines=(
            Line(
                label="predicted",
                x=tuple(float(s) for s in found.sizes),
                y=found.error,
                low=found.low,
                high=found.high,
                kind="prediction",
                group=0,
            ),
            Line(
                label="measured, nested folds",
                x=(float(found.measured_rows),),
                y=(found.measured,),
                kind="measurement",
                group=1,
            ),
        ),
        log_x=True,
        log_y=True,
    )
    table = Table(
        columns=(Column(name="quantity"), Column(name="value", align="right")),
        rows=(
            (f"nested mean square, {count(found.measured_rows)} training rows", quantity(found.measured)),
            ("leave-one-out mean square", quantity(found.leave_one_out)),
            ("generalised cross-validation", quantity(found.generalised)),
            ("noise floor, at most, as far as these rows show", quantity(found.noise_floor)),
            ("effective dimension", quantity(found.effective_dimension)),
        ),
        caption=f"At the chosen ridge; all but the first on {count(found.rows)} rows",
    )
    return (
        Text(text=sentence(found)),
        figure,
        *on_record(found.recorded),
        Details(title="Risk from the training data alone", blocks=(table,)),
    )


def sentence(found: Growth) -> str:
    """What twice and four times the rows would bring."""
    parts = []
    for factor, name in ((2, "Twice"), (4, "four times")):
        value, low, high = found.gain(factor)
        parts.append(
            f"{name} the rows would leave **{percent(value)}** of the mean square error (band {percent(low)} to {percent(high)})"
        )
    beyond = any(found.extrapolated[found.now + 1 :])
    caution = " These sizes lie beyond what the rows show: the last decade was continued." if beyond else ""
    return f"{parts[0]}, {parts[1]}.{caution}"
