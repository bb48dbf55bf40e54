"""A Matplotlib figure drawn in CSS pixels and written as lean, theme-neutral inline SVG.

Matplotlib draws shapes and axes; text is put down as a token and replaced in the SVG, so that no text from
data meets a mathematics parser or a font lookup. Colours are roles of `pages.theme` and come out as CSS variables.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal
from xml.etree import ElementTree

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure as MatplotlibFigure
from matplotlib.lines import Line2D
from matplotlib.transforms import IdentityTransform

from widthwise.pages.markup import shorten, visible
from widthwise.pages.scales import Scale
from widthwise.pages.theme import MARKERS

# The reader's own settings must not reach a report, and a report must not change them.
SETTINGS: Final[Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "widthwise",
    "svg.image_inline": True,
    "text.usetex": False,
    "text.parse_math": False,
    "text.antialiased": True,
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans"],
    "path.simplify": False,
    "path.sketch": None,
    "path.effects": [],
    "hatch.linewidth": 1.0,
    "axes.unicode_minus": False,
    "axes.autolimit_mode": "data",
    "lines.dashed_pattern": [6, 3],
    "lines.scale_dashes": False,
    "lines.marker": "None",
    "lines.solid_joinstyle": "round",
    "patch.force_edgecolor": False,
    "figure.autolayout": False,
    "figure.constrained_layout.use": False,
    "savefig.bbox": None,
    "savefig.transparent": False,
}
MARKER_SHAPES: Final = ("o", "s", "^", "D", "v", "P")
_NUMBER = re.compile(r"-?\d+\.\d+")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_ROLE = {marker: f"var(--{role})" for role, marker in MARKERS.items()}
_COLOUR = re.compile("|".join(MARKERS.values()))


class Canvas:
    """A drawing surface whose origin is the upper left corner and whose unit is the CSS pixel.

    Must be made, used and written inside one `matplotlib.rc_context(SETTINGS)`.
    """

    def __init__(self, width: float, height: float) -> None:
        self.width = width
        self.height = height
        self._figure = MatplotlibFigure(figsize=(width / 72, height / 72), dpi=72)
        self._figure.patch.set_visible(False)
        self._texts: list[tuple[str, str]] = []
        self._attributes: dict[str, str] = {}

    def axes(self, box: tuple[float, float, float, float], x: Scale, y: Scale) -> Axes:
        """Bare axes in a box (left, top, width, height): no frame, no ticks, no text."""
        left, top, width, height = box
        place = (
            left / self.width,
            1 - (top + height) / self.height,
            width / self.width,
            height / self.height,
        )
        axes = self._figure.add_axes(place)
        axes.set_axis_off()
        if x.log:
            axes.set_xscale("log")
        if y.log:
            axes.set_yscale("log")
        axes.set_xlim(x.low, x.high)
        axes.set_ylim(y.low, y.high)
        axes.set_autoscale_on(False)
        self._attributes = {
            "data-box": " ".join(f"{v:.2f}" for v in box),
            "data-x": f"{x.low!r} {x.high!r} {'log' if x.log else 'linear'}",
            "data-y": f"{y.low!r} {y.high!r} {'log' if y.log else 'linear'}",
        }
        return axes

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float,
        anchor: Literal["start", "middle", "end"] = "start",
        role: str = "ink",
        bold: bool = False,
        halo: bool = False,
        rotation: float = 0.0,
    ) -> None:
        """Write one line with its baseline at y.

        Args:
            x: abscissa of the anchor.
            y: ordinate of the baseline, downwards.
            text: the line.
            size: font size.
            anchor: which end of the line lies at x.
            role: colour.
            bold: heavier type.
            halo: a rim of paper, for text that lies on lines.
            rotation: degrees, counter-clockwise.
        """
        token = f"T{len(self._texts)}"
        kind = " ".join(name for name, on in (("b", bold), ("halo", halo)) if on)
        self._texts.append((visible(text), kind))
        self._figure.text(
            x,
            self.height - y,
            token,
            transform=IdentityTransform(),
            horizontalalignment={"start": "left", "middle": "center", "end": "right"}[anchor],
            verticalalignment="baseline",
            rotation=rotation,
            rotation_mode="anchor",
            fontsize=size,
            color=MARKERS[role],
        )

    def line(self, xs: Sequence[float], ys: Sequence[float], *, role: str, width: float = 1.0, **style: Any) -> None:
        """Draw a line through points of the canvas."""
        style = {"solid_capstyle": "butt", **style}
        flipped = [self.height - y for y in ys]
        self._figure.add_artist(
            Line2D(
                list(xs),
                flipped,
                color=MARKERS[role],
                linewidth=width,
                transform=IdentityTransform(),
                **style,
            ),
            clip=False,
        )

    def svg(self, *, title: str, description: str, prefix: str, name: str) -> str:
        """The SVG element.

        Args:
            title: accessible name.
            description: accessible description.
            prefix: what every id starts with.
            name: class of the element.

        Returns:
            An `<svg>` for inline use in HTML: no namespaces, metadata, styles or scripts.
        """
        buffer = io.StringIO()
        self._figure.savefig(
            buffer, format="svg", dpi=72, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type"))
        )
        root = ElementTree.fromstring(buffer.getvalue())  # noqa: S314 - Matplotlib wrote it a line above
        self._clean(root, prefix)
        root.attrib = {
            "class": name,
            "viewBox": f"0 0 {self.width:g} {self.height:g}",
            "role": "img",
            "aria-labelledby": f"{prefix}-t {prefix}-d",
            **self._attributes,
        }
        for position, (tag, text) in enumerate((("title", title), ("desc", description))):
            child = ElementTree.Element(tag, id=f"{prefix}-{tag[0]}")
            child.text = shorten(visible(text, keep="\n"), 300 if tag == "title" else 2000)
            root.insert(position, child)
        return ElementTree.tostring(root, encoding="unicode", short_empty_elements=True)

    def _clean(self, root: ElementTree.Element, prefix: str) -> None:
        for parent in list(root.iter()):
            for child in list(parent):
                if child.tag.endswith(("}metadata", "}style")):
                    parent.remove(child)
        referenced = {
            name
            for element in root.iter()
            for value in element.attrib.values()
            for name in (*_REFERENCE.findall(value), *([value[1:]] if value.startswith("#") else []))
        }
        ids: dict[str, str] = {}

        def renamed(identifier: str) -> str:
            return ids.setdefault(identifier, f"{prefix}-{len(ids)}")

        for element in root.iter():
            element.tag = element.tag.rpartition("}")[2]
            element.tail = None
            if element.tag != "text":
                element.text = None
            element.attrib = self._attributes_of(element, referenced, renamed)
            if element.tag == "text":
                self._write_text(element)
        self._flatten(root)

    def _attributes_of(
        self, element: ElementTree.Element, referenced: set[str], renamed: Callable[[str], str]
    ) -> dict[str, str]:
        """Lean attributes: ids only where something refers to them, `data-kind-which` ids as data attributes."""
        attributes: dict[str, str] = {}
        for key, value in element.attrib.items():
            short = key.rpartition("}")[2]
            if short == "href":
                attributes["href"] = "#" + renamed(value[1:])
            elif short != "id":
                attributes[short] = self._tidy(_REFERENCE.sub(lambda m: f"url(#{renamed(m.group(1))})", value))
            elif value in referenced:
                attributes["id"] = renamed(value)
            elif value.startswith("data-"):
                kind, _, which = value.removeprefix("data-").partition("-")
                attributes[f"data-{kind}"] = which
        return attributes

    @staticmethod
    def _flatten(root: ElementTree.Element) -> None:
        """Take the place of groups that say nothing."""
        for parent in list(root.iter()):
            flat: list[ElementTree.Element] = []
            queue = list(parent)
            while queue:
                child = queue.pop(0)
                if child.tag == "g" and not child.attrib:
                    queue = [*child, *queue]
                else:
                    flat.append(child)
            parent[:] = flat

    @staticmethod
    def _tidy(value: str) -> str:
        value = _COLOUR.sub(lambda m: _ROLE[m.group()], value)
        value = _NUMBER.sub(lambda m: f"{float(m.group()):.2f}".rstrip("0").rstrip("."), value)
        return " ".join(value.split())

    def _write_text(self, element: ElementTree.Element) -> None:
        text, kind = self._texts[int((element.text or "T0")[1:])]
        style = dict(part.strip().split(": ", 1) for part in element.attrib.pop("style", "").split(";") if ": " in part)
        kept = {key: style[key] for key in ("font-size", "text-anchor", "fill") if key in style}
        if element.attrib.get("transform", "").startswith("rotate(-0 "):
            del element.attrib["transform"]
        element.attrib["style"] = "; ".join(f"{key}: {value}" for key, value in kept.items())
        if kind:
            element.attrib["class"] = kind
        element.text = text


def settings() -> Any:
    """The context in which canvases live."""
    return matplotlib.rc_context(SETTINGS)
