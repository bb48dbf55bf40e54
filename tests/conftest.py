"""Shapes and types of every public signature are checked live while the tests run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings
from jaxtyping import install_import_hook

# Before anything of widthwise is imported.
_hook = install_import_hook("widthwise", "beartype.beartype")

# Speed is not asserted anywhere; where a change must pass, the examples are the same every time.
settings.register_profile("widthwise", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("widthwise")


def _shared_data() -> Path | None:
    place = os.environ.get("WIDTHWISE_DATA")
    candidates = [Path(place)] if place else []
    candidates.append(Path(__file__).resolve().parents[2] / "shared" / "data")
    return next((c for c in candidates if c.is_dir()), None)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real data sets, laid out as `mnist/`, `uci/`, ...; skips where there is none."""
    found = _shared_data()
    if found is None:
        pytest.skip("no folder of real data: set WIDTHWISE_DATA")
    return found
