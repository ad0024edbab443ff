"""Hooks in a walk of many steps: what they are told, and that those that do nothing change no bit."""

import pytest
import torch

from dima.errors import SettingError
from dima.image import DiffusionModel
from dima.image.hooks import Amplify, Swap

SITES = ["down.0", "down.1", "skip.0", "skip.1", "mid", "up.0", "up.1"]


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    made = DiffusionModel(
        widths=[8, 8, 16], block_depth=1, latent_dim=0, image_shape=(1, 8, 8), time_embedding_dim=4
    )
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return made


def test_sites_are_the_blocks_and_the_skips(model):
    assert model.unet.sites == SITES
    deep = DiffusionModel(widths=[8, 16], block_depth=2, latent_dim=0, image_shape=(1, 8, 8)).unet
    assert deep.sites == ["down.0", "down.1", "skip.0", "skip.1", "mid.0", "mid", "up.0", "up.1"]


def test_identity_hooks_at_every_site_change_no_bit(model):
    plain = model.sample(3, steps=4)
    with model.hooks(dict.fromkeys(SITES, lambda features, context: features)):
        hooked = model.sample(3, steps=4)
    assert torch.equal(hooked, plain)
    assert torch.equal(model.sample(3, steps=4), plain)


@pytest.mark.parametrize("site", SITES)
def test_a_hook_at_any_site_reaches_the_image(model, site):
    plain = model.sample(2, steps=2)
    with model.hooks({site: lambda features, context: features + 0.5 * features.square()}):
        assert (model.sample(2, steps=2) - plain).abs().max() > 1e-4


def test_hooks_are_told_the_level_the_step_and_the_rows(model):
    told = []

    def note(features, context):
        told.append((context.site, context.step, context.rows, context.log_snr.shape, len(features)))
        return features

    with model.hooks({"mid": note}, record=["skip.1"]) as tape:
        model.sample(3, steps=2)
    assert told == [("mid", 0, slice(0, 3), (3,), 3), ("mid", 1, slice(0, 3), (3,), 3)]
    assert [features.shape for features in tape.seen["skip.1"]] == [(3, 8, 2, 2)] * 2


def test_features_of_a_donor_at_every_site_give_its_image(model):
    start = torch.randn(2, 1, 8, 8)
    with model.hooks({}, record=["skip.0", "skip.1", "mid"]) as tape:
        model.decode(None, start, steps=1)
    seen = {site: features[0] for site, features in tape.seen.items()}
    swapped = {site: Swap(features.flip(0)) for site, features in seen.items()}
    plain, wanted = (model.decode(None, noise, steps=1) for noise in (start, start.flip(0)))
    with model.hooks(swapped):
        got = model.decode(None, start, steps=1)
    # At the highest level an image is its network's answer and next to nothing of the noise.
    assert (got - wanted).abs().max() < 0.05 * (plain - wanted).abs().max()


def test_blocks_in_blocks_and_sites_that_are_not_there_are_refused(model):
    with pytest.raises(SettingError, match=r"a site must be one of down\.0, .*; got 'middle'"):
        model.hooks({"middle": Amplify(1.2)}).__enter__()
    with model.hooks({"mid": Amplify(1.2)}), pytest.raises(SettingError, match="free of hooks"):
        model.hooks({}).__enter__()
