"""An orderly end: Ctrl-C and SIGTERM are noted, and obeyed when the state is safe."""

import contextlib
import dataclasses
import signal
import threading
from collections.abc import Iterator
from types import FrameType

__all__ = ["StopRequest", "stop_requests"]

_CAUGHT = (signal.SIGINT, signal.SIGTERM)


@dataclasses.dataclass
class StopRequest:
    """Which signal has asked for the end, if any."""

    number: int | None = None

    def obey(self) -> None:
        """End as the signal asks: KeyboardInterrupt (exit code 130) or SystemExit with 143."""
        if self.number == signal.SIGINT:
            raise KeyboardInterrupt
        if self.number is not None:
            raise SystemExit(128 + self.number)


@contextlib.contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Note the first signal inside this block instead of dying of it; a second one acts at once.

    Handlers can be set in the main thread only: elsewhere nothing is caught.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    # One that is ignored, as nohup does, stays ignored; one handled outside Python cannot be put back.
    handlers = {number: signal.getsignal(number) for number in _CAUGHT}
    before = {number: h for number, h in handlers.items() if h not in (signal.SIG_IGN, None)}

    def put_back() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, _frame: FrameType | None) -> None:
        request.number = number
        put_back()

    for number in before:
        signal.signal(number, note)
    try:
        yield request
    finally:
        put_back()
