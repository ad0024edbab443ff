"""Layers of others find their places by order and shape, and pixels their convention."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from close import assert_close
from dima.errors import ArtifactError
from dima.image.autoencoder import foreign
from dima.image.autoencoder.coder import PIXELS, Coder
from dima.image.autoencoder.foreign import pixels_of, read
from dima.image.train import from_named


def arrays_of(network):
    return {name: tensor.numpy() for name, tensor in network.state_dict().items()}


def linear(*widths):
    return nn.Sequential(*[nn.Linear(i, o) for i, o in itertools.pairwise(widths)])


@pytest.fixture
def given(monkeypatch):
    """Reads args and arrays as if they came from a file."""

    def read_these(state, model="mlp", **args):
        monkeypatch.setattr(foreign, "read_checkpoint", lambda data, name: ({"model": model, **args}, state))
        return read(b"", "a.pt")

    return read_these


SHAPES = (784, 512, 256, 128, 5)


def test_names_do_not_matter_while_order_and_shapes_do(given):
    network = nn.ModuleDict({"dec": linear(*SHAPES[::-1]), "enc": linear(*SHAPES)})
    found = given(arrays_of(network))
    assert (found.model, found.latent_dim, found.pixels) == ("mlp", 5, "sigmoid")
    np.testing.assert_array_equal(
        found.network["network.encoder.1.weight"], network["enc"][0].weight.detach()
    )
    np.testing.assert_array_equal(found.network["network.decoder.0.bias"], network["dec"][0].bias.detach())


def test_codes_as_wide_as_the_layer_before_are_told_apart_by_the_prefix(given):
    square = (784, 512, 256, 128, 128)
    network = nn.ModuleDict({"decoder": linear(*square[::-1]), "encoder": linear(*square)})
    found = given(arrays_of(network))
    np.testing.assert_array_equal(
        found.network["network.encoder.7.weight"], network["encoder"][3].weight.detach()
    )


def test_the_norm_of_a_converted_one_changes_no_bit(given):
    found = given(arrays_of(nn.ModuleDict({"enc": linear(*SHAPES), "dec": linear(*SHAPES[::-1])})))
    coder = from_named(Coder("mlp", (1, 28, 28), 5, found.pixels), found.network).eval()
    codes = 100 * torch.randn(1000, 5)
    assert torch.equal(coder.norm(codes), codes)


@pytest.mark.parametrize(
    ("network", "model", "message"),
    [
        (linear(784, 10), "mlp", r"mlp of at least 4 layers; got 1 in .*0\.weight"),
        (
            linear(784, 512, 256, 100, 5, 100, 256, 512, 784),
            "mlp",
            r"\(128, 256\) here; got '2.weight' of shape \(100, 256\)",
        ),
        (linear(*SHAPES), "mlp", r"\(128, 5\) here; got nothing"),
        (linear(*SHAPES, *SHAPES[-2::-1], 784), "mlp", r"nothing here; got '8.weight' of shape \(784, 784\)"),
        (
            linear(*SHAPES, *SHAPES[-2::-1]),
            "conv",
            r"conv .*\(784, 1, 3, 3\)|\(512, 1, 3, 3\) here; got '0.weight'",
        ),
        (nn.Sequential(nn.BatchNorm1d(784), *linear(*SHAPES)), "mlp", r"got '0.weight' of shape \(784,\)"),
    ],
)
def test_other_shapes_are_refused_by_their_first_difference(given, network, model, message):
    with pytest.raises(ArtifactError, match=message):
        given(arrays_of(network), model)


def test_widths_that_would_not_fit_into_memory_are_only_looked_at(given):
    vast = np.broadcast_to(np.float32(0), (10**7, 1, 3, 3))
    state = {f"{i}.weight": vast for i in range(4)}
    with pytest.raises(ArtifactError, match=r"\(10000000,\) here; got '1.weight'"):
        given(state, "conv")


@pytest.mark.parametrize("model", ["vae", ["mlp"], None, 3])
def test_other_models_are_refused(given, model):
    with pytest.raises(ArtifactError, match=r"of args.model 'mlp' or 'conv'; got"):
        given({}, model)


def test_numbers_that_are_none_are_refused(given):
    state = arrays_of(nn.ModuleDict({"enc": linear(*SHAPES), "dec": linear(*SHAPES[::-1])}))
    state["enc.1.bias"] = np.full(256, np.nan, np.float32)
    with pytest.raises(ArtifactError, match=r"finite numbers; got .*enc\.1\.bias"):
        given(state)


@pytest.mark.parametrize(
    ("args", "output", "pixel_range", "wanted"),
    [
        ({}, None, None, "sigmoid"),
        ({"output": "tanh"}, None, None, "signed-tanh"),
        ({"activation": "Tanh"}, None, None, "signed-tanh"),
        ({"activation": "relu"}, None, None, "sigmoid"),
        ({"output": "none"}, None, None, "linear"),
        ({"activation": "relu", "output": "identity", "pixel_range": [-1, 1]}, None, None, "signed-linear"),
        ({"pixel_range": "[-1, 1]"}, None, None, "signed-sigmoid"),
        ({"pixel_range": "0,1"}, None, None, "sigmoid"),
        ({"output": "runs/a"}, "linear", None, "linear"),
        ({"output": "tanh", "pixel_range": "?"}, "sigmoid", (-1, 1), "signed-sigmoid"),
    ],
)
def test_what_is_passed_counts_first_then_args_then_sigmoid(args, output, pixel_range, wanted):
    assert pixels_of(args, "a.pt", output, pixel_range) == wanted


@pytest.mark.parametrize(
    ("args", "output", "message"),
    [
        ({"output": "softmax"}, None, "an output among sigmoid, tanh, linear; got 'softmax'. Pass output="),
        ({"output": ["tanh"]}, None, "an output among"),
        ({}, "gelu", "an output among"),
        ({"activation": "gelu"}, "sigmoid", "relu in its hidden layers; got 'gelu'"),
        ({"pixel_range": [0, 255]}, None, r"pixels in \[0, 1\] or \[-1, 1\]; got '\[0, 255\]'"),
        ({"pixel_range": 255}, None, r"pixels in \[0, 1\]"),
        ({"pixel_range": "0,1", "output": "tanh"}, None, "tanh with pixels in"),
    ],
)
def test_what_is_unknown_or_contradicts_itself_is_refused(args, output, message):
    with pytest.raises(ArtifactError, match=message):
        pixels_of(args, "a.pt", output, None)


@pytest.mark.parametrize("pixels", PIXELS)
def test_every_convention_gives_images_in_our_range(pixels):
    to_input, to_pixels = PIXELS[pixels]
    ends = to_input(torch.tensor([-1.0, 1.0])).tolist()
    assert_close(np.array(ends), np.array([-1.0 if pixels.startswith("signed-") else 0.0, 1.0]))
    far = to_pixels(torch.tensor([-50.0, 50.0])).tolist()
    assert_close(np.array(far), np.array([-1.0, 1.0]), atol=1e-6)
