"""How many threads BLAS and OpenMP take: settings of the whole process, changed only ever inside a context."""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_lock = threading.Lock()
_limited: list[Any] = []
_callers = 0


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep BLAS to one thread; the first of several callers at once sets the limit, the last one takes it back.

    For threads that multiply side by side, and for small factorisations: beside other work two threads of BLAS wait for each
    other thirty times as long.
    """
    global _callers  # noqa: PLW0603
    with _lock:
        if _callers == 0:
            _take_control()
            _limited.append(_controller(scipy="scipy.linalg" in sys.modules).limit(limits=1, user_api="blas"))
        _callers += 1
    try:
        yield
    finally:
        with _lock:
            _callers -= 1
            if _callers == 0:
                _take_control()
                _limited.pop().restore_original_limits()
                _take_control()


@contextmanager
def one_openmp_thread() -> Iterator[None]:
    """Keep OpenMP to one thread, and nothing else.

    `threadpoolctl.threadpool_limits` puts every library back to what it was at the start: where another thread holds
    BLAS at one thread meanwhile, BLAS would stay there.
    """
    from threadpoolctl import ThreadpoolController  # noqa: PLC0415 - paid by those who compute

    with ThreadpoolController().select(user_api="openmp").limit(limits=1):
        yield


@functools.cache
def _controller(*, scipy: bool) -> Any:  # noqa: ARG001 - SciPy brings a BLAS of its own: what was found before it is not all
    """Found once: looking for the libraries takes longer than a small product."""
    from threadpoolctl import ThreadpoolController  # noqa: PLC0415 - paid by those who compute

    return ThreadpoolController()


def _take_control() -> None:
    """Let this thread set limits, or any other once it is done.

    threadpoolctl 3.8 lets the first thread that sets a limit do so, and for others does nothing, without a word.
    Here the first and the last caller may be different threads; that they do not fight is what the lock is for.
    """
    from threadpoolctl import OpenBLASController  # noqa: PLC0415 - paid by those who compute

    clear = getattr(OpenBLASController, "clear_controlling_thread", None)
    if clear is not None:
        clear(force=True)
