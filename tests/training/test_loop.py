"""A torch regression of a page gets patience, logs, checkpoints and exact resume from the harness."""

import dataclasses
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from close import assert_close
from dima.errors import ArtifactError, NumericsError, SettingError
from dima.progress import StepRecord
from dima.training import Run, checkpoint, train
from training.regression import problem

TESTS = Path(__file__).resolve().parents[1]
unix_only = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")

# A run in a process of its own that a signal meets after so many records.
CHILD = """
import os, sys
from pathlib import Path
from dima.training import Run, checkpoint, train
from training.regression import Regression, problem

class Met(Regression):
    def steps(self, state):
        for count, pair in enumerate(super().steps(state), start=1):
            if count == {after}:
                os.kill(os.getpid(), {number})
            yield pair

made = problem()
run = Run("regression", folder=Path(sys.argv[1]), patience=50, checkpoint_seconds={seconds})
train(Met(made.X, made.y), run)
"""


def run(folder=None, **changes):
    return Run("regression", folder=folder, checkpoint_seconds=0, **changes)


def child(folder, after, number, seconds=0):
    code = CHILD.format(after=after, number=int(number), seconds=seconds)
    paths = os.pathsep.join([str(TESTS), *sys.path])
    return subprocess.run([sys.executable, "-c", code, str(folder)], env={**os.environ, "PYTHONPATH": paths})


def assert_equal(one, other):
    assert_close(one.history, other.history)
    for name in one.state:
        assert_close(one.state[name], other.state[name])


def test_the_state_and_the_history_are_those_of_the_generator():
    trained = train(problem(), run())
    states = list(problem().steps(problem().start()))
    assert_close(trained.state["w"], states[-1][0]["w"])
    assert_close(trained.history, [(record.step, record.loss) for _, record in states])


@unix_only
@pytest.mark.parametrize("after", [2, 5, 8])
def test_a_killed_run_equals_one_that_was_not(tmp_path, after):
    assert child(tmp_path / "run", after, signal.SIGKILL).returncode == -signal.SIGKILL
    assert checkpoint.read(tmp_path / "run" / "checkpoint", {}).history[-1, 0] == 5 * (after - 1)
    assert_equal(train(problem(), run(tmp_path / "run", patience=50)), train(problem(), run(patience=50)))


@unix_only
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, -signal.SIGINT)])
def test_a_stop_that_is_asked_for_saves_first(tmp_path, number, code):
    ended = child(tmp_path / "run", 3, number, seconds=1000)
    assert ended.returncode in (code, 130)
    assert checkpoint.read(tmp_path / "run" / "checkpoint", {}).history[-1, 0] == 15
    assert_equal(train(problem(), run(tmp_path / "run", patience=50)), train(problem(), run(patience=50)))


@unix_only
def test_a_stop_loses_nothing_of_what_is_shown(tmp_path, caplog):
    seen = []

    def show(now):
        seen.append(now.step)
        if now.step == 10:
            os.kill(os.getpid(), signal.SIGTERM)

    caplog.set_level("INFO", "dima")
    with pytest.raises(SystemExit):
        train(problem(), dataclasses.replace(run(tmp_path), watch=show))
    assert "regression: stopped after step 10; the checkpoint in" in caplog.text
    assert "a run in that folder goes on from it." in caplog.text
    assert "--" not in caplog.text  # flags belong to the verbs
    assert "goes on after step" not in caplog.text
    caplog.clear()
    train(problem(), dataclasses.replace(run(tmp_path), watch=show))
    assert caplog.messages == ["regression: goes on after step 10 of 40."]
    train(problem(), run(tmp_path))  # has ended
    assert len(caplog.messages) == 1
    assert seen == [5, 10, 15, 20, 25, 30, 35, 40]


@unix_only
def test_a_stop_that_comes_with_the_last_checkpoint_is_obeyed(tmp_path, monkeypatch):
    write = checkpoint.write

    def met(*arguments):
        write(*arguments)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(checkpoint, "write", met)
    with pytest.raises(SystemExit):
        train(problem(), Run("regression", folder=tmp_path, checkpoint_seconds=1000))
    monkeypatch.undo()
    assert_equal(train(problem(), run(tmp_path)), train(problem(), run()))


@pytest.mark.parametrize(("seconds", "records"), [(1000, [4, 8]), (6, [4, 7, 8]), (1, [2, 3, 4, 5, 6, 7, 8])])
def test_the_first_checkpoint_comes_early(tmp_path, monkeypatch, seconds, records):
    clock, kept = itertools.chain([0.0], itertools.count(0.0, 2.0)), []  # the first record comes at once
    monkeypatch.setattr("dima.training.loop.monotonic", lambda: next(clock))
    monkeypatch.setattr(checkpoint, "write", lambda path, state, identity: kept.append(len(state.history)))
    train(problem(), Run("regression", folder=tmp_path, checkpoint_seconds=seconds))
    assert kept == records


def test_a_held_out_loss_that_is_no_number_is_a_line_like_any_other(tmp_path):
    train(losses([1.0, np.nan, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]), run(tmp_path, patience=50))
    train(problem(), run(tmp_path, patience=50))
    assert [line["step"] for line in lines(tmp_path)] == [5, 10, 15, 20, 25, 30, 35, 40]


