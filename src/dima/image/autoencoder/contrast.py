"""Contrast of autoencoders: half of what decoded images are greyer than real ones is taken away.

What it adds to the squared error grows as the square of what is taken, what it gains does not.
"""

import torch
from torch import Tensor

from dima.blocks import row_blocks
from dima.image.autoencoder.coder import Coder
from dima.image.contrast import contrast_of

__all__ = ["raise_contrast"]

_SHARE = 0.5  # of the surplus
_ROWS = 1024  # images decoded at a time
_SHOWN = 8192  # training images that are compared at most


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
    factor = contrast_of(torch.cat(decoded), (shown + 1) / 2, _SHARE)
    for parameter in coder.network.last.parameters():
        parameter.mul_(factor)
    return factor
