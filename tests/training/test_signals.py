"""The first signal is noted, the second acts, and handlers come back."""

import os
import signal
import sys

import pytest

from dima.training.signals import StopRequest, stop_requests

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="os.kill ends the process there")


def test_the_first_is_noted_and_the_second_acts():
    before = signal.getsignal(signal.SIGINT)
    with stop_requests() as stop:
        assert stop.number is None
        stop.obey()
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.number == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_one_that_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stop_requests() as stop:
            os.kill(os.getpid(), signal.SIGINT)
            assert stop.number is None
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_what_a_request_ends_in():
    with pytest.raises(SystemExit) as ended:
        StopRequest(signal.SIGTERM).obey()
    assert ended.value.code == 143
    with pytest.raises(KeyboardInterrupt):
        StopRequest(signal.SIGINT).obey()
