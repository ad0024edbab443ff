"""A run folder: where one training run keeps its checkpoint and its logs, and only one process at a time."""

import contextlib
import dataclasses
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from dima.errors import ArtifactError, SettingError
from dima.files import make_folder, one_sentence

if sys.platform != "win32":
    import fcntl

__all__ = ["RunFolder"]


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """The places in a run folder."""

    path: Path

    @classmethod
    def at(cls, given: str | Path, owner: str) -> "RunFolder":
        """The run folder at a path, which need not be there yet.

        Raises:
            SettingError: it is no path.
        """
        if not isinstance(given, str | os.PathLike) or not os.fspath(given) or "\0" in os.fspath(given):
            shown = repr(given) if isinstance(given, str | int | float) else type(given).__name__
            fix = "Name a folder, which is made if it is not there."
            raise SettingError(f"{owner}: checkpoint must be a path, as text or a Path; got {shown}. {fix}")
        with one_sentence(Path(given), "training", ArtifactError):
            return cls(Path(given).resolve())

    @property
    def checkpoint(self) -> Path:
        """The latest checkpoint, a saved model folder."""
        return self.path / "checkpoint"

    @property
    def metrics(self) -> Path:
        """One JSON object a line: step, loss, held-out loss, seconds since the process began."""
        return self.path / "metrics.jsonl"

    @property
    def events(self) -> Path:
        """TensorBoard's events."""
        return self.path / "events"

    @contextlib.contextmanager
    def owned(self) -> Iterator[None]:
        """Make the folder and keep other processes out of it while the block runs.

        Raises:
            ArtifactError: it cannot be made, or another process trains in it.
        """
        with contextlib.ExitStack() as stack:
            place = make_folder(self.path, "training", ArtifactError) / ".lock"
            with one_sentence(place, "training", ArtifactError):
                lock = stack.enter_context(place.open("wb"))
            if sys.platform != "win32":
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # ends with the process, however it ends
                except BlockingIOError:
                    fix = "Wait for it, or choose another folder."
                    message = f"training: {self.path} must be free; got a run of another process. {fix}"
                    raise ArtifactError(message) from None
            yield
