"""Attribution of models that make pixels of noise: scores that need neither latents nor training again.

cosine:    likeness of features at the bottleneck, of the noise that both images come from
posterior: shares of the training images in what their closed-form denoiser answers to the noised query
"""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from dima import check
from dima.blocks import row_blocks, rows_within
from dima.errors import SettingError
from dima.explain.influence.cosine import similarity
from dima.explain.influence.posterior import noised_responsibilities
from dima.noise.schedule import signal_and_noise
from dima.progress import track
from dima.typing import Array, ArrayLike, Float32

__all__ = ["PIXEL_METHODS", "PixelModel", "pixel_influence", "random_scores"]

# lambda = log(alpha / sigma) of the responsibilities: two below those of latents, for images of 784 pixels
# lie log(sqrt(784 / 16)) units of lambda farther apart than latents of 16 numbers.
_LEVELS = np.linspace(0.0, -3.0, 7)
_DRAWS = 4
_WALKED_BYTES = 2**20  # of an image on its way through a U-Net, about
_FEATURE_BYTES = 32  # of a feature: itself, its direction, copies


class PixelModel(Protocol):
    """A `PixelDiffusion` or a `DirectModel`: pixels from noise, with features at a bottleneck."""

    fit_: Any

    def features(self, X: ArrayLike, /) -> Float32:
        """Features (b, c, h, w) of images."""


def _cosine(model: PixelModel, images: Array, queries: Array, seed: int) -> Array:
    asked = _rows(model.features(queries))
    at_once = rows_within(max(_WALKED_BYTES, _FEATURE_BYTES * asked.shape[1]))
    blocks = list(row_blocks(len(images), at_once))
    parts = [
        similarity(asked, _rows(model.features(images[rows])))
        for rows in track(blocks, len(blocks), "features of training images")
    ]
    return np.concatenate(parts, axis=1)


def _posterior(model: PixelModel, images: Array, queries: Array, seed: int) -> Array:
    alpha, sigma = signal_and_noise(_LEVELS)
    # Noise in units of pixels, and not pixels in those of their spread: no copy of the training images.
    spread = float(check.fitted(model).network["pixel_spread"])
    asked, known = _rows(queries), _rows(images)
    return noised_responsibilities(asked, known, alpha, spread * sigma, draws=_DRAWS, seed=seed)


def random_scores(model: object, training: Array, queries: Array, seed: int) -> Array:
    """Scores (q, n) that know nothing: what any method must be better than."""
    return np.random.default_rng(seed).standard_normal((len(queries), len(training)))


PIXEL_METHODS: dict[str, Callable[[PixelModel, Array, Array, int], Array]] = {
    "cosine": _cosine,
    "posterior": _posterior,
    "random": random_scores,
}


def pixel_influence(
    model: PixelModel, training: ArrayLike, queries: ArrayLike, method: str = "posterior", seed: int = 0
) -> Array:
    """Scores (q, n) of training images (n, c, h, w) for queries (q, c, h, w), both in [-1, 1].

    Args:
        model: fitted to the training images, or distilled from such a model.
        training: all of them or some; features are taken block by block.
        queries: generated or given images.
        method: a name in `PIXEL_METHODS`.
        seed: of what a method draws.

    Raises:
        SettingError: there is no such method for models of pixels.
        ShapeError, DataError: images that cannot be used.
    """
    owner, shape = "attribute", check.fitted(model).image_shape
    if method not in PIXEL_METHODS:
        rule = f"one of {', '.join(PIXEL_METHODS)} for a {type(model).__name__}"
        raise SettingError(f"{owner}: method must be {rule}; got {method!r}. The others need latents.")
    known = check.array(owner, "training", training, ("n", *shape))
    asked = check.array(owner, "queries", queries, ("q", *shape))
    return PIXEL_METHODS[method](model, known, asked, seed)


def _rows(images: Array) -> Array:
    return images.reshape(len(images), -1)
