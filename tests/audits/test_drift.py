"""Rows in time: how times are read, which blocks there are, and when drift is said."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import widthwise as ww
from widthwise.audits.drift import read_times, starts_of
from widthwise.errors import DataError


def days(n=160, drift=True, seed=0):
    """Features that wander with time, or do not, and a label that only their neighbourhood tells."""
    rng = np.random.default_rng(seed)
    X, when = rng.normal(size=(n, 2)), np.arange(n) / n
    X[:, 0] = 8 * (when if drift else rng.permutation(when))
    y = np.where((np.floor(X[:, 0]) % 2 == 0) ^ (rng.random(n) < 0.05), "up", "down")
    date = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(n), unit="D")
    return pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "day": date.strftime("%Y-%m-%d"), "label": y}).sample(
        frac=1.0, random_state=seed
    )


def audit(frame, **settings):
    return ww.audit(frame, target="label", verify="none", pad=1.0, **settings)


def test_features_that_wander_where_no_row_was_are_called_drift():
    found = audit(days(), time="day")
    check = found.generalisation.time
    assert check.worse
    assert check.difference > 2 * check.difference_error
    assert (check.first, check.last) == ("2024-01-01", "2024-06-08")
    assert [b.past for b in check.blocks] == [20, 40, 60, 80, 100, 120, 140]
    assert [f.kind for f in found.findings if f.level == "warning"] == ["drift"]
    assert "The future from the past" in found.to_html()


def test_features_that_stay_raise_no_warning():
    found = audit(days(drift=False), time="day")
    assert not [f for f in found.findings if f.level == "warning"]


def test_dates_numbers_and_moments_are_one_time():
    frame = days(80)
    day = pd.to_datetime(frame["day"])
    results = [
        audit(frame.drop(columns="day"), time=t).generalisation.time for t in (day, day.dt.day_of_year, day.to_numpy())
    ]
    results.append(audit(frame, time="day").generalisation.time)
    assert len({(t.forward.value, t.random) for t in results}) == 1


@pytest.mark.parametrize(
    ("texts", "seconds"),
    [
        (["2024-01-02", "2024-01-01T12:00"], [1704153600, 1704110400]),
        (["31.12.2023", "01.02.2024"], [1703980800, 1706745600]),
        (["12/31/2023", "02/01/2024"], [1703980800, 1706745600]),
        (["31/12/2023", "01/02/2024"], [1703980800, 1706745600]),
        (["2024-01-01T00:00+02:00", "2024-01-01T00:00Z"], [1704060000, 1704067200]),
        (["3", "1e2"], [3.0, 100.0]),
    ],
)
def test_times_are_read(texts, seconds):
    ds = ww.load(np.arange(len(texts) * 2.0)[:, None], ["a", "b"] * len(texts))
    assert read_times(texts * 2, ds)[0].tolist() == seconds * 2


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["2024-01-01", "soon"], "numbers, or dates such as .*row 1, column 'time': 'soon'|column .*'soon'"),
        (["01/02/2024", "03/04/2024"], "day and month can be taken for each other"),
        (["2024-01-01", "2024-01-01"], "must differ between rows"),
        (["2024-01-01", None], "a value in every row; row 1"),
        (["1", "inf"], "must be finite"),
        (["1", "2024-01-01"], "numbers, or dates"),
    ],
)
def test_times_that_cannot_be_read_are_refused(texts, words):
    ds = ww.load(np.arange(4.0)[:, None], ["a", "b"] * 2)
    with pytest.raises(DataError, match=words):
        read_times(texts * 2, ds)


def test_rows_of_one_time_are_in_one_block():
    times = np.repeat([3.0, 1.0, 2.0], [5, 4, 3])
    assert starts_of(times) == (4, 7)
    assert starts_of(np.array([1.0, 2.0])) == (1,)


def test_two_times_are_one_block_after_the_first():
    frame = days(60)
    frame["day"] = np.where(pd.to_datetime(frame["day"]) < "2024-02-01", 2023, 2024)
    check = audit(frame, time="day").generalisation.time
    assert len(check.blocks) == 1
    assert check.forward.low <= check.forward.value <= check.forward.high
