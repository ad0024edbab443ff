"""Sharpening: what it may change, and that what it does is what the loss says."""

import copy

import numpy as np
import torch

from close import assert_close
from dima import training
from dima.data.images import load
from dima.image.autoencoder import fit_autoencoder
from dima.image.autoencoder.coder import Coder
from dima.image.autoencoder.sharpen import Sharpener, sharpen, sharpening_loss
from dima.image.train import generator, named
from image.autoencoder.test_fit import SETTINGS

IMAGES = torch.from_numpy(load("fashion-mnist-1000").images[:256])
SHAPE = (1, 28, 28)


def coder_of():
    torch.manual_seed(0)
    return Coder("mlp", SHAPE, 4).eval()


def test_the_decoder_changes_and_the_encoder_does_not():
    coder = coder_of()
    before = named(coder)
    after = named(sharpen(coder, IMAGES, 0, training.Run("test")))
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert changed == {name for name in before if ".decoder." in name}
    again = named(sharpen(coder, IMAGES, 0, training.Run("test")))
    for name, array in after.items():
        np.testing.assert_array_equal(array, again[name])


def gradients(network, images, codes, draws):
    network.zero_grad()
    sharpening_loss(network, (images, codes), draws).backward()
    return {name: p.grad for name, p in network.named_parameters() if p.grad is not None}


def test_the_pull_on_the_decoder_is_that_of_its_formula():
    network, codes = Sharpener(coder_of(), SHAPE), torch.randn(8, 4)
    images = IMAGES[:8]
    found = gradients(network, images, codes, generator(0, 0, "draws"))

    # Again by the chain rule on the logits, with numbers in the place of autograd's bookkeeping.
    moved = codes[4:] + 0.1 * torch.randn((4, 4), generator=generator(0, 0, "draws"))
    logits = network.coder.network.decode(torch.cat([codes[:4], moved]))
    free = logits.detach().requires_grad_()
    real = torch.nn.functional.softplus(-network.discriminator(2 * free.sigmoid() - 1)).sum()
    pull = torch.autograd.grad(real, free)[0]
    missed = free.detach()[:4].sigmoid() - (images[:4] + 1) / 2
    wanted = 0.5 * missed.abs().mean() / pull.abs().mean() * pull
    wanted[:4] += missed
    name = "coder.network.decoder.0.weight"
    (slope,) = torch.autograd.grad(logits, network.coder.network.decoder[0].weight, wanted / 8)
    assert_close(found[name], slope, atol=1e-6)


def test_the_discriminator_learns_without_touching_the_decoder():
    network, codes = Sharpener(coder_of(), SHAPE), torch.randn(8, 4)
    found = gradients(network, IMAGES[:8], codes, generator(0, 0, "draws"))
    alone = copy.deepcopy(network)
    for parameter in alone.discriminator.parameters():
        parameter.requires_grad_(True)
    moved = codes[4:] + 0.1 * torch.randn((4, 4), generator=generator(0, 0, "draws"))
    with torch.no_grad():
        fakes = alone.coder.decode(torch.cat([codes[:4], moved]))
    loss = torch.nn.functional.softplus(alone.discriminator(fakes)).mean()
    loss = loss + torch.nn.functional.softplus(-alone.discriminator(IMAGES[:8])).mean()
    loss.backward()
    assert_close(found["discriminator.last.weight"], alone.discriminator.last.weight.grad, atol=1e-6)


def test_the_penalty_comes_at_the_steps_the_draws_say():
    network, codes = Sharpener(coder_of(), SHAPE), torch.randn(8, 4)
    with torch.no_grad():
        network.discriminator.last.weight.mul_(1e3)  # a steep one
    losses = [
        float(sharpening_loss(network, (IMAGES[:8], codes), generator(0, step, "draws")).detach())
        for step in range(40)
    ]
    fined = sum(loss > 2 * np.median(losses) for loss in losses)
    assert 1 <= fined <= 12


def test_it_is_a_setting_of_the_fit_and_keeps_the_codes():
    images = IMAGES.numpy()
    plain = fit_autoencoder(SETTINGS, images)
    crisp = fit_autoencoder(SETTINGS | {"sharpen": True}, images)
    np.testing.assert_array_equal(plain.encode(images), crisp.encode(images))
    assert not np.array_equal(plain.decode(plain.encode(images)), crisp.decode(crisp.encode(images)))
