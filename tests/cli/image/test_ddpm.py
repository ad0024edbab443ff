"""`dima image fit-ddpm`: a folder with a model that goes on and is not trained twice."""

import json

from dima.model.persist import load

SMALL = [
    "image",
    "fit-ddpm",
    "--data",
    "fashion-mnist-1000",
    "--widths",
    "4",
    "8",
    "--batch-size",
    "250",
]  # of 800 training images


def test_a_folder_of_results_is_made_once(tmp_path, dima):
    folder = tmp_path / "teacher"
    made = dima(*SMALL, "--epochs", "1", "-o", str(folder))
    assert made.code == 0
    assert f"dima image make-pairs --ckpt {folder / 'model'}" in made.out
    assert {path.name for path in folder.iterdir()} == {"model", "run", "samples", "made_of.json"}
    assert [path.name for path in (folder / "samples").iterdir()] == ["samples_epoch_001.png"]
    assert load(folder / "model").widths == (4, 8)

    again = dima(*SMALL, "--epochs", "1", "-o", str(folder), "--json")
    assert "Loaded, not trained again" in again.err
    assert json.loads(again.out)["denoiser_training_steps"] == 3

    other = dima(*SMALL, "--epochs", "2", "-o", str(folder))
    assert (other.code, other.err.count("\n")) == (2, 1)
    assert "must be of epochs 2; got epochs 1. Choose another folder" in other.err

    digit = dima.refused(*SMALL, "--epochs", "1", "--only-digit", "3", "-o", str(folder))
    assert "must be of the images of fashion-mnist-1000; got other images of that name" in digit
