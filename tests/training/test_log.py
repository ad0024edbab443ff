"""TensorBoard's events are written where it is installed; a log that cannot be written says so."""

import sys
import types

import pytest

from dima.errors import ArtifactError
from dima.training import log


class Writer:
    """Stands in for TensorBoard's, which the tests do without."""

    def __init__(self, folder):
        self.folder, self.scalars, self.is_open = folder, [], True
        Writer.last = self

    def add_scalar(self, name, value, step):
        self.scalars.append((name, value, step))

    def close(self):
        self.is_open = False


def test_scalars_reach_tensorboard(monkeypatch, tmp_path):
    monkeypatch.setattr(log.importlib.util, "find_spec", lambda name: name)
    summary = types.ModuleType("tensorboard.summary")
    summary.Writer = Writer
    monkeypatch.setitem(sys.modules, "tensorboard", types.ModuleType("tensorboard"))
    monkeypatch.setitem(sys.modules, "tensorboard.summary", summary)
    with log.written(tmp_path / "m.jsonl", tmp_path / "events", 0) as write:
        write({"step": 5, "loss": 0.5})
    assert Writer.last.folder == str(tmp_path / "events")
    assert Writer.last.scalars == [("loss", 0.5, 5)]
    assert not Writer.last.is_open


def test_a_log_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "m.jsonl").mkdir()
    with (
        pytest.raises(ArtifactError, match=r"^log: .*m\.jsonl must be"),
        log.written(tmp_path / "m.jsonl", tmp_path / "events", 0),
    ):
        pass
