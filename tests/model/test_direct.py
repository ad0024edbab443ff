"""Direct models as estimators: what can be learnt from pairs, and what cannot."""

import os
import signal

import numpy as np
import pytest
import torch

from close import assert_close
from dima.data.images import load as load_images
from dima.errors import ArtifactError, DataError, NotFittedError, SettingError, ShapeError
from dima.image import pixel
from dima.image.contrast import raised
from dima.image.direct import distil
from dima.image.direct.pairs import NOISE_ROW, network_identity
from dima.image.hooks.leverage import leverage
from dima.image.train import Engine
from dima.model.direct import DirectModel, pairs_of
from dima.model.persist import load, save
from dima.model.pixel_diffusion import PixelDiffusion

IMAGES = load_images("fashion-mnist-1000").images[:128, :, ::2, ::2].copy()
QUICK = {"epochs": 3, "batch_size": 64, "learning_rate": 3e-3}


@pytest.fixture(scope="module")
def teacher():
    return PixelDiffusion(widths=(8, 16), epochs=20, batch_size=32).fit(IMAGES)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("pairs")


@pytest.fixture(scope="module")
def pairs(teacher, folder):
    return pairs_of(teacher, 1024, folder / "dpmpp", steps=4)


@pytest.fixture(scope="module")
def fitted(teacher, pairs):
    return DirectModel(**QUICK).fit(teacher, pairs)


def test_pairs_are_what_the_teacher_makes_of_noise_that_no_sample_has(teacher, pairs):
    noise = pairs.noise(slice(3))
    wanted = teacher.fit_.model().decode(None, noise, steps=4, solver="dpmpp_2m").numpy()
    np.testing.assert_allclose(pairs.images()[:3], wanted, atol=1 / 255 + 1e-5)
    assert np.abs(teacher.sample(3, steps=4) - wanted).max() > 0.05


def test_it_explains_held_out_images_better_than_one_step_of_the_teacher(fitted, teacher, pairs):
    apart = slice(922, 1024)  # the last tenth
    wanted, noise = pairs.images()[apart], pairs.noise(apart).numpy()
    found, once = fitted.decode(noise), teacher.fit_.model().decode(None, pairs.noise(apart), steps=1).numpy()
    mean = pairs.images()[:922].mean(axis=0)
    spread = np.square(wanted - mean).sum()
    r2, r2_once = (1 - np.square(wanted - x).sum() / spread for x in (found, once))
    assert fitted.r2_ == pytest.approx(r2, abs=1e-6)
    assert r2 > max(0.2, r2_once + 0.05)


def test_contrast_makes_images_as_grey_as_the_teacher_s(fitted, teacher, pairs, tmp_path):
    def grey(images):
        return float((1 - np.square(images.astype(np.float64))).mean())

    plain, noise = DirectModel(**QUICK, contrast=False).fit(teacher, pairs), pairs.noise(slice(500)).numpy()
    assert plain.fit_.contrast == (1.0, 1.0)
    real = grey(pairs.images()[:500])
    for steps, factor in enumerate(fitted.fit_.contrast, start=1):
        soft, crisp = plain.decode(noise, steps), fitted.decode(noise, steps)
        np.testing.assert_allclose(crisp, raised(torch.from_numpy(soft), factor).numpy(), atol=1e-6)
        assert factor > 1
        assert grey(soft) > 1.02 * real
        assert_close(grey(crisp), real, rtol=1e-3)
    opened = load(save(fitted, tmp_path / "crisp"))
    assert opened.fit_.contrast == fitted.fit_.contrast


def test_contrast_is_told_of_pairs_that_are_learnt_from(teacher, folder, monkeypatch):
    few, seen = pairs_of(teacher, 64, folder / "few", steps=4), []
    monkeypatch.setattr(distil, "_contrast", lambda fit, *shown: seen.append(shown) or (1.0, 1.0))
    DirectModel(epochs=1, batch_size=32).fit(teacher, few)
    noise, images = seen[0]
    np.testing.assert_array_equal(images, few.images()[:58])  # the other six are held out
    np.testing.assert_array_equal(noise, few.noise(slice(58)).numpy())


def test_of_ancestral_pairs_nothing_is_learnt(teacher, folder):
    ancestral = pairs_of(teacher, 1024, folder / "ddpm", solver="ddpm", steps=8)
    assert not ancestral.plan.is_deterministic
    with pytest.raises(SettingError, match=r"an image does not follow from its noise; got ddpm\. Make pairs"):
        DirectModel().fit(teacher, ancestral)
    assert DirectModel(**QUICK, force=True).fit(teacher, ancestral).r2_ < 0.1


