"""What ties the rows of a table to each other, read once, and what it does to the errors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from widthwise.audits import groups as grouping
from widthwise.audits.alerts import findings as column_findings
from widthwise.audits.alerts import order_note
from widthwise.audits.drift import read_times, time_check, time_findings
from widthwise.audits.generalisation import KERNEL
from widthwise.audits.large import Found
from widthwise.audits.result import Generalisation
from widthwise.audits.table import Finding
from widthwise.datasets import Dataset


@dataclass(frozen=True, kw_only=True, eq=False)
class Bonds:
    """What ties the audited rows to each other: groups, times as numbers and as text; and what their columns raise."""

    together: grouping.Groups | None
    times: Float[np.ndarray, " n"] | None
    texts: tuple[str, ...]
    column: str
    findings: tuple[Finding, ...]

    @property
    def named(self) -> Int[np.ndarray, " n"] | None:
        """Group of each row where the user named groups; rows of equal features alone stay in one fold and choose nothing."""
        return None if self.together is None or not self.together.column else self.together.labels


def tie(ds: Dataset, whole: Dataset, rows: Int[np.ndarray, " m"], *, groups: Any, time: Any) -> tuple[Dataset, Bonds]:
    """Groups, times and findings of the audited rows, and the rows with notes on their order and their folds.

    Args:
        ds: rows to audit.
        whole: rows of the source.
        rows: positions of the first in the second.
        groups: name of a column, or one label for each row of the source; None without groups.
        time: name of a column, or one number or date for each row of the source; None without times.
    """
    names, moments = grouping.read_groups(groups, whole), read_times(time, whole)
    column = groups if isinstance(groups, str) else "groups"
    together = grouping.groups_of(ds, None if names is None else [names[i] for i in rows], column)
    findings = column_findings(ds, order=groups is None and time is None)
    notes = [note for note in (order_note(ds),) if note is not None]
    if together is not None:
        notes.append(f"{'Groups' if names is not None else 'Rows of equal features'} stay in one fold.")
    return replace(ds, notes=(*ds.notes, *notes)), Bonds(
        together=together,
        times=None if moments is None else moments[0][rows],
        texts=() if moments is None else tuple(moments[1][i] for i in rows),
        column=time if isinstance(time, str) else "time",
        findings=findings,
    )


def dependence(
    known: Found, Y: Float[np.ndarray, "n k"], found: Generalisation, *, bonds: Bonds, seed: int
) -> tuple[Generalisation, tuple[Finding, ...]]:
    """Leave-group-out and forward blocks, where rows are tied, and everything that was found about columns and rows.

    They need a square matrix: where there are too many rows for one, they are made on the rows of the comparison.

    Args:
        known: what is known of the rows.
        Y: coded targets, offset included.
        found: the answer that the two join.
        bonds: what ties the rows.
        seed: of random groups and pasts.
    """
    if bonds.together is None and bonds.times is None:
        return found, bonds.findings
    ds, part, findings = known.part_ds, known.part, bonds.findings
    K = KERNEL(known.part_chosen.features.X)
    unit = float(np.mean(np.diag(K)))
    ridge = known.part_chosen.ridge * unit
    together = None if bonds.together is None else bonds.together.take(part)
    if together is not None and len(together.names) > 1:
        alone = known.part_chosen.row_ridge * unit
        by_group = grouping.group_check(ds, together, K, Y[part], ridge=alone, seed=seed)
        found = replace(found, groups=by_group)
        findings += grouping.group_findings(by_group, bool(ds.classes))
    if bonds.times is not None and len(np.unique(bonds.times[part])) > 1:
        texts = tuple(bonds.texts[i] for i in part)
        by_time = time_check(ds, bonds.times[part], texts, K, Y[part], column=bonds.column, ridge=ridge, seed=seed)
        found = replace(found, time=by_time)
        findings += time_findings(by_time, bool(ds.classes))
    return found, findings
