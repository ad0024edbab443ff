"""Calls to the system that fail, or kill the process, the n-th time they are made."""

import contextlib
import errno
import io
import itertools
import os
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import pytest


@contextlib.contextmanager
def failing(call: str, nth: int, forever: bool) -> Iterator[list[int]]:
    """Let the `nth` call (from 0) of os.`call` fail, or all from then on.

    Yields a list that holds something once the call was reached.
    """
    reached: list[int] = []

    def refuse() -> NoReturn:
        reached.append(nth)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with _patched(call, lambda n: n == nth or (forever and n > nth), refuse):
        yield reached


@contextlib.contextmanager
def dying(call: str, nth: int) -> Iterator[None]:
    """Let the `nth` call end the process on the spot, as `kill -9` would."""
    with _patched(call, lambda n: n == nth, lambda: os._exit(9)):
        yield


@contextlib.contextmanager
def _patched(call: str, when: Callable[[int], bool], then: Callable[[], NoReturn]) -> Iterator[None]:
    counter = itertools.count()
    with pytest.MonkeyPatch.context() as patch:
        # pathlib opens files through io, and folders are opened through os.
        for module in [os, io] if call == "open" else [os]:
            real = getattr(module, call)

            def counted(*args: Any, real: Any = real, **kwargs: Any) -> Any:
                return then() if when(next(counter)) else real(*args, **kwargs)

            patch.setattr(module, call, counted)
        yield
