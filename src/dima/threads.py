"""How many threads the linear algebra takes: one, where problems are small and many."""

import contextlib
import functools
import threading
from collections.abc import Iterator

from threadpoolctl import ThreadpoolController

__all__ = ["one_thread"]

_controller = functools.cache(ThreadpoolController)  # looking for the libraries takes milliseconds
_limited = threading.Lock()  # the limit is one of the process: who found none sets it, and lifts it


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
