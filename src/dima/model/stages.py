"""Seconds and peak memory of the stages of a fit."""

import contextlib
import contextvars
import dataclasses
import sys
import time
from collections.abc import Iterator

__all__ = ["Stage", "collected", "measured"]


@dataclasses.dataclass(frozen=True)
class Stage:
    """One measured stage.

    Attributes:
        name: what was done.
        seconds: wall-clock time.
        peak_mb: largest resident memory of the process so far, in MB.
    """

    name: str
    seconds: float
    peak_mb: float


_collecting: contextvars.ContextVar[list[Stage]] = contextvars.ContextVar("dima_stages")


@contextlib.contextmanager
def collected() -> Iterator[list[Stage]]:
    """The list that `measured` blocks inside this one add to, whoever runs them."""
    token = _collecting.set([])
    try:
        yield _collecting.get()
    finally:
        _collecting.reset(token)


@contextlib.contextmanager
def measured(name: str) -> Iterator[None]:
    """Measure the block under this name."""
    began = time.perf_counter()
    yield
    _collecting.get([]).append(Stage(name, time.perf_counter() - began, _peak_mb()))


def _peak_mb() -> float:
    try:
        import resource  # Unix only
    except ImportError:
        return float("nan")
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
