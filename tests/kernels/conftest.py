"""The naive recursion, which tests of several modules compare with."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def sixty_digits() -> Callable[..., Any]:
    """A kernel of two rows in the precision of mpmath's context: tests/reference/recursion.py."""
    place = Path(__file__).resolve().parents[1] / "reference" / "recursion.py"
    spec = importlib.util.spec_from_file_location("reference_recursion", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Callable[..., Any] = module.sixty_digits
    return found
