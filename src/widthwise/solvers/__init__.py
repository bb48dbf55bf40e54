"""Linear algebra of kernel matrices at any size, each answer with its true residual."""

from widthwise.solvers.choice import solve
from widthwise.solvers.coincidence import agreed, coincident_rows
from widthwise.solvers.conjugate_gradients import Refined, refine
from widthwise.solvers.dense import Factor, Inverse, InverseDiagonal, factorise, inverse, inverse_with_diagonal
from widthwise.solvers.eigen import Eigenvectors, RidgePath, eigh, eigh_factors, ridge_path
from widthwise.solvers.lanczos import SpectralMeasure, TopSpectrum, spectral_measure, top_eigenpairs
from widthwise.solvers.neighbours import conditional_variances, nearest, sharpened
from widthwise.solvers.operators import Matrix, Operator, as_operator
from widthwise.solvers.packed import PackedTiles, SplitTiles
from widthwise.solvers.preconditioners import Deflation, LowRank, nystroem, pivoted_cholesky
from widthwise.solvers.solution import Solution
from widthwise.solvers.stochastic import (
    DiagonalEstimate,
    Estimate,
    LeaveOneOutEstimate,
    degrees_of_freedom,
    inverse_diagonal,
    leave_one_out_estimate,
    log_determinant,
    trace,
)

__all__ = [
    "Deflation",
    "DiagonalEstimate",
    "Eigenvectors",
    "Estimate",
    "Factor",
    "Inverse",
    "InverseDiagonal",
    "LeaveOneOutEstimate",
    "LowRank",
    "Matrix",
    "Operator",
    "PackedTiles",
    "Refined",
    "RidgePath",
    "Solution",
    "SpectralMeasure",
    "SplitTiles",
    "TopSpectrum",
    "agreed",
    "as_operator",
    "coincident_rows",
    "conditional_variances",
    "degrees_of_freedom",
    "eigh",
    "eigh_factors",
    "factorise",
    "inverse",
    "inverse_diagonal",
    "inverse_with_diagonal",
    "leave_one_out_estimate",
    "log_determinant",
    "nearest",
    "nystroem",
    "pivoted_cholesky",
    "refine",
    "ridge_path",
    "sharpened",
    "solve",
    "spectral_measure",
    "top_eigenpairs",
    "trace",
]
