"""Matrices from tiles: the symmetric half only, two workers with one BLAS thread each, into memory or onto disk.

Which tiles there are and how each is computed depends on the shape alone, never on the number of workers, so a matrix
is the same to the bit however it was computed, in one run or in several.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Float

from widthwise._checks import enough_memory
from widthwise.errors import DataError, ResourceError
from widthwise.kernels.gram_file import GramFile
from widthwise.kernels.journal import Tile, seal
from widthwise.kernels.lock import locked
from widthwise.kernels.rows import Rows
from widthwise.kernels.tile_folder import TileFolder
from widthwise.kernels.tiles import Evaluator, diagonal
from widthwise.kernels.workers import workers
from widthwise.pages.progress import Progress

# Output, and what the workers and the rows hold beside it.
SPARE = 64e6
# Rows of a block that is mirrored at once, within a tile on the diagonal.
MIRROR = 66


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
        return _onto_disk(evaluator, rows, others, Path(out), (kernel, shape, tiles), progress=progress)
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


def _onto_disk(
    evaluator: Evaluator,
    rows: Rows,
    others: Rows | None,
    path: Path,
    matrix: tuple[str, tuple[int, int], list[Tile]],
    *,
    progress: bool,
) -> Float[np.ndarray, "n m"] | TileFolder:
    """Into a file or a folder, which one run at a time may write."""
    kernel, shape, tiles = matrix
    sealed = seal(kernel, rows, others, evaluator.dtype, evaluator.tile)
    if path.suffix == ".npy":
        with (
            locked(path.with_name(path.name + ".lock"), path),
            GramFile(path, sealed, shape, evaluator.dtype, tiles) as file,
            Progress(len(file.missing), label="kernel matrix", enabled=progress) as bar,
        ):

            def into_file(tile: Tile, values: Float[np.ndarray, "outputs a b"]) -> None:
                place(file.matrix[None], tile, values, others is None)
                file.done(tile)
                bar.advance(1.0)

            _fill(evaluator, rows, others, file.missing, into_file)
            return file.finish()
    path.mkdir(parents=True, exist_ok=True)
    with (
        locked(path / "tiles.lock", path),
        contextlib.closing(TileFolder(path, sealed, shape, evaluator.dtype, tiles)) as folder,
        Progress(len(folder.missing), label="kernel matrix", enabled=progress) as bar,
    ):

        def into_folder(tile: Tile, values: Float[np.ndarray, "outputs a b"]) -> None:
            folder.write(tile, values[0])
            bar.advance(1.0)

        _fill(evaluator, rows, others, folder.missing, into_folder)
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

    with workers() as threads, Progress(len(tiles), label="kernel product", enabled=progress) as bar:
        for (top, left), ahead, back in threads.each(one, tiles):
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
    x = rows.part(top, evaluator.tile)
    if others is not None or top != left:
        return evaluator(x, (rows if others is None else others).part(left, evaluator.tile))
    values = evaluator(x, x)
    values = values if values.flags.writeable else np.array(values)
    for matrix, pole in zip(values, diagonal(evaluator.layers, x, evaluator.outputs), strict=True):
        mirror(matrix)
        np.fill_diagonal(matrix, pole)
    return values


def mirror(matrix: Float[np.ndarray, "n n"]) -> None:
    """Copy the lower triangle to the upper one in place, block by block."""
    for start in range(0, len(matrix), MIRROR):
        below = slice(start, start + MIRROR)
        matrix[:start, below] = matrix[below, :start].T
        block = matrix[below, below]
        upper = np.triu_indices(len(block), 1)
        block[upper] = block.T[upper]


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
        # Values beyond the range of float32 are infinite, as those beyond that of float64 are.
        with np.errstate(over="ignore"):
            store(tile, _tile(evaluator, rows, others, tile))

    with workers() as threads:
        threads.all(one, tiles)


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
