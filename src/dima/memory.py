"""How much memory there is and is free, and the refusal of what needs more, before it starts."""

import os
from pathlib import Path

from dima.errors import MemoryBudgetError

__all__ = ["available_bytes", "refuse_beyond", "total_bytes"]

_MEMINFO = Path("/proc/meminfo")
_GROUP = Path("/sys/fs/cgroup")  # of a container: what it may take, and has taken


def total_bytes() -> int | None:
    """Bytes of the machine, or of a container on it, as Linux says; None where nothing says so."""
    return _least(_of_machine("MemTotal", "SC_PHYS_PAGES"), _of_group("max"))


def available_bytes() -> int | None:
    """Bytes this process may still take, as Linux and a container's limit say; None where nothing says so."""
    most, taken = _of_group("max"), _of_group("current")
    left = None if most is None or taken is None else max(0, most - taken)
    return _least(_of_machine("MemAvailable", "SC_AVPHYS_PAGES"), left)


def refuse_beyond(owner: str, what: str, wanted: int, fix: str) -> None:
    """Refuse what needs more bytes than are free.

    Raises:
        MemoryBudgetError: it does.
    """
    free = available_bytes()
    if free is not None and wanted > free:
        got = f"{wanted / 1e9:.1f} GB wanted and {free / 1e9:.1f} GB free"
        raise MemoryBudgetError(f"{owner}: {what} must fit into memory; got {got}. {fix}")


def _least(*found: int | None) -> int | None:
    return min((value for value in found if value is not None), default=None)


def _of_machine(name: str, pages: str) -> int | None:
    try:
        lines = dict(line.split(":", 1) for line in _MEMINFO.read_text().splitlines())
        return int(lines[name].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        pass
    try:
        return os.sysconf(pages) * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # not on this system
        return None


def _of_group(name: str) -> int | None:
    try:
        return int((_GROUP / f"memory.{name}").read_text())
    except (OSError, ValueError):  # no container, or "max": no limit
        return None
