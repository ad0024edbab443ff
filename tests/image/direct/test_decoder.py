"""The direct decoder before it learns anything, its hooks, and its second look."""

import pytest
import torch

from dima.errors import DataError, DataTypeError, SettingError, ShapeError
from dima.image import DiffusionModel, DirectDiffusion, pixel
from dima.image.hooks import Swap


@pytest.fixture(scope="module")
def teacher():
    torch.manual_seed(0)
    made = DiffusionModel(widths=[8, 8, 16], block_depth=2, latent_dim=0, image_shape=(1, 8, 8))
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    made.pixel_mean.fill_(-0.3)
    made.pixel_spread.fill_(0.6)
    return made


@pytest.fixture(scope="module")
def model(teacher):
    return DirectDiffusion(teacher)


NOISE = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(1))


def test_at_first_it_is_one_step_of_its_teacher(teacher, model):
    torch.testing.assert_close(model(NOISE), teacher.decode(None, NOISE, steps=1))


def test_two_passes_are_a_step_and_one_from_the_middle(teacher, model):
    alpha, sigma = 0.8, 0.6
    state = alpha * teacher.standard(teacher.decode(None, NOISE, steps=1)) + sigma * NOISE
    level = torch.log(torch.tensor([alpha / sigma])).expand(3)
    wanted = alpha * state - sigma * teacher.unet(state, level)
    torch.testing.assert_close(model(NOISE, steps=2), teacher.pixels(wanted), atol=1e-5, rtol=1e-4)


def test_hooks_of_the_second_pass_know_the_rows_of_their_block(model, monkeypatch):
    strength = torch.tensor([0.5, 1.0, 2.0])[:, None, None, None]
    with model.hooks({"mid": lambda features, context: features * strength[context.rows]}):
        whole = model(NOISE, steps=2)
        monkeypatch.setattr(pixel, "_ROWS", 2)
        torch.testing.assert_close(model(NOISE, steps=2), whole)


def test_noise_is_taken_as_the_network_takes_it(model):
    plain = model(NOISE)
    assert torch.equal(model(NOISE.double()), plain)
    assert model(NOISE[:0], steps=2).shape == (0, 1, 8, 8)
    with pytest.raises(DataError, match="noise must be finite; got NaN or infinity"):
        model(NOISE * torch.nan)
    with pytest.raises(SettingError, match="hook_fn must be a function features -> features; got int"):
        model(NOISE, hook_fn=3)


def test_the_teacher_it_is_made_of_still_learns(teacher, model):
    assert all(p.requires_grad for p in teacher.parameters())
    assert not any(p.requires_grad for p in model.encoder.parameters())


def test_only_the_decoder_learns(model):
    learning = {name.split(".")[0] for name, p in model.named_parameters() if p.requires_grad}
    assert learning == {"decoder"}
    model.standard_images(NOISE).square().mean().backward()
    assert all(p.grad is not None for p in model.decoder.parameters())
    assert all(p.grad is None for p in model.encoder.parameters())


def test_blocks_at_the_bottom_begin_as_nothing(teacher):
    few, many = (DirectDiffusion(teacher, bottleneck_blocks=n) for n in (0, 3))
    assert torch.equal(few(NOISE), many(NOISE))
    assert [site for site in many.sites if "bottom" in site] == ["bottom.0", "bottom.1", "bottom.2"]


def test_sites_are_named_once_and_each_reaches_the_image(model):
    assert len(set(model.sites)) == len(model.sites)
    plain = model(NOISE)
    for site in model.sites:
        with model.hooks({site: lambda features, context: 1.5 * features}):
            assert not torch.equal(model(NOISE), plain), site
    assert torch.equal(model(NOISE), plain)


def test_identity_hooks_change_no_bit_and_a_short_one_is_that_of_the_bottleneck(model):
    plain = model(NOISE, steps=2)
    with model.hooks(dict.fromkeys(model.sites, lambda features, context: features)):
        assert torch.equal(model(NOISE, steps=2), plain)
    with model.hooks({"mid": lambda features, context: 1.2 * features}):
        named = model(NOISE)
    assert torch.equal(model(NOISE, hook_fn=lambda features: features * 1.2), named)


def test_the_features_and_skips_of_a_donor_give_its_image(model):
    features, skips = model.encoder(NOISE.flip(0))
    donor = {f"skip.{i}": Swap(skip) for i, skip in enumerate(skips)} | {"mid": Swap(features)}
    with model.hooks(donor):
        got = model(NOISE)
    wanted, plain = model(NOISE.flip(0)), model(NOISE)
    assert (got - wanted).abs().max() < 0.05 * (plain - wanted).abs().max()


def test_what_does_not_fit_is_refused(teacher, model):
    with pytest.raises(ShapeError, match=r"noise must be of shape \(b, 1, 8, 8\); got \(2, 1, 4, 4\)"):
        model(torch.zeros(2, 1, 4, 4))
    with pytest.raises(DataTypeError, match=r"noise must be a tensor; got ndarray\. Pass torch\.from_numpy"):
        model(NOISE.numpy())
    with pytest.raises(
        DataTypeError, match=r"DirectEncoder: images or noise must be a tensor; got ndarray\."
    ):
        model.encoder(NOISE.numpy())
    with pytest.raises(ShapeError, match=r"images or noise must be of shape \(b, 1, 8, 8\); got \(2, 8, 8\)"):
        model.encoder(torch.zeros(2, 8, 8))
    assert torch.equal(model.encoder(NOISE.double())[0], model.encoder(NOISE)[0])
    with pytest.raises(SettingError, match="steps must be 1 or 2; got 3"):
        model(NOISE, steps=3)
    with pytest.raises(SettingError, match="the teacher must be a model without condition; got latents of 4"):
        DirectDiffusion(DiffusionModel(widths=[8, 16], latent_dim=4))
    with pytest.raises(SettingError, match=r"a site must be one of down\.0"):
        model.hooks({"up.9": lambda features, context: features}).__enter__()
