"""The measured width: from how many neurons on trained networks fit the rows, as a number with an interval.

Networks of widths 1, 2, 4, ... start from several seeds each, and a logistic curve through the shares that succeed says where
half of them do. The number belongs to its protocol, which it prints: another optimizer, another number of steps or another
goal has another width.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from jaxtyping import Float

from widthwise import theory
from widthwise._checks import columns, count, finite_matrix
from widthwise.errors import UsageError
from widthwise.kernels import HInf
from widthwise.networks import MLP
from widthwise.training.descent import train_many
from widthwise.training.optimizers import Momentum
from widthwise.training.stops import Stop

SEEDS, STEPS, MOMENTUM = 10, 1000, 0.9
# The ladder goes on to this many parameters for each number that is to be fitted, and to this width at least.
MOST_PARAMETERS, LEAST_LADDER = 16.0, 64
# Widths at which all seeds succeed that end the ladder.
ENOUGH = 2


@dataclass(frozen=True, kw_only=True)
class MeasuredWidth:
    """The width at which half of the networks succeed.

    Attributes:
        width: that width; infinite where it is beyond the last one tried, 0 where all networks succeeded.
        low: lower end of its 95 % interval; 0 where the counts set none.
        high: upper end; infinite where the counts set none.
        widths: that were tried.
        successes: seeds that succeeded at each of them.
        seeds: seeds at each width.
        steps: most steps of a network.
        momentum: of the heavy ball.
        learning_rate: on the summed loss.
        residual: the goal: relative residual; None where it is that every row is on its right side.
    """

    width: float
    low: float
    high: float
    widths: tuple[int, ...]
    successes: tuple[int, ...]
    seeds: int
    steps: int
    momentum: float
    learning_rate: float
    residual: float | None

    @property
    def protocol(self) -> str:
        """What was done, in words."""
        goal = (
            "every row is put right"
            if self.residual is None
            else f"the residual is at most {self.residual:g} of the norm of the targets"
        )
        return (
            "Two layers of ReLU without biases, independent normal weights and signs, the first layer trained on the squared "
            f"loss by descent with momentum {self.momentum:g} at the rate {self.learning_rate:.3g}, one over the largest "
            f"eigenvalue of H-infinity; {self.seeds} seeds at each width; a network succeeds if {goal} within {self.steps} "
            "steps."
        )


def measured_width(
    X: Float[np.ndarray, "n d"],
    Y: Float[np.ndarray, " n"] | Float[np.ndarray, "n k"],
    *,
    residual: float | None = None,
    seeds: int = SEEDS,
    steps: int = STEPS,
    largest: int | None = None,
    seed: int = 0,
    observe: Callable[[int, int], None] | None = None,
) -> MeasuredWidth:
    r"""Train networks of growing width and fit the width at which half of them succeed.

    Widths are powers of two, from 1 until all seeds succeed at two widths in a row. The curve is logistic in the logarithm
    of the width; see `theory.logistic_threshold`.

    Args:
        X: n rows as the networks see them.
        Y: targets: labels -1 and +1, one column for each output; or numbers, with a residual as the goal.
        residual: goal :math:`\|y - f\| / \|y\|`; when not given, that every row is put right: by its sign with one output, by
            the largest with several.
        seeds: networks at each width.
        steps: most steps of each.
        largest: last width of the ladder; when not given, the first with sixteen parameters m d for each of the n k numbers,
            64 at least.
        seed: of the first network; the others follow.
        observe: told each width and its successes when it is done.

    Raises:
        UsageError: if an argument is outside its range, or targets of several sizes come without a residual.
        DataError: if shapes do not fit or a number is not finite.
    """
    rows = finite_matrix(X)
    targets = columns(Y, len(rows))
    count(seeds, "seeds", 2)
    count(steps, "steps")
    if residual is None and not np.all(np.abs(targets) == 1.0):
        raise UsageError("targets that are not all -1 or +1 need a residual as the goal")
    if residual is not None and not 0.0 < residual < 1.0:
        raise UsageError(f"residual must lie between 0 and 1; {residual!r} came")
    n, d = rows.shape
    if largest is None:
        largest = largest_width(n, d, targets.shape[1])
    count(largest, "largest", 2)
    H = HInf()(rows)
    top = float(scipy.linalg.eigvalsh(H, subset_by_index=(n - 1, n - 1))[0])
    if not top > 0.0:
        raise UsageError("rows must not all be zero: no network can learn from them")
    stop = Stop(error=0.0) if residual is None else Stop(loss=0.5 * residual**2 * float(np.sum(targets**2)))
    widths: list[int] = []
    successes: list[int] = []
    width = 1
    while width <= largest and not (len(widths) > ENOUGH and successes[-ENOUGH:] == [seeds] * ENOUGH):
        runs = train_many(
            MLP(widths=(width,), outputs=targets.shape[1], antisymmetric=False),
            rows,
            targets[:, 0] if targets.shape[1] == 1 else targets,
            learning_rate=1.0 / top,
            steps=steps,
            seeds=range(seed, seed + seeds),
            optimizer=Momentum(MOMENTUM),
            stop=stop,
        )
        widths.append(width)
        successes.append(sum(run.stopped in ("error", "loss") for run in runs))
        if observe is not None:
            observe(width, successes[-1])
        width *= 2
    found = theory.logistic_threshold(np.log2(widths), np.array(successes), np.full(len(widths), seeds))
    return MeasuredWidth(
        # A curve that reaches one half beyond the last width that was tried has measured nothing there.
        width=float(2.0**found.value) if found.value <= np.log2(widths[-1]) else math.inf,
        low=float(2.0**found.low),
        high=float(2.0**found.high),
        widths=tuple(widths),
        successes=tuple(successes),
        seeds=seeds,
        steps=steps,
        momentum=MOMENTUM,
        learning_rate=1.0 / top,
        residual=residual,
    )


def largest_width(n: int, d: int, outputs: int) -> int:
    """Last width that is tried when none is named: sixteen parameters m d for each of the n k numbers, 64 at least."""
    return int(max(LEAST_LADDER, 2 ** math.ceil(math.log2(MOST_PARAMETERS * n * outputs / d))))
