"""Features at the bottleneck: of the noise that images come from."""

import numpy as np
import pytest
import torch

from dima.errors import DataError, SettingError, ShapeError
from dima.image import DiffusionModel, pixel
from dima.image.direct import DirectDiffusion
from dima.image.direct.features import away, features_at, noise_behind, toward


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
    found = features_at(network, images)["mid"]  # in blocks
    noise = noise_behind(network, images)
    with torch.no_grad(), network.hooks({}, ["mid"]) as tape:
        network(noise)
    torch.testing.assert_close(found, tape.seen["mid"][0], rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        torch.testing.assert_close(found, network.encoder(noise)[0], rtol=1e-4, atol=1e-5)


def test_hooks_toward_images_lead_to_the_mean_of_their_features(teacher, images):
    network = DirectDiffusion(teacher)
    noise = torch.randn(3, 1, 12, 12, generator=torch.Generator().manual_seed(1))
    behind = noise_behind(network, images[:2])
    with torch.no_grad():
        (own, own_skips), (theirs, their_skips) = network.encoder(noise), network.encoder(behind)
        hooks = toward(network, images[:2], 0.25, "mid + skips")
        with network.hooks(hooks, ["mid", "skip.0"]) as tape:
            network(noise)
    assert list(hooks) == ["mid", *(site for site in network.sites if site.startswith("skip."))]
    torch.testing.assert_close(tape.seen["mid"][0], 0.75 * own + 0.25 * theirs.mean(0))
    torch.testing.assert_close(tape.seen["skip.0"][0], 0.75 * own_skips[0] + 0.25 * their_skips[0].mean(0))


def test_hooks_away_from_images_turn_from_what_theirs_have_beyond_the_usual(teacher, images):
    network = DirectDiffusion(teacher)
    draws = torch.cat([pixel.noise_of(0, [number], (1, 12, 12)) for number in range(256)])
    with torch.no_grad():
        usual = network.encoder(draws)[0].flatten(1).mean(0)
        theirs = network.encoder(noise_behind(network, images[:3]))[0].flatten(1)
        direction = torch.nn.functional.normalize(theirs - usual).mean(0)
        before = network.encoder(draws[:5])[0].flatten(1)
        with network.hooks(away(network, images[:3], 0.5), ["mid"]) as tape:
            network(draws[:5])
    after = tape.seen["mid"][0].flatten(1)
    own, turned = (torch.cosine_similarity(x, direction[None]).acos() for x in (before, after))
    torch.testing.assert_close(turned, own + 0.5 * (torch.pi - own), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(after.norm(dim=1), before.norm(dim=1))


def test_other_images_are_refused(teacher, images):
    network = DirectDiffusion(teacher)
    with pytest.raises(ShapeError, match=r"images must be of shape \(b, 1, 12, 12\)"):
        features_at(network, images[:, :, 2:])
    with pytest.raises(DataError, match=r"\[-1, 1\]"):
        features_at(network, images + 1)


def test_a_site_that_is_none_is_refused_in_the_name_of_what_was_asked(teacher, images):
    network, rule = DirectDiffusion(teacher), "a site must be one of down.0, .*; got 'midd'"
    for asked in (toward, away):
        with pytest.raises(SettingError, match=f"^{asked.__name__}: {rule}"):
            asked(network, images[:2], 0.5, "midd")
    with pytest.raises(SettingError, match=f"^features: {rule}"):
        features_at(network, images[:2], "midd")
