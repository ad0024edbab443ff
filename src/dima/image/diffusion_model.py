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
from torch import Tensor, nn

from dima.errors import SettingError
from dima.image import checked, pixel
from dima.image.features import FeatureEncoder
from dima.image.saved import open_network, save_network
from dima.image.train import from_named, named
from dima.image.unet import LAYOUTS, UNet
from dima.noise import sampling, solver
from dima.noise import schedule as schedules
from dima.noise.grid import levels
from dima.noise.inversion import inversion

__all__ = ["MODES", "DiffusionModel"]

MODES = ("joint", "frozen")

_KIND = "diffusion-coder"
_T = 1000  # levels of the path: diffusion time in thousandths
_STEPS = 16  # of decoding, where a saved model tells no other
_FIRST = 3  # iterations that find the least noisy state

Shape = tuple[int, int, int]


class DiffusionModel(nn.Module):
    """A U-Net that turns noise into images (b, c, h, w) in [-1, 1] under latents (b, d).

    Args:
        time_embedding_dim: width of the embedding of the noise level, even.
        feature_embedding_dim: width of the embedding of the latent.
        widths: channels of the levels of the U-Net, the last of its bottleneck.
        block_depth: residual blocks of a level.
        latent_dim: d.
        image_shape: (c, h, w).
        layout: "patch" is several times faster; "full" works on the image at its full size.
        schedule: a name in `dima.noise.schedule.SCHEDULES` that keeps the variance.
        mode: "joint" has an encoder of its own, trained with it; "frozen" takes latents of others.

    Raises:
        SettingError: a width is no multiple of 4, or a name is unknown.

    Example:
        >>> model = DiffusionModel(widths=[8, 16], block_depth=1, latent_dim=4)
        >>> noisy, noise = model.add_noise(torch.zeros(2, 1, 28, 28), diffusion_time=0.7)
        >>> model.denoise_with_latent(noisy, torch.zeros(2, 4), diffusion_time=0.7, steps=2).shape
        torch.Size([2, 1, 28, 28])
    """

    pixel_mean: Tensor
    pixel_spread: Tensor
    latent_mean: Tensor
    latent_spread: Tensor

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
        self.settings = {name: given[name] for name in self.settings_names()} | {"widths": list(widths)}
        super().__init__()
        for name, value, known in (("layout", layout, LAYOUTS), ("mode", mode, MODES)):
            if value not in known:
                rule = f"one of {', '.join(known)}"
                raise SettingError(f"DiffusionModel: {name} must be {rule}; got {value!r}.")
        if len(widths) < 2 or any(width % 4 for width in widths):
            rule, fix = "two or more multiples of 4", "Pass [32, 64, 128], say."
            raise SettingError(f"DiffusionModel: widths must be {rule}; got {list(widths)}. {fix}")
        self.image_shape, self.latent_dim = tuple(image_shape), latent_dim
        self.path = schedules.path(schedule, _T)
        self.unet = UNet(
            image_shape, widths, block_depth, time_embedding_dim, latent_dim, feature_embedding_dim, layout
        )
        self.encoder = FeatureEncoder(image_shape, latent_dim) if mode == "joint" else None
        self.register_buffer("pixel_mean", torch.tensor(0.0))
        self.register_buffer("pixel_spread", torch.tensor(1.0))
        self.register_buffer("latent_mean", torch.zeros(latent_dim))
        self.register_buffer("latent_spread", torch.ones(latent_dim))
        self.eval()

    @classmethod
    def settings_names(cls) -> list[str]:
        """What the network is made of, beside the shape of its images: arguments of the constructor."""
        return [name for name in inspect.signature(cls).parameters if name != "image_shape"]

    def save_checkpoint(self, path: str | Path) -> Path:
        """Write it as a folder that `load_checkpoint` and `dima.load` open."""
        used = self.settings | {"steps": _STEPS}
        return save_network(path, _KIND, used, self.image_shape, named(self))

    def load_checkpoint(self, path: str | Path) -> "DiffusionModel":
        """Take over the parameters of a saved model: of this class, or one that holds such.

        Raises:
            ArtifactError: there is none.
            SettingError: its network is another.
        """
        plain, network = open_network(path, _KIND)
        found = {**plain["settings"], "image_shape": plain["image_shape"]}
        own = {**self.settings, "image_shape": list(self.image_shape)}
        others = [name for name in own if found[name] != own[name]]
        if others:
            want, got = (", ".join(f"{name} {of[name]}" for name in others) for of in (own, found))
            fix = "Make the model with those."
            raise SettingError(f"DiffusionModel: {path} must be of {want}; got {got}. {fix}")
        from_named(self, network)
        return self.eval()

    def standard(self, images: Tensor) -> Tensor:
        """Images in units of the spread of their pixels."""
        return (images - self.pixel_mean) / self.pixel_spread

    def pixels(self, standard: Tensor) -> Tensor:
        """Images in [-1, 1] of those in units of their spread."""
        return (standard * self.pixel_spread + self.pixel_mean).clamp(-1, 1)

    def code(self, latent: Tensor) -> Tensor:
        """Latents in units of their spread, as the U-Net takes them."""
        return (latent - self.latent_mean) / self.latent_spread

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
        alpha, sigma = (float(level[-1]) for level in self._below("add_noise", diffusion_time))
        clean = self.standard(self._images("add_noise", x))
        noise = torch.randn_like(clean) if noise is None else noise
        return alpha * clean + sigma * noise, noise

    def denoise_with_latent(
        self, noisy: Tensor, latent: Tensor, diffusion_time: float, steps: int = 20, guidance: float = 1.0
    ) -> Tensor:
        """Images (b, c, h, w) in [-1, 1]: noisy ones of that time, walked to time 0 under latents (b, d).

        Raises:
            SettingError: diffusion_time is outside [0, 1].
            ShapeError: latents of another width.
        """
        alpha, sigma = self._below("denoise_with_latent", diffusion_time)
        if len(alpha) < 2:
            return self.pixels(noisy)
        below = schedules.Path(alpha, sigma)
        table = solver.build("ddim", *levels(below, min(steps, below.T)))
        latent = self._latents("denoise_with_latent", latent, noisy)
        return self.pixels(self._states(table, noisy, latent, guidance))

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
        latent = None if latent is None else self._latents("decode", latent, noise)
        table = sampling.table(self.path, solver=solver, steps=steps)
        return self.pixels(self._states(table, noise, latent, guidance, seed))

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
        latent = self.encode(x) if latent is None else self._latents("encode_noise", latent, x)
        clean = self.standard(self._images("encode_noise", x))
        alpha, sigma = levels(self.path, steps)
        last = solver.build("ddim", alpha[-2:], sigma[-2:])
        x_1 = clean * float(alpha[-2])
        for _ in range(_FIRST):  # the state whose clean estimate is the image
            x_1 = x_1 + float(alpha[-2]) * (clean - self._states(last, x_1, latent))
        return self._states(inversion(alpha, sigma, iterations), x_1, latent)

    def reconstruct(self, x: Tensor, latent: Tensor | None = None, *, steps: int = 50) -> Tensor:
        """Images (b, c, h, w) from the latent and the noise of images `x` (b, c, h, w)."""
        latent = self.encode(x) if latent is None else latent
        return self.decode(latent, self.encode_noise(x, latent, steps=steps), steps=steps)

    def interpolate(self, x_a: Tensor, x_b: Tensor, steps: int = 8, *, grid_steps: int = 50) -> Tensor:
        """Images (b, steps, c, h, w) from `x_a` to `x_b`: noise along arcs, latents along lines."""
        z_a, z_b = self.encode(x_a), self.encode(x_b)
        noise_a, noise_b = (self.encode_noise(x, z, steps=grid_steps) for x, z in ((x_a, z_a), (x_b, z_b)))
        images = [
            self.decode(torch.lerp(z_a, z_b, share), pixel.slerp(noise_a, noise_b, share), steps=grid_steps)
            for share in np.linspace(0, 1, steps).tolist()
        ]
        return torch.stack(images, 1)

    @torch.no_grad()
    def condition_used(self, images: Tensor, latent: Tensor, seed: int = 0) -> float:
        """Loss under latents of other images over loss under their own; 1 where the latent is ignored."""
        clean = self.standard(self._images("condition_used", images))
        code = self.code(self._latents("condition_used", latent, images))
        others = code.roll(1, 0)
        wrong = pixel.errors(lambda rows: self._under(others[rows]), self.path, clean, seed)
        right = pixel.errors(lambda rows: self._under(code[rows]), self.path, clean, seed)
        return float(wrong.mean() / right.mean())

    def _under(self, code: Tensor | None) -> pixel.Network:
        """The network under codes, or under none."""
        return lambda x, level: self.unet(x, level, code)

    def _states(
        self, table: Any, start: Tensor, latent: Tensor | None, guidance: float = 1.0, seed: int = 0
    ) -> Tensor:
        """The states at the end of a table's walk."""
        code = None if latent is None else self.code(latent)

        def denoiser_of(rows: slice) -> Any:
            free = None if guidance == 1.0 or code is None else self._under(None)
            return pixel.denoiser(self._under(None if code is None else code[rows]), free, guidance)

        return pixel.solve(table, denoiser_of, start, seed)

    def _below(self, verb: str, diffusion_time: float) -> tuple[np.ndarray, np.ndarray]:
        """Levels of the path from clean to that time."""
        if not 0 <= diffusion_time <= 1:
            got = f"{diffusion_time:g}"
            raise SettingError(f"DiffusionModel.{verb}: diffusion_time must be in [0, 1]; got {got}.")
        stop = round(diffusion_time * _T) + 1
        return self.path.alpha[:stop], self.path.sigma[:stop]

    def _images(self, verb: str, images: Tensor) -> Tensor:
        return checked.images(f"DiffusionModel.{verb}", images, self.image_shape).to(self.pixel_mean)

    def _latents(self, verb: str, latent: Tensor, images: Tensor) -> Tensor:
        owner = f"DiffusionModel.{verb}"
        return checked.latents(owner, latent, len(images), self.latent_dim).to(self.pixel_mean)
