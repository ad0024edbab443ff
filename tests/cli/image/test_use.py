"""`dima image sample` and `dima image map`: pictures, from whatever path names a model."""

import dataclasses
import json

import numpy as np
import pytest
from matplotlib.image import imread

from dima.data.images import load as load_images
from dima.model.direct import DirectModel, pairs_of
from dima.model.image_autoencoder import ImageAutoencoder
from dima.model.persist import load, save
from dima.model.pixel_diffusion import PixelDiffusion


@pytest.fixture
def run(outputs):
    return next((outputs / "checkpoints").iterdir())


def test_a_run_and_its_latest_draw_the_same_picture(run, dima, tmp_path):
    shown = []
    for place, name in ((run, "a.png"), (run / "latest", "b.png")):
        ran = dima("image", "sample", "--ckpt", str(place), "--num-images", "4", "-o", str(tmp_path / name))
        assert ran.code == 0
        assert "4 images of 1x28x28" in ran.out
        shown.append(imread(tmp_path / name))
    assert (shown[0] == shown[1]).all()


def test_solver_steps_and_seed_are_obeyed(run, dima, tmp_path):
    call = ["image", "sample", "--ckpt", str(run), "--num-images", "4", "--json", "-o"]
    pictures = []
    for at, extra in enumerate([[], ["--seed", "1"], ["--solver", "dpmpp_2m", "--steps", "5"]]):
        path = tmp_path / f"{at}.png"
        ran = dima(*call, str(path), *extra)
        assert json.loads(ran.out)["shape"] == [4, 1, 28, 28]
        pictures.append(path.read_bytes())
    assert len(set(pictures)) == 3
    assert dima(*call, str(tmp_path / "x.png"), "--steps", "21").code == 2
    assert dima(*call, str(tmp_path / "x.gif")).code == 2


def test_another_autoencoder_may_decode_if_it_fits(outputs, run, dima, tmp_path):
    images = load_images("fashion-mnist-1000").images[:64]
    call = ["image", "sample", "--ckpt", str(run), "--num-images", "4", "-o", str(tmp_path / "p.png")]
    brighter = load(outputs / "autoencoders" / "mlp-d3")  # the same codes, other images
    bias = {"network.decoder.6.bias": brighter.fit_.network["network.decoder.6.bias"] + 1}
    brighter.fit_ = dataclasses.replace(brighter.fit_, network=brighter.fit_.network | bias)
    save(brighter, tmp_path / "brighter")
    assert dima(*call).code == 0
    first = imread(tmp_path / "p.png")
    assert dima(*call, "--ae-ckpt", str(tmp_path / "brighter")).code == 0
    assert imread(tmp_path / "p.png").mean() > first.mean()
    save(ImageAutoencoder(latent_dim=3, epochs=1, seed=5).fit(images), tmp_path / "other")
    ran = dima(*call, "--ae-ckpt", str(tmp_path / "other"))
    assert (ran.code, "must make the codes the prior was fitted to; got others" in ran.err) == (2, True)
    save(ImageAutoencoder(latent_dim=4, epochs=1).fit(images), tmp_path / "wide")
    ran = dima(*call, "--ae-ckpt", str(tmp_path / "wide"))
    assert (ran.code, "codes of 3 numbers, as the prior does; got 4" in ran.err) == (2, True)
    ran = dima("image", "sample", "--ckpt", str(tmp_path / "wide"))
    assert (ran.code, "or DirectModel; got a ImageAutoencoder" in ran.err) == (2, True)


@pytest.mark.parametrize("method", ["tsne", "dmap"])
def test_latents_are_drawn_in_the_plane(outputs, dima, tmp_path, method):
    call = ["--data", "fashion-mnist-1000", "-n", "60", "--method", method, "-o", str(tmp_path / "map.png")]
    ran = dima("image", "map", "--ae-ckpt", str(outputs / "autoencoders" / "mlp-d3"), *call)
    assert ran.code == 0
    assert f"60 images in the latent space of mlp-d3, by {method}" in ran.out
    assert imread(tmp_path / "map.png").std() > 0.01


def test_models_of_pixels_are_drawn_from_too(dima, tmp_path):
    images = load_images("fashion-mnist-1000").images[:64]
    quick = {"epochs": 1, "batch_size": 32}
    teacher = PixelDiffusion(widths=(8, 16), steps=2, **quick).fit(images)
    direct = DirectModel(**quick).fit(teacher, pairs_of(teacher, 40, tmp_path / "pairs", steps=2))
    for name, model, extra in (("teacher", teacher, ["--solver", "ddim"]), ("direct", direct, [])):
        place = str(save(model, tmp_path / name))
        call = ["image", "sample", "--ckpt", place, "--num-images", "3", "-o", str(tmp_path / "a.png")]
        assert "3 images of 1x28x28" in dima(*call, "--steps", "2", *extra).out
        ran = dima(*call, "--guidance", "2")
        assert ran.code == 2
        assert f"dima image sample of a {type(model).__name__}" in ran.err
    ran = dima(*call, "--ae-ckpt", place)
    assert ran.code == 2
    assert "ae_ckpt" in ran.err


def test_the_verbs_of_tables_serve_a_model_of_images(outputs, run, dima, tmp_path):
    images = load_images("fashion-mnist-1000", "test").images
    np.save(tmp_path / "images.npy", images)
    np.save(tmp_path / "rows.npy", images.reshape(len(images), -1))
    latest, codes = str(run / "latest"), []
    for name in ("images", "rows"):
        ran = dima("encode", latest, str(tmp_path / f"{name}.npy"), "-o", str(tmp_path / "Z.npy"))
        assert ran.code == 0
        codes.append(np.load(tmp_path / "Z.npy"))
    np.testing.assert_array_equal(*codes)
    assert codes[0].shape == (200, 3)
    out = str(tmp_path / "X.npy")
    assert dima("decode", latest, str(tmp_path / "Z.npy"), "-o", out).code == 0
    assert np.load(out).shape == (200, 784)
    assert (
        dima("reconstruct", latest, "fashion-mnist-1000", "-o", out, "--json").json["error_over_variance"] > 0
    )
    assert dima("sample", latest, "-n", "5", "-o", out).code == 0
    assert np.load(out).shape == (5, 784)
    measured = dima("evaluate", latest, "fashion-mnist-1000", "--n-samples", "50", "--json").json
    assert measured["n_held_out"] == 200
    assert dima("info", latest, "--json").json["image_shape"] == "1x28x28"
    alone = str(outputs / "autoencoders" / "mlp-d3")
    assert dima("encode", alone, "fashion-mnist-1000", "-o", str(tmp_path / "codes.npy")).code == 0
    assert np.load(tmp_path / "codes.npy").shape == (200, 3)
