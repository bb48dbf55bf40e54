"""Would more data help: the learning curve that the kernel matrix of some rows predicts."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from widthwise import theory
from widthwise.audits.calibration import recorded
from widthwise.audits.generalisation import KERNEL, Chosen
from widthwise.audits.result import Growth
from widthwise.datasets import Dataset, stratified_rows
from widthwise.errors import SingularKernelError

# Rows whose kernel matrix the prediction is made from: a second of eigendecompositions at most.
ROWS = 1000
FEWEST = 40
BLOCKS = 4
# Numbers of rows, over those audited.
FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)


def growth(ds: Dataset, chosen: Chosen, Y: Float[np.ndarray, "n k"], *, folds: int, seed: int) -> Growth | None:
    """Predict the error on more and fewer rows; None below forty rows, or where the kernel with its ridge is singular.

    Args:
        ds: the data.
        chosen: scaling and ridge, the ridge over the kernel's mean diagonal.
        Y: coded targets, offset included; they are centred here.
        folds: of the nested predictions.
        seed: of the rows and of the band.
    """
    if ds.n < FEWEST:
        return None
    rows = stratified_rows(ds.y, min(ROWS, ds.n), task=ds.task, seed=seed)
    K = KERNEL(chosen.features.X[rows])
    ridge = chosen.ridge * float(np.mean(np.diag(K)))
    targets = Y[rows] - Y[rows].mean(axis=0)
    sizes = np.array([max(1, round(f * ds.n)) for f in FACTORS])
    try:
        risk = theory.risk(K, targets, ridge=ridge)
        loo = theory.leave_one_out(K, targets, ridge=ridge)
        curve = theory.learning_curve(K, targets, sizes=sizes, ridge=ridge, blocks=BLOCKS, seed=seed)
    except SingularKernelError:
        return None
    numbers = np.concatenate([curve.error, curve.low, curve.high, [risk.value, curve.noise_floor]])
    if not np.all(np.isfinite(numbers)) or not np.all(curve.error > 0):
        return None
    error = [float(v) for v in curve.error]
    return Growth(
        rows=len(rows),
        sizes=tuple(int(size) for size in sizes),
        error=tuple(error),
        low=tuple(float(v) for v in curve.low),
        high=tuple(float(v) for v in curve.high),
        extrapolated=tuple(bool(v) for v in curve.extrapolated),
        now=FACTORS.index(1.0),
        noise_floor=float(curve.noise_floor),
        effective_dimension=float(risk.effective_dimension),
        leave_one_out=float(loo.mean_square),
        generalised=float(risk.value),
        measured=float(np.mean(np.sum((Y - chosen.held_out) ** 2, axis=1))),
        measured_rows=ds.n - round(ds.n / folds),
        recorded=(
            recorded("error_2n", error[FACTORS.index(2.0)]),
            recorded("error_4n", error[FACTORS.index(4.0)]),
        ),
    )
