"""The regime map: a point for each run that has both numbers, measured ones only."""

from __future__ import annotations

from dataclasses import replace

from widthwise.atlas import Verdict
from widthwise.atlas.regime_map import places, regime_page
from widthwise.pages import Scatter, Table


def of(verdict: Verdict, **numbers: float | None) -> Verdict:
    return replace(verdict, numbers={name.replace("_", " "): value for name, value in numbers.items()})


def test_numbers_are_paired_by_their_name(smoke):
    found = of(
        smoke[0], laziness=2.0, flips=0.3, laziness_true=0.1, flips_true=0.01, laziness_lost=1.0, flips_other=0.1
    )
    assert places(found) == [("", 2.0, 0.3), ("true", 0.1, 0.01)]
    assert places(of(smoke[0], laziness=0.0, flips=0.3)) == []
    assert places(of(smoke[0], laziness=None, flips=0.3)) == []
    assert places(of(smoke[0], predicted_laziness_at_the_end_of_training_true=2.0, flips_true=0.3)) == []


def test_every_run_is_one_point_and_one_row(smoke):
    page = regime_page(smoke)
    (drawn, table), known = page.sections[0].blocks, [place for one in smoke for place in places(one)]
    assert isinstance(drawn, Scatter)
    assert isinstance(table, Table)
    assert [(x, y) for cloud in drawn.points for x, y in zip(cloud.x, cloud.y, strict=True)] == [p[1:] for p in known]
    assert len(table.rows) == len(table.links) == len(known) == 2
    assert page.verdict[0] == "2 runs of Arora et al. 2019."


def test_without_such_runs_the_page_says_so(smoke):
    page = regime_page([one for one in smoke if not places(one)])
    assert page.verdict == ("No run here has both numbers.",)
