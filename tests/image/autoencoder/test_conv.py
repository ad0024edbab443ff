"""The convolutional network halves three times and grows back through the same sizes."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 the name everybody knows

from dima.image.autoencoder.conv import Conv


def test_sizes_are_28_14_7_4_and_back():
    network, seen = Conv((1, 28, 28), 16), []
    for layer in [*network.down, *network.up]:
        layer.register_forward_hook(lambda _layer, _taken, given: seen.append(tuple(given.shape[2:])))
    network.decode(network.encode(torch.zeros(1, 1, 28, 28)))
    assert [side for side, _ in seen] == [14, 7, 4, 7, 14, 28]


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 9, 14)])
def test_any_size_comes_back(shape):
    network = Conv(shape, 5)
    codes = network.encode(torch.zeros(2, *shape))
    assert codes.shape == (2, 5)
    assert network.decode(codes).shape == (2, *shape)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 9, 14)])
def test_decoding_interpolates_and_then_convolves(shape):
    network = Conv(shape, 5).double()
    codes = torch.randn(3, 5, generator=torch.Generator().manual_seed(0)).double()
    images = F.relu(network.from_code(codes)).reshape(-1, *network.small)
    for i, (layer, size) in enumerate(zip(network.up, network.sizes, strict=True)):
        grown = F.interpolate(F.relu(images) if i else images, size=size)
        images = F.conv2d(grown, layer.weight, layer.bias, padding=1)
    torch.testing.assert_close(network.decode(codes), images)
    # And learns by the same slopes.
    learnt = [*network.from_code.parameters(), *network.up.parameters()]
    slopes = [torch.autograd.grad(made.square().sum(), learnt) for made in (network.decode(codes), images)]
    torch.testing.assert_close(*slopes)


def test_even_output_for_even_input_shows_no_checkerboard():
    # With equal weights everywhere, a pixel inside differs from none of its neighbours.
    network = Conv((1, 28, 28), 4)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(0.01)
        inside = network.decode(torch.ones(1, 4))[0, 0, 8:20, 8:20]
    torch.testing.assert_close(inside, torch.full_like(inside, float(inside[0, 0])))
