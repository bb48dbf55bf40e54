"""Numbers as text: one way of writing each kind."""

from __future__ import annotations

from widthwise.pages.scales import number


def quantity(value: float) -> str:
    """A number to three digits."""
    return number(float(value))


def count(value: int) -> str:
    """A whole number, with thin spaces between thousands; long ones to three digits."""
    return f"{value:,}".replace(",", "\u2009") if value < 10_000_000 else number(float(value))


def steps(value: int | None) -> str:
    """A number of steps, or that it is never reached."""
    if value is None:
        return "never"
    return f"{count(value)} step" + ("" if value == 1 else "s")


def percent(value: float) -> str:
    """A share as a percentage, to two digits at most after the point."""
    size = 100.0 * value
    if size != 0 and abs(size) < 0.01:
        return "< 0.01 %"
    return (
        f"{size:.2f}".rstrip("0").rstrip(".") + " %" if abs(size) < 1 else f"{size:.1f}".rstrip("0").rstrip(".") + " %"
    )


def rate(value: float) -> str:
    """An error rate or share of rows as a percentage with its decimals kept, so that columns line up."""
    return f"{100.0 * value:.1f} %" if value >= 0.1 or value == 0 else f"{100.0 * value:.2f} %"


def span(low: float, high: float) -> str:
    """A 95 % interval of a share."""
    return f"95 % interval {rate(low)[:-2]}\u2013{rate(high)}"
