"""Distances, whole or in blocks of rows, and the check of two tables that are compared."""

import dataclasses
from collections.abc import Iterator
from typing import Self

import numpy as np
from scipy.spatial.distance import cdist

from dima import blocks, check
from dima.errors import SettingError
from dima.typing import Array, ArrayLike, Float64

__all__ = ["Prepared", "check_neighbours", "city_distances", "distance_matrix", "pair", "squared_distances"]

# Of each float64 distance: itself, a second array, a mask, and the like in the caller's hands.
_HELD_BYTES = 32
_ROUNDING = 1e-13


def pair(owner: str, X: ArrayLike, Y: ArrayLike, names: tuple[str, str]) -> tuple[Float64, Float64]:
    """Two tables (n, D) and (m, D) of one width as float64, refused as by `check.array`."""
    first = check.array(owner, names[0], X)
    second = check.array(owner, names[1], Y, ("m", first.shape[1]))
    return first.astype(np.float64, copy=False), second.astype(np.float64, copy=False)


def check_neighbours(owner: str, k: int, n: int) -> None:
    """Raise SettingError for k neighbours that n rows cannot have, a row itself not counted."""
    if not 1 <= k < n:
        rule = f"from 1 to {n - 1}, with {n} rows"
        raise SettingError(f"{owner}: k must be {rule}; got {k}. Lower k or pass more rows.")


def distance_matrix(X: Array, Y: Array) -> Array:
    """Squared Euclidean distances (n, m) of rows X (n, D) to Y (m, D), for as many as fit into memory.

    Rows should lie about the origin: what they share costs digits.

    Example:
        >>> distance_matrix(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0], [1.0, 0.0]]))
        array([[25.,  1.]])
    """
    return _product(_left_factor(X), _right_factor(Y))


def city_distances(X: Array, Y: Array) -> Float64:
    """Cityblock distances (n, m) of rows X (n, D) to Y (m, D): sums of absolute differences.

    Example:
        >>> city_distances(np.array([[0.0, 0.0]]), np.array([[3.0, -4.0], [1.0, 0.0]]))
        array([[7., 1.]])
    """
    return cdist(X, Y, "cityblock")


@dataclasses.dataclass(frozen=True)
class Prepared:
    """Rows to which distances are asked for more than once, as `squared_distances` needs them.

    Attributes:
        centre: (D,) their mean.
        axes: (D, q) orthonormal ones along which alone inner products are taken; all if None. Distances are
            then off by twice what the parts of two rows beside the axes share.
        factor: (m, q + 2) what rows are multiplied by.
    """

    centre: Array
    axes: Array | None
    factor: Array

    @classmethod
    def of(cls, Y: Array, dtype: type = np.float64, axes: Array | None = None) -> Self:
        """Prepare rows (m, D) for products in `dtype`."""
        centre = Y.mean(axis=0, dtype=np.float64).astype(dtype)
        return cls(centre, axes, _right_factor(Y.astype(dtype, copy=False) - centre, axes))

    def squared_distances(self, X: Array, *, equal_at_zero: bool = False) -> Array:
        """Squared distances (b, m) of rows X (b, D), in one product; as the function of this name."""
        left = _left_factor(X.astype(self.factor.dtype, copy=False) - self.centre, self.axes)
        d2 = _product(left, self.factor)
        if equal_at_zero:
            d2[d2 < _ROUNDING * (left[:, -2:-1] + self.factor[:, -1])] = 0.0
        return d2


def squared_distances(
    X: Array,
    Y: Array | Prepared,
    dtype: type = np.float64,
    *,
    equal_at_zero: bool = True,
    bytes_beside: int = _HELD_BYTES - 8,
) -> Iterator[tuple[slice, Array]]:
    """Squared Euclidean distances of X (n, D) to Y (m, D), in blocks (rows, m) of X's rows.

    One matrix product per block, in `dtype` and about the mean of Y. `equal_at_zero` sets what is below
    its rounding to zero, in further passes, so that equal rows are at distance zero; `bytes_beside` is
    what the caller and those passes hold for each distance.
    """
    to = Y if isinstance(Y, Prepared) else Prepared.of(Y, dtype)
    size = blocks.rows_within(len(to.factor) * (np.dtype(dtype).itemsize + bytes_beside))
    for rows in blocks.row_blocks(len(X), size):
        yield rows, to.squared_distances(X[rows], equal_at_zero=equal_at_zero)


def _product(left: Array, right: Array) -> Array:
    # One product, [x, |x|^2, 1] [-2 y, 1, |y|^2]', touches the block once.
    d2 = left @ right.T
    return np.maximum(d2, 0, out=d2)


def _left_factor(X: Array, axes: Array | None = None) -> Array:
    norms = np.einsum("ij,ij->i", X, X)[:, None]
    return np.hstack([X if axes is None else X @ axes, norms, np.ones_like(norms)])


def _right_factor(Y: Array, axes: Array | None = None) -> Array:
    norms = np.einsum("ij,ij->i", Y, Y)[:, None]
    return np.hstack([-2 * (Y if axes is None else Y @ axes), np.ones_like(norms), norms])
