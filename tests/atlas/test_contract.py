"""Every claim of the atlas is found here, run at `smoke`, and its control must fail. A new claim needs no other test."""

from __future__ import annotations

import re
from importlib.resources import files

import numpy as np
import pytest

from widthwise.atlas import Claim, claims, run_claim
from widthwise.atlas.claim import TYPES

CLAIMS = claims()
KEYS = [claim.key for claim in CLAIMS]


def test_keys_are_unique() -> None:
    assert len(set(KEYS)) == len(KEYS)


@pytest.mark.parametrize("claim", CLAIMS, ids=KEYS)
def test_a_claim_says_what_it_claims(claim: Claim) -> None:
    bibliography = files("widthwise").joinpath("references.bib").read_text(encoding="utf-8")
    assert re.search(rf"@\w+\{{{claim.source},", bibliography), f"{claim.source} is not in references.bib"
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", claim.key)
    assert claim.type in TYPES
    assert claim.hypotheses
    for name in ("locator", "title", "statement", "formula", "quantity", "control_text"):
        assert getattr(claim, name).strip(), f"{claim.key} leaves {name} empty"
    assert claim.criterion.low < claim.criterion.high
    assert claim.cost <= 2.0, "quick is at most two minutes"


@pytest.mark.parametrize("claim", CLAIMS, ids=KEYS)
def test_a_claim_and_its_control_run(claim: Claim) -> None:
    found = run_claim(claim, scale="smoke")
    assert found.control.failed, f"the control of {claim.key} was found right: {found.control.values}"
    assert all(value is not None for one in found.passes for value in one.values)
    assert [c.label for c in found.predicted] == [c.label for c in found.measured]
    assert all(np.all(np.isfinite(np.array(c.y, dtype=float))) for c in (*found.predicted, *found.measured))
    assert len(found.hypotheses) == len(claim.hypotheses)
