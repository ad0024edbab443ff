"""How wide the encoder's kernel is at each row, beside the bandwidth that all share: one registry.

    K_ij = exp(-sharpness d2_ij / (bandwidth sqrt(h_i h_j)))

A way gives h (b,) from squared distances (b,) to the k-th nearest row, over their median at training rows.
"""

from collections.abc import Callable

import numpy as np

from dima.manifold.neighbors import Neighbors
from dima.typing import Array, Float64

__all__ = ["KERNELS", "Widths", "roots", "scaled"]

Widths = Callable[[Array], Array]

_NARROWEST = 1e-6  # h, a thousandth of the usual distance

# None: as wide everywhere. Self-tuning: Zelnik-Manor and Perona 2004; where rows are few it looks farther.
KERNELS: dict[str, Widths | None] = {"fixed": None, "self-tuning": lambda radius2: radius2}


def scaled(near: Neighbors, width: Widths | None, radius2_u: Float64) -> Neighbors:
    """The neighbours (u, k) of all rows with their squared distances over sqrt(h_i h_j)."""
    if width is None:
        return near
    root_u = roots(width, radius2_u, radius2_u).astype(near.d2.dtype)
    return Neighbors(near.ids, near.d2 / (root_u[:, None] * root_u[near.ids]))


def roots(width: Widths, radius2: Array, radius2_u: Float64) -> Float64:
    """Square roots of h (b,) at rows with squared distances (b,) to the k-th nearest, (u,) at training rows.

    No row is narrower than a thousandth: copies but for rounding lie at no distance.
    """
    unit = float(np.median(radius2_u)) or 1.0
    return np.sqrt(np.maximum(width(radius2 / unit), _NARROWEST))
