"""A system to be solved and how it was asked for: what every solver of `solvers.choice` is handed, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from widthwise.solvers.conjugate_gradients import Product
from widthwise.solvers.operators import Operator
from widthwise.solvers.solution import Solution

# Share of free memory that a stored matrix may take.
SHARE = 0.75


@dataclass(frozen=True, kw_only=True, eq=False)
class Job:
    """The system (K + ridge I) A = Y and the wishes that came with it; see `solvers.solve` for the fields."""

    K: Operator
    Y: Float[np.ndarray, "n k"]
    ridge: float
    tol: float
    rank: int | None
    precondition: str
    store: str
    max_iterations: int
    seed: int
    checkpoint: str | Path | None
    progress: bool
    reason: str = ""
    auto: bool = False

    @property
    def n(self) -> int:
        """Rows."""
        return self.K.shape[0]

    def product(self, K: Any = None) -> Product:
        """Products with K + ridge I in float64."""
        source = self.K if K is None else K
        return lambda V: source.matmul(V) + self.ridge * V

    def relative(self, X: Float[np.ndarray, "n k"], product: Product) -> Float[np.ndarray, " k"]:
        """True residual of every column over its norm."""
        sizes = np.linalg.norm(self.Y, axis=0)
        return np.asarray(np.linalg.norm(self.Y - product(X), axis=0) / np.where(sizes > 0, sizes, 1.0))


def solution(
    job: Job, solver: str, X: Float[np.ndarray, "n k"], relative: Float[np.ndarray, " k"], **fields: Any
) -> Solution:
    """The answer to a job, with what every solver says of it; `fields` add to it and overrule it."""
    return Solution(
        **{
            "coefficients": X,
            "ridge": job.ridge,
            "solver": solver,
            "reason": job.reason,
            "residual": float(relative.max(initial=0.0)),
            "by_column": tuple(float(r) for r in relative),
            "tol": job.tol,
            **fields,
        }
    )
