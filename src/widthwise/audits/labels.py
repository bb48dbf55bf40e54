"""Answer 3: which labels deserve a look, and how far they may be wrong."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from widthwise import theory
from widthwise.audits.doubts import Conflict, Labels
from widthwise.audits.suspects import suspects
from widthwise.audits.table import Score
from widthwise.datasets import Dataset

LISTED_CONFLICTS = 50
BINS = 60


def labels(
    ds: Dataset, X: Float[np.ndarray, "n p"], predictions: Float[np.ndarray, "n k"], Y: Float[np.ndarray, "n k"]
) -> Labels:
    """Rank labels by their leave-one-out predictions.

    Args:
        ds: the data.
        X: the same rows, scaled.
        predictions: leave-one-out predictions of the coded targets, offset added.
        Y: coded targets, offset included.
    """
    classes = ds.task == "classification"
    separate: bool | None = None
    ambiguous: float | None = None
    confident: float | None = None
    noise, reason = None, ""
    found = theory.conflicts(ds.X, ds.y, classes=classes)
    if classes:
        scores = np.column_stack([-predictions, predictions]) if len(ds.classes) == 2 else predictions
        seen = theory.margins(scores, ds.y.astype(np.intp))
        doubtful, separation = seen.margin < 0, theory.separation(seen.margin, Y, predictions)
        # Doubt is a preference for another class; a tie keeps the label.
        margin, suggested = seen.margin, [ds.classes[c] for c in seen.suggested]
        given, against = [ds.classes[c] for c in ds.y.astype(np.intp)], seen.suggested
        separate, ambiguous, explained = separation.separate, separation.ambiguous, separation.explained
        confident = separation.confident
        quality = theory.label_quality(scores, ds.y.astype(np.intp))
        reason = quality.reason
        if quality.rate is not None:
            noise = Score(value=quality.rate, low=quality.low, high=quality.high)
    else:
        residual = ds.y - predictions[:, 0]
        margin, doubtful = -theory.robust_deviations(residual), theory.target_quality(predictions[:, 0], ds.y).suspect
        given, suggested = [f"{v:.6g}" for v in ds.y], [f"{v:.6g}" for v in predictions[:, 0]]
        against = predictions[:, 0]
        explained = 1.0 - float(np.sum(residual**2) / np.sum((ds.y - ds.y.mean()) ** 2))
    order = [int(i) for i in np.argsort(margin, kind="stable") if doubtful[i]]
    share = theory.disagreement(margin) if classes else theory.wilson(len(order), ds.n)
    low, high = float(margin.min()), float(margin.max())
    counts, edges = np.histogram(margin, bins=BINS, range=(low, high if high > low else low + 1.0))
    return Labels(
        suspects=suspects(ds, X, order=order, margin=margin, given=given, suggested=suggested, against=against),
        identifier=ds.identifier or "",
        noise=noise,
        noise_reason=reason,
        disagreement=Score(value=share.value, low=share.low, high=share.high),
        separate=separate,
        ambiguous=ambiguous,
        explained=explained,
        confident=confident,
        conflicts=tuple(
            Conflict(rows=tuple(int(ds.rows[i]) for i in group), labels=tuple(given[i] for i in group))
            for group in found.groups[:LISTED_CONFLICTS]
        ),
        conflict_rows=sum(len(group) for group in found.groups),
        floor=found.floor,
        duplicates=found.duplicates,
        margins=tuple(float(f"{m:.6g}") for m in margin),
        margin_edges=tuple(float(e) for e in edges),
        margin_counts=tuple(int(c) for c in counts),
    )
