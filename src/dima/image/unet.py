"""The U-Net of the project: noisy pixels, their noise level and, if there is one, a code, to a target.

Level by level the image gets smaller and the features wider; on the way back each block sees what the block
of its size saw on the way down. Source: Ho, Jain and Abbeel 2020, appendix B.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F  # noqa: N812 the name everybody knows
from torch import Tensor, nn

from dima.image.hooks.tape import Tape, leave
from dima.image.layers import LevelEmbedding, ResidualBlock, silent

__all__ = ["LAYOUTS", "UNet", "ascend", "ascending_blocks"]

# Pixels a side that are folded into channels before the first level: the first level is the dearest.
LAYOUTS = {"patch": 2, "full": 1}

Touch = Callable[[str, Tensor], Tensor]  # (site, features) -> features


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
        self.fold, self.widths, self.block_depth = LAYOUTS[layout], tuple(widths), block_depth
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

        befores = [widths[0], *levels[:-1]]
        rest = block_depth - 1
        self.down = nn.ModuleList(
            _blocks([i] + [o] * rest, o, embedding) for i, o in zip(befores, levels, strict=True)
        )
        self.mid = _blocks([levels[-1]] + [bottleneck] * rest, bottleneck, embedding)
        self.up = ascending_blocks(widths, block_depth, embedding)
        self.leave = silent(nn.Conv2d(levels[0], channels, 3, 1, 1))
        self.tape: Tape | None = None  # what is done at the sites, within `hooked`

    @property
    def sites(self) -> list[str]:
        """Names of what can be touched: blocks as they come, skips, "mid" at the bottom.

        With several blocks in the middle, those before the last are "mid.0" and so on.
        """
        n = sum(1 for level in self.down for _ in level.children())
        before = [f"mid.{i}" for i in range(len(self.mid) - 1)]
        both = [f"down.{i}" for i in range(n)], [f"skip.{i}" for i in range(n)]
        return [*both[0], *both[1], *before, "mid", *(f"up.{i}" for i in range(n))]

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
        embedding = self.embedding(log_snr, code, keep)
        features, skips = self.encode(x, embedding)
        return self.decode(features, skips, embedding, x.shape[2:])

    def encode(self, x: Tensor, embedding: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The bottleneck's features of `x` (b, c, h, w), and what the blocks on the way up will see."""
        touch = self.tape or leave
        bottom, right = self.padding
        h = self.enter(F.pixel_unshuffle(F.pad(x, (0, right, 0, bottom)), self.fold))
        skips: list[Tensor] = []
        for level, halve in zip(self.down, self.halves, strict=True):
            for block in level:  # type: ignore[attr-defined]  # torch says Module
                h = touch(f"down.{len(skips)}", block(h, embedding))
                skips.append(touch(f"skip.{len(skips)}", h))
            h = F.avg_pool2d(h, 2) if halve else h
        for i, block in enumerate(self.mid):
            h = touch("mid" if i == len(self.mid) - 1 else f"mid.{i}", block(h, embedding))
        return h, skips

    def decode(
        self, features: Tensor, skips: Sequence[Tensor], embedding: Tensor, size: Sequence[int]
    ) -> Tensor:
        """The answer (b, c, h, w) for the bottleneck's features and the skips, of that size (h, w)."""
        h = ascend(self.up, self.halves, features, skips, embedding, self.tape or leave)
        answer: Tensor = F.pixel_shuffle(self.leave(F.silu(h)), self.fold)
        return answer[:, :, : size[0], : size[1]]

    def embedding(self, log_snr: Tensor, code: Tensor | None = None, keep: Tensor | None = None) -> Tensor:
        """What scales and shifts the blocks (b, e): the level, and beside it the code where it takes one."""
        level: Tensor = self.level(log_snr)
        if self.code is None:
            return F.silu(level)
        features = torch.zeros(len(level), self.feature_dim) if code is None else self.code(code)
        features = features.to(level)
        features = features if keep is None else features * keep[:, None]
        return torch.cat([F.silu(level), features], 1)


def ascending_blocks(widths: Sequence[int], block_depth: int, embedding: int) -> nn.ModuleList:
    """The blocks of the way up, level by level, each for features beside a skip."""
    *levels, _ = widths
    rest = block_depth - 1
    return nn.ModuleList(
        _blocks([i + o] + [2 * o] * rest, o, embedding)
        for i, o in zip(widths[:0:-1], levels[::-1], strict=True)
    )


def ascend(
    up: nn.ModuleList,
    halves: Sequence[bool],
    h: Tensor,
    skips: Sequence[Tensor],
    embedding: Tensor | None,
    touch: Touch,
) -> Tensor:
    """The way up: features of the bottleneck `h` through the levels, each block beside its skip."""
    left, done = list(skips), 0
    for level, halve in zip(up, halves[::-1], strict=True):
        h = F.interpolate(h, scale_factor=2) if halve else h
        for block in level:  # type: ignore[attr-defined]  # torch says Module
            h = touch(f"up.{done}", block(torch.cat([h, left.pop()], 1), embedding))
            done += 1
    return h


def _blocks(widths_in: Sequence[int], width: int, embedding: int) -> nn.ModuleList:
    return nn.ModuleList(ResidualBlock(i, width, embedding) for i in widths_in)
