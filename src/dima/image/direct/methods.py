"""How a direct decoder learns from pairs: what is trained, its loss, and the one-pass network it becomes.

decoder: a way up without time behind the teacher's frozen way down, at the highest level
reflow:  the whole teacher, between the noise and the image of a pair, so that its way from one to the other
         becomes straight and one step as good as many. Source: Liu, Gong and Liu 2022, arXiv 2209.03003
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from dima.image import pixel
from dima.image.diffusion_model import DiffusionModel
from dima.image.direct.decoder import DirectDiffusion
from dima.noise import target as targets
from dima.noise.schedule import signal_and_noise

__all__ = ["LOSSES", "METHODS", "Method"]

_HUBER = 1.0  # spreads of the pixels at which the loss turns from a square to a slope
_BLOCKS = 2  # of a decoder at the bottleneck, where none are asked for

Error = Callable[[Tensor, Tensor], Tensor]

# Of answers and images in units of the pixels' spread.
LOSSES: dict[str, Error] = {
    "pseudo-huber": lambda a, b: _HUBER * ((_HUBER**2 + (a - b).square()).sqrt() - _HUBER).mean(),
    "mse": lambda a, b: (a - b).square().mean(),
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
    return error(network.standard_images(noise), network.standard(images))


def _between(network: Any, noise: Tensor, images: Tensor, error: Error, draws: torch.Generator) -> Tensor:
    """Half of the pairs at the highest level, where one pass begins, the others anywhere on their way."""
    drawn = pixel.drawn_levels(network.path, len(noise), draws).to(noise)
    is_top = torch.arange(len(noise), device=noise.device) % 2 == 0
    level = torch.where(is_top, float(network.path.log_snr[-1]), drawn)
    alpha, sigma = signal_and_noise(level[:, None, None, None])
    x0 = network.standard(images)
    state = alpha * x0 + sigma * noise
    return error(targets.estimate("v", lambda x: network.unet(x, level), state, alpha, sigma), x0)


METHODS: dict[str, Method] = {
    "decoder": Method(_BLOCKS, DirectDiffusion, _once, lambda network: network),
    "reflow": Method(
        0, lambda teacher, blocks: teacher, _between, lambda network: DirectDiffusion(network, 0)
    ),
}
