"""What a run tells as it goes: one JSON object a line, and TensorBoard's events where it is installed."""

import contextlib
import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from dima.errors import ArtifactError
from dima.files import one_sentence, replace_file

__all__ = ["Write", "written"]

Write = Callable[[dict[str, float]], None]


@contextlib.contextmanager
def written(metrics: Path, events: Path, step: int) -> Iterator[Write]:
    """A function that writes a record, which has a "step", to both logs.

    Args:
        metrics: the file of JSON lines; those beyond `step` are dropped, for they come again.
        events: TensorBoard's folder.
        step: where the run goes on.

    Raises:
        ArtifactError: the file cannot be written.
    """
    with contextlib.ExitStack() as stack:
        kept = b"".join(line + b"\n" for line in _lines(metrics) if _step(line) <= step)
        replace_file(metrics, kept, "log", ArtifactError)
        file = stack.enter_context(metrics.open("ab", buffering=0))
        writer = _tensorboard(events)
        if writer is not None:
            stack.callback(writer.close)

        def write(record: dict[str, float]) -> None:
            with one_sentence(metrics, "log", ArtifactError):
                file.write(msgspec.json.encode(record) + b"\n")
            if writer is not None:
                for name in record.keys() - {"step"}:
                    writer.add_scalar(name, record[name], int(record["step"]))

        yield write


def _lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines() if path.is_file() else []


def _step(line: bytes) -> float:
    """The step of a line; infinite where the line is torn, as a killed process leaves it."""
    try:
        # A loss that is no number is written as null.
        return float(msgspec.json.decode(line, type=dict[str, float | None])["step"] or 0)
    except (msgspec.MsgspecError, KeyError):
        return float("inf")


def _tensorboard(folder: Path) -> Any:
    if importlib.util.find_spec("tensorboard") is None:
        return None
    # An extra, and a second to import.
    from tensorboard.summary import Writer

    return Writer(str(folder))
