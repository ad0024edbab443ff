"""`DiffusionAutoencoder`: images encoded to feature vectors, denoised under them, and steered."""

from typing import Any

import numpy as np

from dima import check
from dima.errors import SettingError
from dima.model import parts
from dima.model.diffusion_coder import DiffusionCoder
from dima.model.latent_diffusion import LatentDiffusion
from dima.model.latent_fit import LatentModelFit
from dima.model.latent_model import PartSeed
from dima.typing import Array, ArrayLike, Float32, Float64

__all__ = ["DiffusionAutoencoder"]


class DiffusionAutoencoder(LatentDiffusion):
    """A `LatentDiffusion` whose decoder denoises: what the feature vector leaves open lies in the noise.

    Args:
        autoencoder: a `DiffusionCoder`, fitted or not.
        prior: "ddpm", settings for one beside those of `prior_settings`, a `DDPM`, or None for no prior.
        seed: seed of every part that is not given one of its own.

    Example:
        >>> from dima.data.images import load
        >>> images = load("fashion-mnist-1000").images[:200]
        >>> coder = DiffusionCoder(latent_dim=3, widths=(8, 16), epochs=1, steps=2)
        >>> model = DiffusionAutoencoder(coder, prior={"n_iter": 20, "hidden_dim": 8}).fit(images)
        >>> model.sample(2).shape, model.edit(images[:1], np.ones(3), 0.5).shape
        ((2, 1, 28, 28), (1, 1, 28, 28))
    """

    def __init__(self, autoencoder: Any = None, prior: Any = "ddpm", seed: PartSeed = 0) -> None:
        super().__init__(autoencoder, prior, seed)

    def encode_noise(self, images: ArrayLike) -> Float32:
        """The noise (b, c, h, w) from which `decode` makes images (b, c, h, w) again, under their latents."""
        coder: DiffusionCoder = check.fitted(self).autoencoder
        return coder.encode_noise(self.as_rows(images))

    def decode(self, Z: ArrayLike, noise: ArrayLike | None = None) -> Float32:
        """Images (b, c, h, w) of latents `Z` (b, d) and their noise (b, c, h, w); without, of new noise."""
        if noise is None:
            return super().decode(Z)
        fit: LatentModelFit = check.fitted(self)
        checked = check.array("DiffusionAutoencoder", "Z", Z, ("b", self.d_))
        return self._images(fit.autoencoder.decode(fit.scale.restore(checked), noise))

    def reconstruct(self, images: ArrayLike) -> Float32:
        """Images (b, c, h, w) from their latents and their noise, which is nearly all there is of them."""
        Z = self._encoded(images)
        return self.decode(Z, self._noise_under(Z, images))

    def interpolate(self, start: ArrayLike, end: ArrayLike, steps: int = 10) -> Float32:
        """Images (b, steps, c, h, w) from `start` to `end` (b, c, h, w): noise on arcs, latents on lines.

        The ends are the reconstructions of the images, from latent and noise.

        Raises:
            SettingError: steps is below 2.
            ShapeError: the two are not of one shape, or not that of the model.
        """
        fit: LatentModelFit = check.fitted(self)
        path = self._path(start, end, steps)
        codes = fit.scale.restore(path[:, 0]), fit.scale.restore(path[:, -1])
        arcs = fit.autoencoder.noise_arcs(self.as_rows(start), self.as_rows(end), steps, codes)
        images = self.decode(path.reshape(-1, self.d_), arcs.reshape(-1, *self.image_shape_))
        return images.reshape(*path.shape[:2], *self.image_shape_)

    def edit(self, images: ArrayLike, direction: ArrayLike, strength: float | ArrayLike) -> Float32:
        """Images (b, c, h, w) with their latents moved and their noise kept, so that the rest stays.

        Args:
            images: (b, c, h, w) in [-1, 1].
            direction: (d,) or (b, d) in latent space, such as one of `dima.explain.directions`.
            strength: how far, in lengths of the direction; a number, or one an image (b,).

        Raises:
            ShapeError: a direction of another width, or strengths that are not as many as the images.
            DataError: a direction or strength that is not finite.
        """
        owner = "DiffusionAutoencoder.edit"
        Z = self._encoded(images)
        wanted = (self.d_,) if np.ndim(direction) == 1 else Z.shape
        along = check.array(owner, "direction", direction, wanted)
        far = check.array(owner, "strength", strength, (len(Z),) if np.ndim(strength) else ())
        return self.decode(Z + far[..., None] * along, self._noise_under(Z, images))

    def renoise(self, images: ArrayLike, Z: ArrayLike, diffusion_time: float = 0.7, seed: int = 0) -> Float32:
        """Images (b, c, h, w) noised to a diffusion time in [0, 1] and denoised under latents `Z` (b, d).

        The earlier the time, the more of the image stays, whatever the latents say.

        Raises:
            SettingError: diffusion_time is outside [0, 1].
            ShapeError: latents of another width.
        """
        fit: LatentModelFit = check.fitted(self)
        checked = check.array("DiffusionAutoencoder", "Z", Z, ("b", self.d_))
        codes = fit.scale.restore(checked)
        return fit.autoencoder.renoise(self.as_rows(images), codes, diffusion_time, seed)

    def condition_used(self, images: ArrayLike, seed: int = 0) -> float:
        """Loss under latents of other images over loss under their own: 1 where the latent is ignored."""
        coder: DiffusionCoder = check.fitted(self).autoencoder
        return coder.condition_used(self.as_rows(images), seed)

    def _noise_under(self, Z: Float64, images: ArrayLike) -> Float32:
        """The noise (b, c, h, w) of images, which are not encoded again: their latents are `Z` (b, d)."""
        fit: LatentModelFit = check.fitted(self)
        return fit.autoencoder.encode_noise(self.as_rows(images), fit.scale.restore(Z))

    def _fit_autoencoder(self, X: Array) -> DiffusionCoder:
        given = DiffusionCoder(seed=self.seed) if self.autoencoder is None else self.autoencoder
        if not isinstance(given, DiffusionCoder):
            rule, fix = "a DiffusionCoder", "For other autoencoders there is LatentDiffusion."
            raise SettingError(
                f"DiffusionAutoencoder: autoencoder must be {rule}; got {type(given).__name__}. {fix}"
            )
        images = X.reshape(-1, *self.image_shape_)
        return parts.fitted_autoencoder(type(self).__name__, given, images)
