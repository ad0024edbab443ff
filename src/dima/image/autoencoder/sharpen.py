"""Sharpening: an adversarial pass over the decoder alone, after training; the encoder and the codes stay.

A discriminator learns to tell decoded from real images, and the decoder learns from it where its images
are too smooth. Half of a batch are images of the batch, which keep their error of reconstruction; the other
half are decoded from training codes that are moved a little, as those of a prior are. The discriminator's
pull is kept at half the size of the other (Esser, Rombach and Ommer 2021, equation 7, of gradients at
the pixels); losses are those of Goodfellow et al. 2014 in their non-saturating form, with the penalty R1
of Mescheder, Geiger and Nowozin 2018.
"""

import copy
import dataclasses

import torch
import torch.nn.functional as F  # noqa: N812 the name everybody knows
from torch import Tensor, nn

from dima import training
from dima.blocks import row_blocks
from dima.image.autoencoder.coder import Coder
from dima.image.train import Engine, Plan

__all__ = ["Discriminator", "Sharpener", "sharpen", "sharpening_loss"]

_WIDTHS = (32, 64, 128)  # of the discriminator
_JITTER = 0.1  # of moved codes, in their standard deviations
_SHARE = 0.5  # of the pull of the discriminator beside that of the reconstruction
_PLAN = Plan(2, 128, 2.5e-4, betas=(0.5, 0.99))  # two epochs
_ROWS = 1024  # images encoded at a time
_PENALTY = (8, 1.0)  # once in so many steps, with this weight a step


class Discriminator(nn.Module):
    """Images (b, c, h, w) to logits (b,) of being real.

    Args:
        shape: (c, h, w) of an image.
    """

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__()
        channels, high, wide = shape
        flat = _WIDTHS[1] * -(-high // 4) * -(-wide // 4)
        self.first = nn.Conv2d(channels, _WIDTHS[0], 5, 2, 2)
        self.second = nn.Conv2d(_WIDTHS[0], _WIDTHS[1], 5, 2, 2)
        self.third = nn.Linear(flat, _WIDTHS[2])
        self.last = nn.Linear(_WIDTHS[2], 1)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of being real."""
        hidden = F.leaky_relu(self.first(images), 0.2)
        hidden = F.leaky_relu(self.second(hidden), 0.2)
        hidden = F.leaky_relu(self.third(hidden.flatten(1)), 0.2)
        logits: Tensor = self.last(hidden)[:, 0]
        return logits


class Sharpener(nn.Module):
    """An autoencoder whose encoder is frozen, and the discriminator of its decoder.

    Args:
        coder: a trained `Coder`.
        shape: (c, h, w) of an image.
    """

    def __init__(self, coder: Coder, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.coder = coder  # the loss passes by its encoder, whose parameters therefore stay
        self.discriminator = Discriminator(shape)


def sharpen(coder: Coder, images: Tensor, seed: int, run: training.Run) -> Coder:
    """A trained coder with its decoder sharpened on its training images."""
    c, h, w = images.shape[1:]
    plan = dataclasses.replace(_PLAN, seed=seed, batch_size=min(_PLAN.batch_size, len(images)))

    def build() -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return Sharpener(copy.deepcopy(coder), (c, h, w)).to(images.device)

    with torch.no_grad():
        coder.eval()
        codes = torch.cat([coder.encode(images[rows]) for rows in row_blocks(len(images), _ROWS)])
    engine = Engine(plan, build, sharpening_loss, (images, codes))
    trained = training.train(engine, dataclasses.replace(run, label="Sharpening", patience=None))
    sharpened: Coder = trained.state.average.coder
    return sharpened


def sharpening_loss(network: Sharpener, batch: tuple[Tensor, ...], draws: torch.Generator) -> Tensor:
    """What both learn from images (b, c, h, w) in [-1, 1] and their codes (b, d); its value means little."""
    images, codes = batch
    half = len(images) // 2
    moved = codes[half:] + _JITTER * torch.randn(codes[half:].shape, generator=draws).to(codes)
    logits = network.coder.network.decode(torch.cat([codes[:half], moved]))
    fakes = 2 * logits.sigmoid() - 1
    pull = torch.autograd.grad(F.softplus(-network.discriminator(fakes)).sum(), fakes, retain_graph=True)[0]
    with torch.no_grad():
        # Of the cross-entropy at the logits; the pull on the pixels is carried to them.
        missed = logits[:half].sigmoid() - (images[:half] + 1) / 2
        slope = pull * (1 - fakes.square()) / 2
        slope = _SHARE * missed.abs().mean() / slope.abs().mean().clamp_min(1e-12) * slope
        slope[:half] += missed
    return (logits * slope).sum() / len(images) + _discerning(
        network.discriminator, fakes.detach(), images, draws
    )


def _discerning(
    discriminator: Discriminator, fakes: Tensor, images: Tensor, draws: torch.Generator
) -> Tensor:
    """Loss of the discriminator, now and then with the penalty on its slope at real images."""
    every, weight = _PENALTY
    is_due = float(torch.rand((), generator=draws)) < 1 / every
    images = images.detach().requires_grad_(is_due)
    real = discriminator(images)
    loss = F.softplus(discriminator(fakes)).mean() + F.softplus(-real).mean()
    if is_due:
        slope = torch.autograd.grad(real.sum(), images, create_graph=True)[0]
        loss = loss + every * weight / 2 * slope.square().sum() / len(images)
    return loss
