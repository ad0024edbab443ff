"""What a way down at its highest noise level sees of images, by way of the noise they come from.

    noise = walk back(image),   features = way down(noise)

A network of one level knows noise alone: an image is inverted first, generated or not, so that all features
that are compared are of one domain.
"""

import torch
from torch import Tensor

from dima.blocks import row_blocks
from dima.image import checked, pixel
from dima.image.denoiser import Denoiser
from dima.image.direct.decoder import DirectDiffusion
from dima.image.hooks.leverage import sites_of
from dima.image.hooks.ready import Away, Toward
from dima.image.hooks.tape import Hook
from dima.typing import Array

__all__ = ["away", "features_at", "noise_behind", "toward"]

_STEPS = 16  # of the walk back
_ROWS = 256  # images at a time, and draws whose mean is usual


@torch.no_grad()
def noise_behind(network: DirectDiffusion, images: Array) -> Tensor:
    """The noise (b, c, h, w) of images (b, c, h, w) in [-1, 1], by the inverse of the U-Net's own DDIM walk.

    Raises:
        ShapeError: images of another size.
        DataError: a pixel lies outside [-1, 1].

    Example:
        >>> from dima.image import DiffusionModel
        >>> model = DirectDiffusion(DiffusionModel(widths=[4, 8], latent_dim=0))
        >>> noise_behind(model, np.zeros((2, 1, 28, 28))).shape
        torch.Size([2, 1, 28, 28])
    """
    shape = network.image_shape
    known = checked.images("DirectDiffusion", checked.from_array(images), shape).to(network.pixel_mean)
    unet = Denoiser(network.encoder.unet, network.path, 0, shape)
    return unet.walk_back(network.standard(known), None, _STEPS)


def features_at(
    network: DirectDiffusion, images: Array, site: str = "mid", owner: str = "features"
) -> dict[str, Tensor]:
    """Features (b, c, h, w) of images (b, c, h, w) at the sites that a name such as "mid + skips" stands for.

    `owner` is who asks for them, in messages.

    Raises:
        SettingError: there is no such site.
        ShapeError, DataError: as `noise_behind`.

    Example:
        >>> from dima.image import DiffusionModel
        >>> model = DirectDiffusion(DiffusionModel(widths=[4, 8], latent_dim=0))
        >>> features_at(model, np.zeros((2, 1, 28, 28)))["mid"].shape
        torch.Size([2, 8, 14, 14])
    """
    members = sites_of(site, network.sites, owner)
    return _seen(network, noise_behind(network, images), members)


def toward(network: DirectDiffusion, images: Array, strength: float, site: str = "mid") -> dict[str, Hook]:
    """A hook for each site that leads to the mean features of images; errors are those of `features_at`."""
    found = features_at(network, images, site, "toward")
    return {name: Toward(seen.mean(0), strength) for name, seen in found.items()}


def away(network: DirectDiffusion, images: Array, strength: float, site: str = "mid") -> dict[str, Hook]:
    """A hook for each site that turns from what features of images have beyond those of any noise.

    All features share most of their direction, and away from that there are no images. Errors are those of
    `features_at`.
    """
    found = features_at(network, images, site, "away")
    noise = pixel.noise_of(0, range(_ROWS), network.image_shape).to(network.pixel_mean)
    usual = {name: seen.mean(0) for name, seen in _seen(network, noise, list(found)).items()}
    return {name: Away(seen - usual[name], strength) for name, seen in found.items()}


@torch.no_grad()
def _seen(network: DirectDiffusion, noise: Tensor, sites: list[str]) -> dict[str, Tensor]:
    """Features (b, c, h, w) of noise at sites."""
    with network.hooks({}, sites) as tape:
        for rows in row_blocks(len(noise), _ROWS):
            network(noise[rows])
    return {name: torch.cat(seen) for name, seen in tape.seen.items()}
