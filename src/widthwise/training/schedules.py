r"""Rates that change while a network trains.

A schedule is frozen data that turns numbers of steps into rates; it is evaluated in float64 outside the compiled loop.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from widthwise._checks import count, positive
from widthwise.errors import UsageError


@runtime_checkable
class Schedule(Protocol):
    """Frozen, hashable data that gives the rate of each step."""

    def __call__(self, steps: Int[np.ndarray, " t"]) -> Float[np.ndarray, " t"]:
        """Rates of the steps taken after `steps` steps, the first being that of 0."""
        ...


@dataclass(frozen=True)
class Constant:
    """One rate throughout."""

    rate: float

    def __post_init__(self) -> None:
        positive(self.rate, "learning_rate")

    def __call__(self, steps: Int[np.ndarray, " t"]) -> Float[np.ndarray, " t"]:
        """Rates of the steps taken after `steps` steps."""
        return np.full(len(steps), self.rate, dtype=np.float64)


@dataclass(frozen=True)
class Milestones:
    """The rate times a factor each time a milestone is passed: `Milestones(0.1, (400, 800))` divides by ten twice.

    Args:
        rate: before the first milestone.
        milestones: increasing numbers of steps; the step taken after so many steps has the new rate.
        factor: of the rate at each.
    """

    rate: float
    milestones: tuple[int, ...]
    factor: float = 0.1

    def __post_init__(self) -> None:
        positive(self.rate, "rate")
        positive(self.factor, "factor")
        if list(self.milestones) != sorted(set(self.milestones)) or not self.milestones or self.milestones[0] < 1:
            raise UsageError(f"milestones must be increasing numbers of steps from 1 on; {self.milestones!r} came")

    def __call__(self, steps: Int[np.ndarray, " t"]) -> Float[np.ndarray, " t"]:
        """Rates of the steps taken after `steps` steps."""
        passed = np.searchsorted(np.asarray(self.milestones), steps, side="right")
        return np.asarray(self.rate * self.factor**passed, dtype=np.float64)


@dataclass(frozen=True)
class Cosine:
    r"""From `rate` to `last` along half a cosine in `steps` steps, then constant.

    .. math:: \eta_t = \eta_T + (\eta_0 - \eta_T)\,\tfrac12\,(1 + \cos(\pi \min(t, T) / T))
    """

    rate: float
    steps: int
    last: float = 0.0

    def __post_init__(self) -> None:
        positive(self.rate, "rate")
        count(self.steps, "steps")
        if not (np.isfinite(self.last) and self.last >= 0):
            raise UsageError(f"last must be a finite rate of at least 0; {self.last!r} came")

    def __call__(self, steps: Int[np.ndarray, " t"]) -> Float[np.ndarray, " t"]:
        """Rates of the steps taken after `steps` steps."""
        part = np.minimum(steps, self.steps) / self.steps
        return np.asarray(self.last + (self.rate - self.last) * (1.0 + np.cos(np.pi * part)) / 2.0)


@dataclass(frozen=True)
class Inverse:
    r"""Falls like one over the number of steps: :math:`\eta_t = \eta_0 / (1 + t / t_0)`."""

    rate: float
    half: float

    def __post_init__(self) -> None:
        positive(self.rate, "rate")
        positive(self.half, "half")

    def __call__(self, steps: Int[np.ndarray, " t"]) -> Float[np.ndarray, " t"]:
        """Rates of the steps taken after `steps` steps; half the first one after `half` steps."""
        return np.asarray(self.rate / (1.0 + steps / self.half))


def as_schedule(learning_rate: float | Schedule) -> Schedule:
    """A number is a constant rate.

    Raises:
        UsageError: if a number is not positive and finite.
    """
    return learning_rate if callable(learning_rate) else Constant(float(learning_rate))
