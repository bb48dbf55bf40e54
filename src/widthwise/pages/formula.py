"""Formulas in TeX as inline SVG, by Matplotlib's reader of mathematics. What it cannot read stays text."""

from __future__ import annotations

import re
from html import escape

import numpy as np
from matplotlib.font_manager import FontProperties
from matplotlib.path import Path
from matplotlib.textpath import text_to_path

from widthwise.pages.canvas import settings
from widthwise.pages.markup import visible

_EM = 100.0
_FONT = FontProperties(math_fontfamily="stix")
# What TeX has and the reader has not.
_SPELLED = (
    (re.compile(r"\\[bB]ig+[lr]?(?![A-Za-z])|\\(text|display)style(?![A-Za-z])"), ""),
    (re.compile(r"\\[td]frac\s*(\d)\s*(\w)"), r"\\frac{\1}{\2}"),
    (re.compile(r"\\[td]frac(?![A-Za-z])"), r"\\frac"),
    (re.compile(r"\\sqrt\s+(\w)"), r"\\sqrt{\1}"),
    (re.compile(r"\\(le|ge|ne)(?![A-Za-z])"), r"\\\1q"),
)


def to_svg(tex: str) -> str | None:
    """Draw a formula.

    Args:
        tex: without dollars; one line.

    Returns:
        An `<svg>` element as large as its text, in the colour of the text; none for what is no mathematics or cannot be read.
    """
    if not re.search(r"[\\^_]", tex) or "$" in tex or "\n" in tex:
        return None
    spelled = tex
    for pattern, instead in _SPELLED:
        spelled = pattern.sub(instead, spelled)
    with settings():
        try:
            vertices, codes = text_to_path.get_text_path(_FONT, f"${spelled}$", ismath=True)
        except ValueError:
            return None
    if not len(vertices):
        return None
    points = np.asarray(vertices, dtype=np.float64) * (_EM / text_to_path.FONT_SCALE)
    (left, bottom), (right, top) = points.min(axis=0), points.max(axis=0)
    width, height = right - left, top - bottom
    if not (width > 0.0 and height > 0.0):
        return None
    return (
        f'<svg class="tex" role="img" aria-label="{escape(visible(tex))}" viewBox="{left:.1f} {-top:.1f} {width:.1f} {height:.1f}" '
        f'style="width:{width / _EM:.3f}em;height:{height / _EM:.3f}em"><path d="{_outline(Path(points, codes))}"/></svg>'
    )


def _outline(path: Path) -> str:
    letters = {Path.MOVETO: "M", Path.LINETO: "L", Path.CURVE3: "Q", Path.CURVE4: "C"}
    said = []
    for points, code in path.iter_segments(simplify=False, curves=True):
        if code == Path.CLOSEPOLY:
            said.append("Z")
        elif code in letters:
            pairs = zip(points[::2], points[1::2], strict=True)
            said.append(letters[code] + " ".join(f"{x:.1f} {-y:.1f}" for x, y in pairs))
    return "".join(said)
