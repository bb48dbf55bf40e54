"""How many threads BLAS takes: a setting of the whole process, changed only ever inside a context."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threadpoolctl import threadpool_limits

_lock = threading.Lock()
_limited: list[threadpool_limits] = []
_callers = 0


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep BLAS to one thread; the first of several callers at once sets the limit, the last one takes it back."""
    from threadpoolctl import threadpool_limits  # noqa: PLC0415 - paid by those who compute

    global _callers  # noqa: PLW0603
    with _lock:
        if _callers == 0:
            _limited.append(threadpool_limits(1, user_api="blas"))
        _callers += 1
    try:
        yield
    finally:
        with _lock:
            _callers -= 1
            if _callers == 0:
                _limited.pop().restore_original_limits()
