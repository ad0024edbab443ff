"""The fully connected autoencoder: 784-512-256-128-16 and back, with ReLU."""

import itertools
import math

from torch import Tensor, nn

__all__ = ["MLP"]

_WIDTHS = (512, 256, 128)


class MLP(nn.Module):
    """Images (b, c, h, w) to codes (b, d), and codes to logits of pixels.

    Args:
        shape: (c, h, w) of an image.
        latent_dim: d.
    """

    def __init__(self, shape: tuple[int, int, int], latent_dim: int) -> None:
        super().__init__()
        widths = [math.prod(shape), *_WIDTHS, latent_dim]
        self.encoder = nn.Sequential(nn.Flatten(), *_stack(widths))
        self.decoder = nn.Sequential(*_stack(widths[::-1]), nn.Unflatten(1, shape))

    @property
    def last(self) -> nn.Module:
        """The layer that gives the logits."""
        return self.decoder[-2]

    def encode(self, images: Tensor) -> Tensor:
        """Codes (b, d) of images (b, c, h, w)."""
        codes: Tensor = self.encoder(images)
        return codes

    def decode(self, codes: Tensor) -> Tensor:
        """Logits (b, c, h, w) of the pixels of codes (b, d)."""
        logits: Tensor = self.decoder(codes)
        return logits


def _stack(widths: list[int]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for fan_in, fan_out in itertools.pairwise(widths):
        layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
    return layers[:-1]
