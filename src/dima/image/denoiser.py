"""A U-Net as a denoiser of pixels: walked from noise to images and back, under latents, with hooks."""

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from dima.image import pixel
from dima.image.hooks.tape import Hook, Tape, hooked
from dima.image.layers import PixelUnits
from dima.image.unet import UNet
from dima.noise import solver
from dima.noise.grid import levels
from dima.noise.inversion import inversion
from dima.noise.schedule import Path
from dima.noise.solver import SolverTable

__all__ = ["Denoiser", "under"]

_FIRST = 3  # iterations that find the least noisy state


def under(unet: UNet, code: Tensor | None, rows: slice) -> pixel.Network:
    """A U-Net under codes, or under none, that tells its tape the level and the rows of each pass."""

    def network(x: Tensor, level: Tensor) -> Tensor:
        if unet.tape is not None:
            unet.tape.begin(level, rows)
        answer: Tensor = unet(x, level, code)
        return answer

    return network


class Denoiser(PixelUnits):
    """A U-Net, the path of noise it was trained on, and the units of its pixels and latents.

    Args:
        unet: the network.
        path: levels.
        latent_dim: numbers in a latent; 0 for a network without condition.
        image_shape: (c, h, w).
    """

    latent_mean: Tensor
    latent_spread: Tensor

    def __init__(self, unet: UNet, path: Path, latent_dim: int, image_shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.unet, self.path, self.latent_dim, self.image_shape = unet, path, latent_dim, image_shape
        self.register_buffer("latent_mean", torch.zeros(latent_dim))
        self.register_buffer("latent_spread", torch.ones(latent_dim))

    def code(self, latent: Tensor) -> Tensor:
        """Latents in units of their spread, as the U-Net takes them."""
        return (latent - self.latent_mean) / self.latent_spread

    def hooks(
        self, hooks: Mapping[str, Hook], record: Sequence[str] = ()
    ) -> contextlib.AbstractContextManager[Tape]:
        """A block in which functions change the features at sites of the U-Net, in every pass through it.

        Args:
            hooks: site -> (features (b, c, h, w), context) -> features; `sites` of the U-Net names them.
            record: sites whose features the tape of the block keeps.

        Raises:
            SettingError: there is no such site, or a hook cannot be called.
        """
        return hooked(self.unet, hooks, record)

    def under(self, code: Tensor | None, rows: slice = slice(None)) -> pixel.Network:
        """The network under codes, or under none, for those rows of the whole call."""
        return under(self.unet, code, rows)

    def walk(
        self, table: SolverTable, start: Tensor, latent: Tensor | None, guidance: float = 1.0, seed: int = 0
    ) -> Tensor:
        """States (b, c, h, w) at the end of a table's walk from `start`, in units of the spread of pixels."""
        code = None if latent is None else self.code(latent)

        def denoiser_of(rows: slice) -> Any:
            free = None if guidance == 1.0 or code is None else self.under(None, rows)
            own = self.under(None if code is None else code[rows], rows)
            return pixel.denoiser(own, free, guidance)

        return pixel.solve(table, denoiser_of, start, seed)

    def walk_back(self, clean: Tensor, latent: Tensor | None, steps: int, iterations: int = 2) -> Tensor:
        """The noise (b, c, h, w) from which DDIM, in as many steps, walks to clean images."""
        alpha, sigma = levels(self.path, steps)
        last = solver.build("ddim", alpha[-2:], sigma[-2:])
        x_1 = clean * float(alpha[-2])
        for _ in range(_FIRST):  # the state whose clean estimate is the image
            x_1 = x_1 + float(alpha[-2]) * (clean - self.walk(last, x_1, latent))
        return self.walk(inversion(alpha, sigma, iterations), x_1, latent)
