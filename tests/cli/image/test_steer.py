"""`dima image edit`, `reconstruct` and `explain`: pictures from saved models, and broken input."""

import json

import numpy as np
import pytest
from matplotlib.image import imread

from dima import load
from dima.cli.image import steer
from dima.data.images import load as load_images
from dima.model.latent_diffusion import LatentDiffusion

DATA = ["--data", "fashion-mnist-1000"]


@pytest.mark.parametrize(
    ("verb", "extra"),
    [
        ("edit", ["--towards", "8", "--strengths", "0", "2"]),
        ("reconstruct", []),
        ("explain", ["--distance-weight", "0.01"]),
    ],
)
def test_verbs_draw_a_row_for_each_thing_shown(results, dima, tmp_path, verb, extra):
    to = tmp_path / "picture.png"
    ran = dima("image", verb, "--ckpt", str(results / "model"), *DATA, "-n", "2", "-o", str(to), *extra)
    assert ran.code == 0, ran.err
    assert f"{to}: 2 images" in ran.out
    assert imread(to).shape[0] > 2 * 30


def test_explain_tells_entropies_that_fall(results, dima, tmp_path):
    call = ["image", "explain", "--ckpt", str(results / "model"), *DATA, "-n", "3", "--json"]
    told = json.loads(dima(*call, "-o", str(tmp_path / "p.png")).out)
    assert len(told["rows"]) == 3
    for _, before, _, after, distance in told["rows"]:
        assert after < before
        assert distance > 0


def test_explain_denoises_at_fifteen_in_a_hundred_levels_of_the_prior(outputs, dima, tmp_path, monkeypatch):
    levels, denoise = set(), LatentDiffusion.denoise
    monkeypatch.setattr(LatentDiffusion, "denoise", lambda self, Z, t: levels.add(t) or denoise(self, Z, t))
    run_folder = next((outputs / "checkpoints").iterdir())  # its prior has 20 levels
    call = ["image", "explain", "--ckpt", str(run_folder), *DATA, "-n", "1", "-o", str(tmp_path / "p.png")]
    assert dima(*call).code == 0
    assert levels == {3}


@pytest.fixture
def edited(results, dima, tmp_path, monkeypatch):
    """A call of `dima image edit`, and the rows it drew."""
    rows = {}
    monkeypatch.setattr(steer, "save_rows", lambda to, drawn: rows.update(drawn))
    call = ["image", "edit", "--ckpt", str(results / "model"), *DATA, "--towards", "8", "-n", "3"]
    return [*call, "-o", str(tmp_path / "p.png")], rows


def test_an_edit_of_no_strength_is_the_reconstruction_with_its_own_noise(edited, results, dima):
    call, rows = edited
    assert dima(*call, "--strengths", "0").code == 0
    shown = load_images("fashion-mnist-1000", "test").images[:3]
    np.testing.assert_array_equal(rows["image"], shown)
    np.testing.assert_allclose(rows["strength 0"], load(results / "model").reconstruct(shown), atol=1e-6)


def test_an_edit_says_of_how_many_images_it_became_sure(edited, dima, monkeypatch):
    call, _ = edited
    monkeypatch.setattr(
        steer.ClassShifts,
        "least",
        lambda self, Z, *given, most, **keywords: np.array([0.0, most, most - 0.05]),
    )
    told = dima(*call, "--strengths", "0", "--json").json
    assert (told["sure"], told["sure_before"]) == (1, 1)
    assert "until sure: 1 of 2 became label 8, 1 were before" in dima(*call, "--strengths", "0").out


def test_reconstruct_serves_any_model_of_images(outputs, dima, tmp_path):
    run_folder = next((outputs / "checkpoints").iterdir())
    ran = dima(
        "image", "reconstruct", "--ckpt", str(run_folder), *DATA, "-n", "2", "-o", str(tmp_path / "p.png")
    )
    assert ran.code == 0
    assert "its latent: mean squared error" in ran.out


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (["edit", "--towards", "11"], "--towards must be one of the labels, 0, 1, 2"),
        (["edit", "--towards", "x"], "is not a whole number"),
        (["reconstruct", "-o", "p.gif"], "must be of a kind to write"),
        (["explain", "--ckpt", "nowhere"], "must be a saved model; got nothing there"),
    ],
)
def test_broken_input_is_one_sentence(results, dima, tmp_path, monkeypatch, call, message):
    monkeypatch.chdir(tmp_path)
    ckpt = [] if "--ckpt" in call else ["--ckpt", str(results / "model")]
    ran = dima("image", *call, *ckpt, *DATA)
    assert ran.code == 2
    assert message in ran.err


def test_images_without_labels_have_no_direction(results, dima, tmp_path):
    np.save(tmp_path / "plain.npy", np.zeros((12, 28, 28), np.uint8))
    call = [
        "image",
        "edit",
        "--ckpt",
        str(results / "model"),
        "--towards",
        "1",
        "-o",
        str(tmp_path / "p.png"),
    ]
    ran = dima(*call, "--data", str(tmp_path / "plain.npy"))
    assert ran.code == 2
    assert "must have labels; got none" in ran.err


def test_edit_needs_a_diffusion_autoencoder(outputs, dima, tmp_path):
    run_folder = next((outputs / "checkpoints").iterdir())
    call = [
        "image",
        "edit",
        "--ckpt",
        str(run_folder),
        "--towards",
        "1",
        *DATA,
        "-o",
        str(tmp_path / "p.png"),
    ]
    ran = dima(*call)
    assert ran.code == 2
    assert "must be a saved DiffusionAutoencoder; got a LatentDiffusion" in ran.err
