"""`ImageAutoencoder`: a trained network that encodes small images, as the autoencoder of a latent model."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
from msgspec import Meta

from dima import check, settings
from dima.image.autoencoder import LOSSES, NETWORKS, SUITED, AutoencoderFit, fit_autoencoder
from dima.model.pixel_autoencoder import (
    Device,
    EmaDecay,
    Epochs,
    PixelAutoencoder,
    Precision,
    Seed,
    trained_facts,
)
from dima.model.stages import measured
from dima.settings import OneOf
from dima.typing import ArrayLike, Float32

__all__ = ["ImageAutoencoder"]


def _suited(name: str) -> str:
    return ", ".join(f"{own[name]:g} for {model}" for model, own in SUITED.items())


class ImageAutoencoder(PixelAutoencoder):
    """A fully connected or convolutional autoencoder of images, trained in PyTorch.

    It takes images (n, c, h, w) in [-1, 1], or the same as rows (n, c h w).

    Example:
        >>> from dima.data.images import load
        >>> images = load("fashion-mnist-1000").images
        >>> autoencoder = ImageAutoencoder("mlp", latent_dim=4, epochs=1).fit(images[:256])
        >>> autoencoder.encode(images[:3]).shape, autoencoder.decode(np.zeros((2, 4))).shape
        ((3, 4), (2, 784))
    """

    Fit = AutoencoderFit
    fit_: AutoencoderFit

    def __init__(  # noqa: PLR0913 the signature declares the settings
        self,
        model: Annotated[
            str, OneOf(*NETWORKS), Meta(description="network: fully connected or convolutional")
        ] = "mlp",
        *,
        latent_dim: Annotated[int, Meta(ge=1, description="numbers in a code")] = 16,
        loss: Annotated[str, OneOf(*LOSSES), Meta(description="error of reconstruction")] = "bce",
        epochs: Epochs = 40,
        batch_size: Annotated[
            int, Meta(ge=2, description=f"images in a training step; if not given, {_suited('batch_size')}")
        ]
        | None = None,
        learning_rate: Annotated[
            float,
            Meta(gt=0, description=f"peak step size of AdamW; if not given, {_suited('learning_rate')}"),
        ]
        | None = None,
        code_noise: Annotated[
            float, Meta(ge=0, description="noise on the codes in training, in their standard deviations")
        ] = 0.05,
        ema_decay: EmaDecay = 0.999,
        patience: Annotated[
            int, Meta(ge=1, description="stop when a held-out twentieth has not improved for so many epochs")
        ]
        | None = None,
        precision: Precision = "float32",
        device: Device = "auto",
        sharpen: Annotated[
            bool, Meta(description="train the decoder against a discriminator afterwards: crisper images")
        ] = False,
        contrast: Annotated[
            bool, Meta(description="raise the logits until decoded images are half as much too grey")
        ] = True,
        seed: Seed = 0,
    ) -> None:
        self._store(locals())

    def fit(
        self,
        X: ArrayLike,
        y: None = None,
        checkpoint: str | Path | None = None,
        watch: "Callable[[ImageAutoencoder, int], None] | None" = None,
    ) -> Self:
        """Train on images (n, c, h, w) in [-1, 1], or on rows (n, h h) of square grey ones.

        Args:
            X: images or rows.
            y: ignored.
            checkpoint: run folder that is kept up to date while training, and gone on from where it
                holds a run: one that was killed and is resumed gives the numbers of one that was not.
            watch: is shown the autoencoder so far and the number of the epoch, after each.

        Raises:
            SettingError: a setting is out of range, or the folder holds a run with others.
            ShapeError: they are neither images nor rows of square ones.
            DataError: a pixel lies outside [-1, 1].
            BackendError: the device is not there.
            NumericsError: the loss became infinite.
        """
        settings_used = settings.check(type(self).__name__, type(self), self.get_params(deep=False))
        images = self._training_images(X)

        with measured("autoencoder"):
            self.fit_ = fit_autoencoder(settings_used, images, checkpoint, self._shown_to(watch))
        return self

    def encode(self, X: ArrayLike) -> Float32:
        """Codes (b, d) of images (b, c, h, w) or rows (b, D).

        Raises:
            NotFittedError: before `fit`.
            ShapeError: images of another size than in `fit`.
        """
        fit: AutoencoderFit = check.fitted(self)
        return fit.encode(self._images(X))

    def decode(self, codes: ArrayLike) -> Float32:
        """Rows (b, D) of `codes` (b, d), pixels in [-1, 1].

        Raises:
            NotFittedError: before `fit`.
            ShapeError: the second axis is not d.
        """
        fit: AutoencoderFit = check.fitted(self)
        checked = check.array("ImageAutoencoder", "codes", codes, ("b", fit.settings["latent_dim"]))
        return fit.decode(checked.astype(np.float32)).reshape(len(checked), -1)

    def facts(self) -> dict[str, Any]:
        """What there is to know of the fitted autoencoder."""
        fit: AutoencoderFit = check.fitted(self)
        told = {"autoencoder": fit.settings["model"]} | trained_facts(fit, "autoencoder")
        if not len(fit.losses):  # it was trained elsewhere
            return {name: told[name] for name in ("autoencoder", "image_shape")}
        return told | {"autoencoder_contrast": fit.contrast}
