"""Where a network of pixels runs, in which precision, and why."""

import time
from collections.abc import Callable

import torch

from dima.errors import BackendError

__all__ = ["DEVICES", "bf16_is_faster", "choose", "place"]

DEVICES = ("auto", "cuda", "mps", "cpu")
_STEPS = 3  # timed in each precision, after one that is not


def choose(name: str = "auto", owner: str = "image") -> tuple[torch.device, str]:
    """The device of that name and a line that says why; "auto" is cuda, then mps, then the CPU.

    Raises:
        BackendError: it is none of these, or not there.
    """
    if name not in DEVICES:
        raise BackendError(f"{owner}: device must be one of {', '.join(DEVICES)}; got {name!r}.")
    found = [kind for kind, is_there in _THERE.items() if is_there()]
    if name == "auto":
        missing = ", ".join(kind for kind in _THERE if kind not in found)
        reason = f"no {missing}" if found == ["cpu"] else "the fastest that is here"
        return torch.device(found[0]), f"{owner}: runs on {found[0]}: {reason}."
    if name not in found:
        rule, fix = f"one of those here, {', '.join(found)}", 'Pass "auto".'
        raise BackendError(f"{owner}: device must be {rule}; got {name!r}. {fix}")
    return torch.device(name), f"{owner}: runs on {name}: asked for."


def place(name: str) -> torch.device:
    """The device of training where it is there, else the best there is: a saved model opens anywhere."""
    try:
        return choose(name)[0]
    except BackendError:
        return choose()[0]


def bf16_is_faster(work: Callable[[], object], device: torch.device) -> bool:
    """Whether a piece of work takes less time under bfloat16 autocast on that device; measured.

    Raises:
        RuntimeError: what the work raises in full precision.
    """
    try:
        return _seconds(work, device, enabled=True) < _seconds(work, device, enabled=False)
    except RuntimeError:
        # Some operation has no half-precision kernel there; in full precision the fault would show again.
        work()
        return False


def _seconds(work: Callable[[], object], device: torch.device, enabled: bool) -> float:
    with torch.autocast(device.type, torch.bfloat16, enabled=enabled):
        work()
        _WAIT[device.type]()
        began = time.perf_counter()
        for _ in range(_STEPS):
            work()
        _WAIT[device.type]()
    return time.perf_counter() - began


# Until all that a device was asked for is done: only the CPU works while it is asked.
_WAIT: dict[str, Callable[[], None]] = {
    "cuda": torch.cuda.synchronize,
    "mps": torch.mps.synchronize,
    "cpu": lambda: None,
}
_THERE: dict[str, Callable[[], bool]] = {
    "cuda": torch.cuda.is_available,
    "mps": torch.backends.mps.is_available,
    "cpu": lambda: True,
}
