"""How the tangent kernel moves while a network trains, and what of it the labels see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from widthwise._checks import count
from widthwise.solvers import eigh
from widthwise.training.probes.host import doubles, mean_kernel, measured, nothing
from widthwise.training.snapshot import Snapshot


@dataclass(frozen=True)
class KernelDrift:
    r"""Drift of the empirical tangent kernel K(t), its ends and its alignment with the labels, in float64.

    - `norm`: :math:`\|K(t) - K(0)\|_F / \|K(0)\|_F`, at least zero. Under a logistic loss kernels grow; see `cosine`.
    - `cosine`: :math:`\langle K(t), K(0)\rangle_F / (\|K(t)\|_F \|K(0)\|_F)`, blind to scale, in [0, 1].
    - `cka`: the same of the kernels centred in rows and columns, in [0, 1]; no number for one row.
    - `smallest`, `largest`: eigenvalues of K(t), in the units of the kernel.
    - `alignment`: :math:`\langle K(t), YY^\top\rangle_F / (\|K(t)\|_F \|YY^\top\|_F)`, for one output
      :math:`y^\top K y / (\|K\|_F \|y\|^2)`.

    With several outputs K is the mean of their kernels. Two kernels and one eigendecomposition for each measurement.

    Args:
        rows: at most so many training rows, spread evenly over them.
    """

    rows: int | None = 500
    name: str = "kernel"
    on_host: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.rows is not None:
            count(self.rows, "rows")

    def __call__(self, snapshot: Snapshot) -> dict[str, np.ndarray]:
        """The six numbers."""
        state = doubles(snapshot)
        chosen = spread_indices(len(state.X), self.rows)
        X, Y = state.X[chosen], state.Y[chosen]
        now = mean_kernel(snapshot.net, state.params, X)
        if not np.all(np.isfinite(now)):
            return nothing("norm", "cosine", "cka", "smallest", "largest", "alignment")
        start = mean_kernel(snapshot.net, state.start, X)
        values, _ = eigh(now)
        return measured(
            norm=np.linalg.norm(now - start) / np.linalg.norm(start),
            cosine=kernel_cosine(now, start),
            cka=kernel_cosine(centred(now), centred(start)),
            smallest=values[-1],
            largest=values[0],
            alignment=kernel_cosine(now, Y @ Y.T),
        )


def kernel_cosine(K: Float[np.ndarray, "n n"], other: Float[np.ndarray, "n n"]) -> float:
    """Cosine of two matrices in the Frobenius product; no number if one of them is zero."""
    scale = np.linalg.norm(K) * np.linalg.norm(other)
    return float(np.vdot(K, other) / scale) if scale > 0 else float("nan")


def centred(K: Float[np.ndarray, "n n"]) -> Float[np.ndarray, "n n"]:
    """The kernel of the features less their mean: rows and columns sum to zero."""
    rows = K - K.mean(axis=0, keepdims=True)
    return np.asarray(rows - rows.mean(axis=1, keepdims=True))


def spread_indices(n: int, rows: int | None) -> np.ndarray:
    """At most so many of n indices, spread evenly over all; the same ones each time."""
    return np.arange(n) if rows is None or rows >= n else np.linspace(0, n - 1, rows).round().astype(int)
