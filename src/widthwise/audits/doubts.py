"""Labels in doubt, as plain data: suspects and the rows that speak against them, conflicts, what can be said of their share."""

from __future__ import annotations

from dataclasses import dataclass

from widthwise.audits.table import Score


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """A row that speaks against the label of a suspect.

    Attributes:
        row: number in the source, from zero.
        label: as given.
        distance: between the two rows as scaled.
        id: value of the column that names the rows; None without one.
        image: pixels in [0, 1] where rows are images and the suspect is among the first.
    """

    row: int
    label: str
    distance: float
    id: str | None = None
    image: tuple[tuple[float | tuple[float, ...], ...], ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """A row whose label deserves a look.

    Attributes:
        row: number in the source, from zero.
        label: as given.
        suggested: what the other rows predict.
        margin: negative where the prediction prefers another label; for regression minus the residual in robust
            standard deviations.
        image: pixels in [0, 1] where rows are images and this row is among the first.
        id: value of the column that names the rows; None without one.
        neighbours: nearest rows that speak against the label and are not suspects themselves; of the first thousand suspects.
    """

    row: int
    label: str
    suggested: str
    margin: float
    image: tuple[tuple[float | tuple[float, ...], ...], ...] | None = None
    id: str | None = None
    neighbours: tuple[Neighbour, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Conflict:
    """Rows of equal features and different targets."""

    rows: tuple[int, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Labels:
    """Which labels deserve a look.

    Attributes:
        suspects: rows that disagree with their held-out prediction, most doubtful first.
        disagreement: share of such rows, an upper limit on label noise; its interval runs from the lower end for rows that
            disagree clearly to the upper end for all of them (`theory.disagreement`).
        separate: whether the classes separate by the test below; None for regression.
        ambiguous: share of rows within a quarter of the median margin of zero; None for regression.
        explained: share of label variance that held-out scores explain.
        confident: share of the suspects that lie far on the other side of the boundary; None for regression.
        conflicts: groups of rows with equal features and different targets, the first fifty.
        conflict_rows: rows in all such groups.
        floor: error that no model on these features can avoid on these rows.
        duplicates: rows that repeat an earlier one.
        margins: of every audited row, in the order of the rows; the lowest are the most doubtful.
        margin_edges: bins of the histogram of margins.
        margin_counts: rows in each bin.
        identifier: column of the source that names the rows; empty without one.
        noise: estimated share of wrong labels with its 90 % interval; None where it cannot be told from overlap, and for
            regression.
        noise_reason: why it can be told, or why not; empty for regression.
    """

    suspects: tuple[Suspect, ...]
    disagreement: Score
    separate: bool | None
    ambiguous: float | None
    explained: float
    confident: float | None
    conflicts: tuple[Conflict, ...]
    conflict_rows: int
    floor: float
    duplicates: int
    margins: tuple[float, ...]
    margin_edges: tuple[float, ...]
    margin_counts: tuple[int, ...]
    identifier: str = ""
    noise: Score | None = None
    noise_reason: str = ""
