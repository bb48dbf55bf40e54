"""A claim that costs nothing, for what is done with claims; and verdicts of real ones at `smoke`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from widthwise.atlas import (
    Axes,
    Claim,
    Curve,
    Equality,
    Evidence,
    Exponent,
    Finding,
    Hypothesis,
    Ordering,
    Settings,
    Sufficient,
    Trial,
    UpperBound,
    Verdict,
    run_claim,
)
from widthwise.atlas.registry import find

WIDTHS = (1.0, 2.0, 4.0)
CRITERIA = {
    "E": Equality(0.1),
    "U": UpperBound(),
    "O": Exponent(-0.6, -0.4),
    "Q": Ordering(),
    "S": Sufficient(),
}


def curve(*values: float) -> Callable[[Trial], Evidence]:
    """The same curve in every trial."""
    return lambda _trial: Evidence(Curve("what is measured", WIDTHS[: len(values)], values))


def hypothesis(status: Any) -> Hypothesis:
    """One that is always found so."""
    return Hypothesis(f"this is {status}", lambda _trial: Finding(status, "by construction"))


@pytest.fixture(scope="session")
def toy() -> Callable[..., Claim]:
    """Make a claim: by default an equality that holds, on sixteen rows of iris."""

    def make(kind: str = "E", **changes: Any) -> Claim:
        settings = Settings(data="iris", n=16)
        parts: dict[str, Any] = {
            "key": "arora2019-toy",
            "type": kind,
            "source": "arora2019",
            "locator": "nowhere",
            "title": "A claim that costs nothing",
            "statement": "What is measured is what is predicted.",
            "formula": r"q \le p_1",
            "quantity": "nothing",
            "hypotheses": (hypothesis("met"),),
            "predict": curve(1.0, 0.5, 0.25),
            "measure": curve(1.0, 0.5, 0.25),
            "criterion": CRITERIA[kind],
            "control": curve(3.0, 2.5, 2.25),
            "control_text": "two more",
            "axes": Axes(x="width", y="value"),
            "settings": dict.fromkeys(("smoke", "quick", "paper"), settings),
        }
        return Claim(**{**parts, **changes})

    return make


@pytest.fixture(scope="session")
def smoke() -> tuple[Verdict, ...]:
    """Verdicts of three real claims at `smoke`; the first with places on the regime map, as if it had trained."""
    keys = ("arora2019-odd-harmonics", "arora2019-learnability-circle", "maennel2018-directions")
    first, *others = (run_claim(find(key), scale="smoke") for key in keys)
    numbers = {"laziness true": 0.1, "flips true": 0.01, "laziness random": 2.0, "flips random": 0.2}
    return replace(first, numbers=numbers), *others
