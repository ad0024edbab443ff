"""The convolutional autoencoder: three convolutions of stride 2 (28-14-7-4), a linear layer, and back.

Upwards, explicit interpolation stands before each convolution: a transposed one would leave a
checkerboard (Odena, Dumoulin and Olah 2016). Where it doubles the size, each of the four pixels that come
of one is a sum over some of that pixel's neighbours, so that both are one convolution of the small image
to four times the channels, and the large one is never filled with equal pixels (as sub-pixel convolution,
Shi et al. 2016, with kernels that are tied).
"""

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812 the name everybody knows
from torch import Tensor, nn

__all__ = ["Conv"]

_WIDTHS = (16, 32, 128)  # channels after each convolution downwards
# (pixel of the pair, neighbour, tap): which taps over doubled pixels fall on which neighbour.
_TAPS = (((1, 0, 0), (0, 1, 1), (0, 0, 0)), ((0, 0, 0), (1, 1, 0), (0, 0, 1)))


class Conv(nn.Module):
    """Images (b, c, h, w) to codes (b, d), and codes to logits of pixels.

    Args:
        shape: (c, h, w) of an image.
        latent_dim: d.
        widths: channels after each convolution downwards.
    """

    def __init__(self, shape: tuple[int, int, int], latent_dim: int, widths: Sequence[int] = _WIDTHS) -> None:
        super().__init__()
        channels, *size = shape
        sizes = [tuple(size)]
        for _ in widths:
            sizes.append(tuple((side + 1) // 2 for side in sizes[-1]))
        through = [channels, *widths]
        self.sizes = sizes[-2::-1]  # what the decoder grows through
        self.small = (through[-1], *sizes[-1])
        flat = self.small[0] * self.small[1] * self.small[2]
        self.down = nn.ModuleList(nn.Conv2d(i, o, 3, 2, 1) for i, o in itertools.pairwise(through))
        self.to_code = nn.Linear(flat, latent_dim)
        self.from_code = nn.Linear(latent_dim, flat)
        self.up = nn.ModuleList(_Growing(i, o, 3, 1, 1) for i, o in itertools.pairwise(through[::-1]))

    @property
    def last(self) -> nn.Module:
        """The layer that gives the logits."""
        return self.up[-1]

    def encode(self, images: Tensor) -> Tensor:
        """Codes (b, d) of images (b, c, h, w)."""
        for layer in self.down:
            images = F.relu(layer(images))
        codes: Tensor = self.to_code(images.flatten(1))
        return codes

    def decode(self, codes: Tensor) -> Tensor:
        """Logits (b, c, h, w) of the pixels of codes (b, d)."""
        images: Tensor = F.relu(self.from_code(codes)).reshape(-1, *self.small)
        for i, (layer, size) in enumerate(zip(self.up, self.sizes, strict=True)):
            images = layer(F.relu(images) if i else images, size)
        return images


class _Growing(nn.Conv2d):
    """A convolution of images that are interpolated by their nearest pixels."""

    def forward(  # type: ignore[override]  # the size comes beside the images
        self, images: Tensor, size: tuple[int, ...]
    ) -> Tensor:
        """Images of that size."""
        if size != tuple(2 * side for side in images.shape[2:]):
            return super().forward(F.interpolate(images, size=size, mode="nearest"))
        taps = torch.tensor(_TAPS).to(self.weight)
        weight = torch.einsum("pyk,qxl,oikl->opqiyx", taps, taps, self.weight).flatten(0, 2)
        bias = None if self.bias is None else self.bias.repeat_interleave(4)
        return F.pixel_shuffle(F.conv2d(images, weight, bias, 1, 1), 2)
