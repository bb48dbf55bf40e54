"""Matrices from tiles: the symmetric half only, two workers with one BLAS thread each, into memory or onto disk.

Which tiles there are and how each is computed depends on the shape alone, never on the number of workers, so a matrix
is the same to the bit however it was computed, in one run or in several.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np
from jaxtyping import Float
from threadpoolctl import threadpool_limits

from widthwise._checks import enough_memory
from widthwise.errors import DataError, ResourceError
from widthwise.kernels.gram_file import GramFile
from widthwise.kernels.journal import Tile, seal
from widthwise.kernels.tile_folder import TileFolder
from widthwise.kernels.tiles import Evaluator, Rows, diagonal
from widthwise.pages.progress import Progress

WORKERS = 2
# Output, and what the workers and the rows hold beside it.
SPARE = 64e6

T = TypeVar("T")


def matrices(evaluator: Evaluator, rows: Rows, others: Rows | None) -> Float[np.ndarray, "outputs n m"]:
    """Matrices of all outputs as new arrays; symmetric where there are no other rows."""
    shape = (len(evaluator.outputs), len(rows), len(rows if others is None else others))
    out = _empty(shape, evaluator)
    _fill(evaluator, rows, others, None, lambda tile, values: place(out, tile, values, others is None))
    return out


def gram(
    kernel: str,
    evaluator: Evaluator,
    rows: Rows,
    others: Rows | None,
    out: str | Path | Float[np.ndarray, "n m"] | None,
    *,
    progress: bool,
) -> Float[np.ndarray, "n m"] | TileFolder:
    """The matrix of one output into an array, a file or a folder; see `Kernel.gram`."""
    shape = (len(rows), len(rows if others is None else others))
    tiles = all_tiles(*shape, evaluator.tile, symmetric=others is None)
    if isinstance(out, str | Path):
        path, sealed = Path(out), seal(kernel, rows, others, evaluator.dtype, evaluator.tile)
        if path.suffix == ".npy":
            return _into_file(evaluator, rows, others, GramFile(path, sealed, shape, evaluator.dtype, tiles), progress)
        return _into_folder(evaluator, rows, others, TileFolder(path, sealed, shape, evaluator.dtype, tiles), progress)
    if out is None:
        out = _empty(shape, evaluator)
    elif out.shape != shape or out.dtype not in (np.float64, np.float32):
        raise DataError(f"out must be a float64 or float32 array of shape {shape}; {out.dtype} of {out.shape} came")
    elif not out.flags.writeable:
        raise DataError("out must be an array that can be written; a read-only one came")
    target = out
    with Progress(len(tiles), label="kernel matrix", enabled=progress) as bar:

        def store(tile: Tile, values: Float[np.ndarray, "outputs a b"]) -> None:
            place(target[None], tile, values, others is None)
            bar.advance(1.0)

        _fill(evaluator, rows, others, tiles, store)
    return target


def _into_file(
    evaluator: Evaluator, rows: Rows, others: Rows | None, file: GramFile, progress: bool
) -> Float[np.ndarray, "n m"]:
    with file, Progress(len(file.missing), label="kernel matrix", enabled=progress) as bar:

        def store(tile: Tile, values: Float[np.ndarray, "outputs a b"]) -> None:
            place(file.matrix[None], tile, values, others is None)
            file.done(tile)
            bar.advance(1.0)

        _fill(evaluator, rows, others, file.missing, store)
        return file.finish()


def _into_folder(
    evaluator: Evaluator, rows: Rows, others: Rows | None, folder: TileFolder, progress: bool
) -> TileFolder:
    with contextlib.closing(folder), Progress(len(folder.missing), label="kernel matrix", enabled=progress) as bar:

        def store(tile: Tile, values: Float[np.ndarray, "outputs a b"]) -> None:
            folder.write(tile, values[0])
            bar.advance(1.0)

        _fill(evaluator, rows, others, folder.missing, store)
    return folder


def matmul(
    evaluator: Evaluator, rows: Rows, others: Rows | None, V: Float[np.ndarray, "m k"], *, progress: bool
) -> Float[np.ndarray, "n k"]:
    """Products with the columns of V, in float64; a square kernel costs half its tiles.

    Tiles are added in their own order, not in that of the workers, so the sums are the same to the bit every time.
    """
    columns = rows if others is None else others
    tile_size = evaluator.tile
    tiles = all_tiles(len(rows), len(columns), tile_size, symmetric=others is None)
    product = np.zeros((len(rows), V.shape[1]))

    def one(tile: Tile) -> tuple[Tile, Float[np.ndarray, "a k"], Float[np.ndarray, "b k"] | None]:
        top, left = tile
        values = _tile(evaluator, rows, others, tile)[0].astype(np.float64)
        mirrored = values.T @ V[top : top + tile_size] if others is None and top != left else None
        return tile, values @ V[left : left + tile_size], mirrored

    with tile_workers() as workers, Progress(len(tiles), label="kernel product", enabled=progress) as bar:
        for (top, left), ahead, back in workers.each(one, tiles):
            product[top : top + tile_size] += ahead
            if back is not None:
                product[left : left + tile_size] += back
            bar.advance(1.0)
    return product


def each_tile(
    evaluator: Evaluator, rows: Rows, store: Callable[[Tile, Float[np.ndarray, "outputs a b"]], None]
) -> None:
    """Compute the tiles of the lower triangle and hand each to `store`, which is called in the workers."""
    _fill(evaluator, rows, None, None, store)


def all_tiles(n: int, m: int, tile: int, *, symmetric: bool) -> list[Tile]:
    """Corners of the tiles, in the order of work; of the lower triangle, diagonal included, where that is enough."""
    return [(top, left) for top in range(0, n, tile) for left in range(0, top + 1 if symmetric else m, tile)]


def cut(rows: Rows, start: int, tile: int) -> Rows:
    """The rows of one tile."""
    part = slice(start, start + tile)
    return Rows(unit=rows.unit[part], quick=rows.quick[part], size=rows.size[part])


def place(
    out: Float[np.ndarray, "outputs n m"], tile: Tile, values: Float[np.ndarray, "outputs a b"], symmetric: bool
) -> None:
    """Write a tile, and its mirror image where the matrix is symmetric."""
    top, left = tile
    below, across = slice(top, top + values.shape[1]), slice(left, left + values.shape[2])
    out[:, below, across] = values
    if symmetric and top != left:
        out[:, across, below] = values.transpose(0, 2, 1)


def _tile(evaluator: Evaluator, rows: Rows, others: Rows | None, tile: Tile) -> Float[np.ndarray, "outputs a b"]:
    """Values of a tile; one on the diagonal is symmetric to the bit, with the exact diagonal."""
    top, left = tile
    x = cut(rows, top, evaluator.tile)
    values = evaluator(x, cut(rows if others is None else others, left, evaluator.tile))
    if others is None and top == left:
        values = np.array(values)
        for matrix, pole in zip(values, diagonal(evaluator.layers, x, evaluator.outputs), strict=True):
            lower = np.tril(matrix, -1)
            matrix[:] = lower + lower.T
            np.fill_diagonal(matrix, pole)
    return values


def _fill(
    evaluator: Evaluator,
    rows: Rows,
    others: Rows | None,
    tiles: list[Tile] | None,
    store: Callable[[Tile, Float[np.ndarray, "outputs a b"]], None],
) -> None:
    """Compute tiles, all of them where none are named, and hand each to `store`, which is called in the workers."""
    if tiles is None:
        tiles = all_tiles(len(rows), len(rows if others is None else others), evaluator.tile, symmetric=others is None)

    def one(tile: Tile) -> None:
        store(tile, _tile(evaluator, rows, others, tile))

    with tile_workers() as workers:
        for _ in workers.each(one, tiles):
            pass


class Workers:
    """Threads that take tiles from a queue.

    Args:
        pool: of threads, each with one BLAS thread.
        ahead: tiles that may wait finished, so that memory stays that of a handful of tiles.
    """

    def __init__(self, pool: ThreadPoolExecutor, ahead: int) -> None:
        self._pool, self._ahead = pool, ahead

    def each(self, work: Callable[[Tile], T], tiles: list[Tile]) -> Iterator[T]:
        """Results of `work`, in the order of the tiles."""
        waiting: list[Future[T]] = []
        try:
            for tile in tiles:
                waiting.append(self._pool.submit(work, tile))
                if len(waiting) > self._ahead:
                    yield waiting.pop(0).result()
            while waiting:
                yield waiting.pop(0).result()
        finally:
            for future in waiting:
                future.cancel()


_limit = threading.Lock()
_limited: list[threadpool_limits] = []
_callers = 0


@contextmanager
def tile_workers() -> Iterator[Workers]:
    """Threads for tiles; BLAS keeps to one thread for each while they are there."""
    with _one_blas_thread(), ThreadPoolExecutor(workers := min(WORKERS, os.cpu_count() or 1)) as pool:
        yield Workers(pool, 4 * workers)


@contextmanager
def _one_blas_thread() -> Iterator[None]:
    """The limit is the whole process's: the first of several callers at once sets it, the last one takes it back."""
    global _callers  # noqa: PLW0603
    with _limit:
        if _callers == 0:
            _limited.append(threadpool_limits(1, user_api="blas"))
        _callers += 1
    try:
        yield
    finally:
        with _limit:
            _callers -= 1
            if _callers == 0:
                _limited.pop().restore_original_limits()


def _empty(shape: tuple[int, ...], evaluator: Evaluator) -> Float[np.ndarray, "..."]:
    needed = float(np.prod(shape, dtype=np.float64)) * np.dtype(evaluator.dtype).itemsize + SPARE
    remedy = "Write it to disk (out='name.npy'), or use matmul"
    enough_memory(needed, "the kernel matrix", remedy)
    try:
        return np.empty(shape, evaluator.dtype)
    except MemoryError:
        # The process may be allowed less than the machine has.
        raise ResourceError(
            f"the kernel matrix needs about {needed / 1e9:.1f} GB, which are not given. {remedy}"
        ) from None
