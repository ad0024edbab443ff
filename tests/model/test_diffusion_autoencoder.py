"""The diffusion autoencoder as a latent model: both modes, edits, saving, refusals."""

import numpy as np
import pytest
import torch

from close import assert_close
from dima.data.images import load as load_images
from dima.errors import DataError, SettingError, ShapeError
from dima.image.diffusion_model import DiffusionModel
from dima.image.simple_autoencoder import SimpleAutoencoder
from dima.model.diffusion_autoencoder import DiffusionAutoencoder
from dima.model.diffusion_coder import DiffusionCoder
from dima.model.image_autoencoder import ImageAutoencoder
from dima.model.latent_diffusion import LatentDiffusion
from dima.model.persist import load, save

IMAGES = load_images("fashion-mnist-1000").images[
    :200
]  # as many as other tests take: what JAX compiles is shared
SMALL = {"widths": (8, 16), "epochs": 1, "ae_epochs": 1, "batch_size": 32, "steps": 2}
PRIOR = {"n_iter": 20, "hidden_dim": 8}
CODERS = {
    "joint": lambda: DiffusionCoder(latent_dim=3, **SMALL),
    "frozen": lambda: DiffusionCoder("frozen", latent_dim=3, **SMALL),
    "frozen-mlp": lambda: DiffusionCoder(
        "frozen", autoencoder=ImageAutoencoder(latent_dim=3, epochs=1), **SMALL
    ),
}


@pytest.fixture(scope="module")
def models():
    return {name: DiffusionAutoencoder(make(), prior=PRIOR).fit(IMAGES) for name, make in CODERS.items()}


@pytest.mark.parametrize("name", CODERS)
def test_it_encodes_samples_edits_and_is_saved_in_every_mode(models, name, tmp_path):
    model = models[name]
    few = IMAGES[:2]
    opened = load(save(model, tmp_path / "model"))
    for of in (
        lambda m: m.encode(few),
        lambda m: m.sample(2),
        lambda m: m.reconstruct(few),
        lambda m: m.edit(few, np.ones(3), 0.5),
        lambda m: m.decode(m.encode(few)),
    ):
        np.testing.assert_array_equal(of(opened), of(model))
    assert model.sample(2).shape == model.reconstruct(few).shape == (2, 1, 28, 28)
    assert opened.facts() == model.facts()
    assert opened.condition_used(IMAGES) == model.condition_used(IMAGES)


def test_an_edit_of_no_strength_is_the_reconstruction_and_strengths_may_be_one_an_image(models):
    model, few = models["joint"], IMAGES[:2]
    direction = np.array([1.0, 0.0, 0.0])
    none = model.edit(few, direction, 0.0)
    assert_close(none, model.reconstruct(few), atol=1e-6)
    half = model.edit(few, direction, np.array([0.0, 50.0]))
    assert_close(half[0], none[0], atol=1e-6)
    assert np.abs(half[1] - none[1]).max() > 1e-4
    each = model.edit(few, np.stack([0 * direction, 50 * direction]), 1.0)
    assert_close(each, half, atol=1e-4)


def test_a_frozen_autoencoder_stays_as_it_is_and_its_latents_are_taken():
    frozen = ImageAutoencoder(latent_dim=3, epochs=1).fit(IMAGES)
    before = frozen.encode(IMAGES)
    coder = DiffusionCoder("frozen", autoencoder=frozen, **SMALL).fit(IMAGES)
    np.testing.assert_array_equal(coder.encode(IMAGES), before)
    assert coder.autoencoder_ is frozen


def test_latents_of_ones_own_are_decoded_and_cannot_be_encoded():
    latents = np.random.default_rng(0).standard_normal((len(IMAGES), 7))
    coder = DiffusionCoder("frozen", **SMALL).fit(IMAGES, latents=latents)
    assert coder.decode(latents[:2]).shape == (2, 784)
    with pytest.raises(SettingError, match="mode must be joint; got frozen"):
        coder.encode(IMAGES[:2])
    noise = coder.encode_noise(IMAGES[:2], latents[:2])
    again = coder.fit_.decode(latents[:2], noise)
    assert_close(again, IMAGES[:2], atol=0.02)
    assert coder.condition_used(IMAGES, codes=latents) > 0.9
    with pytest.raises(ShapeError, match=r"codes must have shape \(2, 7\)"):
        coder.encode_noise(IMAGES[:2], latents[:3])


def test_a_path_follows_noise_and_latents_from_one_reconstruction_to_the_other(models):
    model, few = models["joint"], IMAGES[:2]
    still = model.interpolate(few, few, 3)
    assert_close(still, np.repeat(model.reconstruct(few)[:, None], 3, axis=1), atol=1e-4)
    path = model.interpolate(few[:1], few[1:], 4)
    assert path.shape == (1, 4, 1, 28, 28)
    assert_close(path[:, [0, -1]], model.reconstruct(few)[None], atol=1e-4)
    with pytest.raises(SettingError, match="steps must be at least 2; got 1"):
        model.interpolate(few, few, 1)


