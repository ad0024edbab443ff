"""Training a `DiffusionModel`: it learns what latents tell and goes on to the same bits."""

import numpy as np
import pytest

from close import assert_close
from dima.errors import SettingError
from dima.image.diffusion_fit import fit_diffusion

SETTINGS = {
    "mode": "frozen",
    "latent_dim": 1,
    "widths": (8, 16),
    "block_depth": 1,
    "time_embedding_dim": 8,
    "feature_embedding_dim": 8,
    "layout": "patch",
    "schedule": "cosine",
    "epochs": 2,
    "batch_size": 16,
    "learning_rate": 1e-2,
    "latent_noise": 0.0,
    "drop": 0.1,
    "ema_decay": 0.9,
    "steps": 4,
    "patience": None,
    "precision": "float32",
    "device": "cpu",
    "seed": 0,
}


@pytest.fixture
def two_kinds(rng):
    """Bright and dark images (n, 1, 4, 4), and what tells them apart (n, 1) on a scale of its own."""
    kind = rng.integers(0, 2, 64)
    images = np.where(kind, 0.8, -0.8)[:, None, None, None] + 0.1 * rng.standard_normal((64, 1, 4, 4))
    return images.clip(-1, 1).astype(np.float32), 100.0 + 5.0 * kind[:, None]


def test_a_frozen_one_learns_what_its_latents_tell(two_kinds):
    images, latents = two_kinds
    fit = fit_diffusion(SETTINGS | {"epochs": 40}, images, latents)
    assert fit.condition_used(images, latents, 0) > 1.5
    bright, dark = fit.decode(np.array([[105.0], [100.0]]), None).mean(axis=(1, 2, 3))
    assert bright > 0.4
    assert dark < -0.4
    model = fit.model()
    assert_close(model.pixel_mean, images.mean(), atol=1e-6)
    assert_close(
        [float(model.latent_mean), float(model.latent_spread)], [latents.mean(), latents.std()], rtol=1e-5
    )


def test_a_joint_one_learns_an_encoder_that_tells_the_kinds_apart(two_kinds):
    images, latents = two_kinds
    fit = fit_diffusion(SETTINGS | {"mode": "joint", "epochs": 30}, images)
    codes = fit.encode(images)[:, 0]
    assert abs(np.corrcoef(codes, latents[:, 0])[0, 1]) > 0.8
    again = fit.decode(fit.encode(images), fit.encode_noise(images, fit.encode(images)))
    assert np.square(again - images).mean() < 1e-3


def test_equal_seeds_give_equal_bits_and_others_do_not(two_kinds):
    images, latents = two_kinds
    fits = [
        fit_diffusion(SETTINGS | change, images, latents)
        for change in ({}, {}, {"seed": 1}, {"drop": 0.5}, {"latent_noise": 0.5})
    ]
    names = [name for name in fits[0].network if name.startswith("unet")]
    for name in names:
        np.testing.assert_array_equal(fits[0].network[name], fits[1].network[name])
    for other in fits[2:]:
        assert any((fits[0].network[name] != other.network[name]).any() for name in names)


def test_a_run_cut_short_goes_on_to_the_same_bits(two_kinds, tmp_path):
    images, latents = two_kinds
    whole = fit_diffusion(SETTINGS, images, latents)

    def cut(fit, epoch):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_diffusion(SETTINGS, images, latents, tmp_path / "run", cut)
    resumed = fit_diffusion(SETTINGS | {"device": "auto"}, images, latents, tmp_path / "run")
    for name, array in whole.network.items():
        np.testing.assert_array_equal(resumed.network[name], array, err_msg=name)
    with pytest.raises(SettingError, match="latents"):
        fit_diffusion(SETTINGS, images, latents + 1, tmp_path / "run")


def test_every_epoch_is_shown_with_its_number(two_kinds):
    seen = []
    fit_diffusion(SETTINGS, *two_kinds, watch=lambda fit, epoch: seen.append((epoch, len(fit.losses))))
    assert [epoch for epoch, _ in seen] == [1, 2]


def test_patience_keeps_rows_of_images_and_latents_apart_together(two_kinds):
    images, latents = two_kinds
    fit = fit_diffusion(SETTINGS | {"patience": 1, "epochs": 3}, images, latents)
    assert len(fit.losses)
