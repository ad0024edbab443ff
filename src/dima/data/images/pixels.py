"""Pixels of any kind as float32 (n, c, h, w) in [-1, 1]."""

import numpy as np

from dima import check
from dima.errors import DataError, ShapeError, warn_user
from dima.typing import Array, Float32

__all__ = ["scaled"]


def scaled(name: str, pixels: Array) -> Float32:
    """Images (n, h, w), (n, h, w, 3) or (n, c, h, w): bytes 0 to 255, or numbers in [-1, 1] as they are.

    Raises:
        ShapeError: they have another shape.
        DataTypeError: not real numbers.
        DataError: none, not finite, or numbers outside [-1, 1] that are no bytes.
    """
    if pixels.ndim == 3:
        pixels = pixels[:, None]
    elif pixels.ndim == 4 and pixels.shape[1] not in (1, 3) and pixels.shape[3] in (1, 3):
        pixels = pixels.transpose(0, 3, 1, 2)
    if pixels.ndim != 4 or pixels.shape[1] not in (1, 3):
        rule = "have shape (n, h, w), (n, h, w, 3) or (n, c, h, w) with one or three channels"
        raise ShapeError(f"images: {name} must {rule}; got shape {pixels.shape}.")
    if pixels.dtype == np.uint8:
        check.form("images", name, pixels.shape, pixels.dtype, ("n", "c", "h", "w"))
        return np.ascontiguousarray(pixels, np.float32) / np.float32(127.5) - np.float32(1)
    checked = check.array("images", name, pixels, ("n", "c", "h", "w"))
    low, high = float(checked.min()), float(checked.max())
    if low < -1 or high > 1:
        got, fix = f"{low:g} to {high:g}", "Pass bytes, or divide by 127.5 and subtract 1."
        raise DataError(f"images: {name} must hold bytes, or numbers in [-1, 1]; got {got}. {fix}")
    if low >= 0 and high == 1:
        fix = "Pass bytes, or 2 x - 1, if 0 is black."
        warn_user(f"images: {name} must be in [-1, 1]; got 0 to 1, so that 0 is taken for grey. {fix}")
    return np.array(checked, np.float32, order="C")  # a copy: an array of a file is read-only
