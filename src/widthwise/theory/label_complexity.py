r"""Data-dependent complexity of labels under a kernel, and what it would be for shuffled or random ones.

The measure :math:`\sqrt{2\,y^\top H^{-1} y/n}` is the leading term of a generalisation bound (:cite:t:`arora2019`,
theorem 5.1): its other terms are not evaluated here, so it ranks labellings and bounds nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
from jaxtyping import Float

from widthwise._checks import columns, count, square
from widthwise.errors import SingularKernelError, UsageError
from widthwise.solvers import inverse
from widthwise.theory.dynamics import Spectrum, shuffled_energies, spectrum_of

# A part of a column of labels outside the kernel's range, up to this share of its squared norm, counts as rounding
# of the eigenvectors.
RANGE_TOLERANCE = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class Complexity:
    """The measure of each column of labels.

    Attributes:
        by_column: sqrt(2 y'H^-1 y / n) for each column.
        residual: relative residual |y - H alpha| / |y| of the solve, the worst column's; y without its unreachable
            part. From a spectrum alone, H is what its eigenvectors rebuild.
        condition: estimate of the condition number of H; infinite where H is singular to working precision.
        unreachable: share of the labels' squared norm outside the range of H: what no network can fit.
    """

    by_column: Float[np.ndarray, " k"]
    residual: float
    condition: float
    unreachable: float

    @property
    def value(self) -> float:
        """Root mean square over the columns: the measure itself where there is one column."""
        return float(np.sqrt(np.mean(self.by_column**2)))


def complexity(
    gram: Float[np.ndarray, "n n"] | Spectrum,
    y: Float[np.ndarray, " n"] | Float[np.ndarray, "n k"],
    *,
    off_range: str = "raise",
) -> Complexity:
    r"""Data-dependent complexity of labels under a kernel.

    .. math:: C = \sqrt{2\, y^\top H^{-1} y / n}

    Args:
        gram: symmetric positive semi-definite kernel matrix H, or its spectrum.
        y: labels, in the units of the targets; the measure is linear in y. Centre them for anything but the paper's
            balanced -1/+1.
        off_range: what to do with labels outside the range of a singular H: `raise`, or `drop` that part, measure the
            rest (the nearest labels that can be fitted) and report the share dropped.

    Returns:
        The measure by column, the residual of the solve and the condition estimate. Above 1 the theorem says
        nothing; below 1 this is still only its leading term.

    Raises:
        SingularKernelError: if H is singular to working precision and y is not in its range.

    References:
        :cite:t:`arora2019`, theorem 5.1.
    """
    if off_range not in ("raise", "drop"):
        raise UsageError(f"off_range must be 'raise' or 'drop'; {off_range!r} came")
    if not isinstance(gram, Spectrum):
        square(gram, "gram")
        found = _by_cholesky(gram, columns(y, len(gram)))
        if found is not None:
            return found
        return _by_spectrum(spectrum_of(gram), y, off_range, gram)
    return _by_spectrum(gram, y, off_range, None)


def shuffled_complexity(spectrum: Spectrum, y: Float[np.ndarray, " n"] | Float[np.ndarray, "n k"]) -> float:
    r"""Root mean square of the complexity over all permutations of the labels, in closed form.

    .. math:: \tfrac{2}{n}\left[(p - q)\,\mathrm{tr} H^{-1} + q\, 1^\top H^{-1} 1\right]

    before the root, with p the mean square of y and q the mean product of two different entries. Columns are averaged
    as in `Complexity.value`. Eigenvalues at rounding are left out.
    """
    energies = shuffled_energies(spectrum, y)
    kept = spectrum.rank
    quadratic = np.sum(energies[:kept] / spectrum.values[:kept, None], axis=0)
    return float(np.sqrt(np.mean(2.0 * quadratic / len(spectrum.values))))


def random_label_complexity(spectrum: Spectrum, y: Float[np.ndarray, " n"], *, fraction: float) -> float:
    r"""Root mean square of the complexity when a fraction of -1/+1 labels is redrawn as fair coins, in closed form.

    .. math:: C(p)^2 = \tfrac{2}{n}\left[(1-p)^2\, y^\top H^{-1} y + (1 - (1-p)^2)\,\mathrm{tr} H^{-1}\right]

    since each label is kept with probability 1 - p and E[y y'] = (1-p)^2 y y' + (1 - (1-p)^2) I.

    Args:
        spectrum: of the kernel matrix.
        y: labels -1 or +1.
        fraction: p in [0, 1], the probability that a label is replaced.

    Raises:
        UsageError: if the fraction is outside [0, 1] or a label is not -1 or +1.
    """
    if not 0.0 <= fraction <= 1.0:
        raise UsageError(f"fraction must lie in [0, 1]; {fraction!r} came")
    if not np.all(np.abs(y) == 1.0):
        raise UsageError("labels must be -1 or +1; centred or weighted labels have no fair coin")
    kept = spectrum.rank
    costs = 1.0 / spectrum.values[:kept]
    clean = float(np.sum(spectrum.project(y)[:kept, 0] ** 2 * costs))
    keep = (1.0 - fraction) ** 2
    return float(np.sqrt(2.0 / len(y) * (keep * clean + (1.0 - keep) * float(costs.sum()))))


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelNoiseCurve:
    """The measure against the share of labels that are redrawn as fair coins.

    Attributes:
        fractions: p.
        measure: root of the mean square of the measure over the redrawn labels.
        clean: y' R y, with R the inverse of H at ridge 0.
        trace: tr R; over n, what a random label costs.
        ridge: r.
        residual: relative residual of the inverse; 0 from a spectrum.
    """

    fractions: Float[np.ndarray, " p"]
    measure: Float[np.ndarray, " p"]
    clean: float
    trace: float
    ridge: float
    residual: float


def label_noise_curve(
    gram: Float[np.ndarray, "n n"] | Spectrum,
    y: Float[np.ndarray, " n"],
    *,
    fractions: Float[np.ndarray, " p"],
    ridge: float = 0.0,
) -> LabelNoiseCurve:
    r"""The whole curve of complexity against label noise from two numbers, without a training or a relabelling.

    .. math:: C(p)^2 = \tfrac{2}{n}\left[(1-p)^2\, y^\top R y + (1 - (1-p)^2)\,\mathrm{tr} R\right], \qquad
        R = (H + rI)^{-1} H (H + rI)^{-1}

    R is :math:`H^{-1}` at ridge 0; :math:`y^\top R y` is the squared norm of the function that the ridge fits, the squared
    movement of the weights.

    Args:
        gram: H, or its spectrum. A matrix is inverted by Cholesky: a tenth of the time of a spectrum, for one ridge.
        y: labels -1 or +1.
        fractions: p in [0, 1].
        ridge: r, at least zero, in the units of H.

    Raises:
        UsageError: if a fraction is outside [0, 1], the ridge negative or a label not -1 or +1.
        SingularKernelError: if H + r I is singular to working precision.

    References:
        :cite:t:`arora2019`, figure 2; the closed form follows from E[yy'] as in `random_label_complexity`.
    """
    if not np.all(np.abs(y) == 1.0):
        raise UsageError("labels must be -1 or +1; centred or weighted labels have no fair coin")
    if np.any((fractions < 0.0) | (fractions > 1.0)):
        raise UsageError("fractions must lie in [0, 1]")
    residual = 0.0
    if isinstance(gram, Spectrum):
        shifted = gram.values + ridge
        if ridge < 0.0 or not shifted[-1] > gram.tolerance:
            raise SingularKernelError("H + r I must not be singular to working precision: use a larger ridge")
        weights = np.maximum(gram.values, 0.0) / shifted**2
        clean, trace = float(weights @ gram.project(y)[:, 0] ** 2), float(weights.sum())
    else:
        found = inverse(gram, shift=ridge)
        solved = found.matrix @ y
        # R = A - r A^2.
        clean = float(y @ solved) - ridge * float(solved @ solved)
        trace = float(np.trace(found.matrix)) - (ridge * float(np.sum(found.matrix**2)) if ridge else 0.0)
        residual = found.residual
    keep = (1.0 - fractions) ** 2
    return LabelNoiseCurve(
        fractions=fractions,
        measure=np.sqrt(2.0 / len(y) * (keep * clean + (1.0 - keep) * trace)),
        clean=clean,
        trace=trace,
        ridge=float(ridge),
        residual=residual,
    )


def shuffle_sample(
    spectrum: Spectrum,
    y: Float[np.ndarray, " n"] | Float[np.ndarray, "n k"],
    *,
    shuffles: int,
    seed: int | np.random.Generator,
) -> Float[np.ndarray, " shuffles"]:
    """Complexity (root mean square over columns) of the labels under random permutations of their rows."""
    count(shuffles, "shuffles")
    generator = np.random.default_rng(seed)
    Y = columns(y, len(spectrum.values))
    n, k = Y.shape
    kept = spectrum.rank
    weights = 2.0 / (n * spectrum.values[:kept])
    batch = max(1, int(2e7 // (n * k)))
    found = np.empty(shuffles)
    for start in range(0, shuffles, batch):
        these = min(batch, shuffles - start)
        stacked = np.concatenate([Y[generator.permutation(n)] for _ in range(these)], axis=1)
        energy = weights @ spectrum.project(stacked)[:kept] ** 2
        found[start : start + these] = np.sqrt(energy.reshape(these, k).mean(axis=1))
    return found


def _by_cholesky(H: Float[np.ndarray, "n n"], Y: Float[np.ndarray, "n k"]) -> Complexity | None:
    """The measure by one Cholesky solve and one step of refinement; None where H is singular to working precision."""
    norm = float(np.abs(H).sum(axis=0).max())
    try:
        factor = scipy.linalg.cho_factor(H, lower=True, check_finite=False)
    except scipy.linalg.LinAlgError:
        return None
    reciprocal, _ = scipy.linalg.lapack.dpocon(factor[0], norm, uplo="L")
    if not reciprocal > len(H) * np.finfo(np.float64).eps:
        return None
    alpha = scipy.linalg.cho_solve(factor, Y, check_finite=False)
    alpha += scipy.linalg.cho_solve(factor, Y - H @ alpha, check_finite=False)
    sizes = np.linalg.norm(Y, axis=0)
    residual = np.linalg.norm(Y - H @ alpha, axis=0) / np.where(sizes > 0, sizes, 1.0)
    return Complexity(
        by_column=np.sqrt(2.0 * np.maximum(np.sum(Y * alpha, axis=0), 0.0) / len(H)),
        residual=float(residual.max()),
        condition=float(1.0 / reciprocal),
        unreachable=0.0,
    )


def _by_spectrum(
    spectrum: Spectrum,
    y: Float[np.ndarray, " n"] | Float[np.ndarray, "n k"],
    off_range: str,
    gram: Float[np.ndarray, "n n"] | None,
) -> Complexity:
    Y = columns(y, len(spectrum.values))
    kept = spectrum.rank
    projections = spectrum.project(Y)
    total = float(np.sum(Y**2))
    outside = np.sum(projections[kept:] ** 2, axis=0)
    unreachable = float(outside.sum()) / total if total > 0 else 0.0
    # By column: one of small numbers must not hide behind one of large ones.
    if np.all(outside <= RANGE_TOLERANCE * np.sum(Y**2, axis=0)):
        unreachable = 0.0
    elif off_range == "raise":
        raise SingularKernelError(
            f"the labels must lie in the range of the kernel matrix; {unreachable:.2g} of their squared norm lies "
            f"outside{_coinciding(gram)}. Merge rows that coincide, or pass off_range='drop'"
        )
    quadratic = np.sum(projections[:kept] ** 2 / spectrum.values[:kept, None], axis=0)
    inside = np.where(np.arange(len(Y))[:, None] < kept, projections, 0.0)
    if gram is None:
        rebuilt = spectrum.combine(inside)
    else:
        # Eigenvalues at rounding have no projection left to divide.
        rebuilt = gram @ spectrum.combine(inside / np.where(inside == 0.0, 1.0, spectrum.values[:, None]))
    reachable = Y - spectrum.combine(projections - inside)
    sizes = np.linalg.norm(Y, axis=0)
    residual = np.linalg.norm(reachable - rebuilt, axis=0) / np.where(sizes > 0, sizes, 1.0)
    return Complexity(
        by_column=np.sqrt(2.0 * quadratic / len(Y)),
        residual=float(residual.max()),
        condition=spectrum.condition,
        unreachable=unreachable,
    )


def _coinciding(gram: Float[np.ndarray, "n n"] | None) -> str:
    """Name up to five pairs of rows that the kernel cannot tell apart."""
    if gram is None:
        return ""
    size = np.sqrt(np.maximum(np.diag(gram), 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        alike = np.abs(np.tril(gram / np.outer(size, size) - 1.0, -1) + np.triu(np.ones_like(gram))) < 1e-14
    pairs = np.argwhere(alike)[:5]
    named = ", ".join(f"{int(j)} and {int(i)}" for i, j in pairs)
    return f" (rows that coincide: {named})" if named else ""
