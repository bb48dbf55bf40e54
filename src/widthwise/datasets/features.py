"""Feature scaling: columns standardised, a constant coordinate appended, rows brought to the unit sphere.

The theory of the infinite-width kernels is stated for rows of Euclidean norm 1. The constant coordinate plays
the part of a bias and keeps parallel rows apart.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from widthwise.datasets.dataset import Kind
from widthwise.datasets.names import counted
from widthwise.errors import DataError, UsageError

Scale = Literal["auto", "standardise", "unit", "none"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Features:
    """Features ready for a kernel or a network.

    Attributes:
        X: the scaled features; p = d, or d + 1 where a constant coordinate was appended (the last column).
        steps: what was done, in words, in order.
        tau: size of the constant coordinate, relative to the row norm it joins; 0.0 where none was appended.
        scale: as asked for.
    """

    X: Float[np.ndarray, "n p"]
    steps: tuple[str, ...]
    tau: float
    scale: Literal["standardise", "unit", "none"]


def resolve_scale(scale: Scale, kind: Kind) -> Literal["standardise", "unit", "none"]:
    """The scaling meant by "auto": columns of tables are standardised, images only brought to norm 1."""
    if scale != "auto":
        return scale
    return "standardise" if kind == "table" else "unit"


def prepare(
    X: ArrayLike,
    *,
    scale: Literal["standardise", "unit", "none"],
    tau: float,
    like: Float[np.ndarray, "m d"] | None = None,
) -> Features:
    r"""Scale features.

    .. math::
        \text{standardise:}\quad z_{ij} = (x_{ij} - \mu_j) / \sigma_j, \qquad
        x'_i = (z_i, \tau \sqrt d) / \lVert (z_i, \tau \sqrt d) \rVert

        \text{unit:}\quad x'_i = (x_i, \tau r) / \lVert (x_i, \tau r) \rVert, \qquad r = \operatorname{mean}_i
        \lVert x_i \rVert

        \text{none:}\quad x'_i = (x_i, \tau)

    The coordinate is appended only for tau > 0. Sigma is the population standard deviation; a constant column
    becomes zeros. Sums of squares are taken after scaling by powers of two, so 1e300 and 1e-300 are safe.
    Equal rows give bit-equal rows.

    Args:
        X: (n, d) finite numbers in any units.
        scale: what to do; see `resolve_scale` for "auto".
        tau: size of the constant coordinate, dimensionless for "standardise" and "unit", in units of X for
            "none".
        like: rows whose means, deviations and mean norm are used instead of those of X, such as the training rows.

    Returns:
        The scaled features with the steps in words.

    Raises:
        DataError: if X is not a finite matrix with at least one row and column, or a row to be brought to
            norm 1 is zero.
        UsageError: if tau is negative or not finite, or the scale is unknown.
    """
    if scale not in ("standardise", "unit", "none"):
        raise UsageError(f"scale must be 'standardise', 'unit' or 'none'; got {scale!r}")
    if not (math.isfinite(tau) and tau >= 0):
        raise UsageError(f"tau must be a finite number, 0 or more; got {tau}")
    rows = np.ascontiguousarray(X, dtype=np.float64)
    if rows.ndim != 2 or rows.size == 0:
        raise DataError(f"features must be a matrix with at least one row and one column; got shape {rows.shape}")
    if not np.isfinite(rows).all():
        i, j = np.argwhere(~np.isfinite(rows))[0]
        raise DataError(f"features must be finite; row {i}, column {j} holds {rows[i, j]} (counted from 0)")

    reference = rows if like is None else np.ascontiguousarray(like, dtype=np.float64)
    if reference.shape[1] != rows.shape[1]:
        raise DataError(
            f"rows must have the {reference.shape[1]} columns of those they are scaled like; {rows.shape[1]} came"
        )
    steps: list[str] = []
    constant = tau
    if scale == "standardise":
        rows, flat = _standardised(rows, reference)
        steps.append(f"each of {counted(rows.shape[1], 'column')} minus its mean, over its standard deviation")
        if flat:
            steps.append(f"{counted(flat, 'constant column')} set to 0")
        constant = tau * math.sqrt(rows.shape[1])
    elif scale == "unit" and tau > 0:
        exponent = -_exponent(np.abs(reference).max())  # the rows lose a common factor, as the norms do
        rows = np.ldexp(rows, exponent)
        constant = tau * float(_norms(np.ldexp(reference, exponent)).mean())
    if tau > 0:
        rows = np.column_stack((rows, np.full(len(rows), constant)))
        steps.append(f"constant coordinate appended: {_words(scale, tau)}")
    if scale != "none":
        rows = _unit(rows, tau)
        steps.append("rows brought to Euclidean norm 1")
    return Features(X=rows, steps=tuple(steps) or ("values as they are",), tau=float(tau), scale=scale)


def _words(scale: str, tau: float) -> str:
    return {
        "standardise": f"tau * sqrt(d) with tau = {tau:g}",
        "unit": f"tau * mean row norm with tau = {tau:g}",
        "none": f"{tau:g}",
    }[scale]


def _exponent(size: ArrayLike) -> Int[np.ndarray, "*shape"]:
    """The e for which size * 2^-e lies in [1/2, 1); 0 for 0."""
    return np.asarray(np.frexp(size)[1])


def _norms(rows: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
    """Euclidean norms; each row is summed on its own, in the same order."""
    return np.asarray(np.sqrt(np.add.reduce(rows * rows, axis=1)))


def _standardised(X: Float[np.ndarray, "n d"], like: Float[np.ndarray, "m d"]) -> tuple[Float[np.ndarray, "n d"], int]:
    """Columns standardised by the means and deviations of others, and how many of those were constant (now zeros)."""
    flat = like.max(axis=0) == like.min(axis=0)
    exponent = -_exponent(np.abs(like).max(axis=0))
    z = np.ldexp(like, exponent)
    first = z.mean(axis=0)
    z -= first
    second = z.mean(axis=0)  # the rounding of the first mean
    z -= second
    deviation = np.where(flat, 1.0, np.sqrt((z * z).mean(axis=0)))
    if X is not like:
        z = np.ldexp(X, exponent)
        z -= first
        z -= second
    z[:, flat] = 0.0
    z /= deviation
    return z, int(flat.sum())


def _unit(rows: Float[np.ndarray, "n p"], tau: float) -> Float[np.ndarray, "n p"]:
    size = np.abs(rows).max(axis=1, keepdims=True)
    zero = np.flatnonzero(size[:, 0] == 0)
    if zero.size:
        do = "pass tau > 0, which appends a constant coordinate, or remove the row"
        if tau > 0:
            do = "remove the row"
        raise DataError(
            f"a row brought to norm 1 must not be zero; row {zero[0]} (counted from 0) is, "
            f"and {counted(zero.size - 1, 'row')} more: {do}"
        )
    scaled = np.ldexp(rows, -_exponent(size))
    return np.asarray(scaled / _norms(scaled)[:, None])
