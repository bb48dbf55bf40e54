"""The report and the table: medians and ranges over seeds, diverged runs in no curve, and cells that harm nobody."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest

from widthwise.errors import UsageError
from widthwise.pages import Bars, Curves, Details, Scatter, Table
from widthwise.pages.html import to_html
from widthwise.sweeps import table
from widthwise.sweeps.page import values
from widthwise.sweeps.spec import FigureSpec
from widthwise.sweeps.sweep import Sweep, prepare

SPEC = {
    "name": "report",
    "title": "A report",
    "settings": {"data": "iris", "n": 30, "steps": 5},
    "product": {"width": [10, 20, 40, 80], "kappa": [0.5, 1.0], "seed": {"count": 3}},
    "figures": [{"y": "movement", "fit": True}, {"y": "movement", "x": "width * d / rows", "by": "seed"}],
}


@pytest.fixture(scope="module")
def sweep(tmp_path_factory) -> Sweep:
    """A sweep whose results are known: movement is (kappa width)^-1/2 (1 + seed / 10); one job diverged, one failed."""
    made = prepare(SPEC, out=tmp_path_factory.mktemp("sweep") / "store", durable=False)
    for number, job in enumerate(made.jobs):
        told = job.content["settings"]
        if number == 5:
            for attempt in (1, 2, 3):
                made.store.fail(made.store.claim(job.id, attempt), "<b>broken</b>")
            continue
        if number == 6:
            continue
        moved = (told["kappa"] * told["width"]) ** -0.5 * (1 + told["seed"] / 10)
        measures = {"rows": 30, "d": 4, "diverged": 3 if number == 0 else None, "movement": moved, "flips": moved / 2}
        claim = made.store.claim(job.id, 1)
        made.store.commit(claim, {"settings": told, "measures": measures, "seconds": 0.5}, {"steps": np.arange(3)})
    return made


def blocks(page, kind):
    def walk(found):
        for block in found:
            if isinstance(block, Details):
                yield from walk(block.blocks)
            elif isinstance(block, kind):
                yield block

    return [block for section in page.sections for block in walk(section.blocks)]


def test_status_counts_every_job_once(sweep):
    told = sweep.status()
    assert (told.total, told.done, told.diverged, told.failed, told.running, told.waiting) == (24, 22, 1, 1, 0, 1)
    assert told.seconds == 0.5
    assert told.left(1) == 0.5


def test_a_curve_is_the_median_and_the_range_over_seeds(sweep):
    curves = blocks(sweep.page(), Curves)
    line = next(one for one in curves[0].lines if one.label == "kappa 1")
    assert line.x == (10.0, 20.0, 40.0, 80.0)
    whole = np.array([20.0, 40.0, 80.0]) ** -0.5
    np.testing.assert_allclose(line.y[1:], 1.1 * whole)
    np.testing.assert_allclose(line.low[1:], whole)
    np.testing.assert_allclose(line.high[1:], 1.2 * whole)
    half = next(one for one in curves[0].lines if one.label == "kappa 0.5")
    # The diverged run of kappa 0.5, width 10, seed 0 is in no curve.
    assert half.low[0] == pytest.approx(1.1 * 5.0**-0.5)
    assert curves[0].log_x
    assert "x" not in curves[0].x_label


def test_exponents_come_with_intervals(sweep):
    page = sweep.page()
    found = next(block for block in blocks(page, Table) if block.caption == "Fitted power laws")
    assert [row[0] for row in found.rows] == ["0.5", "1"]
    for row in found.rows:
        low, high = (float(v.replace("−", "-")) for v in row[2].split(" to "))
        assert low < -0.5 < high
        assert high - low < 0.2


def test_any_formula_of_columns_can_be_an_axis(sweep):
    curves = blocks(sweep.page(), Curves)[1]
    assert curves.lines[0].label == "seed 0"
    np.testing.assert_allclose(curves.lines[1].x, np.array([10.0, 20.0, 40.0, 80.0]) * 4 / 30)
    with pytest.raises(UsageError, match="no column 'mvement'"):
        sweep.page([FigureSpec(y="mvement")])
    with pytest.raises(UsageError, match="neither a column nor a formula"):
        sweep.page([FigureSpec(y="movement", x="width; 3")])


def test_what_diverged_and_what_failed_stand_apart(sweep):
    page = sweep.page()
    titles = [section.title for section in page.sections]
    assert {"Runs that diverged", "Jobs that failed", "Lazy or not"} <= set(titles)
    diverged = page.sections[titles.index("Runs that diverged")].blocks[0]
    assert diverged.rows == (("10", "0.5", "1 of 3", "3"),)
    assert {alert.level for alert in page.alerts} == {"danger", "warning", "info"}
    html = to_html(page)
    assert "<b>broken" not in html
    assert "&lt;b&gt;broken" in html


def test_the_regime_map_has_a_point_for_each_finished_run(sweep):
    (found,) = blocks(sweep.page(), Scatter)
    assert sum(len(points.x) for points in found.points) == 21
    assert (found.x_label.split(":")[0], found.y_label) == ("movement", "flips")


def test_an_axis_of_words_becomes_bars(sweep):
    rows = [{**row, "data": "a" if row["seed"] else "b"} for row in sweep.table]
    from widthwise.sweeps import page as pages

    section = pages._figure(FigureSpec(y="movement", x="data"), [r for r in rows if r["status"] == "done"], ("data",))
    (found,) = section.blocks
    assert isinstance(found, Bars)
    assert {bar.label for bar in found.bars} == {"a", "b"}


def test_a_sweep_without_figures_draws_what_varies(tmp_path):
    spec = {key: value for key, value in SPEC.items() if key != "figures"}
    made = prepare(spec, out=tmp_path / "s", durable=False)
    assert blocks(made.page(), Curves) == []  # nothing is done yet
    for job in made.jobs:
        told = job.content["settings"]
        measures = {"diverged": None, "movement": told["width"] ** -0.5, "test_error": 0.1}
        made.store.commit(made.store.claim(job.id, 1), {"settings": told, "measures": measures, "seconds": 0.1}, {})
    assert [curves.title for curves in blocks(made.page(), Curves)] == ["movement"]  # the error never varies


def test_the_csv_reads_back_equal(sweep):
    read = list(csv.DictReader(io.StringIO(table.to_csv(sweep.table))))
    assert len(read) == 24
    for row, known in zip(read, sweep.table, strict=True):
        assert float(row["width"]) == known["width"]
        assert row["job"] == known["job"]
        if known["status"] == "done":
            assert float(row["movement"]) == known["movement"]
    assert {row["status"] for row in read} == {"done", "diverged", "failed", "waiting"}


def test_a_text_cell_that_a_spreadsheet_would_run_is_quoted_and_a_number_is_not():
    text = table.to_csv([{"a": "=1+1", "b": -3.5, "c": "-3.5", "d": None}])
    assert text == '"a","b","c","d"\n"\'=1+1",-3.5,"-3.5",""\n'


def test_pandas_and_parquet_hold_the_table(sweep, tmp_path):
    frame = sweep.to_pandas()
    assert len(frame) == 24
    assert frame["movement"].isna().sum() == 2
    import pandas as pd

    path = sweep.export(tmp_path / "t.parquet", "parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(path), frame)
    with pytest.raises(UsageError, match="csv, parquet or netcdf"):
        sweep.export(tmp_path / "t", "xlsx")


def test_xarray_has_the_axes_as_dimensions(sweep):
    pytest.importorskip("xarray")
    data = sweep.to_xarray()
    assert dict(data.sizes) == {"width": 4, "kappa": 2, "seed": 3}
    assert float(data["movement"].sel(width=20, kappa=1.0, seed=0)) == 20**-0.5


def test_columns_of_rows_that_lack_them_are_none():
    assert values([{"a": 1, "b": 2}, {"a": None, "b": 1}], "a / b") == [0.5, None]


def test_arrays_come_back(sweep):
    job = sweep.jobs[1].id
    np.testing.assert_array_equal(sweep.arrays(job)["steps"], np.arange(3))
