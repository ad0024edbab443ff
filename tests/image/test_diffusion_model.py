"""`DiffusionModel`: noising, denoising, inversion, the condition, checkpoints and broken input."""

import numpy as np
import pytest
import torch

from close import assert_close
from dima.errors import DataError, SettingError, ShapeError
from dima.image.diffusion_model import DiffusionModel
from dima.image.simple_autoencoder import SimpleAutoencoder

SMALL = {"widths": [8, 16], "block_depth": 1, "latent_dim": 4, "image_shape": (1, 8, 8)}


def images_of(n, seed=0):
    return torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def latents_of(n, seed=0):
    return torch.randn(n, 4, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def model():
    """One whose every parameter counts, with units of pixels and latents."""
    torch.manual_seed(0)
    made = DiffusionModel(**SMALL, mode="joint")
    for parameter in made.parameters():
        parameter.data += 0.05 * torch.randn(parameter.shape)
    made.pixel_mean.fill_(-0.2)
    made.pixel_spread.fill_(0.6)
    made.latent_mean.fill_(0.1)
    return made.eval()


def test_noise_is_added_in_units_of_the_pixels_spread(model):
    x = images_of(3)
    noisy, noise = model.add_noise(x, 0.7)
    alpha = model.path.alpha[700]
    assert_close(noisy, alpha * (x + 0.2) / 0.6 + np.sqrt(1 - alpha**2) * noise, atol=1e-5)
    same, given = model.add_noise(x, 0.0, noise)
    assert given is noise
    assert_close(model.pixels(same), x, atol=1e-6)


def test_clean_images_are_left_alone_at_time_zero(model):
    x = images_of(2)
    noisy, _ = model.add_noise(x, 0.0)
    assert_close(model.denoise_with_latent(noisy, latents_of(2), 0.0), x, atol=1e-6)


def test_the_latent_moves_what_is_denoised_and_its_units_are_those_of_training(model):
    x, z = images_of(2), latents_of(2)
    noisy, _ = model.add_noise(x, 0.8)
    one, other = (model.denoise_with_latent(noisy, latent, 0.8, steps=4) for latent in (z, z + 1))
    assert (one - other).abs().max() > 1e-3
    model.latent_mean.fill_(1.1)
    assert_close(model.denoise_with_latent(noisy, z + 1, 0.8, steps=4), one, atol=1e-5)


def test_noise_of_an_image_makes_it_again(model):
    x = 0.3 * images_of(3)
    z, steps = model.encode(x), 20
    noises = [model.encode_noise(x, z, steps=steps, iterations=many) for many in (30, 0)]
    gaps = [float((model.decode(z, noise, steps=steps) - x).square().mean()) for noise in noises]
    assert gaps[0] < 1e-6
    assert gaps[1] > 10 * gaps[0]  # one explicit step each is no inverse


def test_samples_do_not_depend_on_how_many_and_follow_seed_latent_and_guidance(model):
    z = latents_of(3)
    three = model.sample(3, z, steps=3)
    assert_close(model.sample(2, z[:2], steps=3), three[:2], atol=1e-5)
    for other in ({"seed": 1}, {"latent": None}, {"guidance": 2.0}, {"solver": "ddpm"}):
        drawn = model.sample(3, **({"latent": z, "steps": 3} | other))
        assert (drawn - three).abs().max() > 1e-3, other
    assert model.sample(0, steps=3).shape == (0, 1, 8, 8)


def test_a_path_between_images_begins_and_ends_in_their_reconstructions(model):
    x_a, x_b = 0.3 * images_of(2), 0.3 * images_of(2, seed=1)
    path = model.interpolate(x_a, x_b, 3, grid_steps=4)
    assert path.shape == (2, 3, 1, 8, 8)
    assert_close(path[:, 0], model.reconstruct(x_a, steps=4), atol=1e-4)
    assert_close(path[:, -1], model.reconstruct(x_b, steps=4), atol=1e-4)


def test_a_latent_that_is_ignored_shows(model):
    x = images_of(6)
    assert model.condition_used(x, model.encode(x)) != 1.0
    for parameter in model.unet.code.parameters():
        parameter.data.zero_()
    assert model.condition_used(x, model.encode(x)) == 1.0


def test_a_checkpoint_makes_an_equal_model(model, tmp_path):
    model.save_checkpoint(tmp_path / "model")
    again = DiffusionModel(**SMALL, mode="joint").load_checkpoint(tmp_path / "model")
    x, z = images_of(2), latents_of(2)
    assert torch.equal(again.encode(x), model.encode(x))
    assert torch.equal(again.sample(2, z, steps=2), model.sample(2, z, steps=2))


def test_a_checkpoint_of_other_widths_is_refused(model, tmp_path):
    model.save_checkpoint(tmp_path / "model")
    with pytest.raises(SettingError, match=r"must be of widths \[8, 32\]; got widths \[8, 16\]"):
        DiffusionModel(**SMALL | {"widths": [8, 32]}, mode="joint").load_checkpoint(tmp_path / "model")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda m: m.add_noise(images_of(2), 1.2), SettingError, r"diffusion_time must be in \[0, 1\]; got"),
        (lambda m: m.add_noise(images_of(2), float("nan")), SettingError, "diffusion_time"),
        (lambda m: m.add_noise(2 * images_of(2), 0.5), DataError, r"pixels must be in \[-1, 1\]"),
        (lambda m: m.add_noise(images_of(2) * float("nan"), 0.5), DataError, "pixels must be in"),
        (lambda m: m.encode(images_of(2).repeat(1, 3, 1, 1)), ShapeError, "images must be of shape"),
        (lambda m: m.encode(images_of(2)[0]), ShapeError, "images must be of shape"),
        (
            lambda m: m.sample(2, latents_of(2)[:, :3], steps=2),
            ShapeError,
            r"of shape \(2, 4\); got \(2, 3\)",
        ),
        (lambda m: m.sample(2, latents_of(3), steps=2), ShapeError, "latents must be"),
        (lambda m: m.sample(2, steps=0), SettingError, "steps must be"),
        (lambda m: m.sample(2, solver="none"), SettingError, "solver must be one of"),
        (
            lambda m: DiffusionModel(**SMALL).encode(images_of(2)),
            SettingError,
            "must be joint; got frozen",
        ),
        (
            lambda m: m.add_noise(images_of(2), 0.5, torch.zeros(8)),
            ShapeError,
            r"add_noise: noise must be of shape \(b, 1, 8, 8\); got \(8,\)",
        ),
        (
            lambda m: m.add_noise(images_of(2), 0.5, torch.zeros(3, 1, 8, 8)),
            ShapeError,
            "noise must be as many as the images, 2; got 3",
        ),
        (
            lambda m: m.denoise_with_latent(torch.zeros(2, 1, 4, 4), latents_of(2), 0.5),
            ShapeError,
            "denoise_with_latent: noisy must be of shape",
        ),
        (
            lambda m: m.decode(latents_of(2), torch.zeros(2, 3, 8, 8)),
            ShapeError,
            "decode: noise must be of shape",
        ),
        (lambda m: m.sample(2, latents_of(2) * float("nan"), steps=2), DataError, "latents must be finite"),
        (
            lambda m: m.add_noise(images_of(2), torch.tensor([0.1, 0.2])),
            SettingError,
            "diffusion_time must be one number for all images; got a Tensor",
        ),
        (lambda m: m.interpolate(images_of(2), images_of(2), steps=1), SettingError, "at least 2; got 1"),
        (lambda m: m.interpolate(images_of(2), images_of(3)), ShapeError, "x_b must be as many as"),
        (lambda m: DiffusionModel(schedule="karras"), SettingError, "schedule must be one of cosine"),
        (lambda m: DiffusionModel(time_embedding_dim=3), SettingError, "must be even and positive; got 3"),
        (
            lambda m: SimpleAutoencoder(4).encode(torch.zeros(2, 3, 28, 28)),
            ShapeError,
            "SimpleAutoencoder.encode: images must be of shape",
        ),
        (
            lambda m: SimpleAutoencoder(4).encode(torch.full((2, 1, 28, 28), 255.0)),
            DataError,
            "pixels must be in",
        ),
        (lambda m: SimpleAutoencoder(4).decode(latents_of(2)[:, :3]), ShapeError, "latents must be of shape"),
        (lambda m: DiffusionModel(widths=[30, 60]), SettingError, "multiples of 4"),
        (lambda m: DiffusionModel(layout="round"), SettingError, "layout must be one of patch, full"),
        (lambda m: DiffusionModel(mode="both"), SettingError, "mode must be one of joint, frozen"),
    ],
)
def test_broken_input_is_refused_in_one_sentence(model, call, error, message):
    with pytest.raises(error, match=message):
        call(model)
