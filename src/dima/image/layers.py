"""What networks of pixels are built of: embeddings of the noise level, residual blocks, folds of pixels."""

import math
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 the name everybody knows
from torch import Tensor, nn

__all__ = ["LevelEmbedding", "PixelUnits", "ResidualBlock", "silent"]

_GROUPS = 8  # of a group normalisation, at most
_FREQUENCIES = (0.1, 30.0)  # slowest and fastest wave over a unit of lambda / 4


class LevelEmbedding(nn.Module):
    """The noise level lambda = log(alpha / sigma) as a vector: waves of lambda / 4, then two layers.

    Source: Karras et al. 2022, table 1 (the level as log(sigma) / 4).

    Args:
        width: numbers in the vector, even.
    """

    waves: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        slow, fast = _FREQUENCIES
        waves = torch.logspace(math.log10(slow), math.log10(fast), width // 2)
        self.register_buffer("waves", waves, persistent=False)
        self.layers = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, log_snr: Tensor) -> Tensor:
        """Vectors (b, width) of levels (b,)."""
        angle = log_snr[:, None] / -4 * self.waves
        embedded: Tensor = self.layers(torch.cat([angle.sin(), angle.cos()], 1))
        return embedded


class PixelUnits(nn.Module):
    """A network that works on images in units of the spread of their pixels, and keeps that unit."""

    pixel_mean: Tensor
    pixel_spread: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("pixel_mean", torch.tensor(0.0))
        self.register_buffer("pixel_spread", torch.tensor(1.0))

    def standard(self, images: Tensor) -> Tensor:
        """Images in units of the spread of their pixels."""
        return (images - self.pixel_mean) / self.pixel_spread

    def pixels(self, standard: Tensor) -> Tensor:
        """Images in [-1, 1] of those in units of their spread."""
        return (standard * self.pixel_spread + self.pixel_mean).clamp(-1, 1)


class ResidualBlock(nn.Module):
    """Two convolutions beside a shortcut; the second one's input is scaled and shifted by an embedding.

    Without an embedding, scale and shift are parameters of the block.
    Source: Dhariwal and Nichol 2021, section 3.1 (adaptive group normalisation).

    Args:
        in_width: channels in.
        out_width: channels out.
        embedding: numbers in the embedding; 0 for a block without.
    """

    def __init__(self, in_width: int, out_width: int, embedding: int) -> None:
        super().__init__()
        self.norm_in = nn.GroupNorm(math.gcd(_GROUPS, in_width), in_width)
        self.conv_in = nn.Conv2d(in_width, out_width, 3, 1, 1)
        self.scale_shift = nn.Linear(embedding, 2 * out_width) if embedding else None
        self.norm_out = nn.GroupNorm(math.gcd(_GROUPS, out_width), out_width, affine=not embedding)
        self.conv_out = silent(nn.Conv2d(out_width, out_width, 3, 1, 1))
        self.shortcut = nn.Conv2d(in_width, out_width, 1) if in_width != out_width else nn.Identity()

    def forward(self, h: Tensor, embedding: Tensor | None = None) -> Tensor:
        """Features (b, out, h, w) of features (b, in, h, w) under embeddings (b, e), where it takes such."""
        inner = self.norm_out(self.conv_in(F.silu(self.norm_in(h))))
        if self.scale_shift is not None:
            scale, shift = self.scale_shift(embedding)[:, :, None, None].chunk(2, 1)
            # One pass over the pixels for both.
            inner = torch.addcmul(shift, inner, 1 + scale)
        out: Tensor = self.shortcut(h) + self.conv_out(F.silu(inner))
        return out


def silent(layer: Any) -> Any:
    """The layer with all its parameters zero, so that what it adds is learnt from nothing."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer
