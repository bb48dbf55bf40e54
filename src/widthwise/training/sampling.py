"""Which rows each step of stochastic descent sees: drawn by NumPy from what the run is and the number of the step.

The rows of a step do not depend on where a run was cut or resumed: epoch e's order comes from (seed, e) alone.
"""

from __future__ import annotations

import zlib
from typing import Literal

import numpy as np
from jaxtyping import Int, UInt32

from widthwise._checks import count
from widthwise.errors import UsageError

Sampling = Literal["reshuffle", "replacement", "one_pass"]

# Steps drawn with replacement from one stream.
_BLOCK = 1024


def stream(seed: int, purpose: str, *place: int) -> np.random.Generator:
    """Generator of what is drawn for a purpose at a place in a run; independent of every other purpose and place."""
    # The purpose as a number that is the same on every machine, which `hash` is not.
    return np.random.default_rng([_unsigned(seed), zlib.crc32(purpose.encode()), *place])


def jax_key_data(seed: int, purpose: str) -> UInt32[np.ndarray, " 2"]:
    """Two words of a Threefry key for a purpose."""
    state = np.random.SeedSequence([_unsigned(seed), zlib.crc32(purpose.encode())]).generate_state(2, np.uint32)
    return np.asarray(state, dtype=np.uint32)


def batches(seed: int, first: int, last: int, *, n: int, size: int, sampling: Sampling) -> Int[np.ndarray, "t size"]:
    """Rows of the steps taken after `first` ... `last` - 1 steps.

    - ``reshuffle``: the rows in a new random order, epoch after epoch; batches are cut from that sequence one after the
      other, so that one may hold the end of an epoch and the start of the next, and no row is left out of any.
    - ``replacement``: every row of every batch drawn afresh, uniformly.
    - ``one_pass``: one epoch of ``reshuffle``, each row seen once at most.

    Args:
        seed: of the run.
        first: number of steps before the first of these.
        last: number of steps after the last.
        n: number of rows.
        size: rows of a batch.
        sampling: the law.
    """
    if sampling == "replacement":
        found = [
            stream(seed, "replacement", block).integers(0, n, (_BLOCK, size))
            for block in range(first // _BLOCK, -(-last // _BLOCK))
        ]
        offset = first - first // _BLOCK * _BLOCK
        return np.concatenate(found)[offset : offset + last - first] if found else np.zeros((0, size), np.int64)
    start, stop = first * size, last * size
    epochs = [stream(seed, "reshuffle", epoch).permutation(n) for epoch in range(start // n, -(-stop // n))]
    if not epochs:
        return np.zeros((0, size), np.int64)
    offset = start - start // n * n
    return np.concatenate(epochs)[offset : offset + stop - start].reshape(-1, size)


def check(sampling: str, batch_size: int, steps: int, n: int) -> Sampling:
    """Refuse a law that is not known, or a batch or pass that the rows do not fill.

    Raises:
        UsageError: naming the argument.
    """
    if sampling not in ("reshuffle", "replacement", "one_pass"):
        raise UsageError(f"sampling must be 'reshuffle', 'replacement' or 'one_pass'; {sampling!r} came")
    if count(batch_size, "batch_size") > n:
        raise UsageError(f"batch_size must be at most the {n} rows; {batch_size} came")
    if sampling == "one_pass" and batch_size * steps > n:
        raise UsageError(
            f"one pass over {n} rows is {n // batch_size} steps of {batch_size} rows; {steps} steps came: take fewer, or "
            "sampling='reshuffle'"
        )
    return sampling  # type: ignore[return-value]


def _unsigned(seed: int) -> int:
    """A seed of either sign as one that NumPy takes, different for each."""
    return 2 * seed if seed >= 0 else -2 * seed - 1
