"""BLAS threads: limited inside a context, however many hold it at once, and as before outside of it."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

import pytest
import scipy.linalg  # noqa: F401 - a second BLAS, where wheels bring their own
from threadpoolctl import threadpool_info

from widthwise._threads import one_blas_thread, one_openmp_thread

pytestmark = pytest.mark.skipif(
    (os.cpu_count() or 1) < 2 or os.environ.get("OPENBLAS_NUM_THREADS") == "1", reason="one BLAS thread as it is"
)


def counts():
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


@contextmanager
def held_by_another_thread(
    context: Callable[[], AbstractContextManager[None]] = one_blas_thread,
) -> Iterator[threading.Event]:
    """One that is inside the context until it is told to leave."""
    inside, leave = threading.Event(), threading.Event()

    def hold():
        with context():
            inside.set()
            leave.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    assert inside.wait(60)
    try:
        yield leave
    finally:
        leave.set()
        thread.join(60)


def test_every_blas_is_limited_inside_and_as_before_outside():
    before = counts()
    assert max(before) > 1
    with one_blas_thread():
        assert set(counts()) == {1}
        with one_blas_thread():
            assert set(counts()) == {1}
        assert set(counts()) == {1}
    assert counts() == before


def test_the_last_of_several_threads_takes_the_limit_back():
    """First this thread alone: threadpoolctl takes it for the owner of the limits from then on."""
    with one_blas_thread():
        pass
    before = counts()
    with held_by_another_thread():
        with one_blas_thread():
            pass
        assert set(counts()) == {1}
    assert counts() == before


def test_the_limit_holds_until_this_thread_leaves_where_it_is_the_last():
    before = counts()
    with one_blas_thread():
        with held_by_another_thread():
            assert set(counts()) == {1}
        assert set(counts()) == {1}
    with held_by_another_thread() as leave, one_blas_thread():
        leave.set()
        assert set(counts()) == {1}
    assert counts() == before


def test_openmp_is_limited_inside():
    """A limit of the calling thread, where the library is GNU's."""
    from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: F401 - brings OpenMP

    def openmp():
        return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "openmp"]

    before = openmp()
    assert before
    with one_openmp_thread():
        assert set(openmp()) == {1}
    assert openmp() == before


def test_a_limit_of_openmp_leaves_blas_alone():
    """Entered while BLAS is held at one thread and left after that: BLAS must not stay there."""
    before = counts()
    with ExitStack() as stack:
        with one_blas_thread():
            stack.enter_context(held_by_another_thread(one_openmp_thread))
        assert counts() == before
    assert counts() == before


def test_a_blas_that_is_loaded_later_is_limited_too():
    """In a fresh process: the first limit is set before SciPy brings its own BLAS."""
    code = (
        "import numpy, sys\n"
        "from threadpoolctl import threadpool_info\n"
        "from widthwise._threads import one_blas_thread\n"
        "with one_blas_thread(): pass\n"
        "assert 'scipy.linalg' not in sys.modules\n"
        "import scipy.linalg\n"
        "with one_blas_thread():\n"
        "    print([l['num_threads'] for l in threadpool_info() if l['user_api'] == 'blas'])\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str([1] * len(counts()))
