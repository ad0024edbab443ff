"""What autoencoders whose networks are trained on pixels share: images and rows, devices, common settings."""

import dataclasses
import logging
import math
from typing import Annotated, Any, Self

import numpy as np
from msgspec import Meta

from dima import check, settings
from dima.errors import ShapeError
from dima.fitted import Fitted, FittedEstimator
from dima.image import device as devices
from dima.image.train import PRECISIONS
from dima.image.unet import LAYOUTS
from dima.model.autoencoder import Autoencoder
from dima.noise.schedule import KEEP_VARIANCE
from dima.settings import OneOf
from dima.typing import Array, ArrayLike, Float64

__all__ = [
    "BatchSize",
    "BlockDepth",
    "Device",
    "EmaDecay",
    "Epochs",
    "Layout",
    "LearningRate",
    "Patience",
    "PixelAutoencoder",
    "Precision",
    "Schedule",
    "Seed",
    "Steps",
    "TimeWidth",
    "Widths",
    "trained_facts",
]

Shape = tuple[int, int, int]

_log = logging.getLogger("dima")

_TIMED = 256  # images encoded to tell the faster precision

BatchSize = Annotated[int, Meta(ge=2, description="images in a training step")]
BlockDepth = Annotated[int, Meta(ge=1, description="residual blocks of a level")]
Device = Annotated[
    str, OneOf(*devices.DEVICES), Meta(description="where it runs; auto is cuda, then mps, then cpu")
]
EmaDecay = Annotated[float, Meta(ge=0, lt=1, description="decay of the parameter average")]
Epochs = Annotated[int, Meta(ge=1, description="passes over the images")]
Layout = Annotated[
    str, OneOf(*LAYOUTS), Meta(description="patch folds 2 x 2 pixels first, several times faster")
]
LearningRate = Annotated[float, Meta(gt=0, description="peak step size of AdamW")]
Patience = Annotated[
    int, Meta(ge=1, description="stop when a held-out twentieth is no better for so many records")
]
Precision = Annotated[
    str, OneOf(*PRECISIONS), Meta(description="arithmetic of training; auto is the faster, measured")
]
Schedule = Annotated[str, OneOf(*KEEP_VARIANCE), Meta(description="how noise grows with diffusion time")]
Seed = Annotated[int, Meta(ge=0, lt=2**31, description="seed of parameters, order and noise")]
Steps = Annotated[int, Meta(ge=1, le=1000, description="steps of decoding, by dpmpp_2m")]
TimeWidth = Annotated[int, Meta(ge=2, multiple_of=2, description="width of the noise level's embedding")]
Widths = Annotated[
    tuple[int, ...], Meta(min_length=2, description="channels of the U-Net's levels and bottleneck")
]


class PixelAutoencoder(FittedEstimator, Autoencoder):
    """An autoencoder of images (n, c, h, w) in [-1, 1], or of the same as rows (n, c h w).

    Its fitted dataclass holds `image_shape` and `losses`, its settings "device" and "precision".
    """

    takes_images = True

    def to_device(self, device: str, precision: str = "float32") -> Self:
        """Run the fitted network on "cuda", "mps" or "cpu" in that precision; "auto" is the best there is.

        The faster precision is measured here, once: from then on equal images have equal codes.

        Raises:
            BackendError: there is no such device.
            SettingError: there is no such precision.
        """
        fit, owner = check.fitted(self), type(self).__name__
        place, message = devices.choose(device, owner)
        _log.info(message)
        used = settings.check(owner, type(self), {"device": device, "precision": precision})
        if precision == "auto":
            whole = dataclasses.replace(fit, settings=fit.settings | used | {"precision": "float32"})
            blank = np.zeros((_TIMED, *fit.image_shape), np.float32)
            is_faster = devices.bf16_is_faster(lambda: whole.encode(blank), place)
            used["precision"] = "bfloat16" if is_faster else "float32"
            _log.info("%s: encodes in %s, the faster of two.", owner, used["precision"])
        self.fit_ = dataclasses.replace(fit, settings=fit.settings | used)
        self.set_params(**used)
        return self

    image_shape_ = Fitted[Shape](lambda fit: fit.image_shape, "(c, h, w) of an image.")
    losses_ = Fitted[Float64](
        lambda fit: fit.losses, "(records, 2) training steps done and mean loss since the record before."
    )

    def _training_images(self, X: ArrayLike) -> Array:
        """Images (n, c, h, w) to fit to, given as such or as rows; their width is remembered.

        Raises:
            ShapeError: they are neither images nor rows of square ones.
            DataError: a pixel lies outside [-1, 1].
        """
        images = check.plain(type(self).__name__, "images", X)
        shape = _shape(type(self).__name__, images)
        rows = images.reshape(-1, math.prod(shape))
        rows = check.points(self, rows, reset=True, min_rows=2)
        return _in_range(self, rows).reshape(-1, *shape)

    def _images(self, X: ArrayLike) -> Array:
        """Images (b, c, h, w) of the shape it was fitted to, given as such or as rows (b, D).

        Raises:
            ShapeError: they are of another size.
            DataError: a pixel lies outside [-1, 1].
        """
        shape = check.fitted(self).image_shape
        rows = check.plain(type(self).__name__, "images", X)
        if rows.ndim == 4 and rows.shape[1:] != shape:
            rule, fix = f"of shape {shape}", "Bring them to that size and number of channels."
            raise ShapeError(f"{type(self).__name__}: images must be {rule}; got {rows.shape[1:]}. {fix}")
        rows = check.points(
            self, rows.reshape(len(rows), math.prod(shape)) if rows.ndim == 4 else rows, reset=False
        )
        return _in_range(self, rows).reshape(-1, *shape)


def trained_facts(fit: Any, network: str) -> dict[str, Any]:
    """What there is to know of a training: the shape of its images, steps and last loss of that network."""
    steps, loss = fit.losses[-1].tolist() if len(fit.losses) else (0, float("nan"))
    shape = "x".join(map(str, fit.image_shape))
    return {"image_shape": shape, f"{network}_training_steps": int(steps), f"{network}_loss": loss}


def _shape(owner: str, images: Array) -> Shape:
    """(c, h, w) of images (n, c, h, w), or of the square grey images that rows (n, h h) stand for.

    Raises:
        ShapeError: they are neither.
        DataError: they have no pixels.
    """
    shape = images.shape
    if len(shape) == 4:
        check.form(owner, "images", shape, images.dtype, ("n", "c", "h", "w"))
        return shape[1], shape[2], shape[3]
    side = math.isqrt(shape[1]) if len(shape) == 2 else 0
    if side == 0 or side * side != shape[1]:
        rule, fix = "(n, c, h, w), or (n, h h) of square grey ones", "Pass them with their four axes."
        raise ShapeError(f"{owner}: images must be {rule}; got shape {shape}. {fix}")
    return 1, side, side


def _in_range(estimator: Any, rows: Array) -> Array:
    check.pixels(type(estimator).__name__, "pixels", float(rows.min()), float(rows.max()))
    return rows
