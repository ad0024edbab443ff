"""The direct decoder: noise to image in one pass, without time.

    features, skips = encoder(noise)              a trained denoiser's way down at its highest noise level
    image: the clean estimate of v = decoder(features, skips)

At first it is the denoiser's own answer at that level. Source: Luhman and Luhman 2021 (Denoising Student).
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 the name everybody knows
from torch import Tensor, nn

from dima.errors import DataError, SettingError
from dima.image import checked, pixel
from dima.image.contrast import raised
from dima.image.denoiser import Denoiser, under
from dima.image.hooks.tape import Hook, Tape, hooked, leave
from dima.image.layers import PixelUnits, ResidualBlock
from dima.image.unet import UNet, ascend, ascending_blocks
from dima.noise import target as targets
from dima.noise.solver import build

__all__ = ["DirectDecoder", "DirectDiffusion", "DirectEncoder"]

_MIDDLE = (0.8, 0.6)  # alpha and sigma of the second pass


class DirectEncoder(nn.Module):
    """The way down of a trained U-Net at one noise level; its parameters do not learn.

    Args:
        unet: of the teacher.
        log_snr: the level lambda.
        image_shape: (c, h, w).
    """

    log_snr: Tensor

    def __init__(self, unet: UNet, log_snr: float, image_shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.image_shape = image_shape
        self.unet = copy.deepcopy(unet).requires_grad_(False)  # the teacher itself may learn on
        self.register_buffer("log_snr", torch.tensor(log_snr))

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Features of the bottleneck (b, 128, 7, 7) of 28 x 28 images or noise, and the skips.

        Raises:
            DataTypeError: what is no tensor.
            ShapeError: images of another size.
        """
        x = checked.shaped("DirectEncoder", "images or noise", x, self.image_shape).to(self.log_snr)
        return self.unet.encode(x, self.embedding().expand(len(x), -1))

    def embedding(self) -> Tensor:
        """What the level tells the blocks of the U-Net, (1, e)."""
        return self.unet.embedding(self.log_snr[None])


class DirectDecoder(nn.Module):
    """The way up of a U-Net without time, behind residual blocks of its own at the bottleneck.

    Args:
        encoder: whose features and skips it reads, and whose U-Net's way up it starts as.
        bottleneck_blocks: residual blocks before the way up, which begin as nothing.
    """

    def __init__(self, encoder: DirectEncoder, bottleneck_blocks: int = 2) -> None:
        super().__init__()
        unet = encoder.unet
        self.fold, self.halves = unet.fold, unet.halves
        width = unet.widths[-1]
        self.bottom = nn.ModuleList(ResidualBlock(width, width, 0) for _ in range(bottleneck_blocks))
        self.up = ascending_blocks(unet.widths, unet.block_depth, 0)
        self.leave = copy.deepcopy(unet.leave).requires_grad_(True)
        self.tape: Tape | None = None
        self._start_as(unet, encoder.embedding())

    @property
    def sites(self) -> list[str]:
        """Names of its blocks, as they come."""
        n = sum(1 for level in self.up for _ in level.children())
        return [*(f"bottom.{i}" for i in range(len(self.bottom))), *(f"up.{i}" for i in range(n))]

    def forward(self, features: Tensor, skips: Sequence[Tensor], size: Sequence[int]) -> Tensor:
        """The answer v (b, c, h, w), of that size (h, w)."""
        touch = self.tape or leave
        if torch.is_grad_enabled() and not features.requires_grad:
            # With channels last, torch 2.13 dies in the backward of a group norm on what takes no gradient.
            features = features.detach().requires_grad_()
        for i, block in enumerate(self.bottom):
            features = touch(f"bottom.{i}", block(features))
        h = ascend(self.up, self.halves, features, skips, None, touch)
        answer: Tensor = F.pixel_shuffle(self.leave(F.silu(h)), self.fold)
        return answer[:, :, : size[0], : size[1]]

    @torch.no_grad()
    def _start_as(self, unet: UNet, embedding: Tensor) -> None:
        """Take over the way up of the U-Net, its answer to the level written into its norms."""
        for own, theirs in zip(self.up, unet.up, strict=True):
            for block, teacher in zip(own.children(), theirs.children(), strict=True):
                state = teacher.state_dict()
                told = embedding @ state.pop("scale_shift.weight").T + state.pop("scale_shift.bias")
                scale, shift = told[0].chunk(2)
                block.load_state_dict(state | {"norm_out.weight": 1 + scale, "norm_out.bias": shift})


