"""The fully connected network has the layers that are published for it."""

import torch

from dima.image.autoencoder.mlp import MLP


def test_layers_are_784_512_256_128_16_and_back():
    network = MLP((1, 28, 28), 16)
    shapes = [tuple(p.shape) for name, p in network.named_parameters() if name.endswith("weight")]
    down = [(512, 784), (256, 512), (128, 256), (16, 128)]
    assert shapes == down + [(fan_in, fan_out) for fan_out, fan_in in reversed(down)]


def test_codes_and_logits_take_any_sign():
    torch.manual_seed(0)
    network = MLP((3, 5, 4), 2)
    codes = network.encode(torch.randn(50, 3, 5, 4))
    logits = network.decode(codes)
    assert codes.shape == (50, 2)
    assert logits.shape == (50, 3, 5, 4)
    assert all(values.min() < 0 < values.max() for values in (codes, logits))
