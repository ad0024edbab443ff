"""Where results lie, and what is found by itself."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from dima.cli.image import places
from dima.data.images import load as load_images
from dima.errors import ArtifactError, DataError
from dima.manifold.dmap import DMAP
from dima.model.image_autoencoder import ImageAutoencoder
from dima.model.persist import save
from model.foreign_models import Flat, checkpoint

IMAGES = load_images("fashion-mnist-1000").images[:64]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    for model in ("conv", "mlp"):
        save(ImageAutoencoder(model, latent_dim=2, epochs=1).fit(IMAGES), folder / model)
    return folder


def test_scratch_folders_come_first(monkeypatch):
    for name in ("SCRATCH", "SLURM_TMPDIR"):
        monkeypatch.delenv(name, raising=False)
    assert places.output_folder() == Path("outputs")
    monkeypatch.setenv("SLURM_TMPDIR", "/job")
    assert places.output_folder() == Path("/job/outputs")
    monkeypatch.setenv("SCRATCH", "/scratch")
    assert places.output_folder() == Path("/scratch/outputs")


def test_downloads_are_kept_where_asked_or_where_they_were(tmp_path, monkeypatch):
    monkeypatch.setenv("SCRATCH", str(tmp_path))
    assert places.cache_folder(None) is None
    assert places.cache_folder(Path("there")) == Path("there")
    (tmp_path / "hf_cache").mkdir()
    assert places.cache_folder(None) == tmp_path / "hf_cache"


def test_conv_comes_before_mlp_and_new_before_old(saved, tmp_path):
    home = tmp_path / places.AUTOENCODERS
    for age, (name, kind) in enumerate({"a": "mlp", "b": "conv", "c": "conv", "d": "mlp"}.items()):
        shutil.copytree(saved / kind, home / name)
        os.utime(home / name, (age, age))
    assert places.open_autoencoder(None, None, tmp_path)[1] == home / "c"
    shutil.rmtree(home / "c")
    shutil.rmtree(home / "b")
    opened, path = places.open_autoencoder(None, home, Path("elsewhere"))
    assert (opened.model, path) == ("mlp", home / "d")


def test_a_named_one_is_taken_as_it_is_whatever_its_kind(saved):
    assert places.open_autoencoder(saved / "mlp", None, Path())[0].model == "mlp"


def test_what_is_no_autoencoder_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match=r"--ae-ckpt-dir: .* got none\. Make one"):
        places.open_autoencoder(None, None, tmp_path / "nothing")
    with pytest.raises(ArtifactError, match="got nothing there"):
        places.open_autoencoder(tmp_path / "missing", None, tmp_path)
    save(DMAP(d=1, k=5).fit(np.random.default_rng(0).standard_normal((30, 2))), tmp_path / "dmap")
    with pytest.raises(ArtifactError, match="must be a saved autoencoder; got a DMAP"):
        places.open_autoencoder(tmp_path / "dmap", None, tmp_path)


def test_the_newest_run_of_a_stem_is_told_by_the_time_in_its_name(tmp_path, caplog):
    caplog.set_level("INFO", "dima")
    assert places.run_to_use(tmp_path, "a-seed4", auto_resume=True).startswith("a-seed4-2")
    assert "No run a-seed4-... to go on with" in caplog.text
    caplog.clear()
    names = ("a-seed4-20260101-000000", "a-seed4-20260102-000000", "a-seed42-20270101-000000", "a-seed4-x")
    for name in names:
        (tmp_path / "runs" / name).mkdir(parents=True)
    assert places.run_to_use(tmp_path, "a-seed4", auto_resume=True) == names[1]
    assert places.run_to_use(tmp_path, "a-seed4", auto_resume=False) not in names
    assert not caplog.text


def test_a_checkpoint_of_others_is_converted_once(tmp_path, monkeypatch):
    path = checkpoint(tmp_path / "theirs.pt", Flat(latent_dim=2), "mlp")
    opened, found = places.open_autoencoder(path, None, tmp_path / "results")
    assert (opened.encode(IMAGES).shape, found) == ((64, 2), path)
    monkeypatch.setattr(places.foreign, "_from_bytes", lambda *given: pytest.fail("converted again"))
    again, _ = places.open_autoencoder(path, None, tmp_path / "results")
    np.testing.assert_array_equal(again.encode(IMAGES), opened.encode(IMAGES))


def test_one_that_is_damaged_is_passed_over_with_a_word(saved, tmp_path, caplog):
    home = tmp_path / places.AUTOENCODERS
    for age, name in enumerate(["good", "config", "arrays", "other"]):
        shutil.copytree(saved / "conv", home / name)
        os.utime(home / name, (age, age))
    for name, file in {"config": "config.json", "arrays": "model.safetensors"}.items():
        (home / name / file).write_bytes((home / name / file).read_bytes()[:-9])
    (home / "other" / "config.json").write_text(
        '{"format": 1, "kind": "image-autoencoder", "settings": {}, "arrays": {}}'
    )
    assert places.open_autoencoder(None, None, tmp_path)[1] == home / "good"
    for name in ("config", "arrays", "other"):
        assert sum(f"Passed over {home / name}," in told for told in caplog.messages) == 1
    with pytest.raises(ArtifactError, match=r"arrays/model\.safetensors"):  # one that is named is not
        places.open_autoencoder(home / "arrays", None, tmp_path)
    shutil.rmtree(home / "good")
    with pytest.raises(ArtifactError, match=r"must hold a saved autoencoder; got none"):
        places.open_autoencoder(None, None, tmp_path)


def test_only_the_one_that_is_taken_is_read_whole(saved, monkeypatch):
    read, load = [], places.persist.load
    monkeypatch.setattr(places.persist, "load", lambda path: read.append(path) or load(path))
    places.open_autoencoder(None, saved, saved)
    assert read == [saved / "conv"]


def test_checkpoints_of_others_in_the_folder_come_last(saved, tmp_path, caplog):
    (tmp_path / "in").mkdir()
    path = checkpoint(tmp_path / "in" / "theirs.pt", Flat(latent_dim=2), "mlp")
    (tmp_path / "in" / "junk.pth").write_bytes(b"junk")
    assert places.open_autoencoder(None, tmp_path / "in", tmp_path / "results")[1] == path
    assert "junk.pth, which does not open" in caplog.text
    shutil.copytree(saved / "mlp", tmp_path / "in" / "ours")
    assert places.open_autoencoder(None, tmp_path / "in", tmp_path / "results")[1].name == "ours"


def test_a_log_that_cannot_be_written_is_one_sentence(tmp_path):
    tree = places.Tree(tmp_path, "run")
    tree.log.mkdir(parents=True)
    told = r"run\.log must be a file to write to; got Is a directory\. Check"
    with pytest.raises(DataError, match=told), tree.logged():
        pass


def test_a_training_that_has_not_ended_is_called_that(saved, tmp_path):
    shutil.copytree(saved / "mlp", tmp_path / "run" / "checkpoint")  # what a run goes on from is no model
    rule = "^--ckpt: .* must be a saved model; got one whose training has not ended. Give the command that"
    with pytest.raises(ArtifactError, match=rf"{rule} trains it again, which goes on\.$"):
        places.open_kind("--ckpt", tmp_path, ImageAutoencoder, "dima image fit-ddpm")
    shutil.copytree(saved / "mlp", tmp_path / "best_model")
    with pytest.raises(ArtifactError, match=r"goes on, or name one of those below it: \S*/best_model\.$"):
        places.open_kind("--ckpt", tmp_path, ImageAutoencoder, "dima image fit-ddpm")
    shutil.copytree(saved / "mlp", tmp_path / "model")
    assert places.open_kind("--ckpt", tmp_path, ImageAutoencoder, "dima image fit-ddpm").latent_dim == 2
