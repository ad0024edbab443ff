"""How many threads the linear algebra takes: one, where problems are small and many, or all it may.

Of small problems as many are solved side by side as there are threads.
"""

import contextlib
import contextvars
import functools
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from threadpoolctl import ThreadpoolController

__all__ = ["allowed", "one_thread", "side_by_side"]

Item = TypeVar("Item")
Result = TypeVar("Result")

_controller = functools.cache(ThreadpoolController)  # looking for the libraries takes milliseconds
_limited = threading.Lock()  # the limit is one of the process: who found none sets it, and lifts it


def allowed() -> int:
    """Threads that linear algebra may take now, by what the user set or a block of `one_thread`."""
    return max((library["num_threads"] for library in _controller().info()), default=1)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """A block in which BLAS and OpenMP keep to one thread, for many small problems.

    Inside another such block, also of another thread, it changes nothing.
    """
    if not _limited.acquire(blocking=False):
        yield
        return
    try:
        with _controller().limit(limits=1):
            yield
    finally:
        _limited.release()


@contextlib.contextmanager
def side_by_side(work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Iterator[Result]]:
    """A block with what `work` makes of the items, in their order, each on one of the threads allowed.

    Work is begun no further ahead than there are threads, and dropped where the block ends before it.
    """
    n_workers = min(allowed(), len(items))
    if n_workers <= 1:
        yield map(work, items)
        return
    begun = deque[Future[Result]]()

    def results() -> Iterator[Result]:
        for item in items:
            begun.append(pool.submit(contextvars.copy_context().run, work, item))
            if len(begun) == n_workers:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()

    with one_thread(), ThreadPoolExecutor(n_workers) as pool:
        try:
            yield results()
        finally:
            for waiting in begun:
                waiting.cancel()
