"""Contrast of autoencoders: half of what decoded images are greyer than real ones is taken away.

What it adds to the squared error grows as the square of what is taken, what it gains does not.
"""

import torch
from torch import Tensor

from dima.blocks import row_blocks, rows_within
from dima.image.autoencoder.coder import Coder
from dima.image.contrast import contrast_of

__all__ = ["raise_contrast"]

_SHARE = 0.5  # of the surplus
_SHOWN = 8192  # training images that are compared at most
_ROWS = 1024  # images decoded at a time
_COPIES = 8  # of an image in float32 while logits are compared


@torch.no_grad()
def raise_contrast(coder: Coder, images: Tensor) -> float:
    """Scale the last layer of a trained coder in place, and say by how much.

    Args:
        coder: whose decoder is changed; codes stay.
        images: (n, c, h, w) training images in [-1, 1].
    """
    coder.eval()
    most = min(_SHOWN, rows_within(_COPIES * 4 * images[0].numel()))
    shown = images[:: -(-len(images) // most)]
    decoded = [coder.network.decode(coder.encode(shown[rows])) for rows in row_blocks(len(shown), _ROWS)]
    factor = contrast_of(torch.cat(decoded), (shown + 1) / 2, _SHARE)
    for parameter in coder.network.last.parameters():
        parameter.mul_(factor)
    return factor
