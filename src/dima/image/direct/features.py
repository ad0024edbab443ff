"""What a way down at its highest noise level sees of images, by way of the noise they come from.

    noise = walk back(image),   features = way down(noise)

A network of one level knows noise alone: an image is inverted first, generated or not, so that all features
that are compared are of one domain.
"""

import numpy as np
import torch
from torch import Tensor

from dima.blocks import row_blocks
from dima.image import checked
from dima.image.denoiser import Denoiser
from dima.image.direct.decoder import DirectDiffusion
from dima.typing import Array, Float32

__all__ = ["bottleneck", "noise_behind"]

_STEPS = 16  # of the walk back
_ROWS = 256  # images at a time


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
    given = torch.from_numpy(np.array(images, np.float32))
    known = checked.images("DirectDiffusion", given, shape).to(network.pixel_mean)
    unet = Denoiser(network.encoder.unet, network.path, 0, shape)
    return unet.walk_back(network.standard(known), None, _STEPS)


@torch.no_grad()
def bottleneck(network: DirectDiffusion, images: Array) -> Float32:
    """Features (b, c, h, w) of images (b, c, h, w) at "mid"; errors are those of `noise_behind`.

    Example:
        >>> from dima.image import DiffusionModel
        >>> model = DirectDiffusion(DiffusionModel(widths=[4, 8], latent_dim=0))
        >>> bottleneck(model, np.zeros((2, 1, 28, 28))).shape
        (2, 8, 14, 14)
    """
    noise = noise_behind(network, images)
    blocks = [network.encoder(noise[rows])[0] for rows in row_blocks(len(noise), _ROWS)]
    found: Float32 = torch.cat(blocks).cpu().numpy()
    return found
