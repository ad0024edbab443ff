"""The U-Net: sizes of what goes through it, its condition, and what it answers before training."""

import pytest
import torch

from dima.image.layers import LevelEmbedding, ResidualBlock
from dima.image.unet import UNet


def shaken(network):
    """The network with every parameter drawn, none of them zero."""
    torch.manual_seed(0)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return network.eval()


@pytest.mark.parametrize("layout", ["patch", "full"])
@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 9, 13)])
def test_answers_have_the_shape_of_the_images_in_every_layout(layout, depth, shape):
    network = shaken(UNet(shape, (8, 16, 24), depth, latent_dim=3, layout=layout))
    x, log_snr, code = torch.randn(2, *shape), torch.tensor([-1.0, 2.0]), torch.randn(2, 3)
    assert network(x, log_snr, code).shape == x.shape


@pytest.mark.parametrize("layout", ["patch", "full"])
def test_the_bottleneck_is_a_quarter_of_the_image_and_as_wide_as_the_last_width(layout):
    network, seen = UNet((1, 28, 28), (8, 16, 128), 1, layout=layout), []
    network.mid[0].register_forward_hook(lambda module, given, features: seen.append(features.shape))
    network(torch.zeros(2, 1, 28, 28), torch.zeros(2))
    assert seen == [(2, 128, 7, 7)]


def test_it_answers_nothing_before_training():
    network = UNet((1, 8, 8), (8, 16), 1)
    assert not network(torch.randn(2, 1, 8, 8), torch.zeros(2)).any()


def test_a_dropped_condition_is_no_condition_row_by_row():
    network = shaken(UNet((1, 8, 8), (8, 16), 1, latent_dim=3))
    x, level, code = torch.randn(2, 1, 8, 8), torch.zeros(2), torch.randn(2, 3)
    without, whole = network(x, level), network(x, level, code)
    half = network(x, level, code, torch.tensor([0.0, 1.0]))
    torch.testing.assert_close(half[0], without[0])
    torch.testing.assert_close(half[1], whole[1])
    assert not torch.allclose(without[1], whole[1], atol=1e-3)


def test_the_answer_depends_on_the_level_and_on_no_other_row():
    network = shaken(UNet((1, 8, 8), (8, 16), 1))
    x = torch.randn(1, 1, 8, 8).expand(2, -1, -1, -1)
    both = network(x, torch.tensor([-2.0, 2.0]))
    assert not torch.allclose(both[0], both[1], atol=1e-3)
    torch.testing.assert_close(network(x[:1], torch.tensor([-2.0]))[0], both[0])


def test_levels_far_and_near_are_told_apart():
    waves = LevelEmbedding(32)
    levels = torch.tensor([-8.0, -1.0, -0.9, 0.0, 6.0])
    apart = torch.pdist(waves(levels))
    assert apart.min() > 1e-3


def test_a_block_is_its_shortcut_until_it_learns_and_then_is_scaled_and_shifted():
    block = ResidualBlock(8, 8, 4)
    h, embedding = torch.randn(2, 8, 5, 5), torch.randn(2, 4)
    torch.testing.assert_close(block(h, embedding), h)
    shaken(block)
    inner = block.conv_in(torch.nn.functional.silu(block.norm_in(h)))
    scale, shift = block.scale_shift(embedding)[:, :, None, None].chunk(2, 1)
    inner = block.norm_out(inner) * (1 + scale) + shift
    torch.testing.assert_close(block(h, embedding), h + block.conv_out(torch.nn.functional.silu(inner)))
