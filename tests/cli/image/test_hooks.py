"""`dima image hooks`: pictures of features changed on the way, and the table of leverage."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from dima.cli import run
from dima.cli.image.pictures import save_grid
from dima.data import images as image_sets
from dima.image import pixel
from dima.image.hooks import Dampen, load_recipe, save_recipe
from dima.image.hooks.leverage import leverage
from dima.image.hooks.shown import images
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


def test_training_images_are_gone_toward_and_turned_from_by_their_numbers(both, decoder, dima, tmp_path):
    given = ["--data", "fashion-mnist-1000", "--toward", "12", "57", "--away", "3", "--share", "0.4"]
    assert dima("image", "hooks", *both, *given, "--seed", "3", "-q", "-o", tmp_path).code == 0
    model = load(decoder / "model")
    clothes = image_sets.load("fashion-mnist-1000").images
    noise = pixel.noise_of(3, range(4), (1, 28, 28))
    wanted = {"toward": model.toward(clothes[[12, 57]], 0.4), "away": model.away(clothes[[3]], 0.4)}
    for name, chosen in wanted.items():
        save_grid(tmp_path / "wanted.png", images(model.network(), noise, chosen))
        assert (tmp_path / f"samples_{name}.png").read_bytes() == (tmp_path / "wanted.png").read_bytes()
    toward, away, standard = (picture(tmp_path / f"samples_{name}.png") for name in [*wanted, "standard"])
    assert all(np.abs(a - b).max() > 3 for a, b in [(toward, standard), (away, standard), (toward, away)])
    played = ["--recipe", tmp_path / "recipe_toward", "--seed", "3", "-q", "-o", tmp_path / "again"]
    assert dima("image", "hooks", *both, *played).code == 0
    again = (tmp_path / "again" / "samples_recipe.png").read_bytes()
    assert again == (tmp_path / "samples_toward.png").read_bytes()


def test_images_of_your_own_are_named_by_their_place_in_the_file(both, decoder, dima, tmp_path):
    np.save(tmp_path / "mine.npy", image_sets.load("fashion-mnist-1000").images[:40])
    known = image_sets.load(tmp_path / "mine.npy")
    held_out = next(iter(set(range(40)) - set(known.rows.tolist())))
    mine = ["--data", tmp_path / "mine.npy", "-o", tmp_path / "out"]
    assert dima("image", "hooks", *both, *mine, "-q", "--toward", known.rows[0]).code == 0
    wanted = load(decoder / "model").toward(known.images[:1])["mid"].target.numpy()
    found = load_recipe(tmp_path / "out" / "recipe_toward")["mid"].target.numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
    fault = dima.refused("image", "hooks", *both, *mine, "--toward", known.rows[0], held_out)
    assert f"--toward must be numbers of training images of {tmp_path / 'mine.npy'}, among 0 to" in fault
    assert fault.rstrip().endswith(f"got {held_out}.")
    between = int(np.ptp(known.rows)) + 1 - len(known.rows)
    assert f" without {between} that are held out for testing; got" in fault


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
    nowhere = dima.refused("image", "hooks", *both, "--site", "top", *out)
    assert nowhere.startswith("dima image hooks: a site must be one of down.0, ")
    assert "got 'top'" in nowhere
    strange = save_recipe(tmp_path / "strange", {"top": Dampen(0.5)})
    assert "got 'top'" in dima.refused("image", "hooks", *both, "--recipe", strange, *out)
    assert dima("image", "hooks", *both, "--strength", "1.5", *out).code == 2
    assert dima("image", "hooks", *both, "--n-samples", "0", *out).code == 2
    clothes = ["--data", "fashion-mnist-1000", *out]
    assert "got 800." in dima.refused("image", "hooks", *both, *clothes, "--away", "3", "800")
    assert "got -1." in dima.refused("image", "hooks", *both, *clothes, "--toward=-1")
    assert "not a whole number" in dima.refused("image", "hooks", *both, *clothes, "--toward", "3", "1.5")
    assert dima("image", "hooks", *both, *clothes, "--toward", "3", "--share", "1.5").code == 2
    assert not list((tmp_path / "out").glob("*.png"))
