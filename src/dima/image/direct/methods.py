"""How a direct decoder learns from pairs: what is trained, its loss, and the one-pass network it becomes.

decoder: a way up without time behind the teacher's frozen way down, at the highest level
reflow:  the whole teacher, between the noise and the image of a pair, so that its way from one to the other
         becomes straight and one step as good as many. Source: Liu, Gong and Liu 2022, arXiv 2209.03003

The error of a pair is one of pixels, or of pixels and what classifiers see in them. Source of the latter:
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
        loss: (network, noise, images, error, draws) -> mean loss of a batch of pairs.
        direct: the trained network -> one pass.
    """

    blocks: int
    start: Callable[[DiffusionModel, int], nn.Module]
    loss: Callable[[Any, Tensor, Tensor, Error, torch.Generator], Tensor]
    direct: Callable[[Any], DirectDiffusion]


def _once(network: Any, noise: Tensor, images: Tensor, error: Error, draws: torch.Generator) -> Tensor:
    return error(network.standard_images(noise), network.standard(images), network.pixels)


def _between(network: Any, noise: Tensor, images: Tensor, error: Error, draws: torch.Generator) -> Tensor:
    """Half of the pairs at the highest level, where one pass begins, the others anywhere on their way."""
    drawn = pixel.drawn_levels(network.path, len(noise), draws).to(noise)
    is_top = torch.arange(len(noise), device=noise.device) % 2 == 0
    level = torch.where(is_top, float(network.path.log_snr[-1]), drawn)
    alpha, sigma = signal_and_noise(level[:, None, None, None])
    x0 = network.standard(images)
    state = alpha * x0 + sigma * noise
    answer = targets.estimate("v", lambda x: network.unet(x, level), state, alpha, sigma)
    return error(answer, x0, network.pixels)


METHODS: dict[str, Method] = {
    "decoder": Method(_BLOCKS, DirectDiffusion, _once, lambda network: network),
    "reflow": Method(
        0, lambda teacher, blocks: teacher, _between, lambda network: DirectDiffusion(network, 0)
    ),
}