def test_samples_have_the_noise_of_the_teacher_with_that_seed(fitted, teacher):
    walked, once = teacher.sample(40, seed=9), fitted.sample(40, seed=9)
    together = np.corrcoef(walked.ravel(), once.ravel())[0, 1]
    apart = np.corrcoef(walked.ravel(), fitted.sample(40, seed=8).ravel())[0, 1]
    assert together > apart + 0.1
    np.testing.assert_allclose(fitted.sample(2, seed=9), once[:2], atol=1e-5)


def test_saved_and_opened_it_is_the_same(fitted, tmp_path):
    opened = load(save(fitted, tmp_path / "direct"))
    np.testing.assert_array_equal(opened.sample(2, steps=2), fitted.sample(2, steps=2))
    assert opened.facts() == fitted.facts()
    assert opened.get_params() == fitted.get_params()


def test_a_model_saved_before_it_knew_its_teacher_opens(fitted, teacher):
    saved, arrays = fitted.to_arrays()
    assert saved["fit"].pop("teacher_identity") == network_identity(teacher.fit_.network)
    opened = DirectModel.from_arrays(saved, arrays)
    assert opened.fit_.teacher_identity is None
    np.testing.assert_array_equal(opened.sample(2), fitted.sample(2))


@pytest.mark.parametrize("method", ["decoder", "reflow"])
def test_a_run_goes_on_to_the_same_numbers(teacher, pairs, folder, tmp_path, monkeypatch, method):
    quick = {"method": method, "epochs": 2, "batch_size": 256}
    whole, steps = DirectModel(**quick).fit(teacher, pairs), Engine.steps

    def stopped(self, state):
        for count, pair in enumerate(steps(self, state), start=1):
            if count == 3:
                os.kill(os.getpid(), signal.SIGTERM)
            yield pair

    with monkeypatch.context() as patch:
        patch.setattr(Engine, "steps", stopped)
        with pytest.raises(SystemExit):
            DirectModel(**quick).fit(teacher, pairs, checkpoint=tmp_path)
    assert list(tmp_path.glob("*checkpoint*"))
    others = pairs_of(teacher, 512, folder / "others", steps=4, seed=1)
    with pytest.raises(SettingError, match="got others: "):
        DirectModel(**quick).fit(teacher, others, checkpoint=tmp_path)
    again = DirectModel(**quick).fit(teacher, pairs, checkpoint=tmp_path)
    np.testing.assert_array_equal(again.sample(2), whole.sample(2))
    np.testing.assert_array_equal(again.losses_, whole.losses_)


@pytest.mark.parametrize("method", ["decoder", "reflow"])
def test_features_can_be_part_of_the_loss(method, tmp_path):
    large = load_images("fashion-mnist-1000").images[:64]
    teacher = PixelDiffusion(widths=(4, 8), epochs=1).fit(large)
    pairs = pairs_of(teacher, 40, tmp_path, steps=2)
    plain, seen = (
        DirectModel(method=method, loss=loss, epochs=1, batch_size=20).fit(teacher, pairs)
        for loss in ("mse", "features")
    )
    assert (seen.losses_[:, 1] > plain.losses_[:, 1]).all()
    assert np.isfinite(seen.r2_)


def test_opening_the_network_draws_nothing_from_torch(fitted):
    before = torch.get_rng_state()
    fitted.network()
    assert torch.equal(torch.get_rng_state(), before)


def test_what_does_not_fit_is_refused(fitted, teacher, pairs):
    other = PixelDiffusion(widths=(8, 16), epochs=1, seed=1).fit(IMAGES)
    with pytest.raises(
        SettingError, match=r"pairs must be of teacher .*; got .*. Make pairs with this teacher"
    ):
        DirectModel().fit(other, pairs)
    with pytest.raises(SettingError, match=r"the teacher must be a PixelDiffusion; got a DirectModel"):
        DirectModel().fit(fitted, pairs)
    with pytest.raises(ArtifactError, match=r"must hold pairs; got none"):
        DirectModel().fit(teacher, pairs.folder.parent)
    with pytest.raises(
        SettingError, match=r"loss 'features' must be of images \(1, 28, 28\).*; got images \(1, 14,"
    ):
        DirectModel(loss="features").fit(teacher, pairs)
    with pytest.raises(SettingError, match=r"steps must be"):
        fitted.sample(1, steps=3)
    with pytest.raises(ShapeError, match=r"noise must have shape"):
        fitted.decode(np.zeros((2, 1, 28, 28)))
    with pytest.raises(NotFittedError):
        DirectModel().sample(1)


