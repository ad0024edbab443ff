"""Training rows made comparable: centred, scaled, and each distinct row kept once with its count."""

import dataclasses

import numpy as np

from dima.errors import DataError
from dima.typing import Array, Float32, Float64, Int32

__all__ = ["DistinctRows"]


@dataclasses.dataclass(frozen=True)
class DistinctRows:
    """The distinct training rows, in units in which their root mean square distance to the mean is one.

    Centring happens before the cast to float32, so that an offset costs no digits, and the scale
    keeps squares of very large or very small data inside the range of float32.

    Attributes:
        mean_X: (D,) mean of the training rows, in the data's units.
        scale: the unit of `R_uX`, in the data's units.
        R_uX: (u, D) distinct rows, sorted by their bytes.
        row_i: (n,) which distinct row each training row is.
        weight_u: (u,) how many training rows each distinct row stands for.
    """

    mean_X: Float64
    scale: float
    R_uX: Float32
    row_i: Int32
    weight_u: Float64

    @classmethod
    def of(cls, R_iX: Array, owner: str) -> "DistinctRows":
        """Collect the distinct rows of `R_iX` (n, D).

        Raises:
            DataError: all rows are equal.
        """
        mean = R_iX.mean(axis=0, dtype=np.float64)
        scale = _root_mean_square(R_iX, mean)
        standard = _standard(R_iX, mean, scale or 1.0)
        _, first, row_i, counts = np.unique(
            _as_bytes(standard), return_index=True, return_inverse=True, return_counts=True
        )
        if len(first) == 1:
            told = f"{owner}: rows must differ from each other; got {len(R_iX)} equal rows."
            raise DataError(f"{told} Pass data that vary.")
        return cls(mean, scale, standard[first], row_i.astype(np.int32), counts.astype(np.float64))

    def standard(self, R_aX: Array) -> Float32:
        """Queries (b, D) in the units of `R_uX`."""
        return _standard(R_aX, self.mean_X, self.scale)

    def find(self, standard_aX: Float32) -> Int32:
        """(b,) the distinct row each standardised query equals to the bit, or -1."""
        known, asked = _as_bytes(self.R_uX), _as_bytes(standard_aX)
        at = np.minimum(np.searchsorted(known, asked), len(known) - 1)
        return np.where(known[at] == asked, at, -1).astype(np.int32)


def _root_mean_square(R_iX: Array, mean: Float64) -> float:
    # Dividing by the largest deviation first keeps the squares of huge or tiny data in range.
    largest = float(max(np.abs(R_iX.max(axis=0) - mean).max(), np.abs(R_iX.min(axis=0) - mean).max()))
    if largest == 0:
        return 0.0
    total = 0.0
    for start in range(0, len(R_iX), _ROWS):
        deviations = (R_iX[start : start + _ROWS] - mean) / largest
        total += float(np.einsum("ij,ij->", deviations, deviations))
    return largest * float(np.sqrt(total / len(R_iX)))


_ROWS = 8192  # rows standardised at a time, so that the float64 intermediate stays small


def _standard(R_aX: Array, mean: Float64, scale: float) -> Float32:
    standard = np.empty(R_aX.shape, np.float32)
    for start in range(0, len(R_aX), _ROWS):
        rows = slice(start, start + _ROWS)
        # Adding zero turns -0.0 into 0.0: equal numbers must have equal bytes.
        standard[rows] = (R_aX[rows] - mean) / scale + 0.0
    return standard


def _as_bytes(rows: Float32) -> Array:
    """Each row as one opaque, comparable item."""
    return np.ascontiguousarray(rows).view(np.dtype((np.void, rows.shape[1] * 4)))[:, 0]
