"""A torch file from elsewhere is read apart: nothing it asks for is run, and all it holds is bounded."""

import argparse
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from dima.errors import ArtifactError
from dima.image.autoencoder import checkpoint
from dima.image.autoencoder.checkpoint import read_checkpoint, take_apart


def saved(content, **how):
    file = io.BytesIO()
    torch.save(content, file, **how)
    return file.getvalue()


SOUND = {
    "args": {"model": "mlp", "output": None, "seed": 1},
    "state_dict": {"b": torch.ones(2), "a": torch.zeros(1, 3)},
}


@pytest.fixture
def here(monkeypatch, tmp_path):
    """Reads as the child does, in this process and without its limits: a child costs seconds."""
    monkeypatch.setattr(checkpoint, "_limit", lambda: None)

    def run_child(source, folder, name):
        take_apart(str(source), str(folder), name)

    monkeypatch.setattr(checkpoint, "_run_child", run_child)


class Evil:
    def __init__(self, victim):
        self.victim = victim

    def __reduce__(self):
        return os.system, (f"echo > {self.victim}",)


@pytest.mark.parametrize("is_zip", [True, False])
def test_a_pickle_that_would_run_code_is_refused_and_nothing_ran(tmp_path, is_zip):
    victim = tmp_path / "victim"
    data = saved(SOUND | {"epoch": Evil(victim)}, _use_new_zipfile_serialization=is_zip)
    with pytest.raises(ArtifactError, match=r"evil.pt must be plain .* needs '(posix|nt).system'"):
        read_checkpoint(data, "evil.pt")
    assert not victim.exists()
    # The same bytes do run where they are trusted, so the test has teeth.
    torch.load(io.BytesIO(data), weights_only=False)
    assert victim.exists()


def test_a_sound_one_comes_back_in_its_order():
    args, state = read_checkpoint(saved(SOUND), "sound.pt")
    assert args == {"model": "mlp"}
    assert list(state) == ["b", "a"]
    np.testing.assert_array_equal(state["b"], np.ones(2, np.float32))
    assert state["a"].shape == (1, 3)


@pytest.mark.parametrize("key", ["model", "state_dict", "model_state_dict", "model_state"])
@pytest.mark.parametrize("args", [{"model": "conv"}, argparse.Namespace(model="conv", where=None)])
def test_state_and_args_go_by_several_names(here, key, args):
    told, state = read_checkpoint(saved({"args": args, key: {"w": torch.ones(2).half()}}), "a.pt")
    assert told == {"model": "conv"}
    assert state["w"].dtype == np.float32


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (torch.ones(3), "args.model; got none in a Tensor"),
        ({"state_dict": {}}, "args.model; got none in the keys 'state_dict'"),
        (SOUND | {"args": {"lr": 1}}, "args.model; got none"),
        (SOUND | {"args": argparse.Namespace()}, "args.model; got none"),
        (
            {"args": {"model": "mlp"}, "weights": {}},
            "under model, state_dict, .* got the keys 'args, weights'",
        ),
        (SOUND | {"state_dict": {"w": [1.0]}}, "dense real tensors by name; got 'w' of type list"),
        (SOUND | {"state_dict": {3: torch.ones(1)}}, "by name; got '3'"),
        (SOUND | {"state_dict": {"w": torch.ones(2, dtype=torch.complex64)}}, "dense real"),
        (SOUND | {"state_dict": {"w": torch.eye(2).to_sparse()}}, "dense real"),
        (SOUND | {"state_dict": {"w": torch.ones(2, device="meta")}}, "dense real"),
        (SOUND | {"state_dict": {"w": torch.ones(1).expand(1 << 20, 1 << 20)}}, "at most 1000 tensors"),
        (SOUND | {"state_dict": {str(i): torch.ones(1) for i in range(1001)}}, "at most 1000 tensors"),
        (SOUND | {"where": Path("x")}, "a pickle that needs 'pathlib"),
    ],
)
def test_what_is_no_such_checkpoint_is_refused_in_one_sentence(here, content, message):
    with pytest.raises(ArtifactError, match=message) as caught:
        read_checkpoint(saved(content), "a.pt")
    assert str(caught.value).startswith("convert: a.pt must be ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("is_zip", [True, False])
def test_damage_is_told_wherever_it_is(here, is_zip):
    data = saved(SOUND, _use_new_zipfile_serialization=is_zip)
    # Cut within the name of a class, the old form seems to ask for another one.
    rule = "a whole torch file; got a damaged one" if is_zip else "a whole torch file|a pickle that needs"
    for length in range(4, len(data), 101):
        with pytest.raises(ArtifactError, match=rule):
            read_checkpoint(data[:length], "cut.pt")


@pytest.mark.parametrize("data", [b"", b"hello", b"\x93NUMPY", b"{}"])
def test_what_is_no_torch_file_starts_no_child(monkeypatch, data):
    monkeypatch.setattr(subprocess, "run", None)
    with pytest.raises(ArtifactError, match="must be a torch file; got one that begins with"):
        read_checkpoint(data, "a.pt")


def test_a_child_that_does_not_end_is_ended(monkeypatch):
    monkeypatch.setattr(checkpoint, "_MOST_SECONDS", 0.01)
    with pytest.raises(ArtifactError, match="got a child that did not end"):
        read_checkpoint(saved(SOUND), "slow.pt")


def test_a_child_that_breaks_down_is_told(monkeypatch):
    monkeypatch.setattr(checkpoint, "_CHILD", "import sys; sys.exit('no memory')")
    with pytest.raises(ArtifactError, match="a child that ended with 1 'no memory'"):
        read_checkpoint(saved(SOUND), "a.pt")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not hold a process to them")
def test_the_child_has_limits_and_no_tokens(monkeypatch):
    probe = (
        "import json, os, resource, sys; sys.path[:] = json.loads(sys.argv[1]); "
        "from dima.image.autoencoder import checkpoint; checkpoint._limit(); "
        "kinds = resource.RLIMIT_CPU, resource.RLIMIT_FSIZE, resource.RLIMIT_AS; "
        "limits = [resource.getrlimit(kind)[1] for kind in kinds]\n"
        "try: bytearray(3 << 30)\n"
        "except MemoryError: limits.append('refused')\n"
        "sys.exit(json.dumps([limits, 'HF_TOKEN' in os.environ]))"
    )
    monkeypatch.setattr(checkpoint, "_CHILD", probe)
    monkeypatch.setenv("HF_TOKEN", "secret")
    heard = []
    monkeypatch.setattr(checkpoint, "quoted", lambda text: heard.append(text) or text)
    with pytest.raises(ArtifactError):
        read_checkpoint(saved(SOUND), "a.pt")
    (cpu, disk, memory, refused), has_token = json.loads(heard[-1])
    assert 60 <= cpu < 90
    assert disk == 512 << 20
    assert memory >= 2 << 30
    assert refused == "refused"
    assert not has_token