def test_reflow_trains_the_whole_teacher_and_one_pass_of_it_is_the_model(teacher, pairs):
    straight = DirectModel(method="reflow", **QUICK).fit(teacher, pairs)
    once = DirectModel(method="reflow", epochs=1, batch_size=512, learning_rate=1e-12).fit(teacher, pairs)
    assert straight.r2_ > once.r2_ + 0.05
    network = straight.network()
    noise = pairs.noise(slice(3))
    level = network.encoder.log_snr.expand(3)
    v = network.encoder.unet(noise, level)
    alpha, sigma = network.level
    wanted = raised(network.pixels(alpha * noise - sigma * v), network.contrast[0])
    np.testing.assert_allclose(straight.decode(noise.numpy()), wanted.detach().numpy(), atol=1e-4)
    assert straight.get_params()["bottleneck_blocks"] is None
    with pytest.raises(SettingError, match=r"bottleneck_blocks must be 0 for reflow; got 3\. Leave it out"):
        DirectModel(method="reflow", bottleneck_blocks=3).fit(teacher, pairs)


def test_leverage_is_that_of_the_noise_and_of_donors_of_the_seed(fitted):
    network = fitted.network()
    noise, donors = pixel.noise_of(3, range(6), network.image_shape).split(3)
    found = fitted.leverage(n=3, seed=3)
    assert found == pytest.approx(leverage(network, noise, donors), abs=1e-6)
    assert fitted.leverage("mid", n=3, seed=3) == {"mid": pytest.approx(found["mid"], abs=1e-6)}
    with pytest.raises(SettingError, match=r"^leverage: a site must be one of .*; got 'midd'"):
        fitted.leverage("midd", n=3)
    with pytest.raises(SettingError, match=r"^DirectModel\.leverage: n must be"):
        fitted.leverage(n=-1)


def test_consistency_learns_from_images_alone_what_one_step_of_the_teacher_cannot(teacher, tmp_path):
    how = {"method": "consistency", "loss": "pseudo-huber", "epochs": 10, "batch_size": 32, "ema_decay": 0.95}
    # Contrast is after the learning, and of so blurred a map takes from the share that is explained.
    model = DirectModel(**how, learning_rate=4e-3, contrast=False).fit(teacher, IMAGES)
    noise = pixel.noise_of(0, range(13), (1, 14, 14), NOISE_ROW)  # as many as images are held out
    wanted, once = (teacher.fit_.model().decode(None, noise, steps=steps).numpy() for steps in (50, 1))
    spread = np.square(wanted - IMAGES[:115].mean(axis=0)).sum()
    r2, r2_once = (1 - np.square(wanted - x).sum() / spread for x in (model.decode(noise.numpy()), once))
    assert model.r2_ == pytest.approx(r2, abs=1e-5)
    assert r2 > r2_once + 0.08
    save(model, tmp_path / "model")
    DirectModel(**how | {"epochs": 1}).fit(teacher, IMAGES, checkpoint=tmp_path / "run")
    other = PixelDiffusion(widths=(8, 16), epochs=1).fit(IMAGES)
    with pytest.raises(SettingError, match="run"):
        DirectModel(**how | {"epochs": 1}).fit(other, IMAGES, checkpoint=tmp_path / "run")
    np.testing.assert_array_equal(load(tmp_path / "model").sample(2), model.sample(2))


@pytest.mark.parametrize(
    ("method", "wrong", "told"),
    [
        ("consistency", "pairs", "method 'consistency' must be given images; got pairs. Pass images"),
        ("reflow", "images", "method 'reflow' must be given pairs; got images. Pass pairs"),
        ("consistency", "small", "images must have shape"),
        ("consistency", "bright", "pixels must be in"),
        ("consistency", "one", "images must be at least 2; got 1"),
    ],
)
def test_what_a_method_does_not_learn_from_is_refused(teacher, pairs, method, wrong, told):
    given = {
        "pairs": pairs,
        "images": IMAGES,
        "small": IMAGES[..., 1:],
        "bright": IMAGES * 3,
        "one": IMAGES[:1],
    }
    with pytest.raises((SettingError, ShapeError, DataError), match=f"DirectModel: {told}"):
        DirectModel(method=method, epochs=1).fit(teacher, given[wrong])
