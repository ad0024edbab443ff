"""`DiffusionModel`: noise to image under a feature vector, and image back to noise.

    x_t = alpha_t x + sigma_t noise, diffusion time t in [0, 1];   image = walk(noise | latent), and back

Source: Preechakul et al. 2022 (diffusion autoencoders); inversion: `dima.noise.inversion`.
"""

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dima.errors import SettingError, ShapeError
from dima.image import checked, pixel
from dima.image.denoiser import Denoiser
from dima.image.features import FeatureEncoder
from dima.image.saved import network_at, save_network
from dima.image.train import from_named, named
from dima.image.unet import LAYOUTS, UNet
from dima.noise import sampling, solver
from dima.noise import schedule as schedules
from dima.noise.grid import levels

__all__ = ["MODES", "UNCONDITIONED", "DiffusionModel"]

MODES = ("joint", "frozen")
# Settings of a model without condition, for which there is nothing to choose.
UNCONDITIONED = {"mode": "frozen", "latent_dim": 0, "feature_embedding_dim": 1}

_T = 1000  # levels of the path: diffusion time in thousandths
_STEPS = 16  # of decoding, where a saved model tells no other

Shape = tuple[int, int, int]


class DiffusionModel(Denoiser):
    """A U-Net that turns noise into images (b, c, h, w) in [-1, 1] under latents (b, d).

    Args:
        time_embedding_dim: width of the embedding of the noise level, even.
        feature_embedding_dim: width of the embedding of the latent.
        widths: channels of the levels of the U-Net, the last of its bottleneck.
        block_depth: residual blocks of a level.
        latent_dim: d; 0 for a model without condition, whose latents are None everywhere.
        image_shape: (c, h, w).
        layout: "patch" is several times faster; "full" works on the image at its full size.
        schedule: a name in `dima.noise.schedule.KEEP_VARIANCE`.
        mode: "joint" has an encoder of its own, trained with it; "frozen" takes latents of others.

    Raises:
        SettingError: a width is no multiple of 4, that of the embedding is odd, or a name is unknown.

    Example:
        >>> model = DiffusionModel(widths=[8, 16], block_depth=1, latent_dim=4)
        >>> noisy, noise = model.add_noise(torch.zeros(2, 1, 28, 28), diffusion_time=0.7)
        >>> model.denoise_with_latent(noisy, torch.zeros(2, 4), diffusion_time=0.7, steps=2).shape
        torch.Size([2, 1, 28, 28])
    """

    def __init__(  # noqa: PLR0913 the published arguments
        self,
        time_embedding_dim: int = 32,
        feature_embedding_dim: int = 64,
        widths: Sequence[int] = (32, 64, 128),
        block_depth: int = 2,
        *,
        latent_dim: int = 256,
        image_shape: Shape = (1, 28, 28),
        layout: str = "patch",
        schedule: str = "cosine",
        mode: str = "frozen",
    ) -> None:
        given = locals()
        used = {name: given[name] for name in self.settings_names()} | {"widths": list(widths)}
        named = [("layout", layout, LAYOUTS), ("mode", mode, MODES)]
        for name, value, known in [*named, ("schedule", schedule, schedules.KEEP_VARIANCE)]:
            if value not in known:
                rule = f"one of {', '.join(known)}"
                raise SettingError(f"DiffusionModel: {name} must be {rule}; got {value!r}.")
        if mode == "joint" and latent_dim == 0:
            fix = "Pass how many numbers a latent has."
            raise SettingError(f"DiffusionModel: latent_dim must be positive with an encoder; got 0. {fix}")
        if len(widths) < 2 or any(width % 4 for width in widths):
            rule, fix = "two or more multiples of 4", "Pass [32, 64, 128], say."
            raise SettingError(f"DiffusionModel: widths must be {rule}; got {list(widths)}. {fix}")
        if time_embedding_dim < 2 or time_embedding_dim % 2:
            rule = "even and positive"
            raise SettingError(
                f"DiffusionModel: time_embedding_dim must be {rule}; got {time_embedding_dim}. Pass 32, say."
            )
        dims = (time_embedding_dim, latent_dim, feature_embedding_dim)
        unet = UNet(image_shape, widths, block_depth, *dims, layout)
        c, h, w = image_shape
        super().__init__(unet, schedules.path(schedule, _T), latent_dim, (c, h, w))
        self.settings = used
        self.encoder = FeatureEncoder(image_shape, latent_dim) if mode == "joint" else None
        self.eval()

    @classmethod
    def settings_names(cls) -> list[str]:
        """What the network is made of, beside the shape of its images: arguments of the constructor."""
        return [name for name in inspect.signature(cls).parameters if name != "image_shape"]

    def save_checkpoint(self, path: str | Path) -> Path:
        """Write it as a folder that `load_checkpoint` and `dima.load` open."""
        used = {
            name: value
            for name, value in self.settings.items()
            if self.latent_dim or name not in UNCONDITIONED
        }
        return save_network(path, self._kind, used | {"steps": _STEPS}, self.image_shape, named(self))

    def load_checkpoint(self, path: str | Path) -> "DiffusionModel":
        """Take over the parameters of a saved model: of this class, or one that holds such.

        Raises:
            ArtifactError: there is none.
            SettingError: its network is another.
        """
        wanted = {**self.settings, "image_shape": list(self.image_shape)}
        from_named(self, network_at("DiffusionModel", path, self._kind, wanted))
        return self.eval()

    @property
    def _kind(self) -> str:
        return "diffusion-coder" if self.latent_dim else "pixel-diffusion"

    @torch.no_grad()
    def encode(self, images: Tensor) -> Tensor:
        """Latents (b, d) of images (b, c, h, w) in [-1, 1].

        Raises:
            SettingError: the model has no encoder of its own.
        """
        if self.encoder is None:
            fix = "Encode with the autoencoder whose latents it was trained on."
            raise SettingError(f"DiffusionModel.encode: mode must be joint; got frozen. {fix}")
        return self.encoder(self.standard(self._images("encode", images)))

    @torch.no_grad()
    def add_noise(
        self, x: Tensor, diffusion_time: float, noise: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Noisy images, in units of the pixels' spread, and the noise in them, both (b, c, h, w).

        Args:
            x: (b, c, h, w) images in [-1, 1].
            diffusion_time: 0 (clean) to 1 (noise).
            noise: (b, c, h, w) standard normal draws; drawn by torch if not given.
        """
        below = pixel.path_below(self.path, diffusion_time)
        alpha, sigma = float(below.alpha[-1]), float(below.sigma[-1])
        clean = self.standard(self._images("add_noise", x))
        noise = torch.randn_like(clean) if noise is None else self._noise("add_noise", noise, clean)
        return alpha * clean + sigma * noise, noise

    def denoise_with_latent(
        self,
        noisy: Tensor,
        latent: Tensor | None,
        diffusion_time: float,
        steps: int = 20,
        guidance: float = 1.0,
    ) -> Tensor:
        """Images (b, c, h, w) in [-1, 1]: noisy ones of that time, walked to time 0 under latents (b, d).

        Raises:
            SettingError: diffusion_time is outside [0, 1].
            ShapeError: latents of another width.
        """
        below = pixel.path_below(self.path, diffusion_time)
        noisy = self._noise("denoise_with_latent", noisy, name="noisy")
        if below.T == 0:
            return self.pixels(noisy)
        table = solver.build("ddim", *levels(below, min(steps, below.T)))
        latent = self._given("denoise_with_latent", latent, noisy)
        return self.pixels(self.walk(table, noisy, latent, guidance))

    def sample(self, n: int, latent: Tensor | None = None, *, seed: int = 0, **how: Any) -> Tensor:
        """`n` images (n, c, h, w) in [-1, 1] from new noise, under latents (n, d) or under none.

        Equal seeds draw equal images, whatever `n`; steps, solver and guidance are those of `decode`.
        """
        noise = pixel.noise_of(seed, range(n), self.image_shape).to(self.pixel_mean)
        return self.decode(latent, noise, seed=seed, **how)

    def decode(
        self,
        latent: Tensor | None,
        noise: Tensor,
        *,
        steps: int = 50,
        solver: str = "ddim",
        seed: int = 0,
        guidance: float = 1.0,
    ) -> Tensor:
        """Images (b, c, h, w) in [-1, 1] of latents (b, d), or None, and noise of diffusion time 1.

        Args:
            latent: latents; None decodes without condition.
            noise: (b, c, h, w).
            steps: grid steps.
            solver: a name in `dima.noise.solver.SOLVERS`.
            seed: of the noise that a solver adds.
            guidance: above 1 the latent counts for more. Source: Ho and Salimans 2022.
        """
        noise = self._noise("decode", noise)
        latent = self._given("decode", latent, noise)
        table = sampling.table(self.path, solver=solver, steps=steps)
        return self.pixels(self.walk(table, noise, latent, guidance, seed))

    @torch.no_grad()
    def encode_noise(
        self, x: Tensor, latent: Tensor | None = None, *, steps: int = 50, iterations: int = 2
    ) -> Tensor:
        """The noise (b, c, h, w) from which `decode`, with as many steps, makes `x` again.

        Args:
            x: (b, c, h, w) images in [-1, 1].
            latent: (b, d); encoded from `x` if not given.
            steps: grid steps of the way back.
            iterations: fixed-point iterations a step, which make it the inverse of DDIM's.
        """
        latent = self._own(x) if latent is None else self._given("encode_noise", latent, x)
        clean = self.standard(self._images("encode_noise", x))
        return self.walk_back(clean, latent, steps, iterations)

    def reconstruct(self, x: Tensor, latent: Tensor | None = None, *, steps: int = 50) -> Tensor:
        """Images (b, c, h, w) from the latent and the noise of images `x` (b, c, h, w)."""
        latent = self._own(x) if latent is None else latent
        return self.decode(latent, self.encode_noise(x, latent, steps=steps), steps=steps)

    def interpolate(self, x_a: Tensor, x_b: Tensor, steps: int = 8, *, grid_steps: int = 50) -> Tensor:
        """Images (b, steps, c, h, w) from `x_a` to `x_b`: noise along arcs, latents along lines.

        Raises:
            SettingError: steps is below 2.
            ShapeError: not as many of the one as of the other.
        """
        if steps < 2:
            raise SettingError(f"DiffusionModel.interpolate: steps must be at least 2; got {steps}.")
        x_b = self._noise("interpolate", x_b, x_a, name="x_b")
        z_a, z_b = self._own(x_a), self._own(x_b)
        noise_a, noise_b = (self.encode_noise(x, z, steps=grid_steps) for x, z in ((x_a, z_a), (x_b, z_b)))
        images = [
            self.decode(_between(z_a, z_b, share), pixel.slerp(noise_a, noise_b, share), steps=grid_steps)
            for share in np.linspace(0, 1, steps).tolist()
        ]
        return torch.stack(images, 1)

    @torch.no_grad()
    def condition_used(self, images: Tensor, latent: Tensor, seed: int = 0) -> float:
        """Loss under latents of other images over loss under their own; 1 where the latent is ignored."""
        clean = self.standard(self._images("condition_used", images))
        owner = "DiffusionModel.condition_used"
        code = self.code(checked.latents(owner, latent, len(images), self.latent_dim).to(clean))
        others = code.roll(1, 0)
        wrong = pixel.errors(lambda rows: self.under(others[rows]), self.path, clean, seed)
        right = pixel.errors(lambda rows: self.under(code[rows]), self.path, clean, seed)
        return float(wrong.mean() / right.mean())

    def _images(self, verb: str, images: Tensor) -> Tensor:
        return checked.images(f"DiffusionModel.{verb}", images, self.image_shape).to(self.pixel_mean)

    def _noise(self, verb: str, given: Tensor, beside: Tensor | None = None, name: str = "noise") -> Tensor:
        """What stands for images, held to their shape, and to their number where they are there."""
        owner = f"DiffusionModel.{verb}"
        checked.shaped(owner, name, given, self.image_shape)
        if beside is not None and len(given) != len(beside):
            raise ShapeError(
                f"{owner}: {name} must be as many as the images, {len(beside)}; got {len(given)}."
            )
        return given.to(self.pixel_mean)

    def _given(self, verb: str, latent: Tensor | None, images: Tensor) -> Tensor | None:
        """Latents as they were given, held to the rules; None stays None."""
        if latent is None:
            return None
        owner = f"DiffusionModel.{verb}"
        return checked.latents(owner, latent, len(images), self.latent_dim).to(self.pixel_mean)

    def _own(self, images: Tensor) -> Tensor | None:
        """Latents of images by the encoder; None for a model without condition."""
        return self.encode(images) if self.latent_dim else None


def _between(a: Tensor | None, b: Tensor | None, share: float) -> Tensor | None:
    return None if a is None or b is None else torch.lerp(a, b, share)