def test_a_finished_run_is_read_not_repeated(tmp_path, monkeypatch):
    whole = train(problem(), run(tmp_path))
    monkeypatch.setattr(checkpoint, "write", None)  # nothing is left to write
    assert_equal(train(problem(), run(tmp_path)), whole)


def losses(values):
    """The regression with held-out losses as given."""
    made, left = problem(), iter(values)
    made.held_out_loss = lambda state: next(left)
    return made


def test_early_stopping_stops_and_returns_the_best():
    trained = train(losses([3.0, 1.0, 2.0, np.nan, 0.5]), run(patience=2))
    assert_close(trained.history[:, 0], [5, 10, 15, 20])
    assert float(trained.state["step"]) == 10


def test_a_stopped_run_is_not_gone_on_with(tmp_path):
    first = train(losses([1.0, 2.0, 3.0]), run(tmp_path, patience=2))
    assert_equal(train(losses([]), run(tmp_path, patience=2)), first)


def lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_metrics_are_json_lines_without_repeats(tmp_path):
    train(problem(n_steps=20), run(tmp_path, patience=50))
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 25, "loss": 1.0}\n{"step": 3')  # written after the checkpoint, then torn
    trained = train(problem(), run(tmp_path, patience=50))
    assert [line["step"] for line in lines(tmp_path)] == [5, 10, 15, 20, 25, 30, 35, 40]
    assert_close([line["loss"] for line in lines(tmp_path)], trained.history[:, 1])
    assert set(lines(tmp_path)[0]) == {"step", "loss", "held_out_loss", "seconds"}


@pytest.mark.parametrize("changes", [{"log_every": 7}, {"checkpoint_seconds": 9.0}, {"label": "x"}], ids=str)
def test_what_is_logged_changes_no_number_and_refuses_no_resume(tmp_path, changes):
    whole = train(problem(), run())
    train(problem(n_steps=20), run(tmp_path))
    made = Run(**{"label": "regression", "folder": tmp_path, **changes})
    assert_equal(train(problem(), made), whole)


def test_log_lines_stand_at_multiples(caplog):
    with caplog.at_level("INFO", logger="dima"):
        train(problem(), run(log_every=20))
    shown = [record.getMessage().split(",")[0] for record in caplog.records if record.name == "dima"]
    assert shown == ["regression: step 20 of 40", "regression: step 40 of 40"]


@pytest.mark.parametrize(
    ("folder", "shown"),
    [(3, "3"), (True, "True"), (b"x", "bytes"), (["a"], "list"), ("", "''"), ("a\0b", r"'a\\x00b'")],
    ids=str,
)
def test_a_folder_that_is_no_path_is_refused(folder, shown):
    told = f"^regression: checkpoint must be a path, as text or a Path; got {shown}\\. Name a folder"
    with pytest.raises(SettingError, match=told):
        train(problem(), run(folder))


def test_another_identity_is_refused_by_name(tmp_path):
    train(problem(), run(tmp_path, identity={"rate": 0.1, "data": "a"}))
    with pytest.raises(SettingError, match=r"^training: .* those of the run in .*; got others: data, seed\."):
        train(problem(), run(tmp_path, identity={"rate": 0.1, "data": "b", "seed": 0}))


def test_an_infinite_loss_is_said_before_it_is_kept(tmp_path):
    made = problem()
    made.steps = lambda state: iter([(state, StepRecord(5, np.inf, 0.0))])
    with pytest.raises(NumericsError, match=r"^regression: the loss must be finite; got inf at step 5\."):
        train(made, run(tmp_path))
    assert not (tmp_path / "checkpoint").exists()


def test_a_run_folder_serves_one_process(tmp_path):
    script = (
        "import sys, pathlib; from dima.training.runs import RunFolder\n"
        "with RunFolder(pathlib.Path(sys.argv[1])).owned():\n    print('mine', flush=True); sys.stdin.read()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], **pipes) as other:
        assert other.stdout.readline() == "mine\n"
        with pytest.raises(ArtifactError, match=r"must be free; got a run of another process\. Wait"):
            train(problem(), run(tmp_path))
        other.stdin.close()
    train(problem(), run(tmp_path))


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ArtifactError, match=r"training: .*run must be a folder to write to"):
        train(problem(), run(tmp_path / "file" / "run"))


def test_a_lock_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / ".lock").mkdir()
    with pytest.raises(ArtifactError, match=r"training: .*\.lock must be writeable; got Is a directory"):
        train(problem(), run(tmp_path))


def test_in_another_thread_no_handler_is_set(tmp_path):
    found = []
    worker = threading.Thread(target=lambda: found.append(train(problem(), run(tmp_path))))
    worker.start()
    worker.join()
    assert_equal(found[0], train(problem(), run()))


def test_no_steps_return_the_start():
    trained = train(problem(n_steps=0), run())
    assert trained.history.shape == (0, 2)
    assert_close(trained.state["w"], np.zeros(3))
