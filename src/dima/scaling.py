"""`Standardizer`: columns centred and in units of their spread, and what counts as a constant column."""

import dataclasses
from typing import Any

import numpy as np

from dima.blocks import row_blocks
from dima.check import SMALLEST_SPREAD
from dima.typing import Array, Float64

__all__ = ["Standardizer", "drawn_in"]

_ROWS = 8192  # rows in float64 at a time
# Share of its mean within which a column varies by rounding alone, by the bytes of a number.
_ROUNDING = {4: 1e-6, 8: 1e-12}
_FARTHEST = 1e5  # units beyond which float64 loses the differences between squared distances


@dataclasses.dataclass(frozen=True)
class Standardizer:
    """An affine map to columns of mean zero and spread one.

    A column is constant when it varies by no more than rounding; it is measured in the unit common to
    all columns, the root mean square of their spreads, so that nothing is divided by rounding noise.

    Attributes:
        center: (D,) mean of each column.
        unit: (D,) its standard deviation, or the common unit in every column.
        varies: (D,) False where a column is constant.

    Example:
        >>> scale = Standardizer.of(np.array([[0.0, 5.0], [2.0, 5.0]]))
        >>> scale.apply(np.array([[2.0, 5.0]]))
        array([[1., 0.]])
        >>> scale.varies
        array([ True, False])
    """

    center: Float64
    unit: Float64
    varies: Array

    @classmethod
    def of(cls, X: Array, *, common: bool = False) -> "Standardizer":
        """Learn centre and units from finite rows `X` (n, D), float32 or float64, in blocks.

        Args:
            X: rows.
            common: measure every column in the common unit, so that distances keep their proportions.
        """
        center, spread = _moments(X)
        varies = spread > np.maximum(_ROUNDING[X.dtype.itemsize] * np.abs(center), SMALLEST_SPREAD)
        shared = float(np.sqrt((np.where(varies, spread, 0.0) ** 2).mean())) or 1.0
        unit = np.full_like(spread, shared) if common else np.where(varies, spread, shared)
        return cls(center, unit, varies)

    def apply(self, X: Array, dtype: Any = np.float64) -> Array:
        """Rows (b, D) after the map."""
        # Blocks in float64 and C order: neither type nor layout of the input changes a digit.
        standard = np.empty(X.shape, dtype)
        for rows in row_blocks(len(X), _ROWS):
            standard[rows] = (np.ascontiguousarray(X[rows], np.float64) - self.center) / self.unit
        return standard

    def restore(self, standard: Array) -> Float64:
        """The rows (b, D) whose image under the map is `standard`."""
        # In float64: a float32 array would take the units down to its own range.
        restored: Float64 = standard.astype(np.float64) * self.unit + self.center
        return restored


def drawn_in(standard: Array) -> Array:
    """Standardised rows (b, D), those further than 1e5 units from the centre moved in along their ray.

    Their nearest training rows stay the nearest, and squared distances keep their differences.
    """
    distance = np.sqrt(np.einsum("ij,ij->i", standard, standard, dtype=np.float64))
    if not (distance > _FARTHEST).any():
        return standard
    nearer: Array = standard * np.minimum(1.0, _FARTHEST / np.maximum(distance, 1.0))[:, None]
    return nearer


def _moments(X: Array) -> tuple[Float64, Float64]:
    """Mean and standard deviation (D,) of the columns, in two passes over blocks."""
    total, squares = np.zeros(X.shape[1]), np.zeros(X.shape[1])
    for rows in row_blocks(len(X), _ROWS):
        total += np.ascontiguousarray(X[rows], np.float64).sum(axis=0)
    mean = total / len(X)
    for rows in row_blocks(len(X), _ROWS):
        deviation = np.ascontiguousarray(X[rows], np.float64) - mean
        squares += np.einsum("ij,ij->j", deviation, deviation)
    return mean, np.sqrt(squares / len(X))
