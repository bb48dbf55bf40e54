"""Every source is cited by a key that exists, and every key that exists is cited."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

import widthwise as ww

ROOT = Path(ww.__file__).parent
KEYS = re.findall(r"^@\w+\{\s*([^,\s]+)\s*,", (ROOT / "references.bib").read_text(encoding="utf-8"), re.MULTILINE)
CITED = {
    (path.relative_to(ROOT).as_posix(), key)
    for path in sorted(ROOT.rglob("*.py"))
    for role in re.findall(r":cite:\w+:`([^`]+)`", path.read_text(encoding="utf-8"))
    for key in re.split(r"[\s,]+", role.strip())
}


def test_there_are_references_and_citations():
    assert KEYS
    assert CITED


@pytest.mark.parametrize(("path", "key"), sorted(CITED))
def test_what_is_cited_is_in_the_references(path, key):
    assert key in KEYS


@pytest.mark.parametrize("key", KEYS)
def test_what_is_in_the_references_is_cited(key):
    assert key in {cited for _, cited in CITED}


def test_keys_are_unique():
    assert [key for key, times in Counter(KEYS).items() if times > 1] == []


def test_every_entry_names_author_title_and_year():
    entries = (ROOT / "references.bib").read_text(encoding="utf-8").split("\n@")
    for entry in entries:
        assert {"author", "title", "year"} <= set(re.findall(r"^\s*(\w+)\s*=", entry, re.MULTILINE)), entry[:40]
