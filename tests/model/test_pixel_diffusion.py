"""The diffusion model of pixels as an estimator: noise to images and back, settings, saving."""

import functools

import numpy as np
import pytest
import torch

from dima.data.images import load as load_images
from dima.errors import NotFittedError, SettingError, ShapeError
from dima.image import pixel
from dima.image.hooks.leverage import leverage
from dima.model.persist import load, save
from dima.model.pixel_diffusion import PixelDiffusion

IMAGES = load_images("fashion-mnist-1000").images[:128]


@pytest.fixture(scope="module")
def fitted():
    return PixelDiffusion(widths=(8, 16), epochs=1, batch_size=32, steps=3).fit(IMAGES)


def test_an_image_is_found_again_in_its_noise(fitted):
    noise = np.random.default_rng(0).standard_normal((3, 784)).astype(np.float32)
    images = fitted.decode(noise)
    inside = np.abs(images) < 1  # a pixel that was clipped has lost where it came from
    again = fitted.decode(fitted.encode(images))
    assert inside.mean() > 0.2
    np.testing.assert_allclose(again[inside], images[inside], atol=0.05)


def test_samples_do_not_depend_on_how_many_are_drawn_and_follow_the_seed(fitted):
    few, many = fitted.sample(2, seed=3), fitted.sample(4, seed=3)
    np.testing.assert_allclose(few, many[:2], atol=1e-5)
    assert np.abs(fitted.sample(2, seed=4) - few).max() > 0.1
    assert np.abs(fitted.sample(2, steps=6, seed=3) - few).max() > 1e-3


def test_training_finds_what_a_network_of_zeros_does_not():
    model = PixelDiffusion(widths=(8, 16), epochs=6, batch_size=32).fit(IMAGES)
    first, last = model.losses_[0, 1], model.losses_[-1, 1]
    assert last < 0.95 * first


def test_saved_and_opened_it_is_the_same(fitted, tmp_path):
    opened = load(save(fitted, tmp_path / "teacher"))
    assert type(opened) is PixelDiffusion
    np.testing.assert_array_equal(opened.sample(2), fitted.sample(2))
    assert opened.get_params() == fitted.get_params()
    assert opened.facts() == fitted.facts()


def test_it_has_no_condition(fitted):
    assert fitted.fit_.model().latent_dim == 0
    assert not [name for name in fitted.fit_.network if "code" in name or "encoder" in name]


def test_it_says_what_is_missing(fitted):
    with pytest.raises(NotFittedError, match=r"Call PixelDiffusion\.fit first"):
        PixelDiffusion().sample(1)
    with pytest.raises(ShapeError, match=r"codes must have shape \(b, 784\)"):
        fitted.decode(np.zeros((2, 3)))
    with pytest.raises(SettingError, match="solver must be one of"):
        fitted.sample(1, solver="euler")
    with pytest.raises(SettingError, match="steps must be"):
        fitted.sample(1, steps=0)


def test_a_model_with_an_encoder_of_no_numbers_is_refused():
    from dima.image import DiffusionModel

    with pytest.raises(SettingError, match="latent_dim must be positive"):
        DiffusionModel(latent_dim=0, mode="joint")


def test_a_model_without_condition_walks_there_and_back():
    from dima.image import DiffusionModel

    torch.manual_seed(0)
    model = DiffusionModel(widths=[8, 16], block_depth=1, latent_dim=0, image_shape=(1, 8, 8))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.02)
    x = torch.rand(2, 1, 8, 8) - 0.5
    torch.testing.assert_close(model.reconstruct(x, steps=20), x, atol=0.02, rtol=0)
    assert model.interpolate(x[:1], x[1:], 3, grid_steps=4).shape == (1, 3, 1, 8, 8)


def test_leverage_is_of_its_own_walk(fitted):
    network = fitted.network()
    noise, donors = pixel.noise_of(3, range(6), network.image_shape).split(3)
    sites = ["mid", "mid + skips"]
    for steps, asked in ((3, {}), (6, {"steps": 6})):
        walk = functools.partial(network.decode, None, steps=steps, solver="dpmpp_2m")
        wanted = leverage(network.unet, noise, donors, sites, make=walk)
        assert fitted.leverage(sites, n=3, seed=3, **asked) == pytest.approx(wanted, abs=1e-6)


def test_its_network_takes_hooks(fitted):
    network = fitted.network()
    with network.hooks({"mid": lambda features, context: 0 * features}):
        silent = network.sample(2, steps=3, solver="dpmpp_2m").numpy()
    np.testing.assert_allclose(
        network.sample(2, steps=3, solver="dpmpp_2m").numpy(), fitted.sample(2), atol=1e-5
    )
    assert np.abs(silent - fitted.sample(2)).max() > 1e-3
