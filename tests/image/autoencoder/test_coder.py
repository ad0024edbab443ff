"""Codes are normalised by running statistics, pixels are a sigmoid."""

import pytest
import torch

from dima.errors import ArtifactError
from dima.image.autoencoder.coder import Coder
from dima.image.train import named


def test_decoding_gives_the_network_its_codes_as_they_are():
    coder = Coder("mlp", (1, 4, 4), 2).eval()
    codes = torch.randn(3, 2)
    torch.testing.assert_close(coder.decode(codes), 2 * torch.sigmoid(coder.network.decode(codes)) - 1)


@pytest.mark.parametrize(("made", "asked"), [("conv", "mlp"), ("mlp", "conv")])
def test_parameters_of_another_network_are_refused(made, asked):
    arrays = named(Coder(made, (1, 28, 28), 4))
    with pytest.raises(ArtifactError, match="must be those of this network"):
        Coder.of(arrays, asked, (1, 28, 28), 4)


def test_codes_are_those_of_the_network_over_the_running_moments():
    coder = Coder("conv", (1, 8, 8), 2).eval()
    coder.norm.running_mean.copy_(torch.tensor([1.0, -2.0]))
    coder.norm.running_var.copy_(torch.tensor([4.0, 0.25]))
    images = torch.randn(5, 1, 8, 8)
    wanted = (coder.network.encode(images) - torch.tensor([1.0, -2.0])) / torch.tensor([2.0, 0.5])
    torch.testing.assert_close(coder.encode(images), wanted, atol=1e-4, rtol=1e-4)
