"""A converted checkpoint gives what its network gives when run by itself, and is converted once."""

import subprocess

import numpy as np
import pytest
import torch

from close import assert_close
from dima.data.images import load as load_images
from dima.errors import ArtifactError
from dima.image.autoencoder.checkpoint import MOST_BYTES
from dima.model.foreign import convert, converted
from dima.model.persist import load, save
from model.foreign_models import Convolved, Flat, checkpoint, truth

IMAGES = load_images("fashion-mnist-1000").images[:64]


def network(kind, **how):
    """One with weights so large that the ends of its output are reached."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = kind(**how)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(1.7)
    return made


@pytest.fixture(scope="module")
def flat(tmp_path_factory):
    """A checkpoint of a fully connected network, and the network."""
    made = network(Flat)
    return checkpoint(tmp_path_factory.mktemp("flat") / "flat.pt", made, "mlp"), made


def no_child(*_args, **_how):
    raise AssertionError("a child was started")


@pytest.mark.parametrize(
    ("kind", "how", "args", "passed", "pixels"),
    [
        (Flat, {}, {}, {}, ("sigmoid", 0)),
        (Flat, {"latent_dim": 128}, {"output": "tanh"}, {}, ("tanh", -1)),
        (Flat, {}, {"activation": "relu"}, {"output": "linear", "pixel_range": (-1, 1)}, ("linear", -1)),
        (Convolved, {}, {"pixel_range": (-1, 1), "as_dict": True}, {}, ("sigmoid", -1)),
        (Convolved, {"widths": (16, 32, 64)}, {"key": "state_dict"}, {"output": "tanh"}, ("tanh", -1)),
        (Convolved, {"widths": (5, 5, 5), "latent_dim": 2}, {"output": "none"}, {}, ("linear", 0)),
    ],
)
def test_it_encodes_and_decodes_as_the_network_itself(tmp_path, kind, how, args, passed, pixels):
    made = network(kind, **how)
    path = checkpoint(tmp_path / "a.pth", made, "mlp" if kind is Flat else "conv", **args)
    autoencoder = convert(path, **passed)
    codes, images = truth(made, IMAGES, pixels)
    assert np.ptp(images) > 0.1
    assert_close(autoencoder.encode(IMAGES), codes, atol=1e-5 * np.abs(codes).max())
    assert_close(autoencoder.decode(codes), images.reshape(64, -1), atol=1e-5)
    opened = load(save(autoencoder, tmp_path / "saved"))
    np.testing.assert_array_equal(opened.encode(IMAGES), autoencoder.encode(IMAGES))
    np.testing.assert_array_equal(opened.decode(codes), autoencoder.decode(codes))
    assert opened.facts() == {"autoencoder": "mlp" if kind is Flat else "conv", "image_shape": "1x28x28"}


def test_it_is_converted_once_and_found_by_its_bytes(tmp_path, monkeypatch, flat):
    path, made = flat
    place = converted(path, tmp_path / "cache")
    assert sorted(file.name for file in path.parent.iterdir()) == ["flat.pt"]
    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "run", no_child)
        moved = tmp_path / "moved.PT"
        moved.symlink_to(path)
        assert converted(moved, str(tmp_path / "cache")) == place
        with pytest.raises(AssertionError, match="a child was started"):
            converted(path, tmp_path / "cache", output="tanh")
    assert_close(load(place).encode(IMAGES), truth(made, IMAGES, ("sigmoid", 0))[0], atol=1e-4)
    (place / "config.json").write_text("{")
    assert converted(path, tmp_path / "cache") == place
    load(place)


def test_a_cache_that_cannot_be_made_is_refused(tmp_path, flat):
    (tmp_path / "file").touch()
    with pytest.raises(ArtifactError, match=r"convert: .*cache must be a folder to write to; got"):
        converted(flat[0], tmp_path / "file" / "cache")


def test_a_refused_one_leaves_nothing_in_the_cache(tmp_path):
    path = checkpoint(tmp_path / "a.pt", network(Flat), "conv")
    with pytest.raises(ArtifactError, match=r"convert: a\.pt must be a conv of the published shapes"):
        converted(path, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.bin", b"", r"must be a \.pt or \.pth file; got '\.bin'"),
        ("a.pt", b"hello", "must be a torch file"),
        ("a.pt", None, "convert: a.pt: it must be there"),
    ],
)
def test_files_of_another_kind_start_no_child(tmp_path, monkeypatch, name, content, message):
    monkeypatch.setattr(subprocess, "run", no_child)
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ArtifactError, match=message):
        convert(tmp_path / name)


def test_too_large_a_file_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(subprocess, "run", no_child)
    with (tmp_path / "a.pt").open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(ArtifactError, match="size must be at most 268435456 bytes; got 268435457"):
        convert(tmp_path / "a.pt")


def test_an_output_that_is_unknown_is_refused(flat):
    with pytest.raises(ArtifactError, match="an output among sigmoid, tanh, linear; got 'relu6'"):
        convert(flat[0], output="relu6")
