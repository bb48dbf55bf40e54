"""What an audit finds about a table beyond the five answers: plain data, part of the JSON of an audit."""

from __future__ import annotations

import math
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
    """Leave-group-out beside leave-one-out, both exact and from one factorisation, at the ridge that leave-one-out chose.

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


@dataclass(frozen=True, kw_only=True)
class Snippet:
    """Code to paste.

    Attributes:
        name: what it is for.
        code: Python; takes X, a matrix of numbers, and y.
    """

    name: str
    code: str


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One way to train, with what it should do and what it did.

    Attributes:
        form: `theory`, the parametrisation of the theory, first layer trained; `standard`, all weights trained, no factor in the
            network; `sgd`, the first with mini-batches.
        network: what is trained, in words.
        initialisation: law of the weights at the start, in words.
        width: hidden neurons.
        learning_rate: on the mean of squares over rows and outputs, without a half (PyTorch's MSELoss).
        batch: rows of a step; None for all.
        steps: of descent.
        rows: trained on for the check.
        start: mean square error of the coded targets before the first step.
        predicted: the same after the last step, infinite width.
        measured: the same of one real network; None where it diverged.
        snippets: code that does it.
    """

    form: Literal["theory", "standard", "sgd"]
    network: str
    initialisation: str
    width: int
    learning_rate: float
    batch: int | None
    steps: int
    rows: int
    start: float
    predicted: float
    measured: float | None
    snippets: tuple[Snippet, ...]

    @property
    def gap(self) -> float | None:
        """Distance of the two in units of the starting residual, which is a root; None where the run diverged."""
        if self.measured is None:
            return None
        return abs(math.sqrt(self.measured / self.start) - math.sqrt(self.predicted / self.start))


@dataclass(frozen=True, kw_only=True)
class Recommended:
    """Settings in three forms, each checked by one run, and what they do not translate to.

    Attributes:
        settings: the forms.
        untranslated: one sentence each on what no rate here is meant for, and why.
    """

    settings: tuple[Setting, ...]
    untranslated: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class HeldOutModel:
    """A model trained on the audited rows and scored on the test rows.

    Attributes:
        name: of the model.
        score: its error.
        balanced: mean of the error rates of the classes, where those trained on are imbalanced.
    """

    name: str
    score: Score
    balanced: Score | None


@dataclass(frozen=True, kw_only=True)
class TestedNetwork:
    """A trained network on the test rows, beside its own prediction.

    Attributes:
        width: hidden neurons.
        rows: trained on.
        steps: trained for.
        predicted: error of the infinitely wide network after as many steps on the same rows.
        measured: error of the network; None where it diverged.
        balanced: the same over classes, where those trained on are imbalanced.
    """

    width: int
    rows: int
    steps: int
    predicted: Score
    measured: Score | None
    balanced: Score | None


@dataclass(frozen=True, kw_only=True)
class HoldOut:
    """A real hold-out: rows of another file, read and scaled as the audited ones.

    Attributes:
        source: what the user named.
        n: rows.
        trained: rows that the models were trained on.
        models: the kernel first, then the baselines.
        predicted: nested error of the audit.
        low: lower end of the 95 % range in which the error of the kernel should lie, by the scatter of both errors; of `without`
            where that is there.
        high: upper end.
        standing: where it lies; it means nothing where every test row is identical to one of the source.
        network: a trained network; None where none was trained.
        identical: test rows whose features equal those of a row of the source.
        identical_rows: the first of them, as pairs of the row in the test file and the row in the source.
        identical_agree: how many of them have the label of that row.
        without: error of the kernel on the other rows; None where all or none are identical.
        unseen: rows of classes that no row trained on has; they count as errors.
        notes: what reading did.
        alerts: what to look at.
    """

    source: str
    n: int
    trained: int
    models: tuple[HeldOutModel, ...]
    predicted: Score
    low: float
    high: float
    standing: Literal["as predicted", "worse", "better"]
    network: TestedNetwork | None
    identical: int
    identical_rows: tuple[tuple[int, int], ...]
    identical_agree: int
    without: Score | None
    unseen: int
    notes: tuple[str, ...]
    alerts: tuple[str, ...]
