"""`ImageAutoencoder`: a trained network that encodes small images, as the autoencoder of a latent model."""

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
from msgspec import Meta

from dima import check, settings
from dima.errors import DataError, ShapeError
from dima.fitted import Fitted, FittedEstimator
from dima.image import device as devices
from dima.image.autoencoder import LOSSES, NETWORKS, AutoencoderFit, fit_autoencoder
from dima.image.train import PRECISIONS
from dima.model.autoencoder import Autoencoder
from dima.model.stages import measured
from dima.settings import OneOf
from dima.typing import Array, ArrayLike, Float32, Float64

__all__ = ["ImageAutoencoder", "images_like", "training_images"]

Shape = tuple[int, int, int]


class ImageAutoencoder(FittedEstimator, Autoencoder):
    """A fully connected or convolutional autoencoder of images, trained in PyTorch.

    It takes images (n, c, h, w) in [-1, 1], or the same as rows (n, c h w).

    Example:
        >>> from dima.data.images import load
        >>> images = load("fashion-mnist-1000").images
        >>> autoencoder = ImageAutoencoder("mlp", latent_dim=4, epochs=1).fit(images[:256])
        >>> autoencoder.encode(images[:3]).shape, autoencoder.decode(np.zeros((2, 4))).shape
        ((3, 4), (2, 784))
    """

    takes_images = True
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
        epochs: Annotated[int, Meta(ge=1, description="passes over the images")] = 40,
        batch_size: Annotated[int, Meta(ge=2, description="images in a training step")] = 256,
        learning_rate: Annotated[float, Meta(gt=0, description="peak step size of AdamW")] = 2e-3,
        code_noise: Annotated[
            float, Meta(ge=0, description="noise on the codes in training, in their standard deviations")
        ] = 0.05,
        ema_decay: Annotated[float, Meta(ge=0, lt=1, description="decay of the parameter average")] = 0.999,
        patience: Annotated[
            int, Meta(ge=1, description="stop when a held-out twentieth has not improved for so many epochs")
        ]
        | None = None,
        precision: Annotated[
            str, OneOf(*PRECISIONS), Meta(description="arithmetic of training; auto is the faster, measured")
        ] = "float32",
        device: Annotated[
            str, OneOf(*devices.DEVICES), Meta(description="where it runs; auto is cuda, then mps, then cpu")
        ] = "auto",
        sharpen: Annotated[
            bool, Meta(description="train the decoder against a discriminator afterwards: crisper images")
        ] = False,
        seed: Annotated[int, Meta(ge=0, lt=2**31, description="seed of parameters, order and noise")] = 0,
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
        images = training_images(self, X)

        def show(fit: AutoencoderFit, epoch: int) -> None:
            if watch is not None:
                watch(self._holding(fit), epoch)

        with measured("autoencoder"):
            self.fit_ = fit_autoencoder(settings_used, images, checkpoint, show)
        return self

    def encode(self, X: ArrayLike) -> Float32:
        """Codes (b, d) of images (b, c, h, w) or rows (b, D).

        Raises:
            NotFittedError: before `fit`.
            ShapeError: images of another size than in `fit`.
        """
        fit: AutoencoderFit = check.fitted(self)
        return fit.encode(images_like(self, X, fit.image_shape))

    def decode(self, codes: ArrayLike) -> Float32:
        """Rows (b, D) of `codes` (b, d), pixels in [-1, 1].

        Raises:
            NotFittedError: before `fit`.
            ShapeError: the second axis is not d.
        """
        fit: AutoencoderFit = check.fitted(self)
        checked = check.array("ImageAutoencoder", "codes", codes, ("b", fit.settings["latent_dim"]))
        return fit.decode(checked.astype(np.float32)).reshape(len(checked), -1)

    def to_device(self, device: str, precision: str = "float32") -> Self:
        """Run the fitted network on "cuda", "mps" or "cpu" in that precision; "auto" is the best there is.

        Raises:
            BackendError: there is no such device.
            SettingError: there is no such precision.
        """
        fit: AutoencoderFit = check.fitted(self)
        devices.choose(device, "ImageAutoencoder")
        used = settings.check("ImageAutoencoder", type(self), {"device": device, "precision": precision})
        self.fit_ = dataclasses.replace(fit, settings=fit.settings | used)
        self.set_params(**used)
        return self

    image_shape_ = Fitted[Shape](lambda fit: fit.image_shape, "(c, h, w) of an image.")
    losses_ = Fitted[Float64](
        lambda fit: fit.losses, "(records, 2) training steps done and mean loss since the record before."
    )

    def facts(self) -> dict[str, Any]:
        """What there is to know of the fitted autoencoder."""
        fit: AutoencoderFit = check.fitted(self)
        shape = "x".join(map(str, fit.image_shape))
        used = {"autoencoder": fit.settings["model"], "image_shape": shape}
        if not len(fit.losses):
            return used  # it was trained elsewhere
        steps, loss = fit.losses[-1].tolist()
        return used | {"autoencoder_training_steps": int(steps), "autoencoder_loss": loss}

    def _holding(self, fit: AutoencoderFit) -> "ImageAutoencoder":
        """An autoencoder with these settings and that fitted state."""
        held = type(self)(**self.get_params(deep=False))
        held.fit_ = fit
        check.remember(held, self.n_features_in_, None)
        return held


