"""Features at the bottleneck: of the noise that images come from."""

import numpy as np
import pytest
import torch

from dima.errors import DataError, ShapeError
from dima.image import DiffusionModel
from dima.image.direct import DirectDiffusion
from dima.image.direct.features import bottleneck, noise_behind


@pytest.fixture
def teacher():
    torch.manual_seed(0)
    made = DiffusionModel(widths=[4, 8], latent_dim=0, image_shape=(1, 12, 12))
    torch.nn.init.normal_(made.unet.leave.weight, std=0.02)  # untrained, it would answer zero
    return made


@pytest.fixture
def images():
    return np.random.default_rng(0).uniform(-0.9, 0.9, (300, 1, 12, 12)).astype(np.float32)


def test_the_noise_behind_images_leads_to_them(teacher, images):
    noise = noise_behind(DirectDiffusion(teacher), images[:4])
    again = teacher.decode(None, noise, steps=16).numpy()
    np.testing.assert_allclose(again, images[:4], atol=0.02)


def test_features_are_those_that_the_tape_sees_of_that_noise(teacher, images):
    network = DirectDiffusion(teacher)
    found = bottleneck(network, images)  # in blocks
    noise = noise_behind(network, images)
    with torch.no_grad(), network.hooks({}, ["mid"]) as tape:
        network(noise)
    np.testing.assert_allclose(found, tape.seen["mid"][0].numpy(), rtol=1e-4, atol=1e-5)


def test_other_images_are_refused(teacher, images):
    network = DirectDiffusion(teacher)
    with pytest.raises(ShapeError, match=r"images must be of shape \(b, 1, 12, 12\)"):
        bottleneck(network, images[:, :, 2:])
    with pytest.raises(DataError, match=r"\[-1, 1\]"):
        bottleneck(network, images + 1)