class DirectDiffusion(PixelUnits):
    """Images (b, c, h, w) in [-1, 1] of noise in one pass, or in two.

    Args:
        teacher: the denoiser it is distilled from.
        bottleneck_blocks: residual blocks of the decoder before its way up.

    Attributes:
        path: levels the teacher was trained on.
        middle: level (alpha, sigma) of the second pass, at which the teacher looks once more.
        contrast: factors of the logits of pixels that are made in one pass, and in two.

    Example:
        >>> from dima.image import DiffusionModel
        >>> teacher = DiffusionModel(widths=[8, 8, 128], block_depth=1, latent_dim=0)
        >>> model = DirectDiffusion(teacher)
        >>> model(torch.zeros(2, 1, 28, 28), hook_fn=lambda features: 1.2 * features).shape
        torch.Size([2, 1, 28, 28])
        >>> model.encoder(torch.zeros(2, 1, 28, 28))[0].shape
        torch.Size([2, 128, 7, 7])
    """

    def __init__(self, teacher: Denoiser, bottleneck_blocks: int = 2) -> None:
        if teacher.latent_dim:
            fix = "Pass one of dima image fit-ddpm."
            rule, got = "a model without condition", f"latents of {teacher.latent_dim}"
            raise SettingError(f"DirectDiffusion: the teacher must be {rule}; got {got}. {fix}")
        super().__init__()
        self.pixel_mean, self.pixel_spread = teacher.pixel_mean.clone(), teacher.pixel_spread.clone()
        self.image_shape = teacher.image_shape
        self.path, self.middle, self.contrast = teacher.path, _MIDDLE, (1.0, 1.0)
        path = self.path
        self.level = float(path.alpha[-1]), float(path.sigma[-1])
        self.encoder = DirectEncoder(teacher.unet, float(path.log_snr[-1]), teacher.image_shape)
        self.decoder = DirectDecoder(self.encoder, bottleneck_blocks)
        self.eval()

    def forward(
        self, noise: Tensor, hook_fn: Callable[[Tensor], Tensor] | None = None, steps: int = 1
    ) -> Tensor:
        """Images of noise (b, c, h, w).

        Args:
            noise: standard normal draws.
            hook_fn: features of the bottleneck -> features, short for `hooks({"mid": ...})`.
            steps: passes; the second refines at the middle level.

        Raises:
            ShapeError: noise of another size.
            DataError: noise that is not finite.
            SettingError: steps is neither 1 nor 2, or hook_fn is no function.
        """
        noise = checked.shaped("DirectDiffusion", "noise", noise, self.image_shape).to(self.pixel_mean)
        if not torch.isfinite(noise).all():
            raise DataError("DirectDiffusion: noise must be finite; got NaN or infinity. Draw it anew.")
        if steps not in (1, 2):
            raise SettingError(f"DirectDiffusion: steps must be 1 or 2; got {steps}.")
        if hook_fn is not None:
            with self.hooks({"mid": _short(hook_fn)}):
                return self(noise, steps=steps)
        if not len(noise):
            return noise  # layers cannot do with no rows
        clean = self.standard_images(noise)
        images = self.pixels(clean if steps == 1 else self._again(clean, noise))
        return raised(images, self.contrast[steps - 1])

    def standard_images(self, noise: Tensor) -> Tensor:
        """Images in units of their pixels' spread, not clipped."""
        if self.tape is not None:
            self.tape.begin()

        def network(x: Tensor) -> Tensor:
            features, skips = self.encoder(x)
            answer: Tensor = self.decoder(features, skips, x.shape[2:])
            return answer

        made: Tensor = targets.estimate("v", network, noise, *self.level)
        return made

    def hooks(self, hooks: Mapping[str, Hook], record: Sequence[str] = ()) -> AbstractContextManager[Tape]:
        """A block in which functions change the features at `sites`, in every pass.

        Args:
            hooks: site -> (features (b, c, h, w), context) -> features.
            record: sites whose features the tape of the block keeps.

        Raises:
            SettingError: there is no such site, or a hook cannot be called.
        """
        return hooked(self, hooks, record)

    @property
    def sites(self) -> list[str]:
        """Names of what can be touched: the blocks down, the skips, "mid", the decoder's blocks."""
        own = self.decoder.sites
        return [site for site in self.encoder.unet.sites if site not in own] + own

    @property
    def tape(self) -> Tape | None:
        """What is done at the sites, within `hooks`."""
        return self.decoder.tape

    @tape.setter
    def tape(self, tape: Tape | None) -> None:
        self.decoder.tape = self.encoder.unet.tape = tape

    def _again(self, clean: Tensor, noise: Tensor) -> Tensor:
        """The teacher's clean estimate where part of the noise is put back."""
        alpha, sigma = self.middle
        table = build("ddim", [alpha, 1.0], [sigma, 0.0])

        def denoiser_of(rows: slice) -> Any:
            return pixel.denoiser(under(self.encoder.unet, None, rows))

        return pixel.solve(table, denoiser_of, alpha * clean + sigma * noise)


def _short(function: Any) -> Hook:
    """The hook of a function that asks for no context."""
    if not callable(function):
        rule, got = "a function features -> features", type(function).__name__
        raise SettingError(f"DirectDiffusion: hook_fn must be {rule}; got {got}. Pass one.")
    return lambda features, context: function(features)
