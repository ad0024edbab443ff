"""Squared distances in blocks of rows, and the check of rows every metric starts with."""

from collections.abc import Iterator

import numpy as np

from dima.errors import DataError, DataTypeError, SettingError, ShapeError, sentence
from dima.typing import Array, ArrayLike, Float64

__all__ = ["check_neighbours", "pair", "row_blocks", "rows", "squared_distances"]

# A block of distances needs two arrays of this many float64 numbers and a mask: about 140 MB.
_BLOCK_NUMBERS = 2**23
_ROUNDING = 1e-13


def rows(owner: str, name: str, X: ArrayLike) -> Float64:
    """Check rows and return them as float64 (n, D).

    Raises:
        DataTypeError: not real numbers.
        ShapeError: not two axes.
        DataError: no rows, no columns, NaN or infinity.
    """
    values = np.asarray(X)
    shape = f"shape {values.shape}"
    if values.dtype.kind not in "biuf":
        fix = "Convert it with X.astype(float)."
        raise DataTypeError(sentence(owner, name, "real numbers", f"dtype {values.dtype}", fix))
    if values.ndim != 2:
        fix = "Reshape it with X.reshape(len(X), -1)."
        raise ShapeError(sentence(owner, name, "a table with two axes (n, D)", shape, fix))
    if values.size == 0:
        raise DataError(sentence(owner, name, "a table that is not empty", shape, "Pass data."))
    values = values.astype(np.float64, copy=False)
    finite = np.isfinite(values).all(axis=1)
    if not finite.all():
        got = f"NaN or infinity in {np.count_nonzero(~finite)} of {len(values)} rows"
        raise DataError(sentence(owner, name, "finite", got, "Drop those rows."))
    return values


def pair(owner: str, X: ArrayLike, Y: ArrayLike, names: tuple[str, str]) -> tuple[Float64, Float64]:
    """Check two tables of one width (n, D) and (m, D).

    Raises:
        ShapeError: the widths differ; further as `rows`.
    """
    first, second = rows(owner, names[0], X), rows(owner, names[1], Y)
    if first.shape[1] != second.shape[1]:
        rule = f"of the same width as {names[0]}, {first.shape[1]} columns"
        fix = "Pass both with the same columns."
        raise ShapeError(sentence(owner, names[1], rule, second.shape[1], fix))
    return first, second


def check_neighbours(owner: str, k: int, n: int) -> None:
    """Refuse a number of neighbours that n rows cannot have, a row itself not counted.

    Raises:
        SettingError: k is below 1 or not below n.
    """
    if not 1 <= k < n:
        fix = "Lower k or pass more rows."
        raise SettingError(sentence(owner, "k", f"from 1 to {n - 1}, with {n} rows", k, fix))


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
