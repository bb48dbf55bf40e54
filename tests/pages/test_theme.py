"""Contrast by WCAG 2.2: 4.5 for text, 3 for what must be seen."""

from __future__ import annotations

import pytest

from widthwise.pages.heatmap import LEVELS, depth
from widthwise.pages.theme import GROUPS, HEAT_TURN, MARKERS, colour

TEXT = ("ink", "soft", "accent", "info", "warning", "danger", *(f"c{i}" for i in range(GROUPS)))


def channels(value):
    return [int(value[i : i + 2], 16) / 255 for i in (1, 3, 5)]


def luminance(rgb):
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in rgb]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a, b):
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_the_measure_of_contrast_knows_its_ends():
    assert contrast((0, 0, 0), (1, 1, 1)) == pytest.approx(21)
    # #777777 on white: 4.48, from the WCAG definition.
    assert contrast(channels("#777777"), (1, 1, 1)) == pytest.approx(4.478, abs=1e-3)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("role", TEXT)
def test_text_can_be_read(role, theme):
    for paper in ("paper", "wash") if role in {"ink", "soft"} else ("paper",):
        assert contrast(channels(colour(role, theme)), channels(colour(paper, theme))) >= 4.5


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_lines_without_text_can_be_seen(theme):
    assert contrast(channels(colour("axis", theme)), channels(colour("paper", theme))) >= 3


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_in_heat_map_cells_can_be_read_at_every_depth(theme):
    paper, accent = channels(colour("paper", theme)), channels(colour("heat", theme))
    for level in range(LEVELS + 1):
        deep = depth((level / LEVELS) ** 2, 1.0)
        cell = [p * (1 - deep) + a * deep for p, a in zip(paper, accent, strict=True)]
        ink = channels(colour("paper" if deep > HEAT_TURN else "ink", theme))
        assert contrast(ink, cell) >= 4.5, deep


def test_markers_are_unlike_each_other():
    assert len(set(MARKERS.values())) == len(MARKERS)
