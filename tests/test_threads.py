"""BLAS threads: limited inside a context, however many hold it at once, and as before outside of it."""

import threading

import scipy.linalg  # noqa: F401 - a second BLAS
from threadpoolctl import threadpool_info

from widthwise._threads import one_blas_thread


def counts():
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


def test_every_blas_is_limited_inside_and_as_before_outside():
    before = counts()
    assert len(before) >= 2
    with one_blas_thread():
        assert set(counts()) == {1}
        with one_blas_thread():
            assert set(counts()) == {1}
        assert set(counts()) == {1}
    assert counts() == before


def test_the_limit_holds_whichever_thread_asked_first_and_last():
    """First this thread alone: threadpoolctl takes it for the owner of the limits from then on."""
    with one_blas_thread():
        pass
    before = counts()
    inside, leave = threading.Event(), threading.Event()

    def hold():
        with one_blas_thread():
            inside.set()
            leave.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    assert inside.wait(60)
    with one_blas_thread():
        leave.set()
        thread.join(60)
        assert set(counts()) == {1}
    assert counts() == before


def test_the_last_of_several_threads_takes_the_limit_back():
    before = counts()
    inside, leave = threading.Event(), threading.Event()

    def hold():
        with one_blas_thread():
            inside.set()
            leave.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    assert inside.wait(60)
    with one_blas_thread():
        pass
    assert set(counts()) == {1}
    leave.set()
    thread.join(60)
    assert counts() == before
