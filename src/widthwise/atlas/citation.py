"""Sources as they are cited: the entry of `references.bib`, and authors and year in short."""

from __future__ import annotations

import re
from importlib.resources import files


def bibtex(source: str) -> str:
    """The entry of a source in BibTeX.

    Args:
        source: its citation key.
    """
    text = files("widthwise").joinpath("references.bib").read_text(encoding="utf-8")
    found = re.search(rf"^@\w+\{{{re.escape(source)},.*?^\}}", text, re.DOTALL | re.MULTILINE)
    return found.group() if found else ""


def cited(source: str) -> str:
    """Authors in short, and the year."""
    entry = bibtex(source)
    names = re.search(r"author\s*=\s*\{(.*?)\}", entry, re.DOTALL)
    authors = [one.split(",")[0].strip("{} ") for one in re.split(r"\s+and\s+", names.group(1))] if names else [source]
    year = re.search(r"year\s*=\s*\{?(\d+)", entry)
    who = authors[0] + (" et al." if len(authors) > 2 else f" and {authors[1]}" if len(authors) == 2 else "")
    return f"{who} {year.group(1)}" if year else who
