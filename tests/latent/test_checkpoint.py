import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from close import assert_close
from dima.errors import ArtifactError, SettingError
from dima.files import _aside
from dima.latent import checkpoint, fitting
from dima.latent.ddpm import DDPM
from dima.store import Artifact, save
from latent.runs import assert_equal, begin, fit, interrupted, run

SMALL = {"T": 20, "hidden_dim": 8, "t_embed_dim": 4, "n_iter": 40, "verbose_every": 10, "batch_size": 16}
TESTS = Path(__file__).resolve().parents[1]

# A run that is killed, with no chance to tidy up, once its checkpoint stands.
KILLED = """
import os, signal, sys
from pathlib import Path
from latent import runs
from dima.latent import fitting
write = fitting.checkpoint.write
def last(*arguments):
    write(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
fitting.checkpoint.write = last
runs.fit(runs.run(Path(sys.argv[1])))
"""


def drawn(seed=0):
    return np.random.default_rng(seed).standard_normal((60, 2))


@pytest.mark.parametrize("after", [1, 3, 6])
def test_an_interrupted_run_equals_an_uninterrupted_one(monkeypatch, tmp_path, after):
    whole = fit(run())
    made = run(tmp_path / "run")
    interrupted(monkeypatch, made, after)
    assert_equal(fit(made), whole)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_killed_run_equals_an_uninterrupted_one(tmp_path):
    started = [sys.executable, "-c", KILLED, str(tmp_path / "run")]
    paths = [str(TESTS), *sys.path]
    child = subprocess.run(started, check=False, env={"PYTHONPATH": ":".join(paths), "JAX_PLATFORMS": "cpu"})
    assert child.returncode == -signal.SIGKILL
    made = run(tmp_path / "run")
    assert checkpoint.read(made.checkpoint, fitting_start(), made.belongs).history[-1, 0] == 10
    assert_equal(fit(made), fit(run()))


def fitting_start():
    return fitting._start(run(), begin())


def test_a_finished_run_is_read_not_repeated(tmp_path, monkeypatch):
    made = run(tmp_path / "run")
    whole = fit(made)
    monkeypatch.setattr(checkpoint, "write", None)  # nothing is left to write
    assert_equal(fit(made), whole)


def test_an_empty_folder_is_a_place_to_start(tmp_path):
    assert_equal(fit(run(tmp_path)), fit(run()))


def test_one_set_aside_by_a_killed_save_is_found(monkeypatch, tmp_path):
    made = run(tmp_path / "run")
    interrupted(monkeypatch, made)
    (tmp_path / "run").rename(_aside((tmp_path / "run").resolve()))
    found = checkpoint.read(made.checkpoint, fitting_start(), made.belongs)
    assert int(found.state.step) == 10


def test_a_model_resumed_equals_one_that_was_not(tmp_path, monkeypatch):
    whole = DDPM(**SMALL).fit(drawn())
    resumed = DDPM(**SMALL)
    with monkeypatch.context() as patch:
        write = checkpoint.write
        patch.setattr(checkpoint, "write", lambda *given: (write(*given), 1 / 0))
        with pytest.raises(ZeroDivisionError):
            resumed.fit(drawn(), checkpoint=tmp_path / "run")
    resumed.fit(drawn(), checkpoint=str(tmp_path / "run"))
    assert_equal(resumed.parameters_, whole.parameters_)
    assert_close(resumed.losses_, whole.losses_)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "kept"
    DDPM(**SMALL).fit(drawn(), checkpoint=folder)
    return folder


@pytest.mark.parametrize(
    ("other", "seed", "named"),
    [
        ({"learning_rate": 0.1}, 0, "learning_rate"),
        ({"ema_decay": 0.5, "n_iter": 50}, 0, "ema_decay, n_iter"),
        ({"schedule": "linear"}, 0, "schedule"),
        ({"seed": 1}, 0, "seed"),
        ({}, 1, "points"),
    ],
    ids=str,
)
def test_another_run_is_refused_and_told_by_what(kept, other, seed, named):
    with pytest.raises(SettingError, match=f"settings must be those of the run; got others: {named}\\. Give"):
        DDPM(**{**SMALL, **other}).fit(drawn(seed), checkpoint=kept)


def test_fewer_points_are_other_points(kept):
    with pytest.raises(SettingError, match="got others: points"):
        DDPM(**SMALL).fit(drawn()[:-1], checkpoint=kept)


@pytest.fixture
def written(tmp_path):
    made = run(tmp_path / "run")
    checkpoint.write(made.checkpoint, fitting_start(), made.belongs)
    return made


@pytest.mark.parametrize("member", ["model.safetensors", "config.json"])
def test_a_damaged_checkpoint_is_refused(written, member):
    file = written.checkpoint / member
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(ArtifactError):
        fit(written)


def test_a_checkpoint_without_its_arrays_is_refused(written):
    (written.checkpoint / "model.safetensors").unlink()
    with pytest.raises(ArtifactError):
        fit(written)


def test_arrays_of_another_version_are_refused(written):
    arrays = {"0000": np.zeros(3)}
    save(written.checkpoint, Artifact("ddpm-training", written.belongs, arrays))
    with pytest.raises(ArtifactError, match="one of this version; got 1 arrays instead of"):
        fit(written)


def test_something_else_is_refused_and_left_alone(tmp_path):
    save(tmp_path / "model", Artifact("dima", {}, {"a": np.ones(2)}))
    before = sorted((tmp_path / "model").iterdir())
    with pytest.raises(ArtifactError, match="the artifact must be a checkpoint; got dima"):
        fit(run(tmp_path / "model"))
    assert sorted((tmp_path / "model").iterdir()) == before


def test_what_was_written_is_read(written):
    found = checkpoint.read(written.checkpoint, fitting_start(), written.belongs)
    assert_equal(found, fitting_start())
    assert found.history.dtype == np.float64


def test_fingerprints_tell_points_apart():
    first = checkpoint.fingerprint(drawn())
    assert checkpoint.fingerprint(drawn()) == first
    assert checkpoint.fingerprint(drawn()[::-1]) != first
    assert checkpoint.fingerprint(np.asfortranarray(drawn())) == first
