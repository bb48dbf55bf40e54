"""Cells of tables that leave for other programs."""

from __future__ import annotations


def spreadsheet_safe(text: str) -> str:
    """A text that a spreadsheet would run as a formula gets a quote before it; a number is data and stays."""
    try:
        float(text)
    except ValueError:
        return "'" + text if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
    return text
