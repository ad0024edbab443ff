"""Progress: silence where nobody watches, a bar on a terminal, the items untouched in both."""

import contextlib
import os
import pty
import sys
import threading

import pytest

from dima.progress import StepRecord, quiet, track

RECORDS = [StepRecord(step, loss=1 / step, seconds=0.1 * step) for step in (10, 20, 30)]


@pytest.fixture
def on_terminal(monkeypatch):
    """Run something with standard error on a pseudo-terminal; returns what the terminal showed."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")

    def run(act):
        ours, theirs = pty.openpty()
        shown = []
        reader = threading.Thread(target=lambda: shown.extend(iter(lambda: _read(ours), b"")))
        reader.start()
        with os.fdopen(theirs, "w") as stream, contextlib.redirect_stderr(stream):
            act()
        reader.join()
        os.close(ours)
        return b"".join(shown).decode()

    return run


def _read(descriptor):
    try:
        return os.read(descriptor, 4096)
    except OSError:  # how Linux says that the other end is closed
        return b""


def test_silent_without_a_terminal(capsys):
    assert list(track(iter("abc"), total=3, label="letters")) == ["a", "b", "c"]
    assert capsys.readouterr() == ("", "")


def test_bar_follows_the_records(on_terminal):
    yielded = []
    steps = [{"chunk": record} for record in RECORDS]
    bar = track(steps, total=30, label="training", record=lambda step: step["chunk"])
    shown = on_terminal(lambda: yielded.extend(bar))
    assert yielded == steps
    assert "training" in shown
    assert "30/30" in shown
    assert "loss 0.0333" in shown


def test_without_records_every_item_moves_the_bar_by_one(on_terminal):
    assert "2/2" in on_terminal(lambda: list(track("ab", total=2, label="letters")))


def test_quiet_holds_on_a_terminal_and_ends_with_its_block(on_terminal):
    def act():
        with quiet():
            assert list(track("ab", total=2, label="hushed")) == ["a", "b"]
        assert list(track("ab", total=2, label="spoken")) == ["a", "b"]

    shown = on_terminal(act)
    assert "hushed" not in shown
    assert "spoken" in shown


def test_nothing_goes_to_standard_output(on_terminal, capsys):
    assert on_terminal(lambda: list(track("ab", total=2, label="letters")))
    assert capsys.readouterr().out == ""


def test_track_is_lazy():
    drawn = []
    items = track((drawn.append(i) or i for i in range(3)), total=3, label="lazily")
    assert drawn == []
    assert next(items) == 0
    assert drawn == [0]


def test_failure_in_the_loop_comes_through_and_takes_the_bar_down(on_terminal):
    def failing():
        yield 1
        raise ValueError("halfway")

    def act():
        with pytest.raises(ValueError, match="halfway"):
            list(track(failing(), total=2, label="failing"))

    assert on_terminal(act).rstrip("\r\n").count("\x1b[?25h") == 1  # the cursor is shown again


def test_helper_sees_a_terminal(on_terminal):
    assert on_terminal(lambda: sys.stderr.write(str(sys.stderr.isatty()))) == "True"
