"""`dima image attribute` and `lds` on a short run."""

import csv
import json

import numpy as np
import pytest

from dima.cli import run
from dima.data.images import load
from dima.model.attribution import METHODS


@pytest.fixture(scope="module")
def ckpt(outputs):
    (latest,) = outputs.glob("checkpoints/*/latest")
    return str(latest)


def test_a_picture_and_a_table_tell_the_training_images_of_samples(ckpt, tmp_path, dima):
    asked = ["--ckpt", ckpt, "--data", "fashion-mnist-1000", "--samples", "3", "--top", "4"]
    ran = dima("image", "attribute", *asked, "-o", str(tmp_path), "--json")
    assert ran.code == 0
    assert {path.name for path in tmp_path.iterdir()} == {"attribution.png", "attribution.csv"}
    lines = list(csv.DictReader((tmp_path / "attribution.csv").read_text().splitlines()))
    told = json.loads(ran.out)["ids"]
    assert [[int(line["training_image"]) for line in lines[4 * i : 4 * i + 4]] for i in range(3)] == told
    assert [line["rank"] for line in lines[:4]] == ["1", "2", "3", "4"]
    assert float(lines[0]["score"]) >= float(lines[3]["score"])


def test_a_training_image_is_found_for_itself(ckpt, tmp_path, dima):
    np.save(tmp_path / "mine.npy", load("fashion-mnist-1000").images[[7, 3]])
    asked = ["--data", "fashion-mnist-1000", "--images", str(tmp_path / "mine.npy"), "--n-train", "50"]
    ran = dima("image", "attribute", "--ckpt", ckpt, *asked, "-k", "1", "-o", str(tmp_path), "--json")
    assert (ran.code, json.loads(ran.out)["ids"]) == (0, [[7], [3]])
    told = dima("image", "attribute", "--ckpt", ckpt, *asked, "-o", str(tmp_path))
    assert "2 images, by posterior" in told.out
    assert f"{tmp_path / 'attribution.csv'}: " in told.out


def test_training_images_of_your_own_are_told_by_their_place_in_the_file(ckpt, tmp_path, dima):
    np.save(tmp_path / "mine.npy", load("fashion-mnist-1000").images[:40])
    mine = ["--data", str(tmp_path / "mine.npy"), "--images", str(tmp_path / "mine.npy"), "--samples", "40"]
    ran = dima("image", "attribute", "--ckpt", ckpt, *mine, "-k", "1", "-o", str(tmp_path / "to"), "--json")
    nearest = np.ravel(ran.json["ids"])
    trained = load(tmp_path / "mine.npy").rows
    # An image that was trained on is its own nearest one; all are explained, in the order of the file.
    assert (nearest[trained] == trained).mean() > 0.9
    assert len(nearest) == 40


@pytest.fixture(scope="module")
def ddpm(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ddpm")
    quick = ["--data", "fashion-mnist-1000", "--widths", "4", "8", "--batch-size", "400", "--epochs", "1"]
    assert run(["image", "fit-ddpm", *quick, "-q", "-o", str(folder)]) == 0
    return str(folder)


@pytest.mark.parametrize("method", ["cosine", "posterior"])
def test_a_model_of_pixels_is_told_of_too(ddpm, method, tmp_path, dima):
    np.save(tmp_path / "mine.npy", load("fashion-mnist-1000").images[[7, 3]])
    asked = ["--data", "fashion-mnist-1000", "--n-train", "20", "--method", method, "-k", "2"]
    given = ["--images", str(tmp_path / "mine.npy"), "-o", str(tmp_path / "to"), "--json"]
    ran = dima("image", "attribute", "--ckpt", ddpm, *asked, *given)
    assert (ran.code, [first for first, _ in ran.json["ids"]]) == (0, [7, 3])
    assert {path.name for path in (tmp_path / "to").iterdir()} == {"attribution.png", "attribution.csv"}
    drawn = dima("image", "attribute", "--ckpt", ddpm, *asked, "--samples", "3", "-o", str(tmp_path / "to"))
    assert f"3 images, by {method}" in drawn.out


def test_a_method_that_needs_latents_is_refused_for_a_model_of_pixels(ddpm, tmp_path, dima):
    asked = ["--data", "fashion-mnist-1000", "--method", "trak", "-o", str(tmp_path)]
    fault = dima.refused("image", "attribute", "--ckpt", ddpm, *asked)
    assert "must be one of cosine, posterior, random for a PixelDiffusion; got 'trak'." in fault


@pytest.mark.slow
def test_methods_are_measured_in_one_table(ckpt, dima):
    small = ["--n-train", "40", "--n-iter", "20", "--hidden-dim", "8", "--subsets", "6", "--queries", "4"]
    asked = ["--ckpt", ckpt, "--data", "fashion-mnist-1000", *small, "--methods", "cosine", "random"]
    ran = dima("image", "lds", *asked, "--json")
    assert ran.code == 0
    told = json.loads(ran.out)
    assert [row[0] for row in told["rows"]] == ["cosine", "random"]
    assert all(low <= mean <= high for _, mean, low, high in told["rows"])


def test_what_is_not_there_is_one_sentence(ckpt, tmp_path, dima):
    ran = dima("image", "attribute", "--ckpt", ckpt, "--method", "shapley", "-o", str(tmp_path))
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert all(method in ran.err for method in METHODS)
    many = ["--data", "fashion-mnist-1000", "--n-train", "5", "--top", "6", "-o", str(tmp_path)]
    ran = dima("image", "attribute", "--ckpt", ckpt, *many)
    assert (ran.code, ran.err) == (2, "attribute: k must be in 1..5; got 6.\n")
    ran = dima("image", "attribute", "--ckpt", ckpt, "--method", "unrolled", *many[:4])
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "--n-train must be all for unrolled; got 5. Leave it out" in ran.err
    rough = ["--data", "fashion-mnist-1000", "--method", "unrolled", "-o", str(tmp_path)]
    ran = dima("image", "attribute", "--ckpt", ckpt, *rough)
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "Fit with eps_root=1e-8, or by dima image fit-latent --smooth." in ran.err
