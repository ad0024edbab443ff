"""The U-Net of the project: noisy pixels, their noise level and, if there is one, a code, to a target.

Level by level the image gets smaller and the features wider; on the way back each block sees what the block
of its size saw on the way down. Source: Ho, Jain and Abbeel 2020, appendix B.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812 the name everybody knows
from torch import Tensor, nn

from dima.image.layers import LevelEmbedding, ResidualBlock, silent

__all__ = ["LAYOUTS", "UNet"]

# Pixels a side that are folded into channels before the first level: the first level is the dearest.
LAYOUTS = {"patch": 2, "full": 1}


class UNet(nn.Module):
    """A U-Net under scale and shift by the noise level and by a code.

    The last of the widths is that of the bottleneck, which is a quarter of the image a side in both
    layouts: (b, 128, 7, 7) for images of 28 x 28.

    Args:
        shape: (c, h, w) of an image.
        widths: channels of the levels and of the bottleneck.
        block_depth: residual blocks of a level, on the way down and again on the way up.
        time_dim: width of the embedding of the noise level, even.
        latent_dim: numbers in a code; 0 for a network without condition.
        feature_dim: width of the embedding of a code.
        layout: "patch" folds 2 x 2 pixels first, which is several times faster; "full" does not.
    """

    def __init__(  # noqa: PLR0913 what a network is made of
        self,
        shape: tuple[int, int, int],
        widths: Sequence[int] = (32, 64, 128),
        block_depth: int = 2,
        time_dim: int = 32,
        latent_dim: int = 0,
        feature_dim: int = 64,
        layout: str = "patch",
    ) -> None:
        super().__init__()
        self.fold = LAYOUTS[layout]
        *levels, bottleneck = widths
        # A level ends in a smaller one, except where the fold has done so already.
        self.halves = [True] * len(levels) if self.fold == 1 else [True] * (len(levels) - 1) + [False]
        side = self.fold * 2 ** sum(self.halves)
        self.padding = [-size % side for size in shape[1:]]
        channels = shape[0] * self.fold**2
        embedding = time_dim + (feature_dim if latent_dim else 0)
        self.level = LevelEmbedding(time_dim)
        self.feature_dim = feature_dim
        self.code = nn.Sequential(nn.Linear(latent_dim, feature_dim), nn.SiLU()) if latent_dim else None
        self.enter = nn.Conv2d(channels, widths[0], 3, 1, 1)

        def blocks(widths_in: Sequence[int], width: int) -> nn.ModuleList:
            return nn.ModuleList(ResidualBlock(i, width, embedding) for i in widths_in)

        befores = [widths[0], *levels[:-1]]
        rest = block_depth - 1
        self.down = nn.ModuleList(blocks([i] + [o] * rest, o) for i, o in zip(befores, levels, strict=True))
        self.mid = blocks([levels[-1]] + [bottleneck] * rest, bottleneck)
        self.up = nn.ModuleList(
            blocks([i + o] + [2 * o] * rest, o) for i, o in zip(widths[:0:-1], levels[::-1], strict=True)
        )
        self.leave = silent(nn.Conv2d(levels[0], channels, 3, 1, 1))

    def forward(
        self, x: Tensor, log_snr: Tensor, code: Tensor | None = None, keep: Tensor | None = None
    ) -> Tensor:
        """What the network answers (b, c, h, w) for noisy images `x` (b, c, h, w).

        Args:
            x: noisy images.
            log_snr: (b,) levels lambda.
            code: (b, d) codes; None drops the condition.
            keep: (b,) one where the condition is kept, zero where it is dropped.
        """
        embedding = self._embedding(log_snr, code, keep)
        bottom, right = self.padding
        h = self.enter(F.pixel_unshuffle(F.pad(x, (0, right, 0, bottom)), self.fold))
        skips: list[Tensor] = []
        for level, halve in zip(self.down, self.halves, strict=True):
            for block in level:  # type: ignore[attr-defined]  # torch says Module
                h = block(h, embedding)
                skips.append(h)
            h = F.avg_pool2d(h, 2) if halve else h
        for block in self.mid:
            h = block(h, embedding)
        for level, halve in zip(self.up, self.halves[::-1], strict=True):
            h = F.interpolate(h, scale_factor=2) if halve else h
            for block in level:  # type: ignore[attr-defined]  # torch says Module
                h = block(torch.cat([h, skips.pop()], 1), embedding)
        answer: Tensor = F.pixel_shuffle(self.leave(F.silu(h)), self.fold)
        return answer[:, :, : x.shape[2], : x.shape[3]]

    def _embedding(self, log_snr: Tensor, code: Tensor | None, keep: Tensor | None) -> Tensor:
        level: Tensor = self.level(log_snr)
        if self.code is None:
            return F.silu(level)
        features = torch.zeros(len(level), self.feature_dim) if code is None else self.code(code)
        features = features.to(level)
        features = features if keep is None else features * keep[:, None]
        return torch.cat([F.silu(level), features], 1)
