"""Rows in time: the future predicted from the past, beside as many rows of all times."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
from jaxtyping import Float

from widthwise import theory
from widthwise.audits.groups import one_for_each_row
from widthwise.audits.score import balanced, grouped_score, row_losses, score
from widthwise.audits.table import Finding, TimeBlock, TimeCheck
from widthwise.audits.targets import predictions
from widthwise.audits.wording import points, quantity
from widthwise.datasets import Dataset
from widthwise.datasets.names import cells_listed, quoted
from widthwise.errors import DataError

# The first block is trained on only.
BLOCKS = 8
# Beside ISO 8601, which Python reads by itself. Day and month of the last two can be taken for each other.
FORMATS = ("%d.%m.%Y", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S", "%Y/%m/%d", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M")
UNCLEAR = (("%d/%m/%Y", "%m/%d/%Y"), ("%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M"), ("%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S"))


def read_times(given: Any, whole: Dataset) -> tuple[Float[np.ndarray, " n"], tuple[str, ...]] | None:
    """Time of each row of the source as a number and as text, from a column's name or from values; None where none is given.

    Raises:
        DataError: if values are missing, neither numbers nor dates, or all the same.
    """
    if given is None:
        return None
    named = given if isinstance(given, str) else ""
    what = f"time ({quoted(named)})" if named else "time"
    values = one_for_each_row(whole.beside[given] if named else given, whole.n, what, named)
    times = _numbers(values)
    if times is None:
        times = _dates(values, what, named or what)
    if not np.isfinite(times).all():
        raise DataError(f"{what} must be finite; row {int(np.flatnonzero(~np.isfinite(times))[0])} is not")
    if np.all(times == times[0]):
        raise DataError(f"{what} must differ between rows; all {len(times)} hold {quoted(values[0])}. Leave time out")
    return times, tuple(str(v) for v in values)


def _numbers(values: list[Any]) -> Float[np.ndarray, " n"] | None:
    if isinstance(values[0], np.datetime64):
        return np.asarray(values, dtype="datetime64[ns]").astype(np.int64).astype(np.float64)
    try:
        return np.asarray([float(v) for v in values])
    except (TypeError, ValueError):
        return None


def _dates(values: list[Any], what: str, column: str) -> Float[np.ndarray, " n"]:
    """Seconds since 1970 of dates as text, or of dates of Python and pandas."""
    if all(isinstance(v, datetime) for v in values):
        return np.asarray([_seconds(v) for v in values])
    texts = [str(v).strip() for v in values]
    best, bad = -1, list(range(len(texts)))
    for form in (None, *FORMATS):
        found = [_parsed(t, form) for t in texts]
        wrong = [i for i, v in enumerate(found) if v is None]
        if not wrong:
            return np.asarray(found, dtype=np.float64)
        if len(texts) - len(wrong) > best:
            best, bad = len(texts) - len(wrong), wrong
    for first, second in UNCLEAR:
        one, two = ([_parsed(t, form) for t in texts] for form in (first, second))
        if None not in one and None not in two and one != two:
            raise DataError(
                f"{what} holds dates such as {quoted(texts[0])} whose day and month can be taken for each other; write them as "
                "year-month-day"
            )
        for found in (one, two):
            if None not in found:
                return np.asarray(found, dtype=np.float64)
    cells = cells_listed([(i, column, texts[i]) for i in bad])
    raise DataError(f"{what} must hold numbers, or dates such as 2024-05-31 or 2024-05-31 14:00, in every row; {cells}")


def _parsed(text: str, form: str | None) -> float | None:
    try:
        return _seconds(datetime.fromisoformat(text) if form is None else datetime.strptime(text, form))  # noqa: DTZ007
    except ValueError:
        return None


def _seconds(moment: datetime) -> float:
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def starts_of(times: Float[np.ndarray, " n"]) -> tuple[int, ...]:
    """First row of each block after the first, in the order of time: rows of one time are in one block."""
    ordered = np.sort(times)
    change = np.flatnonzero(np.diff(ordered)) + 1
    wanted = [round(len(ordered) * b / BLOCKS) for b in range(1, BLOCKS)]
    return tuple(sorted({int(change[np.argmin(np.abs(change - w))]) for w in wanted}))


def time_check(
    ds: Dataset,
    times: Float[np.ndarray, " n"],
    texts: tuple[str, ...],
    K: Float[np.ndarray, "n n"],
    Y: Float[np.ndarray, "n k"],
    *,
    column: str,
    ridge: float,
    seed: int,
) -> TimeCheck:
    """Every block predicted from its past, and from as many rows of all times.

    Args:
        ds: rows.
        times: of the rows.
        texts: the same as text.
        K: kernel matrix of the rows.
        Y: coded targets, offset included.
        column: what holds the time.
        ridge: in the units of K.
        seed: of the rows of all times.
    """
    order = np.argsort(times, kind="stable")
    starts = starts_of(times)
    ordered, later = K[np.ix_(order, order)], ds.take(order[starts[0] :])
    forward = theory.forward_blocks(ordered, Y[order], ridge=ridge, starts=starts, center=True)
    mixed = theory.random_past(ordered, Y[order], ridge=ridge, starts=starts, seed=seed)
    future, chance = (row_losses(later, predictions(later, p)) for p in (forward.predictions, mixed))
    bounds = (*starts, ds.n)
    block = np.repeat(np.arange(len(starts)), np.diff(bounds))
    several = len(starts) > 1
    gap = theory.grouped_mean(future - chance, block if several else np.arange(len(block)))
    blocks = []
    for number, (start, stop) in enumerate(zip(starts, bounds[1:], strict=True)):
        errors = [float(np.mean(losses[block == number])) for losses in (future, chance)]
        shown = errors if ds.task == "classification" else [math.sqrt(e) for e in errors]
        blocks.append(
            TimeBlock(
                first=texts[order[start]],
                last=texts[order[stop - 1]],
                rows=stop - start,
                past=start,
                error=shown[0],
                random=shown[1],
            )
        )
    return TimeCheck(
        column=column,
        first=texts[order[0]],
        last=texts[order[-1]],
        blocks=tuple(blocks),
        forward=grouped_score(later, future, block) if several else score(later, future),
        random=score(later, chance).value,
        balanced=balanced(later, future),
        difference=gap.value,
        difference_error=gap.error,
        worse=gap.value > gap.error,
    )


def time_findings(check: TimeCheck, classification: bool) -> tuple[Finding, ...]:
    """The alert, where the future is worse than random rows by more than its standard error."""
    if not check.worse:
        return ()
    show = points if classification else quantity
    unit = "error" if classification else "mean square error"
    certain = check.difference > 2 * check.difference_error
    end = (
        "An error by random rows promises too much: expect that of the future, train on recent rows, and look for what changed."
        if certain
        else "Less than two standard errors: it may be chance, or the error of the future may be the one to expect."
    )
    text = (
        f"Drift along {quoted(check.column)}: predicted from the past, the {unit} is {show(check.difference)} higher than from as "
        f"many rows of all times (standard error over blocks {show(check.difference_error)}). {end}"
    )
    return (Finding(kind="drift", level="warning" if certain else "info", columns=(check.column,), text=text),)
