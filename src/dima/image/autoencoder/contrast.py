"""Contrast: logits of pixels times the factor at which decoded images have half their surplus of grey.

A decoder that was trained on an expected error draws the mean of all that a code may stand for. The grey of
a pixel, y (1 - y), is concave, so that such a mean is greyer than what it is the mean of (Jensen): strokes
have soft rims. One factor for all logits takes half of the surplus away: what it adds to the squared error
grows as the square of what is taken, what it gains does not. It is a temperature as Guo, Pleiss, Sun and
Weinberger 2017 (arXiv 1706.04599) set one, chosen for the grey of images in the place of a likelihood.
"""

import torch
from torch import Tensor

from dima.blocks import row_blocks
from dima.image.autoencoder.coder import Coder

__all__ = ["contrast_of", "raise_contrast"]

_MOST = 8.0  # times the logits
_ROWS = 1024  # images decoded at a time
_SHOWN = 8192  # training images that are compared at most
_HALVINGS = 30  # of the factor's range


@torch.no_grad()
def raise_contrast(coder: Coder, images: Tensor) -> float:
    """Scale the last layer of a trained coder in place, and say by how much.

    Args:
        coder: whose decoder is changed; codes stay.
        images: (n, c, h, w) training images in [-1, 1].
    """
    coder.eval()
    shown = images[:: -(-len(images) // _SHOWN)]
    decoded = [coder.network.decode(coder.encode(shown[rows])) for rows in row_blocks(len(shown), _ROWS)]
    factor = contrast_of(torch.cat(decoded), (shown + 1) / 2)
    for parameter in coder.network.last.parameters():
        parameter.mul_(factor)
    return factor


def contrast_of(logits: Tensor, pixels: Tensor) -> float:
    """The factor, at least 1, of logits (n, ...) that are then half as much greyer than pixels (n, ...).

    Pixels are in [0, 1].
    """
    real, decoded = _grey(pixels), _grey(logits.sigmoid())
    wanted = (real + decoded) / 2
    low, high = 1.0, _MOST
    if decoded <= real:
        return low
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        is_grey = _grey((middle * logits).sigmoid()) > wanted
        low, high = (middle, high) if is_grey else (low, middle)
    return (low + high) / 2


def _grey(pixels: Tensor) -> float:
    """The mean of y (1 - y)."""
    return float((pixels * (1 - pixels)).mean(dtype=torch.float64))
