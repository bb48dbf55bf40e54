"""Linear algebra of kernel matrices at any size, each answer with its true residual."""

from widthwise.solvers.choice import solve
from widthwise.solvers.coincidence import coincident_rows
from widthwise.solvers.dense import Factor, Inverse, factorise, inverse
from widthwise.solvers.eigen import Eigenvectors, RidgePath, eigh, eigh_factors, ridge_path
from widthwise.solvers.lanczos import SpectralMeasure, TopSpectrum, spectral_measure, top_eigenpairs
from widthwise.solvers.operators import Matrix, Operator, PackedTiles, as_operator
from widthwise.solvers.preconditioners import LowRank, nystroem, pivoted_cholesky
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
    "DiagonalEstimate",
    "Eigenvectors",
    "Estimate",
    "Factor",
    "Inverse",
    "LeaveOneOutEstimate",
    "LowRank",
    "Matrix",
    "Operator",
    "PackedTiles",
    "RidgePath",
    "Solution",
    "SpectralMeasure",
    "TopSpectrum",
    "as_operator",
    "coincident_rows",
    "degrees_of_freedom",
    "eigh",
    "eigh_factors",
    "factorise",
    "inverse",
    "inverse_diagonal",
    "leave_one_out_estimate",
    "log_determinant",
    "nystroem",
    "pivoted_cholesky",
    "ridge_path",
    "solve",
    "spectral_measure",
    "top_eigenpairs",
    "trace",
]
