"""A claim: what a paper says, as data and functions that make it an experiment with a verdict.

    predict(trial), measure(trial)  -> curves with the same labels over the same x
    criterion                       -> one number from the two, and the interval in which it is right
    control(trial)                  -> a measurement where the statement is false: it must be found wrong

See docs/add-a-claim.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from widthwise.atlas.criteria import Criterion
from widthwise.atlas.trial import Curve, Evidence, Labels, Rows, Settings, Trial
from widthwise.errors import UsageError

Type = Literal["E", "U", "O", "Q", "S", "X"]
Scale = Literal["smoke", "quick", "paper"]
Status = Literal["met", "unmet", "unknown"]

TYPES: Mapping[Type, str] = {
    "E": "equality or limit",
    "U": "upper bound",
    "O": "exponent",
    "Q": "ordering",
    "S": "sufficient condition",
    "X": "existence",
}
SCALES: tuple[Scale, ...] = ("smoke", "quick", "paper")


@dataclass(frozen=True)
class Finding:
    """What a hypothesis is on the rows at hand.

    Attributes:
        status: met, unmet, or unknown.
        number: what was found, in words and numbers, such as "norms from 1 to 1" or "needs 4e+19, has 4096".
    """

    status: Status
    number: str = ""


@dataclass(frozen=True)
class Hypothesis:
    """What a theorem assumes.

    Attributes:
        text: in words.
        check: looks at the rows and settings of a trial.
    """

    text: str
    check: Callable[[Trial], Finding]


@dataclass(frozen=True, kw_only=True)
class Axes:
    """How the figure of a claim is drawn."""

    x: str
    y: str
    log_x: bool = False
    log_y: bool = False


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A published claim as an experiment.

    Attributes:
        key: its name, the citation key first: `arora2019-training-speed`.
        type: E equality or limit, U upper bound, O exponent, Q ordering, S sufficient condition, X existence; that of its
            criterion.
        source: citation key of the paper in `references.bib`.
        locator: where in the paper.
        title: what it says, in a few words.
        statement: what it says, in our words, one or two sentences.
        formula: as TeX, or plain text.
        quantity: what is measured, one or two words for the index.
        hypotheses: checked on the rows and settings of the run.
        predict: what the theory says, from the data.
        measure: what happens. Numbers `laziness` and `flips` of its evidence go into the regime map.
        criterion: when the two agree; fixed before the run.
        control: a measurement where the statement is false, judged against the same prediction: it must be found wrong.
        control_text: what the control is, in words.
        axes: of the figure.
        settings: for each of the scales `smoke`, `quick` and `paper`.
        method: what is done, one sentence each, for the page.
        labels: what targets it needs: `binary` (-1 and +1; numbers of at most 1 for a numeric target), `classes`, `number`.
        unit: rows are brought to unit norm.
        sample: makes the rows where `settings.data` is "generated", from settings and seed.
        own_data: why the claim makes no sense on other data, where it does not; empty where it does.
        gradient_flow: run at the step size and at a quarter of it, with the same outcome required.
        random: whether anything but the rows depends on the seed.
        published: the paper's own numbers, curves with the labels of the measurement; drawn dotted, and beside ours in a table.
        cost: minutes of one core at `quick`, roughly.
    """

    key: str
    type: Type
    source: str
    locator: str
    title: str
    statement: str
    formula: str
    quantity: str
    hypotheses: tuple[Hypothesis, ...]
    predict: Callable[[Trial], Evidence]
    measure: Callable[[Trial], Evidence]
    criterion: Criterion
    control: Callable[[Trial], Evidence]
    control_text: str
    axes: Axes
    settings: Mapping[Scale, Settings]
    method: tuple[str, ...] = ()
    labels: Labels = "binary"
    unit: bool = True
    sample: Callable[[Settings, int], Rows] | None = None
    own_data: str = ""
    gradient_flow: bool = False
    random: bool = True
    published: tuple[Curve, ...] = ()
    cost: float = 1.0

    def __post_init__(self) -> None:
        if not self.key.startswith(f"{self.source}-"):
            raise UsageError(f"the key of a claim must start with its source, {self.source}-...; {self.key!r} came")
        if self.type not in TYPES or self.criterion.kind != self.type:
            raise UsageError(
                f"{self.key} is of type {self.type!r}, but its criterion serves type {self.criterion.kind}"
            )
        missing = [scale for scale in SCALES if scale not in self.settings]
        if missing:
            raise UsageError(f"{self.key} needs settings for every scale; missing: {', '.join(missing)}")
        generated = [scale for scale in SCALES if self.settings[scale].data == "generated"]
        if generated and self.sample is None:
            raise UsageError(f"{self.key} asks for generated rows at {generated[0]}, but has no `sample`")
