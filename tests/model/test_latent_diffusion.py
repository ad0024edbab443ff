"""Latent diffusion of images: the shapes a user sees, any autoencoder, frozen ones stay frozen."""

import copy
import dataclasses

import numpy as np
import pytest
from sklearn.decomposition import PCA

from close import assert_close
from dima.data.images import load as load_images
from dima.errors import DataError, SettingError, ShapeError
from dima.manifold.dmap import DMAP
from dima.manifold.gplm import GPLM
from dima.model.evaluate import evaluate
from dima.model.image_autoencoder import ImageAutoencoder
from dima.model.latent_diffusion import LatentDiffusion
from dima.model.manifold_map import ManifoldMap
from dima.model.persist import load, save

SET = load_images("fashion-mnist-1000")
IMAGES, HELD_OUT = SET.images[:200], load_images("fashion-mnist-1000", "test").images
QUICK = {"n_iter": 20, "hidden_dim": 8}
PARTS = {
    "mlp": lambda: ImageAutoencoder("mlp", latent_dim=3, epochs=1, batch_size=32),
    "conv": lambda: ImageAutoencoder("conv", latent_dim=3, epochs=1, batch_size=32),
    "manifold": lambda: ManifoldMap(DMAP(d=3, k=20), GPLM(m=50)),
    "pca": lambda: PCA(3),
}


@pytest.fixture(scope="module")
def models():
    return {name: LatentDiffusion(make(), prior=QUICK).fit(IMAGES) for name, make in PARTS.items()}


@pytest.mark.parametrize("name", PARTS)
def test_any_autoencoder_takes_images_and_gives_images(models, name, tmp_path):
    model = models[name]
    Z = model.encode(IMAGES[:5])
    assert Z.shape == (5, 3)
    assert model.decode(Z).shape == (5, 1, 28, 28)
    assert model.sample(2).shape == (2, 1, 28, 28)
    assert model.sample(0).shape == (0, 1, 28, 28)
    assert model.sample(2, decode=False).shape == (2, 3)
    assert model.interpolate(IMAGES[:2], IMAGES[2:4], steps=3).shape == (2, 3, 1, 28, 28)
    assert evaluate(model, HELD_OUT, train=IMAGES, n_samples=50).n_samples == 50
    opened = load(save(model, tmp_path / "model"))
    np.testing.assert_array_equal(opened.sample(3, seed=1), model.sample(3, seed=1))
    assert opened.image_shape_ == (1, 28, 28)
    assert opened.facts() == model.facts()


def test_latents_are_standardised_and_ends_of_paths_are_reconstructions(models):
    model = models["mlp"]
    Z = model.encode(IMAGES)
    assert_close(Z.mean(axis=0), np.zeros(3), atol=1e-6)
    assert_close(Z.std(axis=0), np.ones(3), atol=1e-6)
    path = model.interpolate(IMAGES[:1], IMAGES[1:2], steps=2)
    assert_close(path[0], model.decode(Z[:2]), atol=1e-5)


def test_the_prior_is_that_of_the_pipeline_unless_told_otherwise(models):
    assert models["mlp"].prior_.get_params()["T"] == 1000
    assert models["mlp"].prior_.get_params()["schedule"] == "linear"
    other = LatentDiffusion(PCA(2), prior={"T": 50, **QUICK}).fit(IMAGES)
    assert other.prior_.get_params()["T"] == 50
    assert other.prior_.get_params()["schedule"] == "linear"


def test_a_fitted_autoencoder_stays_as_it_is():
    frozen = PARTS["mlp"]().fit(IMAGES)
    before = {name: array.copy() for name, array in frozen.fit_.network.items()}
    model = LatentDiffusion(frozen, prior=None).fit(IMAGES[:100])
    assert model.fit_.autoencoder is frozen
    for name, array in before.items():
        np.testing.assert_array_equal(array, frozen.fit_.network[name])
    map_of = PARTS["manifold"]().fit(IMAGES.reshape(200, -1))
    assert LatentDiffusion(map_of, prior=None).fit(IMAGES).fit_.autoencoder is map_of


def test_one_that_is_not_fitted_sees_images_of_several_channels():
    coloured = np.repeat(IMAGES[:40, :, :12, :10], 3, axis=1)
    model = LatentDiffusion(PARTS["conv"](), prior=None).fit(coloured)
    assert model.decode(model.encode(coloured[:2])).shape == (2, 3, 12, 10)


