"""When a run ends before its last step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from widthwise._checks import positive
from widthwise.errors import UsageError

# Why a run ended: all steps done, or what happened first.
Reason = Literal["steps", "loss", "error", "seconds", "diverged"]


@dataclass(frozen=True, kw_only=True)
class Stop:
    """Limits, any of which ends a run; a run whose loss is no longer finite ends in any case.

    Full-batch descent looks at loss and error before every step. Stochastic or noisy descent knows them only where it is
    measured, every `every` steps, and may end there.

    Args:
        loss: end where the training loss is at most this.
        error: end where the share of training rows put wrong is at most this.
        seconds: end at the first pause after so much wall time. Where that is depends on the machine.

    Raises:
        UsageError: if a limit is outside its range.
    """

    loss: float | None = None
    error: float | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.loss is not None and not np.isfinite(self.loss):
            raise UsageError(f"loss must be a finite limit; {self.loss!r} came")
        if self.error is not None and not 0.0 <= self.error < 1.0:
            raise UsageError(f"error must be a share in [0, 1); {self.error!r} came")
        if self.seconds is not None:
            positive(self.seconds, "seconds")
