"""The list of suspects: rows that speak against a label, names of rows, and the file."""

from __future__ import annotations

import csv
import io

import numpy as np
import pandas as pd
import pytest

import widthwise as ww
from widthwise.audits.suspects import suspects
from widthwise.datasets import prepare


@pytest.fixture(scope="module")
def people():
    """Two blobs with three wrong labels, rows named by a column."""
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    X = rng.normal(size=(60, 2)) + 10.0 * y[:, None] * [1.0, 0.0]
    wrong = [5, 20, 41]
    label = np.array(["=low", "high"])[y]
    label[wrong] = np.array(["=low", "high"])[1 - y[wrong]]
    frame = pd.DataFrame({"name": [f"n{i:03d}" for i in range(60)], "a": X[:, 0], "b": X[:, 1], "label": label})
    return frame, wrong, ww.audit(frame.drop(columns="name").assign(name=frame["name"]), target="label", verify="none")


def test_neighbours_have_the_suggested_label_are_nearest_and_no_suspects(people):
    frame, wrong, found = people
    features = ww.load(frame, target="label")
    scaled = prepare(features.X, scale="standardise", tau=found.data.tau).X
    suspects = {s.row for s in found.labels.suspects}
    assert suspects >= set(wrong)
    # Columns were given in another order, which changes sums but by rounding.
    for suspect in found.labels.suspects:
        distance = np.linalg.norm(scaled - scaled[suspect.row], axis=1)
        allowed = [i for i in range(60) if frame["label"][i] == suspect.suggested and i not in suspects]
        nearest = sorted(allowed, key=lambda i: distance[i])[:3]
        assert [n.row for n in suspect.neighbours] == nearest
        assert [n.distance for n in suspect.neighbours] == pytest.approx(distance[nearest], abs=1e-9)


def test_a_suspect_is_no_witness_against_another():
    ds = ww.load(np.arange(6.0)[:, None], list("abaabb"))
    # Rows 1 and 2 are suspects; the rows next to row 1 with the label a are 0 and 2, and 2 does not count.
    found = suspects(
        ds,
        ds.X,
        order=[1, 2],
        margin=-np.ones(6),
        given=list("abaabb"),
        suggested=list("aabbbb"),
        against=np.array([0, 0, 1, 1, 1, 1]),
    )
    assert [n.row for n in found[0].neighbours] == [0, 3]
    assert [n.row for n in found[1].neighbours] == [4, 5]
    assert [n.distance for n in found[0].neighbours] == [1.0, 2.0]


def test_the_column_that_names_the_rows_is_in_the_list_the_file_and_the_page(people):
    frame, _, found = people
    assert found.labels.identifier == "name"
    rows = list(csv.DictReader(io.StringIO(found.suspects_csv())))
    assert len(rows) == len(found.labels.suspects)
    for written, suspect in zip(rows, found.labels.suspects, strict=True):
        assert written["id"] == frame["name"][suspect.row] == suspect.id
        assert written["neighbour_1_id"] == frame["name"][int(written["neighbour_1_row"])]
        assert written["neighbour_1_label"].lstrip("'") == suspect.suggested
        assert written["neighbour_1_label"] != "=low"
        assert float(written["neighbour_3_distance"]) >= float(written["neighbour_1_distance"])
    assert f"{found.labels.suspects[0].neighbours[0].id} (" in found.to_html()


def test_numbers_are_contradicted_by_targets_on_the_other_side():
    rng = np.random.default_rng(1)
    x = np.sort(rng.uniform(0, 1, 80))
    y = x + 0.01 * rng.normal(size=80)
    y[40] += 2.0
    found = ww.audit(x[:, None], y, task="regression", verify="none", pad=1.0)
    first = found.labels.suspects[0]
    assert first.row == 40
    assert len(first.neighbours) == 3
    for neighbour in first.neighbours:
        assert abs(float(neighbour.label) - float(first.suggested)) < abs(float(neighbour.label) - y[40])


def test_without_names_the_file_has_no_column_for_them(two_classes):
    header = two_classes.suspects_csv().splitlines()[0]
    assert "id" not in header.replace("neighbour", "").replace("distance", "").replace("side", "")
    assert all(s.id is None for s in two_classes.labels.suspects)


def test_images_come_with_pictures_of_the_rows_that_speak_against_them(pictures):
    suspect = next(s for s in pictures.labels.suspects if s.row == 6)
    assert all(n.image is not None for n in suspect.neighbours)
    html = pictures.to_html()
    assert "Beside the rows that speak against them" in html
    assert html.count("data:image/png") >= len(pictures.labels.suspects) + 3
