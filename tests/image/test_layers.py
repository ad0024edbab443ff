"""Residual blocks with and without an embedding, and the units of pixels."""

import torch

from dima.image.layers import PixelUnits, ResidualBlock


def test_a_block_without_embedding_is_one_under_a_constant_embedding():
    torch.manual_seed(0)
    under, alone = ResidualBlock(4, 8, 3), ResidualBlock(4, 8, 0)
    for parameter in under.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    embedding = torch.randn(3)
    scale, shift = under.scale_shift(embedding).chunk(2)
    own = {name: tensor for name, tensor in under.state_dict().items() if "scale_shift" not in name}
    alone.load_state_dict(own | {"norm_out.weight": 1 + scale, "norm_out.bias": shift})
    h = torch.randn(2, 4, 6, 6)
    torch.testing.assert_close(alone(h), under(h, embedding.expand(2, -1)))


def test_units_are_undone_and_pixels_stay_in_their_range():
    units = PixelUnits()
    units.pixel_mean.fill_(-0.5)
    units.pixel_spread.fill_(0.3)
    x = torch.linspace(-1, 1, 5)
    torch.testing.assert_close(units.standard(torch.tensor([-0.5, -0.2])), torch.tensor([0.0, 1.0]))
    torch.testing.assert_close(units.pixels(units.standard(x)), x)
    assert units.pixels(torch.tensor([100.0])).item() == 1
