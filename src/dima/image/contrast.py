"""Contrast: logits of pixels times the factor at which images that are made are no greyer than real ones.

A network that was trained on an expected error draws the mean of all that its input may stand for. The grey
of a pixel, y (1 - y), is concave, so that such a mean is greyer than what it is the mean of (Jensen): strokes
have soft rims. One factor for all logits takes the surplus, or a share of it, away. It is a temperature as
Guo, Pleiss, Sun and Weinberger 2017 (arXiv 1706.04599) set one, chosen for the grey of images in the place of
a likelihood.
"""

import torch
from torch import Tensor

__all__ = ["contrast_of", "raised"]

_MOST = 8.0  # times the logits
_HALVINGS = 30  # of the factor's range


def contrast_of(logits: Tensor, pixels: Tensor, share: float = 1.0) -> float:
    """The factor, at least 1, of logits (n, ...) that takes away a share of their surplus of grey.

    It is what they are greyer than pixels (n, ...) in [0, 1].
    """
    real, made = _grey(pixels), _grey(logits.sigmoid())
    if made <= real:
        return 1.0
    wanted, low, high = made - share * (made - real), 1.0, _MOST
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        is_grey = _grey((middle * logits).sigmoid()) > wanted
        low, high = (middle, high) if is_grey else (low, middle)
    return (low + high) / 2


def raised(images: Tensor, factor: float) -> Tensor:
    """Images in [-1, 1] with the logits of their pixels times a factor; as they are at 1."""
    if factor == 1:
        return images
    bright, dark = ((1 + images) / 2) ** factor, ((1 - images) / 2) ** factor
    return (bright - dark) / (bright + dark)


def _grey(pixels: Tensor) -> float:
    """The mean of y (1 - y)."""
    return float((pixels * (1 - pixels)).mean(dtype=torch.float64))
