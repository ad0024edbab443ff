"""How a direct decoder learns: from what, what is trained, its loss, and the one-pass network it becomes.

decoder:     a way up without time behind the teacher's frozen way down, at the highest level, from pairs
reflow:      the whole teacher, between the noise and the image of a pair, so that its way from one to the
             other becomes straight and one step as good as many. Source: Liu, Gong and Liu 2022, arXiv
             2209.03003
consistency: the whole teacher, from images alone: at two near levels of the same image and noise it shall
             answer alike, down to the lowest, where the answer is the image. Source: Song, Dhariwal, Chen and
             Sutskever 2023, arXiv 2303.01469, algorithm 3; without an average to learn from, Song and
             Dhariwal 2024, arXiv 2310.14189, section 3.2

The error of an answer is one of pixels, or of pixels and what classifiers see in them. Source of the latter:
Johnson, Alahi and Fei-Fei 2016, arXiv 1603.08155.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from dima.image import judge, pixel
from dima.image.diffusion_model import DiffusionModel
from dima.image.direct.decoder import DirectDiffusion
from dima.noise import target as targets
from dima.noise.schedule import signal_and_noise

__all__ = ["LOSSES", "METHODS", "SEEN", "Method"]

_HUBER = 1.0  # spreads of the pixels at which the loss turns from a square to a slope
_LEVELS = 8  # of the way up, one of which lies between those that are answered alike; of 20, little is learnt
_BLOCKS = 2  # of a decoder at the bottleneck, where none are asked for

SEEN = (1, 28, 28)  # images whose features the classifiers know
_WEIGHT = 0.1  # weight of the error of features, in units of their size, beside that of pixels
_LEAST_SIZE = 0.01  # of features, as a mean square: that of images is 2 to 4, and 0 where no unit answers

ToPixels = Callable[[Tensor], Tensor]  # from units of the pixels' spread into [-1, 1]
Error = Callable[[Tensor, Tensor, ToPixels], Tensor]


def _features(a: Tensor, b: Tensor, to_pixels: ToPixels) -> Tensor:
    """Squared error of pixels, and of what the last hidden layer of two classifiers sees in them."""
    own, wanted = to_pixels(a), to_pixels(b)
    total = (a - b).square().mean()
    for network in _judges():
        weights = {name: one.to(own) for name, one in network.weights.items()}
        seen, known = (judge.NETWORKS[network.network].features(weights, x) for x in (own, wanted))
        size = known.square().mean().clamp(min=_LEAST_SIZE)
        total = total + _WEIGHT / 2 * (seen - known).square().mean() / size
    return total


@functools.cache
def _judges() -> tuple[judge.Judge, judge.Judge]:
    return judge.load("lenet", "mnist"), judge.load("lenet", "fashion-mnist")


# Of answers and images in units of the pixels' spread; only what classifiers see is of pixels in [-1, 1].
LOSSES: dict[str, Error] = {
    "pseudo-huber": lambda a, b, _: _HUBER * ((_HUBER**2 + (a - b).square()).sqrt() - _HUBER).mean(),
    "mse": lambda a, b, _: (a - b).square().mean(),
    "features": _features,
}


@dataclasses.dataclass(frozen=True)
class Method:
    """One way to learn.

    Attributes:
        blocks: residual blocks at the bottleneck where none are asked for.
        start: (teacher, blocks) -> the network that is trained.
        loss: (network, batch, error, draws) -> mean loss of a batch (noise, images), or (images,).
        direct: the trained network -> one pass.
        is_of_pairs: whether it learns from pairs, or from images alone.
    """

    blocks: int
    start: Callable[[DiffusionModel, int], nn.Module]
    loss: Callable[[Any, tuple[Tensor, ...], Error, torch.Generator], Tensor]
    direct: Callable[[Any], DirectDiffusion]
    is_of_pairs: bool = True


def _once(network: Any, batch: tuple[Tensor, ...], error: Error, draws: torch.Generator) -> Tensor:
    noise, images = batch
    return error(network.standard_images(noise), network.standard(images), network.pixels)


def _between(network: Any, batch: tuple[Tensor, ...], error: Error, draws: torch.Generator) -> Tensor:
    """Half of the pairs at the highest level, where one pass begins, the others anywhere on their way."""
    noise, images = batch
    drawn = pixel.drawn_levels(network.path, len(noise), draws).to(noise)
    is_top = torch.arange(len(noise), device=noise.device) % 2 == 0
    level = torch.where(is_top, float(network.path.log_snr[-1]), drawn)
    x0 = network.standard(images)
    return error(_answer(network, x0, noise, level), x0, network.pixels)


def _alike(network: Any, batch: tuple[Tensor, ...], error: Error, draws: torch.Generator) -> Tensor:
    """The answers at two near levels; the lower one is learnt from, and stands still."""
    x0 = network.standard(batch[0])
    noise = torch.randn(x0.shape, generator=draws).to(x0)
    share = pixel.drawn_shares(len(x0), draws)
    shares = (share - 1 / _LEVELS).clamp(min=0), share
    low, high = (pixel.levels_at(network.path, each).to(x0) for each in shares)
    with torch.no_grad():
        wanted = _answer(network, x0, noise, low)
    return error(_answer(network, x0, noise, high), wanted, network.pixels)


def _answer(network: Any, x0: Tensor, noise: Tensor, level: Tensor) -> Tensor:
    """The clean estimate of a U-Net at images with noise of levels (b,)."""
    alpha, sigma = signal_and_noise(level[:, None, None, None])
    state = alpha * x0 + sigma * noise
    return targets.estimate("v", lambda x: network.unet(x, level), state, alpha, sigma)


def _whole(teacher: DiffusionModel, blocks: int) -> nn.Module:
    return teacher


def _as_it_is(network: Any) -> DirectDiffusion:
    return DirectDiffusion(network, 0)


METHODS: dict[str, Method] = {
    "decoder": Method(_BLOCKS, DirectDiffusion, _once, lambda network: network),
    "reflow": Method(0, _whole, _between, _as_it_is),
    "consistency": Method(0, _whole, _alike, _as_it_is, is_of_pairs=False),
}
