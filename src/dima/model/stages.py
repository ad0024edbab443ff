"""Seconds and peak memory of the stages of a fit."""

import contextlib
import dataclasses
import sys
import time
from collections.abc import Iterator
from pathlib import Path

__all__ = ["Stage", "Stages"]


@dataclasses.dataclass(frozen=True)
class Stage:
    """One measured stage.

    Attributes:
        name: what was done.
        seconds: wall-clock time.
        peak_mb: largest resident memory of the process during the stage, in MB.
    """

    name: str
    seconds: float
    peak_mb: float


class Stages(list[Stage]):
    """Stages in the order they ran."""

    @contextlib.contextmanager
    def measured(self, name: str) -> Iterator[None]:
        """Measure the block under this name."""
        _forget_peak()
        began = time.perf_counter()
        yield
        self.append(Stage(name, time.perf_counter() - began, _peak_mb()))


_STATUS = Path("/proc/self/status")


def _forget_peak() -> None:
    """Start a new peak where Linux allows it; elsewhere peaks are those since the process began."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak_mb() -> float:
    if _STATUS.exists():
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    try:
        import resource  # Unix only
    except ImportError:
        return float("nan")
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
