"""Progress of a long loop: a bar with an estimate on a terminal, silence anywhere else.

Training loops are generators that yield a `StepRecord`; whoever drives the loop decides what
to do with the records. `track` is the ready answer for people at a terminal.
"""

import contextlib
import contextvars
import dataclasses
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

__all__ = ["StepRecord", "is_quiet", "quiet", "track"]

T = TypeVar("T")

_quiet: contextvars.ContextVar[bool] = contextvars.ContextVar("dima_quiet", default=False)


@dataclasses.dataclass(frozen=True)
class StepRecord:
    """Where a training loop stands: steps done, loss over the last chunk, seconds since the start."""

    step: int
    loss: float
    seconds: float


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Show no bar inside this block, even on a terminal, and in the shell no notes."""
    token = _quiet.set(True)
    try:
        yield
    finally:
        _quiet.reset(token)


def is_quiet() -> bool:
    """Whether this is inside a block of `quiet`."""
    return _quiet.get()


def track(
    items: Iterable[T], total: int, label: str, record: Callable[[T], StepRecord] | None = None
) -> Iterator[T]:
    """Yield `items`, moving a bar of length `total` on a terminal's standard error.

    `record` says where an item stands: the bar moves to its step and shows its loss. Without it,
    every item moves the bar by one.
    """
    if is_quiet() or not sys.stderr.isatty():
        yield from items
        return
    # rich takes a tenth of a second to import: only a terminal pays for it.
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description:<28}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=total, note="")
        for item in items:
            if record is None:
                bar.advance(task)
            else:
                at = record(item)
                bar.update(task, completed=at.step, note=f"loss {at.loss:.4f}")
            yield item
