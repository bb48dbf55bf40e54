"""What a solve answers: coefficients, and everything that tells how far to trust them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True, kw_only=True, eq=False)
class Solution:
    """Solution of (K + ridge I) A = Y, or of the system nearest to it that has one.

    Attributes:
        coefficients: A, of the shape of Y.
        ridge: what was added to the diagonal of K.
        solver: `cholesky`, `mixed`, `eigen`, `cg` or `nystroem`.
        reason: why this one.
        residual: |Y - (K + ridge I) A| / |Y|, the worst column's, in float64 from the matrix itself, or from all of its float64
            values where these are held. Where the system is singular, of the part of Y within its range; for `nystroem`, of
            the normal equations that stand in for the system.
        by_column: the same for each column.
        tol: what was asked of the residual.
        condition: estimate of the condition number of K + ridge I; infinite where it is singular to working precision.
        iterations: products with the matrix of an iterative solver; 0 for a direct one.
        refinements: true residuals evaluated after the first solve.
        precision: of the parts.
        rank: dimension of the range in which the system was solved, as far as it is known: n where it is regular.
        outside: share of the squared norm of Y outside the range of a singular system: no A reaches it.
        coincident: groups of rows that K cannot tell apart, where the system was found singular.
        approximate: whether K was replaced by an approximation.
        stagnated: whether refinement stopped because the residual no longer fell.
        history: the worst column's true residual after each refinement.
    """

    coefficients: Float[np.ndarray, "n k"] | Float[np.ndarray, " n"]
    ridge: float
    solver: str
    reason: str
    residual: float
    by_column: tuple[float, ...]
    tol: float
    condition: float
    iterations: int = 0
    refinements: int = 0
    precision: str = "float64"
    rank: int | None = None
    outside: float = 0.0
    coincident: tuple[tuple[int, ...], ...] = ()
    approximate: bool = False
    stagnated: bool = False
    history: tuple[float, ...] = ()

    @property
    def converged(self) -> bool:
        """Whether the true residual is what was asked for."""
        return bool(self.residual <= self.tol)

    def __str__(self) -> str:
        parts = [
            f"{self.solver}: {self.reason}. Residual {self.residual:.2g} (asked: {self.tol:.2g}), {self.precision}"
        ]
        parts.append(f"condition about {self.condition:.2g}" if np.isfinite(self.condition) else "singular")
        if self.iterations:
            parts.append(f"{self.iterations} iterations in {self.refinements} rounds")
        text = ", ".join(parts) + "."
        if self.approximate:
            text += " The kernel was approximated."
        elif not self.converged:
            text += " NOT CONVERGED" + (": the residual no longer falls in this precision." if self.stagnated else ".")
        if self.solver == "cg" and self.ridge == 0.0 and not self.converged:
            text += (
                " Without a ridge the matrix may be singular for another reason than rows that coincide, and targets outside its "
                "range spoil conjugate gradients: use a ridge, or solver='eigen' where memory allows."
            )
        if self.outside:
            text += f" {self.outside:.2g} of the squared norm of the targets is outside the range."
        if self.coincident:
            groups = "; ".join(", ".join(map(str, group)) for group in self.coincident[:5])
            text += f" Rows that coincide: {groups}" + (" and more." if len(self.coincident) > 5 else ".")
        return text
