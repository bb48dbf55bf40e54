"""Axes as numbers: ranges, ticks, the text of a number and the width of a text.

Matplotlib's own tick labels are mathematics markup and its text sizes are those of a font that the reader may
not have, so figures place their own text; this module tells them where.
"""

from __future__ import annotations

import functools
import math
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from widthwise.pages.markup import shorten, visible

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_THIN = "\u202f"

# Widths in em of a rather wide sans serif, so that a text never needs more than it was given.
_NARROW = frozenset("iljtfrI.,:;'|!()[]/ \u202f-·")
_BROAD = frozenset("mwMW@%—→")


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """An upper estimate of the width of a text in pixels.

    Args:
        text: one line.
        size: font size in pixels.
        bold: heavier type is a tenth wider.

    Returns:
        The width in pixels.
    """
    return sum(_em(character) for character in text) * size * (1.12 if bold else 1.0)


@functools.cache
def _em(character: str) -> float:
    if unicodedata.combining(character):
        return 0.0
    if character in _NARROW:
        return 0.36
    if character in _BROAD or unicodedata.east_asian_width(character) in {"W", "F"}:
        return 1.0
    return 0.72 if character.isupper() else 0.6


def fit(text: str, width: float, size: float, *, bold: bool = False) -> str:
    """The text made safe and, if need be, cut with an ellipsis to fit a width.

    Args:
        text: anything.
        width: room in pixels.
        size: font size in pixels.
        bold: heavier type.

    Returns:
        A text no wider than `width` (but never less than one letter and an ellipsis).
    """
    text = visible(shorten(text, 400))
    if text_width(text, size, bold=bold) <= width + 0.01:
        return text
    room = width / (size * (1.12 if bold else 1.0)) - _em("…")
    kept = 0
    for character in text:
        room -= _em(character)
        if room < 0:
            break
        kept += 1
    return text[: max(kept, 1)].rstrip() + "…"


def number(value: float, *, step: float | None = None) -> str:
    """A number to read: thin spaces between thousands, a true minus, powers of ten for long ones.

    Args:
        value: the number.
        step: distance of its neighbours on an axis; sets the decimals. Three digits without it.

    Returns:
        The text.
    """
    if math.isnan(value):
        return "n/a"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    size = max(abs(value), abs(step)) if step else abs(value)
    if size >= 1e6 or size < 1e-4:
        exponent = math.floor(math.log10(abs(value)))
        mantissa = f"{abs(value) / 10**exponent:.3g}" if exponent > -300 else f"{abs(value):.2e}".split("e")[0]
        if mantissa == "10":
            mantissa, exponent = "1", exponent + 1
        power = "10" + str(exponent).translate(_SUPERSCRIPT)
        body = power if mantissa == "1" else f"{mantissa}·{power}"
    else:
        decimals = _decimals(step) if step else max(0, 2 - math.floor(math.log10(abs(value))))
        body = f"{abs(value):,.{min(decimals, 12)}f}"
        if not step and "." in body:
            body = body.rstrip("0").rstrip(".")
        body = body.replace(",", _THIN) if abs(value) >= 10_000 else body.replace(",", "")
    return ("−" if value < 0 else "") + body


def _decimals(step: float) -> int:
    """Decimals that show every multiple of a step."""
    decimals = max(0, -math.floor(math.log10(abs(step)) + 1e-9))
    while decimals < 12 and abs(round(step, decimals) - step) > 1e-6 * abs(step):
        decimals += 1
    return decimals


def has_place(value: float, *, log: bool) -> bool:
    """Whether a value can be drawn: finite, positive on a log axis, and not so large that a range would overflow."""
    return abs(value) <= 1e300 and (value >= 1e-300 or not log)


@dataclass(frozen=True, kw_only=True)
class Scale:
    """The range of an axis.

    Attributes:
        low: value at the left or lower end.
        high: value at the other end, larger than `low`.
        log: logarithmic; then both ends are positive.
    """

    low: float
    high: float
    log: bool = False

    @classmethod
    def around(cls, values: Iterable[float], *, log: bool = False, padding: float = 0.0) -> Scale:
        """The range that holds all values that can be drawn.

        Args:
            values: anything; what is not finite, or not positive on a log axis, is left out.
            log: logarithmic axis.
            padding: part of the range added at both ends.

        Returns:
            A range that is never empty.
        """
        drawable = [v for v in values if has_place(v, log=log)]
        if not drawable:
            return cls(low=0.1, high=1.0, log=True) if log else cls(low=0.0, high=1.0)
        low, high = min(drawable), max(drawable)
        if log:
            a, b = math.log10(low), math.log10(high)
            extra = (b - a) * padding if b > a else 0.3
            # A power of a logarithm is off by some rounding, and must not leave out the very value it came from.
            return cls(
                low=min(low, 10.0 ** max(a - extra, -305.0)), high=max(high, 10.0 ** min(b + extra, 305.0)), log=True
            )
        extra = (high - low) * padding if high > low else max(abs(high) * 0.1, 1e-9)
        return cls(low=low - extra, high=high + extra)

    def holds(self, value: float) -> bool:
        """Whether a value lies in the range."""
        return math.isfinite(value) and self.low <= value <= self.high

    def position(self, value: float) -> float:
        """Where a value lies, 0 at the low end and 1 at the high end."""
        if self.log:
            a, b = math.log10(self.low), math.log10(self.high)
            return (math.log10(value) - a) / (b - a)
        return (value - self.low) / (self.high - self.low)

    def ticks(self, wanted: int) -> tuple[tuple[float, str], ...]:
        """Round values inside the range with their texts.

        Args:
            wanted: about how many.

        Returns:
            Pairs of value and text, increasing.
        """
        if self.log:
            return self._log_ticks(wanted)
        raw = (self.high - self.low) / max(wanted, 1)
        if not math.isfinite(raw) or raw <= 0:
            return ()
        power = 10.0 ** math.floor(math.log10(raw))
        step = next((m * power for m in (1.0, 2.0, 2.5, 5.0) if m * power >= raw * 0.999), 10.0 * power)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        if last - first > 50:
            return ()
        return tuple((k * step, number(k * step, step=step)) for k in range(first, last + 1))

    def _log_ticks(self, wanted: int) -> tuple[tuple[float, str], ...]:
        a, b = math.log10(self.low), math.log10(self.high)
        exponents = range(math.ceil(a - 1e-9), math.floor(b + 1e-9) + 1)
        if len(exponents) >= 3 or (len(exponents) == 2 and b - a > 1.6):
            stride = max(1, math.ceil(len(exponents) / max(wanted, 1)))
            kept = [e for e in exponents if e % stride == 0]
            plain = all(-3 <= e <= 4 for e in kept)
            return tuple((10.0**e, number(10.0**e) if plain else "10" + str(e).translate(_SUPERSCRIPT)) for e in kept)
        values = [
            m * 10.0**e for e in range(math.floor(a), math.ceil(b) + 1) for m in (1, 2, 5) if self.holds(m * 10.0**e)
        ]
        if len(values) < 2:
            linear = Scale(low=self.low, high=self.high).ticks(3)
            return tuple(tick for tick in linear if tick[0] > 0)
        stride = max(1, math.ceil(len(values) / max(wanted + 1, 1)))
        return tuple((v, number(v)) for v in values[::stride])
