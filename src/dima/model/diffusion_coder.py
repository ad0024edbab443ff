"""`DiffusionCoder`: a denoiser of images under a feature vector, as the autoencoder of a latent model."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Self

from msgspec import Meta

from dima import check, fitted, settings
from dima.errors import SettingError
from dima.image.diffusion_fit import DiffusionFit, fit_diffusion
from dima.image.diffusion_model import MODES
from dima.model import parts
from dima.model.autoencoder import Autoencoder
from dima.model.image_autoencoder import ImageAutoencoder
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
from dima.settings import OneOf
from dima.training.runs import RunFolder
from dima.typing import Array, ArrayLike, Arrays, Float32

__all__ = ["DiffusionCoder"]


class DiffusionCoder(PixelAutoencoder):
    """Encodes images to feature vectors, and denoises noise to images under them.

    A jointly trained one has an encoder of its own. A frozen one takes the latents of another autoencoder,
    which is fitted first unless it is fitted already, or any latents that are handed to `fit`.
    Source: Preechakul et al. 2022 (diffusion autoencoders).

    Example:
        >>> from dima.data.images import load
        >>> images = load("fashion-mnist-1000").images[:256]
        >>> coder = DiffusionCoder(latent_dim=4, widths=(8, 16), block_depth=1, epochs=1).fit(images)
        >>> coder.encode(images[:3]).shape, coder.decode(np.zeros((2, 4))).shape
        ((3, 4), (2, 784))
    """

    Fit = DiffusionFit
    fit_: DiffusionFit

    def __init__(  # noqa: PLR0913 the signature declares the settings
        self,
        mode: Annotated[
            str, OneOf(*MODES), Meta(description="encoder: trained jointly, or a frozen autoencoder's")
        ] = "joint",
        *,
        latent_dim: Annotated[int, Meta(ge=1, description="numbers in a feature vector")] = 16,
        widths: Widths = (32, 64, 128),
        block_depth: BlockDepth = 1,
        time_embedding_dim: TimeWidth = 32,
        feature_embedding_dim: Annotated[
            int, Meta(ge=1, description="width of the feature vector's embedding")
        ] = 64,
        layout: Layout = "patch",
        schedule: Schedule = "cosine",
        epochs: Epochs = 5,
        ae_epochs: Annotated[
            int, Meta(ge=1, description="passes of the autoencoder that a frozen one fits first")
        ] = 5,
        batch_size: BatchSize = 128,
        learning_rate: LearningRate = 2e-3,
        latent_noise: Annotated[
            float, Meta(ge=0, description="noise on feature vectors in training, in their spreads")
        ] = 0.05,
        drop: Annotated[
            float, Meta(ge=0, lt=1, description="share of training images whose feature vector is dropped")
        ] = 0.1,
        ema_decay: EmaDecay = 0.999,
        steps: Steps = 16,
        patience: Patience | None = None,
        precision: Precision = "float32",
        device: Device = "auto",
        seed: Seed = 0,
        autoencoder: Any = None,
    ) -> None:
        self._store(locals())
        self.autoencoder = autoencoder

    def fit(
        self,
        X: ArrayLike,
        y: None = None,
        latents: ArrayLike | None = None,
        checkpoint: str | Path | None = None,
        watch: "Callable[[DiffusionCoder, int], None] | None" = None,
    ) -> Self:
        """Train on images (n, c, h, w) in [-1, 1], or on rows (n, h h) of square grey ones.

        Args:
            X: images or rows.
            y: ignored.
            latents: (n, d) feature vectors of your own for mode="frozen"; d becomes `latent_dim`.
            checkpoint: run folder that is kept up to date while training, and gone on from where it holds
                a run: one that was killed and is resumed gives the numbers of one that was not.
            watch: is shown the model so far and the number of the epoch, after each.

        Raises:
            SettingError: a setting is out of range or contradicts another, or the run folder is no path.
            ShapeError: they are neither images nor rows of square ones, or not as many as the latents.
            DataError: a pixel lies outside [-1, 1].
            BackendError: the device is not there.
            NumericsError: the loss became infinite.
        """
        owner, declared = type(self).__name__, settings.declared(type(self))
        used = settings.check(owner, type(self), {name: getattr(self, name) for name in declared})
        if used["mode"] == "joint" and not (latents is None and self.autoencoder is None):
            fix = 'Pass mode="frozen".'
            raise SettingError(
                f"{owner}: mode must be frozen with an autoencoder or latents; got joint. {fix}"
            )
        images = self._training_images(X)
        self.autoencoder_ = None
        if used["mode"] == "frozen" and latents is None:
            folder = None if checkpoint is None else RunFolder.at(checkpoint, owner).path / "autoencoder"
            self.autoencoder_ = self._fit_autoencoder(used, images, folder)
            latents = self.autoencoder_.encode_images(images)
        if latents is not None:
            latents = check.array(owner, "latents", latents, (len(images), "d"))
            used["latent_dim"] = latents.shape[1]

        with measured("denoiser"):
            self.fit_ = fit_diffusion(used, images, latents, checkpoint, self._shown_to(watch))
        return self

    def encode(self, X: ArrayLike) -> Float32:
        """Feature vectors (b, d) of images (b, c, h, w) or rows (b, D).

        Raises:
            NotFittedError: before `fit`.
            SettingError: it was fitted to latents of your own, which only you can make.
            ShapeError: images of another size than in `fit`.
        """
        fit: DiffusionFit = check.fitted(self)
        images = self._images(X)
        if self.autoencoder_ is not None:
            codes: Float32 = self.autoencoder_.encode_images(images)
            return codes
        return fit.encode(images)

    def decode(self, codes: ArrayLike, noise: ArrayLike | None = None) -> Float32:
        """Rows (b, D) of feature vectors `codes` (b, d), pixels in [-1, 1].

        Args:
            codes: feature vectors.
            noise: (b, c, h, w) of `encode_noise`; if not given, draws that depend on the seed and on
                the number of the row.

        Raises:
            NotFittedError: before `fit`.
            ShapeError: the second axis is not d, or noise of another shape.
        """
        fit: DiffusionFit = check.fitted(self)
        owner = type(self).__name__
        checked = check.array(owner, "codes", codes, ("b", fit.settings["latent_dim"]))
        if noise is not None:
            noise = check.array(owner, "noise", noise, (len(checked), *fit.image_shape))
        return fit.decode(checked, noise).reshape(len(checked), -1)

    def encode_noise(self, X: ArrayLike, codes: ArrayLike | None = None) -> Float32:
        """The noise (b, c, h, w) from which `decode` makes images `X` again, under their codes.

        The codes (b, d) are encoded if not given; those of your own latents must be.
        """
        fit: DiffusionFit = check.fitted(self)
        images = self._images(X)
        return fit.encode_noise(images, self._codes_of(images, codes))

    def noise_arcs(
        self,
        start: ArrayLike,
        end: ArrayLike,
        steps: int,
        codes: tuple[ArrayLike | None, ArrayLike | None] = (None, None),
    ) -> Float32:
        """Noise (b, steps, c, h, w) on arcs between that of images `start` and `end` (b, c, h, w).

        The codes of the two are as in `encode_noise`.
        """
        fit: DiffusionFit = check.fitted(self)
        a, b = (self.encode_noise(X, own) for X, own in zip((start, end), codes, strict=True))
        return fit.noise_arcs(a, b, steps)

    def renoise(self, X: ArrayLike, codes: ArrayLike, diffusion_time: float = 0.7, seed: int = 0) -> Float32:
        """Images (b, c, h, w) `X` noised to a diffusion time in [0, 1] and denoised under `codes` (b, d)."""
        fit: DiffusionFit = check.fitted(self)
        images = self._images(X)
        return fit.renoise(images, self._codes_of(images, codes), diffusion_time, seed)

    def sample(self, n: int, steps: int = 50, seed: int = 0) -> Float32:
        """`n` images (n, c, h, w) without condition, which it learns from those whose vector is dropped."""
        fit: DiffusionFit = check.fitted(self)
        return fit.sample(n, steps, seed)

    def condition_used(self, X: ArrayLike, seed: int = 0, codes: ArrayLike | None = None) -> float:
        """Loss under the vectors of other images over loss under their own, on images `X` (b, c, h, w).

        At 1 the feature vector is ignored. The codes (b, d) are as in `encode_noise`.
        """
        fit: DiffusionFit = check.fitted(self)
        images = self._images(X)
        return fit.condition_used(images, self._codes_of(images, codes), seed)

    def facts(self) -> dict[str, Any]:
        """What there is to know of the fitted coder."""
        fit: DiffusionFit = check.fitted(self)
        return {"autoencoder": f"diffusion ({fit.settings['mode']})"} | trained_facts(fit, "denoiser")

    def to_arrays(self) -> tuple[dict[str, Any], Arrays]:
        """Plain values and arrays that `from_arrays` makes an equal coder of."""
        saved, arrays = super().to_arrays()
        saved["autoencoder"] = None
        if self.autoencoder_ is not None:
            saved["autoencoder"], own = parts.part_arrays(self.autoencoder_, parts.STANDING)
            arrays |= fitted.under("autoencoder", own)
        return saved, arrays

    @classmethod
    def from_arrays(cls, saved: dict[str, Any], arrays: Arrays) -> Self:
        """The coder that `to_arrays` described."""
        self = super().from_arrays(saved, arrays)
        self.autoencoder = self.autoencoder_ = parts.open_part(saved, arrays, "autoencoder", parts.STANDING)
        return self

    def _codes_of(self, images: Array, codes: ArrayLike | None) -> Array:
        """Codes (b, d) of images, encoded or as given."""
        if codes is None:
            return self.encode(images)
        wanted = (len(images), check.fitted(self).settings["latent_dim"])
        return check.array(type(self).__name__, "codes", codes, wanted)

    def _fit_autoencoder(self, used: dict[str, Any], images: Array, folder: Path | None) -> Autoencoder:
        """The autoencoder whose latents are taken, fitted."""
        own = {name: used[name] for name in ("latent_dim", "seed", "device")}
        usual = ImageAutoencoder("conv", epochs=used["ae_epochs"], **own)
        given = usual if self.autoencoder is None else self.autoencoder
        return parts.fitted_autoencoder(type(self).__name__, given, images, folder)
