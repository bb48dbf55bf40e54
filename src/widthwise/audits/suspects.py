"""Suspect labels that one can act on: where each row is in the source, and which rows speak against its label."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from widthwise.audits.doubts import Labels, Neighbour, Suspect
from widthwise.datasets import Dataset
from widthwise.pages.cells import spreadsheet_safe

# Rows that speak against a label; of this many suspects, the most doubtful, they are looked for.
NEIGHBOURS = 3
LOOKED_AT = 1000
# Suspects with their picture, and with those of their neighbours.
PICTURED = 24
PICTURED_NEIGHBOURS = 8
BLOCK = 256


def suspects(
    ds: Dataset,
    X: Float[np.ndarray, "n p"],
    *,
    order: Sequence[int],
    margin: Float[np.ndarray, " n"],
    given: Sequence[str],
    suggested: Sequence[str],
    against: Int[np.ndarray, " n"] | Float[np.ndarray, " n"],
) -> tuple[Suspect, ...]:
    """Suspects in the order of doubt, with the nearest rows that speak against them.

    For classes such a row has the suggested label; for numbers its target is nearer to the suggested one than to the given one.
    Suspects are no witnesses. Distances are those of the scaled rows, which is what the kernel sees.

    Args:
        ds: rows.
        X: the same, scaled.
        order: suspects, most doubtful first.
        margin: of every row.
        given: label of every row, in words.
        suggested: label that the other rows predict, in words.
        against: the same as a class code or number.
    """
    trusted = np.ones(ds.n, dtype=bool)
    trusted[list(order)] = False
    looked = np.asarray(order[:LOOKED_AT], dtype=np.intp)
    near = _nearest(ds, X, looked, trusted, against)
    found = []
    for place, i in enumerate(order):
        neighbours = tuple(
            Neighbour(
                row=int(ds.rows[j]),
                id=_id(ds, j),
                label=given[j],
                distance=float(np.linalg.norm(X[i] - X[j])),
                image=_pixels(ds, j) if place < PICTURED_NEIGHBOURS else None,
            )
            for j in (near[place] if place < len(near) else ())
        )
        found.append(
            Suspect(
                row=int(ds.rows[i]),
                label=given[i],
                suggested=suggested[i],
                margin=float(margin[i]),
                image=_pixels(ds, i) if place < PICTURED else None,
                id=_id(ds, i),
                neighbours=neighbours,
            )
        )
    return tuple(found)


def _nearest(
    ds: Dataset,
    X: Float[np.ndarray, "n p"],
    looked: Int[np.ndarray, " s"],
    trusted: Bool[np.ndarray, " n"],
    against: Int[np.ndarray, " n"] | Float[np.ndarray, " n"],
) -> list[list[int]]:
    """For each suspect the nearest trusted rows that speak against it, nearest first, ties in the order of the rows."""
    squares = np.einsum("ij,ij->i", X, X)
    found: list[list[int]] = []
    for start in range(0, len(looked), BLOCK):
        block = looked[start : start + BLOCK]
        distance = squares[block, None] + squares[None, :] - 2.0 * (X[block] @ X.T)
        if ds.task == "classification":
            witness = ds.y[None, :] == against[block, None]
        else:
            witness = np.abs(ds.y[None, :] - against[block, None]) < np.abs(ds.y[None, :] - ds.y[block, None])
        distance[~(witness & trusted[None, :])] = np.inf
        for row in distance:
            best = np.argsort(row, kind="stable")[:NEIGHBOURS] if len(row) < 4 * NEIGHBOURS else _smallest(row)
            found.append([int(j) for j in best if np.isfinite(row[j])])
    return found


def _smallest(values: Float[np.ndarray, " n"]) -> Int[np.ndarray, " k"]:
    few = np.sort(np.argpartition(values, NEIGHBOURS)[:NEIGHBOURS])
    return np.asarray(few[np.argsort(values[few], kind="stable")])


def suspects_csv(labels: Labels) -> str:
    """Suspects as CSV: row, id, given and suggested label, margin, and the rows that speak against the label.

    Rows are numbers in the source from zero; the column `id` is there where a column of the source names the rows. Texts that a
    spreadsheet would run get a quote.
    """
    stream = io.StringIO()
    # All text in quotes: left to itself, the writer of Python 3.11 leaves a carriage return bare, and a row breaks there.
    writer = csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    named = bool(labels.identifier)
    header = ["row", "label", "suggested", "margin", *(["id"] if named else [])]
    for k in range(1, NEIGHBOURS + 1):
        header += [f"neighbour_{k}_{what}" for what in ("row", "label", "distance", *(["id"] if named else []))]
    writer.writerow(header)
    # A label that is a number is data and stays; only text can hold a formula.
    for suspect in labels.suspects:
        line: list[object] = [suspect.row, *(spreadsheet_safe(t) for t in (suspect.label, suspect.suggested))]
        line += [float(f"{suspect.margin:.6g}"), *([spreadsheet_safe(suspect.id or "")] if named else [])]
        for neighbour in suspect.neighbours:
            line += [neighbour.row, spreadsheet_safe(neighbour.label), float(f"{neighbour.distance:.6g}")]
            line += [spreadsheet_safe(neighbour.id or "")] if named else []
        writer.writerow(line + [""] * (len(header) - len(line)))
    return stream.getvalue()


def _id(ds: Dataset, row: int) -> str | None:
    return None if ds.identifier is None else str(ds.beside[ds.identifier][row])


def _pixels(ds: Dataset, row: int) -> tuple[tuple[float | tuple[float, ...], ...], ...] | None:
    if ds.image_shape is None:
        return None
    top = float(ds.X.max()) or 1.0
    pixels: Float[np.ndarray, "..."] = np.clip(ds.X[row].reshape(ds.image_shape) / top, 0.0, 1.0).round(3)
    rows: list[list[float | list[float]]] = pixels.tolist()
    return tuple(tuple(tuple(p) if isinstance(p, list) else p for p in line) for line in rows)
