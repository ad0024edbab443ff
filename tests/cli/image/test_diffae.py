"""`dima image fit-diffae`: a folder of results, loaded where it is there."""

import json

import numpy as np
import pytest

from dima.cli.image import diffae as verb
from dima.data.images import load


def but(call, flag, value):
    """The call with another value of a flag."""
    at = call.index(flag) + 1 if flag in call else len(call) + 1
    return [*call[: at - 1], flag, str(value), *call[at + 1 :]]


def test_results_are_a_model_pictures_and_a_run(results):
    names = {path.name for path in results.iterdir()}
    pictures = {"conditioned_samples.png", "diffusion_autoencoder_demo.png"}
    assert names == {"coder", "model", "run", "samples", "made_of.json"} | pictures
    assert [path.name for path in (results / "samples").iterdir()] == ["epoch_000005.png"]
    assert (results / "run" / "metrics.jsonl").stat().st_size


def test_what_is_there_is_loaded_and_not_trained_again(results, diffae, dima):
    before = (results / "model" / "MANIFEST.json").read_bytes()
    again = dima(*diffae, "-o", str(results), "--json")
    assert again.code == 0
    told = json.loads(again.out)
    assert told["autoencoder"] == "diffusion (joint)"
    assert told["condition_used"] > 0
    assert again.err.count("Loaded, not trained again") == 2
    assert (results / "model" / "MANIFEST.json").read_bytes() == before


@pytest.mark.parametrize(
    ("flag", "value", "told"),
    [
        ("--drop", 0.2, "must be of drop 0.2; got drop 0.1. Choose another folder with --output."),
        ("--prior-steps", 21, "must be of prior_steps 21; got prior_steps 20. Choose another folder"),
        ("--only-digit", 3, "images of fashion-mnist-1000; got other images of that name"),
    ],
)
def test_a_folder_of_other_settings_or_images_is_refused(results, diffae, dima, flag, value, told):
    assert told in dima.refused(*but(diffae, flag, value), "-o", str(results))


def test_a_folder_of_other_data_is_refused_and_one_without_a_note(results, diffae, dima, tmp_path):
    np.save(tmp_path / "mine.npy", load("fashion-mnist-1000").images[:40])
    other = [*but(diffae, "--data", tmp_path / "mine.npy"), "-o"]
    assert "got those of fashion-mnist-1000. Choose" in dima.refused(*other, str(results))
    (tmp_path / "old" / "model").mkdir(parents=True)
    assert "must say in made_of.json" in dima.refused(*other, str(tmp_path / "old"))


def test_the_usual_folder_is_named_after_the_data(monkeypatch, dima, tmp_path):
    seen = []

    def stopped(coder, train, folder):
        seen.append(folder.name)
        raise KeyboardInterrupt

    monkeypatch.setattr(verb, "_coder", stopped)
    call = ["image", "fit-diffae", "--data", "fashion-mnist-1000", "--outdir", str(tmp_path)]
    assert dima(*call).code == dima(*call, "--only-digit", "3").code == 130
    assert "No run to go on with in" in dima(*call, "--auto-resume").err
    assert "No run to go on" not in dima(*call, "--auto-resume", "-q").err
    assert seen[:2] == ["joint-d16-fashion-mnist-1000", "joint-d16-fashion-mnist-1000-digit3"]


@pytest.mark.parametrize(("ratio", "is_told"), [(1.049, True), (1.051, False)])
def test_a_condition_that_is_hardly_used_is_told(results, diffae, dima, monkeypatch, ratio, is_told):
    monkeypatch.setattr(verb.DiffusionAutoencoder, "condition_used", lambda self, images: ratio)
    ran = dima(*diffae, "-o", str(results), "--json")
    assert (ran.code, ran.json["condition_used"]) == (0, ratio)
    assert ("The denoiser hardly uses its latents: ratio 1.049, below 1.05." in ran.err) is is_told
