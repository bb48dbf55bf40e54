"""What an audit finds about a table beyond the five answers: plain data, part of the JSON of an audit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# In the settings, in place of values that were given for each row.
VALUES = "(values)"


@dataclass(frozen=True, kw_only=True)
class Score:
    """An error with its 95 % interval: an error rate in [0, 1], or a root mean square in units of the target."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class GroupError:
    """Error of one group when it is left out."""

    name: str
    rows: int
    error: float


@dataclass(frozen=True, kw_only=True)
class GroupCheck:
    """Leave-group-out beside leave-one-out, both exact and from one factorisation at the chosen ridge.

    Attributes:
        column: what names the groups; empty where only rows of equal features are grouped.
        groups: number of groups, rows of equal features always in one.
        rows: rows that were left out in turn.
        largest: rows of the largest.
        single: groups of one row.
        joined: groups that became part of another because they share a row of equal features.
        duplicates: rows that repeat the features of an earlier one.
        leave_one_out: error with each row left out alone.
        leave_group_out: error with each group left out whole; its interval counts groups, not rows.
        balanced: the same over classes, where they are imbalanced.
        difference: mean loss of leave-group-out minus that of leave-one-out (error rate, or mean square).
        difference_error: its standard error over groups (`theory.grouped_mean`).
        random: the same difference for random groups of the same sizes: what it costs to train on fewer rows.
        only: classes all of whose rows are in one group; left out, they cannot be predicted.
        worst: groups with the largest errors.
        worse: whether the difference exceeds its standard error.
    """

    column: str
    groups: int
    rows: int
    largest: int
    single: int
    joined: int
    duplicates: int
    leave_one_out: Score
    leave_group_out: Score
    balanced: Score | None
    difference: float
    difference_error: float
    random: float
    only: tuple[str, ...]
    worst: tuple[GroupError, ...]
    worse: bool


@dataclass(frozen=True, kw_only=True)
class TimeBlock:
    """A block of rows, predicted from all rows before it.

    Attributes:
        first: earliest time of the block, as text.
        last: latest.
        rows: in the block.
        past: rows before it.
        error: of the prediction from the past.
        random: of the prediction from as many rows of all times.
    """

    first: str
    last: str
    rows: int
    past: int
    error: float
    random: float


@dataclass(frozen=True, kw_only=True)
class TimeCheck:
    """Every block of rows predicted from its past, beside the same from as many rows of all times.

    Attributes:
        column: what holds the time.
        first: earliest time, as text.
        last: latest.
        blocks: after the first, in order.
        forward: error of the future from the past; its interval counts blocks, not rows.
        random: error of the same rows from as many rows of all times: what a random split promises.
        balanced: of the future from the past over classes, where they are imbalanced.
        difference: mean loss of the first minus that of the second.
        difference_error: its standard error over blocks.
        worse: whether the difference exceeds its standard error.
    """

    column: str
    first: str
    last: str
    blocks: tuple[TimeBlock, ...]
    forward: Score
    random: float
    balanced: Score | None
    difference: float
    difference_error: float
    worse: bool


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something about the columns or rows that may make every error of the report wrong.

    Attributes:
        kind: what it is.
        level: how much it matters.
        columns: concerned, raw.
        text: evidence and what to do, as prose with names quoted.
    """

    kind: Literal[
        "leak", "identifier", "copy of the target", "row order", "near-constant", "groups", "drift", "imbalance"
    ]
    level: Literal["info", "warning", "danger"]
    columns: tuple[str, ...]
    text: str
