"""Checkpoints come back equal, and nothing else is taken for one."""

import numpy as np
import pytest

from close import assert_close
from dima.errors import ArtifactError, SettingError
from dima.store import Artifact, save
from dima.training import checkpoint
from dima.training.checkpoint import Checkpoint
from dima.training.stopping import Patience


def made(patience=None):
    state = {"net/w": np.eye(2, dtype=np.float32), "step": np.asarray(7, np.int32)}
    history = np.array([[5, 0.1 + 1e-16]])
    return Checkpoint(state, {"net/w": np.zeros((2, 2))}, history, patience or Patience(None))


@pytest.mark.parametrize("patience", [Patience(None), Patience(None, 0.25, 3)])
def test_what_was_written_is_read(tmp_path, patience):
    checkpoint.write(tmp_path / "c", made(patience), {"a": 1})
    found = checkpoint.read(tmp_path / "c", {"a": 1})
    for name, array in made().state.items():
        assert_close(found.state[name], array)
        assert found.state[name].dtype == array.dtype
    assert_close(found.best["net/w"], np.zeros((2, 2)))
    assert_close(found.history, made().history)
    assert found.patience == patience


def test_an_identity_is_compared_as_json_gives_it_back(tmp_path):
    identity = {"widths": (8, np.int64(16)), "path": {"levels": (0.5,)}}
    checkpoint.write(tmp_path / "c", made(), identity)
    assert checkpoint.read(tmp_path / "c", identity) is not None
    with pytest.raises(SettingError, match=r"got others: widths\."):
        checkpoint.read(tmp_path / "c", identity | {"widths": (8, 17)})


def test_other_data_are_refused_and_an_older_checkpoint_is_read_by_what_it_holds(tmp_path):
    rows, place = np.eye(2), tmp_path / "c"
    told = r"^training: the data must be those of the run in .*; got others: points\."
    own = {"T": 3, "points": checkpoint.fingerprint(rows, 5 * rows)}
    for held in ({"points": checkpoint.fingerprint(rows)}, {"points": own["points"]}):
        checkpoint.write(place, made(), {"T": 3} | held)
        assert checkpoint.read(place, own, ["points"]) is not None
        with pytest.raises(SettingError, match=told):
            checkpoint.read(place, own | {"points": checkpoint.fingerprint(rows + 1, rows)}, ["points"])
    with pytest.raises(SettingError, match=told):
        checkpoint.read(place, own | {"points": checkpoint.fingerprint(rows, rows)}, ["points"])
    with pytest.raises(SettingError, match=r"^training: the data and the settings must .*: T, points\."):
        checkpoint.read(place, {"T": 4, "points": checkpoint.fingerprint(-rows)}, ["points"])
    with pytest.raises(SettingError, match=r"got others: latents\."):
        checkpoint.read(place, own | {"latents": checkpoint.fingerprint(rows)}, ["points", "latents"])


def test_a_checkpoint_that_tells_nothing_of_its_data_is_read_with_a_warning(tmp_path):
    checkpoint.write(tmp_path / "c", made(), {"T": 3})
    own = {"T": 3, "points": checkpoint.fingerprint(np.eye(2))}
    told = r"^training: .*c must hold fingerprints of its data; got none, so they were not compared\. Make"
    with pytest.warns(UserWarning, match=told):
        assert checkpoint.read(tmp_path / "c", own, ["points"]) is not None


def test_none_is_there_yet(tmp_path):
    assert checkpoint.read(tmp_path / "c", {}) is None


@pytest.mark.parametrize("member", ["model.safetensors", "config.json"])
def test_a_damaged_one_is_refused(tmp_path, member):
    checkpoint.write(tmp_path / "c", made(), {})
    content = bytearray((tmp_path / "c" / member).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "c" / member).write_bytes(content)
    with pytest.raises(ArtifactError):
        checkpoint.read(tmp_path / "c", {})


def test_something_else_is_refused_and_left_alone(tmp_path):
    save(tmp_path / "c", Artifact("dmap", {}, {"a": np.ones(2)}), card="A model.")
    with pytest.raises(ArtifactError, match=r"must be a checkpoint; got a saved dmap\. Choose"):
        checkpoint.read(tmp_path / "c", {})
    assert (tmp_path / "c" / "model.safetensors").exists()


def test_fingerprints_tell_data_apart():
    data = np.random.default_rng(0).standard_normal((60, 2))
    first = checkpoint.fingerprint(data)
    assert checkpoint.fingerprint(data.copy()) == first
    assert checkpoint.fingerprint(data[::-1]) != first
    assert checkpoint.fingerprint(np.asfortranarray(data)) == first
