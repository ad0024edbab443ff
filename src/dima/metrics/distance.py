"""Squared distances in blocks of rows, and the check of two tables that are compared."""

from collections.abc import Iterator

import numpy as np

from dima import check
from dima.errors import SettingError
from dima.typing import Array, ArrayLike, Float64

__all__ = ["check_neighbours", "pair", "row_blocks", "squared_distances"]

# A block of distances needs two arrays of this many float64 numbers and a mask: about 140 MB.
_BLOCK_NUMBERS = 2**23
_ROUNDING = 1e-13


def pair(owner: str, X: ArrayLike, Y: ArrayLike, names: tuple[str, str]) -> tuple[Float64, Float64]:
    """Check two tables of one width (n, D) and (m, D), and return them as float64.

    Raises:
        DimaError: as `check.array`, which reads both.
    """
    first = check.array(owner, names[0], X)
    second = check.array(owner, names[1], Y, ("m", first.shape[1]))
    return first.astype(np.float64, copy=False), second.astype(np.float64, copy=False)


def check_neighbours(owner: str, k: int, n: int) -> None:
    """Refuse a number of neighbours that n rows cannot have, a row itself not counted.

    Raises:
        SettingError: k is below 1 or not below n.
    """
    if not 1 <= k < n:
        rule, fix = f"from 1 to {n - 1}, with {n} rows", "Lower k or pass more rows."
        raise SettingError(f"{owner}: k must be {rule}; got {k}. {fix}")


def row_blocks(n: int, width: int) -> Iterator[slice]:
    """Slices that cover n rows, each short enough for a block (rows, width) of bounded size."""
    height = max(_BLOCK_NUMBERS // max(width, 1), 1)
    for start in range(0, n, height):
        yield slice(start, min(start + height, n))


def squared_distances(X: Array, Y: Array) -> Iterator[tuple[slice, Float64]]:
    """Squared Euclidean distances of X (n, D) to Y (m, D), in blocks (rows, m) of X's rows.

    Through one matrix product per block, about their common mean; what is below the rounding of
    that product is set to zero, so that equal rows are at distance zero.
    """
    centre = Y.mean(axis=0)
    X, Y = X - centre, Y - centre
    norms_x, norms_y = np.einsum("ij,ij->i", X, X), np.einsum("ij,ij->i", Y, Y)
    for block in row_blocks(len(X), len(Y)):
        scale = norms_x[block, None] + norms_y
        squared = X[block] @ Y.T
        squared *= -2.0
        squared += scale
        scale *= _ROUNDING
        squared[squared < scale] = 0.0
        yield block, squared
