"""Tensors at the public doors of this room: images of a shape and range, latents of a width."""

import numpy as np
import torch
from torch import Tensor

from dima import check
from dima.errors import DataError, DataTypeError, ShapeError
from dima.typing import Array

__all__ = ["from_array", "images", "latents", "shaped"]


def from_array(array: Array) -> Tensor:
    """A float32 tensor of its own with the numbers of an array of any shape."""
    return torch.from_numpy(np.array(array, np.float32))


def images(owner: str, given: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Images (b, c, h, w) of a shape (c, h, w), in [-1, 1].

    Raises:
        ShapeError: they are of another shape.
        DataError: a pixel lies outside [-1, 1], or is none.
    """
    shaped(owner, "images", given, shape)
    low, high = (float(given.min()), float(given.max())) if len(given) else (0.0, 0.0)
    check.pixels(owner, "pixels", low, high)
    return given


def shaped(owner: str, name: str, given: object, shape: tuple[int, ...]) -> Tensor:
    """Values (b, c, h, w) of a shape (c, h, w).

    Raises:
        DataTypeError: they are no tensor.
        ShapeError: they are of another shape.
    """
    given = _tensor(owner, name, given)
    if given.ndim != 4 or given.shape[1:] != shape:
        rule = f"of shape (b, {', '.join(map(str, shape))})"
        raise ShapeError(f"{owner}: {name} must be {rule}; got {tuple(given.shape)}.")
    return given


def latents(owner: str, given: object, n: int | None, width: int) -> Tensor:
    """Latents of a width, as many as that or, with None, as there are.

    Raises:
        DataTypeError: they are no tensor.
        ShapeError: they are of another shape.
        DataError: one is NaN or infinite.
    """
    given = _tensor(owner, "latents", given)
    if given.ndim != 2 or given.shape[1] != width or n not in (None, len(given)):
        rule, fix = (
            f"of shape ({'b' if n is None else n}, {width})",
            "Pass those of the encoder it was trained with.",
        )
        raise ShapeError(f"{owner}: latents must be {rule}; got {tuple(given.shape)}. {fix}")
    if not given.isfinite().all():
        raise DataError(f"{owner}: latents must be finite; got NaN or infinity. Encode the images again.")
    return given


def _tensor(owner: str, name: str, given: object) -> Tensor:
    if isinstance(given, Tensor):
        return given
    fix = "Pass torch.from_numpy(values)."
    raise DataTypeError(f"{owner}: {name} must be a tensor; got {type(given).__name__}. {fix}")
