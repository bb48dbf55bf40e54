"""The Python blocks of the documentation run, block after block, as a reader would paste them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from widthwise.atlas import summary

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(ROOT.glob("docs/*.md"))


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_the_blocks_of_a_page_run(page: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert blocks, f"{page.name} has no Python to run: fence it as text or link it from elsewhere"
    names: dict[str, object] = {}
    for number, block in enumerate(blocks, 1):
        exec(compile(block, f"{page.name}, block {number}", "exec"), names)  # noqa: S102 - that is the point


def test_the_summary_of_the_atlas_is_that_of_the_verdicts_on_record() -> None:
    """`docs/atlas_summary.py` writes this block."""
    page = (ROOT / "docs" / "atlas-summary.md").read_text(encoding="utf-8")
    block = page.partition("<!-- verdicts -->\n\n")[2].partition("\n<!-- end of verdicts -->")[0]
    assert block == summary.markdown()
