"""`PixelDiffusion`: images from noise by a denoiser of pixels, and noise from images.

    image = walk(noise),   noise = walk back(image): a deterministic solver makes noise the code of an image

Sources: Ho, Jain and Abbeel 2020; the deterministic walk: Song, Meng and Ermon 2021 (DDIM).
"""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

from dima import check, settings
from dima.image.diffusion_fit import DiffusionFit, fit_diffusion
from dima.image.diffusion_model import DiffusionModel
from dima.image.direct import DirectDiffusion
from dima.image.direct.features import features_at
from dima.image.hooks.leverage import leverage, with_donors
from dima.model.pixel_autoencoder import (
    BatchSize,
    BlockDepth,
    Device,
    EmaDecay,
    Epochs,
    Layout,
    LearningRate,
    Patience,
    PixelAutoencoder,
    Precision,
    Schedule,
    Seed,
    Steps,
    TimeWidth,
    Widths,
    trained_facts,
)
from dima.model.stages import measured
from dima.noise import sampling
from dima.typing import ArrayLike, Float32

__all__ = ["PixelDiffusion"]


class PixelDiffusion(PixelAutoencoder):
    """A diffusion model of images without condition: the U-Net of the project, trained to denoise pixels.

    Its codes are noise of the images' own size: `encode` and `decode` are the DDIM walk there and back.

    Example:
        >>> from dima.data.images import load
        >>> images = load("fashion-mnist-1000").images[:256]
        >>> model = PixelDiffusion(widths=(8, 16), epochs=1).fit(images)
        >>> model.sample(2, steps=4).shape, model.encode(images[:3]).shape
        ((2, 1, 28, 28), (3, 784))
    """

    Fit = DiffusionFit
    fit_: DiffusionFit

    def __init__(  # noqa: PLR0913 the signature declares the settings
        self,
        *,
        widths: Widths = (32, 64, 128),
        block_depth: BlockDepth = 1,
        time_embedding_dim: TimeWidth = 32,
        layout: Layout = "patch",
        schedule: Schedule = "cosine",
        epochs: Epochs = 8,
        batch_size: BatchSize = 128,
        learning_rate: LearningRate = 2e-3,
        ema_decay: EmaDecay = 0.999,
        steps: Steps = 16,
        patience: Patience | None = None,
        precision: Precision = "float32",
        device: Device = "auto",
        seed: Seed = 0,
    ) -> None:
        self._store(locals())

    def fit(
        self,
        X: ArrayLike,
        y: None = None,
        checkpoint: str | Path | None = None,
        watch: "Callable[[PixelDiffusion, int], None] | None" = None,
    ) -> Self:
        """Train on images (n, c, h, w) in [-1, 1], or on rows (n, h h) of square grey ones.

        Args:
            X: images or rows.
            y: ignored.
            checkpoint: run folder that is kept up to date while training, and gone on from where it holds
                a run: one that was killed and is resumed gives the numbers of one that was not.
            watch: is shown the model so far and the number of the epoch, after each.

        Raises:
            SettingError: a setting is out of range.
            ShapeError: they are neither images nor rows of square ones.
            DataError: a pixel lies outside [-1, 1].
            BackendError: the device is not there.
            NumericsError: the loss became infinite.
        """
        used = settings.check(type(self).__name__, type(self), self.get_params(deep=False))
        images = self._training_images(X)

        with measured("denoiser"):
            self.fit_ = fit_diffusion(used, images, None, checkpoint, self._shown_to(watch))
        return self

    def encode(self, X: ArrayLike) -> Float32:
        """The noise (b, D) from which `decode` makes images (b, c, h, w) or rows (b, D) again.

        Raises:
            NotFittedError: before `fit`.
            ShapeError: images of another size than in `fit`.
        """
        fit: DiffusionFit = check.fitted(self)
        images = self._images(X)
        return fit.encode_noise(images, None).reshape(len(images), -1)

    def decode(self, codes: ArrayLike) -> Float32:
        """Rows (b, D) of noise `codes` (b, D), pixels in [-1, 1], by 50 steps of DDIM.

        Raises:
            NotFittedError: before `fit`.
            ShapeError: the second axis is not D.
        """
        fit: DiffusionFit = check.fitted(self)
        noise = check.array(type(self).__name__, "codes", codes, ("b", self.n_features_in_))
        return fit.decode(None, noise.reshape(-1, *fit.image_shape)).reshape(len(noise), -1)

    def sample(
        self,
        n: sampling.Count,
        steps: Steps | None = None,
        solver: sampling.Solver = "dpmpp_2m",
        seed: sampling.Seed = 0,
    ) -> Float32:
        """`n` new images (n, c, h, w) in [-1, 1]; equal seeds draw equal images, whatever `n`.

        Args:
            n: number of images.
            steps: grid steps; those of the settings if not given.
            solver: a name in `dima.noise.solver.SOLVERS`.
            seed: of the noise.

        Raises:
            NotFittedError: before `fit`.
            SettingError: an argument is out of range.
        """
        fit: DiffusionFit = check.fitted(self)
        asked = {"n": n, "steps": steps, "solver": solver, "seed": seed}
        checked = settings.check("PixelDiffusion.sample", PixelDiffusion.sample, asked)
        return fit.sample(**checked | {"steps": checked["steps"] or fit.settings["steps"]})

    def features(self, X: ArrayLike) -> Float32:
        """Features (b, c, h, w) of images at the bottleneck, where the network sees the noise they come from.

        Args:
            X: (b, c, h, w) in [-1, 1], or rows.

        Raises:
            NotFittedError: before `fit`.
            ShapeError: images of another size than in `fit`.
            DataError: a pixel lies outside [-1, 1].
        """
        fit: DiffusionFit = check.fitted(self)
        found = features_at(DirectDiffusion(fit.model()), self._images(X))
        return found["mid"].cpu().numpy()

    def leverage(
        self,
        sites: str | Sequence[str] | None = None,
        n: sampling.Count = 36,
        seed: sampling.Seed = 0,
        steps: Steps | None = None,
    ) -> dict[str, float]:
        """How far an image goes to another's, 0 to 1, when the features of its walk are put at a site.

        Args:
            sites: "mid", "mid + skips" or several such; every site, all skips and both of these if not given.
            n: images, each with another one.
            seed: of their noise.
            steps: of the walks, one for each site; those of the settings if not given.

        Raises:
            NotFittedError: before `fit`.
            SettingError: there is no such site, or an argument is out of range.
            DataError: n is 0.
        """
        fit: DiffusionFit = check.fitted(self)
        given = {"n": n, "seed": seed, "steps": steps}
        asked = settings.check("PixelDiffusion.leverage", PixelDiffusion.leverage, given)
        network, grid_steps = self.network(), asked.pop("steps") or fit.settings["steps"]
        walk = functools.partial(network.decode, None, steps=grid_steps, solver="dpmpp_2m")
        return leverage(network.unet, *with_donors(network, **asked), sites, make=walk)

    def network(self) -> DiffusionModel:
        """The network in torch: hooks, walks, gradients."""
        return check.fitted(self).model()

    def facts(self) -> dict[str, Any]:
        """What there is to know of the fitted model."""
        return trained_facts(check.fitted(self), "denoiser")
