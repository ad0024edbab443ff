"""The encoder that is trained together with the denoiser: images to feature vectors."""

import torch.nn.functional as F  # noqa: N812 the name everybody knows
from torch import Tensor, nn

__all__ = ["FeatureEncoder"]

_WIDTHS = (32, 64, 128)
_MOMENTUM = 0.01  # of the running mean and variance of codes


class FeatureEncoder(nn.Module):
    """Convolutions of stride 2 (28-14-7-4), a linear layer, and codes of mean zero and spread one.

    Args:
        shape: (c, h, w) of an image.
        latent_dim: numbers in a code.
    """

    def __init__(self, shape: tuple[int, int, int], latent_dim: int) -> None:
        super().__init__()
        channels, *sides = shape
        befores = [channels, *_WIDTHS[:-1]]
        self.down = nn.ModuleList(
            nn.Sequential(nn.Conv2d(i, o, 3, 2, 1), nn.GroupNorm(8, o), nn.SiLU(), nn.Conv2d(o, o, 3, 1, 1))
            for i, o in zip(befores, _WIDTHS, strict=True)
        )
        height, width = (-(-side // 2 ** len(_WIDTHS)) for side in sides)
        self.to_code = nn.Linear(_WIDTHS[-1] * height * width, latent_dim)
        self.norm = nn.BatchNorm1d(latent_dim, affine=False, momentum=_MOMENTUM)

    def forward(self, images: Tensor) -> Tensor:
        """Codes (b, d) of images (b, c, h, w) of unit variance."""
        for layer in self.down:
            images = F.silu(layer(images))
        codes: Tensor = self.norm(self.to_code(images.flatten(1)))
        return codes
