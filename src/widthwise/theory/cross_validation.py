r"""Held-out predictions of kernel ridge regression in closed form: leave one out, leave a group out, nested folds.

With :math:`A = (K + rI)^{-1}` and any set F of rows, the residuals of the predictions made without F are
:math:`A_{FF}^{-1} (A y)_F`, and the inverse for the remaining rows T is the Schur complement
:math:`A_{TT} - A_{TF} A_{FF}^{-1} A_{FT}`. One inverse therefore answers for every fold, and for the leave-one-out
inside every fold. Centring by the mean of the rows that remain is linear and is carried along exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import scipy.linalg
from jaxtyping import Float, Int

from widthwise._checks import columns, square
from widthwise.errors import DataError, SingularKernelError, UsageError
from widthwise.solvers import Inverse, InverseDiagonal, as_operator, factorise, inverse, inverse_with_diagonal


@dataclass(frozen=True, kw_only=True, eq=False)
class LeaveOneOut:
    """Predictions for each row by kernel ridge regression on the other rows.

    Attributes:
        predictions: in the units of y, one column for each output.
        residuals: y minus the predictions.
        ridge: what was added to the diagonal of the kernel matrix.
        solve_residual: relative residual of the solve behind them.
        condition: estimate of the condition number of K + ridge I.
    """

    predictions: Float[np.ndarray, "n k"]
    residuals: Float[np.ndarray, "n k"]
    ridge: float
    solve_residual: float
    condition: float

    @property
    def mean_square(self) -> float:
        """Mean over rows of the squared residual, summed over columns."""
        return _mean_square(self.residuals)


@dataclass(frozen=True, kw_only=True, eq=False)
class NestedScores:
    """What one kernel matrix and one ridge give, in and out of every fold.

    Attributes:
        ridge: added to the diagonal.
        loo: leave-one-out over all rows.
        outer: its mean square, or with groups that of leave-group-out.
        inner: for each fold, the same within its training part.
        held_out: predictions for each row made without its fold.
    """

    ridge: float
    loo: LeaveOneOut
    outer: float
    inner: Float[np.ndarray, " folds"]
    held_out: Float[np.ndarray, "n k"]


def leave_one_out(
    K: Float[np.ndarray, "n n"],
    y: Float[np.ndarray, " n"] | Float[np.ndarray, "n k"],
    *,
    ridge: float,
    groups: Int[np.ndarray, " n"] | None = None,
    center: bool = False,
) -> LeaveOneOut:
    r"""Leave-one-out predictions of kernel ridge regression, exact and without a refit.

    .. math:: y_i - \hat f_{-i}(x_i) = (A y)_i / A_{ii}, \qquad A = (K + rI)^{-1}

    Args:
        K: kernel matrix of all rows.
        y: targets, one column for each output.
        ridge: r, at least zero, in the units of K.
        groups: labels of groups of rows that are left out together; each row alone when not given.
        center: subtract the mean of the remaining rows' targets before each fit and add it to the prediction.

    Raises:
        SingularKernelError: if K + r I is singular to working precision.
        DataError: if the shapes do not fit.
        UsageError: if there is only one group.

    References:
        :cite:t:`hastie2009`, section 7.10; the block form by the same partitioned inverse.
    """
    return _left_out(K, y, ridge, (groups,), center)[0]


def leave_groups_out(
    K: Float[np.ndarray, "n n"],
    y: Float[np.ndarray, " n"] | Float[np.ndarray, "n k"],
    *,
    ridge: float,
    groups: Sequence[Int[np.ndarray, " n"] | None],
    center: bool = False,
) -> tuple[LeaveOneOut, ...]:
    """`leave_one_out` for several ways to group the same rows, from one inverse.

    Args:
        K: kernel matrix of all rows.
        y: targets, one column for each output.
        ridge: r, at least zero, in the units of K.
        groups: for each answer the labels of its groups, or None for each row alone.
        center: subtract the mean of the remaining rows' targets before each fit and add it to the prediction.

    Raises:
        SingularKernelError: if K + r I is singular to working precision.
        DataError: if the shapes do not fit.
        UsageError: if there is only one group.
    """
    return _left_out(K, y, ridge, groups, center)


def nested_scores(
    K: Float[np.ndarray, "n n"],
    y: Float[np.ndarray, " n"] | Float[np.ndarray, "n k"],
    *,
    ridge: float,
    folds: Sequence[Int[np.ndarray, " _"]],
    groups: Int[np.ndarray, " n"] | None = None,
) -> NestedScores:
    """Held-out predictions of every fold, and the leave-one-out score inside every training part, from one inverse.

    Targets are centred by the mean of the rows that are trained on, everywhere.

    Args:
        K: kernel matrix of all rows.
        y: targets, one column for each output.
        ridge: added to the diagonal, in the units of K.
        folds: rows of each held-out part; every row is in exactly one.
        groups: labels of groups of rows that the scores leave out together. A training part that holds one group only, from which
            none can be left out, is scored row by row.

    Raises:
        UsageError: if a row is in no fold or in several, or there is only one group.
        DataError: if the shapes do not fit.
        SingularKernelError: if K + ridge I is singular to working precision.
    """
    square(K)
    Y = columns(y, len(K))
    _check_groups(groups, len(K))
    A = inverse(K, shift=ridge)
    if not np.array_equal(np.sort(np.concatenate(folds)), np.arange(len(K))):
        raise UsageError(f"folds must hold each of the {len(K)} rows exactly once")
    applied = _apply(A, Y)
    held_out = np.empty_like(Y)
    inner = np.empty(len(folds))
    for number, out in enumerate(folds):
        residuals, inner[number] = _fold(applied, Y, out, groups)
        held_out[out] = Y[out] - residuals
    loo = _loo(A, _loo_residuals(applied.diagonal, applied.Ay, applied.A1, Y, True), Y)
    outer = loo.mean_square
    if groups is not None:
        outer = _mean_square(_group_residuals(applied.block, applied.Ay, applied.A1, Y, groups, center=True))
    return NestedScores(ridge=float(ridge), loo=loo, outer=outer, inner=inner, held_out=held_out)


@dataclass(frozen=True, kw_only=True, eq=False)
class ForwardBlocks:
    """Predictions for each block of rows by kernel ridge regression on the rows before it.

    Attributes:
        rows: rows that were predicted: all after the first block.
        predictions: of these rows, in the units of y.
        residuals: y minus the predictions.
        block_errors: mean square of the residuals of each block after the first, summed over columns.
        ridge: added to the diagonal.
    """

    rows: Int[np.ndarray, " m"]
    predictions: Float[np.ndarray, "m k"]
    residuals: Float[np.ndarray, "m k"]
    block_errors: Float[np.ndarray, " b"]
    ridge: float

    @property
    def mean_square(self) -> float:
        """Mean over the predicted rows of the squared residual, summed over columns."""
        return _mean_square(self.residuals)


def forward_blocks(
    K: Float[np.ndarray, "n n"],
    y: Float[np.ndarray, " n"] | Float[np.ndarray, "n k"],
    *,
    ridge: float,
    starts: Sequence[int] | Int[np.ndarray, " b"],
    center: bool = False,
) -> ForwardBlocks:
    r"""Forward-block errors: every block of rows predicted from all rows before it, from one factorisation.

    With :math:`K + rI = LL^\top` in the order of the rows and :math:`z = L^{-1}y`, the residual of block b of the fit to the rows
    before it is :math:`L_{bb} z_b`: what comes later touches neither.

    Args:
        K: kernel matrix of all rows, in the order of time.
        y: targets, one column for each output.
        ridge: r, at least zero, in the units of K.
        starts: first row of each block after the first, increasing, between 1 and n - 1.
        center: subtract the mean of the earlier rows' targets before each fit and add it to the prediction.

    Raises:
        SingularKernelError: if K + r I is singular to working precision.
        DataError: if the shapes do not fit.
        UsageError: if the starts do not increase within the rows.
    """
    square(K)
    n = len(K)
    Y = columns(y, n)
    cuts = [int(s) for s in starts]
    if not cuts or cuts[0] < 1 or cuts[-1] >= n or any(b <= a for a, b in pairwise(cuts)):
        raise UsageError(f"starts must increase from at least 1 to at most {n - 1}; {cuts} came")
    factor = factorise(as_operator(K), shift=ridge)
    if factor is None or factor.condition * np.finfo(np.float64).eps >= 1.0:
        raise SingularKernelError(
            f"the kernel matrix of {n} rows plus {ridge:.3g} on its diagonal must be positive definite; it is singular to "
            "working precision (rows that coincide do this). Use a larger ridge"
        )
    scale = factor.scale[:, None]
    L = np.tril(factor.left())
    z = scipy.linalg.solve_triangular(L, np.column_stack([Y, np.ones(n)]) * scale, lower=True, check_finite=False)
    residuals = np.empty((n - cuts[0], Y.shape[1]))
    errors = []
    for start, stop in pairwise([*cuts, n]):
        block = slice(start, stop)
        found = (L[block, block] @ z[block]) / scale[block]
        mean = Y[:start].mean(axis=0) if center else np.zeros(Y.shape[1])
        part = found[:, :-1] - found[:, -1:] * mean
        residuals[start - cuts[0] : stop - cuts[0]] = part
        errors.append(_mean_square(part))
    rows = np.arange(cuts[0], n)
    return ForwardBlocks(
        rows=rows,
        predictions=Y[rows] - residuals,
        residuals=residuals,
        block_errors=np.array(errors),
        ridge=float(ridge),
    )


def generalised_cross_validation(
    K: Float[np.ndarray, "n n"], y: Float[np.ndarray, " n"] | Float[np.ndarray, "n k"], *, ridge: float
) -> float:
    r"""Generalised cross-validation of kernel ridge regression, :math:`n\,\|Ay\|^2 / \mathrm{tr}(A)^2` with A = (K + rI)^-1.

    Leave-one-out with every :math:`A_{ii}` replaced by their mean, which makes it invariant to rotations of the rows. In the units
    of `LeaveOneOut.mean_square`.

    Args:
        K: kernel matrix of all rows.
        y: targets, one column for each output.
        ridge: r, at least zero, in the units of K.

    Raises:
        SingularKernelError: if K + r I is singular to working precision.
        DataError: if the shapes do not fit.

    References:
        :cite:t:`hastie2009`, section 7.10.
    """
    square(K)
    Y = columns(y, len(K))
    A = inverse_with_diagonal(K, Y, shift=ridge)
    return float(len(K) * np.sum(A.products**2) / np.sum(A.diagonal) ** 2)


def _left_out(
    K: np.ndarray, y: np.ndarray, ridge: float, groups: Sequence[np.ndarray | None], center: bool
) -> tuple[LeaveOneOut, ...]:
    square(K)
    Y = columns(y, len(K))
    for labels in groups:
        _check_groups(labels, len(K))
    if all(labels is None for labels in groups):
        # Rows left out alone need nothing of the inverse but its diagonal.
        parts = inverse_with_diagonal(K, np.column_stack([Y, np.ones(len(Y))]), shift=ridge)
        products = parts.products
        residuals = _loo_residuals(parts.diagonal, products[:, :-1], products[:, -1], Y, center)
        return (_loo(parts, residuals, Y),) * len(groups)
    A = inverse(K, shift=ridge)
    applied = _apply(A, Y)
    found = []
    for labels in groups:
        if labels is None:
            residuals = _loo_residuals(applied.diagonal, applied.Ay, applied.A1, Y, center)
        else:
            residuals = _group_residuals(applied.block, applied.Ay, applied.A1, Y, labels, center=center)
        found.append(_loo(A, residuals, Y))
    return tuple(found)


def _check_groups(labels: np.ndarray | None, n: int) -> None:
    if labels is None:
        return
    if len(labels) != n:
        raise DataError(f"groups must name each of the {n} rows of the kernel; {len(labels)} came")
    if np.all(labels == labels[0]):
        raise UsageError("groups must name at least two groups; one came")


def _mean_square(residuals: Float[np.ndarray, "n k"]) -> float:
    """Mean over rows, summed over columns."""
    return float(np.mean(np.sum(residuals**2, axis=1)))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Applied:
    """The inverse, and what every fold needs of it."""

    matrix: Float[np.ndarray, "n n"]
    diagonal: Float[np.ndarray, " n"]
    Ay: Float[np.ndarray, "n k"]
    A1: Float[np.ndarray, " n"]

    def block(self, rows: Int[np.ndarray, "g s"]) -> Float[np.ndarray, "g s s"]:
        """The blocks of the inverse that belong to g groups of s rows each."""
        return np.asarray(self.matrix[rows[:, :, None], rows[:, None, :]])


def _apply(A: Inverse, Y: Float[np.ndarray, "n k"]) -> _Applied:
    return _Applied(matrix=A.matrix, diagonal=np.diag(A.matrix), Ay=A.matrix @ Y, A1=A.matrix.sum(axis=1))


def _loo(A: Inverse | InverseDiagonal, residuals: Float[np.ndarray, "n k"], Y: Float[np.ndarray, "n k"]) -> LeaveOneOut:
    return LeaveOneOut(
        predictions=Y - residuals,
        residuals=residuals,
        ridge=A.shift,
        solve_residual=A.residual,
        condition=A.condition,
    )


def _loo_residuals(
    diagonal: Float[np.ndarray, " n"],
    Ay: Float[np.ndarray, "n k"],
    A1: Float[np.ndarray, " n"],
    Y: Float[np.ndarray, "n k"],
    center: bool,
) -> Float[np.ndarray, "n k"]:
    if center:
        others = (Y.sum(axis=0) - Y) / (len(Y) - 1)
        Ay = Ay - others * A1[:, None]
    return np.asarray(Ay / diagonal[:, None])


def _group_residuals(
    block: Callable[[Int[np.ndarray, "g s"]], Float[np.ndarray, "g s s"]],
    Ay: Float[np.ndarray, "n k"],
    A1: Float[np.ndarray, " n"],
    Y: Float[np.ndarray, "n k"],
    labels: Int[np.ndarray, " n"],
    *,
    center: bool,
) -> Float[np.ndarray, "n k"]:
    """Residuals of every group in the fit without it; groups of one size are solved side by side."""
    order = np.argsort(labels, kind="stable")
    starts = np.append(0, np.flatnonzero(np.diff(labels[order])) + 1)
    sizes = np.diff(np.append(starts, len(order)))
    found = np.empty_like(Y)
    for size in np.unique(sizes):
        rows = order[starts[sizes == size][:, None] + np.arange(size)]
        right = Ay[rows]
        if center:
            remaining = (Y.sum(axis=0) - Y[rows].sum(axis=1)) / (len(Y) - size)
            right = right - remaining[:, None, :] * A1[rows][:, :, None]
        found[rows] = np.linalg.solve(block(rows), right)
    return found


def _fold(
    applied: _Applied, Y: Float[np.ndarray, "n k"], out: Int[np.ndarray, " m"], groups: Int[np.ndarray, " n"] | None
) -> tuple[Float[np.ndarray, "m k"], float]:
    """Residuals on a fold, and the mean square of leaving rows or groups out within the rows that remain, from one factor."""
    kept = np.setdiff1d(np.arange(len(Y)), out)
    block, cross = applied.matrix[np.ix_(out, out)], applied.matrix[np.ix_(out, kept)]
    factor = np.linalg.cholesky(block)
    targets, ones = Y[out], np.ones((len(out), 1))
    # A times the targets and ones of the remaining rows alone: what the fold's own rows add is taken off.
    whole = np.column_stack([applied.Ay, applied.A1])
    own = np.column_stack([targets, ones])
    centred = applied.Ay[out] - Y[kept].mean(axis=0) * applied.A1[out, None]
    right = np.column_stack([centred, whole[out] - block @ own])
    half = scipy.linalg.solve_triangular(
        factor, np.column_stack([right, cross]), lower=True, check_finite=False, overwrite_b=True
    )
    k = Y.shape[1]
    residuals = scipy.linalg.solve_triangular(factor, half[:, :k], lower=True, trans="T", check_finite=False)
    schur = half[:, 2 * k + 1 :]
    remaining = whole[kept] - cross.T @ own - schur.T @ half[:, k : 2 * k + 1]
    if groups is not None and np.any(groups[kept] != groups[kept[0]]):

        def left(rows: Int[np.ndarray, "g s"]) -> Float[np.ndarray, "g s s"]:
            part = schur[:, rows]
            return np.asarray(applied.block(kept[rows]) - part.transpose(1, 2, 0) @ part.transpose(1, 0, 2))

        inside = _group_residuals(left, remaining[:, :-1], remaining[:, -1], Y[kept], groups[kept], center=True)
        return np.asarray(residuals), _mean_square(inside)
    diagonal = applied.diagonal[kept] - np.einsum("ij,ij->j", schur, schur)
    inner = _loo_residuals(diagonal, remaining[:, :-1], remaining[:, -1], Y[kept], True)
    return np.asarray(residuals), _mean_square(inner)