def test_it_is_watched_as_the_prior_grows():
    seen = []
    prior = {"n_iter": 9, "hidden_dim": 8, "record_every": 4}
    LatentDiffusion(PCA(2), prior=prior).fit(
        IMAGES, watch=lambda so_far, at: seen.append((at, so_far.sample(1).shape))
    )
    assert seen == [(at, (1, 1, 28, 28)) for at in (1, 2, 3)]


def test_other_images_are_refused(models):
    with pytest.raises(ShapeError, match=r"must have shape \(n, c, h, w\); got shape \(200, 784\)"):
        LatentDiffusion(PCA(2)).fit(IMAGES.reshape(200, -1))
    with pytest.raises(ShapeError, match=r"of shape \(1, 28, 28\); got \(1, 27, 28\)"):
        models["mlp"].encode(IMAGES[:, :, 1:])


def test_images_of_unlike_shapes_are_refused(models):
    unlike = [np.zeros((1, 28, 28)), np.zeros((1, 14, 14))]
    for call in (LatentDiffusion(PCA(3)).fit, models["pca"].encode):
        with pytest.raises(ShapeError, match=r"^LatentDiffusion: images must be .* a list of unlike parts"):
            call(unlike)


def test_another_autoencoder_must_make_the_same_codes(models):
    model = models["mlp"]
    own = model.fit_.autoencoder
    brighter = copy.copy(own)
    network = own.fit_.network | {"network.decoder.6.bias": own.fit_.network["network.decoder.6.bias"] + 1}
    brighter.fit_ = dataclasses.replace(own.fit_, network=network)
    other = model.with_autoencoder(brighter)
    np.testing.assert_array_equal(other.encode(IMAGES[:2]), model.encode(IMAGES[:2]))
    assert (other.sample(2) > model.sample(2)).all()
    strange = ImageAutoencoder("mlp", latent_dim=3, epochs=1, batch_size=32, seed=5).fit(IMAGES)
    with pytest.raises(SettingError, match="must make the codes the prior was fitted to; got others"):
        model.with_autoencoder(strange)
    wide = ImageAutoencoder("mlp", latent_dim=4, epochs=1, batch_size=32).fit(IMAGES)
    with pytest.raises(ShapeError, match="codes of 3 numbers, as the prior does; got 4"):
        model.with_autoencoder(wide)


def test_a_refit_that_is_refused_leaves_the_model_as_it_was():
    model = LatentDiffusion(PCA(2), prior=QUICK).fit(IMAGES)
    before = model.decode(np.zeros((2, 2)))
    with pytest.raises(DataError):
        model.fit(np.full((20, 1, 14, 14), np.nan))
    np.testing.assert_array_equal(model.decode(np.zeros((2, 2))), before)


def test_a_distilled_model_draws_in_one_step_or_two_and_is_saved(models, tmp_path):
    model = models["pca"]
    direct = model.distilled(n_pairs=500, n_iter=50, batch_size=32, learning_rate=3e-3)
    assert type(model.prior_).__name__ == "DDPM"
    assert direct.facts()["prior"] == "direct"
    assert direct.sample(2).shape == direct.sample(2, steps=2).shape == (2, 1, 28, 28)
    # Its pictures are those of the latents that its prior draws.
    assert_close(direct.sample(3, seed=4), direct.decode(direct.prior_.sample(3, seed=4)))
    Z = direct.encode(IMAGES[:4])
    assert_close(direct.denoise(Z), model.denoise(Z))
    assert_close(direct.refine(Z), model.refine(Z))
    opened = load(save(direct, tmp_path / "model"))
    for steps in (1, 2):
        np.testing.assert_array_equal(opened.sample(3, steps=steps), direct.sample(3, steps=steps))
    assert opened.facts() == direct.facts()
    # Fitted anew, either has a prior of many steps again.
    for again in (direct, opened):
        assert_close(again.fit(IMAGES).sample(2), model.sample(2), atol=1e-5)


def test_what_cannot_be_distilled_is_said(models):
    with pytest.raises(SettingError, match=r"distilled: the model must be fitted with a prior"):
        LatentDiffusion(PCA(2), prior=None).fit(IMAGES).distilled()
    with pytest.raises(SettingError, match=r"got 'n_pair'.*n_pairs"):
        models["pca"].distilled(n_pair=3)
    direct = models["pca"].distilled(n_pairs=50, n_iter=0)
    with pytest.raises(SettingError, match="teacher must be a fitted DDPM; got DirectPrior"):
        direct.distilled()
