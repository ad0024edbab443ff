import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from dima.threads import one_thread


def counts():
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


@pytest.fixture
def two():
    np.linalg.inv(np.eye(2))  # the library is there
    with threadpool_limits(2):
        yield


def test_a_block_is_of_one_thread_and_leaves_what_was(two):
    with one_thread():
        assert set(counts()) == {1}
        with one_thread():
            assert set(counts()) == {1}
        assert set(counts()) == {1}
    assert set(counts()) == {2}


def test_a_fault_inside_leaves_what_was(two):
    with pytest.raises(ZeroDivisionError), one_thread():
        raise ZeroDivisionError
    assert set(counts()) == {2}


def test_blocks_that_overlap_leave_what_was(two):
    entered, may_leave = threading.Event(), threading.Event()

    def other():
        with one_thread():
            entered.set()
            may_leave.wait(10)

    with one_thread():
        thread = threading.Thread(target=other)
        thread.start()
        assert entered.wait(10)
    may_leave.set()
    thread.join()
    assert set(counts()) == {2}
