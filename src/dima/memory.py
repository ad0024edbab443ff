"""How much memory is free, and the refusal of what needs more, before it starts."""

import os
from pathlib import Path

from dima.errors import MemoryBudgetError

__all__ = ["available_bytes", "refuse_beyond"]

_MEMINFO = Path("/proc/meminfo")
_GROUP = Path("/sys/fs/cgroup")  # of a container: what it may take, and has taken


def available_bytes() -> int | None:
    """Bytes this process may still take, as Linux and a container's limit say; None where nothing says so."""
    found = [value for value in (_of_machine(), _of_group()) if value is not None]
    return min(found, default=None)


def refuse_beyond(owner: str, what: str, wanted: int, fix: str) -> None:
    """Refuse what needs more bytes than are free.

    Raises:
        MemoryBudgetError: it does.
    """
    free = available_bytes()
    if free is not None and wanted > free:
        got = f"{wanted / 1e9:.1f} GB wanted and {free / 1e9:.1f} GB free"
        raise MemoryBudgetError(f"{owner}: {what} must fit into memory; got {got}. {fix}")


def _of_machine() -> int | None:
    try:
        lines = dict(line.split(":", 1) for line in _MEMINFO.read_text().splitlines())
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # not on this system
        return None


def _of_group() -> int | None:
    try:
        most, taken = ((_GROUP / f"memory.{name}").read_text().strip() for name in ("max", "current"))
        return max(0, int(most) - int(taken))
    except (OSError, ValueError):  # no container, or "max": no limit
        return None
