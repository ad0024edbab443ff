"""A network of images with its codes normalised, whichever network it is.

Codes pass a batch normalisation without affine part and, while training, a little noise: close codes then
decode alike, which is what a prior over them needs. Pixels are the sigmoid of the decoder's logits.
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from dima.image.autoencoder.conv import Conv
from dima.image.autoencoder.mlp import MLP

__all__ = ["NETWORKS", "Coder"]

NETWORKS: dict[str, Callable[[tuple[int, int, int], int], Any]] = {"mlp": MLP, "conv": Conv}
_MOMENTUM = 0.01  # of the running mean and variance of codes


class Coder(nn.Module):
    """A network of `NETWORKS` with its codes normalised.

    Args:
        model: its name.
        shape: (c, h, w) of an image.
        latent_dim: numbers in a code.
    """

    def __init__(self, model: str, shape: tuple[int, int, int], latent_dim: int) -> None:
        super().__init__()
        self.network = NETWORKS[model](shape, latent_dim)
        self.norm = nn.BatchNorm1d(latent_dim, affine=False, momentum=_MOMENTUM)

    def encode(self, images: Tensor) -> Tensor:
        """Codes (b, d) of images (b, c, h, w) in [-1, 1]."""
        codes: Tensor = self.norm(self.network.encode(images))
        return codes

    def decode(self, codes: Tensor) -> Tensor:
        """Images (b, c, h, w) in [-1, 1] of codes (b, d)."""
        pixels: Tensor = 2 * self.network.decode(codes).sigmoid() - 1
        return pixels
