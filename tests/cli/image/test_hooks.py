"""`dima image hooks`: pictures of features changed on the way, and the table of leverage."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from dima.cli import run
from dima.image import pixel
from dima.image.hooks import Dampen, save_recipe
from dima.image.hooks.leverage import leverage
from dima.model.persist import load

QUICK = ["--data", "fashion-mnist-1000", "--widths", "4", "8", "--batch-size", "400", "--epochs", "1", "-q"]
NAMES = ["standard", "amplified", "dampened", "biased", "interpolation"]


def teacher_in(folder, *given):
    assert run(["image", "fit-ddpm", *QUICK, *given, "-o", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return teacher_in(tmp_path_factory.mktemp("teacher"))


@pytest.fixture(scope="module")
def decoder(teacher):
    pairs, folder = teacher / "pairs", teacher / "direct"
    made = ["image", "make-pairs", "--ckpt", str(teacher), "--n-samples", "50", "--steps", "2"]
    assert run([*made, "-q", "--output-dir", str(pairs)]) == 0
    learnt = ["image", "fit-direct", "--ddpm-ckpt", str(teacher), "--data-path", str(pairs)]
    assert run([*learnt, "--epochs", "1", "-q", "--output-dir", str(folder)]) == 0
    return folder


@pytest.fixture
def both(teacher, decoder):
    return ["--ddpm-ckpt", teacher, "--decoder-ckpt", decoder, "--n-samples", "4"]


def picture(path):
    return np.asarray(Image.open(io.BytesIO(path.read_bytes())).convert("L"), np.float32)


def test_pictures_and_the_table_of_leverage(both, decoder, dima, tmp_path):
    made = dima("image", "hooks", *both, "--seed", "3", "--json", "--output-dir", tmp_path)
    assert made.code == 0
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {f"samples_{name}.png" for name in NAMES} | {"leverage.png"}
    network = load(decoder / "model").network()
    noise, donors = pixel.noise_of(3, range(8), (1, 28, 28)).split(4)
    found = json.loads(made.out)["leverage"]
    assert found == pytest.approx(leverage(network, noise, donors), abs=1e-4)
    told = dima("image", "hooks", *both, "--seed", "3", "-o", tmp_path)
    rows = dict(line.rsplit(maxsplit=1) for line in told.out.splitlines()[1:-2])
    assert list(rows) == [*network.sites, "skips", "mid + skips"]
    assert {name: float(value) for name, value in rows.items()} == pytest.approx(found, abs=1e-3)


def test_a_recipe_is_played_at_its_sites(both, dima, tmp_path):
    # The features of "mid" times 0.8, once by the recipe and once by the verb's own hook.
    place = save_recipe(tmp_path / "quiet", {"mid": Dampen(0.8)})
    assert dima("image", "hooks", *both, "--recipe", place, "-q", "-o", tmp_path / "out").code == 0
    played, dampened, standard = (
        (tmp_path / "out" / f"samples_{name}.png").read_bytes() for name in ("recipe", "dampened", "standard")
    )
    assert played == dampened != standard


def test_the_site_and_the_strengths_are_as_told(both, dima, tmp_path):
    given = ["--site", "mid + skips", "--strength", "0", "0.5", "--strength", "1"]
    assert dima("image", "hooks", *both, *given, "-q", "-o", tmp_path / "a").code == 0
    assert dima("image", "hooks", *both, "-q", "-o", tmp_path / "b").code == 0
    a, b = (picture(tmp_path / name / "samples_interpolation.png") for name in "ab")
    assert a.shape[0] == b.shape[0]
    assert a.shape[1] < b.shape[1]  # three strengths against six
    differ = [(tmp_path / "a" / f"samples_{name}.png").read_bytes()
              != (tmp_path / "b" / f"samples_{name}.png").read_bytes() for name in NAMES[:4]]  # fmt: skip
    assert differ == [False, True, True, True]


def test_a_reflow_decoder_is_known_by_its_teacher(teacher, decoder, dima, tmp_path):
    learnt = ["image", "fit-direct", "--ddpm-ckpt", teacher, "--data-path", teacher / "pairs"]
    assert dima(*learnt, "--method", "reflow", "--epochs", "1", "-q", "-o", tmp_path).code == 0
    given = ["--ddpm-ckpt", teacher, "--decoder-ckpt", tmp_path, "--n-samples", "2", "-o", tmp_path / "out"]
    assert dima("image", "hooks", *given, "-q").code == 0


def test_what_does_not_fit_is_one_sentence(both, teacher, decoder, dima, tmp_path):
    out = ["-o", tmp_path / "out"]
    other = teacher_in(tmp_path / "other", "--seed", "1")
    fault = dima.refused("image", "hooks", "--ddpm-ckpt", other, "--decoder-ckpt", decoder, *out)
    assert "--decoder-ckpt:" in fault
    assert "Pass the model it was distilled from as --ddpm-ckpt." in fault
    swapped = dima.refused("image", "hooks", "--ddpm-ckpt", decoder, "--decoder-ckpt", teacher, *out)
    assert "--ddpm-ckpt" in swapped
    assert "must be a saved PixelDiffusion; got a DirectModel" in swapped
    assert "got 'top'" in dima.refused("image", "hooks", *both, "--site", "top", *out)
    strange = save_recipe(tmp_path / "strange", {"top": Dampen(0.5)})
    assert "got 'top'" in dima.refused("image", "hooks", *both, "--recipe", strange, *out)
    assert dima("image", "hooks", *both, "--strength", "1.5", *out).code == 2
    assert dima("image", "hooks", *both, "--n-samples", "0", *out).code == 2
    assert not list((tmp_path / "out").glob("*.png"))
