"""Singular values of the accumulated update: how many directions training has used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from widthwise._checks import count
from widthwise.errors import UsageError
from widthwise.networks.network import Network
from widthwise.training.probes.distances import trained_matrices
from widthwise.training.probes.host import doubles, measured
from widthwise.training.snapshot import Snapshot


@dataclass(frozen=True)
class UpdateSpectrum:
    r"""Spectrum of the update of one weight matrix, and three counts of its directions.

    For singular values :math:`\sigma_1 \ge \sigma_2 \ge \dots` of W(t) - W(0): `stable_rank`
    :math:`\|\cdot\|_F^2/\sigma_1^2`; `effective_rank` :math:`\exp(-\sum_i p_i \log p_i)` with
    :math:`p_i = \sigma_i/\sum_j\sigma_j`; `above`, the number of values above `share` of the first. Ranks are between one
    and that of the matrix, zero before anything moves.

    Args:
        layer: key of the matrix; the first one that is trained when not given.
        values: number of largest singular values to keep, in the units of the weights; zeros beyond the matrix' rank.
        share: of the first one, for the count.

    References:
        :cite:t:`liliang2018`, figure 1(d).
    """

    layer: str | None = None
    values: int = 32
    share: float = 0.01
    name: str = "spectrum"
    on_host: ClassVar[bool] = True

    def __post_init__(self) -> None:
        count(self.values, "values")
        if not 0.0 <= self.share < 1.0:
            raise UsageError(f"share must be in [0, 1); {self.share!r} came")

    def check(self, net: Network, X: Float[np.ndarray, "n d"], Y: Float[np.ndarray, "n k"]) -> None:  # noqa: ARG002
        """Refuse a matrix that is not trained.

        Raises:
            UsageError: naming those that are.
        """
        self._matrix(net)

    def _matrix(self, net: Network) -> str:
        trained = trained_matrices(net)
        if self.layer is not None and self.layer not in trained:
            raise UsageError(
                f"layer must be a weight matrix that is trained: {', '.join(trained)}; {self.layer!r} came"
            )
        return self.layer if self.layer is not None else trained[0]

    def __call__(self, snapshot: Snapshot) -> dict[str, np.ndarray]:
        """`values`, `stable_rank`, `effective_rank` and `above`, from an SVD in float64."""
        update = doubles(snapshot).update[self._matrix(snapshot.net)]
        found = singular_values(update)
        kept = np.zeros(self.values)
        kept[: len(found)] = found[: self.values]
        return measured(
            values=kept,
            stable_rank=stable_rank(found),
            effective_rank=effective_rank(found),
            above=np.count_nonzero(found > self.share * found[0]),
        )


def singular_values(matrix: Float[np.ndarray, "m d"]) -> Float[np.ndarray, " r"]:
    """Singular values, largest first; not numbers if the matrix is not finite."""
    if not np.all(np.isfinite(matrix)):
        return np.full(min(matrix.shape), np.nan)
    return np.asarray(np.linalg.svd(matrix, compute_uv=False))


def stable_rank(values: Float[np.ndarray, " r"]) -> float:
    """Squared Frobenius norm over the squared largest singular value; zero for a zero matrix."""
    return float(np.sum((values / values[0]) ** 2)) if values[0] != 0 else 0.0


def effective_rank(values: Float[np.ndarray, " r"]) -> float:
    """Exponential of the entropy of the singular values over their sum; zero for a zero matrix."""
    if values[0] == 0:
        return 0.0
    shares = values / values.sum()
    positive = shares[~(shares <= 0)]
    return float(np.exp(-np.sum(positive * np.log(positive))))
