"""Threads that share work on rows and tiles: two, each with one BLAS thread, which beats one product on two threads."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from widthwise._threads import one_blas_thread

WORKERS = 2

S = TypeVar("S")
T = TypeVar("T")


class Workers:
    """Threads that take pieces of work from a queue.

    Args:
        pool: of threads, each with one BLAS thread.
        many: number of threads; four results for each may wait, so that memory stays that of a handful of tiles.
    """

    def __init__(self, pool: ThreadPoolExecutor, many: int) -> None:
        self._pool, self._many, self._ahead = pool, many, 4 * many

    def all(self, work: Callable[[S], None], pieces: list[S]) -> None:
        """Do all the work: each thread takes the next piece by itself, and none after one has failed."""
        queue = iter(pieces)
        stopped = threading.Event()

        def run() -> None:
            try:
                while not stopped.is_set():
                    # An iterator over a list hands out each item once, whoever asks.
                    piece = next(queue, None)
                    if piece is None:
                        return
                    work(piece)
            except BaseException:
                stopped.set()
                raise

        running = [self._pool.submit(run) for _ in range(self._many)]
        try:
            for future in running:
                future.result()
        finally:
            # An interrupt comes here, not to the threads.
            stopped.set()

    def each(self, work: Callable[[S], T], pieces: list[S]) -> Iterator[T]:
        """Results of `work`, in the order of the pieces."""
        waiting: list[Future[T]] = []
        try:
            for piece in pieces:
                waiting.append(self._pool.submit(work, piece))
                if len(waiting) > self._ahead:
                    yield waiting.pop(0).result()
            while waiting:
                yield waiting.pop(0).result()
        finally:
            for future in waiting:
                future.cancel()


@contextmanager
def workers() -> Iterator[Workers]:
    """Threads for tiles; BLAS keeps to one thread for each while they are there."""
    with one_blas_thread(), ThreadPoolExecutor(many := min(WORKERS, os.cpu_count() or 1)) as pool:
        yield Workers(pool, many)