def test_no_image_is_encoded_twice(models, monkeypatch):
    model, few, direction = models["joint"], IMAGES[:2], np.ones(3)
    Z, noise = model.encode(few), model.encode_noise(few)
    arcs = model.fit_.autoencoder.noise_arcs(few, few[::-1], 3)
    path = np.stack([Z, (Z + Z[::-1]) / 2, Z[::-1]], axis=1)
    encoded, encode = [], DiffusionCoder.encode
    monkeypatch.setattr(DiffusionCoder, "encode", lambda self, X: encoded.append(len(X)) or encode(self, X))
    for call, times, truth in (
        (lambda: model.reconstruct(few), 1, model.decode(Z, noise)),
        (lambda: model.edit(few, direction, 0.5), 1, model.decode(Z + 0.5 * direction, noise)),
        (lambda: model.interpolate(few, few[::-1], 3)[:, 1], 2, model.decode(path[:, 1], arcs[:, 1])),
    ):
        encoded.clear()
        assert_close(call(), truth, atol=1e-5)
        assert encoded == [2] * times


def test_the_autoencoder_of_a_frozen_one_is_gone_on_from_too(tmp_path, monkeypatch):
    whole = DiffusionCoder("frozen", latent_dim=3, **SMALL).fit(IMAGES, checkpoint=tmp_path / "run")
    assert (tmp_path / "run" / "autoencoder" / "checkpoint").exists()
    monkeypatch.setattr("dima.image.train.Engine._step", None)  # nothing is left to train
    again = DiffusionCoder("frozen", latent_dim=3, **SMALL).fit(IMAGES, checkpoint=tmp_path / "run")
    np.testing.assert_array_equal(again.encode(IMAGES), whole.encode(IMAGES))


def test_the_torch_doors_open_what_is_saved(models, tmp_path):
    save(models["frozen"], tmp_path / "model")
    features = SimpleAutoencoder(latent_dim=3).load_checkpoint(tmp_path / "model")
    denoiser = DiffusionModel(widths=[8, 16], block_depth=1, latent_dim=3).load_checkpoint(tmp_path / "model")
    images = torch.from_numpy(IMAGES[:2])
    latent = features.encode(images).detach()
    coder = models["frozen"].fit_.autoencoder
    assert_close(latent, coder.encode(IMAGES[:2]), atol=1e-5)
    noise = denoiser.encode_noise(images, latent)
    assert_close(noise, coder.encode_noise(IMAGES[:2]), atol=1e-3)


def test_it_is_watched_epoch_by_epoch():
    seen = []
    coder = DiffusionCoder(latent_dim=2, **SMALL | {"epochs": 2})
    coder.fit(IMAGES, watch=lambda so_far, epoch: seen.append((epoch, so_far.encode(IMAGES[:1]).shape)))
    assert seen == [(1, (1, 2)), (2, (1, 2))]


def test_broken_input_is_refused_in_one_sentence(models):
    model = models["joint"]
    with pytest.raises(ShapeError, match=r"edit: direction must have shape \(3,\); got shape \(4,\)"):
        model.edit(IMAGES[:2], np.ones(4), 1.0)
    with pytest.raises(ShapeError, match="strength must have shape"):
        model.edit(IMAGES[:2], np.ones(3), np.ones(3))
    with pytest.raises(DataError, match="strength must be finite"):
        model.edit(IMAGES[:2], np.ones(3), np.nan)
    with pytest.raises(ShapeError, match="images must be of shape"):
        model.encode(np.repeat(IMAGES[:2], 3, axis=1))
    with pytest.raises(ShapeError, match=r"Z must have shape \(b, 3\)"):
        model.decode(np.zeros((2, 4)), np.zeros((2, 1, 28, 28)))
    with pytest.raises(DataError, match=r"pixels must be in \[-1, 1\]"):
        DiffusionCoder(**SMALL).fit(IMAGES * 255)
    with pytest.raises(SettingError, match="mode must be frozen with an autoencoder or latents; got joint"):
        DiffusionCoder(**SMALL).fit(IMAGES, latents=np.zeros((200, 2)))
    with pytest.raises(ShapeError, match=r"latents must have shape \(200, d\)"):
        DiffusionCoder("frozen", **SMALL).fit(IMAGES, latents=np.zeros((95, 2)))
    with pytest.raises(SettingError, match="autoencoder must be a DiffusionCoder; got ImageAutoencoder"):
        DiffusionAutoencoder(ImageAutoencoder()).fit(IMAGES)
    with pytest.raises(SettingError, match="widths"):
        DiffusionCoder(widths=(8,)).fit(IMAGES)


def test_any_latent_diffusion_takes_one_too():
    model = LatentDiffusion(DiffusionCoder(latent_dim=2, **SMALL), prior=PRIOR).fit(IMAGES)
    assert model.sample(2).shape == (2, 1, 28, 28)