def _shape(owner: str, X: ArrayLike) -> Shape:
    """(c, h, w) of images (n, c, h, w), or of the square grey images that rows (n, h h) stand for.

    Raises:
        ShapeError: they are neither.
    """
    shape = np.shape(X)
    if len(shape) == 4:
        return shape[1], shape[2], shape[3]
    side = math.isqrt(shape[1]) if len(shape) == 2 else 0
    if side == 0 or side * side != shape[1]:
        rule, fix = "(n, c, h, w), or (n, h h) of square grey ones", "Pass them with their four axes."
        raise ShapeError(f"{owner}: images must be {rule}; got shape {shape}. {fix}")
    return 1, side, side


def training_images(estimator: Any, X: ArrayLike) -> Array:
    """Images (n, c, h, w) that an estimator is fitted to, given as such or as rows; it remembers their width.

    Raises:
        ShapeError: they are neither images nor rows of square ones.
        DataError: a pixel lies outside [-1, 1].
    """
    shape = _shape(type(estimator).__name__, X)
    rows = np.reshape(np.asarray(X), (-1, math.prod(shape)))
    rows = check.points(estimator, rows, reset=True, min_rows=2)
    return _in_range(estimator, rows).reshape(-1, *shape)


def images_like(estimator: Any, X: ArrayLike, shape: Shape) -> Array:
    """Images (b, c, h, w) of the shape an estimator was fitted to, given as such or as rows (b, D).

    Raises:
        ShapeError: they are of another size.
        DataError: a pixel lies outside [-1, 1].
    """
    rows = np.asarray(X)
    if rows.ndim == 4 and rows.shape[1:] != shape:
        rule, fix = f"of shape {shape}", "Bring them to that size and number of channels."
        raise ShapeError(f"{type(estimator).__name__}: images must be {rule}; got {rows.shape[1:]}. {fix}")
    rows = check.points(estimator, rows.reshape(len(rows), -1) if rows.ndim == 4 else rows, reset=False)
    return _in_range(estimator, rows).reshape(-1, *shape)


def _in_range(estimator: Any, rows: Array) -> Array:
    low, high = float(rows.min()), float(rows.max())
    if low < -1.001 or high > 1.001:
        owner, fix = type(estimator).__name__, "Divide bytes by 127.5 and subtract 1."
        raise DataError(f"{owner}: pixels must be in [-1, 1]; got {low:.4g} to {high:.4g}. {fix}")
    return rows
