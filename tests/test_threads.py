import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from dima.errors import kept_messages, warn_user
from dima.threads import allowed, one_thread, side_by_side


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


def test_what_is_allowed_is_what_a_block_or_the_user_sets():
    with threadpool_limits(2):
        assert allowed() == 2
        with one_thread():
            assert allowed() == 1
    with threadpool_limits(1):
        assert allowed() == 1


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


def test_results_come_in_order_whatever_ends_first(two):
    first_may_end = threading.Event()

    def work(number):
        if number == 0:
            assert first_may_end.wait(10)  # only if the next is worked on beside it
        first_may_end.set()
        return number, set(counts())

    with side_by_side(work, range(5)) as results:
        assert list(results) == [(number, {1}) for number in range(5)]
    assert set(counts()) == {2}


def test_one_after_the_other_where_one_thread_is_allowed():
    threads = set()
    with (
        threadpool_limits(1),
        side_by_side(lambda _: threads.add(threading.get_ident()), range(3)) as results,
    ):
        assert list(results) == [None] * 3
    assert threads == {threading.get_ident()}


def test_what_is_not_asked_for_is_not_begun(two):
    begun = []
    with side_by_side(begun.append, range(10)) as results:
        next(results)
    assert set(begun) <= {0, 1}
    with pytest.raises(ZeroDivisionError), side_by_side(lambda _: 1 / 0, range(3)) as results:
        list(results)
    assert set(counts()) == {2}


def test_workers_are_in_the_same_context(two):
    def tell(number):
        warn_user(str(number))

    with kept_messages() as messages, side_by_side(tell, range(4)) as results:
        list(results)
    assert sorted(messages) == ["0", "1", "2", "3"]
