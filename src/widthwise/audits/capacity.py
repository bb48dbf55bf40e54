"""How large the blocks of an audit without square matrices are, and whether they fit into memory."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from widthwise._checks import available_memory
from widthwise.errors import ResourceError
from widthwise.solvers import PackedTiles
from widthwise.solvers import conjugate_gradients as recursion
from widthwise.solvers.preconditioners import RANK

# Rows from which this is faster than dense linear algebra on two cores.
ROWS = 8000
# Rows on which scaling and first ridge are looked for by dense leave-one-out, and on which models are compared.
COMPARED = 5000
# Products of the Lanczos process; the last third tells how far it has converged.
STEPS = 45
# float32 products of any number of columns run at the speed of the next multiple of this; spare ones become probes.
STRIP = 16
PROBES = 5
# Nearest rows that tell the shape of the inverse's diagonal.
NEIGHBOURS = 30
# Of the true residuals: of the search and the folds, and of what is reported.
LOOSE, TIGHT = 1e-3, 1e-4
MOST_ITERATIONS = 400
# Eigenvalues below this share of the largest are not told from zero by products of float32.
RESOLUTION = float(np.finfo(np.float32).eps)
# A Lanczos node this close to an eigenvalue, over the largest, is one.
CONVERGED = 1e-6
# A recursion in float32 is followed down to here before its true residual is evaluated.
TRUSTED = recursion.TRUSTED["float32"]

Advance = Callable[[float, str], None]


def needed_memory(n: int, d: int, k: int, folds: int) -> float:
    """Bytes held at once at most: half a matrix in float32, its preconditioners, the Lanczos basis, the features."""
    columns = rank(n)
    tiles = float(PackedTiles.bytes_for(n, "float32"))
    lanczos = 8.0 * n * (STEPS + 1) * width(k)
    # The approximation and its factor in float64, a float32 copy for each fold.
    low_rank = n * columns * (8.0 + 8.0 + 4.0 * folds)
    vectors = 8.0 * n * (6 * folds * max(k, 1) + 8 * width(k))
    return tiles + max(lanczos, low_rank) + vectors + 8.0 * n * d * 5.0 + 5e8


def check_memory(n: int, d: int, k: int, folds: int) -> None:
    """Refuse rows whose work does not fit, before it starts, with the number that does.

    Raises:
        ResourceError: with the bytes asked for, those that are free, and the rows that fit.
    """
    free = available_memory()
    need = needed_memory(n, d, k, folds)
    if free is None or need <= free:
        return
    low, high = 1, n
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if needed_memory(middle, d, k, folds) <= free else (low, middle)
    fits = low // 100 * 100 or low
    raise ResourceError(
        f"half a kernel matrix in float32 and its preconditioners for {n} rows need about {need / 1e9:.1f} GB; "
        f"{free / 1e9:.1f} GB are free. Use --max-n {fits} (max_n) or less: that many rows fit"
    )


def rank(n: int) -> int:
    """Columns of a preconditioner."""
    return min(n, math.ceil(RANK * math.sqrt(n)))


def width(k: int) -> int:
    """Columns of a block: labels, ones, and at least `PROBES` probes, up to a strip of the product."""
    return -(-(k + 1 + PROBES) // STRIP) * STRIP
