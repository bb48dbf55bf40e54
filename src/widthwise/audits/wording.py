"""Numbers as text: one way of writing each kind."""

from __future__ import annotations

from widthwise.pages.scales import number

# No-break spaces: a number never parts from its unit, nor from its own digits.
NARROW, SPACE = "\u202f", "\u00a0"


def quantity(value: float) -> str:
    """A number to three digits."""
    return number(float(value))


def count(value: int) -> str:
    """A whole number, with thin spaces between thousands; long ones to three digits."""
    return f"{value:,}".replace(",", NARROW) if value < 10_000_000 else number(float(value))


def steps(value: int | None) -> str:
    """A number of steps, or that it is never reached."""
    if value is None:
        return "never"
    return f"{count(value)}{SPACE}step" + ("" if value == 1 else "s")


def percent(value: float) -> str:
    """A share as a percentage, to one digit after the point, two below one percent."""
    size = 100.0 * value
    if 0 < abs(size) < 0.01:
        return f"<{SPACE}0.01{SPACE}%"
    return f"{size:.{2 if abs(size) < 1 else 1}f}".rstrip("0").rstrip(".") + f"{SPACE}%"


def points(value: float) -> str:
    """A difference of two shares in percentage points."""
    return percent(value).replace("%", "points")


def rate(value: float) -> str:
    """An error rate or share of rows as a percentage with its decimals kept, so that columns line up."""
    return f"{_rate(value)}{SPACE}%"


def span(low: float, high: float) -> str:
    """A 95 % interval of a share."""
    return f"95{SPACE}% interval {between(low, high)}"


def between(low: float, high: float) -> str:
    """A range of shares."""
    return f"{_rate(low)}\u2013{_rate(high)}{SPACE}%"


def _rate(value: float) -> str:
    return f"{100.0 * value:.{1 if value >= 0.1 or value == 0 else 2}f}"
