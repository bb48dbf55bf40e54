"""The kernel matrix of a set of rows as an operator: products, columns and blocks, never the whole matrix."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
from jaxtyping import Float

from widthwise.errors import DataError
from widthwise.kernels import gram as grams
from widthwise.kernels.tiles import Evaluator

if TYPE_CHECKING:
    from widthwise.kernels.kernel import Kernel

Dtype = Literal["float64", "float32"]
R = TypeVar("R")


class KernelOperator:
    """K(X, X) for the solvers: float64 unless a block is asked for in float32.

    Args:
        kernel: of an infinitely wide network.
        X: n rows.
        progress: show progress on stderr of products that take more than two seconds.

    Raises:
        DataError: if X is not a finite matrix.
    """

    def __init__(self, kernel: Kernel, X: object, *, progress: bool = False) -> None:
        self.kernel = kernel
        self._X, self._progress = X, progress
        self._diagonal = kernel.diag(X)
        self._rows: dict[str, Any] = {}
        self._evaluators: dict[str, Evaluator] = {}

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self._diagonal), len(self._diagonal)

    def matmul(self, V: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
        """The product with the columns of V over float64 tiles; nothing is stored.

        Raises:
            DataError: if V has another number of rows.
        """
        if len(V) != self.shape[0]:
            raise DataError(f"V must have one row for each of the {self.shape[0]} rows of the kernel; {len(V)} came")
        rows, evaluator = self._of("float64")
        return grams.matmul(evaluator, rows, None, np.asarray(V, dtype=np.float64), progress=self._progress)

    def diagonal(self) -> Float[np.ndarray, " n"]:
        """Values of every row with itself."""
        return self._diagonal.copy()

    def columns(self, indices: Any) -> Float[np.ndarray, "n m"]:
        """Some columns."""
        rows, evaluator = self._of("float64")
        return np.asarray(grams.matrices(evaluator, rows, _taken(rows, np.asarray(indices, dtype=np.intp)))[0])

    def each_tile(self, store: Callable[[int, int, Float[np.ndarray, "a b"]], None], dtype: Dtype = "float64") -> None:
        """Hand every tile of the lower triangle to `store(top, left, values)`, from several threads, in no set order.

        Tiles on the diagonal are symmetric to the bit, with the exact diagonal.
        """
        rows, evaluator = self._of(dtype)
        grams.each_tile(evaluator, rows, lambda tile, values: store(*tile, values[0]))

    def _of(self, dtype: Dtype) -> tuple[Any, Evaluator]:
        """Rows prepared for a precision, and the tiles of that precision."""
        if dtype not in self._rows:
            self._rows[dtype] = self.kernel._rows(self._X, dtype)
            self._evaluators[dtype] = Evaluator(self.kernel.layers, (self.kernel.output,), dtype)
        return self._rows[dtype], self._evaluators[dtype]


def _taken(rows: R, part: Any) -> R:
    """Prepared rows, some of them: every field that has one entry for each row is cut."""
    fields: Any = rows
    found = {field.name: getattr(rows, field.name) for field in dataclasses.fields(fields)}
    cut = {name: value[part] for name, value in found.items() if isinstance(value, np.ndarray)}
    changed: R = dataclasses.replace(fields, **cut)
    return changed
